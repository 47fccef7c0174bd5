//! How often the sender shows that it lives (splice_null, §9.7.1; the standard sets no interval, so it is learned).

use super::{Happening, Moment, duration_between};
use std::time::Duration;

/// Intervals whose median is believed, and how many there must be.
const KEPT: usize = 8;
const ENOUGH: usize = 3;
/// Silence beyond so many intervals is an alarm.
const MISSED: u32 = 3;
/// A splice_null this close to the last one, ns, is the same beat sent again: 1 s.
const SAME: Moment = 1_000_000_000;
/// The tracker is asked about once a second; when it was not for so long, ns, the stream was away: 10 s.
const AWAY: Moment = 10_000_000_000;

#[derive(Debug, Default)]
pub(super) struct Heartbeat {
    /// Between splice_nulls, in ms, oldest first.
    pub(super) intervals: Vec<u64>,
    last_null: Option<Moment>,
    last: Option<Moment>,
    /// Silence counts from here at the earliest, and when it was last asked for.
    since: Option<Moment>,
    asked: Option<Moment>,
    lost: bool,
}

impl Heartbeat {
    /// A section came.
    pub(super) fn on(&mut self, at: Moment, null: bool, out: &mut Vec<Happening>) {
        let beat = null && self.last_null.is_none_or(|before| at.saturating_sub(before) >= SAME);
        if beat && let Some(before) = self.last_null.replace(at) {
            if self.intervals.len() == KEPT {
                self.intervals.remove(0);
            }
            self.intervals.push(u64::try_from(duration_between(before, at).as_millis()).unwrap_or(u64::MAX));
        }
        let age = self.age(at);
        self.last = Some(at);
        if std::mem::take(&mut self.lost) {
            out.push(Happening::HeartbeatBack { age: age.unwrap_or_default() });
        }
    }

    /// Takes up the intervals of an earlier run.
    pub(super) fn learned(intervals: Vec<u64>) -> Self {
        let skip = intervals.len().saturating_sub(KEPT);
        Heartbeat { intervals: intervals.into_iter().skip(skip).collect(), ..Heartbeat::default() }
    }

    /// Tells once when silence has become too long; it counts from the first tick on, and anew where no ticks came.
    pub(super) fn tick(&mut self, now: Moment, configured: Option<Duration>, out: &mut Vec<Happening>) {
        if self.asked.replace(now).is_some_and(|before| now.saturating_sub(before) > AWAY) {
            (self.since, self.last_null) = (Some(now), None);
        }
        let since = *self.since.get_or_insert(now);
        let Some(interval) = configured.or(self.interval()) else { return };
        let limit = configured.unwrap_or(interval * MISSED);
        let age = duration_between(self.last.map_or(since, |last| last.max(since)), now);
        if age > limit && !self.lost {
            self.lost = true;
            out.push(Happening::HeartbeatLost { age, interval });
        }
    }

    pub(super) fn lost(&self) -> bool {
        self.lost
    }
    pub(super) fn age(&self, now: Moment) -> Option<Duration> {
        self.last.map(|last| duration_between(last, now))
    }
    /// The median of the last intervals.
    pub(super) fn interval(&self) -> Option<Duration> {
        if self.intervals.len() < ENOUGH {
            return None;
        }
        let mut sorted = self.intervals.clone();
        sorted.sort_unstable();
        Some(Duration::from_millis(sorted[sorted.len() / 2]))
    }
}
