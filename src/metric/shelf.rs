//! Series whose labels the kernel gives: processors, disks, mounts, interfaces.
//!
//! Who reads them cannot know at plan time which there are. A shelf opens a series when it is first seen and closes it
//! when a reading of its source comes without it, so it is as large as the last reading; who reads bounds that.

use crate::metric::book::{Book, Hold, Series};
use crate::metric::desc::{Desc, Family};
use crate::metric::labels::Labels;
use crate::metric::report::{NoData, Report};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Stands between the values of labels; neither a file name nor a text from the kernel has it.
const BETWEEN: char = '\0';

/// One number as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    pub family: Family,
    /// The values of the family's labels in its order, with NUL between.
    values: String,
    pub value: f64,
}

impl Fact {
    pub fn of<const L: usize>(desc: &'static Desc<L>, values: [&str; L], value: f64) -> Fact {
        Fact::learned(desc.family(), &values, value)
    }
    /// The same for a family with as many labels as `values`.
    pub fn learned(family: Family, values: &[&str], value: f64) -> Fact {
        let mut joined = String::with_capacity(values.iter().map(|v| v.len() + 1).sum());
        for (n, value) in values.iter().enumerate() {
            if n > 0 {
                joined.push(BETWEEN);
            }
            joined.push_str(value);
        }
        Fact { family, values: joined, value }
    }
    /// Name and value of each label.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.family.labels.iter().copied().zip(self.values.split(BETWEEN))
    }
}

struct Held {
    series: Series,
    /// The reading that had it last.
    seen: u64,
}

struct Inner {
    book: Book,
    hold: Hold,
    held: HashMap<String, Held>,
    reading: u64,
    /// Used again for each key, so that a reading without news allocates nothing.
    key: String,
}

/// The series of one source. Clones are the same shelf.
#[derive(Clone)]
pub struct Shelf(Arc<Mutex<Inner>>);

impl Shelf {
    pub fn new(book: Book, hold: Hold) -> Shelf {
        let inner = Inner { book, hold, held: HashMap::new(), reading: 0, key: String::new() };
        Shelf(Arc::new(Mutex::new(inner)))
    }

    /// Says a whole reading of the source: what was there before and is not in it leaves for `gone`. Of two facts under
    /// one name and labels the first counts.
    pub fn fold(&self, report: &mut Report, facts: &[Fact], gone: NoData) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        inner.reading += 1;
        for fact in facts {
            inner.key.clear();
            inner.key.push_str(&fact.family.name);
            inner.key.push(BETWEEN);
            inner.key.push_str(&fact.values);
            if let Some(held) = inner.held.get_mut(&inner.key) {
                if held.seen < inner.reading {
                    held.seen = inner.reading;
                    report.value(held.series, fact.value);
                }
                continue;
            }
            let series = inner.book.open_learned(fact.family.clone(), Labels::new(fact.labels()), inner.hold);
            inner.held.insert(inner.key.clone(), Held { series, seen: inner.reading });
            report.value(series, fact.value);
        }
        let (book, reading) = (&inner.book, inner.reading);
        inner.held.retain(|_, held| {
            let stays = held.seen == reading;
            if !stays {
                report.reading(held.series, Err(gone));
                book.close(&[held.series], &[]);
            }
            stays
        });
    }

    /// Closes everything on it.
    pub fn close(&self) {
        let mut inner = self.lock();
        let all: Vec<_> = inner.held.drain().map(|(_, held)| held.series).collect();
        inner.book.close(&all, &[]);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{Boot, Window};
    use crate::metric::desc::Unit;
    use crate::metric::latest::Latest;

    static READ: Desc<2> = Desc::counter("read_bytes_total", Unit::Bytes, ["device", "model"], "bytes read");

    #[test]
    fn what_a_reading_does_not_have_leaves_and_what_comes_back_goes_on() {
        let book = Book::default();
        let mut latest = Latest::new(book.clone());
        let shelf = Shelf::new(book.clone(), Hold::Own);
        let at = Boot::from_secs(1);
        let mut say = |devices: &[(&str, f64)]| {
            let mut report = Report::new(Window { from: at, to: at });
            let facts: Vec<_> = devices.iter().map(|(d, v)| Fact::of(&READ, [d, ""], *v)).collect();
            shelf.fold(&mut report, &facts, NoData::Timeout);
            latest.apply(&report);
            let rows = latest.standing(at);
            let all = rows.iter().map(|r| (r.meta.labels.get("device").unwrap().to_owned(), r.value));
            (all.collect::<Vec<_>>(), latest.no_data(NoData::Timeout))
        };
        let named = |all: &[(&str, f64)]| all.iter().map(|(d, v)| (d.to_string(), *v)).collect::<Vec<_>>();
        assert_eq!(say(&[("sda", 1.0), ("sdb", 2.0), ("sda", 9.0)]), (named(&[("sda", 1.0), ("sdb", 2.0)]), 0));
        assert_eq!(say(&[("sdb", 3.0)]), (named(&[("sdb", 3.0)]), 1));
        assert_eq!(say(&[("sda", 4.0), ("sdb", 5.0)]), (named(&[("sda", 4.0), ("sdb", 5.0)]), 1));
        shelf.close();
        assert!(book.all().is_empty());
    }
}
