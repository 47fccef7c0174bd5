//! What the tracker has to tell, with everything that the event log and a broker need of it.

use super::super::command::{BreakDuration, CommandKind};
use super::super::defect::Defects;
use super::super::segmentation::{SegmentationType, Span};
use super::super::ticks::{HZ, seconds};
use super::super::upid::Upid;
use crate::base::label::Label;
use std::fmt;
use std::time::Duration;

/// Which event: ids of splice_insert and of each kind of segment are numbered apart.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub of: Of,
    /// splice_event_id or segmentation_event_id.
    pub id: u32,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Of {
    Insert,
    /// The type that starts it.
    Segment(SegmentationType),
}

impl Key {
    /// `splice_insert`, or the name of the type that starts the segment.
    pub fn of_name(&self) -> &'static str {
        match self.of {
            Of::Insert => CommandKind::Insert.label(),
            Of::Segment(kind) => kind.label(),
        }
    }
    pub fn span(&self) -> Span {
        match self.of {
            Of::Insert => Span::Break,
            Of::Segment(kind) => kind.span(),
        }
    }
    pub fn source(&self) -> Source {
        Source::of(self.id)
    }
}

/// Who numbers an event: the upper four bits of its id (§9.9.3).
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    Network,
    Automation,
    Manual,
    Local,
    Other,
}

impl Source {
    fn of(id: u32) -> Self {
        match id >> 28 {
            0 => Source::Network,
            4 => Source::Automation,
            6 => Source::Manual,
            12 => Source::Local,
            _ => Source::Other,
        }
    }
}

impl Label for Source {
    const ALL: &'static [Self] = &[Source::Network, Source::Automation, Source::Manual, Source::Local, Source::Other];
    fn label(self) -> &'static str {
        match self {
            Source::Network => "network",
            Source::Automation => "automation",
            Source::Manual => "manual",
            Source::Local => "local",
            Source::Other => "other",
        }
    }
}

/// Out of the programme, or back into it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    Out,
    In,
}

impl Label for Direction {
    const ALL: &'static [Self] = &[Direction::Out, Direction::In];
    fn label(self) -> &'static str {
        match self {
            Direction::Out => "out",
            Direction::In => "in",
        }
    }
}

/// What a marker is to what was known before it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum News {
    /// The first transmission.
    First,
    /// Once more the same.
    Repeat,
    /// The event is moved to another time before it came.
    Retimed,
    /// An Out under an id whose break is still open, at another time (§9.9.3).
    DuplicateId,
    /// An In without a break that it ends.
    Unmatched,
    /// Calls an event off.
    Cancel,
    /// Calls off an event that nobody announced.
    CancelUnknown,
    /// More events at once than are followed.
    Refused,
    /// A marker that is counted only: a programme, a chapter, a schedule, a private command.
    Untracked,
}

impl Label for News {
    const ALL: &'static [Self] = &[
        News::First,
        News::Repeat,
        News::Retimed,
        News::DuplicateId,
        News::Unmatched,
        News::Cancel,
        News::CancelUnknown,
        News::Refused,
        News::Untracked,
    ];
    fn label(self) -> &'static str {
        match self {
            News::First => "first",
            News::Repeat => "repeat",
            News::Retimed => "retimed",
            News::DuplicateId => "duplicate_id",
            News::Unmatched => "unmatched",
            News::Cancel => "cancel",
            News::CancelUnknown => "cancel_unknown",
            News::Refused => "refused",
            News::Untracked => "untracked",
        }
    }
}

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

impl Cue {
    pub(super) fn upid_of(upid: &Upid<'_>) -> Option<(&'static str, String)> {
        (!upid.bytes.is_empty()).then(|| (upid.name(), upid.to_string()))
    }
}

/// How a break ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum How {
    /// An In message, within the tolerance of the planned duration where there is one.
    Return,
    EarlyReturn,
    LateReturn,
    /// By itself, after its duration (auto_return).
    AutoReturn,
    /// Called off while open.
    Cancelled,
    /// Nothing ended it within the longest break that is believed.
    Timeout,
}

impl Label for How {
    const ALL: &'static [Self] =
        &[How::Return, How::EarlyReturn, How::LateReturn, How::AutoReturn, How::Cancelled, How::Timeout];
    fn label(self) -> &'static str {
        match self {
            How::Return => "return",
            How::EarlyReturn => "early_return",
            How::LateReturn => "late_return",
            How::AutoReturn => "auto_return",
            How::Cancelled => "cancelled",
            How::Timeout => "timeout",
        }
    }
}

/// Whether the picture at a splice point allows a clean cut.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// A closed random access point within a frame of it.
    Conditioned,
    /// A random access point within a frame, whose leading pictures refer back: CRA, or an open GOP.
    OpenGop,
    Unconditioned,
}

