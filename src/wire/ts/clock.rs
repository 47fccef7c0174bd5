//! The programme clock: PCRs against each other and against arrival, and the time between them (ISO/IEC 13818-1 clause
//! 2.4.2, ETSI TR 101 290 indicators 2.3a and 2.3b).

use super::clock33::WRAP;
use super::limits::Due;
use super::packet::{SYSTEM_HZ, SYSTEM_PER_TICK};
use super::rate::{Peak, Recent, Spread, recent};
use crate::base::clock::Boot;
use std::time::Duration;

/// A count of the system clock starts over here.
const CYCLE: i64 = (WRAP * SYSTEM_PER_TICK) as i64;
/// 100 ms in 27 MHz: the most that two PCRs may lie apart.
const MOST: i64 = SYSTEM_HZ as i64 / 10;
/// A PCR that runs this far ahead of arrival has jumped, in 27 MHz: 1 s. Less is loss, or a burst.
const AHEAD: i64 = SYSTEM_HZ as i64;
/// By the stream's own clock nothing tells a jump from time that passed; more than this is one, in 27 MHz: 10 s.
const LEAP: i64 = 10 * SYSTEM_HZ as i64;
/// 2.3a where no PCR comes that would show how long it was: once for every second, which no network's jitter explains.
const GONE: Duration = Duration::from_secs(1);
/// How long after a PCR the clock is still told, by position or arrival.
const STALE: Duration = Duration::from_secs(1);
/// The clock is told at most so far beyond its last PCR, in 27 MHz: 200 ms, twice what may lie between two.
const BEYOND: f64 = SYSTEM_HZ as f64 / 5.0;

/// `b` after `a` in 27 MHz, the shortest way round.
pub(super) fn diff(a: u64, b: u64) -> i64 {
    let ahead = (b as i64 - a as i64).rem_euclid(CYCLE);
    if ahead >= CYCLE / 2 { ahead - CYCLE } else { ahead }
}

fn nanos(system: i64) -> i64 {
    (i128::from(system) * 1000 / 27) as i64
}

#[derive(Copy, Clone)]
struct Mark {
    pcr: u64,
    at: Boot,
    /// Packets of the stream before it.
    position: u64,
}

/// How a PCR stands to the one before it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    First,
    Steady,
    Signalled,
    Jumped,
}

/// What one PCR counts.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) step: Step,
    /// 2.3a.
    pub(super) late: bool,
    /// 2.3b.
    pub(super) outside: bool,
}

/// The clock of one PCR PID.
pub(super) struct Clock {
    last: Option<Mark>,
    /// When the next PCR is missed.
    due: Due,
    /// 27 MHz ticks per packet of the stream, over the last interval.
    per_packet: Option<f64>,
    /// Nanoseconds of media time since `base`.
    media: i64,
    base: Boot,
    /// Arrival against an even clock from `base` on, in nanoseconds.
    spread: Recent<Spread>,
    /// In 27 MHz.
    intervals: Recent<Peak>,
}

impl Clock {
    /// Of a PID that has been named the clock's at `at`.
    pub(super) fn new(at: Boot) -> Self {
        Clock {
            last: None,
            due: Due::at(at, GONE),
            per_packet: None,
            media: 0,
            base: at,
            spread: recent(),
            intervals: recent(),
        }
    }

    /// Whole seconds that have passed without a PCR.
    pub(super) fn missing(&mut self, now: Boot) -> u64 {
        self.due.passed(now, GONE)
    }

