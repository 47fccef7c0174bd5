//! `events.db`: what must survive a power cut the moment it is decided.
//!
//! One thread has the file; whoever commits waits until it is on disk. Commits that wait together share one transaction
//! and one flush of the disk.
//!
//! Brokers get what is on disk, or in the memory that stands in for a disk that fails: a message is delivered after its
//! commit, so that a crash cannot make us forget what we told. A disk that neither writes nor fails keeps both commits
//! and reads waiting: the page and the rules go on, but alarms reach no broker until the disk moves or fails. That is
//! shown as `vedette_store_healthy{database="events"} == 0`, and told by whoever scrapes the page. At the start it is the
//! same: who asks for what is on file may give up, and is told by [`Events::returned`] when the file could be read.

mod refuge;
mod tables;
mod thread;

use crate::base::clock::{Clock, Wall};
use crate::base::pulse::Pulse;
use crate::metric::alarm::{Alarm, Message, Stamp, Transition};
use crate::store::meters::{Database, Life, Tally};
use crate::store::settings::Settings;
use crate::store::writer::Dirs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

/// Requests that wait for the thread at most; who asks more waits in turn.
const QUEUE: usize = 256;

/// The thread that has `events.db` is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the event store is closed")]
pub struct Closed;

/// What is decided together and kept together, or not at all.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Commit {
    /// As they are now; a resolved one is forgotten.
    pub alarms: Vec<Alarm>,
    /// For the event log.
    pub transitions: Vec<Transition>,
    /// For the event log as well: what is no alarm.
    pub notes: Vec<Entry>,
    /// What targets remember from now on, or that they forget.
    pub memory: Vec<(Arc<str>, Option<String>)>,
    /// For every configured sink.
    pub messages: Vec<Message>,
}

/// An entry of the event log that is told as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub at: Wall,
    /// The JSON that subscribers read.
    pub text: String,
}

/// What the event log holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Logged {
    Alarm(Box<Transition>),
    Note(Entry),
}

/// A message that a sink has not delivered yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// Grows with every message; never used again.
    pub id: u64,
    pub message: Message,
    pub created: Stamp,
}

/// Numbers that only grow, over restarts too: outbox rows and whoever calls [`Events::reserve`] draw from the same.
struct Sequence {
    /// The last number that was given; 0 while the file was not read and nobody drew one.
    last: AtomicU64,
    clock: Clock,
}

impl Sequence {
    /// Where nobody can say yet which numbers were given, those above the milliseconds since 1970 surely were not: a box
    /// that gave one a millisecond all its life would not have come so far.
    fn next(&self) -> u64 {
        if self.last() == 0 {
            self.at_least(u64::try_from(self.clock.now().wall.as_millis()).unwrap_or(1));
        }
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }
    fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }
    fn at_least(&self, n: u64) {
        self.last.fetch_max(n, Ordering::Relaxed);
    }
}

/// What an earlier process left.
#[derive(Debug, Default)]
pub struct Left {
    /// Pending and firing alarms as they were last committed.
    pub alarms: Vec<Alarm>,
    /// As [`Events::states`] has them.
    pub states: Vec<Message>,
    /// What every target remembers, by target.
    pub memories: Vec<(String, String)>,
}

/// What the thread is asked.
enum Ask {
    Commit(Commit, oneshot::Sender<()>),
    Done(String, Vec<u64>, oneshot::Sender<()>),
    Sinks(Vec<String>, oneshot::Sender<()>),
    Waiting { sink: String, after: u64, most: usize, reply: oneshot::Sender<Vec<Waiting>> },
    States(oneshot::Sender<Vec<Message>>),
    Log { most: usize, reply: oneshot::Sender<Vec<Logged>> },
    Left(oneshot::Sender<Left>),
    Close(oneshot::Sender<()>),
}

