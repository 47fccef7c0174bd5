//! How each disk bears its load: the latency of its operations, how busy it is and how much is under way.
//!
//! `/proc/diskstats` has sums only, so it is read once a second, and what one second brought counts at its mean: a second
//! in which the disk stood still is seen, which the mean over a tick would hide. It is told once per tick.

use super::disk::passed_over;
use super::sheet::Missed;
use crate::base::clock::{Boot, Window};
use crate::metric::book::Hold;
use crate::metric::desc::{Desc, Family, Unit};
use crate::metric::histogram::le;
use crate::metric::reading::{Fact, Readings};
use crate::metric::report::{NoData, Report};
use crate::probe::Kit;
use crate::probe::poll::{Pace, Poll, Polled};
use crate::world::machine::{Machine, Under};
use std::collections::HashMap;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(5);
/// Disks that are told of.
const MOST: usize = 64;

/// From a flash disk at ease to a disk that is about to be given up.
const BOUNDS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0];

static LATENCY: Desc<2> = Desc::histogram(
    "disk_io_latency_seconds",
    Unit::Seconds,
    ["device", "operation"],
    BOUNDS,
    "Time from the request until it was done, waiting among it; the kernel tells sums only, so all operations of a second \
     count at their mean",
);
static BUSY: Desc<1> = Desc::gauge(
    "disk_utilisation_ratio",
    Unit::Ratio,
    ["device"],
    "Share of the last tick in which the disk had something to do; one that does several things at once may do more at 1",
);
static QUEUE: Desc<1> = Desc::gauge(
    "disk_queue_length",
    Unit::Count,
    ["device"],
    "Operations under way or waiting, mean over the last tick",
);
pub static FAMILIES: &[Family] = &[LATENCY.family(), BUSY.family(), QUEUE.family()];

/// Operations, and their columns behind the name in `/proc/diskstats`: how many were done, and the time of all together.
const OPERATIONS: [(&str, usize, usize); 4] = [("read", 0, 3), ("write", 4, 7), ("discard", 11, 14), ("flush", 15, 16)];
const BUSY_COLUMN: usize = 9;
const WAITING_COLUMN: usize = 10;

/// Columns of one disk.
type Row = Vec<u64>;

fn rows(machine: &Machine) -> Result<Vec<(String, Row)>, Missed> {
    let text = machine.text(Under::Proc, "diskstats")?;
    let mut all = Vec::new();
    for line in text.lines() {
        let mut fields = line.split_ascii_whitespace().skip(2);
        let device = fields.next().ok_or(Missed::Malformed("diskstats"))?;
        if !passed_over(device) && all.len() < MOST {
            let row: Result<Row, _> = fields.map(str::parse).collect();
            all.push((device.to_owned(), row.map_err(|_| Missed::Malformed("diskstats"))?));
        }
    }
    Ok(all)
}

/// Milliseconds between two readings of a column, which the kernel prints in 32 bits: it starts again after 49 days.
fn millis(now: &Row, before: &Row, column: usize) -> Option<f64> {
    let (now, before) = (*now.get(column)? as u32, *before.get(column)? as u32);
    Some(f64::from(now.wrapping_sub(before)))
}

/// Latencies of one operation of one disk.
#[derive(Default, Clone)]
struct Latency {
    /// Not cumulative; the last is beyond all bounds.
    counts: [u64; BOUNDS.len() + 1],
    /// Whole, as the kernel tells them, so that the sum stays exact.
    millis: f64,
}

/// One disk since it was first seen.
struct Disk {
    last: Row,
    operations: [Latency; OPERATIONS.len()],
    /// As of the last tick that was told.
    told: (Boot, Row),
}

impl Disk {
    fn new(at: Boot, row: Row) -> Disk {
        Disk { last: row.clone(), operations: Default::default(), told: (at, row) }
    }

    fn take(&mut self, row: Row) {
        for (latency, (_, done, time)) in self.operations.iter_mut().zip(OPERATIONS) {
            let more = |row: &Row| row.get(done).copied().unwrap_or(0);
            // Fewer than before: another disk under the old name.
            let Some(count) = more(&row).checked_sub(more(&self.last)).filter(|n| *n > 0) else { continue };
            let Some(millis) = millis(&row, &self.last, time) else { continue };
            let mean = millis / 1000.0 / count as f64;
            latency.counts[BOUNDS.partition_point(|bound| *bound < mean)] += count;
            latency.millis += millis;
        }
        self.last = row;
    }

    fn tell(&mut self, at: Boot, device: &str, families: &[Family; 3], facts: &mut Vec<Fact>) {
        let [bucket, sum, number] = families;
        for (latency, (name, done, _)) in self.operations.iter().zip(OPERATIONS) {
            // Disks that never discard or flush need no series of it; every disk reads and writes.
            if !matches!(name, "read" | "write") && self.last.get(done).is_none_or(|n| *n == 0) {
                continue;
            }
            let mut seen = 0;
            for (count, bound) in latency.counts.iter().zip(BOUNDS.iter().chain([&f64::INFINITY])) {
                seen += count;
                facts.push(Fact::ours(bucket.clone(), &[device, name, &le(*bound)], seen as f64));
            }
            facts.push(Fact::ours(sum.clone(), &[device, name], latency.millis / 1000.0));
            facts.push(Fact::ours(number.clone(), &[device, name], seen as f64));
        }
        let passed = at.since(self.told.0).as_secs_f64() * 1000.0;
        let mean = |column| millis(&self.last, &self.told.1, column).map(|millis| millis / passed);
        if passed > 0.0 {
            facts.extend(mean(BUSY_COLUMN).map(|busy| Fact::of(&BUSY, [device], busy.min(1.0))));
            facts.extend(mean(WAITING_COLUMN).map(|queue| Fact::of(&QUEUE, [device], queue)));
        }
        self.told = (at, self.last.clone());
    }
}

