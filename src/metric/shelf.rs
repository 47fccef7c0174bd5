//! Series that nobody knows before they come: what other exporters on the box say, and what the kernel lists.
//!
//! Names, types and labels of other exporters are theirs. The register holds them to two rules: a name is of one type, and
//! none of them has, or could be taken for, a name of ours. How many there may be is for the owner of a shelf to bound.
//! What comes in whole readings is put on a shelf by [`crate::metric::reading`].

use crate::base::label::Label;
use crate::metric::book::{Book, Hold, Series};
use crate::metric::desc::{Family, Kind};
use crate::metric::labels::Labels;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

/// Why a series was not opened.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Clash {
    /// Its name is one of ours, or the page would take it for one.
    Ours,
    /// The name stands under another type already.
    Type,
    /// Name and labels stand already.
    Twice,
}

impl Label for Clash {
    const ALL: &'static [Self] = &[Clash::Ours, Clash::Type, Clash::Twice];
    fn label(self) -> &'static str {
        match self {
            Clash::Ours => "name_taken",
            Clash::Type => "other_type",
            Clash::Twice => "twice",
        }
    }
}

/// Learned families that have open series; those without are forgotten.
#[derive(Default)]
pub(super) struct Learned {
    /// By the name of series: the family, and how many series are open.
    names: HashMap<String, (Arc<Family>, usize)>,
    /// By the name of the family.
    stems: HashMap<Arc<str>, (Kind, usize)>,
    pub(super) evictions: u64,
}

impl Learned {
    /// The family that stands under this name, its help perhaps another; `None` while the name is free among learned ones.
    pub(super) fn known(&self, family: &Family) -> Result<Option<Arc<Family>>, Clash> {
        let other = |(kind, _): &(Kind, usize)| *kind != family.kind;
        if self.stems.get(family.stem()).is_some_and(other) {
            return Err(Clash::Type);
        }
        match self.names.get(&*family.name) {
            Some((known, _)) if known.stem() != family.stem() => Err(Clash::Type),
            known => Ok(known.map(|(family, _)| family.clone())),
        }
    }

    /// Whether a family of ours has a name that stands as a learned one.
    pub(super) fn meets(&self, ours: &Family) -> bool {
        let names = [&*ours.name, ours.stem(), ours.root()];
        names.iter().any(|n| self.names.contains_key(*n) || self.stems.contains_key(*n))
    }

    pub(super) fn opened(&mut self, family: &Arc<Family>) {
        let Some(stem) = family.learned.clone() else { return };
        self.names.entry(family.name.to_string()).or_insert_with(|| (family.clone(), 0)).1 += 1;
        self.stems.entry(stem).or_insert((family.kind, 0)).1 += 1;
    }

    pub(super) fn closed(&mut self, family: &Family) {
        let Some(stem) = &family.learned else { return };
        if let Some((_, open)) = self.names.get_mut(&*family.name) {
            *open -= 1;
            if *open == 0 {
                self.names.remove(&*family.name);
            }
        }
        if let Some((_, open)) = self.stems.get_mut(stem) {
            *open -= 1;
            if *open == 0 {
                self.stems.remove(stem);
            }
        }
    }
}

/// A learned family has, or would be taken for, one of the names of a family of ours.
pub(super) fn shadows(learned: &Family, ours: &Family) -> bool {
    [&*learned.name, learned.stem()].iter().any(|name| [&*ours.name, ours.stem(), ours.root()].contains(name))
}

/// What one target learned. Clones are the same shelf.
#[derive(Clone)]
pub struct Shelf {
    book: Book,
    held: Arc<Mutex<HashSet<Series>>>,
}

impl Shelf {
    pub fn new(book: Book) -> Shelf {
        Shelf { book, held: Arc::default() }
    }

    /// Opens a series that is not open yet. Of a family that stands already the first help stays.
    ///
    /// # Errors
    /// The name is ours or of another type, or the series stands already, on this shelf or another.
    pub fn open(&self, family: &Family, labels: Labels, hold: Hold) -> Result<Series, Clash> {
        let series = self.book.open_learned(family, labels, hold)?;
        self.lock().insert(series);
        Ok(series)
    }

