//! Successive versions of a playlist.

use super::{labels, media};
use crate::base::clock::Boot;
use crate::base::label::Label;
use crate::wire::hls::*;
use std::time::Duration;

/// A live playlist of six-second segments named by their numbers.
fn live(first: u64, names: impl IntoIterator<Item = u64>) -> String {
    let segments: String = names.into_iter().map(|n| format!("#EXTINF:6.0,\n{n}.ts\n")).collect();
    format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:{first}\n{segments}")
}

/// What the versions gave, one every six seconds.
fn watch(versions: &[String]) -> (Judge, Vec<Step>) {
    let mut judge = Judge::default();
    let mut at = Boot::from_secs(100);
    let steps = versions.iter().map(|text| {
        at = at.plus(Duration::from_secs(6));
        judge.on(&media(text), at)
    });
    let steps = steps.collect();
    (judge, steps)
}

fn defects(judge: &Judge) -> Vec<(&'static str, u64)> {
    let all = Defect::ALL.iter().map(|d| (d.label(), judge.counts().defects[*d as usize]));
    all.filter(|(_, n)| *n > 0).collect()
}

#[test]
fn a_window_that_slides_gives_each_segment_once() {
    let versions = [live(5, 5..10), live(6, 6..11), live(6, 6..11), live(8, 8..13)];
    let (judge, steps) = watch(&versions);
    let fresh: Vec<_> = steps.iter().map(|s| s.fresh.clone()).collect();
    assert_eq!(fresh, [0..5, 4..5, 5..5, 3..5]);
    assert_eq!((judge.counts().segments, judge.counts().unseen, defects(&judge)), (3, 0, vec![]));
    let facts = judge.facts(Boot::from_secs(126)).unwrap();
    assert_eq!((facts.target, facts.newest, facts.window), (6, Some(12), 30.0));
    assert_eq!((facts.age, facts.stalled), (Duration::from_secs(2), false));
}

#[test]
fn every_way_to_break_the_rules_between_versions_has_its_name() {
    let target = live(6, 6..11).replace("TARGETDURATION:6", "TARGETDURATION:7");
    let changed = live(6, 6..11).replace("7.ts", "seven.ts");
    let longer = live(6, 6..11).replacen("6.0,", "5.0,", 1);
    let ended = live(5, 5..10) + "#EXT-X-ENDLIST\n";
    let cut = |first: u64| {
        live(first, first..first + 5).replace("#EXTINF:6.0,\n6.ts", "#EXT-X-DISCONTINUITY\n#EXTINF:6.0,\n6.ts")
    };
    let counted = live(7, 7..12).replace("#EXTINF:6.0,\n7.ts", "#EXT-X-DISCONTINUITY-SEQUENCE:1\n#EXTINF:6.0,\n7.ts");
    type Case<'a> = (&'a str, Vec<String>, &'a [(&'a str, u64)]);
    let cases: &[Case<'_>] = &[
        ("target", vec![live(5, 5..10), target], &[("target_changed", 1)]),
        ("a lagging mirror", vec![live(6, 6..11), live(5, 5..10), live(7, 7..12)], &[("sequence_back", 1)]),
        ("a new encoder", vec![live(900, 900..905), live(0, 0..3)], &[("sequence_back", 1)]),
        ("not counted", vec![live(5, 5..10), live(5, 6..11)], &[("renumbered", 1)]),
        ("another segment", vec![live(5, 5..10), changed], &[("segment_changed", 1)]),
        ("another duration", vec![live(5, 5..10), longer], &[("segment_changed", 1)]),
        ("taken from the end", vec![live(5, 5..10), live(5, 5..9)], &[("segment_withdrawn", 1)]),
        ("two stay", vec![live(5, 5..10), live(9, 9..11), live(10, 10..12)], &[("window_short", 1)]),
        ("after the end", vec![ended.clone(), live(5, 5..11)], &[("changed_after_end", 1)]),
        ("the same end", vec![ended.clone(), ended], &[]),
        ("a discontinuity leaves", vec![cut(5), cut(6), live(7, 7..12)], &[("discontinuity_sequence", 1)]),
        ("a counted one", vec![cut(5), cut(6), counted], &[]),
    ];
    for (name, versions, expected) in cases {
        let (judge, _) = watch(versions);
        assert_eq!(defects(&judge), *expected, "{name}");
    }
}

