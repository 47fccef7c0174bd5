//! The typical time between frames, and how many frames a hole in the numbering swallowed whole.

/// So many intervals are remembered, and so many needed before the pace is known.
const INTERVALS: usize = 16;
const ENOUGH: usize = 4;
/// Intervals within this share of the median make the mean: a sender that rounds to milliseconds alternates by 3 %.
const ALIKE: f64 = 0.25;
/// So many frames after the last one that was sent out of display order, the stream is taken to be in order again.
const ORDERED_AFTER: u16 = 250;
/// So many frames with one timestamp in a row say that the timestamps stand still.
const STILL: u8 = 3;
/// So many spans from a hole on are under doubt: the one it ends, the one it begins, and, where it swallowed a frame that
/// would have raised the media time, one per B-frame that now does so in its place.
const DOUBTED: u8 = 8;
/// More whole frames than this are not taken out of one hole: an outage, not loss.
const MOST: i64 = 3_000;

/// Frames are sent in decoding order. Those that raise the media time (all of them, without B-frames) cut the stream
/// into spans; a span holds as many frames as its media time says, wherever B-frames place them.
#[derive(Default)]
pub(super) struct Pace {
    /// Highest timestamp so far, in ticks, and that of the span before it.
    high: Option<i64>,
    before: Option<i64>,
    /// Frames of the running span.
    frames: i64,
    /// No packet is missing in the running span.
    whole: bool,
    intervals: [i64; INTERVALS],
    known: usize,
    next: usize,
    last: i64,
    still: u8,
    disorder: u16,
    doubted: u8,
    /// Frames that the spans should hold minus frames they do, since doubt began; and how many were counted as missing.
    balance: i64,
    counted: i64,
    /// Packets missing since doubt began, less the frames counted: each missing frame takes one packet at least.
    lost: u64,
}

/// What is known of a hole before a frame.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Hole {
    /// So many whole frames fell into it.
    Frames(u64),
    /// The pace says nothing: too few frames yet, or the timestamps are of no use.
    Unknown,
    /// B-frames: what is missing is found when the span is over.
    Later,
}

impl Pace {
    /// A frame begins and `lost` packets are missing right before it. Gives what fell into that hole, and how many
    /// frames turned out to be missing from earlier spans. Never more frames than packets.
    pub(super) fn on(&mut self, ticks: i64, lost: u64) -> (Hole, u64) {
        let last = std::mem::replace(&mut self.last, ticks);
        let Some(high) = self.high else {
            self.high = Some(ticks);
            (self.frames, self.whole) = (1, true);
            return (Hole::Unknown, 0);
        };
        let hole = lost > 0;
        self.still = if ticks == last { self.still.saturating_add(1) } else { 0 };
        self.disorder = if ticks < high { ORDERED_AFTER } else { self.disorder.saturating_sub(1) };
        let interval = if hole || self.doubted > 0 { self.interval() } else { None };
        let found = match interval {
            None => Hole::Unknown,
            Some(_) if self.disorder > 0 => Hole::Later,
            Some(t) => Hole::Frames(lost.min(frames_in(ticks.saturating_sub(high), t).saturating_sub(1) as u64)),
        };
        if hole && found == Hole::Later {
            self.doubted = DOUBTED;
            self.lost = self.lost.saturating_add(lost);
        }
        self.whole &= !hole;
        let mut missing = 0;
        if ticks > high {
            missing = self.end_span(high, interval);
            self.before = Some(high);
            self.high = Some(ticks);
            self.frames = 0;
            self.whole = !hole;
        }
        self.frames += 1;
        (found, missing)
    }

    /// The timestamps jumped: nothing before now says anything about what comes.
    pub(super) fn jumped(&mut self) {
        *self = Pace { intervals: self.intervals, known: self.known, next: self.next, ..Pace::default() };
    }

    /// Whole frames missing, by a span that just ended.
    fn end_span(&mut self, high: i64, interval: Option<f64>) -> u64 {
        let Some(length) = self.before.map(|before| high.saturating_sub(before)).filter(|l| *l > 0) else { return 0 };
        if self.whole && self.frames > 0 {
            self.intervals[self.next] = length / self.frames;
            self.next = (self.next + 1) % INTERVALS;
            self.known = (self.known + 1).min(INTERVALS);
        }
        let (Some(interval), 1..) = (interval, self.doubted) else { return 0 };
        self.doubted -= 1;
        self.balance += frames_in(length, interval) - self.frames;
        let missing = self.lost.min((self.balance - self.counted).max(0) as u64);
        self.counted += missing as i64;
        self.lost -= missing;
        if self.doubted == 0 {
            (self.balance, self.counted, self.lost) = (0, 0, 0);
        }
        missing
    }

    /// Ticks per frame: the mean of the remembered intervals that are near their median.
    fn interval(&self) -> Option<f64> {
        if self.known < ENOUGH || self.still >= STILL {
            return None;
        }
        let mut sorted = self.intervals;
        let sorted = &mut sorted[..self.known];
        sorted.sort_unstable();
        let median = sorted[sorted.len() / 2] as f64;
        let alike = |n: &&i64| (**n as f64 - median).abs() <= median * ALIKE;
        let (sum, n) = sorted.iter().filter(alike).fold((0.0, 0.0), |(sum, n), i| (sum + *i as f64, n + 1.0));
        Some(sum / n).filter(|mean| *mean >= 1.0)
    }
}

fn frames_in(length: i64, interval: f64) -> i64 {
    ((length as f64 / interval).round() as i64).clamp(0, MOST)
}
