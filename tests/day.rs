//! A simulated day of the whole daemon on a scripted world: what it logs, what it keeps, what it tells, and that a step
//! of the wall clock is no news. Hours pass in seconds, because nothing waits on the kernel's clock.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vedette::base::clock::Sim;
use vedette::daemon::assemble::{Place, run};
use vedette::store::{self, Span};
use vedette::world::rtsp::script::{Act, Script, Step};
use vedette::world::service::{Scripted, Signal, Word};
use vedette::world::{World, broker};

const HOURS: u64 = 24;
const FPS: u64 = 2;
const TICK: u64 = 5;

/// A slice of a picture: IDR each 50 frames.
fn frame(n: u64) -> (Duration, Step) {
    let nal = if n.is_multiple_of(50) { 0x65 } else { 0x41 };
    let (seq, ticks) = (n as u16, (n * 90_000 / FPS) as i64);
    let step = Step::Packet { seq, ticks, marker: true, payload: vec![nal, 0x88, 0x84, 0x21] };
    (Duration::from_millis(if n == 0 { 0 } else { 1000 / FPS }), step)
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Day {
    sim: Sim,
    hand: tokio::sync::mpsc::UnboundedSender<Signal>,
    service: Arc<Scripted>,
    broker: broker::script::Script,
    daemon: tokio::task::JoinHandle<()>,
}

impl Day {
    fn start(dir: &Path) -> Day {
        let (sim, rtsp, broker) = (Sim::new(), Script::default(), broker::script::Script::default());
        // A session lasts the day and longer.
        rtsp.act("yard", Act::Play((0..(HOURS + 1) * 3600 * FPS).map(frame).collect()));
        let world = World { rtsp: Arc::new(rtsp), broker: Arc::new(broker.clone()), ..World::scripted(sim.clock()) };
        // Not the rules about the store: its threads live on real time, and by the simulated clock they stand still.
        std::fs::write(
            dir.join("vedette.toml"),
            "[node]\nname = \"box\"\n[web]\nlisten = \"127.0.0.1:0\"\n[alerts]\nrules = [\"camera.yml\", \"uplink.yml\"]\n\
             [[camera]]\nid = \"yard\"\nurl = \"rtsp://yard/\"\nfps = 2\n[[mqtt]]\nname = \"local\"\nurl = \"mqtt://broker\"\n",
        )
        .unwrap();
        for rules in ["camera.yml", "uplink.yml"] {
            std::fs::copy(std::path::Path::new("config/rules").join(rules), dir.join(rules)).unwrap();
        }
        let place = Place {
            config: dir.join("vedette.toml"),
            listen: None,
            web_config: None,
            state_dir: dir.join("state"),
            runtime_dir: dir.join("run"),
        };
        let (service, hand) = Scripted::new(None);
        let service = Arc::new(service);
        let daemon = tokio::spawn({
            let service = service.clone();
            async move { run(place, world, "box.example", service).await.unwrap() }
        });
        Day { sim, hand, service, broker, daemon }
    }

    /// Lets `seconds` pass, one at a time; after each every task gets to do what it has to.
    async fn pass(&self, seconds: u64) {
        for _ in 0..seconds {
            self.sim.advance(Duration::from_secs(1));
            for _ in 0..24 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Half the day, in stretches that the store can hold in its queue: its thread works in real time.
    async fn half(&self, dir: &Path) {
        const TICKS: u64 = 90;
        for _ in 0..HOURS * 1800 / (TICKS * TICK) {
            let from = self.sim.clock().now().wall;
            self.pass(TICKS * TICK).await;
            let span = Span { from, to: self.sim.clock().now().wall };
            self.settle("the stretch on file", || samples(dir, span, "camera_frames_total{").len() as u64 >= TICKS)
                .await;
        }
    }

    /// The databases have threads of their own, on real time.
    async fn settle(&self, what: &str, seen: impl Fn() -> bool) {
        for _ in 0..2000 {
            if seen() {
                return;
            }
            tokio::task::spawn_blocking(|| std::thread::park_timeout(Duration::from_millis(5))).await.unwrap();
            tokio::task::yield_now().await;
        }
        panic!("{what} did not come");
    }

    async fn stop(self) {
        self.hand.send(Signal::Stop).unwrap();
        // Good-byes are bounded by the simulated clock, which only moves while somebody moves it.
        let mut daemon = self.daemon;
        for _ in 0..2000 {
            if daemon.is_finished() {
                break;
            }
            self.sim.advance(Duration::from_millis(10));
            tokio::task::spawn_blocking(|| std::thread::park_timeout(Duration::from_millis(1))).await.unwrap();
        }
        (&mut daemon).await.unwrap();
    }
}

/// The values of one series on file.
fn samples(dir: &Path, span: Span, name: &str) -> Vec<f64> {
    let dirs = store::Dirs { state: dir.join("state"), runtime: dir.join("run") };
    let mut out = Vec::new();
    store::export(&dirs, span, &[], false, &mut out, &mut |_, _| ()).unwrap();
    let out = String::from_utf8(out).unwrap();
    let rows = out.lines().filter(|l| l.starts_with(name));
    rows.map(|l| l.split(' ').nth(1).unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn a_healthy_day_fits_on_a_screen_keeps_every_tick_and_raises_no_alarm_even_when_the_wall_clock_steps() {
    let log = Lines::default();
    let writer = log.clone();
    // The database threads nap on real time, of which a simulated day has half a minute: not a day of theirs, so what the
    // watchdog says about them is left out.
    let filter = tracing_subscriber::EnvFilter::new("info,vedette::daemon::watchdog=off");
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    let subscriber = subscriber.with_writer(move || writer.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let dir = tempfile::tempdir().unwrap();
    let day = Day::start(dir.path());
    day.settle("the broker's birth message", || {
        day.sim.advance(Duration::from_millis(100));
        day.broker.retained().values().any(|v| v == b"online")
    })
    .await;
    day.pass(TICK + 1).await;
    day.settle("READY", || day.service.told().contains(&Word::Ready)).await;

    let begun = day.sim.clock().now();
    day.half(dir.path()).await;
    // At noon somebody corrects the clock by an hour.
    day.sim.step_wall(3_600_000, true);
    day.half(dir.path()).await;
    let ended = day.sim.clock().now();
    let heard = day.broker.heard();
    day.stop().await;

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!((3..=24).contains(&text.lines().count()), "{} lines:\n{text}", text.lines().count());
    assert!(!text.contains("WARN") && !text.contains("ERROR"), "{text}");
    let alarms: Vec<_> = heard.iter().filter(|n| n.topic.ends_with("/event") || n.topic.contains("/alert/")).collect();
    assert!(alarms.is_empty(), "{alarms:?}");

    // Every tick of the day is on file, and the frame counter among them grew by what the camera sent.
    let span = Span { from: begun.wall, to: ended.wall };
    let frames = samples(dir.path(), span, "camera_frames_total{");
    assert_eq!(frames.len() as u64, HOURS * 3600 / TICK, "ticks on file");
    let grown = frames.last().unwrap() - frames.first().unwrap();
    // A camera reports once a second: each end may lack the frames of one.
    let sent = ((HOURS * 3600 - TICK) * FPS) as f64;
    assert!((grown - sent).abs() <= FPS as f64, "{grown} of {sent} frames");
    let fps = samples(dir.path(), span, "camera_fps{");
    assert!(fps.iter().all(|v| (v - FPS as f64).abs() <= 0.1), "{:?}", fps.iter().find(|v| (**v - 2.0).abs() > 0.1));
    assert_eq!(samples(dir.path(), span, "camera_rtp_packets_lost_total{").last(), Some(&0.0));
}
