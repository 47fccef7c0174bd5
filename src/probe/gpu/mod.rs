//! The GPU probe: is each card there, cool, whole and unthrottled, and is there room for one more encoder?

mod metrics;
mod panels;
mod settings;
#[cfg(test)]
mod tests;
mod watch;

use crate::probe::poll::{Pace, Polled};
use crate::probe::{Kind, Target};
use std::time::Duration;
use watch::Watch;

/// Opening the library takes a few seconds where nobody keeps the driver awake; a look itself takes milliseconds.
const LIMIT: Duration = Duration::from_secs(5);

pub static KIND: Kind = Kind {
    name: "gpu",
    about: "graphics cards: load, memory, heat, throttling, errors, encoder sessions",
    key: "gpu",
    sample: include_str!("sample.toml"),
    families: metrics::FAMILIES,
    rules: include_str!("rules.yml"),
    panels: panels::PANELS,
    read: |table| {
        let settings = settings::read(table)?;
        Some(Target {
            id: settings.id.clone(),
            settings: format!("{settings:?}"),
            secrets: Vec::new(),
            roster: None,
            learns: Vec::new(),
            open: Box::new(|kit| {
                let pace = Pace { every: settings.every, limit: LIMIT };
                Box::new(Polled::new("gpu", pace, kit.clock.clone(), Watch::open(settings, kit)))
            }),
        })
    },
};
