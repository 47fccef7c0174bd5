//! The live events and the walk of each: announced → open → overdue → done.

use super::{
    Direction, Happening, How, Key, Moment, News, Policy, Why, duration_between, moments_of, ticks_between, ticks_of,
};
use crate::wire::scte35::command::BreakDuration;
use crate::wire::ts::clock33;

/// Events followed at once, those included that are over and kept to know their repeats.
pub(super) const MOST: usize = 64;
/// An event that is over is kept this long after its last marker, ns.
const KEPT: Moment = 600_000_000_000;
/// Two times are the same within 5 ms, ticks: less than half a frame, more than rounding.
const SAME: i64 = 450;
/// An immediate marker once more within 10 s, ns, is the same one.
const SAME_IMMEDIATE: Moment = 10_000_000_000;
/// A section may overtake the pictures it belongs to by this, ns.
const OVERTAKEN: Moment = 2_000_000_000;
/// Such a section names a time this many times nearer to the new clock than to the old one.
const CLEARLY: i64 = 4;
/// A planned duration beyond six hours is not believed, ticks.
const LONGEST_PLAN: u64 = 6 * 3600 * clock33::HZ;
/// A break may be off its duration by one in so many.
const TOLERANCE_SHARE: u64 = 50;

/// A break that began.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) struct Open {
    /// When its first picture came.
    pub(super) at: Moment,
    /// Elapsed up to `anchor`, ticks.
    pub(super) carried: i64,
    /// Where on the stream's clock `carried` ends; `None` before the first picture.
    pub(super) anchor: Option<u64>,
    pub(super) overdue: bool,
}

impl Open {
    /// Ticks from the splice point to `pts`.
    pub(super) fn elapsed(&self, pts: u64) -> i64 {
        self.carried + self.anchor.map_or(0, |anchor| clock33::diff(anchor, pts))
    }
}

#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) enum Phase {
    Announced,
    Open(Open),
    /// Only an In was seen: there is nothing to close, but its repeats must be known.
    Lone,
    Done(Option<How>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    pub(super) key: Key,
    pub(super) phase: Phase,
    pub(super) first_at: Moment,
    pub(super) last_at: Moment,
    /// When its splice point should come.
    pub(super) due: Moment,
    /// Adjusted splice time; `None`: immediate.
    pub(super) target: Option<u64>,
    pub(super) planned: Option<BreakDuration>,
    /// The In that was announced: its time, `None` inside when immediate.
    pub(super) back: Option<Option<u64>>,
    /// The last Out of the same id that meant another time.
    pub(super) duplicate: Option<Option<u64>>,
}

/// What a marker says.
#[derive(Copy, Clone, Debug)]
pub(super) struct Mark {
    pub(super) key: Key,
    pub(super) target: Option<u64>,
    pub(super) duration: Option<BreakDuration>,
    pub(super) at: Moment,
    /// The newest PTS.
    pub(super) pts: Option<u64>,
    /// When its splice point should come.
    pub(super) due: Moment,
    /// Its time is so long past that it can be no break's.
    pub(super) long_past: bool,
}

#[derive(Debug)]
pub(super) struct Events(pub(super) Vec<Event>);

impl Default for Events {
    /// All it will ever hold, so that no section makes it grow.
    fn default() -> Self {
        Events(Vec::with_capacity(MOST))
    }
}

fn same(a: Option<u64>, b: Option<u64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => clock33::diff(a, b).abs() <= SAME,
        (None, None) => true,
        _ => false,
    }
}

fn moved(from: Option<u64>, to: Option<u64>) -> Option<i64> {
    Some(clock33::diff(from?, to?))
}

/// News of a marker, and by how much it moves its event.
type Told = (News, Option<i64>);

impl Events {
    fn find(&mut self, key: Key) -> Option<&mut Event> {
        self.0.iter_mut().find(|e| e.key == key)
    }

    /// Takes a new event in, in place of one of the same key; one that is over makes room.
    fn insert(&mut self, event: Event) -> bool {
        self.0.retain(|e| e.key != event.key);
        if self.0.len() >= MOST {
            let over = self.0.iter().enumerate().filter(|(_, e)| matches!(e.phase, Phase::Done(_) | Phase::Lone));
            let Some((oldest, _)) = over.min_by_key(|(_, e)| e.last_at) else { return false };
            self.0.remove(oldest);
        }
        self.0.push(event);
        true
    }