impl Label for Verdict {
    const ALL: &'static [Self] = &[Verdict::Conditioned, Verdict::OpenGop, Verdict::Unconditioned];
    fn label(self) -> &'static str {
        match self {
            Verdict::Conditioned => "conditioned",
            Verdict::OpenGop => "open_gop",
            Verdict::Unconditioned => "unconditioned",
        }
    }
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
    pub first: Option<i64>,
    /// From the splice point to the first random access point from 50 ms before to 6 s after it, ticks.
    pub offset: Option<i64>,
    /// From the splice point to the last random access point before it, ticks, negative.
    pub before: Option<i64>,
    /// sap_type promised a closed GOP where there is none.
    pub broken_promise: bool,
}

/// Why an announced splice point will not come.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// The clock of the programme jumped.
    Discontinuity,
    /// It lay more than ten minutes back when it was announced.
    LongPast,
    /// Its time went by without pictures.
    Expired,
}

impl Label for Why {
    const ALL: &'static [Self] = &[Why::Discontinuity, Why::LongPast, Why::Expired];
    fn label(self) -> &'static str {
        match self {
            Why::Discontinuity => "discontinuity",
            Why::LongPast => "long_past",
            Why::Expired => "expired",
        }
    }
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

/// A value of a field of a [`Happening`].
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Value<'a> {
    Text(&'a str),
    Number(f64),
    Whole(i64),
    Flag(bool),
}

type Each<'a> = &'a mut dyn FnMut(&'static str, Value<'_>);

fn ticks(name_ticks: &'static str, name_seconds: &'static str, value: Option<i64>, each: Each<'_>) {
    if let Some(value) = value {
        each(name_ticks, Value::Whole(value));
        each(name_seconds, Value::Number(seconds(value)));
    }
}

fn planned_of(planned: Option<u64>, each: Each<'_>) {
    ticks("planned_ticks", "planned_seconds", planned.map(|p| p as i64), each);
}

impl Key {
    fn fields(&self, each: Each<'_>) {
        each("event", Value::Text(self.of_name()));
        each("event_id", Value::Whole(i64::from(self.id)));
        each("source", Value::Text(self.source().label()));
    }
}

impl Cue {
    fn fields(&self, each: Each<'_>) {
        each("command", Value::Text(self.command.label()));
        if let Some(id) = self.event_id {
            each("event_id", Value::Whole(i64::from(id)));
            each("source", Value::Text(Source::of(id).label()));
        }
        if let Some(kind) = self.segmentation {
            each("segmentation", Value::Text(kind.label()));
            each("segmentation_type_id", Value::Whole(i64::from(kind.0)));
        }
        each("news", Value::Text(self.news.label()));
        ticks("pts_ticks", "pts_seconds", self.target.map(|t| t as i64), each);
        each("pts_adjustment_ticks", Value::Whole(self.pts_adjustment as i64));
        for (name, flag) in [("immediate", self.immediate), ("late", self.late), ("implausible", self.implausible)] {
            if flag {
                each(name, Value::Flag(true));
            }
        }
        if let Some(unix) = self.scheduled {
            each("scheduled_unix", Value::Whole(unix));
        }
        for (name, preroll) in [
            ("preroll_declared_seconds", self.preroll.declared),
            ("preroll_arrival_seconds", self.preroll.arrival),
            ("moved_seconds", self.moved),
        ] {
            if let Some(preroll) = preroll {
                each(name, Value::Number(seconds(preroll)));
            }
        }
        if let Some(duration) = self.duration {
            ticks("duration_ticks", "duration_seconds", Some(duration.ticks as i64), each);
            each("auto_return", Value::Flag(duration.auto_return));
        }
        if let Some((scheme, text)) = &self.upid {
            each("upid_type", Value::Text(scheme));
            each("upid", Value::Text(text));
        }
        if let Some(program) = self.unique_program_id {
            each("unique_program_id", Value::Whole(i64::from(program)));
        }
        for (number, expected, pair) in [
            ("segment_num", "segments_expected", self.segment),
            ("sub_segment_num", "sub_segments_expected", self.sub_segment),
            ("avail_num", "avails_expected", self.avail),
        ] {
            if let Some((n, of)) = pair {
                each(number, Value::Whole(i64::from(n)));
                each(expected, Value::Whole(i64::from(of)));
            }
        }
        if self.tier != 0xfff {
            each("tier", Value::Whole(i64::from(self.tier)));
        }
        if !self.defects.is_empty() {
            each("defects", Value::Text(&self.defects.to_string()));
        }
    }
}

