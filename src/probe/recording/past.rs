//! What lies behind: the oldest segments, which say how far back the recording goes, and those since a given time, which
//! say what happened while nobody looked. Both walk directories, the first seldom, the second once.

use super::gaps::Moment;
use super::pattern::{Clock, Date, Key, Order, Pattern, date_of};
use super::trail::moment;
use crate::base::clock::{Boot, Now, Wall};
use crate::world::folders::Folders;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the oldest segment is asked after; retention is a matter of days.
const EVERY: Duration = Duration::from_secs(60);
/// Oldest segments that are known by name. When they are gone, the oldest directory is listed again.
const KNOWN: usize = 256;
/// Directories that are gone through for them at a time; where it ended, the next time goes on.
const VISITS: usize = 1024;
/// Segments and directories that are gone through to find out what happened since a given time: a day of ten seconds each.
const SINCE: usize = 10_000;
const SINCE_VISITS: usize = 64;
/// Segments in a row that are too old, behind which no younger one is looked for; and where the clock was set back lately,
/// so that an hour of names came twice, of four seconds each.
const OLDER: usize = 1;
const OLDER_TWICE: usize = 1024;
const TWICE: i64 = 3 * 3_600_000;

/// The oldest segments.
#[derive(Debug, Default)]
pub(super) struct Past {
    front: VecDeque<(PathBuf, Date)>,
    /// Directories before this were empty: a purge that leaves them behind is not gone through again and again.
    from: Order,
    asked: Option<Boot>,
}

/// What is known of the oldest segments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Oldest {
    /// When the oldest began, by its name, or else when it was last written.
    pub(super) began: Option<Wall>,
    /// Oldest segments that went away since the last time.
    pub(super) purged: u64,
}

/// The wall time that a name says which was given at `made`. Of an hour that comes twice, that tells which.
pub(super) fn wall_at(date: &Date, made: Wall, utc: bool, folders: &dyn Folders) -> Option<Wall> {
    let (clock, seconds) = date.seconds()?;
    let east = if clock == Clock::Civil && !utc { folders.east(made) } else { 0 };
    Some(Wall::from_millis(seconds.checked_sub(east)?.checked_mul(1000)?))
}

/// The wall time that a name says.
pub(super) fn wall(date: &Date, utc: bool, folders: &dyn Folders) -> Option<Wall> {
    let (clock, seconds) = date.seconds()?;
    let written = seconds.checked_mul(1000)?;
    let at = |east: i64| Wall::from_millis(written - east * 1000);
    Some(match clock {
        // The zone is asked twice: near a change of it, the hour that is written is not yet the one that is meant.
        Clock::Civil if !utc => at(folders.east(at(folders.east(at(0))))),
        _ => at(0),
    })
}

impl Past {
    /// Looks when it is time to. Blocking.
    pub(super) fn look(&mut self, folders: &dyn Folders, pattern: &Pattern, utc: bool, now: &Now) -> Option<Oldest> {
        if self.asked.is_some_and(|asked| now.boot.since(asked) < EVERY) {
            return None;
        }
        self.asked = Some(now.boot);
        let mut purged = 0;
        loop {
            if self.front.is_empty() {
                let mut search = Search { folders, pattern, visits: VISITS, at: Order::new(), found: &mut self.front };
                let _unreadable = search.down(&pattern.base, &self.from);
                self.from = search.at;
                let began = self.front.front().and_then(|(path, date)| began(path, date, utc, folders));
                return Some(Oldest { began, purged });
            }
            match self.front.front().map(|(path, date)| (folders.stat(path), began(path, date, utc, folders))) {
                Some((Err(error), _)) if error.kind() == io::ErrorKind::NotFound => {
                    self.front.pop_front();
                    purged += 1;
                }
                Some((_, began)) => return Some(Oldest { began, purged }),
                None => {}
            }
        }
    }

    /// The base went away or is another: what is not there any more was not purged.
    pub(super) fn forget(&mut self) {
        *self = Past::default();
    }
}

fn began(path: &Path, date: &Date, utc: bool, folders: &dyn Folders) -> Option<Wall> {
    wall(date, utc, folders).or_else(|| folders.stat(path).ok().map(|stat| stat.modified))
}

