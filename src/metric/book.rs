//! Where series are opened. Opening is the only way to grow, and happens at plan time, so cardinality is decided by the
//! configuration; the exceptions are a [`Slot`], which holds one info series whose labels may change, and a
//! [`Shelf`](crate::metric::shelf::Shelf), which holds a bounded number of series that other exporters or the kernel tell of.

use crate::metric::desc::{Desc, Family, PARTS};
use crate::metric::histogram::{Histogram, le};
use crate::metric::labels::Labels;
use crate::metric::shelf::{Clash, Learned, shadows};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a value stands without being said again.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Hold {
    /// We are the source: it stands until it is changed, withdrawn or closed.
    Own,
    /// Read from elsewhere every so often: it vanishes after 2.5 cadences.
    Read(Duration),
}

/// One open series. Never reused within a process.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Series(pub(crate) u64);

/// One open info series whose variable labels are said with each reading.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Slot(pub(crate) u32);

/// What is known about a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Meta {
    pub series: Series,
    pub family: Arc<Family>,
    pub labels: Labels,
    pub hold: Hold,
}

#[derive(Debug, Clone)]
struct SlotMeta {
    family: Arc<Family>,
    fixed: Labels,
    hold: Hold,
    open: Option<Series>,
}

#[derive(Default)]
struct Inner {
    /// Only what is open: an info series opens a new number at every reconnect, and nothing may be left of the old ones.
    series: BTreeMap<Series, Arc<Meta>>,
    slots: BTreeMap<u32, SlotMeta>,
    /// Numbers given out so far.
    series_made: u64,
    slots_made: u32,
    by_key: HashMap<(Arc<Family>, Labels), Series>,
    families: Vec<Arc<Family>>,
    learned: Learned,
    version: u64,
}

/// The register of open series. Clones are the same book.
#[derive(Clone, Default)]
pub struct Book(Arc<Mutex<Inner>>);

impl std::hash::Hash for Family {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Book {
    /// Opens a series, or returns the one already open under the same name and labels.
    /// Labels that the family declares but whose value is empty are left out, as Prometheus does.
    pub fn open<const L: usize>(&self, desc: &'static Desc<L>, values: [&str; L], hold: Hold) -> Series {
        let labels = Labels::new(desc.labels.iter().zip(values));
        self.lock().open(desc.family(), labels, hold)
    }

    /// Opens all series of a histogram; they are also returned one by one, for [`Book::close`].
    pub fn open_histogram<const L: usize>(
        &self,
        desc: &'static Desc<L>,
        values: [&str; L],
    ) -> (Histogram, Vec<Series>) {
        let mut inner = self.lock();
        let labels = Labels::new(desc.labels.iter().zip(values));
        let mut part = |part: &str, labels: Labels| {
            let family = Family { name: format!("{}{part}", desc.name).into(), ..desc.family() };
            inner.open(family, labels, Hold::Own)
        };
        let [bucket, sum, count] = PARTS;
        let bounds = desc.bounds.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.map(|bound| part(bucket, labels.with([("le", le(bound).as_str())]))).collect();
        let ends = [part(sum, labels.clone()), part(count, labels)];
        let all = buckets.iter().chain(&ends).copied().collect();
        (Histogram::new(desc.bounds, buckets, ends), all)
    }

    /// Opens a slot for an info family: `fixed` are the leading labels, the rest is said with each reading.
    pub fn open_slot<const L: usize>(&self, desc: &'static Desc<L>, fixed: &[&str], hold: Hold) -> Slot {
        let mut inner = self.lock();
        let family = inner.family(desc.family());
        let fixed = Labels::new(desc.labels.iter().zip(fixed));
        let slot = inner.slots_made;
        inner.slots_made += 1;
        inner.slots.insert(slot, SlotMeta { family, fixed, hold, open: None });
        Slot(slot)
    }

    /// Closes series and slots; they leave the next snapshot with a stale marker.
    pub fn close(&self, series: &[Series], slots: &[Slot]) {
        let mut inner = self.lock();
        for s in series {
            inner.close(*s);
        }
        for slot in slots {
            let open = inner.slots.remove(&slot.0).and_then(|s| s.open);
            if let Some(open) = open {
                inner.close(open);
            }
        }
    }

    /// The series of a slot under these variable labels; the one under the former labels is closed.
    /// `None` closes and opens nothing. Returns (closed, open).
    pub(crate) fn turn_slot(&self, slot: Slot, values: Option<&[String]>) -> (Option<Series>, Option<Series>) {
        let mut inner = self.lock();
        let Some(meta) = inner.slots.get(&slot.0).cloned() else { return (None, None) };
        let opened = values.map(|values| {
            let variable = &meta.family.labels[meta.fixed.iter().len().min(meta.family.labels.len())..];
            let labels =
                Labels::new(meta.fixed.iter().chain(variable.iter().copied().zip(values.iter().map(String::as_str))));
            inner.open((*meta.family).clone(), labels, meta.hold)
        });
        let closed = meta.open.filter(|old| Some(*old) != opened);
        if let Some(old) = closed {
            inner.close(old);
        }
        if let Some(meta) = inner.slots.get_mut(&slot.0) {
            meta.open = opened;
        }
        (closed, opened)
    }

