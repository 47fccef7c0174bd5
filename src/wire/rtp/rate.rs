//! Frames and bytes of the last ten seconds of arrival.

use crate::base::clock::Boot;
use std::time::Duration;

/// One bucket, in nanoseconds: 100 ms. Window edges lie on bucket edges, so a window is exact but up to 100 ms old.
const BUCKET: u64 = 100_000_000;
/// The window, in buckets: 10 s.
const WINDOW: u64 = 100;
/// Below this span a rate says nothing, in nanoseconds: 1 s.
const LEAST: u64 = 1_000_000_000;
/// How long after the first packet a burst is looked for, in nanoseconds: 2 s.
const SETTLING: u64 = 2_000_000_000;
/// Media time this far ahead of arrival while settling means that pictures from before PLAY were sent at once; seconds.
const BURST: f64 = 0.5;
/// Further ahead than this is no burst but a jump of the timestamps; seconds.
const LONGEST_BURST: f64 = 60.0;
/// One more than the window holds: the bucket being filled.
const RING: usize = WINDOW as usize + 1;

#[derive(Copy, Clone, Default)]
struct Bucket {
    frames: u32,
    bytes: u64,
}

pub(super) struct Rate {
    ring: [Bucket; RING],
    /// Number of the bucket being filled, counted from boot.
    newest: u64,
    /// Where counting began: the first packet, or the end of the burst.
    from: Option<Boot>,
    first: Option<(Boot, i64)>,
    /// The ring holds a burst and nothing behind it.
    burst: bool,
}

/// Frames per second and bit per second.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) struct Rates {
    pub(super) fps: f64,
    pub(super) bitrate: f64,
}

impl Rate {
    pub(super) fn new() -> Self {
        Rate { ring: [Bucket::default(); RING], newest: 0, from: None, first: None, burst: false }
    }

    /// A packet of `bytes` that begins `frames` frames.
    pub(super) fn on(&mut self, at: Boot, ticks: i64, clock_hz: f64, bytes: usize, frames: u64) {
        self.from.get_or_insert(at);
        let (first, first_ticks) = *self.first.get_or_insert((at, ticks));
        let age = at.since(first);
        if age < Duration::from_nanos(SETTLING) {
            let media = ticks.wrapping_sub(first_ticks) as f64 / clock_hz;
            if (BURST..LONGEST_BURST).contains(&(media - age.as_secs_f64())) {
                self.burst = true;
                self.from = Some(first.plus(Duration::from_nanos(SETTLING)));
            }
        } else if self.burst {
            *self = Rate { from: self.from, first: self.first, ..Rate::new() };
        }
        self.turn(at.as_nanos() / BUCKET);
        let bucket = &mut self.ring[(self.newest % RING as u64) as usize];
        bucket.bytes = bucket.bytes.saturating_add(bytes as u64);
        bucket.frames = bucket.frames.saturating_add(u32::try_from(frames).unwrap_or(u32::MAX));
    }

    /// Empties the buckets between the newest and `number`.
    fn turn(&mut self, number: u64) {
        let steps = number.saturating_sub(self.newest).min(RING as u64);
        for step in 1..=steps {
            self.ring[((number - steps + step) % RING as u64) as usize] = Bucket::default();
        }
        self.newest = self.newest.max(number);
    }

    /// The rates over the window that ended with the last whole bucket before `now`; `None` until it spans a second.
    pub(super) fn rates(&self, now: Boot) -> Option<Rates> {
        let from = self.from?;
        let end = now.as_nanos() / BUCKET;
        let start = end.saturating_sub(WINDOW);
        let span = (end * BUCKET).saturating_sub(from.as_nanos().max(start * BUCKET));
        if span < LEAST {
            return None;
        }
        let mut sum = Bucket::default();
        // What the ring still holds of [start, end): the buckets up to `newest`, RING of them; nothing of a burst.
        let end = if self.burst { start } else { end };
        for number in start.max((self.newest + 1).saturating_sub(RING as u64))..end.min(self.newest + 1) {
            let bucket = self.ring[(number % RING as u64) as usize];
            sum.frames = sum.frames.saturating_add(bucket.frames);
            sum.bytes = sum.bytes.saturating_add(bucket.bytes);
        }
        let seconds = span as f64 / 1e9;
        Some(Rates { fps: f64::from(sum.frames) / seconds, bitrate: sum.bytes as f64 * 8.0 / seconds })
    }
}
