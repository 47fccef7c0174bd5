//! The lines of both formats.

use super::cursor::{Wrong, number, resolve, utf8};
use super::{LONGEST, Line, MOST_LABELS, Parser, Sample, Type, What};
use std::borrow::Cow;

type Done<T> = Result<T, Wrong>;

impl<'a> Parser<'a> {
    /// Text 0.0.4. Blanks may stand between all tokens, and in front of a comment. In front of a sample Prometheus makes
    /// them part of its name, and refuses that.
    pub(super) fn text_line(&mut self) -> Done<Option<Line<'a>>> {
        loop {
            self.cursor.begin_line();
            let start = self.cursor.at;
            let indented = self.cursor.blanks();
            match self.cursor.peek() {
                None => return Ok(None),
                Some(b'\n') => self.cursor.at += 1,
                Some(b'#') => {
                    if let Some(line) = self.text_comment()? {
                        return Ok(Some(line));
                    }
                }
                Some(_) if indented => return Err((start, What::NoName)),
                Some(_) => {
                    let line = self.text_sample()?;
                    return self.short(line);
                }
            }
        }
    }

    fn short(&self, line: Line<'a>) -> Done<Option<Line<'a>>> {
        let (at, length) = (self.cursor.at, self.cursor.length());
        if length > LONGEST { Err((at - length, What::TooLong)) } else { Ok(Some(line)) }
    }

    /// `# HELP` and `# TYPE`; whatever else begins with `#` is for people.
    fn text_comment(&mut self) -> Done<Option<Line<'a>>> {
        self.cursor.at += 1;
        let spaced = self.cursor.blanks();
        let from = self.cursor.at;
        let help = self.cursor.pass(b"HELP");
        if !spaced || !(help || self.cursor.pass(b"TYPE")) || !self.cursor.blanks() {
            self.cursor.at = from;
            self.cursor.rest_of_line();
            self.end_of_line()?;
            return Ok(None);
        }
        let name = self.cursor.name().ok_or((self.cursor.at, What::NoName))?;
        let at = self.cursor.at;
        let text = self.cursor.rest_of_line();
        let (text, at) = text.split_first().map_or((text, at), |(_, rest)| (rest, at + 1));
        self.end_of_line()?;
        let line = match help {
            true => Line::Help(name, resolve(utf8(at, text)?, false)),
            false => Line::Type(name, kind(text, true).ok_or((at, What::BadType))?),
        };
        self.short(line)
    }

    fn text_sample(&mut self) -> Done<Line<'a>> {
        let from = self.cursor.at;
        let name = self.cursor.name().ok_or((from, What::NoName))?;
        let mut series = self.cursor.since(from);
        self.labels.clear();
        self.cursor.blanks();
        if self.cursor.pass(b"{") {
            self.text_labels()?;
            series = self.cursor.since(from);
            self.cursor.blanks();
        }
        let at = self.cursor.at;
        let value = self.cursor.run(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'{'));
        if value.is_empty() {
            return Err((at, What::NoValue));
        }
        let value = number(value).ok_or((at, What::BadValue))?;
        self.cursor.blanks();
        let at = self.cursor.at;
        let time = self.cursor.run(|b| b.is_ascii_digit());
        let timed = !time.is_empty();
        if timed {
            let fits = std::str::from_utf8(time).is_ok_and(|t| t.parse::<i64>().is_ok());
            if !fits {
                return Err((at, What::BadTimestamp));
            }
            self.cursor.blanks();
        }
        self.end_of_line()?;
        Ok(Line::Sample(Sample { name, series, value, timed }))
    }

    /// Commas may be missing and one may be left over, as in Prometheus.
    fn text_labels(&mut self) -> Done<()> {
        loop {
            self.cursor.blanks();
            if self.cursor.pass(b"}") {
                return Ok(());
            }
            let at = self.cursor.at;
            let name = self.cursor.label_name().ok_or((at, What::NoLabelName))?;
            self.cursor.blanks();
            if !self.cursor.pass(b"=") {
                return Err((self.cursor.at, What::NoEquals));
            }
            self.cursor.blanks();
            let value = self.cursor.quoted(true)?;
            self.label(at, name, value)?;
            self.cursor.blanks();
            self.cursor.pass(b",");
        }
    }

    /// The name of the series is a label of it too, `__name__`.
    fn label(&mut self, at: usize, name: &'a str, value: Cow<'a, str>) -> Done<()> {
        if self.labels.len() == MOST_LABELS {
            return Err((at, What::TooManyLabels));
        }
        if name == "__name__" || self.labels.iter().any(|(other, _)| *other == name) {
            return Err((at, What::LabelTwice));
        }
        self.labels.push((name, value));
        Ok(())
    }

    fn end_of_line(&mut self) -> Done<()> {
        if self.cursor.pass(b"\n") || self.cursor.done() { Ok(()) } else { Err((self.cursor.at, What::NoLineEnd)) }
    }

    /// OpenMetrics: one space between tokens, none elsewhere, no empty lines.
    pub(super) fn openmetrics_line(&mut self) -> Done<Option<Line<'a>>> {
        loop {
            self.cursor.begin_line();
            if self.cursor.done() {
                return Err((self.cursor.at, What::NoEof));
            }
            if self.cursor.pass(b"# EOF") {
                self.cursor.pass(b"\n");
                return if self.cursor.done() { Ok(None) } else { Err((self.cursor.at, What::AfterEof)) };
            }
            let line = match self.cursor.pass(b"# ") {
                true => self.openmetrics_comment()?,
                false => Some(self.openmetrics_sample()?),
            };
            if let Some(line) = line {
                return self.short(line);
            }
        }
    }

    fn openmetrics_comment(&mut self) -> Done<Option<Line<'a>>> {
        let at = self.cursor.at;
        let words: [&[u8]; 3] = [b"HELP ", b"TYPE ", b"UNIT "];
        let Some(word) = words.into_iter().find(|word| self.cursor.pass(word)) else {
            return Err((at, What::BadComment));
        };
        let name = self.cursor.name().ok_or((self.cursor.at, What::NoName))?;
        let before = self.cursor.at;
        let text = self.cursor.rest_of_line();
        if !self.cursor.pass(b"\n") {
            return Err((self.cursor.at, What::NoEof));
        }
        let Some((b' ', text)) = text.split_first() else { return Err((before, What::NoText)) };
        let at = before + 1;
        match word {
            b"HELP " => Ok(Some(Line::Help(name, resolve(utf8(at, text)?, true)))),
            b"TYPE " => Ok(Some(Line::Type(name, kind(text, false).ok_or((at, What::BadType))?))),
            _ => {
                let ends = name.as_bytes().strip_suffix(text).is_some_and(|stem| stem.ends_with(b"_"));
                if text.is_empty() || ends { Ok(None) } else { Err((at, What::BadUnit)) }
            }
        }
    }

    fn openmetrics_sample(&mut self) -> Done<Line<'a>> {
        let from = self.cursor.at;
        let name = self.cursor.name().ok_or((from, What::NoName))?;
        self.labels.clear();
        if self.cursor.pass(b"{") {
            self.openmetrics_labels(true)?;
        }
        let series = self.cursor.since(from);
        let (at, value) = self.field(What::NoValue)?;
        let value = number(value).ok_or((at, What::BadValue))?;
        let timed = self.cursor.peek() == Some(b' ') && !self.exemplar_begins();
        if timed {
            let (at, time) = self.field(What::BadTimestamp)?;
            number(time).filter(|t| t.is_finite()).ok_or((at, What::BadTimestamp))?;
        }
        if self.exemplar_begins() {
            self.exemplar(name)?;
        }
        if self.cursor.done() {
            return Err((self.cursor.at, What::NoEof));
        }
        self.end_of_line()?;
        Ok(Line::Sample(Sample { name, series, value, timed }))
    }

    /// A space and what follows it up to the next.
    fn field(&mut self, otherwise: What) -> Done<(usize, &'a [u8])> {
        let spaced = self.cursor.pass(b" ");
        let at = self.cursor.at;
        let field = self.cursor.run(|b| !matches!(b, b' ' | b'\n'));
        if spaced && !field.is_empty() { Ok((at, field)) } else { Err((at, otherwise)) }
    }

    fn exemplar_begins(&mut self) -> bool {
        let at = self.cursor.at;
        let begins = self.cursor.pass(b" # {");
        self.cursor.at = at;
        begins
    }

    /// Read for its form only: labels, a value, perhaps a time. Counters and buckets may have one (section 5.1.1, 5.3.1).
    fn exemplar(&mut self, name: &str) -> Done<()> {
        let from = self.cursor.at;
        if !["_total", "_bucket"].iter().any(|end| name.ends_with(end)) {
            return Err((from, What::BadExemplar));
        }
        self.cursor.pass(b" # {");
        self.openmetrics_labels(false)?;
        let (at, value) = self.field(What::BadExemplar)?;
        number(value).ok_or((at, What::BadExemplar))?;
        if self.cursor.peek() == Some(b' ') {
            let (at, time) = self.field(What::BadExemplar)?;
            number(time).filter(|t| t.is_finite()).ok_or((at, What::BadExemplar))?;
        }
        if self.cursor.peek() == Some(b'\n') { Ok(()) } else { Err((from, What::BadExemplar)) }
    }

    /// `kept`: they are the sample's, not those of an exemplar.
    fn openmetrics_labels(&mut self, kept: bool) -> Done<()> {
        if self.cursor.pass(b"}") {
            return Ok(());
        }
        loop {
            let at = self.cursor.at;
            let name = self.cursor.label_name().ok_or((at, What::NoLabelName))?;
            if !self.cursor.pass(b"=") {
                return Err((self.cursor.at, What::NoEquals));
            }
            let value = self.cursor.quoted(false)?;
            if kept {
                self.label(at, name, value)?;
            }
            if self.cursor.pass(b"}") {
                return Ok(());
            }
            if !self.cursor.pass(b",") {
                return Err((self.cursor.at, What::NoComma));
            }
        }
    }
}

/// The type by its word; text has five.
fn kind(word: &[u8], text: bool) -> Option<Type> {
    match (word, text) {
        (b"counter", _) => Some(Type::Counter),
        (b"gauge", _) => Some(Type::Gauge),
        (b"histogram", _) => Some(Type::Histogram),
        (b"summary", _) => Some(Type::Summary),
        (b"untyped", true) | (b"unknown", false) => Some(Type::Unknown),
        (b"info", false) => Some(Type::Info),
        (b"gaugehistogram", false) => Some(Type::GaugeHistogram),
        (b"stateset", false) => Some(Type::StateSet),
        _ => None,
    }
}
