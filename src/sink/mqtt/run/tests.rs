//! The courier against a scripted broker and a scripted outbox, on a simulated clock.

use super::*;
use crate::base::clock::{Sim, Wall, Window};
use crate::base::quit::{self, Quitter};
use crate::base::settings;
use crate::metric::alarm::{Fate, Stamp};
use crate::metric::book::Book;
use crate::metric::latest::Latest;
use crate::metric::report::Report;
use crate::store::Waiting;
use crate::world::broker::PACKET;
use crate::world::broker::script::Script;
use std::sync::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[derive(Clone, Default)]
struct Rows(Arc<Mutex<Vec<Waiting>>>, Arc<Mutex<u64>>, Arc<Mutex<Vec<Message>>>, Arc<watch::Sender<u64>>);

impl Rows {
    fn add(&self, topic: &str, payload: &str, retain: bool) -> u64 {
        let message = Message { topic: topic.into(), payload: payload.into(), retain, fate: Fate::Event };
        let mut rows = self.0.lock().unwrap();
        let id = rows.len() as u64 + 1;
        let at = Stamp { wall: Wall::default(), boot: Boot::default(), boot_id: "b007".into(), trusted: true };
        rows.push(Waiting { id, message, created: at });
        self.3.send_replace(id);
        id
    }
    fn events(&self, range: std::ops::RangeInclusive<u64>) {
        for n in range {
            self.add("event", &n.to_string(), false);
        }
    }
    fn passed(&self) -> u64 {
        *self.1.lock().unwrap()
    }
}

impl Outbox for Rows {
    async fn waiting(&self, _: &str, after: u64, most: usize) -> Vec<Waiting> {
        let after = after.max(self.passed());
        self.0.lock().unwrap().iter().filter(|row| row.id > after).take(most).cloned().collect()
    }
    async fn done(&self, _: &str, ids: Vec<u64>) {
        let mut cursor = self.1.lock().unwrap();
        for id in ids {
            assert_eq!(id, *cursor + 1, "rows are done in order");
            *cursor = id;
        }
    }
    async fn states(&self) -> Vec<Message> {
        self.2.lock().unwrap().clone()
    }
    fn newest(&self) -> watch::Receiver<u64> {
        self.3.subscribe()
    }
}

struct Bench {
    sim: Sim,
    rows: Rows,
    broker: Script,
    ledger: Ledger,
    book: Book,
    meters: Meters,
    quitter: Quitter,
    courier: JoinHandle<()>,
}

impl Bench {
    fn start() -> Self {
        Bench::with(Rows::default(), Script::default())
    }

    fn with(rows: Rows, broker: Script) -> Self {
        let (sim, ledger, book) = (Sim::new(), Ledger::default(), Book::default());
        let text = "[[mqtt]]\nname = \"local\"\nurl = \"mqtt://b\"\n";
        let (mut all, mistakes) = settings::read(text, |root| crate::sink::mqtt::settings::read(&root));
        assert_eq!(mistakes, []);
        let meters = Meters::open(&book, "local");
        let courier = Courier {
            settings: all.remove(0),
            node: "nvr-1".into(),
            outbox: rows.clone(),
            dial: Arc::new(broker.clone()),
            ledger: ledger.clone(),
            meters: meters.clone(),
            clock: sim.clock(),
        };
        let (quitter, quit) = quit::pair();
        Bench { sim, rows, broker, ledger, book, meters, quitter, courier: tokio::spawn(courier.run(quit)) }
    }

