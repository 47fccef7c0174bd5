//! What the tracker has counted since it was made, and what it sees now.

use super::happening::Happening;
use super::labels::{Direction, How, News, Source, Verdict, Why};
use crate::base::clock::Boot;
use crate::base::label::Label;
use crate::wire::scte35::command::CommandKind;
use crate::wire::scte35::defect::Defect;
use crate::wire::scte35::segmentation::SegmentationType;
use std::time::Duration;

/// A count for each value of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally<L, const N: usize>([u64; N], std::marker::PhantomData<L>);

impl<L, const N: usize> Default for Tally<L, N> {
    fn default() -> Self {
        Tally([0; N], std::marker::PhantomData)
    }
}

impl<L: Label + PartialEq, const N: usize> Tally<L, N> {
    fn place(label: L) -> usize {
        L::ALL.iter().position(|l| *l == label).unwrap_or(N - 1)
    }
    pub fn get(&self, label: L) -> u64 {
        self.0[Self::place(label)]
    }
    pub(super) fn add(&mut self, label: L) {
        self.0[Self::place(label)] += 1;
    }
    pub fn iter(&self) -> impl Iterator<Item = (L, u64)> {
        L::ALL.iter().copied().zip(self.0)
    }
    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }
}

macro_rules! tally {
    ($name:ident, $label:ty) => {
        pub type $name = Tally<$label, { <$label as Label>::ALL.len() }>;
    };
}
tally!(ByCommand, CommandKind);
tally!(ByType, SegmentationType);
tally!(ByDefect, Defect);
tally!(ByDirection, Direction);
tally!(BySource, Source);
tally!(ByHow, How);
tally!(ByVerdict, Verdict);
tally!(ByWhy, Why);

/// Counted since the tracker was made. Repeats are transmissions of a marker after its first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sections with a matching CRC.
    pub sections: ByCommand,
    /// Segmentation descriptors, by segmentation_type_id.
    pub segmentations: ByType,
    /// Sections that have it, whether their CRC matches or not.
    pub defects: ByDefect,
    /// First transmissions of Out and In markers.
    pub announced: ByDirection,
    pub repeats: u64,
    pub retimes: u64,
    pub duplicate_ids: BySource,
    /// First transmissions that came less than the policy's pre-roll before their splice point.
    pub late: ByDirection,
    /// First transmissions without a time.
    pub immediates: ByDirection,
    /// First transmissions whose splice point is in the past or more than ten minutes off.
    pub implausible: u64,
    pub cancels: u64,
    pub cancels_unknown: u64,
    /// In markers without a break that they end.
    pub unmatched_returns: u64,
    pub opened: u64,
    pub closed: ByHow,
    /// Breaks that opened while another of the same kind was open.
    pub overlapping: u64,
    /// Breaks that ran past their duration and the tolerance.
    pub missing_returns: u64,
    /// Closed breaks whose duration differs from the planned one by more than the tolerance.
    pub mismatches: u64,
    pub orphaned: ByWhy,
    pub points_out: ByVerdict,
    pub points_in: ByVerdict,
    /// Markers that were not followed since too many events were live.
    pub refused: u64,
    pub dtmf_late: u64,
    pub heartbeats_lost: u64,
}

/// When things were last seen, in sections with a matching CRC.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub any: Option<Boot>,
    pub out: Option<Boot>,
    pub back: Option<Boot>,
    /// By place in `CommandKind::ALL`.
    pub commands: [Option<Boot>; CommandKind::ALL.len()],
    /// By [`SegmentationType::index`].
    pub segmentations: [Option<Boot>; SegmentationType::ALL.len()],
}

impl Default for Seen {
    fn default() -> Self {
        Seen {
            any: None,
            out: None,
            back: None,
            commands: [None; CommandKind::ALL.len()],
            segmentations: [None; SegmentationType::ALL.len()],
        }
    }
}

/// What the tracker sees now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Breaks and overlays announced and not yet come, open within their duration, and open beyond it.
    pub announced: u64,
    pub open: u64,
    pub overdue: u64,
    /// Since the last section with a matching CRC; `None` before the first.
    pub heartbeat_age: Option<Duration>,
    /// Learned from splice_null; `None` until enough came.
    pub heartbeat_interval: Option<Duration>,
    pub heartbeat_lost: bool,
    pub seen: Seen,
    /// Of the last section with a matching CRC, 90 kHz.
    pub last_pts_adjustment: Option<u64>,
    /// From the last splice point to its random access point, see [`super::Point::offset`], ticks.
    pub last_offset: Option<i64>,
    /// Actual minus planned duration of the last break that had both, ticks.
    pub last_duration_error: Option<i64>,
    pub time: Option<TimeProbe>,
}

/// The clock of whoever writes time_descriptors.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct TimeProbe {
    /// When it came.
    pub at: Boot,
    /// It minus our wall clock, seconds.
    pub offset: f64,
    /// TAI − UTC as told, seconds.
    pub utc_offset: u16,
}

impl Counts {
    /// All but what is counted by section: defects, commands, segmentation types.
    pub(super) fn on(&mut self, happening: &Happening) {
        match happening {
            Happening::Cue(cue) => {
                match cue.news {
                    News::First | News::Untracked => {}
                    News::Repeat => self.repeats += 1,
                    News::Retimed => self.retimes += 1,
                    News::DuplicateId => self.duplicate_ids.add(Source::of(cue.event_id.unwrap_or_default())),
                    News::Unmatched => self.unmatched_returns += 1,
                    News::Cancel => self.cancels += 1,
                    News::CancelUnknown => self.cancels_unknown += 1,
                    News::Refused => self.refused += 1,
                }
                if let (News::First | News::Unmatched, Some(direction)) = (cue.news, cue.direction) {
                    self.announced.add(direction);
                    if cue.immediate {
                        self.immediates.add(direction);
                    }
                    if cue.late {
                        self.late.add(direction);
                    }
                }
                self.implausible += u64::from(cue.implausible);
            }
            Happening::Opened { overlapping, .. } => {
                self.opened += 1;
                self.overlapping += u64::from(*overlapping);
            }
            Happening::Closed { how, mismatch, .. } => {
                self.closed.add(*how);
                self.mismatches += u64::from(*mismatch);
            }
            Happening::Overdue { .. } => self.missing_returns += 1,
            Happening::Orphaned { why, .. } => self.orphaned.add(*why),
            Happening::Point(point) => match point.direction {
                Direction::Out => self.points_out.add(point.verdict),
                Direction::In => self.points_in.add(point.verdict),
            },
            Happening::HeartbeatLost { .. } => self.heartbeats_lost += 1,
            Happening::DtmfLate { .. } => self.dtmf_late += 1,
            Happening::Unusable { .. } | Happening::HeartbeatBack { .. } => {}
        }
    }
}
