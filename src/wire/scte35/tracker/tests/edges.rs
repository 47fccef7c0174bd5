//! Clocks that wrap, jump, or are added to; markers that come late, at once, broken or in floods.

use super::*;

#[test]
fn a_target_beyond_the_wrap_is_ahead_and_comes_after_it() {
    let mut feed = Feed::at(clock33::WRAP - 9 * S);
    feed.run(1.0);
    let target = 8 * S;
    let told = cue(&feed.send(&insert(1, true, Some(target), Some((10 * S, true)))));
    assert_eq!(told.preroll.arrival, Some(16 * 90_000 + 3_600));
    assert!(!told.implausible);
    assert_eq!(kinds(&feed.run(15.9)), [""; 0]);
    let told = feed.run(15.0);
    assert_eq!(closed(&told), (How::AutoReturn, 10 * 90_000, false));
    assert_eq!(points(&told).iter().map(|p| p.verdict).collect::<Vec<_>>(), [Verdict::Conditioned; 2]);
}

#[test]
fn pts_adjustment_is_added_to_every_time_round_the_corner() {
    let mut feed = Feed::at(0);
    feed.run(2.0);
    let adjustment = clock33::WRAP - 100 * S;
    feed.send(&section(adjustment, 5, &insert_command(1, true, Some(108 * S), None), &[]));
    // Restamped on the way: other numbers, the same time.
    let again = section(adjustment + 3, 5, &insert_command(1, true, Some(108 * S - 3), None), &[]);
    assert_eq!(cue(&feed.send(&again)).news, News::Repeat);
    assert_eq!(feed.tracker.state(feed.boot()).last_pts_adjustment, Some(adjustment + 3));
    assert!(matches!(feed.run(7.0)[0], Happening::Opened { pts: Some(pts), .. } if pts == 8 * S));
}

#[test]
fn immediate_markers_act_at_once_and_are_not_judged_by_their_preroll() {
    let mut feed = Feed::at(0);
    feed.run(5.0);
    let out = insert(1, true, None, None);
    let told = feed.send(&out);
    assert_eq!(kinds(&told), ["out", "opened"]);
    assert!(cue(&told).immediate && !cue(&told).late && cue(&told).preroll == Preroll::default());
    assert_eq!(cue(&feed.send(&out)).news, News::Repeat);
    feed.run(7.0);
    assert_eq!(closed(&feed.send(&insert(1, false, None, None))), (How::Return, 7 * 90_000, false));
    assert_eq!(cue(&feed.send(&insert(1, false, None, None))).news, News::Repeat);
    assert_eq!(cue(&feed.send(&out)).news, News::Repeat, "of ten seconds ago");
    feed.run(30.0);
    assert_eq!(kinds(&feed.send(&out)), ["out", "opened"], "long after, the id is used again");
    assert_eq!(feed.tracker.counts().immediates.sum(), 3);
}

#[test]
fn a_duration_of_nothing_is_none() {
    let mut feed = Feed::at(0);
    feed.run(1.0);
    feed.send(&insert(1, true, Some(6 * S), Some((0, true))));
    feed.send(&signal(Some(6 * S), &segment(1, 0x30, Some(0))));
    let told = feed.run(30.0);
    assert_eq!(
        kinds(&told),
        ["opened", "opened", "splice_point", "splice_point"],
        "neither ends at once nor is overdue"
    );
    feed.send(&insert(1, false, Some(40 * S), None));
    assert_eq!(closed(&feed.run(12.0)), (How::Return, 34 * 90_000, false));
}

#[test]
fn an_in_from_before_its_break_began_does_not_end_it() {
    let mut feed = Feed::at(0);
    feed.run(1.0);
    feed.send(&insert(1, true, Some(6 * S), Some((20 * S, false))));
    feed.run(9.0);
    assert_eq!(cue(&feed.send(&insert(1, false, Some(5 * S), None))).news, News::Unmatched);
    assert_eq!(kinds(&feed.run(1.0)), ["splice_point"]);
    assert_eq!(feed.standing(), [0, 1, 0]);
    // One that is late by less ends it where it says.
    feed.send(&insert(1, false, Some(9 * S), None));
    assert_eq!(closed(&feed.run(1.0)), (How::EarlyReturn, 3 * 90_000, true));
}

#[test]
fn a_first_transmission_below_four_seconds_is_late_by_the_shorter_of_two_clocks() {
    for (ahead, late) in [(4.0, false), (3.92, true), (0.92, true), (-0.5, true)] {
        let mut feed = Feed::at(0);
        feed.run(10.0);
        let target = (9.96 * 90_000.0 + ahead * 90_000.0) as u64;
        let told = cue(&feed.send(&insert(10, true, Some(target), None)));
        assert_eq!((told.late, told.implausible), (late, ahead < 0.0), "{ahead}");
        assert_eq!(format!("{:.2}", clock33::seconds(told.preroll.arrival.unwrap())), format!("{ahead:.2}"));
        feed.run(6.0);
        assert_eq!(feed.tracker.counts().opened, 1, "late is not lost");
    }
}

#[test]
fn a_time_long_past_is_orphaned_and_one_far_ahead_is_followed_with_a_warning() {
    let mut feed = Feed::at(2000 * S);
    feed.run(1.0);
    let told = feed.send(&insert(1, true, Some(1000 * S), Some((30 * S, false))));
    assert_eq!(kinds(&told), ["out", "orphaned"]);
    assert!(cue(&told).implausible);
    assert_eq!(kinds(&feed.send(&insert(1, true, Some(1000 * S), Some((30 * S, false))))), ["out"], "a repeat");
    let told = feed.send(&insert(2, true, Some(3000 * S), None));
    assert!(cue(&told).implausible);
    assert_eq!(kinds(&feed.run(5.0)), [""; 0]);
    assert_eq!((feed.standing(), feed.tracker.counts().implausible), ([1, 0, 0], 2));
}

