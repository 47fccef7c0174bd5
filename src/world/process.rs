//! Processes of others: found by what they are, watched by (pid, start time), since a pid alone is given again.
//!
//! Read from `/proc`: stat, statm, cgroup, cmdline, oom_score, which everyone may read, and environ, which needs the same
//! user. What needs privilege (`io`, `fd`, `fdinfo`) is asked of `vedette-peek`. Command lines hold passwords: they are
//! looked at here and leave as yes or no.

mod kernel;
mod real;

pub use real::Real;

use crate::base::clock::Boot;
use crate::metric::report::NoData;
use crate::world::peek::Peeked;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

/// Which process is wanted. All that is said must fit; with several that fit, the youngest is taken.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Wanted {
    /// Its pid, where it told that itself; then nothing else need be said.
    pub pid: Option<i32>,
    /// The command's name as the kernel has it (`/proc/PID/comm`), of which it keeps 15 bytes.
    pub command: String,
    /// The systemd unit in whose control group it runs, such as `recorder@cam7.service`.
    pub unit: Option<String>,
    /// A variable of its environment and its value.
    pub environment: Option<(String, String)>,
    /// Parts that arguments must contain: an output template, an input URL without its login, a progress URL.
    pub arguments: Vec<String>,
}

/// One process, for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    pub pid: i32,
    /// Clock ticks between boot and its start, proc_pid_stat(5) field 22.
    pub started: u64,
}

/// What a process uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    pub started: Boot,
    /// User and system time of all threads, seconds.
    pub cpu: f64,
    /// Resident memory, bytes.
    pub resident: u64,
    pub threads: u64,
    /// 0 to 2000: who has most is killed first when memory runs out, proc_pid_oom_score(5).
    pub oom_score: Result<u64, NoData>,
    pub state: State,
    /// Bytes read from and written to block devices by its control group (cgroup v2 `io.stat`, IOAccounting=yes).
    pub cgroup_io: Result<(u64, u64), NoData>,
}

/// What the kernel says that a process does, proc_pid_stat(5) field 3. Of its first thread only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It runs, or waits for what a signal would end.
    Live,
    /// It waits in the kernel for a disk or a mount, and no signal reaches it (D).
    Blocked,
    /// A signal or a debugger holds it (T, t).
    Stopped,
    /// It is dead, and its parent has not asked for the outcome (Z, X).
    Dead,
}

/// What one look found.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// The process that fits.
    pub found: Option<(Identity, Usage)>,
    /// Processes that fitted when they were last looked for; above 1 the match is too wide.
    pub fitting: usize,
    /// Whether its arguments name a progress report; `None` without a process.
    pub reports: Option<bool>,
    /// Something could not be read that would have decided, or other users' processes are hidden.
    pub blind: bool,
    /// What `vedette-peek` says of it.
    pub peeked: Result<Peeked, NoData>,
}

pub type Looking<'a> = Pin<Box<dyn Future<Output = Result<Look, NoData>> + Send + 'a>>;

/// Looks for one process, again and again.
pub trait Watcher: Send {
    /// One look. Fails when the kernel does not answer in time. Not cancel-safe: a look that is dropped begins anew.
    fn look(&mut self) -> Looking<'_>;
}

/// The process table.
pub trait Processes: Send + Sync {
    fn watcher(&self, wanted: &Wanted) -> Box<dyn Watcher>;
}

/// The scripted twin: what is found stands until it is changed. Clones are the same.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<HashMap<Wanted, Result<Look, NoData>>>>);

impl Script {
    pub fn set(&self, wanted: &Wanted, look: Result<Look, NoData>) {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).insert(wanted.clone(), look);
    }
}

struct Scripted(Script, Wanted);

impl Watcher for Scripted {
    fn look(&mut self) -> Looking<'_> {
        let all = self.0.0.lock().unwrap_or_else(|e| e.into_inner());
        let nothing = Look { found: None, fitting: 0, reports: None, blind: false, peeked: Err(NoData::NotPresent) };
        let look = all.get(&self.1).cloned().unwrap_or(Ok(nothing));
        Box::pin(std::future::ready(look))
    }
}

impl Processes for Script {
    fn watcher(&self, wanted: &Wanted) -> Box<dyn Watcher> {
        Box::new(Scripted(self.clone(), wanted.clone()))
    }
}
