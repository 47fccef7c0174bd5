//! Transport streams: what an encoder sends, as it stands on the wire, and the SCTE-35 cues in it. Nothing is decoded but
//! tables, timestamps, cues, and the heads of pictures.

mod address;
mod compare;
mod ears;
mod frames;
mod intake;
mod line;
mod markers;
mod metrics;
mod notes;
mod panels;
mod presence;
mod settings;
mod watch;

use crate::base::settings::Table;
use crate::probe::{Kind, Target};
use address::Origin;
use frames::Frames;
use settings::Plan;
use watch::Watch;

pub static KIND: Kind = Kind {
    name: "stream",
    about: "transport streams over UDP, RTP, SRT, files and pipes: TR 101 290, bit rates, SCTE-35 breaks, an encoder's output against its input; RTMP's rates",
    key: "stream",
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
        secrets: Vec::new(),
        roster: None,
        learns: Vec::new(),
        open: Box::new(move |kit| match plan.origin.clone() {
            Origin::Rtmp(url) => Box::new(Frames::new(plan, url, kit)),
            Origin::Feed(_) | Origin::Srt(_) => Box::new(Watch::new(plan, kit)),
        }),
    })
}

#[cfg(test)]
mod tests;
