//! Encoders that pass cues on, and one that does not.

use super::{LONG, Node, near, planned, series};
use crate::support::Kid;
use crate::support::brokers::Heard;
use crate::support::ts::clip::Clip;
use crate::support::ts::sections::{Cue, HZ};
use crate::support::ts::send::{Sending, Way, free_udp_port};
use crate::support::wait;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

const RULES: &str = include_str!("../../../src/probe/stream/rules.yml");

fn alarms(heard: &[Heard], rule: &str) -> Vec<Value> {
    let events = heard.iter().filter(|h| h.topic == "vedette/box/event");
    let events = events.map(|h| serde_json::from_str::<Value>(&h.payload).unwrap());
    events.filter(|event| event["rule"] == rule && event["phase"] == "firing").collect()
}

/// ffmpeg that copies what comes on one group to a port.
fn ffmpeg(from: u16, to: u16, map: &[&str]) -> Kid {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-analyzeduration", "1000000", "-i"]);
    command.arg(format!("udp://239.255.74.1:{from}?localaddr=127.0.0.1"));
    // Else it holds the pictures back for up to 10 s to see whether a cue belongs between them.
    command.args(["-max_interleave_delta", "500000"]).args(map);
    command.args(["-c", "copy", "-f", "mpegts"]).arg(format!("udp://127.0.0.1:{to}?pkt_size=1316"));
    Kid::spawn(command.stdout(Stdio::null()))
}

/// A daemon with our rules that watches a group, and outputs of encoders on it.
fn compared(streams: &str) -> Node {
    let mut node = Node::start(streams);
    node.vedette.rules(RULES);
    node.vedette.stop();
    node.vedette.start();
    node
}

/// Waits for an alarm about a stream; `outcome`: as its label says, where it has one.
fn alarm(node: &Node, rule: &str, stream: &str, outcome: Option<&str>) -> Value {
    wait(&format!("{rule} about {stream}"), LONG, || {
        let mut about = alarms(&node.ear.heard(), rule)
            .into_iter()
            .filter(|alarm| alarm["labels"]["stream_id"] == stream && alarm["labels"]["outcome"].as_str() == outcome);
        about.next()
    })
}

/// How many cues each outcome had: passed, lost, late, retimed, private.
fn outcomes(node: &Node, stream: &str) -> [f64; 5] {
    ["passed", "lost", "late", "retimed", "private"]
        .map(|outcome| node.of("scte35_encoder_cues_total", stream, &format!("outcome=\"{outcome}\"")).unwrap())
}

#[test]
fn an_encoder_that_drops_cues_or_turns_them_into_private_data_is_an_alarm_that_says_which() {
    let [before, hidden, dropped] = [(); 3].map(|()| free_udp_port());
    let node = compared(&format!(
        "[[stream]]\nid = \"before\"\nurl = \"udp://239.255.74.1:{before}\"\ninterface = \"lo\"\n\
         [[stream]]\nid = \"hidden\"\nurl = \"udp://127.0.0.1:{hidden}\"\ninput = \"before\"\n\
         [[stream]]\nid = \"dropped\"\nurl = \"udp://127.0.0.1:{dropped}\"\ninput = \"before\"\nlatency = \"3s\"\n"
    ));
    // The first copies all it finds, the second what ffmpeg takes by itself: one video and one audio.
    let _encoders = [ffmpeg(before, hidden, &["-map", "0"]), ffmpeg(before, dropped, &[])];
    // Their sockets are open when the kernel says so.
    wait("ffmpeg listens", LONG, || {
        let port = format!(":{before:04X} ");
        let udp = std::fs::read_to_string("/proc/net/udp").unwrap();
        (udp.lines().filter(|l| l.contains(&port)).count() >= 3).then_some(())
    });
    let sending = Sending::start(&planned(true).0, Way::Udp(([239, 255, 74, 1], before).into()));
    node.wait("scte35_encoder_cues_total", "hidden", "outcome=\"private\"", |n| n >= 2.0);
    node.wait("scte35_encoder_cues_total", "dropped", "outcome=\"lost\"", |n| n >= 1.0);
    assert_eq!(outcomes(&node, "hidden")[..4], [0.0; 4]);
    let [passed, lost, rest @ ..] = outcomes(&node, "dropped");
    assert!(passed == 0.0 && lost >= 1.0 && rest == [0.0; 3], "{lost} {rest:?}");
    assert!(node.of("scte35_disguised_sections_total", "hidden", "").unwrap() >= 2.0);
    for (stream, kind) in [("hidden", "scte35.encoder_private"), ("dropped", "scte35.encoder_lost")] {
        assert_eq!(node.of("scte35_encoder_pid_lost", stream, ""), Some(1.0), "{stream}");
        let note = node.ear.until(kind, |heard| super::notes(heard, stream, kind).into_iter().next());
        assert_eq!((note["input"].as_str(), note["event_id"].as_i64()), (Some("before"), Some(7)), "{note}");
        near("pre-roll at the input", note["input_preroll_seconds"].as_f64().unwrap(), 5.96, 1e-3);
        alarm(&node, "CuePidLost", stream, None);
    }
    let private = alarm(&node, "CueEncoderLoss", "hidden", Some("private"));
    assert_eq!(private["annotations"]["summary"], "The encoder of hidden does not pass cues on (private)");
    alarm(&node, "CueEncoderLoss", "dropped", Some("lost"));
    sending.wait(20.0);
    let injected = "scte35_markers_generated_total{marker_type=\"splice_insert\",provider=\"before\"}";
    assert!(node.vedette.value(injected).is_some_and(|n| n >= 3.0));
}

