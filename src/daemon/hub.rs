//! The one task that sees everything: folds reports into the newest values, cuts one snapshot per tick, and gives that
//! same snapshot to the page, the store and the rules. It owns what it works on, so there are no locks, and it never
//! waits for a disk, a broker or a scraper.

use crate::alert::{self, Changes, Judge, Rule};
use crate::base::clock::{Boot, Clock, Now, Window};
use crate::base::label::Label;
use crate::base::pulse::Pulse;
use crate::base::quit::Quit;
use crate::base::ring::Ring;
use crate::daemon::aliases::Aliases;
use crate::daemon::notes::{self, Notes};
use crate::daemon::status::Judged;
use crate::metric::alarm::{Alarm, Message, Stamp};
use crate::metric::book::{Book, Hold, Series};
use crate::metric::desc::{Desc, Family, Unit};
use crate::metric::latest::{Latest, Snapshot};
use crate::metric::names::Names;
use crate::metric::report::{NoData, Report};
use crate::metric::roster::Roster;
use crate::sink::mqtt::camera::Cameras;
use crate::sink::mqtt::compose::Alerts;
use crate::store::{Commit, Entry, Events, Store};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

static DROPPED: Desc<0> = Desc::counter(
    "vedette_hub_reports_dropped_total",
    Unit::Count,
    [],
    "Reports dropped, oldest first, because the hub was behind",
);
static NO_DATA: Desc<1> = Desc::counter(
    "vedette_no_data_total",
    Unit::Count,
    ["reason"],
    "Readings that had no number and so left the page, by reason",
);
static SNAPSHOT: Desc<0> = Desc::gauge(
    "vedette_snapshot_timestamp_seconds",
    Unit::Seconds,
    [],
    "Wall time at which this page was read, all of it at once",
);
static SERIES: Desc<0> =
    Desc::gauge("vedette_snapshot_series", Unit::Count, [], "Series in the snapshot before this one");
static LATENESS: Desc<0> = Desc::gauge(
    "vedette_tick_lateness_seconds",
    Unit::Seconds,
    [],
    "How late the last tick was: our own scheduling, a stalled box or a suspended one",
);
static TRUSTED: Desc<0> = Desc::gauge(
    "vedette_clock_trusted",
    Unit::Count,
    [],
    "1 while the kernel calls the wall clock disciplined (adjtimex without STA_UNSYNC)",
);
static COMMITS_LOST: Desc<0> = Desc::counter(
    "vedette_alarm_commits_lost_total",
    Unit::Count,
    [],
    "Commits of alarm transitions or notes that could not be handed to the events database because it did not move for long",
);
pub static FAMILIES: &[Family] = &[
    DROPPED.family(),
    NO_DATA.family(),
    SNAPSHOT.family(),
    SERIES.family(),
    LATENESS.family(),
    TRUSTED.family(),
    COMMITS_LOST.family(),
];

/// How often the hub takes in what was reported. A report is seen by nobody before the next tick, so that being woken
/// for each would cost a switch between threads for nothing; the queue of reports holds what comes in this time, and the
/// hub's pulse must beat well within WatchdogSec.
const BREATH: Duration = Duration::from_secs(1);

/// A tick this late still counts as on time.
const ON_TIME: Duration = Duration::from_millis(250);

/// After the start, cameras get this long to connect before anything is called broken or repaired.
const SETTLE: Duration = Duration::from_secs(10);

/// How long to hold judgement after a start or a stall of ours: two ticks, and the time cameras take to connect.
pub fn settling(tick: Duration) -> Duration {
    2 * tick + SETTLE
}

/// What may be asked of a running hub.
pub enum Order {
    /// Judge by these rules from the next tick on, on a box that has series of these names.
    Rules(Vec<Rule>, Names),
    /// Alarms and retained states on file that were not known at the start; those already live are left alone.
    Restore(Vec<Alarm>, Vec<Message>),
    /// Keep cutting snapshots, and judge no more: the daemon stops looking, which is no news about anything.
    Hush,
}

