//! `events.db`.

use super::*;
use crate::metric::alarm::{Alarm, Fate, Message, Phase, Stamp, Transition};
use crate::metric::labels::Labels;

pub fn stamp(n: i64) -> Stamp {
    let clock = Sim::new().clock().now();
    Stamp { wall: Wall::from_millis(START + n), boot: clock.boot, boot_id: "a".into(), trusted: true }
}

pub fn alarm(camera: &str, phase: Phase) -> Alarm {
    Alarm {
        rule: "CameraDown".into(),
        labels: Labels::new([("alertname", "CameraDown"), ("camera_id", camera)]),
        annotations: Labels::new([("summary", "it is \"down\"")]),
        value: f64::INFINITY,
        phase,
        active: stamp(1),
        fired: (phase != Phase::Pending).then(|| stamp(2)),
        missing: None,
        resolved: (phase == Phase::Resolved).then(|| stamp(3)),
    }
}

pub fn message(topic: &str, payload: &str, fate: Fate) -> Message {
    Message { topic: topic.into(), payload: payload.into(), retain: fate == Fate::State, fate }
}

pub async fn commit(events: &Events, messages: Vec<Message>) {
    events.commit(Commit { messages, ..Commit::default() }).await.unwrap();
}

pub async fn topics(events: &Events, sink: &str) -> Vec<String> {
    let show = |w: &Waiting| format!("{}={}", w.message.topic, String::from_utf8_lossy(&w.message.payload));
    events.waiting(sink, 0, 100).await.iter().map(show).collect()
}

#[tokio::test]
async fn alarms_and_their_log_come_back_after_a_restart() {
    let node = Node::new();
    let events = node.events(&Settings::default());
    let both = vec![alarm("yard", Phase::Firing), alarm("door", Phase::Pending)];
    let transitions = both.iter().map(|a| Transition { alarm: a.clone(), at: stamp(9) }).collect();
    events.commit(Commit { alarms: both, transitions, ..Commit::default() }).await.unwrap();
    events.close().await;
    let events = node.events(&Settings::default());
    assert_eq!(events.left().await.alarms, [alarm("door", Phase::Pending), alarm("yard", Phase::Firing)]);
    assert_eq!(
        events.log(1).await,
        [Logged::Alarm(Box::new(Transition { alarm: alarm("door", Phase::Pending), at: stamp(9) }))]
    );
    let gone = Commit { alarms: vec![alarm("yard", Phase::Resolved)], ..Commit::default() };
    events.commit(gone).await.unwrap();
    assert_eq!(events.left().await.alarms, [alarm("door", Phase::Pending)]);
}

