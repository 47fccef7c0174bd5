//! The clock of the stream as its access units tell it, and where it jumps.

use super::{JUMP, Moment, ticks_between};
use crate::wire::ts::{Medium, RandomAccess, clock33};

/// Audio is listened to when no video came for this long, ns.
const WITHOUT_VIDEO: Moment = 5_000_000_000;
/// For this long after a discontinuity was reported elsewhere, ns, a step of more than [`SMALL_JUMP`] is one.
const WARY: Moment = 3_000_000_000;
/// Beyond the reordering of pictures, ticks.
const SMALL_JUMP: i64 = clock33::HZ as i64 / 2;
/// Access units that are remembered: for the length of a frame, and for cues that come after their picture.
const RECENT: usize = 32;
/// Of 25 frames a second, ticks; until enough were seen.
const FRAME: i64 = 3_600;

/// What an access unit is to the clock.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To be passed over: audio beside video, or a first timestamp far off the others.
    Aside,
    Steady,
    /// The clock jumped from `from` to this access unit while `gap` ticks passed.
    Jump {
        from: u64,
        gap: i64,
    },
}

#[derive(Debug, Default)]
pub(super) struct StreamClock {
    /// The newest PTS and when it came.
    pub(super) last: Option<(u64, Moment)>,
    video: Option<Moment>,
    wary_until: Option<Moment>,
    /// A PTS far off the others, which the next may confirm.
    stray: Option<u64>,
    recent: Vec<(u64, RandomAccess)>,
    /// Where in `recent` the next goes.
    next: usize,
}

impl StreamClock {
    /// Goes on from the newest PTS of an earlier run.
    pub(super) fn from(last: Option<(u64, Moment)>) -> Self {
        StreamClock { last, ..StreamClock::default() }
    }

    pub(super) fn wary(&mut self, at: Moment) {
        self.wary_until = Some(at.saturating_add(WARY));
    }

    pub(super) fn on(&mut self, pts: u64, medium: Medium, random_access: RandomAccess, at: Moment) -> Step {
        match medium {
            Medium::Video => self.video = Some(at),
            Medium::Audio if self.video.is_some_and(|video| at.saturating_sub(video) < WITHOUT_VIDEO) => {
                return Step::Aside;
            }
            Medium::Audio => {}
        }
        let step = self.step(pts, at);
        match step {
            Step::Aside => return step,
            Step::Jump { .. } => {
                self.recent.clear();
                self.next = 0;
                self.last = Some((pts, at));
            }
            // In decoding order a picture may come after one that is shown later.
            Step::Steady => match &mut self.last {
                Some((last, when)) if clock33::diff(*last, pts) < 0 => *when = at,
                last => *last = Some((pts, at)),
            },
        }
        if medium == Medium::Video {
            if self.recent.len() < RECENT {
                self.recent.push((pts, random_access));
            } else {
                self.recent[self.next] = (pts, random_access);
                self.next = (self.next + 1) % RECENT;
            }
        }
        step
    }

    fn step(&mut self, pts: u64, at: Moment) -> Step {
        let Some((from, when)) = self.last else { return Step::Steady };
        let (moved, gap) = (clock33::diff(from, pts), ticks_between(when, at));
        let wary = self.wary_until.is_some_and(|until| at < until);
        let limit = if wary { SMALL_JUMP } else { JUMP };
        // Time without pictures explains a step as long; pictures in a burst explain a step that is none.
        if moved.abs() <= limit || (moved - gap).abs() <= limit {
            self.stray = None;
            return Step::Steady;
        }
        let confirmed = self.stray.replace(pts).is_some_and(|stray| clock33::diff(stray, pts).abs() <= limit);
        if wary || confirmed {
            self.stray = None;
            return Step::Jump { from, gap };
        }
        Step::Aside
    }

    /// Video access units of late, as far as they are kept, oldest first.
    pub(super) fn recent(&self) -> impl Iterator<Item = (u64, RandomAccess)> {
        let (newer, older) = self.recent.split_at(self.next.min(self.recent.len()));
        older.iter().chain(newer).copied()
    }

    /// Ticks from one frame to the next: the median of late, so that a lost frame does not matter.
    pub(super) fn frame(&self) -> i64 {
        let Some((last, _)) = self.last else { return FRAME };
        let mut back: Vec<i64> = self.recent.iter().map(|(pts, _)| clock33::diff(*pts, last)).collect();
        back.sort_unstable();
        let mut steps: Vec<i64> = back.windows(2).map(|w| w[1] - w[0]).filter(|step| *step > 0).collect();
        steps.sort_unstable();
        steps.get(steps.len() / 2).copied().unwrap_or(FRAME)
    }
}
