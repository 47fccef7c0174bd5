//! Follows the breaks of one programme: announced → open → closed, overdue or orphaned.
//!
//! Events are told apart by [`Key`]. Durations are measured on the clock of the stream (PTS, 33 bits, wrapping); the clock
//! of the node ([`Boot`]) bounds what the stream cannot, and the wall clock only bridges restarts.

mod counts;
mod happening;

pub use counts::*;
pub use happening::*;

use super::Decoded;
use crate::base::clock::Boot;
use std::time::Duration;

/// What is asked of the sender.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Policy {
    /// Least time from the first transmission to the splice point (§9.9.2.1: 4 s).
    pub preroll: Duration,
    /// An open break without an end is given up after this.
    pub max_break: Duration,
    /// A break may be off its duration by this or by 2 %, whichever is more.
    pub tolerance: Duration,
    /// Longest silence; `None`: three times what was learned.
    pub heartbeat: Option<Duration>,
    /// An In message under an unknown id ends the oldest open break.
    pub any_in_closes: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            preroll: Duration::from_secs(4),
            max_break: Duration::from_secs(15 * 60),
            tolerance: Duration::from_secs(1),
            heartbeat: None,
            any_in_closes: false,
        }
    }
}

/// What kind of access unit the tracker is told of.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Media {
    Video(RandomAccess),
    /// Used where there is no video.
    Audio,
}

/// Where decoding can start, by what the coded picture says.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum RandomAccess {
    None,
    Idr,
    Cra,
    Bla,
    ClosedI,
    OpenI,
}

/// The breaks of one programme.
pub struct Tracker {
    policy: Policy,
    counts: Counts,
}

impl Tracker {
    pub fn new(policy: Policy) -> Self {
        Tracker { policy, counts: Counts::default() }
    }

    /// Takes up what [`Tracker::memory`] gave before a restart. Text that is not its own is an error and changes nothing.
    /// `wall` in Unix milliseconds, here and below.
    pub fn restore(&mut self, memory: &str, at: Boot, wall: i64) -> Result<(), serde_json::Error> {
        let _ = (memory, at, wall);
        Ok(())
    }

    /// Live breaks and the learned heartbeat as JSON, at most 32 KiB.
    pub fn memory(&self, at: Boot, wall: i64) -> String {
        let _ = (at, wall);
        String::new()
    }

    /// A section arrived. `stc`: the system time clock then, `last_pts`: the newest video PTS before it; 90 kHz, 33 bits.
    pub fn section(
        &mut self,
        decoded: &Decoded<'_>,
        at: Boot,
        wall: i64,
        stc: Option<u64>,
        last_pts: Option<u64>,
        out: &mut Vec<Happening>,
    ) {
        let _ = (at, wall, stc, last_pts, out, self.policy);
        self.counts.sections.add(decoded.kind());
    }

    /// An access unit arrived, in decoding order; `pts` in 90 kHz, 33 bits.
    pub fn access_unit(&mut self, pts: u64, media: Media, at: Boot, out: &mut Vec<Happening>) {
        let _ = (pts, media, at, out);
    }

    /// The clock of the programme may have jumped: signalled, or seen in PCR or PTS.
    pub fn discontinuity(&mut self, at: Boot) {
        let _ = at;
    }

    /// Time passed: to be called about once a second.
    pub fn tick(&mut self, now: Boot, out: &mut Vec<Happening>) {
        let _ = (now, out);
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    pub fn state(&self, now: Boot) -> State {
        let _ = now;
        State::default()
    }
}
