//! The recording probe: is each camera recorded without gaps, whole, in time, on the right volume, and as far back as it
//! should be?
//!
//! The newest segment is followed by what its directories tell ([`trail`]), the oldest by asking after it now and then
//! ([`past`]); what it comes to is a ledger of gaps ([`gaps`]). Why there is a gap is not known here: the rules join it.

mod descent;
mod gaps;
mod metrics;
mod panels;
mod past;
mod pattern;
mod segment;
mod settings;
#[cfg(test)]
mod tests;
mod told;
mod trail;
mod watch;

use crate::base::settings::Table;
use crate::probe::poll::Polled;
use crate::probe::{Kind, Target};
use settings::Plan;
use watch::{PACE, Watch};

pub static KIND: Kind = Kind {
    name: "recording",
    about: "recordings: gaps, segments, retention, and the volume that they lie on",
    key: "recording",
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
        open: Box::new(move |kit| {
            let clock = kit.clock.clone();
            Box::new(Polled::new("recording", PACE, clock, Watch::new(plan, kit)))
        }),
    })
}
