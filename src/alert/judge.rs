//! The judge: all rules, their alarms, and the memory of samples that the rules look back on.

use crate::alert::file::Rule;
use crate::alert::life::{Alarms, Changes, Round};
use crate::alert::standing::{OWN, Standing};
use crate::base::clock::Boot;
use crate::metric::alarm::{Alarm, Stamp};
use crate::metric::book::Series;
use crate::metric::labels::Labels;
use crate::metric::latest::Snapshot;
use crate::metric::names::Names;
use crate::query::{Expr, NAME, Point, Ring, STALE, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

/// Alarms that may be pending or firing at once, of all rules together. 256 cameras with a dozen rules each are 3 000;
/// at about 1 KiB each the bound is 10 MiB.
const MOST_ALARMS: usize = 10_000;

/// The wall clock may drift this far, in ms, from the time that rules see before their time is set to it again. Small
/// enough for `time() - x_timestamp_seconds`, large enough that NTP's slewing does not set it all the time.
const DRIFT: i64 = 500;

/// A round this much of a group's interval early still counts as due: ticks jitter, and a group of 30 s at a tick of 5 s
/// must not slip to 35 s.
const EARLY: f64 = 0.05;

/// What one round decided.
#[derive(Debug, Default, PartialEq)]
pub struct Verdict {
    /// What to tell and what to put on file.
    pub changes: Changes,
    /// `ALERTS` and `ALERTS_FOR_STATE` of now, with `__name__`.
    pub series: Vec<(Labels, f64)>,
}

/// A rule, what the box can do with it, and its alarms.
struct Post {
    rule: Rule,
    standing: Standing,
    alarms: Alarms,
    /// When the group is to be judged next; `None` before the first time.
    due: Option<Boot>,
    /// Why the last round failed.
    error: Option<String>,
    failures: u64,
    /// The series of its alarms that are in the ring and have not ended there.
    told: BTreeSet<Labels>,
}

/// One rule as a status page shows it.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    pub rule: &'a Rule,
    pub standing: &'a Standing,
    /// Why its last round failed.
    pub error: Option<&'a str>,
    /// Alarms that are pending or firing.
    pub active: usize,
}

/// Judges the local ones of its rules over snapshots. Durations are boot time; the wall clock only labels.
pub struct Judge {
    posts: Vec<Post>,
    ring: Ring,
    /// Labels that every series carries while it is judged: `job` and `instance`, as the central server would set them.
    extra: Labels,
    /// Labels of known series as the rules see them.
    seen: HashMap<Series, Labels>,
    /// What to add to boot time, in ms, to get the time that rules see.
    base: Option<i64>,
    hold_until: Boot,
    /// Series in the ring of alarms whose rules are gone; they end with the next round.
    orphaned: Vec<Labels>,
}

impl Judge {
    /// `exported`: the names of all families that the configured box can export. `extra`: job and instance.
    pub fn new(rules: Vec<Rule>, exported: &Names, extra: Labels) -> Judge {
        let posts: Vec<_> = rules.into_iter().map(|rule| Post::new(rule, exported)).collect();
        let ring = Ring::new(exprs(&posts));
        Judge {
            posts,
            ring,
            extra,
            seen: HashMap::new(),
            base: None,
            hold_until: Boot::default(),
            orphaned: Vec::new(),
        }
    }

    /// Until then no alarm begins to fire and none is resolved; rules are judged, and `for` runs. To be called after the
    /// daemon's own start, before [`Judge::restore`] (two ticks and the time that cameras take to connect), and after a
    /// stall: what the box has not looked at is neither broken nor repaired.
    pub fn hold(&mut self, until: Boot) {
        self.hold_until = self.hold_until.max(until);
    }

    /// Takes back the alarms that were on file when the daemon stopped, and tells nobody about them again.
    ///
    /// A firing alarm goes on firing. A pending one of this boot keeps its time; after a reboot the time since it became
    /// active counts if the wall clock was trusted then and is now, and otherwise its `for` starts anew. Each stays until
    /// its expression returns it again, or until the hold and the longest range of its rule have passed: a rate over
    /// five minutes knows nothing before that. Alarms of rules that are gone are resolved.
    pub fn restore(&mut self, alarms: Vec<Alarm>, now: &Stamp) -> Verdict {
        let mut changes = Changes::default();
        for alarm in alarms {
            let post = self.posts.iter_mut().find(|p| p.standing == Standing::Local && owns(&p.rule, &alarm));
            match post {
                Some(post) => {
                    let guard = self.hold_until.max(now.boot.plus(post.rule.window()));
                    post.alarms.restore(alarm, now, guard);
                }
                None => {
                    let mut orphan = Alarms::default();
                    orphan.restore(alarm, now, now.boot);
                    orphan.clear(now, &mut changes);
                }
            }
        }
        Verdict { changes, series: self.series(now) }
    }