    pub fn meta(&self, series: Series) -> Option<Arc<Meta>> {
        self.lock().series.get(&series).cloned()
    }

    /// Changes whenever a series is opened or closed.
    pub fn version(&self) -> u64 {
        self.lock().version
    }

    /// All open series, by family name and then labels.
    pub fn all(&self) -> Vec<Arc<Meta>> {
        let mut all: Vec<_> = self.lock().series.values().cloned().collect();
        all.sort_by(|a, b| (&a.family.name, &a.labels).cmp(&(&b.family.name, &b.labels)));
        all
    }

    /// Opens a series of a family of ours whose labels are known at run time only; see [`crate::metric::shelf`].
    pub(super) fn open_ours(&self, family: &Family, labels: Labels, hold: Hold) -> Series {
        self.lock().open(family.clone(), labels, hold)
    }

    /// Opens a series of a family that is not ours.
    pub(super) fn open_learned(&self, family: &Family, labels: Labels, hold: Hold) -> Result<Series, Clash> {
        self.lock().open_learned(family, labels, hold)
    }

    /// Times that series of learned families were closed because a family of ours took their name.
    pub(super) fn evictions(&self) -> u64 {
        self.lock().learned.evictions
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Inner {
    fn family(&mut self, family: Family) -> Arc<Family> {
        if let Some(known) = self.families.iter().find(|f| ***f == family) {
            return known.clone();
        }
        let family = Arc::new(family);
        self.families.push(family.clone());
        family
    }

    fn open(&mut self, family: Family, labels: Labels, hold: Hold) -> Series {
        let family = self.family(family);
        let key = (family.clone(), labels.clone());
        if let Some(series) = self.by_key.get(&key) {
            return *series;
        }
        if self.learned.meets(&family) {
            self.evict(&family);
        }
        self.add(family, labels, hold)
    }

    fn open_learned(&mut self, family: &Family, labels: Labels, hold: Hold) -> Result<Series, Clash> {
        let family = match self.learned.known(family)? {
            Some(family) => family,
            // A family of ours without a series is out of use, and its name is free.
            None if self.families.iter().any(|ours| Arc::strong_count(ours) > 1 && shadows(family, ours)) => {
                return Err(Clash::Ours);
            }
            None => Arc::new(family.clone()),
        };
        if self.by_key.contains_key(&(family.clone(), labels.clone())) {
            return Err(Clash::Twice);
        }
        self.learned.opened(&family);
        Ok(self.add(family, labels, hold))
    }

    /// Closes what was learned under a name that is ours from now on.
    fn evict(&mut self, ours: &Family) {
        let learned = |meta: &&Arc<Meta>| meta.family.learned.is_some() && shadows(&meta.family, ours);
        let gone: Vec<_> = self.series.values().filter(learned).map(|meta| meta.series).collect();
        gone.into_iter().for_each(|series| self.close(series));
        self.learned.evictions += 1;
    }

    fn add(&mut self, family: Arc<Family>, labels: Labels, hold: Hold) -> Series {
        let key = (family.clone(), labels.clone());
        let series = Series(self.series_made);
        self.series_made += 1;
        self.series.insert(series, Arc::new(Meta { series, family, labels, hold }));
        self.by_key.insert(key, series);
        self.version += 1;
        series
    }

    fn close(&mut self, series: Series) {
        if let Some(meta) = self.series.remove(&series) {
            self.by_key.remove(&(meta.family.clone(), meta.labels.clone()));
            self.learned.closed(&meta.family);
            self.version += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static STREAM: Desc<2> = Desc::info("camera_stream_info", ["camera_id", "codec"], "stream");

    #[test]
    fn a_camera_that_reconnects_for_ever_leaves_nothing_behind_in_the_book() {
        let book = Book::default();
        let codec = ["h264".to_owned()];
        let mut last = None;
        for _ in 0..1000 {
            let slot = book.open_slot(&STREAM, &["yard"], Hold::Own);
            let (_, opened) = book.turn_slot(slot, Some(&codec));
            assert!(opened > last, "a number is never given twice");
            last = opened;
            book.turn_slot(slot, None);
            book.close(&[], &[slot]);
        }
        let inner = book.lock();
        assert_eq!((inner.series.len(), inner.slots.len(), inner.by_key.len()), (0, 0, 0));
    }
}
