//! A real Prometheus over the made series, asked over its API.

use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use vedette::metric::labels::Labels;

pub struct Oracle {
    child: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

/// What it answers.
#[derive(Debug)]
pub enum Answer {
    Scalar(f64),
    Vector(BTreeMap<Labels, f64>),
    /// It does not take the expression.
    Broken,
    /// It cannot evaluate it.
    Failed(String),
}

impl Oracle {
    pub fn start(openmetrics: &str) -> Oracle {
        let dir = tempfile::tempdir().unwrap();
        let (text, data, config) = (dir.path().join("in.om"), dir.path().join("data"), dir.path().join("p.yml"));
        fs::write(&text, openmetrics).unwrap();
        fs::write(&config, "global: {}\n").unwrap();
        run(Command::new("promtool").args(["tsdb", "create-blocks-from", "openmetrics"]).arg(&text).arg(&data));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg("--storage.tsdb.retention.time=100y")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--log.level=error")
            .stdout(Stdio::null())
            .spawn()
            .expect("prometheus is installed; `make setup` installs it");
        let oracle = Oracle { child, port, _dir: dir };
        oracle.wait();
        oracle
    }

    #[allow(clippy::disallowed_methods)] // waits on a condition, with a bound
    fn wait(&self) {
        let start = Instant::now();
        while !self.get("/-/ready").is_ok_and(|body| body.contains("Ready")) {
            assert!(start.elapsed() < Duration::from_secs(30), "prometheus: not ready within 30 s");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn get(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    /// The value of `expr` at `at` ms.
    pub fn ask(&self, expr: &str, at: i64) -> Answer {
        let query: String = url::form_urlencoded::byte_serialize(expr.as_bytes()).collect();
        let body = self.get(&format!("/api/v1/query?query={query}&time={}.{:03}", at / 1000, at % 1000)).unwrap();
        let json: Json = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{expr}: {e}: {body}"));
        if json["status"] != "success" {
            let what = json["error"].as_str().unwrap().to_owned();
            return if json["errorType"] == "bad_data" { Answer::Broken } else { Answer::Failed(what) };
        }
        let result = &json["data"]["result"];
        let number = |pair: &Json| -> f64 { pair[1].as_str().unwrap().parse().unwrap() };
        match json["data"]["resultType"].as_str().unwrap() {
            "scalar" => Answer::Scalar(number(result)),
            "vector" => Answer::Vector(
                result.as_array().unwrap().iter().map(|e| (labels(&e["metric"]), number(&e["value"]))).collect(),
            ),
            other => panic!("{expr}: the API returns a {other}"),
        }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn labels(metric: &Json) -> Labels {
    Labels::new(metric.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())))
}

/// `promtool test rules` on a file of unit tests; panics with its output where one fails.
pub fn unit_tests(file: &Path) {
    run(Command::new("promtool").args(["test", "rules"]).arg(file));
}

fn run(command: &mut Command) {
    let out = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}; `make setup` installs it"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(out.status.success(), "{command:?}: {}{}", text(&out.stdout), text(&out.stderr));
}
