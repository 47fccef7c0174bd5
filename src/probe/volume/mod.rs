//! The volume probe, by choice: does a volume take a write, and how long does that take?

mod metrics;
mod panels;
mod settings;
#[cfg(test)]
mod tests;
mod watch;

use crate::probe::{Kind, Target};
use watch::Watch;

pub static KIND: Kind = Kind {
    name: "volume",
    about: "volumes that are written to, to know whether and how fast they take it",
    key: "volume",
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
            open: Box::new(|kit| Box::new(Watch::open(settings, kit))),
        })
    },
};
