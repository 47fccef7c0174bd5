//! Transport streams over UDP, multicast, RTP, files, SRT and RTMP, watched by the whole daemon.

mod breaks;
mod encoder;
mod inputs;
mod plan;
mod workers;

use crate::support::brokers::{Broker, Heard, Subscriber};
use crate::support::ts::clip::Clip;
use crate::support::ts::sections::{Cue, HZ};
use crate::support::vedette::Vedette;
use serde_json::Value;
use std::time::Duration;

/// Longer than any start or detection on a loaded two-core machine.
const LONG: Duration = Duration::from_secs(30);

/// A daemon that watches streams, and a listener on its broker.
struct Node {
    vedette: Vedette,
    ear: Subscriber,
    _broker: Broker,
}

impl Node {
    /// `streams`: the `[[stream]]` tables.
    fn start(streams: &str) -> Node {
        let broker = Broker::open();
        let ear = Subscriber::new(&broker);
        let mut vedette = Vedette::new(&format!(
            "[node]\nname = \"box\"\ntick = \"1s\"\n[[mqtt]]\nname = \"local\"\nurl = \"mqtt://127.0.0.1:{}\"\n{streams}",
            broker.port
        ));
        vedette.start();
        vedette.wait_value("vedette_mqtt_connected{broker=\"local\"}", LONG, |v| v == 1.0);
        Node { vedette, ear, _broker: broker }
    }

    /// A value of a stream; `labels` besides its id, as on the page and in their order.
    fn of(&self, name: &str, stream: &str, labels: &str) -> Option<f64> {
        self.vedette.value(&series(name, stream, labels))
    }

    fn wait(&self, name: &str, stream: &str, labels: &str, fits: impl Fn(f64) -> bool) -> f64 {
        self.vedette.wait_value(&series(name, stream, labels), LONG, fits)
    }

    /// The fields of the notes of a kind about a stream, oldest first.
    fn notes(&self, stream: &str, kind: &str) -> Vec<Value> {
        notes(&self.ear.heard(), stream, kind)
    }
}

/// Labels stand in the order of their names.
fn series(name: &str, stream: &str, labels: &str) -> String {
    let mut all: Vec<String> = labels.split_terminator(',').map(str::to_owned).collect();
    all.push(format!("stream_id=\"{stream}\""));
    all.sort();
    format!("{name}{{{}}}", all.join(","))
}

fn notes(heard: &[Heard], stream: &str, kind: &str) -> Vec<Value> {
    let mut seen = Vec::new();
    for message in heard.iter().filter(|h| h.topic == "vedette/box/event") {
        let event: Value = serde_json::from_str(&message.payload).unwrap();
        let about = event["probe"] == "stream" && event["target"] == stream;
        if about && event["kind"] == kind && !seen.contains(&event) {
            seen.push(event);
        }
    }
    seen.into_iter().map(|event| event["fields"].clone()).collect()
}

/// The plan: a heartbeat; a break that is announced twice and returns; one by time_signal with an adjustment; a section
/// with a wrong CRC; and one that comes late and ends by itself.
/// With it the seconds of the programme that had been sent when each section came.
pub fn planned(returning: bool) -> (Clip, Vec<f64>) {
    let mut clip = Clip::base().declare_cues(0.0, 0x86);
    let at = |seconds: f64| clip.pts(seconds);
    let (out, back) =
        (Cue::insert(7, true, Some(at(10.0)), Some((5 * HZ, false))), Cue::insert(7, false, Some(at(15.0)), None));
    let adjusted = |seconds: f64| at(seconds).wrapping_sub(12_345) & crate::support::ts::sections::MASK;
    let sections = [
        (2.0, Cue::null()),
        (4.0, out.clone()),
        (6.0, out),
        (13.0, back),
        (
            18.0,
            Cue::time_signal(Some(adjusted(22.0))).segmentation(0x4800_008e, 0x34, Some(4 * HZ)).adjusted_by(12_345),
        ),
        (20.0, Cue::insert(9, true, Some(at(30.0)), None).bad_crc()),
        (24.0, Cue::time_signal(Some(at(26.0))).segmentation(0x4800_008e, 0x35, None)),
        (30.0, Cue::insert(10, true, Some(at(31.0)), Some((3 * HZ, true)))),
    ];
    let sections = sections.into_iter().filter(|(seconds, _)| returning || *seconds != 13.0);
    let places = sections.map(|(seconds, cue)| clip.inject(seconds, &cue.section())).collect();
    (clip, places)
}

fn near(what: &str, value: f64, wanted: f64, within: f64) {
    assert!((value - wanted).abs() <= within, "{what}: {value}, and not {wanted} ± {within}");
}
