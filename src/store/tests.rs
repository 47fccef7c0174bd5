use super::*;
use crate::base::clock::{Sim, Wall, Window};
use crate::metric::alarm::{Alarm, Fate, Message, Phase, Stamp, Transition};
use crate::metric::book::{Book, Hold, Series};
use crate::metric::desc::{Desc, Unit};
use crate::metric::labels::Labels;
use crate::metric::latest::Latest;
use crate::metric::report::{NoData, Report};
use std::path::Path;

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
    std::fs::write(node.dirs().metrics(), "this is no database, not at all").unwrap();
    std::fs::remove_file(node.dirs().state.join("metrics.db-wal")).unwrap();
    node.writer("a").close();
    assert_eq!(node.kept(), ticks(1..=3));
    assert!(node.tally.healthy(Database::Metrics));
    let aside = |e: &std::fs::DirEntry| e.file_name().to_string_lossy().starts_with("metrics.db.corrupt-");
    assert_eq!(std::fs::read_dir(node.dirs().state).unwrap().flatten().filter(aside).count(), 1);
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
    node.sim.advance(Duration::from_secs(60));
    writer.tend();
    assert!(node.tally.healthy(Database::Metrics));
    assert_eq!(node.kept(), ticks(1..=32));
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

fn stamp(n: i64) -> Stamp {
    let clock = Sim::new().clock().now();
    Stamp { wall: Wall::from_millis(START + n), boot: clock.boot, boot_id: "a".into(), trusted: true }
}

fn alarm(camera: &str, phase: Phase) -> Alarm {
    Alarm {
        rule: "CameraDown".into(),
        labels: Labels::new([("alertname", "CameraDown"), ("camera_id", camera)]),
        annotations: Labels::new([("summary", "it is \"down\"")]),
        value: f64::INFINITY,
        phase,
        active: stamp(1),
        fired: (phase != Phase::Pending).then(|| stamp(2)),
        resolved: (phase == Phase::Resolved).then(|| stamp(3)),
    }
}

fn message(topic: &str, payload: &str, fate: Fate) -> Message {
    Message { topic: topic.into(), payload: payload.into(), retain: fate == Fate::State, fate }
}

async fn commit(events: &Events, messages: Vec<Message>) {
    events.commit(Commit { messages, ..Commit::default() }).await.unwrap();
}

async fn topics(events: &Events, sink: &str) -> Vec<String> {
    let show = |w: &Waiting| format!("{}={}", w.message.topic, String::from_utf8_lossy(&w.message.payload));
    events.waiting(sink, 0, 100).await.iter().map(show).collect()
}

impl Node {
    fn events(&self, settings: &Settings) -> Events {
        let pulse = Pulses::default().add("events");
        Events::open(&self.dirs(), settings, self.sim.clock(), "a".into(), pulse, self.tally.clone()).unwrap()
    }
}

#[tokio::test]
async fn alarms_and_their_log_come_back_after_a_restart() {
    let node = Node::new();
    let events = node.events(&Settings::default());
    let both = vec![alarm("yard", Phase::Firing), alarm("door", Phase::Pending)];
    let transitions = both.iter().map(|a| Transition { alarm: a.clone(), at: stamp(9) }).collect();
    events.commit(Commit { alarms: both, transitions, messages: vec![] }).await.unwrap();
    events.close().await;
    let events = node.events(&Settings::default());
    assert_eq!(events.alarms().await, [alarm("door", Phase::Pending), alarm("yard", Phase::Firing)]);
    assert_eq!(events.log(1).await, [Transition { alarm: alarm("door", Phase::Pending), at: stamp(9) }]);
    let gone = Commit { alarms: vec![alarm("yard", Phase::Resolved)], ..Commit::default() };
    events.commit(gone).await.unwrap();
    assert_eq!(events.alarms().await, [alarm("door", Phase::Pending)]);
}

#[tokio::test]
async fn a_message_goes_when_every_sink_has_passed_it() {
    let node = Node::new();
    let events = node.events(&Settings::default());
    events.sinks(&["a".into(), "b".into()]).await;
    commit(&events, vec![message("e", "1", Fate::Event), message("e", "2", Fate::Event)]).await;
    let first = events.waiting("a", 0, 1).await.remove(0);
    assert_eq!(first.message, message("e", "1", Fate::Event));
    events.done("a", first.id).await;
    assert_eq!(topics(&events, "a").await, ["e=2"]);
    assert_eq!(topics(&events, "b").await, ["e=1", "e=2"]);
    events.close().await;
    let events = node.events(&Settings::default());
    events.sinks(&["b".into(), "c".into()]).await;
    assert_eq!(topics(&events, "a").await, Vec::<String>::new());
    assert_eq!(topics(&events, "c").await, ["e=1", "e=2"], "a new sink gets what still waits");
    for waiting in events.waiting("b", 0, 9).await {
        events.done("b", waiting.id).await;
        events.done("c", waiting.id).await;
    }
    assert_eq!(node.tally.due("c"), Due::default());
}

#[tokio::test]
async fn states_replace_each_other_and_are_there_for_a_broker_that_lost_everything() {
    let node = Node::new();
    let events = node.events(&Settings::default());
    events.sinks(&["a".into()]).await;
    commit(&events, vec![message("yard", "up", Fate::State), message("e", "1", Fate::Event)]).await;
    let stale = events.waiting("a", 0, 1).await.remove(0).id;
    commit(&events, vec![message("yard", "down", Fate::State), message("door", "up", Fate::State)]).await;
    events.done("a", stale).await;
    assert_eq!(topics(&events, "a").await, ["e=1", "yard=down", "door=up"]);
    for waiting in events.waiting("a", 0, 9).await {
        events.done("a", waiting.id).await;
    }
    let states = [message("door", "up", Fate::State), message("yard", "down", Fate::State)];
    assert_eq!(events.states().await, states);
    commit(&events, vec![message("yard", "", Fate::State)]).await;
    assert_eq!(events.states().await, states[..1]);
    assert_eq!(topics(&events, "a").await, ["yard="], "the broker must hear of it");
}
