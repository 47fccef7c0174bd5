//! A stream of one programme by hand: tables, a picture of MPEG-2 video that stands alone, and cues, five times a second.

use crate::wire::psi::crc32_mpeg;

/// Ticks of the 90 kHz clock per second.
pub(super) const HZ: u64 = 90_000;
/// The picture's time is so much ahead of the clock.
const LEAD: u64 = HZ / 2;
const PMT: u16 = 0x100;
const VIDEO: u16 = 0x101;
const CUE: u16 = 0x1f4;

/// Time of the clock, and the continuity counters of the PAT, the PMT, video and cues.
#[derive(Default)]
pub(super) struct Muxer(u64, [u8; 4]);

fn packet(pid: u16, counter: &mut u8, pcr: Option<u64>, payload: &[u8]) -> Vec<u8> {
    let room = 184 - payload.len();
    let mut bytes = vec![0x47, 0x40 | (pid >> 8) as u8, pid as u8, 0x30 | *counter & 0x0f, room as u8 - 1];
    *counter = counter.wrapping_add(1);
    match pcr {
        Some(pcr) => bytes.extend([0x10, (pcr >> 25) as u8, (pcr >> 17) as u8, (pcr >> 9) as u8, (pcr >> 1) as u8]),
        None => bytes.push(0),
    }
    if let Some(pcr) = pcr {
        bytes.extend([(pcr << 7) as u8 | 0x7e, 0]);
    }
    bytes.resize(188 - payload.len(), 0xff);
    bytes.extend(payload);
    bytes
}

/// A section with its CRC, behind a pointer_field.
fn section(body: &[u8]) -> Vec<u8> {
    [&[0], body, &crc32_mpeg(body).to_be_bytes()[..]].concat()
}

impl Muxer {
    pub(super) fn starting_at(seconds: f64) -> Muxer {
        Muxer((seconds * HZ as f64) as u64, [5; 4])
    }

    /// The time of the next picture.
    pub(super) fn pts(&self) -> u64 {
        self.0 + LEAD
    }

    /// A fifth of a second of it, with a cue behind the picture.
    pub(super) fn fifth(&mut self, cue: Option<&[u8]>) -> Vec<u8> {
        let pts = self.pts();
        let Muxer(now, [pat, pmt, video, cues]) = self;
        let programs = section(&[0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe1, 0]);
        let streams = section(&[
            2, 0xb0, 29, 0, 1, 0xc1, 0, 0, 0xe1, 1, 0xf0, 6, 5, 4, b'C', b'U', b'E', b'I', 0x02, 0xe1, 1, 0xf0, 0,
            0x86, 0xe1, 0xf4, 0xf0, 0,
        ]);
        let stamp = [
            0x21 | (pts >> 29) as u8 & 0x0e,
            (pts >> 22) as u8,
            1 | (pts >> 14) as u8,
            (pts >> 7) as u8,
            1 | (pts << 1) as u8,
        ];
        let picture = [0, 0, 1, 0xb3, 20, 0, 15, 0x23, 0, 0, 1, 0xb8, 0, 8, 0, 0x40, 0, 0, 1, 0, 0, 8];
        let pes = [&[0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5][..], &stamp, &picture, &[0, 0, 1, 1]].concat();
        let mut bytes = packet(0, pat, None, &programs);
        bytes.extend(packet(PMT, pmt, None, &streams));
        bytes.extend(packet(VIDEO, video, Some(*now), &pes));
        if let Some(cue) = cue {
            bytes.extend(packet(CUE, cues, None, &section(cue)));
        }
        *now += HZ / 5;
        bytes
    }
}

/// A splice_info_section without its CRC.
fn splice(command: u8, body: &[u8]) -> Vec<u8> {
    let length = 11 + body.len() + 2 + 4;
    let mut bytes = vec![0xfc, 0x30, length as u8, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xf0, body.len() as u8, command];
    bytes.extend(body);
    bytes.extend([0, 0]);
    bytes
}

/// splice_null.
pub(super) fn null() -> Vec<u8> {
    splice(0, &[])
}

/// splice_insert that leaves the network for so many ticks and does not return by itself.
pub(super) fn out(event: u32, pts: u64, ticks: u64) -> Vec<u8> {
    let mut body = event.to_be_bytes().to_vec();
    body.extend([0x7f, 0xef, 0xfe | (pts >> 32) as u8 & 1]);
    body.extend((pts as u32).to_be_bytes());
    body.push(0x7e | (ticks >> 32) as u8 & 1);
    body.extend((ticks as u32).to_be_bytes());
    body.extend([0, 1, 0, 0]);
    splice(5, &body)
}