    /// Names that local rules select, and how far before the present they look at most.
    pub fn reaches(&self) -> BTreeMap<String, Duration> {
        let mut all = BTreeMap::new();
        for expr in exprs(&self.posts) {
            for name in expr.names() {
                let reach: &mut Duration = all.entry(name.to_owned()).or_default();
                *reach = (*reach).max(expr.reach());
            }
        }
        all
    }

    /// Takes in what was seen before the start, oldest first, before the first round: for each snapshot how long ago it
    /// was taken, and its values, by their places in `series` (names and labels). What a snapshot lacks had ended by then.
    pub fn recall(&mut self, series: &[(String, Labels)], past: &[(Duration, Vec<(usize, f64)>)], now: &Stamp) {
        let present = self.time(now);
        let series: Vec<_> = series.iter().map(|(name, labels)| dress(name, labels, &self.extra)).collect();
        for (ago, values) in past {
            let at = present.saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX));
            self.ring.push(at, values.iter().map(|(n, value)| (&series[*n], *value)));
        }
    }

    /// Takes in a snapshot and judges every rule that is due. `stamp` is the snapshot's time. Rules are judged in their
    /// order, and each sees the alarms of those before it as this round left them and of the others as the round before
    /// did: so does Prometheus within a group. (Its groups run at their own moments; ours are one after another.)
    pub fn judge(&mut self, snapshot: &Snapshot, stamp: &Stamp) -> Verdict {
        let at = self.time(stamp);
        let heard = self.learn(snapshot, at);
        let mut changes = Changes::default();
        let mut active: usize = self.posts.iter().map(|p| p.alarms.count()).sum();
        for post in self.posts.iter_mut().filter(|p| p.standing == Standing::Local) {
            if !post.is_due(stamp.boot) {
                continue;
            }
            let before = post.alarms.count();
            let room = MOST_ALARMS.saturating_sub(active - before);
            let round = Round { stamp, holding: stamp.boot < self.hold_until, room };
            post.judge(&self.ring, at, &round, &mut changes);
            if heard {
                post.tell(&mut self.ring, stamp);
            }
            active = active - before + post.alarms.count();
        }
        Verdict { changes, series: self.series(stamp) }
    }

    /// Takes other rules, after a reload. Alarms of rules that stay (see [`Rule::same`]) go on; those of rules that went
    /// are resolved.
    pub fn replace_rules(&mut self, rules: Vec<Rule>, exported: &Names, stamp: &Stamp) -> Verdict {
        let mut former = std::mem::take(&mut self.posts);
        let mut changes = Changes::default();
        for rule in rules {
            let mut post = Post::new(rule, exported);
            let same = |f: &Post| f.rule.same(&post.rule) && post.standing == Standing::Local;
            if let Some(at) = former.iter().position(same) {
                let old = former.remove(at);
                let interval = old.rule.group.interval == post.rule.group.interval;
                (post.alarms, post.failures, post.told) = (old.alarms, old.failures, old.told);
                post.due = old.due.filter(|_| interval);
            }
            self.posts.push(post);
        }
        for mut post in former {
            post.alarms.clear(stamp, &mut changes);
            self.orphaned.extend(post.told);
        }
        self.ring.keep(exprs(&self.posts));
        Verdict { changes, series: self.series(stamp) }
    }

    /// Pending and firing alarms.
    pub fn alarms(&self) -> impl Iterator<Item = &Alarm> {
        self.posts.iter().flat_map(|p| p.alarms.iter())
    }

    /// All rules, those that are not judged here among them, in file order.
    pub fn rules(&self) -> impl Iterator<Item = Judged<'_>> {
        self.posts.iter().map(|p| Judged {
            rule: &p.rule,
            standing: &p.standing,
            error: p.error.as_deref(),
            active: p.alarms.count(),
        })
    }

    /// Failed rounds by the name of the local rule, since the rule was loaded.
    pub(super) fn failures(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for post in self.posts.iter().filter(|p| p.standing == Standing::Local) {
            *all.entry(post.rule.name.to_string()).or_default() += post.failures;
        }
        all
    }

    fn series(&self, stamp: &Stamp) -> Vec<(Labels, f64)> {
        self.posts.iter().flat_map(|p| p.alarms.series(stamp)).collect()
    }

    /// The time that rules see, in ms: boot time, moved so that it reads as Unix time. When the wall clock steps, all
    /// samples in memory move with it: `time()` is right at once, and no distance between samples changes.
    fn time(&mut self, stamp: &Stamp) -> i64 {
        let (boot, wall) = (stamp.boot.as_millis() as i64, stamp.wall.as_millis());
        let base = self.base.get_or_insert(wall - boot);
        let off = wall - boot - *base;
        if off.abs() > DRIFT {
            self.ring.shift(off);
            *base += off;
        }
        *base + boot
    }

    /// Puts the rows that rules name into the ring. True if a rule names alarms.
    fn learn(&mut self, snapshot: &Snapshot, at: i64) -> bool {
        let named: BTreeSet<&str> = self.posts.iter().flat_map(|p| p.names()).collect();
        let (extra, seen) = (&self.extra, &mut self.seen);
        let rows: Vec<_> = snapshot.rows.iter().filter(|row| named.contains(&*row.meta.family.name)).collect();
        for row in &rows {
            seen.entry(row.meta.series).or_insert_with(|| dress(&row.meta.family.name, &row.meta.labels, extra));
        }
        let standing: HashSet<Series> = rows.iter().map(|row| row.meta.series).collect();
        let heard = OWN.iter().any(|name| named.contains(name));
        let rows = rows.iter().filter_map(|row| Some((self.seen.get(&row.meta.series)?, row.value)));
        self.ring.push(at, rows);
        self.ring.add(ends(&std::mem::take(&mut self.orphaned)));
        // Also those that were closed and opened again since the tick before, under another number: they did not end.
        if self.seen.len() > standing.len() {
            self.seen.retain(|series, _| standing.contains(series));
        }
        heard
    }
}

