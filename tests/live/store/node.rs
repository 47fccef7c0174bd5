//! A node that is made up but looks like one: mostly constants, then counters of every pace, then gauges with a decimal
//! or two, and a few numbers that no codec can make small.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use vedette::base::clock::{Sim, Wall, Window};
use vedette::base::label::Label;
use vedette::base::pulse::Pulses;
use vedette::metric::book::{Book, Hold, Meta};
use vedette::metric::desc::{Desc, Unit};
use vedette::metric::latest::{Latest, Sample, Snapshot};
use vedette::metric::report::Report;
use vedette::store::frame::Cell;
use vedette::store::{Database, Dirs, Events, Meters, Past, Settings, Span, Store};

/// Wall time before the first tick, ms; ticks are 5 s.
pub const START: i64 = 1_767_225_600_000;

static TICKS: Desc<0> = Desc::counter("test_ticks_total", Unit::Count, [], "Ticks of the test");
static CONSTANT: Desc<1> = Desc::gauge("test_constant", Unit::Count, ["n"], "Sizes, limits, states");
static RARE: Desc<1> = Desc::counter("test_errors_total", Unit::Count, ["n"], "Seldom more");
static FRAMES: Desc<1> = Desc::counter("test_frames_total", Unit::Count, ["n"], "About 125 a tick");
static PACKETS: Desc<1> = Desc::counter("test_packets_total", Unit::Count, ["n"], "About 1500 a tick");
static BYTES: Desc<1> = Desc::counter("test_bytes_total", Unit::Bytes, ["n"], "About 2.5 MB a tick");
static CPU: Desc<1> = Desc::counter("test_cpu_seconds_total", Unit::Seconds, ["n"], "Two decimals");
static CELSIUS: Desc<1> = Desc::gauge("test_celsius", Unit::Count, ["n"], "One decimal, slowly wandering");
static PERCENT: Desc<1> = Desc::gauge("test_percent", Unit::Count, ["n"], "Two decimals, noisy");
static FPS: Desc<1> = Desc::gauge("test_fps", Unit::PerSecond, ["n"], "One decimal, mostly 25");
static BITRATE: Desc<1> = Desc::gauge("test_bitrate", Unit::BitsPerSecond, ["n"], "About 4 Mbit/s, to 0.8 bit/s");
static SEEN: Desc<1> = Desc::gauge("test_seen_timestamp_seconds", Unit::Seconds, ["n"], "Wall clock to the ms");
static JITTER: Desc<1> = Desc::gauge("test_jitter_seconds", Unit::Seconds, ["n"], "All 52 bits are noise");

/// Of 2000 series, how many are of which kind.
static SHARES: [(&Desc<1>, usize); 12] = [
    (&CONSTANT, 880),
    (&RARE, 200),
    (&FRAMES, 130),
    (&PACKETS, 120),
    (&BYTES, 150),
    (&CPU, 100),
    (&CELSIUS, 100),
    (&PERCENT, 100),
    (&FPS, 90),
    (&BITRATE, 60),
    (&SEEN, 50),
    (&JITTER, 20),
];

struct Random(u64);

impl Random {
    /// Uniform in 0..1.
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
    /// About normal with this deviation.
    fn around(&mut self, deviation: f64) -> f64 {
        ((0..12).map(|_| self.next()).sum::<f64>() - 6.0) * deviation
    }
}

/// The series and what they do.
pub struct Mix {
    ticks: Arc<Meta>,
    series: Vec<(Arc<Meta>, f64)>,
    random: Random,
}

impl Mix {
    /// `count` series in all.
    pub fn new(count: usize) -> Mix {
        let book = Book::default();
        let ticks = book.open(&TICKS, [], Hold::Own);
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        let mut series = Vec::new();
        for (desc, share) in SHARES {
            for n in 0..share {
                let open = book.open(desc, [&n.to_string()], Hold::Own);
                let first = match desc.name {
                    "test_constant" => [0.0, 1.0, 1.0, 8_001_563_222_016.0, 25.0, 0.5, 42.0][n % 7],
                    "test_celsius" => 45.0,
                    name if name.ends_with("_total") => (random.next() * 1e4).powi(2).round(),
                    _ => 0.0,
                };
                series.push((n * 2000 / share, book.meta(open).unwrap(), first));
            }
        }
        // A smaller node has the same mixture.
        series.sort_by_key(|(order, ..)| *order);
        series.truncate(count - 1);
        let series = series.into_iter().map(|(_, meta, first)| (meta, first)).collect();
        Mix { ticks: book.meta(ticks).unwrap(), series, random }
    }

    fn tick(&mut self, tick: u64, wall_ms: i64) -> Vec<Sample> {
        let r = &mut self.random;
        let mut rows = vec![Sample { meta: self.ticks.clone(), value: tick as f64 }];
        let decimals = |value: f64, scale: f64| (value * scale).round() / scale;
        for (meta, value) in &mut self.series {
            *value = match &*meta.family.name {
                "test_constant" => *value,
                "test_errors_total" => *value + f64::from(r.next() < 0.01),
                "test_frames_total" => *value + (125.0 + r.around(0.7)).round(),
                "test_packets_total" => *value + (1500.0 + r.around(60.0)).round(),
                "test_bytes_total" => *value + (2.5e6 + r.around(2e5)).round(),
                "test_cpu_seconds_total" => decimals(*value + 1.2 + r.around(0.2), 100.0),
                "test_celsius" => decimals(*value + r.around(0.1), 10.0),
                "test_percent" => decimals(30.0 + r.around(5.0), 100.0),
                "test_fps" => decimals(25.0 + r.around(0.06), 10.0),
                "test_bitrate" => (5e6 + r.around(2e5)).round() * 0.8,
                "test_seen_timestamp_seconds" => (wall_ms as f64 - (r.next() * 40.0).round()) / 1000.0,
                "test_jitter_seconds" => 0.002 + r.next() * 0.001,
                other => panic!("unknown {other}"),
            };
            rows.push(Sample { meta: meta.clone(), value: *value });
        }
        rows
    }
}

