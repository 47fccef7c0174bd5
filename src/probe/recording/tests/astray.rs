//! Recorders that write where nobody would look: under names of an hour ago, into directories of another year, or where we
//! may not look; and volumes that are not the one.

use super::*;
use crate::base::clock::Wall;
use crate::metric::report::NoData;

/// As [`FLAT`], in local time.
const LOCAL: &str = "id = \"yard\"\npath = \"/rec/yard/%Y%m%d-%H%M%S.ts\"\n";

/// Half a minute after the first look the zone is one hour east of UTC instead of two: an hour begins again.
fn autumn(rig: &Rig) -> Wall {
    let change = Wall::from_millis(rig.sim.clock().now().wall.as_millis() + 30_000);
    rig.folders.zone(7200);
    rig.folders.zone_from(change, 3600);
    change
}

/// The path of a segment that begins now, by the local clock.
fn local(rig: &Rig, change: Wall) -> String {
    let wall = rig.sim.clock().now().wall.as_millis();
    let east = if wall < change.as_millis() { 7_200_000 } else { 3_600_000 };
    let text = Wall::from_millis(wall + east).to_string();
    let digits: String = text.chars().take(19).filter(|c| c.is_ascii_digit()).collect();
    format!("/rec/yard/{}-{}.ts", &digits[..8], &digits[8..])
}

#[test]
fn the_hour_that_comes_twice_is_no_gap_where_directories_are_listed_and_no_wrong_clock() {
    for unwatched in [None, Some(Unwatched::Remote)] {
        let mut rig = Rig::new(LOCAL);
        rig.folders.unwatchable(unwatched);
        let change = autumn(&rig);
        // An hour of names that the second pass falls among.
        for n in 1..360 {
            let ago = Wall::from_millis(change.as_millis() - n * 10_000);
            let text = Wall::from_millis(ago.as_millis() + 7_200_000).to_string();
            let digits: String = text.chars().take(19).filter(|c| c.is_ascii_digit()).collect();
            let path = format!("/rec/yard/{}-{}.ts", &digits[..8], &digits[8..]);
            rig.folders.write(&path, &packet());
            rig.folders.date(&path, Some(ago), ago);
        }
        for _ in 0..30 {
            let path = local(&rig, change);
            rig.record(&path, 10);
            let offset = rig.opt("recording_segment_clock_offset_seconds{clock=\"name\"}").unwrap_or(0.0);
            assert!(offset.abs() < 5.0, "{unwatched:?}: {offset}");
        }
        assert_eq!(rig.gaps(), (0.0, 0.0), "{unwatched:?}");
    }
}

#[test]
fn a_restart_in_the_hour_that_comes_twice_finds_no_gap() {
    let mut rig = Rig::new(LOCAL);
    let change = autumn(&rig);
    for _ in 0..3 {
        let path = local(&rig, change);
        rig.record(&path, 10);
    }
    // Nobody looks, and the second pass begins.
    for _ in 0..6 {
        let path = local(&rig, change);
        for _ in 0..10 {
            rig.folders.write(&path, &packet());
            rig.sim.advance(Duration::from_secs(1));
        }
    }
    let mut rig = Rig::over(LOCAL, rig.sim, rig.folders, rig.memory);
    for _ in 0..3 {
        let path = local(&rig, change);
        rig.record(&path, 10);
    }
    assert_eq!(rig.gaps(), (0.0, 0.0), "{:?}", rig.notes);
}

#[test]
fn names_that_are_used_again_are_followed() {
    let mut rig = Rig::new("id = \"yard\"\npath = \"/rec/yard/*.ts\"\n");
    for n in 0..3 {
        rig.folders.write(format!("/rec/yard/{n}.ts"), &packet());
    }
    rig.pass(30);
    for round in 0..4 {
        // Cut to nothing and written anew, which nobody is told of.
        let path = format!("/rec/yard/{}.ts", round % 3);
        for _ in 0..60 {
            rig.folders.write(&path, &packet());
            rig.pass(1);
        }
    }
    assert_eq!(rig.gaps().0, 1.0, "the one before it began: {:?}", rig.notes);
    assert_eq!(rig.value("recording_gap_open"), 0.0);
}

