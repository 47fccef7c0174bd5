//! What holds at one moment.

use super::counts::Role;
use crate::base::clock::Boot;
use crate::wire::psi::Kind;

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
    pub role_bitrate: Option<[f64; 8]>,
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
