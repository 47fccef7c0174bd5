//! Floor 2. PromQL: evaluated over series in memory, pure; it cannot read a clock, so it can be replayed.
//!
//! A text becomes an [`Expr`] once: promql-parser reads it, `check` walks the tree, refuses by name what the evaluator
//! does not do and lays out a typed plan. Evaluating a plan cannot meet an unknown function or a wrong type, only data
//! that do not fit each other ([`EvalError`]). The answers are those of Prometheus, down to the version ([`Compat`]);
//! `tests/promql.rs` holds them against a real one.

mod aggregate;
mod binary;
mod check;
mod eval;
mod functions;
mod matchers;
mod over;
mod plan;
mod quantile;
mod ring;

pub use matchers::{Matchers, anchored};
pub use ring::{Held, Ring};

use crate::metric::labels::Labels;
use std::collections::BTreeSet;
use std::time::Duration;

/// The label that holds a series' metric name.
pub const NAME: &str = "__name__";

/// The bits of the NaN that ends a series (Prometheus `model/value`). Other NaN are ordinary values.
pub const STALE: u64 = 0x7ff0_0000_0000_0002;

/// How far back, in ms, an instant selector looks for its sample (Prometheus' default `query.lookback-delta`).
const LOOKBACK: i64 = 5 * 60 * 1000;

/// Instants beyond this, in ms, are taken as this: 100 000 years either way, so that no sum of times overflows.
const FARTHEST: i64 = 100_000 * 366 * 24 * 3600 * 1000;

/// True for the stale marker only.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE
}

/// Whose answers to give where the versions differ.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Default)]
pub enum Compat {
    /// Prometheus 2.42: ranges and lookback include both ends; `.` in a regular expression stops at a line feed; a
    /// counter's zero point is weighed before the extrapolation threshold.
    V2,
    /// Prometheus 3: ranges and lookback leave their oldest instant out; `.` matches everything.
    #[default]
    V3,
}

/// Why a text is not an expression we judge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No Prometheus would take it: does not parse, or types do not fit.
    #[error("{what}")]
    Broken { what: String },
    /// PromQL, but not evaluated here; `what` names the function, modifier or construct.
    #[error("{what} is not supported here")]
    Unsupported { what: String },
}

/// Why an expression has no result for the series at hand; worded as Prometheus words it, in short.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    #[error(
        "found duplicate series for the match group {group:?} on the {side} hand-side of the operation: \
         many-to-many matching not allowed: matching labels must be unique on one side"
    )]
    ManyToMany { group: Labels, side: &'static str },
    #[error("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)")]
    ManyToOne,
    #[error("multiple matches for labels: grouping labels must ensure unique matches")]
    GroupNotUnique,
    #[error("vector cannot contain metrics with the same labelset: {labels:?}")]
    SameLabels { labels: Labels },
    #[error("scalar value {value} overflows int64")]
    Overflow { value: String },
    /// The source had to let series of this name go to stay within its memory ([`Ring`]).
    #[error("the samples of {name} do not fit into memory for as long as the rules look back")]
    Shed { name: String },
}

/// One sample; the time is in ms on whatever clock the source uses.
#[derive(Debug, Copy, Clone, PartialEq)]
pub struct Sample {
    pub at: i64,
    pub value: f64,
}

/// A piece of one series.
#[derive(Debug, Copy, Clone, PartialEq)]
pub struct Stretch<'a> {
    /// With `__name__`.
    pub labels: &'a Labels,
    /// Oldest first, no two at one time, stale markers included.
    pub samples: &'a [Sample],
}

/// Where samples come from.
pub trait Source {
    /// All series that `matchers` accept, with their samples from `from` to `to`, both ends included, in ms.
    /// In order of their labels; series without samples there may be left out. Fails only when it knows that samples
    /// are missing.
    fn select(&self, matchers: &Matchers, from: i64, to: i64) -> Result<Vec<Stretch<'_>>, EvalError>;
}

/// One element of an instant vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// With `__name__` where PromQL keeps it.
    pub labels: Labels,
    pub value: f64,
}

/// What an expression evaluates to at one instant.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Scalar(f64),
    /// In no promised order, except after `sort`, `topk` and their kin.
    Vector(Vec<Point>),
    Text(String),
}

/// A parsed and checked expression.
#[derive(Debug, Clone)]
pub struct Expr {
    plan: plan::Plan,
    compat: Compat,
    selections: Vec<Selection>,
}

/// What one selector of an expression takes from the source.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    matchers: Matchers,
    /// ms before the instant of evaluation; at least 0.
    reach: i64,
}

impl Expr {
    /// Reads and checks `text`. What cannot be judged is refused here, by name, never while evaluating.
    pub fn parse(text: &str, compat: Compat) -> Result<Expr, Refused> {
        let (plan, selections) = check::check(text, compat)?;
        Ok(Expr { plan, compat, selections })
    }

    /// What it selects, one entry per selector as written.
    pub fn selectors(&self) -> impl Iterator<Item = &Matchers> {
        self.selections.iter().map(|s| &s.matchers)
    }

    /// The metric names it selects. A selector without a plain name (`{job="x"}`, `{__name__=~"a|b"}`) has none:
    /// see [`Expr::selectors`] and [`Matchers::name`].
    pub fn names(&self) -> BTreeSet<&str> {
        self.selectors().filter_map(Matchers::name).collect()
    }

    /// How far before the instant of evaluation it looks, at most.
    pub fn reach(&self) -> Duration {
        let most = self.selections.iter().map(|s| s.reach).max().unwrap_or(0);
        Duration::from_millis(most.unsigned_abs())
    }

    /// Its value at the instant `at` (ms, on the source's clock).
    pub fn eval(&self, source: &dyn Source, at: i64) -> Result<Value, EvalError> {
        eval::eval(&self.plan, source, at.clamp(-FARTHEST, FARTHEST), self.compat)
    }

    pub(crate) fn selections(&self) -> &[Selection] {
        &self.selections
    }
}

#[cfg(test)]
mod tests;
