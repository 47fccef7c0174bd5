//! Walking the plan at one instant.

use crate::metric::labels::Labels;
use crate::query::aggregate::{Folding, aggregate, ranked};
use crate::query::plan::{Fold, Plan, Points, Range, Scalar, Selector, Vector};
use crate::query::{Compat, EvalError, LOOKBACK, NAME, Point, Sample, Source, Value, is_stale};
use crate::query::{binary, functions, over};
use std::collections::{BTreeMap, HashSet};

pub(crate) fn eval(plan: &Plan, source: &dyn Source, at: i64, compat: Compat) -> Result<Value, EvalError> {
    let now = Instant { source, at, compat };
    Ok(match plan {
        Plan::Scalar(scalar) => Value::Scalar(now.scalar(scalar)?),
        Plan::Vector(vector) => Value::Vector(now.vector(vector)?),
        Plan::Text(text) => Value::Text(text.clone()),
    })
}

/// An instant to evaluate at.
#[derive(Copy, Clone)]
struct Instant<'a> {
    source: &'a dyn Source,
    at: i64,
    compat: Compat,
}

/// One series of a range vector.
struct Ranged {
    labels: Labels,
    samples: Vec<Sample>,
}

impl Instant<'_> {
    fn scalar(&self, scalar: &Scalar) -> Result<f64, EvalError> {
        Ok(match scalar {
            Scalar::Number(number) => *number,
            Scalar::Time => self.at as f64 / 1000.0,
            Scalar::Minus(of) => -self.scalar(of)?,
            Scalar::Op(op, a, b) => binary::numbers(*op, self.scalar(a)?, self.scalar(b)?),
            Scalar::Of(vector) => match self.vector(vector)?.as_slice() {
                [only] => only.value,
                _ => f64::NAN,
            },
        })
    }

    fn scalars(&self, all: &[Scalar]) -> Result<Vec<f64>, EvalError> {
        all.iter().map(|s| self.scalar(s)).collect()
    }

    fn vector(&self, vector: &Vector) -> Points {
        let points = match vector {
            // A source has every series once, and these do not change labels: nothing to check.
            Vector::Select(selector) => return self.newest(selector, |s| s.value),
            Vector::Lift(scalar) => return Ok(vec![Point { labels: Labels::default(), value: self.scalar(scalar)? }]),
            Vector::Sort { of, descending } => {
                let mut points = self.vector(of)?;
                points.sort_by(|a, b| ranked(a.value, b.value, *descending));
                return Ok(points);
            }
            Vector::Absent { of, labels } => return Ok(absent(self.vector(of)?.is_empty(), labels)),
            Vector::AbsentOver { range, labels } => return Ok(absent(self.ranged(range)?.1.is_empty(), labels)),
            Vector::Minus(of) => each(self.vector(of)?, |v| Some(-v)),
            Vector::WithScalar { op, vector, scalar, swapped, truth } => {
                // Left before right: which of two errors is told depends on it.
                let early = if *swapped { Some(self.scalar(scalar)?) } else { None };
                let vector = self.vector(vector)?;
                let scalar = early.map_or_else(|| self.scalar(scalar), Ok)?;
                binary::with_scalar(*op, vector, scalar, *swapped, *truth, self.compat)
            }
            Vector::Match { op, left, right, on, truth, group } => {
                binary::matched(*op, self.vector(left)?, self.vector(right)?, on, group, *truth, self.compat)?
            }
            Vector::Set { op, left, right, on } => binary::sets(*op, self.vector(left)?, self.vector(right)?, on),
            Vector::Aggregate { op, of, by } => aggregate(&self.folding(op)?, self.vector(of)?, by, self.compat)?,
            Vector::Each { f, of, args } => {
                let (of, args) = (self.vector(of)?, self.scalars(args)?);
                each(of, |v| f.0(v, &args))
            }
            Vector::Over { f, range, args, keep_name } => {
                let args = self.scalars(args)?;
                let ((from, to), series) = self.ranged(range)?;
                let one = |Ranged { labels, samples }: Ranged| {
                    let span = over::Span { samples: &samples, from, to, at: self.at, compat: self.compat };
                    let value = f.0(&span, &args)?;
                    Some(Point { labels: if *keep_name { labels } else { labels.without(&[NAME]) }, value })
                };
                series.into_iter().filter_map(one).collect()
            }
            Vector::Timestamp(of) => match &**of {
                Vector::Select(selector) => each(self.newest(selector, |s| s.at as f64 / 1000.0)?, Some),
                computed => each(self.vector(computed)?, |_| Some(self.at as f64 / 1000.0)),
            },
            Vector::LabelReplace { of, target, with, source, pattern } => {
                relabelled(self.vector(of)?, |l| functions::label_replace(l, target, with, source, pattern))
            }
            Vector::LabelJoin { of, target, between, sources } => {
                relabelled(self.vector(of)?, |l| functions::label_join(l, target, between, sources))
            }
            Vector::HistogramQuantile { q, of } => {
                let q = self.scalar(q)?;
                functions::histogram_quantile(q, &self.vector(of)?, self.compat)
            }
        };
        unique(points)
    }

    fn folding<'f>(&self, fold: &'f Fold) -> Result<Folding<'f>, EvalError> {
        Ok(match fold {
            Fold::Sum => Folding::Sum,
            Fold::Avg => Folding::Avg,
            Fold::Min => Folding::Min,
            Fold::Max => Folding::Max,
            Fold::Count => Folding::Count,
            Fold::Group => Folding::Group,
            Fold::Stddev => Folding::Stddev,
            Fold::Stdvar => Folding::Stdvar,
            Fold::Quantile(q) => Folding::Quantile(self.scalar(q)?),
            Fold::TopK(k) => Folding::Top(self.scalar(k)?),
            Fold::BottomK(k) => Folding::Bottom(self.scalar(k)?),
            Fold::CountValues(label) => Folding::CountValues(label),
        })
    }

    /// The oldest instant that still counts in a window of `length` ms that ends at `to`.
    fn oldest(&self, to: i64, length: i64) -> i64 {
        to - length + i64::from(self.compat == Compat::V3)
    }

    /// The newest sample of each series within the lookback; a stale marker ends a series.
    fn newest(&self, selector: &Selector, take: fn(&Sample) -> f64) -> Points {
        let to = self.at - selector.offset;
        let found = self.source.select(&selector.matchers, self.oldest(to, LOOKBACK), to)?;
        let alive = found.into_iter().filter_map(|stretch| {
            let last = stretch.samples.last().filter(|s| !is_stale(s.value))?;
            Some(Point { labels: stretch.labels.clone(), value: take(last) })
        });
        Ok(alive.collect())
    }

    /// The ends of the range, and the series that have samples in it; stale markers are skipped. The steps of a
    /// subquery are evaluated one by one: two series of one label set are an error only where they meet, while
    /// Prometheus, which works series by series, refuses them even if they never do.
    fn ranged(&self, range: &Range) -> Result<((i64, i64), Vec<Ranged>), EvalError> {
        match range {
            Range::Of { selector, length } => {
                let to = self.at - selector.offset;
                let found = self.source.select(&selector.matchers, self.oldest(to, *length), to)?;
                let series = found.into_iter().filter_map(|stretch| {
                    let samples: Vec<_> = stretch.samples.iter().filter(|s| !is_stale(s.value)).copied().collect();
                    (!samples.is_empty()).then(|| Ranged { labels: stretch.labels.clone(), samples })
                });
                Ok(((to - length, to), series.collect()))
            }
            Range::Sub { of, length, step, offset } => {
                let to = self.at - offset;
                let mut series: BTreeMap<Labels, Vec<Sample>> = BTreeMap::new();
                let oldest = self.oldest(to, *length);
                let mut at = (oldest + step - 1).div_euclid(*step) * step;
                while at <= to {
                    for point in (Instant { at, ..*self }).vector(of)? {
                        series.entry(point.labels).or_default().push(Sample { at, value: point.value });
                    }
                    at += step;
                }
                let series = series.into_iter().map(|(labels, samples)| Ranged { labels, samples });
                Ok(((to - length, to), series.collect()))
            }
        }
    }
}

fn each(points: Vec<Point>, f: impl Fn(f64) -> Option<f64>) -> Vec<Point> {
    let one = |p: Point| Some(Point { labels: p.labels.without(&[NAME]), value: f(p.value)? });
    points.into_iter().filter_map(one).collect()
}

fn relabelled(points: Vec<Point>, f: impl Fn(&Labels) -> Labels) -> Vec<Point> {
    points.into_iter().map(|p| Point { labels: f(&p.labels), value: p.value }).collect()
}

fn absent(empty: bool, labels: &Labels) -> Vec<Point> {
    if empty { vec![Point { labels: labels.clone(), value: 1.0 }] } else { Vec::new() }
}

/// A vector has every label set once.
fn unique(points: Vec<Point>) -> Points {
    if points.len() > 1 {
        let mut seen = HashSet::with_capacity(points.len());
        if let Some(twice) = points.iter().find(|p| !seen.insert(&p.labels)) {
            return Err(EvalError::SameLabels { labels: twice.labels.clone() });
        }
    }
    Ok(points)
}
