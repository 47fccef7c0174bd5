//! Progress that a watchdog can ask about: a task beats its pulse whenever it got something done.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// The beating end. Cheap to clone; clones are the same pulse.
#[derive(Clone)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Watched {
    name: &'static str,
    vital: bool,
    beats: Arc<AtomicU64>,
    seen: u64,
}

/// Names of the pulses that stand still.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Still {
    /// Without one of these the process does not do what it is for.
    pub vital: Vec<&'static str>,
    /// What stands still here costs only itself.
    pub lesser: Vec<&'static str>,
}

/// The asking end: all pulses of the process.
#[derive(Clone, Default)]
pub struct Pulses(Arc<Mutex<Vec<Watched>>>);

impl Pulses {
    /// A new vital pulse, which counts as still until its first beat.
    pub fn add(&self, name: &'static str) -> Pulse {
        self.watch(name, true)
    }
    /// A new pulse of a task whose stillness is to be shown, and is no reason to end the process: a new one would meet
    /// the same disk.
    pub fn add_lesser(&self, name: &'static str) -> Pulse {
        self.watch(name, false)
    }
    fn watch(&self, name: &'static str, vital: bool) -> Pulse {
        let beats = Arc::new(AtomicU64::new(0));
        let watched = Watched { name, vital, beats: beats.clone(), seen: 0 };
        self.0.lock().unwrap_or_else(|e| e.into_inner()).push(watched);
        Pulse(beats)
    }
    /// The pulses that have not moved since the last time none of their kind stood still.
    /// A pulse that moves is remembered as moved only when all of its kind did, so that a slow one is not excused by
    /// asking often.
    pub fn still(&self) -> Still {
        let mut all = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let mut of = |vital: bool| {
            let kind = || all.iter().filter(|w| w.vital == vital);
            let still: Vec<_> = kind().filter(|w| w.beats.load(Ordering::Relaxed) == w.seen).map(|w| w.name).collect();
            if still.is_empty() {
                for w in all.iter_mut().filter(|w| w.vital == vital) {
                    w.seen = w.beats.load(Ordering::Relaxed);
                }
            }
            still
        };
        Still { vital: of(true), lesser: of(false) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_beat_of_every_pulse_of_a_kind_counts_as_progress_and_the_kinds_are_apart() {
        let pulses = Pulses::default();
        let (hub, page, store) = (pulses.add("hub"), pulses.add("page"), pulses.add_lesser("store"));
        let still = |vital: &[&'static str], lesser: &[&'static str]| {
            assert_eq!(pulses.still(), Still { vital: vital.to_vec(), lesser: lesser.to_vec() });
        };
        still(&["hub", "page"], &["store"]);
        hub.beat();
        still(&["page"], &["store"]);
        page.beat();
        still(&[], &["store"]);
        still(&["hub", "page"], &["store"]);
        store.beat();
        still(&["hub", "page"], &[]);
    }
}
