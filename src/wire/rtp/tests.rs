use super::*;
use std::time::Duration;

const HZ: u32 = 90_000;
const T: i64 = 3_600; // 25 frames per second
const FRAME: u64 = 40_000_000; // the same in nanoseconds

/// A sender of frames that a test shapes packet by packet.
struct Sender {
    flow: Flow,
    seq: u16,
    ticks: i64,
    at: u64,
}

/// `f`irst slice, `s`lice that is none, `k`ey frame's first slice, `p`arameter set (AUD), `S`tart, `m`iddle, `E`nd of FU;
/// upper-case `M` before one sets its marker, `-` before one loses it.
fn payload(what: char) -> &'static [u8] {
    match what {
        'f' => &[0x41, 0x9a, 0],
        's' => &[0x41, 0x4a, 0],
        'k' => &[0x65, 0x88, 0],
        'p' => &[0x09, 0xf0],
        'S' => &[0x7c, 0x81, 0x9a],
        'm' => &[0x7c, 0x01, 0],
        'E' => &[0x7c, 0x41, 0],
        other => panic!("no packet {other}"),
    }
}

impl Sender {
    fn new() -> Self {
        Sender { flow: Flow::new(Codec::H264, HZ), seq: 65_530, ticks: i64::from(u32::MAX) - 5 * T, at: 10_000_000_000 }
    }
    fn packet(&mut self, payload: &[u8], marker: bool) {
        let at = Boot::from_nanos(self.at);
        let seen = Seen { at, seq: self.seq, ticks: self.ticks, marker, payload_type: 96, len: 1000, payload };
        self.flow.on(&seen);
        self.seq = self.seq.wrapping_add(1);
    }
    /// The packets of one frame, then the time of the next.
    fn frame(&mut self, packets: &str) {
        self.packets(packets);
        self.ticks += T;
        self.at += FRAME;
    }
    fn packets(&mut self, packets: &str) {
        let (mut marker, mut lost) = (false, false);
        for what in packets.chars().filter(|c| *c != ' ') {
            match what {
                'M' => marker = true,
                '-' => lost = true,
                what if lost => {
                    payload(what);
                    self.seq = self.seq.wrapping_add(1);
                    (marker, lost) = (false, false);
                }
                what => {
                    self.packet(payload(what), marker);
                    marker = false;
                }
            }
        }
    }
    fn frames(&mut self, n: usize, packets: &str) {
        for _ in 0..n {
            self.frame(packets);
        }
    }
    /// (whole frames, dropped frames, packets lost)
    fn seen(&self) -> (u64, u64, u64) {
        let c = self.flow.counts();
        (c.frames, c.frames_dropped, c.packets_lost)
    }
}

#[test]
fn every_sent_frame_is_counted_once_wherever_the_hole_lies() {
    // Between ten whole frames before and ten behind: (what, frames, whole, dropped, lost).
    for (what, middle, whole, dropped, lost) in [
        ("nothing lost", vec!["S m ME"], 1, 0, 0),
        ("the middle", vec!["S -m ME"], 0, 1, 1),
        ("the head", vec!["-S m ME"], 0, 1, 1),
        ("the tail", vec!["S m -ME"], 0, 1, 1),
        ("a whole frame", vec!["-S -m -ME"], 0, 1, 3),
        ("three whole frames", vec!["-S -m -ME", "-S -m -ME", "-S -ME"], 0, 3, 8),
        ("a tail and the next head: two damaged", vec!["S m -ME", "-S m ME"], 0, 2, 2),
        ("a tail, a whole frame, a head", vec!["S -ME", "-S -ME", "-S ME"], 0, 3, 4),
        ("the same hole, last slice with its marker", vec!["f -Ms", "f Ms"], 1, 1, 1),
        ("a delimiter only: the frame behind it is damaged", vec!["-p S m ME"], 0, 1, 1),
        ("a delimiter of the next frame behind a whole one", vec!["p S ME", "-p S ME"], 1, 1, 1),
        ("two holes in one frame", vec!["S -m m -m ME"], 0, 1, 2),
        ("two holes in two frames", vec!["S -m m ME", "S m ME", "S -m ME"], 1, 2, 2),
    ] {
        let mut sender = Sender::new();
        sender.frames(10, "S m ME");
        let sent = middle.len() as u64;
        middle.into_iter().for_each(|f| sender.frame(f));
        sender.frames(10, "S m ME");
        assert_eq!(sender.seen(), (20 + whole, dropped, lost), "{what}");
        assert_eq!(whole + dropped, sent, "{what}: the table itself");
    }
}

