//! A YAML mapping read key by key, with the place of everything, that collects what is wrong instead of stopping at the
//! first: the twin of `base::settings` for rule files.

use crate::base::settings::{Mistake, Severity};
use saphyr::{LoadableYamlNode, MarkedYaml, Marker, Scalar, YamlData};
use std::cell::RefCell;
use std::time::Duration;

/// A line and a column of the file, both from 1; columns count characters.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

impl From<&Marker> for Place {
    fn from(mark: &Marker) -> Self {
        Place { line: mark.line(), column: mark.col() + 1 }
    }
}

/// Everything wrong in one file so far.
pub(super) struct Faults<'a> {
    text: &'a str,
    found: RefCell<Vec<Mistake>>,
}

impl Faults<'_> {
    pub fn add(&self, at: Place, severity: Severity, what: impl Into<String>, instead: impl Into<String>) {
        let instead = Some(instead.into()).filter(|i| !i.is_empty());
        let fault = Mistake { severity, line: at.line, column: at.column, what: what.into(), instead };
        self.found.borrow_mut().push(fault);
    }
    /// The first error added since there were `before` faults.
    pub fn error_since(&self, before: usize) -> Option<String> {
        self.found.borrow()[before..].iter().find(|m| m.severity == Severity::Error).map(|m| m.what.clone())
    }
    pub fn count(&self) -> usize {
        self.found.borrow().len()
    }
}

/// Parses `text`, hands its root mapping to `read`, and returns what that made with all faults in file order. YAML that
/// does not parse, and a key written twice, hide the rest: then there is one fault and nothing is read.
pub(super) fn read<T: Default>(text: &str, read: impl FnOnce(&Map<'_>) -> T) -> (T, Vec<Mistake>) {
    let faults = Faults { text, found: RefCell::default() };
    let made = match MarkedYaml::load_from_str(text) {
        Err(error) => {
            faults.add(error.marker().into(), Severity::Error, error.info(), "");
            T::default()
        }
        Ok(documents) => match documents.as_slice() {
            [] => T::default(),
            [root] if empty(root) => T::default(),
            [root] => Map::of(root, (&root.span.start).into(), "", &faults).map(|map| read(&map)).unwrap_or_default(),
            [_, second, ..] => {
                let at = (&second.span.start).into();
                faults.add(at, Severity::Error, "a second document", "write one document per file, without `---`");
                T::default()
            }
        },
    };
    let mut found = faults.found.into_inner();
    found.sort_by_key(|m| (m.line, m.column));
    (made, found)
}

fn empty(node: &MarkedYaml<'_>) -> bool {
    matches!(node.data, YamlData::BadValue | YamlData::Value(Scalar::Null))
}

struct Entry<'a> {
    name: String,
    at: Place,
    value: &'a MarkedYaml<'a>,
}

/// One mapping of the file.
pub(super) struct Map<'a> {
    entries: Vec<Entry<'a>>,
    at: Place,
    /// What it is, for messages: `groups[0].rules[2]`; empty at the root.
    path: String,
    faults: &'a Faults<'a>,
    asked: RefCell<Vec<&'static str>>,
}

/// A scalar and where it stands.
pub(super) struct Text {
    pub text: String,
    pub at: Place,
}

