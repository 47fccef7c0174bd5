//! A real Prometheus, and promtool.

use super::{Kid, free_port, wait};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// For Prometheus to open its empty database and answer.
const START: Duration = Duration::from_secs(30);

/// Unix seconds and value.
pub type Samples = Vec<(f64, f64)>;

/// A running Prometheus; ends with the test.
pub struct Prometheus {
    kid: Kid,
    pub port: u16,
    dir: tempfile::TempDir,
}

impl Prometheus {
    /// Starts one with this configuration file and these further arguments, on a free port, and waits until it is ready.
    pub fn start(config: &str, arguments: &[&str]) -> Prometheus {
        Prometheus::over("data".as_ref(), config, arguments)
    }

    /// The same over a folder of blocks; a relative one is its own.
    pub fn over(data: &Path, config: &str, arguments: &[&str]) -> Prometheus {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let file = dir.path().join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let kid = Kid::spawn(
            Command::new("prometheus")
                .arg(format!("--config.file={}", file.display()))
                .arg(format!("--storage.tsdb.path={}", dir.path().join(data).display()))
                .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                .args(arguments)
                .stdout(Stdio::null())
                .stderr(log),
        );
        let prometheus = Prometheus { kid, port, dir };
        wait("prometheus ready", START, || prometheus.get("/-/ready", &[]).map(drop));
        prometheus
    }

    /// A scrape job for `127.0.0.1:port` every second; `more` is YAML at the level of the job's keys, four spaces in.
    pub fn job(name: &str, port: u16, more: &str) -> String {
        format!(
            "scrape_configs:\n  - job_name: {name}\n    scrape_interval: 1s\n    scrape_timeout: 1s\n    \
             static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n{more}"
        )
    }

    /// The vector of an instant query now: labels and value.
    pub fn query(&self, expr: &str) -> Vec<(BTreeMap<String, String>, f64)> {
        self.result(expr, |e| number(&e["value"][1]))
    }

    /// The matrix of an instant query now, as of `up[10s]`: labels and samples.
    pub fn range(&self, expr: &str) -> Vec<(BTreeMap<String, String>, Samples)> {
        self.result(expr, |e| {
            let sample = |v: &Value| (v[0].as_f64().unwrap(), number(&v[1]));
            e["values"].as_array().unwrap().iter().map(sample).collect()
        })
    }

    fn result<T>(&self, expr: &str, of: impl Fn(&Value) -> T) -> Vec<(BTreeMap<String, String>, T)> {
        let answer = self.json("/api/v1/query", &[("query", expr)]);
        assert_eq!(answer["status"], "success", "{expr}: {answer}");
        let entry = |e: &Value| (serde_json::from_value(e["metric"].clone()).unwrap(), of(e));
        answer["data"]["result"].as_array().unwrap().iter().map(entry).collect()
    }

    /// Waits until the query returns exactly one entry and `accept` takes its value.
    pub fn value(&self, expr: &str, bound: Duration, accept: impl Fn(f64) -> bool) -> f64 {
        let one = || match self.query(expr).as_slice() {
            [(_, value)] if accept(*value) => Some(*value),
            _ => None,
        };
        wait(expr, bound, one)
    }

    /// The targets of all jobs as `/api/v1/targets` tells them, for what went wrong.
    pub fn targets(&self) -> Value {
        self.json("/api/v1/targets", &[])["data"]["activeTargets"].clone()
    }

    /// What it wrote to its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.kid.0.id()
    }

    fn json(&self, path: &str, query: &[(&str, &str)]) -> Value {
        serde_json::from_str(&self.get(path, query).unwrap_or_else(|| panic!("prometheus: {}", self.log()))).unwrap()
    }

    fn get(&self, path: &str, query: &[(&str, &str)]) -> Option<String> {
        let mut curl = Command::new("curl");
        curl.args(["-sf", "--max-time", "10", "-G"]).arg(format!("http://127.0.0.1:{}{path}", self.port));
        for (key, value) in query {
            curl.arg("--data-urlencode").arg(format!("{key}={value}"));
        }
        let done = curl.output().unwrap();
        done.status.success().then(|| String::from_utf8(done.stdout).unwrap())
    }
}

fn number(text: &Value) -> f64 {
    text.as_str().unwrap().parse().unwrap()
}

/// Runs promtool with `input` on its standard input; what it said on both outputs, and whether it was content.
pub fn promtool(arguments: &[&str], input: &str) -> (bool, String) {
    let mut kid = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    kid.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let done = kid.wait_with_output().unwrap();
    let text = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8(text).unwrap())
}

/// `promtool test rules` over a file.
pub fn test_rules(file: &Path) {
    let (content, said) = promtool(&["test", "rules", file.to_str().unwrap()], "");
    assert!(content, "{said}");
}
