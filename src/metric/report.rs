//! What a probe says: readings taken in one window.

use crate::base::clock::Window;
use crate::base::label::Label;
use crate::metric::book::{Series, Slot};
use crate::metric::note::Note;
use std::sync::Arc;

/// Why there is no number.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum NoData {
    /// The thing is not there.
    NotPresent,
    /// It is there and cannot tell.
    Unsupported,
    /// We may not ask.
    Denied,
    /// It could not be reached.
    Unreachable,
    /// It did not answer in time.
    Timeout,
    /// It answered nonsense.
    Malformed,
    /// It told us once, too long ago.
    Stale,
}

impl Label for NoData {
    const ALL: &'static [Self] = &[
        NoData::NotPresent,
        NoData::Unsupported,
        NoData::Denied,
        NoData::Unreachable,
        NoData::Timeout,
        NoData::Malformed,
        NoData::Stale,
    ];
    fn label(self) -> &'static str {
        match self {
            NoData::NotPresent => "not_present",
            NoData::Unsupported => "unsupported",
            NoData::Denied => "denied",
            NoData::Unreachable => "unreachable",
            NoData::Timeout => "timeout",
            NoData::Malformed => "malformed",
            NoData::Stale => "stale",
        }
    }
}

/// A number, or why there is none.
pub type Reading = Result<f64, NoData>;

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Row {
    Value(Series, Reading),
    Said(Series, f64),
    Info(Slot, Option<Vec<String>>),
}

/// The rows of one read section.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    pub taken: Window,
    pub(crate) rows: Vec<Row>,
    /// Whose it is, `<probe>/<id>`; said by the tap.
    pub source: Option<Arc<str>>,
    /// What happened in this window, in order.
    pub notes: Vec<Note>,
    /// What its source remembers from now on, or that it forgets.
    pub memory: Option<Option<String>>,
}

impl Report {
    pub fn new(taken: Window) -> Self {
        Report { taken, rows: Vec::new(), source: None, notes: Vec::new(), memory: None }
    }
    /// A number we have.
    pub fn value(&mut self, series: Series, value: f64) -> &mut Self {
        self.reading(series, Ok(value))
    }
    /// A number as another exporter says it: also NaN and the infinities, which are its words and no failure of ours.
    pub fn said(&mut self, series: Series, value: f64) -> &mut Self {
        self.rows.push(Row::Said(series, value));
        self
    }
    /// A number, or the reason why it leaves the page.
    pub fn reading(&mut self, series: Series, reading: Reading) -> &mut Self {
        self.rows.push(Row::Value(series, reading));
        self
    }
    /// A number if we have one; otherwise the series leaves the page for `why`.
    pub fn maybe(&mut self, series: Series, value: Option<f64>, why: NoData) -> &mut Self {
        self.reading(series, value.ok_or(why))
    }
    /// The variable labels of an info series, or `None` to take it off the page.
    pub fn info(&mut self, slot: Slot, values: Option<Vec<String>>) -> &mut Self {
        self.rows.push(Row::Info(slot, values));
        self
    }
    /// Something that happened; see [`crate::metric::note`].
    pub fn note(&mut self, note: Note) -> &mut Self {
        self.notes.push(note);
        self
    }
    /// Replaces what the target gets from `Kit::remembered` after a restart; `None` forgets. Kept on file in one
    /// transaction with the notes of this report.
    pub fn remember(&mut self, text: Option<String>) -> &mut Self {
        self.memory = Some(text);
        self
    }
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.notes.is_empty() && self.memory.is_none()
    }
}
