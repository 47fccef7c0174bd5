//! Every family of the encoder probe, and the series of one encoder.

use super::elements::{self, Elements};
use super::fault::Fault;
use super::gpu;
use super::settings::{Plan, Program};
use crate::base::label::Label;
use crate::metric::book::{Series, Slot};
use crate::metric::desc::{Desc, Family, Unit};
use crate::metric::report::Report;
use crate::probe::Kit;
use crate::wire::fflog::Meaning;
use crate::wire::tracer;
use std::time::Duration;

/// How often an encoder is looked at.
pub(super) const CADENCE: Duration = Duration::from_secs(1);

const E: [&str; 2] = ["encoder_id", "camera_id"];

static UP: Desc<2> = Desc::gauge(
    "encoder_up",
    Unit::Count,
    E,
    "1 while the encoder's process is there, or where it is hidden from us, while its reports come; else 0",
);
static ADVANCING: Desc<2> = Desc::gauge(
    "encoder_advancing",
    Unit::Count,
    E,
    "1 while it gets something done: a frame (without video media time, without both bytes) within the stall limit, whether or not reports come; 0 also when no report came within 10 s of its start; absent without a process and without reports",
);
static WRITING: Desc<2> = Desc::gauge(
    "encoder_writing",
    Unit::Count,
    E,
    "1 while bytes went out within 10 s, by its reports, else by what vedette-peek reads (log lines to a file count as bytes there); absent where neither tells",
);
static FAULT: Desc<3> = Desc::gauge(
    "encoder_fault",
    Unit::Count,
    ["encoder_id", "camera_id", "cause"],
    "1 for the cause for which it does not do its work, else 0. No process: missing (never seen), ended (in order), died (killed, crashed, out of memory), gone (nothing tells how); with a process: stopped (by a signal or debugger), blocked (in the kernel, on a disk or mount), starved (its TCP input sends nothing; needs vedette-peek), stalled (none of these)",
);
static STREAM_DOWN: Desc<3> = Desc::gauge(
    "encoder_stream_down",
    Unit::Count,
    ["encoder_id", "camera_id", "stream_id"],
    "1 while encoder_fault explains that this stream, which it sends, has no signal; else 0",
);
static FPS: Desc<2> = Desc::gauge(
    "encoder_fps",
    Unit::PerSecond,
    E,
    "Frames put out over the last 10 s of our clock, by differences of the encoder's count; frames that nobody told of are not counted",
);
static BITRATE: Desc<2> = Desc::gauge(
    "encoder_bitrate",
    Unit::BitsPerSecond,
    E,
    "What went out over the last 10 s: of FFmpeg's output file 0 as far as flushed, of GStreamer's sinks; absent where FFmpeg does not tell (segment, hls, tee, rtsp)",
);
static SPEED: Desc<2> = Desc::gauge(
    "encoder_speed",
    Unit::Ratio,
    E,
    "Media time put out over our time, last 10 s: 1 keeps up with a live input, above 1 it catches up or reads a file; not FFmpeg's own average since the start",
);
static LAG: Desc<2> = Desc::gauge(
    "encoder_output_lag_seconds",
    Unit::Seconds,
    E,
    "What the output's media time lost against our clock since the first report of this run; negative when it runs ahead",
);
static QUANTISER: Desc<2> = Desc::gauge(
    "encoder_quantiser",
    Unit::Count,
    E,
    "Coarsest quantiser of the video outputs in the last report; absent for copied streams",
);
static SINCE_ADVANCE: Desc<2> = Desc::gauge(
    "encoder_seconds_since_advance",
    Unit::Seconds,
    E,
    "Time since it last got something done, as far as reports tell",
);
static REPORT_AGE: Desc<2> = Desc::gauge(
    "encoder_report_age_seconds",
    Unit::Seconds,
    E,
    "Time since its last report: FFmpeg 5 falls silent when its input blocks, FFmpeg 7 repeats itself",
);
static REPORTS: Desc<2> = Desc::counter("encoder_reports_total", Unit::Count, E, "Reports understood");
static BAD_REPORTS: Desc<2> =
    Desc::counter("encoder_report_errors_total", Unit::Count, E, "Report lines or datagrams that made no sense");
