//! `wire::ts` on streams that ffmpeg made, against what ffprobe says of them.

use super::ALLOCATIONS;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use vedette::base::clock::Boot;
use vedette::base::label::Label;
use vedette::wire::ts::{
    Counts, CueState, Facts, Indicator, Jump, Listener, Medium, Monitor, Options, PACKET, Packet, RandomAccess, Role,
    Section, Timebase, Unit,
};

/// Everything that came out.
#[derive(Default)]
struct Heard {
    units: Vec<Unit>,
    jumps: Vec<Jump>,
    tables: usize,
    sections: Vec<Vec<u8>>,
}

impl Listener for Heard {
    fn section(&mut self, section: &Section<'_>) {
        assert!(section.crc_ok);
        self.sections.push(section.bytes.to_vec());
    }
    fn access_unit(&mut self, unit: &Unit) {
        self.units.push(*unit);
    }
    fn discontinuity(&mut self, _: u16, jump: Jump, _: Boot) {
        self.jumps.push(jump);
    }
    fn tables(&mut self, _: u16, _: Option<&vedette::wire::ts::Program>, _: Boot) {
        self.tables += 1;
    }
}

const START: Boot = Boot::from_secs(5_000);

fn watch(bytes: &[u8]) -> (Counts, Facts, Heard) {
    let mut heard = Heard::default();
    let mut monitor = Monitor::new(Options { timebase: Timebase::Stream, ..Options::default() });
    for part in bytes.chunks(1316) {
        monitor.feed(part, START, &mut heard);
    }
    (monitor.counts(), monitor.facts(START), heard)
}

/// What is wrong by TR 101 290, indicator by indicator.
fn faults(counts: &Counts) -> Vec<(&'static str, u64)> {
    Indicator::ALL.iter().map(|i| (i.label(), counts.of(*i))).filter(|(_, n)| *n > 0).collect()
}

/// A moving picture and a tone, made by ffmpeg.
fn ffmpeg(dir: &Path, name: &str, seconds: u32, args: &str) -> Vec<u8> {
    let out = dir.join(name);
    let video = format!("testsrc2=size=640x360:rate=25:duration={seconds}");
    let audio = format!("sine=1000:duration={seconds}");
    let inputs = ["-v", "error", "-nostdin", "-f", "lavfi", "-i", &video, "-f", "lavfi", "-i", &audio];
    let done = Command::new("ffmpeg").args(inputs).args(args.split_whitespace()).arg(&out).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    std::fs::read(out).unwrap()
}

/// One packet of ffprobe's list.
#[derive(Debug, PartialEq)]
struct Probed {
    pts: u64,
    dts: u64,
    key: bool,
}

