//! A transport stream, listened to for a while.

mod cues;
mod ears;
mod health;
mod hints;
mod json;
mod text;

use super::figures;
use super::target::{From, Pace, Stream};
use super::verdict::{Finding, Nothing, Outcome, Summary};
use super::voice::Voice;
use crate::base::clock::{Boot, Clock};
use crate::base::fault::chain;
use crate::base::label::Label;
use crate::base::quit::Quit;
use crate::wire::record::Record;
use crate::wire::ts::{
    Counts, Facts, Framer, Indicator, Monitor, Options, PACKET, SYNC, SyncCounts, Timebase, rtp_payload,
};
use crate::world::World;
use crate::world::feed::{self, Event, Feed, Source};
use crate::world::worker::{self, Worker};
use ears::Ears;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// How long live input is listened to unless told otherwise.
const USUAL: Duration = Duration::from_secs(10);
/// Between two looks at the clock.
const BEAT: Duration = Duration::from_millis(200);
/// Between two calls of the trackers, by the stream's time.
const TICK: Duration = Duration::from_secs(1);
/// Live input that sends nothing for so long is silent.
const STALL: Duration = Duration::from_secs(2);
/// A packet with 16 bytes of parity (EN 300 429).
const WITH_PARITY: usize = 204;
const PIDS: usize = 1 << 13;

/// What a cue section says by itself.
pub(super) use cues::said;

/// Packets of each PID, and how many of those begin a section or PES packet.
pub(super) struct Census(Vec<(u64, u64)>);

impl Census {
    pub(super) fn of(&self, pid: u16) -> (u64, u64) {
        self.0.get(usize::from(pid)).copied().unwrap_or_default()
    }
    pub(super) fn pids(&self) -> impl Iterator<Item = u16> {
        (0..PIDS as u16).filter(|pid| self.of(*pid).0 > 0)
    }
}

/// Datagrams as such.
#[derive(Debug, Copy, Clone, Default)]
pub(super) struct Datagrams {
    /// RTP packets that did not come.
    pub(super) lost: u64,
    /// Dropped by the kernel at our socket.
    pub(super) dropped: u64,
    /// Not a whole number of packets.
    pub(super) odd: u64,
    /// Not RTP although the target says so.
    pub(super) bare: u64,
    /// RTP although the target does not say so.
    pub(super) wrapped: bool,
}

/// All that was heard.
pub(super) struct Heard {
    pub(super) facts: Facts,
    pub(super) counts: Counts,
    pub(super) sync: SyncCounts,
    pub(super) census: Census,
    ears: Ears,
    pub(super) datagrams: Datagrams,
    /// From the first packet to the last, seconds.
    pub(super) seconds: f64,
    /// Live input that stopped, so many seconds before the end.
    pub(super) stopped: Option<f64>,
    pub(super) now: Boot,
}

impl Heard {
    pub(super) fn errors(&self, indicator: Indicator) -> u64 {
        errors(&self.counts, self.sync, indicator)
    }
    /// Bit per second of so many packets over the whole time.
    pub(super) fn rate(&self, packets: u64) -> Option<f64> {
        (self.seconds > 0.0).then(|| (packets * PACKET as u64 * 8) as f64 / self.seconds)
    }
}

/// The framer is ours and not the monitor's, so its errors are put in here.
fn errors(counts: &Counts, sync: SyncCounts, indicator: Indicator) -> u64 {
    match indicator {
        Indicator::SyncLoss => sync.losses,
        Indicator::SyncByte => sync.byte_errors,
        other => counts.of(other),
    }
}

/// Takes bytes in.
pub(super) struct Listening<'a> {
    clock: &'a Clock,
    voice: &'a Voice,
    live: bool,
    datagram: bool,
    rtp: bool,
    limit: Option<Duration>,
    /// Bytes of the file, where that is known.
    length: Option<u64>,
    framer: Box<Framer>,
    monitor: Monitor,
    ears: Ears,
    census: Census,
    datagrams: Datagrams,
    rtp_next: Option<u16>,
    bytes: u64,
    cues: u64,
    /// When the first bytes came, from which all times are told.
    first: Option<Boot>,
    ticked: Boot,
    /// Nothing more is wanted.
    done: bool,
}