/// All disks.
pub struct Disks {
    machine: Machine,
    tick: Duration,
    readings: Readings,
    /// Those of the histogram's series.
    families: [Family; 3],
    disks: HashMap<String, Disk>,
    told: Option<Boot>,
}

pub fn open(machine: Machine, tick: Duration, kit: &mut Kit) -> Polled<Disks> {
    const WITH_BOUND: &[&str] = &["device", "operation", "le"];
    let part =
        |part: &str, labels| Family { name: format!("{}{part}", LATENCY.name).into(), labels, ..LATENCY.family() };
    let disks = Disks {
        machine,
        tick,
        readings: Readings::new(kit.shelf(), Hold::Read(tick)),
        families: [part("_bucket", WITH_BOUND), part("_sum", &LATENCY.labels), part("_count", &LATENCY.labels)],
        disks: HashMap::new(),
        told: None,
    };
    Polled::new("disks", Pace { every: EVERY.min(tick), limit: LIMIT }, kit.clock.clone(), disks)
}

impl Poll for Disks {
    type Seen = Result<Vec<(String, Row)>, Missed>;

    fn look(&mut self) -> Box<dyn FnOnce() -> Self::Seen + Send> {
        let machine = self.machine.clone();
        Box::new(move || rows(&machine))
    }

    fn fold(&mut self, taken: Window, seen: Self::Seen) -> Report {
        let (mut report, at) = (Report::new(taken), taken.to);
        let rows = match seen {
            Ok(rows) => rows,
            Err(missed) => {
                // That it cannot be read is told by the collector `diskstats`.
                self.disks.clear();
                self.readings.fold(&mut report, &[], missed.why());
                return report;
            }
        };
        self.disks.retain(|device, _| rows.iter().any(|(name, _)| name == device));
        for (device, row) in rows {
            match self.disks.get_mut(&device) {
                Some(disk) => disk.take(row),
                None => {
                    self.disks.insert(device, Disk::new(at, row));
                }
            }
        }
        // A beat may come a little early.
        let due = |told: Boot| at.since(told) + EVERY.min(self.tick) / 2 >= self.tick;
        if self.told.is_none_or(due) {
            self.told = Some(at);
            let mut facts = Vec::new();
            for (device, disk) in &mut self.disks {
                disk.tell(at, device, &self.families, &mut facts);
            }
            self.readings.fold(&mut report, &facts, NoData::NotPresent);
        }
        report
    }

    fn fallen(&mut self, report: &mut Report) {
        self.disks.clear();
        self.readings.fold(report, &[], NoData::Stale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads done and their milliseconds, milliseconds busy and weighted.
    fn row(reads: u64, millis: u64, busy: u64, weighted: u64) -> Row {
        let mut row = vec![0; 17];
        (row[0], row[3], row[BUSY_COLUMN], row[WAITING_COLUMN]) = (reads, millis, busy, weighted);
        row
    }

    fn told(disk: &mut Disk, seconds: u64) -> Vec<String> {
        let part = |part: &'static str| Family { name: part.into(), ..LATENCY.family() };
        let (families, mut facts) = ([part("bucket"), part("sum"), part("count")], Vec::new());
        disk.tell(Boot::from_secs(seconds), "sda", &families, &mut facts);
        let read = facts.iter().take(BOUNDS.len() + 3).chain(facts.iter().rev().take(2).rev());
        read.filter(|fact| fact.value > 0.0).map(|fact| format!("{} {}", fact.family.name, fact.value)).collect()
    }

    #[test]
    fn what_a_second_brought_counts_at_its_mean_and_columns_may_start_again() {
        let from = u64::from(u32::MAX) - 9;
        let mut disk = Disk::new(Boot::from_secs(0), row(100, from, from, from));
        // Four reads of 5 ms, while the columns of time start again.
        disk.take(row(104, 10, 490, 1990));
        // One of 3 s.
        disk.take(row(105, 3010, 990, 3990));
        assert_eq!(
            told(&mut disk, 2),
            [
                ["bucket 4"; 7].as_slice(),
                &["bucket 5", "sum 3.02", "count 5", "disk_utilisation_ratio 0.5", "disk_queue_length 2"]
            ]
            .concat()
        );
    }

    #[test]
    fn another_disk_under_the_old_name_counts_from_where_it_is() {
        let mut disk = Disk::new(Boot::from_secs(0), row(100, 50, 0, 0));
        disk.take(row(7, 3, 0, 0));
        disk.take(row(8, 4, 0, 0));
        assert_eq!(told(&mut disk, 2).last().map(String::as_str), Some("count 1"));
    }
}
