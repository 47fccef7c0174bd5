//! The courier and mosquitto: nothing lost, nothing out of order, whoever dies.

use crate::support::brokers::{Broker, Heard, SOON, Subscriber, add_user, authority};
use crate::support::wait;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use vedette::base::clock::{Boot, Sim, Wall, Window};
use vedette::base::quit::{self, Quitter};
use vedette::base::settings;
use vedette::metric::alarm::{Alarm, Fate, Message, Phase, Stamp, Transition};
use vedette::metric::book::Book;
use vedette::metric::labels::Labels;
use vedette::metric::latest::Latest;
use vedette::metric::ledger::Ledger;
use vedette::metric::report::Report;
use vedette::sink::mqtt::compose::Alerts;
use vedette::sink::mqtt::metrics::Meters;
use vedette::sink::mqtt::run::{Courier, Outbox, Row};
use vedette::sink::mqtt::settings::read;
use vedette::world::broker::Mqtt;

/// An outbox in memory, with a cursor per broker.
#[derive(Clone)]
struct Rows {
    rows: Arc<Mutex<Vec<Message>>>,
    cursors: Arc<Mutex<BTreeMap<String, u64>>>,
    newest: Arc<watch::Sender<u64>>,
}

impl Rows {
    fn new() -> Self {
        Rows { rows: Arc::default(), cursors: Arc::default(), newest: Arc::new(watch::Sender::new(0)) }
    }
    fn add(&self, messages: impl IntoIterator<Item = Message>) {
        let mut rows = self.rows.lock().unwrap();
        rows.extend(messages);
        self.newest.send_replace(rows.len() as u64);
    }
    fn cursor(&self, sink: &str) -> u64 {
        self.cursors.lock().unwrap().get(sink).copied().unwrap_or(0)
    }
    fn len(&self) -> u64 {
        self.rows.lock().unwrap().len() as u64
    }
    fn drained(&self, sink: &str) {
        wait("the outbox to drain", SOON, || (self.cursor(sink) == self.len()).then_some(()));
    }
}

impl Outbox for Rows {
    async fn waiting(&self, sink: &str, after: u64, most: usize) -> Vec<Row> {
        let after = after.max(self.cursor(sink));
        let rows = self.rows.lock().unwrap();
        let numbered = rows.iter().enumerate().map(|(n, message)| Row { id: n as u64 + 1, message: message.clone() });
        numbered.filter(|row| row.id > after).take(most).collect()
    }
    async fn done(&self, sink: &str, ids: Vec<u64>) {
        let last = ids.last().copied().expect("never nothing");
        self.cursors.lock().unwrap().insert(sink.to_owned(), last);
    }
    async fn states(&self) -> Vec<Message> {
        let mut states = BTreeMap::new();
        for message in self.rows.lock().unwrap().iter().filter(|m| m.retain) {
            states.insert(message.topic.clone(), message.clone());
        }
        states.into_values().filter(|m| !m.payload.is_empty()).collect()
    }
    fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }
}

/// A node whose waits between connections pass only when the test says so.
struct Node {
    sim: Sim,
    rows: Rows,
    ledger: Ledger,
    book: Book,
    meters: BTreeMap<String, Meters>,
    alerts: Mutex<(Alerts, u64)>,
    quitter: Quitter,
    couriers: Vec<JoinHandle<()>>,
}

impl Node {
    fn start(config: &str) -> Self {
        let (settings, mistakes) = settings::read(config, |root| read(&root));
        assert_eq!(mistakes, []);
        let (sim, rows, ledger, book) = (Sim::new(), Rows::new(), Ledger::default(), Book::default());
        let (quitter, quit) = quit::pair();
        let mut meters = BTreeMap::new();
        let mut couriers = Vec::new();
        for settings in settings {
            let counts = Meters::open(&book, &settings.name);
            meters.insert(settings.name.clone(), counts.clone());
            let courier = Courier {
                settings,
                node: "nvr-1".into(),
                outbox: rows.clone(),
                dial: Arc::new(Mqtt),
                ledger: ledger.clone(),
                meters: counts,
                clock: sim.clock(),
            };
            couriers.push(tokio::spawn(courier.run(quit.clone())));
        }
        let alerts = Mutex::new((Alerts::new("nvr-1"), 0));
        Node { sim, rows, ledger, book, meters, alerts, quitter, couriers }
    }

