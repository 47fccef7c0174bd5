//! The closed sets by which what happens is named and counted.

use crate::base::label::Label;
use crate::wire::scte35::command::CommandKind;
use crate::wire::scte35::segmentation::{SegmentationType, Span};

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
    pub(super) fn of(id: u32) -> Self {
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
