//! What happened at a moment and is told as it is: an entry of the event log, and a message of the stream `event`.
//! What would be a label of its own kind each time (ids, media times, texts) has its place here, and not on the page.

use crate::base::clock::Boot;

/// One value of a note.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    Text(String),
    /// Told as null when it is not finite.
    Number(f64),
    Whole(i64),
    Flag(bool),
}

impl From<String> for Field {
    fn from(text: String) -> Self {
        Field::Text(text)
    }
}

impl From<&str> for Field {
    fn from(text: &str) -> Self {
        Field::Text(text.to_owned())
    }
}

impl From<f64> for Field {
    fn from(number: f64) -> Self {
        Field::Number(number)
    }
}

impl From<i64> for Field {
    fn from(whole: i64) -> Self {
        Field::Whole(whole)
    }
}

impl From<bool> for Field {
    fn from(flag: bool) -> Self {
        Field::Flag(flag)
    }
}

/// Something that happened, without secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// One of a closed set, `<subject>.<what>`, e.g. `scte35.out`.
    pub kind: &'static str,
    /// When it happened, which may be a little before it is told.
    pub at: Boot,
    pub fields: Vec<(&'static str, Field)>,
}

impl Note {
    /// Longest text of a field in bytes: what comes from the wire has no bound of its own.
    const TEXT: usize = 512;

    pub fn new(kind: &'static str, at: Boot) -> Self {
        Note { kind, at, fields: Vec::new() }
    }

    /// Adds a field. A text is cut at 512 bytes.
    #[must_use]
    pub fn with(mut self, name: &'static str, field: impl Into<Field>) -> Self {
        let mut field = field.into();
        if let Field::Text(text) = &mut field {
            let cut = (0..=text.len().min(Self::TEXT)).rev().find(|n| text.is_char_boundary(*n));
            text.truncate(cut.unwrap_or(0));
        }
        self.fields.push((name, field));
        self
    }

    /// Adds a field if there is one.
    #[must_use]
    pub fn maybe(self, name: &'static str, field: Option<impl Into<Field>>) -> Self {
        match field {
            Some(field) => self.with(name, field),
            None => self,
        }
    }
}
