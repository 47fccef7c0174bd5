use super::*;
use crate::base::clock::{Sim, Wall, Window};
use crate::base::label::Label;
use crate::metric::book::{Book, Hold, Series};
use crate::metric::desc::{Desc, Unit};
use crate::metric::latest::Latest;
use crate::metric::report::{NoData, Report};
use std::path::Path;

mod events;
mod readers;
mod recall;
mod refuge;

static FPS: Desc<1> = Desc::gauge("camera_fps", Unit::PerSecond, ["camera_id"], "frames");
static FRAMES: Desc<1> = Desc::counter("camera_frames_total", Unit::Count, ["camera_id"], "frames");
const START: i64 = 1_767_225_600_000;
const ALWAYS: Span = Span { from: Wall::from_millis(i64::MIN), to: Wall::from_millis(i64::MAX) };

/// A node with directories of its own, a clock that is told, and a hub of two series.
struct Node {
    sim: Sim,
    home: tempfile::TempDir,
    latest: Latest,
    fps: Series,
    frames: Series,
    ticks: u64,
    tally: Arc<Tally>,
}

impl Node {
    fn new() -> Self {
        let book = Book::default();
        let (fps, frames) = (book.open(&FPS, ["yard"], Hold::Own), book.open(&FRAMES, ["yard"], Hold::Own));
        let home = tempfile::tempdir().unwrap();
        let node =
            Node { sim: Sim::new(), home, latest: Latest::new(book), fps, frames, ticks: 0, tally: Arc::default() };
        std::fs::create_dir(node.dirs().state).unwrap();
        std::fs::create_dir(node.dirs().runtime).unwrap();
        node
    }
    fn dirs(&self) -> Dirs {
        Dirs { state: self.home.path().join("state"), runtime: self.home.path().join("run") }
    }
    fn writer(&self, boot_id: &str) -> Writer {
        Writer::start(&self.dirs(), Settings::default(), self.sim.clock(), boot_id.into(), self.tally.clone())
    }
    fn events(&self, settings: &Settings) -> Events {
        let pulse = Pulses::default().add("events");
        Events::open(&self.dirs(), settings, self.sim.clock(), "a".into(), pulse, self.tally.clone()).unwrap()
    }
    fn tick(&mut self) -> Snapshot {
        self.sim.advance(Duration::from_secs(5));
        let at = self.sim.clock().boot();
        self.ticks += 1;
        let mut report = Report::new(Window { from: at, to: at });
        report.value(self.frames, self.ticks as f64 * 125.0);
        report.maybe(self.fps, (!self.ticks.is_multiple_of(7)).then_some(24.5), NoData::Timeout);
        self.latest.apply(&report);
        self.latest.snapshot(self.sim.clock().now())
    }
    fn take(&mut self, writer: &mut Writer, ticks: usize) {
        for _ in 0..ticks {
            writer.take(&self.tick());
        }
    }
    /// The process is gone at once: what it did not write is lost, and its files stay as they are.
    fn kill(&self, writer: Writer) {
        let image = tempfile::tempdir().unwrap();
        copy(self.home.path(), image.path());
        drop(writer);
        std::fs::remove_dir_all(self.dirs().state).unwrap();
        std::fs::remove_dir_all(self.dirs().runtime).unwrap();
        copy(image.path(), self.home.path());
    }
    /// [`Node::kept`], where there may be nothing.
    fn kept_or_none(&self) -> Vec<(i64, f64)> {
        let past = Past::open(&self.dirs()).unwrap();
        if past.series().next().is_some() { self.kept() } else { Vec::new() }
    }
    /// Wall ms and value of everything kept of the counter.
    fn kept(&self) -> Vec<(i64, f64)> {
        let past = Past::open(&self.dirs()).unwrap();
        let number = past.series().find(|(_, n)| n.name == "camera_frames_total").unwrap().0;
        let mut kept = Vec::new();
        for place in past.frames(&ALWAYS).0 {
            let frame = past.load(place, |n| n == number).unwrap().unwrap().unwrap();
            for (step, cell) in frame.steps.iter().zip(&frame.columns[0].cells) {
                let frame::Cell::Value(value) = cell else { continue };
                kept.push((place.time(step).unwrap().0.as_millis(), *value));
            }
        }
        kept
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let (entry, to) = entry.map(|e| (e.path(), to.join(e.file_name()))).unwrap();
        if entry.is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            copy(&entry, &to);
        } else {
            std::fs::copy(entry, to).unwrap();
        }
    }
}