#[test]
fn a_lagging_mirror_makes_no_segment_new_again() {
    let (judge, steps) = watch(&[live(6, 6..11), live(5, 5..10), live(7, 7..12)]);
    assert_eq!(steps.iter().map(|s| s.fresh.len()).collect::<Vec<_>>(), [5, 0, 1]);
    assert_eq!(judge.counts().segments, 1);
    let (_, steps) = watch(&[live(900, 900..905), live(0, 0..3)]);
    assert_eq!((steps[1].fresh.clone(), steps[1].restarted), (0..3, true));
    let (_, steps) = watch(&[live(5, 5..10), live(5, 6..12)]);
    assert_eq!(steps[1].fresh, 4..6, "renumbered segments are known by what they are");
}

#[test]
fn segments_that_came_and_went_between_two_looks_are_counted() {
    let (judge, steps) = watch(&[live(5, 5..10), live(14, 14..19)]);
    assert_eq!((judge.counts().unseen, steps[1].fresh.clone()), (4, 0..5));
    assert_eq!(defects(&judge), []);
}

#[test]
fn a_playlist_stalls_after_one_and_a_half_target_durations_and_not_before() {
    let mut judge = Judge::default();
    let text = live(5, 5..10);
    let at = |s: f64| Boot::from_nanos((s * 1e9) as u64);
    let mut stalled = |text: &str, now: f64| {
        judge.on(&media(text), at(now));
        (judge.facts(at(now)).unwrap().stalled, judge.counts().stalls)
    };
    assert_eq!(stalled(&text, 100.0), (false, 0));
    assert_eq!(stalled(&text, 108.9), (false, 0));
    assert_eq!(stalled(&text, 109.1), (true, 1));
    assert_eq!(stalled(&text, 115.0), (true, 1));
    assert_eq!(stalled(&live(6, 6..11), 116.0), (false, 1));
    assert_eq!(stalled(&live(6, 6..11), 126.0), (true, 2));
    let ended = live(6, 6..11) + "#EXT-X-ENDLIST\n";
    assert_eq!(stalled(&ended, 200.0), (false, 2));
    assert_eq!(stalled(&ended, 300.0), (false, 2), "what has ended does not stall");
}

#[test]
fn a_defect_that_stands_is_counted_once_and_again_when_it_comes_back() {
    let bare = live(5, 5..10).replace("#EXT-X-TARGETDURATION:6\n", "");
    let (judge, _) = watch(&[bare.clone(), bare.clone(), live(5, 5..10), bare]);
    assert_eq!(defects(&judge), [("no_target", 2)]);
    let long = |first: u64| {
        live(first, first..first + 5).replacen("6.0,\n9.ts", "9.0,\n9.ts", 1).replace("6.0,\n9.ts", "9.0,\n9.ts")
    };
    let (judge, steps) = watch(&[long(5), long(6), long(7)]);
    assert_eq!(defects(&judge), [("segment_too_long", 1)], "a segment's defect is its own");
    assert_eq!(steps[0].told, [Told::Defect(Defect::SegmentTooLong)]);
}

#[test]
fn the_edge_of_a_dated_playlist_is_known_for_the_latency() {
    let text = live(5, 5..10)
        .replace("#EXTINF:6.0,\n5.ts", "#EXT-X-PROGRAM-DATE-TIME:2026-11-21T07:00:00Z\n#EXTINF:6.0,\n5.ts");
    let (judge, _) = watch(&[text]);
    assert_eq!(judge.facts(Boot::from_secs(106)).unwrap().edge, Some(1_795_244_400_000 + 30_000));
    assert_eq!(watch(&[live(5, 5..10)]).0.facts(Boot::from_secs(106)).unwrap().edge, None);
    assert_eq!(labels(Defects::default()), [""; 0]);
}
