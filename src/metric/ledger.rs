//! What sinks know and the uplink probe needs: who scraped us completely and when, and which brokers answer.

use crate::base::clock::Boot;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Scrapers remembered at most; the one silent for longest goes first. 16 = two HA pairs and a dozen strays.
const SCRAPERS: usize = 16;
/// Complete responses needed, at a steady interval, before a client counts as a scraper.
const STEADY: usize = 3;

/// A client that fetched `/metrics` with a Prometheus scrape header.
#[derive(Debug, Clone, PartialEq)]
pub struct Scraper {
    /// Address without port, and user agent.
    pub who: String,
    /// Boot times of the last complete responses, oldest first, at most 10.
    pub complete: Vec<Boot>,
}

impl Scraper {
    /// The learned interval: the median of the last ones, once there are three complete responses of which no interval
    /// is off the median by more than half (a curl by hand is not steady).
    pub fn interval(&self) -> Option<Duration> {
        if self.complete.len() < STEADY {
            return None;
        }
        let mut gaps: Vec<_> = self.complete.windows(2).map(|w| w[1].since(w[0])).collect();
        gaps.sort();
        let median = gaps[gaps.len() / 2];
        let steady = gaps.iter().filter(|g| **g >= median / 2 && **g <= median * 3 / 2).count();
        (steady * 3 >= gaps.len() * 2).then_some(median)
    }
    /// Answered within 1.5 of its learned interval; `None` while no interval is learned.
    pub fn current(&self, now: Boot) -> Option<bool> {
        let interval = self.interval()?;
        let last = *self.complete.last()?;
        Some(now.since(last) <= interval.mul_f64(1.5))
    }
}

#[derive(Default)]
struct Inner {
    scrapers: BTreeMap<String, Scraper>,
    brokers: BTreeMap<String, bool>,
}

/// The ledger. Clones are the same one.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<Inner>>);

impl Ledger {
    /// A response to a scrape whose last byte was accepted by the socket.
    pub fn scraped(&self, who: &str, at: Boot) {
        let mut inner = self.lock();
        let scraper = inner
            .scrapers
            .entry(who.to_owned())
            .or_insert_with(|| Scraper { who: who.to_owned(), complete: Vec::new() });
        scraper.complete.push(at);
        if scraper.complete.len() > 10 {
            scraper.complete.remove(0);
        }
        if inner.scrapers.len() > SCRAPERS {
            let oldest = inner.scrapers.values().min_by_key(|s| s.complete.last().copied()).map(|s| s.who.clone());
            if let Some(oldest) = oldest {
                inner.scrapers.remove(&oldest);
            }
        }
    }
    pub fn scrapers(&self) -> Vec<Scraper> {
        self.lock().scrapers.values().cloned().collect()
    }
    /// Forgets a scraper; true if it was known.
    pub fn forget(&self, who: &str) -> bool {
        self.lock().scrapers.remove(who).is_some()
    }
    pub fn broker(&self, name: &str, connected: bool) {
        self.lock().brokers.insert(name.to_owned(), connected);
    }
    /// A broker that is gone from the configuration.
    pub fn retire_broker(&self, name: &str) {
        self.lock().brokers.remove(name);
    }
    /// Broker name → connected now.
    pub fn brokers(&self) -> BTreeMap<String, bool> {
        self.lock().brokers.clone()
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_a_scraper_after_three_steady_responses() {
        let ledger = Ledger::default();
        for at in [100, 115] {
            ledger.scraped("10.0.0.9 Prometheus/2.42", Boot::from_secs(at));
        }
        assert_eq!(ledger.scrapers()[0].interval(), None);
        ledger.scraped("10.0.0.9 Prometheus/2.42", Boot::from_secs(130));
        let scraper = &ledger.scrapers()[0];
        assert_eq!(scraper.interval(), Some(Duration::from_secs(15)));
        assert_eq!(scraper.current(Boot::from_secs(152)), Some(true));
        assert_eq!(scraper.current(Boot::from_secs(153)), Some(false));
    }
}