#[test]
fn an_encoder_that_delays_or_moves_cues_is_an_alarm_that_says_which() {
    let [before, after] = [(); 2].map(|()| free_udp_port());
    let node = compared(&format!(
        "[[stream]]\nid = \"before\"\nurl = \"udp://127.0.0.1:{before}\"\n\
         [[stream]]\nid = \"after\"\nurl = \"udp://127.0.0.1:{after}\"\ninput = \"before\"\n"
    ));
    let clip = Clip::base().declare_cues(0.0, 0x86);
    let cue = |event, at: f64| Cue::insert(event, true, Some(clip.pts(at)), Some((HZ, true))).section();
    // When each is sent before and after the encoder, and the times in it: one passes, one is held back, one is moved.
    let plan = [(1, 2.0, 2.4, 8.0, 8.0), (2, 3.0, 7.0, 10.0, 10.0), (3, 8.0, 8.4, 14.0, 16.0)];
    let (mut input, mut output) = (clip.clone(), clip.clone());
    for (event, sent, came, at, moved) in plan {
        input.inject(sent, &cue(event, at));
        output.inject(came, &cue(event, moved));
    }
    let to = |port| Way::Udp(([127, 0, 0, 1], port).into());
    let _sendings = [Sending::start(&input, to(before)), Sending::start(&output, to(after))];
    alarm(&node, "CueEncoderSpoils", "after", Some("late"));
    alarm(&node, "CueEncoderSpoils", "after", Some("retimed"));
    assert_eq!(outcomes(&node, "after"), [1.0, 0.0, 1.0, 1.0, 0.0]);
    let note = |kind| node.notes("after", kind).pop().unwrap();
    let (late, retimed) = (note("scte35.encoder_late"), note("scte35.encoder_retimed"));
    assert_eq!((late["event_id"].as_i64(), retimed["event_id"].as_i64()), (Some(2), Some(3)));
    let preroll = |side| late[side].as_f64().unwrap();
    near("held back", preroll("input_preroll_seconds") - preroll("output_preroll_seconds"), 4.0, 0.2);
    let ticks = |side| retimed[side].as_i64().unwrap();
    assert_eq!(ticks("output_pts_ticks") - ticks("input_pts_ticks"), 2 * HZ as i64);
    assert_eq!(node.of("scte35_encoder_pid_lost", "after", ""), Some(0.0));
}

#[test]
fn live_cues_of_a_multiplexer_are_told_to_the_frame_over_udp_and_srt() {
    crate::support::gst::built();
    let [udp, srt] = [(); 2].map(|()| free_udp_port());
    let node = Node::start(&format!(
        "[[stream]]\nid = \"udp\"\nurl = \"udp://127.0.0.1:{udp}\"\n\
         [[stream]]\nid = \"srt\"\nurl = \"srt://127.0.0.1:{srt}?mode=listener\"\n",
    ));
    wait("the worker waits for a call", LONG, || super::workers::listens(srt).then_some(()));
    let mut command = Command::new("/usr/bin/python3");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/streams/gst_cues.py")).args(["--port", &udp.to_string()]);
    command.args(["--srt", &format!("srt://127.0.0.1:{srt}?mode=caller")]);
    let mut kid = Kid::spawn(command.stdout(Stdio::piped()));
    let lines = BufReader::new(kid.0.stdout.take().unwrap()).lines();
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::<Value>::new()));
    let write = told.clone();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            write.lock().unwrap().push(serde_json::from_str(&line).unwrap());
        }
    });
    for way in ["udp", "srt"] {
        let closed = series("scte35_breaks_closed_total", way, "how=\"return\"");
        node.vedette.wait_value(&closed, Duration::from_secs(60), |n| n == 2.0);
        told_to_the_frame(&node, way, &told.lock().unwrap());
    }
}

/// mpegtsmux dates a picture an eighth of a second after its own clock (TSMUX_PCR_OFFSET), seconds.
const PCR_LAG: f64 = 0.125;

/// What was told of a stream against what the multiplexer was told.
fn told_to_the_frame(node: &Node, way: &str, told: &[Value]) {
    let (outs, ins) = (node.notes(way, "scte35.out"), node.notes(way, "scte35.in"));
    assert_eq!((told.len(), outs.len(), ins.len()), (4, 2, 2), "{way}: {told:?} {outs:?} {ins:?}");
    let number = |value: &Value, name: &str| value[name].as_f64().unwrap_or_else(|| panic!("{name} of {value}"));
    for (told, note) in told.iter().zip([&outs[0], &ins[0], &outs[1], &ins[1]]) {
        near("splice point", number(note, "pts_seconds"), number(told, "at") + 3600.0, 1e-3);
        let preroll = number(told, "at") - number(told, "sent");
        near(&format!("pre-roll over {way}"), number(note, "preroll_arrival_seconds"), preroll, 0.0401);
        let declared = number(note, "preroll_declared_seconds");
        near(&format!("pre-roll by the clock over {way}"), declared, preroll + PCR_LAG, 0.0401);
    }
    for (closed, length) in node.notes(way, "scte35.closed").iter().zip([5.0, 4.0]) {
        near("length", number(closed, "actual_seconds"), length, 1e-6);
        near("planned", number(closed, "planned_seconds"), length, 1e-6);
    }
    let points = node.notes(way, "scte35.splice_point");
    let clean: Vec<_> = points.iter().map(|p| (&p["direction"], &p["verdict"])).collect();
    assert!(clean.iter().all(|(_, verdict)| *verdict == "conditioned") && clean.len() == 4, "{way}: {points:?}");
    assert!(node.of("scte35_sections_total", way, "command=\"splice_null\"").unwrap() >= 4.0);
    near("heartbeat", node.of("scte35_heartbeat_interval_seconds", way, "").unwrap(), 5.0, 0.3);
}
