//! A transport stream in memory, to be changed packet by packet.

use super::sections::{HZ, MASK, close};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The PID of the cues that are put in.
pub const CUE_PID: u16 = 500;
const NULL_PID: u16 = 0x1fff;
/// Ticks of the 27 MHz clock per tick of the 90 kHz clock.
const PER_TICK: u64 = 300;

pub type Packet = [u8; 188];

/// A stream of one programme with its packets.
#[derive(Clone)]
pub struct Clip {
    pub packets: Vec<Packet>,
    /// PTS of the first video access unit, 90 kHz.
    pub first: u64,
    cue_counter: u8,
}

/// 40 s of 25 pictures a second, a key frame every two seconds, 2.5 Mbit/s with null packets, made once and kept with the
/// build.
fn base(name: &str, more: &[&str]) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = dir.join(format!("{name}.ts"));
    if !path.exists() {
        // Tests are processes of their own, and two may make it at once: each under its own name, the last one stays.
        let own = dir.join(format!("{name}.{}.ts", std::process::id()));
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]);
        ffmpeg.args(["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25", "-f", "lavfi", "-i", "sine=1000"]);
        ffmpeg.args(["-t", "40", "-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-keyint_min", "50"]);
        ffmpeg.args(["-sc_threshold", "0", "-b:v", "1500k", "-maxrate", "1500k", "-bufsize", "750k", "-c:a", "aac"]);
        ffmpeg.args(more).args(["-f", "mpegts", "-muxrate", "2500k"]).arg(&own).stdin(Stdio::null());
        assert!(ffmpeg.status().expect("ffmpeg; `make setup` installs it").success());
        std::fs::rename(&own, &path).unwrap();
    }
    path
}

impl Clip {
    pub fn base() -> Clip {
        Clip::read(&base("base", &[]))
    }

    /// The same with timestamps that wrap after about 20 s.
    pub fn wrapping() -> Clip {
        Clip::read(&base("wrap", &["-output_ts_offset", "95425"]))
    }

    /// The same, two minutes long.
    pub fn long() -> Clip {
        Clip::read(&base("long", &["-t", "120"]))
    }

    pub fn read(path: &Path) -> Clip {
        let bytes = std::fs::read(path).unwrap();
        let packets: Vec<Packet> = bytes.chunks_exact(188).map(|p| p.try_into().unwrap()).collect();
        assert!(packets.iter().all(|p| p[0] == 0x47));
        let first = packets.iter().find_map(video_pts).expect("a video PTS");
        Clip { packets, first, cue_counter: 0 }
    }

    /// The PTS that lies `seconds` after the first one.
    pub fn pts(&self, seconds: f64) -> u64 {
        (self.first + (seconds * HZ as f64).round() as u64) & MASK
    }

    /// The place where the first video access unit at or after `seconds` begins.
    pub fn at(&self, seconds: f64) -> usize {
        let target = self.pts(seconds);
        let reached = |p: &Packet| video_pts(p).is_some_and(|pts| pts.wrapping_sub(target) & MASK < MASK / 2);
        self.packets.iter().position(reached).unwrap_or_else(|| panic!("the clip ends before {seconds} s"))
    }

    /// Names the cue PID in every PMT from `from` seconds on: 'CUEI' for the programme, and the stream with its type.
    pub fn declare_cues(mut self, from: f64, stream_type: u8) -> Clip {
        let from = if from > 0.0 { self.at(from) } else { 0 };
        let pmt_pid = self.pmt_pid();
        for packet in &mut self.packets[from..] {
            if pid(packet) == pmt_pid && packet[1] & 0x40 != 0 {
                *packet = with_cues(packet, stream_type);
            }
        }
        self
    }

