//! Playlists written by hand, one case per rule.

mod cues;
mod versions;

use super::*;
use crate::base::label::Label;

/// SCTE 35 2023r1 section 14.1 and 14.2.
const OUT: &str = "/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo=";
const OUT_HEX: &str =
    "0xFC302F000000000000FFFFF014054800008F7FEFFE7369C02EFE0052CCF500000000000A0008435545490000013562DBA30A";
/// The return to it, without a duration.
const IN_HEX: &str = "0xFC302A000000000000FFFFF00F054800008F7F4FFE7369C02E00000000000A00084355454900000135EA922545";

fn media(text: &str) -> Media<'_> {
    match parse(text.as_bytes()).unwrap() {
        Playlist::Media(media) => media,
        Playlist::Master(master) => panic!("{master:?}"),
    }
}

fn labels(defects: Defects) -> Vec<&'static str> {
    defects.iter().map(Label::label).collect()
}

#[test]
fn a_live_playlist_is_read_to_its_last_segment() {
    let text = "#EXTM3U\r\n#EXT-X-VERSION:6\r\n# a comment\r\n#EXT-X-TARGETDURATION:6\r\n#EXT-X-MEDIA-SEQUENCE:7\r\n\
        #EXT-X-DISCONTINUITY-SEQUENCE:2\r\n#EXT-X-PROGRAM-DATE-TIME:2026-11-21T08:00:00.500+01:00\r\n\
        #EXTINF:6.006,title, with a comma\r\na.ts?x=1\r\n\r\n#EXT-X-KEY:METHOD=AES-128,URI=\"k,1\"\r\n\
        #EXT-X-DISCONTINUITY\r\n#EXTINF:4\r\n#EXT-X-BYTERANGE:100@5\r\nb.ts\r\n#EXT-X-KEY:METHOD=NONE\r\n\
        #EXT-X-GAP\r\n#EXT-X-UNKNOWN:1\r\n#EXTINF:5.5,\r\nc.ts";
    let media = media(text);
    assert_eq!((media.target, media.sequence, media.discontinuity_sequence, media.next()), (Some(6), 7, 2, 10));
    assert_eq!((media.kind, media.end, media.defects), (Kind::Live, false, Defects::default()));
    let [a, b, c] = &media.segments[..] else { panic!("{media:?}") };
    assert_eq!((a.uri, a.duration, a.date, a.encrypted), ("a.ts?x=1", 6.006, Some(1_795_244_400_500), false));
    assert_eq!((b.uri, b.discontinuity, b.encrypted, b.date), ("b.ts", true, true, None));
    assert_eq!(b.range, Some(ByteRange { length: 100, offset: 5 }));
    assert_eq!((c.uri, c.gap, c.encrypted, c.discontinuity), ("c.ts", true, false, false));
    assert!((media.window() - 15.506).abs() < 1e-9);
}

#[test]
fn dates_are_read_as_packagers_write_them() {
    for written in ["2026-11-21T07:00:00.500Z", "2026-11-21T08:00:00.5+01:00", "2026-11-21T08:00:00.500+0100"] {
        assert_eq!(attributes::date(written), Some(1_795_244_400_500), "{written}");
    }
    assert_eq!(attributes::date("2026-11-21T08:00:00"), None, "a time without a zone is no instant");
}

