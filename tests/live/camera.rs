//! The camera probe against gst-rtsp-server: what it counts is what was sent.

use crate::support::cameras::{GstCamera, Watching};
use crate::support::wait;
use std::time::Duration;

/// Both frame rate and bit rate must be this near to what the server says.
const NEAR: f64 = 0.02;
/// Stretch over which the bit rate is compared, seconds by the server's clock.
const STRETCH: f64 = 20.0;

fn near(what: &str, ours: f64, truth: f64) {
    assert!((ours / truth - 1.0).abs() <= NEAR, "{what}: {ours}, and the server says {truth}");
}

fn counts_what_was_sent(codec: &str, transport: &str) {
    let mut camera = GstCamera::start(&["--codec", codec, "--fps", "25", "--size", "320x240", "--bitrate", "600"]);
    let mut watching =
        Watching::start(&format!("[[camera]]\nid = \"yard\"\nurl = \"{}\"\ntransport = \"{transport}\"\n", camera.url));
    let of = |name| watching.of(name, "yard");
    watching.wait_connected("yard");
    // The first 10 s of a stream begin with a keyframe and so are above the mean.
    wait("the window of 10 s is full", Duration::from_secs(30), || (camera.count("frames") > 300.0).then_some(()));
    let (start, frames, bytes) = (camera.count("at"), camera.count("frames"), camera.count("bytes"));
    let (mut seen, mut intervals) = (Vec::new(), Vec::new());
    wait("the stretch is over", Duration::from_secs(60), || {
        seen.extend(of("camera_fps").zip(of("camera_bitrate")));
        intervals.extend(of("camera_keyframe_interval_seconds"));
        (camera.count("at") - start >= STRETCH).then_some(())
    });
    let seconds = camera.count("at") - start;
    let mean = |f: fn(&(f64, f64)) -> f64| seen.iter().map(f).sum::<f64>() / seen.len() as f64;
    near("fps", mean(|s| s.0), (camera.count("frames") - frames) / seconds);
    near("bitrate", mean(|s| s.1), (camera.count("bytes") - bytes) * 8.0 / seconds);
    assert_eq!(of("camera_frames_dropped_total"), Some(0.0));
    assert_eq!(of("camera_rtp_packets_lost_total"), Some(0.0));
    near("expected", of("camera_fps_expected").unwrap(), 25.0);
    // By arrival: on a machine that is busy a keyframe that comes late makes one interval longer and the next one shorter
    // by as much, so it is their mean that is known.
    intervals.dedup();
    assert!(intervals.len() >= 8, "{intervals:?}");
    near("keyframe interval", intervals.iter().sum::<f64>() / intervals.len() as f64, 2.0);
    assert!(of("camera_jitter_seconds").unwrap() < 0.05);
    let stream = format!("camera_stream_info{{camera_id=\"yard\",codec=\"{codec}\",height=\"240\",width=\"320\"}}");
    assert_eq!(watching.value(&stream), Some(1.0), "{:?}", watching.page());
    for phase in ["describe", "setup", "play", "first_packet", "first_frame"] {
        let took = watching.value(&format!("camera_rtsp_phase_seconds{{camera_id=\"yard\",phase=\"{phase}\"}}"));
        assert!(took.is_some_and(|s| (0.0..10.0).contains(&s)), "{phase}: {took:?}");
    }
    assert_eq!(camera.count("sessions"), 1.0);

    watching.stop();
    wait("TEARDOWN arrived", Duration::from_secs(5), || (camera.count("teardowns") == 1.0).then_some(()));
    assert_eq!(camera.count("plays"), 1.0);
    // All that was sent has arrived, less what was on its way at TEARDOWN.
    let (sent, got) = (camera.count("packets"), watching.of("camera_rtp_packets_total", "yard").unwrap());
    assert!(got <= sent && sent - got < 50.0, "{got} of {sent} packets");
    // That we stop looking is no news about the camera.
    assert_eq!(watching.of("camera_connection_status", "yard"), Some(1.0));
    assert_eq!(watching.reasons("yard"), [("shutdown".to_owned(), 1.0)]);
    let _killed = camera.kid.0.kill();
}

#[test]
fn h264_over_tcp_is_counted_as_it_was_sent() {
    counts_what_was_sent("h264", "tcp");
}

