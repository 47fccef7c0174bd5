//! What an uplink says of itself.

use super::check::{Check, Reason};
use super::outages::Cause;
use super::round::Whom;
use super::settings::Settings;
use super::state::State;
use crate::base::label::Label;
use crate::metric::book::{Series, Slot};
use crate::metric::desc::{Desc, Family, Unit};
use crate::probe::Kit;
use crate::wire::icmp;
use std::collections::BTreeMap;

static UP: Desc<1> = Desc::gauge(
    "uplink_up",
    Unit::Count,
    ["uplink"],
    "1 while any far target (tcp, http) answered in its last two rounds, else 0; absent until the first round is done, \
     and without far targets",
);
static STATE: Desc<2> = Desc::gauge(
    "uplink_state",
    Unit::Count,
    ["uplink", "state"],
    "1 for the state that the road is in, 0 for the others: down - uplink_up was 0, and fewer than three rounds in a row \
     have answered since; degraded - for three rounds in a row the best of the ping targets was beyond max_loss or \
     max_rtt; up. Absent without far targets",
);
static CHECK_UP: Desc<2> = Desc::gauge(
    "uplink_check_up",
    Unit::Count,
    ["uplink", "check"],
    "1 if any target of this kind answered in the last round, else 0; scraped: any learned scraper came in time, absent \
     while none is learned; broker: any broker is connected; route, carrier: what the kernel says; gateway, ping: absent \
     where echo requests are denied",
);
static DURATION: Desc<2> = Desc::gauge(
    "uplink_check_duration_seconds",
    Unit::Seconds,
    ["uplink", "check"],
    "Time of the first target of this kind to answer in the last round; absent when none did",
);
static TIMEOUT: Desc<1> = Desc::gauge(
    "uplink_check_timeout_seconds",
    Unit::Seconds,
    ["uplink"],
    "How long one question may take, as configured",
);
static FAILURES: Desc<3> = Desc::counter(
    "uplink_check_failures_total",
    Unit::Count,
    ["uplink", "check", "reason"],
    "Questions without a good answer, per target and round; an HTTP status of 500 and above is none (reason status); \
     denied, of gateway and ping: net.ipv4.ping_group_range does not have the group of the daemon",
);
static PHASE: Desc<2> = Desc::gauge(
    "uplink_phase_duration_seconds",
    Unit::Seconds,
    ["uplink", "phase"],
    "Where the time of the last HTTP request went, of the first URL that answered, else of the first: dns, connect, tls, \
     first_byte - until the head of the response, transfer - its body, at most 64 KiB; absent for what was not reached",
);
static CERTIFICATE: Desc<1> = Desc::gauge(
    "uplink_certificate_expiry_timestamp_seconds",
    Unit::Seconds,
    ["uplink"],
    "Unix time at which the first certificate ends of those that https servers showed in the last round, trusted or not",
);
static ECHOES: Desc<3> = Desc::counter(
    "uplink_ping_echoes_total",
    Unit::Count,
    ["uplink", "check", "target"],
    "ICMP echo requests sent; of check gateway the target is ipv4 or ipv6, of check ping it is as configured",
);
static REPLIES: Desc<3> = Desc::counter(
    "uplink_ping_replies_total",
    Unit::Count,
    ["uplink", "check", "target"],
    "ICMP echo requests that were answered in time",
);
static REPLY_SECONDS: Desc<3> = Desc::counter(
    "uplink_ping_reply_seconds_total",
    Unit::Seconds,
    ["uplink", "check", "target"],
    "Round-trip times of all that were answered, added up; by uplink_ping_replies_total it is their mean",
);
static RTT: Desc<3> = Desc::gauge(
    "uplink_ping_rtt_seconds",
    Unit::Seconds,
    ["uplink", "check", "target"],
    "Mean round-trip time of the last round; absent when nothing came back",
);
static LOSS: Desc<3> = Desc::gauge(
    "uplink_ping_loss_ratio",
    Unit::Ratio,
    ["uplink", "check", "target"],
    "Share of the echo requests of the last ten rounds that were not answered; absent while there were fewer than 15, and \
     begun anew when an outage is over",
);
static OUTAGE_OPEN: Desc<2> = Desc::gauge(
    "uplink_outage_open",
    Unit::Count,
    ["uplink", "cause"],
    "1 while the state is down, under the cause that was nearest when it began, else 0: carrier; route; gateway - it \
     answered echo requests before and does not now; dns; far - beyond all that",
);
static OUTAGES: Desc<2> = Desc::counter(
    "uplink_outages_total",
    Unit::Count,
    ["uplink", "cause"],
    "Outages that began; one that lasts over a restart of the daemon is one",
);
static OUTAGE_SECONDS: Desc<2> = Desc::counter(
    "uplink_outage_seconds_total",
    Unit::Seconds,
    ["uplink", "cause"],
    "Length of all outages, each from the last far answer before it to the first of those that went on; an open one grows",
);
static ROUTE_INFO: Desc<2> = Desc::info(
    "uplink_route_info",
    ["uplink", "interface"],
    "The interface that the default route in use leads out of (least metric, IPv4 before IPv6)",
);
static INTERFACE_INFO: Desc<2> = Desc::info(
    "uplink_interface_info",
    ["uplink", "interface"],
    "The interface that this uplink goes over, as configured; absent without one",
);
static ROUTE_CHANGES: Desc<1> = Desc::counter(
    "uplink_route_changes_total",
    Unit::Count,
    ["uplink"],
    "Times that another interface or gateway than in the round before had the default route in use",
);
static LEADS: Desc<1> = Desc::gauge(
    "uplink_default_route",
    Unit::Count,
    ["uplink"],
    "1 while the default route in use leads out of the interface of this uplink, else 0; absent without an interface",
);
static FAILOVER: Desc<1> = Desc::gauge(
    "uplink_failover",
    Unit::Count,
    ["uplink"],
    "1 from when this standby uplink gets the default route until another interface has it, else 0",
);
static FAILOVERS: Desc<1> =
    Desc::counter("uplink_failovers_total", Unit::Count, ["uplink"], "Times that this standby uplink stood in");
