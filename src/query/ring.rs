//! The last samples of those series that rules look at, in memory.

use crate::metric::labels::Labels;
use crate::query::{EvalError, Expr, Matchers, NAME, STALE, Sample, Selection, Source, Stretch};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Samples kept at most, 16 bytes each. Beyond it the name with the most samples is let go, and every expression
/// that selects it fails to evaluate rather than see half of it.
pub const MOST_SAMPLES: usize = 2_000_000;

/// One series is tidied when this share (1 in so many) of its samples has expired: moving memory for each one is dear.
const TIDY_SHARE: usize = 8;

/// How much the ring holds.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Default)]
pub struct Held {
    pub series: usize,
    pub samples: usize,
}

struct Track {
    samples: Vec<Sample>,
    /// ms.
    reach: i64,
    /// Had a sample in the newest push.
    alive: bool,
    /// Made by rules: who adds to it ends it, a push does not.
    made: bool,
}

/// All series of one name that rules select, in order of their labels.
#[derive(Default)]
struct Named {
    tracks: BTreeMap<Labels, Track>,
}

/// A [`Source`] fed one snapshot at a time.
pub struct Ring {
    wants: Vec<Selection>,
    /// `None`: no selector wants that name.
    names: HashMap<String, Option<Named>>,
    shed: BTreeSet<String>,
    most: usize,
    newest: Option<i64>,
}

impl Ring {
    /// Keeps what `exprs` select, each series for as long as the farthest look at it and one push more.
    pub fn new<'a>(exprs: impl IntoIterator<Item = &'a Expr>) -> Ring {
        let wants = exprs.into_iter().flat_map(|e| e.selections().iter().cloned()).collect();
        Ring { wants, names: HashMap::new(), shed: BTreeSet::new(), most: MOST_SAMPLES, newest: None }
    }

    /// Takes in one snapshot, whole: all series (labels with `__name__`) that have a value at `at` (ms). A series of
    /// the push before that is missing here has ended and gets a stale marker. A push that is not newer than the one
    /// before is ignored.
    pub fn push<'a>(&mut self, at: i64, samples: impl IntoIterator<Item = (&'a Labels, f64)>) {
        let before = self.newest.unwrap_or(at);
        if self.newest.is_some_and(|newest| at <= newest) {
            return;
        }
        self.newest = Some(at);
        for (labels, value) in samples {
            let Some(track) = self.track(labels) else { continue };
            track.made = false;
            if !track.alive {
                track.alive = true;
                track.samples.push(Sample { at, value });
            }
        }
        for named in self.names.values_mut().flatten() {
            named.tracks.retain(|_, track| track.turn(at, before));
        }
        self.names.retain(|_, named| named.as_ref().is_none_or(|n| !n.tracks.is_empty()));
        self.shed();
    }

    /// Adds samples that a rule made, at the time of the newest push; [`STALE`] ends a series. A second one of that time
    /// is ignored.
    pub fn add<'a>(&mut self, samples: impl IntoIterator<Item = (&'a Labels, f64)>) {
        let Some(at) = self.newest else { return };
        for (labels, value) in samples {
            let Some(track) = self.track(labels) else { continue };
            track.made = true;
            if track.samples.last().is_none_or(|last| last.at < at) {
                track.samples.push(Sample { at, value });
            }
        }
        self.shed();
    }

    fn track(&mut self, labels: &Labels) -> Option<&mut Track> {
        let name = labels.get(NAME)?;
        if !self.names.contains_key(name) {
            let wanted = !self.shed.contains(name) && self.wants.iter().any(|w| w.matchers.may_be(name));
            self.names.insert(name.to_owned(), wanted.then(Named::default));
        }
        let tracks = &mut self.names.get_mut(name)?.as_mut()?.tracks;
        if !tracks.contains_key(labels) {
            let reach = self.wants.iter().filter(|w| w.matchers.accept(labels)).map(|w| w.reach).max()?;
            tracks.insert(labels.clone(), Track { samples: Vec::new(), reach, alive: false, made: false });
        }
        tracks.get_mut(labels)
    }

    fn shed(&mut self) {
        while self.held().samples > self.most {
            let size = |named: &Named| named.tracks.values().map(|t| t.samples.len()).sum::<usize>();
            let largest = self.names.iter().filter_map(|(name, n)| Some((size(n.as_ref()?), name.clone()))).max();
            let Some((_, name)) = largest else { return };
            self.names.insert(name.clone(), None);
            self.shed.insert(name);
        }
    }

    /// Keeps what other `exprs` select from now on. Samples that are still wanted stay.
    pub fn keep<'a>(&mut self, exprs: impl IntoIterator<Item = &'a Expr>) {
        self.wants = exprs.into_iter().flat_map(|e| e.selections().iter().cloned()).collect();
        self.shed.clear();
        let wants = &self.wants;
        for named in self.names.values_mut().flatten() {
            named.tracks.retain(|labels, track| {
                let reach = wants.iter().filter(|w| w.matchers.accept(labels)).map(|w| w.reach).max();
                track.reach = reach.unwrap_or(0);
                reach.is_some()
            });
        }
        // Names that nobody wanted may be wanted now.
        self.names.retain(|_, named| named.as_ref().is_some_and(|n| !n.tracks.is_empty()));
    }

    /// Moves the time of all samples by so many ms, back when negative: the clock that feeds [`Ring::push`] was set.
    pub fn shift(&mut self, by: i64) {
        for track in self.names.values_mut().flatten().flat_map(|n| n.tracks.values_mut()) {
            for sample in &mut track.samples {
                sample.at += by;
            }
        }
        self.newest = self.newest.map(|newest| newest + by);
    }

    pub fn held(&self) -> Held {
        let tracks = || self.names.values().flatten().flat_map(|n| n.tracks.values());
        Held { series: tracks().count(), samples: tracks().map(|t| t.samples.len()).sum() }
    }

    /// Names that were let go to stay within [`MOST_SAMPLES`].
    pub fn shed_names(&self) -> &BTreeSet<String> {
        &self.shed
    }
}