#[test]
fn frames_are_told_apart_whatever_the_marker_says() {
    for (what, frame) in [
        ("on the last packet", "p S m ME"),
        ("never", "p S m E"),
        ("on every slice", "Mf Ms Ms Ms"),
        ("on the parameter set", "Mp f s s"),
        ("on the parameter set and the last slice", "Mp f s Ms"),
        ("on every packet", "Mp MS Mm ME"),
        ("on what trails the frame", "S m E Mp"),
    ] {
        let mut sender = Sender::new();
        sender.frames(30, frame);
        sender.packets("f"); // the frame that ends the last one where no marker does
        assert_eq!(sender.seen(), (30, 0, 0), "marker {what}");
    }
}

#[test]
fn a_lost_frame_is_found_without_any_marker() {
    let mut sender = Sender::new();
    sender.frames(10, "p S m E");
    sender.frames(2, "-p -S -m -E");
    sender.frame("p S m -E");
    sender.frames(10, "p S m E");
    sender.packets("f");
    assert_eq!(sender.seen(), (20, 3, 9));
}

#[test]
fn frozen_timestamps_do_not_merge_frames() {
    let mut sender = Sender::new();
    for n in 0..50 {
        let loss = if n == 20 {
            "S -m ME"
        } else if n == 30 {
            "-S m ME"
        } else if n == 40 {
            "-S -m -ME"
        } else {
            "S m ME"
        };
        sender.packets(loss);
        sender.at += FRAME;
    }
    assert_eq!(sender.seen(), (47, 3, 5));
}

#[test]
fn timestamps_that_change_inside_a_unit_or_ahead_of_it_do_not_split_frames() {
    let mut sender = Sender::new();
    for _ in 0..20 {
        sender.ticks -= 10;
        sender.packets("p S");
        sender.ticks += 10;
        sender.frame("m ME");
    }
    assert_eq!(sender.seen(), (20, 0, 0));
}

#[test]
fn a_session_joined_half_way_counts_from_the_first_picture_it_saw_begin() {
    let mut sender = Sender::new();
    sender.frame("m ME");
    sender.frames(5, "S m ME");
    sender.flow.restart();
    sender.seq = 7;
    sender.ticks = 0;
    sender.frame("s Ms");
    sender.frames(5, "S m ME");
    let counts = sender.flow.counts();
    assert_eq!(sender.seen(), (10, 0, 0));
    assert_eq!((counts.sequence_resets, counts.timestamp_jumps, counts.packets), (0, 0, 34));
}

#[test]
fn b_frames_out_of_display_order_are_neither_jitter_nor_jumps_and_their_loss_is_found() {
    let lossless = b_frames(|_| false);
    assert_eq!((lossless.frames, lossless.frames_dropped, lossless.timestamp_jumps), (300, 0, 0));
    for first in 100..103 {
        for n in 1..8 {
            let lossy = b_frames(|frame| (first..first + n).contains(&frame));
            assert_eq!((lossy.frames, lossy.frames_dropped), (300 - n, n), "{n} frames from {first}");
        }
    }
}

/// 300 frames I B B P …, sent as they are decoded, without those that `lost` names.
fn b_frames(lost: impl Fn(u64) -> bool) -> Counts {
    let mut sender = Sender::new();
    let start = sender.ticks;
    for n in 0..300u64 {
        let shown = if n % 3 == 0 { n as i64 + 3 } else { n as i64 };
        sender.ticks = start + shown * T;
        sender.packets(if lost(n) { "-f -Ms" } else { "f Ms" });
        sender.at += FRAME;
    }
    assert!(sender.flow.facts(Boot::from_nanos(sender.at)).jitter.unwrap() < 0.001);
    sender.flow.counts()
}

#[test]
fn numbering_follows_rfc_3550() {
    // From 65530: (numbers that come, lost, duplicates, late, resets)
    for (what, seqs, expected) in [
        ("in order over the wrap", vec![65_531, 65_535, 0, 1], (4 - 1, 0, 0, 0)),
        ("doubled", vec![65_531, 65_531, 65_530, 65_532], (0, 2, 0, 0)),
        ("late", vec![65_533, 65_531, 65_531, 65_534], (2, 1, 1, 0)),
        ("one stray", vec![30_000, 65_531], (0, 0, 0, 0)),
        ("two strays apart", vec![30_000, 20_000, 65_531], (0, 0, 0, 0)),
        ("a reset", vec![30_000, 30_001, 30_003], (1, 0, 0, 1)),
        ("a reset backwards", vec![65_000, 65_001, 65_002], (0, 0, 0, 1)),
        ("the largest step that is loss", vec![65_530u16.wrapping_add(2999)], (2998, 0, 0, 0)),
    ] {
        let mut sender = Sender::new();
        sender.packet(payload('f'), true);
        for seq in seqs {
            sender.seq = seq;
            sender.packet(payload('f'), true);
        }
        let c = sender.flow.counts();
        assert_eq!((c.packets_lost, c.duplicates, c.late, c.sequence_resets), expected, "{what}");
    }
}

