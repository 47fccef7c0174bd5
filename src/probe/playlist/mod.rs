//! The playlist probe: an HLS stream as a player meets it.
//!
//! Each round fetches every watched media playlist, holds it against the version before, reads its new segments once, and
//! holds the cues of the tags against those of the stream. All variants are asked at once; a slow server costs its target
//! a round, and nobody else anything.

mod metrics;
mod panels;
mod segment;
mod settings;
mod tally;
mod variant;

use crate::base::base64;
use crate::base::clock::{Boot, Clock, Window};
use crate::base::label::Label;
use crate::base::quit::Quit;
use crate::metric::note::Note;
use crate::metric::report::{NoData, Report};
use crate::probe::{Failed, Kind, Kit, Patience, Running, Session, Tap, Target};
use crate::wire::hls::{Counts, Defects, Playlist, Told, parse};
use crate::world::World;
use crate::world::net::Login;
use futures_util::future::join_all;
use metrics::{FAMILIES, Meters, Round};
use settings::Settings;
use std::time::Duration;
use tally::{Tally, What, Why};
use url::Url;
use variant::{Hands, Look, Variant};

/// Until a playlist that cannot be read is asked for again.
const RETRY: Duration = Duration::from_secs(5);
/// The same where it says that our password is wrong: servers lock accounts.
const RETRY_LOGIN: Duration = Duration::from_secs(60);
/// Between two looks at least, whatever a playlist says of itself.
const LEAST: Duration = Duration::from_millis(500);
/// Between two looks at most, for playlists that ended or have long segments.
const MOST: Duration = Duration::from_secs(60);

/// Bytes of a section that a note carries at most: base64 within the bound of a note's text.
const SECTION: usize = 384;

pub static KIND: Kind = Kind {
    name: "playlist",
    about: "HLS playlists: reachability, their rules, segments, and SCTE-35 cues in tags and stream",
    key: "playlist",
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
            learns: Vec::new(),
            open: Box::new(|kit| Box::new(Watch::open(settings, kit))),
        })
    },
};

/// One HLS stream being watched.
struct Watch {
    settings: Settings,
    world: World,
    clock: Clock,
    meters: Meters,
    variants: Vec<Variant>,
    /// Variants in the master playlist; 1 where there is none.
    listed: usize,
    /// The configured address has to be asked for the variants' addresses.
    lost: bool,
    /// Counts of variants that are gone, and of the configured address itself.
    gone: (Counts, Tally),
    /// Kinds of defect that were told to the event log in this session.
    told: Defects,
    was: Option<State>,
}

/// What the log tells the changes of.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum State {
    Well,
    Stalled,
    Failing(Why),
}

impl Watch {
    fn open(settings: Settings, kit: &mut Kit) -> Watch {
        Watch {
            meters: Meters::open(kit, &settings.id),
            settings,
            world: kit.world.clone(),
            clock: kit.clock.clone(),
            variants: Vec::new(),
            listed: 0,
            lost: true,
            gone: (Counts::default(), Tally::default()),
            told: Defects::default(),
            was: None,
        }
    }

    /// Asks the configured address which media playlists there are. Variants are known by their place: addresses with a
    /// token in them change, and what was learned of the stream stands.
    async fn find(&mut self, login: Option<&Login>) -> Result<(), Why> {
        let net = self.world.net.clone();
        let home = self.settings.resource.url.clone();
        let hands = Hands { net: &*net, clock: &self.clock, home: &home, login, timeout: self.settings.timeout };
        let (text, fetched) = hands.playlist(&home).await?;
        let (listed, urls) = match parse(&text).map_err(|_| Why::Unreadable)? {
            Playlist::Media(_) => (1, vec![fetched.url]),
            Playlist::Master(master) => {
                let most = self.settings.variants.most();
                let urls = master.variants.iter().take(most).map(|v| fetched.url.join(v.uri).ok().filter(is_http));
                let urls: Option<Vec<Url>> = urls.collect();
                (master.variants.len(), urls.ok_or(Why::Unreadable)?)
            }
        };
        self.listed = listed;
        self.retire(urls.len());
        for (n, url) in urls.into_iter().enumerate() {
            match self.variants.get_mut(n) {
                Some(variant) => variant.url = url,
                None => self.variants.push(Variant::new(url)),
            }
        }
        Ok(())
    }

    /// Lets go of the variants beyond the first `left`; their counts stay.
    fn retire(&mut self, left: usize) {
        for variant in self.variants.drain(left.min(self.variants.len())..) {
            self.gone.0.add(variant.judge.counts());
            self.gone.1.add(&variant.tally);
        }
    }

    /// One look at everything; when the next is due.
    async fn round(&mut self, login: Option<&Login>) -> (Report, Duration) {
        let from = self.clock.boot();
        if self.lost
            && let Err(why) = self.find(login).await
        {
            self.gone.1.failed(What::Playlist, why);
            return self.report(from, Vec::new(), Some(why));
        }
        self.lost = false;
        let net = self.world.net.clone();
        let (clock, home) = (self.clock.clone(), self.settings.resource.url.clone());
        let hands = Hands { net: &*net, clock: &clock, home: &home, login, timeout: self.settings.timeout };
        let looks = join_all(self.variants.iter_mut().map(|variant| variant.look(&hands))).await;
        self.report(from, looks, None)
    }

