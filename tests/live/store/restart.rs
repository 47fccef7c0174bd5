//! A killed daemon's rules.

use super::super::support::vedette::Vedette;
use super::BOUND;

/// Fires while fewer than 22 of the last 60 snapshots, one a second, are known.
const RULE: &str = "groups: [{name: g, rules: [{alert: Forgot, \
                    expr: 'count_over_time(vedette_snapshot_timestamp_seconds[1m]) < 22'}]}]";

#[test]
fn rules_remember_over_kill_9_what_their_ranges_look_back_on() {
    let mut vedette = Vedette::new("[node]\ntick = \"1s\"\n");
    vedette.start();
    let snapshots = "vedette_snapshot_timestamp_seconds";
    let first = vedette.value(snapshots).unwrap();
    vedette.wait_value(snapshots, BOUND, |v| v > first + 24.0);
    vedette.kill();
    vedette.rules(RULE);
    vedette.start();
    // The hold after a start is twelve seconds: without a memory, the rule has seen some twelve snapshots then.
    let again = vedette.value(snapshots).unwrap();
    vedette.wait_value(snapshots, BOUND, |v| v > again + 14.0);
    assert!(vedette.stop().success());
    let events = rusqlite::Connection::open(vedette.path("state/events.db")).unwrap();
    let told: i64 = events.query_row("SELECT count(*) FROM log", [], |row| row.get(0)).unwrap();
    assert_eq!(told, 0, "{}", vedette.log());
    assert!(!vedette.log().contains("WARN"), "{}", vedette.log());
}