impl<'a> Listening<'a> {
    /// Bytes cut anywhere; datagrams are for [`look`].
    pub(super) fn new(clock: &'a Clock, voice: &'a Voice, pace: Pace, limit: Option<Duration>) -> Listening<'a> {
        let live = pace == Pace::Live;
        let timebase = if live { Timebase::Arrival } else { Timebase::Stream };
        Listening {
            clock,
            voice,
            live,
            datagram: false,
            rtp: false,
            limit,
            length: if let Pace::Read(length) = pace { length } else { None },
            framer: Box::default(),
            monitor: Monitor::new(Options { priority3: false, timebase }),
            ears: Ears::new(clock.clone()),
            census: Census(vec![(0, 0); PIDS]),
            datagrams: Datagrams::default(),
            rtp_next: None,
            bytes: 0,
            cues: 0,
            first: None,
            ticked: Boot::default(),
            done: false,
        }
    }

    pub(super) fn bytes(&mut self, at: Boot, bytes: &[u8]) {
        if self.done {
            return;
        }
        self.first.get_or_insert(at);
        self.bytes += bytes.len() as u64;
        let Some(packets) = (if self.datagram { self.unwrapped(bytes) } else { Some(bytes) }) else { return };
        let (monitor, ears, census) = (&mut self.monitor, &mut self.ears, &mut self.census);
        self.framer.push(packets, |packet| {
            let (packets, starts) = &mut census.0[usize::from(packet.pid()) % PIDS];
            *packets += 1;
            *starts += u64::from(packet.pusi());
            monitor.on(&packet, at, ears);
        });
        if !self.live {
            let now = self.monitor.facts(at).last_packet.unwrap_or(at);
            self.tick(now);
            self.done = self.limit.is_some_and(|limit| self.since_first(now) >= limit.as_secs_f64());
        }
        self.tell();
    }

    /// The packets of a datagram.
    fn unwrapped<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let whole = |packets: &[u8]| packets.len().is_multiple_of(PACKET) || packets.len().is_multiple_of(WITH_PARITY);
        let inside = rtp_payload(bytes).filter(|(_, packets)| packets.first() == Some(&SYNC) && whole(packets));
        if !self.rtp && bytes.first() != Some(&SYNC) && inside.is_some() {
            (self.rtp, self.datagrams.wrapped) = (true, true);
        }
        let packets = match (self.rtp, rtp_payload(bytes)) {
            (false, _) => bytes,
            (true, Some((sequence, packets))) => {
                let step = sequence.wrapping_sub(self.rtp_next.unwrap_or(sequence));
                // Half of the numbers lie ahead; what comes late was counted lost.
                if step < 1 << 15 {
                    self.datagrams.lost += u64::from(step);
                    self.rtp_next = Some(sequence.wrapping_add(1));
                }
                packets
            }
            (true, None) => {
                self.datagrams.bare += 1;
                return None;
            }
        };
        self.datagrams.odd += u64::from(!whole(packets));
        Some(packets)
    }

    fn since_first(&self, at: Boot) -> f64 {
        at.since(self.first.unwrap_or(at)).as_secs_f64()
    }

    fn tick(&mut self, now: Boot) {
        if now.since(self.ticked) >= TICK {
            self.ticked = now;
            self.ears.tick(now);
        }
    }

    fn tell(&mut self) {
        for told in std::mem::take(&mut self.ears.told) {
            let at = self.since_first(told.at);
            let telling = ears::telling(&told.happening);
            self.cues += u64::from(telling && told.beside.is_some());
            let many = self.ears.counts().count() > 1;
            self.voice.tell(telling.then(|| cues::line(at, &told, many)), || cues::object(at, &told));
        }
    }

    /// Time passed; `dropped` by the kernel so far.
    pub(super) fn beat(&mut self, dropped: Option<u64>) {
        let now = self.clock.boot();
        self.datagrams.dropped = dropped.unwrap_or(self.datagrams.dropped);
        let facts = self.monitor.facts(now);
        if self.live && facts.last_packet.is_some_and(|at| now.since(at) < STALL) {
            self.monitor.idle(now);
            self.tick(now);
            self.tell();
        }
        let now = if self.live { now } else { facts.last_packet.unwrap_or(now) };
        let fps = facts.programs.iter().flat_map(|p| &p.streams).find_map(|s| s.video?.fps);
        let counts = self.monitor.counts();
        let wrong: u64 = Indicator::ALL.iter().map(|i| errors(&counts, self.framer.counts(), *i)).sum();
        let mut parts = vec![figures::span(self.since_first(now))];
        parts.extend(facts.bitrate.map(figures::bitrate));
        parts.extend(fps.map(|fps| format!("{fps:.1} fps")));
        parts.push(figures::count(self.cues, "cue"));
        parts.push(figures::count(wrong, "error"));
        let text = if facts.last_packet.is_none() { "waiting for a packet".to_owned() } else { parts.join("  ") };
        let file = self.length.map(|length| self.bytes as f64 / length.max(1) as f64);
        let time = self.limit.map(|limit| self.since_first(now) / limit.as_secs_f64());
        self.voice.progress(file.into_iter().chain(time).fold(0.0, f64::max).min(1.0), text);
    }

    /// What came of it; `None` when no packet was met.
    pub(super) fn end(mut self) -> Option<Heard> {
        let now = self.clock.boot();
        let facts = self.monitor.facts(now);
        let last = facts.last_packet?;
        let now = if self.live { now } else { last };
        if !self.live || now.since(last) < STALL {
            self.ears.tick(now);
            self.tell();
        }
        let silent = now.since(last);
        Some(Heard {
            seconds: self.since_first(last),
            stopped: (silent >= STALL).then_some(silent.as_secs_f64()),
            counts: self.monitor.counts(),
            sync: self.framer.counts(),
            facts,
            census: self.census,
            ears: self.ears,
            datagrams: self.datagrams,
            now,
        })
    }
}

