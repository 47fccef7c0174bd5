//! One interface: looks become numbers, against what is expected and against the look before.

use super::link::{self, Seen};
use super::metrics::Meters;
use super::settings::Settings;
use crate::base::clock::{Boot, Clock, Window};
use crate::metric::book::Series;
use crate::metric::report::{NoData, Reading, Report};
use crate::probe::Kit;
use crate::probe::poll::Poll;
use crate::world::machine::Machine;
use std::collections::HashMap;

pub(super) struct Watch {
    settings: Settings,
    machine: Machine,
    clock: Clock,
    meters: Meters,
    /// What was last said of series without a number: a driver that cannot tell something is no failed reading per look.
    told: HashMap<Series, NoData>,
    /// Bytes at the look before, where it had them.
    before: Option<(Boot, [Reading; 2])>,
    /// Whether it had a link, for the log.
    link: Option<&'static str>,
}

impl Watch {
    pub(super) fn open(settings: Settings, kit: &mut Kit) -> Watch {
        Watch {
            meters: Meters::open(kit, &settings),
            machine: kit.world.machine.clone().expect("who opens targets of this kind has a node"),
            clock: kit.clock.clone(),
            settings,
            told: HashMap::new(),
            before: None,
            link: None,
        }
    }

    /// A reading, or once the reason why there is none.
    fn tell(&mut self, report: &mut Report, series: Series, reading: Reading) {
        match reading {
            Ok(_) => {
                self.told.remove(&series);
            }
            Err(why) if self.told.insert(series, why) == Some(why) => return,
            Err(_) => {}
        }
        report.reading(series, reading);
    }

    /// What there is no number for, and why.
    fn without(&mut self, report: &mut Report, why: NoData) {
        let meters = &self.meters;
        let mut all = vec![meters.link];
        all.extend(meters.speed_low.into_iter().chain(meters.duplex_wrong));
        all.extend(meters.utilization.iter().chain(&meters.errors));
        all.extend(meters.members.iter().flatten());
        for series in all {
            self.tell(report, series, Err(why));
        }
        self.before = None;
    }

    fn seen(&mut self, report: &mut Report, seen: &Seen) {
        self.tell(report, self.meters.present, Ok(1.0));
        self.tell(report, self.meters.link, seen.link);
        // Without a link the driver's word about speed and duplex is about nothing.
        let linked = |reading: Reading| match seen.link {
            Ok(1.0) => reading,
            Ok(_) => Err(NoData::NotPresent),
            Err(why) => Err(why),
        };
        let speed = linked(seen.speed);
        if let (Some(series), Some(wanted)) = (self.meters.speed_low, self.settings.speed) {
            self.tell(report, series, speed.map(|speed| f64::from(speed < wanted)));
        }
        if let (Some(series), Some(wanted)) = (self.meters.duplex_wrong, self.settings.duplex) {
            self.tell(report, series, linked(seen.duplex.map(|duplex| f64::from(duplex != wanted))));
        }
        let room = linked(seen.speed.or(self.settings.speed.ok_or(NoData::Unsupported)));
        let before = self.before.replace((seen.at, seen.bytes));
        for (n, series) in self.meters.utilization.into_iter().enumerate() {
            self.tell(report, series, utilization(before.map(|(at, bytes)| (at, bytes[n])), seen, n, room));
        }
        for n in 0..self.meters.errors.len() {
            self.tell(report, self.meters.errors[n], seen.faults[n]);
        }
        for n in 0..self.meters.members.len() {
            let ([up, active], member) = (self.meters.members[n], seen.members[n]);
            self.tell(report, up, member.up);
            self.tell(report, active, member.active);
        }
    }

    fn log(&mut self, state: &'static str) {
        if self.link.replace(state) != Some(state) {
            tracing::info!(interface = self.settings.interface, state, "interface");
        }
    }
}

/// Bits since the look before over what the link can carry; `room` is bit/s.
fn utilization(before: Option<(Boot, Reading)>, seen: &Seen, direction: usize, room: Reading) -> Reading {
    let room = room?;
    // One reading is no rate.
    let (then, before) = before.ok_or(NoData::NotPresent)?;
    let (passed, bytes) = (seen.at.since(then).as_secs_f64(), seen.bytes[direction]? - before?);
    // The driver was loaded anew, or another interface has the name now.
    if bytes < 0.0 || passed <= 0.0 {
        return Err(NoData::NotPresent);
    }
    Ok(8.0 * bytes / passed / room)
}

impl Poll for Watch {
    /// `None`: it is not there.
    type Seen = Result<Option<Seen>, NoData>;

    fn look(&mut self) -> Box<dyn FnOnce() -> Self::Seen + Send> {
        let (machine, clock) = (self.machine.clone(), self.clock.clone());
        let (interface, members) = (self.settings.interface.clone(), self.settings.members.clone());
        Box::new(move || link::look(&machine, &clock, &interface, &members))
    }

    fn fold(&mut self, taken: Window, seen: Self::Seen) -> Report {
        let mut report = Report::new(taken);
        match seen {
            Ok(Some(seen)) => {
                self.log(if seen.link == Ok(1.0) { "up" } else { "down" });
                self.seen(&mut report, &seen);
            }
            Ok(None) => {
                self.log("gone");
                self.tell(&mut report, self.meters.present, Ok(0.0));
                self.without(&mut report, NoData::NotPresent);
            }
            Err(why) => {
                self.log("unknown");
                self.tell(&mut report, self.meters.present, Err(why));
                self.without(&mut report, why);
            }
        }
        report
    }

    fn fallen(&mut self, report: &mut Report) {
        self.tell(report, self.meters.present, Err(NoData::Stale));
        self.without(report, NoData::Stale);
    }
}
