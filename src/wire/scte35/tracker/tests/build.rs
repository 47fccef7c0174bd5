//! Sections written by hand, and a stream of pictures around them.

use crate::base::clock::Boot;
use crate::wire::psi::crc32_mpeg;
use crate::wire::scte35::*;
use crate::wire::ts::{Medium, RandomAccess, clock33};

pub(super) const S: u64 = 90_000;

/// A section with this command and these descriptors.
pub(super) fn section(pts_adjustment: u64, command_type: u8, command: &[u8], descriptors: &[u8]) -> Vec<u8> {
    let length = 11 + command.len() + 2 + descriptors.len() + 4;
    let mut bytes = vec![0xfc, 0x30 | (length >> 8) as u8, length as u8, 0, (pts_adjustment >> 32) as u8];
    bytes.extend((pts_adjustment as u32).to_be_bytes());
    bytes.extend([0xff, 0xff, 0xf0 | (command.len() >> 8) as u8, command.len() as u8, command_type]);
    bytes.extend(command);
    bytes.extend((descriptors.len() as u16).to_be_bytes());
    bytes.extend(descriptors);
    bytes.extend(crc32_mpeg(&bytes).to_be_bytes());
    bytes
}

pub(super) fn time(pts: Option<u64>) -> Vec<u8> {
    let Some(pts) = pts else { return vec![0x7f] };
    [&[0xfe | (pts >> 32) as u8][..], &(pts as u32).to_be_bytes()].concat()
}

pub(super) fn null() -> Vec<u8> {
    section(0, 0, &[], &[])
}

/// splice_insert; `duration` in ticks with auto_return.
pub(super) fn insert(id: u32, out: bool, pts: Option<u64>, duration: Option<(u64, bool)>) -> Vec<u8> {
    section(0, 5, &insert_command(id, out, pts, duration), &[])
}

pub(super) fn insert_command(id: u32, out: bool, pts: Option<u64>, duration: Option<(u64, bool)>) -> Vec<u8> {
    let flags = u8::from(out) << 7 | 0x4f | u8::from(duration.is_some()) << 5 | u8::from(pts.is_none()) << 4;
    let mut command = [&id.to_be_bytes()[..], &[0x7f, flags]].concat();
    if pts.is_some() {
        command.extend(time(pts));
    }
    if let Some((ticks, auto_return)) = duration {
        command.push(0x7e | u8::from(auto_return) << 7 | (ticks >> 32) as u8);
        command.extend((ticks as u32).to_be_bytes());
    }
    command.extend([0, 1, 0, 0]);
    command
}

pub(super) fn cancel(id: u32) -> Vec<u8> {
    section(0, 5, &[&id.to_be_bytes()[..], &[0xff]].concat(), &[])
}

/// A segmentation_descriptor without restrictions or UPID.
pub(super) fn segment(id: u32, kind: u8, duration: Option<u64>) -> Vec<u8> {
    let mut body = [&b"CUEI"[..], &id.to_be_bytes(), &[0x7f, 0xbf | u8::from(duration.is_some()) << 6]].concat();
    if let Some(ticks) = duration {
        body.extend(&ticks.to_be_bytes()[3..]);
    }
    body.extend([0, 0, kind, 1, 1]);
    descriptor(2, &body)
}

pub(super) fn descriptor(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag, body.len() as u8][..], body].concat()
}

pub(super) fn signal(pts: Option<u64>, descriptors: &[u8]) -> Vec<u8> {
    section(0, 6, &time(pts), descriptors)
}

/// A tracker and its stream: 25 frames a second that arrive as they are shown, an IDR every two seconds of PTS, and a
/// system time clock 0.7 s behind, as FFmpeg's multiplexer has it.
pub(super) struct Feed {
    pub(super) tracker: Tracker,
    /// Of the next frame.
    pub(super) pts: u64,
    /// ns since boot.
    pub(super) at: u64,
    pub(super) wall: i64,
    pub(super) medium: Medium,
    pub(super) random_access: RandomAccess,
}

const FRAME: u64 = 3_600;
const FRAME_NS: u64 = 40_000_000;

impl Feed {
    /// Starts at this PTS.
    pub(super) fn at(pts: u64) -> Self {
        Feed::with(pts, Policy::default())
    }
    pub(super) fn with(pts: u64, policy: Policy) -> Self {
        let tracker = Tracker::new(policy);
        let (medium, random_access) = (Medium::Video, RandomAccess::Idr);
        Feed { tracker, pts, at: 1_000_000_000_000, wall: 1_767_225_600_000, medium, random_access }
    }

    pub(super) fn boot(&self) -> Boot {
        Boot::from_nanos(self.at)
    }

    /// Sends a section now.
    pub(super) fn send(&mut self, section: &[u8]) -> Vec<Happening> {
        let mut out = Vec::new();
        let last = clock33::add(self.pts, -(FRAME as i64));
        let stc = clock33::add(last, -63_000);
        self.tracker.section(&decode(section), self.boot(), self.wall, Some(stc), Some(last), &mut out);
        out
    }

    /// Time passes without pictures.
    pub(super) fn pause(&mut self, ns: u64) {
        self.at += ns;
        self.wall += (ns / 1_000_000) as i64;
    }

    /// So many seconds without pictures or sections, each ending in a tick.
    pub(super) fn silence(&mut self, seconds: u64) -> Vec<Happening> {
        let one = |_| {
            self.pause(1_000_000_000);
            self.tick()
        };
        (0..seconds).flat_map(one).collect()
    }

    pub(super) fn tick(&mut self) -> Vec<Happening> {
        let mut out = Vec::new();
        self.tracker.tick(self.boot(), &mut out);
        out
    }

    /// Pictures for so many seconds, with a tick each second.
    pub(super) fn run(&mut self, seconds: f64) -> Vec<Happening> {
        let mut out = Vec::new();
        for n in 0..(seconds * 25.0).round() as u64 {
            let kind = if self.pts.is_multiple_of(2 * S) { self.random_access } else { RandomAccess::None };
            self.tracker.access_unit(self.pts, self.medium, kind, self.boot(), &mut out);
            self.pts = clock33::add(self.pts, FRAME as i64);
            self.pause(FRAME_NS);
            if n.is_multiple_of(25) {
                self.tracker.tick(self.boot(), &mut out);
            }
        }
        out
    }

    pub(super) fn standing(&self) -> [u64; 3] {
        let state = self.tracker.state(self.boot());
        [state.announced, state.open, state.overdue]
    }
}

/// Kinds of happenings, without `scte35.`.
pub(super) fn kinds(happenings: &[Happening]) -> Vec<&'static str> {
    happenings.iter().map(|h| h.kind().trim_start_matches("scte35.")).collect()
}

pub(super) fn cue(happenings: &[Happening]) -> Cue {
    happenings.iter().find_map(|h| if let Happening::Cue(cue) = h { Some((**cue).clone()) } else { None }).unwrap()
}

pub(super) fn closed(happenings: &[Happening]) -> (How, i64, bool) {
    let closed = |h: &Happening| match h {
        Happening::Closed { how, actual, mismatch, .. } => Some((*how, *actual, *mismatch)),
        _ => None,
    };
    happenings.iter().find_map(closed).unwrap()
}

pub(super) fn points(happenings: &[Happening]) -> Vec<Point> {
    happenings.iter().filter_map(|h| if let Happening::Point(point) = h { Some(*point) } else { None }).collect()
}
