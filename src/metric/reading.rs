//! Whole readings of a source whose labels nobody knows before: processors, disks, mounts, interfaces, files of text.
//!
//! A series is opened when it is first read and closed when a reading comes without it, so there are as many as the last
//! reading had; who reads bounds that.

use crate::metric::book::{Hold, Series};
use crate::metric::desc::{Desc, Family};
use crate::metric::labels::Labels;
use crate::metric::report::{NoData, Report};
use crate::metric::shelf::{Clash, Shelf};
use std::collections::HashMap;

/// Stands between names and values of labels; neither a file name nor a text from the kernel has it.
const BETWEEN: char = '\0';

/// One number as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    pub family: Family,
    /// Of a family of ours the values of its labels in their order, of a learned one names and values by turns.
    words: String,
    pub value: f64,
}

impl Fact {
    pub fn of<const L: usize>(desc: &'static Desc<L>, values: [&str; L], value: f64) -> Fact {
        Fact::ours(desc.family(), &values, value)
    }
    /// The same for a family of ours with as many labels as `values`.
    pub fn ours(family: Family, values: &[&str], value: f64) -> Fact {
        Fact { family, words: join(values.iter().copied()), value }
    }
    /// What somebody else says, under a family of his.
    pub fn learned<'a>(family: Family, pairs: impl Iterator<Item = (&'a str, &'a str)>, value: f64) -> Fact {
        Fact { family, words: join(pairs.flat_map(|(name, value)| [name, value])), value }
    }
    /// The value of a label of a family of ours, by its place; empty where there is no such label.
    pub fn label(&self, place: usize) -> &str {
        self.words.split(BETWEEN).nth(place).unwrap_or_default()
    }
    fn labels(&self) -> Labels {
        let words = self.words.split(BETWEEN);
        match self.family.learned {
            None => Labels::new(self.family.labels.iter().copied().zip(words)),
            Some(_) => Labels::new(words.clone().step_by(2).zip(words.skip(1).step_by(2))),
        }
    }
}

fn join<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut joined = String::new();
    for (n, word) in words.enumerate() {
        if n > 0 {
            joined.push(BETWEEN);
        }
        joined.push_str(word);
    }
    joined
}

struct Held {
    series: Series,
    learned: bool,
    /// The reading that had it last.
    seen: u64,
}

/// The readings of one source.
pub struct Readings {
    shelf: Shelf,
    hold: Hold,
    held: HashMap<String, Held>,
    count: u64,
    evictions: u64,
    /// Used again for each key, so that a reading without news allocates nothing.
    key: String,
}

impl Readings {
    pub fn new(shelf: Shelf, hold: Hold) -> Readings {
        let evictions = shelf.evictions();
        Readings { shelf, hold, held: HashMap::new(), count: 0, evictions, key: String::new() }
    }

    /// Says a whole reading: what was there before and is not in it leaves for `gone`. Of two facts under one name and
    /// labels the first counts. Returns how many were left out because their name or series stands as somebody else's.
    pub fn fold(&mut self, report: &mut Report, facts: &[Fact], gone: NoData) -> usize {
        self.count += 1;
        if self.evictions != self.shelf.evictions() {
            self.evictions = self.shelf.evictions();
            self.close(|held| held.learned);
        }
        let mut refused = 0;
        for fact in facts {
            self.key.clear();
            self.key.push_str(&fact.family.name);
            self.key.push(BETWEEN);
            self.key.push_str(&fact.words);
            match self.held.get_mut(&self.key) {
                Some(held) if held.seen == self.count => continue,
                Some(held) => {
                    held.seen = self.count;
                    say(report, held, fact.value);
                }
                None => match self.open(fact) {
                    Ok(series) => {
                        let held = Held { series, learned: fact.family.learned.is_some(), seen: self.count };
                        say(report, &held, fact.value);
                        self.held.insert(self.key.clone(), held);
                    }
                    Err(_) => refused += 1,
                },
            }
        }
        let count = self.count;
        for series in self.close(|held| held.seen != count) {
            report.reading(series, Err(gone));
        }
        refused
    }

