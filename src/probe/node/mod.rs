//! The node itself, under node_exporter's names: processors, memory, disks, mounts, interfaces, clock, sensors.
//!
//! There without being configured. Six targets, by what can hang together: `kernel` reads what the kernel has in memory,
//! `network` asks drivers of interfaces, `hardware` other drivers, `textfile` reads what scripts left, `mounts` asks each
//! file system on a thread of its own, and `disks` looks at the disks once a second. One that hangs costs itself only.

mod clock;
mod cpu;
mod disk;
mod hardware;
mod health;
mod hwmon;
mod identity;
mod latency;
mod mdadm;
mod meminfo;
mod metrics;
mod mounts;
mod netclass;
mod netdev;
mod netstat;
mod panels;
mod sheet;
mod sockstat;
mod stat;
mod textfile;
mod traffic;
mod trend;
mod vmstat;

use crate::base::clock::{Clock, Window};
use crate::base::settings::Table;
use crate::metric::desc::Family;
use crate::metric::names;
use crate::metric::report::Report;
use crate::probe::poll::{Pace, Poll, Polled};
use crate::probe::{Kind, Kit, Open, Target};
use crate::world::machine::Machine;
use health::{Health, Looked};
use metrics::{count, join};
use mounts::Mounts;
use sheet::{Collector, Sheet};
use std::path::PathBuf;
use std::time::Duration;

pub static KIND: Kind = Kind {
    name: "node",
    about: "the node itself, under node_exporter's names",
    // It has no tables: see `targets`.
    key: "",
    sample: include_str!("sample.toml"),
    families: &FAMILIES,
    rules: include_str!("rules.yml"),
    panels: panels::PANELS,
    read: |_| None,
};

/// How long a look may take: it takes a few milliseconds, and sensors on a slow bus some hundred.
const LIMIT: Duration = Duration::from_secs(5);

/// What the kernel has in memory.
static KERNEL: [&Collector; 22] = [
    &traffic::ARP_TABLE,
    &traffic::CONNTRACK,
    &cpu::COLLECTOR,
    &disk::COLLECTOR,
    &stat::ENTROPY,
    &stat::FILEFD,
    &stat::LOADAVG,
    &mdadm::COLLECTOR,
    &meminfo::COLLECTOR,
    &netdev::COLLECTOR,
    &netstat::COLLECTOR,
    &identity::OS,
    &stat::PRESSURE,
    &identity::SELINUX,
    &sockstat::COLLECTOR,
    &traffic::SOFTNET,
    &stat::STAT,
    &clock::TIME,
    &clock::TIMEX,
    &traffic::UDP_QUEUES,
    &identity::UNAME,
    &vmstat::COLLECTOR,
];

/// What waits for drivers of interfaces (speed, duplex), and for whoever holds the kernel's lock over all interfaces.
static NETWORK: [&Collector; 2] = [&netclass::BONDING, &netclass::NETCLASS];

/// What other drivers have to ask the machine's parts for.
static HARDWARE: [&Collector; 5] =
    [&hardware::CPUFREQ, &hardware::EDAC, &hwmon::COLLECTOR, &hardware::NVME, &hardware::THERMAL];

/// A target of its own, since the directory may lie on a disk or server that hangs.
static TEXTFILE: [&Collector; 1] = [&textfile::COLLECTOR];

const OWN: &[&[Family]] = &[metrics::FAMILIES, mounts::FAMILIES, latency::FAMILIES];
const COLLECTORS: &[&[&Collector]] = &[&KERNEL, &NETWORK, &HARDWARE, &TEXTFILE];
static FAMILIES: [Family; count(OWN, COLLECTORS)] = join(OWN, COLLECTORS);

/// What is configured of it, in `[node]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where scripts leave files of text.
    textfiles: Option<PathBuf>,
    /// Names of series in them that rules may name; see [`names::allowed`].
    textfile_families: Vec<String>,
}

