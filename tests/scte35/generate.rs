//! Sections by the dice: valid ones of every command and descriptor, then mutations of them.

use vedette::wire::psi::crc32_mpeg;

/// splitmix64: the same sections in every run of the same seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, n: usize) -> usize {
        (self.roll() % n as u64) as usize
    }
    pub fn percent(&mut self, p: usize) -> bool {
        self.below(100) < p
    }
    fn byte(&mut self) -> u8 {
        self.roll() as u8
    }
    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.byte()).collect()
    }
    fn text(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| b"ABCDEFGHJKLMNPQRSTUVWXYZ0123456789-./:"[self.below(38)]).collect()
    }
    /// Seven bits and a 33-bit time.
    fn low33(&mut self, high: u8) -> Vec<u8> {
        let mut bytes = self.bytes(5);
        bytes[0] = (bytes[0] & 1) | high;
        bytes
    }
}

fn splice_time(dice: &mut Dice) -> Vec<u8> {
    if dice.percent(85) { dice.low33(0xfe) } else { vec![0x7f] }
}

fn break_duration(dice: &mut Dice) -> Vec<u8> {
    let auto_return = if dice.percent(50) { 0xfe } else { 0x7e };
    dice.low33(auto_return)
}

fn insert(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = dice.bytes(4);
    if dice.percent(10) {
        bytes.push(0xff);
        return bytes;
    }
    let (program, duration, immediate) = (dice.percent(85), dice.percent(50), dice.percent(20));
    let flags = u8::from(program) << 6 | u8::from(duration) << 5 | u8::from(immediate) << 4;
    bytes.extend([0x7f, flags | (dice.byte() & 0x88) | 0x07]);
    if !program {
        let count = dice.below(4);
        bytes.push(count as u8);
        for _ in 0..count {
            bytes.push(dice.byte());
            if !immediate {
                bytes.extend(splice_time(dice));
            }
        }
    } else if !immediate {
        bytes.extend(splice_time(dice));
    }
    if duration {
        bytes.extend(break_duration(dice));
    }
    bytes.extend(dice.bytes(4));
    bytes
}

fn schedule(dice: &mut Dice) -> Vec<u8> {
    let count = dice.below(4);
    let mut bytes = vec![count as u8];
    for _ in 0..count {
        bytes.extend(dice.bytes(4));
        if dice.percent(20) {
            bytes.push(0xff);
            continue;
        }
        let (program, duration) = (dice.percent(75), dice.percent(50));
        bytes.extend([
            0x3f | (dice.byte() & 0x40),
            (dice.byte() & 0x80) | u8::from(program) << 6 | u8::from(duration) << 5 | 0x1f,
        ]);
        if program {
            bytes.extend(dice.bytes(4));
        } else {
            let components = dice.below(4);
            bytes.push(components as u8);
            bytes.extend(dice.bytes(5 * components));
        }
        if duration {
            bytes.extend(break_duration(dice));
        }
        bytes.extend(dice.bytes(4));
    }
    bytes
}

/// Type, length and bytes of a UPID.
fn upid(dice: &mut Dice, nested: bool) -> Vec<u8> {
    let kind = if dice.percent(3) { 0x12 + dice.below(200) as u8 } else { dice.below(18) as u8 };
    let n = 1 + dice.below(20);
    let mut bytes = match kind {
        0x00 => Vec::new(),
        0x02 => dice.text(8),
        0x03 | 0x07 => dice.text(12),
        0x04 => dice.bytes(32),
        0x05 | 0x08 => dice.bytes(8),
        0x06 | 0x0a => dice.bytes(12),
        0x09 | 0x0e => dice.text(n),
        0x0b | 0x0c => dice.bytes(4 + n),
        0x0d if !nested => (0..dice.below(4)).flat_map(|_| upid(dice, true)).collect(),
        0x0f => [&b"https://example.com/"[..], &dice.text(n)].concat(),
        0x10 => dice.bytes(16),
        _ => dice.bytes(n),
    };
    if dice.percent(5) {
        bytes.truncate(dice.below(bytes.len() + 1));
    }
    bytes.truncate(90);
    [&[kind, bytes.len() as u8][..], &bytes].concat()
}

const TYPES: &[u8] = &[
    0x00, 0x01, 0x02, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x20, 0x21, 0x22, 0x23, 0x24,
    0x25, 0x26, 0x27, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f,
    0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x50, 0x51,
];

fn segmentation(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = [&b"CUEI"[..], &dice.bytes(4)].concat();
    if dice.percent(10) {
        bytes.push(0x80 | dice.byte());
        return bytes;
    }
    let (program, duration) = (dice.percent(90), dice.percent(50));
    bytes.push(dice.byte() & 0x7f);
    bytes.push((dice.byte() & 0x3f) | u8::from(program) << 7 | u8::from(duration) << 6);
    if !program {
        let count = dice.below(4);
        bytes.push(count as u8);
        for _ in 0..count {
            bytes.push(dice.byte());
            bytes.extend(dice.low33(0xfe));
        }
    }
    if duration {
        bytes.extend(dice.bytes(5));
    }
    bytes.extend(upid(dice, false));
    let kind = if dice.percent(5) { dice.byte() } else { TYPES[dice.below(TYPES.len())] };
    bytes.extend([kind, dice.below(4) as u8, dice.below(4) as u8]);
    if dice.percent(if kind >= 0x30 { 40 } else { 3 }) {
        bytes.extend(dice.bytes(2));
    }
    bytes
}

