//! The one thread that writes `metrics.db`: takes snapshots in, seals them into frames, and goes on in memory while the
//! file cannot be written.

use crate::base::backoff::Backoff;
use crate::base::clock::{Boot, Clock};
use crate::base::fault::chain;
use crate::metric::latest::Snapshot;
use crate::store::dictionary::Dictionary;
use crate::store::file::{self, Trouble};
use crate::store::frame::{Cell, Step};
use crate::store::journal::{self, Journal};
use crate::store::meters::{Database, Tally};
use crate::store::metrics::{Metrics, Sealed};
use crate::store::pending::{Pending, recover};
use crate::store::salvage::{Piece, Salvage};
use crate::store::settings::Settings;
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Frames kept in memory at most while the file cannot be written: some six hours at 2 000 series.
const MEMORY: usize = 8 << 20;
/// Between attempts to write a file that could not be written.
const RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// Pieces of a salvage that a stop still waits for, a second or so.
const LAST_PIECES: usize = 64;

pub struct Writer {
    settings: Settings,
    path: PathBuf,
    clock: Clock,
    boot_id: Arc<str>,
    tally: Arc<Tally>,
    dictionary: Dictionary,
    pending: Pending,
    /// Frames not on file yet, oldest first.
    sealed: VecDeque<Sealed>,
    file: Option<Metrics>,
    retry: Backoff,
    retry_at: Boot,
    journal: Journal,
    /// While this runs new frames wait in memory, so that ids keep the order of time.
    salvage: Option<Salvage>,
}

/// Where the store lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// Survives power cuts: `/var/lib/vedette`.
    pub state: PathBuf,
    /// In memory, survives the process: `/run/vedette`.
    pub runtime: PathBuf,
}

impl Dirs {
    pub(super) fn metrics(&self) -> PathBuf {
        self.state.join("metrics.db")
    }
    pub(super) fn events(&self) -> PathBuf {
        self.state.join("events.db")
    }
}

impl Writer {
    /// Opens the file, or does without it for now, and takes over what the last process left in the journal.
    pub fn start(dirs: &Dirs, settings: Settings, clock: Clock, boot_id: Arc<str>, tally: Arc<Tally>) -> Writer {
        let mut dictionary = Dictionary::default();
        let left = journal::read(&dirs.runtime).unwrap_or_else(|error| {
            tracing::warn!(error = %chain(&error), "journal of the last process cannot be read");
            Vec::new()
        });
        let sealed = recover(left, &mut dictionary).into();
        tally.set_healthy(Database::Metrics, true);
        tally.set_healthy(Database::Journal, true);
        let mut writer = Writer {
            settings,
            path: dirs.metrics(),
            retry: Backoff::new(RETRY.0, RETRY.1, 1),
            retry_at: clock.boot(),
            clock,
            tally,
            dictionary,
            pending: Pending::new(boot_id.clone()),
            sealed,
            file: None,
            journal: Journal::new(&dirs.runtime, boot_id.clone()),
            salvage: None,
            boot_id,
        };
        writer.commit();
        writer.restart_journal();
        writer
    }

    /// Takes a snapshot in.
    pub fn take(&mut self, snapshot: &Snapshot) {
        let at = &snapshot.at;
        let step = Step { boot_ms: at.boot.as_millis(), wall_ms: at.wall.as_millis(), trusted: at.trusted };
        let rows = snapshot.rows.iter().map(|row| (&row.meta, Cell::Value(row.value)));
        let ended = snapshot.ended.iter().map(|meta| (meta, Cell::Ended));
        let dictionary = &mut self.dictionary;
        let taken: Vec<_> =
            ended.chain(rows).filter_map(|(meta, cell)| dictionary.number(meta).map(|number| (number, cell))).collect();
        let mut lost = snapshot.rows.len() + snapshot.ended.len() - taken.len();
        if self.due(at.boot.as_millis()) || !self.pending.fits(&taken) {
            self.flush();
        }
        let written = self.journal.append(step, &taken, &self.dictionary);
        self.journal_went(written);
        lost += self.pending.add(step, taken);
        self.tally.lost.fetch_add(lost as u64, Relaxed);
    }

    fn due(&self, now_ms: u64) -> bool {
        let flush = u64::try_from(self.settings.flush.as_millis()).unwrap_or(u64::MAX);
        self.pending.since().is_some_and(|since| now_ms.saturating_sub(since) >= flush)
    }

