//! Each transition of the tracker, on a simulated stream.

mod build;
mod edges;
mod life;
mod properties;

use super::*;
use crate::base::base64;
use crate::wire::scte35::{Defect, SegmentationType};
use build::*;

#[test]
fn a_break_is_announced_opened_and_closed_with_its_exact_length() {
    let mut feed = Feed::at(0);
    feed.run(4.0);
    let told = feed.send(&insert(7, true, Some(10 * S), Some((5 * S, false))));
    assert_eq!(kinds(&told), ["out"]);
    let out = cue(&told);
    // The newest picture is one frame before 4 s, the system clock 0.7 s behind it.
    assert_eq!(out.preroll, Preroll { declared: Some(6 * 90_000 + 3_600 + 63_000), arrival: Some(6 * 90_000 + 3_600) });
    assert!(!out.late && !out.implausible && !out.immediate);
    assert_eq!((out.news, out.target, out.event_id), (News::First, Some(10 * S), Some(7)));
    assert_eq!(feed.standing(), [1, 0, 0]);
    let told = feed.run(7.0);
    assert_eq!(kinds(&told), ["opened", "splice_point"]);
    match told[0] {
        Happening::Opened { pts, planned, auto_return, preroll, overlapping, .. } => {
            assert_eq!((pts, planned), (Some(10 * S), Some(5 * S)));
            assert!(!auto_return && !overlapping);
            assert_eq!(preroll, Some(Duration::from_secs(6)));
        }
        _ => panic!(),
    }
    assert_eq!(feed.standing(), [0, 1, 0]);
    assert_eq!(cue(&feed.send(&insert(7, false, Some(15 * S), None))).news, News::First);
    let told = feed.run(6.0);
    assert_eq!(kinds(&told), ["closed", "splice_point"]);
    assert_eq!(closed(&told), (How::Return, 5 * 90_000, false));
    assert_eq!(feed.standing(), [0, 0, 0]);
    let counts = feed.tracker.counts();
    assert_eq!((counts.opened, counts.closed.sum(), counts.mismatches, counts.missing_returns), (1, 1, 0, 0));
}

#[test]
fn the_placement_opportunity_of_the_standard_is_26_7_ms_short() {
    let start = base64::decode("/DA0AAAAAAAA///wBQb+cr0AUAAeAhxDVUVJSAAAjn/PAAGlmbAICAAAAAAsoKGKNAIAmsnRfg==").unwrap();
    let end = base64::decode("/DAvAAAAAAAA///wBQb+dGKQoAAZAhdDVUVJSAAAjn+fCAgAAAAALKChijUCAKnMZ1g=").unwrap();
    let mut feed = Feed::at(0x0_72bd_0050 - 6 * S);
    let out = cue(&feed.send(&start));
    assert_eq!(out.segmentation, Some(SegmentationType(0x34)));
    assert_eq!(out.upid, Some(("ti", "0x000000002ca0a18a".to_owned())));
    assert_eq!(out.duration.map(|d| d.ticks), Some(307 * S));
    assert_eq!((out.segment, out.sub_segment, out.tier), (Some((2, 0)), None, 0xfff));
    assert_eq!(kinds(&feed.run(20.0))[0], "opened");
    assert_eq!(cue(&feed.send(&end)).news, News::First);
    let told = feed.run(310.0);
    let (how, actual, mismatch) = closed(&told);
    assert_eq!((how, mismatch), (How::Return, false));
    assert_eq!(format!("{:.6}", clock33::seconds(actual)), "306.973333");
    let error = feed.tracker.state(feed.boot()).last_duration_error.unwrap();
    assert_eq!(format!("{:.1} ms", clock33::seconds(error) * 1000.0), "-26.7 ms");
}

#[test]
fn a_repeat_is_no_news_even_when_it_comes_after_its_splice_point() {
    let mut feed = Feed::at(0);
    feed.run(1.0);
    let out = insert(7, true, Some(6 * S), Some((5 * S, false)));
    feed.send(&out);
    feed.run(4.0);
    let again = cue(&feed.send(&out));
    assert_eq!((again.news, again.late), (News::Repeat, false), "only the first transmission is judged");
    feed.run(2.0);
    assert_eq!(cue(&feed.send(&out)).news, News::Repeat, "while it is open");
    feed.send(&insert(7, false, Some(11 * S), None));
    feed.run(6.0);
    assert_eq!(cue(&feed.send(&out)).news, News::Repeat, "after it is over");
    assert_eq!(cue(&feed.send(&insert(7, false, Some(11 * S), None))).news, News::Repeat);
    feed.run(3.0);
    let counts = feed.tracker.counts();
    assert_eq!((counts.opened, counts.closed.sum(), counts.repeats, counts.late.sum()), (1, 1, 4, 0));
}

