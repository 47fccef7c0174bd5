//! Reaching out: TCP connect, HTTP GET, ICMP echo, DNS; and what the kernel says of routes and carriers.

mod http;
mod kernel;
mod ping;
mod real;
pub mod script;
mod tls;

pub use real::Real;

use crate::base::clock::Wall;
use crate::base::label::Label;
use crate::base::secret::Secret;
use crate::wire::icmp::Family;
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

/// A socket that cannot be bound to an interface: without the interface there is no road.
fn unbound(error: io::Error) -> Missed {
    match error.raw_os_error() {
        Some(libc::ENODEV) => Missed::new(Reason::Unreachable, error),
        _ => error.into(),
    }
}

/// Over which road a question goes, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    /// Out of this interface, whatever the routing table prefers (SO_BINDTODEVICE, which needs no right since Linux 5.7).
    /// Names are asked as the system asks for them.
    pub interface: Option<&'a str>,
    pub bound: Duration,
}

/// A default route in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub interface: String,
    /// Its next hop, of the link with `%` and the interface; `None` where the link itself leads on.
    pub gateway: Option<String>,
    pub family: Family,
}

/// What came of ICMP echo requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Echoes {
    pub sent: u16,
    /// Times of those that were answered, at most `sent`.
    pub rtts: Vec<Duration>,
}

/// What a request met with, step by step. What is `None` was not reached, or is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Steps {
    /// In the resolver; next to nothing for an address.
    pub name: Option<Duration>,
    pub connect: Option<Duration>,
    pub tls: Option<Duration>,
    /// From the request to the head of the response.
    pub first: Option<Duration>,
    /// From there to the last byte of the body, or as much of it as is taken.
    pub body: Option<Duration>,
    /// When the first certificate of the chain ends that the server showed, trusted or not.
    pub certificate: Option<Wall>,
}

/// An HTTP request and its end.
#[derive(Debug)]
pub struct Visit {
    pub steps: Steps,
    /// The status of the answer.
    pub end: Result<u16, Missed>,
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
pub type Visiting<'a> = Pin<Box<dyn Future<Output = Visit> + Send + 'a>>;

/// Asks the network. Every question ends within its bound.
pub trait Net: Send + Sync {
    /// Opens a TCP connection to a name or address and closes it again. All addresses of a name are tried at once.
    fn connect<'a>(&'a self, host: &'a str, port: u16, way: Way<'a>) -> Asking<'a, ()>;
    /// One GET over HTTP/1.1, `http://` or `https://` (by the system's roots), of whose body 64 KiB are taken at most.
    /// Redirections are not followed.
    fn visit<'a>(&'a self, url: &'a Url, way: Way<'a>) -> Visiting<'a>;
    /// ICMP echo requests to the first address of a name. [`Reason::Denied`] where we may not.
    fn ping<'a>(&'a self, host: &'a str, echoes: u16, way: Way<'a>) -> Asking<'a, Echoes>;
    /// One GET like [`Net::visit`], its body taken as it comes; at most 5 redirects, never from `https://` to `http://`.
    fn fetch<'a>(&'a self, ask: Ask<'a>, take: Taker<'a>) -> Asking<'a, Fetched>;
    /// Asks the system's resolver; the number of addresses found, at least 1.
    fn resolve<'a>(&'a self, name: &'a str, bound: Duration) -> Asking<'a, usize>;
    /// Default routes in force, least metric first, IPv4 before IPv6.
    fn default_routes(&self) -> Asking<'_, Vec<Route>>;
    /// Whether an interface is up and has carrier (`/sys/class/net/<interface>/carrier`).
    fn carrier<'a>(&'a self, interface: &'a str) -> Asking<'a, bool>;
}
