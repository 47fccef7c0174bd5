//! Stale markers, which blocks made from OpenMetrics cannot carry: our answers go into a unit test file as the expected
//! ones, and promtool, which knows `stale` and `_`, judges them.

use crate::dice::Dice;
use crate::oracle::unit_tests;
use crate::series::{Made, World};
use std::fmt::Write;
use vedette::metric::labels::Labels;
use vedette::query::{Compat, Expr, NAME, STALE, Sample, Value};

/// ms between samples.
const STEP: i64 = 15_000;
const STEPS: i64 = 100;

const EXPRESSIONS: &[&str] = &[
    "m",
    "m offset 1m",
    "timestamp(m)",
    "count(m)",
    "sum by (a) (m)",
    "absent(m{a=\"x\"})",
    "absent_over_time(m[1m])",
    "m{a=\"x\"} unless on (a) m{a=\"x\"} offset 30s",
    "rate(m[1m])",
    "increase(m[90s])",
    "delta(m[1m])",
    "irate(m[1m])",
    "changes(m[2m])",
    "resets(m[2m])",
    "count_over_time(m[1m])",
    "last_over_time(m[1m])",
    "present_over_time(m[45s])",
    "max_over_time(m[1m:15s])",
    "count_over_time(m[2m:10s])",
    "last_over_time(m[2m:10s])",
];

#[test]
fn stale_markers_end_series_where_promtool_says_so() {
    let mut dice = Dice::new(7);
    let mut series = String::new();
    let mut made = Vec::new();
    for a in ["x", "y", "z"] {
        let (mut values, mut samples) = (String::new(), Vec::new());
        let mut count = 0;
        for step in 0..STEPS {
            count = if dice.one_in(12) { 0 } else { count + dice.below(9) };
            // Long silences too, so that the lookback runs out.
            let silent = step / 30 == 1 && a == "z";
            let value = match dice.below(8) {
                0 | 1 => None,
                2 => Some(f64::from_bits(STALE)),
                _ => Some(count as f64),
            };
            match value.filter(|_| !silent) {
                None => values.push_str("_ "),
                Some(v) => {
                    samples.push(Sample { at: step * STEP, value: v });
                    let said = if v.is_nan() { "stale".into() } else { v.to_string() };
                    write!(values, "{said} ").unwrap();
                }
            }
        }
        writeln!(series, "      - {{series: 'm{{a=\"{a}\"}}', values: '{}'}}", values.trim()).unwrap();
        made.push(Made { labels: Labels::new([(NAME, "m"), ("a", a)]), samples });
    }
    let world = World(made);
    let mut cases = String::new();
    let mut answers = 0;
    for text in EXPRESSIONS {
        let expr = Expr::parse(text, Compat::V2).unwrap();
        for _ in 0..40 {
            // On a sample or 5 s beside one.
            let at = STEP * dice.below(STEPS as usize + 25) as i64 + if dice.one_in(3) { 5000 } else { 0 };
            let Value::Vector(points) = expr.eval(&world, at).unwrap() else { panic!("{text}: not a vector") };
            answers += points.len();
            writeln!(cases, "      - expr: '{text}'\n        eval_time: {}s\n        exp_samples:", at / 1000).unwrap();
            for p in points {
                let (name, labels) = (p.labels.get(NAME).unwrap_or(""), p.labels.without(&[NAME]));
                let series = if p.labels.is_empty() { "{}".into() } else { format!("{name}{labels}") };
                writeln!(cases, "          - {{labels: '{series}', value: {}}}", p.value).unwrap();
            }
        }
    }
    assert!(answers > 1000, "only {answers} values compared");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("stale.yml");
    let text = format!(
        "evaluation_interval: 15s\ntests:\n  - interval: 15s\n    input_series:\n{series}    promql_expr_test:\n{cases}"
    );
    std::fs::write(&file, text).unwrap();
    unit_tests(&file);
}
