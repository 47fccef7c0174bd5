//! What one connection is doing, and how long it may: waiting for a request has an end, answering has none here.

use crate::base::clock::{Boot, Clock};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// For a TLS handshake, from then to the end of the first request's headers, and from the first byte of a later request
/// to the end of its headers.
pub const GREETING: Duration = Duration::from_secs(10);
/// From a response to the first byte of the next request. 90 s: a scraper that comes every minute keeps its TLS session.
const REST: Duration = Duration::from_secs(90);

/// Called once, when the last byte of a response was accepted by the socket.
pub type Delivered = Box<dyn FnOnce() + Send>;

#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum Phase {
    /// No whole request is here; the client may leave it so until `until`.
    Waiting { since: Boot, until: Boot },
    /// From the end of a request's headers until its response is in the hands of hyper.
    Answering,
    /// The whole response is with hyper; the socket has not accepted all of it yet.
    Sending,
}

/// The pace of one connection; clones are the same one.
#[derive(Clone)]
pub struct Pace(Arc<Inner>);

struct Inner {
    clock: Clock,
    phase: watch::Sender<Phase>,
    delivered: Mutex<Option<Delivered>>,
}

impl Pace {
    /// Of a client that came just now.
    pub fn new(clock: Clock) -> Pace {
        let phase = watch::Sender::new(waiting(&clock, GREETING));
        Pace(Arc::new(Inner { clock, phase, delivered: Mutex::default() }))
    }

    /// The client may speak HTTP from now on.
    pub fn greet(&self) {
        self.0.phase.send_replace(waiting(&self.0.clock, GREETING));
    }

    /// Bytes of a request came. They never prolong a wait.
    pub fn heard(&self) {
        let end = self.0.clock.boot().plus(GREETING);
        self.0.phase.send_if_modified(|phase| match phase {
            Phase::Waiting { until, .. } if end < *until => {
                *until = end;
                true
            }
            _ => false,
        });
    }

    /// The headers of a request are here.
    pub fn asked(&self) {
        self.0.phase.send_replace(Phase::Answering);
    }

    /// hyper has taken the whole response; `delivered` is called at the next flush.
    pub fn handed(&self, delivered: Option<Delivered>) {
        *self.delivered() = delivered;
        self.0.phase.send_replace(Phase::Sending);
    }

    /// The socket has accepted all that hyper had.
    pub fn flushed(&self) {
        let delivered = self.delivered().take();
        if let Some(delivered) = delivered {
            delivered();
        }
        self.0.phase.send_if_modified(|phase| {
            let sent = *phase == Phase::Sending;
            if sent {
                *phase = waiting(&self.0.clock, REST);
            }
            sent
        });
    }

    /// Since when no request is in progress; `None` while one is.
    pub fn idle(&self) -> Option<Boot> {
        match *self.0.phase.borrow() {
            Phase::Waiting { since, .. } => Some(since),
            Phase::Answering | Phase::Sending => None,
        }
    }

    /// Returns when the client has waited too long with its request.
    pub async fn expired(&self) {
        let mut phase = self.0.phase.subscribe();
        loop {
            let now = *phase.borrow_and_update();
            let out_of_time = async {
                match now {
                    Phase::Waiting { until, .. } => self.0.clock.sleep_until(until).await,
                    Phase::Answering | Phase::Sending => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _another = phase.changed() => {}
                () = out_of_time => return,
            }
        }
    }

    fn delivered(&self) -> std::sync::MutexGuard<'_, Option<Delivered>> {
        self.0.delivered.lock().unwrap_or_else(|e| e.into_inner())
    }
}

fn waiting(clock: &Clock, bound: Duration) -> Phase {
    let since = clock.boot();
    Phase::Waiting { since, until: since.plus(bound) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Sim;

    /// Seconds until `pace` runs out, looked at every second; `None` after 200.
    async fn left(sim: &Sim, pace: &Pace) -> Option<u32> {
        let watched = pace.clone();
        let expired = tokio::spawn(async move { watched.expired().await });
        for passed in 0..200 {
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
            if expired.is_finished() {
                return Some(passed);
            }
            sim.advance(Duration::from_secs(1));
        }
        expired.abort();
        None
    }

    #[tokio::test]
    async fn a_client_has_ten_seconds_for_its_first_request_and_trickled_bytes_do_not_prolong_them() {
        let sim = Sim::new();
        let pace = Pace::new(sim.clock());
        sim.advance(Duration::from_secs(9));
        pace.heard();
        assert_eq!(left(&sim, &pace).await, Some(1));
    }

    #[tokio::test]
    async fn a_request_in_progress_is_neither_idle_nor_out_of_time() {
        let sim = Sim::new();
        let pace = Pace::new(sim.clock());
        pace.asked();
        assert_eq!((pace.idle(), left(&sim, &pace).await), (None, None));
        pace.flushed();
        assert_eq!(pace.idle(), None, "a flush before the response is handed over ends nothing");
        pace.handed(None);
        assert_eq!((pace.idle(), left(&sim, &pace).await), (None, None));
    }

    #[tokio::test]
    async fn a_scraper_may_rest_for_ninety_seconds_and_then_has_ten_for_its_headers() {
        let sim = Sim::new();
        let pace = Pace::new(sim.clock());
        let answered = || {
            pace.asked();
            pace.handed(None);
            pace.flushed();
        };
        answered();
        assert_eq!(pace.idle(), Some(sim.clock().boot()));
        assert_eq!(left(&sim, &pace).await, Some(90));
        answered();
        sim.advance(Duration::from_secs(60));
        pace.heard();
        assert_eq!(left(&sim, &pace).await, Some(10));
    }
}
