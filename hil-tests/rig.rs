//! A bench, set up for one story: everything on, the node watching it, an ear at the broker.

use crate::bench::{self, Bench};
use crate::hands::{Commands, FarEnd, Switch, Virtual};
use crate::support::brokers::{Broker, Subscriber};
use crate::support::vedette::{Vedette, value};
use crate::support::wait;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// For one request to a node; one that is switched off answers nothing at all.
const REQUEST: Duration = Duration::from_secs(5);

pub struct Rig {
    bound: Duration,
    cameras: Vec<Camera>,
    pub uplink: Option<(String, Box<dyn Switch>)>,
    pub nic: Option<Box<dyn Switch>>,
    pub power: Option<Box<dyn Switch>>,
    ear: Subscriber,
    node: Node,
    /// Dies last: the node says good-bye to it.
    _broker: Option<Broker>,
}

pub struct Camera {
    pub id: String,
    pub codec: String,
    pub fps: u32,
    pub switch: Box<dyn Switch>,
}

enum Node {
    Here(Box<Vedette>),
    /// `host:port`
    There(String),
}

fn commands(hand: bench::Hand) -> Box<dyn Switch> {
    Box::new(Commands::new(hand))
}

impl Rig {
    pub fn set_up(bench: &Bench) -> Rig {
        let made = bench.broker.is_none().then(Broker::open);
        let (host, port, more) = match (&bench.broker, &made) {
            (Some(broker), _) => (broker.host.as_str(), broker.port, broker.arguments.as_slice()),
            (None, made) => ("127.0.0.1", made.as_ref().expect("made above").port, [].as_slice()),
        };
        let mut arguments = vec!["-h", host];
        arguments.extend(more.iter().map(String::as_str));
        let ear = Subscriber::with(port, &arguments);

        let mut config = format!("[node]\ntick = \"1s\"\n[[mqtt]]\nname = \"bench\"\nurl = \"mqtt://{host}:{port}\"\n");
        let mut cameras = Vec::new();
        for camera in &bench.cameras {
            let switch: Box<dyn Switch> = match bench::hand(&camera.off, &camera.on) {
                Some(hand) => commands(hand),
                None if bench.node.page.is_some() => continue,
                None => {
                    let made = Virtual::start(&camera.codec, camera.fps);
                    config += &format!("[[camera]]\nid = {:?}\nurl = {:?}\n", camera.id, made.url);
                    Box::new(made)
                }
            };
            cameras.push(Camera { id: camera.id.clone(), codec: camera.codec.clone(), fps: camera.fps, switch });
        }
        let uplink = bench.uplink.as_ref().map(|uplink| {
            let switch: Box<dyn Switch> = match bench::hand(&uplink.off, &uplink.on) {
                Some(hand) => commands(hand),
                None => {
                    let end = FarEnd::start();
                    config += "[[uplink]]\nevery = \"1s\"\ntimeout = \"500ms\"\n";
                    config += &format!("id = {:?}\ntcp = [\"127.0.0.1:{}\"]\n", uplink.id, end.port);
                    Box::new(end)
                }
            };
            (uplink.id.clone(), switch)
        });
        let node = match &bench.node.page {
            Some(page) => Node::There(page.clone()),
            None => Node::Here(Box::new(start(&config, bench.node.rules_wait.as_deref()))),
        };
        let nic = bench.nic.clone().map(commands);
        let power = bench.power.clone().map(commands);
        Rig { bound: bench.bound(), cameras, uplink, nic, power, ear, node, _broker: made }
    }

    /// The bench's camera of this codec.
    pub fn camera(&mut self, codec: &str) -> Camera {
        let at = self.cameras.iter().position(|c| c.codec == codec).expect("the story needs such a camera");
        self.cameras.swap_remove(at)
    }

    /// The node's page of metrics; `None` while it does not answer.
    pub fn page(&self) -> Option<String> {
        let answer = match &self.node {
            Node::Here(vedette) => vedette.get("/metrics"),
            Node::There(address) => get(address, "/metrics"),
        };
        answer.filter(|a| a.starts_with("HTTP/1.1 200"))
    }

    pub fn value(&self, series: &str) -> Option<f64> {
        value(&self.page()?, series)
    }

    /// Waits until a series has a value that `fits`.
    pub fn until(&self, series: &str, fits: impl Fn(f64) -> bool) -> f64 {
        wait(&format!("a fitting {series}"), self.bound, || self.value(series).filter(|v| fits(*v)))
    }

    /// Waits until the page is there, or is not.
    pub fn until_page(&self, there: bool) {
        wait("the page", self.bound, || (self.page().is_some() == there).then_some(()));
    }

    /// How often this rule told over MQTT that it is in `phase` for a target, since the story began.
    pub fn told(&self, rule: &str, target: &str, phase: &str) -> usize {
        let events = self.ear.heard().into_iter().filter(|h| h.topic.ends_with("/event"));
        let events = events.filter_map(|h| serde_json::from_str::<Value>(&h.payload).ok());
        events.filter(|e| e["rule"] == rule && e["target"] == target && e["phase"] == phase).count()
    }

    /// Waits until that was told.
    pub fn until_told(&self, rule: &str, target: &str, phase: &str) {
        wait(&format!("{rule} {phase} of {target} over MQTT"), self.bound, || {
            (self.told(rule, target, phase) > 0).then_some(())
        });
    }
}

/// The built daemon with the rules that it ships.
fn start(config: &str, rules_wait: Option<&str>) -> Vedette {
    let mut vedette = Vedette::new(config);
    for kind in vedette::probe::KINDS {
        let mut rules = kind.rules.to_owned();
        if let Some(wait) = rules_wait {
            let shorter = |line: &str| match line.split_once("for: ") {
                Some((indent, _)) if indent.trim().is_empty() => format!("{indent}for: {wait}\n"),
                _ => format!("{line}\n"),
            };
            rules = rules.lines().map(shorter).collect();
        }
        std::fs::write(vedette.path(&format!("rules/{}.yml", kind.name)), rules).expect("its own directory");
    }
    vedette.start();
    vedette
}

fn get(address: &str, path: &str) -> Option<String> {
    let address = address.to_socket_addrs().ok()?.next()?;
    let mut stream = TcpStream::connect_timeout(&address, REQUEST).ok()?;
    stream.set_read_timeout(Some(REQUEST)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
