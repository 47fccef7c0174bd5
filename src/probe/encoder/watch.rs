//! One encoder under watch: what it says of itself, what its log means, what its process does, put together each second.

use super::eyes::Eyes;
use super::gpu::Card;
use super::life::Life;
use super::metrics::{CADENCE, Sheet};
use super::settings::{Plan, Program};
use super::tally::Tally;
use crate::base::clock::{Boot, Clock, Window};
use crate::base::fault::chain;
use crate::base::quit::Quit;
use crate::metric::report::{NoData, Report};
use crate::probe::{Kit, Running, Session, Tap};
use crate::wire::fflog::{Log, Meaning};
use crate::wire::progress::{self, Pace, Parser};
use crate::wire::tracer;
use crate::world::World;
use crate::world::inflow::{Inflow, Piece};
use crate::world::process::{Look, Wanted};
use std::time::Duration;

/// A process that has reported nothing for so long after its start does not advance: it waits for its input.
pub(super) const GRACE: Duration = Duration::from_secs(10);

pub(super) struct Watch {
    pub(super) plan: Plan,
    world: World,
    pub(super) clock: Clock,
    pub(super) sheet: Sheet,
    pub(super) card: Card,
    pub(super) pace: Pace,
    parser: Parser,
    /// Datagrams of the tracer that made no sense.
    pub(super) bad_datagrams: u64,
    /// Of the tracer's last datagram.
    pid: Option<u32>,
    pub(super) log: Log,
    last_words: u64,
    pub(super) life: Life,
    pub(super) tally: Tally,
    pub(super) look: Option<Result<Look, NoData>>,
    /// Since when we look.
    pub(super) opened: Boot,
    /// Reports and log: why they cannot be listened to, which was said.
    dry: [Option<NoData>; 2],
}

/// Where a piece came from.
#[derive(Copy, Clone)]
enum From {
    Reports,
    Log,
}

impl Watch {
    pub(super) fn new(plan: Plan, kit: &mut Kit) -> Watch {
        let sheet = Sheet::open(kit, &plan);
        let card = Card::open(kit, &plan.id, &plan.camera);
        let (world, clock) = (kit.world.clone(), kit.clock.clone());
        Watch {
            opened: clock.boot(),
            plan,
            world,
            clock,
            sheet,
            card,
            pace: Pace::default(),
            parser: Parser::default(),
            bad_datagrams: 0,
            pid: None,
            log: Log::default(),
            last_words: 0,
            life: Life::default(),
            tally: Tally::default(),
            look: None,
            dry: [None; 2],
        }
    }

    /// Report lines or datagrams that made no sense.
    pub(super) fn unreadable(&self) -> u64 {
        self.parser.unreadable() + self.bad_datagrams
    }

    async fn watch(&mut self, tap: &Tap, quit: &Quit) {
        let clock = self.clock.clone();
        let open = |place| self.world.inflow.open(place, &clock);
        let mut reports = self.plan.reports.as_ref().map(open);
        let mut log = self.plan.log.as_ref().map(open);
        let look = |wanted: &Wanted| Eyes::open(self.world.processes.watcher(wanted), clock.clone());
        let mut eyes = self.plan.wanted.as_ref().map(look);
        let mut every = clock.every(CADENCE);
        let mut looked_at = None;
        self.open(tap);
        loop {
            let stall = self.due();
            tokio::select! {
                // What was said comes before what was seen: a last report before the end of its process.
                biased;
                () = quit.wait() => return,
                piece = next(&mut reports) => self.take(From::Reports, piece, tap),
                piece = next(&mut log) => self.take(From::Log, piece, tap),
                look = look_of(&mut eyes) => {
                    self.look = Some(look);
                    self.tell(tap);
                }
                _beat = every.beat(), if eyes.is_none() => self.tell(tap),
                // Whether it stalled or is gone, a fresh look tells.
                () = wake(&clock, stall) => match &eyes {
                    Some(eyes) => eyes.now(),
                    None => self.tell(tap),
                },
            }
            // A GStreamer encoder of which nothing is said tells its pid itself.
            if self.plan.wanted.is_none() && self.pid != looked_at {
                looked_at = self.pid;
                let pid = self.pid.and_then(|pid| i32::try_from(pid).ok());
                let wanted = Wanted { pid, ..Wanted::default() };
                eyes = Some(Eyes::open(self.world.processes.watcher(&wanted), clock.clone()));
            }
        }
    }