/// The stale markers that end these series.
fn ends<'a>(series: impl IntoIterator<Item = &'a Labels>) -> impl Iterator<Item = (&'a Labels, f64)> {
    series.into_iter().map(|labels| (labels, f64::from_bits(STALE)))
}

/// The labels of a series as the central server would store them: `extra` over its own, which are renamed when they
/// clash (`honor_labels: false`).
fn dress(name: &str, labels: &Labels, extra: &Labels) -> Labels {
    labels.under(extra).with([(NAME, name)])
}

fn exprs(posts: &[Post]) -> impl Iterator<Item = &Expr> {
    posts.iter().filter(|p| p.standing == Standing::Local).filter_map(|p| p.rule.body.as_deref().ok())
}

/// Whether a restored alarm is of this rule: the name, and every label that is no template.
fn owns(rule: &Rule, alarm: &Alarm) -> bool {
    let agrees = |(name, template): &(String, crate::alert::template::Template)| {
        template.constant().is_none_or(|text| alarm.labels.get(name).unwrap_or("") == text)
    };
    rule.name == alarm.rule && rule.labels.iter().all(agrees)
}

impl Post {
    fn new(rule: Rule, exported: &Names) -> Post {
        let standing = Standing::of(&rule, exported);
        Post { rule, standing, alarms: Alarms::default(), due: None, error: None, failures: 0, told: BTreeSet::new() }
    }

    /// Names that a local rule selects.
    fn names(&self) -> impl Iterator<Item = &str> {
        let local = self.standing == Standing::Local;
        self.rule.body.iter().filter(move |_| local).flat_map(|expr| expr.names())
    }

    /// Puts its alarms into the ring, for the rules that name them; those that it told of before and no longer has end.
    fn tell(&mut self, ring: &mut Ring, stamp: &Stamp) {
        let series: BTreeMap<_, _> = self.alarms.series(stamp).collect();
        ring.add(series.iter().map(|(labels, value)| (labels, *value)));
        ring.add(ends(self.told.iter().filter(|labels| !series.contains_key(labels))));
        self.told = series.into_keys().collect();
    }

    fn is_due(&mut self, at: Boot) -> bool {
        let Some(interval) = self.rule.group.interval else { return true };
        let mut due = self.due.unwrap_or(at);
        if at.plus(interval.mul_f64(EARLY)) < due {
            return false;
        }
        // Rounds that were missed are not made up for.
        while due.since(at) <= interval.mul_f64(EARLY) {
            due = due.plus(interval);
        }
        self.due = Some(due);
        true
    }

    fn judge(&mut self, ring: &Ring, at: i64, round: &Round<'_>, changes: &mut Changes) {
        let Ok(expr) = &self.rule.body else { return };
        let done = match expr.eval(ring, at) {
            Ok(Value::Vector(points)) => self.alarms.step(&self.rule, &points, round, changes),
            Ok(Value::Scalar(value)) => {
                let point = Point { labels: Labels::default(), value };
                self.alarms.step(&self.rule, &[point], round, changes)
            }
            Ok(Value::Text(_)) => Err("rule result is not a vector or scalar".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        self.failures += u64::from(done.is_err());
        let error = done.err();
        if error != self.error {
            let (rule, position) = (&*self.rule.name, self.rule.position());
            match &error {
                Some(error) => {
                    tracing::warn!(rule, position, error, "rule cannot be judged, its alarms stay as they were")
                }
                None => tracing::info!(rule, position, "rule is judged again"),
            }
            self.error = error;
        }
    }
}

#[cfg(test)]
mod tests;
