//! What the tracer costs per pad push, and how much of an encoder's time that is: CPU time of gst-launch with the tracer
//! against the same pipeline without it, turn by turn in the same run.
//!
//! ```text
//! cargo bench -p vedette-gst
//! ```

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed bench

#[path = "../../src/wire/tracer.rs"]
#[allow(dead_code)] // the writer's half
mod tracer;

use std::cell::Cell;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Buffers through the bare pipelines.
const BUFFERS: u64 = 3_000_000;
/// Turns of each pipeline, with and without; the least time of each counts.
const TURNS: usize = 3;
/// What a push may cost, ns, and what all pushes of an encoder's run may, of its CPU time.
const MOST_NS: f64 = 1000.0;
const MOST_SHARE: f64 = 0.01;

fn main() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built =
        Command::new(cargo).args(["build", "--release", "--locked", "--quiet", "--package", "vedette-gst"]).status();
    assert!(built.unwrap().success());
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release");
    let bench = Bench::new(plugins);
    println!("| pipeline | pushes | bare, CPU s | traced, CPU s | ratio | ns per push |\n|---|---|---|---|---|---|");
    // Of the first only the push into the sink is told of; of the second every push is.
    let passing =
        bench.compare(&format!("fakesrc num-buffers={BUFFERS} ! identity ! identity ! fakesink"), 3 * BUFFERS);
    let told = bench.compare(&format!("fakesrc num-buffers={BUFFERS} ! fakesink"), BUFFERS);
    let encode = "videotestsrc num-buffers=500 ! video/x-raw,width=1280,height=720,framerate=25/1 ! x264enc ! mpegtsmux ! fakesink";
    let bare = bench.run(encode, false);
    let traced = bench.run(encode, true);
    // From the source, the caps filter and the encoder 500 each, and what the multiplexer pushes.
    let pushes = 1500 + bench.sunk.get();
    println!("| x264enc 1280x720, 20 s of 25/s | {pushes} | {bare:.2} | {traced:.2} | {:.3} | |", traced / bare);
    let share = pushes as f64 * passing.max(told) / 1e9 / bare;
    println!("\n{pushes} pushes × {:.0} ns are {:.4} % of the encoder's CPU time", passing.max(told), share * 100.0);
    assert!(passing.max(told) <= MOST_NS && share < MOST_SHARE, "dearer than promised");
}

struct Bench {
    plugins: PathBuf,
    dir: PathBuf,
    daemon: UnixDatagram,
    /// Buffers that went into the sink of the last traced pipeline.
    sunk: Cell<u64>,
}

impl Bench {
    fn new(plugins: PathBuf) -> Bench {
        let dir = std::env::temp_dir().join(format!("vedette-pushes-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let daemon = UnixDatagram::bind(dir.join("gst.sock")).unwrap();
        daemon.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        Bench { plugins, dir, daemon, sunk: Cell::new(0) }
    }

    /// Prints a row; returns the cost of one push, ns.
    fn compare(&self, pipeline: &str, pushes: u64) -> f64 {
        let (mut bare, mut traced) = (f64::MAX, f64::MAX);
        for _ in 0..TURNS {
            bare = bare.min(self.run(pipeline, false));
            traced = traced.min(self.run(pipeline, true));
        }
        let each = (traced - bare) / pushes as f64 * 1e9;
        let ratio = traced / bare;
        println!(
            "| {} | {pushes} | {bare:.2} | {traced:.2} | {ratio:.2} | {each:.0} |",
            pipeline.replace(" ! ", " → ")
        );
        each
    }

    /// Runs a pipeline to its end; its CPU time, s.
    fn run(&self, pipeline: &str, traced: bool) -> f64 {
        let mut launch = Command::new("gst-launch-1.0");
        launch.arg("-q").args(pipeline.split(' ')).stdout(Stdio::null());
        launch.env("GST_PLUGIN_PATH", &self.plugins).env("GST_REGISTRY", self.dir.join("registry.bin"));
        if traced {
            launch.env("GST_TRACERS", format!("vedette(socket={},encoder=bench)", self.dir.join("gst.sock").display()));
        }
        let before = children();
        let mut running = launch.spawn().unwrap();
        // A daemon that listens, so that sending is part of the cost.
        let ended = loop {
            self.listen();
            if let Some(status) = running.try_wait().unwrap() {
                break status;
            }
        };
        assert!(ended.success(), "{pipeline}");
        self.listen();
        children() - before
    }

    /// Takes a datagram, if one comes soon.
    fn listen(&self) {
        let mut buffer = [0; tracer::MOST_BYTES];
        let Ok(length) = self.daemon.recv(&mut buffer) else { return };
        let (_, all) = tracer::parse(&buffer[..length]).unwrap();
        let sink = all.iter().find(|e| e.kind == tracer::Kind::Sink);
        self.sunk.set(sink.and_then(|e| e.numbers.in_buffers).unwrap_or(0));
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.dir);
    }
}

/// CPU time of all children that ended, s.
fn children() -> f64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: writes one rusage, which is read only after that.
    let usage = unsafe {
        assert_eq!(libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()), 0);
        usage.assume_init()
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