fn ticks(ticks: std::ops::RangeInclusive<u64>) -> Vec<(i64, f64)> {
    ticks.map(|n| (START + 5000 * n as i64, n as f64 * 125.0)).collect()
}

#[test]
fn everything_taken_is_read_back_after_a_close() {
    let mut node = Node::new();
    let mut writer = node.writer("a");
    node.take(&mut writer, 30);
    assert_eq!(node.kept(), ticks(1..=30), "beside the writer, from file and journal");
    writer.close();
    assert_eq!(node.kept(), ticks(1..=30));
}

#[test]
fn a_killed_process_loses_nothing_it_took() {
    let mut node = Node::new();
    let mut last = 0;
    for taken in [1, 11, 12, 13, 30, 2] {
        let mut writer = node.writer("a");
        node.take(&mut writer, taken);
        node.kill(writer);
        last += taken as u64;
        assert_eq!(node.kept(), ticks(1..=last));
    }
    node.writer("another boot").close();
    assert_eq!(node.kept(), ticks(1..=last));
}

#[test]
fn a_torn_journal_loses_its_torn_record_and_no_other() {
    let mut node = Node::new();
    let mut writer = node.writer("a");
    node.take(&mut writer, 5);
    node.kill(writer);
    let path = node.dirs().runtime.join("snapshots.journal");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    assert_eq!(node.kept(), ticks(1..=4));
    node.writer("a").close();
    assert_eq!(node.kept(), ticks(1..=4));
}

#[test]
fn a_power_cut_loses_the_last_minute_at_most() {
    let mut node = Node::new();
    let mut writer = node.writer("a");
    node.take(&mut writer, 30);
    node.kill(writer);
    std::fs::remove_dir_all(node.dirs().runtime).unwrap();
    std::fs::create_dir(node.dirs().runtime).unwrap();
    node.writer("b").close();
    assert_eq!(node.kept(), ticks(1..=24));
}

#[test]
fn a_broken_file_is_set_aside_and_the_journal_still_counts() {
    let mut node = Node::new();
    let mut writer = node.writer("a");
    node.take(&mut writer, 3);
    node.kill(writer);
    for round in 0..2 {
        std::fs::write(node.dirs().metrics(), "this is no database, not at all").unwrap();
        let _absent = std::fs::remove_file(node.dirs().state.join("metrics.db-wal"));
        node.sim.advance(Duration::from_secs(1));
        node.writer("a").close();
        // What was salvaged of the first is nothing, and the journal was emptied into it.
        assert_eq!(node.kept_or_none(), if round == 0 { ticks(1..=3) } else { vec![] });
    }
    assert!(node.tally.healthy(Database::Metrics));
    let aside = |e: &std::fs::DirEntry| e.file_name().to_string_lossy().starts_with("metrics.db.corrupt-");
    assert_eq!(std::fs::read_dir(node.dirs().state).unwrap().flatten().filter(aside).count(), 1, "the last one only");
}

