//! The scripted twin: sessions that were written down beforehand, played on the clock of the test.

use super::{BURST, Broken, Dial, Event, Feed, Later, Line, Login, Oddity, Opened, Opening, Phase, Reason, Transport};
use crate::base::clock::{Boot, Clock};
use crate::wire::rtp::{Codec, Seen};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use url::Url;

/// What a camera does when it is called once.
#[derive(Debug, Clone)]
pub enum Act {
    /// Refuses after a while.
    Refuse(Duration, Broken),
    /// Plays these steps, each so long after the one before, and is silent after the last.
    Play(Vec<(Duration, Step)>),
}

/// One thing a playing camera does.
#[derive(Debug, Clone)]
pub enum Step {
    Packet { seq: u16, ticks: i64, marker: bool, payload: Vec<u8> },
    SenderReport,
    Odd(Oddity),
    End(Reason),
}

/// A dial whose cameras follow scripts, by host name. Clones share scripts and notes.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    acts: HashMap<String, VecDeque<Act>>,
    calls: Vec<(String, Option<Login>)>,
    open: HashMap<String, usize>,
}

impl Script {
    /// Adds what the camera at `host` does when it is called next. With nothing left to do it refuses.
    pub fn act(&self, host: &str, act: Act) {
        self.with(|inner| inner.acts.entry(host.to_owned()).or_default().push_back(act));
    }
    /// Every call so far: host and login.
    pub fn calls(&self) -> Vec<(String, Option<Login>)> {
        self.with(|inner| inner.calls.clone())
    }
    /// Sessions to `host` that are open now.
    pub fn open(&self, host: &str) -> usize {
        self.with(|inner| inner.open.get(host).copied().unwrap_or(0))
    }
    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(|e| e.into_inner()))
    }
}

impl Dial for Script {
    fn line(&self, url: &Url, _transport: Transport, clock: &Clock) -> Box<dyn Line> {
        let host = url.host_str().unwrap_or_default().to_owned();
        Box::new(ScriptLine { script: self.clone(), host, clock: clock.clone() })
    }
}

struct ScriptLine {
    script: Script,
    host: String,
    clock: Clock,
}

impl Line for ScriptLine {
    fn open(&mut self, login: Option<Login>) -> Opening<'_> {
        Box::pin(async move {
            let began = self.clock.boot();
            let act = self.script.with(|inner| {
                inner.calls.push((self.host.clone(), login));
                inner.acts.get_mut(&self.host).and_then(VecDeque::pop_front)
            });
            let steps = match act {
                Some(Act::Play(steps)) => steps,
                Some(Act::Refuse(after, broken)) => {
                    self.clock.sleep(after).await;
                    return Err(broken);
                }
                None => return Err(Broken::new(Reason::Refused, Phase::Describe)),
            };
            self.script.with(|inner| *inner.open.entry(self.host.clone()).or_default() += 1);
            let opened = Opened {
                codec: Codec::H264,
                clock_hz: 90_000,
                framerate: None,
                sps: None,
                began,
                describe: Duration::from_millis(20),
                setup: Duration::from_millis(10),
                play: Duration::from_millis(5),
            };
            let feed = ScriptFeed {
                script: self.script.clone(),
                host: self.host.clone(),
                due: self.clock.boot(),
                clock: self.clock.clone(),
                steps: steps.into(),
                waiting: None,
            };
            Ok((opened, Box::new(feed) as Box<dyn Feed>))
        })
    }

    fn hang_up(&mut self, _bound: Duration) -> Later<'_, bool> {
        Box::pin(async move { self.script.open(&self.host) == 0 })
    }
}

struct ScriptFeed {
    script: Script,
    host: String,
    clock: Clock,
    steps: VecDeque<(Duration, Step)>,
    /// When the step before was due.
    due: Boot,
    waiting: Option<Later<'static, ()>>,
}

impl Drop for ScriptFeed {
    fn drop(&mut self) {
        self.script.with(|inner| *inner.open.entry(self.host.clone()).or_insert(1) -= 1);
    }
}

impl Feed for ScriptFeed {
    fn poll(&mut self, cx: &mut Context<'_>, take: &mut (dyn FnMut(Event<'_>) + Send)) -> Poll<Broken> {
        for _ in 0..BURST {
            let Some((after, _)) = self.steps.front() else { return Poll::Pending };
            let at = self.due.plus(*after);
            let waiting = self.waiting.get_or_insert_with(|| {
                let clock = self.clock.clone();
                Box::pin(async move { clock.sleep_until(at).await })
            });
            if waiting.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.waiting = None;
            self.due = at;
            match self.steps.pop_front() {
                Some((_, Step::Packet { seq, ticks, marker, payload })) => take(Event::Packet(Seen {
                    at,
                    seq,
                    ticks,
                    marker,
                    payload_type: 96,
                    len: payload.len() + 12,
                    payload: &payload,
                })),
                Some((_, Step::SenderReport)) => take(Event::SenderReport),
                Some((_, Step::Odd(kind))) => take(Event::Odd(kind)),
                Some((_, Step::End(reason))) => return Poll::Ready(Broken::new(reason, Phase::Stream)),
                None => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
