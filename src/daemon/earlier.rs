//! What an earlier process left on a disk, which may hang: everything here is asked for on threads of its own, and whoever
//! needs it waits as long as he likes.

use crate::alert::Judge;
use crate::base::clock::Clock;
use crate::base::fault::chain;
use crate::metric::alarm::Stamp;
use crate::store::{self, Dirs, Events, Left};
use crate::world::files;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long the rules wait for their past at most; without it, a rate over an hour takes an hour to be true again.
const RECALL: Duration = Duration::from_secs(5);

/// Runs `work` on a thread of its own, which a disk that hangs holds up, and nobody else. `None`: it could not be run.
async fn aside<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (tell, told) = oneshot::channel();
    let done = move || drop(tell.send(work()));
    std::thread::Builder::new().name(name.to_owned()).spawn(done).ok()?;
    told.await.ok()
}

/// Takes the lock of the state directory.
///
/// # Errors
/// `WouldBlock`: another process has it. Otherwise there is no such directory.
pub async fn lock(dir: PathBuf) -> std::io::Result<files::Lock> {
    let taken = aside("lock", move || files::lock(&dir)).await;
    taken.unwrap_or_else(|| Err(std::io::Error::other("no thread to take it")))
}

/// What `events.db` has of it. `None` after `patience`: then [`Events::returned`] says when to ask again.
pub async fn left(clock: &Clock, events: &Events, patience: Duration) -> Option<Left> {
    clock.within(patience, events.left()).await.ok()
}

/// Gives the judge the samples that its rules look back on, where they can be had in time.
pub async fn recall(clock: &Clock, dirs: Dirs, judge: &mut Judge, now: &Stamp, patience: Duration) {
    let (reaches, at) = (judge.reaches(), now.clone());
    let read = aside("recall", move || store::recall(&dirs, &reaches, &at));
    match clock.within(patience.min(RECALL), read).await {
        Ok(Some(Ok(found))) => judge.recall(&found.series, &found.past, now),
        Ok(Some(Err(error))) => {
            tracing::warn!(error = %chain(&error), "rules begin without the samples of before the start");
        }
        Ok(None) | Err(_) => tracing::warn!("rules begin without the samples of before the start: no answer in time"),
    }
}
