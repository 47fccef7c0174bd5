//! The plan, sent over every way at once: each is counted to the same figures.

use super::{LONG, Node, near, planned};
use crate::support::ts::send::{Sending, Way, free_udp_port};
use crate::support::wait;

const WAYS: [&str; 4] = ["unicast", "group", "rtp", "file"];

fn protocol(way: &str) -> &'static str {
    match way {
        "rtp" => "protocol=\"rtp\"",
        "file" => "protocol=\"file\"",
        _ => "protocol=\"udp\"",
    }
}

#[test]
fn a_stream_with_breaks_is_told_to_its_figures_over_every_way_it_can_come() {
    let (clip, places) = planned(true);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("out.ts");
    std::fs::write(&file, "").unwrap();
    // Two groups on one port, each with a stream of its own.
    let (unicast, group) = (free_udp_port(), free_udp_port());
    let node = Node::start(&format!(
        "[[stream]]\nid = \"unicast\"\nurl = \"udp://127.0.0.1:{unicast}\"\n\
         [[stream]]\nid = \"group\"\nurl = \"udp://239.255.71.1:{group}\"\ninterface = \"lo\"\n\
         [[stream]]\nid = \"rtp\"\nurl = \"rtp://239.255.71.2:{group}\"\ninterface = \"127.0.0.1\"\n\
         [[stream]]\nid = \"file\"\nurl = \"file://{}\"\n",
        file.display()
    ));
    for way in WAYS {
        node.wait("ts_input_up", way, protocol(way), |v| v == 0.0);
    }
    let udp = |host: &str, port| format!("{host}:{port}").parse().unwrap();
    let sendings = [
        Sending::start(&clip, Way::Udp(udp("127.0.0.1", unicast))),
        Sending::start(&clip, Way::Udp204(udp("239.255.71.1", group))),
        Sending::start(&clip, Way::Rtp(udp("239.255.71.2", group))),
        Sending::start(&clip, Way::File(file)),
    ];
    sendings[0].wait(25.0);
    for way in WAYS {
        assert_eq!(node.of("ts_input_up", way, protocol(way)), Some(1.0), "{way}");
        let of = |name: &str, labels: &str| node.of(name, way, labels).unwrap_or(f64::NAN);
        near(way, of("ts_video_frames_per_second", ""), 25.0, 1.0);
        near(way, of("ts_video_keyframe_interval_seconds", ""), 2.0, 1e-6);
        assert_eq!(of("ts_video_gop_frames", ""), 50.0);
        near(way, of("encoding_bitrate_kbps", ""), 1_700.0, 300.0);
        assert_eq!(of("ts_pids", "role=\"audio\",state=\"delivering\""), 1.0, "{way}");
        assert_eq!(of("ts_cue_pids", "state=\"declared\""), 1.0, "{way}");
        let info = "codec=\"h264\",height=\"360\",width=\"640\"";
        assert_eq!(of("ts_video_info", info), 1.0, "{way}");
    }
    sendings.iter().for_each(Sending::wait_end);
    for way in WAYS {
        wait(&format!("the last break on {way} is over"), LONG, || {
            node.of("scte35_breaks_closed_total", way, "how=\"auto_return\"").filter(|n| *n == 1.0)
        });
        figures(&node, way, &places);
    }
    let ads = |status: &str| node.vedette.value(&format!("scte35_ad_breaks_scheduled{{status=\"{status}\"}}"));
    assert_eq!([ads("announced"), ads("open"), ads("overdue")], [Some(0.0); 3]);
    for way in WAYS {
        node.wait("ts_input_up", way, protocol(way), |up| up == 0.0);
        assert!(node.of("ts_input_failures_total", way, "reason=\"silent\"").is_some_and(|n| n >= 1.0), "{way}");
        assert_eq!(node.of("ts_video_frames_per_second", way, ""), None, "{way}");
    }
}

