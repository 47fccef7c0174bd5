//! One PID: its continuity, its rate, and what is gathered from it.

use super::clock::Clock;
use super::counts::Role;
use super::limits::Due;
use super::packet::{PACKET, Packet};
use super::pes::Stamps;
use super::rate::{Recent, recent_from};
use super::video::Scanner;
use super::{Medium, RandomAccess};
use crate::base::clock::Boot;
use crate::wire::psi::Assembler;

/// No counter seen yet.
const NONE: u8 = 0xff;
/// A PID may belong to so many programmes; further ones that share it are not told of it.
pub(super) const OWNERS: usize = 4;
/// No programme.
pub(super) const NOBODY: u8 = 0xff;

/// What is done with the payload of a PID.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Work {
    #[default]
    Nothing,
    /// PAT, CAT, PMT and SI sections.
    Tables,
    Cue,
    Timed(Medium),
    /// Private PES, looked into for cues in disguise.
    Private,
}

/// How a packet follows the one before it on its PID.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Next,
    /// Sent once more, as is allowed once.
    Double,
    /// Out of turn; so many are missing, at least, and 0 where it came a third time.
    Break(u8),
}

/// A video unit whose first picture has not shown itself yet.
#[derive(Copy, Clone)]
pub(super) struct Waiting {
    pub(super) pts: u64,
    pub(super) dts: u64,
    pub(super) at: Boot,
}

/// What is gathered from a PID of video or audio.
pub(super) struct Timed {
    pub(super) stamps: Stamps,
    pub(super) waiting: Option<Waiting>,
    pub(super) scanner: Option<Box<Scanner>>,
    /// The PES packet of now is in the clear.
    pub(super) readable: bool,
    /// Pictures; PES packets where they cannot be told apart.
    pub(super) pictures: Recent<u32>,
    pub(super) frames: u64,
    pub(super) keyframes: u64,
    /// Number and DTS of the last picture at which decoding can start, and when it came.
    pub(super) keyframe: Option<(u64, Option<u64>, Boot)>,
    pub(super) gop: Option<u32>,
    pub(super) keyframe_interval: Option<f64>,
    /// When the next PTS is overdue; never for still pictures.
    pub(super) due: Due,
    pub(super) still: bool,
}

/// What is known of a PID.
pub(super) struct Slot {
    pub(super) pid: u16,
    pub(super) role: Role,
    pub(super) work: Work,
    pub(super) owners: [u8; OWNERS],
    cc: u8,
    doubled: bool,
    /// Packets are missing before what comes next.
    pub(super) gap: bool,
    last: [u8; PACKET],
    pub(super) packets: u64,
    pub(super) rate: Recent<u32>,
    pub(super) seen: Option<Boot>,
    pub(super) scrambled: Option<Boot>,
    /// When the PID counts as missing (video, audio) or as named by no table (the rest).
    pub(super) due: Due,
    pub(super) sections: Option<Box<Assembler>>,
    pub(super) timed: Option<Box<Timed>>,
    pub(super) clock: Option<Box<Clock>>,
    /// SCTE-35 sections came in its PES packets.
    pub(super) disguised: bool,
}

impl Slot {
    /// A PID first met, in a stream that is watched since `from`.
    pub(super) fn new(pid: u16, (role, work): (Role, Work), from: Boot) -> Slot {
        Slot {
            pid,
            role,
            work,
            owners: [NOBODY; OWNERS],
            cc: NONE,
            doubled: false,
            gap: false,
            last: [0; PACKET],
            packets: 0,
            rate: recent_from(from),
            seen: None,
            scrambled: None,
            due: Due::default(),
            sections: None,
            timed: None,
            clock: None,
            disguised: false,
        }
    }

    /// The continuity of clause 2.4.3.3: the counter steps with each payload, stands without one, is free where a
    /// discontinuity is announced, and a packet may come twice.
    #[inline]
    pub(super) fn turn(&mut self, packet: &Packet<'_>, announced: bool) -> Turn {
        let cc = packet.cc();
        let payload = packet.has_payload();
        let expected = if payload { self.cc.wrapping_add(1) & 0x0f } else { self.cc };
        if cc != expected && self.cc != NONE {
            if payload && cc == self.cc && packet.same_but_pcr(&self.last) {
                return if std::mem::replace(&mut self.doubled, true) { Turn::Break(0) } else { Turn::Double };
            }
            if !announced {
                self.keep(packet, payload);
                return Turn::Break(cc.wrapping_sub(expected) & 0x0f);
            }
            self.gap = true;
        }
        self.keep(packet, payload);
        Turn::Next
    }

    /// What came so far is not what the next packet continues.
    pub(super) fn joined(&mut self) {
        self.cc = NONE;
    }

    #[inline]
    fn keep(&mut self, packet: &Packet<'_>, payload: bool) {
        self.cc = packet.cc();
        if payload {
            self.doubled = false;
            self.last = *packet.bytes();
        }
    }

    /// A packet marked as damaged: its counter is taken where it fits, since the packet was not lost.
    pub(super) fn damaged(&mut self, packet: &Packet<'_>) {
        if self.cc != NONE && packet.cc() == self.cc.wrapping_add(1) & 0x0f {
            self.cc = packet.cc();
            self.last = *packet.bytes();
        }
        self.gap = true;
    }

    /// What comes cannot be read.
    pub(super) fn blind(&mut self) {
        if let Some(timed) = &mut self.timed {
            timed.due = Due::default();
            timed.waiting = None;
            if let Some(scanner) = &mut timed.scanner {
                scanner.broken();
            }
        }
    }

    pub(super) fn owners(&self) -> impl Iterator<Item = usize> + use<> {
        self.owners.into_iter().take_while(|n| *n != NOBODY).map(usize::from)
    }

    pub(super) fn own(&mut self, program: usize) {
        let Ok(program) = u8::try_from(program) else { return };
        if self.owners.contains(&program) {
            return;
        }
        if let Some(free) = self.owners.iter_mut().find(|n| **n == NOBODY) {
            *free = program;
        }
    }
}

impl Timed {
    /// Of a stream that is watched since `from`.
    pub(super) fn new(from: Boot) -> Timed {
        Timed {
            stamps: Stamps::default(),
            waiting: None,
            scanner: None,
            readable: false,
            pictures: recent_from(from),
            frames: 0,
            keyframes: 0,
            keyframe: None,
            gop: None,
            keyframe_interval: None,
            due: Due::default(),
            still: false,
        }
    }

    /// A picture begins at `at`, in the PES packet that began at `began`.
    pub(super) fn picture(&mut self, random_access: RandomAccess, dts: Option<u64>, began: Boot, at: Boot) {
        self.frames += 1;
        self.pictures.add(at, 1);
        if random_access == RandomAccess::None {
            return;
        }
        self.keyframes += 1;
        if let Some((number, before, _)) = self.keyframe.replace((self.frames, dts, began)) {
            self.gop = u32::try_from(self.frames - number).ok();
            let ticks = before.zip(dts).map(|(before, dts)| super::clock33::diff(before, dts));
            self.keyframe_interval = ticks.filter(|t| *t > 0).map(super::clock33::seconds);
        }
    }
}