/// Parts that have numbers of their own to add to each snapshot.
pub type Fill = Box<dyn FnMut(&mut Report) + Send>;

/// What the hub works on and whom it serves.
pub struct Hub {
    pub clock: Clock,
    pub boot_id: Arc<str>,
    pub tick: Duration,
    pub reports: Ring<Report>,
    pub latest: Latest,
    /// `None` where the configuration wants none.
    pub aliases: Option<Aliases>,
    pub judge: Judge,
    pub rule_meters: alert::Meters,
    pub alerts: Alerts,
    pub cameras: Cameras,
    pub roster: Roster,
    pub events: Events,
    pub store: Store,
    /// To the task that commits to events.db, in order.
    pub commits: mpsc::Sender<Commit>,
    pub fills: Vec<Fill>,
    pub page: watch::Sender<Option<Arc<Snapshot>>>,
    /// What the judge thinks now, for the status.
    pub judged: watch::Sender<Arc<Judged>>,
    pub pulse: Pulse,
    pub own: Own,
    pub notes: Notes,
    /// See [`Order::Hush`].
    pub hushed: bool,
}

/// The hub's own series.
pub struct Own {
    dropped: Series,
    no_data: Vec<(NoData, Series)>,
    snapshot: Series,
    series: Series,
    lateness: Series,
    trusted: Series,
    commits_lost: Series,
    notes_dropped: Series,
    lost: u64,
    rows: usize,
}

impl Own {
    pub fn open(book: &Book) -> Self {
        let reason = |why: &NoData| (*why, book.open(&NO_DATA, [why.label()], Hold::Own));
        Own {
            dropped: book.open(&DROPPED, [], Hold::Own),
            no_data: NoData::ALL.iter().map(reason).collect(),
            snapshot: book.open(&SNAPSHOT, [], Hold::Own),
            series: book.open(&SERIES, [], Hold::Own),
            lateness: book.open(&LATENESS, [], Hold::Own),
            trusted: book.open(&TRUSTED, [], Hold::Own),
            commits_lost: book.open(&COMMITS_LOST, [], Hold::Own),
            notes_dropped: book.open(&notes::DROPPED, [], Hold::Own),
            lost: 0,
            rows: 0,
        }
    }
}

impl Hub {
    /// Runs until `quit`, then drains what was reported, cuts a last snapshot and returns the store for closing.
    pub async fn run(mut self, mut orders: mpsc::Receiver<Order>, quit: Quit) -> Store {
        let mut ticks = self.clock.every(self.tick);
        let mut breath = self.clock.every(BREATH);
        loop {
            tokio::select! {
                biased;
                () = quit.wait() => break,
                due = ticks.beat() => self.tick(due),
                Some(order) = orders.recv() => self.obey(order),
                _ = breath.beat() => self.breathe(),
            }
            self.pulse.beat();
        }
        // The last snapshot is kept and not judged: that we stop looking is no news about anything.
        let now = self.clock.boot();
        self.cut(now);
        self.commit_notes();
        self.store
    }

    fn breathe(&mut self) {
        self.take();
        self.commit_notes();
    }

    /// Takes in what was reported so far.
    fn take(&mut self) {
        for report in self.reports.take_now() {
            self.latest.apply(&report);
            self.notes.gather(report);
        }
    }

