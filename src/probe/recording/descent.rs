//! The way down from the base to the newest segments: which directories are gone through, and watched on the way.

use super::pattern::{Key, Order, Pattern, date_of};
use crate::world::folders::{Folders, Unwatched, Watch};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

/// Directories with segments that are gone through, newest first, for one that holds what is already known.
const VISITS: usize = 8;
/// Directories of any kind: those of a month of hours may have been made beforehand.
const LISTINGS: usize = 1024;

/// A segment that a listing found.
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) key: Key,
    pub(super) order: Order,
}

pub(super) struct Descent<'a> {
    folders: &'a dyn Folders,
    pattern: &'a Pattern,
    /// Only what comes after it is wanted.
    after: Option<&'a Order>,
    /// Watches of before, taken over where the way leads through the same directories.
    before: HashMap<PathBuf, Watch>,
    pub(super) watches: HashMap<PathBuf, Watch>,
    /// Why some directories cannot be watched.
    pub(super) unwatched: Option<Unwatched>,
    pub(super) found: Vec<Found>,
    been: HashSet<PathBuf>,
    visits: usize,
    listings: usize,
}

impl<'a> Descent<'a> {
    pub(super) fn new(
        folders: &'a dyn Folders,
        pattern: &'a Pattern,
        after: Option<&'a Order>,
        before: HashMap<PathBuf, Watch>,
    ) -> Self {
        Descent {
            folders,
            pattern,
            after,
            before,
            watches: HashMap::new(),
            unwatched: None,
            found: Vec::new(),
            been: HashSet::new(),
            visits: VISITS,
            listings: LISTINGS,
        }
    }

    /// From the base.
    ///
    /// # Errors
    /// Why the base, or one of the newest directories, cannot be looked into.
    pub(super) fn all(&mut self) -> io::Result<()> {
        self.down(&self.pattern.base, &Order::new()).map(drop)
    }

    /// Through one more directory, where the way did not lead there by name. One that is gone holds nothing.
    ///
    /// # Errors
    /// As above.
    pub(super) fn also(&mut self, directory: &Path, after: Option<&'a Order>) -> io::Result<()> {
        if self.been.contains(directory) {
            return Ok(());
        }
        let Some(order) = self.pattern.order_of(directory) else { return Ok(()) };
        let all = std::mem::replace(&mut self.after, after);
        (self.visits, self.listings) = (self.visits.max(1), self.listings.max(1));
        let outcome = self.down(directory, &order);
        self.after = all;
        there(outcome).map(drop)
    }

    /// From the newest down, to the first directory that holds a segment which is not after `after`. True when that was
    /// found, or enough was gone through.
    fn down(&mut self, directory: &Path, order: &Order) -> io::Result<bool> {
        self.been.insert(directory.to_owned());
        // First the watch and then the list, so that nothing can come between them.
        match self.before.remove(directory).map_or_else(|| self.folders.watch(directory), Ok) {
            Ok(watch) => drop(self.watches.insert(directory.to_owned(), watch)),
            Err(why) => self.unwatched = Some(why),
        }
        let (level, date) = (order.len(), date_of(order));
        let entries = self.folders.list(directory)?;
        self.listings = self.listings.saturating_sub(1);
        let below = |key: Key| -> Order { order.iter().cloned().chain([key]).collect() };
        if level == self.pattern.depth() {
            let (mut any, mut end) = (false, false);
            for entry in entries.into_iter().filter(|entry| !entry.directory) {
                let Some(key) = self.pattern.segment(&entry.name, &date) else { continue };
                let order = below(key.clone());
                let known = self.after.is_some_and(|after| order <= *after);
                (any, end) = (true, end || self.after.is_none() || known);
                if !known {
                    self.found.push(Found { path: directory.join(entry.name), key, order });
                }
            }
            self.visits = self.visits.saturating_sub(usize::from(any));
            return Ok(end || self.spent());
        }
        let names = entries.into_iter().filter(|entry| entry.directory);
        let mut keys: Vec<_> = names.filter_map(|entry| self.pattern.directory(level, &entry.name, &date)).collect();
        keys.sort_by(|a, b| b.cmp(a));
        for key in keys {
            let path = directory.join(&key.1);
            let outcome = self.down(&path, &below(key));
            // What may not be looked into may be where it is written to.
            if there(outcome)?.unwrap_or(false) {
                return Ok(true);
            }
        }
        Ok(self.spent())
    }

    fn spent(&self) -> bool {
        self.visits == 0 || self.listings == 0
    }
}

/// `None` of a directory that went away meanwhile, or was none.
fn there<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        outcome => outcome.map(Some),
    }
}
