//! Splice points and the pictures at them: can a splicer cut there (an IDR within a frame).

use super::{Direction, Key, Moment, Point, Verdict};
use crate::wire::ts::{RandomAccess, clock33};

/// The window in which a random access point belongs to a splice point, ticks: 50 ms before to 6 s after. A wider one
/// before it finds the last regular one instead.
const BEFORE: i64 = 4_500;
const AFTER: i64 = 6 * clock33::HZ as i64;
/// Pictures that are shown earlier may still follow for so long, ticks.
const REORDER: i64 = clock33::HZ as i64 / 2;
/// Splice points waited for at once; the oldest makes room.
const MOST: usize = 64;
/// Without pictures for so long after it was due, ns, a splice point is forgotten.
const FORGET: Moment = 60_000_000_000;
/// sap_type of a closed GOP, without or with leading pictures (§9.6.1).
const CLOSED: [u8; 2] = [0, 1];

#[derive(Debug)]
struct Pending {
    key: Key,
    direction: Direction,
    target: u64,
    sap_type: u8,
    first: Option<i64>,
    offset: Option<(i64, RandomAccess)>,
    before: Option<i64>,
    newest: i64,
    forget: Moment,
}

#[derive(Debug, Default)]
pub(super) struct Points(Vec<Pending>);

impl Points {
    /// Waits for the picture at `target`, due then, in place of any other of the same event and direction.
    pub(super) fn expect(
        &mut self,
        (key, direction): (Key, Direction),
        target: u64,
        sap_type: u8,
        due: Moment,
        recent: impl Iterator<Item = (u64, RandomAccess)>,
    ) {
        self.forget(key, Some(direction));
        if self.0.len() >= MOST {
            self.0.remove(0);
        }
        let forget = due.saturating_add(FORGET);
        let mut pending = Pending {
            key,
            direction,
            target,
            sap_type,
            first: None,
            offset: None,
            before: None,
            newest: i64::MIN,
            forget,
        };
        recent.for_each(|(pts, random_access)| pending.see(pts, random_access));
        self.0.push(pending);
    }

    pub(super) fn forget(&mut self, key: Key, direction: Option<Direction>) {
        self.0.retain(|p| p.key != key || direction.is_some_and(|d| p.direction != d));
    }

    pub(super) fn retain(&mut self, keep: impl Fn(Key, Direction) -> bool) {
        self.0.retain(|p| keep(p.key, p.direction));
    }

    pub(super) fn tick(&mut self, now: Moment) {
        self.0.retain(|p| now < p.forget);
    }

    /// A video access unit; `frame` gives the length of a frame in ticks.
    pub(super) fn on(
        &mut self,
        pts: u64,
        random_access: RandomAccess,
        frame: impl Fn() -> i64,
        mut judged: impl FnMut(Point),
    ) {
        self.0.retain_mut(|pending| {
            pending.see(pts, random_access);
            let point = pending.verdict(&frame);
            point.is_none_or(|point| {
                judged(point);
                false
            })
        });
    }
}

impl Pending {
    fn see(&mut self, pts: u64, random_access: RandomAccess) {
        let d = clock33::diff(self.target, pts);
        self.newest = self.newest.max(d);
        if d >= 0 {
            self.first = Some(self.first.map_or(d, |first| first.min(d)));
        }
        if random_access == RandomAccess::None {
            return;
        }
        if d < 0 {
            self.before = Some(self.before.map_or(d, |before| before.max(d)));
        }
        if (-BEFORE..=AFTER).contains(&d) && self.offset.is_none_or(|(known, _)| d.abs() < known.abs()) {
            self.offset = Some((d, random_access));
        }
    }

    fn verdict(&self, frame: impl Fn() -> i64) -> Option<Point> {
        // Before its first picture nothing is known of it.
        let first = self.first?;
        // A tick or two are lost where frames do not fill whole ticks.
        let within = |d: i64| d.abs() <= frame() - 2;
        let verdict = match self.offset {
            Some((d, kind)) if within(d) => match kind {
                RandomAccess::Cra | RandomAccess::OpenI => Verdict::OpenGop,
                _ => Verdict::Conditioned,
            },
            Some((d, _)) if self.newest >= d.max(0) + REORDER => Verdict::Unconditioned,
            None if self.newest >= AFTER => Verdict::Unconditioned,
            _ => return None,
        };
        Some(Point {
            key: self.key,
            direction: self.direction,
            target: self.target,
            verdict,
            first,
            offset: self.offset.map(|(d, _)| d),
            before: self.before,
            broken_promise: verdict != Verdict::Conditioned && CLOSED.contains(&self.sap_type),
        })
    }
}
