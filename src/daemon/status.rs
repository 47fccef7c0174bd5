//! What the control socket answers: the state of everything as one JSON object.

use crate::alert::{Rule, Standing};
use crate::base::clock::{Boot, Clock};
use crate::base::label::Label;
use crate::metric::alarm::Alarm;
use crate::metric::latest::Snapshot;
use crate::metric::ledger::Ledger;
use crate::metric::roster::Roster;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// Everything a status is made of. Clones see the same.
#[derive(Clone)]
pub struct Desk {
    pub node: Arc<str>,
    pub clock: Clock,
    pub started: Boot,
    pub snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    pub alarms: watch::Receiver<Arc<Vec<Alarm>>>,
    pub ledger: Ledger,
    pub roster: Roster,
    pub rules: Arc<Mutex<Vec<(Rule, Standing)>>>,
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
        let alarms = self.alarms.borrow().clone();
        let alarms = alarms.iter().map(|alarm| {
            json!({
                "rule": &*alarm.rule, "phase": alarm.phase.label(),
                "labels": alarm.labels.without(&["alertname"]).to_string(),
                "value": alarm.value, "active_since": alarm.active.wall.to_string(),
            })
        });
        let rules = self.rules.lock().unwrap_or_else(|e| e.into_inner());
        let not_judged = rules.iter().filter(|(_, s)| !matches!(s, Standing::Local)).map(|(r, s)| s.json(r));
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
            "rules_not_judged": not_judged.collect::<Vec<_>>(),
        })
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");
