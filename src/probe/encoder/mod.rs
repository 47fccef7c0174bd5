//! The encoder probe: does each encoder run, advance and keep up; and what do its reports, its log and its process say?

mod elements;
mod eyes;
mod fault;
mod gpu;
mod growth;
mod life;
mod metrics;
mod panels;
mod settings;
mod tally;
#[cfg(test)]
mod tests;
mod told;
mod watch;

use crate::base::settings::Table;
use crate::probe::{Kind, Target};
use settings::Plan;
use watch::Watch;

pub static KIND: Kind = Kind {
    name: "encoder",
    about: "encoders, FFmpeg and GStreamer: frame rate, speed, stalls, restarts, processes, logs",
    key: "encoder",
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
        settings: format!("{plan:?}"),
        secrets: Vec::new(),
        roster: None,
        learns: Vec::new(),
        open: Box::new(move |kit| Box::new(Watch::new(plan, kit))),
    })
}
