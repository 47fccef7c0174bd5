//! What subscribers read when an alarm starts to fire and when it is resolved, and when something is noted. Pending alarms
//! are nobody's business yet.

use crate::base::label::Label;
use crate::metric::alarm::{Fate, Message, Phase, Stamp, Transition};
use crate::metric::labels::Labels;
use crate::metric::note::{Field, Note};
use crate::sink::mqtt::topic;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Labels that name what an alarm is about; the first one present is its target.
const TARGETS: [&str; 8] =
    ["camera_id", "encoder_id", "stream_id", "mount_point", "device", "interface", "gpu", "uplink"];

/// What every event begins with, keys in this order. Times are RFC 3339 in UTC.
#[derive(Serialize)]
struct Head<'a> {
    /// `<node>-<seq>`; a message that comes twice bears the same.
    id: String,
    node: &'a str,
    /// Grows from event to event, over restarts too, though not by one.
    seq: u64,
    /// `seq` of the event before: who has not seen that one has lost it. Null for the first since the daemon started.
    prev: Option<u64>,
    /// The kernel's boot id at `ts`.
    boot: &'a str,
    /// When it happened, however late it is told.
    ts: String,
    /// Whether the wall clock was disciplined then.
    ts_trusted: bool,
    /// `alert`, or the kind of the note.
    kind: &'static str,
}

/// The payload of an alarm.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    rule: &'a str,
    target: &'a str,
    phase: &'static str,
    /// The label of that name, if the rule sets one.
    severity: Option<&'a str>,
    labels: Map<String, Value>,
    annotations: Map<String, Value>,
    /// The expression's value when it was last true; null when that was no finite number.
    value: Option<f64>,
    /// Since when the expression was true.
    active_since: String,
    /// The alarm's identity, 16 hex digits: that of firing and resolved are the same.
    fingerprint: String,
}

/// The payload of a note.
#[derive(Serialize)]
struct Noted<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    /// The kind of probe and the id of its target.
    probe: &'a str,
    target: &'a str,
    fields: Map<String, Value>,
}

/// Makes messages of transitions, and keeps which firing alarm holds which retained topic.
///
/// An alarm gets `alert/<rule>/<target>`. Where another alarm that is still firing holds that topic, it gets
/// `alert/<rule>/<target>~<first 8 digits of its fingerprint>` instead. It keeps its topic until it is resolved, whoever
/// comes and goes meanwhile, and over restarts: [`Alerts::restore`].
pub struct Alerts {
    node: Arc<str>,
    /// Fingerprint → topic.
    held: BTreeMap<String, String>,
    /// Sequence number of the last event.
    last: Option<u64>,
}

impl Alerts {
    pub fn new(node: &str) -> Self {
        Alerts { node: node.into(), held: BTreeMap::new(), last: None }
    }

    /// Learns from the retained states of before a restart which alarm holds which topic.
    pub fn restore(&mut self, states: &[Message]) {
        for state in states.iter().filter(|s| s.topic.starts_with("alert/")) {
            let told: Option<Value> = serde_json::from_slice(&state.payload).ok();
            if let Some(fingerprint) = told.as_ref().and_then(|t| t.get("fingerprint")?.as_str()) {
                self.held.insert(fingerprint.to_owned(), state.topic.clone());
            }
        }
    }

    /// The messages of these transitions, in their order. `next_seq` is asked once for each event,
    /// never for what is not told.
    pub fn compose(&mut self, transitions: &[Transition], mut next_seq: impl FnMut() -> u64) -> Vec<Message> {
        let mut messages = Vec::new();
        for transition in transitions {
            let alarm = &transition.alarm;
            let told = match alarm.phase {
                Phase::Pending => false,
                Phase::Firing => true,
                Phase::Resolved => alarm.fired.is_some(),
            };
            if !told {
                continue;
            }
            let seq = next_seq();
            let payload = self.payload(transition, seq);
            self.last = Some(seq);
            let event = |payload| Message { topic: "event".to_owned(), payload, retain: false, fate: Fate::Event };
            let state = |topic, payload| Message { topic, payload, retain: true, fate: Fate::State };
            if alarm.phase == Phase::Firing {
                messages.push(state(self.take_topic(transition), payload.clone()));
            } else {
                let cleared = self.drop_topic(transition);
                messages.extend(cleared.into_iter().map(|topic| state(topic, Vec::new())));
            }
            messages.push(event(payload));
        }
        messages
    }