    fn open(&self, fact: &Fact) -> Result<Series, Clash> {
        match fact.family.learned {
            Some(_) => self.shelf.open(&fact.family, fact.labels(), self.hold),
            None => Ok(self.shelf.open_ours(&fact.family, fact.labels(), self.hold)),
        }
    }

    fn close(&mut self, which: impl Fn(&Held) -> bool) -> Vec<Series> {
        let gone: Vec<_> = self.held.extract_if(|_, held| which(held)).map(|(_, held)| held.series).collect();
        if !gone.is_empty() {
            self.shelf.close(&gone);
        }
        gone
    }
}

/// NaN and the infinities are a failure of ours, and another's word.
fn say(report: &mut Report, held: &Held, value: f64) {
    match held.learned {
        true => report.said(held.series, value),
        false => report.value(held.series, value),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{Boot, Window};
    use crate::metric::book::Book;
    use crate::metric::desc::{Kind, Unit};
    use crate::metric::latest::Latest;

    static READ: Desc<2> = Desc::counter("read_bytes_total", Unit::Bytes, ["device", "model"], "bytes read");
    static DOORS: Desc<0> = Desc::gauge("doors", Unit::Count, [], "doors");

    struct Bench {
        book: Book,
        latest: Latest,
        shelf: Shelf,
        readings: Readings,
    }

    impl Bench {
        fn new() -> Bench {
            let book = Book::default();
            let shelf = Shelf::new(book.clone());
            let readings = Readings::new(shelf.clone(), Hold::Own);
            Bench { latest: Latest::new(book.clone()), readings, shelf, book }
        }
        /// What stands after a reading, and how many of it were refused.
        fn read(&mut self, facts: &[Fact]) -> (Vec<String>, usize) {
            let at = Boot::from_secs(1);
            let mut report = Report::new(Window { from: at, to: at });
            let refused = self.readings.fold(&mut report, facts, NoData::Timeout);
            self.latest.apply(&report);
            let rows = self.latest.standing(at);
            let row = rows.iter().map(|row| format!("{}{} {}", row.meta.family.name, row.meta.labels, row.value));
            (row.collect(), refused)
        }
    }

    #[test]
    fn what_a_reading_does_not_have_leaves_and_what_comes_back_goes_on() {
        let mut bench = Bench::new();
        let mut read = |devices: &[(&str, f64)]| {
            let facts: Vec<_> = devices.iter().map(|(device, n)| Fact::of(&READ, [device, ""], *n)).collect();
            let stands = bench.read(&facts).0;
            (stands.concat().replace("read_bytes_total{device=", ""), bench.latest.no_data(NoData::Timeout))
        };
        assert_eq!(read(&[("a", 1.0), ("b", 2.0), ("a", 9.0)]), ("\"a\"} 1\"b\"} 2".to_owned(), 0));
        assert_eq!(read(&[("b", 3.0)]), ("\"b\"} 3".to_owned(), 1));
        assert_eq!(read(&[("a", 4.0), ("b", 5.0)]), ("\"a\"} 4\"b\"} 5".to_owned(), 1));
        bench.shelf.clear();
        assert!(bench.book.all().is_empty());
    }

    #[test]
    fn what_is_learned_gives_way_to_ours() {
        let mut bench = Bench::new();
        let learned = |name: &'static str, value: f64| {
            let (kind, unit, labels) = (Kind::Gauge, Unit::Count, &[][..]);
            let family = Family { name: name.into(), kind, unit, labels, help: "".into(), learned: Some(name.into()) };
            Fact::learned(family, [("door", "left"), ("empty", "")].into_iter(), value)
        };
        let facts = [learned("doors", f64::NAN), learned("windows", 2.0)];
        let stands = ["doors{door=\"left\"} NaN".to_owned(), "windows{door=\"left\"} 2".to_owned()];
        assert_eq!(bench.read(&facts), (stands.to_vec(), 0));
        bench.book.open(&DOORS, [], Hold::Own);
        assert_eq!(bench.read(&facts), (stands[1..].to_vec(), 1));
    }
}
