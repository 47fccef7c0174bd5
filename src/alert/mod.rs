//! Floor 3. Judging: rule files, the state machine of alarms. It cannot read a clock or a file.
//!
//! A rule file becomes a [`Sheet`]; each of its rules has a [`Standing`]; the [`Judge`] judges the local ones over
//! snapshots, exactly as Prometheus' rule manager does, except that every duration is boot time and that alarms survive
//! a restart. What it decides comes back as a [`Verdict`]; it tells nobody itself.

mod file;
mod humanize;
mod judge;
mod life;
mod meters;
mod standing;
mod template;
mod yaml;

pub use file::{Group, Refusal, Rule, Sheet, parse};
pub use judge::{Judge, Judged, Verdict};
pub use life::Changes;
pub use meters::{FAMILIES, Meters};
pub use standing::{Kind, OWN, Standing};
pub use template::{Given, Template};
pub use yaml::Place;

/// Rules about Vedette itself, for every node.
pub static RULES: &str = include_str!("rules.yml");
