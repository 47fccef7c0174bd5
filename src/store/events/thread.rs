//! The one thread that has `events.db`, and what it does when the file fails: memory takes its place, seeded with all
//! that can be read, until a try to write it all back succeeds.

use crate::base::backoff::Backoff;
use crate::base::clock::{Boot, Clock};
use crate::base::fault::chain;
use crate::metric::alarm::Stamp;
use crate::store::events::{Ask, Sequence, refuge, tables};
use crate::store::file::{self, Trouble};
use crate::store::meters::{Database, Dropped, Life, Tally};
use crate::store::settings::Settings;
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

/// How long the thread sleeps at most when nothing is asked; it must beat its pulse once a second.
const NAP: Duration = Duration::from_millis(500);
/// Requests that share one transaction at most.
const TOGETHER: usize = 64;
/// How often ages are looked at.
const TIDY: Duration = Duration::from_secs(60);
/// Between attempts to go back from memory to the file.
const RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// Room in the file besides the outbox: states, alarms and the log.
const ROOM: u64 = 256 << 20;

/// What is told to whoever listens.
pub struct News {
    /// See [`super::Events::newest`].
    pub newest: watch::Sender<u64>,
    /// See [`super::Events::returned`].
    pub returned: watch::Sender<u64>,
}

pub struct Keeper {
    settings: Settings,
    path: PathBuf,
    clock: Clock,
    boot_id: Arc<str>,
    sequence: Arc<Sequence>,
    tally: Arc<Tally>,
    news: News,
    connection: Connection,
    in_memory: bool,
    /// Memory holds all that the file does; else the file has what memory does not know.
    whole: bool,
    /// As they were last named; `None` while nobody has, and the file could not be asked.
    sinks: Option<Vec<String>>,
    /// Why the file must not be used again, if it must not.
    broken: Option<Trouble>,
    /// The sequence is marked as given up to here.
    marked: u64,
    retry: Backoff,
    retry_at: Boot,
    tidy_at: Boot,
}

type Reply = oneshot::Sender<()>;

/// Something to be written, and who waits for it.
struct Write {
    what: What,
    reply: Reply,
}

enum What {
    Commit { commit: super::Commit, ids: Vec<u64>, at: Stamp },
    Done(String, Vec<u64>),
    Sinks(Vec<String>),
}

impl Keeper {
    pub fn open(
        path: PathBuf,
        settings: Settings,
        clock: Clock,
        boot_id: Arc<str>,
        sequence: Arc<Sequence>,
        tally: Arc<Tally>,
        news: News,
    ) -> Keeper {
        let now = clock.boot();
        let memory = file::in_memory(&tables::LAYOUT).expect("an empty database takes a few pages of memory");
        let mut keeper = Keeper {
            settings,
            path,
            clock,
            boot_id,
            sequence,
            tally,
            news,
            connection: memory,
            in_memory: true,
            whole: false,
            sinks: None,
            broken: None,
            marked: 0,
            retry: Backoff::new(RETRY.0, RETRY.1, 2),
            retry_at: now,
            tidy_at: now,
        };
        match keeper.open_file() {
            Ok(connection) => {
                keeper.connection = connection;
                (keeper.in_memory, keeper.whole) = (false, true);
                keeper.sinks = tables::sink_names(&keeper.connection).ok();
                match tables::marked(&keeper.connection) {
                    // A new file has given none, and that is known.
                    Ok(marked) => keeper.sequence.at_least(marked.max(1)),
                    Err(trouble) => keeper.fall_back(trouble),
                }
            }
            Err(trouble) => keeper.fall_back(trouble),
        }
        keeper.count();
        keeper
    }

    fn most(&self) -> u64 {
        self.settings.outbox_bytes * 4 + ROOM
    }

    /// Opens the file; one that is broken or newer is set aside and an empty one made.
    fn open_file(&self) -> Result<Connection, Trouble> {
        match file::open(&self.path, &tables::LAYOUT, self.most()) {
            Err(why @ (Trouble::Broken(_) | Trouble::Newer(_))) => self.replace(&why),
            opened => opened,
        }
    }

    fn replace(&self, why: &Trouble) -> Result<Connection, Trouble> {
        file::set_aside(&self.path, why, self.clock.now().wall)?;
        self.tally.replaced(Database::Events);
        file::open(&self.path, &tables::LAYOUT, self.most())
    }

