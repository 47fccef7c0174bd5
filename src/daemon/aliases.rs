//! Names that existing dashboards and rules use, made from what stands on the page: one closed table.
//!
//! A line makes one family from the families that probes export, in the same tick, so that page, store and rules hold
//! both. A series of it stands while what feeds it stands. Each part of the house has its lines in a file of its own.

mod cameras;
mod cues;
mod encoders;
mod node;

use crate::base::clock::{Now, Window};
use crate::metric::book::{Book, Hold, Series};
use crate::metric::desc::{Desc, Family};
use crate::metric::labels::Labels;
use crate::metric::latest::Sample;
use crate::metric::report::Report;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// All lines, by the file they are in.
static TABLE: &[&[Line]] = &[cameras::LINES, cues::LINES, encoders::LINES, node::LINES];

/// Every family of the table.
pub static FAMILIES: LazyLock<Vec<Family>> =
    LazyLock::new(|| TABLE.iter().copied().flatten().map(|l| l.family.clone()).collect());

/// One name, and how it is made.
struct Line {
    family: Family,
    /// Called once per start; what it returns keeps what it must remember from tick to tick.
    make: fn() -> Fold,
}

/// Looks at what stands and tells the series of one family.
type Fold = Box<dyn FnMut(&Standing<'_>, &mut Told<'_>) + Send>;

/// What stands on the page at one tick.
struct Standing<'a> {
    now: &'a Now,
    /// By family name, then labels.
    rows: &'a [Sample],
}

impl<'a> Standing<'a> {
    /// The series of one family, by labels.
    fn of(&self, family: &str) -> impl Iterator<Item = (&'a Labels, f64)> + use<'a> {
        let first = self.rows.partition_point(|r| *r.meta.family.name < *family);
        let rows = &self.rows[first..];
        let end = rows.partition_point(|r| *r.meta.family.name == *family);
        rows[..end].iter().map(|r| (&r.meta.labels, r.value))
    }
}

/// What the table tells at one tick.
struct Told<'a> {
    book: &'a Book,
    report: Report,
    series: BTreeSet<Series>,
}

impl Told<'_> {
    /// One series and its value, once per tick. Its labels come from those of series that stand, so they are as closed.
    fn say<const L: usize>(&mut self, desc: &'static Desc<L>, labels: [&str; L], value: f64) {
        let series = self.book.open(desc, labels, Hold::Own);
        self.report.value(series, value);
        self.series.insert(series);
    }
}

/// The table at work.
pub struct Aliases {
    book: Book,
    folds: Vec<Fold>,
    /// Told at the last tick.
    open: BTreeSet<Series>,
}

impl Aliases {
    pub fn new(book: Book) -> Self {
        let folds = TABLE.iter().copied().flatten().map(|line| (line.make)()).collect();
        Aliases { book, folds, open: BTreeSet::new() }
    }

    /// What the table says of `rows`, which are by family name. Series that nothing feeds any more are closed.
    pub fn tell(&mut self, rows: &[Sample], now: &Now) -> Report {
        let report = Report::new(Window { from: now.boot, to: now.boot });
        let mut told = Told { book: &self.book, report, series: BTreeSet::new() };
        let standing = Standing { now, rows };
        for fold in &mut self.folds {
            fold(&standing, &mut told);
        }
        let Told { report, series, .. } = told;
        let over: Vec<_> = self.open.difference(&series).copied().collect();
        if !over.is_empty() {
            self.book.close(&over, &[]);
        }
        self.open = series;
        report
    }
}
