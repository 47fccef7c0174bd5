//! Our PromQL against Prometheus itself: the same series, the same expressions, the same answers.
//! A failure prints its seed; `PROMQL_SEED=n PROMQL_COUNT=n cargo test --test promql` repeats or widens the run.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

mod dice;
mod grammar;
mod oracle;
mod series;
mod stale;

use dice::Dice;
use oracle::{Answer, Oracle};
use series::{MINUTES, START, World};
use std::collections::BTreeMap;
use vedette::query::{Compat, Expr, Refused, Value};

/// Relative.
const CLOSE: f64 = 1e-9;

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn random_expressions_have_the_values_prometheus_gives_them() {
    let (seed, count) = (setting("PROMQL_SEED", 1), setting("PROMQL_COUNT", 8000));
    let mut dice = Dice::new(seed);
    let world = World::make(&mut dice);
    let oracle = Oracle::start(&world.openmetrics());
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    let mut wrong = Vec::new();
    for _ in 0..count {
        let text = grammar::any(&mut dice);
        // On the beat, so that samples lie on the ends of ranges, or off it.
        let beat = START + 5000 * dice.below(MINUTES as usize * 12 + 30) as i64;
        let at = if dice.one_in(3) { beat + dice.below(5000) as i64 } else { beat };
        let theirs = oracle.ask(&text, at);
        match compare(&text, &world, at, &theirs) {
            Ok(kind) => *seen.entry(kind).or_default() += 1,
            Err(what) => wrong.push(format!("{text}\n  at {at}: {what}")),
        }
    }
    println!("seed {seed}: {count} expressions: {seen:?}, {} wrong", wrong.len());
    assert!(
        wrong.is_empty(),
        "seed {seed}: {} of {count} differ:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
    assert!(seen["vector"] > count / 4, "too few comparisons mean something: {seen:?}");
}

fn compare(text: &str, world: &World, at: i64, theirs: &Answer) -> Result<&'static str, String> {
    let ours = match Expr::parse(text, Compat::V2) {
        Ok(expr) => expr.eval(world, at),
        Err(refused) => {
            return match (refused, theirs) {
                (Refused::Broken { .. }, Answer::Broken) => Ok("broken"),
                (refused, theirs) => Err(format!("refused: {refused}; Prometheus: {theirs:?}")),
            };
        }
    };
    match (ours, theirs) {
        (Ok(Value::Scalar(a)), Answer::Scalar(b)) if close(a, *b) => Ok("scalar"),
        (Ok(Value::Vector(points)), Answer::Vector(theirs)) => {
            let ours: BTreeMap<_, _> = points.into_iter().map(|p| (p.labels, p.value)).collect();
            let same = ours.len() == theirs.len()
                && ours.iter().all(|(labels, a)| theirs.get(labels).is_some_and(|b| close(*a, *b)));
            match (same, theirs.is_empty()) {
                (true, true) => Ok("empty"),
                (true, false) => Ok("vector"),
                _ => Err(format!("\n    ours   {ours:?}\n    theirs {theirs:?}")),
            }
        }
        // Over the steps of a subquery Prometheus refuses two series of one label set even where they never meet.
        (Ok(_), Answer::Failed(what)) if what.contains("same labelset") && text.contains(":") => Ok("stricter"),
        // Prometheus 2.42 panics where a subquery shorter than its step has no step in it.
        (Ok(_), Answer::Failed(what)) if what.starts_with("unexpected error") => Ok("crashed"),
        (Err(error), Answer::Failed(what)) if alike(&error.to_string(), what) => Ok("failed"),
        (ours, theirs) => Err(format!("\n    ours   {ours:?}\n    theirs {theirs:?}")),
    }
}

fn close(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= CLOSE * a.abs().max(b.abs())
}

/// The same complaint, whatever the labels in it.
fn alike(ours: &str, theirs: &str) -> bool {
    ["many-to-many", "many-to-one", "grouping labels", "same labelset", "overflows int64"]
        .iter()
        .any(|key| ours.contains(key) && theirs.contains(key))
}