impl Track {
    /// Ends a series that had no sample at `at`, drops what nobody looks back to any more; false when nothing is left.
    fn turn(&mut self, at: i64, before: i64) -> bool {
        let ended = self.samples.last().is_some_and(|s| s.at == before && s.value.to_bits() != STALE);
        if !self.alive && !self.made && ended && before < at {
            self.samples.push(Sample { at, value: f64::from_bits(STALE) });
        }
        self.alive = false;
        let expired = self.samples.partition_point(|s| s.at < before.saturating_sub(self.reach));
        if expired * TIDY_SHARE >= self.samples.len() {
            self.samples.drain(..expired);
            self.samples.shrink_to(self.samples.len() + self.samples.len() / TIDY_SHARE + 4);
        }
        !self.samples.is_empty()
    }
}

impl Source for Ring {
    fn select(&self, matchers: &Matchers, from: i64, to: i64) -> Result<Vec<Stretch<'_>>, EvalError> {
        if let Some(name) = self.shed.iter().find(|name| matchers.may_be(name)) {
            return Err(EvalError::Shed { name: name.clone() });
        }
        let named: Vec<&Named> = match matchers.name() {
            Some(name) => self.names.get(name).into_iter().flatten().collect(),
            None => self.names.values().flatten().collect(),
        };
        let mut found = Vec::new();
        for (labels, track) in named.into_iter().flat_map(|n| &n.tracks) {
            let start = track.samples.partition_point(|s| s.at < from);
            let end = track.samples.partition_point(|s| s.at <= to);
            if start < end && matchers.accept(labels) {
                found.push(Stretch { labels, samples: &track.samples[start..end] });
            }
        }
        if matchers.name().is_none() {
            found.sort_by_key(|s| s.labels);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::{Compat, Value};

    fn labels(name: &str, cam: &str) -> Labels {
        Labels::new([(NAME, name), ("cam", cam)])
    }

    fn vector(ring: &Ring, text: &str, at: i64) -> Vec<f64> {
        match Expr::parse(text, Compat::V3).unwrap().eval(ring, at).unwrap() {
            Value::Vector(points) => points.iter().map(|p| p.value).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_what_rules_select_is_kept_and_only_as_long_as_they_look_back() {
        let rules = ["rate(a{cam=\"x\"}[1m]) > 1", "b"].map(|text| Expr::parse(text, Compat::V3).unwrap());
        let mut ring = Ring::new(&rules);
        let rows = [labels("a", "x"), labels("a", "y"), labels("b", "x"), labels("c", "x")];
        for step in 0..1000 {
            ring.push(step * 5000, rows.iter().map(|l| (l, step as f64)));
        }
        // 60 s and 300 s at 5 s, plus one interval, plus what is not tidied yet.
        let Held { series, samples } = ring.held();
        assert_eq!(series, 2);
        assert!((13 + 61..=(13 + 61) * 9 / 8 + 2).contains(&samples), "{samples} samples");
        assert_eq!(vector(&ring, "delta(a{cam=\"x\"}[1m])", 999 * 5000), [12.0]);
        assert_eq!(vector(&ring, "count_over_time(b[5m])", 999 * 5000), [60.0]);
    }

    #[test]
    fn a_series_missing_from_a_push_ends_at_once_and_leaves_in_time() {
        let rules = [Expr::parse("a", Compat::V3).unwrap()];
        let mut ring = Ring::new(&rules);
        let (x, y) = (labels("a", "x"), labels("a", "y"));
        ring.push(0, [(&x, 1.0), (&y, 2.0)]);
        ring.push(5000, [(&y, 3.0)]);
        ring.push(5000, [(&x, 9.0)]);
        assert_eq!(vector(&ring, "a", 5000), [3.0]);
        assert_eq!(vector(&ring, "a", 4999), [1.0, 2.0]);
        for step in 2..200 {
            ring.push(step * 5000, [(&y, 3.0)]);
        }
        assert_eq!(ring.held().series, 1);
        ring.push(1_000_000, [(&x, 4.0), (&y, 3.0)]);
        assert_eq!(vector(&ring, "a", 1_000_000), [4.0, 3.0]);
    }

    #[test]
    fn what_does_not_fit_is_let_go_by_name_and_said() {
        let rules = ["a", "count_over_time(b[1h])"].map(|text| Expr::parse(text, Compat::V3).unwrap());
        let mut ring = Ring::new(&rules);
        ring.most = 100;
        let rows = [labels("a", "x"), labels("b", "x")];
        for step in 0..200 {
            ring.push(step * 5000, rows.iter().map(|l| (l, 1.0)));
        }
        assert!(ring.held().samples <= 100);
        assert_eq!(rules[1].eval(&ring, 0), Err(EvalError::Shed { name: "b".into() }));
        assert_eq!(vector(&ring, "a", 199 * 5000), [1.0]);
        assert_eq!(ring.shed_names().iter().collect::<Vec<_>>(), ["b"]);
    }
}
