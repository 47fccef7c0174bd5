//! The scripted twin: feeds that were written down beforehand, played on the clock of the test.

use super::{BURST, Broken, Dial, Event, Feed, Opening, Reason, Source, Take};
use crate::base::clock::Clock;
use crate::world::steps::Steps;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// What a source does when it is opened once.
#[derive(Debug, Clone)]
pub enum Act {
    Refuse(Reason),
    /// Plays these steps, each so long after the one before, and is silent after the last.
    Play(Vec<(Duration, Step)>),
}

/// One thing that a source does.
#[derive(Debug, Clone)]
pub enum Step {
    Bytes(Vec<u8>),
    Reopened,
    /// So many datagrams were dropped in the kernel.
    Dropped(u64),
    End(Reason),
}

/// A dial whose sources follow scripts. Clones share them.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    acts: HashMap<Source, VecDeque<Act>>,
    opened: Vec<Source>,
}

impl Script {
    /// Adds what `source` does when it is opened next. With nothing left to do it is not found.
    pub fn act(&self, source: &Source, act: Act) {
        self.with(|inner| inner.acts.entry(source.clone()).or_default().push_back(act));
    }
    /// Every opening so far.
    pub fn opened(&self) -> Vec<Source> {
        self.with(|inner| inner.opened.clone())
    }
    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(|e| e.into_inner()))
    }
}

impl Dial for Script {
    fn open<'a>(&'a self, source: &'a Source, clock: &'a Clock) -> Opening<'a> {
        let act = self.with(|inner| {
            inner.opened.push(source.clone());
            inner.acts.get_mut(source).and_then(VecDeque::pop_front)
        });
        Box::pin(async move {
            let steps = match act {
                Some(Act::Play(steps)) => Steps::new(clock, steps),
                Some(Act::Refuse(reason)) => return Err(Broken::new(reason, "open")),
                None => return Err(Broken::new(Reason::NotFound, "open")),
            };
            Ok(Box::new(ScriptFeed { steps, dropped: 0 }) as Box<dyn Feed>)
        })
    }
}

struct ScriptFeed {
    steps: Steps<Step>,
    dropped: u64,
}

impl Feed for ScriptFeed {
    fn poll(&mut self, cx: &mut Context<'_>, take: &mut Take<'_>) -> Poll<Broken> {
        for _ in 0..BURST {
            let (at, step) = ready!(self.steps.poll(cx));
            match step {
                Step::Bytes(bytes) => take(Event::Bytes { at, bytes: &bytes }),
                Step::Reopened => take(Event::Reopened),
                Step::Dropped(n) => self.dropped += n,
                Step::End(reason) => return Poll::Ready(Broken::new(reason, "read")),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn dropped(&self) -> Option<u64> {
        Some(self.dropped)
    }
}
