//! SCTE 35 2023r1 splice_info_section: every section becomes values plus a list of what is wrong with it.
//!
//! [`decode`] never fails and never allocates: commands and descriptors borrow the section, and what there can be many of
//! is an iterator. [`Tracker`] follows the breaks that the sections announce.

mod command;
mod cursor;
mod defect;
mod descriptor;
mod segmentation;
#[cfg(test)]
mod tests;
mod tracker;
mod upid;

pub use command::{
    BreakDuration, Command, CommandKind, Component, Components, Insert, InsertAt, InsertDetail, Schedule, Scheduled,
    ScheduledAt, ScheduledComponents, ScheduledDetail, unix_of_gps,
};
pub use defect::{Defect, Defects};
pub use descriptor::{Audio, AudioComponent, CUEI, Descriptor, Descriptors, Dtmf, Tai};
pub use segmentation::{
    Restrictions, Segmentation, SegmentationComponents, SegmentationDetail, SegmentationType, Span,
};
pub use tracker::*;
pub use upid::{Parts, Upid};

use super::psi::crc32_mpeg;
use super::ts::clock33;
use cursor::Cursor;

/// The largest section_length (§9.6.1).
const LONGEST: usize = 4093;
/// Bytes of CRC_32.
const CRC: usize = 4;
/// splice_command_length that says nothing (§9.6.1).
const NO_LENGTH: u16 = 0xfff;

/// What precedes the command (§9.6).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// 0, 1: the splice point is prepared with a closed GOP; 2: open GOP; 3: not told.
    pub sap_type: u8,
    pub section_length: u16,
    pub protocol_version: u8,
    pub encrypted: bool,
    /// Meaningful when encrypted.
    pub encryption_algorithm: u8,
    /// Added to every pts_time of the section, modulo 2^33; 90 kHz.
    pub pts_adjustment: u64,
    pub cw_index: u8,
    /// 0xFFF: none.
    pub tier: u16,
    /// As it came; 0xFFF says nothing.
    pub command_length: u16,
    /// As it came; of the cipher when encrypted.
    pub command_type: u8,
}

/// A section, read as far as it can be.
#[derive(Copy, Clone, Debug)]
pub struct Decoded<'a> {
    /// `None` when it is no splice_info_section or too short for one.
    pub header: Option<Header>,
    /// `None` when there is no header or the packet is encrypted.
    pub command: Option<Command<'a>>,
    pub descriptors: Descriptors<'a>,
    pub defects: Defects,
    /// CRC_32 as it came; `None` when the section is cut off before it.
    pub crc: Option<u32>,
    /// The section is whole and its CRC matches.
    pub crc_ok: bool,
}

impl<'a> Decoded<'a> {
    /// pts_time plus pts_adjustment, modulo 2^33 (§9.6.1).
    pub fn adjusted(&self, pts: u64) -> u64 {
        clock33::add(pts, self.header.map_or(0, |h| h.pts_adjustment) as i64)
    }

    pub fn kind(&self) -> CommandKind {
        self.command.as_ref().map_or(CommandKind::Unknown, Command::kind)
    }

    pub fn segmentations(&self) -> impl Iterator<Item = Segmentation<'a>> {
        self.descriptors.filter_map(|d| if let Descriptor::Segmentation(s) = d { Some(s) } else { None })
    }
}