    fn local(broker: &Broker, more: &str) -> Self {
        Node::start(&format!("[[mqtt]]\nname = \"local\"\nurl = \"mqtt://127.0.0.1:{}\"\n{more}\n", broker.port))
    }

    /// An alarm of `camera` fires or is resolved, `at` seconds after the node came up.
    fn alarm(&self, camera: &str, phase: Phase, at: u64) {
        let stamp = |secs: u64| Stamp {
            wall: Wall::from_millis(1_767_225_600_000 + secs as i64 * 1000),
            boot: Boot::from_secs(10 + secs),
            boot_id: "b007".into(),
            trusted: true,
        };
        let alarm = Alarm {
            rule: "CameraOffline".into(),
            labels: Labels::new([("alertname", "CameraOffline"), ("camera_id", camera)]),
            annotations: Labels::new([("summary", "gone")]),
            value: 0.0,
            phase,
            active: stamp(0),
            fired: Some(stamp(at)),
            resolved: (phase == Phase::Resolved).then(|| stamp(at)),
        };
        let mut alerts = self.alerts.lock().unwrap();
        let (alerts, seq) = &mut *alerts;
        let next = || {
            *seq += 1;
            *seq
        };
        self.rows.add(alerts.compose(&[Transition { alarm, at: stamp(at) }], next));
    }

    /// Waits until the broker is connected or away.
    fn connected(&self, broker: &str, connected: bool) {
        wait(&format!("{broker} connected = {connected}"), SOON, || {
            (self.ledger.brokers().get(broker) == Some(&connected)).then_some(())
        });
    }

    /// Lets the time between connections pass until the broker is connected.
    fn reconnected(&self, broker: &str) {
        wait(&format!("{broker} connected again"), SOON, || {
            self.sim.advance(Duration::from_secs(1));
            (self.ledger.brokers().get(broker) == Some(&true)).then_some(())
        });
    }

    fn meter(&self, name: &str) -> f64 {
        let at = self.sim.clock().boot();
        let mut report = Report::new(Window { from: at, to: at });
        self.meters.values().for_each(|m| m.fill(&mut report));
        let mut latest = Latest::new(self.book.clone());
        latest.apply(&report);
        let snapshot = latest.snapshot(self.sim.clock().now());
        let row = snapshot.rows.iter().find(|r| format!("{}{}", r.meta.family.name, r.meta.labels) == name);
        row.unwrap_or_else(|| panic!("{name} is not exported")).value
    }

    fn lost(&self, broker: &str, reason: &str) -> f64 {
        self.meter(&format!("vedette_mqtt_disconnects_total{{broker=\"{broker}\",reason=\"{reason}\"}}"))
    }
}

const STATUS: &str = "vedette/nvr-1/status";
const EVENT: &str = "vedette/nvr-1/event";

fn json(payload: &str) -> Value {
    serde_json::from_str(payload).unwrap_or_else(|e| panic!("{payload:?}: {e}"))
}

/// Sequence numbers of the events, in order, repeats dropped as a subscriber would. Each names the one before.
fn sequence(events: &[String]) -> Vec<u64> {
    let mut ids = BTreeSet::new();
    let mut last = None;
    let fresh = events.iter().map(|e| json(e)).filter(|e| ids.insert(e["id"].as_str().unwrap().to_owned()));
    fresh
        .map(|event| {
            assert_eq!(event["prev"].as_u64(), last, "an event is missing before {event}");
            last = event["seq"].as_u64();
            last.unwrap()
        })
        .collect()
}

