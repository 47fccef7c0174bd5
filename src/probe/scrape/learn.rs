//! From samples on a page to series of ours. Who was on the page before is known by the bytes of its name and labels, so
//! that a page like the one before costs a look-up per sample and nothing else.

use super::STRIDE;
use super::metrics::{Counts, Refusal};
use super::relabel;
use super::settings::Settings;
use crate::base::clock::Boot;
use crate::metric::book::{Hold, Series};
use crate::metric::desc::Family;
use crate::metric::labels::Labels;
use crate::metric::report::Report;
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

/// A series that is not open yet.
struct New {
    key: Box<[u8]>,
    family: Family,
    labels: Labels,
    value: f64,
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
    /// What the page in hand says of series that stand.
    said: Vec<(Series, f64)>,
    /// What it says of others: they are opened when the whole of it was read, or one that ends badly would open and close
    /// thousands in each round.
    new: Vec<New>,
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
            said: Vec::new(),
            new: Vec::new(),
            fresh: Default::default(),
            counts: Counts::default(),
        }
    }

    /// A page has come.
    pub(super) fn begin(&mut self, now: Boot) {
        self.round += 1;
        self.said.clear();
        self.new.clear();
        if now.since(self.fresh.0) >= DAY {
            self.fresh = (now, HashSet::new());
        }
        // A family of ours took a name since: who is still on the shelf is found out by asking for it anew.
        if self.evictions != self.shelf.evictions() {
            self.clear();
            self.evictions = self.shelf.evictions();
        }
    }

    /// Takes a sample of the page, or leaves it out and counts that.
    pub(super) fn take(&mut self, sample: &Sample<'_>, labels: &[(&str, Cow<'_, str>)], declared: &Declared<'_>) {
        if let Some(known) = self.known.get_mut(sample.series) {
            let twice = std::mem::replace(&mut known.round, self.round) == self.round;
            return match known.fate {
                Fate::Dropped => self.counts.dropped += 1,
                Fate::Taken(_) if twice => self.refuse(Refusal::Clash(Clash::Twice)),
                Fate::Taken(series) => self.said.push((series, sample.value)),
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
            // Remembered to be quicker only.
            if self.known.len() < self.most {
                self.known.insert(sample.series.into(), Known { fate: Fate::Dropped, round: self.round });
            }
            return;
        };
        let family = declared.family(sample.name);
        self.new.push(New { key: sample.series.into(), family, labels, value: sample.value });
    }

    /// Samples of the page that relabelling let through so far.
    pub(super) fn taken(&self) -> usize {
        self.said.len() + self.new.len()
    }

    /// The page was read to its end: closes the series that were not on it, opens those that are new, and reports all.
    pub(super) async fn finish(&mut self, report: &mut Report) {
        self.close_missing();
        for (series, value) in self.said.drain(..) {
            report.said(series, value);
        }
        for (n, New { key, family, labels, value }) in std::mem::take(&mut self.new).into_iter().enumerate() {
            if n % STRIDE == STRIDE - 1 {
                tokio::task::yield_now().await;
            }
            match self.open(&family, labels) {
                Ok(series) => {
                    self.known.insert(key, Known { fate: Fate::Taken(series), round: self.round });
                    report.said(series, value);
                }
                // Not remembered: the next page may find the name free.
                Err(why) => self.refuse(why),
            }
        }
    }

    fn open(&mut self, family: &Family, labels: Labels) -> Result<Series, Refusal> {
        if reserved(&family.name) {
            return Err(Refusal::Clash(Clash::Ours));
        }
        // Another help is another row on file.
        let digest = labels.with([(NAME, &*family.name), ("__help__", &*family.help)]).digest();
        if !self.fresh.1.contains(&digest) && self.fresh.1.len() >= self.most {
            return Err(Refusal::Churn);
        }
        let series = self.shelf.open(family, labels, self.hold).map_err(Refusal::Clash)?;
        self.fresh.1.insert(digest);
        Ok(series)
    }

    fn refuse(&mut self, why: Refusal) {
        self.counts.refused[why.index()] += 1;
    }

    fn close_missing(&mut self) {
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
