//! Progress that a watchdog can ask about: a core task beats its pulse whenever it got something done.

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
    beats: Arc<AtomicU64>,
    seen: u64,
}

/// The asking end: all pulses of the process.
#[derive(Clone, Default)]
pub struct Pulses(Arc<Mutex<Vec<Watched>>>);

impl Pulses {
    /// A new pulse that counts as still until its first beat.
    pub fn add(&self, name: &'static str) -> Pulse {
        let beats = Arc::new(AtomicU64::new(0));
        self.0.lock().unwrap_or_else(|e| e.into_inner()).push(Watched { name, beats: beats.clone(), seen: 0 });
        Pulse(beats)
    }
    /// Names of the pulses that have not moved since the last time this returned an empty list.
    /// A pulse that moves is remembered as moved only when all did, so that a slow one is not excused by asking often.
    pub fn still(&self) -> Vec<&'static str> {
        let mut all = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let still: Vec<_> = all.iter().filter(|w| w.beats.load(Ordering::Relaxed) == w.seen).map(|w| w.name).collect();
        if still.is_empty() {
            for w in all.iter_mut() {
                w.seen = w.beats.load(Ordering::Relaxed);
            }
        }
        still
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_beat_of_every_pulse_counts_as_progress() {
        let pulses = Pulses::default();
        let (hub, store) = (pulses.add("hub"), pulses.add("store"));
        assert_eq!(pulses.still(), ["hub", "store"]);
        hub.beat();
        assert_eq!(pulses.still(), ["store"]);
        store.beat();
        assert!(pulses.still().is_empty());
        assert_eq!(pulses.still(), ["hub", "store"]);
    }
}
