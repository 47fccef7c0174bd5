//! What is counted, and by which closed names.

use super::framer::SyncCounts;
use crate::base::label::Label;

/// The measurements of ETSI TR 101 290 v1.4.1 clause 5.2 that are made here. Not among them: 2.4 PCR_accuracy_error, for
/// which arrival would have to be known to 500 ns (see `Program::pcr_jitter` instead), and the buffer models (3.3, 3.9, 3.10).
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Indicator {
    /// 1.1 TS_sync_loss.
    SyncLoss,
    /// 1.2 Sync_byte_error.
    SyncByte,
    /// 1.3.a PAT_error_2: no PAT for 0.5 s, another table on PID 0, or PID 0 scrambled.
    Pat,
    /// 1.4 Continuity_count_error.
    Continuity,
    /// 1.5.a PMT_error_2: a programme's PMT missing for 0.5 s, or its PID scrambled.
    Pmt,
    /// 1.6 PID_error: a video or audio PID of a PMT missing for 5 s.
    Pid,
    /// 2.1 Transport_error.
    Transport,
    /// 2.2 CRC_error: PAT, PMT, CAT, NIT, SDT, BAT, EIT, TOT, and splice_info_section.
    Crc,
    /// 2.3a PCR_repetition_error: more than 100 ms between two PCRs, or none for a second.
    PcrRepetition,
    /// 2.3b PCR_discontinuity_indicator_error: a PCR outside 0 to 100 ms after the one before, unannounced.
    PcrDiscontinuity,
    /// 2.5 PTS_error: more than 700 ms between two PTSs of a video or audio PID.
    Pts,
    /// 2.6 CAT_error: scrambled packets without a CAT, or another table on PID 1.
    Cat,
    /// 3.1 NIT_error: no NIT_actual for 10 s, or a foreign table on PID 0x10.
    Nit,
    /// 3.2 SI_repetition_error: less than 25 ms between two sections of one sub-table.
    SiRepetition,
    /// 3.4.a Unreferenced_PID: one that no table names, for more than 0.5 s.
    UnreferencedPid,
    /// 3.5 SDT_error: no SDT_actual for 2 s, or a foreign table on PID 0x11.
    Sdt,
    /// 3.6 EIT_error: no EIT present/following for 2 s, or a foreign table on PID 0x12.
    Eit,
    /// 3.7 RST_error: a foreign table on PID 0x13.
    Rst,
    /// 3.8 TDT_error: no TDT for 30 s, or a foreign table on PID 0x14.
    Tdt,
}

impl Indicator {
    /// 1, 2 or 3, as the report groups them.
    pub fn priority(self) -> u8 {
        use Indicator as I;
        match self {
            I::SyncLoss | I::SyncByte | I::Pat | I::Continuity | I::Pmt | I::Pid => 1,
            I::Transport | I::Crc | I::PcrRepetition | I::PcrDiscontinuity | I::Pts | I::Cat => 2,
            I::Nit | I::SiRepetition | I::UnreferencedPid | I::Sdt | I::Eit | I::Rst | I::Tdt => 3,
        }
    }
}

impl Label for Indicator {
    const ALL: &'static [Self] = &[
        Indicator::SyncLoss,
        Indicator::SyncByte,
        Indicator::Pat,
        Indicator::Continuity,
        Indicator::Pmt,
        Indicator::Pid,
        Indicator::Transport,
        Indicator::Crc,
        Indicator::PcrRepetition,
        Indicator::PcrDiscontinuity,
        Indicator::Pts,
        Indicator::Cat,
        Indicator::Nit,
        Indicator::SiRepetition,
        Indicator::UnreferencedPid,
        Indicator::Sdt,
        Indicator::Eit,
        Indicator::Rst,
        Indicator::Tdt,
    ];
    fn label(self) -> &'static str {
        match self {
            Indicator::SyncLoss => "ts_sync_loss",
            Indicator::SyncByte => "sync_byte",
            Indicator::Pat => "pat",
            Indicator::Continuity => "continuity_count",
            Indicator::Pmt => "pmt",
            Indicator::Pid => "pid",
            Indicator::Transport => "transport",
            Indicator::Crc => "crc",
            Indicator::PcrRepetition => "pcr_repetition",
            Indicator::PcrDiscontinuity => "pcr_discontinuity_indicator",
            Indicator::Pts => "pts",
            Indicator::Cat => "cat",
            Indicator::Nit => "nit",
            Indicator::SiRepetition => "si_repetition",
            Indicator::UnreferencedPid => "unreferenced_pid",
            Indicator::Sdt => "sdt",
            Indicator::Eit => "eit",
            Indicator::Rst => "rst",
            Indicator::Tdt => "tdt",
        }
    }
}