#[test]
fn an_event_that_is_moved_before_it_comes_is_retimed() {
    let mut feed = Feed::at(0);
    feed.run(1.0);
    feed.send(&insert(7, true, Some(6 * S), None));
    let told = cue(&feed.send(&insert(7, true, Some(8 * S), None)));
    assert_eq!((told.news, told.moved), (News::Retimed, Some(2 * 90_000)));
    assert_eq!(kinds(&feed.run(6.0)), [""; 0]);
    assert_eq!(kinds(&feed.run(2.0)), ["opened", "splice_point"]);
    feed.send(&insert(7, false, Some(20 * S), None));
    let told = cue(&feed.send(&insert(7, false, Some(18 * S), None)));
    assert_eq!((told.news, told.moved), (News::Retimed, Some(-2 * 90_000)));
    assert_eq!(closed(&feed.run(15.0)).1, 10 * 90_000);
}

#[test]
fn an_id_in_use_is_a_duplicate_once_and_the_older_break_stays() {
    let mut feed = Feed::at(0);
    feed.run(1.0);
    feed.send(&insert(0x4000_0007, true, Some(6 * S), None));
    feed.run(6.0);
    let other = insert(0x4000_0007, true, Some(14 * S), None);
    assert_eq!(cue(&feed.send(&other)).news, News::DuplicateId);
    assert_eq!(cue(&feed.send(&other)).news, News::Repeat);
    feed.run(10.0);
    feed.send(&insert(0x4000_0007, false, Some(20 * S), None));
    assert_eq!(closed(&feed.run(5.0)).1, 14 * 90_000, "from the first Out");
    assert_eq!(feed.tracker.counts().duplicate_ids.get(Source::Automation), 1);
}

#[test]
fn overlapping_breaks_are_both_kept_and_breaks_in_a_row_do_not_overlap() {
    let mut feed = Feed::at(0);
    feed.run(1.0);
    feed.send(&insert(1, true, Some(6 * S), None));
    feed.send(&insert(2, true, Some(8 * S), None));
    feed.run(9.0);
    assert_eq!((feed.standing(), feed.tracker.counts().overlapping), ([0, 2, 0], 1));
    feed.send(&insert(1, false, Some(14 * S), None));
    feed.send(&insert(2, false, Some(15 * S), None));
    assert_eq!(feed.run(8.0).iter().filter(|h| matches!(h, Happening::Closed { .. })).count(), 2);

    let mut feed = Feed::at(0);
    feed.run(1.0);
    feed.send(&signal(Some(6 * S), &segment(1, 0x30, Some(10 * S))));
    feed.send(&signal(Some(6 * S), &segment(1, 0x22, Some(20 * S))));
    feed.run(9.0);
    // The start stands before the end in the section, at the same time.
    feed.send(&signal(Some(16 * S), &[segment(2, 0x30, Some(10 * S)), segment(1, 0x31, None)].concat()));
    let told = feed.run(8.0);
    assert_eq!(kinds(&told)[..2], ["closed", "opened"]);
    assert_eq!(feed.tracker.counts().overlapping, 0, "an advertisement inside a break is no overlap either");
}

#[test]
fn an_auto_return_closes_by_itself_and_an_in_message_may_end_it_sooner() {
    for (back, how, actual) in
        [(None, How::AutoReturn, 10), (Some(10), How::Return, 10), (Some(7), How::EarlyReturn, 7)]
    {
        let mut feed = Feed::at(0);
        feed.run(1.0);
        feed.send(&insert(1, true, Some(6 * S), Some((10 * S, true))));
        feed.run(6.0);
        if let Some(seconds) = back {
            feed.send(&insert(1, false, Some((6 + seconds) * S), None));
        }
        let told = feed.run(13.0);
        assert_eq!(closed(&told), (how, actual * 90_000, how == How::EarlyReturn), "{back:?}");
        assert_eq!(points(&told).len(), 1, "the end is looked at as well");
        assert_eq!((points(&told)[0].direction, points(&told)[0].target), (Direction::In, (6 + actual as u64) * S));
        assert_eq!(feed.tracker.counts().missing_returns, 0);
        let after = cue(&feed.send(&insert(1, false, Some((6 + actual as u64) * S), None)));
        assert_eq!(after.news, News::Repeat, "said once more what the duration had said");
    }
}

