//! The configuration file: text → [`Config`], with all mistakes at once. Nothing here touches anything but that file.

use crate::base::label::Label;
use crate::base::settings::{self, Mistake, Severity, Table};
use crate::probe::{self, KINDS, Kind, Target};
use crate::query::Compat;
use crate::sink::mqtt::settings as mqtt;
use crate::store;
use crate::world::listener::{Address, BadAddress};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where rule files are looked for unless told otherwise.
pub const RULES_DIR: &str = "/etc/vedette/rules.d";

/// A whole valid configuration.
pub struct Config {
    pub node: Node,
    pub web: Web,
    pub metrics: Metrics,
    pub store: store::Settings,
    pub alerts: Alerts,
    pub mqtt: Vec<mqtt::Settings>,
    pub targets: Vec<(&'static Kind, Target)>,
    /// Directories that somebody has to make and that targets write to.
    pub directories: Vec<PathBuf>,
}

/// `[node]`
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Default: the host name up to its first dot.
    pub name: Option<String>,
    /// The `job` label that the central Prometheus gives this box.
    pub job: String,
    /// The `instance` label; default `<name>:<port>`.
    pub instance: Option<String>,
    /// One snapshot per tick, 1 to 60 s.
    pub tick: Duration,
}

/// `[web]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// Default `[::]:9090`.
    pub listen: Option<Address>,
    /// exporter-toolkit web configuration.
    pub config_file: Option<PathBuf>,
}

/// `[metrics]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// Export the names that existing dashboards use beside ours.
    pub aliases: bool,
}

/// `[alerts]`
#[derive(Debug, Clone, PartialEq)]
pub struct Alerts {
    /// Rule files, and directories whose `*.yml` and `*.yaml` are rule files.
    pub rules: Vec<PathBuf>,
    pub compat: Compat,
}

/// Reads the text of a file in `dir`. `None` when it has errors (warnings do not count).
pub fn read(dir: &Path, text: &str) -> (Option<Config>, Vec<Mistake>) {
    let (config, mistakes) = settings::read_in(dir, text, root);
    let refused = mistakes.iter().any(|m| m.severity == Severity::Error);
    (config.filter(|_| !refused), mistakes)
}

/// The file could not be used; `mistakes` is empty when it could not even be read.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("cannot read {}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{} has {} to mend", path.display(), count(mistakes))]
    Mistakes { path: PathBuf, mistakes: Vec<Mistake> },
}

fn count(mistakes: &[Mistake]) -> String {
    match mistakes.iter().filter(|m| m.severity == Severity::Error).count() {
        1 => "one mistake".to_owned(),
        n => format!("{n} mistakes"),
    }
}

/// Reads the file at `path`. The warnings come with the configuration.
///
/// # Errors
/// The file cannot be read, or has mistakes: all of them, with their places.
pub fn load(path: &Path) -> Result<(Config, Vec<Mistake>), Refused> {
    let text = std::fs::read_to_string(path).map_err(|source| Refused::Unreadable { path: path.to_owned(), source })?;
    match read(path.parent().unwrap_or(Path::new("")), &text) {
        (Some(config), warnings) => Ok((config, warnings)),
        (None, mistakes) => Err(Refused::Mistakes { path: path.to_owned(), mistakes }),
    }
}

fn root(root: Table<'_>) -> Option<Config> {
    let node = root.table("node");
    let web = root.table("web");
    let alerts = root.table("alerts");
    let metrics = root.table("metrics");
    let store = root.table("store");
    let kinds = KINDS.iter().filter(|kind| !kind.key.is_empty());
    let mut seen = HashMap::new();
    let settings = read_node(node.as_ref());
    let standing =
        probe::node::targets(&node.as_ref().map(probe::node::Settings::read).unwrap_or_default(), settings.tick);
    let roads = probe::nic::targets(settings.tick);
    let config = Config {
        node: settings,
        web: read_web(web.as_ref()),
        metrics: Metrics { aliases: metrics.as_ref().and_then(|t| t.flag("aliases")).unwrap_or(true) },
        store: store::Settings::read(store.as_ref()),
        alerts: read_alerts(alerts.as_ref()),
        mqtt: mqtt::read(&root),
        targets: kinds
            .flat_map(|kind| read_targets(&root, kind, &mut seen))
            .chain(standing)
            .chain(roads)
            .chain([probe::disk::target()])
            .collect(),
        directories: root.tables(probe::volume::KIND.key).iter().filter_map(|table| table.path("directory")).collect(),
    };
    check_inputs(&root, &config.targets);
    for table in [node, web, metrics, alerts, store].into_iter().flatten() {
        table.finish();
    }
    root.finish();
    Some(config)
}

/// Reads `[[key]]` tables. An id that is already in `seen`, by its space, with its place, is a mistake.
fn read_targets(
    root: &Table<'_>,
    kind: &'static Kind,
    seen: &mut HashMap<(&'static str, String), String>,
) -> Vec<(&'static Kind, Target)> {
    let key = kind.key;
    let mut all = Vec::new();
    for (n, table) in root.tables(key).into_iter().enumerate() {
        if let Some(target) = (kind.read)(&table) {
            if let Some(first) = seen.insert((space(kind), target.id.clone()), format!("{key}[{n}]")) {
                let named = named_by(kind);
                let what = format!("`{key}[{n}].{named}` is {:?}, which `{first}` is already", target.id);
                table.mistake(named, what, "give each its own");
            }
            all.push((kind, target));
        }
        table.finish();
    }
    all
}

/// The key that tells the tables of a kind apart.
fn named_by(kind: &Kind) -> &'static str {
    match kind.key {
        "nic" => "interface",
        _ => "id",
    }
}

