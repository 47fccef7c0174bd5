//! Operators between two numbers, a vector and a number, and two vectors (Prometheus promql/engine.go `VectorBinop`).

use crate::metric::labels::Labels;
use crate::query::plan::{Group, On, Op, Points, SetOp};
use crate::query::{Compat, EvalError, NAME, Point};
use std::collections::{HashMap, HashSet};

/// The operator's value; 1 or 0 for a comparison.
pub(crate) fn numbers(op: Op, a: f64, b: f64) -> f64 {
    match op {
        Op::Add => a + b,
        Op::Sub => a - b,
        Op::Mul => a * b,
        Op::Div => a / b,
        Op::Mod => a % b,
        Op::Pow => a.powf(b),
        Op::Atan2 => a.atan2(b),
        compared => f64::from(holds(compared, a, b)),
    }
}

#[allow(clippy::float_cmp)] // PromQL compares floats exactly
fn holds(op: Op, a: f64, b: f64) -> bool {
    match op {
        Op::Eq => a == b,
        Op::Ne => a != b,
        Op::Gt => a > b,
        Op::Lt => a < b,
        Op::Ge => a >= b,
        Op::Le => a <= b,
        _ => false,
    }
}

/// Arithmetic changes what a number means, so the name goes; a filter lets it stand. Prometheus 2 forgot `atan2`.
fn drops_name(op: Op, compat: Compat) -> bool {
    !(op.compares() || op == Op::Atan2 && compat == Compat::V2)
}

pub(crate) fn with_scalar(
    op: Op,
    vector: Vec<Point>,
    scalar: f64,
    swapped: bool,
    truth: bool,
    compat: Compat,
) -> Vec<Point> {
    let value = |v: f64| {
        let (a, b) = if swapped { (scalar, v) } else { (v, scalar) };
        match (op.compares(), truth) {
            (true, false) => holds(op, a, b).then_some(v),
            _ => Some(numbers(op, a, b)),
        }
    };
    vector
        .into_iter()
        .filter_map(|p| {
            let value = value(p.value)?;
            let labels = if truth || drops_name(op, compat) { p.labels.without(&[NAME]) } else { p.labels };
            Some(Point { labels, value })
        })
        .collect()
}

pub(crate) fn listed(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

impl On {
    /// What must be equal on both sides.
    fn shared(&self, labels: &Labels) -> Labels {
        match self {
            On::Only(names) => labels.only(&listed(names)),
            On::Ignoring(names) => labels.without(&[listed(names).as_slice(), &[NAME]].concat()),
        }
    }
}

pub(crate) fn matched(
    op: Op,
    left: Vec<Point>,
    right: Vec<Point>,
    on: &On,
    group: &Group,
    truth: bool,
    compat: Compat,
) -> Points {
    if left.is_empty() || right.is_empty() {
        return Ok(Vec::new());
    }
    // From here on `many` may repeat a match group where grouping allows it; `one` never may.
    let (many, one, swapped, include) = match group {
        Group::OneToOne => (left, right, false, None),
        Group::Left(labels) => (left, right, false, Some(labels)),
        Group::Right(labels) => (right, left, true, Some(labels)),
    };
    let mut partners: HashMap<Labels, &Point> = HashMap::with_capacity(one.len());
    for point in &one {
        let shared = on.shared(&point.labels);
        if partners.insert(shared.clone(), point).is_some() {
            return Err(EvalError::ManyToMany { group: shared, side: if swapped { "left" } else { "right" } });
        }
    }
    let mut met: HashSet<(Labels, Labels)> = HashSet::new();
    let mut out = Vec::new();
    for point in &many {
        let shared = on.shared(&point.labels);
        let Some(partner) = partners.get(&shared) else { continue };
        let (a, b) = if swapped { (partner.value, point.value) } else { (point.value, partner.value) };
        let kept = match (op.compares(), truth) {
            (true, false) => holds(op, a, b).then_some(a),
            _ => Some(numbers(op, a, b)),
        };
        // Prometheus 2 looks for clashes among the results, 3 among the candidates.
        if kept.is_none() && compat == Compat::V2 {
            continue;
        }
        let labels = result_labels(op, point, partner, on, include, truth, compat);
        let (distinct, clash) = match include {
            None => (Labels::default(), EvalError::ManyToOne),
            Some(_) => (labels.clone(), EvalError::GroupNotUnique),
        };
        if !met.insert((shared, distinct)) {
            return Err(clash);
        }
        if let Some(value) = kept {
            out.push(Point { labels, value });
        }
    }
    Ok(out)
}

fn result_labels(
    op: Op,
    many: &Point,
    one: &Point,
    on: &On,
    include: Option<&Vec<String>>,
    truth: bool,
    compat: Compat,
) -> Labels {
    let mut labels = many.labels.clone();
    if drops_name(op, compat) {
        labels = labels.without(&[NAME]);
    }
    match include {
        None => {
            labels = match on {
                On::Only(names) => labels.only(&listed(names)),
                On::Ignoring(names) => labels.without(&listed(names)),
            };
        }
        Some(include) => {
            labels = labels.with(include.iter().map(|name| (name.as_str(), one.labels.get(name).unwrap_or(""))));
        }
    }
    if truth { labels.without(&[NAME]) } else { labels }
}

pub(crate) fn sets(op: SetOp, left: Vec<Point>, right: Vec<Point>, on: &On) -> Vec<Point> {
    let groups = |points: &[Point]| points.iter().map(|p| on.shared(&p.labels)).collect::<HashSet<_>>();
    let keep = |points: Vec<Point>, groups: &HashSet<Labels>, present: bool| {
        points.into_iter().filter(|p| groups.contains(&on.shared(&p.labels)) == present).collect::<Vec<_>>()
    };
    match op {
        SetOp::And => keep(left, &groups(&right), true),
        SetOp::Unless => keep(left, &groups(&right), false),
        SetOp::Or => {
            let known = groups(&left);
            let mut all = left;
            all.extend(keep(right, &known, false));
            all
        }
    }
}
