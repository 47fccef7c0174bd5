//! The newest segment of a recording, followed without scanning its tree: names come from watched directories, growth
//! from asking after the one file that is being written. A directory is listed when the trail is taken up, when a new one
//! begins, and when nothing has moved for a while, so that a missed event costs seconds and no false alarm.

use super::gaps::Moment;
use super::pattern::{Date, Key, Pattern};
use super::segment::{Done, Segment};
use crate::base::clock::{Boot, Now, Wall};
use crate::metric::report::NoData;
use crate::wire::container::Container;
use crate::world::folders::{Event, Folders, Unwatched, Watch, What, reason};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A segment that a newer one has followed for so long is judged, where its closing was not told: FFmpeg writes the index
/// of an MP4 after it has begun the next.
const SETTLED: Duration = Duration::from_secs(2);
/// Without growth for so long, something may have been missed: the directories are listed.
const IDLE: Duration = Duration::from_secs(5);
/// The directories are listed at most so often for that reason.
const RELIST: Duration = Duration::from_secs(10);
/// Directories that are gone through, newest first, for one that holds segments.
const VISITS: usize = 8;
/// Segments that wait for their verdict, and that a listing takes in at most.
const CLOSING: usize = 64;

/// What one look found.
#[derive(Debug, Default)]
pub(super) struct Sight {
    /// First and last write since the last look.
    pub(super) writes: Option<(Moment, Moment)>,
    /// Bytes that came since the last look.
    pub(super) grown: u64,
    /// Segments that are done.
    pub(super) done: Vec<Done>,
    /// Files that are no segments by their name.
    pub(super) misnamed: u64,
    /// The newest segment went away and nothing took its place.
    pub(super) vanished: bool,
    /// Names of new segments: what they say of the time, and when they were made.
    pub(super) named: Vec<(Date, Wall)>,
    /// By how much the clock of the file system is ahead of ours, in ms, where a write was just seen.
    pub(super) ahead: Option<i64>,
}

pub(super) struct Trail {
    /// For how long a writer may hold back what it has, in ms.
    held: Moment,
    /// Of directories, as far as they are on the trail.
    watches: HashMap<PathBuf, Watch>,
    /// Why some of them cannot be watched.
    pub(super) unwatched: Option<Unwatched>,
    /// Of the base.
    identity: Option<(u64, u64)>,
    /// When the newest directory with segments was changed, as of the last listing.
    changed: Option<Wall>,
    pub(super) newest: Option<Segment>,
    /// One that was the newest and is not there any more.
    lost: Option<Order>,
    closing: Vec<Segment>,
    listed: Option<Boot>,
    looked: Option<Boot>,
}

/// A segment that a listing found.
struct Found {
    path: PathBuf,
    key: Key,
    order: Order,
}

/// Keys from the base down: how segments of one recording are ordered.
pub(super) type Order = Vec<Key>;

/// On the clock of the boot, by today's relation of the two.
pub(super) fn moment(now: &Now, wall: Wall) -> Moment {
    now.boot.as_millis() as Moment - (now.wall.as_millis() - wall.as_millis())
}

impl Trail {
    pub(super) fn new(held: Moment) -> Trail {
        Trail {
            held,
            watches: HashMap::new(),
            unwatched: None,
            identity: None,
            changed: None,
            newest: None,
            lost: None,
            closing: Vec::new(),
            listed: None,
            looked: None,
        }
    }

    /// One look. Blocking.
    ///
    /// # Errors
    /// Why the base cannot be looked into.
    pub(super) fn look(&mut self, folders: &dyn Folders, pattern: &Pattern, now: &Now) -> Result<Sight, NoData> {
        let mut sight = Sight::default();
        let base = folders.stat(&pattern.base).and_then(|base| match base.directory {
            true => Ok(base.identity),
            false => Err(io::ErrorKind::NotADirectory.into()),
        });
        let base = base.map_err(|error| {
            self.lose();
            reason(&error)
        })?;
        if self.identity.replace(base).is_some_and(|before| before != base) {
            // Mounted over, mounted away, or made anew: other files under the same names.
            self.lose();
            self.identity = Some(base);
        }
        let patience = if self.unwatched.is_some() { Duration::from_secs(1) } else { RELIST };
        let mut list = self.lost.is_some() || self.newest.is_none() && self.due(now, patience);
        for (directory, event) in self.events(&mut list) {
            list |= self.on(event, &directory, pattern, &mut sight);
        }
        list |= self.stale(folders, now);
        if list {
            self.list(folders, pattern, now, &mut sight).map_err(|error| reason(&error))?;
        }
        self.follow(folders, now, &mut sight);
        self.settle(folders, now, &mut sight);
        self.looked = Some(now.boot);
        Ok(sight)
    }