    /// Puts a section in the place of the first null packets after `seconds`. Returns the place of its end: seconds from
    /// the first video PTS to the newest before it.
    pub fn inject(&mut self, seconds: f64, section: &[u8]) -> f64 {
        let mut at = self.at(seconds);
        let mut rest = section;
        let mut first = true;
        while !rest.is_empty() {
            at = (at..self.packets.len()).find(|n| pid(&self.packets[*n]) == NULL_PID).expect("a null packet");
            let mut packet = [0xff; 188];
            packet[..4].copy_from_slice(&[
                0x47,
                u8::from(first) << 6 | (CUE_PID >> 8) as u8,
                CUE_PID as u8,
                0x10 | self.cue_counter,
            ]);
            self.cue_counter = (self.cue_counter + 1) & 0x0f;
            let start = if first { 5 } else { 4 };
            if first {
                packet[4] = 0;
            }
            let n = rest.len().min(188 - start);
            packet[start..start + n].copy_from_slice(&rest[..n]);
            rest = &rest[n..];
            first = false;
            self.packets[at] = packet;
        }
        let newest = self.packets[..at].iter().rev().find_map(video_pts).expect("video before it");
        (newest.wrapping_sub(self.first) & MASK) as f64 / HZ as f64
    }

    /// Packets from `from` to `to` seconds.
    pub fn cut(mut self, from: f64, to: f64) -> Clip {
        let range = self.at(from)..self.at(to);
        self.packets = self.packets[range].to_vec();
        self
    }

    /// Turns packets of `pid` between two times into null packets.
    pub fn silence(&mut self, pid_gone: u16, from: f64, to: f64) -> &mut Clip {
        for n in self.at(from)..self.at(to) {
            if pid(&self.packets[n]) == pid_gone {
                self.packets[n][1] = 0x1f;
                self.packets[n][2] = 0xff;
            }
        }
        self
    }

    /// Indices of the video packets without PCR that follow `seconds`.
    pub fn video_after(&self, seconds: f64) -> impl Iterator<Item = usize> + '_ {
        let video = pid(&self.packets[self.at(seconds)]);
        let plain = move |n: &usize| pid(&self.packets[*n]) == video && pcr(&self.packets[*n]).is_none();
        (self.at(seconds)..self.packets.len()).filter(plain)
    }

    /// Takes one video packet out and puts a null packet there: the pace stays, the counter has a gap.
    pub fn lose(&mut self, seconds: f64) -> &mut Clip {
        let at = self.video_after(seconds).nth(1).unwrap();
        self.packets[at] = null();
        self
    }

    /// Sends one video packet `copies` times more; one copy is legal, two are not.
    pub fn duplicate(&mut self, seconds: f64, copies: usize) -> &mut Clip {
        let at = self.video_after(seconds).nth(1).unwrap();
        let packet = self.packets[at];
        let nulls: Vec<_> =
            (at..self.packets.len()).filter(|n| pid(&self.packets[*n]) == NULL_PID).take(copies).collect();
        // What lies between is moved up by the null packets that are used up.
        for (done, n) in nulls.into_iter().enumerate() {
            self.packets.remove(n);
            self.packets.insert(at + 1 + done, packet);
        }
        self
    }

    /// Steps the programme clock and every timestamp from `seconds` on by `by` seconds, signalled or not.
    pub fn jump_pcr(&mut self, seconds: f64, by: f64) -> &mut Clip {
        let ticks = (by * HZ as f64) as i64;
        for n in self.at(seconds)..self.packets.len() {
            if let Some(value) = pcr(&self.packets[n]) {
                let base = (value / PER_TICK).wrapping_add_signed(ticks) & MASK;
                let packet = &mut self.packets[n];
                let extension = packet[10] & 0x01;
                packet[6..10].copy_from_slice(&((base >> 1) as u32).to_be_bytes());
                packet[10] = ((base & 1) as u8) << 7 | 0x7e | extension;
            }
        }
        self
    }

    pub fn pmt_pid(&self) -> u16 {
        let pat = self.packets.iter().find(|p| pid(p) == 0 && p[1] & 0x40 != 0).expect("a PAT");
        u16::from_be_bytes([pat[15], pat[16]]) & 0x1fff
    }

    /// Seconds from the first packet to each packet by the stream's own clock, spread evenly between two PCRs.
    pub fn times(&self) -> Vec<f64> {
        let clocks: Vec<(usize, u64)> =
            self.packets.iter().enumerate().filter_map(|(n, p)| Some((n, pcr(p)?))).collect();
        let whole = (MASK + 1) * PER_TICK;
        // A clock that steps on purpose is not waited for: such a stretch takes what the one before took.
        let mut rate = 188.0 * 8.0 / 2_500_000.0;
        let mut times = vec![0.0; self.packets.len()];
        let mut done = 0;
        for pair in clocks.windows(2) {
            let ((from, a), (to, b)) = (pair[0], pair[1]);
            let seconds = ((b + whole - a) % whole) as f64 / 27e6;
            if seconds < 1.0 {
                rate = seconds / (to - from) as f64;
            }
            for n in done.max(1)..=to {
                times[n] = times[n - 1] + rate;
            }
            done = to + 1;
        }
        for n in done.max(1)..times.len() {
            times[n] = times[n - 1] + rate;
        }
        times
    }
}

