//! Floor 3. What we look at: one folder per probe, and the table of them.
//!
//! A probe has one of two shapes. A [`Session`] runs until it breaks and is restarted by the keeper with jittered
//! back-off; a [`poll::Poll`] is asked on a clock, on its own thread, under a deadline. The keeper reports a probe's
//! health; the probe never does.

pub mod camera;
mod declared;
pub mod disk;
pub mod encoder;
pub mod gpu;
pub mod nic;
pub mod node;
pub mod playlist;
pub mod poll;
pub mod recording;
pub mod resource;
pub mod scrape;
pub mod stream;
pub mod uplink;
pub mod volume;

use crate::base::clock::Clock;
use crate::base::quit::Quit;
use crate::base::ring::Ring;
use crate::base::settings::Table;
use crate::metric::book::{Book, Hold, Series, Slot};
use crate::metric::cues::Cues;
use crate::metric::desc::{Desc, Family};
use crate::metric::histogram::Histogram;
use crate::metric::ledger::Ledger;
use crate::metric::memory::Memory;
use crate::metric::panel::Panel;
use crate::metric::report::{NoData, Report};
use crate::metric::roster::{Camera, Roster};
use crate::metric::shelf::Shelf;
use crate::world::World;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A row of the table: one kind of probe.
pub struct Kind {
    /// Folder name and first half of target ids.
    pub name: &'static str,
    /// One line for documents.
    pub about: &'static str,
    /// The key of its tables in the configuration, `[[key]]`; empty for one that needs none, see [`node::targets`].
    pub key: &'static str,
    /// Its `sample.toml`, printed into `config/full.toml`.
    pub sample: &'static str,
    /// Every family it can export.
    pub families: &'static [Family],
    /// Its `rules.yml`, shipped as a Prometheus rule file.
    pub rules: &'static str,
    /// What the dashboard shows of it.
    pub panels: &'static [Panel],
    /// Reads one `[[key]]` table. Mistakes are collected by the table; `None` when it cannot be used.
    pub read: fn(&Table<'_>) -> Option<Target>,
}

/// All probes. A new one is a folder and a line here.
pub static KINDS: &[&Kind] = &[
    &camera::KIND,
    &disk::KIND,
    &encoder::KIND,
    &gpu::KIND,
    &nic::KIND,
    &node::KIND,
    &playlist::KIND,
    &recording::KIND,
    &scrape::KIND,
    &stream::KIND,
    &uplink::KIND,
    &volume::KIND,
];

/// Makes a session and opens its series.
pub type Open = Box<dyn FnOnce(&mut Kit) -> Box<dyn Session> + Send>;

/// One configured thing to watch.
pub struct Target {
    /// `[A-Za-z0-9_-]{1,64}`, or the name of an interface; unique within its kind.
    pub id: String,
    /// The settings as text, without secrets: a reload restarts the target when this changes.
    pub settings: String,
    /// Secret files it will read; a reload restarts the target when their content changed.
    pub secrets: Vec<std::path::PathBuf>,
    /// What other probes must know of it.
    pub roster: Option<Camera>,
    /// Names of series that it may bring beside the families of its kind, for rules; a `*` at the end stands for anything.
    pub learns: Vec<String>,
    /// Makes the work. Called once, after the whole configuration was found valid.
    pub open: Open,
}

/// What a probe gets to work with. Series opened through it are closed when the target goes.
pub struct Kit {
    pub world: World,
    pub clock: Clock,
    pub roster: Roster,
    pub ledger: Ledger,
    pub cues: Cues,
    book: Book,
    remembered: Option<String>,
    opened: Vec<Series>,
    slots: Vec<Slot>,
    shelf: Shelf,
}

impl Kit {
    pub fn new(world: World, book: Book, roster: Roster, ledger: Ledger) -> Self {
        let (clock, cues) = (world.clock.clone(), roster.cues().clone());
        let shelf = Shelf::new(book.clone());
        let (opened, slots) = (Vec::new(), Vec::new());
        Kit { clock, world, roster, ledger, cues, book, remembered: None, opened, slots, shelf }
    }
    /// Says what the target remembered last: see [`Report::remember`].
    pub fn remind(&mut self, text: Option<String>) {
        self.remembered = text;
    }
    /// What this target said with [`Report::remember`] before it was opened again, perhaps by an older version: to be
    /// read with care.
    pub fn remembered(&self) -> Option<&str> {
        self.remembered.as_deref()
    }
    /// A series whose source we are: counters we count, state we hold. Stands until changed or withdrawn.
    pub fn own<const L: usize>(&mut self, desc: &'static Desc<L>, values: [&str; L]) -> Series {
        self.open(desc, values, Hold::Own)
    }
    /// A series read from elsewhere every `cadence`; vanishes after 2.5 of them without a reading.
    pub fn read<const L: usize>(&mut self, desc: &'static Desc<L>, values: [&str; L], cadence: Duration) -> Series {
        self.open(desc, values, Hold::Read(cadence))
    }
    /// An info series whose source we are: `fixed` are its first labels, the others are said when they change.
    pub fn info<const L: usize>(&mut self, desc: &'static Desc<L>, fixed: &[&str]) -> Slot {
        self.open_slot(desc, fixed, Hold::Own)
    }
    /// The same read from elsewhere every `cadence`; vanishes after 2.5 of them without a reading.
    pub fn read_info<const L: usize>(&mut self, desc: &'static Desc<L>, fixed: &[&str], cadence: Duration) -> Slot {
        self.open_slot(desc, fixed, Hold::Read(cadence))
    }
    /// A histogram whose counts we hold; `values` are its labels without `le`.
    pub fn histogram<const L: usize>(&mut self, desc: &'static Desc<L>, values: [&str; L]) -> Histogram {
        let (histogram, series) = self.book.open_histogram(desc, values);
        self.opened.extend(series);
        histogram
    }
    /// Where series go that are not known before they come.
    pub fn shelf(&self) -> Shelf {
        self.shelf.clone()
    }
    fn open<const L: usize>(&mut self, desc: &'static Desc<L>, values: [&str; L], hold: Hold) -> Series {
        let series = self.book.open(desc, values, hold);
        self.opened.push(series);
        series
    }
    fn open_slot<const L: usize>(&mut self, desc: &'static Desc<L>, fixed: &[&str], hold: Hold) -> Slot {
        let slot = self.book.open_slot(desc, fixed, hold);
        self.slots.push(slot);
        slot
    }
    /// Closes everything that was opened through this kit.
    pub fn close(self) {
        self.book.close(&self.opened, &self.slots);
        self.shelf.clear();
    }
}

/// Where reports go. Never waits; when the hub is behind, the oldest report is dropped and counted.
#[derive(Clone)]
pub struct Tap {
    ring: Ring<Report>,
    memory: Memory,
    source: Option<Arc<str>>,
}

impl Tap {
    pub fn new(ring: Ring<Report>, memory: Memory) -> Self {
        Tap { ring, memory, source: None }
    }
    /// The same for one target, `<probe>/<id>`.
    pub fn of(&self, source: Arc<str>) -> Self {
        Tap { source: Some(source), ..self.clone() }
    }
    pub fn memory(&self) -> &Memory {
        &self.memory
    }
    pub fn send(&self, mut report: Report) {
        if report.is_empty() {
            return;
        }
        report.source.clone_from(&self.source);
        // At once, not when the hub gets to it: a reload may open the target again before.
        if let (Some(source), Some(text)) = (&self.source, &report.memory) {
            self.memory.set(source, text.clone());
        }
        self.ring.push(report);
    }
}

/// Why a probe did not get what it went for: `why` becomes a label, the source goes to the log.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Failed {
    pub why: NoData,
    /// What we were doing, without secrets.
    pub what: String,
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
    /// How patient to be before the next try.
    pub patience: Patience,
}

/// How long the keeper waits before it starts a session again.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Patience {
    /// 1 to 30 s, doubling.
    Short,
    /// 60 to 600 s, doubling: the other side locks accounts or is out of sessions (401, 403, 453).
    Long,
}

pub type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Failed>> + Send + 'a>>;

pub trait Session: Send {
    /// Runs until it breaks (`Err`) or is asked to stop (`Ok`). Called again after a back-off; counts survive in `self`.
    /// `tap` takes what it sees; after `quit` it has 2 s to say good-bye.
    fn run<'a>(&'a mut self, tap: &'a Tap, quit: &'a Quit) -> Running<'a>;
    /// `run` panicked and a long back-off follows: what it last told no longer stands and is taken back here.
    fn fallen(&mut self, tap: &Tap);
}