static FRAMES: Desc<2> = Desc::counter(
    "encoder_frames_total",
    Unit::Count,
    E,
    "Frames put out, by its reports, since we look, over restarts",
);
static DUPLICATED: Desc<2> = Desc::counter(
    "encoder_frames_duplicated_total",
    Unit::Count,
    E,
    "Frames repeated to keep the output's frame rate; always 0 for copied streams",
);
static DROPPED: Desc<2> = Desc::counter(
    "encoder_frames_dropped_total",
    Unit::Count,
    E,
    "Frames left out: by FFmpeg to keep the output's frame rate, by GStreamer encoders as their QoS messages tell; not network loss",
);
static BYTES: Desc<2> = Desc::counter(
    "encoder_output_bytes_total",
    Unit::Bytes,
    E,
    "Bytes put out as encoder_bitrate has them, over restarts",
);
static RESTARTS: Desc<2> = Desc::counter(
    "encoder_restarts_total",
    Unit::Count,
    E,
    "Times that another process (pid and start time) took the place of the one before",
);
static ENDS: Desc<3> = Desc::counter(
    "encoder_ends_total",
    Unit::Count,
    ["encoder_id", "camera_id", "how"],
    "Ends of its process: clean after a last report or last words, abrupt (kill, crash, out of memory) without, unknown where it never reported",
);
static STALLS: Desc<2> = Desc::counter(
    "encoder_stalls_total",
    Unit::Count,
    E,
    "Times that it ceased to advance while its process was there",
);
static FITTING: Desc<2> = Desc::gauge(
    "encoder_processes",
    Unit::Count,
    E,
    "Processes that fit the configuration; above 1 it is too wide, and the youngest is watched",
);
static CPU: Desc<2> =
    Desc::counter("encoder_process_cpu_seconds_total", Unit::Seconds, E, "User and system time of its process");
static CPU_RATIO: Desc<2> = Desc::gauge(
    "encoder_process_cpu_ratio",
    Unit::Ratio,
    E,
    "Cores used over the last 10 s: 1 is one core, several threads use more",
);
static RESIDENT: Desc<2> =
    Desc::gauge("encoder_process_resident_memory_bytes", Unit::Bytes, E, "Resident memory of its process");
static START: Desc<2> = Desc::gauge(
    "encoder_process_start_time_seconds",
    Unit::Seconds,
    E,
    "Unix time at which its process started, by this box's wall clock",
);
static THREADS: Desc<2> = Desc::gauge("encoder_process_threads", Unit::Count, E, "Threads of its process");
static OOM_SCORE: Desc<2> = Desc::gauge(
    "encoder_process_oom_score",
    Unit::Count,
    E,
    "0 to 2000: the process with most is killed first when memory runs out",
);
static CGROUP_IO: Desc<3> = Desc::counter(
    "encoder_cgroup_io_bytes_total",
    Unit::Bytes,
    ["encoder_id", "camera_id", "direction"],
    "Bytes read from and written to block devices by its control group; needs cgroup v2 and IOAccounting=yes in its unit",
);
static WRITTEN: Desc<2> = Desc::counter(
    "encoder_written_bytes_total",
    Unit::Bytes,
    E,
    "Bytes that its process handed to write(2), or had acknowledged on TCP connections, whatever its reports say; needs vedette-peek, else reason denied",
);
static WRITE_BITRATE: Desc<2> = Desc::gauge(
    "encoder_write_bitrate",
    Unit::BitsPerSecond,
    E,
    "Growth of encoder_written_bytes_total over the last 10 s",
);
static RECEIVED: Desc<2> = Desc::counter(
    "encoder_input_bytes_total",
    Unit::Bytes,
    E,
    "Bytes received on its TCP connections, of those open now; needs vedette-peek, else reason denied",
);
static INPUT_BITRATE: Desc<2> = Desc::gauge(
    "encoder_input_bitrate",
    Unit::BitsPerSecond,
    E,
    "Received on its TCP connections over the last 10 s; needs vedette-peek",
);
static INPUT_AGE: Desc<2> = Desc::gauge(
    "encoder_input_age_seconds",
    Unit::Seconds,
    E,
    "Time since data last came on the TCP connection that received most; needs vedette-peek",
);
static FILE_POSITION: Desc<2> = Desc::gauge(
    "encoder_file_position_bytes",
    Unit::Bytes,
    E,
    "Positions in the files it has open for writing, added: the segments being written; needs vedette-peek",
);
static LOG: Desc<3> = Desc::counter(
    "encoder_log_lines_total",
    Unit::Count,
    ["encoder_id", "camera_id", "meaning"],
    "Lines of FFmpeg's log by what they mean, repetitions included; no text is kept",
);
static MISSED: Desc<2> =
    Desc::counter("encoder_input_packets_missed_total", Unit::Count, E, "RTP packets missing by FFmpeg's own log");
