//! What a look at the whole node costs, collected and written as a page in text 0.0.4: ours in this process, beside Debian's
//! node_exporter with its defaults, by turns. CPU time is that of the processes, from `/proc/<pid>/stat`.
//!
//!     cargo bench --bench node              three turns of 10 s each
//!     SECONDS=30 cargo bench --bench node

#[path = "../../tests/live/node/ours.rs"]
mod ours;
#[path = "../../tests/live/node/talk.rs"]
mod talk;

use ours::Ours;
use std::process::{Command, Stdio};
use std::time::Duration;
use talk::Talk;
use vedette::base::clock::Clock;
use vedette::world::clock::System;

const TURNS: usize = 3;
/// Between two looks: far less than on a node, where it is a tick of 5 s, so that there are enough to count.
const EVERY: Duration = Duration::from_millis(50);
/// USER_HZ, the unit of `/proc/<pid>/stat`.
const TICKS: f64 = 100.0;

fn main() {
    // `cargo test --benches` only wants to know that it starts.
    if std::env::args().any(|a| a == "--test") {
        return;
    }
    let seconds = std::env::var("SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(10);
    let length = Duration::from_secs(seconds);
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
    let mut command = Command::new("prometheus-node-exporter");
    command.arg(format!("--web.listen-address=127.0.0.1:{port}")).stderr(Stdio::null());
    let mut exporter = command.spawn().expect("node_exporter starts; `make setup` installs it");
    println!("| turn | who | series | looks | CPU ms per look |");
    println!("|---|---|---|---|---|");
    let mut sums = [(0.0, 0.0); 2];
    for turn in 1..=TURNS {
        let rows = [("vedette", ours(length)), ("node_exporter", theirs(port, exporter.id(), length))];
        for ((who, (series, looks, cpu)), sum) in rows.into_iter().zip(&mut sums) {
            println!("| {turn} | {who} | {series} | {looks:.0} | {:.2} |", cpu * 1000.0 / looks);
            *sum = (sum.0 + cpu, sum.1 + looks);
        }
    }
    let [ours, theirs] = sums.map(|(cpu, looks)| cpu * 1000.0 / looks);
    println!("\nvedette {ours:.2} ms, node_exporter {theirs:.2} ms: {:.2} of it", ours / theirs);
    exporter.kill().and_then(|()| exporter.wait()).expect("it can be stopped");
}

/// Series on the last page, looks, and CPU seconds.
type Cost = (usize, f64, f64);

fn ours(length: Duration) -> Cost {
    let clock = Clock::new(System);
    let mut ours = Ours::start(Default::default(), EVERY);
    ours.page();
    let (from, looks, cpu) = (clock.boot(), ours.collections(), cpu("self"));
    let mut series = 0;
    while clock.boot().since(from) < length {
        series = count(&ours.page());
    }
    (series, ours.collections() - looks, self::cpu("self") - cpu)
}

fn theirs(port: u16, pid: u32, length: Duration) -> Cost {
    let clock = Clock::new(System);
    let talk = || Talk::with(port).ok();
    let mut talk = std::iter::repeat_with(talk).flatten().next().expect("it listens at once or says why not");
    talk.page().expect("node_exporter answers");
    let (from, pid) = (clock.boot(), pid.to_string());
    let (mut series, mut looks, cpu) = (0, 0.0, cpu(&pid));
    while clock.boot().since(from) < length {
        series = count(&talk.page().expect("node_exporter answers"));
        looks += 1.0;
        std::thread::park_timeout(EVERY);
    }
    (series, looks, self::cpu(&pid) - cpu)
}

fn count(page: &str) -> usize {
    page.lines().filter(|line| line.starts_with("node_")).count()
}

/// CPU seconds of a process, its threads that ended among them.
fn cpu(pid: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // utime and stime are fields 14 and 15; the name, field 2, may have blanks.
    let fields: Vec<_> = stat.rsplit_once(')').expect("a name in brackets").1.split_ascii_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().expect("a number")).sum::<f64>() / TICKS
}
