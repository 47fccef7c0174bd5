//! Our reading of playlists against the crate `m3u8-rs`: the same on what both can say, and the places where the crate
//! loses what a monitor is there to report, so that the reason for reading ourselves stays true or is dropped.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use m3u8_rs::{MediaPlaylist, parse_media_playlist_res};
use proptest::prelude::*;
use vedette::base::clock::Boot;
use vedette::wire::hls::{Act, Cross, Defect, Judge, Media, Playlist, parse};

fn ours(text: &str) -> Media<'_> {
    match parse(text.as_bytes()).unwrap() {
        Playlist::Media(media) => media,
        Playlist::Master(master) => panic!("{master:?}"),
    }
}

fn theirs(text: &str) -> MediaPlaylist {
    parse_media_playlist_res(text.as_bytes()).unwrap()
}

#[derive(Debug, Clone)]
struct One {
    millis: u32,
    title: String,
    discontinuity: bool,
    date: Option<i64>,
    bytes: Option<(u64, Option<u64>)>,
    cue: Option<String>,
}

fn one() -> impl Strategy<Value = One> {
    let date = proptest::option::of(1_700_000_000_000i64..1_800_000_000_000);
    let bytes = proptest::option::of((1u64..1 << 40, proptest::option::of(0u64..1 << 40)));
    let cue =
        proptest::option::of(prop_oneof![Just("CUE-IN".to_owned()), (1u32..999).prop_map(|n| format!("CUE-OUT:{n}"))]);
    (1u32..20_000, "[a-z ]{0,12}", any::<bool>(), date, bytes, cue).prop_map(
        |(millis, title, discontinuity, date, bytes, cue)| One { millis, title, discontinuity, date, bytes, cue },
    )
}

fn written(target: u32, sequence: u64, discontinuities: u64, all: &[One], end: bool, line: &str) -> String {
    let mut lines = vec![
        "#EXTM3U".to_owned(),
        format!("#EXT-X-TARGETDURATION:{target}"),
        format!("#EXT-X-MEDIA-SEQUENCE:{sequence}"),
        format!("#EXT-X-DISCONTINUITY-SEQUENCE:{discontinuities}"),
    ];
    for (n, one) in all.iter().enumerate() {
        lines.extend(one.discontinuity.then(|| "#EXT-X-DISCONTINUITY".to_owned()));
        lines.extend(one.cue.as_ref().map(|cue| format!("#EXT-X-{cue}")));
        lines.extend(
            one.date
                .map(|ms| format!("#EXT-X-PROGRAM-DATE-TIME:{:.3}", jiff::Timestamp::from_millisecond(ms).unwrap())),
        );
        lines.extend(one.bytes.map(|(length, offset)| {
            format!("#EXT-X-BYTERANGE:{length}{}", offset.map_or(String::new(), |o| format!("@{o}")))
        }));
        lines.push(format!("#EXTINF:{}.{:03},{}", one.millis / 1000, one.millis % 1000, one.title));
        lines.push(format!("segments/{n}.ts?token=a%20b"));
    }
    lines.extend(end.then(|| "#EXT-X-ENDLIST".to_owned()));
    lines.push(String::new());
    lines.join(line)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2048) })]

    #[test]
    fn both_read_the_same_from_a_playlist_without_faults(
        all in proptest::collection::vec(one(), 1..40), target in 1u32..100, sequence: u64, discontinuities in 0u64..1000,
        end: bool, crlf: bool,
    ) {
        let text = written(target, sequence, discontinuities, &all, end, if crlf { "\r\n" } else { "\n" });
        let (ours, theirs) = (ours(&text), theirs(&text));
        prop_assert_eq!(ours.target, Some(theirs.target_duration));
        prop_assert_eq!((ours.sequence, ours.end), (theirs.media_sequence, theirs.end_list));
        prop_assert_eq!(ours.discontinuity_sequence, theirs.discontinuity_sequence);
        prop_assert_eq!(ours.segments.len(), theirs.segments.len());
        for ((a, b), one) in ours.segments.iter().zip(&theirs.segments).zip(&all) {
            prop_assert_eq!((a.uri, a.discontinuity), (b.uri.as_str(), b.discontinuity));
            prop_assert!((a.duration - f64::from(b.duration)).abs() < 1e-3);
            prop_assert_eq!(a.date.filter(|_| one.date.is_some()), b.program_date_time.map(|d| d.timestamp_millis()));
            prop_assert_eq!(a.range.map(|r| r.length), b.byte_range.as_ref().map(|r| r.length));
            if let Some(offset) = b.byte_range.as_ref().and_then(|r| r.offset) {
                prop_assert_eq!(a.range.map(|r| r.offset), Some(offset));
            }
            prop_assert_eq!(a.cues.len(), b.unknown_tags.len());
        }
    }

    #[test]
    fn no_text_breaks_the_reading(text in "(#EXTM3U\n)?(#EXT(INF|-X-(KEY|DATERANGE|CUE-OUT|SCTE35|MEDIA-SEQUENCE)):?[ -~ä]{0,40}\n|[ -~]{0,20}\n){0,30}") {
        let _either = parse(text.as_bytes());
    }

    #[test]
    fn no_succession_of_versions_breaks_the_judge(
        versions in proptest::collection::vec((any::<u16>(), proptest::collection::vec(line(), 0..30)), 1..8),
    ) {
        let (mut judge, mut cross) = (Judge::default(), Cross::default());
        let mut before = judge.counts().clone();
        for (n, (sequence, lines)) in versions.iter().enumerate() {
            let text = format!("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:{}\n{}", sequence % 12, lines.concat());
            let Ok(Playlist::Media(media)) = parse(text.as_bytes()) else { continue };
            let at = Boot::from_secs(10 + n as u64 * 4);
            let step = judge.on(&media, at);
            prop_assert!(step.fresh.end <= media.segments.len() && step.told.len() <= 32);
            let now = judge.counts().clone();
            prop_assert!(now.segments >= before.segments && now.stalls >= before.stalls && now.unseen >= before.unseen);
            prop_assert!(now.defects.iter().zip(&before.defects).all(|(a, b)| a >= b));
            before = now;
            prop_assert!(judge.facts(at).unwrap().window.is_finite());
            for (number, segment) in (media.sequence..).zip(&media.segments) {
                segment.cues.iter().for_each(|cue| cross.written(cue, number));
                cross.heard(segment.uri.as_bytes(), Act::Out, Some(number << 20), number);
                cross.read(number, Some(number << 21), |_, _| {});
            }
        }
    }
}

