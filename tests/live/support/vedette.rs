//! The built daemon, run as a user runs it: a configuration file, directories of its own, signals.

use super::{Kid, free_port, wait};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Longer than any start on a loaded two-core machine.
pub const START: Duration = Duration::from_secs(30);

/// A daemon and everything it wrote.
pub struct Vedette {
    pub dir: TempDir,
    pub port: u16,
    kid: Option<Kid>,
}

impl Vedette {
    /// Directories and a configuration, not started. `[web]` and `[alerts]` are added; rules go in [`Vedette::rules`].
    pub fn new(config: &str) -> Vedette {
        let vedette = Vedette { dir: tempfile::tempdir().unwrap(), port: free_port(), kid: None };
        std::fs::create_dir(vedette.path("rules")).unwrap();
        vedette.configure(config);
        vedette
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn configure(&self, config: &str) {
        let rules = self.path("rules");
        let head = format!("[web]\nlisten = \"127.0.0.1:{}\"\n[alerts]\nrules = [{rules:?}]\n", self.port);
        std::fs::write(self.path("vedette.toml"), head + config).unwrap();
    }

    pub fn rules(&self, yaml: &str) {
        std::fs::write(self.path("rules/test.yml"), yaml).unwrap();
    }

    /// Starts it and waits until it serves a snapshot.
    pub fn start(&mut self) {
        self.start_with(|_| {});
        wait("the first snapshot", START, || {
            assert!(self.running(), "vedette ended at its start:\n{}", self.log());
            self.get("/readyz").filter(|answer| answer.starts_with("HTTP/1.1 200"))
        });
    }

    pub fn start_with(&mut self, more: impl FnOnce(&mut Command)) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_vedette"));
        command.args(["run", "--log", "json", "--config"]).arg(self.path("vedette.toml"));
        command.arg("--state-dir").arg(self.path("state")).arg("--runtime-dir").arg(self.path("run"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        // As installed: its worker lies beside it, once a test has it built.
        let beside = Path::new(env!("CARGO_BIN_EXE_vedette")).parent().expect("it lies in a directory");
        command.env("PATH", format!("{}:{}", beside.display(), std::env::var("PATH").unwrap_or_default()));
        more(&mut command);
        self.kid = Some(Kid::spawn(&mut command));
    }

    pub fn pid(&self) -> u32 {
        self.kid.as_ref().expect("started").0.id()
    }

    pub fn running(&mut self) -> bool {
        self.kid.as_mut().is_some_and(|kid| kid.0.try_wait().unwrap().is_none())
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: kill(2) takes no pointer; the pid is that of our own child, which is not reaped yet.
        assert_eq!(unsafe { libc::kill(self.pid() as i32, signal) }, 0);
    }

    /// SIGKILL: no good-bye of any kind.
    pub fn kill(&mut self) {
        self.kid = None;
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(libc::SIGTERM);
        let mut kid = self.kid.take().expect("started");
        wait("the end after SIGTERM", Duration::from_secs(10), || kid.0.try_wait().unwrap())
    }

    /// One plain HTTP request; the whole answer, or `None` when nobody answers.
    pub fn get(&self, path: &str) -> Option<String> {
        self.get_with(path, "")
    }

    pub fn get_with(&self, path: &str, headers: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: box\r\nConnection: close\r\n{headers}\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    pub fn page(&self) -> String {
        self.get("/metrics").unwrap_or_default()
    }

    /// The value of one series, written as on the page: `camera_fps{camera_id="yard"}`.
    pub fn value(&self, series: &str) -> Option<f64> {
        value(&self.page(), series)
    }

    /// Waits until a series has a value that `fits`.
    pub fn wait_value(&self, series: &str, bound: Duration, fits: impl Fn(f64) -> bool) -> f64 {
        wait(&format!("a fitting {series}"), bound, || self.value(series).filter(|v| fits(*v)))
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Another verb against the same directories.
    pub fn verb(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vedette"));
        command.args(arguments).env("STATE_DIRECTORY", self.path("state")).env("RUNTIME_DIRECTORY", self.path("run"));
        command.output().unwrap()
    }
}

/// The value of one series on a text page.
pub fn value(page: &str, series: &str) -> Option<f64> {
    let line = page.lines().find(|l| l.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    line.split(' ').nth(1)?.parse().ok()
}

/// Every file below a folder with its content, sockets left out.
pub fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.extend(files(&path));
        } else if path.is_file() {
            all.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    all
}