static FAILOVER_SECONDS: Desc<1> = Desc::counter(
    "uplink_failover_seconds_total",
    Unit::Seconds,
    ["uplink"],
    "Time for which this standby uplink stood in; one that lasts grows",
);

/// Every family of this probe.
pub static FAMILIES: &[Family] = &[
    UP.family(),
    STATE.family(),
    CHECK_UP.family(),
    DURATION.family(),
    TIMEOUT.family(),
    FAILURES.family(),
    PHASE.family(),
    CERTIFICATE.family(),
    ECHOES.family(),
    REPLIES.family(),
    REPLY_SECONDS.family(),
    RTT.family(),
    LOSS.family(),
    OUTAGE_OPEN.family(),
    OUTAGES.family(),
    OUTAGE_SECONDS.family(),
    ROUTE_INFO.family(),
    INTERFACE_INFO.family(),
    ROUTE_CHANGES.family(),
    LEADS.family(),
    FAILOVER.family(),
    FAILOVERS.family(),
    FAILOVER_SECONDS.family(),
];

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

/// The open series of one target of echo requests.
pub struct EchoSeries {
    pub echoes: Series,
    pub replies: Series,
    pub seconds: Series,
    pub rtt: Series,
    pub loss: Series,
}

/// The open series of one cause of outages.
pub struct CauseSeries {
    pub cause: Cause,
    pub open: Series,
    pub outages: Series,
    pub seconds: Series,
}

/// The open series of a standby uplink.
pub struct StandbySeries {
    pub failover: Series,
    pub failovers: Series,
    pub seconds: Series,
}

/// Phases of a request in their order.
pub const PHASES: [&str; 5] = ["dns", "connect", "tls", "first_byte", "transfer"];
const TLS: &str = "tls";

/// The open series of one uplink.
pub struct Meters {
    pub up: Series,
    pub states: Vec<(State, Series)>,
    pub timeout: Series,
    pub checks: BTreeMap<Check, CheckSeries>,
    /// As [`PHASES`], as far as there can be any.
    pub phases: [Option<Series>; 5],
    pub certificate: Option<Series>,
    pub echoes: Vec<(Whom, EchoSeries)>,
    pub causes: Vec<CauseSeries>,
    pub route: Slot,
    pub interface: Option<Slot>,
    pub route_changes: Series,
    pub leads: Option<Series>,
    pub standby: Option<StandbySeries>,
}

