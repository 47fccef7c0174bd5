//! Who uses which graphics card for encoding: GPU probes post it by process, encoder probes look for their own, so that
//! no probe names another and no pid becomes a label.

use crate::base::clock::Boot;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

/// What one process has of the encoders of the cards.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Use {
    /// Share of an encoder, 0..1 per card; `None` where no card tells it.
    pub share: Option<f64>,
    /// Encoder sessions; `None` where no card tells them.
    pub sessions: Option<u32>,
    /// Frames per second of its slowest session.
    pub fps: Option<f64>,
    /// Seconds, of its slowest session.
    pub latency: Option<f64>,
}

struct Lane {
    until: Boot,
    /// What a process has that is not named: nothing, of what the card tells.
    others: Use,
    by_pid: HashMap<u32, Use>,
}

/// The board. Clones are the same one.
#[derive(Clone, Default)]
pub struct Uses(Arc<Mutex<BTreeMap<String, Lane>>>);

impl Uses {
    /// Replaces what a card tells. It holds until `until`.
    pub fn post(&self, gpu: &str, until: Boot, others: Use, by_pid: HashMap<u32, Use>) {
        self.lanes().insert(gpu.to_owned(), Lane { until, others, by_pid });
    }

    /// A card tells nothing any more.
    pub fn withdraw(&self, gpu: &str) {
        self.lanes().remove(gpu);
    }

    /// What a process has on all cards together; `None` when no card tells.
    pub fn of(&self, pid: u32, now: Boot) -> Option<Use> {
        let lanes = self.lanes();
        let uses = lanes.values().filter(|lane| now.since(lane.until).is_zero());
        let uses = uses.map(|lane| lane.by_pid.get(&pid).copied().unwrap_or(lane.others));
        uses.reduce(|a, b| Use {
            share: both(a.share, b.share, |a, b| a + b),
            sessions: both(a.sessions, b.sessions, |a, b| a + b),
            fps: both(a.fps, b.fps, f64::min),
            latency: both(a.latency, b.latency, f64::max),
        })
    }

    fn lanes(&self) -> MutexGuard<'_, BTreeMap<String, Lane>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

fn both<T: Copy>(a: Option<T>, b: Option<T>, join: impl Fn(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(join(a, b)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_on_two_cards_has_the_sum_and_the_worse_of_both_until_they_fall_silent() {
        let (uses, at) = (Uses::default(), Boot::from_nanos);
        assert_eq!(uses.of(7, at(1)), None);
        let some = |share, sessions, fps| Use { share, sessions: Some(sessions), fps: Some(fps), latency: None };
        let none = Use { share: Some(0.0), sessions: Some(0), ..Use::default() };
        uses.post("a", at(10), none, [(7, some(Some(0.25), 1, 25.0))].into());
        uses.post("b", at(20), none, [(7, some(None, 2, 12.0))].into());
        assert_eq!(uses.of(7, at(5)), Some(some(Some(0.25), 3, 12.0)));
        assert_eq!(uses.of(8, at(5)), Some(none));
        assert_eq!(uses.of(7, at(15)), Some(some(None, 2, 12.0)));
        uses.withdraw("b");
        assert_eq!(uses.of(7, at(15)), None);
    }
}
