//! Jittered doubling between attempts.

use std::time::Duration;

/// Waits double from `first` to `most`; each is shortened by up to a third at random so that a rack of boxes that lost
/// one switch does not come back in step.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    tries: u32,
    seed: u64,
}

impl Backoff {
    /// `seed` should differ per target; equal seeds give equal waits, which is what tests want.
    pub fn new(first: Duration, most: Duration, seed: u64) -> Self {
        debug_assert!(!first.is_zero() && first <= most);
        Backoff { first, most, tries: 0, seed: seed | 1 }
    }
    pub fn next_wait(&mut self) -> Duration {
        let full = self.first.saturating_mul(1 << self.tries.min(20)).min(self.most);
        self.tries = self.tries.saturating_add(1);
        // xorshift64 (Marsaglia 2003): spread, not secrecy.
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        full.mul_f64(1.0 - (self.seed % 1000) as f64 / 3000.0)
    }
    /// Call after a stretch of good work.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_bound_and_start_over_after_reset() {
        let mut b = Backoff::new(Duration::from_secs(1), Duration::from_secs(30), 7);
        let waits: Vec<f64> = (0..8).map(|_| b.next_wait().as_secs_f64()).collect();
        for (n, wait) in waits.iter().enumerate() {
            let full = f64::from(1u32 << n).min(30.0);
            assert!(*wait <= full && *wait > full * 0.66, "try {n}: {wait} of {full}");
        }
        b.reset();
        assert!(b.next_wait() <= Duration::from_secs(1));
    }
}
