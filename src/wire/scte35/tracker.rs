//! Follows the breaks of one programme: announced → open → closed, overdue or orphaned.
//!
//! Events are told apart by [`Key`]. Durations are measured on the clock of the stream (PTS, 33 bits, wrapping); the clock
//! of the node ([`Boot`]) bounds what the stream cannot, and the wall clock only bridges restarts. Whether a marker came in
//! time is judged on its first transmission; every later one is a repeat.

mod clock;
mod counts;
mod events;
mod fields;
mod happening;
mod heartbeat;
mod labels;
mod marks;
mod memory;
mod points;
#[cfg(test)]
mod tests;

pub use counts::*;
pub use fields::Value;
pub use happening::{Cue, Happening, Point, Preroll};
pub use labels::{Direction, How, Key, News, Of, Source, Verdict, Why};

use super::{Command, CommandKind, Decoded, Defects, Descriptor};
use crate::base::clock::Boot;
use crate::wire::ts::{Medium, RandomAccess, clock33};
use clock::{Step, StreamClock};
use events::{Events, Mark};
use heartbeat::Heartbeat;
use marks::Act;
use memory::Instant;
use points::Points;
use std::collections::VecDeque;
use std::time::Duration;

/// Boot time in ns; negative for what happened before the boot.
type Moment = i64;

/// A step of the stream's clock beyond this is a jump, ticks: less is lost pictures.
const JUMP: i64 = 10 * clock33::HZ as i64;
/// A splice point further off than ten minutes, ticks, is not meant so.
const FAR: i64 = 600 * clock33::HZ as i64;
/// sap_type that says nothing (§9.6.1).
const SAP_NOT_TOLD: u8 = 3;
/// Markers of one section that are told; beyond it is no message but noise.
const MOST_MARKS: usize = 32;
/// Markers that are counted only and whose repeats are known, newest last.
const RECENT: usize = 32;
/// An unusable section is told again when it differs from the last one or after so long, ns.
const UNUSABLE_AGAIN: Moment = 60_000_000_000;
/// A section must come this long before its DTMF sequence is due, ticks (§10.3.2).
const DTMF_AHEAD: i64 = 2 * clock33::HZ as i64;
/// Longest `max_break`: beyond half a round of the clock, differences say nothing.
const LONGEST_BREAK: Duration = Duration::from_secs(12 * 3600);

fn moment(at: Boot) -> Moment {
    Moment::try_from(at.as_nanos()).unwrap_or(Moment::MAX)
}
fn duration_between(from: Moment, to: Moment) -> Duration {
    Duration::from_nanos(u64::try_from(to.saturating_sub(from)).unwrap_or(0))
}
fn ticks_between(from: Moment, to: Moment) -> i64 {
    // 90 kHz against 1 GHz, without overflow over any uptime.
    to.saturating_sub(from).max(0) / 100_000 * 9
}
fn ticks_of(duration: Duration) -> i64 {
    ticks_between(0, Moment::try_from(duration.as_nanos()).unwrap_or(Moment::MAX))
}
fn moments_of(ticks: i64) -> Moment {
    ticks.saturating_mul(100_000) / 9
}

/// What is asked of the sender.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Policy {
    /// Least time from the first transmission to the splice point (§9.9.2.1: 4 s).
    pub preroll: Duration,
    /// An open break without an end is given up after this or after its planned duration; at most 12 h.
    pub max_break: Duration,
    /// A break may be off its duration by this or by 2 %, whichever is more.
    pub tolerance: Duration,
    /// Longest silence; `None`: three times what was learned.
    pub heartbeat: Option<Duration>,
    /// An In message under an unknown id ends the oldest open break.
    pub any_in_closes: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            preroll: Duration::from_secs(4),
            max_break: Duration::from_secs(15 * 60),
            tolerance: Duration::from_secs(1),
            heartbeat: None,
            any_in_closes: false,
        }
    }
}

/// The breaks of one programme.
#[derive(Debug, Default)]
pub struct Tracker {
    policy: Policy,
    counts: Counts,
    seen: Seen,
    clock: StreamClock,
    events: Events,
    points: Points,
    heartbeat: Heartbeat,
    recent: VecDeque<Fingerprint>,
    unusable: Option<(Defects, Moment)>,
    pts_adjustment: Option<u64>,
    offset: Option<i64>,
    duration_error: Option<i64>,
    time: Option<TimeProbe>,
}

