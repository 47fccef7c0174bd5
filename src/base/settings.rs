//! A TOML table reader that collects every mistake with its place instead of stopping at the first.
//!
//! Who owns a table asks for its keys one by one; whatever was not asked for by [`Table::finish`] is an unknown key and
//! is reported with the nearest known spelling. Reading touches nothing outside the text.

use crate::base::label::Label;
use std::cell::RefCell;
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file works, and there is a better way.
    Warning,
}

/// One thing wrong in a file: where, what, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub severity: Severity,
    /// 1-based; columns count characters.
    pub line: usize,
    pub column: usize,
    pub what: String,
    pub instead: Option<String>,
}

impl fmt::Display for Mistake {
    /// `3:12: error: unknown key "pasword"; did you mean "password"?`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}:{}: {severity}: {}", self.line, self.column, self.what)?;
        match &self.instead {
            Some(instead) => write!(f, "; {instead}"),
            None => Ok(()),
        }
    }
}

/// [`read_in`] where it does not matter in which directory the text lies.
pub fn read<T>(text: &str, read: impl FnOnce(Table<'_>) -> T) -> (T, Vec<Mistake>) {
    read_in(Path::new(""), text, read)
}

/// Reads `text`, a file in `dir`, hands its root table to `read`, and returns what that made together with all mistakes
/// in file order.
pub fn read_in<T>(dir: &Path, text: &str, read: impl FnOnce(Table<'_>) -> T) -> (T, Vec<Mistake>) {
    let (root, errors) = DeTable::parse_recoverable(text);
    let sink = Sink { dir, text, found: RefCell::new(Vec::new()) };
    for error in errors {
        sink.add(error.span().unwrap_or(0..0), Severity::Error, error.message().replace('\n', ", "), None);
    }
    let span = root.span();
    let made = read(Table::new(root.get_ref(), span, String::new(), &sink));
    let mut found = sink.found.into_inner();
    found.sort_by_key(|m| (m.line, m.column));
    found.dedup();
    (made, found)
}

struct Sink<'a> {
    /// Where the file lies.
    dir: &'a Path,
    text: &'a str,
    found: RefCell<Vec<Mistake>>,
}

impl Sink<'_> {
    fn add(&self, at: Range<usize>, severity: Severity, what: String, instead: Option<String>) {
        let before = self.text.get(..at.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        self.found.borrow_mut().push(Mistake { severity, line, column, what, instead });
    }
}

/// One table of the file.
pub struct Table<'a> {
    table: &'a DeTable<'a>,
    span: Range<usize>,
    /// `camera[1]`, for messages; empty at the root.
    path: String,
    sink: &'a Sink<'a>,
    asked: RefCell<Vec<String>>,
}

impl<'a> Table<'a> {
    fn new(table: &'a DeTable<'a>, span: Range<usize>, path: String, sink: &'a Sink<'a>) -> Self {
        Table { table, span, path, sink, asked: RefCell::new(Vec::new()) }
    }

    fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().push(key.to_owned());
        self.table.get(key)
    }

    /// Reads a value with `take`; a value that `take` refuses is reported as not being `wanted`.
    fn take<T>(&self, key: &str, wanted: &str, take: impl FnOnce(&'a DeValue<'a>) -> Option<T>) -> Option<T> {
        let value = self.get(key)?;
        let taken = take(value.get_ref());
        if taken.is_none() {
            let got = match value.get_ref() {
                DeValue::String(s) => format!("{s:?}"),
                DeValue::Integer(n) => n.as_str().to_owned(),
                DeValue::Float(n) => n.as_str().to_owned(),
                DeValue::Boolean(b) => b.to_string(),
                other => format!("a {}", other.type_str()),
            };
            self.sink.add(
                value.span(),
                Severity::Error,
                format!("`{}` is {got}", self.name(key)),
                Some(format!("write {wanted}")),
            );
        }
        taken
    }

    /// The key with its table, as messages show it.
    fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub fn text(&self, key: &str) -> Option<String> {
        self.take(key, "a text in quotes", |v| v.as_str().map(str::to_owned))
    }

    /// A path; a relative one is taken from the directory of the configuration file.
    pub fn path(&self, key: &str) -> Option<PathBuf> {
        self.text(key).map(|text| self.sink.dir.join(text))
    }

    /// A list of paths, as [`Table::path`]; empty when the key is absent.
    pub fn paths(&self, key: &str) -> Vec<PathBuf> {
        self.texts(key).into_iter().map(|text| self.sink.dir.join(text)).collect()
    }

    /// A text that must be there.
    pub fn need_text(&self, key: &str) -> Option<String> {
        if !self.has(key) {
            self.missing(key);
        }
        self.text(key)
    }

    /// An identifier that must be there: `[A-Za-z0-9_-]{1,64}`.
    pub fn need_id(&self, key: &str) -> Option<String> {
        if !self.has(key) {
            self.missing(key);
        }
        self.take(key, "1 to 64 of the characters A-Z a-z 0-9 _ -", |v| {
            let s = v.as_str()?;
            let fits =
                (1..=64).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
            fits.then(|| s.to_owned())
        })
    }

    pub fn flag(&self, key: &str) -> Option<bool> {
        self.take(key, "true or false", DeValue::as_bool)
    }

    /// A whole number within `range`.
    pub fn integer(&self, key: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        self.take(key, &wanted, |v| {
            let n = v.as_integer()?;
            i64::from_str_radix(n.as_str(), n.radix()).ok().filter(|n| range.contains(n))
        })
    }

    /// A number within `range`; whole numbers count.
    pub fn number(&self, key: &str, range: RangeInclusive<f64>) -> Option<f64> {
        let wanted = format!("a number from {} to {}", range.start(), range.end());
        self.take(key, &wanted, |v| {
            let text = match v {
                DeValue::Integer(n) => n.as_str(),
                DeValue::Float(n) => n.as_str(),
                _ => return None,
            };
            text.parse().ok().filter(|n| range.contains(n))
        })
    }

    /// A duration within `range`, written as in Prometheus: `500ms`, `5s`, `1m30s`, `2h`, `7d`.
    pub fn duration(&self, key: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let wanted = format!(
            "a duration from \"{}\" to \"{}\", such as \"5s\", \"1m30s\" or \"7d\"",
            show_duration(*range.start()),
            show_duration(*range.end())
        );
        self.take(key, &wanted, |v| v.as_str().and_then(parse_duration).filter(|d| range.contains(d)))
    }

    /// A number of bytes within `range`, written `64KiB`, `512MiB`, `2GiB` or `10MB`.
    pub fn bytes(&self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let wanted = format!(
            "a size from \"{}\" to \"{}\", such as \"512MiB\" or \"2GiB\"",
            show_bytes(*range.start()),
            show_bytes(*range.end())
        );
        self.take(key, &wanted, |v| v.as_str().and_then(parse_bytes).filter(|n| range.contains(n)))
    }

    /// One of a closed set of words.
    pub fn choice<T: Label>(&self, key: &str) -> Option<T> {
        let words: Vec<_> = T::ALL.iter().map(|t| format!("\"{}\"", t.label())).collect();
        self.take(key, &format!("one of {}", words.join(", ")), |v| {
            let word = v.as_str()?;
            T::ALL.iter().copied().find(|t| t.label() == word)
        })
    }

    /// A list of texts; empty when the key is absent.
    pub fn texts(&self, key: &str) -> Vec<String> {
        self.take(key, "a list of texts, such as [\"a\", \"b\"]", |v| {
            v.as_array()?.iter().map(|e| e.get_ref().as_str().map(str::to_owned)).collect()
        })
        .unwrap_or_default()
    }

    /// A sub-table, `[key]`.
    pub fn table(&self, key: &str) -> Option<Table<'a>> {
        let span = self.get(key)?.span();
        let table = self.take(key, &format!("a table, [{}]", self.name(key)), |v| v.as_table())?;
        Some(Table::new(table, span, self.name(key), self.sink))
    }

    /// The tables of a list, `[[key]]`; empty when the key is absent.
    pub fn tables(&self, key: &str) -> Vec<Table<'a>> {
        let wanted = format!("a list of tables, [[{}]]", self.name(key));
        let entries = self.take(key, &wanted, |v| {
            v.as_array()?.iter().map(|e| e.get_ref().as_table().map(|t| (t, e.span()))).collect::<Option<Vec<_>>>()
        });
        let entries = entries.unwrap_or_default();
        let table = |(n, (t, span))| Table::new(t, span, format!("{}[{n}]", self.name(key)), self.sink);
        entries.into_iter().enumerate().map(table).collect()
    }

    /// Reports that a key must be there.
    pub fn missing(&self, key: &str) {
        self.get(key);
        self.sink.add(self.span.clone(), Severity::Error, format!("`{}` is missing", self.name(key)), None);
    }

    /// Reports a value that was read but does not make sense, at the place of `key` (or of the table without it).
    pub fn mistake(&self, key: &str, what: impl Into<String>, instead: impl Into<String>) {
        self.report(key, Severity::Error, what.into(), instead.into());
    }

    /// Reports something that works although there is a better way.
    pub fn warn(&self, key: &str, what: impl Into<String>, instead: impl Into<String>) {
        self.report(key, Severity::Warning, what.into(), instead.into());
    }

    fn report(&self, key: &str, severity: Severity, what: String, instead: String) {
        let span = self.table.get(key).map_or(self.span.clone(), Spanned::span);
        self.sink.add(span, severity, what, Some(instead));
    }

    /// Reports every key that nobody asked for, with the nearest known spelling.
    pub fn finish(self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.iter() {
            let name = key.get_ref().as_ref();
            if asked.iter().any(|a| a == name) {
                continue;
            }
            let near = asked
                .iter()
                // Few typos for a short key; a like beginning for a long one, such as `password` for `password_file`.
                .filter(|a| strsim::osa_distance(a, name) <= 1 + name.len() / 4 || strsim::jaro_winkler(a, name) > 0.8)
                .map(|a| (strsim::jaro_winkler(a, name), a))
                .max_by(|a, b| a.0.total_cmp(&b.0));
            let instead = match near {
                Some((_, near)) => format!("did you mean `{near}`?"),
                None => {
                    let mut known: Vec<_> = asked.iter().map(String::as_str).collect();
                    known.sort_unstable();
                    known.dedup();
                    format!("known here: {}", known.join(", "))
                }
            };
            self.sink.add(key.span(), Severity::Error, format!("unknown key `{}`", self.name(name)), Some(instead));
        }
    }
}

