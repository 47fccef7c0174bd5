//! Cameras over RTSP: connection, frame rate, bit rate, loss, keyframes, from the packets alone; nothing is decoded.

mod metrics;
mod panels;
mod settings;
mod tally;
#[cfg(test)]
mod tests;
mod watch;

use crate::base::settings::Table;
use crate::probe::{Kind, Target};
use settings::Plan;
use watch::Watch;

pub static KIND: Kind = Kind {
    name: "camera",
    about: "IP cameras over RTSP: connection, frame rate, bit rate, packet loss, keyframes",
    key: "camera",
    sample: include_str!("sample.toml"),
    families: metrics::FAMILIES,
    rules: include_str!("rules.yml"),
    panels: panels::PANELS,
    read,
};

fn read(table: &Table<'_>) -> Option<Target> {
    let plan = Plan::read(table)?;
    Some(Target {
        id: plan.id.clone(),
        settings: plan.text(),
        secrets: plan.secrets(),
        roster: Some(plan.camera()),
        learns: Vec::new(),
        open: Box::new(move |kit| Box::new(Watch::new(plan, kit))),
    })
}
