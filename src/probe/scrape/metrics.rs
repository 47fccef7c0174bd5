//! What is told of an exporter beside its own series.

use super::Read;
use crate::base::label::Label;
use crate::metric::book::Series;
use crate::metric::desc::{Desc, Family, Unit};
use crate::metric::report::{NoData, Report};
use crate::metric::shelf::Clash;
use crate::probe::Kit;
use std::time::Duration;

static UP: Desc<1> = Desc::gauge(
    "scrape_up",
    Unit::Count,
    ["scrape_id"],
    "1 if the exporter's last page came and could be read to its end, else 0; then none of its series stands",
);
static FAILURES: Desc<2> = Desc::counter(
    "scrape_failures_total",
    Unit::Count,
    ["scrape_id", "reason"],
    "Rounds without a page; denied is 401, 403 or our own firewall, status any other that is not 2xx and redirects that lead \
     nowhere, malformed a line that cannot be read or a page that was cut, unreachable all else before the first byte",
);
static DURATION: Desc<1> = Desc::gauge(
    "scrape_page_seconds",
    Unit::Seconds,
    ["scrape_id"],
    "From the lookup of the name until the last line of the exporter's last page was read",
);
static BYTES: Desc<1> =
    Desc::gauge("scrape_page_bytes", Unit::Bytes, ["scrape_id"], "Size of the exporter's last page");
static SAMPLES: Desc<1> = Desc::gauge(
    "scrape_page_samples",
    Unit::Count,
    ["scrape_id"],
    "Samples on the exporter's last page, before anything was left out",
);
static SERIES: Desc<1> =
    Desc::gauge("scrape_series", Unit::Count, ["scrape_id"], "Series of the exporter that stand on our page");
static DROPPED: Desc<1> = Desc::counter(
    "scrape_dropped_samples_total",
    Unit::Count,
    ["scrape_id"],
    "Samples left out by relabelling, as configured",
);
static REFUSED: Desc<2> = Desc::counter(
    "scrape_refused_samples_total",
    Unit::Count,
    ["scrape_id", "reason"],
    "Samples left out although wanted; name_taken: we export a family of that name, other_type: another exporter has the name \
     under another type, twice: the series stands already, churn: too many different series within a day",
);

pub(super) static FAMILIES: &[Family] = &[
    UP.family(),
    FAILURES.family(),
    DURATION.family(),
    BYTES.family(),
    SAMPLES.family(),
    SERIES.family(),
    DROPPED.family(),
    REFUSED.family(),
];

/// Why there is no page.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Why {
    Unreachable,
    Timeout,
    TooLarge,
    TooManySamples,
    Malformed,
    Status,
    Denied,
}

impl Label for Why {
    const ALL: &'static [Self] =
        &[Why::Unreachable, Why::Timeout, Why::TooLarge, Why::TooManySamples, Why::Malformed, Why::Status, Why::Denied];
    fn label(self) -> &'static str {
        match self {
            Why::Unreachable => "unreachable",
            Why::Timeout => "timeout",
            Why::TooLarge => "too_large",
            Why::TooManySamples => "too_many_samples",
            Why::Malformed => "malformed",
            Why::Status => "status",
            Why::Denied => "denied",
        }
    }
}

impl Why {
    fn no_data(self) -> NoData {
        match self {
            Why::Unreachable | Why::Status => NoData::Unreachable,
            Why::Timeout => NoData::Timeout,
            Why::TooLarge | Why::TooManySamples | Why::Malformed => NoData::Malformed,
            Why::Denied => NoData::Denied,
        }
    }
}

/// Why a sample is not taken.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    Clash(Clash),
    Churn,
}

impl Label for Refusal {
    const ALL: &'static [Self] =
        &[Refusal::Clash(Clash::Ours), Refusal::Clash(Clash::Type), Refusal::Clash(Clash::Twice), Refusal::Churn];
    fn label(self) -> &'static str {
        match self {
            Refusal::Clash(clash) => clash.label(),
            Refusal::Churn => "churn",
        }
    }
}

impl Refusal {
    pub(super) fn index(self) -> usize {
        match self {
            Refusal::Clash(clash) => clash as usize,
            Refusal::Churn => Refusal::ALL.len() - 1,
        }
    }
}

/// What became of samples so far, and how many series stand.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) dropped: u64,
    pub(super) refused: [u64; Refusal::ALL.len()],
    pub(super) standing: usize,
}

/// The series of one exporter that are ours.
pub(super) struct Meters {
    up: Series,
    failures: Vec<(Why, Series, u64)>,
    duration: Series,
    bytes: Series,
    samples: Series,
    series: Series,
    dropped: Series,
    refused: Vec<Series>,
    /// The page's numbers stand.
    shown: bool,
}

impl Meters {
    pub(super) fn open(kit: &mut Kit, id: &str, every: Duration) -> Meters {
        let failures = Why::ALL.iter().map(|why| (*why, kit.own(&FAILURES, [id, why.label()]), 0)).collect();
        let refused = Refusal::ALL.iter().map(|why| kit.own(&REFUSED, [id, why.label()])).collect();
        Meters {
            up: kit.own(&UP, [id]),
            failures,
            duration: kit.read(&DURATION, [id], every),
            bytes: kit.read(&BYTES, [id], every),
            samples: kit.read(&SAMPLES, [id], every),
            series: kit.read(&SERIES, [id], every),
            dropped: kit.own(&DROPPED, [id]),
            refused,
            shown: false,
        }
    }

    pub(super) fn fill(&mut self, report: &mut Report, read: Result<&Read, Why>, took: Duration, counts: Counts) {
        for (why, series, count) in &mut self.failures {
            *count += u64::from(read.as_ref().err() == Some(why));
            report.value(*series, *count as f64);
        }
        report.value(self.up, f64::from(u8::from(read.is_ok())));
        let page = [
            (self.duration, read.map(|_| took.as_secs_f64())),
            (self.bytes, read.map(|read| read.bytes as f64)),
            (self.samples, read.map(|read| read.samples as f64)),
            (self.series, read.map(|_| counts.standing as f64)),
        ];
        // That they left is said once.
        let told = std::mem::replace(&mut self.shown, read.is_ok()) || read.is_ok();
        for (series, value) in page.into_iter().filter(|_| told) {
            report.reading(series, value.map_err(Why::no_data));
        }
        report.value(self.dropped, counts.dropped as f64);
        for (series, count) in self.refused.iter().zip(counts.refused) {
            report.value(*series, count as f64);
        }
    }

    /// Nothing is known of the exporter; counters stand.
    pub(super) fn withdraw(&mut self, report: &mut Report) {
        self.shown = false;
        for series in [self.up, self.duration, self.bytes, self.samples, self.series] {
            report.reading(series, Err(NoData::Stale));
        }
    }
}