    /// Goes on in memory with all that can still be read.
    fn fall_back(&mut self, why: Trouble) {
        self.retry_at = self.clock.boot().plus(self.retry.next_wait());
        if self.tally.set_healthy(Database::Events, false) {
            tracing::error!(file = %self.path.display(), error = %chain(&why), "events are kept in memory only");
        }
        if !self.in_memory
            && let Ok(mut memory) = file::in_memory(&tables::LAYOUT)
        {
            self.whole = refuge::take(&self.connection, &mut memory, self.sinks.as_deref()).unwrap_or_else(|trouble| {
                tracing::error!(error = %chain(&trouble), "no events could be taken into memory");
                false
            });
            if !self.whole {
                tracing::error!("not all events on file could be read; the rest waits there");
            }
            self.connection = memory;
            self.in_memory = true;
        }
        self.broken = Some(why).filter(|why| matches!(why, Trouble::Broken(_)));
    }

    /// Writes all that memory holds back to the file and works there again.
    fn return_to_file(&mut self) {
        match self.try_return() {
            Ok(connection) => {
                self.connection = connection;
                let unread = !self.whole;
                (self.in_memory, self.whole) = (false, true);
                if unread {
                    self.news.returned.send_modify(|times| *times += 1);
                }
                self.retry.reset();
                self.tally.set_healthy(Database::Events, true);
                tracing::info!(file = %self.path.display(), "events are written to disk again");
            }
            Err(trouble) => self.fall_back(trouble),
        }
    }

    fn try_return(&mut self) -> Result<Connection, Trouble> {
        let fresh = self.broken.is_some() || !self.path.exists();
        let mut file = match self.broken.take() {
            Some(why) => self.replace(&why)?,
            None => self.open_file()?,
        };
        if self.whole || fresh {
            refuge::copy(&self.connection, &mut file)?;
        } else {
            refuge::merge(&self.connection, &mut file, self.sinks.is_some())?;
            self.sequence.at_least(tables::marked(&file)?);
        }
        self.marked = tables::mark(&file, self.sequence.last())?;
        Ok(file)
    }

    /// Writes everything in one transaction, and to memory where the file fails; then answers.
    fn write(&mut self, writes: Vec<Write>) {
        if writes.is_empty() {
            return;
        }
        if let Err(trouble) = self.try_write(&writes) {
            self.fall_back(trouble);
            if let Err(trouble) = self.try_write(&writes) {
                tracing::error!(error = %chain(&trouble), "events could not be kept, not even in memory");
            }
        }
        let newest =
            writes.iter().filter_map(|w| if let What::Commit { ids, .. } = &w.what { ids.last() } else { None });
        if let Some(newest) = newest.max() {
            self.news.newest.send_replace(*newest);
        }
        self.count();
        for write in writes {
            // Who asked may have given up waiting.
            let _gone = write.reply.send(());
        }
    }

    fn try_write(&mut self, writes: &[Write]) -> Result<(), Trouble> {
        if !self.in_memory {
            file::bound_log(&self.connection, &self.path)?;
        }
        let (now, last) = (self.clock.now(), self.sequence.last());
        let transaction = self.connection.transaction()?;
        let mut grown = false;
        for write in writes {
            match &write.what {
                What::Commit { commit, ids, at } => {
                    tables::commit(&transaction, commit, ids, at)?;
                    grown |= !ids.is_empty();
                }
                What::Done(sink, ids) => tables::done(&transaction, sink, ids)?,
                What::Sinks(names) => tables::sinks(&transaction, names)?,
            }
        }
        let mut dropped = Vec::new();
        if grown || now.boot >= self.tidy_at {
            let Settings { outbox_bytes, outbox_age, .. } = self.settings;
            for sink in tables::sink_names(&transaction)? {
                let went = tables::bound(&transaction, &sink, outbox_bytes, outbox_age, &now, &self.boot_id)?;
                dropped.push((sink, went));
            }
        }
        let marked = if last >= self.marked { tables::mark(&transaction, last)? } else { self.marked };
        transaction.commit()?;
        self.marked = marked;
        self.count_dropped(dropped);
        Ok(())
    }

    fn count_dropped(&self, dropped: Vec<(String, Vec<(Dropped, u64)>)>) {
        let mut due = self.tally.due.lock().unwrap_or_else(|e| e.into_inner());
        for (sink, (why, count)) in
            dropped.into_iter().flat_map(|(sink, went)| went.into_iter().map(move |w| (sink.clone(), w)))
        {
            let due = due.entry(sink).or_default();
            match why {
                Dropped::Bytes => due.dropped_bytes += count,
                Dropped::Age => due.dropped_age += count,
            }
        }
    }

