//! What the fuzz targets share: packets written as bytes, and the seeds of each target.

use vedette::base::clock::Boot;
use vedette::wire::psi::crc32_mpeg;
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

/// Gives every section that lies whole in one packet the CRC it should have, so that what is mutated is read; one whose
/// last byte is odd keeps its own.
pub fn repair(stream: &mut [u8]) {
    for packet in stream.chunks_exact_mut(188) {
        let [0x47, flags, _, 0x10..=0x1f, 0, section @ ..] = packet else { continue };
        let length = 3 + usize::from(u16::from_be_bytes([section[1] & 0x0f, section[2]]));
        let even = |section: &&mut [u8]| section.last().is_some_and(|b| b % 2 == 0);
        if let (true, Some(section)) = (*flags & 0x40 != 0 && length >= 7, section.get_mut(..length).filter(even)) {
            let (body, crc) = section.split_at_mut(length - 4);
            crc.copy_from_slice(&crc32_mpeg(body).to_be_bytes());
        }
    }
}

/// A transport packet: PID with the flag of a start, whether it has a payload and what before it, then the payload.
fn transport(pid: u16, cc: u8, field: &[u8], payload: &[u8]) -> Vec<u8> {
    let start = if field.is_empty() { 0x10 } else { 0x30 };
    let mut bytes = vec![0x47, (pid >> 8) as u8, pid as u8, start | cc & 15];
    bytes.extend([field, payload].concat());
    bytes.resize(188, 0xff);
    bytes
}

/// Two programmes of H.264, H.265, MPEG-2, audio, cues and private data.
fn multiplex() -> Vec<u8> {
    const STARTS: u16 = 0x4000;
    const PAT: &[u8] = b"\0\0\xb0\x11\0\x01\xc1\0\0\0\x01\xe0\x20\0\x02\xe0\x21\0\0\0\0";
    const PMT: &[u8] = b"\0\x02\xb0\x26\0\x01\xc1\0\0\xe1\0\xf0\x06\x05\x04CUEI\x1b\xe1\0\xf0\0\x0f\xe1\x01\xf0\0\x86\xe1\x02\xf0\0\x06\xe1\x05\xf0\0\0\0\0\0";
    const OTHER: &[u8] = b"\0\x02\xb0\x17\0\x02\xc1\0\0\xe1\x03\xf0\0\x24\xe1\x03\xf0\0\x02\xe1\x04\xf0\0\0\0\0\0";
    const NULL: &[u8] = b"\0\xfc\x30\x11\0\0\0\0\0\0\0\xff\xf0\0\0\0\0\0\0\0\0";
    let pes = |id: u8, frame: u8, es: &[u8]| {
        [&[0, 0, 1, id, 0, 0, 0x80, 0x80, 5, 0x21, 0, 1 | frame << 1, 0x1c, 1], es].concat()
    };
    let (mut stream, mut cc) = (Vec::new(), [0u8; 6]);
    for frame in 0..4u8 {
        stream.push(transport(STARTS, frame, &[], PAT));
        stream.push(transport(STARTS | 0x20, frame, &[], PMT));
        stream.push(transport(STARTS | 0x21, frame, &[], OTHER));
        stream.push(transport(STARTS | 0x102, frame, &[], NULL));
        for (n, (id, es)) in [
            (0xe0, &[&[0, 0, 1][..], SPS_H264, b"\0\0\x01\x65\x88"].concat()),
            (0xc0, &vec![0x5a; 40]),
            (0xe0, &[&[0, 0, 1][..], SPS_H265, b"\0\0\x01\x26\x01\xaf"].concat()),
            (
                0xe1,
                &b"\0\0\x01\xb3\x2d\x02\x40\x33\0\0\0\0\0\0\x01\xb8\0\0\0\x40\0\0\x01\0\0\x08\0\0\0\x01\x01\x12"
                    .to_vec(),
            ),
            (0xbd, &NULL[1..].to_vec()),
        ]
        .into_iter()
        .enumerate()
        {
            let pid = STARTS | [0x100, 0x101, 0x103, 0x104, 0x105][n];
            let field = [7, 0x10, 0, 0, 0x10 * frame, 0, 0x7e, 0];
            stream.push(transport(pid, cc[n], &field, &pes(id, frame, es)));
            cc[n] += 1;
        }
    }
    stream.concat()
}

