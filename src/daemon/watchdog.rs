//! Feeds systemd's watchdog by progress: only when every vital task, without which the sentry is blind, has moved since
//! it was last fed. A database thread is none of them: on a disk that hangs the page, the rules and the brokers go on as
//! far as they can, and a restart would meet the same disk. Whatever stands still, vital or not, is what `/healthz`
//! names; `vedette_store_healthy` and its alarm tell of the databases.

use crate::base::clock::Clock;
use crate::base::fault::chain;
use crate::base::pulse::{Pulses, Still};
use crate::sink::page::Stuck;
use crate::world::service::{Service, Word};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often to look where no service manager watches.
const LOOK: Duration = Duration::from_secs(10);

/// Looks at the pulses.
pub struct Watchdog {
    service: Arc<dyn Service>,
    pulses: Pulses,
    clock: Clock,
    stuck: Arc<Mutex<Vec<&'static str>>>,
}

impl Watchdog {
    pub fn new(service: Arc<dyn Service>, pulses: Pulses, clock: Clock) -> Self {
        Watchdog { service, pulses, clock, stuck: Arc::default() }
    }

    /// The tasks that stood still when last looked at, vital ones first.
    pub fn stuck(&self) -> Stuck {
        let stuck = self.stuck.clone();
        Arc::new(move || stuck.lock().unwrap_or_else(|e| e.into_inner()).clone())
    }

    /// Runs for ever. It looks at a third of WatchdogSec, so that one slow round is forgiven.
    pub async fn feed(self) {
        let mut looks = self.clock.every(self.service.watchdog().map_or(LOOK, |limit| limit / 3));
        loop {
            looks.beat().await;
            self.look();
        }
    }

    fn look(&self) {
        let Still { vital, lesser } = self.pulses.still();
        let fed = vital.is_empty();
        let still = [vital, lesser].concat();
        let before = std::mem::replace(&mut *self.stuck.lock().unwrap_or_else(|e| e.into_inner()), still.clone());
        if before != still && !still.is_empty() {
            tracing::error!(tasks = still.join(" "), watchdog_fed = fed, "tasks stand still");
        }
        if fed && let Err(error) = self.service.tell(&[Word::Watchdog]) {
            tracing::warn!(error = %chain(&error), "the watchdog could not be fed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Sim;
    use crate::world::service::{NextSignal, Unheard};

    /// Counts how often it was fed.
    #[derive(Default)]
    struct Fed(Mutex<u32>);

    impl Service for Fed {
        fn tell(&self, _: &[Word]) -> Result<(), Unheard> {
            *self.0.lock().unwrap() += 1;
            Ok(())
        }
        fn watchdog(&self) -> Option<Duration> {
            Some(Duration::from_secs(30))
        }
        fn signal(&self) -> NextSignal<'_> {
            Box::pin(std::future::pending())
        }
    }

    #[test]
    fn a_disk_that_hangs_is_shown_and_fed_on_while_a_hub_that_hangs_is_not_fed() {
        let (service, pulses) = (Arc::new(Fed::default()), Pulses::default());
        let (hub, store) = (pulses.add("hub"), pulses.add_lesser("store"));
        let watchdog = Watchdog::new(service.clone(), pulses, Sim::new().clock());
        let stuck = watchdog.stuck();
        let looked = || {
            watchdog.look();
            (*service.0.lock().unwrap(), stuck())
        };
        hub.beat();
        store.beat();
        assert_eq!(looked(), (1, vec![]));
        hub.beat();
        assert_eq!(looked(), (2, vec!["store"]), "the disk hangs");
        store.beat();
        assert_eq!(looked(), (2, vec!["hub"]), "the hub hangs");
    }
}
