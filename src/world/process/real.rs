//! The real process table, looked at on a thread that may hang: `cmdline` and `environ` wait for a lock that a process
//! stuck in the kernel can hold.

use super::{Identity, Look, Looking, Processes, State as Doing, Wanted, Watcher, kernel};
use crate::base::clock::{Boot, Clock};
use crate::metric::report::NoData;
use crate::world::peek;
use crate::world::post::{Hung, Post};
use kernel::{Fitting, Names};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A look takes a millisecond.
const LIMIT: Duration = Duration::from_secs(2);
/// How often the whole table is searched: while the process is not there, and while it is (for a younger one).
const SEARCH: Duration = Duration::from_secs(2);
const SEARCH_AGAIN: Duration = Duration::from_secs(10);

/// A list of all processes that is younger than this serves the next one who searches: with many encoders that look at
/// the same beat, one reads it for all.
const FRESH: Duration = Duration::from_millis(500);

/// Where things are.
struct Roots {
    proc: PathBuf,
    cgroup: PathBuf,
    peek: PathBuf,
    names: Mutex<Option<(Boot, Arc<Names>)>>,
}

impl Roots {
    /// All processes there are, or were a moment ago.
    fn names(&self, now: Boot) -> io::Result<Arc<Names>> {
        // Held while the table is read: who comes meanwhile wants the same, and `comm` waits for nobody.
        let mut names = self.names.lock().unwrap_or_else(|e| e.into_inner());
        if let Some((_, names)) = names.as_ref().filter(|(at, _)| now.since(*at) < FRESH) {
            return Ok(names.clone());
        }
        let read = Arc::new(kernel::names(&self.proc)?);
        *names = Some((now, read.clone()));
        Ok(read)
    }

    fn find(&self, wanted: &Wanted, now: Boot) -> io::Result<Fitting> {
        match wanted.pid {
            Some(pid) => Ok(kernel::told(&self.proc, pid, wanted)),
            None => Ok(kernel::find(&self.proc, &*self.names(now)?, wanted)),
        }
    }
}

/// `/proc` and its like of this machine.
#[derive(Clone)]
pub struct Real {
    clock: Clock,
    roots: Arc<Roots>,
}

impl Real {
    pub fn new(clock: Clock) -> Real {
        Real::at(clock, "/proc".into(), "/sys/fs/cgroup".into(), peek::SOCKET.into())
    }
    /// With other roots, and the socket of `vedette-peek`.
    pub fn at(clock: Clock, proc: PathBuf, cgroup: PathBuf, peek: PathBuf) -> Real {
        Real { clock, roots: Arc::new(Roots { proc, cgroup, peek, names: Mutex::default() }) }
    }
}

impl Processes for Real {
    fn watcher(&self, wanted: &Wanted) -> Box<dyn Watcher> {
        let post = Post::new("processes", self.clock.clone());
        Box::new(Following { post, real: self.clone(), wanted: Arc::new(wanted.clone()), state: State::default() })
    }
}

struct Following {
    post: Post,
    real: Real,
    wanted: Arc<Wanted>,
    state: State,
}

/// What the next look knows of the last.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    who: Option<Identity>,
    fitting: usize,
    blind: bool,
    searched: Option<Boot>,
}

impl Watcher for Following {
    fn look(&mut self) -> Looking<'_> {
        Box::pin(async move {
            let (roots, wanted, state) = (self.real.roots.clone(), self.wanted.clone(), self.state);
            let now = self.real.clock.boot();
            match self.post.ask(LIMIT, move || look(&roots, &wanted, state, now)).await {
                Ok((state, look)) => {
                    self.state = state;
                    Ok(look)
                }
                Err(Hung::Late(_) | Hung::Stuck(_)) => Err(NoData::Timeout),
                Err(Hung::Panicked | Hung::NoThread) => Err(NoData::Malformed),
            }
        })
    }
}

/// Blocking.
fn look(roots: &Roots, wanted: &Wanted, mut state: State, now: Boot) -> (State, Look) {
    let usage = |who: Identity| kernel::usage(&roots.proc, &roots.cgroup, who).map(|usage| (who, usage));
    let alive = |found: &(Identity, super::Usage)| found.1.state != Doing::Dead;
    let mut found = state.who.and_then(usage).filter(alive);
    let pause = if found.is_some() { SEARCH_AGAIN } else { SEARCH };
    // A process that just went is looked for at once: a service manager may have started the next one.
    let lost = state.who.is_some() && found.is_none();
    if lost || state.searched.is_none_or(|at| now.since(at) >= pause) {
        match roots.find(wanted, now) {
            Ok(fitting) => {
                (state.fitting, state.blind) = (fitting.count, fitting.blind);
                if fitting.youngest.is_some() && fitting.youngest != state.who {
                    found = fitting.youngest.and_then(usage).filter(alive);
                }
            }
            Err(_) => (state.fitting, state.blind) = (0, true),
        }
        state.searched = Some(now);
    }
    state.who = found.map(|(who, _)| who);
    let look = Look {
        found,
        fitting: state.fitting,
        reports: state.who.and_then(|who| kernel::reports(&roots.proc, who)),
        blind: state.blind,
        peeked: match state.who {
            Some(who) => peek::ask(&roots.peek, who.pid, who.started),
            None => Err(NoData::NotPresent),
        },
    };
    (state, look)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::clock::System;
    use std::process::{Command, Stdio};

    #[tokio::test]
    async fn a_process_is_seen_to_come_to_go_and_to_come_again_as_another() {
        let clock = Clock::new(System);
        let none = tempfile::tempdir().unwrap();
        let real = Real::at(clock.clone(), "/proc".into(), "/sys/fs/cgroup".into(), none.path().join("socket"));
        let mark = format!("vedette.test.{}", std::process::id());
        let wanted = Wanted { command: "tail".into(), arguments: vec![mark.clone()], ..Wanted::default() };
        let mut watcher = real.watcher(&wanted);
        assert_eq!(watcher.look().await.unwrap().found, None);
        let start = || {
            let mut command = Command::new("tail");
            command.args(["-f", "/dev/null", &format!("--pid={}", std::process::id()), "-s", "60", "--"]);
            command.arg("/dev/null").arg(format!("/tmp/{mark}")).stderr(Stdio::null()).stdout(Stdio::null());
            command.spawn().unwrap()
        };
        let mut identities = Vec::new();
        for _ in 0..2 {
            let mut kid = start();
            let seen = loop {
                if let Some((who, _)) = watcher.look().await.unwrap().found {
                    break who;
                }
                clock.sleep(Duration::from_millis(50)).await;
            };
            let look = watcher.look().await.unwrap();
            assert_eq!((seen.pid as u32, look.fitting, look.reports), (kid.id(), 1, Some(false)));
            assert_eq!(look.peeked, Err(NoData::Denied), "nobody peeks here");
            identities.push(seen);
            kid.kill().unwrap();
            // Until it is waited for it is a zombie, which is no process at work.
            while watcher.look().await.unwrap().found.is_some() {
                clock.sleep(Duration::from_millis(10)).await;
            }
            kid.wait().unwrap();
        }
        assert_ne!(identities[0], identities[1]);
    }
}
