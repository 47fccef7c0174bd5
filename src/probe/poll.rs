//! The second shape of a probe: asked on a clock, on a thread of its own, under a deadline.
//!
//! For what is read from the kernel, a library or a driver that may not come back. A [`Poll`] says what to look at and
//! what to make of it; [`Polled`] makes a [`Session`] of it, so that the keeper treats it like any other. A look that hangs
//! costs its target only: it breaks with `timeout`, its thread is left to itself, and what it last told leaves the page
//! after 2.5 cadences ([`crate::metric::book::Hold::Read`]).

use crate::base::clock::{Clock, Window};
use crate::base::quit::Quit;
use crate::metric::report::{NoData, Report};
use crate::probe::{Failed, Patience, Running, Session, Tap};
use crate::world::post::{Hung, Post};
use std::time::Duration;

/// Something that is looked at every so often.
pub trait Poll: Send {
    /// What one look brings back. What could not be read is in it, with its reason.
    type Seen: Send + 'static;
    /// The next look. It runs on a thread that may hang for ever, so it takes along only what nobody else waits for.
    fn look(&mut self) -> Box<dyn FnOnce() -> Self::Seen + Send>;
    /// Makes a report of what was seen.
    fn fold(&mut self, taken: Window, seen: Self::Seen) -> Report;
    /// Takes back what `fold` told, after a panic: see [`Session::fallen`].
    fn fallen(&mut self, report: &mut Report);
}

/// How often a [`Poll`] looks, and how long one look may take.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub every: Duration,
    pub limit: Duration,
}

/// A [`Poll`] at work.
pub struct Polled<P> {
    poll: P,
    pace: Pace,
    clock: Clock,
    post: Post,
}

impl<P: Poll> Polled<P> {
    /// `name` is that of the thread, of which the kernel keeps 15 bytes.
    pub fn new(name: &str, pace: Pace, clock: Clock, poll: P) -> Self {
        Polled { poll, pace, post: Post::new(name, clock.clone()), clock }
    }
}

impl From<Hung> for Failed {
    fn from(hung: Hung) -> Self {
        let why = match hung {
            Hung::Late(_) | Hung::Stuck(_) => NoData::Timeout,
            Hung::Panicked => NoData::Malformed,
            Hung::NoThread => NoData::Unreachable,
        };
        Failed { why, what: "looking".to_owned(), source: Some(hung.into()), patience: Patience::Short }
    }
}

