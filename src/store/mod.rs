//! Floor 3. What we remember. The only module that knows SQL.
//!
//! `metrics.db` holds every snapshot, a minute of them to a compressed frame; `events.db` holds what must survive a power
//! cut the moment it is decided: alarms, their log, and the messages that brokers still have to get. Each has one thread
//! that writes and checkpoints it. A file that cannot be written is replaced by memory until it can, and that is said.
//!
//! Reading back (`vedette export`, the refill of the rules) happens beside the writer and never blocks it: in WAL mode a
//! reader takes no lock that a writer needs, and [`Past`] reads each frame in a transaction of its own, so that the log can
//! be emptied between two of them. A foreign reader that never ends its transaction only lets the log grow, to 64 MiB;
//! then memory takes the place of the file until it ends.

mod bits;
mod dictionary;
mod events;
mod export;
mod file;
pub mod frame;
mod journal;
mod meters;
mod metrics;
mod pending;
mod read;
mod recall;
mod salvage;
mod settings;
mod writer;

pub use bits::Garbled;
pub use dictionary::Named;
pub use events::{Closed, Commit, Entry, Events, Left, Logged, Waiting};
pub use export::{ExportError, Summary, export};
pub use file::Trouble;
pub use meters::{Database, Due, FAMILIES, Meters, OutboxMeters, Tally};
pub use read::{Past, Place, ReadError, Span};
pub use recall::{Recalled, recall};
pub use settings::{SAMPLE, Settings};
pub use writer::Dirs;

use crate::base::clock::Clock;
use crate::base::pulse::Pulses;
use crate::metric::latest::Snapshot;
use meters::Life;
use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use writer::Writer;

/// Snapshots that wait for the writer at most: ten minutes at a tick of five seconds, longer than any checkpoint takes.
const QUEUE: usize = 128;
/// How long the writer sleeps at most when nothing comes; it must beat its pulse once a second.
const NAP: Duration = Duration::from_millis(500);

/// A thread of the store could not be started. Missing directories and broken, full or read-only files are no reason: the
/// store then works from memory and goes on trying.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the threads of the store")]
pub struct OpenError(#[source] std::io::Error);

#[derive(Default)]
struct Inbox {
    snapshots: VecDeque<Arc<Snapshot>>,
    closing: Option<oneshot::Sender<()>>,
    /// The store was let go of.
    over: bool,
    /// The writer thread has ended.
    gone: bool,
}

#[derive(Default)]
struct Shared {
    inbox: Mutex<Inbox>,
    ready: Condvar,
}

impl Shared {
    fn with<T>(&self, f: impl FnOnce(&mut Inbox) -> T) -> T {
        let made = f(&mut self.inbox.lock().unwrap_or_else(|e| e.into_inner()));
        self.ready.notify_one();
        made
    }
}

/// `metrics.db` behind its writer thread.
pub struct Store {
    shared: Arc<Shared>,
    tally: Arc<Tally>,
}

impl Store {
    /// Opens both databases, or makes them. `pulses` gets one pulse for each of the two threads.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(
        dirs: &Dirs,
        settings: Settings,
        clock: Clock,
        boot_id: Arc<str>,
        pulses: &Pulses,
    ) -> Result<(Store, Events), OpenError> {
        let (shared, tally) = (Arc::new(Shared::default()), Arc::new(Tally::default()));
        let events =
            Events::open(dirs, &settings, clock.clone(), boot_id.clone(), pulses.add_lesser("events"), tally.clone())
                .map_err(OpenError)?;
        let (dirs, pulse) = (dirs.clone(), pulses.add_lesser("store"));
        let life = Life::begin(pulse, clock.clone(), tally.clone(), &[Database::Metrics, Database::Journal]);
        std::thread::Builder::new()
            .name("store".into())
            .spawn({
                let (shared, tally) = (shared.clone(), tally.clone());
                move || work(shared, &life, || Writer::start(&dirs, settings, clock, boot_id, tally))
            })
            .map_err(OpenError)?;
        Ok((Store { shared, tally }, events))
    }

    /// Keeps a snapshot. Never waits: when the writer is far behind, the oldest that waits is dropped and counted.
    pub fn append(&self, snapshot: Arc<Snapshot>) {
        self.shared.with(|inbox| {
            if inbox.snapshots.len() >= QUEUE {
                inbox.snapshots.pop_front();
                self.tally.snapshots.fetch_add(1, Relaxed);
            }
            inbox.snapshots.push_back(snapshot);
        });
    }

    /// What [`Meters`] show.
    pub fn tally(&self) -> Arc<Tally> {
        self.tally.clone()
    }

    /// Writes out everything that was appended, empties the log and lets go of the file.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        self.shared.with(|inbox| inbox.closing = (!inbox.gone).then_some(done));
        // An error means that the writer is gone already.
        let _gone = closed.await;
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.shared.with(|inbox| inbox.over = true);
    }
}

/// Says that the writer thread has ended, in order or not, so that nobody waits for it.
struct Leave(Arc<Shared>);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.with(|inbox| {
            inbox.gone = true;
            inbox.closing = None;
        });
    }
}

/// The writer thread.
fn work(shared: Arc<Shared>, life: &Life, start: impl FnOnce() -> Writer) {
    let leave = Leave(shared);
    let shared = &leave.0;
    let mut writer = start();
    let mut busy = false;
    loop {
        life.beat();
        let (snapshots, closing, over) = {
            let inbox = shared.inbox.lock().unwrap_or_else(|e| e.into_inner());
            let idle = |inbox: &mut Inbox| inbox.snapshots.is_empty() && inbox.closing.is_none() && !inbox.over;
            let waited = shared.ready.wait_timeout_while(inbox, if busy { Duration::ZERO } else { NAP }, idle);
            let (mut inbox, _) = waited.unwrap_or_else(|e| e.into_inner());
            (std::mem::take(&mut inbox.snapshots), inbox.closing.take(), inbox.over)
        };
        for snapshot in snapshots {
            writer.take(&snapshot);
            life.beat();
        }
        busy = writer.tend();
        if closing.is_some() || over {
            writer.close();
            if let Some(done) = closing {
                // Who asked may have given up waiting.
                let _gone = done.send(());
            }
            return;
        }
    }
}

#[cfg(test)]
mod tests;
