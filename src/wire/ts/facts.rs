//! What holds at one moment.

use super::counts::Role;
use super::tables::{Es, Prog};
use super::{Monitor, Timebase, rate};
use crate::base::clock::Boot;
use crate::base::label::Label;
use crate::wire::psi::Kind;
use std::time::Duration;

/// A PID is called scrambled until so long after its last scrambled packet.
const SCRAMBLED: Duration = Duration::from_secs(2);

/// The gauges of a stream. `None`: not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Packets are being cut out of the bytes; true where they come one by one.
    pub locked: bool,
    pub last_packet: Option<Boot>,
    /// Bit per second over the last 10 s, all packets of 188 bytes; 0 when none came, `None` before a second has passed.
    pub bitrate: Option<f64>,
    /// The same without PID 0x1fff.
    pub net_bitrate: Option<f64>,
    pub transport_stream_id: Option<u16>,
    /// PIDs seen since the start.
    pub pids: usize,
    /// Bit per second of each role, by [`Role`]'s number.
    pub role_bitrate: Option<[f64; Role::ALL.len()]>,
    pub programs: Vec<Program>,
}

/// One programme of the PAT.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// program_number.
    pub number: u16,
    pub pmt_pid: u16,
    /// `None` before the first PMT, and where the programme has no clock.
    pub pcr_pid: Option<u16>,
    /// The PMT has come.
    pub known: bool,
    /// A registration 'CUEI' for the whole programme.
    pub cuei: bool,
    /// Bit per second of its PMT, PCR and elementary PIDs.
    pub bitrate: Option<f64>,
    /// Seconds between PCRs, the longest of the last 10 s.
    pub pcr_interval: Option<f64>,
    /// Seconds between the earliest and the latest PCR arrival against an even clock, within 10 s: the network's and the
    /// sender's jitter together. `None` by [`super::Timebase::Stream`].
    pub pcr_jitter: Option<f64>,
    /// The system time clock now, 33 bit at 90 kHz.
    pub stc: Option<u64>,
    /// Seconds by which audio timestamps are ahead of video's at one place of the stream (first audio, first video).
    pub av_offset: Option<f64>,
    /// Seconds by which that offset has moved since the streams settled.
    pub av_drift: Option<f64>,
    pub streams: Vec<Stream>,
    /// PIDs that its PMT gave to SCTE-35 before and does not name at all any more.
    pub gone_cues: Vec<u16>,
}

/// Whether a PID carries cues, and whether it should.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum CueState {
    /// Nothing points to cues.
    #[default]
    None,
    /// The PMT gives it to SCTE-35.
    Declared,
    /// The PMT did so before, and no longer does.
    Former,
    /// Its PES packets hold SCTE-35 sections, which is no legal carriage.
    Disguised,
}

/// One elementary stream of a PMT.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    pub pid: u16,
    pub stream_type: u8,
    pub kind: Kind,
    pub role: Role,
    pub cue: CueState,
    /// Bit per second, whole packets.
    pub bitrate: Option<f64>,
    pub last_packet: Option<Boot>,
    /// The packets of the last second or so were scrambled.
    pub scrambled: bool,
    /// The newest PTS, 33 bit.
    pub pts: Option<u64>,
    /// The longest step between timestamps of the last 10 s, in seconds.
    pub pts_interval: Option<f64>,
    /// Of video only.
    pub video: Option<Video>,
}

/// What the elementary stream itself says.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Video {
    /// Access units per second of arrival over the last 10 s.
    pub fps: Option<f64>,
    /// Cropped width and height in pixels.
    pub resolution: Option<(u32, u32)>,
    /// Frames per second that the parameter set claims.
    pub declared_fps: Option<f64>,
    /// Pictures from the last random access point up to the one before it.
    pub gop: Option<u32>,
    /// Seconds between those two, by their timestamps.
    pub keyframe_interval: Option<f64>,
    /// When the last random access point began to arrive.
    pub last_keyframe: Option<Boot>,
    /// Access units since the monitor was made, and those at which decoding can start; never fall within a tenure of a PID.
    pub frames: u64,
    pub keyframes: u64,
}