    fn take(&mut self, from: From, piece: Piece, tap: &Tap) {
        let at = self.clock.boot();
        let dry = piece.as_ref().err().map(|error| error.why);
        match piece {
            Err(error) if self.dry[from as usize] != dry => {
                tracing::warn!(encoder = self.plan.id, error = %chain(&error), "an encoder cannot be listened to");
            }
            Err(_) => {}
            Ok(bytes) => match (from, self.plan.program) {
                (From::Log, _) => {
                    self.log.feed(&bytes);
                    let words = self.log.count(Meaning::ExitBySignal);
                    if words > self.last_words {
                        self.last_words = words;
                        self.life.last_word(at);
                    }
                }
                (From::Reports, Program::Ffmpeg) => {
                    let Watch { parser, pace, life, .. } = self;
                    parser.feed(&bytes, &mut |report| {
                        pace.on(at, report);
                        if report.end {
                            life.last_word(at);
                        }
                    });
                }
                (From::Reports, Program::GStreamer) => self.datagram(at, &bytes, tap),
            },
        }
        self.dry[from as usize] = dry;
    }

    /// Why nothing of its log can come.
    pub(super) fn log_dry(&self) -> Option<NoData> {
        self.dry[From::Log as usize]
    }

    /// A datagram of the tracer. Several encoders may send to one socket.
    fn datagram(&mut self, at: Boot, bytes: &[u8], tap: &Tap) {
        let Ok((head, elements)) = tracer::parse(bytes) else {
            self.bad_datagrams += 1;
            return;
        };
        if head.id != self.plan.id {
            return;
        }
        self.pid = Some(head.pid);
        let of = |kinds: &[tracer::Kind], number: fn(&tracer::Numbers) -> Option<u64>| {
            let fits = elements.iter().filter(|element| kinds.contains(&element.kind));
            fits.filter_map(|element| number(&element.numbers)).reduce(u64::saturating_add)
        };
        let video = [tracer::Kind::VideoEncoder];
        let report = progress::Report {
            frames: of(&video, |n| n.out_buffers),
            bytes: of(&[tracer::Kind::Sink], |n| n.in_bytes),
            dropped: of(&video, |n| n.qos_dropped),
            // An end of stream that reached the pipeline: the orderly end.
            end: of(&[tracer::Kind::Pipeline], |n| n.eos).is_some_and(|n| n > 0),
            ..progress::Report::default()
        };
        self.pace.on(at, report);
        if report.end {
            self.life.last_word(at);
        }
        let mut told = Report::new(Window { from: at, to: at });
        if let Some(series) = &mut self.sheet.tracer {
            series.fill(&mut told, &head, &elements);
        }
        tap.send(told);
    }
}

async fn next(inflow: &mut Option<Inflow>) -> Piece {
    match inflow {
        Some(inflow) => inflow.next().await,
        None => std::future::pending().await,
    }
}

async fn look_of(eyes: &mut Option<Eyes>) -> Result<Look, NoData> {
    match eyes {
        Some(eyes) => eyes.look().await,
        None => std::future::pending().await,
    }
}

async fn wake(clock: &Clock, at: Option<Boot>) {
    match at {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl Session for Watch {
    fn run<'a>(&'a mut self, tap: &'a Tap, quit: &'a Quit) -> Running<'a> {
        Box::pin(async move {
            self.watch(tap, quit).await;
            Ok(())
        })
    }

    fn fallen(&mut self, tap: &Tap) {
        self.withdraw(tap);
    }
}
