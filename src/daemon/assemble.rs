//! The composition root: read from top to bottom it is the architecture, and the order of starting and stopping.

use crate::alert::{self, Judge};
use crate::base::clock::Now;
use crate::base::fault::chain;
use crate::base::pulse::Pulses;
use crate::base::quit;
use crate::base::ring::Ring;
use crate::daemon::aliases::Aliases;
use crate::daemon::catalogue;
use crate::daemon::config::{self, Config};
use crate::daemon::couriers::{Couriers, DISK};
use crate::daemon::earlier;
use crate::daemon::hub::{Hub, Order, Own, settling};
use crate::daemon::keeper::Keeper;
use crate::daemon::notes::Notes;
use crate::daemon::rules::{Broken, Rules};
use crate::daemon::status::Desk;
use crate::daemon::watchdog::Watchdog;
use crate::metric::alarm::Stamp;
use crate::metric::book::Book;
use crate::metric::labels::Labels;
use crate::metric::latest::Latest;
use crate::metric::ledger::Ledger;
use crate::metric::memory::Memory;
use crate::metric::roster::{Roll, Roster};
use crate::probe::{Kind, Kit, Tap, disk, nic, node};
use crate::sink::mqtt::camera::Cameras;
use crate::sink::mqtt::compose::Alerts;
use crate::sink::page;
use crate::store::{self, Commit, Events, Left, Store};
use crate::world::World;
use crate::world::control;
use crate::world::listener::{self, Address, Gate, Traffic};
use crate::world::service::{Service, Signal, Word};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc, watch};

/// Reports the hub may be behind. It looks once a second, and 256 cameras that all connect in that second make a handful
/// of reports each. A report is about 1 KiB.
const REPORTS: usize = 4096;
/// Commits the events database may be behind before alarm transitions are lost and counted. One commit is a few
/// transitions; a disk that stalls for 20 minutes at one transition per tick still loses none.
const COMMITS: usize = 256;

/// Where things are, as the command line says.
#[derive(Debug, Clone)]
pub struct Place {
    pub config: PathBuf,
    /// Over `[web] listen`.
    pub listen: Option<Address>,
    /// Over `[web] config_file`.
    pub web_config: Option<PathBuf>,
    pub state_dir: PathBuf,
    pub runtime_dir: PathBuf,
}