    /// Call often, at once while it returns true: flushes when no snapshot comes to do it, tries again what failed, and
    /// salvages piece by piece.
    pub fn tend(&mut self) -> bool {
        let salvaging = self.salvage.is_some();
        self.salvage();
        let over = salvaging && self.salvage.is_none();
        let now = self.clock.boot();
        if self.due(now.as_millis()) {
            self.flush();
        } else if over || (self.file.is_none() || !self.sealed.is_empty()) && now >= self.retry_at {
            self.commit();
            if self.sealed.is_empty() {
                self.restart_journal();
            }
        }
        self.salvage.is_some()
    }

    /// Does the next piece of a salvage.
    fn salvage(&mut self) {
        let (Some(salvage), Some(file)) = (&mut self.salvage, &mut self.file) else { return };
        let frames = match salvage.step() {
            Piece::Searching => return,
            Piece::Found(frames) => frames,
            Piece::Over => {
                let frames = self.tally.salvaged.load(Relaxed);
                tracing::info!(frames, "salvage of the broken metrics file is over");
                self.salvage = None;
                return;
            }
        };
        let mut numbers = HashMap::new();
        for (number, named) in salvage.series() {
            numbers.extend(self.dictionary.intern(named.clone()).map(|ours| (number, ours)));
        }
        let mut whole = Vec::new();
        for mut frame in frames {
            frame.renumber(|number| numbers.get(&number).copied());
            frame.columns.iter().for_each(|column| self.dictionary.touch(column.series));
            whole.extend(Sealed::new(&frame));
        }
        match file.commit(whole.iter(), &mut self.dictionary) {
            Ok(()) => drop(self.tally.salvaged.fetch_add(whole.len() as u64, Relaxed)),
            Err(trouble) => return self.give_up_salvage(&trouble),
        }
        if let Err(trouble) = self.retire() {
            self.give_up_salvage(&trouble);
        }
    }

    fn give_up_salvage(&mut self, why: &dyn std::error::Error) {
        tracing::error!(error = %chain(why), "salvage of the broken metrics file is given up");
        self.salvage = None;
    }

    /// Seals what came so far and brings it to the file, or keeps it in memory.
    pub fn flush(&mut self) {
        if let Some(frame) = self.pending.seal() {
            frame.columns.iter().for_each(|column| self.dictionary.touch(column.series));
            self.sealed.extend(Sealed::new(&frame));
        }
        if self.file.is_some() || self.clock.boot() >= self.retry_at {
            self.commit();
        }
        self.bound();
        self.restart_journal();
    }

    /// Drops the oldest frames that memory has no room for.
    fn bound(&mut self) {
        let mut bytes: usize = self.sealed.iter().map(|s| s.blob.len()).sum();
        while bytes > MEMORY {
            let Some(oldest) = self.sealed.pop_front() else { break };
            bytes -= oldest.blob.len();
            self.tally.lost.fetch_add(oldest.head.samples, Relaxed);
        }
        self.tally.waiting.store(bytes as u64, Relaxed);
    }

    /// Brings the sealed frames to the file; on failure they stay.
    fn commit(&mut self) {
        if self.salvage.is_some() {
            return;
        }
        let started = self.clock.boot();
        let done = self.try_commit();
        self.tally.set_log(Database::Metrics, file::log_bytes(&self.path));
        match done {
            Ok(()) => {
                self.retry.reset();
                if self.salvage.is_none() && !self.tally.set_healthy(Database::Metrics, true) {
                    tracing::info!(file = %self.path.display(), "metrics are written to disk again");
                }
                let took = self.clock.boot().since(started).as_nanos();
                self.tally.flush_nanos.store(took as u64, Relaxed);
            }
            Err(trouble) => {
                self.file = None;
                self.retry_at = self.clock.boot().plus(self.retry.next_wait());
                if self.tally.set_healthy(Database::Metrics, false) {
                    let error = chain(&trouble);
                    tracing::error!(file = %self.path.display(), %error, "metrics are kept in memory only");
                }
            }
        }
    }

    fn try_commit(&mut self) -> Result<(), Trouble> {
        // A file that was removed under us would take commits and lose them.
        if !self.path.exists() {
            self.file = None;
        }
        if self.file.is_none() {
            let opened = self.open();
            self.file = match opened {
                Err(trouble @ (Trouble::Broken(_) | Trouble::Newer(_))) => Some(self.replace(&trouble)?),
                opened => Some(opened?),
            };
        }
        if self.salvage.is_some() {
            return Ok(());
        }
        match self.write() {
            Err(trouble @ Trouble::Broken(_)) => {
                self.file = None;
                self.file = Some(self.replace(&trouble)?);
                Ok(())
            }
            // Under our own cap room can be made; on a full disk this fails as well.
            Err(trouble) if trouble.full() => {
                self.retire()?;
                self.write()
            }
            written => written,
        }
    }