impl<'a> Map<'a> {
    fn of(node: &'a MarkedYaml<'a>, at: Place, path: &str, faults: &'a Faults<'a>) -> Option<Map<'a>> {
        let mut map = Map { entries: Vec::new(), at, path: path.to_owned(), faults, asked: RefCell::default() };
        if empty(node) {
            return Some(map);
        }
        let Some(pairs) = node.data.as_mapping() else {
            let (what, wanted) = (map.name(""), "write `key: value` lines");
            faults.add(at, Severity::Error, format!("{what} is not a mapping"), wanted);
            return None;
        };
        let mut merged = Vec::new();
        for (key, value) in pairs {
            let name = scalar(key, faults.text).unwrap_or_default();
            let entry = Entry { name, at: (&key.span.start).into(), value };
            if entry.name == "<<" { merged.push(value) } else { map.entries.push(entry) }
        }
        // Merge keys (`<<: *defaults`), which Prometheus' YAML library knows: what is written in place wins.
        for (key, value) in merged.iter().filter_map(|m| m.data.as_mapping()).flatten() {
            let name = scalar(key, faults.text).unwrap_or_default();
            if !map.entries.iter().any(|e| e.name == name) {
                map.entries.push(Entry { name, at: (&key.span.start).into(), value });
            }
        }
        Some(map)
    }

    /// The key within this mapping as messages show it.
    fn name(&self, key: &str) -> String {
        match (self.path.as_str(), key) {
            ("", "") => "the file".to_owned(),
            ("", key) => format!("`{key}`"),
            (path, "") => format!("`{path}`"),
            (path, key) => format!("`{path}.{key}`"),
        }
    }

    fn get(&self, key: &'static str) -> Option<&Entry<'a>> {
        self.asked.borrow_mut().push(key);
        self.entries.iter().find(|e| e.name == key)
    }

    pub fn faults(&self) -> &'a Faults<'a> {
        self.faults
    }

    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|e| e.name == key)
    }

    pub fn at(&self) -> Place {
        self.at
    }

    /// Where `key` is written; where the mapping starts without it.
    pub fn place(&self, key: &str) -> Place {
        self.entries.iter().find(|e| e.name == key).map_or(self.at, |e| e.at)
    }

    pub fn mistake(&self, key: &str, what: impl Into<String>, instead: impl Into<String>) {
        self.faults.add(self.place(key), Severity::Error, what, instead);
    }

    /// A text, or a number or word written without quotes, as it is written.
    pub fn text(&self, key: &'static str) -> Option<Text> {
        let entry = self.get(key)?;
        let text = scalar(entry.value, self.faults.text);
        if text.is_none() {
            self.mistake(key, format!("{} is not a text", self.name(key)), "write a text or a number");
        }
        Some(Text { text: text?, at: entry.at })
    }

    /// A Prometheus duration.
    pub fn duration(&self, key: &'static str) -> Option<Duration> {
        let written = self.text(key)?;
        let read = duration(&written.text);
        if read.is_none() {
            let what = format!("{} is {:?}, which is not a duration", self.name(key), written.text);
            self.mistake(key, what, "write units from large to small, such as 30s, 5m or 1h30m");
        }
        read
    }

    pub fn count(&self, key: &'static str) -> Option<usize> {
        let written = self.text(key)?;
        let read = written.text.parse().ok();
        if read.is_none() {
            self.mistake(key, format!("{} is {:?}", self.name(key), written.text), "write a whole number, 0 or more");
        }
        read
    }

    /// A sub-mapping of texts: name, text, place of the name.
    pub fn texts(&self, key: &'static str) -> Vec<(String, Text)> {
        let Some(entry) = self.get(key) else { return Vec::new() };
        let name = self.name(key);
        let Some(map) = Map::of(entry.value, entry.at, name.trim_matches('`'), self.faults) else { return Vec::new() };
        let mut all = Vec::new();
        for inner in &map.entries {
            match scalar(inner.value, self.faults.text) {
                Some(text) => all.push((inner.name.clone(), Text { text, at: inner.at })),
                None => map.mistake(&inner.name, format!("{} is not a text", map.name(&inner.name)), "write a text"),
            }
        }
        all
    }

    /// The mappings of a list.
    pub fn maps(&self, key: &'static str) -> Vec<Map<'a>> {
        let Some(entry) = self.get(key).filter(|e| !empty(e.value)) else { return Vec::new() };
        let name = self.name(key);
        let Some(nodes) = entry.value.data.as_vec() else {
            self.mistake(key, format!("{name} is not a list"), "begin each entry with `- `");
            return Vec::new();
        };
        let name = name.trim_matches('`');
        let map = |(n, node): (usize, &'a MarkedYaml<'a>)| {
            Map::of(node, (&node.span.start).into(), &format!("{name}[{n}]"), self.faults)
        };
        nodes.iter().enumerate().filter_map(map).collect()
    }

    /// Reports every key that nobody asked for, with the nearest known spelling.
    pub fn finish(&self) {
        let asked = self.asked.borrow();
        for entry in self.entries.iter().filter(|e| !asked.contains(&e.name.as_str())) {
            let near = asked
                .iter()
                .map(|a| (strsim::jaro_winkler(a, &entry.name), a))
                .filter(|(likeness, _)| *likeness > 0.8)
                .max_by(|a, b| a.0.total_cmp(&b.0));
            let instead = match near {
                Some((_, near)) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", asked.join(", ")),
            };
            let what = format!("unknown key {}", self.name(&entry.name));
            self.faults.add(entry.at, Severity::Error, what, instead);
        }
    }
}

