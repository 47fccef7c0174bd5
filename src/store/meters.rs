//! How the store is doing, as series of our own.

use crate::base::clock::{Boot, Clock};
use crate::base::label::Label;
use crate::base::pulse::Pulse;
use crate::metric::book::{Book, Hold, Series};
use crate::metric::desc::{Desc, Family, Unit};
use crate::metric::report::{NoData, Report};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A thread that has not moved for this long waits for a disk that hangs: it moves twice a second, and a slow flush or
/// checkpoint on a worn card takes a few seconds.
const STILL: Duration = Duration::from_secs(10);

/// What can be healthy or not.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Database {
    Metrics,
    Events,
    Journal,
}

impl Label for Database {
    const ALL: &'static [Self] = &[Database::Metrics, Database::Events, Database::Journal];
    fn label(self) -> &'static str {
        match self {
            Database::Metrics => "metrics",
            Database::Events => "events",
            Database::Journal => "journal",
        }
    }
}

/// Why a message went before it was delivered.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Dropped {
    Bytes,
    Age,
}

impl Label for Dropped {
    const ALL: &'static [Self] = &[Dropped::Bytes, Dropped::Age];
    fn label(self) -> &'static str {
        match self {
            Dropped::Bytes => "bytes",
            Dropped::Age => "age",
        }
    }
}

static HEALTHY: Desc<1> = Desc::gauge(
    "vedette_store_healthy",
    Unit::Count,
    ["database"],
    "1 while what is to be kept reaches its file, 0 while it is kept in memory alone or its thread does not move",
);
static BYTES: Desc<0> = Desc::gauge(
    "vedette_store_bytes",
    Unit::Bytes,
    [],
    "Bytes in use in metrics.db, without pages free to be used again",
);
static FRAMES: Desc<0> = Desc::gauge("vedette_store_frames", Unit::Count, [], "Frames in metrics.db");
static SERIES: Desc<0> =
    Desc::gauge("vedette_store_series", Unit::Count, [], "Series known in metrics.db, open or gone");
static OLDEST: Desc<0> = Desc::gauge(
    "vedette_store_oldest_timestamp_seconds",
    Unit::Seconds,
    [],
    "Wall time of the oldest frame, as the clock said when it was taken",
);
static SAMPLES: Desc<0> =
    Desc::counter("vedette_store_samples_written_total", Unit::Count, [], "Samples committed to metrics.db");
static LOST: Desc<0> = Desc::counter(
    "vedette_store_samples_lost_total",
    Unit::Count,
    [],
    "Samples that never reached metrics.db: memory ran out while it could not be written, or a frame was full",
);
static SNAPSHOTS: Desc<0> = Desc::counter(
    "vedette_store_snapshots_dropped_total",
    Unit::Count,
    [],
    "Snapshots dropped because the writer was too far behind",
);
static FLUSH: Desc<0> =
    Desc::gauge("vedette_store_flush_seconds", Unit::Seconds, [], "How long the last commit to metrics.db took");
static WAITING: Desc<0> = Desc::gauge(
    "vedette_store_waiting_bytes",
    Unit::Bytes,
    [],
    "Bytes of frames that wait in memory because metrics.db cannot be written",
);
static SALVAGED: Desc<0> =
    Desc::counter("vedette_store_frames_salvaged_total", Unit::Count, [], "Frames copied out of a broken metrics.db");
static REPLACED: Desc<1> = Desc::counter(
    "vedette_store_files_set_aside_total",
    Unit::Count,
    ["database"],
    "Database files that were broken or of a newer version and were set aside",
);
static LOG: Desc<1> = Desc::gauge(
    "vedette_store_log_bytes",
    Unit::Bytes,
    ["database"],
    "Bytes of the write-ahead log beside the database: a program that reads the file and does not end lets it grow up to \
     64 MiB, and then nothing is written until it ends",
);
static ROWS: Desc<1> =
    Desc::gauge("vedette_outbox_messages", Unit::Count, ["broker"], "Messages that wait for this broker");