/// Decodes one section, from table_id to CRC_32. Bytes after its end are a defect; so is everything else that departs
/// from the standard, and nothing is an error.
pub fn decode(section: &[u8]) -> Decoded<'_> {
    let mut decoded = Decoded {
        header: None,
        command: None,
        descriptors: Descriptors::default(),
        defects: Defects::default(),
        crc: None,
        crc_ok: false,
    };
    let defects = &mut decoded.defects;
    if section.first().is_some_and(|id| *id != 0xfc) {
        defects.add(Defect::TableId);
        return decoded;
    }
    let Some(header) = header(section) else {
        defects.add(Defect::Truncated);
        return decoded;
    };
    let length = usize::from(header.section_length);
    let whole = section.get(..3 + length);
    match whole.and_then(|s| s.split_last_chunk::<CRC>()) {
        Some((body, crc)) => {
            let crc = u32::from_be_bytes(*crc);
            decoded.crc = Some(crc);
            decoded.crc_ok = crc32_mpeg(body) == crc;
            if !decoded.crc_ok {
                defects.add(Defect::Crc);
            }
        }
        None => defects.add(Defect::Truncated),
    }
    if section.len() > 3 + length {
        defects.add(Defect::TrailingBytes);
    }
    if section[1] & 0xc0 != 0 {
        defects.add(Defect::Indicators);
    }
    if length > LONGEST {
        defects.add(Defect::TooLong);
    }
    if header.protocol_version != 0 {
        defects.add(Defect::ProtocolVersion);
    }
    // A section that is cut off has lost its CRC first.
    let end = whole.map_or(section.len(), |s| s.len().saturating_sub(CRC));
    let body = section.get(HEADER..end).unwrap_or_default();
    if end < HEADER {
        defects.add(Defect::Truncated);
    }
    decoded.header = Some(header);
    if header.encrypted {
        defects.add(Defect::Encrypted);
        if (4..32).contains(&header.encryption_algorithm) {
            defects.add(Defect::EncryptionAlgorithm);
        }
        return decoded;
    }
    payload(body, &header, &mut decoded);
    decoded
}

/// Bytes up to and with splice_command_type.
const HEADER: usize = 14;

fn header(section: &[u8]) -> Option<Header> {
    let mut cursor = Cursor(section.get(1..HEADER)?);
    let lengths = cursor.u16()?;
    let protocol_version = cursor.u8()?;
    let (flags, pts_adjustment) = cursor.low33()?;
    let cw_index = cursor.u8()?;
    let tier = u16::from(cursor.u8()?) << 4;
    let rest = cursor.u16()?;
    Some(Header {
        sap_type: (lengths >> 12) as u8 & 0x03,
        section_length: lengths & 0xfff,
        protocol_version,
        encrypted: flags & 0x80 != 0,
        encryption_algorithm: flags >> 1 & 0x3f,
        pts_adjustment,
        cw_index,
        tier: tier | rest >> 12,
        command_length: rest & 0xfff,
        command_type: cursor.u8()?,
    })
}

/// Command, descriptors and stuffing: what lies between splice_command_type and CRC_32.
fn payload<'a>(body: &'a [u8], header: &Header, decoded: &mut Decoded<'a>) {
    let defects = &mut decoded.defects;
    let legacy = header.command_length == NO_LENGTH;
    let length = usize::from(header.command_length);
    let (mut command, mut rest) = if legacy {
        defects.add(Defect::LegacyCommandLength);
        (Cursor(body), Cursor(body))
    } else if let Some((command, rest)) = body.split_at_checked(length) {
        (Cursor(command), Cursor(rest))
    } else {
        defects.add(Defect::CommandLength);
        (Cursor(body), Cursor(&[]))
    };
    let read = command::read(header.command_type, &mut command, defects);
    decoded.command = Some(read);
    if legacy {
        rest = command;
    } else if !command.0.is_empty() {
        defects.add(Defect::ExcessCommand);
    }
    let Some(length) = rest.u16().map(usize::from) else {
        defects.add(Defect::DescriptorLoop);
        return;
    };
    let looped = rest.take(length).unwrap_or_else(|| {
        defects.add(Defect::DescriptorLoop);
        std::mem::take(&mut rest.0)
    });
    if !rest.0.is_empty() {
        defects.add(Defect::Stuffing);
    }
    decoded.descriptors = Descriptors(looped);
    descriptor::check(decoded.descriptors, read.kind(), defects);
}