/// What makes two markers that are counted only the same one.
#[derive(Copy, Clone, Debug, PartialEq)]
struct Fingerprint(CommandKind, Option<u32>, Option<u8>, Option<u64>, Option<i64>);

/// What the clocks said when a section came.
#[derive(Copy, Clone)]
struct Arrival {
    at: Moment,
    stc: Option<u64>,
    pts: Option<u64>,
}

impl Tracker {
    pub fn new(policy: Policy) -> Self {
        let policy = Policy { max_break: policy.max_break.min(LONGEST_BREAK), ..policy };
        Tracker { policy, ..Tracker::default() }
    }

    /// Takes up what [`Tracker::memory`] gave before a restart. Text that is not its own is an error and changes nothing.
    /// `wall` in Unix milliseconds, here and below.
    pub fn restore(&mut self, memory: &str, at: Boot, wall: i64) -> Result<(), serde_json::Error> {
        (self.events, self.heartbeat, self.clock) = memory::restore(memory, Instant { at: moment(at), wall })?;
        self.points = Points::default();
        for (key, direction, target, due) in self.events.coming() {
            self.points.expect((key, direction), target, SAP_NOT_TOLD, due, self.clock.recent());
        }
        self.expect_ends();
        Ok(())
    }

    /// Waits for the pictures at the ends of open breaks that end by themselves.
    fn expect_ends(&mut self) {
        for (key, end, due) in self.events.ends() {
            self.points.expect((key, Direction::In), end, SAP_NOT_TOLD, due, self.clock.recent());
        }
    }

    /// Live breaks and the learned heartbeat as JSON, at most 32 KiB.
    pub fn memory(&self, at: Boot, wall: i64) -> String {
        memory::save(&self.events, &self.heartbeat, &self.clock, Instant { at: moment(at), wall })
    }

    /// A section arrived. `stc`: the system time clock then, `last_pts`: the newest video PTS before it; 90 kHz, 33 bits.
    pub fn section(
        &mut self,
        decoded: &Decoded<'_>,
        at: Boot,
        wall: i64,
        stc: Option<u64>,
        last_pts: Option<u64>,
        out: &mut Vec<Happening>,
    ) {
        let start = out.len();
        let arrival = Arrival { at: moment(at), stc, pts: last_pts.or(self.clock.last.map(|(pts, _)| pts)) };
        decoded.defects.iter().for_each(|defect| self.counts.defects.add(defect));
        if decoded.crc_ok {
            self.sign_of_life(decoded, at, wall, out);
        }
        let readable = decoded.command.is_some_and(|c| !matches!(c, Command::Unreadable { .. }));
        if decoded.crc_ok && readable {
            self.markers(decoded, arrival, out);
        } else {
            self.unusable(decoded, arrival.at, out);
        }
        self.settle(out, start, arrival.at);
    }

    fn sign_of_life(&mut self, decoded: &Decoded<'_>, at: Boot, wall: i64, out: &mut Vec<Happening>) {
        let kind = decoded.kind();
        self.heartbeat.on(moment(at), kind == CommandKind::Null, out);
        self.counts.sections.add(kind);
        self.seen.any = Some(at);
        self.seen.commands[kind as usize] = Some(at);
        self.pts_adjustment = decoded.header.map(|h| h.pts_adjustment);
        for descriptor in decoded.descriptors {
            match descriptor {
                Descriptor::Segmentation(s) => {
                    if let Some(detail) = s.detail {
                        self.counts.segmentations.add(detail.kind);
                        self.seen.segmentations[detail.kind.index()] = Some(at);
                    }
                }
                Descriptor::Time(tai) => {
                    let offset = tai.unix() - wall as f64 / 1000.0;
                    self.time = Some(TimeProbe { at, offset, utc_offset: tai.utc_offset });
                }
                _ => {}
            }
        }
    }

