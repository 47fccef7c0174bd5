//! What streams tell of their cues, so that one can be compared with another: an encoder's output with its input. Each
//! stream posts on its own lane and reads those of others; nobody waits.

use crate::base::clock::Boot;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

/// Markers that a lane holds. A reader comes by every second, and a stream with more cues than this in a second is broken.
const MOST: usize = 256;

/// What is the same marker before and after an encoder (numbers of SCTE 35 §9.6.1 and §10.3.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// splice_command_type.
    pub command: u8,
    /// segmentation_type_id; `None` for a splice_insert itself.
    pub segmentation: Option<u8>,
    pub event: u32,
    /// out_of_network_indicator of a splice_insert.
    pub out: bool,
    /// It calls the event off.
    pub cancel: bool,
}

/// One transmission of a marker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Marker {
    pub key: Key,
    /// Adjusted splice time, 33 bit at 90 kHz; `None`: at once.
    pub target: Option<u64>,
    /// The stream's newest PTS when it came, 33 bit at 90 kHz.
    pub pts: Option<u64>,
    /// The shortest pre-roll by any clock of the stream, seconds.
    pub preroll: Option<f64>,
    /// It came where no splicer looks.
    pub disguised: bool,
    pub at: Boot,
}

/// How a stream is now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Since when packets have been coming without a pause.
    pub receiving: Option<Boot>,
    /// PIDs that its tables give to cues.
    pub cue_pids: usize,
    /// Steps of its clock so far: targets before and after one do not compare.
    pub jumps: u64,
}

#[derive(Default)]
struct Lane {
    standing: Standing,
    markers: VecDeque<Marker>,
    /// Markers posted so far.
    posted: u64,
}

/// The board. Clones are the same one.
#[derive(Clone, Default)]
pub struct Cues(Arc<Mutex<BTreeMap<String, Lane>>>);

impl Cues {
    pub fn post(&self, stream: &str, marker: Marker) {
        let mut lanes = self.lock();
        let lane = lanes.entry(stream.to_owned()).or_default();
        if lane.markers.len() == MOST {
            lane.markers.pop_front();
        }
        lane.markers.push_back(marker);
        lane.posted += 1;
    }

    /// What was posted after the first `seen` markers of a stream, as far as it is still held; `seen` moves on.
    pub fn since(&self, stream: &str, seen: &mut u64) -> Vec<Marker> {
        let lanes = self.lock();
        let Some(lane) = lanes.get(stream) else { return Vec::new() };
        let new = usize::try_from(lane.posted.saturating_sub(*seen)).unwrap_or(usize::MAX).min(lane.markers.len());
        *seen = lane.posted;
        lane.markers.iter().skip(lane.markers.len() - new).copied().collect()
    }

    pub fn stand(&self, stream: &str, standing: Standing) {
        self.lock().entry(stream.to_owned()).or_default().standing = standing;
    }

    /// `None` where no such stream is watched.
    pub fn standing(&self, stream: &str) -> Option<Standing> {
        self.lock().get(stream).map(|lane| lane.standing)
    }

    /// A stream is watched no more.
    pub fn leave(&self, stream: &str) {
        self.lock().remove(stream);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Lane>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_gets_each_marker_once_and_a_slow_one_the_newest() {
        let cues = Cues::default();
        let key = |event| Key { command: 5, segmentation: None, event, out: true, cancel: false };
        let marker = |event| Marker {
            key: key(event),
            target: None,
            pts: None,
            preroll: None,
            disguised: false,
            at: Boot::default(),
        };
        let mut seen = 0;
        assert_eq!(cues.since("in", &mut seen), []);
        cues.post("in", marker(1));
        cues.post("in", marker(2));
        assert_eq!(cues.since("in", &mut seen), [marker(1), marker(2)]);
        assert_eq!(cues.since("in", &mut seen), []);
        (0..1000).for_each(|event| cues.post("in", marker(event)));
        let late = cues.since("in", &mut seen);
        assert_eq!((late.len(), late.last()), (MOST, Some(&marker(999))));
    }
}
