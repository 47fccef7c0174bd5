//! A look into RTP payloads of H.264 (RFC 6184) and H.265 (RFC 7798): which picture a packet belongs to, whether one can
//! start decoding there, and what the parameter sets say. Slice data is never copied or scanned: of a coded slice only
//! the first byte is read, so the work is per packet (per NAL unit in an aggregate), not per byte.
//!
//! Cameras break these formats in known ways, and all of the following is read as meant: FU with start and end bit in
//! one, with the reserved bit set, without data, or with another inner type after the first fragment; zeros behind the
//! last unit of an aggregate; whole Annex-B runs (00 00 01) inside one "parameter set", which hide an IDR slice.

mod bits;
mod sps;

pub use sps::Picture;

use super::Codec;
use bits::Bits;

/// Bytes kept of a parameter set that is spread over packets. A real one is under 100 bytes; with every scaling list and
/// 64 reference picture sets it stays under 1 KiB, and what does not fit is read as far as it goes.
const GATHERED: usize = 1024;

/// What one payload holds.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Coded slice data, or any part of it.
    pub slice: bool,
    /// The first slice of a picture begins here: first_mb_in_slice 0 (H.264 clause 7.3.3) or
    /// first_slice_segment_in_pic_flag (H.265 clause 7.3.6.1).
    pub first: bool,
    /// The slice data continues a NAL unit whose beginning came in an earlier packet.
    pub continues: bool,
    /// Decoding can start here: IDR, IRAP (BLA, IDR, CRA), or an H.264 recovery point SEI before the slices.
    pub random_access: bool,
    /// The payload ends inside a NAL unit that the next packet continues.
    pub open: bool,
    /// Not to be read: an interleaved mode (types 25 to 27 and 29), a nested or cut structure, or no byte at all.
    pub unreadable: bool,
}

/// The role of a NAL unit type.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Kind {
    Slice {
        random_access: bool,
    },
    Sps,
    Sei,
    /// Any other parameter set or delimiter: small, and may hide Annex-B runs.
    Set,
    /// Neither pictures nor in front of them.
    Rest,
}

/// A NAL unit that its next fragment continues.
#[derive(Copy, Clone, Debug)]
struct Open {
    kind: Kind,
    /// No byte after the header was seen yet.
    empty: bool,
}

/// Reads the payloads of one track in their order. About 1.1 KiB, nothing on the heap.
pub struct Reader {
    h265: bool,
    open: Option<Open>,
    gathered: [u8; GATHERED],
    filled: usize,
    /// Of the last parameter set read, so that a repeated one costs a pass over its few bytes only.
    digest: u64,
    picture: Option<Picture>,
}

impl Reader {
    /// A reader of H.264 or H.265; `None` for [`Codec::Other`], which has no structure to read.
    pub fn new(codec: Codec) -> Option<Self> {
        let h265 = match codec {
            Codec::H264 => false,
            Codec::H265 => true,
            Codec::Other => return None,
        };
        Some(Reader { h265, open: None, gathered: [0; GATHERED], filled: 0, digest: 0, picture: None })
    }

    /// What the last readable in-band parameter set says.
    pub fn picture(&self) -> Option<Picture> {
        self.picture
    }

    /// Packets are missing before the next one: it continues nothing that was seen.
    pub fn broken(&mut self) {
        self.open = None;
    }

    /// Looks into the payload of the next packet.
    pub fn read(&mut self, payload: &[u8]) -> Piece {
        let mut piece = Piece::default();
        match (self.h265, payload) {
            // A start code in front of a NAL header: forbidden, sent nevertheless.
            (_, [0, 0, 1, rest @ ..] | [0, 0, 0, 1, rest @ ..]) => self.unit(rest, &mut piece),
            (false, [head, rest @ ..]) => self.payload_h264(*head, payload, rest, &mut piece),
            (true, [head, layer, rest @ ..]) => self.payload_h265([*head, *layer], payload, rest, &mut piece),
            _ => piece.unreadable = true,
        }
        piece.open = self.open.is_some();
        piece
    }

    fn payload_h264(&mut self, head: u8, payload: &[u8], rest: &[u8], piece: &mut Piece) {
        match (head & 0x1f, rest) {
            (1..=23, _) => self.unit(payload, piece),
            (24, _) => self.aggregate(rest, piece),
            (28, [fu, body @ ..]) => self.fragment(*fu, fu & 0x1f, 0, body, piece),
            _ => piece.unreadable = true,
        }
    }