static ROW_BYTES: Desc<1> = Desc::gauge(
    "vedette_outbox_bytes",
    Unit::Bytes,
    ["broker"],
    "Bytes of topics and payloads that wait for this broker",
);
static DROPPED: Desc<2> = Desc::counter(
    "vedette_outbox_dropped_total",
    Unit::Count,
    ["broker", "reason"],
    "Event messages given up for this broker because the outbox was full or they grew too old",
);

/// Every family of the store.
pub static FAMILIES: &[Family] = &[
    HEALTHY.family(),
    BYTES.family(),
    FRAMES.family(),
    SERIES.family(),
    OLDEST.family(),
    SAMPLES.family(),
    LOST.family(),
    SNAPSHOTS.family(),
    FLUSH.family(),
    WAITING.family(),
    SALVAGED.family(),
    REPLACED.family(),
    LOG.family(),
    ROWS.family(),
    ROW_BYTES.family(),
    DROPPED.family(),
];

/// What waits for one sink, and what was given up for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Due {
    pub rows: u64,
    pub bytes: u64,
    pub dropped_bytes: u64,
    pub dropped_age: u64,
}

/// Kept by the threads, read by [`Meters`].
#[derive(Default)]
pub struct Tally {
    healthy: [AtomicBool; 3],
    /// Boot time in ns at which the thread of each database last moved.
    moved: [AtomicU64; 3],
    set_aside: [AtomicU64; 3],
    /// Bytes; -1 where they could not be read.
    log: [AtomicI64; 3],
    pub(super) bytes: AtomicU64,
    pub(super) frames: AtomicU64,
    pub(super) series: AtomicU64,
    /// Unix ms; 0 while there is none.
    pub(super) oldest: AtomicI64,
    pub(super) samples: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) flush_nanos: AtomicU64,
    pub(super) waiting: AtomicU64,
    pub(super) salvaged: AtomicU64,
    pub(super) snapshots: AtomicU64,
    pub(super) due: Mutex<BTreeMap<String, Due>>,
}

impl Tally {
    /// Returns what it was before.
    pub(super) fn set_healthy(&self, database: Database, healthy: bool) -> bool {
        self.healthy[database as usize].swap(healthy, Ordering::Relaxed)
    }
    pub fn healthy(&self, database: Database) -> bool {
        self.healthy[database as usize].load(Ordering::Relaxed)
    }
    /// Whether the thread of a database has not moved for [`STILL`].
    fn still(&self, database: Database, now: Boot) -> bool {
        now.since(Boot::from_nanos(self.moved[database as usize].load(Ordering::Relaxed))) > STILL
    }
    pub(super) fn set_log(&self, database: Database, bytes: std::io::Result<u64>) {
        let bytes = bytes.ok().and_then(|bytes| i64::try_from(bytes).ok());
        self.log[database as usize].store(bytes.unwrap_or(-1), Ordering::Relaxed);
    }
    fn log(&self, database: Database) -> Option<f64> {
        let bytes = self.log[database as usize].load(Ordering::Relaxed);
        (bytes >= 0).then_some(bytes as f64)
    }
    pub(super) fn replaced(&self, database: Database) {
        self.set_aside[database as usize].fetch_add(1, Ordering::Relaxed);
    }
    /// What waits for a sink, and what was given up for it since the start.
    pub fn due(&self, sink: &str) -> Due {
        self.due.lock().unwrap_or_else(|e| e.into_inner()).get(sink).copied().unwrap_or_default()
    }
}

/// That a thread of the store moves, said to the watchdog and to the tally.
pub(super) struct Life {
    pulse: Pulse,
    clock: Clock,
    tally: Arc<Tally>,
    databases: &'static [Database],
}

impl Life {
    /// Counts as moving from now on, so that opening its file may take a moment and no longer.
    pub fn begin(pulse: Pulse, clock: Clock, tally: Arc<Tally>, databases: &'static [Database]) -> Life {
        let life = Life { pulse, clock, tally, databases };
        life.stamp();
        life
    }
    pub fn beat(&self) {
        self.pulse.beat();
        self.stamp();
    }
    fn stamp(&self) {
        let now = self.clock.boot().as_nanos();
        for database in self.databases {
            self.tally.moved[*database as usize].store(now, Ordering::Relaxed);
        }
    }
}