static TRACER_UNSENT: Desc<2> = Desc::counter(
    "encoder_tracer_unsent_total",
    Unit::Count,
    E,
    "Datagrams of the GStreamer tracer that nobody took, since the encoder started",
);
static PIPELINE_MESSAGES: Desc<3> = Desc::counter(
    "encoder_pipeline_messages_total",
    Unit::Count,
    ["encoder_id", "camera_id", "type"],
    "ERROR and WARNING messages of all GStreamer elements of the encoder, its sources and others without a series of their own included, since it started",
);
static LEFT_OUT: Desc<2> = Desc::gauge(
    "encoder_tracer_elements_left_out",
    Unit::Count,
    E,
    "GStreamer elements that found no place with the tracer: the sums of the element families lack them",
);
static SETTINGS: Desc<4> = Desc::info(
    "encoder_info",
    ["encoder_id", "camera_id", "encoder_type", "resolution"],
    "What the encoder is by the configuration",
);
/// Every family of this probe.
pub(super) static FAMILIES: &[Family] = &[
    UP.family(),
    ADVANCING.family(),
    WRITING.family(),
    FAULT.family(),
    STREAM_DOWN.family(),
    FPS.family(),
    BITRATE.family(),
    SPEED.family(),
    LAG.family(),
    QUANTISER.family(),
    SINCE_ADVANCE.family(),
    REPORT_AGE.family(),
    REPORTS.family(),
    BAD_REPORTS.family(),
    FRAMES.family(),
    DUPLICATED.family(),
    DROPPED.family(),
    BYTES.family(),
    RESTARTS.family(),
    ENDS.family(),
    STALLS.family(),
    FITTING.family(),
    CPU.family(),
    CPU_RATIO.family(),
    RESIDENT.family(),
    START.family(),
    THREADS.family(),
    OOM_SCORE.family(),
    CGROUP_IO.family(),
    gpu::SHARE_FAMILY,
    gpu::SESSIONS_FAMILY,
    gpu::FPS_FAMILY,
    gpu::LATENCY_FAMILY,
    WRITTEN.family(),
    WRITE_BITRATE.family(),
    RECEIVED.family(),
    INPUT_BITRATE.family(),
    INPUT_AGE.family(),
    FILE_POSITION.family(),
    LOG.family(),
    MISSED.family(),
    TRACER_UNSENT.family(),
    PIPELINE_MESSAGES.family(),
    LEFT_OUT.family(),
    SETTINGS.family(),
    elements::IN.family(),
    elements::OUT.family(),
    elements::IN_BYTES.family(),
    elements::OUT_BYTES.family(),
    elements::KEYS.family(),
    elements::PROCESSED.family(),
    elements::DROPPED.family(),
    elements::LATENCY.family(),
    elements::FULL.family(),
    elements::IDLE.family(),
    elements::MESSAGES.family(),
];

/// How a process ended.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum How {
    Clean,
    Abrupt,
    Unknown,
}

impl Label for How {
    const ALL: &'static [Self] = &[How::Clean, How::Abrupt, How::Unknown];
    fn label(self) -> &'static str {
        match self {
            How::Clean => "clean",
            How::Abrupt => "abrupt",
            How::Unknown => "unknown",
        }
    }
}

/// The open series of one encoder.
pub(super) struct Sheet {
    pub(super) info: Slot,
    pub(super) up: Series,
    pub(super) advancing: Series,
    pub(super) writing: Series,
    /// By place in [`Fault::ALL`].
    pub(super) fault: Vec<Series>,
    /// By place in the plan.
    pub(super) streams: Vec<Series>,
    pub(super) fps: Series,
    pub(super) bitrate: Series,
    pub(super) speed: Series,
    pub(super) lag: Series,
    pub(super) quantiser: Series,
    pub(super) since_advance: Series,
    pub(super) report_age: Series,
    pub(super) reports: Series,
    pub(super) bad_reports: Series,
    pub(super) frames: Series,
    pub(super) duplicated: Series,
    pub(super) dropped: Series,
    pub(super) bytes: Series,
    pub(super) restarts: Series,
    /// By place in [`How::ALL`].
    pub(super) ends: Vec<Series>,
    pub(super) stalls: Series,
    pub(super) fitting: Series,
    pub(super) process: Process,
    pub(super) peek: Peek,
    /// By place in [`Meaning::ALL`], and packets missed; only with a log.
    pub(super) log: Option<(Vec<Series>, Series)>,
    /// Only for GStreamer.
    pub(super) tracer: Option<Tracer>,
}

pub(super) struct Process {
    pub(super) cpu: Series,
    pub(super) cpu_ratio: Series,
    pub(super) resident: Series,
    pub(super) start: Series,
    pub(super) threads: Series,
    pub(super) oom_score: Series,
    /// Read, write.
    pub(super) io: [Series; 2],
}

