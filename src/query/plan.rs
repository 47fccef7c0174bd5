//! The plan of a checked expression: every node's type is known, every function is a function pointer.

use crate::metric::labels::Labels;
use crate::query::matchers::Matchers;
use crate::query::over::Span;
use crate::query::{EvalError, Point};
use regex::Regex;
use std::fmt;

#[derive(Debug, Clone)]
pub(crate) enum Plan {
    Scalar(Scalar),
    Vector(Vector),
    Text(String),
}

#[derive(Debug, Clone)]
pub(crate) enum Scalar {
    Number(f64),
    /// `time()`: the instant of evaluation in s.
    Time,
    Minus(Box<Scalar>),
    /// A comparison gives 1 or 0.
    Op(Op, Box<Scalar>, Box<Scalar>),
    /// `scalar(v)`: NaN unless `v` has exactly one element.
    Of(Box<Vector>),
}

#[derive(Debug, Clone)]
pub(crate) enum Vector {
    Select(Selector),
    /// `vector(s)`.
    Lift(Box<Scalar>),
    Minus(Box<Vector>),
    WithScalar {
        op: Op,
        vector: Box<Vector>,
        scalar: Box<Scalar>,
        /// The scalar stands on the left.
        swapped: bool,
        /// Comparison with `bool`: 1 or 0 instead of filtering.
        truth: bool,
    },
    Match {
        op: Op,
        left: Box<Vector>,
        right: Box<Vector>,
        on: On,
        truth: bool,
        group: Group,
    },
    Set {
        op: SetOp,
        left: Box<Vector>,
        right: Box<Vector>,
        on: On,
    },
    Aggregate {
        op: Fold,
        of: Box<Vector>,
        by: By,
    },
    /// One element in, one or none out; the name is dropped.
    Each {
        f: EachFn,
        of: Box<Vector>,
        args: Vec<Scalar>,
    },
    /// A function of a range; series for which it has no value are left out.
    Over {
        f: OverFn,
        range: Range,
        args: Vec<Scalar>,
        keep_name: bool,
    },
    Absent {
        of: Box<Vector>,
        labels: Labels,
    },
    AbsentOver {
        range: Range,
        labels: Labels,
    },
    /// `timestamp(v)`, in s: of a selector, the samples' own time, otherwise the instant of evaluation.
    Timestamp(Box<Vector>),
    Sort {
        of: Box<Vector>,
        descending: bool,
    },
    LabelReplace {
        of: Box<Vector>,
        target: String,
        with: String,
        source: String,
        pattern: Regex,
    },
    LabelJoin {
        of: Box<Vector>,
        target: String,
        between: String,
        sources: Vec<String>,
    },
    HistogramQuantile {
        q: Box<Scalar>,
        of: Box<Vector>,
    },
}

/// Which series, seen from how far back.
#[derive(Debug, Clone)]
pub(crate) struct Selector {
    pub matchers: Matchers,
    /// ms; positive looks into the past.
    pub offset: i64,
}

/// A range vector. Lengths in ms, greater than 0.
#[derive(Debug, Clone)]
pub(crate) enum Range {
    Of {
        selector: Selector,
        length: i64,
    },
    /// `of[length:step]`: `of` at each multiple of `step` in the range.
    Sub {
        of: Box<Vector>,
        length: i64,
        step: i64,
        offset: i64,
    },
}

#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
}

#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(crate) enum SetOp {
    And,
    Or,
    Unless,
}

/// Which labels two elements must share.
#[derive(Debug, Clone)]
pub(crate) enum On {
    Only(Vec<String>),
    /// All but these and the name.
    Ignoring(Vec<String>),
}

/// How many elements of either side may meet.
#[derive(Debug, Clone)]
pub(crate) enum Group {
    OneToOne,
    /// `group_left`: many on the left; these labels come from the right.
    Left(Vec<String>),
    /// `group_right`.
    Right(Vec<String>),
}

#[derive(Debug, Clone)]
pub(crate) enum By {
    Only(Vec<String>),
    /// All but these and the name.
    Without(Vec<String>),
}

#[derive(Debug, Clone)]
pub(crate) enum Fold {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Stddev,
    Stdvar,
    Quantile(Box<Scalar>),
    TopK(Box<Scalar>),
    BottomK(Box<Scalar>),
    CountValues(String),
}

/// `None` leaves the element out.
#[derive(Copy, Clone)]
pub(crate) struct EachFn(pub fn(f64, &[f64]) -> Option<f64>);

/// `None`: too few samples.
#[derive(Copy, Clone)]
pub(crate) struct OverFn(pub fn(&Span<'_>, &[f64]) -> Option<f64>);

impl fmt::Debug for EachFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fn")
    }
}

impl fmt::Debug for OverFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fn")
    }
}

impl Op {
    pub(crate) fn compares(self) -> bool {
        matches!(self, Op::Eq | Op::Ne | Op::Gt | Op::Lt | Op::Ge | Op::Le)
    }
}

pub(crate) type Points = Result<Vec<Point>, EvalError>;
