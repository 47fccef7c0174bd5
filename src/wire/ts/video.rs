//! A look into the bytes of H.264, H.265 and MPEG-2 video (byte stream format: ITU-T H.264 and H.265 annex B, ISO/IEC
//! 13818-2 clause 6.2): where pictures begin, at which decoding can start, and what the sequence header says.
//!
//! All bytes are searched for start codes, since a PES packet may hold more than one picture; of what follows a start
//! code only the first bytes are read. Parts of pictures that are coded field by field count as in `wire::rtp` (H.264 and
//! H.265: a field is a picture); of MPEG-2 a pair of fields counts once, and is told at its first.

use super::RandomAccess;
use crate::wire::h26x::{self, Picture};
use crate::wire::psi::Codec;

/// Bytes kept of a parameter set, SEI or header. A real parameter set is under 100 bytes; a recovery point message stands
/// among the first of its SEI.
const HEAD: usize = 512;
/// Of an SEI so much is read.
const SEI: usize = 128;
/// Bytes searched at a time for two zeros in a row, without which no start code begins.
const CHUNK: usize = 64;

/// MPEG-2 between a picture header and its first slice.
#[derive(Copy, Clone)]
struct Announced {
    random_access: RandomAccess,
    field: bool,
}

/// One video PID's elementary stream, in its order. About 600 bytes.
pub(super) struct Scanner {
    codec: Codec,
    /// Zero bytes right before the next one, at most 2.
    zeros: u8,
    head: [u8; HEAD],
    filled: usize,
    /// Bytes wanted of the unit that began last; it is read when they are there, or when the next one begins.
    wanted: usize,
    picture: Option<Picture>,
    /// Of the last parameter set read, so that a repeated one is not read again.
    digest: u64,
    /// A recovery point SEI stands before the next picture; MPEG-2: a GOP header with closed_gop.
    prepared: bool,
    announced: Option<Announced>,
    /// The first field of a pair was told.
    half: bool,
}

impl Scanner {
    /// `None` where the codec has no start codes that we know.
    pub(super) fn new(codec: Codec) -> Option<Scanner> {
        (codec != Codec::Other).then_some(Scanner {
            codec,
            zeros: 0,
            head: [0; HEAD],
            filled: 0,
            wanted: 0,
            picture: None,
            digest: 0,
            prepared: false,
            announced: None,
            half: false,
        })
    }

    pub(super) fn picture(&self) -> Option<Picture> {
        self.picture
    }

    pub(super) fn codec(&self) -> Codec {
        self.codec
    }

    /// Bytes are missing before the next ones.
    pub(super) fn broken(&mut self) {
        (self.zeros, self.wanted, self.filled) = (0, 0, 0);
        (self.prepared, self.announced, self.half) = (false, None, false);
    }

    /// The next bytes, across PES packets, which need not begin where a unit does; `told` hears of each picture at its
    /// first slice.
    pub(super) fn scan(&mut self, mut bytes: &[u8], told: &mut dyn FnMut(RandomAccess)) {
        while !bytes.is_empty() {
            if self.wanted > 0 {
                bytes = self.gather(bytes, told);
                continue;
            }
            match after_start(self.zeros, bytes) {
                Some(after) => {
                    (self.zeros, self.filled, self.wanted) = (0, 0, 1);
                    bytes = &bytes[after..];
                }
                None => {
                    let all = bytes.iter().rev().take_while(|b| **b == 0).count();
                    self.zeros = (all + if all == bytes.len() { usize::from(self.zeros) } else { 0 }).min(2) as u8;
                    return;
                }
            }
        }
    }