    /// The event that tells a note of a target, `<probe>/<id>`.
    pub fn note(&mut self, source: &str, note: &Note, at: &Stamp, seq: u64) -> Message {
        let (probe, target) = source.split_once('/').unwrap_or(("", source));
        let value = |field: &Field| match field {
            Field::Text(text) => Value::from(text.as_str()),
            Field::Number(number) => Value::from(*number),
            Field::Whole(whole) => Value::from(*whole),
            Field::Flag(flag) => Value::from(*flag),
        };
        let told = Noted {
            head: self.head(note.kind, at, seq),
            probe,
            target,
            fields: note.fields.iter().map(|(name, field)| ((*name).to_owned(), value(field))).collect(),
        };
        let payload = serde_json::to_vec(&told).expect("texts, numbers and maps with text keys are always JSON");
        self.last = Some(seq);
        Message { topic: "event".to_owned(), payload, retain: false, fate: Fate::Event }
    }

    fn head<'a>(&'a self, kind: &'static str, at: &'a Stamp, seq: u64) -> Head<'a> {
        Head {
            id: format!("{}-{seq}", self.node),
            node: &self.node,
            seq,
            prev: self.last,
            boot: &at.boot_id,
            ts: at.wall.to_string(),
            ts_trusted: at.trusted,
            kind,
        }
    }

    fn take_topic(&mut self, transition: &Transition) -> String {
        let fingerprint = transition.alarm.fingerprint();
        if let Some(topic) = self.held.get(&fingerprint) {
            return topic.clone();
        }
        let [plain, own] = candidates(transition);
        let topic = if self.is_held(&plain) { own } else { plain };
        self.held.insert(fingerprint, topic.clone());
        topic
    }

    /// The topic to clear. An alarm that we have no topic of (the store was lost) may have had either; clearing one that
    /// nobody else holds does no harm.
    fn drop_topic(&mut self, transition: &Transition) -> Vec<String> {
        match self.held.remove(&transition.alarm.fingerprint()) {
            Some(topic) => vec![topic],
            None => candidates(transition).into_iter().filter(|topic| !self.is_held(topic)).collect(),
        }
    }

    fn is_held(&self, topic: &str) -> bool {
        self.held.values().any(|held| held == topic)
    }

    fn payload(&self, transition: &Transition, seq: u64) -> Vec<u8> {
        let (alarm, at) = (&transition.alarm, &transition.at);
        let told = Told {
            head: self.head("alert", at, seq),
            rule: &alarm.rule,
            target: target(&alarm.labels),
            phase: alarm.phase.label(),
            severity: alarm.labels.get("severity"),
            labels: map(&alarm.labels),
            annotations: map(&alarm.annotations),
            value: Some(alarm.value).filter(|v| v.is_finite()),
            active_since: alarm.active.wall.to_string(),
            fingerprint: alarm.fingerprint(),
        };
        serde_json::to_vec(&told).expect("texts, numbers and maps with text keys are always JSON")
    }
}

/// What an alarm is about: its first target label, else the node itself.
fn target(labels: &Labels) -> &str {
    TARGETS.iter().find_map(|name| labels.get(name)).unwrap_or("node")
}

