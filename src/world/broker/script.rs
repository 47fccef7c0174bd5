//! A broker that does what a test says, and remembers what it heard.

use super::{Call, Dial, Happened, Link, Lost, Note, Soon, Token, Unsendable, Why};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Notify;

#[derive(Default)]
struct Inner {
    down: Option<Lost>,
    holding: bool,
    /// Closes the connection whenever this topic arrives.
    poison: Option<String>,
    /// The line that is open, if any; counts up.
    line: u64,
    open: bool,
    happened: VecDeque<Happened>,
    held: VecDeque<Token>,
    heard: Vec<Note>,
    retained: BTreeMap<String, Vec<u8>>,
    dialled: u64,
}

/// The broker. Clones are the same one. It acknowledges at once unless told to hold.
#[derive(Clone, Default)]
pub struct Script {
    inner: Arc<Mutex<Inner>>,
    changed: Arc<Notify>,
}

impl Script {
    /// From now on every call fails so; an open connection is lost.
    pub fn down(&self, why: Why) {
        let lost = Lost::new(why, "scripted");
        self.lock().down = Some(lost.clone());
        self.lose(lost);
    }
    /// Calls are answered again.
    pub fn up(&self) {
        self.lock().down = None;
    }
    /// Loses the open connection; a new one is taken at once.
    pub fn cut(&self) {
        self.lose(Lost::new(Why::Closed, "scripted"));
    }
    /// Takes messages without acknowledging them.
    pub fn hold(&self) {
        self.lock().holding = true;
    }
    /// Acknowledges what was held, newest first when `backwards`, and from now on at once.
    pub fn release(&self, backwards: bool) {
        let mut inner = self.lock();
        inner.holding = false;
        let mut held = std::mem::take(&mut inner.held);
        if backwards {
            held.make_contiguous().reverse();
        }
        inner.happened.extend(held.into_iter().map(Happened::Acked));
        drop(inner);
        self.changed.notify_one();
    }
    /// Closes the connection whenever a message on this topic arrives, without acknowledging it.
    pub fn choke_on(&self, topic: &str) {
        self.lock().poison = Some(topic.to_owned());
    }
    /// Forgets what is retained, as a broker without persistence does when it restarts.
    pub fn wipe(&self) {
        self.lock().retained.clear();
    }
    /// Everything that arrived, wills included, in order.
    pub fn heard(&self) -> Vec<Note> {
        self.lock().heard.clone()
    }
    pub fn retained(&self) -> BTreeMap<String, Vec<u8>> {
        self.lock().retained.clone()
    }
    /// Calls so far, failed ones included.
    pub fn dialled(&self) -> u64 {
        self.lock().dialled
    }

    fn lose(&self, lost: Lost) {
        let mut inner = self.lock();
        if inner.open {
            inner.held.clear();
            inner.happened.push_back(Happened::Lost(lost));
        }
        drop(inner);
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Inner {
    fn take(&mut self, note: &Note) {
        self.heard.push(note.clone());
        if note.retain && note.payload.is_empty() {
            self.retained.remove(&note.topic);
        } else if note.retain {
            self.retained.insert(note.topic.clone(), note.payload.clone());
        }
    }
}

impl Dial for Script {
    fn dial<'a>(&'a self, call: &'a Call) -> Soon<'a, Result<Box<dyn Link>, Lost>> {
        Box::pin(async move {
            let mut inner = self.lock();
            inner.dialled += 1;
            if let Some(lost) = &inner.down {
                return Err(lost.clone());
            }
            inner.line += 1;
            inner.open = true;
            inner.happened.clear();
            inner.held.clear();
            let line = Wire { broker: self.clone(), line: inner.line, next: 0, will: Some(call.will.clone()) };
            Ok(Box::new(line) as Box<dyn Link>)
        })
    }
}

struct Wire {
    broker: Script,
    line: u64,
    next: u64,
    will: Option<Note>,
}

impl Link for Wire {
    fn publish(&mut self, note: &Note) -> Result<Token, Unsendable> {
        note.check()?;
        let token = Token(self.next);
        self.next += 1;
        let mut inner = self.broker.lock();
        let lost = inner.happened.iter().any(|h| matches!(h, Happened::Lost(_)));
        if lost || inner.line != self.line {
            return Ok(token);
        }
        if inner.poison.as_deref() == Some(&note.topic) {
            inner.happened.push_back(Happened::Lost(Lost::new(Why::Closed, "scripted")));
        } else {
            inner.take(note);
            match inner.holding {
                true => inner.held.push_back(token),
                false => inner.happened.push_back(Happened::Acked(token)),
            }
        }
        drop(inner);
        self.broker.changed.notify_one();
        Ok(token)
    }

    fn next(&mut self) -> Soon<'_, Happened> {
        Box::pin(async move {
            loop {
                let happened = self.broker.lock().happened.pop_front();
                if let Some(happened) = happened {
                    return happened;
                }
                self.broker.changed.notified().await;
            }
        })
    }

    fn bye(mut self: Box<Self>) -> Soon<'static, ()> {
        self.will = None;
        Box::pin(async move { drop(self) })
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let mut inner = self.broker.lock();
        if inner.line == self.line {
            inner.open = false;
        }
        if let Some(will) = self.will.take() {
            inner.take(&will);
        }
    }
}
