//! What comes out while packets go in.

use super::Program;
use crate::base::clock::Boot;
use crate::wire::psi::Carriage;

/// Where decoding can start, by the coded picture itself; the random_access_indicator is not believed.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum RandomAccess {
    /// It cannot, or the stream cannot be looked into.
    #[default]
    None,
    /// H.264 NAL type 5, H.265 19 and 20.
    Idr,
    /// H.265 NAL type 21: pictures that follow and are shown before it may not decode.
    Cra,
    /// H.265 NAL types 16 to 18.
    Bla,
    /// MPEG-2 I-picture behind a GOP header with closed_gop.
    ClosedI,
    /// MPEG-2 I-picture otherwise; H.264 picture with a recovery point SEI.
    OpenI,
}

/// What an access unit belongs to.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Medium {
    Video,
    Audio,
}

/// One PES packet with a PTS begins: an access unit, or the first of those it holds.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// program_number.
    pub program: u16,
    pub pid: u16,
    pub medium: Medium,
    /// 33 bit, 90 kHz.
    pub pts: u64,
    /// The PTS where none is coded.
    pub dts: u64,
    /// Of the first picture in the PES packet; audio: `None`.
    pub random_access: RandomAccess,
    /// Arrival of its first packet.
    pub at: Boot,
}

/// A complete section on a cue PID.
#[derive(Copy, Clone, Debug)]
pub struct Section<'a> {
    /// program_number.
    pub program: u16,
    pub pid: u16,
    /// From table_id to CRC.
    pub bytes: &'a [u8],
    pub crc_ok: bool,
    pub carriage: Carriage,
    /// It came inside a PES packet on a private PID, as FFmpeg writes it: no splicer will see it.
    pub disguised: bool,
    /// Arrival of its last packet.
    pub at: Boot,
    /// The programme's system time clock at its last packet, interpolated by position, 33 bit at 90 kHz. `None` before
    /// two PCRs and where they stopped coming.
    pub stc: Option<u64>,
    /// The newest PTS of the programme's video (of its audio where it has no video).
    pub pts: Option<u64>,
}

/// A break of a programme's time.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Jump {
    /// The PCR stepped without a word.
    Pcr,
    /// A video or audio timestamp stepped.
    Pts,
    /// The discontinuity_indicator on the PCR PID announced it.
    Signalled,
}

/// Who hears. Called while a packet is taken in, so it must not wait.
pub trait Listener {
    /// Every complete section on a PID that its PMT gives to SCTE-35 (stream_type 0x86 or registration CUEI), once for each
    /// programme that names the PID; and every one found in a private PES.
    fn section(&mut self, section: &Section<'_>) {
        let _ = section;
    }
    /// Every PES packet of video or audio that has a PTS, in transport order per PID. A video unit is told when its first
    /// slice has been seen, so audio that was sent between may come before it.
    fn access_unit(&mut self, unit: &Unit) {
        let _ = unit;
    }
    /// 33-bit times of `program` (program_number) before and after now do not compare.
    fn discontinuity(&mut self, program: u16, jump: Jump, at: Boot) {
        let _ = (program, jump, at);
    }
    /// A programme's PMT came with new content, or the programme left the PAT (`None`).
    fn tables(&mut self, number: u16, program: Option<&Program>, at: Boot) {
        let _ = (number, program, at);
    }
}

/// Hears nothing.
impl Listener for () {}
