//! Quantiles: of numbers, and of the cumulative buckets of a classic histogram.

use crate::query::Compat;

/// Counts of neighbouring buckets this close, relatively, are taken as equal in Prometheus 3.
const SAME_COUNT: f64 = 1e-12;

/// Linear between the two nearest ranks; NaN sorts first.
pub(crate) fn quantile(q: f64, mut values: Vec<f64>) -> f64 {
    if let Some(outside) = outside(q) {
        return outside;
    }
    if values.is_empty() {
        return f64::NAN;
    }
    values.sort_by(|a, b| nan_first(*a, *b));
    let rank = q * (values.len() - 1) as f64;
    let low = rank.floor() as usize;
    let high = (low + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[low] * (1.0 - weight) + values[high] * weight
}

pub(crate) fn nan_first(a: f64, b: f64) -> std::cmp::Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

fn outside(q: f64) -> Option<f64> {
    if q.is_nan() {
        Some(f64::NAN)
    } else if q < 0.0 {
        Some(f64::NEG_INFINITY)
    } else if q > 1.0 {
        Some(f64::INFINITY)
    } else {
        None
    }
}

/// Of (upper bound, observations up to it) pairs. NaN without a `+Inf` bucket, without a finite one and without
/// observations; linear inside a bucket, whose lower bound is 0 for the lowest one if its upper bound is positive.
pub(crate) fn of_buckets(q: f64, mut buckets: Vec<(f64, f64)>, compat: Compat) -> f64 {
    if let Some(outside) = outside(q) {
        return outside;
    }
    buckets.sort_by(|a, b| nan_first(a.0, b.0));
    buckets.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    if buckets.len() < 2 || buckets.last().is_none_or(|b| b.0 != f64::INFINITY) {
        return f64::NAN;
    }
    let mut before = buckets[0].1;
    for bucket in &mut buckets[1..] {
        let close = compat == Compat::V3 && almost(before, bucket.1);
        if bucket.1 < before || close {
            bucket.1 = before;
        } else {
            before = bucket.1;
        }
    }
    let last = buckets.len() - 1;
    let all = buckets[last].1;
    if all == 0.0 {
        return f64::NAN;
    }
    let rank = q * all;
    let at = buckets[..last].partition_point(|b| b.1 < rank || b.1.is_nan());
    if at == last {
        return buckets[last - 1].0;
    }
    let (end, count) = buckets[at];
    if at == 0 {
        return if end <= 0.0 { end } else { end * (rank / count) };
    }
    let (start, below) = buckets[at - 1];
    start + (end - start) * ((rank - below) / (count - below))
}

fn almost(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= SAME_COUNT * (a.abs() + b.abs()).min(f64::MAX)
}
