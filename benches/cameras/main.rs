//! What watching cameras costs: the daemon on N paced cameras, against a bare drain of the same bytes from the sockets,
//! against retina alone, and against `ffmpeg -c copy -f null` per camera, one after another in one run. CPU time and memory
//! are read from `/proc/<pid>`, so the servers, which run in another process, do not count.
//!
//! Never side by side: a wake-up that follows another one finds the processor awake and is cheaper, and that alone turns
//! the order of two clients around.
//!
//!     cargo bench --bench cameras            32 and 64 cameras, 4 Mbit/s, 25 fps, 20 s each
//!     CAMERAS=128 SECONDS=10 cargo bench --bench cameras

mod drain;
mod server;

use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Time for sessions to open before counting begins.
const WARM_UP: Duration = Duration::from_secs(6);

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("serve") => return server::serve(args[2].parse().expect("a port")),
        Some("drain") => return drain::drain(args[2].parse().expect("a port"), args[3].parse().expect("a number")),
        Some("retina") => return drain::retina(args[2].parse().expect("a port"), args[3].parse().expect("a number")),
        // `cargo test --benches` only wants to know that it starts.
        Some("--test") => return,
        _ => {}
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<usize>().ok());
    let seconds = number("SECONDS").unwrap_or(20);
    let counts = number("CAMERAS").map_or(vec![32, 64], |n| vec![n]);
    println!("paced cameras: H.264, {} Mbit/s, 25 fps, RTSP over TCP; {seconds} s each\n", server::MBITS);
    println!("| cameras | who | CPU % of a core | ratio to drain | memory MiB |");
    println!("|---|---|---|---|---|");
    for cameras in counts {
        row(cameras, seconds);
    }
}

fn row(cameras: usize, seconds: usize) {
    let port = free_port();
    let myself = std::env::current_exe().expect("this program has a path");
    let _server = Server(Command::new(&myself).args(["serve", &port.to_string()]).spawn().expect("the server starts"));
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::yield_now(); // the server was just started; it listens at once or says why not
    }
    let client = |verb: &str| {
        let args = [verb, &port.to_string(), &cameras.to_string()];
        watch(&mut [start(Command::new(&myself).args(args))], seconds)
    };
    let (drained, retina) = (client("drain"), client("retina"));
    let dir = tempfile::tempdir().expect("a temporary folder");
    let vedette = watch(&mut [start(&mut daemon(dir.path(), port, cameras))], seconds);
    let mut players: Vec<_> = (0..cameras).map(|n| start(&mut ffmpeg(port, n))).collect();
    let ffmpeg = watch(&mut players, seconds);
    for (who, cost) in [("drain", &drained), ("retina", &retina), ("vedette", &vedette), ("ffmpeg -c copy", &ffmpeg)] {
        let ratio = cost.cpu / drained.cpu;
        println!("| {cameras} | {who} | {:.2} | {ratio:.2} | {:.1} |", cost.cpu * 100.0, cost.memory_mib);
    }
}

/// Ends with its row, however that ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn daemon(dir: &std::path::Path, port: u16, cameras: usize) -> Command {
    let mut config = format!("[web]\nlisten = \"127.0.0.1:{}\"\n[alerts]\nrules = []\n", free_port());
    for n in 0..cameras {
        config.push_str(&format!("[[camera]]\nid = \"c{n}\"\nurl = \"rtsp://127.0.0.1:{port}/{n}\"\n"));
    }
    let path = dir.join("vedette.toml");
    std::fs::write(&path, config).expect("the folder can be written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_vedette"));
    command.arg("run").arg("--config").arg(path);
    command.arg("--state-dir").arg(dir.join("state")).arg("--runtime-dir").arg(dir.join("run"));
    command
}

fn ffmpeg(port: u16, camera: usize) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-loglevel", "error", "-rtsp_transport", "tcp", "-i"]);
    command.arg(format!("rtsp://127.0.0.1:{port}/{camera}")).args(["-c", "copy", "-f", "null", "-"]);
    command
}

fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::null());
    command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"))
}

struct Cost {
    /// Cores in use, user and system.
    cpu: f64,
    memory_mib: f64,
}

#[allow(clippy::disallowed_methods)] // a measurement takes its time on the wall clock
fn watch(children: &mut [Child], seconds: usize) -> Cost {
    std::thread::sleep(WARM_UP);
    let before: f64 = children.iter().map(|c| cpu_seconds(c.id())).sum();
    let begun = std::time::Instant::now();
    std::thread::sleep(Duration::from_secs(seconds as u64));
    let after: f64 = children.iter().map(|c| cpu_seconds(c.id())).sum();
    let cpu = (after - before) / begun.elapsed().as_secs_f64();
    let memory_mib = children.iter().map(|c| resident_mib(c.id())).sum();
    for child in children {
        child.kill().expect("what is measured must not end before");
        child.wait().expect("a killed child ends");
    }
    Cost { cpu, memory_mib }
}

/// Time on a processor of all threads, to the nanosecond: `/proc/<pid>/task/<tid>/schedstat`, first number. `stat` counts
/// in ticks of the timer, and wake-ups shorter than a tick fall between them.
fn cpu_seconds(pid: u32) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the child runs");
    let spent = |thread: std::io::Result<std::fs::DirEntry>| {
        let stat = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<f64>().ok()
    };
    threads.filter_map(spent).sum::<f64>() / 1e9
}

fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the child runs");
    let line = status.lines().find(|l| l.starts_with("VmRSS:"));
    let line = line.unwrap_or_else(|| panic!("what is measured ended by itself: {status}"));
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("KiB") / 1024.0
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}
