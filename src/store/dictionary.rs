//! Which number stands for which series.

use crate::metric::book::{Meta, Series};
use crate::metric::desc::Kind;
use crate::metric::labels::Labels;
use std::collections::{BTreeMap, HashMap};

/// Series remembered at most, open or gone; a million takes some 200 MiB on file, and only a runaway label gets there.
const MOST: usize = 1 << 20;

/// What a series is, as it is kept on file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Named {
    pub name: String,
    pub labels: Labels,
    pub kind: Kind,
    /// As `Unit::text`.
    pub unit: String,
    pub help: String,
}

impl Named {
    fn of(meta: &Meta) -> Named {
        let family = &meta.family;
        Named {
            name: family.name.to_string(),
            labels: meta.labels.clone(),
            kind: family.kind,
            unit: family.unit.text().to_owned(),
            help: family.help.to_string(),
        }
    }
}

/// The number of a kind on file.
pub fn kind_code(kind: Kind) -> u8 {
    match kind {
        Kind::Counter => 0,
        Kind::Gauge => 1,
        Kind::Info => 2,
        Kind::Unknown => 3,
        Kind::Histogram => 4,
        Kind::Summary => 5,
    }
}

pub fn kind_of(code: u8) -> Kind {
    match code {
        0 => Kind::Counter,
        1 => Kind::Gauge,
        2 => Kind::Info,
        4 => Kind::Histogram,
        5 => Kind::Summary,
        _ => Kind::Unknown,
    }
}

/// A series with what its row on file says.
#[derive(Debug, Clone)]
pub struct Row {
    pub named: Named,
    /// Number of a frame that holds the series, not far behind the newest; 0 while the row is not on file.
    pub seen: i64,
    /// In a frame that is not on file yet.
    pub touched: bool,
}

#[derive(Default)]
pub struct Dictionary {
    rows: BTreeMap<u32, Row>,
    by_name: HashMap<(String, Labels), u32>,
    /// Shortcut for series of this process.
    known: HashMap<Series, u32>,
    next: u32,
}

impl Dictionary {
    /// From the rows of a file.
    pub fn of(rows: impl IntoIterator<Item = (u32, Named, i64)>) -> Self {
        let mut dictionary = Dictionary::default();
        for (number, named, seen) in rows {
            dictionary.by_name.insert((named.name.clone(), named.labels.clone()), number);
            dictionary.rows.insert(number, Row { named, seen, touched: false });
            dictionary.next = dictionary.next.max(number.saturating_add(1));
        }
        dictionary
    }

    /// The number of a series of this process; `None` when the dictionary is full.
    pub fn number(&mut self, meta: &Meta) -> Option<u32> {
        if let Some(number) = self.known.get(&meta.series) {
            return Some(*number);
        }
        let number = self.intern(Named::of(meta))?;
        // Closed series leave their shortcuts behind; starting over costs one slow snapshot.
        if self.known.len() > MOST {
            self.known.clear();
        }
        self.known.insert(meta.series, number);
        Some(number)
    }

    /// The number under which name and labels are known, from now on with this kind, unit and help.
    pub fn intern(&mut self, named: Named) -> Option<u32> {
        let key = (named.name.clone(), named.labels.clone());
        if let Some(number) = self.by_name.get(&key) {
            if let Some(row) = self.rows.get_mut(number).filter(|row| row.named != named) {
                row.named = named;
                row.seen = 0;
            }
            return Some(*number);
        }
        if self.rows.len() >= MOST {
            return None;
        }
        let number = self.next;
        self.next += 1;
        self.by_name.insert(key, number);
        self.rows.insert(number, Row { named, seen: 0, touched: false });
        Some(number)
    }

    pub fn get(&self, number: u32) -> Option<&Named> {
        self.rows.get(&number).map(|row| &row.named)
    }

    pub fn touch(&mut self, number: u32) {
        if let Some(row) = self.rows.get_mut(&number) {
            row.touched = true;
        }
    }

    pub fn rows(&self) -> impl Iterator<Item = (u32, &Row)> {
        self.rows.iter().map(|(number, row)| (*number, row))
    }

    /// All rows are on file as of this frame, at least those that `written` names.
    pub fn saved(&mut self, written: &[u32], frame: i64) {
        for number in written {
            if let Some(row) = self.rows.get_mut(number) {
                row.seen = frame;
            }
        }
        for row in self.rows.values_mut() {
            row.touched = false;
        }
    }

    /// No row is on file any more: the file is a new one.
    pub fn unsaved(&mut self) {
        for row in self.rows.values_mut() {
            row.seen = 0;
            row.touched = true;
        }
    }

    /// Forgets series whose rows left the file.
    pub fn forget(&mut self, gone: &[u32]) {
        for number in gone {
            if let Some(row) = self.rows.remove(number) {
                self.by_name.remove(&(row.named.name, row.named.labels));
                self.known.retain(|_, known| known != number);
            }
        }
    }
}