/// Where the bytes come from.
enum Input {
    Feed(Box<dyn Feed>),
    Worker(Box<dyn Worker>),
}

impl Input {
    /// Hands over what has arrived; why no more comes.
    fn poll(&mut self, cx: &mut Context<'_>, listening: &mut Listening<'_>) -> Poll<Nothing> {
        match self {
            Input::Feed(feed) => {
                let mut take = |event: Event<'_>| match event {
                    Event::Bytes { at, bytes } => listening.bytes(at, bytes),
                    // The writer of a pipe went; nobody waits here for another one.
                    Event::Reopened => listening.done = true,
                };
                feed.poll(cx, &mut take).map(|broken| unopened(&broken))
            }
            Input::Worker(worker) => {
                let mut take = |at: Boot, record: Record<'_>| {
                    if let Record::Ts(bytes) = record {
                        listening.bytes(at, bytes);
                    }
                };
                worker.poll(cx, &mut take).map(|broken| refused(&broken))
            }
        }
    }

    fn dropped(&self) -> Option<u64> {
        match self {
            Input::Feed(feed) => feed.dropped(),
            Input::Worker(_) => None,
        }
    }
}

fn unopened(broken: &feed::Broken) -> Nothing {
    Nothing { reason: broken.reason.label(), said: chain(broken).to_string(), hint: hints::feed(broken.reason) }
}

fn refused(broken: &worker::Broken) -> Nothing {
    Nothing { reason: broken.reason.label(), said: chain(broken).to_string(), hint: hints::worker(broken.reason) }
}

/// Listens until the limit, the end of the file, or `stop`.
pub(super) async fn look(
    target: &Stream,
    world: &World,
    limit: Option<Duration>,
    voice: &Voice,
    stop: &Quit,
) -> Outcome {
    let clock = &world.clock;
    let live = target.pace == Pace::Live;
    let limit = limit.or(live.then_some(USUAL));
    let mut input = match &target.from {
        From::Source(source) => {
            world.feed.open(source, clock).await.map(Input::Feed).map_err(|broken| unopened(&broken))?
        }
        From::Worker(url) => world.worker.spawn(url, clock).map(Input::Worker).map_err(|broken| refused(&broken))?,
    };
    let mut listening = Listening {
        datagram: matches!(target.from, From::Source(Source::Udp { .. })),
        rtp: target.rtp,
        ..Listening::new(clock, voice, target.pace, limit)
    };
    let begun = clock.boot();
    let ended = follow(&mut listening, &mut input, live.then_some(limit).flatten(), stop).await;
    let waited = clock.boot().since(begun).as_secs_f64();
    let bytes = listening.bytes;
    match (listening.end(), ended) {
        // A file ends; live input should not.
        (Some(heard), ended) => Ok(summary(&heard, ended.filter(|_| live))),
        (None, Some(nothing)) if live || nothing.reason != feed::Reason::Eof.label() => Err(nothing),
        (None, _) if bytes > 0 => Err(hints::garbage(bytes)),
        (None, _) => Err(hints::silent(waited, live)),
    }
}

fn summary(heard: &Heard, ended: Option<Nothing>) -> Summary {
    let ended = ended.map(|n| Finding { fault: true, code: n.reason, said: n.said, hint: n.hint });
    Summary {
        seconds: heard.seconds,
        findings: ended.into_iter().chain(health::findings(heard)).collect(),
        text: text::text(heard),
        data: json::data(heard),
    }
}

/// Adds what a playlist's segments hold to what is known of the playlist. How often tables and clocks come says nothing of
/// segments, and the playlist probe counts the errors that do.
pub(super) fn inside(heard: &Heard, summary: &mut Summary) {
    summary.text.push_str(&text::inside(heard));
    summary.findings.extend(health::cues(heard));
    let data = json::data(heard).into_iter();
    summary.data.extend(data.filter(|(name, _)| matches!(name.as_str(), "stream" | "programmes" | "pids" | "cues")));
}

/// Follows the input to its end, or until nothing more is wanted.
async fn follow(
    listening: &mut Listening<'_>,
    input: &mut Input,
    limit: Option<Duration>,
    stop: &Quit,
) -> Option<Nothing> {
    let clock = listening.clock;
    let begun = clock.boot();
    let mut beat = pin!(clock.sleep(BEAT));
    let mut asked = pin!(stop.wait());
    loop {
        tokio::select! {
            biased;
            nothing = poll_fn(|cx| input.poll(cx, listening)) => return Some(nothing),
            () = &mut asked => return None,
            () = &mut beat => {}
        }
        listening.beat(input.dropped());
        if listening.done || limit.is_some_and(|limit| clock.boot().since(begun) >= limit) {
            return None;
        }
        beat.set(clock.sleep(BEAT));
    }
}
