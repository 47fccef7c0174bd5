//! One RTMP stream under watch. A worker receives it and counts its frames; there is no transport stream in it, so only
//! that it comes, and how much, can be told.

use super::line::Broken;
use super::metrics::CADENCE;
use super::metrics::frames::{FrameSeries, Rates};
use super::presence::{ANSWER, Failure, Presence, Signal};
use super::settings::Plan;
use crate::base::clock::{Boot, Clock, Window};
use crate::base::quit::Quit;
use crate::base::secret::Secret;
use crate::metric::report::Report;
use crate::probe::{Failed, Kit, Running, Session, Tap};
use crate::wire::record::{Flv, Record};
use crate::world::worker::{Spawn, Worker};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// What rates are taken over, as those of transport streams.
const WINDOW: Duration = Duration::from_secs(10);

pub(super) struct Frames {
    id: String,
    url: Secret,
    stall: Duration,
    clock: Clock,
    spawn: Arc<dyn Spawn>,
    tally: Tally,
    presence: Presence,
    series: FrameSeries,
}

/// What the worker counted, over all of its lives.
#[derive(Default)]
struct Tally {
    /// When this worker was started.
    opened: Boot,
    /// What it said in the window, oldest first, with the time it said so.
    said: VecDeque<(Boot, Flv)>,
    /// When frames were last found to have come.
    last: Option<Boot>,
    /// Bytes by earlier workers.
    before: u64,
}

impl Tally {
    fn open(&mut self, now: Boot) {
        *self = Tally { opened: now, before: self.bytes(), ..Tally::default() };
    }

    fn take(&mut self, at: Boot, counts: Flv) {
        let frames = |counts: &Flv| counts.video_frames + counts.audio_frames;
        if frames(&counts) > self.said.back().map_or(0, |(_, before)| frames(before)) {
            self.last = Some(at);
        }
        self.said.push_back((at, counts));
        // One older than the window stays: what came since is what came in it.
        while self.said.get(1).is_some_and(|(second, _)| at.since(*second) >= WINDOW) {
            self.said.pop_front();
        }
    }

    fn bytes(&self) -> u64 {
        self.before + self.said.back().map_or(0, |(_, counts)| counts.video_bytes + counts.audio_bytes)
    }

    fn rates(&self) -> Option<Rates> {
        let ((from, first), (to, last)) = (self.said.front()?, self.said.back()?);
        let seconds = to.since(*from).as_secs_f64();
        let per_second = |of: fn(&Flv) -> u64| of(last).saturating_sub(of(first)) as f64 / seconds;
        (seconds > 0.0).then(|| Rates {
            fps: per_second(|counts| counts.video_frames),
            bits: [8.0 * per_second(|counts| counts.video_bytes), 8.0 * per_second(|counts| counts.audio_bytes)],
        })
    }

    fn signal(&self, now: Boot, stall: Duration) -> Signal {
        match self.last {
            Some(at) if now.since(at) <= stall => Signal::Up,
            None if now.since(self.opened) <= ANSWER => Signal::Waiting,
            _ => Signal::Down(Failure::Silent),
        }
    }
}

impl Frames {
    pub(super) fn new(plan: Plan, url: Secret, kit: &mut Kit) -> Frames {
        Frames {
            url,
            stall: plan.stall,
            clock: kit.clock.clone(),
            spawn: kit.world.worker.clone(),
            tally: Tally::default(),
            presence: Presence::default(),
            series: FrameSeries::open(kit, &plan.id),
            id: plan.id,
        }
    }

    async fn watch(&mut self, tap: &Tap, quit: &Quit) -> Result<(), Failed> {
        self.tally.open(self.clock.boot());
        self.report(tap, Signal::Waiting);
        match self.spawn.spawn(&self.url, &self.clock) {
            Ok(worker) => self.follow(worker, tap, quit).await,
            Err(broken) => Err(self.broke(broken.into(), tap)),
        }
    }

    async fn follow(&mut self, mut worker: Box<dyn Worker>, tap: &Tap, quit: &Quit) -> Result<(), Failed> {
        let clock = self.clock.clone();
        let mut asked = pin!(quit.wait());
        let mut due = clock.boot().plus(CADENCE);
        loop {
            let tally = &mut self.tally;
            let mut take = |at, record: Record<'_>| {
                if let Record::Flv(counts) = record {
                    tally.take(at, counts);
                }
            };
            let ended = tokio::select! {
                biased;
                ended = poll_fn(|cx| worker.poll(cx, &mut take)) => Some(ended),
                () = &mut asked => return Ok(()),
                () = clock.sleep_until(due) => None,
            };
            if let Some(broken) = ended {
                return Err(self.broke(broken.into(), tap));
            }
            let now = clock.boot();
            self.report(tap, self.tally.signal(now, self.stall));
            while due <= now {
                due = due.plus(CADENCE);
            }
        }
    }

    fn broke(&mut self, broken: Broken, tap: &Tap) -> Failed {
        self.report(tap, Signal::Down(broken.why));
        broken.of_stream(&self.id)
    }

    fn report(&mut self, tap: &Tap, signal: Signal) {
        let now = self.clock.boot();
        let (mut report, mut notes) = (Report::new(Window { from: now, to: now }), Vec::new());
        match signal {
            Signal::Up => drop(self.presence.up(now, &mut notes)),
            Signal::Down(failure) => {
                if self.presence.down(&self.id, failure, now, &mut notes) {
                    self.series.absent(&mut report, failure.no_data());
                }
            }
            Signal::Waiting => {}
        }
        let up = signal == Signal::Up;
        let rates = self.tally.rates().filter(|_| up);
        self.series.fill(&mut report, up, &self.presence, self.tally.bytes(), rates);
        for note in notes {
            report.note(note);
        }
        tap.send(report);
    }
}

impl Session for Frames {
    fn run<'a>(&'a mut self, tap: &'a Tap, quit: &'a Quit) -> Running<'a> {
        Box::pin(self.watch(tap, quit))
    }

    fn fallen(&mut self, tap: &Tap) {
        self.report(tap, Signal::Down(Failure::Panic));
    }
}