/// Directories, a clock that is told, and the series.
pub struct Node {
    home: PathBuf,
    pub sim: Sim,
    mix: Mix,
    pub ticks: u64,
    pub samples: u64,
    spots: Vec<(String, String, i64, f64)>,
}

/// An open store.
pub struct Open {
    pub store: Store,
    pub events: Events,
}

impl Node {
    /// A node that has ticked `ticks` times already.
    pub fn at(home: &Path, mix: Mix, ticks: u64) -> Node {
        let sim = Sim::new();
        sim.advance(Duration::from_secs(5 * ticks));
        Node { home: home.to_owned(), sim, mix, ticks, samples: 0, spots: Vec::new() }
    }
    pub fn dirs(&self) -> Dirs {
        Dirs { state: self.home.join("state"), runtime: self.home.join("run") }
    }
    pub fn open(&self, settings: Settings) -> Open {
        let clock = self.sim.clock();
        let (store, events) = Store::open(&self.dirs(), settings, clock, "boot-1".into(), &Pulses::default()).unwrap();
        Open { store, events }
    }
    pub fn close(&self, open: Open) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            open.store.close().await;
            open.events.close().await;
        });
    }
    pub fn tick(&mut self) -> Arc<Snapshot> {
        self.sim.advance(Duration::from_secs(5));
        self.ticks += 1;
        let at = self.sim.clock().now();
        let rows = self.mix.tick(self.ticks, at.wall.as_millis());
        self.samples += rows.len() as u64;
        if self.ticks.is_multiple_of(300) {
            for row in rows.iter().skip(1).step_by(17) {
                let n = row.meta.labels.get("n").unwrap_or_default().to_owned();
                self.spots.push((row.meta.family.name.to_string(), n, at.wall.as_millis(), row.value));
            }
        }
        Arc::new(Snapshot { seq: self.ticks, at, rows, ended: Vec::new() })
    }
    /// Some values as they were: name, label `n`, wall ms, value.
    pub fn spots(&self) -> Vec<(String, String, i64, f64)> {
        assert!(self.spots.len() > 30);
        self.spots.clone()
    }
    /// Names of all families of the mix.
    pub fn families(&self) -> BTreeSet<String> {
        let series = self.mix.series.iter().map(|(meta, _)| &meta.family.name);
        series.chain([&self.mix.ticks.family.name]).map(|name| name.to_string()).collect()
    }
    /// The ticks that can be read back, in the order in which they are found.
    pub fn kept_ticks(&self) -> Vec<u64> {
        ticks_of(&Past::open(&self.dirs()).unwrap())
    }
    /// The last of them; `None` while there is nothing to be read yet.
    pub fn newest_tick(&self) -> Option<u64> {
        Past::open(&self.dirs()).ok().and_then(|past| ticks_of(&past).last().copied())
    }
}

fn ticks_of(past: &Past) -> Vec<u64> {
    let Some((number, _)) = past.series().find(|(_, named)| named.name == TICKS.name) else { return Vec::new() };
    let span = Span { from: Wall::from_millis(0), to: Wall::from_millis(i64::MAX) };
    let mut ticks = Vec::new();
    for place in past.frames(&span).0 {
        let frame = past.load(place, |n| n == number).unwrap().unwrap().unwrap();
        for cell in frame.columns.iter().flat_map(|column| &column.cells) {
            if let Cell::Value(value) = cell {
                ticks.push(*value as u64);
            }
        }
    }
    ticks
}

/// How many ticks there are, all of them kept.
pub fn whole(node: &Node) -> u64 {
    let ticks = node.kept_ticks();
    assert_eq!(ticks, (1..=ticks.len() as u64).collect::<Vec<_>>());
    ticks.len() as u64
}

impl Open {
    pub fn healthy(&self, database: Database) -> bool {
        self.store.tally().healthy(database)
    }
    /// A metric of the store's own, summed over its labels.
    pub fn figure(&self, name: &str) -> f64 {
        let book = Book::default();
        let meters = Meters::open(&book, self.store.tally());
        let now = Sim::new().clock().now();
        let mut report = Report::new(Window { from: now.boot, to: now.boot });
        meters.fill(&mut report);
        let mut latest = Latest::new(book);
        latest.apply(&report);
        let rows = latest.snapshot(now).rows;
        assert!(Database::ALL.len() == 3 && !rows.is_empty());
        rows.iter().filter(|row| row.meta.family.name == name).map(|row| row.value).sum()
    }
    /// Waits until all but the last minute is on file.
    pub fn settle(&self, node: &Node) {
        let wanted = (node.samples / node.ticks * (node.ticks - 12)) as f64;
        super::wait("the writer", super::BOUND, || {
            (self.figure("vedette_store_samples_written_total") >= wanted).then_some(())
        });
    }
}
