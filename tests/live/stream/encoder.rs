//! Encoders that pass cues on, and one that does not.

use super::{LONG, Node, near, planned, series};
use crate::support::Kid;
use crate::support::brokers::Heard;
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
fn ffmpeg(from: u16, to: u16) -> Kid {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-analyzeduration", "1000000", "-i"]);
    command.arg(format!("udp://239.255.74.1:{from}?localaddr=127.0.0.1"));
    // Else it holds the pictures back for up to 10 s to see whether a cue belongs between them.
    command.args(["-max_interleave_delta", "500000"]);
    command.args(["-map", "0", "-c", "copy", "-f", "mpegts"]).arg(format!("udp://127.0.0.1:{to}?pkt_size=1316"));
    Kid::spawn(command.stdout(Stdio::null()))
}

#[test]
fn an_encoder_that_turns_cues_into_private_data_is_an_alarm_that_says_so() {
    let [before, after] = [(); 2].map(|()| free_udp_port());
    let mut node = Node::start(&format!(
        "[[stream]]\nid = \"before\"\nurl = \"udp://239.255.74.1:{before}\"\ninterface = \"lo\"\n\
         [[stream]]\nid = \"after\"\nurl = \"udp://127.0.0.1:{after}\"\ninput = \"before\"\n"
    ));
    node.vedette.rules(RULES);
    node.vedette.stop();
    node.vedette.start();
    let _encoder = ffmpeg(before, after);
    // Its socket is open when the kernel says so.
    wait("ffmpeg listens", LONG, || {
        let port = format!(":{before:04X} ");
        let udp = std::fs::read_to_string("/proc/net/udp").unwrap();
        (udp.lines().filter(|l| l.contains(&port)).count() >= 2).then_some(())
    });
    let sending = Sending::start(&planned(true).0, Way::Udp(([239, 255, 74, 1], before).into()));
    node.wait("scte35_encoder_cues_total", "after", "outcome=\"private\"", |n| n >= 2.0);
    for outcome in ["passed", "lost", "late", "retimed"] {
        let labels = format!("outcome=\"{outcome}\"");
        assert_eq!(node.of("scte35_encoder_cues_total", "after", &labels), Some(0.0), "{outcome}");
    }
    assert_eq!(node.of("scte35_encoder_pid_lost", "after", ""), Some(1.0));
    assert!(node.of("scte35_disguised_sections_total", "after", "").unwrap() >= 2.0);
    let note = node.ear.until("the note", |heard| super::notes(heard, "after", "scte35.encoder_private").pop());
    assert_eq!((note["input"].as_str(), note["event_id"].as_i64()), (Some("before"), Some(7)));
    sending.wait(20.0);
    for rule in ["CueEncoderLoss", "CuePidLost"] {
        let alarm = wait(rule, LONG, || alarms(&node.ear.heard(), rule).pop());
        assert_eq!(alarm["labels"]["stream_id"], "after", "{alarm}");
        if rule == "CueEncoderLoss" {
            assert_eq!(alarm["labels"]["outcome"], "private");
            let summary = "The encoder of after does not pass cues on (private)";
            assert_eq!(alarm["annotations"]["summary"], summary);
        }
    }
    let injected = "scte35_markers_generated_total{marker_type=\"splice_insert\",provider=\"before\"}";
    assert!(node.vedette.value(injected).is_some_and(|n| n >= 3.0));
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

/// What was told of a stream against what the multiplexer was told.
fn told_to_the_frame(node: &Node, way: &str, told: &[Value]) {
    let (outs, ins) = (node.notes(way, "scte35.out"), node.notes(way, "scte35.in"));
    assert_eq!((told.len(), outs.len(), ins.len()), (4, 2, 2), "{way}: {told:?} {outs:?} {ins:?}");
    let number = |value: &Value, name: &str| value[name].as_f64().unwrap_or_else(|| panic!("{name} of {value}"));
    for (told, note) in told.iter().zip([&outs[0], &ins[0], &outs[1], &ins[1]]) {
        near("splice point", number(note, "pts_seconds"), number(told, "at") + 3600.0, 1e-3);
        for clock in ["preroll_arrival_seconds", "preroll_declared_seconds"] {
            near(
                &format!("{clock} over {way}"),
                number(note, clock),
                number(told, "at") - number(told, "sent"),
                0.0401,
            );
        }
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
