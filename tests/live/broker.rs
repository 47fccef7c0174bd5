//! The courier and mosquitto: nothing lost, nothing out of order, whoever dies.

mod node;

use crate::support::brokers::{Broker, Heard, SOON, Subscriber, add_user, authority};
use crate::support::{free_port, wait};
use node::{EPOCH, Node};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use vedette::base::clock::Wall;
use vedette::metric::alarm::{Fate, Message, Phase};

const STATUS: &str = "vedette/nvr-1/status";
const EVENT: &str = "vedette/nvr-1/event";

fn json(payload: &str) -> Value {
    serde_json::from_str(payload).unwrap_or_else(|e| panic!("{payload:?}: {e}"))
}

/// Times of the events, in order, repeats dropped as a subscriber would. Each event names the one before,
/// except the first of a daemon's life.
fn times(events: &[String]) -> Vec<String> {
    let mut ids = BTreeSet::new();
    let mut last = None;
    let fresh = events.iter().map(|e| json(e)).filter(|e| ids.insert(e["id"].as_str().unwrap().to_owned()));
    fresh
        .map(|event| {
            let follows = event["prev"].is_null() || last.is_none() || event["prev"].as_u64() == last;
            assert!(follows, "an event is missing before {event}");
            last = event["seq"].as_u64();
            event["ts"].as_str().unwrap().to_owned()
        })
        .collect()
}

