//! What can be wrong with a playlist, as a closed set.

use crate::base::label::Label;

/// One way in which a playlist breaks RFC 8216. Clauses are those of the RFC.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Defect {
    /// A line whose value cannot be read, or a line or list beyond our bounds.
    Syntax,
    /// Tags of a master and of a media playlist in one (4.1).
    Mixed,
    /// No EXT-X-TARGETDURATION (4.3.3.1).
    NoTarget,
    /// EXT-X-TARGETDURATION changed (6.2.1).
    TargetChanged,
    /// A segment longer than the target duration, both rounded to whole seconds (4.3.3.1).
    SegmentTooLong,
    /// A segment without EXTINF (4.3.2.1).
    NoDuration,
    /// EXT-X-PROGRAM-DATE-TIME moved by more than half a second against the durations, without a discontinuity (4.3.2.6).
    DateJump,
    /// EXT-X-MEDIA-SEQUENCE went back (6.2.2).
    SequenceBack,
    /// Segments were taken off the front and EXT-X-MEDIA-SEQUENCE was not raised by their number (4.3.3.2).
    Renumbered,
    /// Another segment, or another duration, under a number already given (6.2.1).
    SegmentChanged,
    /// A segment was taken away from the end (6.2.1).
    SegmentWithdrawn,
    /// Segments were taken off the front and less than three target durations stayed (6.2.2).
    WindowShort,
    /// EXT-X-DISCONTINUITY-SEQUENCE does not count the discontinuities taken off the front (6.2.2).
    DiscontinuitySequence,
    /// The playlist changed after EXT-X-ENDLIST (4.3.3.4).
    ChangedAfterEnd,
    /// EXT-X-DATERANGE without ID or START-DATE, or with a value that cannot be read (4.3.2.7).
    RangeSyntax,
    /// EXT-X-DATERANGE in a playlist without EXT-X-PROGRAM-DATE-TIME (4.3.2.7).
    RangeWithoutDate,
    /// END-DATE before START-DATE, or not START-DATE plus DURATION (4.3.2.7).
    RangeEnd,
    /// END-ON-NEXT without CLASS, or with DURATION or END-DATE, or other than YES (4.3.2.7).
    RangeEndOnNext,
    /// Two date ranges of one ID differ in an attribute that both have (4.3.2.7).
    RangeConflict,
    /// SCTE35-OUT, SCTE35-IN or SCTE35-CMD holds a section that belongs in another of them (4.3.2.7.1).
    RangeSection,
    /// A cue whose payload is no SCTE-35 section in base64 or hexadecimal.
    CuePayload,
    /// A cue tag whose value cannot be read.
    CueSyntax,
}

impl Label for Defect {
    const ALL: &'static [Self] = &[
        Defect::Syntax,
        Defect::Mixed,
        Defect::NoTarget,
        Defect::TargetChanged,
        Defect::SegmentTooLong,
        Defect::NoDuration,
        Defect::DateJump,
        Defect::SequenceBack,
        Defect::Renumbered,
        Defect::SegmentChanged,
        Defect::SegmentWithdrawn,
        Defect::WindowShort,
        Defect::DiscontinuitySequence,
        Defect::ChangedAfterEnd,
        Defect::RangeSyntax,
        Defect::RangeWithoutDate,
        Defect::RangeEnd,
        Defect::RangeEndOnNext,
        Defect::RangeConflict,
        Defect::RangeSection,
        Defect::CuePayload,
        Defect::CueSyntax,
    ];
    fn label(self) -> &'static str {
        match self {
            Defect::Syntax => "syntax",
            Defect::Mixed => "mixed",
            Defect::NoTarget => "no_target",
            Defect::TargetChanged => "target_changed",
            Defect::SegmentTooLong => "segment_too_long",
            Defect::NoDuration => "no_duration",
            Defect::DateJump => "date_jump",
            Defect::SequenceBack => "sequence_back",
            Defect::Renumbered => "renumbered",
            Defect::SegmentChanged => "segment_changed",
            Defect::SegmentWithdrawn => "segment_withdrawn",
            Defect::WindowShort => "window_short",
            Defect::DiscontinuitySequence => "discontinuity_sequence",
            Defect::ChangedAfterEnd => "changed_after_end",
            Defect::RangeSyntax => "range_syntax",
            Defect::RangeWithoutDate => "range_without_date",
            Defect::RangeEnd => "range_end",
            Defect::RangeEndOnNext => "range_end_on_next",
            Defect::RangeConflict => "range_conflict",
            Defect::RangeSection => "range_section",
            Defect::CuePayload => "cue_payload",
            Defect::CueSyntax => "cue_syntax",
        }
    }
}

/// A set of defects.
#[derive(Copy, Clone, PartialEq, Eq, Default, Debug)]
pub struct Defects(u32);

impl Defects {
    pub fn add(&mut self, defect: Defect) {
        self.0 |= 1 << defect as u32;
    }
    pub fn has(self, defect: Defect) -> bool {
        self.0 & 1 << defect as u32 != 0
    }
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// Those that `other` lacks.
    pub fn beyond(self, other: Defects) -> Defects {
        Defects(self.0 & !other.0)
    }
    pub fn iter(self) -> impl Iterator<Item = Defect> {
        Defect::ALL.iter().copied().filter(move |d| self.has(*d))
    }
}

impl std::ops::BitOrAssign for Defects {
    fn bitor_assign(&mut self, other: Defects) {
        self.0 |= other.0;
    }
}
