//! The uplink probe: is the road to the centre open, and if not, where does it end?
//!
//! A round ([`round`]) asks all targets of all checks at once, every question bounded by the timeout. Only far targets
//! (TCP, HTTP) decide `uplink_up`; the kernel's word on route and carrier, echo requests, DNS, brokers and scrapers tell
//! where to look. Rounds make a state ([`state`]), a ledger of outages ([`outages`]) and fail-overs ([`lead`]).

mod check;
mod echoes;
mod lead;
mod metrics;
mod outages;
mod panels;
mod round;
mod settings;
mod state;
#[cfg(test)]
mod tests;
mod told;
mod watch;

use crate::probe::{Kind, Target};
use watch::Uplink;

pub static KIND: Kind = Kind {
    name: "uplink",
    about: "the road to the centre: TCP, HTTP, ping, DNS, gateway, route, carrier, brokers, scrapers; outages, fail-over",
    key: "uplink",
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
            open: Box::new(|kit| Box::new(Uplink::open(settings, kit))),
        })
    },
};
