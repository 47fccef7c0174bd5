//! What targets want to know again after a restart, by target. The hub keeps it on file together with the notes of the same
//! report; a target that is opened again, by a reload or by a restart of the daemon, gets what it said last.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Clones are the same memory.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<BTreeMap<Arc<str>, String>>>);

impl Memory {
    /// Longest text of one target in bytes. A longer one is not kept: half of it would mislead.
    pub const MOST: usize = 64 * 1024;

    pub fn get(&self, target: &str) -> Option<String> {
        self.lock().get(target).cloned()
    }

    /// Replaces what this target remembers; `None`, or more than [`Memory::MOST`], forgets.
    pub fn set(&self, target: &Arc<str>, text: Option<String>) {
        match text.filter(|text| text.len() <= Self::MOST) {
            Some(text) => self.lock().insert(target.clone(), text),
            None => self.lock().remove(target),
        };
    }

    /// The targets that remember something.
    pub fn targets(&self) -> Vec<Arc<str>> {
        self.lock().keys().cloned().collect()
    }

    /// Takes over what is on file, except where a target has spoken since.
    pub fn restore(&self, kept: impl IntoIterator<Item = (String, String)>) {
        let mut all = self.lock();
        for (target, text) in kept {
            all.entry(target.into()).or_insert(text);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Arc<str>, String>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}
