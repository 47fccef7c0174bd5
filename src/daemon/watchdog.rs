//! Feeds systemd's watchdog by progress: only when every core task has moved since it was last fed.

use crate::base::clock::Clock;
use crate::base::fault::chain;
use crate::base::pulse::Pulses;
use crate::world::service::{Service, Word};
use std::sync::Arc;

/// Runs for ever; returns at once where the service manager does not watch. It feeds at a third of WatchdogSec, so that
/// one slow round is forgiven.
pub async fn feed(service: Arc<dyn Service>, pulses: Pulses, clock: Clock) {
    let Some(limit) = service.watchdog() else { return };
    let mut beats = clock.every(limit / 3);
    let mut told = false;
    loop {
        beats.beat().await;
        let still = pulses.still();
        if still.is_empty() {
            if let Err(error) = service.tell(&[Word::Watchdog]) {
                tracing::warn!(error = %chain(&error), "the watchdog could not be fed");
            }
        } else if !told {
            tracing::error!(tasks = still.join(" "), "core tasks stand still; the watchdog is not fed");
        }
        told = !still.is_empty();
    }
}