#[test]
fn a_reset_of_the_numbering_is_no_loss_and_drops_no_frame() {
    let mut sender = Sender::new();
    sender.frames(10, "S m ME");
    sender.seq = sender.seq.wrapping_add(40_000);
    sender.frames(10, "S m ME");
    let counts = sender.flow.counts();
    assert_eq!(sender.seen(), (19, 0, 0), "the frame whose first packet raised the doubt is joined half way");
    assert_eq!(counts.sequence_resets, 1);
}

#[test]
fn foreign_payload_types_are_no_loss_no_double_and_no_frame() {
    for (what, takes_a_number) in [("repeating a number", false), ("numbered among the video", true)] {
        let mut sender = Sender::new();
        for _ in 0..10 {
            sender.packets("S m");
            let seen = Seen {
                at: Boot::from_nanos(sender.at),
                seq: sender.seq,
                ticks: sender.ticks + 77,
                marker: true,
                payload_type: 50,
                len: 20,
                payload: payload('k'),
            };
            sender.flow.on(&seen);
            sender.seq = sender.seq.wrapping_add(u16::from(takes_a_number));
            sender.frame("ME");
        }
        let counts = sender.flow.counts();
        assert_eq!((counts.packets_lost, counts.duplicates, counts.foreign), (0, 0, 10), "{what}");
        assert_eq!((counts.frames, counts.frames_dropped, counts.packets), (10, 0, 30), "{what}");
    }
}

#[test]
fn a_stray_timestamp_is_one_jump_and_a_lasting_one_too() {
    let mut sender = Sender::new();
    sender.frames(20, "S m ME");
    sender.ticks += 37_600 * 90_000;
    sender.frame("S m ME");
    sender.ticks -= 37_600 * 90_000;
    sender.frames(20, "S m ME");
    assert_eq!(sender.flow.counts().timestamp_jumps, 1);
    sender.ticks -= 9_800 * 90_000;
    sender.frames(20, "S m ME");
    assert_eq!(sender.flow.counts().timestamp_jumps, 2);
    assert_eq!(sender.seen(), (61, 0, 0));
    assert!(sender.flow.facts(Boot::from_nanos(sender.at)).jitter.unwrap() < 0.001);
    sender.frame("-S -m -ME");
    sender.frames(2, "S m ME");
    assert_eq!(sender.seen(), (63, 1, 3), "the pace holds on the new base");
}

#[test]
fn late_delivery_after_a_stall_is_not_a_jump_of_timestamps() {
    let mut sender = Sender::new();
    sender.frames(20, "S m ME");
    sender.at += 8_000_000_000;
    for _ in 0..200 {
        sender.frame("S m ME");
        sender.at -= FRAME - 1_000_000;
    }
    sender.frames(20, "S m ME");
    assert_eq!(sender.flow.counts().timestamp_jumps, 0);
}

#[test]
fn keyframes_are_timed_by_arrival_and_only_whole_ones_count() {
    let mut sender = Sender::new();
    for n in 0..120 {
        sender.frame(if n == 100 {
            "k -s Ms"
        } else if n % 50 == 0 {
            "k s Ms"
        } else {
            "f s Ms"
        });
    }
    let facts = sender.flow.facts(Boot::from_nanos(sender.at));
    assert_eq!(sender.flow.counts().keyframes, 2);
    assert_eq!(facts.keyframe_interval, Some(2.0));
    assert!((facts.since_keyframe.unwrap() - 70.0 * 0.04).abs() < 1e-9);
}

#[test]
fn a_recovery_point_makes_the_frame_behind_it_a_keyframe() {
    let mut sender = Sender::new();
    for n in 0..10 {
        if n % 5 == 0 {
            sender.packet(&[0x06, 0x06, 0x01, 0xc4, 0x80], false);
        }
        sender.frame("f Ms");
    }
    assert_eq!(sender.flow.counts().keyframes, 2);
}