    /// A PCR. `arrival`: `at` is a time of its own and not this clock's.
    pub(super) fn on(&mut self, pcr: u64, at: Boot, position: u64, signalled: bool, arrival: bool) -> Seen {
        let mark = Mark { pcr, at, position };
        self.due = Due::at(at, GONE);
        let Some(last) = self.last.replace(mark) else {
            self.rebase(at);
            return Seen { step: Step::First, late: false, outside: false };
        };
        if signalled {
            self.rebase(at);
            return Seen { step: Step::Signalled, late: false, outside: false };
        }
        let ticks = diff(last.pcr, pcr);
        let outside = !(0..=MOST).contains(&ticks);
        let elapsed = at.since(last.at);
        let most = if arrival { elapsed.as_nanos() as i64 / 1000 * 27 + AHEAD } else { LEAP };
        if ticks < 0 || ticks > most {
            self.rebase(at);
            let late = arrival && elapsed > Duration::from_millis(100);
            return Seen { step: Step::Jumped, late, outside };
        }
        let packets = position.saturating_sub(last.position);
        if ticks > 0 && packets > 0 {
            self.per_packet = Some(ticks as f64 / packets as f64);
        }
        self.intervals.add(at, Peak(Some(ticks)));
        self.media = self.media.wrapping_add(nanos(ticks));
        if arrival {
            self.spread(at);
        }
        Seen { step: Step::Steady, late: ticks > MOST, outside }
    }

    fn rebase(&mut self, at: Boot) {
        self.media = 0;
        self.base = at;
        self.spread = recent();
        self.spread(at);
    }

    fn spread(&mut self, at: Boot) {
        let late = (at.since(self.base).as_nanos() as i64).wrapping_sub(self.media);
        self.spread.add(at, Spread::of(late));
    }

    /// The system time clock, 33 bit at 90 kHz, where `position` packets have passed.
    pub(super) fn at_position(&self, position: u64, at: Boot) -> Option<u64> {
        let last = self.last.filter(|last| at.since(last.at) <= STALE)?;
        let beyond = self.per_packet? * position.saturating_sub(last.position) as f64;
        Some((last.pcr + beyond.min(BEYOND) as u64) % CYCLE as u64 / SYSTEM_PER_TICK)
    }

    /// The same by the time since the last PCR.
    pub(super) fn at_time(&self, now: Boot) -> Option<u64> {
        let last = self.last.filter(|last| now.since(last.at) <= STALE)?;
        let beyond = now.since(last.at).as_nanos() as u64 * 27 / 1000;
        Some((last.pcr + beyond) % CYCLE as u64 / SYSTEM_PER_TICK)
    }

    /// Seconds, of the last 10 s.
    pub(super) fn longest_interval(&self, now: Boot) -> Option<f64> {
        self.intervals.sum(now)?.0.0.map(|ticks| ticks as f64 / SYSTEM_HZ as f64)
    }

    /// Seconds between the earliest and the latest against an even clock, of the last 10 s.
    pub(super) fn jitter(&self, now: Boot) -> Option<f64> {
        self.spread.sum(now)?.0.width().map(|nanos| nanos as f64 / 1e9)
    }
}

/// Time by the stream itself, for bytes that do not come at their own pace. It follows one PCR PID, does not run back,
/// and passes a jump without a step.
#[derive(Default)]
pub(super) struct StreamTime {
    /// PID followed, its last PCR, the packets before it, and what time it was.
    mark: Option<(u16, u64, u64, Boot)>,
    per_packet: f64,
    now: Boot,
}

impl StreamTime {
    /// Other bytes follow; time goes on from where it was.
    pub(super) fn restart(&mut self) {
        self.mark = None;
    }

    /// The time of a packet: `first` for the first one.
    pub(super) fn on(&mut self, pid: u16, pcr: Option<u64>, position: u64, first: Boot) -> Boot {
        let Some((followed, last, passed, when)) = self.mark else {
            self.now = self.now.max(first);
            self.mark = pcr.map(|pcr| (pid, pcr, position, self.now));
            return self.now;
        };
        let beyond = self.per_packet * (position - passed) as f64;
        if let Some(pcr) = pcr {
            let ticks = diff(last, pcr);
            if pid == followed && (0..=LEAP).contains(&ticks) {
                if ticks > 0 {
                    self.per_packet = ticks as f64 / (position - passed).max(1) as f64;
                }
                self.now = self.now.max(when.plus(Duration::from_nanos(nanos(ticks) as u64)));
                self.mark = Some((pid, pcr, position, self.now));
                return self.now;
            }
            if pid == followed || beyond > AHEAD as f64 {
                self.mark = Some((pid, pcr, position, self.now));
                return self.now;
            }
        }
        self.now = self.now.max(when.plus(Duration::from_nanos(nanos(beyond.min(AHEAD as f64) as i64) as u64)));
        self.now
    }
}
