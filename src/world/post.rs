//! A thread that may hang, so that nobody else does.
//!
//! Reads of /proc, sysfs, FUSE and network file systems can wait in the kernel without end, and nothing can call them
//! back. So they run on a thread of their own, and whoever asked waits only as long as it wants to. The thread of a call
//! that did not come back is left to itself; the next question gets a fresh one, while few are stuck.

use crate::base::clock::Clock;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use tokio::sync::oneshot;

/// Threads of one post that may be stuck at a time. One more question would likely get stuck like them.
const STUCK: usize = 2;

type Job = Box<dyn FnOnce() + Send>;

/// The answer did not come in time, or nobody was sent for it because earlier calls are still stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Hung {
    #[error("no answer from the kernel within {:.1} s", .0.as_secs_f64())]
    Late(Duration),
    #[error("{0} earlier calls have not come back yet")]
    Stuck(usize),
    #[error("the call failed badly")]
    Panicked,
    #[error("no thread can be started")]
    NoThread,
}

/// One such thread, kept between questions. Clones are the same post; questions to it are asked one after another.
#[derive(Clone)]
pub struct Post(Arc<Inner>);

struct Inner {
    name: String,
    clock: Clock,
    /// The way to the thread, when it waits for work.
    idle: Mutex<Option<mpsc::Sender<Job>>>,
    stuck: AtomicUsize,
}

impl Post {
    /// `name` is that of the thread, of which the kernel keeps 15 bytes.
    pub fn new(name: impl Into<String>, clock: Clock) -> Self {
        Post(Arc::new(Inner { name: name.into(), clock, idle: Mutex::new(None), stuck: AtomicUsize::new(0) }))
    }

    /// Calls that have not come back in time, and still have not.
    pub fn stuck(&self) -> usize {
        self.0.stuck.load(SeqCst)
    }

    /// Runs `work` on the thread and waits at most `limit` for what it makes.
    ///
    /// # Errors
    /// See [`Hung`].
    pub async fn ask<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Hung> {
        if self.stuck() >= STUCK {
            return Err(Hung::Stuck(self.stuck()));
        }
        let thread = match self.idle().take() {
            Some(thread) => thread,
            None => self.thread()?,
        };
        let (reply, answer) = oneshot::channel();
        let call = Arc::new(Call { inner: self.0.clone(), given_up: Mutex::new(Some(false)) });
        let job: Job = Box::new({
            let call = call.clone();
            move || {
                let made = work();
                call.came_back();
                // Who asked may have given up waiting.
                let _gone = reply.send(made);
            }
        });
        if thread.send(job).is_err() {
            return Err(Hung::NoThread);
        }
        // Also when the one who asks is dropped in the middle: the thread is busy then, and nobody's.
        let guard = GiveUp(call);
        match self.0.clock.within(limit, answer).await {
            Ok(Ok(made)) => {
                *self.idle() = Some(thread);
                Ok(made)
            }
            Ok(Err(_)) => {
                guard.0.came_back();
                Err(Hung::Panicked)
            }
            Err(_) => Err(Hung::Late(limit)),
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Option<mpsc::Sender<Job>>> {
        self.0.idle.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn thread(&self) -> Result<mpsc::Sender<Job>, Hung> {
        let (thread, jobs) = mpsc::channel::<Job>();
        let work = move || jobs.iter().for_each(|job| job());
        std::thread::Builder::new().name(self.0.name.clone()).spawn(work).map_err(|_| Hung::NoThread)?;
        Ok(thread)
    }
}

/// One question under way.
struct Call {
    inner: Arc<Inner>,
    /// Whether nobody waits for it any more; `None` once it came back.
    given_up: Mutex<Option<bool>>,
}

impl Call {
    fn state(&self) -> std::sync::MutexGuard<'_, Option<bool>> {
        self.given_up.lock().unwrap_or_else(|e| e.into_inner())
    }
    fn came_back(&self) {
        if self.state().take() == Some(true) {
            self.inner.stuck.fetch_sub(1, SeqCst);
        }
    }
}

struct GiveUp(Arc<Call>);

impl Drop for GiveUp {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if *state == Some(false) {
            *state = Some(true);
            self.0.inner.stuck.fetch_add(1, SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Sim;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    const LIMIT: Duration = Duration::from_secs(5);

    fn name() -> Option<String> {
        std::thread::current().name().map(str::to_owned)
    }

    #[tokio::test]
    async fn questions_share_one_thread_while_answers_come() {
        let post = Post::new("mounts", Sim::new().clock());
        let id = || std::thread::current().id();
        assert_eq!(post.ask(LIMIT, name).await, Ok(Some("mounts".to_owned())));
        assert_eq!(post.ask(LIMIT, id).await, post.ask(LIMIT, id).await);
    }

    #[tokio::test]
    async fn a_call_that_hangs_costs_a_thread_and_not_the_next_question_until_two_are_stuck() {
        let sim = Sim::new();
        let post = Post::new("mounts", sim.clock());
        let mut releases = Vec::new();
        for stuck in 0..STUCK {
            let (release, wait) = mpsc::channel::<()>();
            releases.push(release);
            let mut ask = pin!(post.ask(LIMIT, move || wait.recv().is_err()));
            let mut context = Context::from_waker(Waker::noop());
            assert_eq!(ask.as_mut().poll(&mut context), Poll::Pending);
            sim.advance(LIMIT);
            assert_eq!(ask.await, Err(Hung::Late(LIMIT)));
            assert_eq!(post.stuck(), stuck + 1);
            let answered = post.ask(LIMIT, || 7).await;
            assert_eq!(answered, if stuck + 1 < STUCK { Ok(7) } else { Err(Hung::Stuck(STUCK)) });
        }
        drop(releases);
        while post.stuck() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(post.ask(LIMIT, || 7).await, Ok(7));
    }

    #[tokio::test]
    async fn a_call_that_panics_takes_its_thread_along_and_nothing_else() {
        let post = Post::new("mounts", Sim::new().clock());
        assert_eq!(post.ask(LIMIT, || -> u8 { panic!("a defect") }).await, Err(Hung::Panicked));
        assert_eq!((post.stuck(), post.ask(LIMIT, || 7).await), (0, Ok(7)));
    }
}