#[test]
fn a_file_that_cannot_be_written_is_written_once_it_can() {
    let mut node = Node::new();
    let state = node.dirs().state;
    std::fs::remove_dir(&state).unwrap();
    std::fs::write(&state, "in the way").unwrap();
    let mut writer = node.writer("a");
    node.take(&mut writer, 30);
    assert!(!node.tally.healthy(Database::Metrics));
    node.kill_runtime_only(writer);
    let mut writer = node.writer("a");
    node.take(&mut writer, 2);
    std::fs::remove_file(&state).unwrap();
    std::fs::create_dir(&state).unwrap();
    // Past the wait for the next try, and not yet at the next flush: two snapshots are in no frame.
    node.sim.advance(Duration::from_secs(40));
    writer.tend();
    assert!(node.tally.healthy(Database::Metrics));
    assert_eq!(node.kept(), ticks(1..=32), "what is pending is in the new journal");
    writer.close();
    assert_eq!(node.kept(), ticks(1..=32));
}

impl Node {
    fn kill_runtime_only(&self, writer: Writer) {
        let image = tempfile::tempdir().unwrap();
        copy(&self.dirs().runtime, image.path());
        drop(writer);
        copy(image.path(), &self.dirs().runtime);
    }
}

#[test]
fn times_before_the_clock_was_trusted_are_told_by_the_boot_clock() {
    let mut node = Node::new();
    node.sim.step_wall(-START, false);
    let mut writer = node.writer("a");
    node.take(&mut writer, 20);
    let all = Past::open(&node.dirs()).unwrap();
    assert_eq!(all.frames(&ALWAYS).0.len(), 0, "nobody knows when that was");
    node.sim.step_wall(START, true);
    node.take(&mut writer, 20);
    assert_eq!(node.kept(), ticks(1..=40));
    writer.close();
    assert_eq!(node.kept(), ticks(1..=40));
}

#[tokio::test]
async fn files_of_a_newer_version_are_set_aside_whole() {
    let mut node = Node::new();
    let mut writer = node.writer("a");
    node.take(&mut writer, 3);
    writer.close();
    node.events(&Settings::default()).close().await;
    for name in ["metrics.db", "events.db"] {
        let file = rusqlite::Connection::open(node.dirs().state.join(name)).unwrap();
        file.pragma_update(None, "user_version", 7).unwrap();
    }
    node.writer("a").close();
    node.events(&Settings::default()).close().await;
    let names: Vec<_> = std::fs::read_dir(node.dirs().state).unwrap().map(|e| e.unwrap().file_name()).collect();
    for name in ["metrics.db.v7-", "events.db.v7-"] {
        let aside = names.iter().find(|n| n.to_string_lossy().starts_with(name)).unwrap();
        let file = rusqlite::Connection::open(node.dirs().state.join(aside)).unwrap();
        let version: i64 = file.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        assert_eq!(version, 7);
    }
    assert!(node.tally.healthy(Database::Metrics) && node.tally.healthy(Database::Events));
}

#[test]
fn the_oldest_frames_go_when_there_are_too_many_bytes_or_they_are_too_old() {
    let node = Node::new();
    let path = node.dirs().metrics();
    let (most, day) = (1 << 20, Duration::from_secs(86_400));
    let mut file = metrics::Metrics::open(&path, most).unwrap();
    let mut dictionary = dictionary::Dictionary::default();
    for n in 0..200u64 {
        let boot_ms = node.sim.clock().boot().as_millis();
        let step = frame::Step { boot_ms, wall_ms: START + boot_ms as i64, trusted: true };
        let frame = frame::Frame { boot_id: "a".into(), steps: vec![step], columns: vec![] };
        // Noise, so that it takes its room whatever the codec does.
        let sealed = metrics::Sealed { blob: vec![n as u8; 20_000], ..metrics::Sealed::new(&frame).unwrap() };
        file.commit([sealed].iter(), &mut dictionary).unwrap();
        file.retire(most, day, &node.sim.clock().now(), "a", &mut dictionary).unwrap();
        assert!(file.figures().unwrap().0 <= most, "frame {n}: {:?}", file.figures());
        node.sim.advance(Duration::from_secs(60));
    }
    let (bytes, frames, oldest) = file.figures().unwrap();
    assert!(frames > 45 && bytes > most * 9 / 10, "{bytes} bytes, {frames} frames: no more goes than must");
    assert_eq!(oldest, Some(START + 10_000 + 60_000 * (200 - frames as i64)));
    node.sim.advance(day - Duration::from_secs(600));
    file.retire(most, day, &node.sim.clock().now(), "a", &mut dictionary).unwrap();
    assert!((9..=11).contains(&file.figures().unwrap().1), "{:?}", file.figures());
}

