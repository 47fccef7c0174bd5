//! Cameras made of GStreamer, and the camera probe at work on some cameras, without the daemon around it.

use super::{Kid, free_port, wait};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vedette::base::clock::Clock;
use vedette::base::fault::chain;
use vedette::base::quit::{Quitter, pair};
use vedette::base::ring::Ring;
use vedette::base::settings::read;
use vedette::metric::book::Book;
use vedette::metric::latest::Latest;
use vedette::metric::report::Report;
use vedette::probe::camera::KIND;
use vedette::probe::{Kit, Tap};
use vedette::world::{World, clock, rtsp};

/// A GStreamer camera; see `tests/cameras/gst_camera.py --help`.
pub struct GstCamera {
    pub kid: Kid,
    pub url: String,
    told: Arc<Mutex<serde_json::Value>>,
}

impl GstCamera {
    pub fn start(arguments: &[&str]) -> GstCamera {
        let port = free_port().to_string();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cameras/gst_camera.py");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).args(["--port", &port]).args(arguments).stdout(Stdio::piped());
        let mut kid = Kid::spawn(&mut command);
        let lines = BufReader::new(kid.0.stdout.take().unwrap()).lines();
        let told = Arc::new(Mutex::new(serde_json::Value::Null));
        std::thread::spawn({
            let told = told.clone();
            move || {
                // What is not JSON is GStreamer's last word before it aborts; the test will miss its counts.
                for value in lines.map_while(|line| serde_json::from_str(&line.ok()?).ok()) {
                    *told.lock().unwrap() = value;
                }
            }
        });
        wait("the camera is ready", Duration::from_secs(20), || (!told.lock().unwrap().is_null()).then_some(()));
        GstCamera { kid, url: format!("rtsp://127.0.0.1:{port}/main"), told }
    }
    /// What it said last: a count by name; 0 before it said any.
    pub fn count(&self, name: &str) -> f64 {
        self.told.lock().unwrap()[name].as_f64().unwrap_or(0.0)
    }
}

/// The camera probe, watching.
pub struct Watching {
    runtime: Option<tokio::runtime::Runtime>,
    clock: Clock,
    latest: Mutex<Latest>,
    ring: Ring<Report>,
    quitter: Quitter,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    failures: Arc<Mutex<Vec<String>>>,
}

impl Watching {
    /// Watches the `[[camera]]` tables of `config`. A session that broke is started again after 0.3 s.
    pub fn start(config: &str) -> Watching {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let clock = Clock::new(clock::System);
        let world = World { rtsp: Arc::new(rtsp::line::Retina), ..World::scripted(clock.clone()) };
        let (book, ring) = (Book::default(), Ring::new(4096));
        let (quitter, quit) = pair();
        let failures = Arc::new(Mutex::new(Vec::new()));
        let (targets, mistakes) =
            read(config, |root| root.tables("camera").iter().filter_map(KIND.read).collect::<Vec<_>>());
        assert!(mistakes.is_empty(), "{mistakes:?}");
        let mut tasks = Vec::new();
        for target in targets {
            let mut kit = Kit::new(world.clone(), book.clone(), Default::default(), Default::default());
            let mut session = (target.open)(&mut kit);
            let (tap, quit, clock, failures) =
                (Tap::new(ring.clone(), Default::default()), quit.clone(), clock.clone(), failures.clone());
            tasks.push(runtime.spawn(async move {
                while let Err(failed) = session.run(&tap, &quit).await {
                    failures.lock().unwrap().push(format!("{:?} {:?} {}", failed.why, failed.patience, chain(&failed)));
                    clock.sleep(Duration::from_millis(300)).await;
                }
            }));
        }
        let latest = Mutex::new(Latest::new(book));
        Watching { runtime: Some(runtime), clock, latest, ring, quitter, tasks, failures }
    }
    /// The page of now: `name{labels}` and value.
    pub fn page(&self) -> Vec<(String, f64)> {
        let mut latest = self.latest.lock().unwrap();
        for report in self.ring.take_now() {
            latest.apply(&report);
        }
        let snapshot = latest.snapshot(self.clock.now());
        snapshot.rows.iter().map(|r| (format!("{}{}", r.meta.family.name, r.meta.labels), r.value)).collect()
    }
    /// A series of now, by `name{labels}`.
    pub fn value(&self, series: &str) -> Option<f64> {
        self.page().into_iter().find(|(name, _)| name == series).map(|(_, value)| value)
    }
    /// A series with `camera_id` as its only label.
    pub fn of(&self, name: &str, camera: &str) -> Option<f64> {
        self.value(&format!("{name}{{camera_id=\"{camera}\"}}"))
    }
    pub fn ended(&self, camera: &str, reason: &str) -> f64 {
        self.value(&format!("camera_disconnects_total{{camera_id=\"{camera}\",reason=\"{reason}\"}}")).unwrap_or(0.0)
    }
    /// Reasons for which `camera` was disconnected so far, with counts.
    pub fn reasons(&self, camera: &str) -> Vec<(String, f64)> {
        let start = format!("camera_disconnects_total{{camera_id=\"{camera}\",reason=\"");
        let page = self.page().into_iter().filter(|(_, n)| *n > 0.0);
        page.filter_map(|(name, n)| Some((name.strip_prefix(&start)?.trim_end_matches("\"}").to_owned(), n))).collect()
    }
    /// What broke so far: reason, patience and the chain of errors.
    pub fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap().clone()
    }
    pub fn wait_connected(&self, camera: &str) {
        wait(&format!("{camera} connected"), Duration::from_secs(15), || {
            (self.of("camera_connection_status", camera) == Some(1.0)).then_some(())
        });
    }
    /// Asks all to stop and waits until they did; returns how long that took. The page can still be asked.
    pub fn stop(&mut self) -> Duration {
        let asked = self.clock.boot();
        self.quitter.quit();
        let runtime = self.runtime.as_ref().unwrap();
        for task in self.tasks.drain(..) {
            runtime.block_on(task).unwrap();
        }
        self.clock.boot().since(asked)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
