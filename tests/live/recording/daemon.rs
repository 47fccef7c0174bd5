//! Recordings in the daemon itself: without inotify, over kill -9, and up to the alarm with its cause.

use super::*;
use crate::support::vedette::{START, Vedette};
use std::os::unix::process::CommandExt;

/// A namespace of its own in which nobody may have an inotify instance.
fn without_inotify(command: &mut Command) {
    let enter = || {
        // SAFETY: takes no pointer; the child has one thread.
        if unsafe { libc::unshare(libc::CLONE_NEWUSER) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
        fs::write("/proc/self/uid_map", "0 0 1")?;
        fs::write("/proc/sys/user/max_inotify_instances", "0")
    };
    // SAFETY: what runs between fork and exec opens and writes two files, and no other thread holds a lock that it needs.
    unsafe { command.pre_exec(enter) };
}

const GAP: &str = "recording_gap_open{camera_id=\"yard\"}";

fn events(daemon: &Vedette) -> Vec<String> {
    let file = rusqlite::Connection::open(daemon.path("state/events.db")).unwrap();
    let mut log = file.prepare("SELECT body FROM log ORDER BY id").unwrap();
    log.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn without_inotify_a_recording_is_followed_all_the_same_and_its_gap_outlives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon =
        Vedette::new(&format!("[node]\ntick = \"1s\"\n{}", table("yard", dir.path(), "ts", "gap = \"4s\"")));
    daemon.rules(include_str!("../../../src/probe/recording/rules.yml"));
    daemon.start_with(without_inotify);
    let recorder = record(dir.path(), 3);
    let whole = "recording_segments_total{camera_id=\"yard\",verdict=\"whole\"}";
    daemon.wait_value(whole, START, |n| n >= 2.0);
    assert_eq!(daemon.value("recording_watched{camera_id=\"yard\"}"), Some(0.0));
    assert_eq!(daemon.value("recording_watch_failures_total{camera_id=\"yard\",reason=\"limit\"}"), Some(1.0));
    assert_eq!(daemon.value(GAP), Some(0.0));
    drop(recorder);
    daemon.wait_value(GAP, START, |open| open == 1.0);
    let seconds = "recording_gap_seconds_total{camera_id=\"yard\"}";
    daemon.wait_value(seconds, START, |s| s > 8.0);
    daemon.kill();
    daemon.start();
    daemon.wait_value(GAP, START, |open| open == 1.0);
    assert_eq!(daemon.value("recording_gaps_total{camera_id=\"yard\"}"), Some(0.0), "the same gap counts once");
    assert_eq!(daemon.value("recording_watched{camera_id=\"yard\"}"), Some(1.0));
    let alarm = wait("the alarm of the gap", Duration::from_secs(60), || {
        events(&daemon).into_iter().find(|event| event.contains("RecordingGap") && event.contains("firing"))
    });
    assert!(alarm.contains("recorder"), "{alarm}");
    let _again = record(dir.path(), 3);
    daemon.wait_value(GAP, START, |open| open == 0.0);
    wait("the gap in the event log", START, || {
        let events = events(&daemon);
        let of = |kind: &str| events.iter().filter(|event| event.contains(&format!("\"{kind}\""))).count();
        (of("recording.gap") == 1 && of("recording.stopped") == 1).then_some(())
    });
    assert!(daemon.stop().success());
}
