//! When a file system will be full, if what was written in the last day goes on.

use crate::base::clock::Boot;
use std::collections::VecDeque;
use std::time::Duration;

/// Between two points that are kept.
const STEP: Duration = Duration::from_secs(5 * 60);
/// Points that are kept: a day, so that what happens once a day (a purge, a backup) is in it once.
const MOST: usize = 288;
/// Less says nothing of tomorrow.
const LEAST: Duration = Duration::from_secs(2 * 60 * 60);
/// What is further away is not foreseen.
const HORIZON: f64 = 365.0 * 86_400.0;

/// Free bytes of one file system over the last day.
#[derive(Debug, Default)]
pub struct Trend(VecDeque<(Boot, f64)>);

impl Trend {
    /// Takes the free bytes of now. Seconds until there are none, by the straight line nearest to the points of the last
    /// day; `None` while that does not fall, or too little is known.
    pub fn until_full(&mut self, now: Boot, free: f64) -> Option<f64> {
        if self.0.back().is_none_or(|(last, _)| now.since(*last) >= STEP) {
            self.0.push_back((now, free));
            while self.0.len() > MOST {
                self.0.pop_front();
            }
        }
        let (first, _) = *self.0.front()?;
        if now.since(first) < LEAST {
            return None;
        }
        let points = || self.0.iter().map(|(at, free)| (at.since(first).as_secs_f64(), *free));
        let n = self.0.len() as f64;
        let (sum_x, sum_y) = points().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
        let (mean_x, mean_y) = (sum_x / n, sum_y / n);
        let (over, under) = points().fold((0.0, 0.0), |(over, under), (x, y)| {
            (over + (x - mean_x) * (y - mean_y), under + (x - mean_x) * (x - mean_x))
        });
        let per_second = over / under;
        let left = free / -per_second;
        (per_second < 0.0 && left < HORIZON).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    /// After `hours` of `free(hour)`, a point each five minutes.
    fn after(hours: u64, free: impl Fn(f64) -> f64) -> Option<f64> {
        let mut trend = Trend::default();
        let steps = (0..=hours * 12).map(|step| step * 300);
        let all = steps.map(|at| trend.until_full(Boot::from_secs(at), free(at as f64 / HOUR as f64)));
        all.last().flatten().map(|left| left / HOUR as f64)
    }

    #[test]
    fn a_steady_loss_is_drawn_on_and_nothing_else_is() {
        let steady = |hour: f64| 1e12 - 1e10 * hour;
        assert_eq!(after(1, steady), None, "too little is known");
        assert!((after(30, steady).unwrap() - 70.0).abs() < 0.01);
        assert_eq!(after(30, |_| 1e12), None);
        assert_eq!(after(30, |hour| 1e12 + hour), None);
        assert_eq!(after(30, |hour| 1e12 - hour), None, "beyond a year");
        // A ring that is written at 10 GB an hour and purged every hour stands where it is.
        assert!(after(48, |hour| 1e11 - 1e10 * hour.fract()).is_none_or(|left| left > 24.0 * 30.0));
    }
}
