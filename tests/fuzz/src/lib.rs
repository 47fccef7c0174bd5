//! What the fuzz targets share: packets written as bytes, and the seeds of each target.

use vedette::base::clock::Boot;
use vedette::wire::rtp::Seen;

/// Walks `bytes` as packets: control (1 marker, 2 steps of time in seconds, 4 foreign type, 8 steps of
/// the sequence number times 256), step of the sequence number,
/// step of the timestamp, step of arrival, length, payload. Steps are signed but that of arrival.
pub fn packets(mut bytes: &[u8], mut on: impl FnMut(&Seen<'_>)) {
    let (mut seq, mut ticks, mut at) = (65_500u16, i64::from(u32::MAX) - 100_000, 10_000_000_000u64);
    while let [control, step, time, arrival, len, rest @ ..] = bytes {
        let signed = |b: &u8| i64::from(*b as i8);
        seq = seq.wrapping_add_signed(if control & 8 == 0 { signed(step) as i16 } else { (signed(step) as i16) << 8 });
        ticks = ticks.wrapping_add(signed(time).wrapping_mul(if control & 2 == 0 { 360 } else { 90_000 }));
        at = at.wrapping_add(u64::from(*arrival) * if control & 2 == 0 { 1_000_000 } else { 1_000_000_000 });
        let (payload, after) = rest.split_at(usize::from(*len).min(rest.len()));
        on(&Seen {
            at: Boot::from_nanos(at),
            seq,
            ticks,
            marker: control & 1 != 0,
            payload_type: if control & 4 == 0 { 96 } else { 50 },
            len: payload.len() + 12,
            payload,
        });
        bytes = after;
    }
}

fn packet(control: u8, time: u8, payload: &[u8]) -> Vec<u8> {
    [&[control, 1, time, 40, payload.len() as u8], payload].concat()
}

const SPS_H264: &[u8] =
    b"\x67\x64\x00\x28\xac\xd9\x40\x78\x02\x27\xa9\xb0\x11\x00\x00\x03\x00\x01\x00\x00\x03\x00\x32\x0f\x18\x31\x96";
const SPS_H265: &[u8] = b"\x42\x01\x01\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\x78\xa0\x03\xc0\x80\x10\xe7\x55\x96\x56\x69\x24\xca\xf0\x16\x80\x80\x00\x00\x03\x00\x80\x00\x00\x0c\x84";

/// The seeds of every target, by its name.
pub fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let stream = |codec: u8, payloads: &[&[u8]]| {
        let frames = (0..12).flat_map(|_| {
            payloads
                .iter()
                .enumerate()
                .map(|(n, p)| packet(u8::from(n + 1 == payloads.len()), if n == 0 { 10 } else { 0 }, p))
        });
        std::iter::once(vec![codec]).chain(frames).flatten().collect::<Vec<u8>>()
    };
    // The full configuration with its keys uncommented.
    let full = vedette::daemon::catalogue::full_config();
    let bare = full.lines().map(|l| l.strip_prefix('#').filter(|k| !k.starts_with(' ')).unwrap_or(l));
    let bare = bare.collect::<Vec<_>>().join("\n");
    let hidden = [SPS_H264, b"\0\0\0\x01\x68\xee\0\0\x01\x65\x88"].concat();
    vec![
        ("rtp", stream(0, &[SPS_H264, b"\x7c\x85\x88", b"\x7c\x05\0", b"\x7c\x45\0"])),
        ("rtp", stream(0, &[b"\x78\0\x02\x09\xf0\0\x05\x06\x06\x01\xc4\x80", b"\x41\x9a", b"\x41\x4a"])),
        ("rtp", stream(0, &[&hidden, b"\x7c\x87\x64\0\0\x01\x65\x88", b"\x7c\x47\0"])),
        ("rtp", stream(1, &[SPS_H265, b"\x62\x01\x93\xaf", b"\x62\x01\x13\0", b"\x62\x01\x53\0"])),
        ("rtp", stream(1, &[b"\x60\x01\0\x03\x40\x01\x0c\0\x03\x26\x01\xaf", b"\x64\x01\x26\x10\xaa\xaf\0"])),
        ("rtp", stream(2, &[b"jpeg", b"jpeg"])),
        ("sdp", b"v=0\r\nm=video 0 RTP/AVP 96\r\nb=AS:5000\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z2QAKKzZQHgCJ6mwEQAAAwABAAADADIPGDGW,aO48gA==\r\na=framerate:25\r\na=x-dimensions:1920,1080\r\n".to_vec()),
        ("sdp", b"m=video 0 RTP/AVP 98\na=rtpmap:98 H265/90000\na=fmtp:98 sprop-sps=QgEBAWAAAAMAkAAAAwAAAwB4oAPAgBDnVZZWaSTK8BaAgAAAAwCAAAAMhA==\na=framesize:98 640-480\n".to_vec()),
        ("progress", b"\x05frame=62\nfps=24.62\nstream_0_0_q=28.0\nbitrate= 412.3kbits/s\ntotal_size=131072\nout_time_us=2543000\ndup_frames=1\ndrop_frames=2\nspeed=1.01x\nprogress=continue\n".to_vec()),
        ("progress", b"\x40frame=1\nstream_0_0_q=-1.0\ntotal_size=N/A\nout_time_us=-9223372036854775807\nprogress=end\n".to_vec()),
        ("progress", b"\x01[rtsp @ 0x5] [warning] RTP: missed 17 packets\n    Last message repeated 3 times\nmethod SETUP failed: 461\r[error] x\n".to_vec()),
        ("settings", bare.into_bytes()),
        ("settings", b"a = = 1\n[inner\nevery = \"5x\"\n\"\\u00e9\" = \"\"\"\nb\"\"\"\nwhen = 1979-05-27T07:32:00Z\nfloat = nan\n".to_vec()),
    ]
}
