//! A node as far as brokers see it: the real store, couriers, and alarms as the test decides.

use crate::support::brokers::{Broker, SOON};
use crate::support::wait;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use vedette::base::clock::{Boot, Clock, Sim, Wall, Window};
use vedette::base::pulse::Pulses;
use vedette::base::quit::{self, Quitter};
use vedette::metric::alarm::{Alarm, Message, Phase, Stamp, Transition};
use vedette::metric::book::Book;
use vedette::metric::labels::Labels;
use vedette::metric::latest::Latest;
use vedette::metric::ledger::Ledger;
use vedette::metric::report::Report;
use vedette::sink::mqtt::compose::Alerts;
use vedette::sink::mqtt::metrics::Meters;
use vedette::sink::mqtt::run::Courier;
use vedette::sink::mqtt::settings::read;
use vedette::store::{self, Commit, Dirs, Events, Store};
use vedette::world::broker::Mqtt;
use vedette::world::clock::System;

/// Wall time of second 0, in milliseconds: 2026-01-01T00:00:00Z.
pub const EPOCH: i64 = 1_767_225_600_000;

/// The waits of its couriers between connections pass only when the test says so.
pub struct Node {
    pub sim: Sim,
    pub events: Events,
    pub quitter: Quitter,
    pub couriers: Vec<JoinHandle<()>>,
    ledger: Ledger,
    book: Book,
    meters: BTreeMap<String, Meters>,
    alerts: Alerts,
    store: Store,
    dir: Arc<TempDir>,
}

impl Node {
    pub async fn start(config: &str) -> Self {
        Node::on(Arc::new(TempDir::new().unwrap()), config).await
    }

    pub async fn local(broker: &Broker, more: &str) -> Self {
        Node::start(&format!("[[mqtt]]\nname = \"local\"\nurl = \"mqtt://127.0.0.1:{}\"\n{more}\n", broker.port)).await
    }

    /// On the disk of a node that was there before.
    pub async fn on(dir: Arc<TempDir>, config: &str) -> Self {
        let (settings, mistakes) = vedette::base::settings::read(config, |root| read(&root));
        assert_eq!(mistakes, []);
        let (store, events) = open(dir.path());
        events.sinks(&settings.iter().map(|s| s.name.clone()).collect::<Vec<_>>()).await;
        let mut alerts = Alerts::new("nvr-1");
        alerts.restore(&events.states().await);
        let (sim, ledger, book) = (Sim::new(), Ledger::default(), Book::default());
        let (quitter, quit) = quit::pair();
        let mut meters = BTreeMap::new();
        let mut couriers = Vec::new();
        for settings in settings {
            let counts = Meters::open(&book, &settings.name);
            meters.insert(settings.name.clone(), counts.clone());
            let courier = Courier {
                settings,
                node: "nvr-1".into(),
                outbox: events.clone(),
                dial: Arc::new(Mqtt),
                ledger: ledger.clone(),
                meters: counts,
                clock: sim.clock(),
            };
            couriers.push(tokio::spawn(courier.run(quit.clone())));
        }
        Node { sim, events, quitter, couriers, ledger, book, meters, alerts, store, dir }
    }

    /// Cut off: no courier says good-bye. Returns what is left, the disk.
    pub async fn die(self) -> Arc<TempDir> {
        for courier in self.couriers {
            courier.abort();
            let _aborted = courier.await;
        }
        self.events.close().await;
        self.store.close().await;
        self.dir
    }

    /// An alarm of `camera` fires or is resolved, `at` seconds after the epoch.
    pub async fn alarm(&mut self, camera: &str, phase: Phase, at: u64) {
        self.storm(&[(camera, phase, at)]).await;
    }

    /// Many alarms, decided at one tick.
    pub async fn storm(&mut self, alarms: &[(&str, Phase, u64)]) {
        let transitions: Vec<_> = alarms.iter().map(|(camera, phase, at)| transition(camera, *phase, *at)).collect();
        let messages = self.alerts.compose(&transitions, || self.events.reserve());
        let alarms = transitions.iter().map(|t| t.alarm.clone()).collect();
        self.events.commit(Commit { alarms, transitions, messages, ..Commit::default() }).await.unwrap();
    }

    pub async fn send(&self, message: Message) {
        self.events.commit(Commit { messages: vec![message], ..Commit::default() }).await.unwrap();
    }

    /// Rows that wait for this broker.
    pub async fn waiting(&self, broker: &str) -> usize {
        self.events.waiting(broker, 0, 10_000).await.len()
    }

    /// Waits until nothing waits for this broker. Time between connections passes.
    pub async fn drained(&self, broker: &str) {
        let events = self.events.clone();
        let empty = || async { events.waiting(broker, 0, 1).await.is_empty() };
        tokio::task::block_in_place(|| {
            let now = tokio::runtime::Handle::current();
            wait("the outbox to drain", SOON, || {
                self.sim.advance(Duration::from_secs(1));
                now.block_on(empty()).then_some(())
            });
        });
    }

    /// Waits until the broker is connected or away.
    pub fn connected(&self, broker: &str, connected: bool) {
        wait(&format!("{broker} connected = {connected}"), SOON, || {
            (self.ledger.brokers().get(broker) == Some(&connected)).then_some(())
        });
    }

    /// Lets the time between connections pass until the broker is connected.
    pub fn reconnected(&self, broker: &str) {
        wait(&format!("{broker} connected again"), SOON, || {
            self.sim.advance(Duration::from_secs(1));
            (self.ledger.brokers().get(broker) == Some(&true)).then_some(())
        });
    }

    pub fn meter(&self, name: &str) -> f64 {
        let at = self.sim.clock().boot();
        let mut report = Report::new(Window { from: at, to: at });
        self.meters.values().for_each(|m| m.fill(&mut report));
        let mut latest = Latest::new(self.book.clone());
        latest.apply(&report);
        let snapshot = latest.snapshot(self.sim.clock().now());
        let row = snapshot.rows.iter().find(|r| format!("{}{}", r.meta.family.name, r.meta.labels) == name);
        row.unwrap_or_else(|| panic!("{name} is not exported")).value
    }

    /// Connections lost or refused for this reason.
    pub fn lost(&self, broker: &str, reason: &str) -> f64 {
        self.meter(&format!("vedette_mqtt_disconnects_total{{broker=\"{broker}\",reason=\"{reason}\"}}"))
    }
}

fn open(dir: &Path) -> (Store, Events) {
    let dirs = Dirs { state: dir.join("state"), runtime: dir.join("run") };
    Store::open(&dirs, store::Settings::default(), Clock::new(System), "b007".into(), &Pulses::default()).unwrap()
}

fn transition(camera: &str, phase: Phase, at: u64) -> Transition {
    let stamp = |secs: u64| Stamp {
        wall: Wall::from_millis(EPOCH + secs as i64 * 1000),
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
        missing: None,
        resolved: (phase == Phase::Resolved).then(|| stamp(at)),
    };
    Transition { alarm, at: stamp(at) }
}
