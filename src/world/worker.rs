//! Streams that only GStreamer can receive (SRT, RTMP), through `vedette-gst`: one child process per target, so that a
//! plugin that crashes or hangs costs that target. A [`Spawn`] starts a [`Worker`], which hands over what it says until it
//! ends for a [`Reason`] out of a closed set. When to try again is for who asked.
//!
//! The real thing is [`process::Binary`]; [`script`] is its twin for tests.

pub mod process;
pub mod script;

use crate::base::clock::{Boot, Clock};
use crate::base::label::Label;
use crate::base::secret::Secret;
use crate::wire::record::{self, Record};
use std::task::{Context, Poll};

/// Most records that a worker hands over before it lets other tasks run. 64 SRT packets are about 20 µs of work for the
/// monitor.
pub const BURST: usize = 64;

/// Why nothing comes, or no more.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// The worker says why; or, in its place, the system that should start it: it is not there, or not for us.
    Said(record::Reason),
    /// The worker died of a signal, or ended without a word. Which signal stands in the source.
    Crashed,
    /// The worker said nothing within the limit; it was killed.
    Hung,
    /// What the worker wrote are no records; it was killed.
    Garbled,
}

impl Label for Reason {
    const ALL: &'static [Self] = &{
        let mut all = [Reason::Garbled; record::Reason::ALL.len() + 3];
        let mut n = 0;
        while n < record::Reason::ALL.len() {
            all[n] = Reason::Said(record::Reason::ALL[n]);
            n += 1;
        }
        (all[n], all[n + 1]) = (Reason::Crashed, Reason::Hung);
        all
    };
    fn label(self) -> &'static str {
        match self {
            Reason::Said(reason) => reason.name(),
            Reason::Crashed => "crashed",
            Reason::Hung => "hung",
            Reason::Garbled => "garbled",
        }
    }
}

/// A worker that could not be started, or ended. Free of secrets.
#[derive(Debug, thiserror::Error)]
#[error("no stream from the worker ({})", reason.label())]
pub struct Broken {
    pub reason: Reason,
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Broken {
    pub fn because(reason: Reason, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Broken {
        Broken { reason, source: Some(source.into()) }
    }
}

impl From<Reason> for Broken {
    fn from(reason: Reason) -> Broken {
        Broken { reason, source: None }
    }
}

/// Takes what a worker says, with the boot time of its arrival in the worker: [`Record::Connected`], [`Record::Ts`],
/// [`Record::Srt`] and [`Record::Flv`]. The others stay here.
pub type Take<'a> = dyn FnMut(Boot, Record<'_>) + Send + 'a;

/// Starts workers.
pub trait Spawn: Send + Sync {
    /// Starts one for an `srt://` or `rtmp://` URL, which may hold a passphrase or stream key. Does not wait for it.
    ///
    /// # Errors
    /// There is no such program, or the system does not let us run it.
    fn spawn(&self, url: &Secret, clock: &Clock) -> Result<Box<dyn Worker>, Broken>;
}

/// A worker at work. Dropping it kills and reaps it.
pub trait Worker: Send {
    /// Hands what has arrived to `take`, at most [`BURST`] records at a time, and is pending until the worker ends.
    fn poll(&mut self, cx: &mut Context<'_>, take: &mut Take<'_>) -> Poll<Broken>;
}