    fn payload_h265(&mut self, head: [u8; 2], payload: &[u8], rest: &[u8], piece: &mut Piece) {
        match (head[0] >> 1 & 0x3f, rest) {
            (0..=47, _) => self.unit(payload, piece),
            (48, _) => self.aggregate(rest, piece),
            (49, [fu, body @ ..]) => self.fragment(*fu, fu & 0x3f, layer(head), body, piece),
            // PACI (RFC 7798 section 4.4.4): A, cType(6), PHSsize(5), F0..2, Y, then PHSsize bytes, then the content.
            (50, [c, s, after @ ..]) => {
                let kind = *c >> 1 & 0x3f;
                let extension = usize::from((*c & 1) << 4 | *s >> 4);
                match (kind, after.get(extension..)) {
                    (0..=47, Some(body)) => self.nal(self.kind(kind, layer(head)), body, true, piece),
                    (48, Some(body)) => self.aggregate(body, piece),
                    (49, Some([fu, body @ ..])) => self.fragment(*fu, fu & 0x3f, layer(head), body, piece),
                    _ => piece.unreadable = true,
                }
            }
            _ => piece.unreadable = true,
        }
    }

    /// STAP-A (RFC 6184 section 5.7.1) and AP (RFC 7798 section 4.4.2): units behind 16-bit sizes.
    fn aggregate(&mut self, mut rest: &[u8], piece: &mut Piece) {
        while let [high, low, after @ ..] = rest {
            let size = usize::from(u16::from_be_bytes([*high, *low]));
            if size == 0 {
                return; // padding
            }
            let Some((unit, after)) = after.split_at_checked(size) else {
                piece.unreadable = true;
                self.unit(after, piece);
                return;
            };
            self.unit(unit, piece);
            rest = after;
        }
    }

    /// FU-A (RFC 6184 section 5.8) and FU (RFC 7798 section 4.4.3). `kind` is trusted in the first fragment only.
    fn fragment(&mut self, fu: u8, kind: u8, layer: u8, body: &[u8], piece: &mut Piece) {
        let (start, end) = (fu & 0x80 != 0, fu & 0x40 != 0);
        let open = if start { None } else { self.open.take() };
        match open {
            _ if start => self.nal(self.kind(kind, layer), body, end, piece),
            Some(Open { kind, empty: true }) => self.nal(kind, body, end, piece),
            Some(Open { kind, empty: false }) => {
                self.inside(kind, body, piece);
                self.leave(kind, false, end);
            }
            None => {
                // Its beginning is lost, or was never sent: of slices the rest still counts, a set is of no use.
                let kind = match self.kind(kind, layer) {
                    Kind::Sps => Kind::Set,
                    kind => kind,
                };
                self.inside(kind, body, piece);
                self.leave(kind, false, end);
            }
        }
    }

    fn inside(&mut self, kind: Kind, body: &[u8], piece: &mut Piece) {
        match kind {
            Kind::Slice { .. } => {
                piece.slice = true;
                piece.continues = true;
            }
            Kind::Sps => self.gather(body),
            Kind::Sei | Kind::Set | Kind::Rest => {}
        }
    }

    /// A whole unit with its header.
    fn unit(&mut self, unit: &[u8], piece: &mut Piece) {
        match self.header(unit) {
            Some((kind, body)) => self.nal(kind, body, true, piece),
            None => piece.unreadable = true,
        }
    }

