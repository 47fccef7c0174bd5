//! A bounded queue that drops its oldest entry when full, and counts it: who reports never waits for who listens.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

struct Inner<T> {
    queue: Mutex<VecDeque<T>>,
    bound: usize,
    dropped: AtomicU64,
    ready: Notify,
}

/// Both ends; clones are the same ring.
pub struct Ring<T>(Arc<Inner<T>>);

impl<T> Clone for Ring<T> {
    fn clone(&self) -> Self {
        Ring(self.0.clone())
    }
}

impl<T> Ring<T> {
    /// `bound` entries at most, at least 1.
    pub fn new(bound: usize) -> Self {
        Ring(Arc::new(Inner {
            queue: Mutex::new(VecDeque::new()),
            bound: bound.max(1),
            dropped: AtomicU64::new(0),
            ready: Notify::new(),
        }))
    }
    pub fn push(&self, entry: T) {
        {
            let mut queue = self.0.queue.lock().unwrap_or_else(|e| e.into_inner());
            if queue.len() == self.0.bound {
                queue.pop_front();
                self.0.dropped.fetch_add(1, Ordering::Relaxed);
            }
            queue.push_back(entry);
        }
        self.0.ready.notify_one();
    }
    /// Everything queued, oldest first; waits until there is at least one entry. Cancel-safe.
    pub async fn take(&self) -> VecDeque<T> {
        loop {
            let taken = self.take_now();
            if !taken.is_empty() {
                return taken;
            }
            self.0.ready.notified().await;
        }
    }
    /// Everything queued, oldest first, without waiting.
    pub fn take_now(&self) -> VecDeque<T> {
        std::mem::take(&mut *self.0.queue.lock().unwrap_or_else(|e| e.into_inner()))
    }
    /// Entries dropped since the ring was made.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_ring_drops_its_oldest_and_says_how_many() {
        let ring = Ring::new(2);
        for n in 0..5 {
            ring.push(n);
        }
        assert_eq!(ring.take().await, [3, 4]);
        assert_eq!(ring.dropped(), 3);
    }
}
