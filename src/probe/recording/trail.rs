//! The newest segment of a recording, followed without scanning its tree: names come from watched directories, growth
//! from asking after the one file that is being written. A directory is listed when the trail is taken up, when a new one
//! begins, and when nothing has moved for a while, so that a missed event costs seconds and no false alarm.

use super::descent::{Descent, Found};
use super::gaps::Moment;
use super::pattern::{Date, Key, Order, Pattern, date_of};
use super::segment::{Done, Segment};
use crate::base::clock::{Boot, Now, Wall};
use crate::metric::report::NoData;
use crate::wire::container::Container;
use crate::world::folders::{Event, Folders, Stat, Unwatched, Watch, What, reason};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A segment that a newer one has followed for so long is judged, where closings are not told: FFmpeg writes the index of
/// an MP4 after it has begun the next. Where they are told, one that is never closed is judged after the second time.
const SETTLED: Duration = Duration::from_secs(2);
const ABANDONED: Duration = Duration::from_secs(60);
/// Without growth for so long, something may have been missed: the directories are listed.
const IDLE: Duration = Duration::from_secs(5);
/// The directories are listed at most so often for that reason.
const RELIST: Duration = Duration::from_secs(10);
/// Segments that wait for their verdict, and that a listing takes in at most.
const CLOSING: usize = 64;
/// Files that a listing asks after at most: those of an hour in pieces of four seconds.
const ASKED: usize = 1024;
/// Directories that were made lately and are gone through whatever their names say.
const MADE: usize = 4;

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
    /// The base is another directory than before, so other files lie behind as well.
    pub(super) moved: bool,
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
    /// Directories that were made since the newest segment was: a recorder whose clock is wrong makes them where nobody
    /// would look.
    made: VecDeque<PathBuf>,
    listed: Option<Boot>,
    looked: Option<Boot>,
}

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
            made: VecDeque::new(),
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
            (self.identity, sight.moved) = (Some(base), true);
        }
        let patience = if self.unwatched.is_some() { Duration::from_secs(1) } else { RELIST };
        let mut list = self.lost.is_some() || self.newest.is_none() && self.due(now, patience);
        for (directory, event) in self.events(&mut list) {
            list |= self.on(event, &directory, pattern, &mut sight);
        }
        list |= self.stale(folders, now);
        if list {
            let listed = self.list(folders, pattern, now, &mut sight);
            listed.map_err(|error| {
                // At once again, so that it is told until it is over.
                self.listed = None;
                reason(&error)
            })?;
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
        self.made.clear();
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
        let Some(order) = pattern.order_of(directory) else { return false };
        let (level, above) = (order.len(), date_of(&order));
        if event.what == What::Gone || event.directory {
            let fits = pattern.directory(level, &event.name, &above).is_some();
            if fits && event.what != What::Gone {
                self.made.truncate(MADE - 1);
                self.made.push_front(directory.join(&event.name));
            }
            return fits;
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
                let order = order.into_iter().chain([key.clone()]).collect();
                let mut segment = Segment::new(path, key, order);
                match what {
                    What::Created => {
                        segment.born = Some(moment(&event.at, event.at.wall));
                        sight.named.push((segment.key.0, event.at.wall));
                    }
                    // It is named by its beginning, which was some time ago.
                    _ => segment.closed = Some(event.at),
                }
                // Made just now, so it is the newest, whatever its name says: the recorder's clock may be wrong.
                self.take(segment, &event.at);
            }
        }
        false
    }

    /// The newest, until the next one comes.
    fn take(&mut self, segment: Segment, now: &Now) {
        self.made.retain(|directory| segment.path.starts_with(directory));
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
        let after = self.newest.as_ref().map(|newest| newest.order.clone());
        let mut descent = Descent::new(folders, pattern, after.as_ref(), std::mem::take(&mut self.watches));
        let mut outcome = descent.all();
        for directory in &self.made {
            outcome = outcome.and_then(|()| descent.also(directory, None));
        }
        // However many empty directories lie before it.
        if let Some(directory) = self.newest.as_ref().and_then(|newest| newest.path.parent()) {
            outcome = outcome.and_then(|()| descent.also(directory, after.as_ref()));
        }
        let Descent { watches, unwatched, mut found, .. } = descent;
        (self.watches, self.unwatched) = (watches, unwatched);
        outcome?;
        found.sort_by(|a, b| a.order.cmp(&b.order));
        // What was there before us is history, but for the one that is being written.
        let most = if after.is_none() { 1 } else { ASKED };
        found.drain(..found.len().saturating_sub(most));
        if let Some(lost) = self.lost.take() {
            sight.vanished = found.last().is_none_or(|found| found.order < lost);
        }
        let written = self.newest.as_ref().and_then(|newest| newest.modified);
        let known = |path: &Path| self.newest.iter().chain(&self.closing).any(|segment| segment.path == *path);
        // Of some only the name is newer.
        let newer = |stat: &Stat| !stat.directory && written.is_none_or(|written| stat.modified >= written);
        let asked = |found: Found| folders.stat(&found.path).ok().filter(newer).map(|stat| (found, stat));
        let mut fresh: Vec<_> = found.into_iter().filter(|found| !known(&found.path)).filter_map(asked).collect();
        if fresh.is_empty() && self.stands(now) {
            fresh = self.behind(folders, pattern)?;
        }
        fresh.drain(..fresh.len().saturating_sub(CLOSING));
        let newest = fresh.last().map(|(found, _)| &found.path).or(self.newest.as_ref().map(|newest| &newest.path));
        if let Some(directory) = newest.and_then(|newest| newest.parent()) {
            self.changed = folders.stat(directory).ok().map(|directory| directory.modified);
        }
        for (Found { path, key, order }, stat) in fresh {
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

    /// The newest has not grown for half of the time that it may stand still.
    fn stands(&self, now: &Now) -> bool {
        let patience = Duration::from_millis(u64::try_from(self.held / 2).unwrap_or(0));
        self.newest.as_ref().and_then(|newest| newest.grew).is_some_and(|grew| now.boot.since(grew) >= patience)
    }

    /// Segments beside the newest that are older by name and newer by date: of the hour that comes twice in autumn, of a
    /// recorder whose clock was set, or under names that are used again.
    fn behind(&self, folders: &dyn Folders, pattern: &Pattern) -> io::Result<Vec<(Found, Stat)>> {
        let Some((newest, written)) = self.newest.as_ref().and_then(|newest| Some((newest, newest.modified?))) else {
            return Ok(Vec::new());
        };
        let (Some(directory), Some((last, above))) = (newest.path.parent(), newest.order.split_last()) else {
            return Ok(Vec::new());
        };
        // Not one that only got its index after the newest had begun.
        let since = Wall::from_millis(written.as_millis() + self.held / 2);
        let date = date_of(above);
        let names = folders.list(directory)?.into_iter().filter(|entry| !entry.directory);
        let mut keys: Vec<Key> = names.filter_map(|entry| pattern.segment(&entry.name, &date)).collect();
        keys.retain(|key| key < last);
        keys.sort();
        keys.drain(..keys.len().saturating_sub(ASKED));
        let asked = |key: Key| {
            let path = directory.join(&key.1);
            let stat = folders.stat(&path).ok().filter(|stat| stat.modified > since)?;
            let order = above.iter().cloned().chain([key.clone()]).collect();
            Some((Found { path, key, order }, stat))
        };
        let mut found: Vec<_> = keys.into_iter().filter_map(asked).collect();
        found.sort_by_key(|(_, stat)| stat.modified);
        Ok(found)
    }

    /// Asks after the newest segment, and those that were followed by it.
    fn follow(&mut self, folders: &dyn Folders, now: &Now, sight: &mut Sight) {
        let (since, held) = (self.looked, self.held);
        let newest = self.newest.as_ref().map(|newest| (newest.file, folders.stat(&newest.path)));
        if let Some((None, Ok(stat))) = &newest {
            let same = |older: &Segment| older.file == Some((stat.identity, stat.born));
            let before = self.closing.iter().position(same).map(|at| self.closing.remove(at));
            self.newest.as_mut().zip(before).into_iter().for_each(|(newest, before)| newest.renamed(before));
        }
        self.closing.retain_mut(|segment| match folders.stat(&segment.path) {
            Ok(stat) => {
                segment.seen(&stat, since, held, now, sight);
                true
            }
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        });
        let Some((newest, (_, stat))) = self.newest.as_mut().zip(newest) else { return };
        match stat {
            Ok(stat) => newest.seen(&stat, since, held, now, sight),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.lost = self.newest.take().map(|newest| newest.order);
            }
            Err(_) => {}
        }
    }

    /// Judges the segments that are done.
    fn settle(&mut self, folders: &dyn Folders, now: &Now, sight: &mut Sight) {
        let patience = if self.unwatched.is_some() { SETTLED } else { ABANDONED };
        self.closing.retain_mut(|segment| {
            let followed = segment.followed.is_some_and(|at| now.boot.since(at) >= patience);
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
