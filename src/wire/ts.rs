//! One transport stream, packet by packet (ISO/IEC 13818-1, ETSI TR 101 290): continuity, clocks, tables, rates, access
//! units and cue sections.

mod clock;
pub mod clock33;
mod counts;
mod facts;
mod framer;
mod limits;
mod listener;
mod packet;
mod pes;
mod rate;
mod slot;
mod tables;
mod units;
mod video;

pub use super::psi::{Carriage, Codec, Kind};
pub use counts::{Counts, Indicator, Role, RoleCounts};
pub use facts::{CueState, Facts, Program, Stream, Video};
pub use framer::{Framer, SyncCounts};
pub use listener::{Jump, Listener, Medium, RandomAccess, Section, Unit};
pub use packet::{Adaptation, NULL_PID, PACKET, Packet, SYNC, SYSTEM_HZ, SYSTEM_PER_TICK, rtp_payload};

use crate::base::clock::Boot;
use clock::{Step, StreamTime};
use slot::{Slot, Turn, Work};
use tables::Tables;

/// By which clock intervals, rates and limits are measured.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Timebase {
    /// Arrival, as for live input.
    #[default]
    Arrival,
    /// The stream's own PCR from where the first packet arrived on, as for files and segments, which arrive at once.
    Stream,
}

/// How a stream is watched.
#[derive(Copy, Clone, Debug, Default)]
pub struct Options {
    /// Make the priority 3 measurements too; of use for DVB services only.
    pub priority3: bool,
    pub timebase: Timebase,
}

/// PIDs are 13 bits.
const PIDS: usize = 1 << 13;
/// PIDs whose sections are gathered at a time, 4 KiB each; the rest of a hostile stream goes unread.
const MOST_GATHERED: usize = 256;
/// A sender that is joined in the middle may say the tables of its start first (GStreamer's srtsink does), with counters
/// that nothing continues. So many packets of tables are taken for such a preface, until another PID's comes.
const PREFACE: u8 = 32;

/// One transport stream. Work per packet is bounded by the packet; memory is 20 KiB, about half a KiB for each PID seen,
/// 4 KiB for each PID of tables or cues (256 at most), and 1.5 KiB for each of video (64 at most); no input panics.
pub struct Monitor {
    options: Options,
    /// Taken out while it works.
    framer: Option<Box<Framer>>,
    counts: Counts,
    /// Number of a PID's slot, one up; 0 where it was never met.
    index: Box<[u16; PIDS]>,
    slots: Vec<Slot>,
    /// Slots that gather sections.
    gathered: usize,
    tables: Tables,
    /// Packets so far.
    position: u64,
    stream_time: StreamTime,
    /// The first packet since the start or restart.
    began: Option<Boot>,
    /// How many packets of tables may still come as a preface, see [`PREFACE`].
    preface: u8,
    last_packet: Option<Boot>,
    sweep_at: Boot,
}

impl Monitor {
    pub fn new(options: Options) -> Monitor {
        Monitor {
            options,
            framer: Some(Box::default()),
            counts: Counts::default(),
            index: Box::new([0; PIDS]),
            slots: Vec::new(),
            gathered: 0,
            tables: Tables::default(),
            position: 0,
            stream_time: StreamTime::default(),
            began: None,
            preface: PREFACE,
            last_packet: None,
            sweep_at: Boot::default(),
        }
    }

    /// The next bytes as they arrived: any number of them, packets of 188 or 204 bytes, from a file or out of datagrams.
    pub fn feed(&mut self, bytes: &[u8], at: Boot, out: &mut dyn Listener) {
        let Some(mut framer) = self.framer.take() else { return };
        framer.push(bytes, |packet| self.on(&packet, at, out));
        let sync = framer.counts();
        self.counts.err(Indicator::SyncLoss, sync.losses - self.counts.sync.losses);
        self.counts.err(Indicator::SyncByte, sync.byte_errors - self.counts.sync.byte_errors);
        self.counts.sync = sync;
        self.framer = Some(framer);
    }

