//! Functions of a range: some samples of one series in, one number out.

use crate::query::plan::OverFn;
use crate::query::quantile::quantile;
use crate::query::{Compat, Sample};

/// A sample this many mean intervals from an end of the range still counts as reaching it.
const REACHES: f64 = 1.1;

/// The samples of one series in one range; at least one, none stale.
pub(crate) struct Span<'a> {
    pub samples: &'a [Sample],
    /// Ends of the range, ms.
    pub from: i64,
    pub to: i64,
    /// Instant of evaluation, ms.
    pub at: i64,
    pub compat: Compat,
}

/// The function of that name, whether it keeps the metric name, and where its range stands among the arguments.
pub(crate) fn named(name: &str) -> Option<(OverFn, bool, usize)> {
    let f: fn(&Span<'_>, &[f64]) -> Option<f64> = match name {
        "rate" => |s, _| s.extrapolated(true, (s.to - s.from) as f64 / 1000.0),
        "increase" => |s, _| s.extrapolated(true, 1.0),
        "delta" => |s, _| s.extrapolated(false, 1.0),
        "irate" => |s, _| {
            let (before, last) = s.newest()?;
            let grown = if last.value < before.value { last.value } else { last.value - before.value };
            Some(grown / ((last.at - before.at) as f64 / 1000.0))
        },
        "idelta" => |s, _| s.newest().map(|(before, last)| last.value - before.value),
        "changes" => |s, _| Some(s.steps(|a, b| a != b && !(a.is_nan() && b.is_nan()))),
        "resets" => |s, _| Some(s.steps(|a, b| b < a)),
        "deriv" => |s, _| s.line(s.samples.first()?.at).map(|(slope, _)| slope),
        "predict_linear" => |s, args| s.line(s.at).map(|(slope, now)| slope * args[0] + now),
        "avg_over_time" => |s, _| {
            Some(match s.compat {
                Compat::V2 => running_mean(s.values(), true),
                Compat::V3 => mean(s.values()),
            })
        },
        "sum_over_time" => |s, _| Some(sum(s.values())),
        "count_over_time" => |s, _| Some(s.samples.len() as f64),
        "min_over_time" => |s, _| s.values().reduce(least),
        "max_over_time" => |s, _| s.values().reduce(greatest),
        "last_over_time" => |s, _| s.values().next_back(),
        "present_over_time" => |_, _| Some(1.0),
        "stddev_over_time" => |s, _| Some(s.variance().sqrt()),
        "stdvar_over_time" => |s, _| Some(s.variance()),
        "quantile_over_time" => |s, args| Some(quantile(args[0], s.values().collect())),
        _ => return None,
    };
    Some((OverFn(f), name == "last_over_time", usize::from(name == "quantile_over_time")))
}