pub fn pid(packet: &Packet) -> u16 {
    u16::from_be_bytes([packet[1], packet[2]]) & 0x1fff
}

fn null() -> Packet {
    let mut packet = [0xff; 188];
    packet[..4].copy_from_slice(&[0x47, 0x1f, 0xff, 0x10]);
    packet
}

fn payload(packet: &Packet) -> &[u8] {
    let start = if packet[3] & 0x20 != 0 { 5 + usize::from(packet[4]) } else { 4 };
    if packet[3] & 0x10 != 0 { packet.get(start..).unwrap_or_default() } else { &[] }
}

/// PTS of the video access unit that begins in this packet.
pub fn video_pts(packet: &Packet) -> Option<u64> {
    let p = payload(packet);
    let starts = packet[1] & 0x40 != 0 && p.len() > 13 && p.starts_with(&[0, 0, 1]) && p[3] & 0xf0 == 0xe0;
    (starts && p[7] & 0x80 != 0).then(|| {
        let at = |n: usize| u64::from(p[n]);
        (at(9) >> 1 & 7) << 30 | at(10) << 22 | (at(11) >> 1) << 15 | at(12) << 7 | at(13) >> 1
    })
}

/// PCR in ticks of 27 MHz.
pub fn pcr(packet: &Packet) -> Option<u64> {
    let there = packet[3] & 0x20 != 0 && packet[4] > 6 && packet[5] & 0x10 != 0;
    there.then(|| {
        let at = |n: usize| u64::from(packet[n]);
        let base = at(6) << 25 | at(7) << 17 | at(8) << 9 | at(9) << 1 | at(10) >> 7;
        base * PER_TICK + ((at(10) & 1) << 8 | at(11))
    })
}

/// The PMT of this packet with 'CUEI' and the cue PID added.
fn with_cues(packet: &Packet, stream_type: u8) -> Packet {
    let pointed = &payload(packet)[1..];
    let length = usize::from(u16::from_be_bytes([pointed[1], pointed[2]]) & 0x0fff);
    let mut section = pointed[..3 + length - 4].to_vec();
    let info = usize::from(u16::from_be_bytes([section[10], section[11]]) & 0x0fff);
    section.splice(12 + info..12 + info, *b"\x05\x04CUEI");
    let info = (info + 6) as u16;
    section[10] = section[10] & 0xf0 | (info >> 8) as u8;
    section[11] = info as u8;
    section.extend([stream_type, 0xe0 | (CUE_PID >> 8) as u8, CUE_PID as u8, 0xf0, 0]);
    let section = close(section, false);
    let mut made = [0xff; 188];
    made[..5].copy_from_slice(&[packet[0], packet[1], packet[2], 0x10 | packet[3] & 0x0f, 0]);
    made[5..5 + section.len()].copy_from_slice(&section);
    made
}

#[test]
fn the_base_is_what_the_tests_count_on() {
    let clip = Clip::base();
    let times = clip.times();
    let last = times[times.len() - 1];
    assert!((last - 40.0).abs() < 1.5, "{last} s");
    let pictures = clip.packets.iter().filter_map(video_pts).count();
    assert_eq!(pictures, 1000);
    let wrapping = Clip::wrapping();
    let wraps = |values: Vec<u64>| values.windows(2).filter(|w| w[1] + MASK / 2 < w[0]).count();
    assert_eq!(wraps(wrapping.packets.iter().filter_map(pcr).map(|p| p / PER_TICK).collect()), 1);
    assert!(wrapping.packets.iter().filter_map(video_pts).any(|pts| pts < HZ * 60));
}
