//! The store on disks that fail: full, read-only, with input/output errors, hanging.

use super::super::support::disk::{Disk, Small};
use super::super::support::vedette::Vedette;
use super::super::support::wait;
use super::node::{Mix, Node, Open};
use super::{BOUND, quick_check};
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Runtime;
use vedette::metric::alarm::{Alarm, Fate, Message, Phase, Stamp};
use vedette::metric::labels::Labels;
use vedette::store::{Commit, Database, Settings};

fn message(n: u64) -> Message {
    let payload = format!("{n:0>4000}").into_bytes();
    Message { topic: "alarm".into(), payload, retain: false, fate: Fate::Event }
}

/// A node whose state lies on a disk that fails, and what it was told.
struct Sick {
    node: Node,
    runtime: Runtime,
    committed: u64,
}

impl Sick {
    /// With a first minute on file.
    fn start(home: &Path) -> (Sick, Open) {
        let node = Node::at(home, Mix::new(200), 0);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut sick = Sick { node, runtime, committed: 0 };
        let open = sick.node.open(Settings::default());
        sick.runtime.block_on(open.events.sinks(&["siren".into()]));
        (0..30).for_each(|_| sick.work(&open));
        wait("the first flush", BOUND, || (open.figure("vedette_store_frames") >= 2.0).then_some(()));
        assert!(sick.healthy(&open));
        (sick, open)
    }

    /// One tick and one alarm.
    fn work(&mut self, open: &Open) {
        open.store.append(self.node.tick());
        let commit = Commit { messages: vec![message(self.committed)], ..Commit::default() };
        self.runtime.block_on(open.events.commit(commit)).unwrap();
        self.committed += 1;
    }

    fn healthy(&self, open: &Open) -> bool {
        open.healthy(Database::Metrics) && open.healthy(Database::Events)
    }

    /// Works on until both databases notice, and for a while after that.
    fn work_in_memory(&mut self, open: &Open) {
        wait("both notice", BOUND, || {
            self.work(open);
            (!open.healthy(Database::Metrics) && !open.healthy(Database::Events)).then_some(())
        });
        (0..30).for_each(|_| self.work(open));
        assert!(!self.healthy(open));
    }

    /// Both are back on file, and nothing that was ever told to the store is missing from it.
    fn end(mut self, open: Open) {
        wait("both work again", BOUND, || {
            self.node.sim.advance(Duration::from_secs(1));
            self.healthy(&open).then_some(())
        });
        self.work(&open);
        self.node.close(open);
        assert_eq!(self.node.kept_ticks(), (1..=self.node.ticks).collect::<Vec<_>>());
        for name in ["metrics.db", "events.db"] {
            assert_eq!(quick_check(&self.node.dirs().state.join(name)), "ok");
        }
        let open = self.node.open(Settings::default());
        let waiting = self.runtime.block_on(open.events.waiting("siren", 0, 10_000));
        let expected: Vec<_> = (0..self.committed).map(message).collect();
        assert_eq!(waiting.into_iter().map(|w| w.message).collect::<Vec<_>>(), expected);
        self.node.close(open);
    }
}

#[test]
fn a_full_disk_is_said_and_outlived_and_nothing_is_missing_afterwards() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    let Some(_small) = Small::mount(&state, "4m") else { return };
    let (mut sick, open) = Sick::start(home.path());
    let filler = Small::fill(&state);
    sick.work_in_memory(&open);
    std::fs::remove_file(filler).unwrap();
    sick.end(open);
}

#[test]
fn a_file_system_that_turns_read_only_is_let_go_of_and_nothing_is_missing_once_it_is_mended() {
    let home = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(&home.path().join("image"), &home.path().join("state")) else { return };
    let (mut sick, open) = Sick::start(home.path());
    disk.fail();
    sick.work_in_memory(&open);
    disk.mend();
    sick.end(open);
}

#[test]
fn input_output_errors_are_said_and_outlived_and_nothing_is_missing_once_the_disk_is_mended() {
    let home = tempfile::tempdir().unwrap();
    let under = home.path().join("under");
    // The image is sparse: where its own disk is full, the loop device answers a write with EIO.
    let Some(_small) = Small::mount(&under, "12m") else { return };
    let Some(disk) = Disk::mount(&under.join("image"), &home.path().join("state")) else { return };
    let (mut sick, open) = Sick::start(home.path());
    let filler = Small::fill(&under);
    sick.work_in_memory(&open);
    std::fs::remove_file(filler).unwrap();
    disk.mend();
    sick.end(open);
}

#[test]
fn a_disk_that_hangs_when_the_daemon_starts_costs_neither_the_page_nor_an_alarm() {
    let mut vedette = Vedette::new("[node]\ntick = \"1s\"\n");
    let state = vedette.path("state");
    let Some(mut disk) = Disk::mount(&vedette.path("image"), &state) else { return };
    // An earlier life left an alarm whose rule is gone since.
    let node = Node::at(vedette.dir.path(), Mix::new(10), 0);
    let open = node.open(Settings::default());
    let now = node.sim.clock().now();
    let stamp = Stamp { wall: now.wall, boot: now.boot, boot_id: "earlier".into(), trusted: true };
    let alarm = Alarm {
        rule: "Left".into(),
        labels: Labels::new([("alertname", "Left")]),
        annotations: Labels::default(),
        value: 1.0,
        phase: Phase::Firing,
        active: stamp.clone(),
        fired: Some(stamp),
        missing: None,
        resolved: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(open.events.commit(Commit { alarms: vec![alarm], ..Commit::default() })).unwrap();
    node.close(open);

    disk.freeze();
    vedette.start();
    let events = "vedette_store_healthy{database=\"events\"}";
    assert_eq!(vedette.wait_value(events, BOUND, |v| v == 0.0), 0.0);
    let before = vedette.value("vedette_snapshot_timestamp_seconds").unwrap();
    vedette.wait_value("vedette_snapshot_timestamp_seconds", BOUND, |v| v > before + 2.0);
    disk.thaw();
    vedette.wait_value(events, BOUND, |v| v == 1.0);
    let ended = |table: &str| -> i64 {
        let file = rusqlite::Connection::open(state.join("events.db")).unwrap();
        file.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    wait("the alarm of the earlier life is resolved", BOUND, || {
        let (left, told) = (ended("alarm"), ended("log"));
        assert!(told <= 1, "told {told} times");
        (left == 0 && told == 1).then_some(())
    });
    assert!(vedette.stop().success());
}