#[tokio::test]
async fn notes_and_what_targets_remember_come_back_after_a_restart() {
    let node = Node::new();
    let events = node.events(&Settings::default());
    let note = |text: &str| Entry { at: Wall::from_millis(START), text: text.to_owned() };
    let memory = |target: &str, text: Option<&str>| (target.into(), text.map(str::to_owned));
    let notes = vec![note(r#"{"kind":"scte35.out"}"#)];
    let both = vec![memory("stream/a", Some("open")), memory("stream/b", Some("idle"))];
    events.commit(Commit { notes: notes.clone(), memory: both, ..Commit::default() }).await.unwrap();
    events.commit(Commit { memory: vec![memory("stream/b", None)], ..Commit::default() }).await.unwrap();
    events.close().await;
    let events = node.events(&Settings::default());
    assert_eq!(events.log(5).await, [Logged::Note(notes[0].clone())]);
    assert_eq!(events.left().await.memories, [("stream/a".to_owned(), "open".to_owned())]);
}

#[tokio::test]
async fn a_file_of_the_first_schema_gets_what_it_lacks_and_keeps_what_it_has() {
    let node = Node::new();
    let events = node.events(&Settings::default());
    events.commit(Commit { alarms: vec![alarm("yard", Phase::Firing)], ..Commit::default() }).await.unwrap();
    events.close().await;
    let file = rusqlite::Connection::open(node.dirs().events()).unwrap();
    file.execute_batch("DROP TABLE memory; PRAGMA user_version=1;").unwrap();
    drop(file);
    let events = node.events(&Settings::default());
    let memory = vec![("stream/a".into(), Some("open".to_owned()))];
    events.commit(Commit { memory, ..Commit::default() }).await.unwrap();
    assert_eq!(events.left().await.alarms, [alarm("yard", Phase::Firing)]);
    assert_eq!(events.left().await.memories.len(), 1);
    events.close().await;
    let file = rusqlite::Connection::open(node.dirs().events()).unwrap();
    assert_eq!(file.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)).unwrap(), 2);
    assert!(node.tally.healthy(Database::Events));
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
async fn a_sink_that_goes_takes_its_series_and_its_tally_with_it() {
    let node = Node::new();
    let settings = Settings { outbox_bytes: 1, ..Settings::default() };
    let events = node.events(&settings);
    let book = Book::default();
    let brokers = || {
        let metas = book.all();
        metas.iter().map(|m| format!("{} {}", m.family.name, m.labels.get("broker").unwrap_or("-"))).collect::<Vec<_>>()
    };
    events.sinks(&["a".into()]).await;
    commit(&events, vec![message("e", "1", Fate::Event), message("yard", "up", Fate::State)]).await;
    let meters = OutboxMeters::open(&book, events.tally(), "a");
    assert!(brokers().len() == 4 && brokers().contains(&"vedette_outbox_messages a".to_owned()), "{:?}", brokers());
    assert_eq!((node.tally.due("a").rows, node.tally.due("a").dropped_bytes), (1, 1));
    meters.close(&book);
    events.sinks(&["b".into()]).await;
    assert_eq!(brokers(), [""; 0]);
    assert_eq!(node.tally.due("a"), Due::default(), "one that comes again under this name starts from nothing");
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

#[tokio::test]
async fn only_events_go_when_the_outbox_is_full_or_old_and_they_are_counted() {
    let node = Node::new();
    let settings = Settings { outbox_bytes: 1000, ..Settings::default() };
    let events = node.events(&settings);
    events.sinks(&["a".into()]).await;
    commit(&events, vec![message("yard", &"s".repeat(500), Fate::State)]).await;
    for n in 0..10 {
        commit(&events, vec![message("e", &format!("{n:0>99}"), Fate::Event)]).await;
    }
    let left = events.waiting("a", 0, 99).await;
    assert_eq!(left[0].message.fate, Fate::State);
    let numbers: Vec<_> =
        left[1..].iter().map(|w| String::from_utf8_lossy(&w.message.payload[95..]).into_owned()).collect();
    assert_eq!(numbers, ["0006", "0007", "0008", "0009"]);
    assert_eq!(node.tally.due("a"), Due { rows: 5, bytes: 904, dropped_bytes: 6, dropped_age: 0 });
    node.sim.advance(settings.outbox_age + Duration::from_secs(1));
    commit(&events, vec![message("e", "new", Fate::Event)]).await;
    assert_eq!(topics(&events, "a").await.len(), 2);
    assert_eq!(node.tally.due("a").dropped_age, 4);
}

#[tokio::test]
async fn numbers_only_grow_over_restarts_and_a_kill() {
    let node = Node::new();
    let mut last = 0;
    for _ in 0..3 {
        let events = node.events(&Settings::default());
        events.sinks(&["a".into()]).await;
        for _ in 0..5 {
            let number = events.reserve();
            assert!(number > last);
            commit(&events, vec![message("e", "x", Fate::Event)]).await;
            last = events.waiting("a", number, 1).await[0].id;
            assert!(last > number);
            assert_eq!(*events.newest().borrow(), last);
        }
        last = last.max(events.reserve());
        let image = tempfile::tempdir().unwrap();
        copy(&node.dirs().state, image.path());
        events.close().await;
        std::fs::remove_dir_all(node.dirs().state).unwrap();
        std::fs::create_dir(node.dirs().state).unwrap();
        copy(image.path(), &node.dirs().state);
    }
}

#[tokio::test]
async fn events_go_on_in_memory_without_a_directory_and_reach_the_file_once_there_is_one() {
    let node = Node::new();
    let state = node.dirs().state;
    std::fs::remove_dir(&state).unwrap();
    std::fs::write(&state, "in the way").unwrap();
    let events = node.events(&Settings::default());
    events.sinks(&["a".into()]).await;
    commit(&events, vec![message("e", "1", Fate::Event)]).await;
    events.commit(Commit { alarms: vec![alarm("yard", Phase::Firing)], ..Commit::default() }).await.unwrap();
    assert!(!node.tally.healthy(Database::Events));
    std::fs::remove_file(&state).unwrap();
    node.sim.advance(Duration::from_secs(120));
    // The thread looks after it has served a request.
    for _ in 0..3 {
        commit(&events, vec![]).await;
    }
    assert!(node.tally.healthy(Database::Events));
    events.close().await;
    let events = node.events(&Settings::default());
    assert_eq!(topics(&events, "a").await, ["e=1"]);
    assert_eq!(events.left().await.alarms, [alarm("yard", Phase::Firing)]);
}

#[tokio::test]
async fn a_file_that_could_not_be_read_at_the_start_still_counts_when_it_can() {
    let node = Node::new();
    let events = node.events(&Settings::default());
    events.sinks(&["a".into()]).await;
    commit(&events, vec![message("e", "before", Fate::Event), message("yard", "up", Fate::State)]).await;
    let left = vec![alarm("yard", Phase::Firing)];
    let messages = vec![message("door", "up", Fate::State)];
    events.commit(Commit { alarms: left, messages, ..Commit::default() }).await.unwrap();
    let first = events.waiting("a", 0, 1).await[0].id;
    events.close().await;
    let (state, away) = (node.dirs().state, node.home.path().join("away"));
    std::fs::rename(&state, &away).unwrap();
    std::fs::write(&state, "in the way").unwrap();
    let events = node.events(&Settings::default());
    let mut returned = events.returned();
    assert_eq!(events.left().await.alarms, []);
    events.sinks(&["a".into()]).await;
    commit(&events, vec![message("e", "between", Fate::Event), message("yard", "down", Fate::State)]).await;
    assert!(events.waiting("a", first, 9).await.len() == 2, "numbers grow all the same");
    std::fs::remove_file(&state).unwrap();
    std::fs::rename(&away, &state).unwrap();
    node.sim.advance(Duration::from_secs(120));
    for _ in 0..3 {
        commit(&events, vec![]).await;
    }
    assert_eq!(topics(&events, "a").await, ["e=before", "door=up", "e=between", "yard=down"]);
    assert_eq!(*returned.borrow_and_update(), 1, "who asked at the start must ask again");
    assert_eq!(events.left().await.alarms, [alarm("yard", Phase::Firing)]);
    assert_eq!(events.states().await, [message("door", "up", Fate::State), message("yard", "down", Fate::State)]);
    events.close().await;
    let events = node.events(&Settings::default());
    assert_eq!(topics(&events, "a").await, ["e=before", "door=up", "e=between", "yard=down"]);
    assert_eq!(*events.returned().borrow(), 0, "a file that is read at the start hands nothing over later");
}

#[tokio::test]
async fn of_a_broken_file_what_can_be_read_goes_into_a_new_one() {
    let node = Node::new();
    let events = node.events(&Settings::default());
    events.sinks(&["a".into()]).await;
    commit(&events, vec![message("e", "1", Fate::Event)]).await;
    let last = events.reserve();
    events.close().await;
    let path = node.dirs().events();
    let file = rusqlite::Connection::open(&path).unwrap();
    let root: usize =
        file.query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'meta'", [], |row| row.get(0)).unwrap();
    file.close().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[(root - 1) * 4096..root * 4096].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let events = node.events(&Settings::default());
    assert_eq!(topics(&events, "a").await, ["e=1"]);
    assert!(!node.tally.healthy(Database::Events));
    assert!(events.reserve() > last, "the numbers that were given are not known, and not given again");
    node.sim.advance(Duration::from_secs(120));
    for _ in 0..3 {
        commit(&events, vec![]).await;
    }
    assert!(node.tally.healthy(Database::Events));
    events.close().await;
    assert_eq!(topics(&node.events(&Settings::default()), "a").await, ["e=1"]);
}

#[tokio::test]
async fn what_was_asked_for_and_not_waited_for_is_told_later() {
    let node = Node::new();
    let events = node.events(&Settings::default());
    let mut returned = events.returned();
    assert!(!returned.has_changed().unwrap());
    // Asked, and let go of before the thread could answer.
    assert!(futures_util::poll!(std::pin::pin!(events.left())).is_pending());
    returned.changed().await.unwrap();
}
