//! MQTT 3.1.1 behind a trait. `real` holds the last lines that know rumqttc; `script` is the broker of tests.

mod real;
pub mod script;
mod tls;

use crate::base::label::Label;
use crate::base::secret::Secret;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

pub use real::Mqtt;

/// Messages handed over and not yet acknowledged, at most: enough to hide a WAN round trip, few enough to send again.
pub const WINDOW: usize = 16;
/// Largest packet we send, in bytes, headers included. MQTT 3.1.1 has no way to ask a broker for its limit; the public
/// cloud brokers take 128 KiB and more, mosquitto anything.
pub const PACKET: usize = 128 * 1024;
/// From the first packet to CONNACK: DNS, TCP, TLS and MQTT together.
pub const CONNECT: Duration = Duration::from_secs(10);

/// A future behind a pointer, which keeps the traits object-safe.
pub type Soon<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Opens connections to brokers.
pub trait Dial: Send + Sync {
    /// One connection, acknowledged by the broker (CONNACK, MQTT 3.1.1 §3.2), within [`CONNECT`]. Sessions are clean:
    /// what must survive a connection is the caller's to keep.
    fn dial<'a>(&'a self, call: &'a Call) -> Soon<'a, Result<Box<dyn Link>, Lost>>;
}

/// One connection. Dropping it without [`Link::bye`] cuts it off, and the broker tells the will.
pub trait Link: Send {
    /// Hands a message over at QoS 1 without waiting. At most [`WINDOW`] may be on their way; the caller counts.
    fn publish(&mut self, note: &Note) -> Result<Token, Unsendable>;
    /// The next thing that happened. Cancel-safe. After [`Happened::Lost`] there is nothing more to come.
    fn next(&mut self) -> Soon<'_, Happened>;
    /// DISCONNECT (§3.14): the broker forgets the will. Returns when it is sent or the connection is gone.
    fn bye(self: Box<Self>) -> Soon<'static, ()>;
}

/// Names a handed-over message within its link: 0, 1, 2, … in the order of handing over.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Token(pub(crate) u64);

#[derive(Debug)]
pub enum Happened {
    /// PUBACK: the broker has it. Brokers acknowledge in order (§4.6), but nothing here relies on it.
    Acked(Token),
    Lost(Lost),
}

/// A message as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub topic: String,
    pub payload: Vec<u8>,
    pub retain: bool,
}

impl Note {
    /// Whether it may be sent at all: the topic names one topic (§4.7.1) and the packet is at most [`PACKET`] long.
    /// The check comes first because rumqttc finds out too late: it tears the connection down over such a message.
    pub fn check(&self) -> Result<(), Unsendable> {
        let names_one = !self.topic.is_empty() && !self.topic.contains(['+', '#', '\0']);
        // §3.3: fixed header of at most 5 bytes, topic behind a 2-byte length, 2-byte packet identifier.
        let size = 5 + 2 + self.topic.len() + 2 + self.payload.len();
        match (names_one && self.topic.len() <= usize::from(u16::MAX), size <= PACKET) {
            (true, true) => Ok(()),
            (false, _) => Err(Unsendable::Topic),
            (true, false) => Err(Unsendable::TooLarge),
        }
    }
}

/// Why a message cannot go to any broker.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unsendable {
    #[error("the packet would be longer than {PACKET} bytes")]
    TooLarge,
    #[error("the topic is empty or has wildcards")]
    Topic,
}

/// Whom to call and how.
#[derive(Debug, Clone)]
pub struct Call {
    /// Name or address, IPv6 in brackets; with TLS the name that the certificate must bear.
    pub host: String,
    pub port: u16,
    pub client_id: String,
    pub login: Option<Login>,
    pub tls: Option<Tls>,
    /// Half-open connections are noticed after at most twice this. At least 1 s.
    pub keep_alive: Duration,
    /// Published by the broker when the connection ends without DISCONNECT.
    pub will: Note,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    pub user: String,
    pub password: Password,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    None,
    Text(Secret),
    /// Read anew for each connection, so a changed password needs no restart.
    File(PathBuf),
}

/// TLS 1.2 or 1.3. Files are PEM and read anew for each connection, so a renewed certificate needs no restart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// Certificates to trust; without it those of the system.
    pub ca: Option<PathBuf>,
    /// Our own certificate chain and its key, for brokers that ask for one.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// Why a connection is gone or never came to be.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Why {
    /// Nobody listens there, or the broker says it is not available.
    Refused,
    /// The name has no address.
    Dns,
    /// No route.
    Unreachable,
    Timeout,
    /// No agreement on TLS: a certificate that we or they do not trust, no common version.
    Tls,
    /// Wrong user name or password, or not allowed to connect.
    Auth,
    /// It does not speak MQTT 3.1.1, or breaks its rules.
    Protocol,
    /// The other side closed or reset the connection.
    Closed,
    /// A file that the connection needs cannot be used: password, certificate, key.
    File,
}

impl Label for Why {
    const ALL: &'static [Self] = &[
        Why::Refused,
        Why::Dns,
        Why::Unreachable,
        Why::Timeout,
        Why::Tls,
        Why::Auth,
        Why::Protocol,
        Why::Closed,
        Why::File,
    ];
    fn label(self) -> &'static str {
        match self {
            Why::Refused => "refused",
            Why::Dns => "dns",
            Why::Unreachable => "unreachable",
            Why::Timeout => "timeout",
            Why::Tls => "tls",
            Why::Auth => "auth",
            Why::Protocol => "protocol",
            Why::Closed => "closed",
            Why::File => "file",
        }
    }
}

/// A connection that is gone. The text has no secrets: it is made here and never quotes a packet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Lost {
    pub why: Why,
    pub what: String,
}

impl Lost {
    pub fn new(why: Why, what: impl Into<String>) -> Self {
        Lost { why, what: what.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_over_the_bound_or_with_wildcards_is_refused_before_it_is_sent() {
        let note = |topic: &str, len| Note { topic: topic.to_owned(), payload: vec![0; len], retain: false };
        assert_eq!(note("a/b", PACKET - 12).check(), Ok(()));
        assert_eq!(note("a/b", PACKET - 11).check(), Err(Unsendable::TooLarge));
        for bad in ["", "a/+/b", "#", "a\0"] {
            assert_eq!(note(bad, 0).check(), Err(Unsendable::Topic), "{bad:?}");
        }
    }
}
