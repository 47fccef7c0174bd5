//! Every family of the camera probe, and the series of one camera.

use super::tally::{Facts, Tally};
use crate::base::clock::{Dated, Now, Window};
use crate::base::label::Label;
use crate::metric::book::{Series, Slot};
use crate::metric::desc::{Desc, Family, Unit};
use crate::metric::report::{NoData, Report};
use crate::probe::Kit;
use crate::world::rtsp::{Oddity, Opened, Reason};
use std::time::Duration;

/// How often a camera reports.
pub(super) const CADENCE: Duration = Duration::from_secs(1);
/// In `camera_rtp_errors_total`, besides the oddities of single packets.
const TIMESTAMP_JUMP: &str = "timestamp_jump";

static STATUS: Desc<1> = Desc::gauge(
    "camera_connection_status",
    Unit::Count,
    ["camera_id"],
    "1 while an RTSP session plays and a video packet came within the stall limit, else 0; 0 from the start",
);
static FPS: Desc<1> = Desc::gauge(
    "camera_fps",
    Unit::PerSecond,
    ["camera_id"],
    "Video frames that began to arrive in the last 10 s, whole or not, per second; not decoded, so no proof of a good picture; absent without a session",
);
static FPS_EXPECTED: Desc<1> = Desc::gauge(
    "camera_fps_expected",
    Unit::PerSecond,
    ["camera_id"],
    "Frame rate the camera should have: the configured one, else what its SDP declares, else its sequence parameter set; absent if none does",
);
static FRAMES: Desc<1> = Desc::counter(
    "camera_frames_total",
    Unit::Count,
    ["camera_id"],
    "Whole video frames (coded pictures, not decoded); damaged and missing ones are in camera_frames_dropped_total",
);
static KEYFRAMES: Desc<1> = Desc::counter(
    "camera_keyframes_total",
    Unit::Count,
    ["camera_id"],
    "Whole frames at which decoding can start (H.264 IDR or recovery point, H.265 IRAP)",
);
static DROPPED: Desc<1> = Desc::counter(
    "camera_frames_dropped_total",
    Unit::Count,
    ["camera_id"],
    "Frames with missing packets, and frames of which nothing came across a sequence gap; not frames the camera never sent",
);
static BYTES: Desc<1> = Desc::counter(
    "camera_received_bytes_total",
    Unit::Bytes,
    ["camera_id"],
    "RTP header and payload of the video track; without RTSP, RTCP and lower layers",
);
static BITRATE: Desc<1> = Desc::gauge(
    "camera_bitrate",
    Unit::BitsPerSecond,
    ["camera_id"],
    "RTP header and payload of the video track over the last 10 s; absent without a session",
);
static PACKETS: Desc<1> =
    Desc::counter("camera_rtp_packets_total", Unit::Count, ["camera_id"], "RTP packets of the video track");
static LOST: Desc<1> = Desc::counter(
    "camera_rtp_packets_lost_total",
    Unit::Count,
    ["camera_id"],
    "Gaps in the RTP sequence numbers; over TCP the camera itself left them out, over UDP a reordered packet counts as lost",
);
static LAST_FRAME: Desc<1> = Desc::gauge(
    "camera_last_frame_timestamp",
    Unit::Seconds,
    ["camera_id"],
    "Unix time at which the last video frame began to arrive, by this box's wall clock; stays when the session ends",
);
static JITTER: Desc<1> = Desc::gauge(
    "camera_jitter_seconds",
    Unit::Seconds,
    ["camera_id"],
    "Interarrival jitter, RFC 3550 6.4.1; large keyframes raise it, so compare it with itself",
);
static KEYFRAME_INTERVAL: Desc<1> = Desc::gauge(
    "camera_keyframe_interval_seconds",
    Unit::Seconds,
    ["camera_id"],
    "Time between the arrivals of the last two whole keyframes",
);
static SINCE_KEYFRAME: Desc<1> = Desc::gauge(
    "camera_seconds_since_keyframe",
    Unit::Seconds,
    ["camera_id"],
    "Time since the last whole keyframe began to arrive; where none ever came, since the first packet; absent without a session and for codecs other than h264 and h265",
);
static STREAM: Desc<4> = Desc::info(
    "camera_stream_info",
    ["camera_id", "codec", "width", "height"],
    "Codec, and the cropped picture size in pixels as the sequence parameter set says; without size while none was seen",
);
static PHASE: Desc<2> = Desc::gauge(
    "camera_rtsp_phase_seconds",
    Unit::Seconds,
    ["camera_id", "phase"],
    "Duration of each step of the last session that opened; describe includes name lookup, TCP connect and the 401 round; first_packet and first_frame (the first whole one) run from the answer to PLAY",
);
static CONNECTS: Desc<1> =
    Desc::counter("camera_connects_total", Unit::Count, ["camera_id"], "RTSP sessions that reached PLAY");
