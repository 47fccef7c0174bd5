//! Debian's node_exporter, and pages in text 0.0.4.

use super::talk::Talk;
use crate::support::{Kid, free_port, wait};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What a page says.
#[derive(Debug, Default)]
pub struct Page {
    /// By name and labels in order, as `name{a="b",c="d"}`; empty labels are left out, as Prometheus does.
    pub values: BTreeMap<String, f64>,
    pub types: BTreeMap<String, String>,
}

impl Page {
    pub fn parse(text: &str) -> Page {
        let mut page = Page::default();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                page.types.insert(name.to_owned(), kind.to_owned());
            } else if !line.starts_with('#') && !line.is_empty() {
                let (series, value) = line.rsplit_once(' ').unwrap();
                page.values.insert(sorted(series), value.parse().unwrap());
            }
        }
        page
    }
}

/// The series with its labels in order and without empty ones.
fn sorted(series: &str) -> String {
    let Some((name, rest)) = series.split_once('{') else { return series.to_owned() };
    let mut labels = Vec::new();
    let mut rest = rest.strip_suffix('}').unwrap();
    while let Some((label, behind)) = rest.split_once("=\"") {
        // The end of the value is the first quote without a backslash before it.
        let mut escaped = false;
        let end = behind.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let (value, behind) = behind.split_at(end.unwrap());
        if !value.is_empty() {
            labels.push(format!("{label}=\"{value}\""));
        }
        rest = behind[1..].trim_start_matches(',');
    }
    labels.sort();
    if labels.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", labels.join(",")) }
}

/// It at work, and a connection to it that stays, so that both sides are asked with the same sockets open.
pub struct Exporter {
    _kid: Kid,
    talk: Talk,
}

/// Upstream's own default: Debian's leaves out /mnt and /media, where recordings are, and /run.
const MOUNTS: &str = "--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)";

impl Exporter {
    pub fn start(arguments: &[String]) -> Exporter {
        let port = free_port();
        let mut command = Command::new("prometheus-node-exporter");
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).arg(MOUNTS).args(arguments);
        let kid = Kid::spawn(command.stderr(Stdio::null()));
        let mut talk = wait("node_exporter", Duration::from_secs(20), || Talk::with(port).ok());
        talk.page().expect("node_exporter answers");
        Exporter { _kid: kid, talk }
    }

    pub fn page(&mut self) -> Page {
        Page::parse(&self.talk.page().expect("node_exporter answers"))
    }
}
