//! The scrape probe: another exporter on the box. Its series are shown, kept and judged like ours.
//!
//! Each round is all or nothing, as in Prometheus: a page that does not come, or of which one line cannot be read, takes
//! all series of the exporter off our page at once, and the reason is counted.

mod learn;
mod metrics;
mod panels;
mod relabel;
mod settings;

use crate::base::clock::{Boot, Clock, Window};
use crate::base::fault::chain;
use crate::base::label::Label;
use crate::base::quit::Quit;
use crate::metric::report::{NoData, Report};
use crate::probe::declared::Declared;
use crate::probe::{Failed, Kind, Kit, Patience, Running, Session, Tap, Target};
use crate::wire::exposition::{Fault, Format, Line, Parser};
use crate::world::World;
use crate::world::net::{Ask, Fetched, Login, Missed, Reason};
use learn::Learner;
use metrics::{FAMILIES, Meters, Why};
use settings::Settings;
use std::time::Duration;

/// What Prometheus asks for, without the formats that it alone reads.
const ACCEPT: &str = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// A page may have this many times `max_samples` before relabelling, and as many families.
const BEFORE: usize = 10;

/// Lines that are read in one go, some 0.3 ms, before others get their turn: cameras share the thread.
const STRIDE: usize = 500;

pub static KIND: Kind = Kind {
    name: "scrape",
    about: "Other exporters on the box: whether their pages come and what was taken of them",
    key: "scrape",
    sample: include_str!("sample.toml"),
    families: FAMILIES,
    rules: include_str!("rules.yml"),
    panels: panels::PANELS,
    read: |table| {
        let settings = Settings::read(table)?;
        Some(Target {
            id: settings.id.clone(),
            settings: settings.text(),
            secrets: settings.resource.secrets(),
            roster: None,
            learns: settings.families.clone(),
            open: Box::new(|kit| Box::new(Watch::open(settings, kit))),
        })
    },
};

/// Why a round gave nothing.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Missed(#[from] Missed),
    #[error("status {0}")]
    Status(u16),
    #[error("the page is larger than {0} bytes")]
    TooLarge(u64),
    #[error("the page has more than {0} samples or families")]
    TooMany(usize),
    #[error("the page cannot be read")]
    Malformed(#[from] Fault),
}

impl Trouble {
    fn why(&self) -> Why {
        match self {
            Trouble::Missed(missed) => match missed.reason {
                Reason::Timeout => Why::Timeout,
                Reason::Malformed => Why::Malformed,
                Reason::Denied => Why::Denied,
                Reason::Redirect => Why::Status,
                _ => Why::Unreachable,
            },
            Trouble::Status(401 | 403) => Why::Denied,
            Trouble::Status(_) => Why::Status,
            Trouble::TooLarge(_) => Why::TooLarge,
            Trouble::TooMany(_) => Why::TooManySamples,
            Trouble::Malformed(_) => Why::Malformed,
        }
    }
}

/// What a page that was read came to.
struct Read {
    bytes: usize,
    samples: usize,
}

/// One exporter being asked.
struct Watch {
    settings: Settings,
    world: World,
    clock: Clock,
    meters: Meters,
    learner: Learner,
    /// What the log said last: nothing yet, that it answers, or why not.
    told: Option<Result<(), Why>>,
}

impl Watch {
    fn open(settings: Settings, kit: &mut Kit) -> Watch {
        Watch {
            meters: Meters::open(kit, &settings.id, settings.every),
            learner: Learner::new(kit.shelf(), &settings),
            world: kit.world.clone(),
            clock: kit.clock.clone(),
            told: None,
            settings,
        }
    }

    async fn round(&mut self, login: Option<&Login>) -> Report {
        let from = self.clock.boot();
        let read = self.scrape(login, from).await;
        // Everything is dated by its last byte.
        let to = self.clock.boot();
        let mut report = Report::new(Window { from, to });
        match &read {
            Ok(_) => self.learner.finish(&mut report).await,
            Err(_) => self.learner.clear(),
        }
        self.tell(&read);
        let counts = self.learner.counts();
        let read = read.as_ref().map_err(Trouble::why);
        self.meters.fill(&mut report, read, to.since(from), counts);
        report
    }

