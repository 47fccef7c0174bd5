//! What the control socket answers: the state of everything as one JSON object.

use crate::alert::{Judge, Standing};
use crate::base::clock::{Boot, Clock};
use crate::base::label::Label;
use crate::metric::alarm::Alarm;
use crate::metric::latest::{Sample, Snapshot};
use crate::metric::ledger::Ledger;
use crate::metric::roster::Roster;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

/// What is shown of a camera.
const SHOWN: [&str; 6] = [
    "camera_connection_status",
    "camera_fps",
    "camera_fps_expected",
    "camera_bitrate",
    "camera_frames_dropped_total",
    "camera_rtp_packets_lost_total",
];

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
        let rows = snapshot.as_ref().map(|s| s.rows.as_slice()).unwrap_or_default();
        let numbers = by_camera(rows);
        let roll = self.roster.roll();
        let cameras = roll.cameras.iter().map(|camera| {
            let [up, fps, fps_expected, bitrate, frames_dropped, packets_lost] =
                numbers.get(&*camera.id).copied().unwrap_or_default();
            json!({
                "id": camera.id, "host": camera.host,
                "up": up.map(|v| v == 1.0), "fps": fps, "fps_expected": fps_expected, "bitrate": bitrate,
                "frames_dropped": frames_dropped, "packets_lost": packets_lost,
            })
        });
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

/// The numbers of [`SHOWN`], by camera; one pass over the page.
fn by_camera(rows: &[Sample]) -> HashMap<&str, [Option<f64>; SHOWN.len()]> {
    let mut numbers: HashMap<&str, [Option<f64>; SHOWN.len()]> = HashMap::new();
    for row in rows {
        let Some(which) = SHOWN.iter().position(|name| *name == row.meta.family.name) else { continue };
        if let Some(id) = row.meta.labels.get("camera_id") {
            numbers.entry(id).or_default()[which] = Some(row.value);
        }
    }
    numbers
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{Sim, Window};
    use crate::metric::book::{Book, Hold};
    use crate::metric::desc::{Desc, Unit};
    use crate::metric::latest::Latest;
    use crate::metric::report::Report;
    use crate::metric::roster::{Camera, Roll};

    static STATUS: Desc<1> = Desc::gauge("camera_connection_status", Unit::Count, ["camera_id"], "up");
    static LOST: Desc<1> = Desc::counter("camera_rtp_packets_lost_total", Unit::Count, ["camera_id"], "lost");

    #[test]
    fn each_camera_on_the_roll_is_shown_with_its_own_numbers() {
        let (sim, book, roster) = (Sim::new(), Book::default(), Roster::default());
        let at = sim.clock().boot();
        let mut report = Report::new(Window { from: at, to: at });
        let mut set = |desc, id, value| {
            report.value(book.open(desc, [id], Hold::Own), value);
        };
        set(&STATUS, "gate", 1.0);
        set(&LOST, "gate", 7.0);
        set(&STATUS, "yard", 0.0);
        let mut latest = Latest::new(book);
        latest.apply(&report);
        let camera = |id: &str| Camera { id: id.into(), host: "h".into() };
        roster.replace(Roll { cameras: ["yard", "gate", "new"].map(camera).to_vec() });
        let (_tick, snapshots) = watch::channel(Some(Arc::new(latest.snapshot(sim.clock().now()))));
        let (_judge, judged) = watch::channel(Arc::default());
        let (node, ledger) = ("box".into(), Ledger::default());
        let desk = Desk { node, clock: sim.clock(), started: at, snapshots, judged, ledger, roster };
        let status = desk.status();
        let shown: Vec<_> = status["cameras"].as_array().unwrap().iter().collect();
        let facts = shown.iter().map(|c| (&c["id"], &c["up"], &c["packets_lost"], &c["fps"]));
        let facts: Vec<_> = facts.map(|(id, up, lost, fps)| format!("{id} {up} {lost} {fps}")).collect();
        assert_eq!(facts, [r#""yard" false null null"#, r#""gate" true 7.0 null"#, r#""new" null null null"#]);
    }
}