    pub(super) fn out(&mut self, mark: &Mark, out: &mut Vec<Happening>) -> Told {
        let Mark { key, target, at, .. } = *mark;
        if let Some(event) = self.find(key) {
            let again = at.saturating_sub(event.last_at) < SAME_IMMEDIATE;
            match &event.phase {
                Phase::Announced => {
                    event.last_at = at;
                    event.planned = mark.duration.or(event.planned);
                    if same(event.target, target) {
                        return (News::Repeat, None);
                    }
                    let moved = moved(event.target, target);
                    event.target = target;
                    event.due = mark.due;
                    if target.is_none() {
                        self.open_at_once(mark, out);
                    }
                    return (News::Retimed, moved);
                }
                Phase::Open(_) => {
                    event.last_at = at;
                    if target.is_none()
                        || same(event.target, target)
                        || event.duplicate.is_some_and(|d| same(d, target))
                    {
                        return (News::Repeat, None);
                    }
                    event.duplicate = Some(target);
                    return (News::DuplicateId, None);
                }
                Phase::Done(_) if same(event.target, target) && (target.is_some() || again) => {
                    event.last_at = at;
                    return (News::Repeat, None);
                }
                Phase::Done(_) | Phase::Lone => {}
            }
        }
        let event = Event {
            key,
            phase: if mark.long_past { Phase::Done(None) } else { Phase::Announced },
            first_at: at,
            last_at: at,
            due: mark.due,
            target,
            planned: mark.duration,
            back: None,
            duplicate: None,
        };
        if !self.insert(event) {
            return (News::Refused, None);
        }
        match target {
            Some(target) if mark.long_past => {
                out.push(Happening::Orphaned { key, direction: Direction::Out, target, why: Why::LongPast });
            }
            Some(_) => {}
            None => self.open_at_once(mark, out),
        }
        (News::First, None)
    }

    fn open_at_once(&mut self, mark: &Mark, out: &mut Vec<Happening>) {
        let overlapping = self.overlaps(mark.key);
        if let Some(event) = self.find(mark.key) {
            event.open(mark.pts, mark.at, None, overlapping, out);
        }
    }

    fn overlaps(&self, key: Key) -> bool {
        self.0.iter().any(|e| e.key.of == key.of && e.key != key && matches!(e.phase, Phase::Open(_)))
    }

    /// `key` is that of the event which the In would end.
    pub(super) fn back(&mut self, mark: &Mark, policy: &Policy, out: &mut Vec<Happening>) -> Told {
        let Mark { key, target, at, .. } = *mark;
        let live = |e: &Event| matches!(e.phase, Phase::Announced | Phase::Open(_));
        let known = self.0.iter().position(|e| e.key == key);
        let stand_in = || {
            let open = |e: &&Event| matches!(e.phase, Phase::Open(_)) && e.key.span() == key.span();
            let oldest = self.0.iter().filter(open).min_by_key(|e| e.first_at)?.key;
            self.0.iter().position(|e| e.key == oldest)
        };
        let index = match known {
            Some(index) if live(&self.0[index]) || !policy.any_in_closes => Some(index),
            _ if policy.any_in_closes => stand_in().or(known),
            other => other,
        };
        let Some(index) = index else { return self.lone(mark) };
        let event = &mut self.0[index];
        let again = event.back.is_some_and(|back| {
            same(back, target) && (target.is_some() || at.saturating_sub(event.last_at) < SAME_IMMEDIATE)
        });
        match event.phase {
            _ if again => {
                event.last_at = at;
                (News::Repeat, None)
            }
            Phase::Lone | Phase::Done(_) => {
                event.last_at = at;
                event.back = Some(target);
                // After an auto_return the In says once more what the duration had said.
                let told = event.phase == Phase::Done(Some(How::AutoReturn));
                (if told { News::Repeat } else { News::Unmatched }, None)
            }
            Phase::Announced | Phase::Open(_) if mark.long_past => (News::Unmatched, None),
            // What is told to end before it began is another break.
            Phase::Open(open) if target.is_some_and(|target| open.elapsed(target) < 0) => (News::Unmatched, None),
            Phase::Announced => {
                event.last_at = at;
                let after_out = moved(event.target, target).is_some_and(|d| d > 0);
                if !after_out {
                    event.phase = Phase::Done(Some(How::Cancelled));
                    event.back = Some(target);
                    return (News::Cancel, None);
                }
                event.announce_back(target)
            }
            Phase::Open(open) => {
                event.last_at = at;
                let told = event.announce_back(target);
                if target.is_none() {
                    let actual = mark.pts.map_or(open.carried, |pts| open.elapsed(pts));
                    event.close(How::Return, actual, policy, out);
                }
                told
            }
        }
    }

    fn lone(&mut self, mark: &Mark) -> Told {
        let event = Event {
            key: mark.key,
            phase: Phase::Lone,
            first_at: mark.at,
            last_at: mark.at,
            due: mark.at,
            target: None,
            planned: None,
            back: Some(mark.target),
            duplicate: None,
        };
        self.insert(event);
        (News::Unmatched, None)
    }

