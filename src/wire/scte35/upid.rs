//! segmentation_upid() (SCTE 35 2023r1 §10.3.3.1 table 22): what a segment is called, in eighteen naming schemes.

use super::cursor::Cursor;
use super::defect::{Defect, Defects};
use std::fmt::{self, Write};

/// A unique programme identifier as it came.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Upid<'a> {
    /// segmentation_upid_type.
    pub kind: u8,
    pub bytes: &'a [u8],
}

/// Names and, where the standard fixes one, lengths in bytes, by type.
const KINDS: [(&str, Option<usize>); 18] = [
    ("none", Some(0)),
    ("user_defined", None),
    ("isci", Some(8)),
    ("ad_id", Some(12)),
    ("umid", Some(32)),
    ("isan_deprecated", Some(8)),
    ("isan", Some(12)),
    ("tid", Some(12)),
    ("ti", Some(8)),
    ("adi", None),
    ("eidr", Some(12)),
    ("atsc_content_id", None),
    ("mpu", None),
    ("mid", None),
    ("ads", None),
    ("uri", None),
    ("uuid", Some(16)),
    ("scr", None),
];

const EIDR: u8 = 0x0a;
const ATSC: u8 = 0x0b;
const MPU: u8 = 0x0c;
const MID: u8 = 0x0d;

impl<'a> Upid<'a> {
    pub(super) fn of(kind: u8, bytes: &'a [u8]) -> Self {
        Upid { kind, bytes }
    }

    /// The scheme's name; `reserved` for a type that the standard does not define.
    pub fn name(&self) -> &'static str {
        KINDS.get(usize::from(self.kind)).map_or("reserved", |(name, _)| name)
    }

    /// MPU(): format_identifier and private data (§10.3.3.3).
    pub fn mpu(&self) -> Option<(u32, &'a [u8])> {
        let mut cursor = Cursor(self.bytes);
        (self.kind == MPU).then(|| cursor.u32()).flatten().map(|format| (format, cursor.0))
    }

    /// MID(): the identifiers it holds (§10.3.3.4); none for another type.
    pub fn parts(&self) -> Parts<'a> {
        Parts(if self.kind == MID { self.bytes } else { &[] })
    }

    pub(super) fn check(&self, defects: &mut Defects) {
        match KINDS.get(usize::from(self.kind)) {
            None => defects.add(Defect::UpidType),
            Some((_, Some(length))) if self.bytes.len() != *length => defects.add(Defect::UpidLength),
            // A type without an identifier (§10.3.3.1: length 0 goes with type 0).
            Some((_, None)) if self.bytes.is_empty() => defects.add(Defect::UpidLength),
            Some(_) if self.kind == MPU && self.mpu().is_none() => defects.add(Defect::UpidStructure),
            Some(_) if self.kind == ATSC && self.bytes.len() < 4 => defects.add(Defect::UpidStructure),
            Some(_) if self.kind == MID => {
                let mut parts = self.parts();
                for part in &mut parts {
                    // One inside another is not foreseen, and would nest without end.
                    if part.kind == MID {
                        defects.add(Defect::UpidStructure);
                    } else {
                        part.check(defects);
                    }
                }
                if !parts.0.is_empty() {
                    defects.add(Defect::UpidStructure);
                }
            }
            Some(_) => {}
        }
    }
}

/// The identifiers of a MID(), read as they are asked for.
#[derive(Copy, Clone, Debug)]
pub struct Parts<'a>(&'a [u8]);

impl<'a> Iterator for Parts<'a> {
    type Item = Upid<'a>;
    fn next(&mut self) -> Option<Upid<'a>> {
        let mut cursor = Cursor(self.0);
        let kind = cursor.u8()?;
        let length = usize::from(cursor.u8()?);
        let upid = Upid::of(kind, cursor.take(length)?);
        self.0 = cursor.0;
        Some(upid)
    }
}

/// The identifier as its scheme writes it; bytes that do not fit the scheme as `0x` and hexadecimal digits.
impl fmt::Display for Upid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes;
        match (self.kind, bytes.len()) {
            (_, 0) => Ok(()),
            (0x04, 32) => grouped(f, bytes, 4, '.'),
            (0x05, 8) => grouped(f, bytes, 2, '-'),
            (0x06, 12) => {
                let (root, version) = bytes.split_at(8);
                grouped(f, root, 2, '-')?;
                write!(f, "-{}-", check_character(root))?;
                grouped(f, version, 2, '-')?;
                write!(f, "-{}", check_character(bytes))
            }
            (0x08, 8) => hex(f, bytes),
            (EIDR, 12) => {
                let (prefix, suffix) = bytes.split_at(2);
                write!(f, "10.{}/", u16::from_be_bytes([prefix[0], prefix[1]]))?;
                grouped(f, suffix, 2, '-')?;
                write!(f, "-{}", check_character(suffix))
            }
            (ATSC, 4..) => {
                write!(
                    f,
                    "tsid={} end_of_day={} unique_for={} id=",
                    u16::from_be_bytes([bytes[0], bytes[1]]),
                    bytes[2] >> 1 & 0x1f,
                    u16::from_be_bytes([bytes[2], bytes[3]]) & 0x1ff
                )?;
                text(f, &bytes[4..])
            }
            (MPU, 4..) => {
                text(f, &bytes[..4])?;
                f.write_char(':')?;
                text(f, &bytes[4..])
            }
            (MID, _) => {
                let mut parts = self.parts();
                let mut comma = "";
                for part in &mut parts {
                    write!(f, "{comma}{}=", part.name())?;
                    // See `check`: a MID inside is shown as its bytes.
                    if part.kind == MID {
                        hex(f, part.bytes)?
                    } else {
                        write!(f, "{part}")?
                    }
                    comma = ", ";
                }
                if parts.0.is_empty() {
                    return Ok(());
                }
                f.write_str(comma)?;
                hex(f, parts.0)
            }
            (0x10, 16) => {
                for (n, part) in
                    [&bytes[..4], &bytes[4..6], &bytes[6..8], &bytes[8..10], &bytes[10..]].iter().enumerate()
                {
                    f.write_str(if n == 0 { "" } else { "-" })?;
                    part.iter().try_for_each(|b| write!(f, "{b:02x}"))?;
                }
                Ok(())
            }
            _ => text(f, bytes),
        }
    }
}

fn hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    f.write_str("0x")?;
    bytes.iter().try_for_each(|b| write!(f, "{b:02x}"))
}

/// Upper-case hexadecimal digits, `size` bytes between two separators.
fn grouped(f: &mut fmt::Formatter<'_>, bytes: &[u8], size: usize, separator: char) -> fmt::Result {
    for (n, byte) in bytes.iter().enumerate() {
        if n > 0 && n.is_multiple_of(size) {
            f.write_char(separator)?;
        }
        write!(f, "{byte:02X}")?;
    }
    Ok(())
}

/// Bytes that are text as text; control characters and broken UTF-8 go nowhere near a log line or a broker.
fn text(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => f.write_str(text),
        _ => hex(f, bytes),
    }
}

/// ISO/IEC 7064 MOD 37,36 over the hexadecimal digits, the check character of ISAN (ISO 15706-2) and EIDR.
fn check_character(bytes: &[u8]) -> char {
    let digits = bytes.iter().flat_map(|b| [b >> 4, b & 0x0f]);
    let product = digits.fold(36u32, |p, digit| {
        let sum = (p + u32::from(digit)) % 36;
        (if sum == 0 { 36 } else { sum }) * 2 % 37
    });
    let check = (37 - product) % 36;
    char::from_digit(check, 36).expect("below 36").to_ascii_uppercase()
}