/// The text of a scalar. What YAML takes for a number, a truth value or nothing is read as it is written (`0x10`,
/// `1.50`), since Prometheus reads all of these keys as texts; an empty value is the empty text.
fn scalar(node: &MarkedYaml<'_>, file: &str) -> Option<String> {
    match &node.data {
        YamlData::Value(Scalar::String(text)) => Some(text.to_string()),
        YamlData::Value(Scalar::Null) => Some(String::new()),
        YamlData::Value(_) => {
            let (from, to) = (node.span.start.index(), node.span.end.index());
            Some(file.chars().skip(from).take(to - from).collect::<String>().trim_end().to_owned())
        }
        _ => None,
    }
}

/// A duration as Prometheus' rule files write it (common/model ParseDuration): units y w d h m s ms, from large to
/// small, each at most once; `0` alone needs no unit. A year has 365 days.
fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 7] = [
        ("y", 31_536_000_000),
        ("w", 604_800_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut millis, mut next) = (text, 0_u64, 0);
    while !rest.is_empty() || next == 0 {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = next + UNITS[next..].iter().position(|(unit, _)| *unit == &rest[..letters])?;
        millis = millis.checked_add(number.checked_mul(UNITS[unit].1)?)?;
        (rest, next) = (&rest[letters..], unit + 1);
    }
    Some(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_prometheus_reads_them() {
        let ms = |text| duration(text).map(|d| d.as_millis());
        assert_eq!(ms("0"), Some(0));
        assert_eq!(ms("0s"), Some(0));
        assert_eq!(ms("1h30m"), Some(5_400_000));
        assert_eq!(ms("1y2w3d4h5m6s7ms"), Some(33_019_506_007));
        for wrong in ["", "5", "1m1h", "1m1m", "5 m", "-1s", "1.5h", "m"] {
            assert_eq!(ms(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_and_words_without_quotes_are_read_as_written() {
        let text = "a: 1.50\nb: 0x10\nc: yes\nd: \"5\"\ne:\nf: |\n  two\n  lines\n";
        let (read, faults) = read(text, |map| {
            let all = ["a", "b", "c", "d", "e", "f"].map(|key| map.text(key).unwrap());
            map.finish();
            Some((all.iter().map(|t| t.text.clone()).collect::<Vec<_>>(), all[5].at.line))
        });
        assert_eq!(faults, []);
        let (texts, line) = read.unwrap();
        assert_eq!(texts, ["1.50", "0x10", "yes", "5", "", "two\nlines\n"]);
        assert_eq!(line, 6);
    }

    #[test]
    fn a_merged_mapping_fills_in_what_is_not_written() {
        let text = "x: &base {for: 5m, keep: 1s}\ny:\n  - <<: *base\n    for: 1m\n";
        let (read, faults) = read(text, |root| {
            root.text("x");
            let inner = root.maps("y");
            (inner[0].duration("for"), inner[0].duration("keep"))
        });
        assert_eq!(read, (Some(Duration::from_secs(60)), Some(Duration::from_secs(1))));
        assert_eq!(faults.len(), 1, "x is not a text: {faults:?}");
    }
}
