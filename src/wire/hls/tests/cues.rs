//! Cues: their styles, the breaks they tell, date ranges, and the stream beside them.

use super::{IN_HEX, OUT, OUT_HEX, labels, media};
use crate::base::base64;
use crate::base::clock::Boot;
use crate::base::label::Label;
use crate::wire::hls::*;
use std::time::Duration;

/// splice_null.
const NULL_HEX: &str = "0xFC301100000000000000FFFFFF0000004F253396";

fn unhex(text: &str) -> Box<[u8]> {
    let digits = text.trim_start_matches("0x").as_bytes();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn cues(tags: &str) -> (Vec<Cue>, Vec<&'static str>) {
    let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n{tags}\n#EXTINF:6,\na.ts\n");
    let media = media(&text);
    let mut defects = media.defects;
    defects |= media.segments[0].defects;
    media.ranges.iter().for_each(|r| defects |= r.defects);
    let ranges = media.ranges.iter().flat_map(Range::cues);
    (media.segments[0].cues.iter().cloned().chain(ranges).collect(), labels(defects))
}

#[test]
fn every_style_becomes_one_shape_of_cue() {
    let section = base64::decode(OUT).map(Vec::into_boxed_slice);
    let cue = |style, act, planned, elapsed, id: Option<&str>, payload: bool| Cue {
        style,
        act,
        planned,
        elapsed,
        id: id.map(str::to_owned),
        section: section.clone().filter(|_| payload),
    };
    let cases = [
        ("#EXT-X-CUE-OUT:30.5".to_owned(), cue(Style::CueOut, Act::Out, Some(30.5), None, None, false)),
        ("#EXT-X-CUE-OUT".to_owned(), cue(Style::CueOut, Act::Out, None, None, None, false)),
        (
            "#EXT-X-CUE-OUT:DURATION=30,BREAKID=7".to_owned(),
            cue(Style::CueOut, Act::Out, Some(30.0), None, Some("7"), false),
        ),
        (
            "#EXT-X-CUE-OUT-CONT:8.5/30".to_owned(),
            cue(Style::CueOut, Act::Continue, Some(30.0), Some(8.5), None, false),
        ),
        ("#EXT-X-CUE-OUT-CONT: 8.5".to_owned(), cue(Style::CueOut, Act::Continue, None, Some(8.5), None, false)),
        (
            format!("#EXT-X-CUE-OUT-CONT:ElapsedTime=5.939,Duration=201.467,SCTE35={OUT}"),
            cue(Style::CueOut, Act::Continue, Some(201.467), Some(5.939), None, true),
        ),
        ("#EXT-X-CUE-IN".to_owned(), cue(Style::CueOut, Act::In, None, None, None, false)),
        (format!("#EXT-OATCLS-SCTE35:{OUT}"), cue(Style::Oatcls, Act::Command, None, None, None, true)),
        (format!("#EXT-X-SPLICEPOINT-SCTE35:{OUT}"), cue(Style::SplicePoint, Act::Command, None, None, None, true)),
        (
            "#EXT-X-ASSET:CAID=0x0000000020FB6501".to_owned(),
            cue(Style::Asset, Act::Command, None, None, Some("0x0000000020FB6501"), false),
        ),
        (
            format!("#EXT-X-SCTE35:TYPE=0x34,ID=\"9\",DURATION=60.0,CUE-OUT=YES,CUE=\"{OUT}\""),
            cue(Style::Scte35, Act::Out, Some(60.0), None, Some("9"), true),
        ),
        (
            format!("#EXT-X-SCTE35:CUE=\"{OUT}\",CUE-OUT=CONT,ELAPSED=12,DURATION=60"),
            cue(Style::Scte35, Act::Continue, Some(60.0), Some(12.0), None, true),
        ),
        ("#EXT-X-SCTE35:CUE-IN=YES".to_owned(), cue(Style::Scte35, Act::In, None, None, None, false)),
    ];
    for (tag, expected) in cases {
        assert_eq!(cues(&tag), (vec![expected], vec![]), "{tag}");
    }
    let dated = format!(
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-21T07:00:00Z\n\
         #EXT-X-DATERANGE:ID=\"b1\",START-DATE=\"2026-11-21T07:00:00Z\",PLANNED-DURATION=60.3,SCTE35-OUT={OUT_HEX}\n\
         #EXT-X-DATERANGE:ID=\"b1\",START-DATE=\"2026-11-21T07:00:00Z\",DURATION=60.3,SCTE35-IN={IN_HEX}\n\
         #EXT-X-DATERANGE:ID=\"c\",START-DATE=\"2026-11-21T07:00:00Z\",SCTE35-CMD={NULL_HEX}"
    );
    let back = |hex: &str| Some(unhex(hex));
    let expected = vec![
        cue(Style::DateRange, Act::Out, Some(60.3), None, Some("b1"), true),
        Cue { section: back(IN_HEX), ..cue(Style::DateRange, Act::In, Some(60.3), None, Some("b1"), true) },
        Cue { section: back(NULL_HEX), ..cue(Style::DateRange, Act::Command, None, None, Some("c"), true) },
    ];
    assert_eq!(cues(&dated), (expected, vec![]), "three date ranges in front of one segment, and none is lost");
}

#[test]
fn every_way_to_break_the_rules_of_date_ranges_has_its_name() {
    let start = "START-DATE=\"2026-11-21T07:00:00Z\"";
    let twice = format!("ID=\"a\",{start},X-B=2\n#EXT-X-DATERANGE:ID=\"a\",{start},X-B=3");
    let moved = format!("ID=\"a\",{start}\n#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-11-21T07:00:01Z\"");
    let cases: &[(String, &[&str])] = &[
        (format!("ID=\"a\",{start}"), &[]),
        (format!("ID=\"a\",{start},DURATION=10,END-DATE=\"2026-11-21T07:00:10Z\""), &[]),
        (format!("ID=\"a\",{start},DURATION=10,END-DATE=\"2026-11-21T07:00:11Z\""), &["range_end"]),
        (format!("ID=\"a\",{start},END-DATE=\"2026-11-21T06:59:59Z\""), &["range_end"]),
        (format!("ID=\"a\",{start},CLASS=\"x\",END-ON-NEXT=YES"), &[]),
        (format!("ID=\"a\",{start},END-ON-NEXT=YES"), &["range_end_on_next"]),
        (format!("ID=\"a\",{start},CLASS=\"x\",END-ON-NEXT=NO"), &["range_end_on_next"]),
        (format!("ID=\"a\",{start},CLASS=\"x\",END-ON-NEXT=YES,DURATION=1"), &["range_end_on_next"]),
        (format!("ID=\"a\",{start},DURATION=-1"), &["range_syntax"]),
        (format!("ID=\"a\",{start},END-DATE=\"soon\""), &["range_syntax"]),
        (format!("ID=\"a\",{start},SCTE35-OUT=0xFC30"), &["cue_payload"]),
        (format!("ID=\"a\",{start},SCTE35-OUT=0xzz"), &["cue_payload"]),
        (format!("ID=\"a\",{start},SCTE35-IN={OUT_HEX}"), &["range_section"]),
        (format!("ID=\"a\",{start},SCTE35-OUT={IN_HEX}"), &["range_section"]),
        (format!("ID=\"a\",{start},SCTE35-CMD={OUT_HEX}"), &["range_section"]),
        (format!("ID=\"a\",{start},SCTE35-OUT={NULL_HEX}"), &["range_section"]),
        ("ID=\"a\"".to_owned(), &["range_syntax"]),
        (start.to_owned(), &["range_syntax"]),
        ("ID=\"a".to_owned(), &["range_syntax"]),
        (twice, &["range_conflict"]),
        (moved, &["range_conflict"]),
    ];
    for (list, expected) in cases {
        let (_, found) = cues(&format!("#EXT-X-PROGRAM-DATE-TIME:2026-11-21T07:00:00Z\n#EXT-X-DATERANGE:{list}"));
        assert_eq!(found, *expected, "{list}");
    }
    assert_eq!(cues(&format!("#EXT-X-DATERANGE:ID=\"a\",{start}")).1, ["range_without_date"]);
}

/// A judge that has watched a playlist grow, each version with one segment more; `tags[n]` stand before segment n.
fn grown(tags: &[&str]) -> (Judge, Vec<&'static str>) {
    let mut judge = Judge::default();
    let mut at = Boot::from_secs(100);
    let mut text = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-PROGRAM-DATE-TIME:2026-11-21T07:00:00Z\n".to_owned();
    let mut told = Vec::new();
    for (n, tag) in tags.iter().enumerate() {
        text.push_str(&format!("{tag}\n#EXTINF:6,\n{n}.ts\n"));
        at = at.plus(Duration::from_secs(6));
        told.extend(judge.on(&media(&text), at).told);
    }
    let faults = told.iter().filter_map(|t| if let Told::Fault(fault, _) = t { Some(fault.label()) } else { None });
    let faults = faults.collect();
    (judge, faults)
}

#[test]
fn every_way_in_which_a_break_can_go_wrong_has_its_name() {
    let out = "#EXT-X-CUE-OUT:12";
    let cont = |s: u32| format!("#EXT-X-CUE-OUT-CONT:{s}/12");
    let (six, twelve) = (cont(6), cont(12));
    let scte = "#EXT-X-SCTE35:CUE-OUT=YES,DURATION=12";
    let cases: &[(&[&str], &[&str])] = &[
        (&["", out, &six, "#EXT-X-CUE-IN", ""], &[]),
        (&["", out, "", "#EXT-X-CUE-IN\n#EXT-X-CUE-OUT:6", "#EXT-X-CUE-IN"], &[]),
        (&["", out, &six, "", ""], &["no_return"]),
        (&["", out, &six, "", "", "", ""], &["no_return"]),
        (&["", out, "", "", "#EXT-X-CUE-IN"], &["break_length"]),
        (&["", out, "#EXT-X-CUE-IN"], &["break_length"]),
        (&["", "#EXT-X-CUE-IN"], &["return_without_break"]),
        (&["", out, out, "", "#EXT-X-CUE-IN"], &["overlap"]),
        (&["", out, &six, &six, "#EXT-X-CUE-IN"], &["elapsed_stuck", "break_length"]),
        (&["", out, &twelve, "#EXT-X-CUE-IN"], &[]),
        (&[&six, "#EXT-X-CUE-IN"], &[]),
        (&["", scte, "", "#EXT-X-SCTE35:CUE-OUT=NO"], &[]),
        (&["", scte, "", "", ""], &["no_return"]),
    ];
    for (tags, expected) in cases {
        let (_, faults) = grown(tags);
        assert_eq!(faults, *expected, "{tags:?}");
    }
}

#[test]
fn a_break_that_goes_on_is_open_and_later_overdue() {
    let facts = |tags: &[&str]| {
        let facts = grown(tags).0.facts(Boot::from_secs(200)).unwrap();
        (facts.break_open, facts.break_overdue)
    };
    assert_eq!(facts(&[""]), (false, false));
    assert_eq!(facts(&["", "#EXT-X-CUE-OUT:12"]), (true, false));
    assert_eq!(facts(&["", "#EXT-X-CUE-OUT:12", "", "", ""]), (true, true));
    assert_eq!(facts(&["", "#EXT-X-CUE-OUT:12", "", "#EXT-X-CUE-IN"]), (false, false));
    let range = format!(
        "#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-11-21T07:00:06Z\",PLANNED-DURATION=12,SCTE35-OUT={OUT_HEX}"
    );
    assert_eq!(facts(&["", &range]), (true, false));
    assert_eq!(facts(&["", &range, "", "", ""]), (true, true));
    let end = format!("#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-11-21T07:00:06Z\",DURATION=12,SCTE35-IN={IN_HEX}");
    assert_eq!(facts(&["", &range, "", "", &end]), (false, false));
}

#[test]
fn date_ranges_are_held_against_their_plan_and_the_edges_of_segments() {
    let range = |start: &str, more: &str| {
        format!("#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-11-21T07:00:{start}Z\",SCTE35-OUT={OUT_HEX}{more}")
    };
    let cases: &[(String, &[&str])] = &[
        (range("06", ",PLANNED-DURATION=12,DURATION=12"), &[]),
        (range("06.040", ",PLANNED-DURATION=12,DURATION=12"), &[]),
        (range("08", ",DURATION=10"), &["not_at_boundary"]),
        (range("06", ",DURATION=10"), &["not_at_boundary"]),
        (range("06", ",PLANNED-DURATION=30,DURATION=12"), &["break_length"]),
        (range("06", ",PLANNED-DURATION=6"), &["no_return"]),
        (range("06", ",PLANNED-DURATION=60"), &[]),
    ];
    for (tag, expected) in cases {
        let (judge, faults) = grown(&["", tag, "", "", "", ""]);
        assert_eq!(faults, *expected, "{tag}");
        assert_eq!(
            judge.counts().cues[Style::DateRange as usize][Act::Out as usize],
            1,
            "once, however often it stands there"
        );
    }
}

#[test]
fn cues_are_counted_by_style_and_act_and_those_before_our_time_are_not() {
    let oatcls = format!("#EXT-OATCLS-SCTE35:{OUT}\n#EXT-X-ASSET:CAID=0x1\n#EXT-X-CUE-OUT:12");
    let (judge, faults) = grown(&[&oatcls, "#EXT-X-CUE-OUT-CONT:6/12", "#EXT-X-CUE-IN", &oatcls]);
    let count = |style: Style, act: Act| judge.counts().cues[style as usize][act as usize];
    assert_eq!(faults, [""; 0]);
    assert_eq!(
        (count(Style::CueOut, Act::Out), count(Style::CueOut, Act::Continue), count(Style::CueOut, Act::In)),
        (1, 1, 1)
    );
    assert_eq!((count(Style::Oatcls, Act::Command), count(Style::Asset, Act::Command)), (1, 1));
}

/// Ticks of 90 kHz at the begin of segment `n`.
fn begins(n: u64) -> u64 {
    (n * 6 * 90_000 + 8_589_000_000) & ((1 << 33) - 1)
}

/// What is found when segments 10 to 19 are read: cues written in the playlist, sections heard in the stream.
fn crossed(written: &[(u64, Cue)], heard: &[(u64, &[u8], Act, Option<u64>)]) -> Vec<&'static str> {
    let mut cross = Cross::default();
    let mut faults = Vec::new();
    for n in 10..20 {
        written.iter().filter(|(at, _)| *at == n).for_each(|(_, cue)| cross.written(cue, n));
        heard.iter().filter(|(at, ..)| *at == n).for_each(|(_, s, act, target)| cross.heard(s, *act, *target, n));
        cross.read(n, Some(begins(n)), |fault, _| faults.push(fault.label()));
    }
    faults
}

