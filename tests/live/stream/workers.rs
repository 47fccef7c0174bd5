//! SRT and RTMP, each received by a worker process of its own: what becomes of a worker is its stream's matter alone.

use super::{LONG, Node, near};
use crate::support::ts::clip::Clip;
use crate::support::ts::send::{Sending, Way, free_udp_port};
use crate::support::vedette::files;
use crate::support::{Kid, free_port, gst, wait};
use std::process::{Command, Stdio};
use std::time::Duration;

const PASSPHRASE: &str = "c4n4ry-in-the-shaft";

fn table(id: &str, url: &str) -> String {
    format!("[[stream]]\nid = \"{id}\"\nurl = \"{url}\"\n")
}

/// A UDP socket with this port is open on this machine.
pub(super) fn listens(port: u16) -> bool {
    let port = format!(":{port:04X} ");
    std::fs::read_to_string("/proc/net/udp").unwrap().lines().any(|line| line.contains(&port))
}

/// The daemon's workers.
fn workers(node: &Node) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((pid, rest)) = stat.split_once(" (vedette-gst) ") else { continue };
        if rest.split(' ').nth(1) == Some(&node.vedette.pid().to_string()) {
            found.push(pid.parse().unwrap());
        }
    }
    found
}

fn cmdline(pid: i32) -> String {
    String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).into_owned()
}

fn signal(pid: i32, signal: i32) {
    // SAFETY: two numbers. A worker that has gone meanwhile is no error.
    unsafe { libc::kill(pid, signal) };
}

fn failed(node: &Node, stream: &str, reason: &str) -> f64 {
    node.of("ts_input_failures_total", stream, &format!("reason=\"{reason}\"")).unwrap_or(f64::NAN)
}

/// Failures of a stream that are not 0, by reason.
fn failures(node: &Node, stream: &str) -> Vec<String> {
    let page = node.vedette.page();
    let lines = page.lines().filter(|l| l.starts_with("ts_input_failures_total{") && !l.ends_with(" 0"));
    lines.filter(|l| l.contains(&format!("stream_id=\"{stream}\""))).map(str::to_owned).collect()
}

#[test]
fn a_worker_that_crashes_or_hangs_is_its_own_streams_reason_and_comes_back() {
    gst::built();
    let dir = tempfile::tempdir().unwrap();
    let (neighbour, port) = (free_udp_port(), free_udp_port());
    let _encoder = gst::srt_encoder(dir.path(), port, PASSPHRASE);
    let mut node = Node::start(&format!(
        "{}{}",
        table("udp", &format!("udp://127.0.0.1:{neighbour}")),
        table("srt", &format!("srt://127.0.0.1:{port}?passphrase={PASSPHRASE}"))
    ));
    let clip = Clip::base();
    let mut sendings = vec![Sending::start(&clip, Way::Udp(([127, 0, 0, 1], neighbour).into()))];
    let up = |node: &Node, up: f64| node.wait("ts_input_up", "srt", "protocol=\"srt\"", |v| v == up);
    up(&node, 1.0);
    node.wait("ts_input_up", "udp", "protocol=\"udp\"", |v| v == 1.0);
    node.wait("ts_video_frames_per_second", "srt", "", |fps| (24.0..26.0).contains(&fps));
    for (name, least) in [("ts_srt_packets_total", 100.0), ("ts_srt_round_trip_seconds", 1e-6)] {
        assert!(node.of(name, "srt", "").unwrap() >= least, "{name}");
    }
    near("latency", node.of("ts_srt_latency_seconds", "srt", "").unwrap(), 0.125, 0.01);
    assert_eq!(node.of("ts_srt_packets_lost_total", "srt", ""), Some(0.0));
    let lost = node.of("ts_packets_lost_total", "srt", "role=\"video\"");

    // Rust's handler lets a first SIGSEGV pass that no instruction caused, and takes itself away.
    let doomed = workers(&node);
    assert_eq!(doomed.len(), 1, "one process for the one stream that needs it");
    wait("the crash", LONG, || {
        signal(doomed[0], libc::SIGSEGV);
        (failed(&node, "srt", "crashed") == 1.0).then_some(())
    });
    up(&node, 1.0);
    let before = node.of("ts_srt_packets_total", "srt", "").unwrap();
    node.wait("ts_srt_packets_total", "srt", "", |packets| packets > before);
    let told = node.ear.until("the log", |heard| super::notes(heard, "srt", "stream.lost").pop());
    assert_eq!(told["reason"], "crashed");
    assert!(node.vedette.log().contains("SIGSEGV"), "the log says how it died");

    sendings.push(Sending::start(&clip, Way::Udp(([127, 0, 0, 1], neighbour).into())));
    sendings.remove(0);
    let hung = workers(&node)[0];
    assert_ne!(hung, doomed[0]);
    signal(hung, libc::SIGSTOP);
    wait("the hang", LONG, || (failed(&node, "srt", "hung") == 1.0).then_some(()));
    up(&node, 1.0);
    wait("the stopped worker is gone", LONG, || (!workers(&node).contains(&hung)).then_some(()));
    assert_eq!(lost, node.of("ts_packets_lost_total", "srt", "role=\"video\""), "a new worker is no loss");

    // The neighbour saw none of it.
    assert_eq!(node.of("ts_input_up", "udp", "protocol=\"udp\""), Some(1.0));
    let silence = "reason=\"silent\"";
    assert!(failures(&node, "udp").iter().all(|line| line.contains(silence)), "{:?}", failures(&node, "udp"));
    assert_eq!(node.of("ts_datagrams_dropped_total", "udp", ""), Some(0.0));

    // Without the program the stream says so, and the others are watched.
    let mut places = vec![("page".to_owned(), node.vedette.page())];
    places.extend(
        workers(&node).into_iter().chain([node.vedette.pid() as i32]).map(|pid| (pid.to_string(), cmdline(pid))),
    );
    assert!(node.vedette.stop().success());
    node.vedette.start_with(|command| {
        command.env("PATH", dir.path());
    });
    wait("not installed", LONG, || (failed(&node, "srt", "not_installed") == 1.0).then_some(()));
    node.wait("ts_input_up", "udp", "protocol=\"udp\"", |v| v == 1.0);
    assert_eq!(node.of("ts_input_up", "srt", "protocol=\"srt\""), Some(0.0));
    node.vedette.stop();

    // What stands in a URL stays there.
    places.push(("log".into(), node.vedette.log()));
    places.extend(node.ear.heard().into_iter().map(|heard| (heard.topic, heard.payload)));
    for dir in ["state", "run"] {
        let files = files(&node.vedette.path(dir)).into_iter();
        places.extend(files.map(|(path, bytes)| (path.display().to_string(), String::from_utf8_lossy(&bytes).into())));
    }
    for (place, text) in places {
        assert!(!text.contains(PASSPHRASE), "{place} tells the passphrase");
    }
}

