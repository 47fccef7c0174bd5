//! A small multiplexer: one programme of H.264, audio and cues at an even pace, to be broken by tests.

use super::super::{NULL_PID, PACKET};
use crate::base::clock::Boot;
use crate::wire::psi::crc32_mpeg;

pub(super) const PMT: u16 = 0x1000;
pub(super) const VIDEO: u16 = 0x100;
pub(super) const AUDIO: u16 = 0x101;
pub(super) const CUE: u16 = 0x1f4;
pub(super) const PROGRAM: u16 = 7;
/// Frames per second, packets per frame time, frames per group of pictures.
pub(super) const FPS: u64 = 25;
pub(super) const SLOTS: u64 = 10;
pub(super) const GOP: u64 = 50;
/// Video PTS and DTS minus PCR, and audio's, in 90 kHz.
pub(super) const LEAD: u64 = 63_000;
/// When the first packet arrives.
pub(super) const START: Boot = Boot::from_secs(3_600);

pub(super) type Bytes = [u8; PACKET];

/// A packet and when it arrives.
#[derive(Clone)]
pub(super) struct Sent {
    pub(super) at: Boot,
    pub(super) bytes: Bytes,
}

impl Sent {
    pub(super) fn pid(&self) -> u16 {
        u16::from_be_bytes([self.bytes[1] & 0x1f, self.bytes[2]])
    }
    pub(super) fn starts(&self) -> bool {
        self.bytes[1] & 0x40 != 0
    }
    /// Seconds since the first.
    pub(super) fn age(&self) -> f64 {
        self.at.since(START).as_secs_f64()
    }
}

/// A packet with `payload` at its end, stuffed before; `pcr` in 27 MHz.
pub(super) fn packet(pid: u16, starts: bool, cc: u8, pcr: Option<u64>, payload: &[u8]) -> Bytes {
    let mut bytes = [0xff; PACKET];
    bytes[0] = 0x47;
    bytes[1] = u8::from(starts) << 6 | (pid >> 8) as u8;
    bytes[2] = pid as u8;
    let field = PACKET - 4 - payload.len();
    bytes[3] = cc & 0x0f | if field > 0 { 0x20 } else { 0 } | if payload.is_empty() { 0 } else { 0x10 };
    if field > 0 {
        bytes[4] = (field - 1) as u8;
    }
    if field > 1 {
        bytes[5] = if pcr.is_some() { 0x10 } else { 0 };
    }
    if let Some(pcr) = pcr {
        let (base, extension) = (pcr / 300 % (1 << 33), pcr % 300);
        bytes[6..10].copy_from_slice(&((base >> 1) as u32).to_be_bytes());
        bytes[10] = (base as u8 & 1) << 7 | 0x7e | (extension >> 8) as u8;
        bytes[11] = extension as u8;
    }
    bytes[PACKET - payload.len()..].copy_from_slice(payload);
    bytes
}

/// A section with its length and CRC: head up to the length, then what follows it.
pub(super) fn section(table: u8, flags: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len() + 4;
    let mut bytes = vec![table, flags | (length >> 8) as u8, length as u8];
    bytes.extend(body);
    let crc = crc32_mpeg(&bytes);
    bytes.extend(crc.to_be_bytes());
    bytes
}

pub(super) fn pat(version: u8, programs: &[(u16, u16)]) -> Vec<u8> {
    let mut body = vec![0, 1, 0xc1 | version << 1, 0, 0];
    for (number, pid) in programs {
        body.extend([number.to_be_bytes(), (pid | 0xe000).to_be_bytes()].concat());
    }
    section(0x00, 0xb0, &body)
}

/// `streams`: stream_type, PID, descriptors.
pub(super) fn pmt(version: u8, number: u16, pcr_pid: u16, streams: &[(u8, u16, &[u8])]) -> Vec<u8> {
    let mut body = [&number.to_be_bytes()[..], &[0xc1 | version << 1, 0, 0]].concat();
    body.extend((pcr_pid | 0xe000).to_be_bytes());
    body.extend([0xf0, 6, 5, 4, b'C', b'U', b'E', b'I']);
    for (stream_type, pid, descriptors) in streams {
        body.push(*stream_type);
        body.extend((pid | 0xe000).to_be_bytes());
        body.extend([0xf0, descriptors.len() as u8]);
        body.extend(*descriptors);
    }
    section(0x02, 0xb0, &body)
}

