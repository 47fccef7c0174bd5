//! What is counted of one camera over all its sessions, and what is known of the one that plays. Pure.

use crate::base::clock::Boot;
use crate::wire::rtp::{self, Codec, Counts, Flow};
use crate::world::rtsp::{Event, Oddity, Opened, Reason};
use std::collections::HashMap;
use std::time::Duration;

/// A playing session without packets, or without a first frame, is given up after this long at the least. MediaMTX
/// takes 10 s as well.
const GIVE_UP: Duration = Duration::from_secs(10);

/// Counts that no reconnect resets.
#[derive(Default)]
pub(super) struct Tally {
    flow: Option<Flow>,
    /// Codec and clock of `flow`.
    made_for: Option<(Codec, u32)>,
    /// Counts of flows of another codec, from before the camera was set up anew.
    before: Counts,
    pub(super) connects: u64,
    pub(super) sender_reports: u64,
    odd: HashMap<Oddity, u64>,
    ended: HashMap<Reason, u64>,
    play: Option<Play>,
}

/// The session that plays.
struct Play {
    /// When PLAY was answered.
    since: Boot,
    /// Frames counted before it.
    frames: u64,
    first_packet: Option<Boot>,
    first_frame: Option<Boot>,
}

/// The session that plays, as of now.
pub(super) struct Facts {
    pub(super) flow: rtp::Facts,
    now: Boot,
    since: Boot,
    first_packet: Option<Boot>,
    first_frame: Option<Boot>,
}

impl Facts {
    /// From the answer to PLAY to the first packet.
    pub(super) fn first_packet(&self) -> Option<Duration> {
        self.first_packet.map(|at| at.since(self.since))
    }

    /// From the answer to PLAY to the end of the first whole frame.
    pub(super) fn first_frame(&self) -> Option<Duration> {
        self.first_frame.map(|at| at.since(self.since))
    }

    /// Arrival of the last packet of this session; a flow remembers that of sessions before.
    fn last_packet(&self) -> Option<Boot> {
        self.first_packet.and(self.flow.last_packet)
    }

    /// A video packet came within the last `stall`.
    pub(super) fn flowing(&self, stall: Duration) -> bool {
        self.last_packet().is_some_and(|at| self.now.since(at) <= stall)
    }

    /// Frames per second and bits per second. 0 is true while nothing came at all; in the first second or two of a
    /// stream there is no rate yet.
    pub(super) fn rates(&self) -> Option<(f64, f64)> {
        match self.first_packet {
            None => Some((0.0, 0.0)),
            Some(_) => self.flow.fps.zip(self.flow.bitrate),
        }
    }

    /// Whether the session must be given up, and why.
    pub(super) fn overdue(&self, stall: Duration) -> Option<Reason> {
        let limit = GIVE_UP.max(stall * 2);
        let waited = |from: Option<Boot>| self.now.since(from.unwrap_or(self.since)) >= limit;
        let framed = self.first_packet.is_some() && self.flow.last_frame >= self.first_packet;
        if waited(self.last_packet()) {
            Some(Reason::Silent)
        } else if !framed && waited(self.first_packet) {
            Some(Reason::NoFrame)
        } else {
            None
        }
    }
}

impl Tally {
    pub(super) fn counts(&self) -> Counts {
        match &self.flow {
            Some(flow) => sum(self.before, flow.counts()),
            None => self.before,
        }
    }

    pub(super) fn odd(&self, kind: Oddity) -> u64 {
        self.odd.get(&kind).copied().unwrap_or(0)
    }

    pub(super) fn ended(&self, reason: Reason) -> u64 {
        self.ended.get(&reason).copied().unwrap_or(0)
    }

    /// A session began to play at `now`.
    pub(super) fn open(&mut self, opened: &Opened, now: Boot) {
        self.connects += 1;
        let made_for = Some((opened.codec, opened.clock_hz));
        match &mut self.flow {
            Some(flow) if self.made_for == made_for => flow.restart(),
            _ => {
                self.before = self.counts();
                self.flow = Some(Flow::new(opened.codec, opened.clock_hz));
                self.made_for = made_for;
            }
        }
        if let (Some(flow), Some(sps)) = (&mut self.flow, &opened.sps) {
            flow.parameters(sps);
        }
        self.play = Some(Play { since: now, frames: self.counts().frames, first_packet: None, first_frame: None });
    }

    /// A session ended, or an attempt failed.
    pub(super) fn end(&mut self, reason: Reason) {
        *self.ended.entry(reason).or_default() += 1;
        self.play = None;
    }

    /// When the last frame began to arrive, in this or an earlier session.
    pub(super) fn last_frame(&self, now: Boot) -> Option<Boot> {
        self.flow.as_ref().and_then(|flow| flow.facts(now).last_frame)
    }

    pub(super) fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Packet(seen) => {
                let (Some(flow), Some(play)) = (&mut self.flow, &mut self.play) else { return };
                flow.on(&seen);
                play.first_packet.get_or_insert(seen.at);
                if play.first_frame.is_none() && sum(self.before, flow.counts()).frames > play.frames {
                    play.first_frame = Some(seen.at);
                }
            }
            Event::SenderReport => self.sender_reports += 1,
            Event::Odd(kind) => *self.odd.entry(kind).or_default() += 1,
        }
    }

    /// The session that plays, as of `now`; `None` without one.
    pub(super) fn facts(&self, now: Boot) -> Option<Facts> {
        let (flow, play) = (self.flow.as_ref()?, self.play.as_ref()?);
        let Play { since, first_packet, first_frame, .. } = *play;
        Some(Facts { flow: flow.facts(now), now, since, first_packet, first_frame })
    }
}

fn sum(a: Counts, b: Counts) -> Counts {
    Counts {
        packets: a.packets + b.packets,
        bytes: a.bytes + b.bytes,
        packets_lost: a.packets_lost + b.packets_lost,
        frames: a.frames + b.frames,
        keyframes: a.keyframes + b.keyframes,
        frames_dropped: a.frames_dropped + b.frames_dropped,
        duplicates: a.duplicates + b.duplicates,
        late: a.late + b.late,
        sequence_resets: a.sequence_resets + b.sequence_resets,
        timestamp_jumps: a.timestamp_jumps + b.timestamp_jumps,
        foreign: a.foreign + b.foreign,
        unreadable: a.unreadable + b.unreadable,
    }
}