#[test]
fn directories_made_beforehand_do_not_hide_the_one_that_is_written_to() {
    let mut rig = Rig::new(DAYS);
    rig.record("/rec/yard/2026-01-01/00/00.00.ts", 10);
    for day in ["2026-01-01", "2026-01-02", "2026-01-03"] {
        for hour in 0..24 {
            rig.folders.directory(format!("/rec/yard/{day}/{hour:02}"));
        }
    }
    for n in 1..6 {
        rig.record(&format!("/rec/yard/2026-01-01/00/00.{n}0.ts"), 10);
    }
    rig.pass(1);
    assert_eq!((rig.gaps(), rig.segments_done("whole")), ((0.0, 0.0), 6.0));
    let mut anew = Rig::over(DAYS, rig.sim, rig.folders, None);
    anew.record("/rec/yard/2026-01-01/00/01.00.ts", 10);
    anew.pass(1);
    assert_eq!(anew.segments_done("whole"), 1.0);
}

#[test]
fn a_recorder_that_woke_up_in_1970_is_followed_into_its_directories() {
    let mut rig = Rig::new(DAYS);
    rig.record("/rec/yard/2026-01-01/00/00.00.ts", 10);
    for (hour, minute) in [("1970-01-01/00", 59), ("1970-01-01/01", 0), ("1970-01-01/02", 0), ("1970-01-02/00", 0)] {
        for second in [10, 20, 30] {
            rig.record(&format!("/rec/yard/{hour}/{minute:02}.{second}.ts"), 10);
        }
    }
    rig.pass(1);
    assert_eq!((rig.gaps(), rig.segments_done("whole")), ((0.0, 0.0), 13.0));
}

#[test]
fn a_directory_below_that_may_not_be_read_says_nothing_of_gaps() {
    let mut rig = Rig::unseen(DAYS);
    rig.folders.write("/rec/yard/2025-12-31/00/00.00.ts", &packet());
    rig.folders.write("/rec/yard/2026-01-01/00/00.00.ts", &packet());
    rig.folders.deny("/rec/yard/2026-01-01");
    rig.look();
    rig.pass(60);
    assert_eq!((rig.opt("recording_gap_open"), rig.gaps().0), (None, 0.0));
    assert_eq!(rig.value("recording_directory_up"), 0.0);
}

#[test]
fn a_volume_without_a_device_is_not_the_one_with_that_uuid() {
    let mut rig = Rig::unseen(&format!("{FLAT}volume = \"UUID=0A1B\"\n"));
    rig.folders.mount(volume("overlay", Err(NoData::Unsupported)));
    rig.look();
    assert_eq!(rig.value("recording_volume_expected"), 0.0);
}

#[test]
fn broken_segments_in_a_row_are_counted_until_a_whole_one_comes() {
    let mut rig = Rig::new(FLAT);
    for expected in [1.0, 2.0, 3.0] {
        let path = rig.flat();
        rig.folders.write(&path, &packet()[..100]);
        rig.pass(9);
        rig.folders.close(&path);
        rig.pass(1);
        assert_eq!(rig.value("recording_broken_segments_in_a_row"), expected);
    }
    rig.segments(1);
    rig.pass(1);
    assert_eq!(rig.value("recording_broken_segments_in_a_row"), 0.0);
}

#[test]
fn a_segment_that_gets_its_name_when_it_is_done_counts_once() {
    let mut rig = Rig::new("id = \"yard\"\npath = \"/rec/yard/*.ts\"\n");
    for n in 0..3 {
        let (part, path) = (format!("/rec/yard/part{n}.ts"), format!("/rec/yard/yard{n}.ts"));
        rig.record(&part, 10);
        rig.folders.arrive(&part, &path);
        rig.pass(1);
    }
    rig.pass(2);
    assert_eq!((rig.value("recording_bytes_total"), rig.segments_done("whole")), (30.0 * 188.0, 3.0));
}

#[test]
fn a_purge_that_leaves_empty_directories_behind_is_followed_and_no_age_is_invented() {
    let mut rig = Rig::unseen(DAYS);
    for day in 1..=28 {
        for hour in 0..24 {
            for month in [10, 11] {
                rig.folders.directory(format!("/rec/yard/2025-{month}-{day:02}/{hour:02}"));
            }
        }
    }
    rig.folders.write("/rec/yard/2025-12-31/00/00.00.ts", &packet());
    rig.look();
    assert_eq!(rig.opt("recording_oldest_segment_age_seconds"), None, "not found yet");
    rig.pass(60);
    assert_eq!(rig.value("recording_oldest_segment_age_seconds"), 86_400.0 + 60.0);
    rig.folders.remove("/rec/yard/2025-12-31/00/00.00.ts");
    rig.pass(120);
    assert_eq!(rig.opt("recording_oldest_segment_age_seconds"), None);
    assert_eq!(rig.value("recording_purged_segments_total"), 1.0);
}