/// What waits for one broker and what was given up for it, as series that come and go with the broker.
pub struct OutboxMeters {
    tally: Arc<Tally>,
    broker: String,
    rows: Series,
    bytes: Series,
    dropped_bytes: Series,
    dropped_age: Series,
}

impl OutboxMeters {
    pub fn open(book: &Book, tally: Arc<Tally>, broker: &str) -> Self {
        OutboxMeters {
            tally,
            broker: broker.to_owned(),
            rows: book.open(&ROWS, [broker], Hold::Own),
            bytes: book.open(&ROW_BYTES, [broker], Hold::Own),
            dropped_bytes: book.open(&DROPPED, [broker, Dropped::Bytes.label()], Hold::Own),
            dropped_age: book.open(&DROPPED, [broker, Dropped::Age.label()], Hold::Own),
        }
    }

    /// Puts the numbers of now into a report.
    pub fn fill(&self, report: &mut Report) {
        let due = self.tally.due(&self.broker);
        report
            .value(self.rows, due.rows as f64)
            .value(self.bytes, due.bytes as f64)
            .value(self.dropped_bytes, due.dropped_bytes as f64)
            .value(self.dropped_age, due.dropped_age as f64);
    }

    /// Takes the series off the page, when the broker is gone from the configuration.
    pub fn close(&self, book: &Book) {
        book.close(&[self.rows, self.bytes, self.dropped_bytes, self.dropped_age], &[]);
    }
}

/// A number of the tally, where there is one.
type Read = fn(&Tally) -> Option<f64>;

/// The open series.
pub struct Meters {
    tally: Arc<Tally>,
    healthy: Vec<(Database, Series, Series)>,
    /// The journal has no such log.
    logs: Vec<(Database, Series)>,
    plain: Vec<(Series, Read)>,
}

fn number(counter: &AtomicU64) -> Option<f64> {
    Some(counter.load(Ordering::Relaxed) as f64)
}

impl Meters {
    /// `tally` is that of the store. What brokers wait for is in [`OutboxMeters`].
    pub fn open(book: &Book, tally: Arc<Tally>) -> Meters {
        let plain = |desc, read: Read| (book.open::<0>(desc, [], Hold::Own), read);
        Meters {
            tally,
            healthy: Database::ALL
                .iter()
                .map(|d| {
                    let healthy = book.open(&HEALTHY, [d.label()], Hold::Own);
                    (*d, healthy, book.open(&REPLACED, [d.label()], Hold::Own))
                })
                .collect(),
            logs: [Database::Metrics, Database::Events].map(|d| (d, book.open(&LOG, [d.label()], Hold::Own))).into(),
            plain: vec![
                plain(&BYTES, |t| number(&t.bytes)),
                plain(&FRAMES, |t| number(&t.frames)),
                plain(&SERIES, |t| number(&t.series)),
                plain(&OLDEST, |t| {
                    let ms = t.oldest.load(Ordering::Relaxed);
                    (ms != 0).then_some(ms as f64 / 1000.0)
                }),
                plain(&SAMPLES, |t| number(&t.samples)),
                plain(&LOST, |t| number(&t.lost)),
                plain(&SNAPSHOTS, |t| number(&t.snapshots)),
                plain(&FLUSH, |t| {
                    let nanos = t.flush_nanos.load(Ordering::Relaxed);
                    (nanos != 0).then_some(nanos as f64 / 1e9)
                }),
                plain(&WAITING, |t| number(&t.waiting)),
                plain(&SALVAGED, |t| number(&t.salvaged)),
            ],
        }
    }

    /// Puts the numbers of now into a report.
    pub fn fill(&self, report: &mut Report) {
        for (database, healthy, replaced) in &self.healthy {
            let healthy_now = self.tally.healthy(*database) && !self.tally.still(*database, report.taken.to);
            report.value(*healthy, f64::from(u8::from(healthy_now)));
            report.maybe(*replaced, number(&self.tally.set_aside[*database as usize]), NoData::NotPresent);
        }
        for (database, series) in &self.logs {
            report.maybe(*series, self.tally.log(*database), NoData::NotPresent);
        }
        for (series, read) in &self.plain {
            report.maybe(*series, read(&self.tally), NoData::NotPresent);
        }
    }
}
