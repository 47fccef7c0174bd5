//! What lies behind: the oldest segments, which say how far back the recording goes, and those since a given time, which
//! say what happened while nobody looked. Both walk directories, the first seldom, the second once.

use super::gaps::Moment;
use super::pattern::{Clock, Date, Pattern};
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
/// Directories that are gone through for them.
const VISITS: usize = 32;
/// Segments and directories that are gone through to find out what happened since a given time: a day of ten seconds each.
const SINCE: usize = 10_000;
const SINCE_VISITS: usize = 64;

/// The oldest segments.
#[derive(Debug, Default)]
pub(super) struct Past {
    front: VecDeque<(PathBuf, Date)>,
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
                let mut visits = VISITS;
                let _unreadable =
                    earliest(folders, pattern, &pattern.base, Date::default(), 0, &mut visits, &mut self.front);
                let (path, date) = self.front.front()?;
                return Some(Oldest { began: began(path, date, utc, folders), purged });
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

/// The oldest segments of the oldest directory that holds some. True when found, or when enough was gone through.
fn earliest(
    folders: &dyn Folders,
    pattern: &Pattern,
    directory: &Path,
    date: Date,
    level: usize,
    visits: &mut usize,
    found: &mut VecDeque<(PathBuf, Date)>,
) -> io::Result<bool> {
    let entries = folders.list(directory)?;
    *visits = visits.saturating_sub(1);
    if level == pattern.depth() {
        let segments = entries.iter().filter(|entry| !entry.directory);
        let mut keys: Vec<_> = segments.filter_map(|entry| pattern.segment(&entry.name, &date)).collect();
        keys.sort();
        found.extend(keys.into_iter().take(KNOWN).map(|(date, name)| (directory.join(name), date)));
        return Ok(!found.is_empty() || *visits == 0);
    }
    let below = entries.iter().filter(|entry| entry.directory);
    let mut keys: Vec<_> = below.filter_map(|entry| pattern.directory(level, &entry.name, &date)).collect();
    keys.sort();
    for (date, name) in keys {
        // One that is purged meanwhile holds nothing.
        if earliest(folders, pattern, &directory.join(name), date, level + 1, visits, found).unwrap_or(false) {
            return Ok(true);
        }
    }
    Ok(*visits == 0)
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
    let mut walk = Walk { folders, pattern, utc, since, now, visits: SINCE_VISITS, spans: Vec::new() };
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
            return Some(true);
        }
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