#[test]
fn cues_of_playlist_and_stream_are_held_against_each_other() {
    let plain = |act: Act| Cue { style: Style::CueOut, act, planned: None, elapsed: None, id: None, section: None };
    let carrying = |bytes: &[u8]| Cue { section: Some(bytes.into()), style: Style::Oatcls, ..plain(Act::Command) };
    let (out, other): (&[u8], &[u8]) = (&[0xfc, 1], &[0xfc, 2]);
    let at = |n: u64| Some(begins(n));
    let inside = Some(begins(13) + 180_000);
    assert_eq!(crossed(&[(13, plain(Act::Out))], &[(11, out, Act::Out, at(13))]), [""; 0], "as it should be");
    assert_eq!(crossed(&[(13, carrying(out))], &[(11, out, Act::Out, at(13)), (12, out, Act::Out, at(13))]), [""; 0]);
    assert_eq!(crossed(&[], &[(11, out, Act::Out, at(13))]), ["stream_only"]);
    assert_eq!(crossed(&[(13, plain(Act::In))], &[(11, out, Act::Out, at(13))]), ["stream_only"]);
    assert_eq!(crossed(&[], &[(11, out, Act::Command, at(13))]), [""; 0], "no break, nothing to be missed");
    assert_eq!(crossed(&[(13, plain(Act::Out))], &[(11, out, Act::Out, inside)]), ["not_at_boundary"]);
    assert_eq!(crossed(&[(12, plain(Act::Out))], &[(12, out, Act::Out, None)]), [""; 0], "at once");
    let both = [(13, plain(Act::Out)), (13, carrying(other))];
    assert_eq!(crossed(&both, &[(11, out, Act::Out, at(13))]), ["payload_differs"]);
    assert_eq!(crossed(&[(13, carrying(other))], &[]), [""; 0], "a stream without cues has nothing to differ from");
    assert_eq!(
        crossed(&[(11, carrying(out))], &[(13, out, Act::Out, at(14))]),
        [""; 0],
        "announced in the playlist first"
    );
}

#[test]
fn a_discontinuity_at_the_splice_point_is_where_the_break_is_due() {
    let watch = |target: u64, written: bool| {
        let mut cross = Cross::default();
        let mut faults = Vec::new();
        for n in 10..18 {
            if n == 11 {
                cross.heard(&[0xfc], Act::Out, Some(target), n);
            }
            if n == 13 {
                cross.discontinuity(n);
                let cue =
                    Cue { style: Style::CueOut, act: Act::Out, planned: None, elapsed: None, id: None, section: None };
                written.then(|| cross.written(&cue, n));
            }
            let clock = if n < 13 { begins(n) } else { 5_000_000_000 + n * 540_000 };
            cross.read(n, Some(clock), |fault, _| faults.push(fault.label()));
        }
        faults
    };
    assert_eq!(watch(begins(13), true), [""; 0]);
    assert_eq!(watch(begins(13), false), ["stream_only"]);
    assert_eq!(watch(begins(40), false), [""; 0], "a splice point on a clock that is gone");
}
