//! Frames and bytes of the last ten seconds of arrival.

use crate::base::clock::Boot;
use crate::wire::window::Window;
use std::ops::AddAssign;
use std::time::Duration;

/// Length of one bucket.
const BUCKET: Duration = Duration::from_millis(100);
/// Buckets: those of 10 s and the one being filled.
const RING: usize = 101;
/// Below this span a rate says nothing.
const LEAST: Duration = Duration::from_secs(1);
/// How long after the first packet a burst is looked for.
const SETTLING: Duration = Duration::from_secs(2);
/// Media time this far ahead of arrival while settling means that pictures from before PLAY were sent at once; seconds.
const BURST: f64 = 0.5;
/// Further ahead than this is no burst but a jump of the timestamps; seconds.
const LONGEST_BURST: f64 = 60.0;

#[derive(Copy, Clone, Default)]
struct Bucket {
    frames: u32,
    bytes: u64,
}

impl AddAssign for Bucket {
    fn add_assign(&mut self, other: Self) {
        self.frames = self.frames.saturating_add(other.frames);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

pub(super) struct Rate {
    window: Window<Bucket, RING>,
    /// Arrival and media time of the first packet.
    first: Option<(Boot, i64)>,
}

/// Frames per second and bit per second.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) struct Rates {
    pub(super) fps: f64,
    pub(super) bitrate: f64,
}

impl Rate {
    pub(super) fn new() -> Self {
        Rate { window: Window::new(BUCKET), first: None }
    }

    /// A packet of `bytes` that begins `frames` frames.
    pub(super) fn on(&mut self, at: Boot, ticks: i64, clock_hz: f64, bytes: usize, frames: u64) {
        let (first, first_ticks) = *self.first.get_or_insert((at, ticks));
        let age = at.since(first);
        if age < SETTLING {
            let media = ticks.wrapping_sub(first_ticks) as f64 / clock_hz;
            if (BURST..LONGEST_BURST).contains(&(media - age.as_secs_f64())) {
                self.window.restart(first.plus(SETTLING));
            }
        }
        let frames = u32::try_from(frames).unwrap_or(u32::MAX);
        self.window.add(at, Bucket { frames, bytes: bytes as u64 });
    }

    /// The rates over the window that ended with the last whole bucket before `now`; `None` until it spans a second.
    pub(super) fn rates(&self, now: Boot) -> Option<Rates> {
        let (sum, span) = self.window.sum(now).filter(|(_, span)| *span >= LEAST)?;
        let seconds = span.as_secs_f64();
        Some(Rates { fps: f64::from(sum.frames) / seconds, bitrate: sum.bytes as f64 * 8.0 / seconds })
    }
}