impl Happening {
    /// A closed name for the event log: `scte35.` and what happened.
    pub fn kind(&self) -> &'static str {
        match self {
            Happening::Cue(cue) => match (cue.news, cue.direction) {
                (News::Cancel | News::CancelUnknown, _) => "scte35.cancel",
                (_, Some(Direction::Out)) => "scte35.out",
                (_, Some(Direction::In)) => "scte35.in",
                (_, None) => "scte35.cue",
            },
            Happening::Unusable { .. } => "scte35.unusable",
            Happening::Opened { .. } => "scte35.opened",
            Happening::Closed { .. } => "scte35.closed",
            Happening::Overdue { .. } => "scte35.overdue",
            Happening::Orphaned { .. } => "scte35.orphaned",
            Happening::Point(_) => "scte35.splice_point",
            Happening::HeartbeatLost { .. } => "scte35.heartbeat_lost",
            Happening::HeartbeatBack { .. } => "scte35.heartbeat_back",
            Happening::DtmfLate { .. } => "scte35.dtmf_late",
        }
    }

    /// Its fields by name, at most 32; ids, PTS and UPIDs among them, so never to be made labels.
    pub fn fields(&self, each: Each<'_>) {
        match self {
            Happening::Cue(cue) => cue.fields(each),
            Happening::Unusable { command, defects } => {
                each("command", Value::Text(command.label()));
                each("defects", Value::Text(&defects.to_string()));
            }
            Happening::Opened { key, pts, planned, auto_return, preroll, overlapping } => {
                key.fields(each);
                ticks("pts_ticks", "pts_seconds", pts.map(|p| p as i64), each);
                planned_of(*planned, each);
                each("auto_return", Value::Flag(*auto_return));
                if let Some(preroll) = preroll {
                    each("preroll_actual_seconds", Value::Number(preroll.as_secs_f64()));
                }
                each("overlapping", Value::Flag(*overlapping));
            }
            Happening::Closed { key, how, actual, planned, mismatch } => {
                key.fields(each);
                each("how", Value::Text(how.label()));
                ticks("actual_ticks", "actual_seconds", Some(*actual), each);
                planned_of(*planned, each);
                if let Some(planned) = planned {
                    each("error_seconds", Value::Number(seconds(actual - *planned as i64)));
                }
                each("mismatch", Value::Flag(*mismatch));
            }
            Happening::Overdue { key, elapsed, planned } => {
                key.fields(each);
                ticks("elapsed_ticks", "elapsed_seconds", Some(*elapsed), each);
                planned_of(Some(*planned), each);
            }
            Happening::Orphaned { key, direction, target, why } => {
                key.fields(each);
                each("direction", Value::Text(direction.label()));
                ticks("pts_ticks", "pts_seconds", Some(*target as i64), each);
                each("why", Value::Text(why.label()));
            }
            Happening::Point(point) => point.fields(each),
            Happening::HeartbeatLost { age, interval } => {
                each("age_seconds", Value::Number(age.as_secs_f64()));
                each("interval_seconds", Value::Number(interval.as_secs_f64()));
            }
            Happening::HeartbeatBack { age } => each("age_seconds", Value::Number(age.as_secs_f64())),
            Happening::DtmfLate { characters, preroll, left } => {
                each("dtmf", Value::Text(characters));
                each("dtmf_preroll_seconds", Value::Number(f64::from(*preroll) / 10.0));
                each("left_seconds", Value::Number(seconds(*left)));
            }
        }
    }
}

impl Point {
    fn fields(&self, each: Each<'_>) {
        self.key.fields(each);
        each("direction", Value::Text(self.direction.label()));
        ticks("pts_ticks", "pts_seconds", Some(self.target as i64), each);
        each("verdict", Value::Text(self.verdict.label()));
        for (name, offset) in
            [("first_seconds", self.first), ("offset_seconds", self.offset), ("before_seconds", self.before)]
        {
            if let Some(offset) = offset {
                each(name, Value::Number(seconds(offset)));
            }
        }
        if self.broken_promise {
            each("broken_promise", Value::Flag(true));
        }
    }
}

/// `scte35.opened event=splice_insert event_id=7 …`, as `vedette probe` prints it.
impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        let mut result = Ok(());
        self.fields(&mut |name, value| {
            if result.is_ok() {
                result = match value {
                    Value::Text(text) => write!(f, " {name}={text}"),
                    Value::Number(n) => write!(f, " {name}={n:.6}"),
                    Value::Whole(n) => write!(f, " {name}={n}"),
                    Value::Flag(flag) => write!(f, " {name}={flag}"),
                };
            }
        });
        result
    }
}

/// A duration as ticks, at most the largest that fits.
pub(super) fn ticks_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos() * HZ as u128 / 1_000_000_000).unwrap_or(i64::MAX)
}
