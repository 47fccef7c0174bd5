//! The interface probe: has each interface what it should have, through which one is each camera reached, and does the
//! camera answer there?
//!
//! A `[[nic]]` table is one interface with what is expected of it. Two more targets are there without being configured:
//! the ways to the cameras of the roster with their neighbours and our own UDP sockets, and the cameras' names, on a thread
//! of its own because a resolver can take its time.

mod cameras;
mod drops;
mod link;
mod metrics;
mod names;
mod panels;
mod settings;
#[cfg(test)]
mod tests;
mod watch;

use crate::probe::poll::{Pace, Polled};
use crate::probe::{Kind, Open, Target};
use cameras::Cameras;
use names::{Known, Names};
use std::time::Duration;
use watch::Watch;

/// Some drivers ask the card for its speed, under a lock that others hold too.
const LIMIT: Duration = Duration::from_secs(5);
/// How often names are looked up again: an address from DHCP seldom changes.
const NAMES_EVERY: Duration = Duration::from_secs(60);
/// What a resolver takes with nobody to ask, twice over.
const NAMES_LIMIT: Duration = Duration::from_secs(50);
/// Longer than the name of any interface, so that no `[[nic]]` has them.
const ROADS: &str = "roads-to-cameras";
const NAMES: &str = "names-of-cameras";

pub static KIND: Kind = Kind {
    name: "nic",
    about: "network interfaces, and the cameras behind them",
    key: "nic",
    sample: include_str!("sample.toml"),
    families: metrics::FAMILIES,
    rules: include_str!("rules.yml"),
    panels: panels::PANELS,
    read: |table| {
        let settings = settings::read(table)?;
        Some(Target {
            id: settings.interface.clone(),
            settings: format!("{settings:?}"),
            secrets: Vec::new(),
            roster: None,
            learns: Vec::new(),
            open: Box::new(|kit| {
                let pace = Pace { every: settings.every, limit: LIMIT };
                Box::new(Polled::new("nic", pace, kit.clock.clone(), Watch::open(settings, kit)))
            }),
        })
    },
};

/// The targets that need no table; the ways are looked at `every` so often: the tick.
pub fn targets(every: Duration) -> Vec<(&'static Kind, Target)> {
    let known = Known::default();
    let roads: Open = {
        let known = known.clone();
        Box::new(move |kit| {
            let pace = Pace { every, limit: LIMIT };
            Box::new(Polled::new("roads", pace, kit.clock.clone(), Cameras::open(known, every, kit)))
        })
    };
    let names: Open = Box::new(move |kit| {
        let pace = Pace { every: NAMES_EVERY, limit: NAMES_LIMIT };
        Box::new(Polled::new("names", pace, kit.clock.clone(), Names::open(known, kit)))
    });
    let target = |(id, open): (&str, Open)| {
        let (settings, learns) = (format!("{every:?}"), Vec::new());
        (&KIND, Target { id: id.to_owned(), settings, secrets: Vec::new(), roster: None, learns, open })
    };
    [(ROADS, roads), (NAMES, names)].into_iter().map(target).collect()
}