    fn header<'a>(&self, unit: &'a [u8]) -> Option<(Kind, &'a [u8])> {
        match (self.h265, unit) {
            (false, [head, body @ ..]) => Some((self.kind(head & 0x1f, 0), body)),
            (true, [head, low, body @ ..]) => Some((self.kind(*head >> 1 & 0x3f, layer([*head, *low])), body)),
            _ => None,
        }
    }

    /// The beginning of a unit, or all of it (`end`); `body` follows the header. Goes on with every unit that an Annex-B
    /// start code hides in it, which no honest unit contains (H.264 clause 7.4.1, H.265 clause 7.4.2.1).
    fn nal(&mut self, mut kind: Kind, mut body: &[u8], end: bool, piece: &mut Piece) {
        loop {
            if let Kind::Slice { random_access } = kind {
                piece.slice = true;
                piece.first |= body.first().is_some_and(|b| b & 0x80 != 0);
                piece.random_access |= random_access;
                return self.leave(kind, body.is_empty(), end);
            }
            if kind == Kind::Rest {
                return self.leave(kind, body.is_empty(), end);
            }
            let hidden = body.windows(3).position(|w| w == [0, 0, 1]);
            let own = &body[..hidden.unwrap_or(body.len())];
            if kind == Kind::Sps {
                self.filled = 0;
                self.gather(own);
            }
            if kind == Kind::Sei && !self.h265 {
                piece.random_access |= recovery_point(own);
            }
            match hidden.and_then(|at| self.header(&body[at + 3..])) {
                Some(next) => {
                    self.leave(kind, false, true);
                    (kind, body) = next;
                }
                None => return self.leave(kind, body.is_empty(), end),
            }
        }
    }

    /// A unit pauses until the next fragment, or ends.
    fn leave(&mut self, kind: Kind, empty: bool, end: bool) {
        self.open = (!end).then_some(Open { kind, empty });
        if end && kind == Kind::Sps {
            let whole = self.gathered;
            self.learn(&whole[..self.filled]);
        }
    }

    fn gather(&mut self, body: &[u8]) {
        let room = &mut self.gathered[self.filled..];
        let n = body.len().min(room.len());
        room[..n].copy_from_slice(&body[..n]);
        self.filled += n;
    }

    fn learn(&mut self, body: &[u8]) {
        // FNV-1a; a collision would only keep the picture size of before.
        let digest = body.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
        if digest != self.digest {
            self.digest = digest;
            self.picture = parse(self.h265, body).or(self.picture);
        }
    }

    /// Table 7-1 of both standards. Slices of another layer are no pictures of this one.
    fn kind(&self, kind: u8, layer: u8) -> Kind {
        match (self.h265, kind) {
            (_, _) if layer != 0 => Kind::Rest,
            (false, 1 | 2) | (true, 0..=9) => Kind::Slice { random_access: false },
            (false, 5) | (true, 16..=21) => Kind::Slice { random_access: true },
            (false, 7) | (true, 33) => Kind::Sps,
            (false, 6) | (true, 39 | 40) => Kind::Sei,
            (false, 8 | 9) | (true, 32 | 34 | 35) => Kind::Set,
            _ => Kind::Rest,
        }
    }
}

/// Reads a whole sequence parameter set, NAL header included, with or without a start code before it.
pub fn picture(codec: Codec, sps: &[u8]) -> Option<Picture> {
    let sps = sps.strip_prefix(&[0]).unwrap_or(sps);
    let sps = sps.strip_prefix(&[0, 0, 1]).unwrap_or(sps);
    match (codec, sps) {
        (Codec::H264, [head, body @ ..]) if head & 0x1f == 7 => parse(false, body),
        (Codec::H265, [head, _, body @ ..]) if head >> 1 & 0x3f == 33 => parse(true, body),
        _ => None,
    }
}

fn parse(h265: bool, body: &[u8]) -> Option<Picture> {
    if h265 { sps::h265(body) } else { sps::h264(body) }
}

/// nuh_layer_id of an H.265 NAL header.
fn layer(head: [u8; 2]) -> u8 {
    (head[0] & 1) << 5 | head[1] >> 3
}

/// Whether an H.264 SEI body holds a recovery point message (ITU-T H.264 clause D.1.8, payload type 6).
pub(super) fn recovery_point(body: &[u8]) -> bool {
    fn number(bits: &mut Bits<'_>) -> Option<usize> {
        let mut sum = 0;
        loop {
            let byte = bits.byte()?;
            sum += usize::from(byte);
            if byte != 0xff {
                return Some(sum);
            }
        }
    }
    let mut bits = Bits::new(body);
    while let (Some(kind), Some(size)) = (number(&mut bits), number(&mut bits)) {
        if kind == 6 {
            return true;
        }
        for _ in 0..size {
            if bits.byte().is_none() {
                return false;
            }
        }
    }
    false
}

#[cfg(test)]
pub(super) mod tests;
