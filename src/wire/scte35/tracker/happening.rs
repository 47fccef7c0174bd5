//! What the tracker has to tell, with everything that the event log and a broker need of it.

use super::labels::{Direction, How, Key, News, Verdict, Why};
use crate::wire::scte35::command::{BreakDuration, CommandKind};
use crate::wire::scte35::defect::Defects;
use crate::wire::scte35::segmentation::SegmentationType;
use std::time::Duration;

/// How long before its splice point a marker came, in ticks; negative when after it.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Preroll {
    /// Against the system time clock when the section arrived.
    pub declared: Option<i64>,
    /// Against the newest video PTS before the section: what a bitstream splicer gets.
    pub arrival: Option<i64>,
}

impl Preroll {
    /// The shorter of the two.
    pub fn least(&self) -> Option<i64> {
        self.declared.into_iter().chain(self.arrival).min()
    }
}

/// One marker of a section: a splice_insert, a segmentation descriptor, an event of a schedule, or a bare command.
#[derive(Clone, Debug, PartialEq)]
pub struct Cue {
    pub command: CommandKind,
    /// `None` for a marker that is no event.
    pub event_id: Option<u32>,
    pub segmentation: Option<SegmentationType>,
    /// `None` for a marker that neither opens nor closes a break.
    pub direction: Option<Direction>,
    pub news: News,
    /// Adjusted splice time, 90 kHz.
    pub target: Option<u64>,
    /// To be done at once: no time was told.
    pub immediate: bool,
    /// Of a private command, who defined it.
    pub identifier: Option<u32>,
    /// Of a schedule, Unix seconds.
    pub scheduled: Option<i64>,
    pub pts_adjustment: u64,
    pub preroll: Preroll,
    /// The first transmission came too late for its splice point.
    pub late: bool,
    /// The splice point lies in the past or more than ten minutes off, as when pts_adjustment was forgotten.
    pub implausible: bool,
    /// For a retimed event: how much later it is now, ticks.
    pub moved: Option<i64>,
    /// break_duration or segmentation_duration.
    pub duration: Option<BreakDuration>,
    /// Scheme and text of a UPID that is not empty.
    pub upid: Option<(&'static str, String)>,
    /// segment_num and segments_expected.
    pub segment: Option<(u8, u8)>,
    pub sub_segment: Option<(u8, u8)>,
    pub unique_program_id: Option<u16>,
    /// avail_num and avails_expected.
    pub avail: Option<(u8, u8)>,
    pub tier: u16,
    pub defects: Defects,
}

/// The picture at a splice point.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Point {
    pub key: Key,
    pub direction: Direction,
    /// 90 kHz.
    pub target: u64,
    pub verdict: Verdict,
    /// From the splice point to the first access unit at or after it, ticks.
    pub first: i64,
    /// From the splice point to the first random access point from 50 ms before to 6 s after it, ticks.
    pub offset: Option<i64>,
    /// From the splice point to the last random access point before it, ticks, negative.
    pub before: Option<i64>,
    /// sap_type promised a closed GOP where there is none.
    pub broken_promise: bool,
}

/// One thing that happened, at the time of the call that told it.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// A marker, each time it is sent.
    Cue(Box<Cue>),
    /// A section that could not be used: wrong CRC, cut off, or no command in it.
    Unusable {
        command: CommandKind,
        defects: Defects,
    },
    /// The first picture of a break came.
    Opened {
        key: Key,
        /// Of the splice point; of the newest picture when the cue was immediate. 90 kHz.
        pts: Option<u64>,
        planned: Option<u64>,
        auto_return: bool,
        /// From the first transmission to the first picture by the clock on the wall; not for an immediate cue.
        preroll: Option<Duration>,
        /// Another break of the same kind was still open.
        overlapping: bool,
    },
    Closed {
        key: Key,
        how: How,
        /// Ticks from Out to In.
        actual: i64,
        planned: Option<u64>,
        /// Actual minus planned is beyond the tolerance.
        mismatch: bool,
    },
    /// The break should have ended: its duration and the tolerance are over.
    Overdue {
        key: Key,
        elapsed: i64,
        planned: u64,
    },
    Orphaned {
        key: Key,
        direction: Direction,
        target: u64,
        why: Why,
    },
    Point(Point),
    /// Nothing came for so long; `interval` is what was learned or configured.
    HeartbeatLost {
        age: Duration,
        interval: Duration,
    },
    HeartbeatBack {
        age: Duration,
    },
    /// A DTMF sequence that comes less than two seconds before it has to be sent (§10.3.2).
    DtmfLate {
        characters: String,
        preroll: u8,
        left: i64,
    },
}
