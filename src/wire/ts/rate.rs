//! The last ten seconds, in half seconds.

use super::packet::PACKET;
use crate::base::clock::Boot;

/// One bucket, in nanoseconds. Window edges lie on bucket edges: a rate is exact, and up to half a second old.
const BUCKET: u64 = 500_000_000;
/// The window, in buckets: 10 s.
const WINDOW: u64 = 20;
/// Below this span a rate says nothing, in nanoseconds: 1 s.
const LEAST: u64 = 1_000_000_000;
/// One more than the window holds: the bucket being filled.
const RING: usize = WINDOW as usize + 1;

/// The number of the bucket that a moment lies in, counted from boot.
pub(super) fn bucket(at: Boot) -> u64 {
    at.as_nanos() / BUCKET
}

/// One value per half second; what is older than the ring is forgotten.
#[derive(Copy, Clone)]
pub(super) struct Window<T> {
    ring: [T; RING],
    newest: u64,
    cursor: usize,
}

impl<T: Copy + Default> Default for Window<T> {
    fn default() -> Self {
        Window { ring: [T::default(); RING], newest: 0, cursor: 0 }
    }
}

impl<T: Copy + Default> Window<T> {
    /// The value of a bucket; of the newest where the bucket is older than that.
    #[inline]
    pub(super) fn at(&mut self, bucket: u64) -> &mut T {
        if bucket > self.newest {
            self.turn(bucket);
        }
        &mut self.ring[self.cursor]
    }

    fn turn(&mut self, bucket: u64) {
        for _ in 0..(bucket - self.newest).min(RING as u64) {
            self.cursor = (self.cursor + 1) % RING;
            self.ring[self.cursor] = T::default();
        }
        self.newest = bucket;
    }

    /// The values of the buckets from `from` up to but not `to`, as far as they are still held.
    fn between(&self, from: u64, to: u64) -> impl Iterator<Item = T> {
        let back = |n: u64| (self.cursor + RING - (self.newest - n) as usize) % RING;
        let first = from.max((self.newest + 1).saturating_sub(RING as u64));
        (first..to.min(self.newest + 1)).map(move |n| self.ring[back(n)])
    }

    /// Every value of the last ten seconds, the bucket being filled included.
    pub(super) fn recent(&self, now: Boot) -> impl Iterator<Item = T> {
        let end = bucket(now);
        self.between(end.saturating_sub(WINDOW), end + 1)
    }
}

impl Window<u32> {
    /// Counts per second over the window that ended with the last whole bucket before `now`, counting having begun at
    /// `from`; `None` until that spans a second.
    pub(super) fn per_second(&self, from: Boot, now: Boot) -> Option<f64> {
        let end = bucket(now);
        let start = end.saturating_sub(WINDOW);
        let span = (end * BUCKET).saturating_sub(from.as_nanos().max(start * BUCKET));
        if span < LEAST {
            return None;
        }
        let sum: u64 = self.between(start, end).map(u64::from).sum();
        Some(sum as f64 * 1e9 / span as f64)
    }

    /// The same in bit per second, a count being a packet.
    pub(super) fn bitrate(&self, from: Boot, now: Boot) -> Option<f64> {
        self.per_second(from, now).map(|packets| packets * (PACKET * 8) as f64)
    }

    /// Keeps the largest value of each bucket.
    pub(super) fn raise(&mut self, at: Boot, value: u32) {
        let max = self.at(bucket(at));
        *max = value.max(*max);
    }

    /// The largest value of the window, `None` where there is none above 0.
    pub(super) fn peak(&self, now: Boot) -> Option<u32> {
        self.recent(now).max().filter(|max| *max > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Boot {
        Boot::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn a_rate_is_exact_over_whole_buckets_and_falls_to_zero_after_the_window() {
        let mut window = Window::<u32>::default();
        let from = ms(1_000_250);
        for n in 0..3000 {
            let at = from.plus(std::time::Duration::from_millis(n * 10));
            *window.at(bucket(at)) += 1;
            if let Some(rate) = window.per_second(from, at) {
                assert!((rate - 100.0).abs() <= 1.0, "{n}: {rate}");
            }
            assert_eq!(window.per_second(from, at).is_some(), n >= 125, "{n}");
        }
        let end = from.plus(std::time::Duration::from_secs(30));
        let after = |s| window.per_second(from, end.plus(std::time::Duration::from_secs(s))).unwrap();
        assert!((45.0..55.0).contains(&after(5)) && after(11) == 0.0 && after(1000) == 0.0);
    }

    #[test]
    fn a_peak_leaves_with_its_bucket() {
        let mut window = Window::<u32>::default();
        window.raise(ms(10_000), 7);
        window.raise(ms(10_100), 3);
        window.raise(ms(15_000), 2);
        assert_eq!(window.peak(ms(16_000)), Some(7));
        assert_eq!(window.peak(ms(20_499)), Some(7));
        assert_eq!(window.peak(ms(20_500)), Some(2));
        assert_eq!(window.peak(ms(40_000)), None);
    }
}
