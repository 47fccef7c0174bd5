//! What the store has on file after the mains failed. This binary runs in the guest too: there it feeds a store as fast
//! as the disk allows and says on the serial line what is acknowledged, and after the next boot it looks what is there.
//!
//! QEMU is killed: what the guest's kernel had not handed to the disk is gone, in the middle of whatever it was doing.
//! What it had handed over is there, flushed or not: a disk that lies about flushes is not part of this test.

#[allow(dead_code)] // the store's own tests use all of it
#[path = "../live/store/node.rs"]
mod node;

use crate::bench::{Disks, disks, package, target};
use crate::machine::{Kind, Machine};
use crate::wait::wait;
use node::{Mix, Node, Open};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use vedette::metric::alarm::{Fate, Message};
use vedette::store::{Commit, Settings};

const BOUND: Duration = Duration::from_secs(120);
/// What this binary is told to do in the guest.
const JOB: &str = "VEDETTE_IN_THE_GUEST";
const SERIES: usize = 100;
/// Ticks between two flushes: a minute of them.
const FLUSH: u64 = 12;
/// Acknowledgements before a cut, at most; a guest under emulation gives some hundred a second.
const ACKS: u64 = 600;

/// Events and ticks.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Count {
    events: u64,
    ticks: u64,
}

/// This binary, small enough for the guest's disk.
pub fn binary() -> PathBuf {
    let small = target().join("guest");
    std::fs::create_dir_all(target()).unwrap();
    let stripped = Command::new("strip").arg("-o").arg(&small).arg(std::env::current_exe().unwrap()).status();
    assert!(stripped.unwrap().success());
    small
}

fn job(words: &str) -> String {
    format!(
        "mkdir -p /run/shelf /run/cut /var/lib/cut; ln -sfn /var/lib/cut /run/cut/state; mountpoint -q /run/shelf || \
         mount -o ro LABEL=packages /run/shelf; {JOB}='{words}' RUST_BACKTRACE=0 /run/shelf/guest --exact \
         powercut::in_the_guest --nocapture --test-threads=1"
    )
}

fn message(n: u64) -> Message {
    Message { topic: "alarm".into(), payload: n.to_string().into_bytes(), retain: false, fate: Fate::Event }
}

#[test]
fn in_the_guest() {
    let Ok(job) = std::env::var(JOB) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let home = Path::new("/run/cut");
    let integrity = |path: &str| -> String {
        let file = rusqlite::Connection::open(path).unwrap();
        file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap()
    };
    let events = |open: &Open| -> Vec<u64> {
        let waiting = runtime.block_on(open.events.waiting("siren", 0, usize::MAX));
        waiting.iter().map(|w| String::from_utf8_lossy(&w.message.payload).parse().unwrap()).collect()
    };
    if job == "look" {
        for path in ["/run/cut/state/metrics.db", "/run/cut/state/events.db"] {
            assert_eq!(integrity(path), "ok", "{path}");
        }
        // The daemon's own, beside it.
        for path in ["/var/lib/vedette/metrics.db", "/var/lib/vedette/events.db"] {
            assert!(!Path::new(path).exists() || integrity(path) == "ok", "{path}");
        }
        let node = Node::at(home, Mix::new(SERIES), 0);
        let ticks = node::whole(&node);
        let open = node.open(Settings::default());
        let found = events(&open);
        assert_eq!(found, (1..=found.len() as u64).collect::<Vec<_>>(), "a hole or a double");
        node.close(open);
        println!("\nfound {} {ticks}", found.len());
        return;
    }
    let from =
        if home.join("state/metrics.db").exists() { node::whole(&Node::at(home, Mix::new(SERIES), 0)) } else { 0 };
    let mut node = Node::at(home, Mix::new(SERIES), from);
    let open = node.open(Settings::default());
    runtime.block_on(open.events.sinks(&["siren".into()]));
    let mut event = events(&open).len() as u64;
    loop {
        open.store.append(node.tick());
        event += 1;
        let commit = Commit { messages: vec![message(event)], ..Commit::default() };
        runtime.block_on(open.events.commit(commit)).unwrap();
        let on_file = || open.figure("vedette_store_samples_written_total") as u64 / SERIES as u64;
        println!("\nack {event} {} {}", from + on_file(), node.ticks);
        if node.ticks.is_multiple_of(FLUSH) {
            let taken = node.ticks - from;
            wait("the writer", BOUND, || (on_file() + FLUSH >= taken).then_some(()));
        }
    }
}

/// Starts feeding in the guest and returns at a random moment.
pub fn feed(machine: &mut Machine) {
    let random = RandomState::new().build_hasher().finish();
    machine.start(&job("feed"));
    // The line of the last one may not be whole yet.
    for _ in 0..2 + random % ACKS {
        machine.wait_for("\nack ", BOUND);
    }
    // Up to some 16 ms, a few of the guest's writes.
    for _ in 0..random >> 45 {
        std::hint::spin_loop();
    }
}

/// What was acknowledged before the cut is there after it, by everything that was heard. Returns it in words.
pub fn look(machine: &mut Machine, heard: &str) -> String {
    let numbers = |line: &str, word: &str| -> Option<Vec<u64>> {
        line.trim().strip_prefix(word)?.split(' ').map(|n| n.parse().ok()).collect()
    };
    // The last line may be cut as well.
    let whole = heard.rsplit_once('\n').map_or("", |(lines, _)| lines);
    let acks: Vec<_> = whole.lines().filter_map(|l| numbers(l, "ack ")).filter(|n| n.len() == 3).collect();
    let [event, on_file, taken] = acks.last().expect("an acknowledgement")[..] else { unreachable!("three numbers") };
    let said = machine.must(&job("look"));
    let found = said.lines().find_map(|l| numbers(l, "found ")).unwrap_or_else(|| panic!("{said}"));
    let found = Count { events: found[0], ticks: found[1] };
    let told = format!("{} acknowledgements, event {event}, tick {on_file} of {taken} on file; {found:?}", acks.len());
    assert!(found.events >= event, "an acknowledged event is gone: {told}");
    assert!(found.ticks >= on_file, "a tick that was on file is gone: {told}");
    // One flush, and what came while it was under way.
    assert!(found.ticks + 2 * FLUSH >= taken, "more than a flush is gone: {told}");
    told
}

/// `make powercut N=20`: the mains fail so many times in the life of one machine.
#[test]
#[ignore = "a campaign: make powercut N=20"]
fn many_cuts_in_a_row_cost_no_acknowledged_event() {
    let _alone = crate::bench::ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let cuts: u32 = std::env::var("CUTS").ok().and_then(|n| n.parse().ok()).unwrap_or(10);
    let (dir, disks): (PathBuf, Disks) = disks("powercut", &[package(), binary()]);
    let mut machine = crate::boot(&dir, &disks, Kind::Appliance);
    for cut in 1..=cuts {
        feed(&mut machine);
        let heard = machine.cut_power();
        machine = crate::boot(&dir, &disks, Kind::Appliance);
        println!("cut {cut} of {cuts}: {}", look(&mut machine, &heard));
    }
    machine.power_off();
}