    /// Opens a series of a family of ours, or returns the one that stands already under its name and labels.
    pub fn open_ours(&self, family: &Family, labels: Labels, hold: Hold) -> Series {
        let series = self.book.open_ours(family, labels, hold);
        self.lock().insert(series);
        series
    }

    /// Closes series of this shelf; they leave the next snapshot with a stale marker.
    pub fn close(&self, series: &[Series]) {
        let mut held = self.lock();
        series.iter().for_each(|series| _ = held.remove(series));
        self.book.close(series, &[]);
    }

    /// Closes all.
    pub fn clear(&self) {
        let all: Vec<_> = std::mem::take(&mut *self.lock()).into_iter().collect();
        self.book.close(&all, &[]);
    }

    /// Changes when series may have been closed because a family of ours took their name.
    pub fn evictions(&self) -> u64 {
        self.book.evictions()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Series>> {
        self.held.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::desc::{Desc, Unit};
    use std::time::Duration;

    static REQUESTS: Desc<1> = Desc::counter("door_requests_total", Unit::Count, ["door"], "requests");
    static WAIT: Desc<1> = Desc::histogram("door_wait_seconds", Unit::Seconds, ["door"], &[1.0], "wait");
    const READ: Hold = Hold::Read(Duration::from_secs(15));

    fn family(name: &str, stem: &str, kind: Kind) -> Family {
        Family {
            name: name.to_owned().into(),
            kind,
            unit: Unit::Count,
            labels: &[],
            help: "".into(),
            learned: Some(stem.into()),
        }
    }

    fn open(shelf: &Shelf, name: &str, stem: &str, kind: Kind) -> Result<Series, Clash> {
        shelf.open(&family(name, stem, kind), Labels::new([("a", "b")]), READ)
    }

    #[test]
    fn a_name_is_of_one_type_and_a_series_stands_once() {
        let book = Book::default();
        let (one, other) = (Shelf::new(book.clone()), Shelf::new(book.clone()));
        open(&one, "x_count", "x", Kind::Histogram).unwrap();
        assert_eq!(open(&one, "x_count", "x", Kind::Histogram), Err(Clash::Twice));
        assert_eq!(open(&other, "x_count", "x", Kind::Histogram), Err(Clash::Twice));
        assert_eq!(open(&other, "x", "x", Kind::Gauge), Err(Clash::Type));
        assert_eq!(open(&other, "x_count", "x_count", Kind::Gauge), Err(Clash::Type));
        one.clear();
        open(&other, "x_count", "x_count", Kind::Gauge).unwrap();
        assert_eq!(book.all().len(), 1);
    }

    #[test]
    fn no_learned_family_has_or_gets_a_name_of_ours() {
        let book = Book::default();
        let shelf = Shelf::new(book.clone());
        let requests = book.open(&REQUESTS, ["yard"], Hold::Own);
        book.open_histogram(&WAIT, ["yard"]);
        for (name, stem) in [
            ("door_requests_total", "door_requests_total"),
            ("door_requests", "door_requests"),
            ("door_wait_seconds", "door_wait_seconds"),
            ("door_wait_seconds_sum", "door_wait_seconds_sum"),
            ("door_requests_count", "door_requests"),
        ] {
            let kind = if name == stem { Kind::Gauge } else { Kind::Summary };
            assert_eq!(open(&shelf, name, stem, kind), Err(Clash::Ours), "{name}");
        }
        // Without a series of ours the name is free, until there is one again.
        book.close(&[requests], &[]);
        open(&shelf, "door_requests", "door_requests", Kind::Gauge).unwrap();
        open(&shelf, "door_keys", "door_keys", Kind::Gauge).unwrap();
        let before = shelf.evictions();
        book.open(&REQUESTS, ["yard"], Hold::Own);
        assert_ne!(shelf.evictions(), before);
        let names: Vec<_> = book.all().iter().map(|meta| meta.family.name.to_string()).collect();
        assert!(names.contains(&"door_keys".to_owned()) && !names.contains(&"door_requests".to_owned()), "{names:?}");
        shelf.clear();
        assert_eq!(open(&shelf, "door_requests", "door_requests", Kind::Gauge), Err(Clash::Ours));
    }
}
