use super::*;
use crate::alert::file::parse;
use crate::base::clock::{Sim, Window};
use crate::metric::alarm::Phase;
use crate::metric::book::{Book, Hold};
use crate::metric::desc::{Desc, Unit};
use crate::metric::latest::Latest;
use crate::metric::report::{NoData, Report};
use crate::query::Compat;
use std::sync::Arc;
use std::time::Duration;

mod restart;

static FPS: Desc<1> = Desc::gauge("camera_fps", Unit::PerSecond, ["camera_id"], "frames");
static SEEN: Desc<1> = Desc::gauge("camera_last_frame_timestamp", Unit::Seconds, ["camera_id"], "when");
static LOST: Desc<1> = Desc::counter("camera_lost_total", Unit::Count, ["camera_id"], "lost");

const DOWN: &str = "alert: Down, expr: camera_fps < 5, for: 10s";
const TICK: u64 = 5;

/// A box with a simulated clock and a judge.
struct Stage {
    sim: Sim,
    book: Book,
    latest: Latest,
    judge: Judge,
    boot_id: Arc<str>,
}

fn rules(lines: &[&str]) -> Vec<Rule> {
    let listed: Vec<_> = lines.iter().map(|line| format!("{{{line}}}")).collect();
    let text = format!("groups: [{{name: g, rules: [{}]}}]", listed.join(", "));
    let sheet = parse(&text, "g.yml", Compat::V3);
    assert_eq!(sheet.faults, []);
    sheet.rules
}

fn exported() -> Names {
    ["camera_fps", "camera_last_frame_timestamp", "camera_lost_total"].into_iter().collect()
}

impl Stage {
    fn new(lines: &[&str]) -> Stage {
        let book = Book::default();
        let judge = Judge::new(rules(lines), &exported(), Labels::new([("job", "vedette"), ("instance", "box")]));
        Stage { sim: Sim::new(), latest: Latest::new(book.clone()), book, judge, boot_id: "one".into() }
    }
    fn stamp(&self) -> Stamp {
        let now = self.sim.clock().now();
        Stamp { wall: now.wall, boot: now.boot, boot_id: self.boot_id.clone(), trusted: now.trusted }
    }
    fn set(&mut self, desc: &'static Desc<1>, camera: &str, value: Option<f64>) {
        let at = self.sim.clock().boot();
        let series = self.book.open(desc, [camera], Hold::Own);
        self.latest.apply(Report::new(Window { from: at, to: at }).maybe(series, value, NoData::Timeout));
    }
    /// One tick later.
    fn tick(&mut self) -> Verdict {
        self.sim.advance(Duration::from_secs(TICK));
        let snapshot = self.latest.snapshot(self.sim.clock().now());
        let stamp = self.stamp();
        self.judge.judge(&snapshot, &stamp)
    }
    /// Sets the frame rate of `yard` and lets a tick pass; what was told, as `phase name`.
    fn fps(&mut self, value: f64) -> Vec<String> {
        self.set(&FPS, "yard", Some(value));
        told(&self.tick())
    }
    /// As after a restart of the daemon: everything in memory is gone, the alarms on file come back.
    fn restart(&mut self, lines: &[&str], hold: u64) -> Vec<String> {
        let alarms: Vec<_> = self.judge.alarms().cloned().collect();
        self.book = Book::default();
        self.latest = Latest::new(self.book.clone());
        self.judge = Judge::new(rules(lines), &exported(), Labels::new([("job", "vedette"), ("instance", "box")]));
        let now = self.stamp();
        self.judge.hold(now.boot.plus(Duration::from_secs(hold)));
        told(&self.judge.restore(alarms, &now))
    }
    fn phases(&self) -> Vec<String> {
        self.judge.alarms().map(|a| format!("{:?} {}", a.phase, a.rule)).collect()
    }
}

fn told(verdict: &Verdict) -> Vec<String> {
    let one = |t: &crate::metric::alarm::Transition| format!("{:?} {}", t.alarm.phase, t.alarm.rule);
    verdict.changes.transitions.iter().map(one).collect()
}