fn retained(broker: &Broker, arguments: &[&str], enough: usize) -> BTreeMap<String, String> {
    let late = Subscriber::with(broker.port, arguments);
    let heard: Vec<Heard> = late.until("retained states", |h| (h.len() >= enough).then(|| h.to_vec()));
    assert!(heard.iter().all(|h| h.retained), "{heard:?}");
    heard.into_iter().map(|h| (h.topic, h.payload)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_is_a_retained_state_and_an_event_until_it_is_resolved() {
    let broker = Broker::open();
    let ear = Subscriber::new(&broker);
    let node = Node::local(&broker, "");
    node.alarm("yard", Phase::Firing, 5);
    node.alarm("gate", Phase::Firing, 6);
    node.rows.drained("local");
    let states = retained(&broker, &[], 3);
    assert_eq!(states[STATUS], "online");
    let yard = json(&states["vedette/nvr-1/alert/CameraOffline/yard"]);
    assert_eq!((&yard["phase"], &yard["ts"]), (&"firing".into(), &"2026-01-01T00:00:05.000Z".into()));

    node.alarm("yard", Phase::Resolved, 9);
    node.rows.drained("local");
    let states = retained(&broker, &[], 2);
    assert_eq!(states.len(), 2, "{states:?}");
    ear.until("three events", |h| (h.iter().filter(|h| h.topic == EVENT).count() == 3).then_some(()));
    let events = ear.on(EVENT);
    assert_eq!(sequence(&events), [1, 2, 3]);
    assert_eq!(
        (&json(&events[2])["phase"], &json(&events[2])["fingerprint"]),
        (&"resolved".into(), &yard["fingerprint"])
    );
    assert_eq!(ear.heard()[0], Heard { topic: STATUS.into(), payload: "online".into(), retained: false });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_killed_in_mid_stream_gets_every_event_in_order_and_its_retained_states_back() {
    let mut broker = Broker::open();
    let ear = Subscriber::new(&broker);
    let node = Node::local(&broker, "");
    node.connected("local", true);
    let mut at = 0;
    for round in 1..=4 {
        let first = at + 1;
        while at < 300 * round {
            at += 1;
            node.alarm(&format!("cam{}", at % 7), if at % 2 == 0 { Phase::Resolved } else { Phase::Firing }, at);
        }
        let mark = format!("\"seq\":{first},");
        ear.until("the stream to run", |h| h.iter().any(|h| h.payload.contains(&mark)).then_some(()));
        broker.kill();
        node.connected("local", false);
        assert!(node.rows.cursor("local") < node.rows.len(), "it died in mid-stream");
        broker.start();
        ear.subscribed(1 + round as usize);
        node.reconnected("local");
    }
    node.rows.drained("local");
    let events = wait("every event", SOON, || {
        let events = ear.on(EVENT);
        (sequence(&events).len() == 1200).then_some(events)
    });
    assert_eq!(sequence(&events), (1..=1200).collect::<Vec<_>>());
    let expected: BTreeSet<_> = Outbox::states(&node.rows)
        .await
        .into_iter()
        .map(|m| format!("vedette/nvr-1/{}", m.topic))
        .chain([STATUS.to_owned()])
        .collect();
    let states = retained(&broker, &[], expected.len());
    assert_eq!(states.keys().cloned().collect::<BTreeSet<_>>(), expected);
    assert!(node.meter("vedette_mqtt_acked_total{broker=\"local\"}") >= 1200.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_was_wiped_while_nothing_happened_gets_the_retained_states_again() {
    let mut broker = Broker::open();
    let node = Node::local(&broker, "");
    node.alarm("yard", Phase::Firing, 5);
    node.rows.drained("local");
    broker.kill();
    node.connected("local", false);
    broker.start();
    node.reconnected("local");
    let states = retained(&broker, &[], 2);
    assert_eq!(json(&states["vedette/nvr-1/alert/CameraOffline/yard"])["id"], "nvr-1-1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_is_offline_by_its_will_and_one_that_stops_by_its_good_bye() {
    let broker = Broker::open();
    let ear = Subscriber::new(&broker);
    let node = Node::local(&broker, "");
    node.connected("local", true);
    node.couriers[0].abort();
    ear.until("the will", |h| h.last().is_some_and(|h| h.payload == "offline").then_some(()));

    let node = Node::local(&broker, "");
    node.connected("local", true);
    node.alarm("yard", Phase::Firing, 5);
    node.quitter.quit();
    wait("the courier to end", SOON, || node.couriers[0].is_finished().then_some(()));
    assert!(node.rows.cursor("local") == 2, "what was waiting went first");
    ear.until("the good-bye", |h| (h.iter().filter(|h| h.payload == "offline").count() == 2).then_some(()));
    assert_eq!(ear.on(STATUS), ["online", "offline", "online", "offline"]);
    assert_eq!(ear.heard().last().unwrap().payload, "offline");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_told_as_such_and_a_corrected_one_needs_no_restart() {
    let broker = Broker::locked("vedette", "canary-right");
    let file = broker.path("password");
    std::fs::write(&file, "canary-wrong\n").unwrap();
    let node = Node::local(&broker, &format!("username = \"vedette\"\npassword_file = \"{}\"", file.display()));
    wait("the refusal", SOON, || (node.lost("local", "auth") == 1.0).then_some(()));
    assert_eq!(node.meter("vedette_mqtt_connected{broker=\"local\"}"), 0.0);
    std::fs::write(&file, "canary-right\n").unwrap();
    node.sim.advance(Duration::from_secs(60));
    node.connected("local", true);
    node.alarm("yard", Phase::Firing, 5);
    node.rows.drained("local");
    assert_eq!(retained(&broker, &["-u", "vedette", "-P", "canary-right"], 2).len(), 2);

    std::fs::remove_file(&file).unwrap();
    let node = Node::local(&broker, &format!("username = \"vedette\"\npassword_file = \"{}\"", file.display()));
    wait("the missing file", SOON, || (node.lost("local", "file") == 1.0).then_some(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_trusts_the_authority_it_was_given_and_no_other() {
    let broker = Broker::tls(false);
    let foreign = tempfile::TempDir::new().unwrap();
    authority(foreign.path());
    let config = |name: &str, host: &str, ca: String| {
        format!("[[mqtt]]\nname = \"{name}\"\nurl = \"mqtts://{host}:{}\"\n{ca}\n", broker.port)
    };
    let own = format!("ca_file = \"{}\"", broker.path("ca.pem").display());
    let other = format!("ca_file = \"{}\"", foreign.path().join("ca.pem").display());
    let node = Node::start(
        &[
            config("own", "localhost", own.clone()),
            config("foreign", "localhost", other),
            config("system", "localhost", String::new()),
            config("othername", "127.0.0.1", own),
        ]
        .concat(),
    );
    node.connected("own", true);
    for name in ["foreign", "system", "othername"] {
        wait("the refusal", SOON, || (node.lost(name, "tls") >= 1.0).then_some(()));
    }
    node.alarm("yard", Phase::Firing, 5);
    node.rows.drained("own");
    assert_eq!(node.rows.cursor("foreign"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_asks_for_a_certificate_gets_ours() {
    let broker = Broker::tls(true);
    let at = |name: &str| broker.path(name).display().to_string();
    let base = format!("url = \"mqtts://localhost:{}\"\nca_file = \"{}\"\n", broker.port, at("ca.pem"));
    let own = format!("cert_file = \"{}\"\nkey_file = \"{}\"\n", at("client.pem"), at("client.key"));
    let node = Node::start(&format!("[[mqtt]]\nname = \"with\"\n{base}{own}[[mqtt]]\nname = \"without\"\n{base}"));
    node.connected("with", true);
    wait("the refusal", SOON, || (node.lost("without", "tls") + node.lost("without", "closed") >= 1.0).then_some(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_centre_away_the_local_broker_hears_at_once_and_the_centre_later_with_the_original_times() {
    let (local, mut centre) = (Broker::open(), Broker::open());
    let node = Node::start(&format!(
        "[[mqtt]]\nname = \"local\"\nurl = \"mqtt://127.0.0.1:{}\"\n[[mqtt]]\nname = \"centre\"\nurl = \"mqtt://127.0.0.1:{}\"\n",
        local.port, centre.port
    ));
    let (near, far) = (Subscriber::new(&local), Subscriber::new(&centre));
    node.connected("centre", true);
    node.alarm("yard", Phase::Firing, 1);
    node.rows.drained("centre");
    centre.kill();
    node.connected("centre", false);
    for at in 2..=101 {
        let phase = if at % 2 == 0 { Phase::Resolved } else { Phase::Firing };
        node.alarm("yard", phase, at);
        let events = at as usize;
        near.until("the local alarm", |h| (h.iter().filter(|h| h.topic == EVENT).count() == events).then_some(()));
    }
    assert_eq!(node.rows.cursor("centre"), 2);
    centre.start();
    far.subscribed(2);
    node.reconnected("centre");
    node.rows.drained("centre");
    let events = wait("the centre's events", SOON, || {
        let events = far.on(EVENT);
        (sequence(&events).len() == 101).then_some(events)
    });
    assert_eq!(sequence(&events), (1..=101).collect::<Vec<_>>());
    assert_eq!(near.on(EVENT).last(), events.last(), "both brokers hear the same");
    for event in &events {
        let event = json(event);
        let secs = event["seq"].as_i64().unwrap();
        assert_eq!(event["ts"], Wall::from_millis(1_767_225_600_000 + secs * 1000).to_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_hangs_up_on_large_messages_gets_all_others() {
    let broker =
        Broker::with(|_, port| format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_packet_size 2000\n"));
    let ear = Subscriber::new(&broker);
    let node = Node::local(&broker, "");
    node.alarm("yard", Phase::Firing, 1);
    let large = Message { topic: "event".into(), payload: vec![b'x'; 3000], retain: false, fate: Fate::Event };
    node.rows.add([large]);
    node.alarm("yard", Phase::Resolved, 2);
    wait("the outbox to drain", SOON, || {
        node.sim.advance(Duration::from_secs(1));
        (node.rows.cursor("local") == node.rows.len()).then_some(())
    });
    assert_eq!(node.meter("vedette_mqtt_dropped_total{broker=\"local\",reason=\"refused\"}"), 1.0);
    ear.until("both events", |h| (h.iter().filter(|h| h.topic == EVENT).count() >= 2).then_some(()));
    assert_eq!(sequence(&ear.on(EVENT)), [1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_freezes_is_noticed_within_two_keep_alives() {
    let broker = Broker::open();
    let node = Node::local(&broker, "keep_alive = \"5s\"");
    node.connected("local", true);
    broker.freeze();
    node.connected("local", false);
    assert_eq!(node.lost("local", "timeout"), 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_a_broker_cannot_be_reached_is_told_apart() {
    let nobody = crate::support::free_port();
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let node = Node::start(&format!(
        concat!(
            "[[mqtt]]\nname = \"nobody\"\nurl = \"mqtt://127.0.0.1:{}\"\n",
            "[[mqtt]]\nname = \"noname\"\nurl = \"mqtt://broker.invalid\"\n",
            "[[mqtt]]\nname = \"mute\"\nurl = \"mqtt://127.0.0.1:{}\"\n",
            "[[mqtt]]\nname = \"six\"\nurl = \"mqtt://[::1]:{}\"\n",
        ),
        nobody,
        mute.local_addr().unwrap().port(),
        nobody,
    ));
    for (broker, reason) in [("nobody", "refused"), ("six", "refused"), ("noname", "dns"), ("mute", "timeout")] {
        wait(&format!("{broker}: {reason}"), SOON, || (node.lost(broker, reason) == 1.0).then_some(()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mosquitto_takes_the_sample_configuration_where_only_the_daemon_speaks() {
    let sample = std::fs::read_to_string("config/mosquitto/vedette.conf").unwrap();
    let lan = crate::support::free_port();
    let broker = Broker::with(|dir, port| {
        std::fs::copy("config/mosquitto/vedette.acl", dir.join("vedette.acl")).unwrap();
        add_user(&dir.join("vedette.passwd"), "vedette", "canary-a");
        add_user(&dir.join("vedette.passwd"), "siren", "canary-b");
        let text = sample.replace("/etc/mosquitto/vedette.", &format!("{}/vedette.", dir.display()));
        let text = text.replace("listener 1883 127.0.0.1", &format!("listener {port} 127.0.0.1"));
        assert!(text.contains(&format!("listener {port}")));
        text.replace("listener 1884 0.0.0.0", &format!("listener {lan} 127.0.0.1"))
    });
    let siren = Subscriber::with(lan, &["-u", "siren", "-P", "canary-b"]);
    let password = broker.path("password");
    let node = |user: &str, secret: &str| {
        std::fs::write(&password, secret).unwrap();
        Node::local(&broker, &format!("username = \"{user}\"\npassword_file = \"{}\"", password.display()))
    };
    let stranger = Node::local(&broker, "");
    wait("the stranger's refusal", SOON, || (stranger.lost("local", "auth") == 1.0).then_some(()));
    let impostor = node("siren", "canary-b");
    impostor.connected("local", true);
    impostor.alarm("fake", Phase::Firing, 5);
    impostor.rows.drained("local");
    impostor.quitter.quit();
    wait("the impostor to end", SOON, || impostor.couriers[0].is_finished().then_some(()));
    let daemon = node("vedette", "canary-a");
    daemon.connected("local", true);
    daemon.alarm("yard", Phase::Firing, 5);
    daemon.rows.drained("local");
    let heard = siren.until("the alarm", |h| h.iter().any(|h| h.topic == EVENT).then(|| h.to_vec()));
    assert!(heard.iter().all(|h| !h.payload.contains("fake")), "{heard:?}");
    assert_eq!(heard[0].payload, "online");
}
