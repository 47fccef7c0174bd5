//! What an uplink says of itself.

use crate::base::label::Label;
use crate::metric::book::Series;
use crate::metric::desc::{Desc, Family, Unit};
use crate::probe::Kit;
use crate::world::net;
use std::collections::BTreeMap;
use std::time::Duration;

static UP: Desc<1> = Desc::gauge(
    "uplink_up",
    Unit::Count,
    ["uplink"],
    "1 while any far target (tcp, http) answered in its last two rounds, else 0; absent until the first round is done, \
     and without far targets",
);
static CHECK_UP: Desc<2> = Desc::gauge(
    "uplink_check_up",
    Unit::Count,
    ["uplink", "check"],
    "1 if any target of this kind answered in the last round, else 0; scraped: any learned scraper came in time, absent \
     while none is learned; broker: any broker is connected; route, carrier: what the kernel says",
);
static DURATION: Desc<2> = Desc::gauge(
    "uplink_check_duration_seconds",
    Unit::Seconds,
    ["uplink", "check"],
    "Time of the first target of this kind to answer in the last round; absent when none did",
);
static FAILURES: Desc<3> = Desc::counter(
    "uplink_check_failures_total",
    Unit::Count,
    ["uplink", "check", "reason"],
    "Questions without a good answer, per target and round; an HTTP status of 500 and above is none (reason status)",
);

/// Every family of this probe.
pub static FAMILIES: &[Family] = &[UP.family(), CHECK_UP.family(), DURATION.family(), FAILURES.family()];

/// The kinds of check.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Check {
    Tcp,
    Http,
    Dns,
    Route,
    Carrier,
    Broker,
    Scraped,
}

impl Label for Check {
    const ALL: &'static [Self] =
        &[Check::Tcp, Check::Http, Check::Dns, Check::Route, Check::Carrier, Check::Broker, Check::Scraped];
    fn label(self) -> &'static str {
        match self {
            Check::Tcp => "tcp",
            Check::Http => "http",
            Check::Dns => "dns",
            Check::Route => "route",
            Check::Carrier => "carrier",
            Check::Broker => "broker",
            Check::Scraped => "scraped",
        }
    }
}

impl Check {
    /// Goes over the wire, and so takes a time worth telling.
    pub fn travels(self) -> bool {
        matches!(self, Check::Tcp | Check::Http | Check::Dns)
    }
    /// An answer means that the road is open.
    pub fn far(self) -> bool {
        matches!(self, Check::Tcp | Check::Http)
    }
    fn reasons(self) -> &'static [Reason] {
        use net::Reason::{Denied, Malformed, Name, NotPresent, Other, Refused, Timeout, Tls, Unreachable};
        match self {
            Check::Tcp => &[
                Reason::Net(Name),
                Reason::Net(Refused),
                Reason::Net(Unreachable),
                Reason::Net(Denied),
                Reason::Net(Timeout),
                Reason::Net(Other),
            ],
            Check::Http => &[
                Reason::Net(Name),
                Reason::Net(Refused),
                Reason::Net(Unreachable),
                Reason::Net(Denied),
                Reason::Net(Timeout),
                Reason::Net(Tls),
                Reason::Net(Malformed),
                Reason::Net(Other),
                Reason::Status,
            ],
            Check::Dns => &[Reason::Net(Name), Reason::Net(Timeout), Reason::Net(Other)],
            Check::Route => &[Reason::NoRoute, Reason::Net(Timeout), Reason::Net(Other)],
            Check::Carrier => &[Reason::NoCarrier, Reason::Net(NotPresent), Reason::Net(Timeout), Reason::Net(Other)],
            Check::Broker => &[Reason::Disconnected],
            Check::Scraped => &[Reason::Silent],
        }
    }
}

/// Why a check failed.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reason {
    Net(net::Reason),
    /// HTTP status 500 and above: a proxy or the far end says that it cannot.
    Status,
    /// No default route (out of the configured interface).
    NoRoute,
    /// The interface is down or has no carrier.
    NoCarrier,
    /// No configured broker is connected.
    Disconnected,
    /// No learned scraper came within 1.5 of its interval.
    Silent,
}

impl Reason {
    fn label(self) -> &'static str {
        match self {
            Reason::Net(reason) => reason.label(),
            Reason::Status => "status",
            Reason::NoRoute => "no_route",
            Reason::NoCarrier => "no_carrier",
            Reason::Disconnected => "disconnected",
            Reason::Silent => "silent",
        }
    }
}

/// The open series of one check.
pub struct CheckSeries {
    pub up: Series,
    pub duration: Option<Series>,
    /// Every reason that this check can have; what the system says beyond them counts as the last.
    pub failures: Vec<(Reason, Series, u64)>,
}

impl CheckSeries {
    pub fn failed(&mut self, reason: Reason) {
        let last = self.failures.len() - 1;
        let at = self.failures.iter().position(|(known, ..)| *known == reason).unwrap_or(last);
        self.failures[at].2 += 1;
    }
}

/// The open series of one uplink.
pub struct Meters {
    pub up: Series,
    pub checks: BTreeMap<Check, CheckSeries>,
}

impl Meters {
    pub fn open(kit: &mut Kit, id: &str, checks: &[Check], every: Duration) -> Meters {
        let mut opened = BTreeMap::new();
        for check in checks {
            let name = check.label();
            let failure = |reason: &Reason| (*reason, kit.own(&FAILURES, [id, name, reason.label()]), 0);
            let failures = check.reasons().iter().map(failure).collect();
            let duration = check.travels().then(|| kit.read(&DURATION, [id, name], every));
            opened.insert(*check, CheckSeries { up: kit.read(&CHECK_UP, [id, name], every), duration, failures });
        }
        Meters { up: kit.read(&UP, [id], every), checks: opened }
    }
}
