//! One stream under watch: opens its source, takes in what comes, reports each second.

use super::address::Origin;
use super::compare::Compare;
use super::ears::Ears;
use super::intake::Intake;
use super::line::{Broken, Desk, Line};
use super::metrics::CADENCE;
use super::metrics::cues::CueSeries;
use super::metrics::signal::Signals;
use super::notes;
use super::presence::{Failure, Presence, Signal};
use super::settings::Plan;
use crate::base::clock::{Boot, Clock, Now, Window};
use crate::base::quit::Quit;
use crate::metric::cues::{Cues, Standing};
use crate::metric::note::Note;
use crate::metric::report::Report;
use crate::probe::{Failed, Kit, Running, Session, Tap};
use crate::wire::ts::{CueState, Facts, Monitor, Options, Timebase};
use crate::world::feed::Source;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

/// A group that is silent for so long is joined anew: where its interface went and came back, the kernel has forgotten
/// the membership, and a switch may have.
const REJOIN: Duration = Duration::from_secs(30);

pub(super) struct Watch {
    plan: Plan,
    clock: Clock,
    desk: Desk,
    cues: Cues,
    intake: Intake,
    presence: Presence,
    compare: Option<Compare>,
    signals: Signals,
    series: CueSeries,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.cues.leave(&self.plan.id);
    }
}

/// Why a feed no longer is followed.
enum End {
    Broken(Broken),
    Asked,
    Silent,
}

impl Watch {
    pub(super) fn new(plan: Plan, kit: &mut Kit) -> Watch {
        let options = Options { priority3: plan.priority3, timebase: Timebase::Arrival };
        let ears = Ears::new(kit.clock.clone(), plan.policy, kit.remembered());
        let compare = plan.input.clone().map(|input| Compare::new(input, plan.latency, plan.policy.preroll));
        Watch {
            clock: kit.clock.clone(),
            desk: Desk::new(&kit.world),
            cues: kit.cues.clone(),
            intake: Intake::new(Monitor::new(options), ears, plan.protocol, plan.stall),
            presence: Presence::default(),
            compare,
            signals: Signals::open(kit, &plan.id, plan.protocol, plan.priority3),
            series: CueSeries::open(kit, &plan),
            plan,
        }
    }

    async fn watch(&mut self, tap: &Tap, quit: &Quit) -> Result<(), Failed> {
        self.report(tap, Some(Signal::Waiting));
        loop {
            let opened = tokio::select! {
                biased;
                () = quit.wait() => return Ok(()),
                opened = self.desk.open(&self.plan.origin, &self.clock) => opened,
            };
            let end = match opened {
                Ok(line) => self.follow(line, tap, quit).await,
                Err(broken) => End::Broken(broken),
            };
            match end {
                End::Asked => return Ok(()),
                End::Silent => {}
                End::Broken(broken) => {
                    self.report(tap, Some(Signal::Down(broken.why)));
                    return Err(broken.of_stream(&self.plan.id));
                }
            }
        }
    }

    async fn follow(&mut self, mut line: Line, tap: &Tap, quit: &Quit) -> End {
        let opened = self.clock.boot();
        self.intake.open(opened);
        let clock = self.clock.clone();
        let rejoin = match &self.plan.origin {
            Origin::Feed(Source::Udp { to, .. }) if to.ip().is_multicast() => Some(REJOIN),
            _ => None,
        };
        let mut silent_since = opened;
        let mut asked = pin!(quit.wait());
        let mut due = opened.plus(CADENCE);
        let mut beat = pin!(clock.sleep_until(due));
        loop {
            let intake = &mut self.intake;
            // The line comes first: after a stall of our own, what waits in the socket is taken in before it is judged.
            tokio::select! {
                biased;
                broken = poll_fn(|cx| line.poll(cx, intake)) => return End::Broken(broken),
                () = &mut asked => return End::Asked,
                () = &mut beat => {}
            }
            self.intake.kernel_dropped(line.dropped());
            let now = clock.boot();
            if self.report(tap, None) {
                silent_since = now;
            } else if rejoin.is_some_and(|limit| now.since(silent_since) >= limit) {
                return End::Silent;
            }
            while due <= now {
                due = due.plus(CADENCE);
            }
            beat.set(clock.sleep_until(due));
        }
    }

