//! Keeps every target at work: starts it, restarts it after a jittered wait, stops it, and says how it fares.
//!
//! A target that breaks, hangs in its good-bye or panics costs that target only. Its counts live in the session object
//! and survive its breaks.

use crate::base::backoff::Backoff;
use crate::base::clock::{Clock, Window};
use crate::base::fault::chain;
use crate::base::label::Label;
use crate::base::quit::{self, Quit, Quitter};
use crate::base::secret::Secret;
use crate::metric::book::Series;
use crate::metric::desc::{Desc, Family, Unit};
use crate::metric::labels::Labels;
use crate::metric::report::{NoData, Report};
use crate::probe::{Failed, Kind, Kit, Patience, Session, Tap, Target};
use futures_util::FutureExt;
use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

static UP: Desc<2> = Desc::gauge(
    "vedette_probe_up",
    Unit::Count,
    ["probe", "target"],
    "1 while the probe of this target is at work, 0 while it waits for its next try",
);
static RESTARTS: Desc<2> = Desc::counter(
    "vedette_probe_restarts_total",
    Unit::Count,
    ["probe", "target"],
    "Times the probe of this target broke and was started again",
);
static PANICS: Desc<2> = Desc::counter(
    "vedette_probe_panics_total",
    Unit::Count,
    ["probe", "target"],
    "Times the probe of this target panicked; each is a defect of Vedette worth a report",
);
pub static FAMILIES: &[Family] = &[UP.family(), RESTARTS.family(), PANICS.family()];

/// First and longest wait between tries, by patience.
const SHORT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
const LONG: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(600));
/// A session that ran this long was healthy: the waits start over.
const HEALTHY: Duration = Duration::from_secs(60);
/// How long a session may take to say good-bye (TEARDOWN, at most 2 s) before it is cut off.
const GOODBYE: Duration = Duration::from_millis(2500);

struct Kept {
    settings: String,
    secrets: Vec<Option<Secret>>,
    /// Closes the target's series when it goes, however its task ended.
    kit: Kit,
    quitter: Quitter,
    /// Ends a wait between two tries.
    again: Arc<Notify>,
    task: JoinHandle<()>,
}

/// All targets at work.
pub struct Keeper {
    clock: Clock,
    tap: Tap,
    kept: BTreeMap<String, Kept>,
}

/// What a change of configuration did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub added: Vec<String>,
    pub changed: Vec<String>,
    pub removed: Vec<String>,
}

impl Keeper {
    pub fn new(clock: Clock, tap: Tap) -> Self {
        Keeper { clock, tap, kept: BTreeMap::new() }
    }

    /// Makes `targets` the ones at work: new ones start, missing ones stop, those whose settings or secrets changed are
    /// started again, and the others go on; those that wait for their next try make it now. Gone ones have left the page when this returns.
    pub async fn keep(&mut self, targets: Vec<(&'static Kind, Target)>, kit: impl Fn() -> Kit) -> Changes {
        let mut changes = Changes::default();
        let mut wanted = BTreeMap::new();
        for (kind, target) in targets {
            let files = kit().world.files;
            let secrets: Vec<_> = target.secrets.iter().map(|path| files.secret(path).ok()).collect();
            wanted.insert(format!("{}/{}", kind.name, target.id), (kind, target, secrets));
        }
        let mut gone = Vec::new();
        for (name, kept) in std::mem::take(&mut self.kept) {
            match wanted.get(&name) {
                Some((_, target, secrets)) if target.settings == kept.settings && *secrets == kept.secrets => {
                    wanted.remove(&name);
                    kept.again.notify_waiters();
                    self.kept.insert(name, kept);
                }
                Some(_) => {
                    changes.changed.push(name);
                    gone.push(kept);
                }
                None => {
                    changes.removed.push(name);
                    gone.push(kept);
                }
            }
        }
        for kept in self.end(gone).await {
            kept.close();
        }
        for (name, (kind, target, secrets)) in wanted {
            if !changes.changed.contains(&name) {
                changes.added.push(name.clone());
            }
            let kept = self.start(kind, target, secrets, kit());
            self.kept.insert(name, kept);
        }
        // Also of those that left the configuration while we were not running.
        for stranger in self.tap.memory().targets().into_iter().filter(|t| !self.kept.contains_key(&**t)) {
            let at = self.clock.boot();
            let mut report = Report::new(Window { from: at, to: at });
            report.remember(None);
            self.tap.of(stranger).send(report);
        }
        changes
    }

    /// Targets at work.
    pub fn count(&self) -> usize {
        self.kept.len()
    }

    /// Stops all targets at once. Their series stay: that we stop looking is no news about them.
    pub async fn stop(&mut self) {
        let all = std::mem::take(&mut self.kept).into_values().collect();
        let _kits = self.end(all).await;
    }

    /// Ends their tasks, and returns what their series were opened with.
    async fn end(&self, gone: Vec<Kept>) -> Vec<Kit> {
        for kept in &gone {
            kept.quitter.quit();
        }
        let deadline = self.clock.boot().plus(GOODBYE);
        let mut kits = Vec::new();
        for kept in gone {
            let mut task = kept.task;
            let left = deadline.since(self.clock.boot());
            match self.clock.within(left, &mut task).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a probe's keeper ended badly"),
                Err(_) => task.abort(),
            }
            kits.push(kept.kit);
        }
        kits
    }