    /// Lets tasks run until `seen`; nothing here waits for real time.
    async fn until(&self, what: &str, seen: impl Fn(&Self) -> bool) {
        for _ in 0..10_000 {
            if seen(self) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("{what}: not seen; heard {:?}", self.heard());
    }

    /// Lets every task run until it waits.
    async fn rest(&self) {
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
    }

    fn connected(&self) -> bool {
        self.ledger.brokers().get("local") == Some(&true)
    }

    fn heard(&self) -> Vec<String> {
        let show = |n: &Note| {
            format!("{} {}", n.topic.trim_start_matches("vedette/nvr-1/"), String::from_utf8_lossy(&n.payload))
        };
        self.broker.heard().iter().map(show).collect()
    }

    fn meter(&self, name: &str) -> f64 {
        let at = self.sim.clock().boot();
        let mut report = Report::new(Window { from: at, to: at });
        self.meters.fill(&mut report);
        let mut latest = Latest::new(self.book.clone());
        latest.apply(&report);
        let snapshot = latest.snapshot(self.sim.clock().now());
        let row = |r: &&crate::metric::latest::Sample| format!("{}{}", r.meta.family.name, r.meta.labels) == name;
        snapshot.rows.iter().find(row).unwrap_or_else(|| panic!("{name} is not exported")).value
    }
}

#[tokio::test]
async fn rows_go_in_order_and_are_done_when_acknowledged_and_not_before() {
    let bench = Bench::start();
    bench.broker.hold();
    bench.rows.events(1..=40);
    bench.until("a full window", |b| b.heard().len() == WINDOW).await;
    bench.rest().await;
    assert_eq!((bench.heard().len(), bench.rows.passed()), (WINDOW, 0));
    bench.broker.release(true);
    bench.until("all done", |b| b.rows.passed() == 40).await;
    let expected: Vec<_> =
        ["status online".to_owned()].into_iter().chain((1..=40).map(|n| format!("event {n}"))).collect();
    assert_eq!(bench.heard(), expected);
    bench.rows.events(41..=41);
    bench.until("a row that came later", |b| b.rows.passed() == 41).await;
    assert_eq!(bench.meter("vedette_mqtt_acked_total{broker=\"local\"}"), 42.0);
}

#[tokio::test]
async fn what_was_not_acknowledged_goes_again_after_a_loss_behind_birth_and_retained_states() {
    let bench = Bench::start();
    let state = Message { topic: "alert/A/yard".into(), payload: b"{}".to_vec(), retain: true, fate: Fate::State };
    bench.rows.2.lock().unwrap().push(state);
    bench.until("connected", |b| b.connected()).await;
    bench.rest().await;
    bench.broker.hold();
    bench.rows.events(1..=2);
    bench.until("sent", |b| b.heard().ends_with(&["event 2".to_owned()])).await;
    bench.broker.wipe();
    bench.broker.down(Why::Refused);
    bench.until("lost", |b| !b.connected()).await;
    let before = bench.heard().len();
    bench.broker.up();
    bench.broker.release(false);
    bench.sim.advance(Duration::from_secs(1));
    bench.until("all done", |b| b.rows.passed() == 2).await;
    assert_eq!(bench.heard()[before - 1], "status offline", "the will");
    assert_eq!(bench.heard()[before..], ["status online", "alert/A/yard {}", "event 1", "event 2"]);
    assert_eq!(bench.broker.retained().len(), 2);
    assert_eq!(bench.meter("vedette_mqtt_disconnects_total{broker=\"local\",reason=\"refused\"}"), 1.0);
}

#[tokio::test]
async fn a_refused_login_is_tried_again_after_a_minute_and_not_after_a_second() {
    let broker = Script::default();
    broker.down(Why::Auth);
    let bench = Bench::with(Rows::default(), broker);
    bench.until("the first call", |b| b.broker.dialled() == 1).await;
    bench.rest().await;
    bench.sim.advance(Duration::from_secs(39));
    bench.rest().await;
    assert_eq!(bench.broker.dialled(), 1);
    bench.sim.advance(Duration::from_secs(21));
    bench.until("the second call", |b| b.broker.dialled() == 2).await;
    assert_eq!(bench.meter("vedette_mqtt_disconnects_total{broker=\"local\",reason=\"auth\"}"), 2.0);
    assert_eq!(bench.meter("vedette_mqtt_connected{broker=\"local\"}"), 0.0);
}

#[tokio::test]
async fn calls_to_a_broker_that_is_away_back_off_to_half_a_minute() {
    let broker = Script::default();
    broker.down(Why::Refused);
    let bench = Bench::with(Rows::default(), broker);
    bench.rest().await;
    for _ in 0..600 {
        bench.sim.advance(Duration::from_secs(1));
        bench.rest().await;
    }
    let calls = bench.broker.dialled();
    assert!((20..=36).contains(&calls), "{calls} calls in 10 minutes");
}

#[tokio::test]
async fn a_message_that_is_too_large_is_passed_and_counted_and_holds_up_nobody() {
    let bench = Bench::start();
    for _ in 0..WINDOW + 1 {
        bench.rows.add("event", &"x".repeat(PACKET), false);
    }
    bench.rows.add("event", "after", false);
    bench.until("all done", |b| b.rows.passed() == WINDOW as u64 + 2).await;
    assert_eq!(bench.heard(), ["status online", "event after"]);
    assert_eq!(bench.meter("vedette_mqtt_dropped_total{broker=\"local\",reason=\"too_large\"}"), WINDOW as f64 + 1.0);
}

#[tokio::test]
async fn a_message_that_the_broker_hangs_up_on_is_given_up_after_five_times() {
    let bench = Bench::start();
    bench.broker.choke_on("vedette/nvr-1/alert/A/poison");
    bench.rows.events(1..=3);
    bench.rows.add("alert/A/poison", "{}", true);
    bench.rows.events(5..=6);
    for _ in 0..200 {
        bench.rest().await;
        bench.sim.advance(Duration::from_secs(1));
    }
    bench.until("all done", |b| b.rows.passed() == 6).await;
    assert_eq!(bench.broker.dialled(), 6);
    let events: Vec<_> = bench.heard().into_iter().filter(|h| h.starts_with("event")).collect();
    assert_eq!(events, ["event 1", "event 2", "event 3", "event 5", "event 6"]);
    assert_eq!(bench.meter("vedette_mqtt_dropped_total{broker=\"local\",reason=\"refused\"}"), 1.0);
}

#[tokio::test]
async fn quit_drains_what_waits_says_offline_and_lets_the_will_lie() {
    let bench = Bench::start();
    bench.until("connected", |b| b.connected()).await;
    bench.rows.events(1..=30);
    bench.quitter.quit();
    bench.until("ended", |b| b.courier.is_finished()).await;
    assert_eq!(bench.rows.passed(), 30);
    let heard = bench.heard();
    assert_eq!(heard[heard.len() - 2..], ["event 30", "status offline"]);
    assert_eq!(heard.iter().filter(|h| *h == "status offline").count(), 1);
    assert!(!bench.connected());
}

#[tokio::test]
async fn quit_does_not_wait_for_a_broker_that_does_not_answer() {
    let bench = Bench::start();
    bench.until("connected", |b| b.connected()).await;
    bench.broker.hold();
    bench.rows.events(1..=3);
    bench.until("sent", |b| b.heard().len() == 4).await;
    bench.quitter.quit();
    bench.rest().await;
    bench.sim.advance(DRAIN);
    bench.rest().await;
    assert!(!bench.courier.is_finished(), "the good-bye has its own time");
    bench.sim.advance(GOODBYE);
    bench.until("ended", |b| b.courier.is_finished()).await;
    assert_eq!(bench.rows.passed(), 0);
}