    /// Reports as of now; true where there is a signal. `known`: where that is to be judged by more than what came in.
    fn report(&mut self, tap: &Tap, known: Option<Signal>) -> bool {
        let now = self.clock.now();
        let mut notes = Vec::new();
        let facts = self.intake.monitor.facts(now.boot);
        // The monitor is not told of time without packets: then no table is missing, the missing signal is the alarm.
        let signal = known.unwrap_or_else(|| self.intake.signal(now.boot, facts.last_packet));
        let mut report = Report::new(Window { from: now.boot, to: now.boot });
        let up = self.judge(&mut report, signal, &facts, &now, &mut notes);
        self.signals.always(&mut report, &now, up.is_some(), &self.intake, &self.presence, &facts);
        self.cues(&mut report, &now, up, &facts, &mut notes);
        for note in notes {
            report.note(note);
        }
        if let Some(memory) = self.intake.ears.memory() {
            report.remember(Some(memory));
        }
        tap.send(report);
        up.is_some()
    }

    /// Since when there is a signal; tells when it comes and goes.
    fn judge(
        &mut self,
        report: &mut Report,
        signal: Signal,
        facts: &Facts,
        now: &Now,
        notes: &mut Vec<Note>,
    ) -> Option<Boot> {
        match signal {
            Signal::Up => {
                self.signals.present(report, now, facts, &self.intake);
                Some(self.presence.up(now.boot, notes))
            }
            Signal::Down(failure) => {
                if self.presence.down(&self.plan.id, failure, now.boot, notes) {
                    self.intake.restart(now.boot);
                    self.signals.absent(report, failure.no_data());
                }
                None
            }
            Signal::Waiting => None,
        }
    }

    /// Everything about cues, and what the board is to know of this stream.
    fn cues(&mut self, report: &mut Report, now: &Now, up: Option<Boot>, facts: &Facts, notes: &mut Vec<Note>) {
        // While nothing comes, nothing is overdue: the missing signal is the alarm.
        if up.is_some() {
            self.intake.ears.tick(now.boot);
        }
        for (at, program, happening) in self.intake.ears.happened() {
            self.series.observe(&happening);
            if notes::telling(&happening) {
                notes.push(notes::note(at, program, &happening));
            }
        }
        let states = self.intake.ears.states(now.boot);
        let counts = self.intake.monitor.counts();
        let cue = |program: &crate::wire::ts::Program| {
            program.streams.iter().filter(|stream| stream.cue == CueState::Declared).count()
        };
        let standing = Standing {
            receiving: up,
            cue_pids: facts.programs.iter().map(cue).sum(),
            jumps: counts.pcr_jumps + counts.pts_jumps + counts.signalled_discontinuities,
        };
        let markers = self.intake.ears.markers();
        self.cues.stand(&self.plan.id, standing);
        for marker in &markers {
            self.cues.post(&self.plan.id, *marker);
        }
        if let Some(compare) = &mut self.compare {
            compare.step(now.boot, &self.cues, standing, &markers, notes);
            self.series.compared(report, compare);
        }
        self.series.fill(report, now, up.is_some(), &self.intake.ears, &states);
    }
}

impl Session for Watch {
    fn run<'a>(&'a mut self, tap: &'a Tap, quit: &'a Quit) -> Running<'a> {
        Box::pin(self.watch(tap, quit))
    }

    fn fallen(&mut self, tap: &Tap) {
        self.report(tap, Some(Signal::Down(Failure::Panic)));
    }
}
