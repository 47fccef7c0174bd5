//! What one packet costs in `wire::ts::Monitor`, beside `dvb-conformance` on the same packets with the same clock.
//! `cargo bench --bench ts`; times are per packet. Streams are made by ffmpeg on the spot.

#![allow(clippy::unwrap_used)] // a bench without its stream is no bench

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dvb_conformance::ConformanceMonitor;
use std::hint::black_box;
use std::process::Command;
use std::time::Duration;
use vedette::base::clock::Boot;
use vedette::wire::ts::{Framer, Monitor, Options, PACKET, Packet};

/// A second of picture and tone: no more than a core's cache holds, since packets off a socket are warm as well.
fn stream(args: &str) -> Vec<[u8; PACKET]> {
    let video = "testsrc2=size=1280x720:rate=25:duration=1,noise=alls=20:allf=t";
    let inputs = ["-v", "error", "-nostdin", "-f", "lavfi", "-i", video, "-f", "lavfi", "-i", "sine=1000:duration=1"];
    let done = Command::new("ffmpeg").args(inputs).args(args.split_whitespace()).args(["-f", "mpegts", "-"]).output();
    let bytes = done.unwrap().stdout;
    bytes.chunks_exact(PACKET).map(|p| p.try_into().unwrap()).collect()
}

fn per_packet(c: &mut Criterion) {
    for (name, args) in [
        ("h264_8m", "-c:v libx264 -preset ultrafast -g 25 -b:v 8M -maxrate 8M -bufsize 4M -c:a mp2"),
        ("h264_2m_of_4m", "-c:v libx264 -preset ultrafast -g 25 -b:v 2M -maxrate 2M -bufsize 1M -c:a mp2 -muxrate 4M"),
        ("mpeg2_15m", "-c:v mpeg2video -g 12 -b:v 15M -c:a mp2"),
    ] {
        let packets = stream(args);
        // At the pace of a second.
        let step = 1_000_000_000 / packets.len() as u64;
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(packets.len() as u64));
        for (which, options) in
            [("monitor", Options::default()), ("monitor_p3", Options { priority3: true, ..Options::default() })]
        {
            let (mut monitor, mut at) = (Monitor::new(options), 1u64 << 40);
            group.bench_function(which, |b| {
                b.iter(|| {
                    for packet in &packets {
                        monitor.on(&Packet::new(black_box(packet)), Boot::from_nanos(at), &mut ());
                        at += step;
                    }
                    black_box(monitor.counts())
                })
            });
        }
        let (mut monitor, mut at) = (ConformanceMonitor::new(), 1u64 << 40);
        group.bench_function("dvb_conformance", |b| {
            b.iter(|| {
                for packet in &packets {
                    black_box(monitor.feed(black_box(packet), Duration::from_nanos(at)));
                    at += step;
                }
            })
        });
        let mut framer = Framer::default();
        group.bench_function("framer", |b| {
            b.iter(|| {
                for datagram in packets.as_flattened().chunks(7 * PACKET) {
                    framer.push(black_box(datagram), |packet| {
                        black_box(packet.pid());
                    });
                }
            })
        });
        group.finish();
    }
}

criterion_group!(benches, per_packet);
criterion_main!(benches);
