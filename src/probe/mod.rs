//! Floor 3. What we look at: one folder per probe, and the table of them.
//!
//! A probe is a [`Session`]: it runs until it breaks and is restarted by the keeper with jittered back-off. (The second
//! shape, asked on a clock on its own thread under a deadline, comes with the first probe that reads the node itself.)
//! The keeper reports a probe's health; the probe never does.

pub mod camera;
pub mod uplink;

use crate::base::clock::Clock;
use crate::base::quit::Quit;
use crate::base::ring::Ring;
use crate::base::settings::Table;
use crate::metric::book::{Book, Hold, Series, Slot};
use crate::metric::desc::{Desc, Family};
use crate::metric::ledger::Ledger;
use crate::metric::report::{NoData, Report};
use crate::metric::roster::{Camera, Roster};
use crate::world::World;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A row of the table: one kind of probe.
pub struct Kind {
    /// Folder name and first half of target ids.
    pub name: &'static str,
    /// One line for documents.
    pub about: &'static str,
    /// The key of its tables in the configuration, `[[key]]`.
    pub key: &'static str,
    /// Its `sample.toml`, printed into `config/full.toml`.
    pub sample: &'static str,
    /// Every family it can export.
    pub families: &'static [Family],
    /// Its `rules.yml`, shipped as a Prometheus rule file.
    pub rules: &'static str,
    /// Reads one `[[key]]` table. Mistakes are collected by the table; `None` when it cannot be used.
    pub read: fn(&Table<'_>) -> Option<Target>,
}

/// All probes. A new one is a folder and a line here.
pub static KINDS: &[&Kind] = &[&camera::KIND, &uplink::KIND];

/// Makes a session and opens its series.
pub type Open = Box<dyn FnOnce(&mut Kit) -> Box<dyn Session> + Send>;

/// One configured thing to watch.
pub struct Target {
    /// `[A-Za-z0-9_-]{1,64}`, unique within its kind.
    pub id: String,
    /// The settings as text, without secrets: a reload restarts the target when this changes.
    pub settings: String,
    /// Secret files it will read; a reload restarts the target when their content changed.
    pub secrets: Vec<std::path::PathBuf>,
    /// What other probes must know of it.
    pub roster: Option<Camera>,
    /// Makes the work. Called once, after the whole configuration was found valid.
    pub open: Open,
}

/// What a probe gets to work with. Series opened through it are closed when the target goes.
pub struct Kit {
    pub world: World,
    pub clock: Clock,
    pub roster: Roster,
    pub ledger: Ledger,
    book: Book,
    opened: Vec<Series>,
    slots: Vec<Slot>,
}

impl Kit {
    pub fn new(world: World, book: Book, roster: Roster, ledger: Ledger) -> Self {
        Kit { clock: world.clock.clone(), world, roster, ledger, book, opened: Vec::new(), slots: Vec::new() }
    }
    /// A series whose source we are: counters we count, state we hold. Stands until changed or withdrawn.
    pub fn own<const L: usize>(&mut self, desc: &'static Desc<L>, values: [&str; L]) -> Series {
        self.open(desc, values, Hold::Own)
    }
    /// A series read from elsewhere every `cadence`; vanishes after 2.5 of them without a reading.
    pub fn read<const L: usize>(&mut self, desc: &'static Desc<L>, values: [&str; L], cadence: Duration) -> Series {
        self.open(desc, values, Hold::Read(cadence))
    }
    /// An info series: `fixed` are its first labels, the others come with each reading.
    pub fn info<const L: usize>(&mut self, desc: &'static Desc<L>, fixed: &[&str]) -> Slot {
        let slot = self.book.open_slot(desc, fixed);
        self.slots.push(slot);
        slot
    }
    fn open<const L: usize>(&mut self, desc: &'static Desc<L>, values: [&str; L], hold: Hold) -> Series {
        let series = self.book.open(desc, values, hold);
        self.opened.push(series);
        series
    }
    /// Closes everything that was opened through this kit.
    pub fn close(self) {
        self.book.close(&self.opened, &self.slots);
    }
}

/// Where reports go. Never waits; when the hub is behind, the oldest report is dropped and counted.
#[derive(Clone)]
pub struct Tap(Ring<Report>);

impl Tap {
    pub fn new(ring: Ring<Report>) -> Self {
        Tap(ring)
    }
    pub fn send(&self, report: Report) {
        if !report.is_empty() {
            self.0.push(report);
        }
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
