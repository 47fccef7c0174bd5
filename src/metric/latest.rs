//! The newest reading of every series, and the snapshot cut from it once per tick.

use crate::base::clock::{Boot, Now};
use crate::metric::book::{Book, Hold, Meta, Series};
use crate::metric::report::{NoData, Report, Row};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

#[derive(Copy, Clone)]
struct Entry {
    value: f64,
    at: Boot,
}

/// One series in a snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub meta: Arc<Meta>,
    pub value: f64,
}

/// All series that had a value at one instant. Page, store and rules all work from the same one.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// 1 for the first of this process.
    pub seq: u64,
    pub at: Now,
    /// By family name, then labels.
    pub rows: Vec<Sample>,
    /// Series that stood in the snapshot before this one and do not in this: each ends here with a stale marker.
    pub ended: Vec<Arc<Meta>>,
}

/// The newest reading of every open series. Owned by the hub alone.
pub struct Latest {
    book: Book,
    entries: HashMap<Series, Entry>,
    order: Vec<Arc<Meta>>,
    order_version: u64,
    before: HashMap<Series, Arc<Meta>>,
    seq: u64,
    no_data: HashMap<NoData, u64>,
}

impl Latest {
    pub fn new(book: Book) -> Self {
        Latest {
            book,
            entries: HashMap::new(),
            order: Vec::new(),
            order_version: u64::MAX,
            before: HashMap::new(),
            seq: 0,
            no_data: HashMap::new(),
        }
    }

    /// Takes a report in. A reading without a number removes the series and is counted by its reason.
    /// Numbers that are not finite are counted as malformed, unless another exporter says them.
    pub fn apply(&mut self, report: &Report) {
        let at = report.taken.to;
        for row in &report.rows {
            match row {
                Row::Value(series, Ok(value)) if value.is_finite() => {
                    self.entries.insert(*series, Entry { value: *value, at });
                }
                Row::Said(series, value) => {
                    self.entries.insert(*series, Entry { value: *value, at });
                }
                Row::Value(series, Ok(_)) => self.withdraw(*series, NoData::Malformed),
                Row::Value(series, Err(why)) => self.withdraw(*series, *why),
                Row::Info(slot, values) => {
                    let (closed, open) = self.book.turn_slot(*slot, values.as_deref());
                    if let Some(closed) = closed {
                        self.entries.remove(&closed);
                    }
                    if let Some(open) = open {
                        self.entries.insert(open, Entry { value: 1.0, at });
                    }
                }
            }
        }
    }

    fn withdraw(&mut self, series: Series, why: NoData) {
        self.entries.remove(&series);
        *self.no_data.entry(why).or_default() += 1;
    }

    /// Readings that had no number, by reason, since the start.
    pub fn no_data(&self, why: NoData) -> u64 {
        self.no_data.get(&why).copied().unwrap_or(0)
    }

    /// What stands at `at`, by family name, then labels. Readings older than 2.5 of their cadence are withdrawn.
    pub fn standing(&mut self, at: Boot) -> Vec<Sample> {
        let version = self.book.version();
        if version != self.order_version {
            self.order = self.book.all();
            self.order_version = version;
            let open: HashSet<_> = self.order.iter().map(|m| m.series).collect();
            self.entries.retain(|series, _| open.contains(series));
        }
        let mut rows = Vec::with_capacity(self.order.len());
        for meta in &self.order {
            let Some(entry) = self.entries.get(&meta.series) else { continue };
            let fresh = match meta.hold {
                Hold::Own => true,
                Hold::Read(cadence) => at.since(entry.at) <= cadence.mul_f64(2.5),
            };
            if fresh {
                rows.push(Sample { meta: meta.clone(), value: entry.value });
            } else {
                self.entries.remove(&meta.series);
                *self.no_data.entry(NoData::Stale).or_default() += 1;
            }
        }
        rows
    }

