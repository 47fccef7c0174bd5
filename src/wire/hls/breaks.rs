//! Breaks as the cue tags tell them: begun, going on, ended.

use super::cue::{Act, Style};
use super::parse::Segment;
use super::range::Range;
use crate::base::label::Label;

/// A break may last so much longer or shorter than planned, in seconds: one encoder's rounding of the cut.
const TOLERANCE: f64 = 1.0;
/// The same as a share of the plan, for long ones.
const TOLERANCE_RATIO: f64 = 0.02;
/// A break without a plan is overdue after so many seconds.
const LONGEST: f64 = 900.0;
/// A cue is at a segment's boundary within so many ms: a frame at 24 frames per second, and the rounding of dates.
const FRAME: u64 = 50;

/// What can be wrong with the cues of a playlist, in themselves or against those of the stream.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum CueFault {
    /// The planned length has passed, and one segment more, without a return.
    NoReturn,
    /// A return without a break.
    ReturnWithoutBreak,
    /// A break begins in a break.
    Overlap,
    /// The elapsed time did not grow from one segment to the next.
    ElapsedStuck,
    /// The segments of a break do not add up to its plan, by more than a second and 2 %.
    BreakLength,
    /// A cue lies inside a segment, more than a frame from its edges.
    NotAtBoundary,
    /// A break begins or ends in the stream, and the playlist says nothing of it.
    StreamOnly,
    /// A payload in the playlist is none of those in the stream.
    PayloadDiffers,
}

impl Label for CueFault {
    const ALL: &'static [Self] = &[
        CueFault::NoReturn,
        CueFault::ReturnWithoutBreak,
        CueFault::Overlap,
        CueFault::ElapsedStuck,
        CueFault::BreakLength,
        CueFault::NotAtBoundary,
        CueFault::StreamOnly,
        CueFault::PayloadDiffers,
    ];
    fn label(self) -> &'static str {
        match self {
            CueFault::NoReturn => "no_return",
            CueFault::ReturnWithoutBreak => "return_without_break",
            CueFault::Overlap => "overlap",
            CueFault::ElapsedStuck => "elapsed_stuck",
            CueFault::BreakLength => "break_length",
            CueFault::NotAtBoundary => "not_at_boundary",
            CueFault::StreamOnly => "stream_only",
            CueFault::PayloadDiffers => "payload_differs",
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Open {
    /// Seconds of the segments since it began.
    lasted: f64,
    planned: Option<f64>,
    elapsed: f64,
    /// Segments that began when it should have ended, and did not end it.
    over: u32,
    overdue: bool,
}

/// The breaks of the tags that segments carry; one at a time per style.
#[derive(Debug, Clone, Default)]
pub(super) struct Breaks {
    cue_out: Option<Open>,
    scte35: Option<Open>,
}

impl Breaks {
    /// The next segment. `fault` hears what is wrong with the cues in front of it.
    pub(super) fn segment(&mut self, segment: &Segment<'_>, mut fault: impl FnMut(CueFault, Style)) {
        for cue in &segment.cues {
            let open = match cue.style {
                Style::CueOut => &mut self.cue_out,
                Style::Scte35 => &mut self.scte35,
                Style::DateRange | Style::Oatcls | Style::SplicePoint | Style::Asset => continue,
            };
            match cue.act {
                Act::Out => {
                    let new = Open { planned: cue.planned, ..Open::default() };
                    if open.replace(new).is_some() {
                        fault(CueFault::Overlap, cue.style);
                    }
                }
                Act::Continue => match open {
                    Some(open) => {
                        if cue.elapsed.is_some_and(|elapsed| elapsed <= open.elapsed) {
                            fault(CueFault::ElapsedStuck, cue.style);
                        }
                        open.elapsed = cue.elapsed.unwrap_or(open.elapsed);
                        open.planned = open.planned.or(cue.planned);
                    }
                    // Its begin was before our time.
                    None => {
                        let elapsed = cue.elapsed.unwrap_or_default();
                        *open = Some(Open { lasted: elapsed, planned: cue.planned, elapsed, ..Open::default() });
                    }
                },
                Act::In => match open.take() {
                    Some(open) => {
                        if open.planned.is_some_and(|planned| differs(open.lasted, planned)) {
                            fault(CueFault::BreakLength, cue.style);
                        }
                    }
                    None => fault(CueFault::ReturnWithoutBreak, cue.style),
                },
                Act::Command => {}
            }
        }
        for (style, slot) in [(Style::CueOut, &mut self.cue_out), (Style::Scte35, &mut self.scte35)] {
            let Some(open) = slot else { continue };
            let end = open.planned.unwrap_or(LONGEST);
            open.over += u32::from(open.lasted >= end - FRAME as f64 / 1000.0);
            if open.over >= 2 && !open.overdue {
                open.overdue = true;
                fault(CueFault::NoReturn, style);
            }
            open.lasted += segment.duration;
            if open.lasted > end + LONGEST {
                *slot = None; // nobody waits for this return any more
            }
        }
    }

    pub(super) fn open(&self) -> bool {
        self.cue_out.is_some() || self.scte35.is_some()
    }
    pub(super) fn overdue(&self) -> bool {
        [&self.cue_out, &self.scte35].into_iter().flatten().any(|open| open.overdue)
    }
}

/// Whether a break's length is off its plan.
fn differs(actual: f64, planned: f64) -> bool {
    (actual - planned).abs() > TOLERANCE.max(planned * TOLERANCE_RATIO)
}

/// What is wrong with a date range's break at this time: the segments' dates, and `target` in seconds.
pub(super) fn range_faults(range: &Range, segments: &[Segment<'_>], target: u64) -> Vec<CueFault> {
    let mut faults = Vec::new();
    if range.out.is_none() {
        return faults;
    }
    let edge = segments.last().and_then(|s| Some(ends(s.date?, s)));
    let planned = range.planned.map(|p| range.start.saturating_add((p * 1000.0) as i64));
    match (range.ends(), planned) {
        (Some(end), Some(_)) => {
            let actual = end.saturating_sub(range.start) as f64 / 1000.0;
            if range.planned.is_some_and(|planned| differs(actual, planned)) {
                faults.push(CueFault::BreakLength);
            }
        }
        (None, Some(planned)) => {
            let late = planned.saturating_add(target as i64 * 1000);
            if edge.is_some_and(|edge| edge > late) && !range.end_on_next {
                faults.push(CueFault::NoReturn);
            }
        }
        (_, None) => {}
    }
    let inside = |at: i64| {
        segments.iter().any(|s| {
            let Some(from) = s.date else { return false };
            let to = ends(from, s);
            from < at && at < to && from.abs_diff(at) > FRAME && to.abs_diff(at) > FRAME
        })
    };
    if inside(range.start) || range.ends().is_some_and(inside) {
        faults.push(CueFault::NotAtBoundary);
    }
    faults
}

/// Ms since the Unix epoch at which a segment that begins at `from` ends.
pub(super) fn ends(from: i64, segment: &Segment<'_>) -> i64 {
    from.saturating_add((segment.duration * 1000.0) as i64)
}
