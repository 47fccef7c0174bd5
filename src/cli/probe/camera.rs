//! A camera over RTSP, with what the camera probe knows of it.

use super::figures::{bitrate, span, table};
use super::session::{self, Login, Watched};
use super::target::NotATarget;
use super::verdict::{Finding, Nothing, Outcome, Summary};
use super::voice::Voice;
use crate::base::fault::chain;
use crate::base::label::Label;
use crate::base::quit::Quit;
use crate::probe::camera::KIND;
use crate::world::World;
use crate::world::rtsp::Reason;
use std::time::Duration;

/// How long a camera is looked at unless told otherwise.
const USUAL: Duration = Duration::from_secs(10);
/// As in the rule CameraLowFps.
const SLOW: f64 = 0.8;
/// A camera should have sent a key frame within so many seconds.
const KEYFRAME: f64 = 10.0;

pub(super) async fn look(
    url: &str,
    login: &Login<'_>,
    world: World,
    limit: Option<Duration>,
    voice: &Voice,
    stop: &Quit,
) -> Result<Outcome, NotATarget> {
    let limit = limit.unwrap_or(USUAL);
    let progress = |_: Option<&_>, samples: &[crate::metric::latest::Sample], _, since: f64| {
        let of = |name: &str| samples.iter().find(|s| *s.meta.family.name == *name).map(|s| s.value);
        let mut parts = vec![span(since)];
        parts.extend(of("camera_bitrate").map(bitrate));
        parts.extend(of("camera_fps").map(|fps| format!("{fps:.1} fps")));
        parts.extend(of("camera_frames_total").map(|n| format!("{n} frames")));
        parts.extend(of("camera_frames_dropped_total").map(|n| format!("{n} dropped")));
        voice.progress((since / limit.as_secs_f64()).min(1.0), parts.join("  "));
        false
    };
    let watched = session::watch(&KIND, url, login, world, limit, stop, progress).await?;
    Ok(outcome(&watched))
}

fn outcome(watched: &Watched) -> Outcome {
    let reason = watched.failed.as_ref().and_then(|_| ended(watched));
    if watched.count("camera_rtp_packets_total", &[]) == 0 {
        return Err(match (&watched.failed, reason) {
            (Some(failed), reason) => {
                let reason = reason.unwrap_or(Reason::Silent);
                let said =
                    failed.source.as_ref().map_or(failed.to_string(), |source| chain(source.as_ref()).to_string());
                Nothing { reason: reason.label(), said, hint: hint(reason) }
            }
            (None, _) => {
                let said = format!("no packet came in {}", span(watched.seconds));
                Nothing { reason: Reason::Timeout.label(), said, hint: hint(Reason::Timeout) }
            }
        });
    }
    Ok(Summary {
        seconds: watched.seconds,
        findings: findings(watched, reason),
        text: text(watched),
        data: watched.data("camera_id"),
    })
}

/// Why the session ended by itself.
fn ended(watched: &Watched) -> Option<Reason> {
    let counts = watched.counts("camera_disconnects_total", "reason", &[]);
    Reason::ALL.iter().copied().find(|reason| counts.iter().any(|(label, _)| label == reason.label()))
}

fn findings(watched: &Watched, ended: Option<Reason>) -> Vec<Finding> {
    let mut all = Vec::new();
    let mut add = |code, said: String, hint| all.push(Finding { fault: true, code, said, hint });
    if let (Some(reason), Some(failed)) = (ended, &watched.failed) {
        let why = failed.source.as_ref().map_or(String::new(), |source| format!(": {}", chain(source.as_ref())));
        add(reason.label(), format!("the session ended by itself{why}"), hint(reason));
    }
    let some = |name| Some(watched.count(name, &[])).filter(|n| *n > 0);
    if let Some(n) = some("camera_frames_dropped_total") {
        let whole = watched.count("camera_frames_total", &[]);
        let said = format!("{n} of {} frames were damaged or missing", n + whole);
        add(
            "frames_dropped",
            said,
            "over TCP the camera itself leaves packets out: lower its bit rate or look at its link; over UDP look for \
             loss on the way",
        );
    }
    if let Some(n) = some("camera_rtp_packets_lost_total") {
        let said = format!("{n} RTP packets did not come");
        add("packets_lost", said, "look at the link, at other viewers, and at the load of the camera");
    }
    for (kind, n) in watched.counts("camera_rtp_errors_total", "kind", &[]) {
        add("rtp_errors", format!("{n} × {kind}"), "look for newer firmware of the camera, and for a proxy between");
    }
    let rates = watched.value("camera_fps", &[]).zip(watched.value("camera_fps_expected", &[]));
    if let Some((fps, wanted)) = rates.filter(|(fps, wanted)| *fps < wanted * SLOW) {
        add(
            "fps_low",
            format!("{fps:.1} frames a second come, {wanted:.1} should"),
            "where it is dark, a long exposure explains it: set a shorter one; else look at the load of the camera \
             (other viewers, analytics) and at its link",
        );
    }
    let kinds = matches!(watched.label("camera_stream_info", "codec").as_deref(), Some("h264" | "h265"));
    if kinds && watched.count("camera_keyframes_total", &[]) == 0 && watched.seconds >= KEYFRAME {
        add(
            "no_keyframe",
            format!("no whole key frame came in {}", span(watched.seconds)),
            "set the I-frame interval of the camera to a few seconds and switch its smart codec (H.264+, H.265+, \
             Zipstream with dynamic GOP) off",
        );
    }
    all
}