    /// Calls off all events that `which` picks.
    pub(super) fn cancel(
        &mut self,
        which: impl Fn(&Key) -> bool,
        at: Moment,
        pts: Option<u64>,
        policy: &Policy,
        out: &mut Vec<Happening>,
    ) -> News {
        let mut news = News::CancelUnknown;
        for event in self.0.iter_mut().filter(|e| which(&e.key)) {
            match event.phase {
                Phase::Announced => event.phase = Phase::Done(Some(How::Cancelled)),
                Phase::Open(open) => {
                    let actual = pts.map_or(open.carried, |pts| open.elapsed(pts));
                    event.close(How::Cancelled, actual, policy, out);
                }
                Phase::Done(Some(How::Cancelled)) if news == News::CancelUnknown => {
                    news = News::Repeat;
                    continue;
                }
                Phase::Lone | Phase::Done(_) => continue,
            }
            event.last_at = at;
            news = News::Cancel;
        }
        news
    }

    /// An access unit at `pts`: ends first, so that a break may begin where another ends.
    pub(super) fn pass(&mut self, pts: u64, at: Moment, policy: &Policy, out: &mut Vec<Happening>) {
        for event in &mut self.0 {
            event.pass(pts, policy, out);
        }
        for n in 0..self.0.len() {
            let event = &self.0[n];
            let due = event.target.is_some_and(|target| clock33::diff(target, pts) >= 0);
            if event.phase == Phase::Announced && due {
                let overlapping = self.overlaps(event.key);
                let event = &mut self.0[n];
                let preroll = Some(duration_between(event.first_at, at));
                event.open(event.target, at, preroll, overlapping, out);
            }
        }
    }

    /// The clock jumped from one PTS to another in `gap` ticks: what was announced on the old one will not come. A
    /// section may overtake the pictures, so one of a moment ago whose time clearly fits the new clock stays.
    pub(super) fn jump(&mut self, (from, to): (u64, u64), gap: i64, at: Moment, out: &mut Vec<Happening>) {
        let lost = |event: &Event, target: u64| {
            let nearer = clock33::diff(to, target).abs() < clock33::diff(from, target).abs() / CLEARLY;
            !(nearer && at.saturating_sub(event.last_at) < OVERTAKEN)
        };
        for event in &mut self.0 {
            let fresh = event.clone();
            match &mut event.phase {
                Phase::Announced => {
                    if let Some(target) = event.target.filter(|target| lost(&fresh, *target)) {
                        event.phase = Phase::Done(None);
                        event.orphan(Direction::Out, target, Why::Discontinuity, out);
                    }
                }
                Phase::Open(open) => {
                    open.carried = open.elapsed(from) + gap.max(0);
                    open.anchor = Some(to);
                    if let Some(Some(target)) = event.back.filter(|b| b.is_some_and(|b| lost(&fresh, b))) {
                        event.back = None;
                        event.orphan(Direction::In, target, Why::Discontinuity, out);
                    }
                }
                Phase::Lone => event.back = None,
                Phase::Done(_) => {}
            }
        }
    }

    /// Whether a splice point of it is still to come.
    pub(super) fn awaits(&self, key: Key, direction: Direction) -> bool {
        self.coming().any(|(k, d, ..)| (k, d) == (key, direction))
    }

    /// Splice points that are still to come, with their time and when that is due.
    pub(super) fn coming(&self) -> impl Iterator<Item = (Key, Direction, u64, Moment)> {
        self.0.iter().flat_map(|e| {
            let out =
                e.target.filter(|_| e.phase == Phase::Announced).map(|target| (e.key, Direction::Out, target, e.due));
            let back = e.back.flatten().filter(|_| !matches!(e.phase, Phase::Done(_)));
            out.into_iter().chain(back.map(|back| (e.key, Direction::In, back, e.due)))
        })
    }

    /// When open breaks will end by themselves: on the stream's clock as far as it is known, and on the node's.
    pub(super) fn ends(&self) -> impl Iterator<Item = (Key, u64, Moment)> {
        self.0.iter().filter_map(|e| {
            let (Phase::Open(open), Some(BreakDuration { auto_return: true, ticks }), None) =
                (e.phase, e.planned, e.back)
            else {
                return None;
            };
            let planned = ticks as i64;
            let end = clock33::add(open.anchor?, planned - open.carried);
            Some((e.key, end, open.at.saturating_add(moments_of(planned))))
        })
    }