/// What must be on the page and was told to the broker after the whole plan.
fn figures(node: &Node, way: &str, places: &[f64]) {
    let of = |name: &str, labels: &str| node.of(name, way, labels).unwrap_or(f64::NAN);
    let counts = [
        ("scte35_sections_total", "command=\"splice_null\"", 1.0),
        ("scte35_sections_total", "command=\"splice_insert\"", 5.0),
        ("scte35_faulty_sections_total", "command=\"splice_insert\"", 1.0),
        ("scte35_sections_total", "command=\"time_signal\"", 2.0),
        ("scte35_defects_total", "kind=\"crc\"", 1.0),
        ("scte35_segmentations_total", "type=\"provider_placement_opportunity_start\"", 1.0),
        ("scte35_announced_total", "direction=\"out\"", 3.0),
        ("scte35_announced_total", "direction=\"in\"", 2.0),
        ("scte35_repeats_total", "", 1.0),
        // 0x4800008e 3.96 s ahead of its splice point, and 10 less than one.
        ("scte35_late_signals_total", "direction=\"out\"", 2.0),
        ("scte35_breaks_opened_total", "", 3.0),
        ("scte35_breaks_closed_total", "how=\"return\"", 2.0),
        ("scte35_missing_returns_total", "", 0.0),
        ("scte35_duration_mismatches_total", "", 0.0),
        ("scte35_splice_points_total", "direction=\"out\",verdict=\"conditioned\"", 2.0),
        ("scte35_splice_points_total", "direction=\"out\",verdict=\"unconditioned\"", 1.0),
        ("scte35_splice_points_total", "direction=\"in\",verdict=\"conditioned\"", 2.0),
        ("scte35_splice_points_total", "direction=\"in\",verdict=\"unconditioned\"", 1.0),
        ("scte35_preroll_seconds_count", "clock=\"actual\"", 3.0),
        ("scte35_break_seconds_count", "", 3.0),
    ];
    for (name, labels, wanted) in counts {
        assert_eq!(of(name, labels), wanted, "{way}: {name}{{{labels}}}");
    }
    near(way, of("scte35_break_seconds_sum", ""), 12.0, 1e-6);
    near(way, of("scte35_pts_adjustment_seconds", ""), 0.0, 1e-9);
    for indicator in ["pat", "pmt", "continuity_count", "pid", "transport", "pcr_discontinuity_indicator", "pts"] {
        let priority = if matches!(indicator, "transport" | "pcr_discontinuity_indicator" | "pts") { 2 } else { 1 };
        let labels = format!("indicator=\"{indicator}\",priority=\"{priority}\"");
        assert_eq!(of("ts_tr101290_errors_total", &labels), 0.0, "{way}: {indicator}");
    }
    assert_eq!(
        of("ts_tr101290_errors_total", "indicator=\"crc\",priority=\"2\""),
        1.0,
        "{way}: the section with a bad CRC"
    );
    if way != "file" {
        assert_eq!(of("ts_datagrams_dropped_total", ""), 0.0, "{way}");
        assert_eq!(of("ts_datagrams_malformed_total", "kind=\"size\""), 0.0, "{way}");
    }
    let outs = node.notes(way, "scte35.out");
    let ids: Vec<_> = outs.iter().map(|note| note["event_id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [7, 0x4800_008e, 10], "{way}");
    let preroll = |n: usize| outs[n]["preroll_arrival_seconds"].as_f64().unwrap();
    // The first is 5.96 s; the others lie behind key frames, which leave no room for a section for a frame or two.
    near("the first", preroll(0), 5.96, 1e-3);
    for (n, place, target) in [(0, 1, 10.0), (1, 4, 22.0), (2, 7, 31.0)] {
        near(&format!("pre-roll {n} on {way}"), preroll(n), target - places[place], 1e-3);
    }
    assert_eq!(outs[1]["upid"].as_str().map(str::is_empty), Some(false), "{outs:?}");
    let offsets: Vec<_> = node.notes(way, "scte35.splice_point").iter().map(|p| p["before_seconds"].as_f64()).collect();
    assert_eq!(offsets.len(), 6, "{offsets:?}");
}
