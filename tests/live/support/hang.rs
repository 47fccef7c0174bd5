//! Whether the page waits for what hangs, and namespaces in which something may hang without troubling anybody else.

use super::vedette::Vedette;
use std::process::Command;
use std::time::Duration;
use vedette::base::clock::Clock;
use vedette::world::clock::System;

/// Requests whose time is taken without and then with what hangs.
const ASKED: usize = 200;
/// What 99 of 100 may take on a loaded machine of two cores; a scraper that waited for what hangs would take seconds.
pub const P99: Duration = Duration::from_millis(250);

/// Asks for the page 20 times a second, each of them to `check`; what 99 of 100 took at most.
pub fn p99(vedette: &Vedette, mut check: impl FnMut(&str)) -> Duration {
    let clock = Clock::new(System);
    let mut times = Vec::new();
    while times.len() < ASKED {
        let from = clock.boot();
        let page = vedette.page();
        times.push(clock.boot().since(from));
        check(&page);
        std::thread::park_timeout(Duration::from_millis(50));
    }
    times.sort();
    times[ASKED * 99 / 100]
}

/// Runs an ignored test in namespaces of its own.
pub fn inside_namespaces(test: &str) {
    let inside = Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&inside.stdout);
    eprintln!("{said}{}", String::from_utf8_lossy(&inside.stderr));
    assert!(inside.status.success() && said.contains("1 passed"), "see above");
}

/// Runs a program that must succeed.
pub fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output().unwrap();
    assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}
