//! One camera under watch: opens a session, counts what arrives, reports each second, says good-bye.

use super::metrics::{CADENCE, Sheet};
use super::settings::{Plan, Unlocked};
use super::tally::Tally;
use crate::base::clock::{Clock, Now};
use crate::base::quit::Quit;
use crate::metric::report::NoData;
use crate::probe::{Failed, Kit, Patience, Running, Session, Tap};
use crate::world::World;
use crate::world::rtsp::{Broken, Event, Feed, Later, Line, Opened, Phase, Reason};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

/// Longest wait for the answer to TEARDOWN when we stop; a session has 2 s in all to say good-bye.
const GOOD_BYE: Duration = Duration::from_millis(1_900);

/// A report that is due waits this long for a packet to come with: where packets flow, it costs no wake-up of its own.
const LINGER: Duration = Duration::from_millis(100);

/// What ends a wait for packets.
enum Turn {
    Over(Broken),
    Quit,
    Report,
}

pub(super) struct Watch {
    plan: Plan,
    world: World,
    clock: Clock,
    line: Box<dyn Line>,
    sheet: Sheet,
    tally: Tally,
}

impl Watch {
    pub(super) fn new(plan: Plan, kit: &mut Kit) -> Watch {
        let line = kit.world.rtsp.line(&plan.url, plan.transport, &kit.clock);
        let sheet = Sheet::open(kit, &plan.id);
        let (world, clock) = (kit.world.clone(), kit.clock.clone());
        Watch { plan, world, clock, line, sheet, tally: Tally::default() }
    }

    /// What is true without a session.
    fn idle(&mut self, tap: &Tap) {
        let mut report = self.sheet.always(&self.clock.now(), false, &self.tally);
        self.sheet.expected(&mut report, self.plan.fps);
        tap.send(report);
    }

    /// An attempt came to nothing.
    fn failed(&mut self, tap: &Tap, broken: Broken) -> Failed {
        self.tally.end(broken.reason);
        self.idle(tap);
        self.explain(broken.reason, Some(Box::new(broken)))
    }

    fn explain(&self, reason: Reason, source: Option<Box<dyn std::error::Error + Send + Sync>>) -> Failed {
        Failed {
            why: why(reason),
            what: format!("watching camera {}", self.plan.id),
            source,
            patience: patience(reason),
        }
    }

    async fn watch(&mut self, tap: &Tap, quit: &Quit) -> Result<(), Failed> {
        self.idle(tap);
        let login = match self.plan.login(&self.world) {
            Unlocked::Login(login) => login,
            Unlocked::Not(source) => {
                self.tally.end(Reason::Secret);
                self.idle(tap);
                return Err(self.explain(Reason::Secret, Some(source)));
            }
        };
        let opened = tokio::select! {
            biased;
            () = quit.wait() => None,
            opened = self.line.open(login) => Some(opened),
        };
        let (opened, feed) = match opened {
            Some(Ok(session)) => session,
            Some(Err(broken)) => return Err(self.failed(tap, broken)),
            None => {
                self.line.hang_up(GOOD_BYE).await;
                return Ok(());
            }
        };
        let broken = self.follow(&opened, feed, tap, quit).await;
        if broken.reason == Reason::Shutdown {
            // That we stop looking is no news about the camera: its status and gauges stand as they were.
            self.tally.end(broken.reason);
            tap.send(self.sheet.counts(&self.clock.now(), &self.tally));
            self.line.hang_up(GOOD_BYE).await;
            return Ok(());
        }
        self.over(tap, broken.reason);
        Err(self.explain(broken.reason, Some(Box::new(broken))))
    }

    /// The session is over, and the camera is not watched until the next one.
    fn over(&mut self, tap: &Tap, reason: Reason) {
        self.tally.end(reason);
        let mut report = self.sheet.always(&self.clock.now(), false, &self.tally);
        self.sheet.over(&mut report, why(reason), self.plan.fps);
        tap.send(report);
    }