/// Packets by PID, as ffprobe lists them, times modulo 2^33.
fn ffprobe(path: &Path) -> BTreeMap<u16, Vec<Probed>> {
    let probe = |what: &str| {
        let args = ["-v", "error", "-show_entries", what, "-of", "compact=p=0"];
        let done = Command::new("ffprobe").args(args).arg(path).output().unwrap();
        String::from_utf8(done.stdout).unwrap()
    };
    let fields = |line: &str| -> BTreeMap<String, String> {
        line.split('|').filter_map(|f| f.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect()
    };
    let mut pids = BTreeMap::new();
    for line in probe("stream=index,id").lines().filter(|l| l.contains("id=0x")) {
        let stream = fields(line);
        pids.insert(stream["index"].clone(), u16::from_str_radix(&stream["id"][2..], 16).unwrap());
    }
    let mut all = BTreeMap::<u16, Vec<Probed>>::new();
    for line in probe("packet=stream_index,pts,dts,flags").lines().filter(|l| l.contains("pts=")) {
        let packet = fields(line);
        let time = |key: &str| packet[key].parse::<i64>().unwrap().rem_euclid(1 << 33) as u64;
        let probed = Probed { pts: time("pts"), dts: time("dts"), key: packet["flags"].starts_with('K') };
        all.entry(pids[&packet["stream_index"]]).or_default().push(probed);
    }
    all
}

/// Packets by PID, counted the plain way.
fn packets(bytes: &[u8]) -> BTreeMap<u16, u64> {
    let mut all = BTreeMap::new();
    for packet in bytes.chunks_exact(PACKET) {
        *all.entry(u16::from_be_bytes([packet[1] & 0x1f, packet[2]])).or_default() += 1;
    }
    all
}

const CBR: &str = "-c:v libx264 -preset ultrafast -g 50 -keyint_min 50 -sc_threshold 0 -b:v 1500k -maxrate 1500k \
                   -bufsize 750k -c:a aac -f mpegts -muxrate 2500k";

#[test]
fn a_constant_rate_stream_reads_as_ffprobe_reads_it_and_has_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = ffmpeg(dir.path(), "base.ts", 40, CBR);
    let (counts, facts, heard) = watch(&bytes);
    assert_eq!(faults(&counts), []);
    assert_eq!(counts.packets(), (bytes.len() / PACKET) as u64);
    let plain = packets(&bytes);
    for (role, pids) in [(Role::Null, &[0x1fff][..]), (Role::Video, &[256]), (Role::Audio, &[257]), (Role::Si, &[17])] {
        let counted = counts.role(role).packets;
        assert_eq!(counted, pids.iter().map(|p| plain[p]).sum::<u64>(), "{role:?}");
    }
    let probed = ffprobe(&dir.path().join("base.ts"));
    let units: Vec<Probed> = heard
        .units
        .iter()
        .filter(|u| u.medium == Medium::Video)
        .map(|u| Probed { pts: u.pts, dts: u.dts, key: u.random_access == RandomAccess::Idr })
        .collect();
    assert_eq!(units, probed[&256]);
    // ffprobe splits audio PES packets into frames: the first of each carries the PTS.
    let audio: Vec<u64> = probed[&257].iter().map(|p| p.pts).collect();
    assert!(heard.units.iter().filter(|u| u.medium == Medium::Audio).all(|u| audio.contains(&u.pts)));
    assert!(heard.jumps.is_empty() && heard.tables == 1);

    assert_eq!(facts.programs.len(), 1);
    let program = &facts.programs[0];
    let video = program.streams[0].video.unwrap();
    let near = |a: Option<f64>, b: f64, by: f64| assert!((a.unwrap() - b).abs() <= by, "{a:?} is not {b}");
    near(facts.bitrate, 2_500_000.0, 10_000.0);
    near(video.fps, 25.0, 0.3);
    near(video.declared_fps, 25.0, 0.0);
    near(video.keyframe_interval, 2.0, 0.0);
    assert_eq!((video.resolution, video.gop, video.frames, video.keyframes), (Some((640, 360)), Some(50), 1000, 20));
    assert!(program.pcr_interval.unwrap() < 0.1 && program.pcr_jitter.is_none());
    near(program.av_drift, 0.0, 0.2);
}

#[test]
fn times_that_wrap_are_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = ffmpeg(dir.path(), "wrap.ts", 40, &CBR.replace("-muxrate", "-output_ts_offset 95425 -muxrate"));
    let (counts, facts, heard) = watch(&bytes);
    let video: Vec<u64> = heard.units.iter().filter(|u| u.medium == Medium::Video).map(|u| u.dts).collect();
    assert!(video.windows(2).any(|w| w[1] < w[0]), "the stream does not wrap");
    assert_eq!((faults(&counts), heard.jumps), (vec![], vec![]));
    assert_eq!(facts.programs[0].streams[0].video.unwrap().frames, 1000);
}

#[test]
fn pictures_of_other_codecs_are_those_that_ffprobe_sees() {
    use RandomAccess as R;
    let dir = tempfile::tempdir().unwrap();
    for (name, args, kinds) in [
        ("mpeg2.ts", "-c:v mpeg2video -g 12 -bf 2 -b:v 2M -c:a mp2 -f mpegts", &[R::ClosedI, R::OpenI][..]),
        (
            "h265.ts",
            "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=25:bframes=3 -c:a ac3 -f mpegts",
            &[R::Idr, R::Cra],
        ),
        (
            "h264.ts",
            "-c:v libx264 -preset veryfast -bf 3 -g 30 -c:a aac -f mpegts -mpegts_flags resend_headers",
            &[R::Idr],
        ),
    ] {
        let bytes = ffmpeg(dir.path(), name, 5, args);
        let (counts, facts, heard) = watch(&bytes);
        let video: Vec<&Unit> = heard.units.iter().filter(|u| u.medium == Medium::Video).collect();
        let key = |u: &Unit| u.random_access != R::None;
        let units: Vec<Probed> = video.iter().map(|u| Probed { pts: u.pts, dts: u.dts, key: key(u) }).collect();
        assert_eq!(units, ffprobe(&dir.path().join(name))[&256], "{name}");
        assert!(kinds.iter().all(|k| video.iter().any(|u| u.random_access == *k)), "{name}");
        assert!(video.iter().all(|u| !key(u) || kinds.contains(&u.random_access)), "{name}");
        let picture = facts.programs[0].streams[0].video.unwrap();
        assert_eq!((picture.resolution, picture.frames, picture.declared_fps), (Some((640, 360)), 125, Some(25.0)));
        assert_eq!((faults(&counts), heard.jumps), (vec![], vec![]), "{name}");
        assert!(counts.audio_units > 0);
    }
}