pub(super) struct Peek {
    pub(super) written: Series,
    pub(super) write_bitrate: Series,
    pub(super) received: Series,
    pub(super) input_bitrate: Series,
    pub(super) input_age: Series,
    pub(super) position: Series,
}

/// What the tracer of a GStreamer encoder tells.
pub(super) struct Tracer {
    unsent: Series,
    /// Error, warning.
    messages: [Series; 2],
    left_out: Series,
    elements: Elements,
}

impl Tracer {
    /// A datagram came.
    pub(super) fn fill(&mut self, report: &mut Report, head: &tracer::Head<'_>, elements: &[tracer::Element<'_>]) {
        report
            .value(self.unsent, head.unsent as f64)
            .value(self.messages[0], head.errors as f64)
            .value(self.messages[1], head.warnings as f64)
            .value(self.left_out, head.left_out as f64);
        self.elements.fill(report, elements);
    }
}

impl Sheet {
    pub(super) fn open(kit: &mut Kit, plan: &Plan) -> Sheet {
        let (id, camera) = (plan.id.as_str(), plan.camera.as_str());
        let e = [id, camera];
        let gstreamer = plan.program == Program::GStreamer;
        Sheet {
            info: kit.info(&SETTINGS, &e),
            up: kit.read(&UP, e, CADENCE),
            advancing: kit.read(&ADVANCING, e, CADENCE),
            writing: kit.read(&WRITING, e, CADENCE),
            fault: Fault::ALL.iter().map(|fault| kit.read(&FAULT, [id, camera, fault.label()], CADENCE)).collect(),
            streams: plan.streams.iter().map(|stream| kit.read(&STREAM_DOWN, [id, camera, stream], CADENCE)).collect(),
            fps: kit.read(&FPS, e, CADENCE),
            bitrate: kit.read(&BITRATE, e, CADENCE),
            speed: kit.read(&SPEED, e, CADENCE),
            lag: kit.read(&LAG, e, CADENCE),
            quantiser: kit.read(&QUANTISER, e, CADENCE),
            since_advance: kit.read(&SINCE_ADVANCE, e, CADENCE),
            report_age: kit.read(&REPORT_AGE, e, CADENCE),
            reports: kit.own(&REPORTS, e),
            bad_reports: kit.own(&BAD_REPORTS, e),
            frames: kit.own(&FRAMES, e),
            duplicated: kit.own(&DUPLICATED, e),
            dropped: kit.own(&DROPPED, e),
            bytes: kit.own(&BYTES, e),
            restarts: kit.own(&RESTARTS, e),
            ends: How::ALL.iter().map(|how| kit.own(&ENDS, [id, camera, how.label()])).collect(),
            stalls: kit.own(&STALLS, e),
            fitting: kit.read(&FITTING, e, CADENCE),
            process: Process {
                cpu: kit.read(&CPU, e, CADENCE),
                cpu_ratio: kit.read(&CPU_RATIO, e, CADENCE),
                resident: kit.read(&RESIDENT, e, CADENCE),
                start: kit.read(&START, e, CADENCE),
                threads: kit.read(&THREADS, e, CADENCE),
                oom_score: kit.read(&OOM_SCORE, e, CADENCE),
                io: ["read", "write"].map(|direction| kit.read(&CGROUP_IO, [id, camera, direction], CADENCE)),
            },
            peek: Peek {
                written: kit.read(&WRITTEN, e, CADENCE),
                write_bitrate: kit.read(&WRITE_BITRATE, e, CADENCE),
                received: kit.read(&RECEIVED, e, CADENCE),
                input_bitrate: kit.read(&INPUT_BITRATE, e, CADENCE),
                input_age: kit.read(&INPUT_AGE, e, CADENCE),
                position: kit.read(&FILE_POSITION, e, CADENCE),
            },
            log: plan.log.as_ref().map(|_| {
                let meanings = Meaning::ALL.iter().map(|m| kit.own(&LOG, [id, camera, m.label()])).collect();
                (meanings, kit.own(&MISSED, e))
            }),
            tracer: gstreamer.then(|| Tracer {
                unsent: kit.read(&TRACER_UNSENT, e, CADENCE),
                messages: ["error", "warning"].map(|kind| kit.read(&PIPELINE_MESSAGES, [id, camera, kind], CADENCE)),
                left_out: kit.read(&LEFT_OUT, e, CADENCE),
                elements: Elements::open(kit, plan),
            }),
        }
    }
}
