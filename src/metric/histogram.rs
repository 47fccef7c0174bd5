//! Counts of observations by size: cumulative buckets, their sum and their number, as Prometheus' classic histograms.

use crate::metric::book::Series;
use crate::metric::report::Report;

/// One open histogram. We are its source: it starts at 0 and stands until it is closed.
#[derive(Debug, Clone)]
pub struct Histogram {
    bounds: &'static [f64],
    /// Per bucket, not cumulative; the last is the one above all bounds.
    counts: Vec<u64>,
    sum: f64,
    /// One per bucket, in the order of `counts`.
    buckets: Vec<Series>,
    sum_series: Series,
    count_series: Series,
}

impl Histogram {
    pub(crate) fn new(
        bounds: &'static [f64],
        buckets: Vec<Series>,
        [sum_series, count_series]: [Series; 2],
    ) -> Histogram {
        Histogram { bounds, counts: vec![0; buckets.len()], sum: 0.0, buckets, sum_series, count_series }
    }

    /// Counts one observation, in the family's unit. What is not finite is not counted.
    pub fn observe(&mut self, value: f64) {
        self.observe_many(value, 1);
    }

    /// Counts `times` observations of the same value.
    pub fn observe_many(&mut self, value: f64, times: u64) {
        if value.is_finite() {
            self.counts[self.bounds.partition_point(|bound| *bound < value)] += times;
            self.sum += value * times as f64;
        }
    }

    pub fn fill(&self, report: &mut Report) {
        let mut seen = 0;
        for (series, count) in self.buckets.iter().zip(&self.counts) {
            seen += count;
            report.value(*series, seen as f64);
        }
        report.value(self.sum_series, self.sum).value(self.count_series, seen as f64);
    }
}

/// The label `le` of a bound, as OpenMetrics writes it (`0.5`, `1.0`, `+Inf`), whatever the page's format: it is part of
/// the series' identity, and page, store and rules must agree on it.
pub(crate) fn le(bound: f64) -> String {
    if bound == f64::INFINITY { "+Inf".to_owned() } else { format!("{bound:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{Sim, Window};
    use crate::metric::book::Book;
    use crate::metric::desc::{Desc, Unit};
    use crate::metric::latest::Latest;

    static WAIT: Desc<1> = Desc::histogram("wait_seconds", Unit::Seconds, ["door"], &[0.5, 1.0], "wait");

    #[test]
    fn an_observation_counts_in_every_bucket_that_is_not_smaller() {
        let (sim, book) = (Sim::new(), Book::default());
        let (mut wait, _) = book.open_histogram(&WAIT, ["yard"]);
        for value in [0.5, 0.75, 3.0, f64::NAN, f64::INFINITY] {
            wait.observe(value);
        }
        wait.observe_many(-1.0, 2);
        let at = sim.clock().boot();
        let mut report = Report::new(Window { from: at, to: at });
        wait.fill(&mut report);
        let mut latest = Latest::new(book);
        latest.apply(&report);
        let rows = latest.snapshot(sim.clock().now()).rows;
        let page: Vec<_> =
            rows.iter().map(|r| format!("{}{} {}", r.meta.family.name, r.meta.labels, r.value)).collect();
        assert_eq!(
            page,
            [
                r#"wait_seconds_bucket{door="yard",le="+Inf"} 5"#,
                r#"wait_seconds_bucket{door="yard",le="0.5"} 3"#,
                r#"wait_seconds_bucket{door="yard",le="1.0"} 4"#,
                r#"wait_seconds_count{door="yard"} 5"#,
                r#"wait_seconds_sum{door="yard"} 2.25"#,
            ]
        );
    }
}
