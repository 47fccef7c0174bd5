//! `events.db` when only a part of it can be read while it fails.

use super::events::{alarm, commit, message, stamp, topics};
use super::*;
use crate::metric::alarm::{Fate, Message, Phase, Transition};

const PAGE: usize = file::PAGE as usize;

/// Makes what lies around this text in a file unreadable; returns where, and what was there.
fn damage(path: &Path, text: &str) -> (usize, Vec<u8>) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(text.len()).position(|w| w == text.as_bytes()).unwrap() / PAGE * PAGE;
    let was = bytes[at..at + PAGE].to_vec();
    bytes[at..at + PAGE].fill(0xa5);
    std::fs::write(path, bytes).unwrap();
    (at, was)
}

fn repair(path: &Path, (at, was): (usize, Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at..at + PAGE].copy_from_slice(&was);
    std::fs::write(path, bytes).unwrap();
}

/// Events that fill a page each, and what each of them says.
fn long(n: u32) -> (Message, String) {
    let text = format!("[{n:03}]");
    (message("e", &text.repeat(700), Fate::Event), text)
}

fn remembers(target: &str, text: Option<&str>) -> (Arc<str>, Option<String>) {
    (target.into(), text.map(str::to_owned))
}

async fn heard(events: &Events) -> Vec<String> {
    topics(events, "a").await.iter().map(|t| t.chars().skip(2).take(5).collect()).collect()
}

#[tokio::test]
async fn what_cannot_be_read_while_the_disk_fails_is_there_when_it_no_longer_does() {
    let node = Node::new();
    let (path, settings) = (node.dirs().events(), Settings { outbox_bytes: 1 << 20, ..Settings::default() });
    let events = node.events(&settings);
    events.sinks(&["b".into(), "a".into()]).await;
    for n in 0..40 {
        commit(&events, vec![long(n).0]).await;
    }
    let told = |camera| Transition { alarm: alarm(camera, Phase::Firing), at: stamp(9) };
    let both = Commit {
        alarms: vec![alarm("yard", Phase::Firing), alarm("door", Phase::Firing)],
        transitions: vec![told("yard"), told("door")],
        messages: vec![message("yard", "up", Fate::State), message("door", "up", Fate::State)],
        memory: vec![remembers("stream/a", Some("open")), remembers("stream/b", Some("idle"))],
        ..Commit::default()
    };
    events.commit(both).await.unwrap();
    let newest = events.reserve();
    events.close().await;

    let was = damage(&path, &long(20).1);
    let events = node.events(&settings);
    assert_eq!(events.left().await.alarms.len(), 2);
    // Somebody else holds the lock: the file cannot be written, and memory takes its place.
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let new = Commit {
        alarms: vec![alarm("door", Phase::Resolved), alarm("gate", Phase::Firing)],
        transitions: vec![told("gate")],
        messages: vec![message("new", "1", Fate::Event), message("door", "", Fate::State)],
        memory: vec![remembers("stream/b", None), remembers("stream/c", Some("new"))],
        ..Commit::default()
    };
    events.commit(new).await.unwrap();
    assert!(!node.tally.healthy(Database::Events));
    let readable = heard(&events).await;
    assert!(readable.len() > 38 && !readable.contains(&long(20).1), "both sides of the damage: {readable:?}");
    assert!(events.reserve() > newest);
    for waiting in events.waiting("a", 0, 5).await {
        events.done("a", waiting.id).await;
    }

    repair(&path, was);
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    let mut returned = events.returned();
    returned.mark_unchanged();
    node.sim.advance(Duration::from_secs(120));
    for _ in 0..3 {
        commit(&events, vec![]).await;
    }
    assert!(node.tally.healthy(Database::Events) && returned.has_changed().unwrap());
    for reopened in [false, true] {
        let events = if reopened { node.events(&settings) } else { events.clone() };
        let expected: Vec<_> = (5..40).map(|n| long(n).1).collect();
        let all = heard(&events).await;
        assert_eq!(all[..35], expected, "reopened: {reopened}");
        assert_eq!(topics(&events, "a").await[35..], ["yard=up", "new=1", "door="]);
        assert_eq!(topics(&events, "b").await.len(), 43, "it had delivered none");
        assert_eq!(events.left().await.alarms, [alarm("gate", Phase::Firing), alarm("yard", Phase::Firing)]);
        assert_eq!(events.states().await, [message("yard", "up", Fate::State)]);
        assert_eq!(events.log(9).await, ["gate", "door", "yard"].map(|camera| Logged::Alarm(Box::new(told(camera)))));
        let memories: Vec<_> = events.left().await.memories.into_iter().map(|(target, _)| target).collect();
        assert_eq!(memories, ["stream/a", "stream/c"]);
        assert_eq!(node.tally.due("a").dropped_bytes, 0);
        events.close().await;
    }
}

#[tokio::test]
async fn brokers_on_file_stay_while_nobody_has_named_any() {
    let node = Node::new();
    let events = node.events(&Settings::default());
    events.sinks(&["a".into()]).await;
    commit(&events, vec![message("e", "before", Fate::Event)]).await;
    events.close().await;
    let (state, away) = (node.dirs().state, node.home.path().join("away"));
    std::fs::rename(&state, &away).unwrap();
    std::fs::write(&state, "in the way").unwrap();
    let events = node.events(&Settings::default());
    assert_eq!(events.left().await.alarms, []);
    std::fs::remove_file(&state).unwrap();
    std::fs::rename(&away, &state).unwrap();
    node.sim.advance(Duration::from_secs(120));
    for _ in 0..3 {
        commit(&events, vec![]).await;
    }
    assert_eq!(topics(&events, "a").await, ["e=before"]);
}