/// CRC-32 of ISO/IEC 13818-1 annex A, bit by bit.
fn crc(bytes: &[u8]) -> [u8; 4] {
    let step = |crc: u32, bit: u8| crc << 1 ^ if (crc >> 31) as u8 ^ bit == 1 { 0x04c1_1db7 } else { 0 };
    let bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |n| byte >> n & 1));
    bits.fold(u32::MAX, step).to_be_bytes()
}

/// A section in one packet.
fn packet(pid: u16, cc: u8, section: &[u8]) -> [u8; PACKET] {
    let mut bytes = [0xff; PACKET];
    bytes[..5].copy_from_slice(&[0x47, 0x40 | (pid >> 8) as u8, pid as u8, 0x10 | cc & 15, 0]);
    bytes[5..5 + section.len()].copy_from_slice(section);
    bytes[5 + section.len()..][..4].copy_from_slice(&crc(section));
    bytes
}

#[test]
fn ffmpeg_turns_cues_into_private_data_and_both_sides_say_so() {
    const CUE: u16 = 500;
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = ffmpeg(dir.path(), "base.ts", 10, CBR);
    let pmt =
        b"\x02\xb0\x22\0\x01\xc3\0\0\xe1\0\xf0\x06\x05\x04CUEI\x1b\xe1\0\xf0\0\x0f\xe1\x01\xf0\0\x86\xe1\xf4\xf0\0";
    let cue = b"\xfc\x30\x11\0\0\0\0\0\0\0\xff\xf0\0\0\0\0";
    let mut sent = 0;
    for (n, p) in bytes.as_chunks_mut::<PACKET>().0.iter_mut().enumerate() {
        match u16::from_be_bytes([p[1] & 0x1f, p[2]]) {
            0x1000 => *p = packet(0x1000, p[3], pmt),
            0x1fff if n > sent * 1500 + 700 => {
                *p = packet(CUE, sent as u8, cue);
                sent += 1;
            }
            _ => {}
        }
    }
    std::fs::write(dir.path().join("cues.ts"), &bytes).unwrap();
    let (counts, facts, heard) = watch(&bytes);
    assert_eq!(faults(&counts), []);
    let state = |facts: &Facts| facts.programs[0].streams[2].cue;
    assert_eq!((state(&facts), heard.sections.len(), counts.cue_sections), (CueState::Declared, sent, sent as u64));

    let copy = ["-v", "error", "-nostdin", "-i", "cues.ts", "-map", "0", "-c", "copy", "-f", "mpegts", "copy.ts"];
    assert!(Command::new("ffmpeg").args(copy).current_dir(dir.path()).status().unwrap().success());
    let (counts, facts, heard) = watch(&std::fs::read(dir.path().join("copy.ts")).unwrap());
    assert_eq!((state(&facts), facts.programs[0].cuei, counts.cue_sections), (CueState::Disguised, false, 0));
    assert!(heard.sections.len() > sent / 2 && counts.disguised_cues == heard.sections.len() as u64);
    assert!(heard.sections.iter().all(|s| s.starts_with(cue)));
}

#[test]
fn no_packet_of_a_stream_at_work_costs_an_allocation() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = ffmpeg(dir.path(), "base.ts", 5, CBR);
    let mut monitor = Monitor::new(Options { priority3: true, ..Options::default() });
    let mut at = START.as_nanos();
    let mut pass = |monitor: &mut Monitor| {
        for p in bytes.as_chunks().0 {
            at += 600_000;
            monitor.on(&Packet::new(p), Boot::from_nanos(at), &mut ());
        }
    };
    pass(&mut monitor);
    let before = ALLOCATIONS.with(Cell::get);
    // Back to where it began: clocks, timestamps and counters jump.
    pass(&mut monitor);
    assert_eq!(ALLOCATIONS.with(Cell::get) - before, 0);
    assert!(monitor.counts().frames == 250 && monitor.counts().pcr_jumps == 1);
}
