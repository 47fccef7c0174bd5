//! The file of numbers, read, and what of it is still worth telling.

use super::metrics::{AGE, KNOWN, NUMBERS, SOURCE, SOURCE_FAILURES, STANDBY, STATUS, UNKNOWN, WARNING};
use crate::base::clock::{Boot, Window};
use crate::base::fault::chain;
use crate::base::label::Label;
use crate::metric::book::{Hold, Series};
use crate::metric::reading::{Fact, Readings};
use crate::metric::report::{NoData, Report};
use crate::probe::Kit;
use crate::probe::poll::Poll;
use crate::wire::smart::{self, Disk, Exit, Field, Malformed, Sheet, State, Warning};
use crate::world::files::Unreadable;
use crate::world::machine::{Machine, Under, why};
use crate::world::peek::{SMART, SMART_FOLDER};
use std::time::Duration;

/// Older numbers are not told: the timer is due each five minutes, and a round takes at most two.
const STALE: Duration = Duration::from_secs(20 * 60);

/// Why the file is of no use, as label values.
const REASONS: [NoData; 4] = [NoData::NotPresent, NoData::Denied, NoData::Malformed, NoData::Unreachable];

/// The file is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum Missed {
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("the file of vedette-peek-smart makes no sense")]
    Malformed(#[from] Malformed),
}

impl Missed {
    fn reason(&self) -> NoData {
        match self {
            Missed::Unreadable(error) => match why(&error.source) {
                why if REASONS.contains(&why) => why,
                _ => NoData::Unreachable,
            },
            Missed::Malformed(_) => NoData::Malformed,
        }
    }
}

pub(super) struct Watch {
    machine: Machine,
    source: Series,
    failures: [(Series, u64); REASONS.len()],
    readings: Readings,
    /// Of the last look, where it failed.
    missed: Option<NoData>,
}

impl Watch {
    pub(super) fn open(kit: &mut Kit, every: Duration) -> Watch {
        Watch {
            machine: kit.world.machine.clone().expect("who opens the disks' target has a machine"),
            source: kit.read(&SOURCE, [], every),
            failures: REASONS.map(|reason| (kit.own(&SOURCE_FAILURES, [reason.label()]), 0)),
            readings: Readings::new(kit.shelf(), Hold::Read(every)),
            missed: None,
        }
    }

    fn missed(&mut self, report: &mut Report, missed: &Missed) {
        let reason = missed.reason();
        // Not to have enabled the timer is its owner's choice and no trouble.
        if self.missed.replace(reason) != Some(reason) && reason != NoData::NotPresent {
            let error = chain(missed).to_string();
            tracing::warn!(reason = reason.label(), error, "what vedette-peek-smart told of the disks cannot be read");
        }
        if let Some(at) = REASONS.iter().position(|known| *known == reason) {
            self.failures[at].1 += 1;
        }
        self.readings.fold(report, &[], reason);
    }
}

impl Poll for Watch {
    type Seen = Result<Sheet, Missed>;

    fn look(&mut self) -> Box<dyn FnOnce() -> Self::Seen + Send> {
        let machine = self.machine.clone();
        Box::new(move || Ok(Sheet::read(&machine.text(Under::Root, &format!("{SMART_FOLDER}/{SMART}"))?)?))
    }

    fn fold(&mut self, taken: Window, seen: Self::Seen) -> Report {
        let mut report = Report::new(taken);
        report.value(self.source, f64::from(seen.is_ok()));
        match &seen {
            Ok(sheet) => {
                self.missed = None;
                let mut facts = Vec::new();
                let stale = sheet.disks.iter().filter(|disk| tell(disk, taken.to, &mut facts) == State::Stale).count();
                let gone = if stale > 0 { NoData::Stale } else { NoData::NotPresent };
                self.readings.fold(&mut report, &facts, gone);
            }
            Err(missed) => self.missed(&mut report, missed),
        }
        for (series, count) in self.failures {
            report.value(series, count as f64);
        }
        report
    }

    fn fallen(&mut self, report: &mut Report) {
        report.reading(self.source, Err(NoData::Stale));
        self.readings.fold(report, &[], NoData::Stale);
    }
}

/// What is told of a disk at `now`, and in which state it is then.
fn tell(disk: &Disk, now: Boot, facts: &mut Vec<Fact>) -> State {
    let device = disk.device.as_str();
    let age = |at: u64| now.since(Boot::from_nanos(at.saturating_mul(1_000_000)));
    let state = if age(disk.asked) > STALE { State::Stale } else { disk.state };
    facts.push(Fact::of(&KNOWN, [device], f64::from(state == State::Known)));
    for why in State::ALL.iter().filter(|why| **why != State::Known) {
        facts.push(Fact::of(&UNKNOWN, [device, why.label()], f64::from(state == *why)));
    }
    facts.extend(disk.answered.map(|at| Fact::of(&AGE, [device], age(at).as_secs_f64())));
    if matches!(state, State::Known | State::Standby) {
        facts.push(Fact::of(&STANDBY, [device], f64::from(state == State::Standby)));
    }
    // A disk that sleeps has the status that we asked for, which says nothing.
    if let Some(exit) = disk.exit.filter(|_| !matches!(state, State::Standby | State::Stale)) {
        facts.extend(
            smart::bits::<Exit>(exit).map(|(bit, set)| Fact::of(&STATUS, [device, bit.label()], f64::from(set))),
        );
    }
    if state != State::Known {
        return state;
    }
    for (field, desc) in NUMBERS {
        facts.extend(disk.numbers.get(&field).map(|number| Fact::of(desc, [device], *number)));
    }
    // A byte: who wrote it saw to that.
    if let Some(warnings) = disk.numbers.get(&Field::Warnings) {
        facts.extend(
            smart::bits::<Warning>(*warnings as u8)
                .map(|(bit, set)| Fact::of(&WARNING, [device, bit.label()], f64::from(set))),
        );
    }
    state
}
