//! Feeds systemd's watchdog by progress: only when every core task has moved since it was last fed. What stands still
//! is also what `/healthz` says.

use crate::base::clock::Clock;
use crate::base::fault::chain;
use crate::base::pulse::Pulses;
use crate::sink::page::Stuck;
use crate::world::service::{Service, Word};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often to look where no service manager watches.
const LOOK: Duration = Duration::from_secs(10);

/// Looks at the pulses of the core tasks.
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

    /// The core tasks that stood still when last looked at.
    pub fn stuck(&self) -> Stuck {
        let stuck = self.stuck.clone();
        Arc::new(move || stuck.lock().unwrap_or_else(|e| e.into_inner()).clone())
    }

    /// Runs for ever. It looks at a third of WatchdogSec, so that one slow round is forgiven.
    pub async fn feed(self) {
        let mut looks = self.clock.every(self.service.watchdog().map_or(LOOK, |limit| limit / 3));
        loop {
            looks.beat().await;
            let still = self.pulses.still();
            let before = std::mem::replace(&mut *self.stuck.lock().unwrap_or_else(|e| e.into_inner()), still.clone());
            if still.is_empty() {
                if let Err(error) = self.service.tell(&[Word::Watchdog]) {
                    tracing::warn!(error = %chain(&error), "the watchdog could not be fed");
                }
            } else if before != still {
                tracing::error!(tasks = still.join(" "), "core tasks stand still; the watchdog is not fed");
            }
        }
    }
}