/// The topic without and with the digits of the label set.
fn candidates(transition: &Transition) -> [String; 2] {
    let alarm = &transition.alarm;
    let plain = format!("alert/{}/{}", topic::level(&alarm.rule), topic::level(target(&alarm.labels)));
    let own = format!("{plain}~{}", &alarm.fingerprint()[..8]);
    [plain, own]
}

fn map(labels: &Labels) -> Map<String, Value> {
    labels.iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{Boot, Wall};
    use crate::metric::alarm::Alarm;

    fn stamp(secs: i64) -> Stamp {
        let boot = Boot::from_secs(secs as u64);
        Stamp { wall: Wall::from_millis(1_767_225_600_000 + secs * 1000), boot, boot_id: "b007".into(), trusted: true }
    }

    fn transition(phase: Phase, labels: &[(&str, &str)], at: i64) -> Transition {
        let alarm = Alarm {
            rule: "CameraOffline".into(),
            labels: Labels::new([("alertname", "CameraOffline"), ("severity", "critical")])
                .with(labels.iter().copied()),
            annotations: Labels::new([("summary", "yard is gone")]),
            value: 0.0,
            phase,
            active: stamp(1),
            fired: (phase != Phase::Pending).then(|| stamp(2)),
            missing: None,
            resolved: (phase == Phase::Resolved).then(|| stamp(at)),
        };
        Transition { alarm, at: stamp(at) }
    }

    fn topics(messages: &[Message]) -> Vec<(&str, bool)> {
        messages.iter().map(|m| (m.topic.as_str(), m.payload.is_empty())).collect()
    }

    fn counter() -> impl FnMut() -> u64 {
        let mut n = 0;
        move || {
            n += 1;
            n
        }
    }

    #[test]
    fn a_firing_alarm_is_an_event_and_a_retained_state_with_the_same_payload() {
        let mut alerts = Alerts::new("nvr-1");
        let mut seq = counter();
        let firing = transition(Phase::Firing, &[("camera_id", "yard")], 5);
        assert_eq!(alerts.compose(&[transition(Phase::Pending, &[("camera_id", "yard")], 2)], &mut seq), []);
        let messages = alerts.compose(&[firing], &mut seq);
        assert_eq!(topics(&messages), [("alert/CameraOffline/yard", false), ("event", false)]);
        assert_eq!(messages[0].payload, messages[1].payload);
        assert_eq!((messages[0].retain, messages[1].retain), (true, false));
        assert_eq!((&messages[0].fate, &messages[1].fate), (&Fate::State, &Fate::Event));
        assert_eq!(
            String::from_utf8(messages[1].payload.clone()).unwrap(),
            concat!(
                r#"{"id":"nvr-1-1","node":"nvr-1","seq":1,"prev":null,"boot":"b007","ts":"2026-01-01T00:00:05.000Z","ts_trusted":true,"#,
                r#""kind":"alert","rule":"CameraOffline","target":"yard","phase":"firing","severity":"critical","#,
                r#""labels":{"alertname":"CameraOffline","camera_id":"yard","severity":"critical"},"#,
                r#""annotations":{"summary":"yard is gone"},"value":0.0,"#,
                r#""active_since":"2026-01-01T00:00:01.000Z","fingerprint":"FP"}"#
            )
            .replace("FP", &transition(Phase::Firing, &[("camera_id", "yard")], 5).alarm.fingerprint())
        );
        let messages = alerts.compose(&[transition(Phase::Resolved, &[("camera_id", "yard")], 9)], &mut seq);
        assert_eq!(topics(&messages), [("alert/CameraOffline/yard", true), ("event", false)]);
        assert!(String::from_utf8_lossy(&messages[1].payload).contains(r#""seq":2,"prev":1,"#));
    }

    #[test]
    fn a_note_is_an_event_of_the_same_sequence_and_no_state() {
        let mut alerts = Alerts::new("nvr-1");
        alerts.compose(&[transition(Phase::Firing, &[("camera_id", "yard")], 5)], || 1);
        let note = Note::new("scte35.out", Boot::from_secs(4))
            .with("event_id", 7)
            .with("preroll", 4.5)
            .with("nothing", f64::NAN)
            .with("cancelled", false)
            .maybe("upid", Some("EIDR 10.5240"))
            .maybe("absent", None::<f64>);
        let message = alerts.note("stream/feed-1", &note, &stamp(4), 2);
        assert_eq!((&*message.topic, message.retain, message.fate), ("event", false, Fate::Event));
        assert_eq!(
            String::from_utf8(message.payload).unwrap(),
            concat!(
                r#"{"id":"nvr-1-2","node":"nvr-1","seq":2,"prev":1,"boot":"b007","ts":"2026-01-01T00:00:04.000Z","ts_trusted":true,"#,
                r#""kind":"scte35.out","probe":"stream","target":"feed-1","#,
                r#""fields":{"event_id":7,"preroll":4.5,"nothing":null,"cancelled":false,"upid":"EIDR 10.5240"}}"#
            )
        );
    }

    #[test]
    fn alarms_that_share_a_target_get_topics_of_their_own_and_keep_them_over_a_restart() {
        let labels = |reason| [("camera_id", "yard"), ("reason", reason)];
        let (eof, auth) = (labels("eof"), labels("auth"));
        let mut alerts = Alerts::new("nvr-1");
        let mut seq = counter();
        let both = alerts.compose(&[transition(Phase::Firing, &eof, 5), transition(Phase::Firing, &auth, 6)], &mut seq);
        let plain = both[0].topic.clone();
        let suffixed = both[2].topic.clone();
        let digits = transition(Phase::Firing, &auth, 6).alarm.fingerprint()[..8].to_owned();
        assert_eq!((plain.as_str(), &suffixed), ("alert/CameraOffline/yard", &format!("{plain}~{digits}")));

        let gone = alerts.compose(&[transition(Phase::Resolved, &eof, 7)], &mut seq);
        assert_eq!(gone[0].topic, plain);
        // A restart: only the retained state of the second is left. The plain topic is free, yet it must clear its own.
        let mut after = Alerts::new("nvr-1");
        after.restore(&both[2..3]);
        let again = after.compose(&[transition(Phase::Firing, &eof, 8)], &mut seq);
        assert_eq!(again[0].topic, plain);
        let cleared = after.compose(&[transition(Phase::Resolved, &auth, 9)], &mut seq);
        assert_eq!(topics(&cleared), [(suffixed.as_str(), true), ("event", false)]);
    }

    #[test]
    fn an_alarm_whose_topic_is_not_known_clears_what_nobody_else_holds() {
        let mut alerts = Alerts::new("nvr-1");
        let mut seq = counter();
        alerts.compose(&[transition(Phase::Firing, &[("camera_id", "yard")], 5)], &mut seq);
        let unknown = transition(Phase::Resolved, &[("camera_id", "yard"), ("reason", "eof")], 6);
        let cleared = alerts.compose(std::slice::from_ref(&unknown), &mut seq);
        let [_, own] = candidates(&unknown);
        assert_eq!(topics(&cleared), [(own.as_str(), true), ("event", false)]);
    }

    #[test]
    fn the_target_is_the_first_telling_label_made_safe_or_the_node() {
        let mut alerts = Alerts::new("nvr-1");
        let mut topic =
            |labels: &[(&str, &str)]| alerts.compose(&[transition(Phase::Firing, labels, 5)], || 1)[0].topic.clone();
        assert_eq!(topic(&[("device", "sda"), ("mount_point", "/mnt/rec#1")]), "alert/CameraOffline/_mnt_rec_1");
        assert_eq!(topic(&[("device", "sda"), ("uplink", "wan")]), "alert/CameraOffline/sda");
        assert_eq!(topic(&[("job", "vedette")]), "alert/CameraOffline/node");
    }
}