    /// `unfound`: why the configured address itself gave nothing.
    fn report(&mut self, from: Boot, looks: Vec<Look>, unfound: Option<Why>) -> (Report, Duration) {
        let now = self.clock.now();
        let mut report = Report::new(Window { from, to: now.boot });
        let why = unfound.or(looks.iter().find_map(|l| l.why));
        self.lost |= why.is_some();
        let slowest = looks.iter().filter_map(|l| l.phases).max_by_key(|(_, total)| *total);
        let facts: Vec<_> = looks.iter().filter_map(|l| l.facts.clone()).collect();
        let live = facts.iter().filter(|f| !f.ended && now.trusted);
        let latency = live.filter_map(|f| Some((now.wall.as_millis() - f.edge?) as f64 / 1000.0)).reduce(f64::max);
        let round = Round {
            listed: self.listed,
            watched: self.variants.len(),
            answering: facts.len(),
            phases: slowest,
            latency,
            ratio: looks.iter().filter_map(|l| l.ratio).reduce(f64::max),
            bitrate: looks.first().and_then(|l| l.bitrate),
            why,
            facts,
        };
        let (mut counts, mut tally) = self.gone.clone();
        for variant in &self.variants {
            counts.add(variant.judge.counts());
            tally.add(&variant.tally);
        }
        for seconds in looks.iter().flat_map(|l| &l.downloads) {
            self.meters.download.observe(*seconds);
        }
        self.meters.fill(&mut report, &round, &counts, &tally);
        for (n, told) in looks.iter().enumerate().flat_map(|(n, l)| l.told.iter().map(move |t| (n, t))) {
            self.note(&mut report, n, told, now.boot);
        }
        self.log(&round);
        let moved = looks.iter().any(|l| l.moved);
        let wait = match unfound {
            Some(Why::Auth) => RETRY_LOGIN,
            _ => wait(&round, moved, now.boot.since(from)),
        };
        (report, wait)
    }

    fn note(&mut self, report: &mut Report, variant: usize, told: &Told, at: Boot) {
        let note = match told {
            Told::Cue(cue, number) => Note::new("hls.cue", at)
                .with("style", cue.style.label())
                .with("act", cue.act.label())
                .maybe("planned_seconds", cue.planned)
                .maybe("id", cue.id.clone())
                .maybe("segment", number.and_then(|n| i64::try_from(n).ok()))
                .maybe("section", cue.section.as_deref().filter(|s| s.len() <= SECTION).map(base64::encode)),
            Told::Fault(fault, style) => {
                Note::new("hls.cue_fault", at).with("fault", fault.label()).with("style", style.label())
            }
            // Once per kind: a packager that breaks a rule breaks it in every version.
            Told::Defect(defect) if self.told.has(*defect) => return,
            Told::Defect(defect) => {
                self.told.add(*defect);
                Note::new("hls.defect", at).with("defect", defect.label())
            }
        };
        report.note(note.with("variant", variant as i64));
    }

    /// A line when the state changes, and none while it stands.
    fn log(&mut self, round: &Round) {
        let state = match round.why {
            Some(why) => State::Failing(why),
            None if round.facts.iter().any(|f| f.stalled) => State::Stalled,
            None => State::Well,
        };
        if self.was.replace(state) == Some(state) {
            return;
        }
        let id = self.settings.id.as_str();
        match state {
            State::Well => tracing::info!(stream_id = id, "playlist answers"),
            State::Stalled => tracing::warn!(stream_id = id, "playlist stalled"),
            State::Failing(why) => tracing::warn!(stream_id = id, reason = why.label(), "playlist cannot be read"),
        }
    }

    fn withdraw(&mut self, tap: &Tap) {
        let at = self.clock.boot();
        let mut report = Report::new(Window { from: at, to: at });
        self.meters.withdraw(&mut report);
        self.was = None;
        tap.send(report);
    }
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// Until the next look: a target duration after a playlist that moved, half of one after one that did not (RFC 8216
/// section 6.3.4), counted from the begin of this one, which took `spent`.
fn wait(round: &Round, moved: bool, spent: Duration) -> Duration {
    let target = match round.why {
        Some(_) => return RETRY,
        None => round.facts.iter().map(|f| f.target).min().unwrap_or(RETRY.as_secs()),
    };
    let ended = round.facts.iter().all(|f| f.ended);
    let period = match (ended, moved) {
        (true, _) => MOST,
        (false, true) => Duration::from_secs(target),
        (false, false) => Duration::from_secs(target) / 2,
    };
    period.min(MOST).saturating_sub(spent).max(LEAST)
}

impl Session for Watch {
    fn fallen(&mut self, tap: &Tap) {
        self.withdraw(tap);
        // A judge that was left in the middle of a version is not asked again.
        self.retire(0);
        self.lost = true;
    }

    fn run<'a>(&'a mut self, tap: &'a Tap, quit: &'a Quit) -> Running<'a> {
        Box::pin(async move {
            let login = match self.settings.resource.login(&*self.world.files) {
                Ok(login) => login,
                Err(error) => {
                    self.withdraw(tap);
                    return Err(Failed {
                        why: NoData::Denied,
                        what: "reading the password".to_owned(),
                        source: Some(Box::new(error)),
                        patience: Patience::Long,
                    });
                }
            };
            loop {
                let (report, wait) = tokio::select! {
                    round = self.round(login.as_ref()) => round,
                    () = quit.wait() => return Ok(()),
                };
                tap.send(report);
                tokio::select! {
                    () = self.clock.sleep(wait) => {}
                    () = quit.wait() => return Ok(()),
                }
            }
        })
    }
}

#[cfg(test)]
mod tests;