static DISCONNECTS: Desc<2> = Desc::counter(
    "camera_disconnects_total",
    Unit::Count,
    ["camera_id", "reason"],
    "Sessions that ended, and attempts that never became one, by reason",
);
static ERRORS: Desc<2> = Desc::counter(
    "camera_rtp_errors_total",
    Unit::Count,
    ["camera_id", "kind"],
    "Wrong packets that a session survived; over UDP packets out of order are dropped unseen and not counted",
);
static SENDER_REPORTS: Desc<1> = Desc::counter(
    "camera_rtcp_sender_reports_total",
    Unit::Count,
    ["camera_id"],
    "RTCP sender reports; a camera that sends none gives no clock to compare with",
);

pub(super) static FAMILIES: &[Family] = &[
    STATUS.family(),
    FPS.family(),
    FPS_EXPECTED.family(),
    FRAMES.family(),
    KEYFRAMES.family(),
    DROPPED.family(),
    BYTES.family(),
    BITRATE.family(),
    PACKETS.family(),
    LOST.family(),
    LAST_FRAME.family(),
    JITTER.family(),
    KEYFRAME_INTERVAL.family(),
    SINCE_KEYFRAME.family(),
    STREAM.family(),
    PHASE.family(),
    CONNECTS.family(),
    DISCONNECTS.family(),
    ERRORS.family(),
    SENDER_REPORTS.family(),
];

/// The series of one camera.
pub(super) struct Sheet {
    status: Series,
    fps: Series,
    fps_expected: Series,
    frames: Series,
    keyframes: Series,
    dropped: Series,
    bytes: Series,
    bitrate: Series,
    packets: Series,
    lost: Series,
    last_frame: Series,
    last_frame_at: Dated,
    jitter: Series,
    keyframe_interval: Series,
    since_keyframe: Series,
    stream: Slot,
    describe: Series,
    setup: Series,
    play: Series,
    first_packet: Series,
    first_frame: Series,
    connects: Series,
    disconnects: Vec<(Reason, Series)>,
    errors: Vec<(Oddity, Series)>,
    timestamp_jumps: Series,
    sender_reports: Series,
}

impl Sheet {
    pub(super) fn open(kit: &mut Kit, id: &str) -> Sheet {
        Sheet {
            status: kit.own(&STATUS, [id]),
            fps: kit.read(&FPS, [id], CADENCE),
            fps_expected: kit.own(&FPS_EXPECTED, [id]),
            frames: kit.own(&FRAMES, [id]),
            keyframes: kit.own(&KEYFRAMES, [id]),
            dropped: kit.own(&DROPPED, [id]),
            bytes: kit.own(&BYTES, [id]),
            bitrate: kit.read(&BITRATE, [id], CADENCE),
            packets: kit.own(&PACKETS, [id]),
            lost: kit.own(&LOST, [id]),
            last_frame: kit.own(&LAST_FRAME, [id]),
            last_frame_at: Dated::default(),
            jitter: kit.read(&JITTER, [id], CADENCE),
            keyframe_interval: kit.read(&KEYFRAME_INTERVAL, [id], CADENCE),
            since_keyframe: kit.read(&SINCE_KEYFRAME, [id], CADENCE),
            stream: kit.info(&STREAM, &[id]),
            describe: kit.own(&PHASE, [id, "describe"]),
            setup: kit.own(&PHASE, [id, "setup"]),
            play: kit.own(&PHASE, [id, "play"]),
            first_packet: kit.own(&PHASE, [id, "first_packet"]),
            first_frame: kit.own(&PHASE, [id, "first_frame"]),
            connects: kit.own(&CONNECTS, [id]),
            disconnects: Reason::ALL.iter().map(|r| (*r, kit.own(&DISCONNECTS, [id, r.label()]))).collect(),
            errors: Oddity::ALL.iter().map(|k| (*k, kit.own(&ERRORS, [id, k.label()]))).collect(),
            timestamp_jumps: kit.own(&ERRORS, [id, TIMESTAMP_JUMP]),
            sender_reports: kit.own(&SENDER_REPORTS, [id]),
        }
    }

