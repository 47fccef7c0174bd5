//! The ledger over restarts of the daemon and of the box, and over looks that hang.

use super::*;
use crate::base::clock::Wall;

/// The same recording, watched anew with what was remembered.
fn again(rig: Rig, text: &str) -> Rig {
    Rig::over(text, rig.sim, rig.folders, rig.memory)
}

#[test]
fn a_gap_that_began_before_a_restart_goes_on_with_its_start() {
    let mut rig = Rig::new(FLAT);
    rig.segments(2);
    rig.pass(30);
    assert_eq!(rig.gaps().0, 1.0);
    rig.sim.advance(Duration::from_secs(100));
    let mut rig = again(rig, FLAT);
    rig.look();
    // Of its 131 seconds 21 were counted when it opened, which was remembered.
    assert_eq!((rig.value("recording_gap_open"), rig.gaps()), (1.0, (0.0, 110.0)));
    assert!(rig.notes.is_empty(), "it was told before: {:?}", rig.notes);
    rig.segments(1);
    assert_eq!(rig.gaps(), (0.0, 110.0));
    assert_eq!(rig.notes.last().unwrap().1["seconds"], "131");
}

#[test]
fn a_gap_while_nobody_looked_is_found_by_the_dates_of_files() {
    let mut rig = Rig::new(FLAT);
    rig.segments(2);
    rig.pass(1);
    assert!(rig.memory.is_some());
    // Nobody looks: 20 s of recording, 45 s of nothing, and recording again.
    let mut ago = Vec::new();
    for pause in [0, 0, 45, 0] {
        rig.sim.advance(Duration::from_secs(pause));
        let path = rig.flat();
        ago.push(path.clone());
        for _ in 0..10 {
            rig.folders.write(&path, &packet());
            rig.sim.advance(Duration::from_secs(1));
        }
    }
    let mut rig = again(rig, FLAT);
    rig.look();
    assert_eq!((rig.gaps(), rig.value("recording_gap_open")), ((1.0, 46.0), 0.0));
    let (kind, gap) = &rig.notes[0];
    assert_eq!((kind.as_str(), gap["seconds"].as_str(), gap["seen"].as_str()), ("recording.gap", "46", "files"));
    rig.segments(2);
    assert_eq!(rig.gaps(), (1.0, 46.0));
    // Once more: what was told is not told again.
    let mut rig = again(rig, FLAT);
    rig.look();
    assert_eq!(rig.gaps(), (0.0, 0.0), "a count starts at 0");
    assert!(rig.notes.is_empty(), "{:?}", rig.notes);
}

#[test]
fn a_box_that_was_off_has_a_gap_from_before_its_boot() {
    let mut rig = Rig::new(FLAT);
    rig.segments(2);
    let (memory, files) = (rig.memory.clone(), rig.folders.clone());
    let wall = rig.sim.clock().now().wall;
    // Another boot an hour later: its clock begins at 10 s again.
    let sim = Sim::new();
    sim.step_wall(wall.as_millis() - sim.clock().now().wall.as_millis() + 3_600_000, true);
    let mut rig = Rig::over(FLAT, sim, files, memory);
    rig.look();
    assert_eq!((rig.value("recording_gap_open"), rig.gaps()), (1.0, (1.0, 3601.0)));
}

#[test]
fn a_box_whose_clock_is_disciplined_some_time_after_its_boot_finds_the_gap_then() {
    for writes_at_once in [true, false] {
        let mut rig = Rig::new(FLAT);
        rig.segments(2);
        let (memory, files) = (rig.memory.clone(), rig.folders.clone());
        let wall = rig.sim.clock().now().wall;
        let sim = Sim::new();
        sim.step_wall(wall.as_millis() - sim.clock().now().wall.as_millis() + 3_600_000, false);
        files.boot(sim.clock());
        let mut rig = Rig::over(FLAT, sim, files, memory);
        rig.look();
        rig.pass(5);
        if writes_at_once {
            rig.segments(3);
        } else {
            rig.pass(30);
        }
        assert!(rig.gaps().1 < 60.0 && rig.memory.is_none(), "{:?}", rig.gaps());
        rig.sim.step_wall(0, true);
        rig.segments(1);
        let (gaps, seconds) = rig.gaps();
        let expected = if writes_at_once { 3606.0 } else { 3636.0 };
        assert!(gaps == 1.0 && (seconds - expected).abs() <= 1.0, "{writes_at_once}: {gaps} {seconds} {:?}", rig.notes);
        assert_eq!(rig.value("recording_gap_open"), 0.0);
        assert!(rig.memory.is_some());
    }
}

#[test]
fn a_box_that_wakes_up_in_1970_has_seen_no_gap_of_fifty_years() {
    let mut rig = Rig::new(FLAT);
    rig.segments(2);
    let (memory, files) = (rig.memory.clone(), rig.folders.clone());
    for (year, trusted) in [(-1_767_225_600_000, false), (3_600_000, false)] {
        let sim = Sim::new();
        sim.step_wall(year, trusted);
        let mut rig = Rig::over(FLAT, sim, files.clone(), memory.clone());
        rig.look();
        rig.pass(1);
        assert!(rig.gaps().1 < 3700.0, "{:?}", rig.gaps());
        assert!(rig.notes.iter().all(|(kind, _)| kind != "recording.gap"), "{:?}", rig.notes);
    }
}

#[test]
fn a_look_that_hung_is_made_up_for() {
    let mut rig = Rig::new(FLAT);
    rig.segments(2);
    // A look that never comes back.
    drop(rig.watch.look());
    for pause in [0, 30] {
        rig.sim.advance(Duration::from_secs(pause));
        let path = rig.flat();
        for _ in 0..10 {
            rig.folders.write(&path, &packet());
            rig.sim.advance(Duration::from_secs(1));
        }
    }
    rig.look();
    assert_eq!(rig.gaps(), (1.0, 31.0));
    rig.segments(1);
    assert_eq!(rig.gaps(), (1.0, 31.0));
}

#[test]
fn file_systems_without_a_birth_date_are_read_by_the_names() {
    let mut rig = Rig::new(FLAT);
    rig.segments(1);
    for _ in 0..3 {
        let path = rig.flat();
        rig.sim.advance(Duration::from_secs(30));
        rig.folders.write(&path, &packet());
        rig.folders.date(&path, None, rig.sim.clock().now().wall);
    }
    let mut rig = again(rig, FLAT);
    rig.look();
    assert_eq!(rig.gaps(), (0.0, 0.0), "each lasted thirty seconds");
}

#[test]
fn more_than_can_be_gone_through_is_no_gap() {
    let mut rig = Rig::new(FLAT);
    rig.segments(1);
    let wall = rig.sim.clock().now().wall.as_millis();
    for n in 0..10_050_i64 {
        let path = format!("/rec/yard/20260102-{:06}.ts", n);
        rig.folders.write(&path, &packet());
        rig.folders.date(&path, None, Wall::from_millis(wall + n * 10));
    }
    rig.sim.advance(Duration::from_secs(101));
    let mut rig = again(rig, FLAT);
    rig.look();
    assert_eq!((rig.gaps(), rig.value("recording_gap_open")), ((0.0, 0.0), 0.0));
}
