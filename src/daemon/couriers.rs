//! One courier per broker, started and stopped as the configuration says.

use crate::base::clock::Clock;
use crate::base::quit::{self, Quitter};
use crate::metric::book::Book;
use crate::metric::ledger::Ledger;
use crate::metric::report::Report;
use crate::sink::mqtt::metrics::Meters;
use crate::sink::mqtt::run::Courier;
use crate::sink::mqtt::settings::Settings;
use crate::store::{Events, OutboxMeters};
use crate::world::World;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;

/// A courier drains for 1 s and says good-bye for 0.5 s; after this it is cut off.
const GOODBYE: Duration = Duration::from_millis(1800);

/// How long a start or a change of brokers waits for a disk that hangs; it must not hold up the cameras.
pub const DISK: Duration = Duration::from_secs(10);

struct Hired {
    settings: Settings,
    quitter: Quitter,
    task: JoinHandle<()>,
}

/// The series of one broker: what its courier did, and what waits for it.
struct Counts {
    courier: Meters,
    outbox: OutboxMeters,
}

/// All couriers at work.
pub struct Couriers {
    world: World,
    book: Book,
    ledger: Ledger,
    events: Events,
    node: Arc<str>,
    hired: BTreeMap<String, Hired>,
    meters: Arc<Mutex<BTreeMap<String, Counts>>>,
}

impl Couriers {
    pub fn new(world: World, book: Book, ledger: Ledger, events: Events, node: Arc<str>) -> Self {
        Couriers { world, book, ledger, events, node, hired: BTreeMap::new(), meters: Arc::default() }
    }

    /// Adds the couriers' counts to the hub's report, whoever is hired then.
    pub fn fill(&self) -> impl FnMut(&mut Report) + Send + 'static {
        let meters = self.meters.clone();
        move |report| {
            for counts in meters.lock().unwrap_or_else(|e| e.into_inner()).values() {
                counts.courier.fill(report);
                counts.outbox.fill(report);
            }
        }
    }

    /// Makes `wanted` the brokers that are served. A courier whose settings are unchanged is left alone, unless it has
    /// no connection: then it is started anew, so that a mended password file does not wait for a long back-off.
    pub async fn hire(&mut self, wanted: Vec<Settings>) {
        let names: Vec<_> = wanted.iter().map(|s| s.name.clone()).collect();
        let connected = self.ledger.brokers();
        let keeps = |hired: &Hired| {
            wanted.contains(&hired.settings) && connected.get(&hired.settings.name).copied().unwrap_or(false)
        };
        let (stay, gone) = std::mem::take(&mut self.hired).into_iter().partition(|(_, h)| keeps(h));
        self.hired = stay;
        end(&self.world.clock, gone).await;
        self.meters.lock().unwrap_or_else(|e| e.into_inner()).retain(|name, counts| {
            let stays = names.contains(name);
            if !stays {
                self.ledger.retire_broker(name);
                counts.courier.close(&self.book);
                counts.outbox.close(&self.book);
            }
            stays
        });
        // Asked is enough: the store gets to it before whatever is asked later.
        if self.world.clock.within(DISK, self.events.sinks(&names)).await.is_err() {
            tracing::error!("the events database does not move; brokers are served once it does");
        }
        for settings in wanted {
            if !self.hired.contains_key(&settings.name) {
                let hired = self.start(settings);
                self.hired.insert(hired.settings.name.clone(), hired);
            }
        }
    }

    /// Lets all say good-bye at once.
    pub async fn stop(&mut self) {
        end(&self.world.clock, std::mem::take(&mut self.hired)).await;
    }

    fn start(&self, settings: Settings) -> Hired {
        let (quitter, quit) = quit::pair();
        let meters = {
            let mut all = self.meters.lock().unwrap_or_else(|e| e.into_inner());
            let counts = all.entry(settings.name.clone()).or_insert_with(|| Counts {
                courier: Meters::open(&self.book, &settings.name),
                outbox: OutboxMeters::open(&self.book, self.events.tally(), &settings.name),
            });
            counts.courier.clone()
        };
        let courier = Courier {
            settings: settings.clone(),
            node: self.node.clone(),
            outbox: self.events.clone(),
            dial: self.world.broker.clone(),
            ledger: self.ledger.clone(),
            meters,
            clock: self.world.clock.clone(),
        };
        Hired { settings, quitter, task: tokio::spawn(courier.run(quit)) }
    }
}

async fn end(clock: &Clock, gone: BTreeMap<String, Hired>) {
    for hired in gone.values() {
        hired.quitter.quit();
    }
    let deadline = clock.boot().plus(GOODBYE);
    for (name, mut hired) in gone {
        match clock.within(deadline.since(clock.boot()), &mut hired.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(broker = name, %error, "a courier ended badly"),
            Err(_) => hired.task.abort(),
        }
    }
}
