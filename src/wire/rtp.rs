//! One video track, packet by packet: loss, frames, keyframes, rates, jitter (RFC 3550, RFC 6184, RFC 7798).
//!
//! # What is counted
//!
//! **Packets lost** are the numbers that never came, by the 16-bit sequence number extended as in RFC 3550 appendix A.1.
//! Doubled packets are no gain, a late one does not take its loss back (a counter must not fall; it is counted in `late`),
//! and another numbering, believed from its second packet in a row on, is a `sequence_reset` without any loss. Packets of
//! foreign payload types are counted in `foreign` and otherwise left out.
//!
//! **A frame** is a coded picture (a field counts as one where fields are coded apart). It begins with a first-slice flag;
//! failing that, with slice data of another timestamp. The marker is believed to end a frame until a frame has gone on
//! behind one. Parameter sets, SEI and delimiters begin nothing.
//!
//! Every frame that was sent is counted once: in `frames` when it came whole, else in `frames_dropped`. Dropped are
//! 1. damaged frames: packets are missing between its first and last slice data, its first slice never came, or its end
//!    is missing (a hole follows, and its last NAL unit was cut or the believed marker did not come), and
//! 2. frames of which nothing came: round(Δt / T) − 1 across a hole, T being the typical time between frames (mean of the
//!    last 16 intervals near their median) and never more than packets are missing. Where B-frames come out of display
//!    order, this is settled as the next frames that raise the media time come. Where T is not known,
//!    or timestamps are frozen or astray, a hole between two whole frames counts one.
//!
//! A hole between two whole frames whose times leave no room for a third hit what stands before the slices of the second:
//! that one is counted as damaged. A frame is counted when its believed marker or the next frame comes. The frame in which
//! a session or a numbering begins half way counts nowhere. Frames that the encoder never sent are not dropped frames.
//!
//! **Rates** are over the last 100 whole tenths of a second of arrival. A frame counts where its first packet arrived,
//! whole or not. When pictures from before PLAY come in a burst (media time more than half a second ahead of arrival
//! within two seconds), rates begin when two seconds have passed.
//!
//! **Jitter** is that of RFC 3550 section 6.4.1 over all packets that do not step back in media time (B-frames), skipping
//! jumps. A **timestamp jump** is media time that runs more than 5 s ahead of arrival or more than 5 s back; after three
//! frames that agree with each other it is the new base.

mod frames;
mod media;
mod pace;
mod rate;
mod sequence;

pub use super::Codec;

use super::h26x::{self, Picture, Piece, Reader};
use crate::base::clock::Boot;
use frames::{Frames, Packet};
use media::{Media, Time};
use rate::Rate;
use sequence::{Place, Sequence};

/// Geovision cameras send packets of this type between those of the video; it is taken for video only when the SDP says so.
const NEVER_VIDEO: u8 = 50;

/// One RTP packet (RFC 3550 section 5.1).
#[derive(Copy, Clone, Debug)]
pub struct Seen<'a> {
    /// When it arrived.
    pub at: Boot,
    pub seq: u16,
    /// RTP time, unwrapped to 64 bits; the origin does not matter.
    pub ticks: i64,
    pub marker: bool,
    pub payload_type: u8,
    /// Header and payload, in bytes.
    pub len: usize,
    pub payload: &'a [u8],
}

/// What was counted since [`Flow::new`]; never falls, survives [`Flow::restart`]. Definitions in the module doc.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets of the track as they came, doubled and late ones included.
    pub packets: u64,
    /// RTP header and payload of those.
    pub bytes: u64,
    pub packets_lost: u64,
    /// Whole frames.
    pub frames: u64,
    /// Those of them at which decoding can start.
    pub keyframes: u64,
    pub frames_dropped: u64,
    pub duplicates: u64,
    /// Packets behind their turn that fill a gap already counted as lost.
    pub late: u64,
    pub sequence_resets: u64,
    pub timestamp_jumps: u64,
    /// Packets of another payload type.
    pub foreign: u64,
    /// Payloads that cannot be read: interleaved modes, cut or nested structures.
    pub unreadable: u64,
}

/// What holds at one moment. `None`: not known.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Frames per second of arrival; 0 when none came, `None` before the session has run for a second.
    pub fps: Option<f64>,
    /// Bit per second, RTP header and payload, over the same window.
    pub bitrate: Option<f64>,
    /// Seconds.
    pub jitter: Option<f64>,
    pub last_packet: Option<Boot>,
    /// Arrival of the first packet of the newest frame, whole or not.
    pub last_frame: Option<Boot>,
    /// Seconds between the arrivals of the last two whole keyframes of this session.
    pub keyframe_interval: Option<f64>,
    /// Seconds since the last whole keyframe began to arrive; where none ever came, since the first packet. `None` for
    /// [`Codec::Other`] and before the first packet.
    pub since_keyframe: Option<f64>,
    /// Cropped width and height in pixels: in-band, else as told by [`Flow::parameters`].
    pub resolution: Option<(u32, u32)>,
    /// Frames per second that the parameter set claims.
    pub declared_fps: Option<f64>,
}

/// One video track. Work per packet is bounded by the packet, memory is fixed (about 3 KiB, inline), no input panics.
pub struct Flow {
    codec: Codec,
    clock_hz: u32,
    payload_type: Option<u8>,
    counts: Counts,
    declared: Option<Picture>,
    first_packet: Option<Boot>,
    last_packet: Option<Boot>,
    last_frame: Option<Boot>,
    last_keyframe: Option<Boot>,
    session: Session,
}

