//! What `wire` promises for every input: exact loss, every frame once, no panic, no allocation per packet.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

#[path = "wire/ts.rs"]
mod ts;

use proptest::prelude::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use vedette::base::clock::Boot;
use vedette::wire::h26x;
use vedette::wire::rtp::{Codec, Flow, Seen};
use vedette::wire::sdp;

/// Counts the allocations of the thread that asks, so that tests do not disturb each other.
struct Counting;

thread_local!(static ALLOCATIONS: Cell<u64> = const { Cell::new(0) });

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const SPS: &[u8] = &[
    0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xa9, 0xb0, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
    0x00, 0x03, 0x00, 0x32, 0x0f, 0x18, 0x31, 0x96,
];

/// One packet to send: payload, whether the frame ends with it, and the frame's number.
type Sent = (Vec<u8>, bool, usize);

#[derive(Copy, Clone, Debug)]
enum Shape {
    FuMarked,
    FuUnmarked,
    SlicesMarked,
    H265Fu,
}

/// Frames of the given numbers of packets, after each other; every tenth is a keyframe with parameter sets before it.
fn stream(shape: Shape, sizes: &[usize]) -> Vec<Sent> {
    let mut sent = Vec::new();
    for (frame, &size) in sizes.iter().enumerate() {
        let key = frame % 10 == 0;
        let hevc = matches!(shape, Shape::H265Fu);
        if key {
            sent.push((if hevc { vec![0x40, 1, 0x0c] } else { SPS.to_vec() }, false, frame));
        }
        for n in 0..size {
            let (first, last) = (n == 0, n + 1 == size);
            let flags = if first { 0x80 } else { 0 } | if last { 0x40 } else { 0 };
            let payload = match shape {
                Shape::FuMarked | Shape::FuUnmarked => vec![0x7c, flags | if key { 5 } else { 1 }, 0x9a, 0],
                Shape::H265Fu => vec![0x62, 1, flags | if key { 19 } else { 1 }, 0xd0, 0],
                Shape::SlicesMarked => vec![if key { 0x65 } else { 0x41 }, if first { 0x9a } else { 0x4a }],
            };
            sent.push((payload, last && !matches!(shape, Shape::FuUnmarked), frame));
        }
    }
    sent
}

fn play(flow: &mut Flow, sent: &[Sent], seq: u16, ticks: i64, lost: impl Fn(usize) -> bool) {
    for (n, (payload, marker, frame)) in sent.iter().enumerate().filter(|(n, _)| !lost(*n)) {
        flow.on(&Seen {
            at: Boot::from_nanos(5_000_000_000 + *frame as u64 * 40_000_000 + n as u64),
            seq: seq.wrapping_add(n as u16),
            ticks: ticks.wrapping_add(*frame as i64 * 3_600),
            marker: *marker,
            payload_type: 96,
            len: payload.len() + 12,
            payload,
        });
    }
}

fn shapes() -> impl Strategy<Value = Shape> {
    prop_oneof![Just(Shape::FuMarked), Just(Shape::FuUnmarked), Just(Shape::SlicesMarked), Just(Shape::H265Fu)]
}

