//! What targets note and remember, between their reports and the next commit: bounded per target, so that a source that
//! goes mad fills neither the log nor the outbox, and never stands in the way of an alarm.

use crate::base::clock::Boot;
use crate::metric::desc::{Desc, Family, Unit};
use crate::metric::note::Note;
use crate::metric::report::Report;
use std::collections::BTreeMap;
use std::sync::Arc;

pub static DROPPED: Desc<0> = Desc::counter(
    "vedette_notes_dropped_total",
    Unit::Count,
    [],
    "Notes of targets that went neither to the event log nor to the brokers, because their target had too many (60 at once, 1 a second in the long run) or the disk did not move",
);
pub static FAMILIES: &[Family] = &[DROPPED.family()];

/// Notes that a target may have at once, and the seconds in which one more is earned: a busy hour of ad breaks fits, and
/// 64 targets gone mad write less than the outbox of a small box holds for a day.
const AT_ONCE: f64 = 60.0;
const EARNED_PER_SECOND: f64 = 1.0;

/// Notes that wait at most, while the disk does not move.
const MOST: usize = 1000;

/// What a target may still note.
struct Purse {
    notes: f64,
    at: Boot,
}

/// Waits for the next commit.
#[derive(Default)]
pub struct Notes {
    purses: BTreeMap<Arc<str>, Purse>,
    notes: Vec<(Arc<str>, Note)>,
    memory: BTreeMap<Arc<str>, Option<String>>,
    pub dropped: u64,
}

impl Notes {
    /// Takes notes and memory out of a report. Reports without a source have none.
    pub fn gather(&mut self, report: Report) {
        let Some(source) = report.source else { return };
        if let Some(text) = report.memory {
            self.memory.insert(source.clone(), text);
        }
        for note in report.notes {
            let now = report.taken.to;
            let purse = self.purses.entry(source.clone()).or_insert(Purse { notes: AT_ONCE, at: now });
            let earned = now.since(purse.at).as_secs_f64() * EARNED_PER_SECOND;
            *purse = Purse { notes: (purse.notes + earned).min(AT_ONCE), at: now };
            if purse.notes < 1.0 || self.notes.len() >= MOST {
                self.dropped += 1;
                continue;
            }
            purse.notes -= 1.0;
            self.notes.push((source.clone(), note));
        }
    }

    /// Everything that waits, in the order of arrival.
    #[allow(clippy::type_complexity)] // two lists, named by who takes them
    pub fn take(&mut self) -> (Vec<(Arc<str>, Note)>, Vec<(Arc<str>, Option<String>)>) {
        (std::mem::take(&mut self.notes), std::mem::take(&mut self.memory).into_iter().collect())
    }

    pub fn is_empty(&self) -> bool {
        self.notes.is_empty() && self.memory.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Window;

    fn report(source: &str, second: u64, notes: usize) -> Report {
        let at = Boot::from_secs(second);
        let mut report = Report::new(Window { from: at, to: at });
        report.source = Some(source.into());
        report.notes = vec![Note::new("scte35.out", at); notes];
        report
    }

    #[test]
    fn a_target_gone_mad_is_cut_short_and_its_neighbour_is_heard() {
        let mut notes = Notes::default();
        notes.gather(report("stream/mad", 100, 1000));
        notes.gather(report("stream/calm", 100, 2));
        assert_eq!((notes.take().0.len(), notes.dropped), (62, 940));
        notes.gather(report("stream/mad", 105, 10));
        assert_eq!((notes.take().0.len(), notes.dropped), (5, 945));
    }

    #[test]
    fn only_the_last_thing_a_target_remembers_is_kept() {
        let mut notes = Notes::default();
        for text in ["one", "two"] {
            let mut report = report("stream/calm", 100, 0);
            report.remember(Some(text.to_owned()));
            notes.gather(report);
        }
        assert!(!notes.is_empty());
        assert_eq!(notes.take().1, [("stream/calm".into(), Some("two".to_owned()))]);
        assert!(notes.is_empty());
    }
}