/// Why the daemon did not start. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    #[error("the configuration is refused")]
    Config(#[from] config::Refused),
    #[error("the store cannot be opened")]
    Store(#[from] store::OpenError),
    #[error(transparent)]
    Bind(#[from] listener::BindError),
    #[error("the hub is gone")]
    Hub,
    #[error("the web configuration is refused")]
    Web(#[from] listener::BadWebConfig),
    #[error("another vedette uses {}", .0.display())]
    State(PathBuf, #[source] std::io::Error),
    #[error("the control socket cannot be served in {}", .0.display())]
    Control(PathBuf, #[source] std::io::Error),
}

/// Everything that runs, for reloading and stopping.
struct Parts {
    place: Place,
    world: World,
    service: Arc<dyn Service>,
    config: Known,
    keeper: Keeper,
    couriers: Couriers,
    events: Events,
    broken: Broken,
    /// Alarms wait on file for a rule file that was broken at the start.
    unrestored: bool,
    orders: mpsc::Sender<Order>,
    book: Book,
    ledger: Ledger,
    memory: Memory,
    roster: Roster,
}

/// What a reload cannot change and says so.
#[derive(PartialEq)]
struct Known {
    node: config::Node,
    web: config::Web,
    metrics: config::Metrics,
    store: store::Settings,
}

impl Known {
    fn of(config: &Config) -> Self {
        Known {
            node: config.node.clone(),
            web: config.web.clone(),
            metrics: config.metrics.clone(),
            store: config.store.clone(),
        }
    }
}

/// Runs the daemon until it is told to stop, and stops it in order.
///
/// # Errors
/// The configuration is refused, or the store, the listener or the control socket cannot be had.
pub async fn run(place: Place, world: World, hostname: &str, service: Arc<dyn Service>) -> Result<(), Fatal> {
    let clock = world.clock.clone();
    let started = clock.boot();
    let (mut config, warnings) = config::load(&place.config)?;
    for warning in warnings {
        tracing::warn!(file = %place.config.display(), mistake = %warning, "configuration has a better way");
    }
    let address = place.listen.or(config.web.listen).unwrap_or_else(Address::standard);
    let listener = listener::bind(address)?;
    let control = control::bind(&place.runtime_dir).await.map_err(|e| Fatal::Control(place.runtime_dir.clone(), e))?;
    let patience = || started.plus(DISK).since(clock.boot());
    let _ours = match clock.within(patience(), earlier::lock(place.state_dir.clone())).await {
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
            return Err(Fatal::State(place.state_dir.clone(), error));
        }
        // A directory that cannot be had is the store's matter, which then works from memory and says so.
        other => other.ok().and_then(Result::ok),
    };
    let gate = match place.web_config.clone().or(config.web.config_file.clone()) {
        Some(path) => Gate::guarded(&path)?,
        None => Gate::open(),
    };
    let node: Arc<str> = config.node.name.clone().unwrap_or_else(|| short(hostname)).into();
    let instance = config.node.instance.clone().unwrap_or_else(|| format!("{node}:{}", address.port()));
    let extra = Labels::new([("job", &config.node.job), ("instance", &instance)]);

    let pulses = Pulses::default();
    let (book, ledger, roster) = (Book::default(), Ledger::default(), Roster::default());
    let dirs = store::Dirs { state: place.state_dir.clone(), runtime: place.runtime_dir.clone() };
    let names = catalogue::names(config.metrics.aliases, &config.targets);
    let rules = Rules::read(&*world.files, &config.alerts.rules, config.alerts.compat, &names);
    rules.tell();
    let broken = Broken::open(&book);
    broken.note(&rules);
    let mut judge = Judge::new(rules.all(), &names, extra);
    judge.hold(started.plus(settling(config.node.tick)));
    let stamp =
        |now: Now| Stamp { wall: now.wall, boot: now.boot, boot_id: world.boot_id.clone(), trusted: now.trusted };
    // Before the store has the file: nobody moves what is read.
    earlier::recall(&clock, dirs.clone(), &mut judge, &stamp(clock.now()), patience()).await;
    let (store, events) = Store::open(&dirs, config.store.clone(), clock.clone(), world.boot_id.clone(), &pulses)?;
    let (mut alerts, mut cameras) = (Alerts::new(&node), Cameras::new(&node));
    // A message is kept for the brokers of its time, so they are named before the first one.
    let mut couriers = Couriers::new(world.clone(), book.clone(), ledger.clone(), events.clone(), node.clone());
    let hired = couriers.hire(std::mem::take(&mut config.mqtt));
    let (left, ()) = tokio::join!(earlier::left(&clock, &events, patience()), hired);
    let Left { mut alarms, states, memories } = left.unwrap_or_default();
    let memory = Memory::default();
    memory.restore(memories);
    alerts.restore(&states);
    cameras.restore(&states);
    // A rule file that broke while we were down says nothing about its alarms: they wait for it on file.
    let waiting = alarms.len();
    alarms.retain(|alarm| !rules.broken() || rules.names(&alarm.rule));
    let unrestored = alarms.len() < waiting;
    let restored = judge.restore(alarms, &stamp(clock.now()));

    let reports = Ring::new(REPORTS);
    let (page_sender, snapshots) = watch::channel(None);
    let (judged_sender, judged) = watch::channel(Arc::default());
    let (commits, queue) = mpsc::channel(COMMITS);
    let (order_sender, orders) = mpsc::channel(4);
    let watchdog = Watchdog::new(service.clone(), pulses.clone(), clock.clone());

    let traffic = Traffic::default();
    let page_meters = page::Meters::open(&book, traffic.clone());
    let store_meters = store::Meters::open(&book, store.tally());
    let process = super::process::Process::open(&book, clock.clone());
    let mut hub = Hub {
        clock: clock.clone(),
        boot_id: world.boot_id.clone(),
        tick: config.node.tick,
        reports: reports.clone(),
        latest: Latest::new(book.clone()),
        aliases: config.metrics.aliases.then(|| Aliases::new(book.clone())),
        rule_meters: alert::Meters::open(&book, &judge),
        judge,
        alerts,
        cameras,
        roster: roster.clone(),
        events: events.clone(),
        store,
        commits,
        fills: vec![
            Box::new(broken.fill()),
            Box::new(couriers.fill()),
            Box::new({
                let meters = page_meters.clone();
                move |report| meters.fill(report)
            }),
            Box::new(move |report| store_meters.fill(report)),
            Box::new(move |report| process.fill(report)),
        ],
        page: page_sender,
        judged: judged_sender,
        pulse: pulses.add("hub"),
        own: Own::open(&book),
        notes: Notes::default(),
        hushed: false,
    };

    hub.commit(restored.changes, Vec::new());
    let (hub_quitter, hub_quit) = quit::pair();
    let mut hub = tokio::spawn(hub.run(orders, hub_quit));
    let recorder = tokio::spawn(record(events.clone(), queue));
    let desk = Desk {
        node: node.clone(),
        clock: clock.clone(),
        started,
        snapshots: snapshots.clone(),
        judged,
        ledger: ledger.clone(),
        roster: roster.clone(),
    };
    let (front_quitter, front_quit) = quit::pair();
    let answer: control::Answer = Arc::new(move |request| {
        let desk = desk.clone();
        Box::pin(async move { desk.answer(&request) })
    });
    let control = tokio::spawn(control::serve(control, clock.clone(), front_quit.clone(), answer));
    let page = page::Page::new(&*node, snapshots.clone(), watchdog.stuck(), ledger.clone(), clock.clone(), page_meters);
    let front = tokio::spawn(listener.serve(gate, Arc::new(page), clock.clone(), traffic, front_quit));
    let watchdog = tokio::spawn(watchdog.feed());
    let reload = Notify::new();

    let mut parts = Parts {
        config: Known::of(&config),
        keeper: Keeper::new(clock.clone(), Tap::new(reports, memory.clone())),
        place,
        world,
        service: service.clone(),
        couriers,
        events,
        broken,
        unrestored,
        orders: order_sender,
        book,
        ledger,
        memory,
        roster,
    };
    parts.watch(config).await;
    let mut first = snapshots.clone();
    let mut returned = parts.events.returned();
    let work = async {
        // An error means that the hub is gone, which is noticed below.
        if first.wait_for(Option::is_some).await.is_ok() {
            tracing::info!(node = &*node, listen = %address, targets = parts.keeper.count(), "ready");
            parts.tell(&[Word::Ready, Word::Status(parts.summary())]);
        }
        loop {
            tokio::select! {
                () = reload.notified() => parts.reload().await,
                // A file that could not be read at the start was read late: its alarms are made known.
                Ok(()) = returned.changed() => parts.restore().await,
            }
        }
    };
    // Signals are heard at any time, also before the first snapshot and in the middle of a reload.
    let stopped = async {
        while service.signal().await == Signal::Reload {
            reload.notify_one();
        }
    };
    let died = tokio::select! {
        () = work => None,
        () = stopped => None,
        ended = &mut hub => Some(ended),
    };
    if let Some(ended) = died {
        let why = ended.err().map_or_else(|| "ended".to_owned(), |error| error.to_string());
        tracing::error!(why, "the hub is gone; ending, to be started again");
        return Err(Fatal::Hub);
    }

    tracing::info!("stopping");
    parts.tell(&[Word::Stopping]);
    let stop = async {
        if parts.orders.send(Order::Hush).await.is_err() {
            tracing::error!("the hub is gone");
        }
        parts.keeper.stop().await;
        hub_quitter.quit();
        if let Ok(store) = hub.await {
            // The hub dropped its end of the commits: the recorder finishes what is queued and ends.
            let _recorded = recorder.await;
            store.close().await;
        }
        parts.couriers.stop().await;
        parts.events.close().await;
        front_quitter.quit();
        let _closed = front.await;
        let _silent = control.await;
    };
    let second = async { while service.signal().await != Signal::Stop {} };
    tokio::select! {
        () = stop => tracing::info!("stopped"),
        () = second => tracing::warn!("a second signal: ending at once"),
    }
    watchdog.abort();
    Ok(())
}

/// Commits in order. Waiting for the disk happens here, not in the hub.
async fn record(events: Events, mut queue: mpsc::Receiver<Commit>) {
    while let Some(commit) = queue.recv().await {
        if let Err(error) = events.commit(commit).await {
            tracing::error!(error = %chain(&error), "an alarm transition is lost");
        }
    }
}

/// `nvr-7.site.example` → `nvr-7`, with what an id cannot hold replaced.
fn short(hostname: &str) -> String {
    let first = hostname.split('.').next().unwrap_or("");
    let id: String =
        first.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(64).collect();
    if id.is_empty() { "node".to_owned() } else { id }
}

impl Parts {
    /// Puts the targets of a configuration to work.
    async fn watch(&mut self, config: Config) {
        let cameras = config.targets.iter().filter_map(|(_, t)| t.roster.clone()).collect();
        self.roster.replace(Roll { cameras });
        let kit = || Kit::new(self.world.clone(), self.book.clone(), self.roster.clone(), self.ledger.clone());
        // A scripted world may have no node of its own.
        let of_node = |kind: &Kind| [node::KIND.name, nic::KIND.name, disk::KIND.name].contains(&kind.name);
        let targets = config.targets.into_iter().filter(|(kind, _)| !of_node(kind) || self.world.machine.is_some());
        let targets = targets.collect();
        let changes = self.keeper.keep(targets, kit).await;
        for (what, names) in [("added", changes.added), ("changed", changes.changed), ("removed", changes.removed)] {
            if !names.is_empty() {
                tracing::info!(targets = names.join(" "), "targets {what}");
            }
        }
    }

    /// Reads everything again. With any mistake the running configuration stays.
    async fn reload(&mut self) {
        self.tell(&[Word::Reloading]);
        match config::load(&self.place.config) {
            Err(error) => {
                tracing::error!(error = %chain(&error), "reload refused; the running configuration stays");
                if let config::Refused::Mistakes { path, mistakes } = &error {
                    for mistake in mistakes {
                        tracing::error!(file = %path.display(), %mistake, "reload refused");
                    }
                }
            }
            Ok((mut config, warnings)) => {
                for warning in warnings {
                    tracing::warn!(file = %self.place.config.display(), mistake = %warning, "configuration has a better way");
                }
                if Known::of(&config) != self.config {
                    tracing::warn!("changes of [node], [web], [metrics] and [store] take effect at the next start");
                }
                let names = catalogue::names(self.config.metrics.aliases, &config.targets);
                let rules = Rules::read(&*self.world.files, &config.alerts.rules, config.alerts.compat, &names);
                rules.tell();
                self.broken.note(&rules);
                if rules.broken() {
                    tracing::error!("reload refused for its rule files; the running configuration stays");
                    self.tell(&[Word::Ready, Word::Status(self.summary())]);
                    return;
                }
                if self.orders.send(Order::Rules(rules.all(), names)).await.is_err() {
                    tracing::error!("the hub is gone");
                }
                if std::mem::take(&mut self.unrestored) {
                    self.restore().await;
                }
                self.couriers.hire(std::mem::take(&mut config.mqtt)).await;
                self.watch(config).await;
                tracing::info!("reloaded");
            }
        }
        self.tell(&[Word::Ready, Word::Status(self.summary())]);
    }

    /// Tells the hub of alarms on file that it does not know.
    async fn restore(&self) {
        let Some(left) = earlier::left(&self.world.clock, &self.events, DISK).await else { return };
        let Left { alarms, states, memories } = left;
        self.memory.restore(memories);
        let order = Order::Restore(alarms, states);
        if self.orders.send(order).await.is_err() {
            tracing::error!("the hub is gone");
        }
    }

    fn summary(&self) -> String {
        format!("watching {} targets", self.keeper.count())
    }

    fn tell(&self, words: &[Word]) {
        if let Err(error) = self.service.tell(words) {
            tracing::warn!(error = %chain(&error), "the service manager does not hear");
        }
    }
}