    /// Tells the tally what waits, and has it forget sinks that are gone.
    fn count(&self) {
        self.tally.set_log(Database::Events, file::log_bytes(&self.path));
        let Ok(names) = tables::sink_names(&self.connection) else { return };
        let mut due = self.tally.due.lock().unwrap_or_else(|e| e.into_inner());
        due.retain(|name, _| names.contains(name));
        for name in names {
            if let Ok((rows, bytes)) = tables::load(&self.connection, &name) {
                let due = due.entry(name).or_default();
                (due.rows, due.bytes) = (rows, bytes);
            }
        }
    }

    /// Ages, and the way back to the file.
    fn tend(&mut self) {
        let now = self.clock.now();
        if self.in_memory && now.boot >= self.retry_at {
            self.return_to_file();
        }
        if now.boot < self.tidy_at {
            return;
        }
        let log = if now.trusted {
            tables::trim_log(&self.connection, now.wall.minus(self.settings.events_age))
        } else {
            Ok(())
        };
        if let Err(trouble) = log.and_then(|()| self.try_write(&[])) {
            self.fall_back(trouble);
        }
        self.tidy_at = now.boot.plus(TIDY);
        self.count();
    }

    fn stamp(&self) -> Stamp {
        let now = self.clock.now();
        Stamp { wall: now.wall, boot: now.boot, boot_id: self.boot_id.clone(), trusted: now.trusted }
    }

    /// Takes what is to be written; answers what is only to be read. `None`: to be closed.
    fn take(&mut self, ask: Ask, writes: &mut Vec<Write>) -> Option<Reply> {
        let (what, reply) = match ask {
            Ask::Commit(commit, reply) => {
                let ids = commit.messages.iter().map(|_| self.sequence.next()).collect();
                (What::Commit { commit, ids, at: self.stamp() }, reply)
            }
            Ask::Done(sink, ids, reply) => (What::Done(sink, ids), reply),
            Ask::Sinks(mut names, reply) => {
                names.sort();
                self.sinks = Some(names.clone());
                (What::Sinks(names), reply)
            }
            Ask::Close(reply) => {
                self.write(std::mem::take(writes));
                return Some(reply);
            }
            read => {
                // In order: who committed before sees it.
                self.write(std::mem::take(writes));
                self.answer(read);
                return None;
            }
        };
        writes.push(Write { what, reply });
        None
    }

    fn answer(&mut self, ask: Ask) {
        let c = &self.connection;
        // Who asked may have given up waiting; what an earlier process left is then to be told later.
        let mut missed = false;
        let failed = match ask {
            Ask::Left(reply) => tables::left(c).map(|found| missed = reply.send(found).is_err()),
            Ask::States(reply) => tables::states(c).map(|found| drop(reply.send(found))),
            Ask::Waiting { sink, after, most, reply } => {
                tables::waiting(c, &sink, after, most).map(|found| drop(reply.send(found)))
            }
            Ask::Log { most, reply } => tables::log(c, most).map(|found| drop(reply.send(found))),
            Ask::Commit(..) | Ask::Done(..) | Ask::Sinks(..) | Ask::Close(_) => Ok(()),
        };
        if missed {
            self.news.returned.send_modify(|times| *times += 1);
        }
        if let Err(trouble) = failed {
            self.fall_back(trouble);
        }
    }
}

/// The thread.
pub fn work(mut keeper: Keeper, inbox: &Receiver<(Ask, OwnedSemaphorePermit)>, life: &Life) {
    loop {
        life.beat();
        let first = match inbox.recv_timeout(NAP) {
            Ok(first) => Some(first),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut writes = Vec::new();
        for (ask, permit) in first.into_iter().chain(inbox.try_iter()).take(TOGETHER) {
            drop(permit);
            if let Some(reply) = keeper.take(ask, &mut writes) {
                if let Err(trouble) = file::checkpoint(&keeper.connection) {
                    tracing::warn!(error = %chain(&trouble), "events file was not closed in order; nothing is lost");
                }
                drop(keeper);
                let _gone = reply.send(());
                return;
            }
        }
        keeper.write(writes);
        keeper.tend();
    }
}
