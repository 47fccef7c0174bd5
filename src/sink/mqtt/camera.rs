//! The retained state of each camera, `camera/<camera_id>`, cut from the same snapshot that serves `/metrics`.

use crate::base::clock::{Boot, Now, Wall};
use crate::metric::alarm::{Fate, Message};
use crate::metric::latest::Snapshot;
use crate::metric::roster::Roll;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Numbers alone are told at most this often, all cameras on the same beat: one write to flash per beat.
const BEAT: Duration = Duration::from_secs(60);
/// A frame rate that moved by less is the same one, in frames per second.
const FPS_STEP: f64 = 1.0;
/// A bitrate that moved by less than this share is the same one: variable-rate encoders breathe.
const BITRATE_STEP: f64 = 0.25;

/// What is known of a camera. What is not known is null; nothing is repeated from before.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
struct State {
    /// It delivers, `camera_connection_status`.
    up: bool,
    /// Frames per second over the last 10 s.
    fps: Option<f64>,
    /// Frames per second that the camera declares.
    fps_expected: Option<f64>,
    /// bit/s over the last 10 s.
    bitrate: Option<f64>,
    /// `1920x1080`.
    resolution: Option<String>,
    codec: Option<String>,
    /// RFC 3339.
    last_frame: Option<String>,
}

#[derive(Serialize)]
struct Told<'a> {
    camera_id: &'a str,
    node: &'a str,
    /// When this was so, RFC 3339.
    ts: String,
    ts_trusted: bool,
    #[serde(flatten)]
    state: &'a State,
}

/// Tells camera states when they change: at once when a camera comes or goes or changes its picture, on the next beat
/// when only numbers moved.
pub struct Cameras {
    node: Arc<str>,
    /// What was told last; `None` for a topic of before a restart, whose content is not to be trusted.
    told: BTreeMap<String, Option<State>>,
    beat: Boot,
}

impl Cameras {
    pub fn new(node: &str) -> Self {
        Cameras { node: node.into(), told: BTreeMap::new(), beat: Boot::default() }
    }

    /// Learns from the retained states of before a restart which topics are set.
    pub fn restore(&mut self, states: &[Message]) {
        let ids = states.iter().filter_map(|state| state.topic.strip_prefix("camera/"));
        self.told.extend(ids.map(|id| (id.to_owned(), None)));
    }

    /// What there is to tell at this tick. A camera that is no longer on the roll is cleared.
    pub fn tick(&mut self, snapshot: &Snapshot, roll: &Roll) -> Vec<Message> {
        let beat = snapshot.at.boot.since(self.beat) >= BEAT;
        if beat {
            self.beat = snapshot.at.boot;
        }
        let ids: HashSet<&str> = roll.cameras.iter().map(|camera| &*camera.id).collect();
        let mut messages = Vec::new();
        for (id, state) in states(snapshot, &ids) {
            let news = match self.told.get(id) {
                Some(Some(told)) => turned(told, &state) || (beat && moved(told, &state)),
                Some(None) | None => true,
            };
            if news {
                messages.push(message(id, self.payload(id, &state, &snapshot.at)));
                self.told.insert(id.to_owned(), Some(state));
            }
        }
        let cleared: Vec<_> = self.told.keys().filter(|id| !ids.contains(id.as_str())).cloned().collect();
        for id in cleared {
            self.told.remove(&id);
            messages.push(message(&id, Vec::new()));
        }
        messages
    }

    fn payload(&self, id: &str, state: &State, at: &Now) -> Vec<u8> {
        let (ts, ts_trusted) = (at.wall.to_string(), at.trusted);
        let told = Told { camera_id: id, node: &self.node, ts, ts_trusted, state };
        serde_json::to_vec(&told).expect("texts and numbers are always JSON")
    }
}

fn message(id: &str, payload: Vec<u8>) -> Message {
    Message { topic: format!("camera/{id}"), payload, retain: true, fate: Fate::State }
}

/// The cameras with these ids whose connection status is known.
fn states<'a>(snapshot: &'a Snapshot, ids: &HashSet<&str>) -> BTreeMap<&'a str, State> {
    let mut found: BTreeMap<&str, (bool, State)> = BTreeMap::new();
    for row in &snapshot.rows {
        let (family, labels) = (&row.meta.family, &row.meta.labels);
        let Some(id) = labels.get("camera_id").filter(|id| ids.contains(id)) else { continue };
        let (known, state) = found.entry(id).or_default();
        match &*family.name {
            "camera_connection_status" => {
                *known = true;
                state.up = row.value == 1.0;
            }
            "camera_fps" => state.fps = Some(row.value),
            "camera_fps_expected" => state.fps_expected = Some(row.value),
            "camera_bitrate" => state.bitrate = Some(row.value),
            "camera_last_frame_timestamp" => {
                state.last_frame = Some(Wall::from_millis((row.value * 1000.0).round() as i64).to_string());
            }
            "camera_stream_info" => {
                state.codec = labels.get("codec").map(str::to_owned);
                let size = labels.get("width").zip(labels.get("height"));
                state.resolution = size.map(|(width, height)| format!("{width}x{height}"));
            }
            _ => {}
        }
    }
    found.into_iter().filter(|(_, (known, _))| *known).map(|(id, (_, state))| (id, state)).collect()
}

/// It came, went, or changed its picture.
fn turned(told: &State, now: &State) -> bool {
    (told.up, &told.resolution, &told.codec) != (now.up, &now.resolution, &now.codec)
}

