//! Splice descriptors (SCTE 35 2023r1 §10), read as they are asked for: a section may carry hundreds.

use super::command::CommandKind;
use super::cursor::Cursor;
use super::defect::{Defect, Defects};
use super::segmentation::{self, Segmentation};

/// The identifier of the standard's own descriptors, "CUEI" (§10.1).
pub const CUEI: u32 = 0x4355_4549;

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Descriptor<'a> {
    /// provider_avail_id (§10.3.1).
    Avail(u32),
    Dtmf(Dtmf<'a>),
    Segmentation(Segmentation<'a>),
    Time(Tai),
    Audio(Audio<'a>),
    /// One of another identifier, or with a tag that the standard does not define.
    Other {
        tag: u8,
        identifier: u32,
        bytes: &'a [u8],
    },
    /// One that ends before its last field: what follows the length.
    Short {
        tag: u8,
        bytes: &'a [u8],
    },
}

/// DTMF_descriptor() (§10.3.2).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Dtmf<'a> {
    /// From the end of the sequence to the splice point, in tenths of a second.
    pub preroll: u8,
    pub characters: &'a [u8],
}

/// time_descriptor() (§10.3.4).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Tai {
    /// Since 1970-01-01T00:00:00 TAI.
    pub seconds: u64,
    pub nanoseconds: u32,
    /// TAI − UTC, seconds.
    pub utc_offset: u16,
}

impl Tai {
    /// The same instant as Unix time, in seconds.
    pub fn unix(self) -> f64 {
        self.seconds as f64 - f64::from(self.utc_offset) + f64::from(self.nanoseconds) / 1e9
    }
}

/// audio_descriptor() (§10.3.5): its components, read as they are asked for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Audio<'a>(&'a [u8]);

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct AudioComponent {
    pub tag: u8,
    /// ISO 639-2, three letters.
    pub language: [u8; 3],
    /// Bit_Stream_Mode, Num_Channels and Full_Srvc_Audio as in ATSC A/52.
    pub bit_stream_mode: u8,
    pub num_channels: u8,
    pub full_service: bool,
}

impl Iterator for Audio<'_> {
    type Item = AudioComponent;
    fn next(&mut self) -> Option<AudioComponent> {
        let ([tag, a, b, c, flags], rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(AudioComponent {
            tag: *tag,
            language: [*a, *b, *c],
            bit_stream_mode: flags >> 5,
            num_channels: flags >> 1 & 0x0f,
            full_service: flags & 1 != 0,
        })
    }
}

/// The descriptors of a section.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Descriptors<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Descriptors<'a> {
    type Item = Descriptor<'a>;
    fn next(&mut self) -> Option<Descriptor<'a>> {
        // What is wrong was said when the section was decoded.
        next(&mut self.0, &mut Defects::default())
    }
}

fn next<'a>(bytes: &mut &'a [u8], defects: &mut Defects) -> Option<Descriptor<'a>> {
    let mut cursor = Cursor(bytes);
    let tag = cursor.u8()?;
    let body = cursor.u8().and_then(|length| cursor.take(usize::from(length)));
    let Some(body) = body else {
        defects.add(Defect::ShortDescriptor);
        let bytes = std::mem::take(bytes);
        return Some(Descriptor::Short { tag, bytes: bytes.get(2..).unwrap_or_default() });
    };
    *bytes = cursor.0;
    let mut rest = Cursor(body);
    let read = rest.u32().and_then(|identifier| descriptor(tag, identifier, &mut rest, defects));
    if read.is_some() && !rest.0.is_empty() {
        defects.add(Defect::ExcessDescriptor);
    }
    Some(read.unwrap_or_else(|| {
        defects.add(Defect::ShortDescriptor);
        Descriptor::Short { tag, bytes: body }
    }))
}

fn descriptor<'a>(tag: u8, identifier: u32, cursor: &mut Cursor<'a>, defects: &mut Defects) -> Option<Descriptor<'a>> {
    match (identifier, tag) {
        (CUEI, 0x00) => cursor.u32().map(Descriptor::Avail),
        (CUEI, 0x01) => dtmf(cursor, defects).map(Descriptor::Dtmf),
        (CUEI, 0x02) => segmentation::read(cursor, defects).map(Descriptor::Segmentation),
        (CUEI, 0x03) => {
            let tai = Tai { seconds: cursor.u48()?, nanoseconds: cursor.u32()?, utc_offset: cursor.u16()? };
            if tai.nanoseconds >= 1_000_000_000 {
                defects.add(Defect::TimeNanoseconds);
            }
            Some(Descriptor::Time(tai))
        }
        (CUEI, 0x04) => {
            let count = usize::from(cursor.u8()? >> 4);
            cursor.take(5 * count).map(|bytes| Descriptor::Audio(Audio(bytes)))
        }
        _ => {
            if identifier == CUEI {
                defects.add(Defect::UnknownDescriptor);
            }
            Some(Descriptor::Other { tag, identifier, bytes: std::mem::take(&mut cursor.0) })
        }
    }
}

/// The least pre-roll that the standard suggests, in tenths of a second (§10.3.2).
const DTMF_PREROLL: u8 = 40;

fn dtmf<'a>(cursor: &mut Cursor<'a>, defects: &mut Defects) -> Option<Dtmf<'a>> {
    let preroll = cursor.u8()?;
    let count = cursor.u8()? >> 5;
    let characters = cursor.take(usize::from(count))?;
    if !characters.iter().all(|c| matches!(c, b'0'..=b'9' | b'*' | b'#')) {
        defects.add(Defect::DtmfCharacter);
    }
    if preroll < DTMF_PREROLL {
        defects.add(Defect::DtmfPreroll);
    }
    Some(Dtmf { preroll, characters })
}

/// Adds what is wrong with these descriptors, by themselves and beside this command.
pub(super) fn check(descriptors: Descriptors<'_>, command: CommandKind, defects: &mut Defects) {
    let mut bytes = descriptors.0;
    let (mut audio, mut program_start) = (false, false);
    while let Some(descriptor) = next(&mut bytes, defects) {
        match descriptor {
            Descriptor::Avail(_) if command != CommandKind::Insert => defects.add(Defect::AvailMisplaced),
            Descriptor::Audio(_) => audio = true,
            Descriptor::Segmentation(Segmentation { detail: Some(detail), .. }) => {
                program_start |= matches!(detail.kind.0, 0x10 | 0x17);
            }
            _ => {}
        }
    }
    if audio && !program_start {
        defects.add(Defect::AudioMisplaced);
    }
}