    /// What is true with and without a session: counts, the status, the last frame.
    pub(super) fn always(&mut self, now: &Now, connected: bool, tally: &Tally) -> Report {
        let mut report = self.counts(now, tally);
        report.value(self.status, f64::from(u8::from(connected)));
        report
    }

    /// Counts and the last frame.
    pub(super) fn counts(&mut self, now: &Now, tally: &Tally) -> Report {
        let mut report = Report::new(Window { from: now.boot, to: now.boot });
        let counts = tally.counts();
        report
            .value(self.frames, counts.frames as f64)
            .value(self.keyframes, counts.keyframes as f64)
            .value(self.dropped, counts.frames_dropped as f64)
            .value(self.bytes, counts.bytes as f64)
            .value(self.packets, counts.packets as f64)
            .value(self.lost, counts.packets_lost as f64)
            .value(self.timestamp_jumps, counts.timestamp_jumps as f64)
            .value(self.connects, tally.connects as f64)
            .value(self.sender_reports, tally.sender_reports as f64);
        for (reason, series) in &self.disconnects {
            report.value(*series, tally.ended(*reason) as f64);
        }
        for (kind, series) in &self.errors {
            report.value(*series, tally.odd(*kind) as f64);
        }
        if let Some(at) = tally.last_frame(now.boot) {
            report.value(self.last_frame, self.last_frame_at.wall_of(now, at).as_secs_f64());
        }
        report
    }

    /// The frame rate that should be, where one is known.
    pub(super) fn expected(&self, report: &mut Report, fps: Option<f64>) {
        if let Some(fps) = fps {
            report.value(self.fps_expected, fps);
        }
    }

    /// What a session says of itself each second. A number not known yet is not said.
    pub(super) fn session(&self, report: &mut Report, opened: &Opened, facts: &Facts) {
        if let Some((fps, bitrate)) = facts.rates() {
            report.value(self.fps, fps).value(self.bitrate, bitrate);
        }
        let known = [
            (self.jitter, facts.flow.jitter),
            (self.keyframe_interval, facts.flow.keyframe_interval),
            (self.since_keyframe, facts.flow.since_keyframe),
            (self.first_packet, facts.first_packet().map(|d| d.as_secs_f64())),
            (self.first_frame, facts.first_frame().map(|d| d.as_secs_f64())),
        ];
        for (series, value) in known {
            if let Some(value) = value {
                report.value(series, value);
            }
        }
        let (width, height) = match facts.flow.resolution {
            Some((width, height)) => (width.to_string(), height.to_string()),
            None => Default::default(),
        };
        report.info(self.stream, Some(vec![opened.codec.label().to_owned(), width, height]));
    }

    /// A session opened: its steps, and the two of the last one that it has yet to make.
    pub(super) fn opened(&self, report: &mut Report, opened: &Opened) {
        report
            .value(self.describe, opened.describe.as_secs_f64())
            .value(self.setup, opened.setup.as_secs_f64())
            .value(self.play, opened.play.as_secs_f64())
            .reading(self.first_packet, Err(NoData::Stale))
            .reading(self.first_frame, Err(NoData::Stale));
    }

    /// The session is over: what only it could tell leaves the page. `configured` is the frame rate that needs none.
    pub(super) fn over(&self, report: &mut Report, why: NoData, configured: Option<f64>) {
        for series in [self.fps, self.bitrate, self.jitter, self.keyframe_interval, self.since_keyframe] {
            report.reading(series, Err(why));
        }
        report.maybe(self.fps_expected, configured, why).info(self.stream, None);
    }
}