fn codec(shape: Shape) -> Codec {
    if matches!(shape, Shape::H265Fu) { Codec::H265 } else { Codec::H264 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn loss_is_exact_and_every_frame_sent_is_counted_once(
        shape in shapes(),
        sizes in prop::collection::vec(1usize..7, 60..90),
        holes in prop::collection::vec((0.0f64..1.0, 1usize..25), 0..8),
        seq: u16,
        ticks in prop_oneof![Just(i64::from(u32::MAX) - 100_000), any::<i32>().prop_map(i64::from)],
    ) {
        let sent = stream(shape, &sizes);
        // The first 20 frames teach the pace, the last 8 show the end.
        let from = sent.iter().position(|s| s.2 == 20).unwrap();
        let to = sent.iter().position(|s| s.2 == sizes.len() - 8).unwrap();
        let holes: Vec<_> = holes.into_iter().map(|(at, n)| (from + ((to - from) as f64 * at) as usize, n)).collect();
        let lost = |n: usize| n < to && holes.iter().any(|(at, len)| (*at..at + len).contains(&n));
        let mut flow = Flow::new(codec(shape), 90_000);
        play(&mut flow, &sent, seq, ticks, lost);
        let counts = flow.counts();
        let missing = (0..sent.len()).filter(|n| lost(*n)).count() as u64;
        prop_assert_eq!(counts.packets_lost, missing);
        prop_assert_eq!(counts.packets, sent.len() as u64 - missing);
        prop_assert_eq!((counts.duplicates, counts.sequence_resets, counts.timestamp_jumps), (0, 0, 0));
        // Where no marker says so, the last frame ends when the next begins, which never comes.
        let open = u64::from(matches!(shape, Shape::FuUnmarked));
        prop_assert_eq!(counts.frames + counts.frames_dropped + open, sizes.len() as u64);
        let harmed: std::collections::BTreeSet<_> =
            sent.iter().enumerate().filter(|(n, _)| lost(*n)).map(|(_, s)| s.2).collect();
        // A frame that lost only the parameter sets before it may pass as whole: its pictures are.
        prop_assert!(counts.frames_dropped <= harmed.len() as u64);
        let in_slices = |n: &usize| lost(*n) && !matches!(sent[*n].0[0], 0x67 | 0x40);
        let cut: std::collections::BTreeSet<_> = (0..sent.len()).filter(in_slices).map(|n| sent[n].2).collect();
        prop_assert!(counts.frames_dropped >= cut.len() as u64);
    }

    #[test]
    fn doubled_and_late_packets_change_nothing_but_their_own_counts(
        sizes in prop::collection::vec(1usize..7, 40..60),
        doubled in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        seq: u16,
    ) {
        let sent = stream(Shape::FuMarked, &sizes);
        let doubled: Vec<_> = doubled.iter().map(|i| i.index(sent.len())).collect();
        let mut flow = Flow::new(Codec::H264, 90_000);
        let mut expected = 0;
        for n in 0..sent.len() {
            play(&mut flow, &sent, seq, 0, |m| m != n);
            if doubled.contains(&n) {
                play(&mut flow, &sent, seq, 0, |m| m != n);
                play(&mut flow, &sent, seq, 0, |m| m != n.saturating_sub(3));
                expected += 2;
            }
        }
        let counts = flow.counts();
        prop_assert_eq!((counts.duplicates, counts.packets_lost, counts.late), (expected, 0, 0));
        prop_assert_eq!((counts.frames, counts.frames_dropped), (sizes.len() as u64, 0));
    }

    #[test]
    fn any_packets_at_all_are_survived_and_no_count_falls(
        which in 0usize..3,
        clock_hz: u32,
        packets in prop::collection::vec(
            (any::<u64>(), any::<u16>(), any::<i64>(), any::<bool>(), 90u8..98, prop::collection::vec(any::<u8>(), 0..40)),
            0..60,
        ),
    ) {
        let mut flow = Flow::new([Codec::H264, Codec::H265, Codec::Other][which], clock_hz);
        let mut before = flow.counts();
        for (at, seq, ticks, marker, payload_type, payload) in &packets {
            let at = Boot::from_nanos(*at);
            let seen = Seen { at, seq: *seq, ticks: *ticks, marker: *marker, payload_type: *payload_type, len: 1, payload };
            flow.on(&seen);
            let now = flow.counts();
            prop_assert!(now.frames >= before.frames && now.frames_dropped >= before.frames_dropped);
            prop_assert!(now.frames <= now.packets && now.keyframes <= now.frames);
            prop_assert!(now.frames_dropped <= now.packets + now.packets_lost);
            let facts = flow.facts(at);
            prop_assert!(facts.fps.is_none_or(|f| f.is_finite() && f >= 0.0));
            prop_assert!(facts.jitter.is_none_or(|j| j.is_finite() && (0.0..=5.0).contains(&j)));
            before = now;
        }
    }

    #[test]
    fn any_description_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..300), lines in "((m=video 0 RTP/AVP 96|a=rtpmap:96 H26[45]/[0-9]{0,12}|a=fmtp:96 [ -~]{0,40}|a=framerate:[0-9.e-]{0,9})\r?\n){0,9}") {
        sdp::video(&bytes);
        sdp::video(lines.as_bytes());
    }

    #[test]
    fn sizes_agree_with_another_reader_of_h264(flips in prop::collection::vec((8usize..216, any::<bool>()), 0..12)) {
        let mut sps = SPS.to_vec();
        for (bit, set) in flips {
            let mask = 0x80 >> (bit % 8);
            sps[bit / 8] = if set { sps[bit / 8] | mask } else { sps[bit / 8] & !mask };
        }
        use h264_reader::nal::{Nal, RefNal, sps::SeqParameterSet};
        let peer = SeqParameterSet::from_bits(RefNal::new(&sps, &[], true).rbsp_bits());
        if let Ok((width, height)) = peer.and_then(|p| p.pixel_dimensions()) {
            let possible = |n| (1..=33_792).contains(&n);
            let ours = h26x::picture(Codec::H264, &sps).map(|p| p.size);
            prop_assert_eq!(ours, (possible(width) && possible(height)).then_some((width, height)));
        }
    }
}

#[test]
fn no_packet_costs_an_allocation() {
    let sizes: Vec<_> = (0..100).map(|n| 1 + n % 6).collect();
    for shape in [Shape::FuMarked, Shape::FuUnmarked, Shape::SlicesMarked, Shape::H265Fu] {
        let sent = stream(shape, &sizes);
        let mut other_size = SPS.to_vec();
        other_size[7] ^= 0x10;
        let mut flow = Flow::new(codec(shape), 90_000);
        let before = ALLOCATIONS.with(Cell::get);
        play(&mut flow, &sent, 65_500, 0, |n| n % 17 == 0);
        flow.restart();
        play(&mut flow, &sent, 9, i64::MAX - 5, |n| n % 3 == 0);
        play(&mut flow, &sent, 40_000, 0, |_| false);
        for n in 0..200u16 {
            let payload = if n % 2 == 0 { SPS } else { &other_size };
            let at = Boot::from_secs(20 + u64::from(n));
            flow.on(&Seen { at, seq: n, ticks: 0, marker: true, payload_type: 96, len: 40, payload });
            flow.facts(at);
        }
        assert_eq!(ALLOCATIONS.with(Cell::get) - before, 0, "{shape:?}");
        assert!(flow.counts().frames > 100 && flow.counts().frames_dropped > 10 && flow.counts().sequence_resets > 0);
    }
}
