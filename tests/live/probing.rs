//! `vedette probe` as a user runs it: streams, files, playlists, cameras, and what is not there.

mod elsewhere;
mod files;

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What a look came to.
struct Look {
    code: i32,
    out: String,
    errors: String,
}

impl Look {
    fn of(output: Output) -> Look {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Look { code: output.status.code().expect("not killed"), out: text(output.stdout), errors: text(output.stderr) }
    }

    /// The objects of `--json`, the summary apart.
    fn objects(&self) -> (Vec<Value>, Value) {
        let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let mut all: Vec<Value> = self.out.lines().map(read).collect();
        let summary = all.pop().unwrap_or_else(|| panic!("no summary; {}", self.errors));
        assert_eq!(summary["kind"], "summary");
        assert!(all.iter().all(|object| object["kind"] != "summary"));
        (all, summary)
    }

    fn summary(&self) -> Value {
        self.objects().1
    }

    /// The codes of its faults.
    fn faults(&self) -> Vec<String> {
        codes(&self.summary()["faults"])
    }

    fn has(&self, text: &str) -> &Look {
        assert!(self.out.contains(text), "{text:?} is not in\n{}\n{}", self.out, self.errors);
        self
    }

    /// Healthy, but for what a sender does that did not get its share of a busy machine. Of `--json`.
    fn well(&self) -> &Look {
        const LATE: &[&str] =
            &["pat", "pmt", "pid", "pts", "pcr_repetition", "stopped", "fps_low", "stalled", "segment_slow"];
        let faults = self.faults();
        assert!(faults.iter().all(|fault| LATE.contains(&fault.as_str())), "{}", self.out);
        self.ends(i32::from(!faults.is_empty()))
    }

    fn ends(&self, code: i32) -> &Look {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.errors);
        self
    }
}

fn codes(findings: &Value) -> Vec<String> {
    findings.as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap().to_owned()).collect()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vedette"));
    command.arg("probe").args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn probe(arguments: &[&str]) -> Look {
    Look::of(command(arguments).output().unwrap())
}

/// A program's output, which must end well.
fn told(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What ffprobe sees of a file's streams, with packets counted.
fn ffprobe(file: &Path) -> Vec<Value> {
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args(["-v", "error", "-count_packets", "-show_streams", "-of", "json"]).arg(file);
    let value: Value = serde_json::from_str(&told(&mut ffprobe)).unwrap();
    value["streams"].as_array().unwrap().clone()
}
