//! Reaching out: TCP connect, HTTP GET, DNS; and what the kernel says of routes and carriers.

mod http;
mod kernel;
mod real;
pub mod script;

pub use real::Real;

use crate::base::clock::Wall;
use crate::base::label::Label;
use bytes::Bytes;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;
use url::Url;

/// Why nobody answered.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Reason {
    /// The name has no address, or no resolver answered.
    Name,
    /// The host answered that nothing listens there.
    Refused,
    /// No route to the host or network, ours or a router's word.
    Unreachable,
    /// A firewall or the kernel forbids it.
    Denied,
    /// No answer within the bound.
    Timeout,
    /// The TLS handshake failed.
    Tls,
    /// It answered something that is not the protocol.
    Malformed,
    /// The kernel does not know the thing asked about.
    NotPresent,
    /// The system's reason is in the source.
    Other,
}

impl Label for Reason {
    const ALL: &'static [Self] = &[
        Reason::Name,
        Reason::Refused,
        Reason::Unreachable,
        Reason::Denied,
        Reason::Timeout,
        Reason::Tls,
        Reason::Malformed,
        Reason::NotPresent,
        Reason::Other,
    ];
    fn label(self) -> &'static str {
        match self {
            Reason::Name => "name",
            Reason::Refused => "refused",
            Reason::Unreachable => "unreachable",
            Reason::Denied => "denied",
            Reason::Timeout => "timeout",
            Reason::Tls => "tls",
            Reason::Malformed => "malformed",
            Reason::NotPresent => "not_present",
            Reason::Other => "other",
        }
    }
}

/// Nobody answered.
#[derive(Debug, thiserror::Error)]
#[error("no answer ({})", reason.label())]
pub struct Missed {
    pub reason: Reason,
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Missed {
    pub fn new(reason: Reason, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Missed {
        Missed { reason, source: Some(source.into()) }
    }
}

impl From<Reason> for Missed {
    fn from(reason: Reason) -> Missed {
        Missed { reason, source: None }
    }
}

impl From<io::Error> for Missed {
    fn from(error: io::Error) -> Missed {
        let reason = match error.kind() {
            io::ErrorKind::ConnectionRefused => Reason::Refused,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
                Reason::Unreachable
            }
            io::ErrorKind::PermissionDenied => Reason::Denied,
            io::ErrorKind::TimedOut => Reason::Timeout,
            io::ErrorKind::NotFound => Reason::NotPresent,
            _ => Reason::Other,
        };
        Missed::new(reason, error)
    }
}

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Got {
    pub status: u16,
    /// The server's `Date` (RFC 9110 §6.6.1), whole seconds: its claim about wall time.
    pub date: Option<Wall>,
    /// The first 64 KiB of the body.
    pub body: Bytes,
}

pub type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, Missed>> + Send + 'a>>;

/// Asks the network. Every question ends within its bound.
pub trait Net: Send + Sync {
    /// Opens a TCP connection to a name or address and closes it again. All addresses of a name are tried at once.
    fn connect<'a>(&'a self, host: &'a str, port: u16, bound: Duration) -> Asking<'a, ()>;
    /// One GET over HTTP/1.1, `http://` or `https://` (by the system's roots). Redirections are not followed.
    fn get<'a>(&'a self, url: &'a Url, bound: Duration) -> Asking<'a, Got>;
    /// Asks the system's resolver; the number of addresses found, at least 1.
    fn resolve<'a>(&'a self, name: &'a str, bound: Duration) -> Asking<'a, usize>;
    /// Interfaces that default routes in force lead out of, least metric first, IPv4 before IPv6, none twice.
    fn default_routes(&self) -> Asking<'_, Vec<String>>;
    /// Whether an interface is up and has carrier (`/sys/class/net/<interface>/carrier`).
    fn carrier<'a>(&'a self, interface: &'a str) -> Asking<'a, bool>;
}
