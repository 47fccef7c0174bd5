//! Made series: counters with resets, gauges with decimals, gaps, late starts, early ends, odd floats, histograms.
//! Written as OpenMetrics for Prometheus, and a [`Source`] for us.

use crate::dice::Dice;
use std::fmt::Write;
use vedette::metric::labels::Labels;
use vedette::query::{EvalError, Matchers, NAME, Sample, Source, Stretch};

/// ms; far from now, so that nothing depends on the day the test runs.
pub const START: i64 = 1_700_000_000_000;
pub const MINUTES: i64 = 24;
const STEP: i64 = 5_000;

pub struct Made {
    pub labels: Labels,
    pub samples: Vec<Sample>,
}

pub struct World(pub Vec<Made>);

impl World {
    pub fn make(dice: &mut Dice) -> World {
        let mut all = Vec::new();
        for cam in ["yard", "gate", "hall", "roof"] {
            for code in ["200", "500", "503"] {
                all.push(counter(dice, &[(NAME, "requests_total"), ("cam", cam), ("code", code)]));
                all.push(counter(dice, &[(NAME, "errors_total"), ("cam", cam), ("code", code), ("site", "a")]));
            }
            for site in ["a", "b"] {
                all.push(gauge(dice, &[(NAME, "temp"), ("cam", cam), ("site", site)]));
                all.push(odd(dice, &[(NAME, "odd"), ("cam", cam), ("site", site)]));
            }
            all.push(truth(dice, &[(NAME, "alive"), ("cam", cam)]));
            all.push(counter(dice, &[(NAME, "bytes_total"), ("cam", cam)]));
            let mut below = Vec::new();
            for le in ["0.1", "0.5", "2.5", "+Inf"] {
                let mut bucket =
                    counter(&mut Dice::new(cam.len() as u64), &[(NAME, "latency_bucket"), ("cam", cam), ("le", le)]);
                let own = counter(dice, &[("x", "y")]).samples;
                for (i, sample) in bucket.samples.iter_mut().enumerate() {
                    let grown = own.get(i).map_or(0.0, |s| s.value.floor());
                    sample.value = below.get(i).copied().unwrap_or(0.0) + grown;
                }
                below = bucket.samples.iter().map(|s| s.value).collect();
                all.push(bucket);
            }
        }
        all.sort_by(|a, b| a.labels.cmp(&b.labels));
        World(all)
    }

    pub fn openmetrics(&self) -> String {
        let mut text = String::new();
        let mut family = "";
        for made in &self.0 {
            let name = made.labels.get(NAME).unwrap();
            if name != family {
                writeln!(text, "# TYPE {name} unknown").unwrap();
                family = name;
            }
            for s in &made.samples {
                let value = match s.value {
                    v if v.is_nan() => "NaN".to_owned(),
                    v if v.is_infinite() => (if v > 0.0 { "+Inf" } else { "-Inf" }).to_owned(),
                    v => format!("{v}"),
                };
                let (labels, at) = (made.labels.without(&[NAME]), s.at as f64 / 1000.0);
                writeln!(text, "{name}{labels} {value} {at:.3}").unwrap();
            }
        }
        text + "# EOF\n"
    }
}

impl Source for World {
    fn select(&self, matchers: &Matchers, from: i64, to: i64) -> Result<Vec<Stretch<'_>>, EvalError> {
        let cut = |made: &'_ Made| {
            let start = made.samples.partition_point(|s| s.at < from);
            let end = made.samples.partition_point(|s| s.at <= to).max(start);
            (start, end)
        };
        let wanted = self.0.iter().filter(|made| matchers.accept(&made.labels));
        Ok(wanted
            .map(|made| {
                let (a, b) = cut(made);
                Stretch { labels: &made.labels, samples: &made.samples[a..b] }
            })
            .collect())
    }
}

/// Times: every 5 s, in half of the series off the beat by up to 300 ms; some start late, end early or have holes.
fn made(dice: &mut Dice, labels: &[(&str, &str)], mut value: impl FnMut(&mut Dice) -> f64) -> Made {
    let steps = MINUTES * 60_000 / STEP;
    let jitter = if dice.one_in(2) { 300 } else { 1 };
    let first = if dice.one_in(4) { dice.below(steps as usize) as i64 / 2 } else { 0 };
    let last = if dice.one_in(4) { steps - dice.below(steps as usize) as i64 / 2 } else { steps };
    let mut samples = Vec::new();
    let mut hole = 0;
    for step in first..last {
        let next = value(dice);
        if hole == 0 && dice.one_in(60) {
            hole = dice.below(90);
        }
        if hole > 0 {
            hole -= 1;
            continue;
        }
        samples.push(Sample { at: START + step * STEP + dice.below(jitter) as i64, value: next });
    }
    Made { labels: Labels::new(labels.iter().copied()), samples }
}

fn counter(dice: &mut Dice, labels: &[(&str, &str)]) -> Made {
    let mut count = if dice.one_in(2) { 0.0 } else { dice.below(100_000) as f64 };
    let speed = 1 + dice.below(500);
    made(dice, labels, move |dice| {
        if dice.one_in(80) {
            count = dice.below(3) as f64;
        }
        count += dice.below(speed) as f64 / 8.0;
        count
    })
}

fn gauge(dice: &mut Dice, labels: &[(&str, &str)]) -> Made {
    made(dice, labels, |dice| (dice.below(20_000) as f64 - 8_000.0) / 97.0)
}

fn truth(dice: &mut Dice, labels: &[(&str, &str)]) -> Made {
    made(dice, labels, |dice| f64::from(!dice.one_in(5)))
}

fn odd(dice: &mut Dice, labels: &[(&str, &str)]) -> Made {
    made(dice, labels, |dice| match dice.below(12) {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        3 => 0.0,
        4 => -1e-300,
        5 => 1e9,
        _ => dice.below(5) as f64 - 2.0,
    })
}