fn descriptor(dice: &mut Dice) -> Vec<u8> {
    let (tag, mut body) = match dice.below(100) {
        0..10 => (0, [&b"CUEI"[..], &dice.bytes(4)].concat()),
        10..20 => {
            let count = dice.below(8);
            let characters: Vec<u8> = (0..count).map(|_| b"0123456789*#"[dice.below(12)]).collect();
            (1, [&b"CUEI"[..], &[dice.byte(), (count as u8) << 5 | 0x1f], &characters].concat())
        }
        20..70 => (2, segmentation(dice)),
        70..78 => (3, [&b"CUEI"[..], &dice.bytes(12)].concat()),
        78..86 => {
            let count = dice.below(4);
            (4, [&b"CUEI"[..], &[(count as u8) << 4 | 0x0f], &dice.bytes(5 * count)].concat())
        }
        86..95 => {
            let (tag, n) = ([0, 1, 2, 3, 4, 5, 0x80, 0xf0][dice.below(8)], dice.below(30));
            (tag, [&b"TEST"[..], &dice.bytes(n)].concat())
        }
        _ => (5 + dice.below(251) as u8, [&b"CUEI"[..], &dice.bytes(8)].concat()),
    };
    if dice.percent(3) {
        body.extend(dice.bytes(1 + dice_small(tag)));
    }
    if dice.percent(1) {
        body.resize(255, 0);
    }
    body.truncate(255);
    [&[tag, body.len() as u8][..], &body].concat()
}

/// How much too long, by tag, so that it differs.
fn dice_small(tag: u8) -> usize {
    usize::from(tag % 4)
}

/// One valid section, but for what old or careless equipment sends.
pub fn section(dice: &mut Dice) -> Vec<u8> {
    let (kind, mut command) = match dice.below(100) {
        0..10 => (0x00, Vec::new()),
        10..20 => (0x04, schedule(dice)),
        20..52 => (0x05, insert(dice)),
        52..87 => (0x06, splice_time(dice)),
        87..90 => (0x07, Vec::new()),
        90..97 => {
            let n = 4 + dice.below(20);
            (0xff, dice.bytes(n))
        }
        _ => (0x08 + dice.below(200) as u8, dice.text(6)),
    };
    if dice.percent(3) {
        command.extend(dice.bytes(2));
    }
    let descriptors: Vec<u8> = (0..dice.below(4)).flat_map(|_| descriptor(dice)).collect();
    let stuffing = if dice.percent(3) { vec![0xff; 1 + dice.below(4)] } else { Vec::new() };
    let length = 11 + command.len() + 2 + descriptors.len() + stuffing.len() + 4;
    let sap_type = (dice.byte() & 3) << 4;
    let mut bytes = vec![0xfc, sap_type | (length >> 8) as u8, length as u8, 0];
    let encrypted = if dice.percent(2) { 0x80 | (dice.byte() & 0x7e) } else { 0 };
    bytes.extend(if dice.percent(50) { vec![encrypted, 0, 0, 0, 0] } else { dice.low33(encrypted) });
    let command_length = if dice.percent(5) { 0xfff } else { command.len() };
    let tier = if dice.percent(80) { 0xfff } else { dice.below(0x1000) };
    bytes.extend([dice.byte(), (tier >> 4) as u8, ((tier << 4) & 0xf0) as u8 | (command_length >> 8) as u8]);
    bytes.extend([command_length as u8, kind]);
    bytes.extend(command);
    bytes.extend((descriptors.len() as u16).to_be_bytes());
    bytes.extend(descriptors);
    bytes.extend(stuffing);
    bytes.extend([0; 4]);
    sign(&mut bytes);
    bytes
}

/// Puts the right CRC where the section ends, by its own length if that is there.
fn sign(bytes: &mut [u8]) {
    let Some(lengths) = bytes.get(1..3) else { return };
    let own = 3 + usize::from(u16::from_be_bytes([lengths[0], lengths[1]]) & 0xfff);
    let end = if own <= bytes.len() { own } else { bytes.len() };
    if let Some((body, crc)) = bytes[..end].split_last_chunk_mut::<4>() {
        *crc = crc32_mpeg(body).to_be_bytes();
    }
}

/// Changes the section in one of the ways in which sections break.
pub fn mutate(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let at = |dice: &mut Dice, bytes: &[u8]| dice.below(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
    match dice.below(100) {
        0..40 => {}
        40..65 => {
            for _ in 0..1 + dice.below(3) {
                let n = at(dice, bytes);
                bytes[n] ^= dice.byte();
            }
            sign(bytes);
        }
        // Lengths: of the section, of the command, of whatever stands further on.
        65..77 => {
            let n = [1, 2, 11, 12][dice.below(4)];
            let n = if dice.percent(50) { n } else { at(dice, bytes) };
            bytes[n] = bytes[n].wrapping_add([1, 2, 3, 0xff, 0xfe][dice.below(5)]);
            sign(bytes);
        }
        77..84 => bytes.truncate(dice.below(bytes.len())),
        84..90 => {
            bytes.truncate(7.max(dice.below(bytes.len())));
            let length = (bytes.len() - 3) as u16;
            bytes[1] = (bytes[1] & 0xf0) | (length >> 8) as u8;
            bytes[2] = length as u8;
            sign(bytes);
        }
        90..94 => {
            let more = 1 + dice.below(8);
            bytes.extend(dice.bytes(more));
        }
        94..98 => {
            let n = at(dice, bytes);
            bytes[n] ^= 1 << dice.below(8);
        }
        _ => {
            let n = dice.below(60);
            *bytes = dice.bytes(n);
            if let (Some(first), true) = (bytes.first_mut(), n > 20) {
                *first = 0xfc;
                bytes[1] &= 0x0f;
                sign(bytes);
            }
        }
    }
}
