//! The life of one rule's alarms: Prometheus' state machine (rules/alerting.go 2.42, AlertingRule.Eval), in boot time.

use crate::alert::file::Rule;
use crate::alert::template::Given;
use crate::base::clock::Boot;
use crate::metric::alarm::{Alarm, Phase, Stamp, Transition};
use crate::metric::labels::Labels;
use crate::query::{NAME, Point};
use std::collections::BTreeMap;
use std::time::Duration;

/// A pending alarm is put on file once it is this old, so that a restart does not start its `for` anew; and a firing one
/// once it is missing for so long, for the sake of its `keep_firing_for`. Younger ones
/// are not worth a write: an expression that flaps would cost a flash transaction each time.
const KEPT_FROM: Duration = Duration::from_secs(60);

/// What one round changed.
#[derive(Debug, Default, PartialEq)]
pub struct Changes {
    /// To be told and logged: alarms that began to fire, and fired ones that were resolved.
    pub transitions: Vec<Transition>,
    /// To be put on file: the alarms of all transitions, and pending ones old enough. A pending alarm that went away
    /// comes as resolved without having fired.
    pub keep: Vec<Alarm>,
}

impl Changes {
    fn tell(&mut self, alarm: &Alarm, at: &Stamp) {
        self.transitions.push(Transition { alarm: alarm.clone(), at: at.clone() });
        self.keep.push(alarm.clone());
    }
}

/// One alarm and what is needed to carry it on.
#[derive(Debug, Clone)]
struct Live {
    alarm: Alarm,
    /// The expression holds since then, on this boot's clock; what held before that is in `ran`.
    since: Boot,
    ran: Duration,
    /// Firing, and missing from the results since then (`keep_firing_for`): as `since` and `ran`.
    missing: Option<(Boot, Duration)>,
    /// That it is missing is on file.
    missing_kept: bool,
    /// On file.
    kept: bool,
    /// Restored, and not yet seen again: it stays until then.
    guard: Option<Boot>,
}

impl Live {
    fn age(&self, at: Boot) -> Duration {
        self.ran + at.since(self.since)
    }
    /// How long it is missing, while it is.
    fn missed(&self, at: Boot) -> Option<Duration> {
        self.missing.map(|(since, ran)| ran + at.since(since))
    }
    /// The expression returned it.
    fn found(&mut self, changes: &mut Changes) {
        (self.missing, self.guard, self.alarm.missing) = (None, None, None);
        if std::mem::take(&mut self.missing_kept) {
            changes.keep.push(self.alarm.clone());
        }
    }
    /// Ends it; tells those who heard of it.
    fn end(mut self, stamp: &Stamp, changes: &mut Changes) {
        self.alarm.resolved = Some(stamp.clone());
        let fired = self.alarm.phase == Phase::Firing;
        self.alarm.phase = Phase::Resolved;
        if fired {
            changes.tell(&self.alarm, stamp);
        } else if self.kept {
            changes.keep.push(self.alarm);
        }
    }
}

/// One round of judging, as a rule sees it.
pub(super) struct Round<'a> {
    pub stamp: &'a Stamp,
    /// No alarm begins to fire and none is resolved: the box has not seen enough of the world yet.
    pub holding: bool,
    /// Alarms that may be added.
    pub room: usize,
}

/// The alarms of one rule, by their labels.
#[derive(Debug, Default)]
pub(super) struct Alarms(BTreeMap<Labels, Live>);