    fn lose(&mut self) {
        self.watches.clear();
        (self.identity, self.newest, self.lost, self.changed, self.listed) = (None, None, None, None, None);
        self.closing.clear();
    }

    fn due(&self, now: &Now, every: Duration) -> bool {
        self.listed.is_none_or(|listed| now.boot.since(listed) >= every)
    }

    /// What happened in all watched directories. `list` is set where something was lost.
    fn events(&mut self, list: &mut bool) -> Vec<(PathBuf, Event)> {
        let mut all = Vec::new();
        self.watches.retain(|directory, watch| {
            let (events, lost) = watch.take();
            let gone = events.iter().any(|event| event.what == What::Gone);
            *list |= lost || gone;
            all.extend(events.into_iter().map(|event| (directory.clone(), event)));
            !gone
        });
        all.sort_by_key(|(_, event)| event.at.boot);
        all
    }

    /// True when the directories must be listed anew.
    fn on(&mut self, event: Event, directory: &Path, pattern: &Pattern, sight: &mut Sight) -> bool {
        let (Some(level), Some(above)) = (pattern.level_of(directory), pattern.date_of(directory)) else {
            return false;
        };
        if event.what == What::Gone || event.directory {
            return pattern.directory(level, &event.name, &above).is_some();
        }
        if level < pattern.depth() {
            return false;
        }
        let Some(key) = pattern.segment(&event.name, &above) else {
            let segment = Container::of_name(&event.name).is_some() && !event.name.starts_with('.');
            sight.misnamed += u64::from(segment && event.what != What::Closed);
            return false;
        };
        let path = directory.join(&event.name);
        let known = self.newest.iter_mut().chain(&mut self.closing).find(|segment| segment.path == path);
        match (event.what, known) {
            (What::Closed, Some(segment)) => segment.closed = Some(event.at),
            // One that began before us is not ours to judge.
            (_, Some(_)) | (What::Closed, None) => {}
            (what, None) => {
                let order = order(directory, key.clone(), pattern);
                let mut segment = Segment::new(path, key, order);
                match what {
                    What::Created => segment.born = Some(moment(&event.at, event.at.wall)),
                    _ => segment.closed = Some(event.at),
                }
                sight.named.push((segment.key.0, event.at.wall));
                // Made just now, so it is the newest, whatever its name says: the recorder's clock may be wrong.
                self.take(segment, &event.at);
            }
        }
        false
    }

    /// The newest, until the next one comes.
    fn take(&mut self, segment: Segment, now: &Now) {
        if let Some(mut older) = self.newest.replace(segment)
            && self.closing.len() < CLOSING
        {
            older.followed = Some(now.boot);
            self.closing.push(older);
        }
    }

    /// Whether something may have been missed, or is not told at all.
    fn stale(&self, folders: &dyn Folders, now: &Now) -> bool {
        let Some(newest) = &self.newest else { return false };
        let idle = newest.grew.is_some_and(|grew| now.boot.since(grew) >= IDLE) && self.due(now, RELIST);
        let directory = || newest.path.parent().and_then(|directory| folders.stat(directory).ok());
        idle || (self.unwatched.is_some() && directory().map(|directory| directory.modified) != self.changed)
    }

    /// Goes down to the newest segments, and watches every directory on the way.
    fn list(&mut self, folders: &dyn Folders, pattern: &Pattern, now: &Now, sight: &mut Sight) -> io::Result<()> {
        self.listed = Some(now.boot);
        self.unwatched = None;
        let (after, written) = self.newest.as_ref().map(|newest| (newest.order.clone(), newest.modified)).unzip();
        let mut before = std::mem::take(&mut self.watches);
        let (mut found, mut visits) = (Vec::new(), VISITS);
        self.descend(
            folders,
            pattern,
            &pattern.base,
            &Order::new(),
            after.as_ref(),
            &mut before,
            &mut visits,
            &mut found,
        )?;
        found.sort_by(|a, b| a.order.cmp(&b.order));
        // What was there before us is history, but for the one that is being written.
        let most = if after.is_none() { 1 } else { CLOSING };
        found.drain(..found.len().saturating_sub(most));
        if let Some(lost) = self.lost.take() {
            sight.vanished = found.last().is_none_or(|found| found.order < lost);
        }
        let newest = found.last().map(|found| &found.path).or(self.newest.as_ref().map(|newest| &newest.path));
        if let Some(directory) = newest.and_then(|newest| newest.parent()) {
            self.changed = folders.stat(directory).ok().map(|directory| directory.modified);
        }
        for Found { path, key, order } in found {
            let known = self.newest.iter().chain(&self.closing).any(|segment| segment.path == path);
            let Some(stat) = folders.stat(&path).ok().filter(|stat| !known && !stat.directory) else { continue };
            if written.flatten().is_some_and(|written| stat.modified < written) {
                // Only its name is newer.
                continue;
            }
            let mut segment = Segment::new(path, key, order);
            segment.born = stat.born.map(|born| moment(now, born));
            if after.is_none() {
                segment.taken_up(&stat, now, sight);
            } else {
                sight.named.extend(stat.born.map(|born| (segment.key.0, born)));
            }
            self.take(segment, now);
        }
        Ok(())
    }