#[test]
fn every_way_to_break_the_syntax_has_its_name() {
    let head = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n";
    let cases: &[(&str, &[&str])] = &[
        ("#EXTINF:6,\na.ts\n", &[]),
        ("a.ts\n", &["no_duration"]),
        ("#EXTINF:six,\na.ts\n", &["syntax"]),
        ("#EXTINF:-1,\na.ts\n", &["syntax"]),
        ("#EXTINF:nan,\na.ts\n", &["syntax"]),
        ("#EXTINF:6.4,\na.ts\n", &[]),
        ("#EXTINF:6.5,\na.ts\n", &["segment_too_long"]),
        ("#EXT-X-MEDIA-SEQUENCE:-1\n#EXTINF:6,\na.ts\n", &["syntax"]),
        ("#EXT-X-PLAYLIST-TYPE:LATER\n#EXTINF:6,\na.ts\n", &["syntax"]),
        ("#EXT-X-KEY:AES\n#EXTINF:6,\na.ts\n", &["syntax"]),
        ("#EXT-X-BYTERANGE:0\n#EXTINF:6,\na.ts\n", &["syntax"]),
        ("#EXT-X-PROGRAM-DATE-TIME:today\n#EXTINF:6,\na.ts\n", &["syntax"]),
        ("#EXT-X-STREAM-INF:BANDWIDTH=1\n#EXTINF:6,\na.ts\n", &["mixed"]),
        ("#EXT-X-CUE-OUT:soon\n#EXTINF:6,\na.ts\n", &["cue_syntax"]),
        ("#EXT-OATCLS-SCTE35:/DAv\n#EXTINF:6,\na.ts\n", &["cue_payload"]),
        ("#EXT-OATCLS-SCTE35:ä\n#EXTINF:6,\na.ts\n", &["cue_payload"]),
        (
            "#EXT-X-PROGRAM-DATE-TIME:2026-11-21T07:00:00Z\n#EXTINF:6,\na.ts\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-11-21T07:00:07Z\n#EXTINF:6,\nb.ts\n",
            &["date_jump"],
        ),
        (
            "#EXT-X-PROGRAM-DATE-TIME:2026-11-21T07:00:00Z\n#EXTINF:6,\na.ts\n#EXT-X-DISCONTINUITY\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-11-21T07:00:07Z\n#EXTINF:6,\nb.ts\n",
            &[],
        ),
    ];
    for (body, expected) in cases {
        let text = format!("{head}{body}");
        let mut found = Defects::default();
        match parse(text.as_bytes()).unwrap() {
            Playlist::Media(media) => {
                found |= media.defects;
                media.segments.iter().for_each(|s| found |= s.defects);
            }
            Playlist::Master(master) => found |= master.defects,
        }
        assert_eq!(labels(found), *expected, "{body}");
    }
    assert_eq!(labels(media("#EXTM3U\n#EXTINF:6,\na.ts\n").defects), ["no_target"]);
    assert_eq!(labels(media("\u{feff}#EXTM3U\n#EXT-X-TARGETDURATION:6\n").defects), ["syntax"]);
}

#[test]
fn what_is_no_playlist_is_refused_by_its_reason() {
    let long = [b"#EXTM3U\n".to_vec(), vec![b'#'; MOST_BYTES]].concat();
    let many = format!("#EXTM3U\n{}", "#EXTINF:1,\na\n".repeat(MOST_SEGMENTS + 1));
    let cases: [(&[u8], Unreadable); 6] = [
        (b"", Unreadable::NoHeader),
        (b"<html>404</html>", Unreadable::NoHeader),
        (b"#EXTM3U\n\xff\n", Unreadable::NotText),
        (b"#EXTM3U\n# nothing\n", Unreadable::Neither),
        (&long, Unreadable::TooLong),
        (many.as_bytes(), Unreadable::TooManySegments),
    ];
    for (text, why) in cases {
        assert_eq!(parse(text), Err(why));
    }
}

#[test]
fn a_master_playlist_names_its_variants() {
    let text = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"en, us\",URI=\"a.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=3000000,AVERAGE-BANDWIDTH=2500000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720\n\
        hd/index.m3u8\n#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=x\nsd.m3u8\n";
    let Playlist::Master(master) = parse(text.as_bytes()).unwrap() else { panic!() };
    let hd = Variant {
        uri: "hd/index.m3u8",
        bandwidth: Some(3_000_000),
        average_bandwidth: Some(2_500_000),
        resolution: Some((1280, 720)),
    };
    let sd = Variant { uri: "sd.m3u8", bandwidth: None, average_bandwidth: None, resolution: None };
    assert_eq!(master, Master { variants: vec![hd, sd], defects: Defects::default() });
}

#[test]
fn a_hostile_playlist_is_read_in_bounds() {
    // Each of these is quadratic, endless or deep in a reader that does not mind itself.
    let attributes = format!("#EXT-X-DATERANGE:{}\n", "A=1,".repeat(4000));
    let cases = [
        "#EXT-X-KEY:a\n".repeat(MOST_BYTES / 16),
        "#EXT-X-CUE-OUT:1\n".repeat(MOST_BYTES / 32),
        format!("#{}\n", "EXT".repeat(MOST_BYTES / 4)),
        attributes.repeat(MOST_BYTES / attributes.len() / 2),
        (0..20_000).map(|n| format!("#EXT-X-DATERANGE:ID=\"{n}\",START-DATE=\"2026-11-21T07:00:00Z\"\n")).collect(),
        (0..9_000)
            .map(|n| format!("#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-11-21T07:00:00Z\",X-{n}=1,X-A{n}=2\n"))
            .collect(),
    ];
    for case in cases {
        let media_text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n{case}#EXTINF:6,\na.ts\n");
        let media = media(&media_text);
        assert!(media.ranges.len() <= range::MOST && media.segments.len() == 1 && media.segments[0].cues.len() <= 16);
    }
    let far =
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:{}\n#EXTINF:6,\na\n#EXTINF:6,\nb\n", u64::MAX);
    let mut judge = Judge::default();
    judge.on(&media(&far), crate::base::clock::Boot::from_secs(1));
    judge.on(&media(&far), crate::base::clock::Boot::from_secs(2));
}