#[test]
fn an_alarm_is_pending_then_fires_then_is_resolved_with_its_labels_and_words() {
    let mut s = Stage::new(&["alert: Down, expr: camera_fps < 5, for: 10s, labels: {severity: page}, \
         annotations: {summary: '{{ $labels.instance }} {{ $labels.camera_id }} {{ $value }} fps'}"]);
    assert_eq!(s.fps(25.0), [""; 0]);
    assert_eq!(s.fps(1.0), [""; 0]);
    assert_eq!(s.phases(), ["Pending Down"]);
    assert_eq!(s.fps(2.0), [""; 0]);
    s.set(&FPS, "yard", Some(2.5));
    let verdict = s.tick();
    assert_eq!(told(&verdict), ["Firing Down"]);
    let alarm = &verdict.changes.transitions[0].alarm;
    assert_eq!(
        alarm.labels.to_string(),
        r#"{alertname="Down",camera_id="yard",instance="box",job="vedette",severity="page"}"#
    );
    assert_eq!(alarm.annotations.get("summary"), Some("box yard 2.5 fps"));
    assert_eq!(verdict.changes.keep, std::slice::from_ref(alarm));
    assert_eq!(alarm.fired.as_ref().map(|f| f.boot.since(alarm.active.boot)), Some(Duration::from_secs(10)));
    let series: Vec<_> = verdict.series.iter().map(|(l, v)| (l.get(NAME), l.get("alertstate"), *v)).collect();
    let active = alarm.active.wall.as_millis() as f64 / 1000.0;
    assert_eq!(series, [(Some("ALERTS"), Some("firing"), 1.0), (Some("ALERTS_FOR_STATE"), None, active)]);
    assert_eq!(s.fps(25.0), ["Resolved Down"]);
    assert_eq!(s.phases(), [""; 0]);
}

#[test]
fn a_withdrawn_reading_ends_the_alarm_at_once_by_its_stale_marker() {
    let mut s = Stage::new(&["alert: Down, expr: camera_fps < 5"]);
    assert_eq!(s.fps(1.0), ["Firing Down"]);
    s.set(&FPS, "yard", None);
    assert_eq!(told(&s.tick()), ["Resolved Down"]);
}

#[test]
fn a_step_of_the_wall_clock_moves_neither_for_nor_a_rate_and_time_is_right_at_once() {
    let mut s = Stage::new(&[
        DOWN,
        "alert: Losing, expr: 'irate(camera_lost_total[30s]) != 1 or count_over_time(camera_lost_total[28s]) > 6'",
        "alert: Old, expr: time() - camera_last_frame_timestamp > 20",
    ]);
    for n in 0..20 {
        if n == 3 {
            s.sim.step_wall(-1_700_000_000_000, false);
        }
        if n == 8 {
            s.sim.step_wall(1_767_000_000_000, true);
        }
        s.set(&FPS, "yard", Some(if n < 7 { 25.0 } else { 1.0 }));
        s.set(&LOST, "yard", Some(f64::from(n) * TICK as f64));
        let wall = s.stamp().wall.as_secs_f64();
        s.set(&SEEN, "yard", Some(wall));
        assert_eq!(told(&s.tick()), if n == 9 { vec!["Firing Down"] } else { vec![] }, "tick {n}");
    }
}

#[test]
fn a_firing_alarm_survives_a_restart_untold_and_is_resolved_when_the_world_is_known_to_be_well() {
    let mut s = Stage::new(&["alert: Down, expr: camera_fps < 5"]);
    assert_eq!(s.fps(1.0), ["Firing Down"]);
    assert_eq!(s.restart(&["alert: Down, expr: camera_fps < 5"], 20), [""; 0]);
    for _ in 0..3 {
        assert_eq!(told(&s.tick()), [""; 0], "nothing is known of the camera yet");
    }
    assert_eq!(s.phases(), ["Firing Down"]);
    assert_eq!(s.fps(25.0), ["Resolved Down"]);
}

#[test]
fn a_restored_alarm_that_is_still_true_is_never_told_again() {
    let mut s = Stage::new(&[DOWN]);
    let all: Vec<_> = (0..4).flat_map(|_| s.fps(1.0)).collect();
    assert_eq!(all, ["Firing Down"]);
    s.restart(&[DOWN], 15);
    let all: Vec<_> = (0..10).flat_map(|_| s.fps(1.0)).collect();
    assert_eq!(all, [""; 0]);
    assert_eq!(s.fps(25.0), ["Resolved Down"]);
}