    /// Follows a session until it ends; dropping the feed on return starts TEARDOWN.
    async fn follow(&mut self, opened: &Opened, mut feed: Box<dyn Feed>, tap: &Tap, quit: &Quit) -> Broken {
        let playing = self.clock.boot();
        self.tally.open(opened, playing);
        let mut report = self.sheet.always(&self.clock.now(), false, &self.tally);
        self.sheet.opened(&mut report, opened);
        self.sheet.expected(&mut report, self.plan.fps.or(opened.framerate));
        tap.send(report);
        let clock = self.clock.clone();
        let mut due = playing.plus(CADENCE);
        loop {
            // In a set of their own, these are asked only when it was they who woke the task, not at every packet.
            let mut aside = FuturesUnordered::<Later<'_, Turn>>::new();
            aside.push(Box::pin(quit.wait().map(|()| Turn::Quit)));
            aside.push(Box::pin(clock.sleep_until(due.plus(LINGER)).map(|()| Turn::Report)));
            let tally = &mut self.tally;
            let turn = poll_fn(|cx| {
                let mut newest = None;
                let mut take = |event: Event<'_>| {
                    if let Event::Packet(seen) = &event {
                        newest = Some(seen.at);
                    }
                    tally.take(event);
                };
                // The feed comes first: after a stall of our own, what waits in the socket is taken in before it is judged.
                if let Poll::Ready(broken) = feed.poll(cx, &mut take) {
                    return Poll::Ready(Turn::Over(broken));
                }
                match aside.poll_next_unpin(cx) {
                    Poll::Ready(turn) => Poll::Ready(turn.unwrap_or(Turn::Report)),
                    Poll::Pending if newest >= Some(due) => Poll::Ready(Turn::Report),
                    Poll::Pending => Poll::Pending,
                }
            });
            match turn.await {
                Turn::Over(broken) => return broken,
                Turn::Quit => return stream(Reason::Shutdown),
                Turn::Report => {}
            }
            let now = clock.now();
            if let Some(reason) = self.report(tap, opened, &now) {
                return stream(reason);
            }
            while due <= now.boot {
                due = due.plus(CADENCE);
            }
        }
    }

    /// Reports the session that plays; returns why it must be given up, if it must.
    fn report(&mut self, tap: &Tap, opened: &Opened, now: &Now) -> Option<Reason> {
        let facts = self.tally.facts(now.boot)?;
        let mut report = self.sheet.always(now, facts.flowing(self.plan.stall), &self.tally);
        self.sheet.expected(&mut report, self.plan.fps.or(opened.framerate).or(facts.flow.declared_fps));
        self.sheet.session(&mut report, opened, &facts);
        tap.send(report);
        facts.overdue(self.plan.stall)
    }
}

fn stream(reason: Reason) -> Broken {
    Broken::new(reason, Phase::Stream)
}

impl Session for Watch {
    fn run<'a>(&'a mut self, tap: &'a Tap, quit: &'a Quit) -> Running<'a> {
        Box::pin(self.watch(tap, quit))
    }

    fn fallen(&mut self, tap: &Tap) {
        self.over(tap, Reason::Panic);
    }
}

/// Why a number is missing when a session ends for `reason`.
fn why(reason: Reason) -> NoData {
    match reason {
        Reason::Eof | Reason::Reset | Reason::Refused | Reason::Unreachable | Reason::Dns | Reason::Shutdown => {
            NoData::Unreachable
        }
        Reason::Timeout | Reason::Silent | Reason::Keepalive => NoData::Timeout,
        Reason::Auth | Reason::Secret | Reason::Busy => NoData::Denied,
        Reason::Panic => NoData::Stale,
        Reason::NotFound => NoData::NotPresent,
        Reason::Transport | Reason::Rejected | Reason::NoVideo => NoData::Unsupported,
        Reason::NoFrame | Reason::Protocol | Reason::Framing | Reason::SeqReset | Reason::SsrcChange => {
            NoData::Malformed
        }
    }
}

/// Cameras lock accounts after a few wrong logins, and one that is out of sessions must not be asked every second.
fn patience(reason: Reason) -> Patience {
    match reason {
        Reason::Auth | Reason::Busy => Patience::Long,
        _ => Patience::Short,
    }
}