    /// Opens the file and makes its dictionary ours, and our numbers its.
    fn open(&mut self) -> Result<Metrics, Trouble> {
        let metrics = Metrics::open(&self.path, self.settings.retention_bytes)?;
        let mut dictionary = metrics.dictionary()?;
        let mut numbers = HashMap::new();
        for (number, row) in self.dictionary.rows() {
            if let Some(theirs) = dictionary.intern(row.named.clone()) {
                numbers.insert(number, theirs);
                dictionary.touch(theirs);
            }
        }
        let same = numbers.iter().all(|(ours, theirs)| ours == theirs);
        let mut kept = VecDeque::new();
        for sealed in &self.sealed {
            // The last process may have died between a commit and the end of its journal.
            let on_file = metrics.last_step(&sealed.head.boot_id)?.filter(|last| *last >= sealed.head.boot_from);
            if same && on_file.is_none() {
                kept.push_back(sealed.clone());
            } else if let Ok(mut frame) = sealed.open() {
                frame.renumber(|number| numbers.get(&number).copied());
                on_file.into_iter().for_each(|last| frame.trim(last));
                kept.extend(Sealed::new(&frame));
            }
        }
        self.sealed = kept;
        self.pending.renumber(&numbers);
        self.dictionary = dictionary;
        Ok(metrics)
    }

    /// Sets the file aside and starts an empty one.
    fn replace(&mut self, why: &Trouble) -> Result<Metrics, Trouble> {
        let aside = file::set_aside(&self.path, why, self.clock.now().wall)?;
        self.tally.replaced(Database::Metrics);
        self.dictionary.unsaved();
        let metrics = Metrics::open(&self.path, self.settings.retention_bytes)?;
        if let Trouble::Broken(_) = why {
            self.tally.set_healthy(Database::Metrics, false);
            self.salvage = Salvage::open(&aside).ok();
        }
        Ok(metrics)
    }

    fn write(&mut self) -> Result<(), Trouble> {
        let Some(file) = &mut self.file else { return Ok(()) };
        if !self.sealed.is_empty() {
            file.commit(self.sealed.iter(), &mut self.dictionary)?;
            let samples = self.sealed.iter().map(|s| s.head.samples).sum();
            self.tally.samples.fetch_add(samples, Relaxed);
            self.sealed.clear();
            self.tally.waiting.store(0, Relaxed);
            self.retire()?;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let (bytes, frames, oldest) = file.figures()?;
        self.tally.bytes.store(bytes, Relaxed);
        self.tally.frames.store(frames, Relaxed);
        self.tally.oldest.store(oldest.unwrap_or(0), Relaxed);
        self.tally.series.store(self.dictionary.rows().count() as u64, Relaxed);
        Ok(())
    }

    fn retire(&mut self) -> Result<(), Trouble> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let Settings { retention_bytes, retention_age, .. } = self.settings;
        file.retire(retention_bytes, retention_age, &self.clock.now(), &self.boot_id, &mut self.dictionary)?;
        Ok(())
    }

    fn restart_journal(&mut self) {
        let started = self.journal.start(self.sealed.iter(), self.pending.snapshots(), &self.dictionary);
        self.journal_went(started);
    }

    fn journal_went(&self, result: std::io::Result<()>) {
        match result {
            Err(error) => {
                if self.tally.set_healthy(Database::Journal, false) {
                    let error = chain(&error);
                    tracing::error!(%error, "no journal: a crash loses what is not flushed");
                }
            }
            Ok(()) if self.journal.works() && !self.tally.set_healthy(Database::Journal, true) => {
                tracing::info!("journal is written again");
            }
            Ok(()) => {}
        }
    }

    /// Flushes, empties the log and lets go of the file.
    pub fn close(mut self) {
        for _ in 0..LAST_PIECES {
            self.salvage();
        }
        if self.salvage.take().is_some() {
            tracing::warn!("salvage of the broken metrics file is cut short by the stop");
        }
        self.flush();
        if let Some(Err(trouble)) = self.file.take().map(Metrics::close) {
            tracing::warn!(error = %chain(&trouble), "metrics file was not closed in order; nothing is lost");
        }
    }
}