/// What a new session forgets.
struct Session {
    payload_type: Option<u8>,
    sequence: Sequence,
    media: Media,
    reader: Option<Reader>,
    frames: Frames,
    rate: Rate,
    last_keyframe: Option<Boot>,
    keyframe_interval: Option<f64>,
}

impl Session {
    fn new(codec: Codec, clock_hz: u32) -> Self {
        Session {
            payload_type: None,
            sequence: Sequence::default(),
            media: Media::new(clock_hz),
            reader: Reader::new(codec),
            frames: Frames::new(codec != Codec::Other),
            rate: Rate::new(),
            last_keyframe: None,
            keyframe_interval: None,
        }
    }
}

impl Flow {
    /// A track of `codec` whose RTP clock runs at `clock_hz` (0 is read as 1).
    pub fn new(codec: Codec, clock_hz: u32) -> Flow {
        Flow {
            codec,
            clock_hz,
            payload_type: None,
            counts: Counts::default(),
            declared: None,
            first_packet: None,
            last_packet: None,
            last_frame: None,
            last_keyframe: None,
            session: Session::new(codec, clock_hz),
        }
    }

    /// The payload type that the SDP gives the track; without it, that of a session's first packet.
    pub fn payload_type(&mut self, payload_type: u8) {
        self.payload_type = Some(payload_type);
    }

    /// The sequence parameter set of the SDP (`sprop-parameter-sets`, `sprop-sps`), NAL header included; an in-band one
    /// overrules it, an unreadable one is ignored.
    pub fn parameters(&mut self, sps: &[u8]) {
        self.declared = h26x::picture(self.codec, sps).or(self.declared);
    }

    /// A new session of the same camera: numbering, timestamps, windows and the open frame are forgotten, counts stay.
    pub fn restart(&mut self) {
        self.session = Session::new(self.codec, self.clock_hz);
    }

    /// The next packet as it arrived.
    pub fn on(&mut self, seen: &Seen<'_>) {
        let session = &mut self.session;
        if self.payload_type.is_none() && session.payload_type.is_none() && seen.payload_type != NEVER_VIDEO {
            session.payload_type = Some(seen.payload_type);
        }
        if Some(seen.payload_type) != self.payload_type.or(session.payload_type) {
            self.counts.foreign += 1;
            session.sequence.foreign(seen.seq);
            return;
        }
        self.counts.packets += 1;
        self.counts.bytes = self.counts.bytes.saturating_add(seen.len as u64);
        self.first_packet.get_or_insert(seen.at);
        self.last_packet = Some(seen.at);

        let mut lost = 0;
        match session.sequence.place(seen.seq) {
            Place::Next { lost: n } => lost = u64::from(n),
            Place::Reset => {
                self.counts.sequence_resets += 1;
                session.frames.renumbered();
                session.broken();
            }
            out => {
                self.counts.duplicates += u64::from(out == Place::Double);
                self.counts.late += u64::from(out == Place::Late);
                session.rate.on(seen.at, seen.ticks, session.media.clock_hz(), seen.len, 0);
                return;
            }
        }
        self.counts.packets_lost += lost;
        if lost > 0 {
            session.broken();
        }
        let time = session.media.on(seen.at, seen.ticks);
        self.counts.timestamp_jumps += u64::from(time == Time::Jumped);
        if time == Time::Rebased {
            session.frames.jumped();
        }
        let piece = match &mut session.reader {
            Some(reader) => reader.read(seen.payload),
            None => Piece { slice: true, ..Piece::default() },
        };
        self.counts.unreadable += u64::from(piece.unreadable);
        let astray = matches!(time, Time::Jumped | Time::Astray);
        let change =
            session.frames.on(&Packet { at: seen.at, ticks: seen.ticks, marker: seen.marker, piece, lost, astray });
        session.rate.on(seen.at, seen.ticks, session.media.clock_hz(), seen.len, u64::from(change.begun));
        if change.begun {
            self.last_frame = Some(seen.at);
        }
        self.counts.frames += change.whole;
        self.counts.frames_dropped += change.dropped;
        if let Some(at) = change.keyframe {
            self.counts.keyframes += 1;
            session.keyframe_interval = session.last_keyframe.map(|last| at.since(last).as_secs_f64());
            session.last_keyframe = Some(at);
            self.last_keyframe = Some(at);
        }
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The gauges as of `now`.
    pub fn facts(&self, now: Boot) -> Facts {
        let session = &self.session;
        let rates = session.rate.rates(now);
        let in_band = session.reader.as_ref().and_then(Reader::picture);
        let keyframe = self.last_keyframe.or(self.first_packet).filter(|_| self.codec != Codec::Other);
        Facts {
            fps: rates.map(|r| r.fps),
            bitrate: rates.map(|r| r.bitrate),
            jitter: session.media.jitter(),
            last_packet: self.last_packet,
            last_frame: self.last_frame,
            keyframe_interval: session.keyframe_interval,
            since_keyframe: keyframe.map(|at| now.since(at).as_secs_f64()),
            resolution: in_band.or(self.declared).map(|p| p.size),
            declared_fps: in_band.and_then(|p| p.fps).or(self.declared.and_then(|p| p.fps)),
        }
    }
}

impl Session {
    fn broken(&mut self) {
        if let Some(reader) = &mut self.reader {
            reader.broken();
        }
    }
}

#[cfg(test)]
mod tests;
