//! The transport stream in the segments of one variant: its errors, its cues, and where each segment begins.

use super::tally::Tally;
use crate::base::clock::Boot;
use crate::base::label::Label;
use crate::wire::hls::{Act, Cross, CueFault, Style, meaning};
use crate::wire::ts::{Indicator, Listener, Medium, Monitor, Options, Section, Timebase, Unit};

/// Distinct sections kept per segment; a sender that makes more is broken, and the counts tell all.
const SECTIONS: usize = 64;

pub(super) struct Reader {
    monitor: Monitor,
    cross: Cross,
    ears: Ears,
    /// Indicators as they stood after the last segment.
    before: [u64; Indicator::ALL.len()],
}

/// What is heard while a segment is taken in.
#[derive(Default)]
struct Ears {
    first: Option<u64>,
    sections: Vec<Box<[u8]>>,
    cues: [u64; Act::ALL.len()],
}

impl Listener for Ears {
    fn section(&mut self, section: &Section<'_>) {
        let (act, _) = meaning(section.bytes);
        self.cues[act as usize] += 1;
        if section.crc_ok && self.sections.len() < SECTIONS && !self.sections.iter().any(|s| **s == *section.bytes) {
            self.sections.push(section.bytes.into());
        }
    }
    fn access_unit(&mut self, unit: &Unit) {
        if unit.medium == Medium::Video {
            self.first.get_or_insert(unit.pts);
        }
    }
}

impl Reader {
    pub(super) fn new() -> Reader {
        // Segments come in bursts: only the stream's own clock says how long anything took.
        let options = Options { timebase: Timebase::Stream, ..Options::default() };
        let before = [0; Indicator::ALL.len()];
        Reader { monitor: Monitor::new(options), cross: Cross::default(), ears: Ears::default(), before }
    }

    pub(super) fn cross(&mut self) -> &mut Cross {
        &mut self.cross
    }

    /// Segments were left out: neither continuity nor cues go on over the hole.
    pub(super) fn gap(&mut self) {
        self.monitor.restart();
        self.cross.restart();
    }

    /// EXT-X-DISCONTINUITY before segment `number`: clocks and continuity begin anew, the numbering goes on.
    pub(super) fn discontinuity(&mut self, number: u64) {
        self.monitor.restart();
        self.cross.discontinuity(number);
    }

    /// The next bytes of a segment.
    pub(super) fn feed(&mut self, bytes: &[u8], at: Boot) {
        self.monitor.feed(bytes, at, &mut self.ears);
    }

    /// Segment `number` has come to its end.
    pub(super) fn end(&mut self, number: u64, tally: &mut Tally, fault: impl FnMut(CueFault, Style)) {
        let heard = std::mem::take(&mut self.ears);
        tally.stream_cues.iter_mut().zip(heard.cues).for_each(|(all, new)| *all += new);
        for section in &heard.sections {
            let (act, target) = meaning(section);
            self.cross.heard(section, act, target, number);
        }
        self.cross.read(number, heard.first, fault);
        let counts = self.monitor.counts();
        for (n, indicator) in Indicator::ALL.iter().enumerate() {
            let now = counts.of(*indicator);
            tally.indicators[n] += now - std::mem::replace(&mut self.before[n], now);
        }
    }
}
