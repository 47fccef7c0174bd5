//! What the daemon itself uses, under the names that every Prometheus client library exports.

use crate::base::clock::{Clock, Dated};
use crate::metric::book::{Book, Hold, Series};
use crate::metric::desc::{Desc, Family, Unit};
use crate::metric::report::{NoData, Report};
use crate::world::service;
use std::cell::RefCell;

static MEMORY: Desc<0> = Desc::gauge("process_resident_memory_bytes", Unit::Bytes, [], "Resident memory of the daemon");
static CPU: Desc<0> =
    Desc::counter("process_cpu_seconds_total", Unit::Seconds, [], "User and system time of the daemon");
static FDS: Desc<0> = Desc::gauge("process_open_fds", Unit::Count, [], "Open file descriptors of the daemon");
static THREADS: Desc<0> = Desc::gauge("process_threads", Unit::Count, [], "Threads of the daemon");
static START: Desc<0> =
    Desc::gauge("process_start_time_seconds", Unit::Seconds, [], "Wall time at which the daemon was started");
static WRITTEN: Desc<0> = Desc::counter(
    "vedette_storage_written_bytes_total",
    Unit::Bytes,
    [],
    "Bytes that the daemon caused to be written to disks since its start: its share of the wear of flash",
);
pub static FAMILIES: &[Family] =
    &[MEMORY.family(), CPU.family(), FDS.family(), THREADS.family(), START.family(), WRITTEN.family()];

/// The daemon's own series.
pub struct Process {
    clock: Clock,
    memory: Series,
    cpu: Series,
    fds: Series,
    threads: Series,
    start: Series,
    written: Series,
    started: RefCell<Dated>,
}

impl Process {
    pub fn open(book: &Book, clock: Clock) -> Self {
        Process {
            clock,
            memory: book.open(&MEMORY, [], Hold::Own),
            cpu: book.open(&CPU, [], Hold::Own),
            fds: book.open(&FDS, [], Hold::Own),
            threads: book.open(&THREADS, [], Hold::Own),
            start: book.open(&START, [], Hold::Own),
            written: book.open(&WRITTEN, [], Hold::Own),
            started: RefCell::default(),
        }
    }

    /// Reads `/proc/self`, a few microseconds of memory, no disk.
    pub fn fill(&self, report: &mut Report) {
        let own = service::own().ok();
        let started = own.map(|o| self.started.borrow_mut().wall_of(&self.clock.now(), o.started).as_secs_f64());
        let why = NoData::Unsupported;
        report
            .maybe(self.memory, own.map(|o| o.resident as f64), why)
            .maybe(self.cpu, own.map(|o| o.cpu), why)
            .maybe(self.fds, own.map(|o| o.descriptors as f64), why)
            .maybe(self.threads, own.map(|o| o.threads as f64), why)
            .maybe(self.start, started, why)
            .maybe(self.written, own.and_then(|o| o.written).map(|bytes| bytes as f64), why);
    }
}
