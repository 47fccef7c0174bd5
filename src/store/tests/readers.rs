//! Others who read the files while they are written.

use super::events::{commit, message, topics};
use super::*;
use crate::metric::alarm::Fate;
use std::sync::atomic::AtomicBool;

/// 64 MiB and one transaction.
const LOG_MOST: u64 = (64 << 20) + (8 << 20);

/// Somebody opens a file by hand, looks at it and goes for lunch.
fn forgotten(path: &Path) -> rusqlite::Connection {
    let reader = rusqlite::Connection::open(path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM meta;").unwrap();
    reader
}

#[tokio::test]
async fn a_reader_that_never_ends_lets_the_log_of_events_grow_to_its_bound_and_costs_none() {
    let node = Node::new();
    let events = node.events(&Settings { outbox_bytes: 1 << 30, ..Settings::default() });
    events.sinks(&["a".into()]).await;
    let path = node.dirs().events();
    let reader = forgotten(&path);
    let mebibyte = "x".repeat(1 << 20);
    for n in 0..80 {
        commit(&events, vec![message(&format!("e{n}"), &mebibyte, Fate::Event)]).await;
    }
    assert!(!node.tally.healthy(Database::Events));
    let log = file::log_bytes(&path).unwrap();
    assert!((64 << 20..LOG_MOST).contains(&log), "{log} bytes");
    assert_eq!(topics(&events, "a").await.len(), 80);
    drop(reader);
    node.sim.advance(Duration::from_secs(120));
    for _ in 0..3 {
        commit(&events, vec![]).await;
    }
    assert!(node.tally.healthy(Database::Events));
    events.close().await;
    assert_eq!(file::log_bytes(&path).unwrap(), 0);
    assert_eq!(topics(&node.events(&Settings::default()), "a").await.len(), 80);
}

#[test]
fn a_reader_that_never_ends_lets_the_log_of_metrics_grow_to_its_bound() {
    let node = Node::new();
    let path = node.dirs().metrics();
    let mut file = metrics::Metrics::open(&path, 1 << 30).unwrap();
    let mut dictionary = dictionary::Dictionary::default();
    let reader = forgotten(&path);
    let step = frame::Step { boot_ms: 1, wall_ms: START, trusted: true };
    let frame = frame::Frame { boot_id: "a".into(), steps: vec![step], columns: vec![] };
    let sealed = [metrics::Sealed { blob: vec![7; 1 << 20], ..metrics::Sealed::new(&frame).unwrap() }];
    let written = (0..80).take_while(|_| file.commit(sealed.iter(), &mut dictionary).is_ok()).count();
    assert!((60..70).contains(&written), "{written} MiB");
    assert!(metrics::Metrics::open(&path, 1 << 30).is_err(), "one that is opened again has no room either");
    drop(reader);
    file.commit(sealed.iter(), &mut dictionary).unwrap();
    assert!(file::log_bytes(&path).unwrap() < 4 << 20);
}

#[test]
fn exports_without_a_pause_never_block_the_writer() {
    let mut node = Node::new();
    let mut writer = node.writer("a");
    node.take(&mut writer, 60);
    let (dirs, over) = (node.dirs(), AtomicBool::new(false));
    let exports = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut exports = 0;
            // Its own reading stays open over the exports, as that of a slow pipe would.
            let past = Past::open(&dirs).unwrap();
            let places = past.frames(&ALWAYS).0;
            while !over.load(Relaxed) || exports < 3 {
                past.load(places[0], |_| true).unwrap();
                let summary = export(&dirs, ALWAYS, &[], false, &mut Vec::new(), &mut |_, _| {}).unwrap();
                assert!(summary.samples > 60 && summary.broken == 0);
                exports += 1;
            }
            exports
        });
        for _ in 0..150 {
            node.take(&mut writer, 12);
            assert!(node.tally.healthy(Database::Metrics), "a commit met a lock");
            assert_eq!(node.tally.waiting.load(Relaxed), 0);
        }
        over.store(true, Relaxed);
        reader.join().unwrap()
    });
    println!("{exports} exports beside 150 flushes");
    writer.close();
    assert_eq!(file::log_bytes(&node.dirs().metrics()).unwrap(), 0);
    assert_eq!(node.kept(), ticks(1..=60 + 150 * 12));
}