    /// Events announced, open, and overdue.
    pub(super) fn standing(&self) -> [u64; 3] {
        let mut standing = [0; 3];
        for event in &self.0 {
            match event.phase {
                Phase::Announced => standing[0] += 1,
                Phase::Open(open) => standing[if open.overdue { 2 } else { 1 }] += 1,
                Phase::Lone | Phase::Done(_) => {}
            }
        }
        standing
    }

    /// What the stream's clock cannot end, since it stands still or never was.
    pub(super) fn tick(&mut self, now: Moment, policy: &Policy, out: &mut Vec<Happening>) {
        for event in &mut self.0 {
            match event.phase {
                Phase::Open(open) if ticks_between(open.at, now) > event.longest(policy) => {
                    let actual = ticks_between(open.at, now);
                    event.close(How::Timeout, actual, policy, out);
                }
                Phase::Announced => {
                    let expired = duration_between(event.due, now) > policy.max_break;
                    if let Some(target) = event.target.filter(|_| expired) {
                        event.phase = Phase::Done(None);
                        event.orphan(Direction::Out, target, Why::Expired, out);
                    }
                }
                _ => {}
            }
        }
        self.0.retain(|e| !matches!(e.phase, Phase::Done(_) | Phase::Lone) || now.saturating_sub(e.last_at) < KEPT);
    }
}

impl Event {
    fn orphan(&self, direction: Direction, target: u64, why: Why, out: &mut Vec<Happening>) {
        out.push(Happening::Orphaned { key: self.key, direction, target, why });
    }

    fn announce_back(&mut self, target: Option<u64>) -> Told {
        match self.back.replace(target) {
            None => (News::First, None),
            Some(before) => (News::Retimed, moved(before, target)),
        }
    }

    fn open(
        &mut self,
        pts: Option<u64>,
        at: Moment,
        preroll: Option<std::time::Duration>,
        overlapping: bool,
        out: &mut Vec<Happening>,
    ) {
        self.phase = Phase::Open(Open { at, carried: 0, anchor: pts, overdue: false });
        out.push(Happening::Opened {
            key: self.key,
            pts,
            planned: self.planned.map(|p| p.ticks),
            auto_return: self.planned.is_some_and(|p| p.auto_return),
            preroll,
            overlapping,
        });
    }

    fn tolerance(&self, policy: &Policy) -> i64 {
        let share = self.planned.map_or(0, |p| p.ticks / TOLERANCE_SHARE);
        ticks_of(policy.tolerance).max(share as i64)
    }

    fn close(&mut self, how: How, actual: i64, policy: &Policy, out: &mut Vec<Happening>) {
        let planned = self.planned.map(|p| p.ticks);
        let error = planned.map(|planned| actual - planned as i64);
        let tolerance = self.tolerance(policy);
        let how = match (how, error) {
            (How::Return, Some(error)) if error < -tolerance => How::EarlyReturn,
            (How::Return, Some(error)) if error > tolerance => How::LateReturn,
            _ => how,
        };
        self.phase = Phase::Done(Some(how));
        let mismatch = error.is_some_and(|error| error.abs() > tolerance);
        out.push(Happening::Closed { key: self.key, how, actual, planned, mismatch });
    }

    fn pass(&mut self, pts: u64, policy: &Policy, out: &mut Vec<Happening>) {
        let tolerance = self.tolerance(policy);
        let Phase::Open(open) = &mut self.phase else { return };
        let anchor = *open.anchor.get_or_insert(pts);
        let elapsed = open.elapsed(pts);
        let back = self.back.flatten();
        if let Some(back) = back.filter(|back| clock33::diff(*back, pts) >= 0) {
            let actual = open.carried + clock33::diff(anchor, back);
            return self.close(How::Return, actual, policy, out);
        }
        if let Some(BreakDuration { auto_return, ticks }) = self.planned {
            let planned = ticks as i64;
            // An In message overrides the duration, unless it lies beyond what can be meant.
            let awaited = back.is_some_and(|back| open.elapsed(back) <= planned + tolerance);
            if auto_return && elapsed >= planned && !awaited {
                return self.close(How::AutoReturn, planned, policy, out);
            }
            if !auto_return && elapsed > planned + tolerance && !open.overdue {
                open.overdue = true;
                out.push(Happening::Overdue { key: self.key, elapsed, planned: ticks });
            }
        }
        if elapsed > self.longest(policy) {
            self.close(How::Timeout, elapsed, policy, out);
        }
    }

    /// Ticks after which it is given up.
    fn longest(&self, policy: &Policy) -> i64 {
        let planned = self.planned.map(|p| p.ticks).filter(|ticks| *ticks <= LONGEST_PLAN);
        ticks_of(policy.max_break).max(planned.map_or(0, |ticks| ticks as i64 + self.tolerance(policy)))
    }
}
