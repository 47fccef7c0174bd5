//! Frames as `wire::rtp` counts them against those that ffprobe finds, on streams that x264 and x265 encode and GStreamer
//! packs into RTP (framed as in RFC 4571, so that no socket is needed).

use std::path::Path;
use std::process::Command;
use vedette::base::clock::Boot;
use vedette::wire::rtp::{Codec, Counts, Facts, Flow, Seen};

/// Runs a tool that must succeed, and gives what it printed.
fn tool(name: &str, args: &[&str]) -> String {
    let out =
        Command::new(name).args(args).output().unwrap_or_else(|e| panic!("{name}: {e}; `make setup` installs it"));
    assert!(out.status.success(), "{name} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// Plays a file of RFC 4571 frames into a flow, arriving as their timestamps say; leaves out what `lost` names.
fn play(flow: &mut Flow, file: &Path, lost: impl Fn(usize) -> bool) -> (Counts, Facts) {
    let bytes = std::fs::read(file).unwrap();
    let mut rest = &bytes[..];
    let (mut ticks, mut high, mut base, mut n) = (None::<i64>, 0, 0, 0);
    let mut at = Boot::default();
    while let Some((size, after)) = rest.split_first_chunk::<2>() {
        let (packet, after) = after.split_at(usize::from(u16::from_be_bytes(*size)));
        rest = after;
        let stamp = u32::from_be_bytes(packet[4..8].try_into().unwrap());
        let now = ticks.map_or(i64::from(stamp), |t| t + i64::from(stamp.wrapping_sub(t as u32) as i32));
        if ticks.replace(now).is_none() {
            (base, high) = (now, now);
        }
        high = high.max(now);
        at = Boot::from_nanos(10_000_000_000 + (high - base) as u64 * 100_000 / 9);
        assert_eq!(packet[0], 0x80, "no CSRC, extension or padding");
        let seen = Seen {
            at,
            seq: u16::from_be_bytes(packet[2..4].try_into().unwrap()),
            ticks: now,
            marker: packet[1] & 0x80 != 0,
            payload_type: packet[1] & 0x7f,
            len: packet.len(),
            payload: &packet[12..],
        };
        if !lost(n) {
            flow.on(&seen);
        }
        n += 1;
    }
    (flow.counts(), flow.facts(at))
}

#[test]
fn frames_keyframes_and_sizes_agree_with_ffprobe() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (mkv, rtp) = (path("a.mkv"), path("a.rtp"));
    let x264 = "keyint=50:bframes=3:b-pyramid=normal:slices=4";
    let x265 = "log-level=none:keyint=50:bframes=3:slices=4";
    // Raw: without a container GStreamer has no times, and all packets carry one timestamp.
    let cases = [
        ("libx264", vec!["-x264-params", x264], "h264parse", "rtph264pay", false),
        ("libx264", vec!["-x264-params", x264], "h264parse", "rtph264pay aggregate-mode=max-stap", false),
        ("libx264", vec!["-x264-params", "keyint=25:bframes=0:open-gop=1:aud=1"], "h264parse", "rtph264pay", false),
        ("libx264", vec!["-x264-params", "keyint=25:bframes=2:open-gop=1"], "h264parse", "rtph264pay", false),
        ("libx264", vec!["-x264-params", x264], "h264parse", "rtph264pay", true),
        ("libx265", vec!["-x265-params", x265], "h265parse", "rtph265pay", false),
        ("libx265", vec!["-x265-params", x265], "h265parse", "rtph265pay aggregate-mode=max", false),
        ("libx265", vec!["-x265-params", x265], "h265parse", "rtph265pay", true),
    ];
    for (encoder, options, parse, pay, raw) in cases {
        let what = format!("{encoder} {options:?} {pay} raw {raw}");
        let source = "testsrc=size=322x182:rate=25";
        let encode =
            ["-v", "error", "-y", "-f", "lavfi", "-i", source, "-frames:v", "250", "-pix_fmt", "yuv420p", "-c:v"];
        tool("ffmpeg", &[&encode, &[encoder, "-preset", "ultrafast"][..], &options, &[&mkv]].concat());
        let flags = tool("ffprobe", &["-v", "error", "-show_entries", "packet=flags", "-of", "csv=p=0", &mkv]);
        let keyframes = flags.lines().filter(|l| l.starts_with('K')).count() as u64;
        assert_eq!(flags.lines().count(), 250, "{what}");
        let from = if raw {
            let es = path(if encoder == "libx264" { "a.h264" } else { "a.hevc" });
            tool("ffmpeg", &["-v", "error", "-y", "-i", &mkv, "-c", "copy", &es]);
            format!(
                "filesrc location={es} ! video/x-{},framerate=0/1",
                if encoder == "libx264" { "h264" } else { "h265" }
            )
        } else {
            format!("filesrc location={mkv} ! matroskademux")
        };
        // A buffering filesink of GStreamer 1.22 loses bytes of buffers in several pieces.
        let sink = format!("rtpstreampay ! filesink buffer-mode=unbuffered location={rtp}");
        let line = format!("{from} ! {parse} ! {pay} mtu=400 config-interval=-1 ! {sink}");
        tool("gst-launch-1.0", &[&["-q"], &line.split(' ').collect::<Vec<_>>()[..]].concat());

        let codec = if encoder == "libx264" { Codec::H264 } else { Codec::H265 };
        let (counts, facts) = play(&mut Flow::new(codec, 90_000), Path::new(&rtp), |_| false);
        assert_eq!((counts.frames, counts.keyframes), (250, keyframes), "{what}: {counts:?}");
        assert_eq!((counts.frames_dropped, counts.packets_lost, counts.unreadable), (0, 0, 0), "{what}");
        assert_eq!(counts.timestamp_jumps, 0, "{what}");
        assert_eq!(facts.resolution, Some((322, 182)), "{what}");
        if raw {
            continue;
        }
        assert!((facts.fps.unwrap() / 25.0 - 1.0).abs() < 0.02, "{what}: {facts:?}");
        assert!(facts.jitter.unwrap() < 0.001, "{what}: {facts:?}");
        // One packet in 97, between the first and the last second.
        let total = counts.packets as usize;
        let lost = |n: usize| n.is_multiple_of(97) && n > total / 10 && n < total * 9 / 10;
        let (counts, _) = play(&mut Flow::new(codec, 90_000), Path::new(&rtp), lost);
        assert_eq!(counts.packets_lost, (0..total).filter(|n| lost(*n)).count() as u64, "{what}");
        assert_eq!(counts.frames + counts.frames_dropped, 250, "{what}: {counts:?}");
    }
}
