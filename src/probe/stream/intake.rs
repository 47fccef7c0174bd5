//! What comes in: datagrams and worker's records into packets into the monitor, and whether a signal is there.

use super::address::Protocol;
use super::ears::Ears;
use super::presence::{ANSWER, Failure, Signal};
use crate::base::clock::Boot;
use crate::base::label::Label;
use crate::wire::record::{Record, Srt};
use crate::wire::ts::{Monitor, PACKET, rtp_payload};
use crate::world::feed::Event;
use std::collections::BTreeMap;
use std::time::Duration;

/// A packet with 16 bytes of parity (EN 300 429).
const WITH_PARITY: usize = 204;
/// A step of more than this in RTP's sequence numbers is another sender, not loss.
const RTP_STEP: u16 = 3000;

/// What can be wrong with a datagram as a whole.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Misfit {
    /// Not a whole number of packets of 188 or 204 bytes.
    Size,
    /// Not RTP although the URL says so.
    NoRtp,
}

impl Label for Misfit {
    const ALL: &'static [Self] = &[Misfit::Size, Misfit::NoRtp];
    fn label(self) -> &'static str {
        match self {
            Misfit::Size => "size",
            Misfit::NoRtp => "no_rtp",
        }
    }
}

/// One source's intake, over all its openings.
pub(super) struct Intake {
    pub(super) monitor: Monitor,
    pub(super) ears: Ears,
    protocol: Protocol,
    stall: Duration,
    pub(super) bytes: u64,
    misfits: BTreeMap<Misfit, u64>,
    rtp_next: Option<u16>,
    pub(super) rtp_lost: u64,
    /// Dropped in the kernel at earlier openings, and at this one.
    dropped: (u64, u64),
    /// Packets and lost ones of the SRT link at earlier openings.
    linked: [u64; 2],
    /// What the SRT link of this opening says of itself.
    pub(super) link: Option<Srt>,
    /// When this opening began, and when bytes last came in it.
    opened: Boot,
    last_bytes: Option<Boot>,
}

impl Intake {
    pub(super) fn new(monitor: Monitor, ears: Ears, protocol: Protocol, stall: Duration) -> Intake {
        Intake {
            monitor,
            ears,
            protocol,
            stall,
            bytes: 0,
            misfits: BTreeMap::new(),
            rtp_next: None,
            rtp_lost: 0,
            dropped: (0, 0),
            linked: [0, 0],
            link: None,
            opened: Boot::default(),
            last_bytes: None,
        }
    }

    /// The source was opened.
    pub(super) fn open(&mut self, now: Boot) {
        self.opened = now;
        self.last_bytes = None;
        self.dropped = (self.dropped.0 + self.dropped.1, 0);
        self.linked = self.linked();
        self.link = None;
        self.restart(now);
    }

    /// What comes next does not continue what came before.
    pub(super) fn restart(&mut self, now: Boot) {
        self.rtp_next = None;
        self.monitor.restart();
        self.ears.restart(now);
    }

    pub(super) fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Bytes { at, bytes } => self.bytes(at, bytes),
            Event::Reopened => self.restart(self.last_bytes.unwrap_or(self.opened)),
        }
    }

    /// What a worker says of an SRT stream.
    pub(super) fn record(&mut self, at: Boot, record: Record<'_>) {
        match record {
            Record::Ts(bytes) => self.bytes(at, bytes),
            Record::Srt(counts) => self.link = Some(counts),
            _ => {}
        }
    }

    /// Packets that came over SRT, and those that it found missing at first, over all openings.
    pub(super) fn linked(&self) -> [u64; 2] {
        let now = self.link.unwrap_or_default();
        [self.linked[0] + now.packets, self.linked[1] + now.lost]
    }

    fn bytes(&mut self, at: Boot, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.last_bytes = Some(at);
        let mut packets = bytes;
        if self.protocol == Protocol::Rtp {
            match rtp_payload(bytes) {
                Some((sequence, payload)) => {
                    self.sequence(sequence);
                    packets = payload;
                }
                None => return self.misfit(Misfit::NoRtp),
            }
        }
        if self.protocol.datagrams()
            && !packets.len().is_multiple_of(PACKET)
            && !packets.len().is_multiple_of(WITH_PARITY)
        {
            self.misfit(Misfit::Size);
        }
        self.monitor.feed(packets, at, &mut self.ears);
    }

    fn misfit(&mut self, misfit: Misfit) {
        *self.misfits.entry(misfit).or_default() += 1;
    }

    /// RTP packets that did not come before this one. A late one was counted lost and is not taken back.
    fn sequence(&mut self, sequence: u16) {
        let step = sequence.wrapping_sub(self.rtp_next.unwrap_or(sequence));
        if step > u16::MAX - RTP_STEP {
            return;
        }
        if step < RTP_STEP {
            self.rtp_lost += u64::from(step);
        }
        self.rtp_next = Some(sequence.wrapping_add(1));
    }

    pub(super) fn kernel_dropped(&mut self, dropped: Option<u64>) {
        self.dropped.1 = dropped.unwrap_or(self.dropped.1);
    }

    /// Datagrams that the kernel dropped at our socket.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.0 + self.dropped.1
    }

    pub(super) fn misfits(&self, misfit: Misfit) -> u64 {
        self.misfits.get(&misfit).copied().unwrap_or(0)
    }

    /// Judges the signal as of `now`, given the monitor's last packet.
    pub(super) fn signal(&self, now: Boot, last_packet: Option<Boot>) -> Signal {
        let fresh = |at: Option<Boot>| at.is_some_and(|at| at >= self.opened && now.since(at) <= self.stall);
        if fresh(last_packet) {
            return Signal::Up;
        }
        if fresh(self.last_bytes) && last_packet.is_none_or(|at| now.since(at) > self.stall) {
            let garbage_since = last_packet.map_or(self.opened, |at| at.max(self.opened));
            if now.since(garbage_since) > self.stall {
                return Signal::Down(Failure::Garbage);
            }
            return Signal::Waiting;
        }
        let limit = if self.protocol.by_worker() && self.last_bytes.is_none() { ANSWER } else { self.stall };
        if now.since(self.last_bytes.unwrap_or(self.opened)) > limit {
            return Signal::Down(Failure::Silent);
        }
        Signal::Waiting
    }
}
