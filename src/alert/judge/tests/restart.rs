//! What goes on over a restart.

use super::*;

#[test]
fn a_range_that_was_recalled_is_full_in_the_first_round() {
    let rule = "alert: Losing, expr: 'increase(camera_lost_total[1m]) > 50'";
    let named = |camera: &str| ("camera_lost_total".to_owned(), Labels::new([("camera_id", camera)]));
    let series = [named("yard"), named("door")];
    for recalled in [false, true] {
        let mut s = Stage::new(&[rule]);
        assert_eq!(s.judge.reaches(), [("camera_lost_total".to_owned(), Duration::from_secs(60))].into());
        s.sim.advance(Duration::from_secs(600));
        // Ten lost in each of the last twelve ticks, and the daemon was away for one of them.
        let at = |n: u64| (Duration::from_secs(n * TICK), vec![(0, 1000.0 - n as f64 * 10.0), (1, 7.0)]);
        let past: Vec<_> = (2..=13).rev().map(at).collect();
        if recalled {
            let now = s.stamp();
            s.judge.recall(&series, &past, &now);
        }
        // A counter begins anew with its process.
        s.set(&LOST, "yard", Some(0.0));
        let fired = told(&s.tick());
        assert_eq!(fired, if recalled { vec!["Firing Losing"] } else { vec![] });
    }
}

#[test]
fn what_was_recalled_is_never_taken_for_the_present() {
    let mut s = Stage::new(&[DOWN, "alert: Absent, expr: absent(camera_fps)"]);
    let series = [("camera_fps".to_owned(), Labels::new([("camera_id", "yard")]))];
    s.judge.recall(&series, &[(Duration::from_secs(TICK), vec![(0, 1.0)])], &s.stamp());
    assert_eq!(told(&s.tick()), ["Firing Absent"], "nothing was read yet, whatever there was before");
    assert_eq!(s.phases(), ["Firing Absent"]);
}

#[test]
fn keep_firing_for_goes_on_over_a_restart_and_over_a_reboot_by_trusted_clocks() {
    let rule = "alert: Down, expr: camera_fps < 5, keep_firing_for: 5m";
    // Ticks until it is resolved after 70 s of missing and 30 s of a stop: what is left of five minutes.
    for (reboot, trusted, left) in [(false, true, 40), (true, true, 40), (true, false, 60)] {
        let mut s = Stage::new(&[rule]);
        assert_eq!(s.fps(1.0), ["Firing Down"]);
        s.sim.step_wall(0, trusted);
        let mut kept = Vec::new();
        for _ in 0..15 {
            s.set(&FPS, "yard", Some(25.0));
            kept.extend(s.tick().changes.keep);
        }
        assert_eq!(kept.len(), 1, "it is put on file once, when it is worth a write");
        assert!(kept[0].missing.is_some() && kept[0].phase == Phase::Firing);
        s.sim.advance(Duration::from_secs(30));
        if reboot {
            s.boot_id = "two".into();
        }
        s.restart(&[rule], 10);
        let until = (1..100).find(|_| s.fps(25.0) == ["Resolved Down"]);
        assert_eq!(until, Some(left), "reboot: {reboot}, trusted: {trusted}");
    }
}

#[test]
fn an_alarm_that_comes_back_while_it_is_kept_is_no_longer_missing_on_file() {
    let rule = "alert: Down, expr: camera_fps < 5, keep_firing_for: 5m";
    let mut s = Stage::new(&[rule]);
    s.fps(1.0);
    (0..15).for_each(|_| drop(s.fps(25.0)));
    s.set(&FPS, "yard", Some(1.0));
    let verdict = s.tick();
    assert_eq!((told(&verdict), verdict.changes.keep.len()), (vec![], 1));
    assert_eq!(verdict.changes.keep[0].missing, None);
}