fn text(watched: &Watched) -> String {
    let value = |name| watched.value(name, &[]);
    let count = |name| watched.count(name, &[]);
    let ms = |seconds: f64| format!("{:.0} ms", seconds * 1000.0);
    let label = |name| watched.label("camera_stream_info", name);
    let mut video = vec![match (label("codec"), label("width"), label("height")) {
        (Some(codec), Some(width), Some(height)) => format!("{codec} {width}x{height}"),
        (codec, ..) => codec.unwrap_or_else(|| "video".to_owned()),
    }];
    let expected = value("camera_fps_expected").map_or(String::new(), |fps| format!(" ({fps:.2} expected)"));
    video.extend(value("camera_fps").map(|fps| format!("{fps:.2} fps{expected}")));
    video.extend(value("camera_bitrate").map(bitrate));
    let phase =
        |name: &str| Some((name.replace('_', " "), watched.value("camera_rtsp_phase_seconds", &[("phase", name)])?));
    let phases = ["describe", "setup", "play", "first_packet", "first_frame"].into_iter().filter_map(phase);
    let phases = phases.map(|(name, seconds)| format!("{name} {}", ms(seconds)));
    let mut frames = vec![format!("{} whole", count("camera_frames_total"))];
    frames.push(format!("{} damaged or missing", count("camera_frames_dropped_total")));
    frames.push(format!("{} key frames", count("camera_keyframes_total")));
    frames.extend(value("camera_keyframe_interval_seconds").map(|s| format!("{s:.2} s apart")));
    let mut packets = vec![count("camera_rtp_packets_total").to_string()];
    packets.push(format!("{} lost", count("camera_rtp_packets_lost_total")));
    packets.extend(value("camera_jitter_seconds").map(|s| format!("jitter {:.1} ms", s * 1000.0)));
    packets.push(format!("{} sender reports", count("camera_rtcp_sender_reports_total")));
    let row = |name: &str, parts: Vec<String>| vec![name.to_owned(), parts.join(", ")];
    let rows = [row("video", video), row("frames", frames), row("packets", packets), row("session", phases.collect())];
    table("Camera", &[], &rows)
}

fn hint(reason: Reason) -> &'static str {
    match reason {
        Reason::Eof | Reason::Reset => "the camera closed the session: look whether it restarts, and for other viewers",
        Reason::Refused => {
            "nothing listens there: look at the port in the URL, and whether RTSP is switched on in the camera"
        }
        Reason::Unreachable => "look at power, cable, switch port and address of the camera",
        Reason::Dns => "the name has no address: write the camera's address, or look at the DNS server",
        Reason::Timeout => "look at power, cable, switch port and address of the camera, and at the firewall",
        Reason::Silent => "the session opened and nothing came: restart the camera; with UDP look at the firewall",
        Reason::NoFrame => "packets come and no whole frame: restart the camera, or lower its bit rate",
        Reason::Auth => {
            "look at user and password, and whether the camera is out of sessions; do not try often, cameras \
                         lock accounts"
        }
        Reason::Secret => "the password file cannot be read: look at its name and permissions",
        Reason::NotFound => "look at the path in the URL: the camera has no stream of that name",
        Reason::Busy => "the camera is out of sessions: close other viewers",
        Reason::Transport => "the camera does not offer RTP over TCP",
        Reason::Rejected => "the camera said no: its answer stands above",
        Reason::NoVideo => "the stream has no video: look at the path in the URL",
        Reason::Protocol | Reason::Framing => {
            "what answers speaks no proper RTSP: look at the port in the URL, and for newer firmware"
        }
        Reason::SeqReset | Reason::SsrcChange => {
            "the camera began its stream anew within the session: look for newer firmware"
        }
        Reason::Keepalive => "the camera no longer answers: look at its load and link",
        Reason::Shutdown | Reason::Panic => "this is a defect of vedette: tell its developers",
    }
}