#[test]
fn rates_hold_to_two_percent_over_twenty_seconds() {
    let mut sender = Sender::new();
    for n in 0..500 {
        sender.frame(if n % 25 == 0 { "k s s s s s s s Ms" } else { "f Ms" });
        let age = (n + 1) as f64 * 0.04;
        let facts = sender.flow.facts(Boot::from_nanos(sender.at));
        if age < 1.0 {
            assert_eq!(facts.fps, None);
        } else if age > 2.6 {
            assert!((facts.fps.unwrap() / 25.0 - 1.0).abs() < 0.02, "{age}: {facts:?}");
        }
        if age > 10.2 {
            let truth = (24 * 2 + 9) as f64 * 8_000.0;
            assert!((facts.bitrate.unwrap() / truth - 1.0).abs() < 0.02, "{age}: {facts:?}");
        }
    }
}

#[test]
fn rates_fall_to_zero_when_nothing_comes_and_are_absent_without_a_session() {
    let mut sender = Sender::new();
    assert_eq!(sender.flow.facts(Boot::from_nanos(sender.at)), Facts::default());
    sender.frames(100, "f Ms");
    let later = Boot::from_nanos(sender.at).plus(Duration::from_secs(5));
    let fps = sender.flow.facts(later).fps.unwrap();
    assert!((fps - 100.0 / 9.0).abs() < 0.3, "{fps}");
    let later = later.plus(Duration::from_secs(10));
    let facts = sender.flow.facts(later);
    assert_eq!((facts.fps, facts.bitrate), (Some(0.0), Some(0.0)));
    sender.flow.restart();
    let facts = sender.flow.facts(later);
    assert_eq!((facts.fps, facts.bitrate, facts.jitter), (None, None, None));
    assert!(facts.last_frame.is_some(), "what was seen stays seen");
}

#[test]
fn pictures_from_before_play_do_not_raise_the_rate() {
    let mut sender = Sender::new();
    let start = sender.at;
    for _ in 0..100 {
        sender.frame("f s s Ms");
        sender.at = start;
    }
    let at = |ms: u64| Boot::from_nanos(start + ms * 1_000_000);
    assert_eq!(sender.flow.facts(at(1_500)).fps, None);
    assert_eq!(sender.flow.facts(at(4_000)).fps, Some(0.0), "a burst and nothing behind it");
    sender.frames(200, "f s s Ms");
    let fps = sender.flow.facts(Boot::from_nanos(sender.at)).fps.unwrap();
    assert!((fps / 25.0 - 1.0).abs() < 0.02, "{fps}");
}

#[test]
fn jitter_is_that_of_rfc_3550() {
    let mut sender = Sender::new();
    let mut expected = 0.0;
    for n in 0..50u32 {
        sender.frame("Mf");
        let late = if n % 2 == 0 { 8_000_000 } else { -8_000_000i64 };
        sender.at = sender.at.wrapping_add_signed(late);
        if n > 0 {
            expected += (0.008 - expected) / 16.0;
        }
    }
    let jitter = sender.flow.facts(Boot::from_nanos(sender.at)).jitter.unwrap();
    assert!((jitter - expected).abs() < 1e-6, "{jitter} {expected}");
}

#[test]
fn the_resolution_in_band_overrules_that_of_the_sdp() {
    let sps = |hex: &str| crate::wire::h26x::tests::hex(hex);
    let mut sender = Sender::new();
    let size = |s: &Sender| s.flow.facts(Boot::from_nanos(s.at)).resolution;
    sender.flow.parameters(&[0x67, 1]);
    assert_eq!(size(&sender), None);
    sender.flow.parameters(&sps("6742c01ed900a42fe224c04400000fa40003a9803c58b920"));
    assert_eq!(size(&sender), Some((642, 362)));
    sender.packet(&sps("67640028acd940780227a9b011000003000100000300320f183196"), false);
    assert_eq!(size(&sender), Some((1918, 1078)));
    assert_eq!(sender.flow.facts(Boot::from_nanos(sender.at)).declared_fps, Some(25.0));
}

#[test]
fn other_codecs_are_counted_by_timestamp_and_marker() {
    let mut sender = Sender { flow: Flow::new(Codec::Other, HZ), ..Sender::new() };
    sender.frames(10, "f s Ms");
    sender.frame("f -s Ms");
    sender.frame("-f -s -Ms");
    sender.frames(10, "f s Ms");
    assert_eq!(sender.seen(), (20, 2, 4));
    assert_eq!(sender.flow.facts(Boot::from_nanos(sender.at)).since_keyframe, None);
    assert_eq!(sender.flow.counts().keyframes, 0);
}