/// Kinds whose series stand under one label must not share an id.
fn space(kind: &Kind) -> &'static str {
    match kind.key {
        "playlist" => "stream",
        key => key,
    }
}

/// What no stream can see by itself: that the one it names as its input is there and carries cues.
fn check_inputs(root: &Table<'_>, targets: &[(&'static Kind, Target)]) {
    let tables = root.tables("stream");
    let ids: Vec<_> = targets.iter().filter(|(kind, _)| kind.key == "stream").map(|(_, target)| &target.id).collect();
    if ids.len() < tables.len() {
        return; // one that cannot be read yet may be the one
    }
    for (n, table) in tables.iter().enumerate() {
        let Some(input) = table.text("input") else { continue };
        let before = ids.iter().position(|id| **id == input).map(|before| &tables[before]);
        let (wrong, remedy) = match before {
            None => ("no [[stream]] is called so", "write the id of the stream before the encoder"),
            Some(before) if before.text("url").is_some_and(|url| url.starts_with("rtmp")) => (
                "cues do not come over RTMP",
                "leave it out, or watch a second output of that encoder over udp:// or srt://",
            ),
            Some(_) => continue,
        };
        table.mistake("input", format!("`stream[{n}].input` is {input:?}, and {wrong}"), remedy);
    }
}

fn read_node(table: Option<&Table<'_>>) -> Node {
    let seconds = |s| Duration::from_secs(s);
    Node {
        name: table.filter(|t| t.has("name")).and_then(|t| t.need_id("name")),
        job: table.and_then(|t| t.text("job")).unwrap_or_else(|| "vedette".to_owned()),
        instance: table.and_then(|t| t.text("instance")),
        tick: table.and_then(|t| t.duration("tick", seconds(1)..=seconds(60))).unwrap_or(seconds(5)),
    }
}

fn read_web(table: Option<&Table<'_>>) -> Web {
    Web { listen: table.and_then(read_listen), config_file: table.and_then(|t| t.path("config_file")) }
}

fn read_listen(table: &Table<'_>) -> Option<Address> {
    let text = table.text("listen")?;
    let address = text.parse();
    if let Err(error) = &address {
        let error: &BadAddress = error;
        table.mistake("listen", format!("`listen` is {text:?}"), error.to_string());
    }
    address.ok()
}

/// Which Prometheus the central server is: ranges are left-open from 3.0 on.
#[derive(Copy, Clone)]
struct Major(Compat);

impl Label for Major {
    const ALL: &'static [Self] = &[Major(Compat::V2), Major(Compat::V3)];
    fn label(self) -> &'static str {
        match self.0 {
            Compat::V2 => "2",
            Compat::V3 => "3",
        }
    }
}

fn read_alerts(table: Option<&Table<'_>>) -> Alerts {
    let rules = match table.filter(|t| t.has("rules")) {
        Some(table) => table.paths("rules"),
        None => vec![PathBuf::from(RULES_DIR)],
    };
    Alerts { rules, compat: table.and_then(|t| t.choice::<Major>("compat")).map_or(Compat::V3, |m| m.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        read(Path::new(""), text).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_interface_has_one_table() {
        let one = "[[nic]]\ninterface = \"eth0.10\"\n";
        let what = "`nic[1].interface` is \"eth0.10\", which `nic[0]` is already; give each its own";
        assert_eq!(mistakes(&format!("{one}{one}")), [format!("4:13: error: {what}")]);
        assert_eq!(mistakes(one), [""; 0]);
    }

    #[test]
    fn streams_and_playlists_share_their_names_and_an_input_must_be_there() {
        let one = "[[stream]]\nid = \"main\"\nurl = \"udp://239.1.1.1:5000\"\n";
        let playlist = "[[playlist]]\nid = \"main\"\nurl = \"http://origin/index.m3u8\"\n";
        let what = "`stream[0].id` is \"main\", which `playlist[0]` is already; give each its own";
        assert_eq!(mistakes(&format!("{one}{playlist}")), [format!("2:6: error: {what}")]);
        let after = |input: &str| {
            format!("{one}[[stream]]\nid = \"out\"\nurl = \"udp://239.1.1.1:5001\"\ninput = \"{input}\"\n")
        };
        assert_eq!(mistakes(&after("main")), [""; 0]);
        let what = "`stream[1].input` is \"mian\", and no [[stream]] is called so; write the id of the stream before the encoder";
        assert_eq!(mistakes(&after("mian")), [format!("7:9: error: {what}")]);
        let what = "`stream[1].input` is \"main\", and cues do not come over RTMP; leave it out, or watch a second output of that encoder over udp:// or srt://";
        let text = after("main").replacen("udp://239.1.1.1:5000", "rtmp://origin/live/key", 1);
        assert_eq!(mistakes(&text), [format!("7:9: error: {what}")]);
        // Told once, and nothing follows from it.
        assert_eq!(mistakes(&after("main").replacen("\"main\"", "7", 1)).len(), 1);
        assert_eq!(mistakes(&after("main").replace("input = \"main\"", "input = 7")).len(), 1);
    }
}
