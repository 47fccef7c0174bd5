//! What encoders and recordings cost the daemon: its CPU time and memory while it watches them, above those of a daemon that
//! watches the node only. Whoever plays the encoders and writes the segments is not counted.
//!
//!     cargo bench --bench watch             32 encoders, 256 recordings, 40 s each
//!     SECONDS=20 cargo bench --bench watch

mod played;

use played::{Encoders, Recordings};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Time for first looks, larger than the cadence of any of them.
const WARM_UP: Duration = Duration::from_secs(12);

const ENCODERS: usize = 32;
const RECORDINGS: usize = 256;

fn main() {
    // `cargo test --benches` only wants to know that it starts.
    if std::env::args().any(|a| a == "--test") {
        return;
    }
    let seconds = std::env::var("SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(40);
    let length = Duration::from_secs(seconds);
    println!("| watched | CPU % of a core | above nothing, ms per second and piece | memory MiB | KiB per piece |");
    println!("|---|---|---|---|---|");
    let nothing = watch("", length);
    row("the node only", 1, &nothing, None);
    // On tmpfs, so that a slow disk is not measured.
    let dir = tempfile::Builder::new().tempdir_in("/dev/shm").expect("/dev/shm can be written");
    let encoders = Encoders::play(dir.path(), ENCODERS);
    row("32 encoders, two reports a second", ENCODERS, &watch(&encoders.config, length), Some(&nothing));
    drop(encoders);
    let recordings = Recordings::write(dir.path(), RECORDINGS);
    row("256 recordings, 0.5 Mbit/s, segments of 10 s", RECORDINGS, &watch(&recordings.config, length), Some(&nothing));
}

fn row(what: &str, pieces: usize, cost: &Cost, nothing: Option<&Cost>) {
    let above = nothing.map_or_else(Default::default, |nothing| {
        let each = |more: f64, unit: f64| more * unit / pieces as f64;
        let (cpu, memory) = (cost.cpu - nothing.cpu, cost.memory_mib - nothing.memory_mib);
        (format!("{:.2}", each(cpu, 1e3)), format!("{:.0}", each(memory, 1024.0)))
    });
    println!("| {what} | {:.2} | {} | {:.1} | {} |", cost.cpu * 100.0, above.0, cost.memory_mib, above.1);
}

struct Cost {
    /// Cores in use, user and system.
    cpu: f64,
    memory_mib: f64,
}

#[allow(clippy::disallowed_methods)] // a measurement takes its time on the wall clock
fn watch(config: &str, length: Duration) -> Cost {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut daemon = daemon(dir.path(), config);
    std::thread::sleep(WARM_UP);
    let (before, begun) = (cpu_seconds(daemon.id()), Instant::now());
    std::thread::sleep(length);
    let cpu = (cpu_seconds(daemon.id()) - before) / begun.elapsed().as_secs_f64();
    let memory_mib = resident_mib(daemon.id());
    daemon.kill().expect("what is measured must not end before");
    daemon.wait().expect("a killed child ends");
    Cost { cpu, memory_mib }
}

fn daemon(dir: &Path, config: &str) -> Child {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
    let path = dir.join("vedette.toml");
    std::fs::write(&path, format!("[web]\nlisten = \"127.0.0.1:{port}\"\n{config}"))
        .expect("the folder can be written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_vedette"));
    command.arg("run").arg("--config").arg(path);
    command.arg("--state-dir").arg(dir.join("state")).arg("--runtime-dir").arg(dir.join("run"));
    command.stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::null());
    command.spawn().expect("the daemon starts")
}

/// User and system time of `/proc/<pid>/stat`, which keeps that of threads that ended; in ticks of 10 ms.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("what is measured runs");
    // utime and stime are fields 14 and 15; the name, field 2, may have blanks.
    let fields: Vec<_> = stat.rsplit_once(')').expect("a name in brackets").1.split_ascii_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().expect("a number")).sum::<f64>() / 100.0
}

fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("what is measured runs");
    let line = status.lines().find(|l| l.starts_with("VmRSS:"));
    let line = line.unwrap_or_else(|| panic!("what is measured ended by itself: {status}"));
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("KiB") / 1024.0
}
