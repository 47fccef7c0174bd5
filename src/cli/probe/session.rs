//! A probe's own session, run for a while without the daemon around it: what the page would show is what is looked at.

use super::target::NotATarget;
use crate::base::clock::{Boot, Clock};
use crate::base::quit::{Quit, pair};
use crate::base::ring::Ring;
use crate::base::settings::{Severity, read};
use crate::metric::book::Book;
use crate::metric::latest::{Latest, Sample};
use crate::metric::report::Report;
use crate::probe::{Failed, Kind, Kit, Tap};
use crate::world::World;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

/// Reports that wait; a session sends one a second.
const WAITING: usize = 1024;
/// A session has so long to say good-bye.
const GOOD_BYE: Duration = Duration::from_secs(2);
/// Between two looks at the clock.
const BEAT: Duration = Duration::from_millis(200);

/// What is asked for, besides the URL.
pub(super) struct Login<'a> {
    pub(super) username: Option<&'a str>,
    pub(super) password_file: Option<&'a Path>,
}

/// What a session showed.
pub(super) struct Watched {
    /// At the end.
    samples: Vec<Sample>,
    /// Before the last report: what a session that broke took off the page with it.
    before: Vec<Sample>,
    pub(super) failed: Option<Failed>,
    pub(super) seconds: f64,
}

impl Watched {
    /// The sample of a family with these labels among its own.
    fn sample(&self, name: &str, labels: &[(&str, &str)]) -> Option<&Sample> {
        let fits = |s: &&Sample| {
            *s.meta.family.name == *name && labels.iter().all(|(label, value)| s.meta.labels.get(label) == Some(value))
        };
        self.samples.iter().find(fits).or_else(|| self.before.iter().find(fits))
    }

    pub(super) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.sample(name, labels).map(|sample| sample.value)
    }

    /// A count that starts at 0.
    pub(super) fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.value(name, labels).unwrap_or(0.0) as u64
    }

    /// A label of the one sample of an info family; `None` where it is empty.
    pub(super) fn label(&self, name: &str, label: &str) -> Option<String> {
        self.sample(name, &[])?.meta.labels.get(label).map(str::to_owned)
    }

    /// The counts of a family above 0, by one of its labels.
    pub(super) fn counts(&self, name: &str, label: &str, labels: &[(&str, &str)]) -> Vec<(String, u64)> {
        let of = |s: &&Sample| {
            *s.meta.family.name == *name
                && s.value > 0.0
                && labels.iter().all(|(label, value)| s.meta.labels.get(label) == Some(value))
        };
        let named = |s: &Sample| Some((s.meta.labels.get(label)?.to_owned(), s.value as u64));
        self.samples.iter().filter(of).filter_map(named).collect()
    }

    /// Every series by family, for programs; `id` is the label that is the same everywhere.
    pub(super) fn data(&self, id: &str) -> Map<String, Value> {
        let gone = |s: &&Sample| !self.samples.iter().any(|k| k.meta.family.name == s.meta.family.name);
        let all = self.samples.iter().chain(self.before.iter().filter(gone)).map(|sample| {
            let labels = sample.meta.labels.without(&[id]);
            let labels: Map<String, Value> = labels.iter().map(|(k, v)| (k.to_owned(), v.into())).collect();
            json!({"name": &*sample.meta.family.name, "labels": labels, "value": sample.value})
        });
        Map::from_iter([("metrics".to_owned(), all.collect())])
    }
}

/// Runs a session of `kind` on `url` for at most `limit`. `each` hears every report, with what stands on the page after
/// it and the seconds since the begin, and says whether that is enough.
pub(super) async fn watch(
    kind: &Kind,
    url: &str,
    login: &Login<'_>,
    world: World,
    limit: Duration,
    stop: &Quit,
    mut each: impl FnMut(Option<&Report>, &[Sample], Boot, f64) -> bool,
) -> Result<Watched, NotATarget> {
    let mut table = toml::Table::from_iter([("id".to_owned(), "probe".into()), ("url".to_owned(), url.into())]);
    table.extend(login.username.map(|name| ("username".to_owned(), name.into())));
    table.extend(login.password_file.map(|path| ("password_file".to_owned(), path.display().to_string().into())));
    let text = format!("[[{}]]\n{table}", kind.key);
    let (target, mistakes) = read(&text, |root| root.tables(kind.key).first().and_then(kind.read));
    let Some(target) = target.filter(|_| !mistakes.iter().any(|m| m.severity == Severity::Error)) else {
        let said = mistakes.iter().filter(|m| m.severity == Severity::Error);
        let said = said.map(|m| {
            [Some(m.what.as_str()), m.instead.as_deref()].into_iter().flatten().collect::<Vec<_>>().join("; ")
        });
        return Err(NotATarget::Refused(said.collect::<Vec<_>>().join(". ")));
    };
    let (clock, book): (Clock, Book) = (world.clock.clone(), Book::default());
    let mut kit = Kit::new(world, book.clone(), Default::default(), Default::default());
    let mut session = (target.open)(&mut kit);
    let ring = Ring::new(WAITING);
    let (quitter, quit) = pair();
    let tap = Tap::new(ring.clone(), Default::default());
    let (mut latest, mut samples, mut before) = (Latest::new(book), Vec::new(), Vec::new());
    let mut running = pin!(session.run(&tap, &quit));
    let begun = clock.boot();
    let mut beat = pin!(clock.sleep(BEAT));
    let mut asked = pin!(stop.wait());
    let mut failed = None;
    let (mut over, mut gone) = (false, false);
    while !over {
        let mut taken = Default::default();
        tokio::select! {
            ended = &mut running => {
                (failed, over, gone, taken) = (ended.err(), true, true, ring.take_now());
            }
            reports = ring.take() => taken = reports,
            () = &mut asked => over = true,
            () = &mut beat => {
                beat.set(clock.sleep(BEAT));
                let since = clock.boot().since(begun);
                over = each(None, &samples, begun, since.as_secs_f64()) || since >= limit;
            }
        }
        for report in taken {
            latest.apply(&report);
            before = std::mem::replace(&mut samples, latest.standing(clock.boot()));
            over |= each(Some(&report), &samples, begun, clock.boot().since(begun).as_secs_f64());
        }
    }
    let seconds = clock.boot().since(begun).as_secs_f64();
    quitter.quit();
    if !gone {
        // A camera is told that we leave; one that does not answer is left all the same.
        let _left = clock.within(GOOD_BYE, running).await;
    }
    Ok(Watched { samples, before, failed, seconds })
}
