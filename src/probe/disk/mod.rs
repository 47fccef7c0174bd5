//! The disk probe: how each disk says it is, from the file of numbers that `vedette-peek smart` leaves.
//!
//! There without being configured, and silent but for one series where nobody enabled `vedette-peek-smart.timer`.

mod metrics;
mod panels;
#[cfg(test)]
mod tests;
mod watch;

use crate::probe::poll::{Pace, Polled};
use crate::probe::{Kind, Target};
use std::time::Duration;
use watch::Watch;

/// How often the file is read: a few kilobytes of memory. The disks themselves are asked every few minutes.
const EVERY: Duration = Duration::from_secs(15);
const LIMIT: Duration = Duration::from_secs(5);

pub static KIND: Kind = Kind {
    name: "disk",
    about: "how disks say they are: SMART and NVMe health",
    // It has no tables: see `target`.
    key: "",
    sample: include_str!("sample.toml"),
    families: metrics::FAMILIES,
    rules: include_str!("rules.yml"),
    panels: panels::PANELS,
    read: |_| None,
};

/// The target. It is opened in a world with a machine only.
pub fn target() -> (&'static Kind, Target) {
    let target = Target {
        id: "health".to_owned(),
        settings: String::new(),
        secrets: Vec::new(),
        roster: None,
        learns: Vec::new(),
        open: Box::new(|kit| {
            let pace = Pace { every: EVERY, limit: LIMIT };
            Box::new(Polled::new("disk health", pace, kit.clock.clone(), Watch::open(kit, EVERY)))
        }),
    };
    (&KIND, target)
}