/// The way to the oldest segments of the oldest directory that holds some.
struct Search<'a> {
    folders: &'a dyn Folders,
    pattern: &'a Pattern,
    visits: usize,
    /// Where it is, and in the end where the next one begins.
    at: Order,
    found: &'a mut VecDeque<(PathBuf, Date)>,
}

impl Search<'_> {
    /// Goes on at `from`. True when found, or when enough was gone through.
    fn down(&mut self, directory: &Path, from: &[Key]) -> io::Result<bool> {
        let (level, date) = (self.at.len(), date_of(&self.at));
        let entries = self.folders.list(directory)?;
        self.visits = self.visits.saturating_sub(1);
        if level == self.pattern.depth() {
            let segments = entries.iter().filter(|entry| !entry.directory);
            let mut keys: Vec<_> = segments.filter_map(|entry| self.pattern.segment(&entry.name, &date)).collect();
            keys.sort();
            self.found.extend(keys.into_iter().take(KNOWN).map(|(date, name)| (directory.join(name), date)));
            return Ok(!self.found.is_empty() || self.visits == 0);
        }
        let below = entries.iter().filter(|entry| entry.directory);
        let mut keys: Vec<_> = below.filter_map(|entry| self.pattern.directory(level, &entry.name, &date)).collect();
        keys.retain(|key| from.first().is_none_or(|from| key >= from));
        keys.sort();
        for key in keys {
            let path = directory.join(&key.1);
            let from = if from.first() == Some(&key) { &from[1..] } else { &[] };
            self.at.push(key);
            // One that is purged meanwhile holds nothing.
            if self.down(&path, from).unwrap_or(false) {
                return Ok(true);
            }
            self.at.pop();
        }
        Ok(self.visits == 0)
    }
}

/// When each segment was written that was written after `since`, from its first to its last byte, as far as the dates of
/// files tell; in order. `None` when that is more than is gone through.
pub(super) fn since(
    folders: &dyn Folders,
    pattern: &Pattern,
    utc: bool,
    since: Wall,
    now: &Now,
) -> Option<Vec<(Moment, Moment)>> {
    let before = Wall::from_millis(now.wall.as_millis() - TWICE);
    let twice = !utc && folders.east(now.wall) < folders.east(before.min(since));
    let patience = if twice { OLDER_TWICE } else { OLDER };
    let mut walk =
        Walk { folders, pattern, utc, since, now, patience, older: 0, visits: SINCE_VISITS, spans: Vec::new() };
    walk.below(&pattern.base, Date::default(), 0)?;
    walk.spans.sort_unstable();
    Some(walk.spans)
}

struct Walk<'a> {
    folders: &'a dyn Folders,
    pattern: &'a Pattern,
    utc: bool,
    since: Wall,
    now: &'a Now,
    patience: usize,
    /// Too old ones in a row.
    older: usize,
    visits: usize,
    spans: Vec<(Moment, Moment)>,
}

impl Walk<'_> {
    /// From the newest down. True when one was found that is older; `None` when it is too much.
    fn below(&mut self, directory: &Path, date: Date, level: usize) -> Option<bool> {
        self.visits = self.visits.checked_sub(1)?;
        let Ok(entries) = self.folders.list(directory) else { return Some(false) };
        let leaf = level == self.pattern.depth();
        let key = |name: &str| match leaf {
            true => self.pattern.segment(name, &date),
            false => self.pattern.directory(level, name, &date),
        };
        let names = entries.iter().filter(|entry| entry.directory != leaf);
        let mut keys: Vec<_> = names.filter_map(|entry| key(&entry.name)).collect();
        keys.sort_by(|a, b| b.cmp(a));
        for (date, name) in keys {
            let path = directory.join(name);
            let older = if leaf { self.segment(&path, &date)? } else { self.below(&path, date, level + 1)? };
            if older {
                return Some(true);
            }
        }
        Some(false)
    }

    fn segment(&mut self, path: &Path, date: &Date) -> Option<bool> {
        let Ok(stat) = self.folders.stat(path) else { return Some(false) };
        if stat.modified < self.since {
            self.older += 1;
            return Some(self.older >= self.patience);
        }
        self.older = 0;
        if self.spans.len() >= SINCE {
            return None;
        }
        let last = moment(self.now, stat.modified);
        let began = stat.born.or_else(|| wall(date, self.utc, self.folders));
        let first = began.map_or(last, |began| moment(self.now, began).min(last));
        self.spans.push((first, last));
        Some(false)
    }
}