    /// Finds segments from the newest down, to the first directory that holds one which is not after `after`.
    /// Returns true when that was found.
    #[allow(clippy::too_many_arguments)] // one walk, and what it carries along
    fn descend(
        &mut self,
        folders: &dyn Folders,
        pattern: &Pattern,
        directory: &Path,
        order: &Order,
        after: Option<&Order>,
        before: &mut HashMap<PathBuf, Watch>,
        visits: &mut usize,
        found: &mut Vec<Found>,
    ) -> io::Result<bool> {
        // First the watch and then the list, so that nothing can come between them.
        match before.remove(directory).map_or_else(|| folders.watch(directory), Ok) {
            Ok(watch) => drop(self.watches.insert(directory.to_owned(), watch)),
            Err(why) => self.unwatched = Some(why),
        }
        let (level, date) = (order.len(), order.last().map_or(Date::default(), |key| key.0));
        let entries = folders.list(directory)?;
        if level == pattern.depth() {
            *visits = visits.saturating_sub(1);
            let mut end = false;
            for entry in entries.into_iter().filter(|entry| !entry.directory) {
                let Some(key) = pattern.segment(&entry.name, &date) else { continue };
                let order: Order = order.iter().cloned().chain([key.clone()]).collect();
                end |= after.is_none_or(|after| order <= *after);
                if after.is_none_or(|after| order > *after) {
                    found.push(Found { path: directory.join(entry.name), key, order });
                }
            }
            return Ok(end || *visits == 0);
        }
        let below = entries.into_iter().filter(|entry| entry.directory);
        let mut below: Vec<_> = below.filter_map(|entry| pattern.directory(level, &entry.name, &date)).collect();
        below.sort_by(|a, b| b.cmp(a));
        for key in below {
            let path = directory.join(&key.1);
            let order: Order = order.iter().cloned().chain([key]).collect();
            // One that goes away meanwhile holds nothing new.
            if self.descend(folders, pattern, &path, &order, after, before, visits, found).unwrap_or(false) {
                return Ok(true);
            }
        }
        Ok(*visits == 0)
    }

    /// Asks after the newest segment, and those that were followed by it.
    fn follow(&mut self, folders: &dyn Folders, now: &Now, sight: &mut Sight) {
        let (since, held) = (self.looked, self.held);
        self.closing.retain_mut(|segment| match folders.stat(&segment.path) {
            Ok(stat) => {
                segment.seen(&stat, since, held, now, sight);
                true
            }
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        });
        let Some(newest) = &mut self.newest else { return };
        match folders.stat(&newest.path) {
            Ok(stat) => newest.seen(&stat, since, held, now, sight),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.lost = self.newest.take().map(|newest| newest.order);
            }
            Err(_) => {}
        }
    }

    /// Judges the segments that are done.
    fn settle(&mut self, folders: &dyn Folders, now: &Now, sight: &mut Sight) {
        self.closing.retain_mut(|segment| {
            let followed = segment.followed.is_some_and(|at| now.boot.since(at) >= SETTLED);
            if (segment.closed.is_some() || followed) && !segment.judged {
                sight.done.push(segment.judge(folders));
            }
            !segment.judged
        });
        if let Some(newest) = self.newest.as_mut().filter(|newest| newest.closed.is_some() && !newest.judged) {
            sight.done.push(newest.judge(folders));
        }
    }
}

fn order(directory: &Path, key: Key, pattern: &Pattern) -> Order {
    let (mut order, mut date) = (Order::new(), Date::default());
    for (level, name) in directory.strip_prefix(&pattern.base).unwrap_or(directory).iter().enumerate() {
        let key = name.to_str().and_then(|name| pattern.directory(level, name, &date));
        date = key.as_ref().map_or(date, |key| key.0);
        order.extend(key);
    }
    order.push(key);
    order
}