#[test]
fn h265_over_tcp_is_counted_as_it_was_sent() {
    counts_what_was_sent("h265", "tcp");
}

#[test]
fn h264_over_udp_is_counted_as_it_was_sent() {
    counts_what_was_sent("h264", "udp");
}

#[test]
fn h265_over_udp_is_counted_as_it_was_sent() {
    counts_what_was_sent("h265", "udp");
}

#[test]
fn lost_packets_are_exactly_those_that_the_server_left_out() {
    const EVERY: f64 = 40.0;
    let camera = GstCamera::start(&["--drop-every", "40", "--size", "320x240", "--bitrate", "800"]);
    let watching = Watching::start(&format!("[[camera]]\nid = \"yard\"\nurl = \"{}\"\n", camera.url));
    watching.wait_connected("yard");
    let reading = || {
        let page: std::collections::HashMap<_, _> = watching.page().into_iter().collect();
        let of = |name: &str| page[&format!("{name}{{camera_id=\"yard\"}}")];
        (of("camera_rtp_packets_total"), of("camera_rtp_packets_lost_total"), of("camera_frames_dropped_total"))
    };
    let mut last = reading();
    let start = last;
    wait("twenty drops", Duration::from_secs(60), || {
        let now = reading();
        // Every 40th packet that the payloader made was left out, so the count of packets made tells how many.
        let left_out = |(packets, lost, _): (f64, f64, f64)| ((packets + lost) / EVERY).floor();
        assert_eq!(now.1 - last.1, left_out(now) - left_out(last), "{last:?} {now:?}");
        last = now;
        (now.1 - start.1 >= 20.0).then_some(())
    });
    assert!(last.2 > start.2 && last.2 - start.2 <= last.1 - start.1, "{start:?} {last:?}");
    wait("the server says the same", Duration::from_secs(20), || {
        (camera.count("dropped") == reading().1).then_some(())
    });
}

#[test]
fn a_camera_with_digest_login_is_watched_with_the_right_password_only() {
    let camera = GstCamera::start(&["--login", "viewer:s3cret-canary"]);
    let secrets = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = secrets.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (right, wrong) = (file("right", "s3cret-canary\n"), file("wrong", "other\n"));
    let entry = |id: &str, password: &str| {
        format!(
            "[[camera]]\nid = \"{id}\"\nurl = \"{}\"\nusername = \"viewer\"\npassword_file = \"{password}\"\n",
            camera.url
        )
    };
    let watching = Watching::start(&[entry("right", &right), entry("wrong", &wrong)].concat());
    watching.wait_connected("right");
    wait("refused", Duration::from_secs(10), || (watching.ended("wrong", "auth") > 0.0).then_some(()));
    assert_eq!(watching.reasons("right"), []);
    assert_eq!(watching.of("camera_connection_status", "wrong"), Some(0.0));
    let failures = watching.failures();
    assert!(
        failures.iter().all(|f| f.starts_with("Denied Long watching camera wrong: describe failed, auth")),
        "{failures:?}"
    );
    assert!(!failures.concat().contains("canary"));
}

#[test]
fn a_camera_that_dies_is_found_again_and_its_counts_go_on() {
    let camera = GstCamera::start(&["--die-after", "4"]);
    let watching = Watching::start(&format!("[[camera]]\nid = \"yard\"\nurl = \"{}\"\n", camera.url));
    watching.wait_connected("yard");
    wait("it died", Duration::from_secs(15), || {
        (watching.of("camera_connection_status", "yard") == Some(0.0)).then_some(())
    });
    assert_eq!(watching.of("camera_fps", "yard"), None);
    let frames = watching.of("camera_frames_total", "yard").unwrap();
    assert!(frames > 25.0);
    let first: f64 = watching.ended("yard", "eof") + watching.ended("yard", "reset");
    assert_eq!(first, 1.0, "{:?}", watching.reasons("yard"));
    wait("refused", Duration::from_secs(10), || (watching.ended("yard", "refused") > 0.0).then_some(()));
    let port = camera.url.trim_start_matches("rtsp://127.0.0.1:").trim_end_matches("/main").to_owned();
    let _again = GstCamera::start(&["--port", &port]);
    watching.wait_connected("yard");
    assert!(watching.of("camera_frames_total", "yard").unwrap() >= frames);
    assert_eq!(watching.of("camera_connects_total", "yard"), Some(2.0));
}