    fn unusable(&mut self, decoded: &Decoded<'_>, at: Moment, out: &mut Vec<Happening>) {
        let known = self
            .unusable
            .is_some_and(|(defects, when)| defects == decoded.defects && at.saturating_sub(when) < UNUSABLE_AGAIN);
        if !known {
            self.unusable = Some((decoded.defects, at));
            out.push(Happening::Unusable { command: decoded.kind(), defects: decoded.defects });
        }
    }

    fn markers(&mut self, decoded: &Decoded<'_>, arrival: Arrival, out: &mut Vec<Happening>) {
        let sap_type = decoded.header.map_or(SAP_NOT_TOLD, |h| h.sap_type);
        let (mut marks, mut first) = (0, false);
        let mut target = None;
        marks::each(decoded, |act, cue| {
            marks += 1;
            if marks > MOST_MARKS {
                self.counts.refused += 1;
                return;
            }
            target = target.or(cue.target);
            first |= self.marker(act, cue, arrival, sap_type, out);
        });
        for descriptor in decoded.descriptors {
            if let (Descriptor::Dtmf(dtmf), true, Some(target)) = (descriptor, first, target)
                && let Some(ahead) = arrival.preroll(target).least()
            {
                // Tenths of a second to ticks.
                let left = ahead - i64::from(dtmf.preroll) * (clock33::HZ as i64 / 10);
                if left < DTMF_AHEAD {
                    let characters = String::from_utf8_lossy(dtmf.characters).replace(char::is_control, "?");
                    out.push(Happening::DtmfLate { characters, preroll: dtmf.preroll, left });
                }
            }
        }
    }

    /// Whether it is the first transmission.
    fn marker(&mut self, act: Act, mut cue: Cue, arrival: Arrival, sap_type: u8, out: &mut Vec<Happening>) -> bool {
        cue.preroll = cue.target.map(|target| arrival.preroll(target)).unwrap_or_default();
        let ahead = cue.preroll.arrival.or(cue.preroll.declared);
        cue.implausible = ahead.is_some_and(|ahead| !(0..=FAR).contains(&ahead));
        let long_past = ahead.is_some_and(|ahead| ahead < -FAR);
        let due = arrival.at.saturating_add(moments_of(ahead.unwrap_or(0)));
        let mark = |key| Mark {
            key,
            target: cue.target,
            // No break is 0 long: it is written where the length is not known.
            duration: cue.duration.filter(|duration| duration.ticks > 0),
            at: arrival.at,
            pts: arrival.pts,
            due,
            long_past,
        };
        // The cue is told before what comes of it.
        let place = out.len();
        (cue.news, cue.moved) = match act {
            Act::Out(key) => self.events.out(&mark(key), out),
            Act::In(key) => self.events.back(&mark(key), &self.policy, out),
            Act::CancelInsert(id) => (self.cancel(|key| key.id == id && key.of == Of::Insert, arrival, out), None),
            Act::CancelSegment(id) => (self.cancel(|key| key.id == id && key.of != Of::Insert, arrival, out), None),
            Act::Tell => (News::Untracked, None),
        };
        if matches!(cue.news, News::Untracked | News::CancelUnknown) && self.known(&cue) {
            cue.news = News::Repeat;
        }
        if let (Act::Out(key) | Act::In(key), Some(direction)) = (act, cue.direction) {
            match (cue.news, cue.target) {
                (News::First | News::Retimed | News::Unmatched, Some(target)) if !long_past => {
                    self.points.expect((key, direction), target, sap_type, due, self.clock.recent());
                }
                (News::Cancel, _) => self.points.forget(key, None),
                _ => {}
            }
        }
        let first = matches!(cue.news, News::First | News::Unmatched | News::Untracked);
        cue.implausible &= first;
        // For an In of a splice_insert the standard asks for nothing (§9.9.2.1), for segments it does (§10.3.3).
        let judged = cue.direction == Some(Direction::Out) || (cue.direction.is_some() && cue.segmentation.is_some());
        let least = cue.preroll.least();
        cue.late =
            cue.news == News::First && judged && least.is_some_and(|least| least < ticks_of(self.policy.preroll));
        out.insert(place, Happening::Cue(Box::new(cue)));
        first
    }

    fn cancel(&mut self, which: impl Fn(&Key) -> bool, arrival: Arrival, out: &mut Vec<Happening>) -> News {
        for event in self.events.0.iter().filter(|e| which(&e.key)) {
            self.points.forget(event.key, None);
        }
        self.events.cancel(which, arrival.at, arrival.pts, &self.policy, out)
    }

