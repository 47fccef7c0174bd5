//! The uplink probe: is the road to the centre open, and if not, where does it end?
//!
//! A round asks all targets of all checks at once, every question bounded by the timeout. Only far targets (TCP, HTTP)
//! decide `uplink_up`; the kernel's word on route and carrier, DNS, brokers and scrapers tell where to look.

mod metrics;
mod panels;
mod round;
mod settings;

use crate::base::clock::{Boot, Clock, Window};
use crate::base::quit::Quit;
use crate::metric::ledger::Ledger;
use crate::metric::report::{NoData, Report};
use crate::probe::{Kind, Kit, Running, Session, Tap, Target};
use crate::world::net::Net;
use metrics::{Check, FAMILIES, Meters};
use round::Outcome;
use settings::Settings;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub static KIND: Kind = Kind {
    name: "uplink",
    about: "the road to the centre: TCP, HTTP, DNS, route, carrier, brokers, scrapers",
    key: "uplink",
    sample: include_str!("sample.toml"),
    families: FAMILIES,
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

/// One uplink at work.
struct Uplink {
    settings: Settings,
    net: Arc<dyn Net>,
    ledger: Ledger,
    clock: Clock,
    meters: Meters,
    /// Whether a far target answered in the round before.
    answered_before: bool,
    /// Checks that have a reading on the page.
    shown: BTreeSet<Check>,
}

impl Uplink {
    fn open(settings: Settings, kit: &mut Kit) -> Uplink {
        let meters = Meters::open(kit, &settings.id, &settings.checks(), settings.every);
        Uplink {
            settings,
            net: kit.world.net.clone(),
            ledger: kit.ledger.clone(),
            clock: kit.clock.clone(),
            meters,
            answered_before: false,
            shown: BTreeSet::new(),
        }
    }

    fn report(&mut self, from: Boot, round: BTreeMap<Check, Outcome>) -> Report {
        let mut report = Report::new(Window { from, to: self.clock.boot() });
        let far = round.iter().filter(|(check, _)| check.far());
        if let Some(answered) = far.map(|(_, outcome)| outcome.up == Some(true)).reduce(|a, b| a || b) {
            report.value(self.meters.up, f64::from(answered || self.answered_before));
            self.answered_before = answered;
        }
        for (check, series) in &mut self.meters.checks {
            let Some(outcome) = round.get(check) else { continue };
            for reason in &outcome.failures {
                series.failed(*reason);
            }
            match outcome.up {
                Some(up) => {
                    report.value(series.up, f64::from(up));
                    self.shown.insert(*check);
                }
                // Said once: an uplink nobody ever scraped through is no failed reading per round.
                None if self.shown.remove(check) => drop(report.reading(series.up, Err(NoData::NotPresent))),
                None => {}
            }
            if let Some(duration) = series.duration {
                report.maybe(duration, outcome.first.map(|d| d.as_secs_f64()), NoData::Unreachable);
            }
            for (_, series, count) in &series.failures {
                report.value(*series, *count as f64);
            }
        }
        report
    }
}

impl Session for Uplink {
    fn fallen(&mut self, tap: &Tap) {
        let at = self.clock.boot();
        let mut report = Report::new(Window { from: at, to: at });
        report.reading(self.meters.up, Err(NoData::Stale));
        for series in self.meters.checks.values() {
            report.reading(series.up, Err(NoData::Stale));
            if let Some(duration) = series.duration {
                report.reading(duration, Err(NoData::Stale));
            }
        }
        (self.answered_before, self.shown) = (false, BTreeSet::new());
        tap.send(report);
    }

    fn run<'a>(&'a mut self, tap: &'a Tap, quit: &'a Quit) -> Running<'a> {
        Box::pin(async move {
            let mut every = self.clock.every(self.settings.every);
            loop {
                let from = self.clock.boot();
                let round = tokio::select! {
                    round = round::run(&self.settings, &*self.net, &self.ledger, &self.clock) => round,
                    () = quit.wait() => return Ok(()),
                };
                tap.send(self.report(from, round));
                tokio::select! {
                    _due = every.beat() => {}
                    () = quit.wait() => return Ok(()),
                }
            }
        })
    }
}

#[cfg(test)]
mod tests;