impl<P: Poll> Session for Polled<P> {
    fn run<'a>(&'a mut self, tap: &'a Tap, quit: &'a Quit) -> Running<'a> {
        Box::pin(async move {
            let mut every = self.clock.every(self.pace.every);
            loop {
                let from = self.clock.boot();
                let look = self.poll.look();
                let seen = tokio::select! {
                    seen = self.post.ask(self.pace.limit, look) => seen?,
                    () = quit.wait() => return Ok(()),
                };
                tap.send(self.poll.fold(Window { from, to: self.clock.boot() }, seen));
                tokio::select! {
                    _due = every.beat() => {}
                    () = quit.wait() => return Ok(()),
                }
            }
        })
    }

    fn fallen(&mut self, tap: &Tap) {
        let at = self.clock.boot();
        let mut report = Report::new(Window { from: at, to: at });
        self.poll.fallen(&mut report);
        tap.send(report);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Sim;
    use crate::base::quit;
    use crate::base::ring::Ring;
    use crate::metric::book::{Book, Hold, Series};
    use crate::metric::desc::{Desc, Unit};
    use crate::metric::latest::Latest;
    use crate::metric::memory::Memory;
    use std::collections::VecDeque;
    use std::sync::mpsc;

    static DEPTH: Desc<1> = Desc::gauge("depth", Unit::Count, ["well"], "how deep it is");
    const EVERY: Duration = Duration::from_secs(5);
    const LIMIT: Duration = Duration::from_secs(2);

    type Look = Box<dyn FnOnce() -> f64 + Send>;

    /// Its looks are given; after the last of them it panics.
    struct Well(Series, VecDeque<Look>);

    impl Poll for Well {
        type Seen = f64;
        fn look(&mut self) -> Look {
            self.1.pop_front().expect("the test gave enough looks")
        }
        fn fold(&mut self, taken: Window, seen: f64) -> Report {
            let mut report = Report::new(taken);
            report.value(self.0, seen);
            report
        }
        fn fallen(&mut self, report: &mut Report) {
            report.reading(self.0, Err(NoData::Stale));
        }
    }

    fn sees(depth: f64) -> Look {
        Box::new(move || depth)
    }

    /// Hangs until the sender is dropped.
    fn hangs() -> (mpsc::Sender<()>, Look) {
        let (release, wait) = mpsc::channel::<()>();
        (release, Box::new(move || wait.recv().map_or(0.0, |()| 1.0)))
    }

    struct Bench {
        sim: Sim,
        book: Book,
        latest: Latest,
        ring: Ring<Report>,
        tap: Tap,
    }

    impl Bench {
        fn new() -> Bench {
            let (ring, book) = (Ring::new(16), Book::default());
            let tap = Tap::new(ring.clone(), Memory::default());
            Bench { sim: Sim::new(), latest: Latest::new(book.clone()), book, ring, tap }
        }
        fn well(&self, name: &str, looks: impl IntoIterator<Item = Look>) -> Polled<Well> {
            let series = self.book.open(&DEPTH, [name], Hold::Read(EVERY));
            let well = Well(series, looks.into_iter().collect());
            Polled::new(name, Pace { every: EVERY, limit: LIMIT }, self.sim.clock(), well)
        }
        /// Waits for `reports` to arrive, and lets whoever has something to do come to rest.
        async fn told(&mut self, mut reports: usize) {
            while reports > 0 {
                for report in self.ring.take().await {
                    self.latest.apply(&report);
                    reports -= 1;
                }
            }
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
        fn page(&mut self) -> Vec<f64> {
            let at = self.sim.clock().boot();
            self.latest.standing(at).iter().map(|row| row.value).collect()
        }
    }

    #[tokio::test]
    async fn a_look_that_hangs_costs_its_target_only_and_what_it_last_told_leaves_the_page() {
        let mut bench = Bench::new();
        let (release, hung) = hangs();
        let dead = bench.well("dead", [sees(7.0), hung, sees(8.0)]);
        let mut live = bench.well("live", (1..=9).map(|n| sees(f64::from(n))));
        let (quitter, quit) = quit::pair();
        let at_work = tokio::spawn({
            let (tap, quit) = (bench.tap.clone(), quit.clone());
            async move { live.run(&tap, &quit).await.is_ok() }
        });
        let run_dead = |mut dead: Polled<Well>, tap: Tap, quit: Quit| {
            tokio::spawn(async move {
                let broke = dead.run(&tap, &quit).await.map_err(|failed| failed.why);
                (dead, broke)
            })
        };
        let breaks = run_dead(dead, bench.tap.clone(), quit.clone());
        bench.told(2).await;
        assert_eq!(bench.page(), [7.0, 1.0]);

        bench.sim.advance(EVERY);
        bench.told(1).await;
        bench.sim.advance(LIMIT);
        let (dead, broke) = breaks.await.unwrap();
        assert_eq!((broke, dead.post.stuck()), (Err(NoData::Timeout), 1));
        assert_eq!(bench.page(), [7.0, 2.0], "not yet 2.5 cadences old");
        for _ in 0..2 {
            bench.sim.advance(EVERY - LIMIT / 2);
            bench.told(1).await;
        }
        assert_eq!(bench.page(), [4.0], "the other target is on cadence");

        let again = run_dead(dead, bench.tap.clone(), quit.clone());
        bench.told(1).await;
        assert_eq!(bench.page(), [8.0, 4.0], "a fresh thread took the place of the stuck one");
        quitter.quit();
        assert!(at_work.await.unwrap());
        assert_eq!(again.await.unwrap().1, Ok(()));
        drop(release);
    }

    #[tokio::test]
    async fn who_is_asked_to_stop_does_not_wait_for_a_look_that_hangs() {
        let bench = Bench::new();
        let (release, hung) = hangs();
        let mut dead = bench.well("dead", [hung]);
        let (quitter, quit) = quit::pair();
        quitter.quit();
        assert!(dead.run(&bench.tap, &quit).await.is_ok());
        drop(release);
    }
}