#[test]
fn a_restored_alarm_over_a_range_waits_until_the_range_is_full() {
    let rule = "alert: Losing, expr: 'increase(camera_lost_total[1m]) > 50'";
    let mut s = Stage::new(&[rule]);
    let mut lost = 0.0;
    let mut count = |s: &mut Stage, step: f64| {
        lost += step;
        s.set(&LOST, "yard", Some(lost));
        told(&s.tick())
    };
    let all: Vec<_> = (0..20).flat_map(|_| count(&mut s, 10.0)).collect();
    assert_eq!(all, ["Firing Losing"]);
    s.restart(&[rule], 10);
    for n in 1..12 {
        assert_eq!(count(&mut s, 1.0), [""; 0], "tick {n} of 12");
    }
    assert_eq!(count(&mut s, 1.0), ["Resolved Losing"]);
}

#[test]
fn a_pending_alarm_keeps_its_time_over_a_restart_but_over_a_reboot_only_by_trusted_clocks() {
    let rule = "alert: Down, expr: camera_fps < 5, for: 60s";
    for (reboot, trusted_before, trusted_now, left) in
        [(false, false, false, 7), (true, true, true, 7), (true, false, true, 12), (true, true, false, 12)]
    {
        let mut s = Stage::new(&[rule]);
        s.sim.step_wall(0, trusted_before);
        for _ in 0..6 {
            assert_eq!(s.fps(1.0), [""; 0]);
        }
        if reboot {
            s.boot_id = "two".into();
        }
        s.sim.step_wall(0, trusted_now);
        s.restart(&[rule], 10);
        let ticks = (1..20).find(|_| !s.fps(1.0).is_empty());
        assert_eq!(ticks, Some(left), "reboot {reboot}, trusted {trusted_before} {trusted_now}");
    }
}

#[test]
fn while_the_judge_holds_nothing_fires_and_nothing_is_resolved() {
    let mut s = Stage::new(&["alert: Down, expr: camera_fps < 5", "alert: Fast, expr: camera_fps > 20"]);
    assert_eq!(s.fps(1.0), ["Firing Down"]);
    s.judge.hold(s.stamp().boot.plus(Duration::from_secs(12)));
    assert_eq!(s.fps(25.0), [""; 0]);
    assert_eq!(s.phases(), ["Firing Down", "Pending Fast"]);
    assert_eq!(s.fps(25.0), [""; 0]);
    assert_eq!(s.fps(25.0), ["Resolved Down", "Firing Fast"]);
}

#[test]
fn a_reload_keeps_alarms_and_samples_of_rules_that_stay_and_resolves_those_of_rules_that_went() {
    let losing = "alert: Losing, expr: 'increase(camera_lost_total[20s]) > 10'";
    let mut s = Stage::new(&["alert: Down, expr: camera_fps < 5", "alert: Slow, expr: camera_fps < 9", losing]);
    for n in 0..6 {
        s.set(&LOST, "yard", Some(f64::from(n) * 5.0));
        s.fps(1.0);
    }
    assert_eq!(s.phases(), ["Firing Down", "Firing Slow", "Firing Losing"]);
    let next = rules(&[losing, "alert: Down, expr: camera_fps < 6, for: 1m", "alert: New, expr: camera_fps < 5"]);
    let stamp = s.stamp();
    let verdict = s.judge.replace_rules(next, &exported(), &stamp);
    assert_eq!(told(&verdict), ["Resolved Slow"]);
    s.set(&LOST, "yard", Some(30.0));
    assert_eq!(s.fps(1.0), ["Firing New"]);
    assert_eq!(s.phases(), ["Firing Losing", "Firing Down", "Firing New"]);
}

#[test]
fn alarms_of_rules_that_went_while_the_daemon_was_down_are_resolved() {
    let mut s = Stage::new(&["alert: Down, expr: camera_fps < 5, labels: {severity: page}"]);
    s.fps(1.0);
    assert_eq!(s.restart(&["alert: Down, expr: camera_fps < 5, labels: {severity: ticket}"], 10), ["Resolved Down"]);
}

#[test]
fn a_failed_round_leaves_the_alarms_as_they_were_and_is_counted() {
    let mut s = Stage::new(&["alert: Down, expr: 'camera_fps < 5 and on () (camera_lost_total + on () camera_fps)'"]);
    s.set(&LOST, "yard", Some(0.0));
    assert_eq!(s.fps(1.0), ["Firing Down"]);
    s.set(&FPS, "gate", Some(1.0));
    assert_eq!(told(&s.tick()), [""; 0]);
    assert!(s.judge.rules().next().unwrap().error.is_some_and(|e| e.contains("many-to-many")));
    assert_eq!(s.judge.failures(), BTreeMap::from([("Down".to_owned(), 1)]));
    assert_eq!(s.phases(), ["Firing Down"]);
    s.set(&FPS, "gate", None);
    assert_eq!(told(&s.tick()), [""; 0]);
    assert_eq!(s.judge.rules().next().unwrap().error, None);
}