/// The times of these seconds.
fn at(secs: std::ops::RangeInclusive<i64>) -> Vec<String> {
    secs.map(|secs| Wall::from_millis(EPOCH + secs * 1000).to_string()).collect()
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
    let mut node = Node::local(&broker, "").await;
    node.alarm("yard", Phase::Firing, 5).await;
    node.alarm("gate", Phase::Firing, 6).await;
    node.drained("local").await;
    let states = retained(&broker, &[], 3);
    assert_eq!(states[STATUS], "online");
    let yard = json(&states["vedette/nvr-1/alert/CameraOffline/yard"]);
    assert_eq!((&yard["phase"], &yard["ts"]), (&"firing".into(), &"2026-01-01T00:00:05.000Z".into()));

    node.alarm("yard", Phase::Resolved, 9).await;
    node.drained("local").await;
    let states = retained(&broker, &[], 2);
    assert_eq!(states.len(), 2, "{states:?}");
    ear.until("three events", |h| (h.iter().filter(|h| h.topic == EVENT).count() == 3).then_some(()));
    let events = ear.on(EVENT);
    assert_eq!(times(&events), [at(5..=5), at(6..=6), at(9..=9)].concat());
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
    let mut node = Node::local(&broker, "").await;
    node.connected("local", true);
    let names: Vec<_> = (0..7).map(|n| format!("cam{n}")).collect();
    for round in 0..4 {
        let burst: Vec<_> = (1..=300)
            .map(|n| {
                (
                    names[n % 7].as_str(),
                    if n / 7 % 2 == 0 { Phase::Firing } else { Phase::Resolved },
                    round * 300 + n as u64,
                )
            })
            .collect();
        node.storm(&burst).await;
        let mark = &at(round as i64 * 300 + 1..=round as i64 * 300 + 1)[0];
        ear.until("the burst to run", |h| h.iter().any(|h| h.payload.contains(mark)).then_some(()));
        broker.kill();
        node.connected("local", false);
        assert_ne!(node.waiting("local").await, 0, "it died in mid-stream");
        broker.start();
        ear.subscribed(2 + round as usize);
        node.reconnected("local");
    }
    node.drained("local").await;
    let events = wait("every event", SOON, || {
        let events = ear.on(EVENT);
        (times(&events).len() == 1200).then_some(events)
    });
    assert_eq!(times(&events), at(1..=1200));
    let expected: BTreeSet<_> = node
        .events
        .states()
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
    let mut node = Node::local(&broker, "").await;
    node.alarm("yard", Phase::Firing, 5).await;
    node.drained("local").await;
    broker.kill();
    node.connected("local", false);
    broker.start();
    node.reconnected("local");
    let states = retained(&broker, &[], 2);
    assert_eq!(json(&states["vedette/nvr-1/alert/CameraOffline/yard"])["ts"], at(5..=5)[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_is_offline_by_its_will_and_one_that_stops_by_its_good_bye() {
    let broker = Broker::open();
    let ear = Subscriber::new(&broker);
    let node = Node::local(&broker, "").await;
    node.connected("local", true);
    node.couriers[0].abort();
    ear.until("the will", |h| h.last().is_some_and(|h| h.payload == "offline").then_some(()));

    let mut node = Node::local(&broker, "").await;
    node.connected("local", true);
    node.alarm("yard", Phase::Firing, 5).await;
    node.quitter.quit();
    wait("the courier to end", SOON, || node.couriers[0].is_finished().then_some(()));
    assert_eq!(node.waiting("local").await, 0, "what was waiting went first");
    ear.until("the good-bye", |h| (h.iter().filter(|h| h.payload == "offline").count() == 2).then_some(()));
    assert_eq!(ear.on(STATUS), ["online", "offline", "online", "offline"]);
    assert_eq!(ear.heard().last().unwrap().payload, "offline");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_told_as_such_and_a_corrected_one_needs_no_restart() {
    let broker = Broker::locked("vedette", "canary-right");
    let file = broker.path("password");
    std::fs::write(&file, "canary-wrong\n").unwrap();
    let mut node =
        Node::local(&broker, &format!("username = \"vedette\"\npassword_file = \"{}\"", file.display())).await;
    wait("the refusal", SOON, || (node.lost("local", "auth") == 1.0).then_some(()));
    assert_eq!(node.meter("vedette_mqtt_connected{broker=\"local\"}"), 0.0);
    std::fs::write(&file, "canary-right\n").unwrap();
    node.sim.advance(Duration::from_secs(60));
    node.connected("local", true);
    node.alarm("yard", Phase::Firing, 5).await;
    node.drained("local").await;
    assert_eq!(retained(&broker, &["-u", "vedette", "-P", "canary-right"], 2).len(), 2);

    std::fs::remove_file(&file).unwrap();
    let node = Node::local(&broker, &format!("username = \"vedette\"\npassword_file = \"{}\"", file.display())).await;
    wait("the missing file", SOON, || (node.lost("local", "file") == 1.0).then_some(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_trusts_the_authority_it_was_given_and_no_other_by_name_or_by_ipv6_address() {
    let broker = Broker::tls(false);
    let foreign = tempfile::TempDir::new().unwrap();
    authority(foreign.path());
    let config = |name: &str, host: &str, ca: String| {
        format!("[[mqtt]]\nname = \"{name}\"\nurl = \"mqtts://{host}:{}\"\n{ca}\n", broker.port)
    };
    let own = format!("ca_file = \"{}\"", broker.path("ca.pem").display());
    let other = format!("ca_file = \"{}\"", foreign.path().join("ca.pem").display());
    let mut node = Node::start(
        &[
            config("own", "localhost", own.clone()),
            config("address", "[::1]", own.clone()),
            config("foreign", "localhost", other),
            config("system", "localhost", String::new()),
            config("othername", "127.0.0.1", own),
        ]
        .concat(),
    )
    .await;
    node.connected("own", true);
    node.connected("address", true);
    for name in ["foreign", "system", "othername"] {
        wait("the refusal", SOON, || (node.lost(name, "tls") >= 1.0).then_some(()));
    }
    node.alarm("yard", Phase::Firing, 5).await;
    node.drained("own").await;
    node.drained("address").await;
    assert_eq!(node.waiting("foreign").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_asks_for_a_certificate_gets_ours() {
    let broker = Broker::tls(true);
    let at = |name: &str| broker.path(name).display().to_string();
    let base = format!("url = \"mqtts://localhost:{}\"\nca_file = \"{}\"\n", broker.port, at("ca.pem"));
    let own = format!("cert_file = \"{}\"\nkey_file = \"{}\"\n", at("client.pem"), at("client.key"));
    let node =
        Node::start(&format!("[[mqtt]]\nname = \"with\"\n{base}{own}[[mqtt]]\nname = \"without\"\n{base}")).await;
    node.connected("with", true);
    wait("the refusal", SOON, || (node.lost("without", "tls") + node.lost("without", "closed") >= 1.0).then_some(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_centre_away_the_local_broker_hears_at_once_and_the_centre_later_with_the_original_times() {
    let (local, mut centre) = (Broker::open(), Broker::open());
    let mut node = Node::start(&format!(
        "[[mqtt]]\nname = \"local\"\nurl = \"mqtt://127.0.0.1:{}\"\n[[mqtt]]\nname = \"centre\"\nurl = \"mqtt://127.0.0.1:{}\"\n",
        local.port, centre.port
    )).await;
    let (near, far) = (Subscriber::new(&local), Subscriber::new(&centre));
    node.connected("centre", true);
    node.alarm("yard", Phase::Firing, 1).await;
    node.drained("centre").await;
    centre.kill();
    node.connected("centre", false);
    for n in 2..=101 {
        let phase = if n % 2 == 0 { Phase::Resolved } else { Phase::Firing };
        node.alarm("yard", phase, n).await;
        let events = n as usize;
        near.until("the local alarm", |h| (h.iter().filter(|h| h.topic == EVENT).count() == events).then_some(()));
    }
    assert_eq!(node.waiting("centre").await, 101, "100 events, and the state they left");
    centre.start();
    far.subscribed(2);
    node.reconnected("centre");
    node.drained("centre").await;
    let events = wait("the centre's events", SOON, || {
        let events = far.on(EVENT);
        (times(&events).len() == 101).then_some(events)
    });
    assert_eq!(times(&events), at(1..=101));
    assert_eq!(near.on(EVENT).last(), events.last(), "both brokers hear the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_broker_missed_survives_a_restart_of_the_node_and_is_cleared_where_it_was_set() {
    let mut broker = Broker::open();
    let config = format!("[[mqtt]]\nname = \"local\"\nurl = \"mqtt://127.0.0.1:{}\"\n", broker.port);
    let mut node = Node::start(&config).await;
    node.alarm("gate", Phase::Firing, 1).await;
    node.drained("local").await;
    broker.kill();
    node.connected("local", false);
    for (n, phase) in [(2, Phase::Firing), (3, Phase::Resolved), (4, Phase::Firing)] {
        node.alarm("yard", phase, n).await;
    }
    let disk = node.die().await;
    broker.start();
    let ear = Subscriber::new(&broker);
    let mut node = Node::on(disk, &config).await;
    node.alarm("gate", Phase::Resolved, 5).await;
    node.drained("local").await;
    let events = ear.until("four events", |h| {
        let events: Vec<_> = h.iter().filter(|h| h.topic == EVENT).map(|h| h.payload.clone()).collect();
        (events.len() == 4).then_some(events)
    });
    assert_eq!(times(&events), at(2..=5));
    let states = retained(&broker, &[], 2);
    assert_eq!(states.keys().collect::<Vec<_>>(), ["vedette/nvr-1/alert/CameraOffline/yard", STATUS]);
    assert_eq!(json(&states["vedette/nvr-1/alert/CameraOffline/yard"])["ts"], at(4..=4)[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_hangs_up_on_large_messages_gets_all_others() {
    let broker =
        Broker::with(|_, port| format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_packet_size 2000\n"));
    let ear = Subscriber::new(&broker);
    let mut node = Node::local(&broker, "").await;
    node.alarm("yard", Phase::Firing, 1).await;
    let large = Message { topic: "event".into(), payload: vec![b'x'; 3000], retain: false, fate: Fate::Event };
    node.send(large).await;
    node.alarm("yard", Phase::Resolved, 2).await;
    node.drained("local").await;
    assert_eq!(node.meter("vedette_mqtt_dropped_total{broker=\"local\",reason=\"refused\"}"), 1.0);
    ear.until("both events", |h| (h.iter().filter(|h| h.topic == EVENT).count() >= 2).then_some(()));
    assert_eq!(times(&ear.on(EVENT).into_iter().filter(|e| !e.starts_with('x')).collect::<Vec<_>>()), at(1..=2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_freezes_is_noticed_within_two_keep_alives() {
    let broker = Broker::open();
    let node = Node::local(&broker, "keep_alive = \"5s\"").await;
    node.connected("local", true);
    broker.freeze();
    node.connected("local", false);
    assert_eq!(node.lost("local", "timeout"), 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_a_broker_cannot_be_reached_is_told_apart() {
    let nobody = free_port();
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
    ))
    .await;
    for (broker, reason) in [("nobody", "refused"), ("six", "refused"), ("noname", "dns"), ("mute", "timeout")] {
        wait(&format!("{broker}: {reason}"), SOON, || (node.lost(broker, reason) == 1.0).then_some(()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mosquitto_takes_the_sample_configuration_where_only_the_daemon_speaks() {
    let sample = std::fs::read_to_string("config/mosquitto/vedette.conf").unwrap();
    let lan = free_port();
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
    let node = async |user: &str, secret: &str| {
        std::fs::write(&password, secret).unwrap();
        Node::local(&broker, &format!("username = \"{user}\"\npassword_file = \"{}\"", password.display())).await
    };
    let stranger = Node::local(&broker, "").await;
    wait("the stranger's refusal", SOON, || (stranger.lost("local", "auth") == 1.0).then_some(()));
    let mut impostor = node("siren", "canary-b").await;
    impostor.connected("local", true);
    impostor.alarm("fake", Phase::Firing, 5).await;
    impostor.drained("local").await;
    impostor.quitter.quit();
    wait("the impostor to end", SOON, || impostor.couriers[0].is_finished().then_some(()));
    let mut daemon = node("vedette", "canary-a").await;
    daemon.connected("local", true);
    daemon.alarm("yard", Phase::Firing, 5).await;
    daemon.drained("local").await;
    let heard = siren.until("the alarm", |h| h.iter().any(|h| h.topic == EVENT).then(|| h.to_vec()));
    assert!(heard.iter().all(|h| !h.payload.contains("fake")), "{heard:?}");
    assert_eq!(heard[0].payload, "online");
}
