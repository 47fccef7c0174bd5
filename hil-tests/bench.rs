//! A bench file: what stands on the bench, and by which commands it is moved. What the file leaves out is made on this
//! machine, so that the same stories run anywhere; what cannot be made is an ability that the bench lacks.

use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use vedette::base::settings::parse_duration;

/// Every ability a story can ask for.
pub const ABILITIES: [&str; 6] = ["camera.h264", "camera.h265", "gpu.nvidia", "nic.pull", "power.cut", "uplink.cut"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bench {
    pub name: String,
    /// Longest until any one thing that a story waits for, as in Prometheus: `60s`.
    bound: String,
    #[serde(default)]
    has: Vec<String>,
    pub node: Node,
    pub broker: Option<Broker>,
    #[serde(default, rename = "camera")]
    pub cameras: Vec<Camera>,
    pub uplink: Option<Uplink>,
    pub nic: Option<Hand>,
    pub power: Option<Hand>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// `host:port` of a node that runs already; else the built daemon is started here.
    pub page: Option<String>,
    /// For the daemon started here: the `for` of all rules.
    pub rules_wait: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broker {
    pub host: String,
    pub port: u16,
    #[serde(default)]
    pub arguments: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Camera {
    pub id: String,
    pub codec: String,
    pub fps: u32,
    pub off: Option<Vec<String>>,
    pub on: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uplink {
    pub id: String,
    pub off: Option<Vec<String>>,
    pub on: Option<Vec<String>>,
}

/// Two commands, program and arguments.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub struct Hand {
    pub off: Vec<String>,
    pub on: Vec<String>,
}

/// The hand of a thing whose file gives both commands.
pub fn hand(off: &Option<Vec<String>>, on: &Option<Vec<String>>) -> Option<Hand> {
    Some(Hand { off: off.clone()?, on: on.clone()? })
}

impl Bench {
    /// # Errors
    /// A text that says what is wrong with the file.
    pub fn read(path: &Path) -> Result<Bench, String> {
        let place = |what: String| format!("{}: {what}", path.display());
        let text = std::fs::read_to_string(path).map_err(|e| place(e.to_string()))?;
        let bench: Bench = toml::from_str(&text).map_err(|e| place(e.to_string()))?;
        if parse_duration(&bench.bound).is_none() {
            return Err(place(format!("bound is {:?}; write a duration such as \"60s\"", bench.bound)));
        }
        let strange = bench.abilities().into_iter().find(|a| !ABILITIES.contains(&a.as_str()));
        match strange {
            Some(strange) => Err(place(format!("no story knows {strange:?}; known: {}", ABILITIES.join(", ")))),
            None => Ok(bench),
        }
    }

    pub fn bound(&self) -> Duration {
        parse_duration(&self.bound).expect("checked when it was read")
    }

    /// Nodes elsewhere only have what their bench file can move; here everything else is made.
    fn is_here(&self) -> bool {
        self.node.page.is_none()
    }

    /// What this bench can do.
    pub fn abilities(&self) -> BTreeSet<String> {
        let mut all: BTreeSet<String> = self.has.iter().cloned().collect();
        let movable = self.cameras.iter().filter(|c| self.is_here() || hand(&c.off, &c.on).is_some());
        all.extend(movable.map(|c| format!("camera.{}", c.codec)));
        if self.uplink.as_ref().is_some_and(|u| self.is_here() || hand(&u.off, &u.on).is_some()) {
            all.insert("uplink.cut".to_owned());
        }
        all.extend(self.nic.as_ref().map(|_| "nic.pull".to_owned()));
        all.extend(self.power.as_ref().map(|_| "power.cut".to_owned()));
        all
    }
}