#[test]
fn two_series_that_become_one_alarm_are_an_error_of_the_rule() {
    let mut s = Stage::new(&["alert: Down, expr: camera_fps < 5, labels: {camera_id: all}"]);
    assert_eq!(s.fps(1.0), ["Firing Down"]);
    s.set(&FPS, "gate", Some(1.0));
    assert_eq!(told(&s.tick()), [""; 0]);
    assert_eq!(s.judge.failures()["Down"], 1);
    assert_eq!(s.phases(), ["Firing Down"]);
}

#[test]
fn beyond_the_limit_of_its_group_a_rule_has_no_alarms() {
    let mut s = Stage::new(&[]);
    let text = "groups: [{name: g, limit: 1, rules: [{alert: Down, expr: camera_fps < 5}]}]";
    let rules = parse(text, "g.yml", Compat::V3).rules;
    s.judge = Judge::new(rules, &exported(), Labels::default());
    assert_eq!(s.fps(1.0), ["Firing Down"]);
    s.set(&FPS, "gate", Some(1.0));
    assert_eq!(told(&s.tick()), ["Resolved Down"]);
    assert_eq!(s.judge.rules().next().unwrap().error, Some("exceeded limit of 1 with 2 alerts"));
}

#[test]
fn a_group_with_an_interval_is_judged_that_often_even_when_ticks_jitter() {
    let mut s = Stage::new(&[]);
    let text = "groups: [{name: g, interval: 15s, rules: [{alert: Down, expr: camera_fps < 5}]}]";
    s.judge = Judge::new(parse(text, "g.yml", Compat::V3).rules, &exported(), Labels::default());
    let mut told = Vec::new();
    for n in 0..12_u64 {
        // Intervals of 5.1 s and 5 s by turns.
        s.sim.advance(Duration::from_millis(if n % 2 == 0 { 100 } else { 0 }));
        told.push(s.fps(if n == 1 || n > 4 { 1.0 } else { 25.0 }).concat());
    }
    assert_eq!(told.iter().position(|t| t == "Firing Down"), Some(6), "{told:?}: rounds are ticks 0, 3, 6, 9");
}

#[test]
fn a_rule_sees_the_alarms_of_those_before_it_at_once_and_of_those_behind_it_a_round_later() {
    let any =
        |name: &str| format!("alert: {name}, expr: 'count(ALERTS{{alertstate=\"firing\",alertname=\"Down\"}}) > 0'");
    let mut s = Stage::new(&[&any("Before"), "alert: Down, expr: camera_fps < 5", &any("Behind")]);
    assert_eq!(s.fps(1.0), ["Firing Down", "Firing Behind"]);
    assert_eq!(s.fps(1.0), ["Firing Before"]);
    assert_eq!(s.fps(25.0), ["Resolved Down", "Resolved Behind"]);
    assert_eq!(s.fps(25.0), ["Resolved Before"]);
}

#[test]
fn the_alarms_of_a_group_that_is_not_due_stand_and_those_of_a_rule_that_went_end() {
    let text = "groups: [{name: a, interval: 20s, rules: [{alert: Down, expr: camera_fps < 5}]}, \
        {name: b, rules: [{alert: Any, expr: 'count(ALERTS{alertname=\"Down\"}) > 0'}]}]";
    let mut s = Stage::new(&[]);
    let rules = parse(text, "g.yml", Compat::V3).rules;
    s.judge = Judge::new(rules.clone(), &exported(), Labels::default());
    assert_eq!(s.fps(1.0), ["Firing Down", "Firing Any"]);
    for _ in 0..3 {
        assert_eq!(s.fps(25.0), [""; 0], "a was not judged again");
    }
    assert_eq!(s.fps(1.0), [""; 0], "still down");
    let stamp = s.stamp();
    let verdict = s.judge.replace_rules(rules[1..].to_vec(), &exported(), &stamp);
    assert_eq!(told(&verdict), ["Resolved Down"]);
    assert_eq!(s.fps(1.0), ["Resolved Any"]);
}

