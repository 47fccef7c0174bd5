//! The unit file as systemd itself reads it.

use std::process::{Command, Output};

/// Exposure by `systemd-analyze security`, 0 (nothing to see) to 10. The best hardened unit of a comparable daemon that
/// we know of scores 2.2.
const MOST_EXPOSED: f64 = 2.0;

fn unit() -> String {
    std::fs::read_to_string("systemd/vedette.service").expect("the unit file")
}

/// Runs systemd-analyze on a copy of the unit whose program exists on this machine.
fn analyze(arguments: &[&str]) -> Output {
    let dir = tempfile::tempdir().expect("a directory");
    let copy = dir.path().join("vedette.service");
    std::fs::write(&copy, unit().replace("/usr/bin/vedette ", "/bin/true ")).expect("a copy");
    let out = Command::new("systemd-analyze").args(arguments).arg(&copy).output();
    out.expect("systemd-analyze (Debian package systemd)")
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let out = analyze(&["verify", "--man=no"]);
    let said = String::from_utf8_lossy(&out.stderr);
    // Only the unit of ours is judged, not those of the machine that it names.
    let ours: Vec<_> = said.lines().filter(|l| l.contains("vedette.service")).collect();
    assert!(out.status.success() && ours.is_empty(), "{said}");
}

#[test]
fn the_unit_is_exposed_at_most_two_of_ten() {
    let out = analyze(&["security", "--offline=yes", "--no-pager"]);
    let said = String::from_utf8_lossy(&out.stdout);
    let overall = said.lines().find(|l| l.contains("Overall exposure level")).expect("a verdict");
    let level: f64 = overall.split_whitespace().find_map(|w| w.parse().ok()).expect("a number");
    assert!(level <= MOST_EXPOSED, "{said}");
}

#[test]
fn the_unit_holds_no_capability_and_keeps_what_is_not_flushed_over_a_restart() {
    let unit = unit();
    for line in [
        "CapabilityBoundingSet=",
        "AmbientCapabilities=",
        "NotifyAccess=main",
        "RuntimeDirectoryPreserve=restart",
        "Restart=always",
        "LimitCORE=0",
    ] {
        assert!(unit.lines().any(|l| l == line), "no line `{line}`");
    }
    assert!(!unit.contains("ConfigurationDirectory="), "it fails on a read-only /etc");
}