/// What a PID is for, by the tables of the moment.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    Video,
    Audio,
    /// SCTE-35 sections.
    Cue,
    /// Nothing but the programme clock.
    Pcr,
    /// PAT, CAT, TSDT and PMT.
    Psi,
    /// DVB service information, PIDs 0x10 to 0x1f, and ATSC's base PID 0x1ffb.
    Si,
    /// Stuffing, PID 0x1fff.
    Null,
    /// Subtitles, data, and PIDs that no table names.
    #[default]
    Other,
}

impl Label for Role {
    const ALL: &'static [Self] =
        &[Role::Video, Role::Audio, Role::Cue, Role::Pcr, Role::Psi, Role::Si, Role::Null, Role::Other];
    fn label(self) -> &'static str {
        match self {
            Role::Video => "video",
            Role::Audio => "audio",
            Role::Cue => "cue",
            Role::Pcr => "pcr",
            Role::Psi => "psi",
            Role::Si => "si",
            Role::Null => "null",
            Role::Other => "other",
        }
    }
}

/// Packets of one role; never falls.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleCounts {
    pub packets: u64,
    /// Breaks of the continuity counter (1.4).
    pub continuity_errors: u64,
    /// Packets missing by those breaks, at least: the counter has 4 bits.
    pub lost: u64,
    /// Packets sent once more, as the standard allows; in no count but `packets` and this.
    pub duplicates: u64,
    /// Packets marked as damaged (2.1), by the PID they claim.
    pub transport_errors: u64,
    /// transport_scrambling_control not 0.
    pub scrambled: u64,
}

/// What was counted since [`super::Monitor::new`]; never falls, survives [`super::Monitor::restart`].
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub(super) indicators: [u64; Indicator::ALL.len()],
    pub(super) roles: [RoleCounts; Role::ALL.len()],
    /// Of the framer behind [`super::Monitor::feed`].
    pub sync: SyncCounts,
    /// PCRs that stepped without a discontinuity_indicator.
    pub pcr_jumps: u64,
    /// Video and audio timestamps that stepped.
    pub pts_jumps: u64,
    /// PCRs with the discontinuity_indicator set.
    pub signalled_discontinuities: u64,
    /// Pictures of all video PIDs (PES packets where pictures cannot be told apart), and those at which decoding can start.
    pub frames: u64,
    pub keyframes: u64,
    /// PES packets of all audio PIDs.
    pub audio_units: u64,
    /// Complete sections on cue PIDs, whatever their CRC.
    pub cue_sections: u64,
    /// SCTE-35 sections found inside PES packets, as FFmpeg writes them.
    pub disguised_cues: u64,
    /// Sections that began and were cut off before their end.
    pub sections_cut: u64,
    /// New content of the PAT or a PMT.
    pub table_changes: u64,
}

impl Counts {
    /// Errors of an indicator. A missing table or PID counts once for every whole limit that it stays away.
    pub fn of(&self, indicator: Indicator) -> u64 {
        self.indicators[indicator as usize]
    }
    pub fn role(&self, role: Role) -> RoleCounts {
        self.roles[role as usize]
    }
    /// Packets of all PIDs.
    pub fn packets(&self) -> u64 {
        self.roles.iter().map(|r| r.packets).sum()
    }
    pub(super) fn err(&mut self, indicator: Indicator, n: u64) {
        self.indicators[indicator as usize] += n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_indicator_and_role_stands_where_its_number_says() {
        assert!(Indicator::ALL.iter().enumerate().all(|(n, i)| *i as usize == n));
        assert!(Role::ALL.iter().enumerate().all(|(n, r)| *r as usize == n));
        assert!(Indicator::ALL.windows(2).all(|w| w[0].priority() <= w[1].priority()));
    }
}
