//! One volume: a write every so often, on a thread that may hang.

use super::metrics::Meters;
use super::settings::Settings;
use crate::base::clock::{Boot, Clock, Window};
use crate::base::fault::chain;
use crate::base::label::Label;
use crate::base::quit::Quit;
use crate::metric::report::{NoData, Report};
use crate::probe::{Kit, Running, Session, Tap};
use crate::world::post::{Hung, Post};
use crate::world::volumes::{Reason, Refused, Volumes};
use std::sync::Arc;
use std::time::Duration;

/// What a write may take. A disk that sleeps needs as long to turn again; a recorder gives up about then.
const LIMIT: Duration = Duration::from_secs(10);

/// Why the last write failed, with what was said of it.
#[derive(Debug, thiserror::Error)]
#[error("writing to {}", .directory.display())]
struct Failed {
    directory: std::path::PathBuf,
    reason: Reason,
    source: Box<dyn std::error::Error + Send + Sync>,
}

pub(super) struct Watch {
    settings: Settings,
    clock: Clock,
    volumes: Arc<dyn Volumes>,
    post: Post,
    meters: Meters,
    /// Of the last write, where it failed.
    failing: Option<Reason>,
}

impl Watch {
    pub(super) fn open(settings: Settings, kit: &mut Kit) -> Watch {
        Watch {
            meters: Meters::open(kit, &settings.id),
            clock: kit.clock.clone(),
            volumes: kit.world.volumes.clone(),
            post: Post::new("volume", kit.clock.clone()),
            settings,
            failing: None,
        }
    }

    async fn write(&self) -> Result<Duration, Failed> {
        let failed = |reason, source: Box<dyn std::error::Error + Send + Sync>| {
            Err(Failed { directory: self.settings.directory.clone(), reason, source })
        };
        // One that still waits holds the file; a second would wait behind it.
        let stuck = self.post.stuck();
        if stuck > 0 {
            return failed(Reason::Timeout, Hung::Stuck(stuck).into());
        }
        let (volumes, directory) = (self.volumes.clone(), self.settings.directory.clone());
        match self.post.ask(LIMIT, move || volumes.write(&directory)).await {
            Ok(Ok(took)) => Ok(took),
            Ok(Err(refused @ Refused { reason, .. })) => failed(reason, refused.into()),
            Err(hung @ (Hung::Late(_) | Hung::Stuck(_))) => failed(Reason::Timeout, hung.into()),
            Err(hung) => failed(Reason::Other, hung.into()),
        }
    }

    fn fold(&mut self, from: Boot, wrote: &Result<Duration, Failed>) -> Report {
        let mut report = Report::new(Window { from, to: self.clock.boot() });
        let volume = &self.settings.id;
        match wrote {
            Ok(took) => {
                self.meters.seconds.observe(took.as_secs_f64());
                if self.failing.take().is_some() {
                    tracing::info!(volume, "the volume takes writes again");
                }
            }
            Err(failed) => {
                if let Some((.., count)) = self.meters.failures.iter_mut().find(|(known, ..)| *known == failed.reason) {
                    *count += 1;
                }
                if self.failing.replace(failed.reason) != Some(failed.reason) {
                    let error = chain(failed).to_string();
                    tracing::warn!(volume, reason = failed.reason.label(), error, "the volume takes no writes");
                }
            }
        }
        report.value(self.meters.writable, f64::from(wrote.is_ok()));
        self.meters.seconds.fill(&mut report);
        for (_, series, count) in &self.meters.failures {
            report.value(*series, *count as f64);
        }
        report
    }
}

impl Session for Watch {
    fn run<'a>(&'a mut self, tap: &'a Tap, quit: &'a Quit) -> Running<'a> {
        Box::pin(async move {
            let mut every = self.clock.every(self.settings.every);
            loop {
                let from = self.clock.boot();
                let wrote = tokio::select! {
                    wrote = self.write() => wrote,
                    () = quit.wait() => return Ok(()),
                };
                tap.send(self.fold(from, &wrote));
                tokio::select! {
                    _due = every.beat() => {}
                    () = quit.wait() => return Ok(()),
                }
            }
        })
    }

    fn fallen(&mut self, tap: &Tap) {
        let at = self.clock.boot();
        let mut report = Report::new(Window { from: at, to: at });
        report.reading(self.meters.writable, Err(NoData::Stale));
        tap.send(report);
    }
}