    fn start(&self, kind: &'static Kind, target: Target, secrets: Vec<Option<Secret>>, mut kit: Kit) -> Kept {
        let (quitter, quit) = quit::pair();
        let probe = kind.name;
        let id = target.id;
        let series = Health {
            up: kit.own(&UP, [probe, &id]),
            restarts: kit.own(&RESTARTS, [probe, &id]),
            panics: kit.own(&PANICS, [probe, &id]),
        };
        let name: Arc<str> = format!("{probe}/{id}").into();
        let tap = self.tap.of(name.clone());
        kit.remind(self.tap.memory().get(&name));
        let session = (target.open)(&mut kit);
        let again = Arc::new(Notify::new());
        let watch = Watch {
            again: again.clone(),
            clock: self.clock.clone(),
            tap,
            name,
            series,
            restarts: 0,
            panics: 0,
            told: None,
            broken: false,
        };
        let task = tokio::spawn(watch.over(session, quit));
        Kept { settings: target.settings, secrets, kit, quitter, again, task }
    }
}

struct Health {
    up: Series,
    restarts: Series,
    panics: Series,
}

/// One target's loop.
struct Watch {
    clock: Clock,
    tap: Tap,
    name: Arc<str>,
    series: Health,
    restarts: u64,
    panics: u64,
    /// The trouble last told in the log, so that it is told once.
    told: Option<(NoData, String)>,
    /// The log says last that it is broken.
    broken: bool,
    again: Arc<Notify>,
}

impl Watch {
    async fn over(mut self, mut session: Box<dyn Session>, quit: Quit) {
        let seed = Labels::new([("target", &*self.name)]).digest();
        let mut short = Backoff::new(SHORT.0, SHORT.1, seed);
        let mut long = Backoff::new(LONG.0, LONG.1, seed);
        while !quit.asked() {
            let begun = self.clock.boot();
            self.report(true);
            let outcome = self.session(&mut *session, &quit).await;
            let lasted = self.clock.boot().since(begun);
            if lasted >= HEALTHY {
                short.reset();
                long.reset();
                self.told = None;
            }
            let patience = match outcome {
                _ if quit.asked() => break,
                Ok(Ok(())) => Patience::Short,
                Ok(Err(failed)) => self.tell(failed),
                Err(_) => {
                    self.panics += 1;
                    self.broken = true;
                    tracing::error!(target_id = %self.name, "probe panicked; it will be started again");
                    if catch_unwind(AssertUnwindSafe(|| session.fallen(&self.tap))).is_err() {
                        tracing::error!(target_id = %self.name, "probe panicked again taking back what it told");
                    }
                    Patience::Long
                }
            };
            self.restarts += 1;
            self.report(false);
            let wait = match patience {
                Patience::Short => short.next_wait(),
                Patience::Long => long.next_wait(),
            };
            tokio::select! {
                () = quit.wait() => break,
                () = self.again.notified() => {}
                () = self.clock.sleep(wait) => {}
            }
        }
    }

    /// Runs the session until it ends. One that the log calls broken is said to work again once it ran for [`HEALTHY`]:
    /// the same sign that makes the waits start over, so a camera that comes and goes is not told each time.
    async fn session(
        &mut self,
        session: &mut dyn Session,
        quit: &Quit,
    ) -> Result<Result<(), Failed>, Box<dyn Any + Send>> {
        let tap = self.tap.clone();
        let mut run = pin!(AssertUnwindSafe(session.run(&tap, quit)).catch_unwind());
        if self.broken {
            tokio::select! {
                biased;
                outcome = &mut run => return outcome,
                () = self.clock.sleep(HEALTHY) => {}
            }
            tracing::info!(target_id = %self.name, "probe works again");
            (self.broken, self.told) = (false, None);
        }
        run.await
    }

    /// Logs a failure when it is another one than last time.
    fn tell(&mut self, failed: Failed) -> Patience {
        let now = (failed.why, failed.what.clone());
        if self.told.as_ref() != Some(&now) {
            let error = chain(&failed).to_string();
            tracing::warn!(target_id = %self.name, reason = failed.why.label(), error, "probe broke; trying again");
            self.told = Some(now);
            self.broken = true;
        }
        failed.patience
    }

    fn report(&self, up: bool) {
        let at = self.clock.boot();
        let mut report = Report::new(Window { from: at, to: at });
        report
            .value(self.series.up, f64::from(u8::from(up)))
            .value(self.series.restarts, self.restarts as f64)
            .value(self.series.panics, self.panics as f64);
        self.tap.send(report);
    }
}

#[cfg(test)]
mod tests;