impl Settings {
    pub fn read(table: &Table<'_>) -> Settings {
        let textfile_families = table.texts("textfile_families");
        if let Some(bad) = textfile_families.iter().find(|name| !names::allowed(name)) {
            let instead = "write names like \"backup_age_seconds\" or \"backup_*\"";
            table.mistake("textfile_families", format!("{bad:?} is no name"), instead);
        }
        Settings { textfiles: table.path("textfiles"), textfile_families }
    }
}

/// The targets, each looked at `every` so often: the tick. They are opened in a world with a machine only.
pub fn targets(settings: &Settings, every: Duration) -> Vec<(&'static Kind, Target)> {
    let pace = Pace { every, limit: LIMIT };
    let texts = settings.textfiles.clone();
    let told = format!("{every:?} {texts:?}");
    let group = |id: &'static str, collectors: &'static [&'static Collector], learns: Vec<String>| {
        let texts = texts.clone();
        let open: Open = Box::new(move |kit| Box::new(group(id, machine(kit, texts), collectors, pace, kit)));
        (id, learns, open)
    };
    let mounts: Open = Box::new(move |kit| Box::new(Mounts::open(machine(kit, None), kit, every)));
    let disks: Open = Box::new(move |kit| Box::new(latency::open(machine(kit, None), every, kit)));
    let all = [
        group("kernel", &KERNEL, Vec::new()),
        group("network", &NETWORK, Vec::new()),
        group("hardware", &HARDWARE, vec!["node_hwmon_*".to_owned()]),
        group("textfile", &TEXTFILE, settings.textfile_families.clone()),
        ("mounts", Vec::new(), mounts),
        ("disks", Vec::new(), disks),
    ];
    let target = |(id, learns, open): (&str, _, _)| {
        let target = Target { id: id.to_owned(), settings: told.clone(), secrets: vec![], roster: None, learns, open };
        (&KIND, target)
    };
    all.into_iter().map(target).collect()
}

fn machine(kit: &Kit, texts: Option<PathBuf>) -> Machine {
    let machine = kit.world.machine.clone().expect("who opens the node's targets has a node");
    match texts {
        Some(texts) => machine.with_texts(texts),
        None => machine,
    }
}

/// Collectors that are asked one after another on one thread.
struct Group {
    machine: Machine,
    clock: Clock,
    collectors: &'static [&'static Collector],
    health: Vec<Health>,
    peaks: cpu::Peaks,
}

fn group(
    id: &str,
    machine: Machine,
    collectors: &'static [&'static Collector],
    pace: Pace,
    kit: &mut Kit,
) -> Polled<Group> {
    let health = collectors.iter().map(|collector| Health::open(kit, collector.name, pace.every)).collect();
    let clock = kit.clock.clone();
    Polled::new(id, pace, clock.clone(), Group { machine, clock, collectors, health, peaks: Default::default() })
}

impl Poll for Group {
    type Seen = Vec<Looked>;

    fn look(&mut self) -> Box<dyn FnOnce() -> Vec<Looked> + Send> {
        let (machine, clock, collectors) = (self.machine.clone(), self.clock.clone(), self.collectors);
        Box::new(move || collectors.iter().map(|collector| look(collector, &machine, &clock)).collect())
    }

    fn fold(&mut self, taken: Window, seen: Vec<Looked>) -> Report {
        let mut report = Report::new(taken);
        for (health, mut looked) in self.health.iter_mut().zip(seen) {
            self.peaks.hold(&mut looked.facts);
            health.fold(&mut report, &looked);
        }
        report
    }

    fn fallen(&mut self, report: &mut Report) {
        self.health.iter_mut().for_each(|health| health.fallen(report));
    }
}

fn look(collector: &Collector, machine: &Machine, clock: &Clock) -> Looked {
    let mut sheet = Sheet::new(clock.now().wall);
    let from = clock.boot();
    let missed = (collector.collect)(machine, &mut sheet).err();
    Looked { facts: sheet.facts, left_out: sheet.left_out, missed, took: clock.boot().since(from) }
}
