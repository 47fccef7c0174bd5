//! What other exporters write on their pages: Prometheus text 0.0.4 and OpenMetrics 1.0.0.
//!
//! A [`Parser`] walks over a page line by line and copies nothing: names and labels are slices of the page, save for label
//! values with escapes in them. It accepts what a Prometheus server accepts and refuses what that refuses (held against one
//! by `tests/live/scrape.rs`), which is laxer than both documents: families need not stand together or have a type, series
//! may stand twice, and suffixes are not held against types. Stricter in two things: a label that stands twice in one
//! series is a fault of its line here, and of the whole scrape there; and a line longer than [`LONGEST`], or with more than
//! [`MOST_LABELS`], is refused.

mod cursor;
mod lines;

use cursor::Cursor;
use std::borrow::Cow;
use std::fmt;

/// Bytes of a line at most. Prometheus' own limits are off by default; nothing sane comes near.
pub const LONGEST: usize = 64 * 1024;
/// Labels of a series at most; each is held against those before it.
pub const MOST_LABELS: usize = 128;

/// How a page is written.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Format {
    /// Prometheus text 0.0.4: lines end anywhere, comments are free.
    Text,
    /// OpenMetrics 1.0.0: one space between tokens, and `# EOF` at the end, without which the page was cut.
    OpenMetrics,
}

impl Format {
    /// By the `Content-Type` of a response, as Prometheus does: text unless it says OpenMetrics.
    pub fn of(content_type: Option<&str>) -> Format {
        let media = content_type.and_then(|t| t.split(';').next()).unwrap_or("").trim();
        match media.eq_ignore_ascii_case("application/openmetrics-text") {
            true => Format::OpenMetrics,
            false => Format::Text,
        }
    }
}

/// The type of a family, by the word after `# TYPE` (OpenMetrics section 4.4; text 0.0.4 has the first four and `untyped`).
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Default)]
pub enum Type {
    Counter,
    Gauge,
    Histogram,
    Summary,
    Info,
    GaugeHistogram,
    StateSet,
    #[default]
    Unknown,
}

impl Type {
    /// What the names of a family's samples may have after the family's name (OpenMetrics section 5); the empty one first
    /// where the name alone is a sample too.
    pub fn suffixes(self) -> &'static [&'static str] {
        match self {
            Type::Counter => &["_total", "_created"],
            Type::Histogram => &["_bucket", "_sum", "_count", "_created"],
            Type::Summary => &["", "_sum", "_count", "_created"],
            Type::GaugeHistogram => &["_bucket", "_gsum", "_gcount"],
            Type::Info => &["_info"],
            Type::Gauge | Type::StateSet | Type::Unknown => &[""],
        }
    }
}

/// One line that says something.
#[derive(Debug, Clone, PartialEq)]
pub enum Line<'a> {
    Type(&'a str, Type),
    /// The family's name, and the text with its escapes resolved.
    Help(&'a str, Cow<'a, str>),
    /// Its labels are asked of the parser.
    Sample(Sample<'a>),
}

/// One sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample<'a> {
    pub name: &'a str,
    /// Name and labels as written: the same for the same series from page to page.
    pub series: &'a [u8],
    /// Any number; NaN and the infinities are what the exporter said.
    pub value: f64,
    /// It has a time of its own, which is read over.
    pub timed: bool,
}

/// What is wrong with a page, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// 1-based.
    pub line: usize,
    /// 1-based, bytes.
    pub column: usize,
    pub what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    NoName,
    NoLineEnd,
    NoValue,
    BadValue,
    BadTimestamp,
    NoLabelName,
    NoEquals,
    NoLabelValue,
    OpenLabelValue,
    NoComma,
    LabelTwice,
    TooManyLabels,
    NotUtf8,
    BadType,
    BadUnit,
    NoText,
    BadComment,
    BadExemplar,
    TooLong,
    NoEof,
    AfterEof,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            What::NoName => "here should be a metric name, a comment or an empty line",
            What::NoLineEnd => "the line should end here",
            What::NoValue => "here should be a value",
            What::BadValue => "this is no number",
            What::BadTimestamp => "this is no timestamp",
            What::NoLabelName => "here should be a label name or `}`",
            What::NoEquals => "here should be `=`",
            What::NoLabelValue => "here should be a label value in quotes",
            What::OpenLabelValue => "this label value does not end",
            What::NoComma => "here should be `,` or `}`",
            What::LabelTwice => "this label stands twice",
            What::TooManyLabels => "these are more than 128 labels",
            What::NotUtf8 => "this is not UTF-8",
            What::BadType => "this is no type of a family",
            What::BadUnit => "the family's name does not end in this unit",
            What::NoText => "here should be a text after the name",
            What::BadComment => "here should be HELP, TYPE, UNIT or EOF",
            What::BadExemplar => "this is no exemplar",
            What::TooLong => "this line is longer than 64 KiB",
            What::NoEof => "the page ends without # EOF: it was cut",
            What::AfterEof => "something comes after # EOF",
        })
    }
}

impl fmt::Display for Fault {
    /// `12:7: this is no number`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.what)
    }
}

impl std::error::Error for Fault {}

/// Walks over one page.
pub struct Parser<'a> {
    format: Format,
    cursor: Cursor<'a>,
    labels: Vec<(&'a str, Cow<'a, str>)>,
    ended: bool,
}

impl<'a> Parser<'a> {
    pub fn new(page: &'a [u8], format: Format) -> Parser<'a> {
        Parser { format, cursor: Cursor::new(page), labels: Vec::new(), ended: false }
    }

    /// The next line that says something; `None` at the end. After a fault nothing more comes.
    ///
    /// # Errors
    /// What is wrong, and where; a server that meets it refuses the whole page.
    pub fn next_line(&mut self) -> Option<Result<Line<'a>, Fault>> {
        if self.ended {
            return None;
        }
        let line = match self.format {
            Format::Text => self.text_line(),
            Format::OpenMetrics => self.openmetrics_line(),
        };
        self.ended = !matches!(line, Ok(Some(_)));
        line.map_err(|wrong| self.cursor.fault(wrong)).transpose()
    }

    /// The labels of the sample that came last, in their order on the page, empty values among them.
    pub fn labels(&self) -> &[(&'a str, Cow<'a, str>)] {
        &self.labels
    }
}

#[cfg(test)]
mod tests;