    /// At most once a second, however much is noted: alarms share the queue.
    fn commit_notes(&mut self) {
        // With little room left they wait, so that an alarm finds some.
        if self.notes.is_empty() || self.commits.capacity() * 2 < self.commits.max_capacity() {
            return;
        }
        let now = self.clock.now();
        let (notes, memory) = self.notes.take();
        let mut commit = Commit { memory, ..Commit::default() };
        for (source, note) in notes {
            let at = Stamp { boot: note.at, wall: now.wall_of(note.at), ..self.stamp(now) };
            let message = self.alerts.note(&source, &note, &at, self.events.reserve());
            commit.notes.push(Entry { at: at.wall, text: String::from_utf8_lossy(&message.payload).into_owned() });
            commit.messages.push(message);
        }
        self.hand_over(commit);
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Rules(rules, names) => {
                let stamp = self.stamp(self.clock.now());
                let verdict = self.judge.replace_rules(rules, &names, &stamp);
                self.rule_meters.turn(&self.judge);
                self.commit(verdict.changes, Vec::new());
            }
            Order::Restore(mut alarms, states) => {
                let live: HashSet<_> = self.judge.alarms().map(|a| a.labels.clone()).collect();
                alarms.retain(|a| !live.contains(&a.labels));
                self.alerts.restore(&states);
                let stamp = self.stamp(self.clock.now());
                let verdict = self.judge.restore(alarms, &stamp);
                self.commit(verdict.changes, Vec::new());
            }
            Order::Hush => self.hushed = true,
        }
    }

    fn stamp(&self, now: Now) -> Stamp {
        Stamp { wall: now.wall, boot: now.boot, boot_id: self.boot_id.clone(), trusted: now.trusted }
    }

    fn tick(&mut self, due: Boot) {
        let late = self.clock.boot().since(due);
        let snapshot = self.cut(due);
        if self.hushed {
            return;
        }
        if late > self.tick {
            // We stood still: what was true before is not known to be true now.
            self.judge.hold(snapshot.at.boot.plus(settling(self.tick)));
        }
        let verdict = self.judge.judge(&snapshot, &self.stamp(snapshot.at));
        self.judged.send_replace(Arc::new(Judged::of(&self.judge)));
        let messages = self.cameras.tick(&snapshot, &self.roster.roll());
        self.commit(verdict.changes, messages);
    }

    /// Cuts a snapshot and gives it to the page and the store.
    fn cut(&mut self, due: Boot) -> Arc<Snapshot> {
        self.take();
        let read = self.clock.now();
        let late = read.boot.since(due);
        // A tick that is a little late is dated when it was due: samples stand on an even grid, which compresses well,
        // and a `for` of whole ticks is not missed by a millisecond.
        let now = match late <= ON_TIME {
            true => Now { boot: due, wall: read.wall.minus(late), ..read },
            false => read,
        };
        let own = self.report(now, late);
        self.latest.apply(&own);
        if let Some(aliases) = &mut self.aliases {
            let told = aliases.tell(&self.latest.standing(now.boot), &now);
            self.latest.apply(&told);
        }
        let snapshot = Arc::new(self.latest.snapshot(now));
        self.own.rows = snapshot.rows.len();
        self.page.send_replace(Some(snapshot.clone()));
        self.store.append(snapshot.clone());
        snapshot
    }

    /// Hands transitions and messages to the one who waits for the disk. A commit that finds no room is lost and counted:
    /// the database has not moved for long, which its own alarm tells.
    pub fn commit(&mut self, changes: Changes, cameras: Vec<Message>) {
        let Changes { transitions, keep: alarms } = changes;
        let mut messages = self.alerts.compose(&transitions, || self.events.reserve());
        messages.extend(cameras);
        if alarms.is_empty() && messages.is_empty() {
            return;
        }
        self.hand_over(Commit { alarms, transitions, messages, ..Commit::default() });
    }

    fn hand_over(&mut self, commit: Commit) {
        if self.commits.try_send(commit).is_err() {
            self.own.lost += 1;
        }
    }

    fn report(&mut self, now: Now, late: Duration) -> Report {
        let mut report = Report::new(Window { from: now.boot, to: now.boot });
        report
            .value(self.own.dropped, self.reports.dropped() as f64)
            .value(self.own.snapshot, now.wall.as_secs_f64())
            .value(self.own.series, self.own.rows as f64)
            .value(self.own.lateness, late.as_secs_f64())
            .value(self.own.trusted, f64::from(u8::from(now.trusted)))
            .value(self.own.commits_lost, self.own.lost as f64)
            .value(self.own.notes_dropped, self.notes.dropped as f64);
        for (why, series) in &self.own.no_data {
            report.value(*series, self.latest.no_data(*why) as f64);
        }
        self.rule_meters.fill(&self.judge, &mut report);
        for fill in &mut self.fills {
            fill(&mut report);
        }
        report
    }
}
