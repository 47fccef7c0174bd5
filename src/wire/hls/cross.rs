//! The cues of a playlist against those of the transport stream in its segments.
//!
//! A packager that drops or rewrites cues is not seen in the playlist alone. Sections are told apart by their bytes; a
//! break in the stream must be in the playlist within [`PATIENCE`] segments of its splice point, in any style.

use super::breaks::CueFault;
use super::cue::{Act, Cue, Style};
use crate::wire::scte35::{self, Command, Span};
use crate::wire::ts::clock33;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Segments after the one in which a break should begin, until its absence from the playlist is a fault.
const PATIENCE: u64 = 3;
/// Cues remembered on either side; the oldest goes first.
const MOST: usize = 64;
/// A splice point so many ticks after a segment's begin may be the next one's: the longest segments in use last 20 s.
const SOON: i64 = 20 * 90_000;
/// A segment begins at a splice point within so many ticks of 90 kHz: a frame at 24 frames per second.
const FRAME: i64 = 3_750;

/// A cue section of the stream.
#[derive(Debug)]
struct Heard {
    digest: u64,
    act: Act,
    /// Splice time, 33 bit at 90 kHz, pts_adjustment in it; `None`: at once.
    target: Option<u64>,
    /// The first segment that begins at or after the splice point.
    due: Option<u64>,
    /// In the playlist, or complained about.
    settled: bool,
    /// Its splice point was passed by a segment's begin.
    placed: bool,
}

/// A cue of the playlist.
#[derive(Debug)]
struct Written {
    digest: Option<u64>,
    act: Act,
    style: Style,
    number: u64,
    /// Its payload was heard, or complained about.
    settled: bool,
}

/// Watches one variant whose segments are read.
#[derive(Debug, Default)]
pub struct Cross {
    heard: VecDeque<Heard>,
    written: VecDeque<Written>,
    /// Where the last segment began, 33 bit at 90 kHz.
    began: Option<u64>,
}

impl Cross {
    /// A cue that came into the playlist, and the number of its segment (the newest, where it has none of its own).
    pub fn written(&mut self, cue: &Cue, number: u64) {
        let digest = cue.section.as_deref().map(digest);
        let settled = digest.is_none_or(|d| self.heard.iter().any(|h| h.digest == d));
        let fits = |h: &&mut Heard| digest == Some(h.digest) || (!h.settled && h.act == cue.act && near(h.due, number));
        if cue.act != Act::Continue
            && let Some(heard) = self.heard.iter_mut().find(fits)
        {
            heard.settled = true;
        }
        push(&mut self.written, Written { digest, act: cue.act, style: cue.style, number, settled });
    }

    /// A section met while reading segment `number`: what it says, and when (33 bit at 90 kHz; `None`: at once).
    /// Repetitions are known by their bytes, or by act and time.
    pub fn heard(&mut self, section: &[u8], act: Act, target: Option<u64>, number: u64) {
        let digest = digest(section);
        for written in self.written.iter_mut().filter(|w| w.digest == Some(digest)) {
            written.settled = true;
        }
        if self.heard.iter().any(|h| h.digest == digest || (target.is_some() && (h.act, h.target) == (act, target))) {
            return;
        }
        let due = target.is_none().then_some(number);
        let in_playlist = |w: &Written| {
            w.digest == Some(digest)
                || (w.act == act && w.number >= number && near(due, w.number) && w.digest.is_none())
        };
        let settled = !matches!(act, Act::Out | Act::In) || self.written.iter().any(in_playlist);
        push(&mut self.heard, Heard { digest, act, target, due, settled, placed: target.is_none() });
    }

    /// Segment `number` was read to its end and began at `first` (video PTS, 33 bit at 90 kHz).
    pub fn read(&mut self, number: u64, first: Option<u64>, mut fault: impl FnMut(CueFault, Style)) {
        for heard in &mut self.heard {
            if let (Some(target), Some(first), false) = (heard.target, first, heard.placed) {
                let past = clock33::diff(target, first);
                if past < -FRAME {
                    continue;
                }
                (heard.placed, heard.due) = (true, Some(number));
                let before = self.began.is_some_and(|began| clock33::diff(began, target) > FRAME);
                if past > FRAME && before && matches!(heard.act, Act::Out | Act::In) {
                    fault(CueFault::NotAtBoundary, Style::CueOut);
                }
            }
        }
        for heard in self.heard.iter_mut().filter(|h| !h.settled) {
            let near_due = |w: &&Written| w.act == heard.act && near(heard.due, w.number);
            if heard.due.is_some() && self.written.iter().any(|w| near_due(&w)) {
                heard.settled = true;
            } else if heard.due.is_some_and(|due| number >= due.saturating_add(PATIENCE)) {
                heard.settled = true;
                fault(CueFault::StreamOnly, Style::CueOut);
            }
        }
        let carries = !self.heard.is_empty();
        for written in self.written.iter_mut().filter(|w| !w.settled) {
            if number >= written.number.saturating_add(PATIENCE) {
                written.settled = true;
                if carries {
                    fault(CueFault::PayloadDiffers, written.style);
                }
            }
        }
        self.began = first.or(self.began);
    }

    /// Segment `number` begins with a new clock: what was about to come is taken to be here, as where advertisements are put
    /// in at the splice point; what was further away cannot be placed any more.
    pub fn discontinuity(&mut self, number: u64) {
        for heard in self.heard.iter_mut().filter(|h| !h.placed) {
            let ahead = self.began.zip(heard.target).map(|(began, target)| clock33::diff(began, target));
            heard.placed = true;
            heard.due = Some(number);
            heard.settled |= !ahead.is_some_and(|ahead| (0..=SOON).contains(&ahead));
        }
        self.began = None;
    }

    /// Segments were left out, or the stream began anew: what was pending cannot be judged.
    pub fn restart(&mut self) {
        *self = Cross::default();
    }
}

/// What a section says of a break, and when (pts_adjustment in it; `None`: at once). What is damaged says nothing.
pub fn meaning(section: &[u8]) -> (Act, Option<u64>) {
    let decoded = scte35::decode(section);
    if !decoded.crc_ok {
        return (Act::Command, None);
    }
    let (act, pts) = match &decoded.command {
        Some(Command::Insert(insert)) => match &insert.detail {
            Some(detail) => (if detail.out_of_network { Act::Out } else { Act::In }, detail.pts()),
            None => (Act::Command, None), // called off
        },
        Some(Command::TimeSignal(pts)) => {
            let kinds = decoded.segmentations().filter_map(|s| s.detail.map(|d| d.kind));
            let mut breaks = kinds.filter(|kind| kind.span() == Span::Break);
            let act =
                breaks.next().map_or(Act::Command, |kind| if kind.start().is_some() { Act::In } else { Act::Out });
            (act, *pts)
        }
        _ => (Act::Command, None),
    };
    (act, pts.map(|pts| decoded.adjusted(pts)))
}

/// Whether a segment is as near to where a break is due as the two may be.
fn near(due: Option<u64>, number: u64) -> bool {
    due.is_none_or(|due| due.abs_diff(number) <= PATIENCE)
}

fn push<T>(queue: &mut VecDeque<T>, entry: T) {
    if queue.len() == MOST {
        queue.pop_front();
    }
    queue.push_back(entry);
}

fn digest(section: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    section.hash(&mut hasher);
    hasher.finish()
}
