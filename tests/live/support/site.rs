//! The page on a real listener, with a snapshot made by hand; and certificates.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use vedette::base::clock::{Clock, Window};
use vedette::base::quit::{self, Quitter};
use vedette::metric::book::{Book, Hold};
use vedette::metric::desc::{Desc, Unit};
use vedette::metric::latest::{Latest, Snapshot};
use vedette::metric::ledger::Ledger;
use vedette::metric::report::Report;
use vedette::sink::page::{Meters, Page};
use vedette::world::listener::{self, Gate, Traffic};

static FPS: Desc<1> = Desc::gauge("camera_fps", Unit::PerSecond, ["camera_id"], "Frames per second");
static FRAMES: Desc<1> = Desc::counter("camera_frames_total", Unit::Count, ["camera_id"], "Frames seen");

/// A page being served.
pub struct Site {
    pub port: u16,
    pub ledger: Ledger,
    pub traffic: Traffic,
    pub snapshots: watch::Sender<Option<Arc<Snapshot>>>,
    quitter: Quitter,
    serving: Option<tokio::task::JoinHandle<()>>,
    runtime: Runtime,
}

impl Site {
    pub fn open(gate: Gate, clock: Clock) -> Site {
        Site::with(gate, clock, 2)
    }

    /// A page about `cameras` cameras, two series each.
    pub fn with(gate: Gate, clock: Clock, cameras: usize) -> Site {
        Site::at("localhost:0", gate, clock, cameras)
    }

    /// On this address.
    pub fn at(address: &str, gate: Gate, clock: Clock, cameras: usize) -> Site {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (book, ledger, traffic) = (Book::default(), Ledger::default(), Traffic::default());
        let meters = Meters::open(&book, traffic.clone());
        let (snapshots, seen) = watch::channel(Some(snapshot(&book, &meters, &clock, cameras)));
        let page = Page::new("nvr-7", seen, Arc::new(Vec::new), ledger.clone(), clock.clone(), meters);
        let (quitter, quit) = quit::pair();
        let _inside = runtime.enter();
        let listener = listener::bind(address.parse().unwrap()).unwrap();
        let port = listener.address().unwrap().to_string().rsplit_once(':').unwrap().1.parse().unwrap();
        let serving = runtime.spawn(listener.serve(gate, Arc::new(page), clock, traffic.clone(), quit));
        Site { port, ledger, traffic, snapshots, quitter, serving: Some(serving), runtime }
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(&mut self) {
        self.quitter.quit();
        self.runtime.block_on(self.serving.take().unwrap()).unwrap();
    }
}

fn snapshot(book: &Book, meters: &Meters, clock: &Clock, cameras: usize) -> Arc<Snapshot> {
    let now = clock.now();
    let mut report = Report::new(Window { from: now.boot, to: now.boot });
    meters.fill(&mut report);
    for n in 0..cameras {
        let id = format!("cam{n}");
        report.value(book.open(&FPS, [&id], Hold::Own), 25.0 + n as f64);
        report.value(book.open(&FRAMES, [&id], Hold::Own), 1000.0);
    }
    let mut latest = Latest::new(book.clone());
    latest.apply(&report);
    Arc::new(latest.snapshot(now))
}

/// Runs curl with a time limit; its exit code and what it wrote.
pub fn curl(arguments: &[&str]) -> (i32, String) {
    let done = Command::new("curl").args(["-sS", "--max-time", "20"]).args(arguments).output().unwrap();
    (done.status.code().unwrap(), String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned())
}

/// The HTTP status of a GET, 0 when there was none.
pub fn status(url: &str, arguments: &[&str]) -> u16 {
    let asked = [&["-o", "/dev/null", "-w", "%{http_code}", url], arguments].concat();
    let (_, said) = curl(&asked);
    said.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// A certification authority of the test's own.
pub struct Authority(rcgen::Issuer<'static, rcgen::KeyPair>, String);

impl Authority {
    pub fn new() -> Authority {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        // OpenSSL takes a certificate whose issuer has its own name for self-signed.
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "authority of a test");
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = parameters.self_signed(&key).unwrap().pem();
        Authority(rcgen::Issuer::new(parameters, key), pem)
    }
    /// The authority's own certificate.
    pub fn pem(&self) -> &str {
        &self.1
    }
    /// Writes `<name>.crt` and `<name>.key` for localhost and 127.0.0.1 into `dir`.
    pub fn issue(&self, dir: &Path, name: &str) {
        self.issue_until(dir, name, 4_102_444_800);
    }
    /// The same with its end, in Unix seconds.
    pub fn issue_until(&self, dir: &Path, name: &str, ends: i64) {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut parameters = rcgen::CertificateParams::new(names).unwrap();
        parameters.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(ends as u64);
        let certificate = parameters.signed_by(&key, &self.0).unwrap();
        std::fs::write(dir.join(format!("{name}.crt")), certificate.pem()).unwrap();
        std::fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

/// For anything on loopback to happen once.
pub const SOON: Duration = Duration::from_secs(20);