#[test]
fn a_wrong_passphrase_and_an_encoder_that_is_not_there_are_told_apart() {
    gst::built();
    let dir = tempfile::tempdir().unwrap();
    let (port, nobody) = (free_udp_port(), free_udp_port());
    let _encoder = gst::srt_encoder(dir.path(), port, PASSPHRASE);
    let node = Node::start(&format!(
        "{}{}{}",
        table("stranger", &format!("srt://127.0.0.1:{port}?passphrase=not-the-passphrase")),
        table("nobody", &format!("srt://127.0.0.1:{nobody}")),
        table("refused", &format!("rtmp://127.0.0.1:{}/live/front", free_port())),
    ));
    for (stream, reason) in [("stranger", "denied"), ("nobody", "unreachable"), ("refused", "refused")] {
        wait(&format!("{stream} is {reason}"), LONG, || (failed(&node, stream, reason) == 1.0).then_some(()));
        assert_eq!(failures(&node, stream).len(), 1, "{:?}", failures(&node, stream));
    }
}

#[test]
fn over_rtmp_the_rates_are_told_and_nothing_that_it_does_not_carry() {
    gst::built();
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let _server = gst::rtmp_server(dir.path(), port);
    let file = dir.path().join("clip.ts");
    std::fs::write(&file, Clip::base().packets.as_flattened()).unwrap();
    let publish = || {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i"]).arg(&file);
        ffmpeg.args(["-c", "copy", "-f", "flv"]).arg(format!("rtmp://127.0.0.1:{port}/live/{PASSPHRASE}"));
        Kid::spawn(ffmpeg.stdin(Stdio::null()))
    };
    let publisher = publish();
    let mut node = Node::start(&table("feed", &format!("rtmp://127.0.0.1:{port}/live/{PASSPHRASE}")));
    let up = |node: &Node, up: f64| node.wait("ts_input_up", "feed", "protocol=\"rtmp\"", |v| v == up);
    up(&node, 1.0);
    node.wait("ts_video_frames_per_second", "feed", "", |fps| (24.0..26.0).contains(&fps));
    let kilobits = |role: &str| node.of("ts_bits_per_second", "feed", &format!("role=\"{role}\"")).unwrap() / 1e3;
    near("video", kilobits("video"), 1_500.0, 300.0);
    near("audio", kilobits("audio"), 70.0, 70.0);
    near("together", node.of("encoding_bitrate_kbps", "feed", "").unwrap(), 1_570.0, 400.0);
    let page = node.vedette.page();
    let ours = page.lines().filter(|line| line.contains("stream_id=\"feed\""));
    let mut families: Vec<_> =
        ours.filter_map(|line| line.split('{').next()).filter(|name| name.starts_with("ts_")).collect();
    families.dedup();
    families.sort_unstable();
    let known = [
        "ts_bits_per_second",
        "ts_input_failures_total",
        "ts_input_up",
        "ts_received_bytes_total",
        "ts_video_frames_per_second",
    ];
    assert_eq!(families, known);
    assert!(!page.lines().any(|line| line.starts_with("scte35_") && line.contains("stream_id=\"feed\"")));

    drop(publisher);
    up(&node, 0.0);
    assert_eq!(node.of("ts_video_frames_per_second", "feed", ""), None);
    let _again = publish();
    node.vedette.wait_value("ts_input_up{protocol=\"rtmp\",stream_id=\"feed\"}", Duration::from_secs(60), |v| v == 1.0);
    assert!(node.vedette.stop().success());
    let heard = node.ear.heard().into_iter().map(|heard| heard.payload);
    for text in heard.chain([page, node.vedette.log()]) {
        assert!(!text.contains(PASSPHRASE), "a stream key is told");
    }
}
