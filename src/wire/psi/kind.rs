//! What an elementary stream is, by its stream_type (ISO/IEC 13818-1 table 2-34 and the registries of ATSC, SCTE, DVB)
//! and, for private ones, by its descriptors (ETSI EN 300 468 clause 6.2).

use super::Elementary;
use crate::base::label::Label;

/// What an elementary stream carries.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Video(Codec),
    Audio,
    /// SCTE-35 sections.
    Cue,
    /// PES of unnamed content (0x06): where FFmpeg puts cues.
    Private,
    /// Sparse by nature or unknown: subtitles, teletext, metadata, carousels.
    Data,
}

/// A video codec, as far as its stream is looked into.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    Mpeg2,
    H264,
    H265,
    Other,
}

impl Label for Codec {
    const ALL: &'static [Self] = &[Codec::Mpeg2, Codec::H264, Codec::H265, Codec::Other];
    fn label(self) -> &'static str {
        match self {
            Codec::Mpeg2 => "mpeg2",
            Codec::H264 => "h264",
            Codec::H265 => "h265",
            Codec::Other => "other",
        }
    }
}

impl Elementary<'_> {
    pub fn kind(&self) -> Kind {
        match self.stream_type {
            0x01 | 0x02 => Kind::Video(Codec::Mpeg2),
            0x1b => Kind::Video(Codec::H264),
            0x24 => Kind::Video(Codec::H265),
            // MPEG-4 part 2, SVC and MVC, JPEG 2000, VVC, EVC, AVS, VC-1.
            0x10 | 0x1f..=0x21 | 0x33..=0x35 | 0x42 | 0xd1 | 0xd2 | 0xea => Kind::Video(Codec::Other),
            // MPEG audio, AAC (ADTS, LATM, plain), USAC, MPEG-H, DTS, AC-3, E-AC-3.
            0x03 | 0x04 | 0x0f | 0x11 | 0x1c | 0x2d | 0x2e | 0x80..=0x81 | 0x83..=0x85 | 0x87 | 0x88 | 0x8a => {
                Kind::Audio
            }
            0x86 if !self.registered(b"HDMV") => Kind::Cue,
            _ if self.registered(b"CUEI") => Kind::Cue,
            0x86 => Kind::Audio,
            0x06 => self.private(),
            _ => Kind::Data,
        }
    }

    /// Pictures may stand still, without a PTS for long: video_stream_descriptor, AVC and HEVC video descriptors
    /// (ISO/IEC 13818-1 clauses 2.6.2, 2.6.64, 2.6.95).
    pub fn still_pictures(&self) -> bool {
        self.descriptors().any(|(tag, body)| match (tag, body) {
            (0x02, [flags, ..]) => flags & 0x01 != 0,
            (0x28, [_, _, _, flags, ..]) => flags & 0x80 != 0,
            (0x38, [_, _, _, _, _, _, _, _, _, _, _, _, flags, ..]) => flags & 0x40 != 0,
            _ => false,
        })
    }

    fn private(&self) -> Kind {
        for (tag, body) in self.descriptors() {
            match (tag, body) {
                // AC-3, E-AC-3, DTS, AAC, and by extension AC-4, DTS-HD, DTS-UHD.
                (0x6a | 0x7a | 0x7b | 0x7c, _) | (0x7f, [0x0e | 0x15 | 0x21, ..]) => return Kind::Audio,
                // VBI data, teletext, VBI teletext, subtitles, carousels and other data.
                (0x45 | 0x46 | 0x56 | 0x59 | 0x66, _) => return Kind::Data,
                (0x05, [b'H', b'E', b'V', b'C', ..]) => return Kind::Video(Codec::H265),
                (0x05, [b'V', b'C', b'-', b'1', ..] | [b'A', b'V', b'0', b'1', ..]) => {
                    return Kind::Video(Codec::Other);
                }
                (0x05, name) => {
                    const AUDIO: [&[u8]; 7] = [b"AC-3", b"EAC3", b"AC-4", b"Opus", b"BSSD", b"DTS1", b"DTS2"];
                    if AUDIO.iter().any(|a| name.starts_with(a)) {
                        return Kind::Audio;
                    }
                }
                _ => {}
            }
        }
        Kind::Private
    }
}