#[test]
fn a_jump_orphans_what_was_announced_and_an_open_break_keeps_its_length() {
    let mut feed = Feed::at(0);
    feed.run(1.0);
    feed.send(&insert(1, true, Some(6 * S), Some((20 * S, true))));
    feed.send(&insert(2, true, Some(16 * S), None));
    feed.run(9.0);
    assert_eq!(feed.standing(), [1, 1, 0]);
    feed.pts = 5000 * S;
    let told = feed.run(1.0);
    assert_eq!(kinds(&told), ["orphaned"]);
    assert!(matches!(told[0], Happening::Orphaned { key: Key { id: 2, .. }, why: Why::Discontinuity, .. }));
    let told = feed.run(16.0);
    assert_eq!(closed(&told).0, How::AutoReturn);
    // 4 s of its 20 s passed before the jump.
    assert_eq!(feed.pts - 5000 * S, 17 * S);
    assert!(feed.standing() == [0, 0, 0]);
}

#[test]
fn one_stray_timestamp_is_no_jump_and_a_small_step_is_one_only_where_it_was_signalled() {
    for (step, signalled, orphaned) in [(3, false, 0), (3, true, 1), (0, true, 0)] {
        let mut feed = Feed::at(0);
        feed.run(1.0);
        feed.send(&insert(2, true, Some(16 * S), None));
        feed.run(1.0);
        let mut out = Vec::new();
        feed.tracker.access_unit(7_000 * S, Medium::Video, RandomAccess::Idr, feed.boot(), &mut out);
        assert_eq!(out, [], "one alone");
        if signalled {
            feed.tracker.discontinuity(feed.boot());
        }
        feed.pts += step * S;
        feed.run(1.0);
        assert_eq!(feed.tracker.counts().orphaned.get(Why::Discontinuity), orphaned, "{step} {signalled}");
    }
}

#[test]
fn a_stall_and_the_burst_after_it_are_no_jump() {
    let mut feed = Feed::at(0);
    feed.run(1.0);
    feed.send(&insert(1, true, Some(40 * S), None));
    // The network holds twenty seconds back, then gives them at once.
    feed.pause(20_000_000_000);
    let at = feed.at;
    feed.run(20.0);
    feed.at = at;
    // An outage: pictures are lost, and the clock goes on meanwhile.
    feed.run(1.0);
    feed.pts += 15 * S;
    feed.pause(15_000_000_000);
    assert_eq!(kinds(&feed.run(4.0)), ["opened", "splice_point"]);
    assert_eq!(feed.tracker.counts().orphaned.sum(), 0);
}

#[test]
fn an_announced_break_whose_stream_died_is_given_up() {
    let mut feed = Feed::at(0);
    feed.run(1.0);
    feed.send(&insert(1, true, Some(6 * S), None));
    feed.pause(15 * 60 * 1_000_000_000);
    assert_eq!(kinds(&feed.tick()), [""; 0]);
    feed.pause(6_000_000_000);
    let told = feed.tick();
    assert!(matches!(told[..], [Happening::Orphaned { why: Why::Expired, .. }]));
    // The same of an open one: by the clock of the node.
    let mut feed = Feed::at(0);
    feed.run(1.0);
    feed.send(&insert(1, true, None, None));
    feed.pause(16 * 60 * 1_000_000_000);
    assert_eq!(closed(&feed.tick()).0, How::Timeout);
}

#[test]
fn a_section_with_a_wrong_crc_or_a_cipher_is_told_once_and_changes_nothing() {
    let mut feed = Feed::at(0);
    feed.run(1.0);
    let mut wrong = insert(9, true, Some(6 * S), None);
    *wrong.last_mut().unwrap() ^= 1;
    let told = feed.send(&wrong);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].to_string(), "scte35.unusable command=splice_insert defects=crc");
    assert_eq!(feed.send(&wrong), []);
    let mut cipher = insert(9, true, Some(6 * S), None);
    cipher[4] |= 0x80;
    let length = cipher.len() - 4;
    let crc = crate::wire::psi::crc32_mpeg(&cipher[..length]).to_be_bytes();
    cipher[length..].copy_from_slice(&crc);
    assert_eq!(feed.send(&cipher)[0].to_string(), "scte35.unusable command=unknown defects=encrypted");
    let counts = feed.tracker.counts();
    assert_eq!((counts.defects.get(Defect::Crc), counts.sections.sum(), feed.standing()), (2, 1, [0, 0, 0]));
    assert!(feed.tracker.state(feed.boot()).heartbeat_age.is_some(), "a cipher is a sign of life");
}

#[test]
fn a_flood_of_ids_is_bounded_and_what_is_open_stays() {
    let mut feed = Feed::at(0);
    feed.run(1.0);
    feed.send(&insert(1, true, None, None));
    for id in 2..2000 {
        feed.send(&insert(id, true, Some(100 * S), None));
        feed.send(&insert(id + 10_000, false, Some(100 * S), None));
    }
    let [announced, open, _] = feed.standing();
    assert!(announced <= 64 && open == 1);
    assert!(feed.tracker.counts().refused > 1900);
    assert!(feed.tracker.memory(feed.boot(), feed.wall).len() < 32 * 1024);
    let flood: Vec<u8> = (0..180).flat_map(|id| segment(id, 0x34, None)).collect();
    assert!(feed.send(&signal(Some(200 * S), &flood)).len() <= 64);
    assert_eq!(feed.tracker.counts().segmentations.get(SegmentationType(0x34)), 180, "each is counted");
}
