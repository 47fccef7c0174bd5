//! Sums over the last while of arrival, in fixed memory.

use crate::base::clock::Boot;
use std::ops::AddAssign;
use std::time::Duration;

/// A ring of `N` buckets of time: the one being filled and the `N` − 1 whole ones that make the window. Edges lie on
/// bucket edges, so a sum is exact and up to one bucket old. Adding costs the same whatever the gap before it: at most `N`
/// buckets are emptied.
#[derive(Clone)]
pub struct Window<T, const N: usize> {
    ring: [T; N],
    /// Nanoseconds.
    bucket: u64,
    /// Number of the bucket being filled, counted from boot.
    newest: u64,
    /// Where that bucket ends, in nanoseconds: what comes before then costs no division.
    end: u64,
    /// Where counting began or begins.
    from: Option<Boot>,
}

impl<T: Copy + Default + AddAssign, const N: usize> Window<T, N> {
    /// Buckets of length `bucket`. Counting begins with the first thing added.
    pub fn new(bucket: Duration) -> Self {
        let bucket = u64::try_from(bucket.as_nanos()).unwrap_or(u64::MAX).max(1);
        Window { ring: [T::default(); N], bucket, newest: 0, end: 0, from: None }
    }

    /// Forgets everything; counting begins at `from`, and what is added for earlier is left out.
    pub fn restart(&mut self, from: Boot) {
        *self = Window { ring: [T::default(); N], bucket: self.bucket, newest: 0, end: 0, from: Some(from) };
    }

    /// Adds `value` to the bucket of `at`, or to the newest one where `at` is behind it.
    pub fn add(&mut self, at: Boot, value: T) {
        if at < *self.from.get_or_insert(at) {
            return;
        }
        if at.as_nanos() >= self.end {
            let number = at.as_nanos() / self.bucket;
            let steps = number.saturating_sub(self.newest).min(N as u64);
            for step in 1..=steps {
                self.ring[place::<N>(number - steps + step)] = T::default();
            }
            self.newest = self.newest.max(number);
            self.end = self.newest.saturating_add(1).saturating_mul(self.bucket);
        }
        self.ring[place::<N>(self.newest)] += value;
    }

    /// The sum over the window that ended with the last whole bucket before `now`, and how long that window is: `N` − 1
    /// buckets, less soon after counting began. `None` until some time has passed.
    pub fn sum(&self, now: Boot) -> Option<(T, Duration)> {
        let end = now.as_nanos() / self.bucket;
        let start = end.saturating_sub(N as u64 - 1);
        let span = (end * self.bucket).saturating_sub(self.from?.as_nanos().max(start * self.bucket));
        let mut sum = T::default();
        // What the ring still holds of [start, end): the buckets up to `newest`, N of them.
        for number in start.max((self.newest + 1).saturating_sub(N as u64))..end.min(self.newest + 1) {
            sum += self.ring[place::<N>(number)];
        }
        (span > 0).then_some((sum, Duration::from_nanos(span)))
    }
}

fn place<const N: usize>(number: u64) -> usize {
    (number % N as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds since boot.
    fn at(ms: u64) -> Boot {
        Boot::from_nanos(ms * 1_000_000)
    }

    fn window() -> Window<u64, 4> {
        Window::new(Duration::from_secs(1))
    }

    #[test]
    fn the_window_holds_whole_buckets_only() {
        let mut w = window();
        for ms in (500..6_500).step_by(100) {
            w.add(at(ms), 1);
        }
        assert_eq!(w.sum(at(6_500)), Some((30, Duration::from_secs(3))));
        assert_eq!(w.sum(at(8_100)), Some((15, Duration::from_secs(3))), "5.0 to 6.5 s are left of 5.0 to 8.0 s");
        assert_eq!(w.sum(at(60_000)), Some((0, Duration::from_secs(3))));
    }

    #[test]
    fn a_young_window_is_as_long_as_it_is_old() {
        let mut w = window();
        assert_eq!(w.sum(at(5_000)), None);
        w.add(at(700), 7);
        assert_eq!(w.sum(at(900)), None);
        assert_eq!(w.sum(at(1_000)), Some((7, Duration::from_millis(300))));
    }

    #[test]
    fn after_a_gap_longer_than_the_ring_nothing_old_is_left() {
        let mut w = window();
        for second in 0..4 {
            w.add(at(second * 1_000), 1);
        }
        w.add(at(1_000_000), 5);
        assert_eq!(w.sum(at(1_001_000)), Some((5, Duration::from_secs(3))));
    }

    #[test]
    fn what_is_added_for_before_a_restart_is_left_out() {
        let mut w = window();
        w.add(at(100), 9);
        w.restart(at(2_000));
        w.add(at(1_999), 9);
        assert_eq!(w.sum(at(2_000)), None);
        w.add(at(2_500), 1);
        assert_eq!(w.sum(at(3_000)), Some((1, Duration::from_secs(1))));
    }

    #[test]
    fn a_clock_that_steps_back_adds_to_the_newest_bucket() {
        let mut w = window();
        w.add(at(1_000), 1);
        w.add(at(5_000), 1);
        w.add(at(4_000), 1);
        assert_eq!(w.sum(at(6_000)), Some((2, Duration::from_secs(3))));
    }
}
