//! The last ten seconds, in half seconds: counts, peaks, spreads.

use super::packet::PACKET;
use crate::base::clock::Boot;
use crate::wire::window::Window;
use std::ops::AddAssign;
use std::time::Duration;

/// One bucket. Window edges lie on bucket edges: a value is exact, and up to half a second old.
const BUCKET: Duration = Duration::from_millis(500);
/// Buckets: those of 10 s and the one being filled.
const RING: usize = 21;
/// Below this span a rate says nothing.
const LEAST: Duration = Duration::from_secs(1);

/// What is gathered over the last ten seconds.
pub(super) type Recent<T> = Window<T, RING>;

pub(super) fn recent<T: Copy + Default + AddAssign>() -> Recent<T> {
    Window::new(BUCKET)
}

/// The same, counting from `from` on.
pub(super) fn recent_from(from: Boot) -> Recent<u32> {
    let mut window = recent();
    window.restart(from);
    window
}

/// Counts per second over the window that ended with the last whole bucket before `now`; `None` until it spans a second.
pub(super) fn per_second(window: &Recent<u32>, now: Boot) -> Option<f64> {
    let (sum, span) = window.sum(now).filter(|(_, span)| *span >= LEAST)?;
    Some(f64::from(sum) / span.as_secs_f64())
}

/// The same in bit per second, a count being a packet.
pub(super) fn bitrate(window: &Recent<u32>, now: Boot) -> Option<f64> {
    per_second(window, now).map(|packets| packets * (PACKET * 8) as f64)
}

/// The largest of the values.
#[derive(Copy, Clone, Default)]
pub(super) struct Peak(pub(super) Option<i64>);

impl AddAssign for Peak {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.max(other.0);
    }
}

/// The smallest and the largest of the values.
#[derive(Copy, Clone, Default)]
pub(super) struct Spread(Option<(i64, i64)>);

impl Spread {
    pub(super) fn of(value: i64) -> Spread {
        Spread(Some((value, value)))
    }
    /// How far they lie apart.
    pub(super) fn width(self) -> Option<i64> {
        self.0.map(|(low, high)| high - low)
    }
}

impl AddAssign for Spread {
    fn add_assign(&mut self, other: Self) {
        self.0 = match (self.0, other.0) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
    }
}
