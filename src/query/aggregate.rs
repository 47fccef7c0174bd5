//! Aggregation: many elements in, one per group out (or some of each group: `topk`, `bottomk`).

use crate::metric::labels::Labels;
use crate::query::binary::listed;
use crate::query::over::{greatest, least, mean, running_mean, sum};
use crate::query::plan::{By, Points};
use crate::query::quantile::{nan_first, quantile};
use crate::query::{Compat, EvalError, NAME, Point};
use std::cmp::Ordering;
use std::collections::HashMap;

/// The fold with its parameter evaluated.
pub(crate) enum Folding<'a> {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Stddev,
    Stdvar,
    Quantile(f64),
    Top(f64),
    Bottom(f64),
    CountValues(&'a str),
}

impl By {
    fn group(&self, labels: &Labels) -> Labels {
        match self {
            By::Only(names) => labels.only(&listed(names)),
            By::Without(names) => labels.without(&[listed(names).as_slice(), &[NAME]].concat()),
        }
    }
}

pub(crate) fn aggregate(fold: &Folding<'_>, of: Vec<Point>, by: &By, compat: Compat) -> Points {
    let most = match fold {
        Folding::Top(k) | Folding::Bottom(k) => count(*k)?,
        _ => usize::MAX,
    };
    let mut groups: Vec<(Labels, Vec<Point>)> = Vec::new();
    let mut places: HashMap<Labels, usize> = HashMap::new();
    for point in of {
        let mut group = by.group(&point.labels);
        if let Folding::CountValues(label) = fold {
            group = group.with([(*label, number(point.value).as_str())]);
        }
        let place = *places.entry(group.clone()).or_insert_with(|| {
            groups.push((group, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(point);
    }
    let mut out = Vec::new();
    for (labels, mut points) in groups {
        let values = || points.iter().map(|p| p.value);
        let value = match fold {
            // The two differ in the last digit.
            Folding::Sum if compat == Compat::V2 => values().sum(),
            Folding::Avg if compat == Compat::V2 => running_mean(values(), false),
            Folding::Sum => sum(values()),
            Folding::Avg => mean(values()),
            Folding::Min => values().fold(f64::NAN, least),
            Folding::Max => values().fold(f64::NAN, greatest),
            Folding::Count | Folding::CountValues(_) => points.len() as f64,
            Folding::Group => 1.0,
            Folding::Stdvar => variance(values(), compat),
            Folding::Stddev => variance(values(), compat).sqrt(),
            Folding::Quantile(q) => quantile(*q, values().collect()),
            Folding::Top(_) | Folding::Bottom(_) => {
                let descending = matches!(fold, Folding::Top(_));
                points.sort_by(|a, b| ranked(a.value, b.value, descending));
                points.truncate(most);
                out.append(&mut points);
                continue;
            }
        };
        out.push(Point { labels, value });
    }
    Ok(out)
}

/// NaN last, whichever way.
pub(crate) fn ranked(a: f64, b: f64, descending: bool) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) if descending => nan_first(b, a),
        (false, false) => nan_first(a, b),
        (a, b) => a.cmp(&b),
    }
}

/// `k` of `topk`: below 1 selects nothing; what no 64-bit integer holds is an error.
fn count(k: f64) -> Result<usize, EvalError> {
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    if !(-BOUND..BOUND).contains(&k) {
        return Err(EvalError::Overflow { value: number(k) });
    }
    Ok(k.max(0.0) as usize)
}

/// Population variance in one pass (Welford).
fn variance(values: impl Iterator<Item = f64>, compat: Compat) -> f64 {
    let (mut count, mut mean, mut square) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        if count == 1.0 {
            mean = value;
            square = if compat == Compat::V3 && !value.is_finite() { f64::NAN } else { 0.0 };
            continue;
        }
        let off: f64 = value - mean;
        mean += off / count;
        square += off * (value - mean);
    }
    square / count
}

/// As Go prints it with 'f' and the fewest digits that read back the same.
fn number(value: f64) -> String {
    if value.is_infinite() { (if value > 0.0 { "+Inf" } else { "-Inf" }).into() } else { value.to_string() }
}
