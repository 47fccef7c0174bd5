//! Bytes of a transport stream with the time of their arrival: a [`Dial`] opens a [`Source`], and what comes is a
//! [`Feed`] that ends for a [`Reason`] out of a closed set. What the bytes mean is `wire::ts`'s to say.
//!
//! The real ones are [`Real`]'s; [`script`] is their twin for tests.

mod datagrams;
mod fifo;
mod file;
pub mod script;

use crate::base::clock::{Boot, Clock};
use crate::base::label::Label;
use crate::world::post::Post;
use datagrams::Datagrams;
use fifo::Fifo;
use file::Stretches;
use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

/// Most reads that a feed hands over before it lets other tasks run. 64 datagrams of seven packets are about 20 µs of
/// work for the monitor.
pub const BURST: usize = 64;

/// Where a stream comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// Datagrams to this address, with or without RTP around them: that is for the reader to know.
    Udp {
        /// A multicast group, or an address of this machine (0.0.0.0 for any).
        to: SocketAddr,
        /// Where the group is joined. Without it the kernel's route to the group decides.
        interface: Option<Interface>,
    },
    /// A file that somebody writes. It is followed from its present end; one that takes its place is read from its start.
    Growing(PathBuf),
    /// A file as it is, from its start, as fast as it can be read. Ends with [`Reason::Eof`].
    Whole(PathBuf),
    /// A named pipe. Reading takes the bytes from it: nobody else gets them.
    Fifo(PathBuf),
}

/// An interface of this machine, by name or (IPv4 only) by one of its addresses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Interface {
    Name(String),
    Address(IpAddr),
}

/// Where datagrams are sent to: `host` is an address, not a name, IPv6 in brackets as URLs have it; port 0 is none.
pub fn address(host: &str, port: u16) -> Option<SocketAddr> {
    let ip: IpAddr = host.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    (port > 0).then(|| SocketAddr::new(ip, port))
}

impl std::str::FromStr for Interface {
    type Err = NoInterface;

    fn from_str(text: &str) -> Result<Interface, NoInterface> {
        if let Ok(address) = text.parse() {
            return Ok(Interface::Address(address));
        }
        // dev_valid_name() of the kernel.
        let fits = (1..=15).contains(&text.len())
            && !matches!(text, "." | "..")
            && text.bytes().all(|b| b != b'/' && b != b':' && !b.is_ascii_whitespace());
        if fits { Ok(Interface::Name(text.to_owned())) } else { Err(NoInterface(text.to_owned())) }
    }
}

/// Neither an address nor a name that an interface can have.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no interface")]
pub struct NoInterface(String);

/// Why nothing comes.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// Another program has the port.
    InUse,
    /// The address is none of this machine's.
    NoAddress,
    /// There is no such interface, or no group can be joined on it.
    NoInterface,
    /// The system does not let us.
    Denied,
    /// There is no such file.
    NotFound,
    /// It is there and is no regular file, or no named pipe.
    WrongKind,
    /// The file has been read to its end.
    Eof,
    /// The file system does not answer.
    Hung,
    /// The system's reason is in the source.
    Other,
}

impl Label for Reason {
    const ALL: &'static [Self] = &[
        Reason::InUse,
        Reason::NoAddress,
        Reason::NoInterface,
        Reason::Denied,
        Reason::NotFound,
        Reason::WrongKind,
        Reason::Eof,
        Reason::Hung,
        Reason::Other,
    ];
    fn label(self) -> &'static str {
        match self {
            Reason::InUse => "in_use",
            Reason::NoAddress => "no_address",
            Reason::NoInterface => "no_interface",
            Reason::Denied => "denied",
            Reason::NotFound => "not_found",
            Reason::WrongKind => "wrong_kind",
            Reason::Eof => "eof",
            Reason::Hung => "hung",
            Reason::Other => "other",
        }
    }
}

/// A feed could not be opened, or ended.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} ({})", reason.label())]
pub struct Broken {
    pub reason: Reason,
    /// `bind`, `join the group`, `read` …
    pub doing: &'static str,
    pub source: Option<std::io::Error>,
}

impl Broken {
    pub fn new(reason: Reason, doing: &'static str) -> Broken {
        Broken { reason, doing, source: None }
    }

    pub(super) fn io(doing: &'static str, error: std::io::Error) -> Broken {
        use std::io::ErrorKind;
        let reason = match error.kind() {
            ErrorKind::AddrInUse => Reason::InUse,
            ErrorKind::AddrNotAvailable => Reason::NoAddress,
            ErrorKind::PermissionDenied => Reason::Denied,
            ErrorKind::NotFound => Reason::NotFound,
            _ => Reason::Other,
        };
        Broken { reason, doing, source: Some(error) }
    }
}

/// One thing that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// What one read gave: a whole datagram, or a stretch of a file or pipe cut anywhere.
    Bytes { at: Boot, bytes: &'a [u8] },
    /// The file was replaced or cut, or the pipe's writer went: what comes next does not continue what came before.
    Reopened,
}

/// Takes events.
pub type Take<'a> = dyn FnMut(Event<'_>) + Send + 'a;

/// A future that may be handed to any worker.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A feed on its way.
pub type Opening<'a> = Later<'a, Result<Box<dyn Feed>, Broken>>;

/// Opens sources. Every opening is bounded.
pub trait Dial: Send + Sync {
    fn open<'a>(&'a self, source: &'a Source, clock: &'a Clock) -> Opening<'a>;
}

/// A source at work. Dropping it closes it.
pub trait Feed: Send {
    /// Hands what has arrived to `take`, at most [`BURST`] reads at a time, and is pending until the feed ends.
    fn poll(&mut self, cx: &mut Context<'_>, take: &mut Take<'_>) -> Poll<Broken>;
    /// Datagrams that reached this socket and were dropped there (no room, bad checksum), since it was opened; `None`
    /// where the kernel cannot tell.
    fn dropped(&self) -> Option<u64>;
}

/// The machine's own sources.
#[derive(Default)]
pub struct Real {
    /// One for each file, kept over its openings: calls that never came back stay bounded.
    posts: Mutex<HashMap<PathBuf, Post>>,
}

impl Real {
    fn post(&self, path: &Path, clock: &Clock) -> Post {
        let mut posts = self.posts.lock().unwrap_or_else(|e| e.into_inner());
        posts.entry(path.to_owned()).or_insert_with(|| Post::new("feed", clock.clone())).clone()
    }
}

impl Dial for Real {
    fn open<'a>(&'a self, source: &'a Source, clock: &'a Clock) -> Opening<'a> {
        Box::pin(async move {
            let clock = clock.clone();
            let (path, follow) = match source {
                Source::Udp { to, interface } => {
                    return Ok(Box::new(Datagrams::open(*to, interface.as_ref(), clock)?) as Box<dyn Feed>);
                }
                Source::Fifo(path) => return Ok(Box::new(Fifo::open(path, clock)?) as Box<dyn Feed>),
                Source::Growing(path) => (path, true),
                Source::Whole(path) => (path, false),
            };
            let post = self.post(path, &clock);
            Ok(Box::new(Stretches::open(path, follow, clock, post).await?) as Box<dyn Feed>)
        })
    }
}

#[cfg(test)]
mod tests;
