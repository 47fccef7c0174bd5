//! Breaks that do not return, over restarts; and clocks that start over.

use super::{LONG, Node, near, planned};
use crate::support::ts::clip::Clip;
use crate::support::ts::sections::{Cue, HZ};
use crate::support::ts::send::{Sending, Way, free_udp_port};

fn watched() -> (Node, Way) {
    let port = free_udp_port();
    let node = Node::start(&format!("[[stream]]\nid = \"feed\"\nurl = \"udp://127.0.0.1:{port}\"\n"));
    (node, Way::Udp(([127, 0, 0, 1], port).into()))
}

#[test]
fn a_break_without_a_return_is_told_once_though_the_daemon_stops_and_dies_meanwhile() {
    let (mut node, way) = watched();
    let sending = Sending::start(&planned(false).0, way);
    node.wait("scte35_breaks", "feed", "state=\"open\"", |n| n == 1.0);
    near("the break opened at", sending.seconds(), 10.0, 3.0);
    assert!(node.vedette.stop().success());
    node.vedette.start();
    assert!(sending.seconds() < 16.0, "too slow a machine: the daemon has to be back before the break is overdue");
    node.wait("scte35_breaks", "feed", "state=\"overdue\"", |n| n == 1.0);
    near("it was overdue at", sending.seconds(), 16.0, 3.0);
    node.ear.until("the note", |heard| super::notes(heard, "feed", "scte35.overdue").pop());
    // Killed between the announcement of the next break and its first picture, with that one known and this one open.
    node.ear.until("the next break", |heard| {
        super::notes(heard, "feed", "scte35.out").into_iter().find(|note| note["command"] == "time_signal")
    });
    node.vedette.kill();
    node.vedette.start();
    node.wait("scte35_breaks", "feed", "state=\"overdue\"", |n| n == 1.0);
    sending.wait(27.0);
    let overdue = node.notes("feed", "scte35.overdue");
    assert_eq!(overdue.len(), 1, "{overdue:?}");
    assert_eq!(overdue[0]["event_id"], 7);
    assert_eq!(node.notes("feed", "scte35.opened").len(), 2, "the second is that of the next break");
    // The return of another break does not end it.
    node.wait("scte35_breaks_closed_total", "feed", "how=\"return\"", |n| n == 1.0);
    assert_eq!(node.of("scte35_breaks", "feed", "state=\"overdue\""), Some(1.0));
}

#[test]
fn a_clock_that_starts_over_is_no_fault_and_a_cue_across_it_comes_true() {
    let (node, way) = watched();
    let mut clip = Clip::wrapping().declare_cues(0.0, 0x86);
    let cue = Cue::insert(7, true, Some(clip.pts(20.0)), Some((5 * HZ, true)));
    clip.inject(4.0, &cue.section());
    let sending = Sending::start(&clip, way);
    sending.wait(26.5);
    node.wait("scte35_breaks_closed_total", "feed", "how=\"auto_return\"", |n| n == 1.0);
    let out = node.notes("feed", "scte35.out");
    near("pre-roll", out[0]["preroll_arrival_seconds"].as_f64().unwrap(), 15.96, 1e-3);
    near("actual", node.of("scte35_preroll_seconds_sum", "feed", "clock=\"actual\"").unwrap(), 15.96, 0.5);
    near("length", node.of("scte35_break_seconds_sum", "feed", "").unwrap(), 5.0, 1e-6);
    let page = node.vedette.page();
    let errors: Vec<_> = page
        .lines()
        .filter(|l| l.starts_with("ts_tr101290_errors_total{") || l.starts_with("ts_discontinuities_total{"))
        .filter(|l| !l.ends_with(" 0"))
        .collect();
    assert_eq!(errors, [""; 0]);
}

#[test]
fn faults_on_the_way_are_counted_for_what_they_are() {
    let (node, way) = watched();
    let mut clip = Clip::base().declare_cues(0.0, 0x86);
    let pmt = clip.pmt_pid();
    // One after the other, so that each is seen for itself: loss, a legal and an illegal repetition, tables gone, a jump.
    clip.lose(4.0).duplicate(6.0, 1).duplicate(8.0, 2).silence(pmt, 10.0, 10.6).silence(0, 12.0, 12.6);
    clip.jump_pcr(15.0, 5.0);
    let sending = Sending::start(&clip.cut(0.0, 18.0), way);
    sending.wait_end();
    let errors = |indicator: &str, priority: u8| {
        let labels = format!("indicator=\"{indicator}\",priority=\"{priority}\"");
        node.of("ts_tr101290_errors_total", "feed", &labels).unwrap()
    };
    node.vedette.wait_value("ts_input_up{protocol=\"udp\",stream_id=\"feed\"}", LONG, |up| up == 0.0);
    assert_eq!(node.of("ts_continuity_errors_total", "feed", "role=\"video\""), Some(2.0), "a gap, and a third copy");
    assert_eq!(node.of("ts_packets_lost_total", "feed", "role=\"video\""), Some(1.0));
    assert!(node.of("ts_packets_duplicate_total", "feed", "").unwrap() >= 2.0);
    assert_eq!((errors("pmt", 1), errors("pat", 1)), (1.0, 1.0));
    assert_eq!(errors("pcr_discontinuity_indicator", 2), 1.0);
    assert_eq!(node.of("ts_discontinuities_total", "feed", "kind=\"pcr\""), Some(1.0));
    let lost = node.ear.until("the end", |heard| super::notes(heard, "feed", "stream.lost").pop());
    assert_eq!(lost["reason"], "silent");
}