    /// Takes what is wanted of the unit that began last, and gives what is behind that.
    fn gather<'a>(&mut self, bytes: &'a [u8], told: &mut dyn FnMut(RandomAccess)) -> &'a [u8] {
        for (n, &byte) in bytes.iter().enumerate() {
            if byte == 1 && self.zeros == 2 {
                self.end(told);
                (self.zeros, self.filled, self.wanted) = (0, 0, 1);
                continue;
            }
            self.zeros = if byte == 0 { (self.zeros + 1).min(2) } else { 0 };
            self.head[self.filled] = byte;
            self.filled += 1;
            if self.filled == 1 {
                self.wanted = self.length(byte);
            }
            if self.filled >= self.wanted {
                self.end(told);
                return &bytes[n + 1..];
            }
        }
        &[]
    }

    /// How many bytes of a unit are wanted, by its first; 0 for none.
    fn length(&self, first: u8) -> usize {
        match self.codec {
            Codec::H264 => match first & 0x1f {
                1 | 2 | 5 => 2,
                6 => SEI,
                7 => HEAD,
                _ => 0,
            },
            Codec::H265 => match first >> 1 & 0x3f {
                0..=9 | 16..=21 => 3,
                33 => HEAD,
                _ => 0,
            },
            Codec::Mpeg2 => match first {
                0x00 => 3,
                0x01..=0xaf => 1,
                0xb3 => 8,
                0xb5 => 4,
                0xb8 => 5,
                _ => 0,
            },
            Codec::Other => 0,
        }
    }

    /// The unit's head is there as far as it goes.
    fn end(&mut self, told: &mut dyn FnMut(RandomAccess)) {
        if std::mem::take(&mut self.wanted) == 0 || self.filled == 0 {
            return;
        }
        let first = match self.codec {
            Codec::H264 => self.end_h264(),
            Codec::H265 => self.end_h265(),
            Codec::Mpeg2 => self.end_mpeg2(),
            Codec::Other => None,
        };
        if let Some(random_access) = first {
            told(random_access);
        }
    }

    /// ITU-T H.264 table 7-1; first_mb_in_slice 0 begins a picture (clause 7.3.3).
    fn end_h264(&mut self) -> Option<RandomAccess> {
        match (self.head[0] & 0x1f, &self.head[1..self.filled]) {
            (kind @ (1 | 2 | 5), [slice, ..]) if slice & 0x80 != 0 => {
                let recovery = std::mem::take(&mut self.prepared);
                Some(match kind {
                    5 => RandomAccess::Idr,
                    _ if recovery => RandomAccess::OpenI,
                    _ => RandomAccess::None,
                })
            }
            (6, body) => {
                self.prepared |= h26x::recovery_point(body);
                None
            }
            (7, _) => {
                self.learn(crate::wire::Codec::H264);
                None
            }
            _ => None,
        }
    }

    /// ITU-T H.265 table 7-1; first_slice_segment_in_pic_flag (clause 7.3.6.1). Other layers are no pictures of this one.
    fn end_h265(&mut self) -> Option<RandomAccess> {
        let [head, low, body @ ..] = &self.head[..self.filled] else { return None };
        if head & 1 != 0 || low >> 3 != 0 {
            return None;
        }
        match (head >> 1 & 0x3f, body) {
            (33, _) => {
                self.learn(crate::wire::Codec::H265);
                None
            }
            (kind, [slice, ..]) if slice & 0x80 != 0 => Some(match kind {
                16..=18 => RandomAccess::Bla,
                19 | 20 => RandomAccess::Idr,
                21 => RandomAccess::Cra,
                _ => RandomAccess::None,
            }),
            _ => None,
        }
    }

    /// ISO/IEC 13818-2 clauses 6.2.2.1 (sequence), 6.2.2.6 (GOP), 6.2.3 (picture) and 6.2.3.1 (its extension).
    fn end_mpeg2(&mut self) -> Option<RandomAccess> {
        match self.head[..self.filled] {
            [0x00, _, coding, ..] => {
                let closed = std::mem::take(&mut self.prepared);
                let random_access = match coding >> 3 & 7 {
                    1 if closed => RandomAccess::ClosedI,
                    1 => RandomAccess::OpenI,
                    _ => RandomAccess::None,
                };
                self.announced = Some(Announced { random_access, field: false });
                None
            }
            // picture_coding_extension: f_code(16), intra_dc_precision(2), picture_structure(2), 3 being a frame.
            [0xb5, id, _, structure, ..] if id >> 4 == 8 => {
                if let Some(announced) = &mut self.announced {
                    announced.field = structure & 3 != 3;
                }
                None
            }
            [0xb8, _, _, _, flags, ..] => {
                self.prepared = flags & 0x40 != 0;
                None
            }
            [0xb3, a, b, c, d, ..] => {
                let size = (u32::from(a) << 4 | u32::from(b) >> 4, u32::from(b & 0x0f) << 8 | u32::from(c));
                self.picture = (size.0 > 0 && size.1 > 0).then_some(Picture { size, fps: frame_rate(d & 0x0f) });
                None
            }
            [0x01..=0xaf, ..] => {
                let Announced { random_access, field } = self.announced.take()?;
                let second = field && self.half;
                self.half = field && !second;
                (!second).then_some(random_access)
            }
            _ => None,
        }
    }

    fn learn(&mut self, codec: crate::wire::Codec) {
        let unit = &self.head[..self.filled];
        // FNV-1a; a collision would only keep the picture size of before.
        let digest = unit.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
        if digest != self.digest {
            self.digest = digest;
            self.picture = h26x::picture(codec, unit).or(self.picture);
        }
    }
}

/// Where the first start code (00 00 01) of these bytes ends, `zeros` zero bytes (2 at most) being right before them.
fn after_start(zeros: u8, bytes: &[u8]) -> Option<usize> {
    let mut zeros = usize::from(zeros);
    let mut from = 0;
    loop {
        while let Some(0) = bytes.get(from) {
            (zeros, from) = (zeros + 1, from + 1);
        }
        if zeros >= 2 && *bytes.get(from)? == 1 {
            return Some(from + 1);
        }
        from += pair(bytes.get(from..)?)?;
        zeros = 0;
    }
}

/// Where the first two zero bytes in a row begin; coded pictures hardly hold any but in start codes.
fn pair(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        // A chunk and its neighbour one byte on, all at once and without a branch: this is where a packet's time goes.
        let (Some(a), Some(b)) = (chunk(bytes, from), chunk(bytes, from + 1)) else {
            let short = bytes.get(from..)?;
            return short.windows(2).position(|two| two == [0, 0]).map(|at| from + at);
        };
        let mut any = false;
        for n in 0..CHUNK {
            any |= a[n] | b[n] == 0;
        }
        if any {
            return (from..from + CHUNK).find(|n| bytes[*n] | bytes[*n + 1] == 0);
        }
        // The last chunk may overlap the one before it rather than be walked byte by byte.
        from = match bytes.len() - from {
            left if left > CHUNK + 1 && left <= 2 * CHUNK => bytes.len() - CHUNK - 1,
            _ => from + CHUNK,
        };
    }
}

fn chunk(bytes: &[u8], from: usize) -> Option<&[u8; CHUNK]> {
    bytes.get(from..)?.first_chunk()
}

/// ISO/IEC 13818-2 table 6-4.
fn frame_rate(code: u8) -> Option<f64> {
    let rates = [24_000.0 / 1001.0, 24.0, 25.0, 30_000.0 / 1001.0, 30.0, 50.0, 60_000.0 / 1001.0, 60.0];
    rates.get(usize::from(code).checked_sub(1)?).copied()
}
