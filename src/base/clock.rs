//! Boot time and wall time, as values, behind a handle that a test can hold.
//!
//! Every duration that is stored, judged or shown is a difference of [`Boot`] (CLOCK_BOOTTIME: it never steps and
//! counts suspend). [`Wall`] only labels. The real clock is `world::clock`, the only place allowed to ask the kernel.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// Time since boot, suspend included, in nanoseconds (CLOCK_BOOTTIME, clock_gettime(2)).
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Boot(u64);

impl Boot {
    pub const fn from_nanos(nanos: u64) -> Self {
        Boot(nanos)
    }
    pub const fn from_secs(secs: u64) -> Self {
        Boot(secs * 1_000_000_000)
    }
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
    /// Whole milliseconds since boot, the unit of stored frames.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }
    /// Time passed since `earlier`; zero when `earlier` is later.
    pub fn since(self, earlier: Boot) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
    pub fn plus(self, d: Duration) -> Boot {
        Boot(self.0.saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Wall-clock time, milliseconds since the Unix epoch. A label, never a measure.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Wall(i64);

impl Wall {
    pub const fn from_millis(ms: i64) -> Self {
        Wall(ms)
    }
    pub const fn as_millis(self) -> i64 {
        self.0
    }
    /// Unix seconds with millisecond resolution, the unit of Prometheus timestamps in gauges.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }
    /// The wall time `d` before this one.
    pub fn minus(self, d: Duration) -> Wall {
        Wall(self.0.saturating_sub(i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Wall {
    /// RFC 3339 in UTC with milliseconds, e.g. `2026-11-21T08:38:25.000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

/// One reading of both clocks.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct Now {
    pub boot: Boot,
    pub wall: Wall,
    /// The kernel says that the wall clock is disciplined (adjtimex(2) without STA_UNSYNC).
    pub trusted: bool,
}

impl Now {
    /// The wall time of an earlier boot time, by today's relation of the two clocks.
    pub fn wall_of(&self, earlier: Boot) -> Wall {
        self.wall.minus(self.boot.since(earlier))
    }
}

/// The wall time of one past instant, worked out once: both clocks are cut to milliseconds when they are compared, so
/// that working it out anew each time gives one value and its neighbour in turn. After a step of the wall clock it is
/// worked out anew.
#[derive(Debug, Default)]
pub struct Dated(Option<(Boot, Wall)>);

impl Dated {
    /// A wall clock that moved by more than this, in ms, was stepped; less is slewing and rounding.
    const STEP: u64 = 500;

    pub fn wall_of(&mut self, now: &Now, earlier: Boot) -> Wall {
        let fresh = now.wall_of(earlier);
        match self.0 {
            Some((at, wall)) if at == earlier && wall.0.abs_diff(fresh.0) <= Self::STEP => wall,
            _ => {
                self.0 = Some((earlier, fresh));
                fresh
            }
        }
    }
}

/// The interval in which a read happened.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Window {
    pub from: Boot,
    pub to: Boot,
}

type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a clock must be able to do; `world::clock` and [`Sim`] do it.
pub trait Time: Send + Sync {
    fn now(&self) -> Now;
    fn boot(&self) -> Boot {
        self.now().boot
    }
    fn sleep_until(&self, at: Boot) -> Sleep;
}

/// The clock as everyone holds it.
#[derive(Clone)]
pub struct Clock(Arc<dyn Time>);

/// A wait was cut off by its bound.
#[derive(Debug, Copy, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no answer within {:.1} s", .0.as_secs_f64())]
pub struct Elapsed(pub Duration);

impl Clock {
    pub fn new(time: impl Time + 'static) -> Self {
        Clock(Arc::new(time))
    }
    pub fn now(&self) -> Now {
        self.0.now()
    }
    pub fn boot(&self) -> Boot {
        self.0.boot()
    }
    pub async fn sleep_until(&self, at: Boot) {
        self.0.sleep_until(at).await;
    }
    pub async fn sleep(&self, d: Duration) {
        self.0.sleep_until(self.boot().plus(d)).await;
    }
    /// Runs `work` for at most `bound`.
    pub async fn within<F: Future>(&self, bound: Duration, work: F) -> Result<F::Output, Elapsed> {
        tokio::select! {
            biased;
            out = work => Ok(out),
            () = self.sleep(bound) => Err(Elapsed(bound)),
        }
    }
    /// A steady beat: `period`, 2 × `period`, … from now. Missed beats are skipped, not made up.
    pub fn every(&self, period: Duration) -> Every {
        Every { clock: self.clone(), period, next: self.boot().plus(period) }
    }
}

/// See [`Clock::every`].
pub struct Every {
    clock: Clock,
    period: Duration,
    next: Boot,
}

impl Every {
    /// Waits for the next beat and returns when it was due. Cancel-safe.
    pub async fn beat(&mut self) -> Boot {
        self.clock.sleep_until(self.next).await;
        let due = self.next;
        let behind = self.clock.boot().since(due).as_nanos() / self.period.as_nanos().max(1);
        self.next = due.plus(self.period * (u32::try_from(behind).unwrap_or(u32::MAX - 1) + 1));
        due
    }
}

/// A clock that moves only when told to. Clones share the time.
#[derive(Clone)]
pub struct Sim {
    inner: Arc<SimInner>,
}

struct SimInner {
    now: Mutex<Now>,
    moved: watch::Sender<Boot>,
}

impl Sim {
    /// Starts ten seconds after boot, at 2026-01-01T00:00:00Z, disciplined.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let now = Now { boot: Boot::from_secs(10), wall: Wall::from_millis(1_767_225_600_000), trusted: true };
        Sim { inner: Arc::new(SimInner { now: Mutex::new(now), moved: watch::Sender::new(now.boot) }) }
    }
    pub fn clock(&self) -> Clock {
        Clock::new(self.clone())
    }
    /// Moves both clocks forward and wakes the sleepers that are due.
    pub fn advance(&self, d: Duration) {
        let boot = {
            let mut now = self.inner.now.lock().unwrap_or_else(|e| e.into_inner());
            now.boot = now.boot.plus(d);
            now.wall = Wall::from_millis(now.wall.as_millis() + d.as_millis() as i64);
            now.boot
        };
        self.inner.moved.send_replace(boot);
    }
    /// Steps the wall clock alone, as NTP or a technician would.
    pub fn step_wall(&self, ms: i64, trusted: bool) {
        let mut now = self.inner.now.lock().unwrap_or_else(|e| e.into_inner());
        now.wall = Wall::from_millis(now.wall.as_millis() + ms);
        now.trusted = trusted;
    }
}

impl Time for Sim {
    fn now(&self) -> Now {
        *self.inner.now.lock().unwrap_or_else(|e| e.into_inner())
    }
    fn sleep_until(&self, at: Boot) -> Sleep {
        let mut moved = self.inner.moved.subscribe();
        Box::pin(async move {
            // The sender lives as long as the Sim; a dropped Sim leaves its sleepers asleep for ever, as a stopped clock does.
            if moved.wait_for(|now| *now >= at).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_simulated_clock_passes_it_and_not_before() {
        let sim = Sim::new();
        let clock = sim.clock();
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(Duration::from_secs(5)).await }
        });
        tokio::task::yield_now().await;
        sim.advance(Duration::from_secs(4));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        sim.advance(Duration::from_secs(1));
        sleeper.await.unwrap();
    }

    #[tokio::test]
    async fn missed_beats_are_skipped() {
        let sim = Sim::new();
        let mut every = sim.clock().every(Duration::from_secs(5));
        sim.advance(Duration::from_secs(17));
        assert_eq!(every.beat().await, Boot::from_secs(15));
        sim.advance(Duration::from_secs(3));
        assert_eq!(every.beat().await, Boot::from_secs(30));
    }

    #[test]
    fn the_wall_time_of_an_instant_does_not_flicker_and_follows_a_step() {
        let mut dated = Dated::default();
        let at = |boot_us: u64, wall_us: i64| Now {
            boot: Boot::from_nanos(boot_us * 1000),
            wall: Wall::from_millis(wall_us / 1000),
            trusted: true,
        };
        let frame = Boot::from_nanos(1_000_400_000);
        // The two clocks turn their milliseconds at different moments.
        let nows: Vec<_> = (0..20_i64).map(|i| at(1_000_900 + i as u64 * 300, 5_000_200 + i * 300)).collect();
        let naive: std::collections::BTreeSet<_> = nows.iter().map(|now| now.wall_of(frame)).collect();
        assert_eq!(naive.len(), 2, "the flicker is real");
        let told: std::collections::BTreeSet<_> = nows.iter().map(|now| dated.wall_of(now, frame)).collect();
        assert_eq!(told.len(), 1);
        assert_eq!(dated.wall_of(&at(2_000_400, 9_000_000), frame), Wall::from_millis(8_000), "the wall was stepped");
        let next = Boot::from_nanos(1_100_400_000);
        assert_eq!(dated.wall_of(&at(2_000_400, 9_000_000), next), Wall::from_millis(8_100), "a new frame");
    }

    #[test]
    fn wall_time_prints_as_rfc3339_with_milliseconds() {
        assert_eq!(Wall::from_millis(1_767_225_600_120).to_string(), "2026-01-01T00:00:00.120Z");
    }
}
