//! The kinds of check, and why one can fail.

use crate::base::label::Label;
use crate::world::net;

/// The kinds of check.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Check {
    Tcp,
    Http,
    Ping,
    Dns,
    Gateway,
    Route,
    Carrier,
    Broker,
    Scraped,
}

impl Label for Check {
    const ALL: &'static [Self] = &[
        Check::Tcp,
        Check::Http,
        Check::Ping,
        Check::Dns,
        Check::Gateway,
        Check::Route,
        Check::Carrier,
        Check::Broker,
        Check::Scraped,
    ];
    fn label(self) -> &'static str {
        match self {
            Check::Tcp => "tcp",
            Check::Http => "http",
            Check::Ping => "ping",
            Check::Dns => "dns",
            Check::Gateway => "gateway",
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
        matches!(self, Check::Tcp | Check::Http | Check::Ping | Check::Dns | Check::Gateway)
    }
    /// An answer means that the road is open.
    pub fn far(self) -> bool {
        matches!(self, Check::Tcp | Check::Http)
    }
    pub fn reasons(self) -> &'static [Reason] {
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
            Check::Ping | Check::Gateway => &[
                Reason::Net(Name),
                Reason::Net(Unreachable),
                Reason::Net(Denied),
                Reason::Net(Timeout),
                Reason::Net(Other),
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
    pub fn label(self) -> &'static str {
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