/// Lines that matter, in no order.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (0u32..12, 0u8..4).prop_map(|(seconds, name)| format!("#EXTINF:{seconds},\n{name}.ts\n")),
        1 => (0u32..9).prop_map(|n| format!("#EXT-X-TARGETDURATION:{n}\n")),
        1 => (0u32..3).prop_map(|n| format!("#EXT-X-DISCONTINUITY-SEQUENCE:{n}\n")),
        1 => Just("#EXT-X-DISCONTINUITY\n".to_owned()),
        1 => Just("#EXT-X-ENDLIST\n".to_owned()),
        1 => (0u32..20).prop_map(|n| format!("#EXT-X-CUE-OUT:{n}\n")),
        1 => (0u32..20).prop_map(|n| format!("#EXT-X-CUE-OUT-CONT:{n}/12\n")),
        1 => Just("#EXT-X-CUE-IN\n".to_owned()),
        1 => (0u32..60).prop_map(|n| format!("#EXT-X-PROGRAM-DATE-TIME:2026-11-21T07:00:{n:02}Z\n")),
        1 => (0u8..3, 0u32..60, 0u32..30).prop_map(|(id, at, planned)| format!(
            "#EXT-X-DATERANGE:ID=\"{id}\",START-DATE=\"2026-11-21T07:00:{at:02}Z\",PLANNED-DURATION={planned},SCTE35-OUT=0xFC30\n"
        )),
    ]
}

#[test]
fn what_the_crate_loses_we_keep() {
    let head = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n";
    let range = |id: &str| format!("#EXT-X-DATERANGE:ID=\"{id}\",START-DATE=\"2026-11-21T07:00:00Z\"\n");

    let two = format!("{head}{}{}#EXTINF:6,\na.ts\n", range("a"), range("b"));
    assert_eq!(ours(&two).ranges.len(), 2);
    assert_eq!(theirs(&two).segments[0].daterange.as_ref().unwrap().id, "b", "the first of two date ranges is gone");

    let title = format!("{head}#EXTINF:6,one, two\na.ts\n");
    assert_eq!(ours(&title).segments.len(), 1);
    assert_eq!(theirs(&title).segments[0].uri, "two", "the rest of a title becomes a segment");

    let tail = format!("{head}#EXTINF:6,\na.ts\n#EXT-X-CUE-IN\n");
    assert_eq!(ours(&tail).tail.len(), 1);
    assert!(theirs(&tail).segments.iter().all(|s| s.unknown_tags.is_empty()), "a cue after the last segment is gone");

    let broken = format!("{head}#EXTINF:6,\na.ts\n#EXTINF:six,\nb.ts\n");
    assert!(ours(&broken).segments[1].defects.has(Defect::Syntax));
    let segment = &theirs(&broken).segments[1];
    assert_eq!(
        (segment.uri.as_str(), segment.duration),
        ("b.ts", 0.0),
        "an unreadable duration is a duration of nothing"
    );

    let none = "#EXTM3U\n#EXTINF:6,\na.ts\n";
    assert!(ours(none).defects.has(Defect::NoTarget));
    assert_eq!(theirs(none).target_duration, 0, "no target duration is one of nothing");

    let empty =
        format!("{head}#EXT-X-DATERANGE:ID=\"a\",CLASS=\"\",START-DATE=\"2026-11-21T07:00:00Z\"\n#EXTINF:6,\na.ts\n");
    assert_eq!(ours(&empty).ranges.len(), 1);
    assert!(theirs(&empty).segments[0].daterange.is_none(), "an empty attribute takes the whole date range with it");
}
