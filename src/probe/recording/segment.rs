//! One segment, from its first byte to its verdict.

use super::gaps::Moment;
use super::pattern::{Key, Order};
use super::trail::{Sight, moment};
use crate::base::clock::{Boot, Now, Wall};
use crate::wire::container::{Container, Verdict, judge};
use crate::world::folders::{Folders, Stat};
use std::path::PathBuf;

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) key: Key,
    pub(super) order: Order,
    /// When it was made, as far as anybody knows.
    pub(super) born: Option<Moment>,
    /// Its last write.
    pub(super) last: Option<Moment>,
    /// The date of the last write, by the file system.
    pub(super) modified: Option<Wall>,
    /// Which file it is, under whatever name: device, inode, and birth where there is one.
    pub(super) file: Option<((u64, u64), Option<Wall>)>,
    /// Bytes.
    size: u64,
    /// When it was last seen to grow, or first seen.
    pub(super) grew: Option<Boot>,
    /// When it was closed, or moved into place whole.
    pub(super) closed: Option<Now>,
    /// When a newer one came.
    pub(super) followed: Option<Boot>,
    pub(super) judged: bool,
}

/// A segment that is done.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Done {
    /// Of the file, without its directories.
    pub(super) name: String,
    pub(super) verdict: Verdict,
    /// Seconds from its first write to its last.
    pub(super) duration: Option<f64>,
    /// Seconds from its last write until it was closed, or was in place.
    pub(super) processing: Option<f64>,
}

impl Segment {
    pub(super) fn new(path: PathBuf, key: Key, order: Order) -> Segment {
        Segment {
            path,
            key,
            order,
            born: None,
            last: None,
            modified: None,
            file: None,
            size: 0,
            grew: None,
            closed: None,
            followed: None,
            judged: false,
        }
    }

    /// It was there before us: what it holds is not counted.
    pub(super) fn taken_up(&mut self, stat: &Stat, now: &Now, sight: &mut Sight) {
        let last = moment(now, stat.modified).min(now.boot.as_millis() as Moment);
        (self.size, self.modified, self.grew, self.last) = (stat.size, Some(stat.modified), Some(now.boot), Some(last));
        self.file = Some((stat.identity, stat.born));
        sight.wrote(last, last);
    }

    /// It is the same file that was known by another name: what was counted of it is not counted again.
    pub(super) fn renamed(&mut self, from: Segment) {
        (self.born, self.last, self.modified) = (from.born.or(self.born), from.last, from.modified);
        (self.size, self.file, self.grew, self.judged) = (from.size, from.file, from.grew, from.judged);
    }

    /// It was asked after; the last time at `since`. `held`: for how long a writer may hold back what it has.
    pub(super) fn seen(&mut self, stat: &Stat, since: Option<Boot>, held: Moment, now: &Now, sight: &mut Sight) {
        self.file = Some((stat.identity, stat.born));
        let first = self.modified.is_none();
        if self.size == stat.size && self.modified == Some(stat.modified) {
            return;
        }
        sight.grown += stat.size.saturating_sub(self.size);
        // The file system dates writes by the wall clock, which may be another machine's or be stepped; but what is new
        // happened since the last look.
        let to = now.boot.as_millis() as Moment;
        let from = since.map_or(Moment::MIN, |since| since.as_millis() as Moment);
        let own = moment(now, stat.modified);
        let still = self.closed.is_some() && first;
        // A file that was moved into place is dated when it was written, which may be before the last look.
        let last = if still { own.min(to) } else { own.clamp(from.min(to), to) };
        if stat.size > self.size || !first {
            // What comes first was taken when it was made, as far as a writer's buffer explains the delay.
            let began = self.born.filter(|born| self.size == 0 && (0..=held).contains(&(last - born)));
            sight.wrote(began.unwrap_or(last), last);
            self.last = Some(last);
        }
        if !first {
            sight.ahead = Some(own - to);
        }
        (self.size, self.modified, self.grew) = (stat.size, Some(stat.modified), Some(now.boot));
    }

    /// Reads as much of it as tells whether it is whole.
    pub(super) fn judge(&mut self, folders: &dyn Folders) -> Done {
        self.judged = true;
        let verdict = Container::of_name(&self.key.1).and_then(|container| {
            let pages = folders.open(&self.path).ok()?;
            judge(container, self.size, &mut |at, into| pages.read(at, into)).ok()
        });
        let seconds = |ms: i64| (0..=3_600_000).contains(&ms).then_some(ms as f64 / 1000.0);
        let duration = self.born.zip(self.last).map(|(born, last)| (last - born) as f64 / 1000.0);
        let closed = self.closed.zip(self.modified).map(|(at, modified)| at.wall.as_millis() - modified.as_millis());
        Done {
            name: self.key.1.clone(),
            verdict: verdict.unwrap_or(Verdict::Unjudged),
            duration: duration.filter(|seconds| *seconds >= 0.0),
            processing: closed.and_then(seconds),
        }
    }
}

impl Sight {
    fn wrote(&mut self, first: Moment, last: Moment) {
        let (from, to) = self.writes.unwrap_or((first, last));
        self.writes = Some((from.min(first), to.max(last)));
    }
}
