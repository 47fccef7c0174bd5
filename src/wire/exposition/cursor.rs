//! Where the parser is on the page, and the tokens that both formats have.

use super::{Fault, What};
use std::borrow::Cow;

/// Position of a fault in the page, bytes from its begin.
pub(super) type Wrong = (usize, What);

pub(super) struct Cursor<'a> {
    page: &'a [u8],
    pub(super) at: usize,
    /// Where the current line begins.
    line: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(page: &'a [u8]) -> Cursor<'a> {
        Cursor { page, at: 0, line: 0 }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.page.get(self.at).copied()
    }

    pub(super) fn done(&self) -> bool {
        self.at >= self.page.len()
    }

    /// Whether the page goes on like this; if so, it is passed.
    pub(super) fn pass(&mut self, text: &[u8]) -> bool {
        let here = self.page[self.at..].starts_with(text);
        self.at += if here { text.len() } else { 0 };
        here
    }

    pub(super) fn since(&self, from: usize) -> &'a [u8] {
        &self.page[from..self.at]
    }

    /// What is passed while `more` holds.
    pub(super) fn run(&mut self, more: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = &self.page[self.at..];
        let taken = &rest[..rest.iter().position(|b| !more(*b)).unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    /// Up to the end of the line, which is not passed.
    pub(super) fn rest_of_line(&mut self) -> &'a [u8] {
        self.run(|b| b != b'\n')
    }

    pub(super) fn blanks(&mut self) -> bool {
        !self.run(|b| b == b' ' || b == b'\t').is_empty()
    }

    /// A line begins here.
    pub(super) fn begin_line(&mut self) {
        self.line = self.at;
    }

    /// Bytes of the current line so far.
    pub(super) fn length(&self) -> usize {
        self.at - self.line
    }

    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`
    pub(super) fn name(&mut self) -> Option<&'a str> {
        self.word(|b| b.is_ascii_alphabetic() || b == b'_' || b == b':')
    }

    /// `[a-zA-Z_][a-zA-Z0-9_]*`
    pub(super) fn label_name(&mut self) -> Option<&'a str> {
        self.word(|b| b.is_ascii_alphabetic() || b == b'_')
    }

    fn word(&mut self, first: impl Fn(u8) -> bool) -> Option<&'a str> {
        self.peek().filter(|b| first(*b))?;
        let word = self.run(|b| first(b) || b.is_ascii_digit());
        Some(std::str::from_utf8(word).expect("ASCII by the test of each byte"))
    }

    /// A label value in quotes, its escapes resolved: `\n`, `\"` and `\\`; before another letter the backslash stays.
    /// In `many` lines where a text page has a bare line feed inside the quotes, which Prometheus takes.
    pub(super) fn quoted(&mut self, many: bool) -> Result<Cow<'a, str>, Wrong> {
        let open = self.at;
        if !self.pass(b"\"") {
            return Err((open, What::NoLabelValue));
        }
        let from = self.at;
        let mut escapes = false;
        loop {
            self.run(|b| !matches!(b, b'"' | b'\\' | b'\n'));
            match self.peek() {
                None => return Err((open, What::OpenLabelValue)),
                Some(b'\n') if !many => return Err((open, What::OpenLabelValue)),
                Some(b'"') => break,
                // Nothing, not even a line feed in text, may stand alone after a backslash.
                Some(b'\\') => {
                    escapes = true;
                    self.at += 1;
                    if self.peek().is_none_or(|b| b == b'\n') {
                        return Err((open, What::OpenLabelValue));
                    }
                    self.at += 1;
                }
                Some(_) => self.at += 1,
            }
        }
        let raw = utf8(from, self.since(from))?;
        self.at += 1;
        Ok(if escapes { resolve(raw, true) } else { Cow::Borrowed(raw) })
    }

    /// Its line and column: counted once, and only for a page that is refused.
    pub(super) fn fault(&self, (at, what): Wrong) -> Fault {
        let before = &self.page[..at];
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
        let line = 1 + before.iter().filter(|b| **b == b'\n').count();
        Fault { line, column: at - start + 1, what }
    }
}

/// Text, or where it stops being UTF-8.
pub(super) fn utf8(from: usize, bytes: &[u8]) -> Result<&str, Wrong> {
    std::str::from_utf8(bytes).map_err(|e| (from + e.valid_up_to(), What::NotUtf8))
}

/// Resolves `\\` and `\n`, and `\"` where quotes are escaped.
pub(super) fn resolve(raw: &str, quotes: bool) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw.chars();
    while let Some(c) = rest.next() {
        match (c, rest.as_str().chars().next()) {
            ('\\', Some('\\')) => text.push('\\'),
            ('\\', Some('n')) => text.push('\n'),
            ('\\', Some('"')) if quotes => text.push('"'),
            _ => {
                text.push(c);
                continue;
            }
        }
        rest.next();
    }
    Cow::Owned(text)
}

/// A number as Go's `strconv.ParseFloat` reads it, without its hexadecimal and underscored forms, which Prometheus
/// refuses; beyond the range of a double is no number.
pub(super) fn number(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let value: f64 = text.parse().ok()?;
    let bare = text.trim_start_matches(['+', '-']);
    let word = bare.starts_with(['i', 'I', 'n', 'N']);
    match value {
        // Go knows no sign before NaN.
        v if v.is_nan() => (bare.len() == text.len()).then_some(f64::NAN),
        v if v.is_infinite() && !word => None,
        v => Some(v),
    }
}