pub(super) const USUAL: &[(u8, u16, &[u8])] = &[(0x1b, VIDEO, &[]), (0x0f, AUDIO, &[]), (0x86, CUE, &[])];

/// splice_null (ANSI/SCTE 35 clause 9.7.1).
pub(super) fn splice_null() -> Vec<u8> {
    section(0xfc, 0x30, &[0, 0, 0, 0, 0, 0, 0, 0xff, 0xf0, 0, 0, 0, 0])
}

/// A section as the payload of its packets, the first with a pointer_field.
pub(super) fn carried(pid: u16, cc: u8, section: &[u8]) -> Vec<Bytes> {
    let payload = [&[0][..], section].concat();
    let parts = payload.chunks(PACKET - 4).enumerate();
    parts
        .map(|(n, part)| {
            let full = [part, &vec![0xff; PACKET - 4 - part.len()]].concat();
            packet(pid, n == 0, cc + n as u8, None, &full)
        })
        .collect()
}

pub(super) fn pes(id: u8, pts: u64, dts: Option<u64>, es: &[u8]) -> Vec<u8> {
    let stamp = |prefix: u8, t: u64| {
        let t = t % (1 << 33);
        [
            prefix << 4 | (t >> 29) as u8 & 0x0e | 1,
            (t >> 22) as u8,
            (t >> 14) as u8 | 1,
            (t >> 7) as u8,
            (t << 1) as u8 | 1,
        ]
    };
    let mut bytes = vec![0, 0, 1, id, 0, 0, 0x80];
    match dts {
        None => bytes.extend([&[0x80, 5][..], &stamp(2, pts)].concat()),
        Some(dts) => bytes.extend([&[0xc0, 10][..], &stamp(3, pts), &stamp(1, dts)].concat()),
    }
    bytes.extend(es);
    bytes
}

/// A camera's SPS: 1918 × 1078, 25 fps.
pub(super) const SPS: &[u8] = &[
    0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xa9, 0xb0, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
    0x00, 0x03, 0x00, 0x32, 0x0f, 0x18, 0x31, 0x96,
];

/// So many seconds of the programme; its clock starts at `pcr` (27 MHz).
pub(super) fn stream(seconds: u64, pcr: u64) -> Vec<Sent> {
    let mut sent = Vec::new();
    let mut cc = std::collections::HashMap::<u16, u8>::new();
    let mut next = |pid: u16| {
        let cc = cc.entry(pid).or_insert(0);
        *cc = (*cc + 1) & 0x0f;
        *cc
    };
    for frame in 0..seconds * FPS {
        let clock = pcr + frame * 27_000_000 / FPS;
        let time = clock / 300 + LEAD;
        let mut es = vec![0, 0, 0, 1, 9, 0xf0];
        if frame % GOP == 0 {
            es.extend([&[0, 0, 0, 1], SPS, &[0, 0, 1, 0x68, 0xee, 0, 0, 1, 0x65, 0x88]].concat());
        } else {
            es.extend([0, 0, 1, 0x41, 0x9a]);
        }
        let first = pes(0xe0, time + 7_200, Some(time), &es);
        let first = [&first[..], &vec![0x5a; PACKET - 12 - first.len()]].concat();
        let more = [0x5a; PACKET - 4];
        let sound = pes(0xc0, time, None, &[0x5a; 100]);
        for slot in 0..SLOTS {
            let bytes = match slot {
                0 if frame % 5 == 0 => carried(0, next(0), &pat(0, &[(PROGRAM, PMT)]))[0],
                1 if frame % 5 == 0 => carried(PMT, next(PMT), &pmt(0, PROGRAM, VIDEO, USUAL))[0],
                2 => packet(VIDEO, true, next(VIDEO), Some(clock), &first),
                3 | 4 => packet(VIDEO, false, next(VIDEO), None, &more),
                5 => packet(AUDIO, true, next(AUDIO), None, &sound),
                6 if frame % 100 == 10 => carried(CUE, next(CUE), &splice_null())[0],
                _ => packet(NULL_PID, false, 0, None, &more),
            };
            let nanos = (frame * SLOTS + slot) * 1_000_000_000 / FPS / SLOTS;
            sent.push(Sent { at: Boot::from_nanos(START.as_nanos() + nanos), bytes });
        }
    }
    sent
}