#[test]
fn a_pending_alarm_is_put_on_file_after_a_minute_and_a_flapping_one_never() {
    let mut s = Stage::new(&["alert: Down, expr: camera_fps < 5, for: 1h"]);
    let mut kept = Vec::new();
    for n in 0..20 {
        s.set(&FPS, "yard", Some(if n < 6 && n % 2 == 0 { 25.0 } else { 1.0 }));
        let keep = s.tick().changes.keep;
        kept.extend(keep.iter().map(|a| (n, a.phase)));
    }
    assert_eq!(kept, [(17, Phase::Pending)], "true since tick 5");
    s.set(&FPS, "yard", Some(25.0));
    let changes = s.tick().changes;
    assert_eq!(changes.transitions, []);
    assert_eq!(
        changes.keep.iter().map(|a| (a.phase, a.fired.is_some())).collect::<Vec<_>>(),
        [(Phase::Resolved, false)]
    );
}

#[test]
fn alarms_are_bounded_and_what_finds_no_room_is_an_error() {
    let mut s = Stage::new(&["alert: A, expr: camera_fps < 5", "alert: B, expr: camera_fps < 5"]);
    for n in 0..6000 {
        s.set(&FPS, &format!("c{n}"), Some(1.0));
    }
    s.tick();
    s.tick();
    assert_eq!(s.judge.alarms().count(), MOST_ALARMS);
    let errors: Vec<_> = s.judge.rules().map(|j| j.error).collect();
    assert_eq!(errors, [None, Some("no room for 2000 more alarms on this box")]);
}

#[test]
fn a_label_that_the_node_also_sets_is_renamed_as_prometheus_does() {
    static JOB: Desc<1> = Desc::gauge("camera_fps", Unit::PerSecond, ["job"], "frames");
    let mut s = Stage::new(&["alert: Down, expr: camera_fps < 5"]);
    s.set(&JOB, "x", Some(1.0));
    s.tick();
    let labels = s.judge.alarms().next().unwrap().labels.to_string();
    assert_eq!(labels, r#"{alertname="Down",exported_job="x",instance="box",job="vedette"}"#);
}

#[test]
fn the_judge_counts_rules_alarms_and_failures_and_forgets_those_of_rules_that_went() {
    use crate::alert::meters::Meters;
    let failing = "alert: Odd, expr: 'camera_fps + on () camera_fps'";
    let mut s = Stage::new(&[DOWN, failing, "alert: Up, expr: up == 0"]);
    let own = Book::default();
    let mut page = Latest::new(own.clone());
    let mut meters = Meters::open(&own, &s.judge);
    s.set(&FPS, "gate", Some(1.0));
    s.fps(1.0);
    let mut show = |s: &Stage, meters: &Meters| {
        let at = s.sim.clock().now();
        let mut report = Report::new(Window { from: at.boot, to: at.boot });
        meters.fill(&s.judge, &mut report);
        page.apply(&report);
        let rows = page.snapshot(at).rows;
        rows.iter().map(|r| format!("{}{} {}", r.meta.family.name, r.meta.labels, r.value)).collect::<Vec<_>>()
    };
    let wanted = [
        r#"vedette_alerts_active{phase="firing"} 0"#,
        r#"vedette_alerts_active{phase="pending"} 2"#,
        r#"vedette_rule_evaluation_failures_total{rule="Down"} 0"#,
        r#"vedette_rule_evaluation_failures_total{rule="Odd"} 1"#,
        r#"vedette_rules{standing="broken"} 0"#,
        r#"vedette_rules{standing="foreign"} 1"#,
        r#"vedette_rules{standing="local"} 2"#,
        r#"vedette_rules{standing="unsupported"} 0"#,
    ];
    assert_eq!(show(&s, &meters), wanted);
    let stamp = s.stamp();
    s.judge.replace_rules(rules(&[DOWN]), &exported(), &stamp);
    meters.turn(&s.judge);
    let after = show(&s, &meters);
    assert!(!after.iter().any(|row| row.contains("Odd")) && after.iter().any(|row| row.contains("Down")), "{after:?}");
}

#[test]
fn a_series_closed_and_opened_again_between_two_ticks_is_remembered_once() {
    let mut stage = Stage::new(&[DOWN]);
    for _ in 0..10 {
        stage.fps(25.0);
        let series = stage.book.open(&FPS, ["yard"], Hold::Own);
        stage.book.close(&[series], &[]);
    }
    stage.fps(25.0);
    assert_eq!(stage.judge.seen.len(), 1);
}
