//! What can be wrong with a section, as a closed list, so that it can be counted by kind.

use crate::base::label::Label;

macro_rules! defects {
    ($($(#[$doc:meta])* $name:ident $label:literal $grave:literal,)*) => {
        /// One way in which a section departs from SCTE 35 2023r1, or cannot be read.
        #[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Defect { $($(#[$doc])* $name,)* }

        impl Label for Defect {
            const ALL: &'static [Self] = &[$(Defect::$name,)*];
            fn label(self) -> &'static str {
                match self { $(Defect::$name => $label,)* }
            }
        }

        impl Defect {
            /// Whether receivers lose or misread the message; the others break a rule without changing what it says.
            pub fn grave(self) -> bool {
                match self { $(Defect::$name => $grave,)* }
            }
        }
    };
}

defects! {
    /// Fewer bytes than section_length promises, or than a header takes (§9.6).
    Truncated "truncated" true,
    /// Bytes after the section's end.
    TrailingBytes "trailing_bytes" false,
    /// table_id is not 0xFC (§9.6.1): nothing more is read.
    TableId "table_id" true,
    /// section_syntax_indicator or private_indicator is set (§9.6.1).
    Indicators "indicators" false,
    /// section_length above 4093 (§9.6.1).
    TooLong "too_long" false,
    /// protocol_version is not 0 (§9.6.1); read as if it were.
    ProtocolVersion "protocol_version" true,
    /// CRC_32 does not match (§9.6.1). What is decoded is for display only.
    Crc "crc" true,
    /// encrypted_packet is set (§11): only the header can be read.
    Encrypted "encrypted" false,
    /// A reserved encryption_algorithm, 4 to 31 (§11.3), on an encrypted packet.
    EncryptionAlgorithm "encryption_algorithm" false,
    /// splice_command_length is 0xFFF, which old equipment sends (§9.6.1); the command tells its own length.
    LegacyCommandLength "legacy_command_length" false,
    /// splice_command_length runs past the section.
    CommandLength "command_length" true,
    /// A splice_command_type that the standard reserves (§9.6.1).
    UnknownCommand "unknown_command" true,
    /// The command ends before its last field.
    ShortCommand "short_command" true,
    /// Bytes of splice_command_length that the command does not use.
    ExcessCommand "excess_command" false,
    /// descriptor_loop_length runs past the section, or is missing.
    DescriptorLoop "descriptor_loop" true,
    /// A descriptor that runs past the loop or ends before its last field.
    ShortDescriptor "short_descriptor" true,
    /// Bytes of descriptor_length that the descriptor does not use.
    ExcessDescriptor "excess_descriptor" false,
    /// A tag that SCTE 35 does not define, under its own identifier (§10.1).
    UnknownDescriptor "unknown_descriptor" false,
    /// Bytes between the descriptors and the CRC of a clear section (alignment_stuffing, §9.6.1).
    Stuffing "stuffing" false,
    /// avail_descriptor with another command than splice_insert (§10.3.1).
    AvailMisplaced "avail_misplaced" false,
    /// audio_descriptor without a Program Start or Program Overlap Start (§10.3.5).
    AudioMisplaced "audio_misplaced" false,
    /// A DTMF character that is none of 0-9 * # (§10.3.2).
    DtmfCharacter "dtmf_character" true,
    /// DTMF pre-roll below the suggested 4.0 s (§10.3.2).
    DtmfPreroll "dtmf_preroll" false,
    /// time_descriptor with 10^9 nanoseconds or more (§10.3.4).
    TimeNanoseconds "time_nanoseconds" false,
    /// A segmentation_type_id that the standard reserves (§10.3.3.1).
    SegmentationType "segmentation_type" false,
    /// A segmentation_duration other than 0 on a message that ends a segment (§10.3.3.1).
    DurationOnEnd "duration_on_end" false,
    /// segment_num above segments_expected (§10.3.3.1).
    SegmentNumbers "segment_numbers" false,
    /// A segmentation_upid_type that the standard reserves (§10.3.3.1).
    UpidType "upid_type" false,
    /// A UPID of another length than its type has (§10.3.3.1).
    UpidLength "upid_length" false,
    /// An MPU() or MID() that cannot be taken apart (§10.3.3.3, §10.3.3.4).
    UpidStructure "upid_structure" false,
    /// Content identification without a UPID (§10.3.3.1).
    UpidMissing "upid_missing" false,
}

/// Which defects a section has, each at most once.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Defects(u64);

impl Defects {
    pub fn add(&mut self, defect: Defect) {
        self.0 |= 1 << defect as u32;
    }
    pub fn has(self, defect: Defect) -> bool {
        self.0 & (1 << defect as u32) != 0
    }
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
    pub fn iter(self) -> impl Iterator<Item = Defect> {
        Defect::ALL.iter().copied().filter(move |d| self.has(*d))
    }
    /// One of them is [`Defect::grave`].
    pub fn grave(self) -> bool {
        self.iter().any(Defect::grave)
    }
}

impl FromIterator<Defect> for Defects {
    fn from_iter<I: IntoIterator<Item = Defect>>(all: I) -> Self {
        let mut defects = Defects::default();
        all.into_iter().for_each(|d| defects.add(d));
        defects
    }
}

/// Labels, separated by commas.
impl std::fmt::Display for Defects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, defect) in self.iter().enumerate() {
            write!(f, "{}{}", if n == 0 { "" } else { "," }, defect.label())?;
        }
        Ok(())
    }
}
