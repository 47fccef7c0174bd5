//! The scripted twin: workers that say what a test wrote down, on the clock of the test.

use super::{BURST, Broken, Reason, Spawn, Take, Worker};
use crate::base::clock::Clock;
use crate::base::secret::Secret;
use crate::wire::record::{self, Flv, Record, Srt};
use crate::world::steps::Steps;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// One thing a worker says or does.
#[derive(Debug, Clone)]
pub enum Step {
    Connected,
    Ts(Vec<u8>),
    Srt(Srt),
    Flv(Flv),
    End(Reason),
}

/// Workers by URL. Clones share what is written and what was seen.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    plays: HashMap<String, VecDeque<Vec<(Duration, Step)>>>,
    spawned: Vec<String>,
    running: usize,
}

impl Script {
    /// What the next worker for `url` does: steps, each so long after the one before; silence after the last. With nothing
    /// left to do, `vedette-gst` is not installed.
    pub fn play(&self, url: &str, steps: Vec<(Duration, Step)>) {
        self.with(|inner| inner.plays.entry(url.to_owned()).or_default().push_back(steps));
    }
    /// Every URL that a worker was asked for.
    pub fn spawned(&self) -> Vec<String> {
        self.with(|inner| inner.spawned.clone())
    }
    /// Workers that run now.
    pub fn running(&self) -> usize {
        self.with(|inner| inner.running)
    }
    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(|e| e.into_inner()))
    }
}

impl Spawn for Script {
    fn spawn(&self, url: &Secret, clock: &Clock) -> Result<Box<dyn Worker>, Broken> {
        let steps = self.with(|inner| {
            inner.spawned.push(url.expose().to_owned());
            let steps = inner.plays.get_mut(url.expose()).and_then(VecDeque::pop_front);
            inner.running += usize::from(steps.is_some());
            steps
        });
        let steps = Steps::new(clock, steps.ok_or(Reason::Said(record::Reason::NotInstalled))?);
        Ok(Box::new(Playing { script: self.clone(), steps }))
    }
}

struct Playing {
    script: Script,
    steps: Steps<Step>,
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.script.with(|inner| inner.running -= 1);
    }
}

impl Worker for Playing {
    fn poll(&mut self, cx: &mut Context<'_>, take: &mut Take<'_>) -> Poll<Broken> {
        for _ in 0..BURST {
            let (at, step) = ready!(self.steps.poll(cx));
            match step {
                Step::Connected => take(at, Record::Connected),
                Step::Ts(bytes) => take(at, Record::Ts(&bytes)),
                Step::Srt(counts) => take(at, Record::Srt(counts)),
                Step::Flv(counts) => take(at, Record::Flv(counts)),
                Step::End(reason) => return Poll::Ready(reason.into()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
