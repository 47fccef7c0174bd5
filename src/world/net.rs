//! Reaching out: TCP connect, HTTP GET, DNS; and what the kernel says of routes and carriers.

mod http;
mod kernel;
mod real;
pub mod script;

pub use real::Real;

use crate::base::clock::Wall;
use crate::base::label::Label;
use crate::base::secret::Secret;
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
    /// It sent us on in a circle, nowhere, or from `https://` to `http://`.
    Redirect,
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
        Reason::Redirect,
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
            Reason::Redirect => "redirect",
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

/// User and password for HTTP's Basic scheme (RFC 7617).
#[derive(Debug, Clone)]
pub struct Login {
    pub username: String,
    pub password: Secret,
}

/// A GET whose body is taken as it comes.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    pub url: &'a Url,
    /// Sent to the host of `url` only, whatever it redirects to.
    pub login: Option<&'a Login>,
    /// First byte and number of bytes wanted (RFC 9110 section 14.2); a server may send all the same.
    pub range: Option<(u64, u64)>,
    /// What may come (RFC 9110 section 12.5.1); nothing is said when it does not matter.
    pub accept: Option<&'static str>,
    /// Body bytes taken at most.
    pub most: u64,
    /// For everything together.
    pub bound: Duration,
}

/// Whether a password for `home` may go to `url`: its own host and port, or the same host over TLS where `home` has none.
pub fn at_home(home: &Url, url: &Url) -> bool {
    let port = home.scheme() == url.scheme() && home.port_or_known_default() == url.port_or_known_default();
    home.host_str() == url.host_str() && (port || (home.scheme(), url.scheme()) == ("http", "https"))
}

/// Where the time of a request went, one after the other. Of the last one, when there were redirects.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Phases {
    /// In the resolver; next to nothing for an address.
    pub name: Duration,
    pub connect: Duration,
    /// `None` without TLS.
    pub tls: Option<Duration>,
    /// From the request to the head of the response.
    pub first: Duration,
    /// From there to the last byte of the body.
    pub body: Duration,
}

/// How a [`Ask`] ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetched {
    /// The body was taken only when this is 200 to 299.
    pub status: u16,
    /// `Content-Type`.
    pub media: Option<String>,
    /// Body bytes taken.
    pub bytes: u64,
    /// The body ended within `most`.
    pub whole: bool,
    /// Where it came from in the end: what relative addresses in it are relative to.
    pub url: Url,
    pub phases: Phases,
    /// Redirects included.
    pub total: Duration,
}

/// Takes the body, piece by piece.
pub type Taker<'a> = &'a mut (dyn FnMut(&[u8]) + Send);

pub type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, Missed>> + Send + 'a>>;

/// Asks the network. Every question ends within its bound.
pub trait Net: Send + Sync {
    /// Opens a TCP connection to a name or address and closes it again. All addresses of a name are tried at once.
    fn connect<'a>(&'a self, host: &'a str, port: u16, bound: Duration) -> Asking<'a, ()>;
    /// One GET over HTTP/1.1, `http://` or `https://` (by the system's roots). Redirections are not followed.
    fn get<'a>(&'a self, url: &'a Url, bound: Duration) -> Asking<'a, Got>;
    /// One GET like [`Net::get`], its body taken as it comes; at most 5 redirects, never from `https://` to `http://`.
    fn fetch<'a>(&'a self, ask: Ask<'a>, take: Taker<'a>) -> Asking<'a, Fetched>;
    /// Asks the system's resolver; the number of addresses found, at least 1.
    fn resolve<'a>(&'a self, name: &'a str, bound: Duration) -> Asking<'a, usize>;
    /// Interfaces that default routes in force lead out of, least metric first, IPv4 before IPv6, none twice.
    fn default_routes(&self) -> Asking<'_, Vec<String>>;
    /// Whether an interface is up and has carrier (`/sys/class/net/<interface>/carrier`).
    fn carrier<'a>(&'a self, interface: &'a str) -> Asking<'a, bool>;
}
