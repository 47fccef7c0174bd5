//! What the control socket answers: the state of everything as one JSON object.

use crate::alert::{Judge, Standing};
use crate::base::clock::{Boot, Clock};
use crate::base::label::Label;
use crate::metric::alarm::Alarm;
use crate::metric::latest::Snapshot;
use crate::metric::ledger::Ledger;
use crate::metric::roster::Roster;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::watch;

/// What the judge thinks at one tick.
#[derive(Debug, Default)]
pub struct Judged {
    /// Pending and firing.
    pub alarms: Vec<Alarm>,
    /// Rules that are not judged here, or whose last round failed, as JSON objects.
    pub left_out: Vec<Value>,
}

impl Judged {
    pub fn of(judge: &Judge) -> Self {
        let left_out = judge.rules().filter(|j| *j.standing != Standing::Local || j.error.is_some());
        let left_out = left_out.map(|j| {
            let why = j.error.map_or_else(|| j.standing.to_string(), |error| format!("failed: {error}"));
            json!({"rule": &*j.rule.name, "at": j.rule.position(), "standing": j.standing.kind().label(), "why": why})
        });
        Judged { alarms: judge.alarms().cloned().collect(), left_out: left_out.collect() }
    }
}

/// Everything a status is made of. Clones see the same.
#[derive(Clone)]
pub struct Desk {
    pub node: Arc<str>,
    pub clock: Clock,
    pub started: Boot,
    pub snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    pub judged: watch::Receiver<Arc<Judged>>,
    pub ledger: Ledger,
    pub roster: Roster,
}

impl Desk {
    /// Answers one request line: `status`, or `forget <scraper>`.
    pub fn answer(&self, request: &str) -> String {
        let answer = match request.split_once(' ') {
            None if request == "status" => self.status(),
            Some(("forget", who)) if self.ledger.forget(who) => json!({"forgotten": who}),
            Some(("forget", who)) => json!({"error": format!("no scraper {who:?}; `vedette status` lists them")}),
            _ => json!({"error": format!("unknown request {request:?}; this daemon is version {VERSION}")}),
        };
        answer.to_string()
    }

    fn status(&self) -> Value {
        let now = self.clock.now();
        let snapshot = self.snapshots.borrow().clone();
        let find = |name: &str, label: &str, value: &str| {
            let rows = snapshot.as_ref().map(|s| s.rows.as_slice()).unwrap_or_default();
            let row = rows.iter().find(|r| r.meta.family.name == name && r.meta.labels.get(label) == Some(value));
            row.map(|r| r.value)
        };
        let roll = self.roster.roll();
        let cameras = roll.cameras.iter().map(|camera| {
            let get = |name| find(name, "camera_id", &camera.id);
            json!({
                "id": camera.id, "host": camera.host,
                "up": get("camera_connection_status").map(|v| v == 1.0),
                "fps": get("camera_fps"), "fps_expected": get("camera_fps_expected"), "bitrate": get("camera_bitrate"),
                "frames_dropped": get("camera_frames_dropped_total"),
                "packets_lost": get("camera_rtp_packets_lost_total"),
            })
        });
        let rows = snapshot.as_ref().map(|s| s.rows.as_slice()).unwrap_or_default();
        let uplinks = rows.iter().filter(|r| r.meta.family.name == "uplink_up");
        let uplinks = uplinks.map(|r| json!({"id": r.meta.labels.get("uplink"), "up": r.value == 1.0}));
        let scrapers = self.ledger.scrapers();
        let scrapers = scrapers.iter().map(|s| {
            json!({
                "who": s.who, "interval_seconds": s.interval().map(|d| d.as_secs_f64()), "current": s.current(now.boot),
                "last_seconds_ago": s.complete.last().map(|at| now.boot.since(*at).as_secs_f64()),
            })
        });
        let brokers = self.ledger.brokers();
        let brokers = brokers.iter().map(|(name, connected)| json!({"name": name, "connected": connected}));
        let judged = self.judged.borrow().clone();
        let alarms = judged.alarms.iter().map(|alarm| {
            json!({
                "rule": &*alarm.rule, "phase": alarm.phase.label(),
                "labels": alarm.labels.without(&["alertname"]).to_string(),
                "value": alarm.value, "active_since": alarm.active.wall.to_string(),
            })
        });
        json!({
            "node": &*self.node,
            "version": VERSION,
            "running": crate::base::settings::show_duration(std::time::Duration::from_secs(now.boot.since(self.started).as_secs())),
            "clock_trusted": now.trusted,
            "snapshot": snapshot.as_ref().map(|s| s.at.wall.to_string()),
            "cameras": cameras.collect::<Vec<_>>(),
            "uplinks": uplinks.collect::<Vec<_>>(),
            "brokers": brokers.collect::<Vec<_>>(),
            "scrapers": scrapers.collect::<Vec<_>>(),
            "alarms": alarms.collect::<Vec<_>>(),
            "rules_not_judged": judged.left_out,
        })
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");