    async fn scrape(&mut self, login: Option<&Login>, now: Boot) -> Result<Read, Trouble> {
        let mut page = Vec::new();
        let mut take = |bytes: &[u8]| page.extend_from_slice(bytes);
        let most = self.settings.max_bytes;
        let ask = Ask {
            url: &self.settings.resource.url,
            login,
            range: None,
            accept: Some(ACCEPT),
            most,
            bound: self.settings.timeout,
        };
        let format = match self.world.net.fetch(ask, &mut take).await? {
            Fetched { status, .. } if !(200..300).contains(&status) => return Err(Trouble::Status(status)),
            Fetched { whole: false, .. } => return Err(Trouble::TooLarge(most)),
            Fetched { media, .. } => Format::of(media.as_deref()),
        };
        let (mut parser, mut declared) = (Parser::new(&page, format), Declared::default());
        let (mut lines, mut samples) = (0, 0);
        let most = self.settings.max_samples;
        self.learner.begin(now);
        while let Some(line) = parser.next_line() {
            lines += 1;
            if lines % STRIDE == 0 {
                tokio::task::yield_now().await;
            }
            match line? {
                Line::Type(name, kind) => declared.kind(name, kind),
                Line::Help(name, text) => declared.help(name, text),
                Line::Sample(sample) => {
                    samples += 1;
                    self.learner.take(&sample, parser.labels(), &declared);
                }
            }
            if self.learner.taken() > most || samples.max(declared.families()) > BEFORE * most {
                return Err(Trouble::TooMany(most));
            }
        }
        Ok(Read { bytes: page.len(), samples })
    }

    /// A line when the state changes, and none while it stands.
    fn tell(&mut self, read: &Result<Read, Trouble>) {
        let state = read.as_ref().map(drop).map_err(Trouble::why);
        if self.told.replace(state) == Some(state) {
            return;
        }
        let id = self.settings.id.as_str();
        match read {
            Ok(read) => tracing::info!(scrape_id = id, samples = read.samples, "exporter answers"),
            Err(trouble) => {
                let reason = trouble.why().label();
                tracing::warn!(scrape_id = id, reason, error = %chain(trouble), "exporter cannot be scraped");
            }
        }
    }

    /// Our own password cannot be read: a round that failed before it began.
    fn locked_out(&mut self, tap: &Tap) {
        self.learner.clear();
        let at = self.clock.boot();
        let mut report = Report::new(Window { from: at, to: at });
        self.meters.fill(&mut report, Err(Why::Denied), Duration::ZERO, self.learner.counts());
        tap.send(report);
    }
}

impl Session for Watch {
    fn fallen(&mut self, tap: &Tap) {
        self.learner.clear();
        let at = self.clock.boot();
        let mut report = Report::new(Window { from: at, to: at });
        self.meters.withdraw(&mut report);
        self.told = None;
        tap.send(report);
    }

    fn run<'a>(&'a mut self, tap: &'a Tap, quit: &'a Quit) -> Running<'a> {
        Box::pin(async move {
            let login = match self.settings.resource.login(&*self.world.files) {
                Ok(login) => login,
                Err(error) => {
                    self.locked_out(tap);
                    return Err(Failed {
                        why: NoData::Denied,
                        what: "reading the password".to_owned(),
                        source: Some(Box::new(error)),
                        patience: Patience::Long,
                    });
                }
            };
            let mut every = self.clock.every(self.settings.every);
            loop {
                let report = tokio::select! {
                    report = self.round(login.as_ref()) => report,
                    () = quit.wait() => return Ok(()),
                };
                tap.send(report);
                tokio::select! {
                    _due = every.beat() => {}
                    () = quit.wait() => return Ok(()),
                }
            }
        })
    }
}

#[cfg(test)]
mod tests;