/// Of SCTE 35 2023r1 §14.
const SAMPLES: &[&str] = &[
    "/DA0AAAAAAAA///wBQb+cr0AUAAeAhxDVUVJSAAAjn/PAAGlmbAICAAAAAAsoKGKNAIAmsnRfg==",
    "/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo=",
    "/DAvAAAAAAAA///wBQb+dGKQoAAZAhdDVUVJSAAAjn+fCAgAAAAALKChijUCAKnMZ1g=",
    "/DBIAAAAAAAA///wBQb+ek2ItgAyAhdDVUVJSAAAGH+fCAgAAAAALMvDRBEAAAIXQ1VFSUgAABl/nwgIAAAAACyk26AQAACZcuND",
];

/// One sample as the target takes it, and some pictures.
fn sample(text: &str) -> Vec<u8> {
    let section = vedette::base::base64::decode(text).expect("a sample");
    [&[b'S', section.len() as u8][..], &section, b"v\x1ft\x01m\0"].concat()
}

/// A break with all that may happen to one: Out, repeat, pictures, jump, In, cancel.
fn cues() -> Vec<u8> {
    let mut bytes = Vec::new();
    for (out, operations) in
        [(0xcf, &b"v\x1f"[..]), (0xcf, b"v\x1fd\0"), (0x4f, b"j\x01v\x1ft\x0a"), (0x5f, b"m\0v\x1f")]
    {
        let command = [
            &[0, 0, 0, 7, 0x7f, out][..],
            &[0xff, 0xff, 0xf2, 0x60, 0xa0][..if out == 0x5f { 0 } else { 5 }],
            &[0, 1, 0, 0],
        ];
        let command = command.concat();
        let length = 17 + command.len() as u8;
        bytes.extend([
            b'S',
            3 + length,
            0xfc,
            0x30,
            length,
            0,
            0,
            0,
            0,
            0,
            0,
            0xff,
            0xff,
            0xf0,
            command.len() as u8,
            5,
        ]);
        bytes.extend(command);
        bytes.extend([0; 6]);
        bytes.extend(operations);
    }
    bytes
}
/// Two versions of a live playlist with every tag and style of cue.
const HLS: &[u8] = b"#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:5\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n\
    #EXT-X-PROGRAM-DATE-TIME:2026-11-21T07:00:00Z\n#EXTINF:6.0,\n5.ts\n#EXT-OATCLS-SCTE35:/DAWAAAAAAAAAP/wBQb+AAAAAAAAXI5c6w==\n\
    #EXT-X-ASSET:CAID=0x1\n#EXT-X-CUE-OUT:12.0\n#EXTINF:6.0,\n6.ts\n#EXT-X-CUE-OUT-CONT:6/12\n#EXT-X-SCTE35:CUE-OUT=YES,DURATION=12\n#EXTINF:6.0,\n7.ts\n\
    #EXT-X-DATERANGE:ID=\"a\",CLASS=\"c\",START-DATE=\"2026-11-21T07:00:06Z\",PLANNED-DURATION=12,SCTE35-OUT=0xFC301600000000000000FFF00506FE000000000000\n\
    #EXT-X-CUE-IN\n#EXTINF:6.0,\n8.ts\n\xff#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-KEY:METHOD=NONE\n#EXT-X-MAP:URI=\"m\"\n\
    #EXT-X-BYTERANGE:100@5\n#EXTINF:6.0,\n7.ts\n#EXT-X-CUE-IN\n#EXTINF:6.0,\n8.ts\n#EXT-X-DISCONTINUITY\n#EXTINF:9,\n9.ts\n#EXT-X-ENDLIST\n";

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
        ("container", b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x09mdat.\0\0\0\x08moov".to_vec()),
        ("container", b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\xff\x1f\x43\xb6\x75\x81.".to_vec()),
        ("exposition", b"# HELP a x\\n\n# TYPE a histogram\na_bucket{le=\"+Inf\",b=\"\\\"\"} 1e3 17\na_sum NaN\n".to_vec()),
        ("exposition", b"# TYPE a counter\n# UNIT a_s s\na_total{b=\"c\"} 1 5.5 # {t=\"x\"} 1 2\n# EOF\n".to_vec()),
        ("hls", HLS.to_vec()),
        ("hls", b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=3000000,RESOLUTION=1280x720,CODECS=\"a,b\"\nhd.m3u8\n".to_vec()),
        ("rtp", stream(0, &[SPS_H264, b"\x7c\x85\x88", b"\x7c\x05\0", b"\x7c\x45\0"])),
        ("rtp", stream(0, &[b"\x78\0\x02\x09\xf0\0\x05\x06\x06\x01\xc4\x80", b"\x41\x9a", b"\x41\x4a"])),
        ("rtp", stream(0, &[&hidden, b"\x7c\x87\x64\0\0\x01\x65\x88", b"\x7c\x47\0"])),
        ("rtp", stream(1, &[SPS_H265, b"\x62\x01\x93\xaf", b"\x62\x01\x13\0", b"\x62\x01\x53\0"])),
        ("rtp", stream(1, &[b"\x60\x01\0\x03\x40\x01\x0c\0\x03\x26\x01\xaf", b"\x64\x01\x26\x10\xaa\xaf\0"])),
        ("rtp", stream(2, &[b"jpeg", b"jpeg"])),
        ("gst", b"vedette-gst/1 id=front pid=812 seq=4 at=905 since=49 errors=0 warnings=2 left_out=0 unsent=0\npipeline0 pipeline pipeline state=playing eos=0\nx264enc0 x264enc video_encoder in_buffers=21 in_age=12 keys=2 timed_ns=9\n".to_vec()),
        ("gst", b"\x08\0\0\0\x01\x05\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x04\0\0\0\x04\x06\0\0\0\0\0\0\0GGGG\x01\0\0\0\x07\x07\0\0\0\0\0\0\0\x03".to_vec()),
        ("smart", include_bytes!("../../../src/probe/disk/testdata/made-sata-hdd-pending/smartctl.json").to_vec()),
        ("smart", include_bytes!("../../../src/probe/disk/testdata/made-nvme-worn/smartctl.json").to_vec()),
        ("smart", b"{\"version\":1,\"disks\":[{\"device\":\"sda\",\"state\":\"known\",\"asked\":5,\"answered\":4,\"exit\":0,\"left\":null,\"numbers\":{\"wear\":0.5}}]}".to_vec()),
        ("ts", [&[0xfc, 40], &multiplex()[..]].concat()),
        ("ts", [&[0x1b, 3], &multiplex()[..]].concat()),
        ("scte35", cues()),
        ("scte35", SAMPLES.iter().flat_map(|text| sample(text)).collect()),
        ("sdp", b"v=0\r\nm=video 0 RTP/AVP 96\r\nb=AS:5000\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z2QAKKzZQHgCJ6mwEQAAAwABAAADADIPGDGW,aO48gA==\r\na=framerate:25\r\na=x-dimensions:1920,1080\r\n".to_vec()),
        ("sdp", b"m=video 0 RTP/AVP 98\na=rtpmap:98 H265/90000\na=fmtp:98 sprop-sps=QgEBAWAAAAMAkAAAAwAAAwB4oAPAgBDnVZZWaSTK8BaAgAAAAwCAAAAMhA==\na=framesize:98 640-480\n".to_vec()),
        ("progress", b"\x05frame=62\nfps=24.62\nstream_0_0_q=28.0\nbitrate= 412.3kbits/s\ntotal_size=131072\nout_time_us=2543000\ndup_frames=1\ndrop_frames=2\nspeed=1.01x\nprogress=continue\n".to_vec()),
        ("progress", b"\x40frame=1\nstream_0_0_q=-1.0\ntotal_size=N/A\nout_time_us=-9223372036854775807\nprogress=end\n".to_vec()),
        ("progress", b"\x01[rtsp @ 0x5] [warning] RTP: missed 17 packets\n    Last message repeated 3 times\nmethod SETUP failed: 461\r[error] x\n".to_vec()),
        ("settings", bare.into_bytes()),
        ("settings", b"a = = 1\n[inner\nevery = \"5x\"\n\"\\u00e9\" = \"\"\"\nb\"\"\"\nwhen = 1979-05-27T07:32:00Z\nfloat = nan\n".to_vec()),
        (
            "x509",
            b"\x30\x2e\x30\x2c\xa0\x03\x02\x01\x02\x02\x01\x01\x30\0\x30\0\x30\x1e\x17\x0d260101000000Z\x17\x0d261225000000Z".to_vec(),
        ),
    ]
}
