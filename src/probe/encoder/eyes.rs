//! Looks at the process once a second beside the rest, so that a look that hangs holds up no report.

use super::metrics::CADENCE;
use crate::base::clock::Clock;
use crate::metric::report::NoData;
use crate::world::process::{Look, Watcher};
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};

/// The newest looks, and the task that takes them.
pub(super) struct Eyes {
    looks: mpsc::Receiver<Result<Look, NoData>>,
    now: Arc<Notify>,
    work: tokio::task::JoinHandle<()>,
}

impl Eyes {
    /// Within a tokio runtime only.
    pub(super) fn open(mut watcher: Box<dyn Watcher>, clock: Clock) -> Eyes {
        let (seen, looks) = mpsc::channel(1);
        let now = Arc::new(Notify::new());
        let work = tokio::spawn({
            let now = now.clone();
            async move {
                let mut every = clock.every(CADENCE);
                while seen.send(watcher.look().await).await.is_ok() {
                    tokio::select! {
                        _beat = every.beat() => {}
                        () = now.notified() => {}
                    }
                }
            }
        });
        Eyes { looks, now, work }
    }

    /// Looks now, out of turn.
    pub(super) fn now(&self) {
        self.now.notify_one();
    }

    /// The next look. Cancel-safe.
    pub(super) async fn look(&mut self) -> Result<Look, NoData> {
        match self.looks.recv().await {
            Some(look) => look,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Eyes {
    fn drop(&mut self) {
        self.work.abort();
    }
}
