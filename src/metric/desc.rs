//! What a family of series is: name, kind, unit, labels, help. Said once, here; page, METRICS.md and store print it.

use std::borrow::Cow;
use std::sync::Arc;

/// How a value behaves over time.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Hash)]
pub enum Kind {
    /// Only grows, until it starts again at 0. Exported with `_total`.
    Counter,
    Gauge,
    /// Cumulative counts by size: the series are `_bucket` with the label `le`, `_sum` and `_count`.
    Histogram,
    /// Always 1; the labels carry the message. Exported with `_info`.
    Info,
    /// Quantiles as another exporter reckons them, with the label `quantile`, and `_sum` and `_count`; we have none of our own.
    Summary,
    /// Made elsewhere; nothing is known about its behaviour.
    Unknown,
}

/// Base units. The name must end in it (before `_total`), except where `names.md` fixed another name.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Hash)]
pub enum Unit {
    Seconds,
    Bytes,
    /// 0..=1, or above 1 where HELP says so.
    Ratio,
    /// 0..=100: only under names that names.md fixed.
    Percent,
    /// A plain number of things.
    Count,
    BitsPerSecond,
    PerSecond,
    Pixels,
    Celsius,
    Watts,
    Hertz,
}

impl Unit {
    /// As METRICS.md and HELP show it.
    pub fn text(self) -> &'static str {
        match self {
            Unit::Seconds => "seconds",
            Unit::Bytes => "bytes",
            Unit::Ratio => "ratio 0..1",
            Unit::Percent => "percent 0..100",
            Unit::Count => "",
            Unit::BitsPerSecond => "bit/s",
            Unit::PerSecond => "1/s",
            Unit::Pixels => "pixels",
            Unit::Celsius => "°C",
            Unit::Watts => "watts",
            Unit::Hertz => "hertz",
        }
    }
}

/// A family with `L` labels; opening a series with another number of values does not compile.
#[derive(Debug)]
pub struct Desc<const L: usize> {
    /// Exported name, with `_total` for a counter and `_info` for an info.
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Unit,
    pub labels: [&'static str; L],
    /// Upper bounds of a histogram's buckets, rising, without the infinite one; empty for other kinds.
    pub bounds: &'static [f64],
    /// One sentence without a full stop at the end: what the number is, and what it is not.
    pub help: &'static str,
}

impl<const L: usize> Desc<L> {
    pub const fn counter(name: &'static str, unit: Unit, labels: [&'static str; L], help: &'static str) -> Self {
        Desc { name, kind: Kind::Counter, unit, labels, bounds: &[], help }
    }
    pub const fn gauge(name: &'static str, unit: Unit, labels: [&'static str; L], help: &'static str) -> Self {
        Desc { name, kind: Kind::Gauge, unit, labels, bounds: &[], help }
    }
    pub const fn histogram(
        name: &'static str,
        unit: Unit,
        labels: [&'static str; L],
        bounds: &'static [f64],
        help: &'static str,
    ) -> Self {
        Desc { name, kind: Kind::Histogram, unit, labels, bounds, help }
    }
    pub const fn info(name: &'static str, labels: [&'static str; L], help: &'static str) -> Self {
        Desc { name, kind: Kind::Info, unit: Unit::Count, labels, bounds: &[], help }
    }
    /// The same with the number of labels forgotten, for catalogues.
    pub const fn family(&'static self) -> Family {
        Family {
            name: Cow::Borrowed(self.name),
            kind: self.kind,
            unit: self.unit,
            labels: &self.labels,
            help: Cow::Borrowed(self.help),
            learned: None,
        }
    }
}

/// A [`Desc`] whose number of labels is forgotten, or a family learned at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    pub name: Cow<'static, str>,
    pub kind: Kind,
    pub unit: Unit,
    /// Empty for families learned at run time: their labels are whatever came.
    pub labels: &'static [&'static str],
    pub help: Cow<'static, str>,
    /// Of a family learned at run time: its name, without what the names of the series of a histogram or summary end in.
    pub learned: Option<Arc<str>>,
}

/// What the names of a histogram's series end in.
pub const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

impl Family {
    /// The family's name as TYPE and HELP tell it: that of a histogram's series is without their ending.
    pub fn stem(&self) -> &str {
        match (&self.learned, self.kind) {
            (Some(stem), _) => stem,
            (None, Kind::Histogram) => PARTS.iter().find_map(|part| self.name.strip_suffix(part)).unwrap_or(&self.name),
            _ => &self.name,
        }
    }

    /// The name that OpenMetrics gives the family: without `_total` and `_info`.
    pub fn root(&self) -> &str {
        let end = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            _ => "",
        };
        self.stem().strip_suffix(end).unwrap_or(self.stem())
    }

    /// The names of its series.
    pub fn names(&self) -> Vec<String> {
        match self.kind {
            Kind::Histogram => PARTS.iter().map(|part| format!("{}{part}", self.name)).collect(),
            _ => vec![self.name.to_string()],
        }
    }
}