#[test]
fn a_missing_return_is_overdue_until_it_comes_or_the_longest_break_is_over() {
    for (back, how, actual) in [(Some(40), How::LateReturn, 34), (None, How::Timeout, 60)] {
        let mut feed = Feed::with(0, Policy { max_break: Duration::from_secs(60), ..Policy::default() });
        feed.run(1.0);
        feed.send(&signal(Some(6 * S), &segment(9, 0x36, Some(20 * S))));
        let told = feed.run(26.0);
        assert_eq!(kinds(&told), ["opened", "splice_point"], "within the tolerance of a second");
        assert_eq!(kinds(&feed.run(0.2)), ["overdue"]);
        assert_eq!(feed.standing(), [0, 0, 1]);
        if let Some(at) = back {
            feed.send(&signal(Some(at * S), &segment(9, 0x37, None)));
        }
        let told = feed.run(50.0);
        let (got, ticks, mismatch) = closed(&told);
        assert_eq!((got, mismatch), (how, true));
        assert_eq!((clock33::seconds(ticks)) as i64, actual);
        assert_eq!((feed.standing(), feed.tracker.counts().missing_returns), ([0, 0, 0], 1));
    }
}

#[test]
fn a_break_planned_longer_than_the_longest_has_its_time() {
    let mut feed = Feed::with(0, Policy { max_break: Duration::from_secs(60), ..Policy::default() });
    feed.run(1.0);
    feed.send(&insert(1, true, Some(6 * S), Some((100 * S, true))));
    assert_eq!(closed(&feed.run(110.0)), (How::AutoReturn, 100 * 90_000, false));
}

#[test]
fn cancels_are_told_as_known_or_unknown_and_close_what_is_open() {
    let mut feed = Feed::at(0);
    feed.run(1.0);
    feed.send(&insert(1, true, Some(6 * S), None));
    assert_eq!(cue(&feed.send(&cancel(1))).news, News::Cancel);
    assert_eq!(cue(&feed.send(&cancel(1))).news, News::Repeat);
    assert_eq!(cue(&feed.send(&cancel(2))).news, News::CancelUnknown);
    assert_eq!(cue(&feed.send(&cancel(2))).news, News::Repeat);
    assert_eq!(kinds(&feed.run(6.0)), [""; 0], "a cancelled break does not open, nor is its point looked at");
    let calls_off = descriptor(2, &[&b"CUEI"[..], &5u32.to_be_bytes(), &[0xff]].concat());
    feed.send(&signal(Some(12 * S), &segment(5, 0x34, None)));
    feed.run(7.0);
    let told = feed.send(&signal(None, &calls_off));
    assert_eq!(kinds(&told), ["cancel", "closed"]);
    assert_eq!(closed(&told).0, How::Cancelled);
    let counts = feed.tracker.counts();
    assert_eq!((counts.cancels, counts.cancels_unknown, counts.repeats), (2, 1, 2));
}

#[test]
fn an_in_before_its_out_calls_the_break_off() {
    let mut feed = Feed::at(0);
    feed.run(1.0);
    feed.send(&insert(1, true, Some(6 * S), None));
    assert_eq!(cue(&feed.send(&insert(1, false, None, None))).news, News::Cancel);
    assert_eq!(kinds(&feed.run(7.0)), [""; 0]);
}

#[test]
fn an_in_without_a_break_is_unmatched_or_ends_the_oldest_by_policy() {
    for any_in_closes in [false, true] {
        let mut feed = Feed::with(0, Policy { any_in_closes, ..Policy::default() });
        feed.run(1.0);
        feed.send(&insert(1, true, Some(6 * S), None));
        feed.run(6.0);
        let back = insert(99, false, Some(12 * S), None);
        let news = if any_in_closes { News::First } else { News::Unmatched };
        assert_eq!(cue(&feed.send(&back)).news, news);
        assert_eq!(cue(&feed.send(&back)).news, News::Repeat);
        let told = feed.run(7.0);
        assert_eq!(told.iter().any(|h| matches!(h, Happening::Closed { .. })), any_in_closes);
        assert_eq!(points(&told).len(), 1, "its splice point is looked at either way");
        assert_eq!(feed.tracker.counts().unmatched_returns, u64::from(!any_in_closes));
    }
}