impl Alarms {
    pub fn iter(&self) -> impl Iterator<Item = &Alarm> {
        self.0.values().map(|live| &live.alarm)
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Takes in what the rule's expression returned. An error leaves all alarms as they are, except beyond the group's
    /// `limit`, where Prometheus forgets them: those that fired are resolved.
    pub fn step(
        &mut self,
        rule: &Rule,
        points: &[Point],
        round: &Round<'_>,
        changes: &mut Changes,
    ) -> Result<(), String> {
        let (stamp, at) = (round.stamp, round.stamp.boot);
        let mut found = BTreeMap::new();
        for point in points {
            let labels = identity(rule, point);
            if found.insert(labels, point).is_some() {
                return Err("vector contains metrics with the same labelset after applying alert labels".to_owned());
            }
        }
        let mut refused = 0;
        for (labels, point) in &found {
            let annotations = annotations(rule, point);
            if let Some(live) = self.0.get_mut(labels) {
                (live.alarm.value, live.alarm.annotations) = (point.value, annotations);
                live.found(changes);
            } else if self.0.len() < round.room {
                let alarm = Alarm {
                    rule: rule.name.clone(),
                    labels: labels.clone(),
                    annotations,
                    value: point.value,
                    phase: Phase::Pending,
                    active: stamp.clone(),
                    fired: None,
                    missing: None,
                    resolved: None,
                };
                let live = Live {
                    alarm,
                    since: at,
                    ran: Duration::ZERO,
                    missing: None,
                    missing_kept: false,
                    kept: false,
                    guard: None,
                };
                self.0.insert(labels.clone(), live);
            } else {
                refused += 1;
            }
        }
        for (labels, mut live) in std::mem::take(&mut self.0) {
            if found.contains_key(&labels) || live.stays(rule, round) {
                self.0.insert(labels, live);
            } else {
                live.end(stamp, changes);
            }
        }
        if rule.group.limit > 0 && self.0.len() > rule.group.limit {
            let count = self.0.len();
            self.clear(stamp, changes);
            return Err(format!("exceeded limit of {} with {count} alerts", rule.group.limit));
        }
        for live in self.0.values_mut().filter(|l| l.alarm.phase == Phase::Pending && l.guard.is_none()) {
            if live.age(at) >= rule.hold && !round.holding {
                live.alarm.phase = Phase::Firing;
                live.alarm.fired = Some(stamp.clone());
                live.kept = true;
                changes.tell(&live.alarm, stamp);
            } else if live.age(at) >= KEPT_FROM && !live.kept {
                live.kept = true;
                changes.keep.push(live.alarm.clone());
            }
        }
        for live in self.0.values_mut().filter(|l| !l.missing_kept) {
            if live.missed(at).is_some_and(|missed| missed >= KEPT_FROM) {
                live.missing_kept = true;
                changes.keep.push(live.alarm.clone());
            }
        }
        match refused {
            0 => Ok(()),
            n => Err(format!("no room for {n} more alarms on this box")),
        }
    }

    /// Ends all of them.
    pub fn clear(&mut self, stamp: &Stamp, changes: &mut Changes) {
        for live in std::mem::take(&mut self.0).into_values() {
            live.end(stamp, changes);
        }
    }

    /// Takes back an alarm from before a restart, without telling anyone. See [`super::Judge::restore`].
    pub fn restore(&mut self, mut alarm: Alarm, now: &Stamp, guard: Boot) {
        let (since, ran) = passed(&alarm.active, now).unwrap_or_else(|| {
            if alarm.phase == Phase::Pending {
                alarm.active = now.clone();
            }
            (now.boot, Duration::ZERO)
        });
        // Where the clocks cannot tell, it is missing from now on.
        let missing = alarm.missing.as_ref().map(|at| passed(at, now).unwrap_or((now.boot, Duration::ZERO)));
        let live = Live { since, ran, missing, missing_kept: missing.is_some(), kept: true, guard: Some(guard), alarm };
        self.0.insert(live.alarm.labels.clone(), live);
    }

    /// `ALERTS` and `ALERTS_FOR_STATE`, one of each per alarm. The value of the latter is when the alarm became active,
    /// in Unix seconds by today's wall clock.
    pub fn series<'a>(&'a self, stamp: &'a Stamp) -> impl Iterator<Item = (Labels, f64)> + 'a {
        self.0.values().flat_map(move |live| {
            let (labels, state) = (&live.alarm.labels, crate::base::label::Label::label(live.alarm.phase));
            let active = stamp.wall.minus(live.age(stamp.boot)).as_millis().div_euclid(1000);
            [
                (labels.with([(NAME, "ALERTS"), ("alertstate", state)]), 1.0),
                (labels.with([(NAME, "ALERTS_FOR_STATE")]), active as f64),
            ]
        })
    }
}

impl Live {
    /// An alarm that the expression no longer returns: does it stay for now?
    fn stays(&mut self, rule: &Rule, round: &Round<'_>) -> bool {
        let at = round.stamp.boot;
        if self.guard.is_some_and(|until| at < until) {
            return true;
        }
        if self.alarm.phase == Phase::Pending {
            return false;
        }
        if self.missing.is_none() {
            (self.missing, self.alarm.missing) = (Some((at, Duration::ZERO)), Some(round.stamp.clone()));
        }
        round.holding || self.missed(at).is_some_and(|missed| missed < rule.keep)
    }
}

/// Since when something holds that began at `stamp`, on this boot's clock, and for how long it held before that. `None`
/// where the clocks cannot tell: another boot, and a wall clock that was or is not trusted.
fn passed(stamp: &Stamp, now: &Stamp) -> Option<(Boot, Duration)> {
    if stamp.boot_id == now.boot_id {
        return Some((stamp.boot, Duration::ZERO));
    }
    let ms = now.wall.as_millis().saturating_sub(stamp.wall.as_millis());
    (stamp.trusted && now.trusted).then(|| (now.boot, Duration::from_millis(u64::try_from(ms).unwrap_or(0))))
}

/// The labels that make the alarm: the series' own without its name, the rule's over them, and `alertname`.
fn identity(rule: &Rule, point: &Point) -> Labels {
    let given = Given { labels: &point.labels, value: point.value };
    let own: Vec<_> = rule.labels.iter().map(|(n, t)| (n.as_str(), t.expand(&rule.name, &given))).collect();
    let own = own.iter().map(|(name, value)| (*name, value.as_str()));
    point.labels.without(&[NAME]).with(own.chain([("alertname", &*rule.name)]))
}

fn annotations(rule: &Rule, point: &Point) -> Labels {
    let given = Given { labels: &point.labels, value: point.value };
    Labels::new(rule.annotations.iter().map(|(name, template)| (name, template.expand(&rule.name, &given))))
}
