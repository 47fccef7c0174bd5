//! What one packet costs in `wire::rtp::Flow`, beside a plain copy of the same bytes out of a buffer, which is the least
//! that anyone who reads them from a socket pays. `cargo bench --bench rtp`; times are per packet.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use vedette::base::clock::Boot;
use vedette::wire::rtp::{Codec, Flow, Seen};

/// Packets of one frame, and payload bytes of a full packet: 25 frames of 16 × 1400 B are 4.5 Mbit/s.
const PER_FRAME: usize = 16;
const FULL: usize = 1400;
/// Frames in one pass, one of them a keyframe.
const FRAMES: usize = 50;

fn full(head: &[u8]) -> Vec<u8> {
    let mut payload = vec![0x5a; FULL];
    payload[..head.len()].copy_from_slice(head);
    payload
}

/// Payloads with their marker, frame by frame.
fn fu_h264() -> Vec<(Vec<u8>, bool)> {
    let fragment = |frame: usize, n: usize| {
        let kind = if frame == 0 { 5 } else { 1 };
        let flags = if n == 0 { 0x80 } else { 0 } | if n == PER_FRAME - 1 { 0x40 } else { 0 };
        (full(&[0x7c, flags | kind, 0x9a]), n == PER_FRAME - 1)
    };
    (0..FRAMES * PER_FRAME).map(|n| fragment(n / PER_FRAME, n % PER_FRAME)).collect()
}

fn single_h264() -> Vec<(Vec<u8>, bool)> {
    let slice = |n: usize| (full(&[0x41, if n.is_multiple_of(4) { 0x9a } else { 0x4a }]), n % 4 == 3);
    (0..FRAMES * PER_FRAME).map(slice).collect()
}

fn fu_h265() -> Vec<(Vec<u8>, bool)> {
    let fragment = |frame: usize, n: usize| {
        let kind = if frame == 0 { 19 } else { 1 };
        let flags = if n == 0 { 0x80 } else { 0 } | if n == PER_FRAME - 1 { 0x40 } else { 0 };
        (full(&[0x62, 1, flags | kind, 0xd0]), n == PER_FRAME - 1)
    };
    (0..FRAMES * PER_FRAME).map(|n| fragment(n / PER_FRAME, n % PER_FRAME)).collect()
}

fn per_packet(c: &mut Criterion) {
    for (name, codec, packets) in [
        ("h264_fu_a", Codec::H264, fu_h264()),
        ("h264_single", Codec::H264, single_h264()),
        ("h265_fu", Codec::H265, fu_h265()),
        ("other", Codec::Other, single_h264()),
    ] {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(packets.len() as u64));
        let mut flow = Flow::new(codec, 90_000);
        let (mut seq, mut ticks, mut at) = (0u16, 0i64, 1u64 << 40);
        group.bench_function("flow", |b| {
            b.iter(|| {
                for (payload, marker) in &packets {
                    flow.on(&Seen {
                        at: Boot::from_nanos(at),
                        seq,
                        ticks,
                        marker: *marker,
                        payload_type: 96,
                        len: payload.len() + 12,
                        payload: black_box(payload),
                    });
                    seq = seq.wrapping_add(1);
                    at += 1_000_000;
                    ticks += if *marker { 3_600 } else { 0 };
                }
                black_box(flow.counts())
            })
        });
        assert_eq!(flow.counts().packets_lost + flow.counts().frames_dropped, 0);
        let mut buffer = [0u8; FULL];
        group.bench_function("copy", |b| {
            b.iter(|| {
                for (payload, _) in &packets {
                    buffer[..payload.len()].copy_from_slice(black_box(payload));
                    black_box(&buffer);
                }
            })
        });
        group.finish();
    }
}

criterion_group!(benches, per_packet);
criterion_main!(benches);