    /// Cuts the snapshot of this instant from what stands.
    pub fn snapshot(&mut self, at: Now) -> Snapshot {
        let rows = self.standing(at.boot);
        for row in &rows {
            self.before.remove(&row.meta.series);
        }
        let mut ended: Vec<_> = self.before.drain().map(|(_, meta)| meta).collect();
        ended.sort_by(|a, b| (&a.family.name, &a.labels).cmp(&(&b.family.name, &b.labels)));
        // A series closed and opened again under the same name and labels goes on; it did not end.
        if !ended.is_empty() {
            let standing: HashSet<_> = rows.iter().map(|r| (&r.meta.family, &r.meta.labels)).collect();
            ended.retain(|e| !standing.contains(&(&e.family, &e.labels)));
        }
        self.before = rows.iter().map(|r| (r.meta.series, r.meta.clone())).collect();
        self.seq += 1;
        Snapshot { seq: self.seq, at, rows, ended }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{Sim, Window};
    use crate::metric::desc::{Desc, Unit};
    use std::time::Duration;

    static FPS: Desc<1> = Desc::gauge("camera_fps", Unit::PerSecond, ["camera_id"], "frames");
    static FRAMES: Desc<1> = Desc::counter("camera_frames_total", Unit::Count, ["camera_id"], "frames");
    static STREAM: Desc<2> = Desc::info("camera_stream_info", ["camera_id", "codec"], "stream");

    fn report(sim: &Sim) -> Report {
        let at = sim.clock().boot();
        Report::new(Window { from: at, to: at })
    }

    fn page(snapshot: &Snapshot) -> Vec<String> {
        snapshot.rows.iter().map(|r| format!("{}{} {}", r.meta.family.name, r.meta.labels, r.value)).collect()
    }

    #[test]
    fn a_reading_leaves_after_two_and_a_half_cadences_and_an_own_count_stays() {
        let (sim, book) = (Sim::new(), Book::default());
        let fps = book.open(&FPS, ["yard"], Hold::Read(Duration::from_secs(2)));
        let frames = book.open(&FRAMES, ["yard"], Hold::Own);
        let mut latest = Latest::new(book);
        latest.apply(report(&sim).value(fps, 25.0).value(frames, 7.0));
        sim.advance(Duration::from_secs(5));
        let first = latest.snapshot(sim.clock().now());
        assert_eq!(page(&first), [r#"camera_fps{camera_id="yard"} 25"#, r#"camera_frames_total{camera_id="yard"} 7"#]);
        sim.advance(Duration::from_millis(1));
        let second = latest.snapshot(sim.clock().now());
        assert_eq!(page(&second), [r#"camera_frames_total{camera_id="yard"} 7"#]);
        assert_eq!(second.ended.iter().map(|m| m.series).collect::<Vec<_>>(), [fps]);
        assert_eq!(latest.no_data(NoData::Stale), 1);
        assert!(latest.snapshot(sim.clock().now()).ended.is_empty());
    }

    #[test]
    fn a_failed_reading_removes_the_series_and_counts_the_reason() {
        let (sim, book) = (Sim::new(), Book::default());
        let fps = book.open(&FPS, ["yard"], Hold::Own);
        let mut latest = Latest::new(book);
        latest.apply(report(&sim).value(fps, 25.0));
        latest.apply(report(&sim).reading(fps, Err(NoData::Timeout)));
        assert!(latest.snapshot(sim.clock().now()).rows.is_empty());
        latest.apply(report(&sim).value(fps, f64::NAN));
        assert!(latest.snapshot(sim.clock().now()).rows.is_empty());
        assert_eq!((latest.no_data(NoData::Timeout), latest.no_data(NoData::Malformed)), (1, 1));
    }

    #[test]
    fn an_info_series_moves_to_its_new_labels_and_the_old_one_ends() {
        let (sim, book) = (Sim::new(), Book::default());
        let slot = book.open_slot(&STREAM, &["yard"], Hold::Own);
        let mut latest = Latest::new(book.clone());
        latest.apply(report(&sim).info(slot, Some(vec!["h264".into()])));
        assert_eq!(
            page(&latest.snapshot(sim.clock().now())),
            [r#"camera_stream_info{camera_id="yard",codec="h264"} 1"#]
        );
        latest.apply(report(&sim).info(slot, Some(vec!["h265".into()])));
        let next = latest.snapshot(sim.clock().now());
        assert_eq!(page(&next), [r#"camera_stream_info{camera_id="yard",codec="h265"} 1"#]);
        assert_eq!(next.ended.len(), 1);
        book.close(&[], &[slot]);
        assert!(latest.snapshot(sim.clock().now()).rows.is_empty());
    }

    #[test]
    fn a_series_closed_and_opened_again_between_two_ticks_goes_on_and_its_neighbour_ends() {
        let (sim, book) = (Sim::new(), Book::default());
        let [yard, gate] = ["yard", "gate"].map(|id| book.open(&FRAMES, [id], Hold::Own));
        let mut latest = Latest::new(book.clone());
        latest.apply(report(&sim).value(yard, 7.0).value(gate, 7.0));
        latest.snapshot(sim.clock().now());
        book.close(&[yard, gate], &[]);
        let yard = book.open(&FRAMES, ["yard"], Hold::Own);
        latest.apply(report(&sim).value(yard, 8.0));
        let next = latest.snapshot(sim.clock().now());
        assert_eq!(page(&next), [r#"camera_frames_total{camera_id="yard"} 8"#]);
        assert_eq!(next.ended.iter().map(|m| m.series).collect::<Vec<_>>(), [gate]);
    }
}
