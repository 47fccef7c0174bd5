//! From samples on a page to series of ours. Who was on the page before is known by the bytes of its name and labels, so
//! that a page like the one before costs a look-up per sample and nothing else.

use super::metrics::{Counts, Refusal};
use super::relabel;
use super::settings::Settings;
use crate::base::clock::Boot;
use crate::metric::book::{Hold, Series};
use crate::metric::labels::Labels;
use crate::metric::shelf::{Clash, Shelf};
use crate::probe::declared::Declared;
use crate::query::NAME;
use crate::wire::exposition::Sample;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// Different series within [`DAY`], in times of `max_samples`. A label that is never the same twice would fill the file
/// of samples with names, and take the room of everybody else.
const CHURN: usize = 4;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Names that no exporter may have, whether we use them now or not.
fn reserved(name: &str) -> bool {
    matches!(name, "ALERTS" | "ALERTS_FOR_STATE") || name.starts_with("vedette_")
}

#[derive(Clone, Copy)]
enum Fate {
    Taken(Series),
    /// Left out by relabelling.
    Dropped,
}

struct Known {
    fate: Fate,
    /// The round in which it was last on the page.
    round: u64,
}

/// What is known of one exporter's series.
pub(super) struct Learner {
    shelf: Shelf,
    hold: Hold,
    /// `scrape_id`.
    target: Labels,
    honor: bool,
    steps: Vec<relabel::Step>,
    /// Different series allowed within a day.
    most: usize,
    known: HashMap<Box<[u8]>, Known>,
    round: u64,
    /// Samples of this round that were not left out by relabelling.
    taken: usize,
    /// Digests of the series that were new since then.
    fresh: (Boot, HashSet<u64>),
    evictions: u64,
    counts: Counts,
}

impl Learner {
    pub(super) fn new(shelf: Shelf, settings: &Settings) -> Learner {
        Learner {
            evictions: shelf.evictions(),
            shelf,
            hold: Hold::Read(settings.every),
            target: Labels::new([("scrape_id", &settings.id)]),
            honor: settings.honor_labels,
            steps: settings.relabel.clone(),
            most: CHURN * settings.max_samples,
            known: HashMap::new(),
            round: 0,
            taken: 0,
            fresh: Default::default(),
            counts: Counts::default(),
        }
    }

    /// A page has come.
    pub(super) fn begin(&mut self, now: Boot) {
        self.round += 1;
        self.taken = 0;
        if now.since(self.fresh.0) >= DAY {
            self.fresh = (now, HashSet::new());
        }
        // A family of ours took a name since: who is still on the shelf is found out by asking for it anew.
        if self.evictions != self.shelf.evictions() {
            self.clear();
            self.evictions = self.shelf.evictions();
        }
    }

    /// The series of a sample, opened if it is new; `None` where it is left out, which is counted.
    pub(super) fn series(
        &mut self,
        sample: &Sample<'_>,
        labels: &[(&str, Cow<'_, str>)],
        declared: &Declared<'_>,
    ) -> Option<Series> {
        if let Some(known) = self.known.get_mut(sample.series) {
            let twice = std::mem::replace(&mut known.round, self.round) == self.round;
            return match known.fate {
                Fate::Dropped => {
                    self.counts.dropped += 1;
                    None
                }
                Fate::Taken(_) if twice => self.refuse(Refusal::Clash(Clash::Twice)),
                Fate::Taken(series) => {
                    self.taken += 1;
                    Some(series)
                }
            };
        }
        let pairs = labels.iter().map(|(name, value)| (*name, &**value));
        let labels = match self.honor {
            // As Prometheus does: what the exporter says stands, and an empty value takes the label away.
            true => Labels::new(self.target.iter().chain(pairs)),
            false => Labels::new(pairs).under(&self.target),
        };
        let Some(labels) = relabel::apply(&self.steps, sample.name, labels) else {
            self.counts.dropped += 1;
            self.remember(sample, Fate::Dropped);
            return None;
        };
        self.taken += 1;
        if reserved(sample.name) {
            return self.refuse(Refusal::Clash(Clash::Ours));
        }
        let digest = labels.with([(NAME, sample.name)]).digest();
        if !self.fresh.1.contains(&digest) && self.fresh.1.len() >= self.most {
            return self.refuse(Refusal::Churn);
        }
        match self.shelf.open(&declared.family(sample.name), labels, self.hold) {
            Ok(series) => {
                self.fresh.1.insert(digest);
                self.remember(sample, Fate::Taken(series));
                Some(series)
            }
            Err(clash) => self.refuse(Refusal::Clash(clash)),
        }
    }

    /// Not remembered: the next page may find the name free.
    fn refuse(&mut self, why: Refusal) -> Option<Series> {
        self.counts.refused[why.index()] += 1;
        None
    }

    fn remember(&mut self, sample: &Sample<'_>, fate: Fate) {
        // Those left out are remembered to be quicker only.
        if matches!(fate, Fate::Taken(_)) || self.known.len() < self.most {
            self.known.insert(sample.series.into(), Known { fate, round: self.round });
        }
    }

    /// Samples of the page that relabelling let through so far.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// Closes the series that were not on the page.
    pub(super) fn close_missing(&mut self) {
        let mut gone = Vec::new();
        self.known.retain(|_, known| {
            let here = known.round == self.round;
            if let (false, Fate::Taken(series)) = (here, known.fate) {
                gone.push(series);
            }
            here
        });
        self.shelf.close(&gone);
    }

    /// Closes all series.
    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.shelf.clear();
    }

    pub(super) fn counts(&self) -> Counts {
        let standing = self.known.values().filter(|known| matches!(known.fate, Fate::Taken(_))).count();
        Counts { standing, ..self.counts }
    }
}