#[test]
fn an_export_leaves_out_what_nobody_can_time_and_says_so() {
    let mut node = Node::new();
    node.sim.step_wall(-START, false);
    let mut writer = node.writer("never set");
    node.take(&mut writer, 3);
    writer.close();
    node.sim.step_wall(START, true);
    let mut writer = node.writer("set");
    node.take(&mut writer, 2);
    writer.close();
    let mut text = Vec::new();
    let summary = export(&node.dirs(), ALWAYS, &[("job", "x\"y")], false, &mut text, &mut |_, _| {}).unwrap();
    let expected = "# TYPE camera_fps gauge\n# HELP camera_fps frames\n\
        camera_fps{camera_id=\"yard\",job=\"x\\\"y\"} 24.5 1767225620.000\n\
        camera_fps{camera_id=\"yard\",job=\"x\\\"y\"} 24.5 1767225625.000\n\
        # TYPE camera_frames counter\n# HELP camera_frames frames\n\
        camera_frames_total{camera_id=\"yard\",job=\"x\\\"y\"} 500.0 1767225620.000\n\
        camera_frames_total{camera_id=\"yard\",job=\"x\\\"y\"} 625.0 1767225625.000\n# EOF\n";
    assert_eq!(String::from_utf8(text).unwrap(), expected);
    assert_eq!((summary.samples, summary.untimed, summary.series), (4, 6, 2));
    let believed = export(&node.dirs(), ALWAYS, &[], true, &mut Vec::new(), &mut |_, _| {}).unwrap();
    assert_eq!((believed.samples, believed.untimed), (10, 0));
}

#[test]
fn a_writer_that_is_far_behind_loses_the_oldest_snapshots_and_they_are_counted() {
    let mut node = Node::new();
    let store = Store { shared: Arc::default(), tally: node.tally.clone() };
    for _ in 0..QUEUE + 3 {
        store.append(Arc::new(node.tick()));
    }
    let waiting = store.shared.with(|inbox| inbox.snapshots.front().map(|s| s.seq));
    assert_eq!((waiting, node.tally.snapshots.load(Relaxed)), (Some(4), 3));
}

#[test]
fn a_database_whose_thread_does_not_move_for_ten_seconds_is_not_healthy_until_it_moves() {
    let (sim, tally, book) = (Sim::new(), Arc::new(Tally::default()), Book::default());
    for database in Database::ALL {
        tally.set_healthy(*database, true);
    }
    let meters = Meters::open(&book, tally.clone());
    let life = |of| Life::begin(Pulses::default().add_lesser("store"), sim.clock(), tally.clone(), of);
    let store = life(&[Database::Metrics, Database::Journal]);
    let events = life(&[Database::Events]);
    let mut latest = Latest::new(book);
    let mut unhealthy = || {
        let now = sim.clock().now();
        let mut report = Report::new(Window { from: now.boot, to: now.boot });
        meters.fill(&mut report);
        latest.apply(&report);
        let rows = latest.snapshot(now).rows;
        let down = rows.iter().filter(|r| r.meta.family.name == "vedette_store_healthy" && r.value == 0.0);
        down.map(|r| r.meta.labels.get("database").unwrap().to_owned()).collect::<Vec<_>>()
    };
    sim.advance(Duration::from_secs(10));
    store.beat();
    assert_eq!(unhealthy(), [""; 0], "a slow flush is none");
    sim.advance(Duration::from_secs(1));
    assert_eq!(unhealthy(), ["events"]);
    events.beat();
    assert_eq!(unhealthy(), [""; 0]);
    sim.advance(Duration::from_secs(11));
    assert_eq!(unhealthy(), ["events", "journal", "metrics"]);
}