impl Span<'_> {
    fn values(&self) -> impl DoubleEndedIterator<Item = f64> {
        self.samples.iter().map(|s| s.value)
    }

    fn newest(&self) -> Option<(Sample, Sample)> {
        match self.samples {
            [.., before, last] => Some((*before, *last)),
            _ => None,
        }
    }

    fn steps(&self, counts: impl Fn(f64, f64) -> bool) -> f64 {
        self.samples.windows(2).filter(|w| counts(w[0].value, w[1].value)).count() as f64
    }

    /// Growth over the whole range, divided by `per` (functions.go `extrapolatedRate`): the growth between the first and the last
    /// sample, stretched to the ends of the range where samples come close to them, else by half a mean interval.
    /// A counter is not stretched to before its zero point.
    fn extrapolated(&self, counter: bool, per: f64) -> Option<f64> {
        let [first, .., last] = self.samples else { return None };
        let mut growth = last.value - first.value;
        if counter {
            for reset in self.samples.windows(2).filter(|w| w[1].value < w[0].value) {
                growth += reset[0].value;
            }
        }
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let sampled = seconds(last.at - first.at);
        let mean = sampled / (self.samples.len() - 1) as f64;
        let bounded = |gap: f64| if gap < mean * REACHES { gap } else { mean / 2.0 };
        let to_zero = if counter && growth > 0.0 && first.value >= 0.0 {
            sampled * (first.value / growth)
        } else {
            f64::INFINITY
        };
        let start = seconds(first.at - self.from);
        let start = match self.compat {
            Compat::V2 => bounded(if to_zero < start { to_zero } else { start }),
            Compat::V3 => bounded(start).min(to_zero),
        };
        let end = bounded(seconds(self.to - last.at));
        Some(growth * ((sampled + start + end) / sampled / per))
    }

    /// Slope per s and value at `origin` (ms) of the least-squares line.
    fn line(&self, origin: i64) -> Option<(f64, f64)> {
        let [first, _, ..] = self.samples else { return None };
        if self.values().all(|v| v == first.value) {
            return Some(if first.value.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first.value) });
        }
        let n = self.samples.len() as f64;
        let over = |f: fn(f64, f64) -> f64| {
            let mut total = Exact::default();
            self.samples.iter().for_each(|s| total.add(f((s.at - origin) as f64 / 1000.0, s.value)));
            total.value(self.compat)
        };
        let (x, y, xy, xx) = (over(|x, _| x), over(|_, y| y), over(|x, y| x * y), over(|x, _| x * x));
        let slope = (xy - x * y / n) / (xx - x * x / n);
        Some((slope, y / n - slope * x / n))
    }

    fn variance(&self) -> f64 {
        let (mut mean, mut square) = (Exact::default(), Exact::default());
        let mut count = 0.0;
        for value in self.values() {
            count += 1.0;
            let off = value - mean.value(self.compat);
            mean.add(off / count);
            square.add(off * (value - mean.value(self.compat)));
        }
        square.value(self.compat) / count
    }
}

/// The smaller; a number wins over NaN.
pub(crate) fn least(a: f64, b: f64) -> f64 {
    if b < a || a.is_nan() { b } else { a }
}

/// The greater; a number wins over NaN.
pub(crate) fn greatest(a: f64, b: f64) -> f64 {
    if b > a || a.is_nan() { b } else { a }
}

/// A sum that keeps what rounding cuts off (Kahan, with Neumaier's improvement).
#[derive(Copy, Clone, Default)]
struct Exact {
    sum: f64,
    lost: f64,
}

impl Exact {
    fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        if sum.is_infinite() {
            self.lost = 0.0;
        } else if self.sum.abs() >= value.abs() {
            self.lost += (self.sum - sum) + value;
        } else {
            self.lost += (value - sum) + self.sum;
        }
        self.sum = sum;
    }
    /// Prometheus 2 loses a sum that overflows.
    fn value(self, compat: Compat) -> f64 {
        if self.sum.is_infinite() && compat == Compat::V2 { f64::NAN } else { self.sum + self.lost }
    }
}

/// Infinite if the plain sum is.
pub(crate) fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let mut total = Exact::default();
    values.for_each(|v| total.add(v));
    total.sum + total.lost
}

/// As Prometheus 2 has it: each value moves the mean by its share. Once infinite, finite values do not change it.
pub(crate) fn running_mean(values: impl Iterator<Item = f64>, keep_lost: bool) -> f64 {
    let (mut mean, mut count) = (Exact::default(), 0.0);
    for value in values {
        count += 1.0;
        if mean.sum.is_infinite() && (value.is_finite() || value == mean.sum) {
            continue;
        }
        let step = value / count - mean.sum / count;
        if keep_lost { mean.add(step) } else { mean.sum += step }
    }
    mean.sum + mean.lost
}

/// NaN of nothing. Falls back to a running mean where the sum would overflow.
pub(crate) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let mut total = Exact::default();
    let mut count = 0.0;
    let mut running = false;
    for value in values {
        count += 1.0;
        if !running {
            let mut next = total;
            next.add(value);
            if count == 1.0 || !next.sum.is_infinite() {
                total = next;
                continue;
            }
            running = true;
            total = Exact { sum: total.sum / (count - 1.0), lost: total.lost / (count - 1.0) };
        }
        let weight = (count - 1.0) / count;
        total = Exact { sum: total.sum * weight, lost: total.lost * weight };
        total.add(value / count);
    }
    if running { total.sum + total.lost } else { total.sum / count + total.lost / count }
}