impl Monitor {
    /// The gauges as of `now`; by [`Timebase::Stream`] as of the newest packet. Allocates: once per report, not per packet.
    pub fn facts(&self, now: Boot) -> Facts {
        let now = self.now(now);
        let mut role_bitrate = self.began.map(|_| [0.0; Role::ALL.len()]);
        for slot in &self.slots {
            match (rate::bitrate(&slot.rate, now), &mut role_bitrate) {
                (Some(rate), Some(roles)) => roles[slot.role as usize] += rate,
                _ => role_bitrate = None,
            }
        }
        let bitrate = role_bitrate.map(|roles| roles.iter().sum());
        Facts {
            locked: self.framer.as_ref().is_some_and(|framer| framer.locked()),
            last_packet: self.last_packet,
            bitrate,
            net_bitrate: bitrate.zip(role_bitrate).map(|(all, roles)| all - roles[Role::Null as usize]),
            transport_stream_id: self.tables.transport_stream_id,
            pids: self.slots.iter().filter(|slot| slot.packets > 0).count(),
            role_bitrate,
            programs: self.tables.programs.iter().map(|program| self.program(program, now)).collect(),
        }
    }

    /// Notes the A/V offset from which drift is told, once it is known; for [`Monitor::sweep`].
    pub(super) fn settle(&mut self) {
        for n in 0..self.tables.programs.len() {
            if self.tables.programs[n].settled.is_none() {
                self.tables.programs[n].settled = self.av_offset(&self.tables.programs[n]);
            }
        }
    }

    fn now(&self, now: Boot) -> Boot {
        match self.options.timebase {
            Timebase::Arrival => now,
            Timebase::Stream => self.last_packet.unwrap_or(now),
        }
    }

    pub(super) fn program(&self, program: &Prog, now: Boot) -> Program {
        let clock = program.pcr_pid.and_then(|pid| self.known(pid)).and_then(|slot| slot.clock.as_ref());
        let mut pids: Vec<u16> = program.streams.iter().map(|es| es.pid).collect();
        pids.extend([program.pmt_pid].into_iter().chain(program.pcr_pid));
        pids.sort_unstable();
        pids.dedup();
        let bitrate = pids.iter().filter_map(|pid| self.known(*pid)).map(|slot| rate::bitrate(&slot.rate, now)).sum();
        let av_offset = self.av_offset(program);
        let cues = self.tables.cues.iter().filter(|(number, _)| *number == program.number).map(|(_, pid)| *pid);
        Program {
            number: program.number,
            pmt_pid: program.pmt_pid,
            pcr_pid: program.pcr_pid,
            known: program.crc.is_some(),
            cuei: program.cuei,
            bitrate,
            pcr_interval: clock.and_then(|clock| clock.longest_interval(now)),
            pcr_jitter: clock.filter(|_| self.options.timebase == Timebase::Arrival).and_then(|c| c.jitter(now)),
            stc: match self.options.timebase {
                Timebase::Arrival => clock.and_then(|clock| clock.at_time(now)),
                Timebase::Stream => self.stc(program, now),
            },
            av_offset,
            av_drift: av_offset.zip(program.settled).map(|(offset, settled)| offset - settled),
            streams: program.streams.iter().map(|es| self.stream(program, es, now)).collect(),
            gone_cues: cues.filter(|pid| program.crc.is_some() && !pids.contains(pid)).collect(),
        }
    }

    fn stream(&self, program: &Prog, es: &Es, now: Boot) -> Stream {
        let slot = self.known(es.pid);
        let timed = slot.and_then(|slot| slot.timed.as_deref());
        let cue = if es.kind == Kind::Cue {
            CueState::Declared
        } else if slot.is_some_and(|slot| slot.disguised) {
            CueState::Disguised
        } else if self.tables.cues.contains(&(program.number, es.pid)) {
            CueState::Former
        } else {
            CueState::None
        };
        let video = timed.filter(|_| matches!(es.kind, Kind::Video(_))).map(|timed| {
            let picture = timed.scanner.as_ref().and_then(|scanner| scanner.picture());
            Video {
                fps: rate::per_second(&timed.pictures, now),
                resolution: picture.map(|p| p.size),
                declared_fps: picture.and_then(|p| p.fps),
                gop: timed.gop,
                keyframe_interval: timed.keyframe_interval,
                last_keyframe: timed.keyframe.map(|(_, _, at)| at),
                frames: timed.frames,
                keyframes: timed.keyframes,
            }
        });
        Stream {
            pid: es.pid,
            stream_type: es.stream_type,
            kind: es.kind,
            role: slot.map(|slot| slot.role).unwrap_or_default(),
            cue,
            bitrate: slot.and_then(|slot| rate::bitrate(&slot.rate, now)),
            last_packet: slot.and_then(|slot| slot.seen),
            scrambled: slot.and_then(|slot| slot.scrambled).is_some_and(|at| now.since(at) < SCRAMBLED),
            pts: timed.and_then(|timed| timed.stamps.pts),
            pts_interval: timed.and_then(|timed| timed.stamps.longest_step(now)),
            video,
        }
    }
}