    /// Whether the same marker came before, of those that are counted only.
    fn known(&mut self, cue: &Cue) -> bool {
        let kind = cue.segmentation.map(|s| s.0);
        let print = Fingerprint(cue.command, cue.event_id, kind, cue.target, cue.scheduled);
        let known = self.recent.contains(&print);
        if !known {
            if self.recent.len() == RECENT {
                self.recent.pop_front();
            }
            self.recent.push_back(print);
        }
        known
    }

    /// An access unit arrived, in decoding order; `pts` in 90 kHz, 33 bits.
    pub fn access_unit(
        &mut self,
        pts: u64,
        medium: Medium,
        random_access: RandomAccess,
        at: Boot,
        out: &mut Vec<Happening>,
    ) {
        let start = out.len();
        let at = moment(at);
        match self.clock.on(pts, medium, random_access, at) {
            Step::Aside => return,
            Step::Steady => {}
            Step::Jump { from, gap } => {
                self.events.jump((from, pts), gap, at, out);
                let events = &self.events;
                self.points.retain(|key, direction| events.awaits(key, direction));
                self.expect_ends();
            }
        }
        self.events.pass(pts, at, &self.policy, out);
        self.settle(out, start, at);
        if medium == Medium::Video {
            let start = out.len();
            self.points.on(pts, random_access, || self.clock.frame(), |point| out.push(Happening::Point(point)));
            self.settle(out, start, at);
        }
    }

    /// The clock of the programme may have jumped: signalled, or seen in PCR or PTS. For the next seconds a step of half a
    /// second between access units is believed to be a jump; what was announced on the old clock is then orphaned.
    pub fn discontinuity(&mut self, at: Boot) {
        self.clock.wary(moment(at));
    }

    /// Time passed: to be called about once a second, while the stream is expected to come.
    pub fn tick(&mut self, now: Boot, out: &mut Vec<Happening>) {
        let (start, now) = (out.len(), moment(now));
        self.events.tick(now, &self.policy, out);
        self.points.tick(now);
        self.heartbeat.tick(now, self.policy.heartbeat, out);
        self.settle(out, start, now);
    }

    /// Counts what happened, and waits for the picture at the end of a break that ends by itself.
    fn settle(&mut self, out: &[Happening], start: usize, at: Moment) {
        for happening in &out[start..] {
            self.counts.on(happening);
            match happening {
                Happening::Cue(cue) => match cue.direction {
                    Some(Direction::Out) => self.seen.out = self.seen.any,
                    Some(Direction::In) => self.seen.back = self.seen.any,
                    None => {}
                },
                Happening::Opened { key, pts: Some(pts), planned: Some(planned), auto_return: true, .. } => {
                    if self.events.awaits(*key, Direction::In) {
                        continue;
                    }
                    let end = clock33::add(*pts, *planned as i64);
                    let due = at.saturating_add(moments_of(*planned as i64));
                    self.points.expect((*key, Direction::In), end, SAP_NOT_TOLD, due, self.clock.recent());
                }
                Happening::Closed { actual, planned: Some(planned), .. } => {
                    self.duration_error = Some(actual - *planned as i64);
                }
                Happening::Point(point) => self.offset = point.offset.or(self.offset),
                _ => {}
            }
        }
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    pub fn state(&self, now: Boot) -> State {
        let [announced, open, overdue] = self.events.standing();
        State {
            announced,
            open,
            overdue,
            heartbeat_age: self.heartbeat.age(moment(now)),
            heartbeat_interval: self.heartbeat.interval(),
            heartbeat_lost: self.heartbeat.lost(),
            seen: self.seen.clone(),
            last_pts_adjustment: self.pts_adjustment,
            last_offset: self.offset,
            last_duration_error: self.duration_error,
            time: self.time,
        }
    }
}

impl Arrival {
    fn preroll(&self, target: u64) -> Preroll {
        Preroll {
            declared: self.stc.map(|stc| clock33::diff(stc, target)),
            arrival: self.pts.map(|pts| clock33::diff(pts, target)),
        }
    }
}