/// Its numbers moved enough to be worth telling.
fn moved(told: &State, now: &State) -> bool {
    let by = |a: Option<f64>, b: Option<f64>, step: f64| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() >= step,
        (a, b) => a != b,
    };
    by(told.fps, now.fps, FPS_STEP)
        || by(told.fps_expected, now.fps_expected, FPS_STEP)
        || by(told.bitrate, now.bitrate, told.bitrate.unwrap_or(0.0).max(1.0) * BITRATE_STEP)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{Sim, Window};
    use crate::metric::book::{Book, Hold};
    use crate::metric::desc::{Desc, Unit};
    use crate::metric::latest::Latest;
    use crate::metric::report::{NoData, Report};
    use crate::metric::roster::Camera;

    static STATUS: Desc<1> = Desc::gauge("camera_connection_status", Unit::Count, ["camera_id"], "up");
    static FPS: Desc<1> = Desc::gauge("camera_fps", Unit::PerSecond, ["camera_id"], "frames");
    static LAST: Desc<1> = Desc::gauge("camera_last_frame_timestamp", Unit::Seconds, ["camera_id"], "last");
    static INFO: Desc<4> = Desc::info("camera_stream_info", ["camera_id", "codec", "width", "height"], "stream");

    struct Yard {
        sim: Sim,
        latest: Latest,
        book: Book,
        cameras: Cameras,
        roll: Roll,
    }

    impl Yard {
        fn new() -> Self {
            let (sim, book) = (Sim::new(), Book::default());
            let latest = Latest::new(book.clone());
            let camera = Camera { id: "yard".into(), host: "h".into() };
            Yard { sim, latest, book, cameras: Cameras::new("nvr-1"), roll: Roll { cameras: vec![camera] } }
        }
        fn report(&self) -> Report {
            let at = self.sim.clock().boot();
            Report::new(Window { from: at, to: at })
        }
        fn set(&mut self, desc: &'static Desc<1>, value: Option<f64>) {
            let series = self.book.open(desc, ["yard"], Hold::Own);
            let mut report = self.report();
            self.latest.apply(report.maybe(series, value, NoData::NotPresent));
        }
        fn tick(&mut self, secs: u64) -> Vec<(String, String)> {
            self.sim.advance(Duration::from_secs(secs));
            let snapshot = self.latest.snapshot(self.sim.clock().now());
            let messages = self.cameras.tick(&snapshot, &self.roll);
            assert!(messages.iter().all(|m| m.retain && m.fate == Fate::State));
            messages.into_iter().map(|m| (m.topic, String::from_utf8(m.payload).unwrap())).collect()
        }
    }

    #[test]
    fn a_camera_is_told_when_it_comes_or_goes_and_numbers_only_on_the_beat() {
        let mut yard = Yard::new();
        assert_eq!(yard.tick(60), [], "nothing is known yet");
        yard.set(&STATUS, Some(0.0));
        let first = yard.tick(5);
        let empty = r#""fps_expected":null,"bitrate":null,"resolution":null,"codec":null,"last_frame":null}"#;
        let head = r#"{"camera_id":"yard","node":"nvr-1","ts":"2026-01-01T00:01:05.000Z","ts_trusted":true,"#;
        assert_eq!(first, [("camera/yard".to_owned(), format!(r#"{head}"up":false,"fps":null,{empty}"#))]);
        assert_eq!(yard.tick(5), []);

        let slot = yard.book.open_slot(&INFO, &["yard"], Hold::Own);
        let mut report = yard.report();
        yard.latest.apply(report.info(slot, Some(["h264", "1920", "1080"].map(str::to_owned).to_vec())));
        yard.set(&STATUS, Some(1.0));
        yard.set(&FPS, Some(25.0));
        yard.set(&LAST, Some(1_767_225_670.04));
        let up = yard.tick(5);
        let tail = r#""bitrate":null,"resolution":"1920x1080","codec":"h264","last_frame":"2026-01-01T00:01:10.040Z"}"#;
        assert!(up[0].1.ends_with(&format!(r#""up":true,"fps":25.0,"fps_expected":null,{tail}"#)), "{up:?}");

        yard.set(&FPS, Some(12.0));
        yard.set(&LAST, Some(1_767_225_675.0));
        assert_eq!(yard.tick(5), [], "numbers wait for the beat");
        assert_eq!(yard.tick(60).len(), 1);
        yard.set(&FPS, Some(12.5));
        assert_eq!(yard.tick(60), [], "half a frame is no news");
        yard.set(&FPS, None);
        assert!(yard.tick(60)[0].1.contains(r#""fps":null"#));
    }

    #[test]
    fn a_camera_taken_off_the_roll_is_cleared_even_when_that_happened_before_a_restart() {
        let mut yard = Yard::new();
        yard.set(&STATUS, Some(1.0));
        assert_eq!(yard.tick(5).len(), 1);
        let state =
            |topic: &str| Message { topic: topic.into(), payload: b"{}".to_vec(), retain: true, fate: Fate::State };
        yard.cameras = Cameras::new("nvr-1");
        yard.cameras.restore(&[state("alert/A/yard"), state("camera/gate"), state("camera/yard")]);
        let after = yard.tick(5);
        assert_eq!(after[0].0, "camera/yard", "told anew after a restart");
        assert_eq!(after[1], ("camera/gate".to_owned(), String::new()));
        yard.roll.cameras.clear();
        assert_eq!(yard.tick(5), [("camera/yard".to_owned(), String::new())]);
        assert_eq!(yard.tick(5), []);
    }
}