    /// The next packet, cut elsewhere.
    pub fn on(&mut self, packet: &Packet<'_>, at: Boot, out: &mut dyn Listener) {
        let adaptation = packet.adaptation().filter(|_| !packet.tei()).unwrap_or_default();
        let pid = packet.pid();
        let at = match self.options.timebase {
            Timebase::Arrival => at,
            Timebase::Stream => self.stream_time.on(pid, adaptation.pcr, self.position, at),
        };
        self.position += 1;
        self.last_packet = Some(at);
        if self.began.is_none() {
            self.began = Some(at);
            self.tables.due.begin(at, self.options.priority3);
        }
        if at >= self.sweep_at {
            self.sweep(at);
        }
        let n = self.slot(pid);
        if self.preface > 0 {
            let tables = matches!(self.slots[n].role, Role::Psi | Role::Si | Role::Null);
            self.preface = if tables { self.preface - 1 } else { 0 };
            self.slots.iter_mut().for_each(Slot::joined);
        }
        let slot = &mut self.slots[n];
        slot.packets += 1;
        slot.seen = Some(at);
        slot.rate.add(at, 1);
        let counts = &mut self.counts.roles[slot.role as usize];
        counts.packets += 1;
        if pid == NULL_PID {
            return;
        }
        if packet.tei() {
            counts.transport_errors += 1;
            self.counts.err(Indicator::Transport, 1);
            slot.damaged(packet);
            return;
        }
        // adaptation_field_control 00 is reserved, and such packets are to be discarded (clause 2.4.3.3).
        if !packet.has_payload() && !packet.has_adaptation() {
            return;
        }
        match slot.turn(packet, adaptation.discontinuity) {
            Turn::Next => {}
            Turn::Double => {
                counts.duplicates += 1;
                return;
            }
            Turn::Break(lost) => {
                counts.continuity_errors += 1;
                counts.lost += u64::from(lost);
                self.counts.err(Indicator::Continuity, 1);
                if lost == 0 {
                    return;
                }
                slot.gap = true;
            }
        }
        if packet.tsc() != 0 {
            self.counts.roles[slot.role as usize].scrambled += 1;
            slot.scrambled = Some(at);
        }
        if let Some(pcr) = adaptation.pcr {
            self.pcr(n, pcr, adaptation.discontinuity, at, out);
        }
        let payload = packet.payload();
        if !payload.is_empty() {
            self.payload(n, packet, payload, at, out);
        }
    }

    /// Time passes without packets: what is missing is counted. Once per second or so; a no-op by [`Timebase::Stream`].
    pub fn idle(&mut self, now: Boot) {
        if self.began.is_some() && self.options.timebase == Timebase::Arrival && now >= self.sweep_at {
            self.sweep(now);
        }
    }

    /// The source was opened anew: continuity, clocks, tables and half sections are forgotten, counts stay, and so does
    /// which PIDs carried cues.
    pub fn restart(&mut self) {
        if let Some(framer) = &mut self.framer {
            framer.restart();
        }
        self.index.fill(0);
        self.slots.clear();
        self.gathered = 0;
        self.tables.restart();
        self.stream_time.restart();
        self.began = None;
        self.preface = PREFACE;
        self.sweep_at = Boot::default();
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The place of a PID, made where it has none.
    fn slot(&mut self, pid: u16) -> usize {
        let place = &mut self.index[usize::from(pid) % PIDS];
        if *place == 0 {
            self.slots.push(Slot::new(pid, self.tables.fixed(pid), self.began.unwrap_or_default()));
            *place = self.slots.len() as u16;
        }
        usize::from(*place) - 1
    }

    fn known(&self, pid: u16) -> Option<&Slot> {
        usize::from(self.index[usize::from(pid) % PIDS]).checked_sub(1).map(|n| &self.slots[n])
    }

    fn pcr(&mut self, n: usize, pcr: u64, signalled: bool, at: Boot, out: &mut dyn Listener) {
        let slot = &mut self.slots[n];
        let Some(clock) = &mut slot.clock else { return };
        let seen = clock.on(pcr, at, self.position, signalled, self.options.timebase == Timebase::Arrival);
        self.counts.err(Indicator::PcrRepetition, u64::from(seen.late));
        self.counts.err(Indicator::PcrDiscontinuity, u64::from(seen.outside));
        let jump = match seen.step {
            Step::First | Step::Steady => return,
            Step::Signalled => Jump::Signalled,
            Step::Jumped => Jump::Pcr,
        };
        self.counts.signalled_discontinuities += u64::from(jump == Jump::Signalled);
        self.counts.pcr_jumps += u64::from(jump == Jump::Pcr);
        let pid = slot.pid;
        let index = &self.index;
        for program in self.tables.programs.iter_mut().filter(|p| p.pcr_pid == Some(pid)) {
            program.settled = None;
            for es in &program.streams {
                let slot = usize::from(index[usize::from(es.pid) % PIDS]).checked_sub(1);
                if let Some(timed) = slot.and_then(|n| self.slots[n].timed.as_mut()) {
                    timed.stamps.restart();
                }
            }
            out.discontinuity(program.number, jump, at);
        }
    }

    fn payload(&mut self, n: usize, packet: &Packet<'_>, payload: &[u8], at: Boot, out: &mut dyn Listener) {
        let slot = &mut self.slots[n];
        let scrambled = packet.tsc() != 0;
        match slot.work {
            Work::Nothing => self.tables.due.scrambled |= scrambled,
            Work::Tables if scrambled => self.counts.scrambled_table(slot.pid, slot.role),
            _ if scrambled => {
                self.tables.due.scrambled = true;
                slot.blind();
            }
            Work::Tables | Work::Cue => self.sections(n, packet.pusi(), payload, at, out),
            Work::Private => self.private(n, packet.pusi(), payload, at, out),
            Work::Timed(medium) => self.timed(n, medium, packet.pusi(), payload, at, out),
        }
    }
}

#[cfg(test)]
mod tests;
