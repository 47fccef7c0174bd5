//! Program-specific information: sections gathered from packets, their CRC, PAT and PMT (ISO/IEC 13818-1 clause 2.4.4).
//!
//! Tables are read from sections whose CRC is good, and never beyond their end; what does not fit is left out.

mod assembler;
mod kind;

pub use assembler::{Assembler, Carriage, Gathered};
pub use kind::{Codec, Kind};

/// Bytes of the longest section: section_length of a private one is at most 4093 (clause 2.4.4.11).
pub const LONGEST: usize = 4096;

pub const TABLE_PAT: u8 = 0x00;
pub const TABLE_CAT: u8 = 0x01;
pub const TABLE_PMT: u8 = 0x02;
/// splice_info_section (ANSI/SCTE 35 clause 9.6).
pub const TABLE_SPLICE: u8 = 0xfc;

/// The CRC of clause Annex A: polynomial 0x04C11DB7, from all ones, not reflected, not inverted. Over a whole section, its
/// own CRC included, it is 0.
pub fn crc32_mpeg(bytes: &[u8]) -> u32 {
    const TABLES: [[u32; 256]; 4] = tables();
    let mut crc = 0xffff_ffff_u32;
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let x = (crc ^ u32::from_be_bytes([word[0], word[1], word[2], word[3]])).to_be_bytes();
        crc = TABLES[3][usize::from(x[0])]
            ^ TABLES[2][usize::from(x[1])]
            ^ TABLES[1][usize::from(x[2])]
            ^ TABLES[0][usize::from(x[3])];
    }
    for byte in words.remainder() {
        crc = crc << 8 ^ TABLES[0][usize::from((crc >> 24) as u8 ^ byte)];
    }
    crc
}

/// The remainders of one byte, and of one byte with one to three zero bytes behind it.
const fn tables() -> [[u32; 256]; 4] {
    let mut all = [[0u32; 256]; 4];
    let mut n = 0;
    while n < 256 {
        let mut crc = (n as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000_0000 != 0 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 };
            bit += 1;
        }
        all[0][n] = crc;
        n += 1;
    }
    let mut k = 1;
    while k < 4 {
        n = 0;
        while n < 256 {
            let before = all[k - 1][n];
            all[k][n] = before << 8 ^ all[0][(before >> 24) as usize];
            n += 1;
        }
        k += 1;
    }
    all
}

/// The head of a section in the long form (section_syntax_indicator 1, clause 2.4.4.10), and what is inside.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Long<'a> {
    pub table: u8,
    /// transport_stream_id, program_number, service_id: by table.
    pub extension: u16,
    pub version: u8,
    /// current_next_indicator: in force now.
    pub current: bool,
    pub number: u8,
    pub last: u8,
    /// Between the head and the CRC.
    pub body: &'a [u8],
}

impl<'a> Long<'a> {
    /// `None` where the section is of the short form or shorter than its head. The CRC is not looked at.
    pub fn read(section: &'a [u8]) -> Option<Self> {
        let [table, flags, _, e0, e1, v, number, last, ..] = *section else { return None };
        let body = section.get(8..section.len().checked_sub(4)?)?;
        (flags & 0x80 != 0).then_some(Long {
            table,
            extension: u16::from_be_bytes([e0, e1]),
            version: v >> 1 & 0x1f,
            current: v & 1 != 0,
            number,
            last,
            body,
        })
    }
}

/// The programmes of a PAT section's body: number and PID. Number 0 names the PID of the NIT.
pub fn pat(body: &[u8]) -> impl Iterator<Item = (u16, u16)> {
    body.chunks_exact(4).map(|e| (u16::from_be_bytes([e[0], e[1]]), pid(e[2], e[3])))
}

fn pid(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high & 0x1f, low])
}

/// A PMT section's body (clause 2.4.4.9).
#[derive(Copy, Clone, Debug)]
pub struct Pmt<'a> {
    /// 0x1fff: the programme has no clock.
    pub pcr_pid: u16,
    descriptors: &'a [u8],
    streams: &'a [u8],
}

/// One elementary stream of a PMT.
#[derive(Copy, Clone, Debug)]
pub struct Elementary<'a> {
    pub stream_type: u8,
    pub pid: u16,
    descriptors: &'a [u8],
}

impl<'a> Pmt<'a> {
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let [p0, p1, l0, l1, rest @ ..] = body else { return None };
        let length = usize::from(u16::from_be_bytes([l0 & 0x0f, *l1]));
        let (descriptors, streams) = rest.split_at_checked(length)?;
        Some(Pmt { pcr_pid: pid(*p0, *p1), descriptors, streams })
    }
    /// Tag and body of each descriptor of the programme.
    pub fn descriptors(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        descriptors(self.descriptors)
    }
    /// The programme claims SCTE-35 (registration_descriptor 'CUEI', ANSI/SCTE 35 clause 8.1).
    pub fn cuei(&self) -> bool {
        registered(self.descriptors, b"CUEI")
    }
    /// Up to the first that does not fit.
    pub fn streams(&self) -> impl Iterator<Item = Elementary<'a>> + use<'a> {
        let mut rest = self.streams;
        std::iter::from_fn(move || {
            let [stream_type, p0, p1, l0, l1, after @ ..] = rest else { return None };
            let length = usize::from(u16::from_be_bytes([l0 & 0x0f, *l1]));
            let (descriptors, after) = after.split_at_checked(length)?;
            rest = after;
            Some(Elementary { stream_type: *stream_type, pid: pid(*p0, *p1), descriptors })
        })
    }
}

impl<'a> Elementary<'a> {
    pub fn descriptors(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        descriptors(self.descriptors)
    }
    pub fn registered(&self, name: &[u8; 4]) -> bool {
        registered(self.descriptors, name)
    }
}

/// Tag and body of each descriptor of a loop, up to the first that does not fit.
pub fn descriptors(mut rest: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let [tag, length, after @ ..] = rest else { return None };
        let (body, after) = after.split_at_checked(usize::from(*length))?;
        rest = after;
        Some((*tag, body))
    })
}

/// A registration_descriptor (tag 5, clause 2.6.8) with this format_identifier is there.
fn registered(loop_: &[u8], name: &[u8; 4]) -> bool {
    descriptors(loop_).any(|(tag, body)| tag == 0x05 && body.starts_with(name))
}

#[cfg(test)]
mod tests;