impl Meters {
    pub fn open(kit: &mut Kit, settings: &Settings) -> Meters {
        let (id, every) = (settings.id.as_str(), settings.every);
        let mut checks = BTreeMap::new();
        for check in settings.checks() {
            let name = check.label();
            let failure = |reason: &Reason| (*reason, kit.own(&FAILURES, [id, name, reason.label()]), 0);
            let failures = check.reasons().iter().map(failure).collect();
            let duration = check.travels().then(|| kit.read(&DURATION, [id, name], every));
            checks.insert(check, CheckSeries { up: kit.read(&CHECK_UP, [id, name], every), duration, failures });
        }
        let gateways = [(icmp::Family::V4, "ipv4"), (icmp::Family::V6, "ipv6")];
        let gateways = gateways.map(|(family, name)| (Whom::Gateway(family), Check::Gateway, name));
        let targets = settings.ping.iter().enumerate();
        let targets = targets.map(|(n, host)| (Whom::Target(n), Check::Ping, host.as_str()));
        let echoes = |(whom, check, target): (Whom, Check, &str)| {
            let labels = [id, check.label(), target];
            let series = EchoSeries {
                echoes: kit.own(&ECHOES, labels),
                replies: kit.own(&REPLIES, labels),
                seconds: kit.own(&REPLY_SECONDS, labels),
                rtt: kit.read(&RTT, labels, every),
                loss: kit.read(&LOSS, labels, every),
            };
            (whom, series)
        };
        let echoes = gateways.into_iter().chain(targets).map(echoes).collect();
        let cause = |cause: &Cause| {
            let labels = [id, cause.label()];
            CauseSeries {
                cause: *cause,
                open: kit.read(&OUTAGE_OPEN, labels, every),
                outages: kit.own(&OUTAGES, labels),
                seconds: kit.own(&OUTAGE_SECONDS, labels),
            }
        };
        let causes = Cause::ALL.iter().map(cause).collect();
        let secure = settings.http.iter().any(|url| url.scheme() == "https");
        let visited = |phase: &str| !settings.http.is_empty() && (phase != TLS || secure);
        Meters {
            up: kit.read(&UP, [id], every),
            states: State::ALL.iter().map(|s| (*s, kit.read(&STATE, [id, s.label()], every))).collect(),
            timeout: kit.own(&TIMEOUT, [id]),
            checks,
            phases: PHASES.map(|phase| visited(phase).then(|| kit.read(&PHASE, [id, phase], every))),
            certificate: secure.then(|| kit.read(&CERTIFICATE, [id], every)),
            echoes,
            causes,
            route: kit.info(&ROUTE_INFO, &[id]),
            interface: settings.interface.as_ref().map(|interface| kit.info(&INTERFACE_INFO, &[id, interface])),
            route_changes: kit.own(&ROUTE_CHANGES, [id]),
            leads: settings.interface.is_some().then(|| kit.read(&LEADS, [id], every)),
            standby: settings.standby.then(|| StandbySeries {
                failover: kit.read(&FAILOVER, [id], every),
                failovers: kit.own(&FAILOVERS, [id]),
                seconds: kit.own(&FAILOVER_SECONDS, [id]),
            }),
        }
    }

    /// Gauges that say what is now.
    pub fn gauges(&self) -> impl Iterator<Item = Series> + '_ {
        let checks = self.checks.values().flat_map(|check| [Some(check.up), check.duration]);
        let optional = [self.certificate, self.leads, self.standby.as_ref().map(|standby| standby.failover)];
        let echoes = self.echoes.iter().flat_map(|(_, echo)| [echo.rtt, echo.loss]);
        let states = self.states.iter().map(|(_, series)| *series).chain(self.causes.iter().map(|cause| cause.open));
        let there = checks.chain(self.phases).chain(optional).flatten();
        std::iter::once(self.up).chain(states).chain(there).chain(echoes)
    }
}