/// The handle; clones are the same store.
#[derive(Clone)]
pub struct Events {
    asks: mpsc::Sender<(Ask, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
    sequence: Arc<Sequence>,
    newest: watch::Receiver<u64>,
    returned: watch::Receiver<u64>,
    tally: Arc<Tally>,
}

impl Events {
    /// Returns at once: the file is opened on its thread, which a disk that hangs holds up, and nobody else.
    pub(super) fn open(
        dirs: &Dirs,
        settings: &Settings,
        clock: Clock,
        boot_id: Arc<str>,
        pulse: Pulse,
        tally: Arc<Tally>,
    ) -> std::io::Result<Events> {
        let (asks, inbox) = mpsc::channel();
        let (tell_newest, newest) = watch::channel(0);
        let (tell_returned, returned) = watch::channel(0);
        let news = thread::News { newest: tell_newest, returned: tell_returned };
        let sequence = Arc::new(Sequence { last: AtomicU64::new(0), clock: clock.clone() });
        let life = Life::begin(pulse, clock.clone(), tally.clone(), &[Database::Events]);
        tally.set_healthy(Database::Events, true);
        std::thread::Builder::new().name("events".into()).spawn({
            let (path, settings, sequence, tally) = (dirs.events(), settings.clone(), sequence.clone(), tally.clone());
            move || {
                thread::work(thread::Keeper::open(path, settings, clock, boot_id, sequence, tally, news), &inbox, &life)
            }
        })?;
        Ok(Events { asks, room: Arc::new(Semaphore::new(QUEUE)), sequence, newest, returned, tally })
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, Closed> {
        let (reply, answer) = oneshot::channel();
        let permit = self.room.clone().acquire_owned().await.map_err(|_| Closed)?;
        self.asks.send((ask(reply), permit)).map_err(|_| Closed)?;
        answer.await.map_err(|_| Closed)
    }

    /// Keeps everything in `commit` in one transaction and returns when it is on disk, or in memory while the disk
    /// cannot be written (`vedette_store_healthy{database="events"}` is 0 then).
    ///
    /// A [`Fate::State`](crate::metric::alarm::Fate) message takes the place of one that still waits under its topic.
    ///
    /// # Errors
    /// Only after [`Events::close`].
    pub async fn commit(&self, commit: Commit) -> Result<(), Closed> {
        self.ask(|reply| Ask::Commit(commit, reply)).await
    }

    /// All that an earlier process left, as of one moment.
    pub async fn left(&self) -> Left {
        self.ask(Ask::Left).await.unwrap_or_default()
    }

    /// Names the configured sinks; call it before the first commit, since a message is kept for the sinks of its time.
    /// A sink that is new gets everything that still waits for others, and finds the rest in [`Events::states`]; what
    /// waited for one that is no longer named goes.
    pub async fn sinks(&self, names: &[String]) {
        let _closed = self.ask(|reply| Ask::Sinks(names.to_vec(), reply)).await;
    }

    /// Messages that wait for `sink` with an id above `after`, oldest first, at most `most`.
    pub async fn waiting(&self, sink: &str, after: u64, most: usize) -> Vec<Waiting> {
        let sink = sink.to_owned();
        self.ask(|reply| Ask::Waiting { sink, after, most, reply }).await.unwrap_or_default()
    }

    /// `sink` delivered this message; on disk when it returns. Unknown ids are fine: a newer state took its place.
    pub async fn done(&self, sink: &str, id: u64) {
        self.done_all(sink, vec![id]).await;
    }

    /// [`Events::done`] for many.
    pub async fn done_all(&self, sink: &str, ids: Vec<u64>) {
        let sink = sink.to_owned();
        let _closed = self.ask(|reply| Ask::Done(sink, ids, reply)).await;
    }

    /// The last state message of every topic that was not cleared, delivered or not, by topic: all that a broker must
    /// hold after it lost everything, or when it is new.
    pub async fn states(&self) -> Vec<Message> {
        self.ask(Ask::States).await.unwrap_or_default()
    }

    /// The newest entries of the event log, newest first.
    pub async fn log(&self, most: usize) -> Vec<Logged> {
        self.ask(|reply| Ask::Log { most, reply }).await.unwrap_or_default()
    }

    /// A number that was never given before and never will be again, larger than all given so far. A crash leaves holes.
    pub fn reserve(&self) -> u64 {
        self.sequence.next()
    }

    /// Id of the newest message; changes when messages arrive.
    pub fn newest(&self) -> watch::Receiver<u64> {
        self.newest.clone()
    }

    /// How often [`Events::left`] was asked for and not told: the file could not be read in whole, or who asked gave up
    /// waiting. Whenever it changes, ask again, or those alarms are never resolved and those states never cleared.
    pub fn returned(&self) -> watch::Receiver<u64> {
        self.returned.clone()
    }

    /// What [`OutboxMeters`](crate::store::OutboxMeters) show.
    pub fn tally(&self) -> Arc<Tally> {
        self.tally.clone()
    }

    /// Finishes what was asked before, empties the log and lets go of the file.
    pub async fn close(&self) {
        let _closed = self.ask(Ask::Close).await;
    }
}