/// `1m30s` → 90 s. Units ms, s, m, h, d, w; at least one; none twice.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit_ms: u64 = match &rest[..letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return None,
        };
        rest = &rest[letters..];
        total = total.checked_add(Duration::from_millis(number.checked_mul(unit_ms)?))?;
    }
    Some(total)
}

/// 90 s → `1m30s`; the inverse of [`parse_duration`].
pub fn show_duration(d: Duration) -> String {
    let mut ms = d.as_millis();
    let mut text = String::new();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if ms >= size {
            text.push_str(&format!("{}{unit}", ms / size));
            ms %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim() {
        "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// 1536 MiB → `1536MiB`: the largest binary unit that divides it.
pub fn show_bytes(n: u64) -> String {
    let units = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1u64 << 10)];
    match units.iter().find(|(_, size)| n >= *size && n.is_multiple_of(*size)) {
        Some((unit, size)) => format!("{}{unit}", n / size),
        None => format!("{n}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str, f: impl FnOnce(Table<'_>)) -> Vec<String> {
        read(text, f).1.iter().map(Mistake::to_string).collect()
    }

    #[test]
    fn every_mistake_is_reported_with_line_and_column() {
        let text = "tick = \"5x\"\n[[camera]]\nid = \"a b\"\npasword = \"x\"\n[[camera]]\n";
        let found = mistakes(text, |root| {
            root.duration("tick", Duration::from_secs(1)..=Duration::from_secs(60));
            for camera in root.tables("camera") {
                camera.need_id("id");
                camera.text("password");
                camera.finish();
            }
            root.finish();
        });
        assert_eq!(
            found,
            [
                "1:8: error: `tick` is \"5x\"; write a duration from \"1s\" to \"1m\", such as \"5s\", \"1m30s\" or \"7d\"",
                "3:6: error: `camera[0].id` is \"a b\"; write 1 to 64 of the characters A-Z a-z 0-9 _ -",
                "4:1: error: unknown key `camera[0].pasword`; did you mean `password`?",
                "5:1: error: `camera[1].id` is missing",
            ]
        );
    }

    #[test]
    fn a_syntax_error_does_not_hide_what_follows() {
        let found = mistakes("a = = 1\nb = \"x\"\nnonsense = 1\n", |root| {
            root.text("a");
            root.integer("b", 0..=9);
            root.finish();
        });
        assert!(found.iter().any(|m| m.starts_with("1:")), "{found:?}");
        assert!(found.iter().any(|m| m.starts_with("2:5: error: `b` is \"x\"")), "{found:?}");
        assert!(found.iter().any(|m| m.starts_with("3:1: error: unknown key `nonsense`")), "{found:?}");
    }

    #[test]
    fn durations_and_sizes_read_back_as_shown() {
        for text in ["500ms", "5s", "1m30s", "2h", "7d"] {
            assert_eq!(show_duration(parse_duration(text).unwrap()), text);
        }
        for text in ["512MiB", "3GiB", "1B"] {
            assert_eq!(show_bytes(parse_bytes(text).unwrap()), text);
        }
        assert_eq!(parse_duration("5"), None);
        assert_eq!(parse_duration(""), None);
    }
}
