//! How each collector fares, by node_exporter's own names, and its series.

use super::metrics::{DURATION, LEFT_OUT, SUCCESS};
use super::sheet::Missed;
use crate::base::fault::chain;
use crate::metric::book::{Hold, Series};
use crate::metric::reading::{Fact, Readings};
use crate::metric::report::{NoData, Report};
use crate::probe::Kit;
use std::time::Duration;

/// What one look of one collector brought back.
pub struct Looked {
    pub facts: Vec<Fact>,
    pub left_out: usize,
    pub missed: Option<Missed>,
    pub took: Duration,
}

/// One collector on the page.
pub struct Health {
    name: &'static str,
    readings: Readings,
    success: Series,
    duration: Series,
    left_out: Series,
    /// The log says last that it fails.
    failing: bool,
}

impl Health {
    pub fn open(kit: &mut Kit, name: &'static str, cadence: Duration) -> Health {
        Health {
            name,
            readings: Readings::new(kit.shelf(), Hold::Read(cadence)),
            success: kit.read(&SUCCESS, [name], cadence),
            duration: kit.read(&DURATION, [name], cadence),
            left_out: kit.read(&LEFT_OUT, [name], cadence),
            failing: false,
        }
    }

    pub fn fold(&mut self, report: &mut Report, looked: &Looked) {
        let gone = looked.missed.as_ref().map_or(NoData::NotPresent, Missed::why);
        let refused = self.readings.fold(report, &looked.facts, gone);
        report
            .value(self.success, f64::from(looked.missed.is_none()))
            .value(self.duration, looked.took.as_secs_f64())
            .value(self.left_out, (looked.left_out + refused) as f64);
        // That a machine has no such part is no failure.
        let failed = looked.missed.as_ref().filter(|missed| !missed.absent());
        match failed {
            Some(missed) if !self.failing => {
                tracing::warn!(collector = self.name, error = %chain(missed), "part of the node cannot be read");
            }
            None if self.failing => tracing::info!(collector = self.name, "part of the node can be read again"),
            _ => {}
        }
        self.failing = failed.is_some();
    }

    /// Takes everything back.
    pub fn fallen(&mut self, report: &mut Report) {
        self.readings.fold(report, &[], NoData::Stale);
        for series in [self.success, self.duration, self.left_out] {
            report.reading(series, Err(NoData::Stale));
        }
    }
}
