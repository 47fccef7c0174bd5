//! What disks tell of their health: read from smartctl's words ([`smartctl`]), and handed from `vedette-peek smart`, which
//! may ask disks, to the daemon, which may not, as one small file of numbers.
//!
//! Compiled into both sides from here. No model, serial number or word of a disk passes.

pub mod smartctl;

use crate::base::label::Label;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Disks that are told of; a recorder has a dozen.
pub const MOST: usize = 64;
/// Bytes of the file that are read; 64 disks with every number take 40 000.
pub const LONGEST: usize = 256 * 1024;
/// Bytes of a device's name; the kernel's own bound is 31.
const LONGEST_NAME: usize = 31;
/// A file of another version is not read.
const VERSION: u32 = 1;

/// One number of a disk, in base units.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The disk's own verdict, 1 or 0.
    Passed,
    /// °C.
    Temperature,
    /// ATA attribute 5, SCSI grown defects.
    Reallocated,
    /// ATA attribute 187.
    ReportedUncorrectable,
    /// ATA attribute 188.
    CommandTimeouts,
    /// ATA attribute 197.
    Pending,
    /// ATA attribute 198.
    OfflineUncorrectable,
    /// Share of the writes it was made for that are used up; above 1 when it goes on beyond them.
    Wear,
    /// NVMe media and data integrity errors, SCSI uncorrected errors.
    MediaErrors,
    /// Share of its spare blocks that is left.
    Spare,
    /// At which share it warns.
    SpareThreshold,
    /// NVMe's byte of critical warnings; see [`Warning`].
    Warnings,
    PowerOnSeconds,
    PowerCycles,
    UnsafeShutdowns,
    /// Self-tests in its log that ended with an error.
    FailedSelfTests,
}

/// Bits of [`Field::Warnings`] (NVM Express Base Specification 2.0, figure 207: SMART / Health Information Log Page).
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Warning {
    Spare,
    Temperature,
    Reliability,
    ReadOnly,
    BackupFailed,
    PersistentMemory,
}

impl Label for Warning {
    /// In the order of the bits.
    const ALL: &'static [Self] = &[
        Warning::Spare,
        Warning::Temperature,
        Warning::Reliability,
        Warning::ReadOnly,
        Warning::BackupFailed,
        Warning::PersistentMemory,
    ];
    fn label(self) -> &'static str {
        match self {
            Warning::Spare => "spare",
            Warning::Temperature => "temperature",
            Warning::Reliability => "reliability",
            Warning::ReadOnly => "read_only",
            Warning::BackupFailed => "backup_failed",
            Warning::PersistentMemory => "persistent_memory",
        }
    }
}

/// Bits of smartctl's exit status, smartctl(8) RETURN VALUES.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Exit {
    CommandLine,
    Open,
    Command,
    Failing,
    Prefail,
    PrefailPast,
    ErrorLog,
    SelfTestLog,
}

impl Label for Exit {
    /// In the order of the bits.
    const ALL: &'static [Self] = &[
        Exit::CommandLine,
        Exit::Open,
        Exit::Command,
        Exit::Failing,
        Exit::Prefail,
        Exit::PrefailPast,
        Exit::ErrorLog,
        Exit::SelfTestLog,
    ];
    fn label(self) -> &'static str {
        match self {
            Exit::CommandLine => "command_line",
            Exit::Open => "open_failed",
            Exit::Command => "command_failed",
            Exit::Failing => "failing",
            Exit::Prefail => "prefail_now",
            Exit::PrefailPast => "prefail_past",
            Exit::ErrorLog => "error_log",
            Exit::SelfTestLog => "self_test_log",
        }
    }
}

/// What came of asking a disk.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It told its numbers.
    Known,
    /// It sleeps, and was not woken.
    Standby,
    /// It has no health to tell, or none that smartctl can read.
    Unsupported,
    /// Behind a USB bridge or RAID controller that smartctl must be told how to look through.
    Bridge,
    Denied,
    /// It went between listing and asking.
    Gone,
    /// It could not be opened, or did not identify itself.
    Unreachable,
    /// smartctl was ended because it took too long.
    Timeout,
    /// A smartctl of an earlier round still waits for it in the kernel, and nobody is sent after it.
    Stuck,
    /// smartctl is not installed.
    NoProgram,
    Malformed,
    /// Nobody has asked for a while. Said by the reader of the file, never written.
    #[serde(skip)]
    Stale,
}

impl Label for State {
    const ALL: &'static [Self] = &[
        State::Known,
        State::Standby,
        State::Unsupported,
        State::Bridge,
        State::Denied,
        State::Gone,
        State::Unreachable,
        State::Timeout,
        State::Stuck,
        State::NoProgram,
        State::Malformed,
        State::Stale,
    ];
    fn label(self) -> &'static str {
        match self {
            State::Known => "known",
            State::Standby => "standby",
            State::Unsupported => "unsupported",
            State::Bridge => "bridge",
            State::Denied => "denied",
            State::Gone => "gone",
            State::Unreachable => "unreachable",
            State::Timeout => "timeout",
            State::Stuck => "stuck",
            State::NoProgram => "no_smartctl",
            State::Malformed => "malformed",
            State::Stale => "stale",
        }
    }
}

/// A process that could not be ended.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    pub pid: i32,
    /// Clock ticks since boot, proc_pid_stat(5): tells it from a later one under its pid.
    pub started: u64,
}

/// One disk of the last round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Disk {
    /// The kernel's name, `sda`, `nvme0n1`.
    pub device: String,
    pub state: State,
    /// When this round came to it, milliseconds of boot time.
    pub asked: u64,
    /// When it last told its numbers; `None` when it never did.
    pub answered: Option<u64>,
    /// smartctl's exit status; `None` where it did not come to one.
    pub exit: Option<u8>,
    pub left: Option<Left>,
    pub numbers: BTreeMap<Field, f64>,
}

/// All disks of the last round.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Sheet {
    version: u32,
    /// Sorted by name, none twice.
    pub disks: Vec<Disk>,
}

/// The text is no [`Sheet`] of ours.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    #[error("not the words of vedette-peek smart")]
    Words(#[from] serde_json::Error),
    #[error("{0}")]
    Sense(&'static str),
}

impl Sheet {
    pub fn new(disks: Vec<Disk>) -> Sheet {
        Sheet { version: VERSION, disks }
    }

    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("its keys are texts and its numbers finite")
    }

    /// # Errors
    /// It is of another version, or something in it makes no sense; then nothing of it is believed.
    pub fn read(text: &str) -> Result<Sheet, Malformed> {
        if text.len() > LONGEST {
            return Err(Malformed::Sense("longer than it may be"));
        }
        let sheet: Sheet = serde_json::from_str(text)?;
        let disks = &sheet.disks;
        if sheet.version != VERSION {
            return Err(Malformed::Sense("of another version"));
        }
        if disks.len() > MOST || !disks.iter().all(|disk| named(&disk.device)) {
            return Err(Malformed::Sense("more disks than there may be, or a strange name"));
        }
        if !disks.is_sorted_by(|one, next| one.device < next.device) {
            return Err(Malformed::Sense("a disk that is told of twice"));
        }
        Ok(sheet)
    }

    pub fn of(&self, device: &str) -> Option<&Disk> {
        self.disks.iter().find(|disk| disk.device == device)
    }
}

/// Whether a device is called so that its name can be a label and a file of `/dev`.
pub fn named(device: &str) -> bool {
    (1..=LONGEST_NAME).contains(&device.len())
        && device.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// The names whose bits are set.
pub fn bits<L: Label>(byte: u8) -> impl Iterator<Item = (L, bool)> {
    L::ALL.iter().enumerate().map(move |(n, name)| (*name, byte >> n & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(device: &str) -> Disk {
        let numbers = [(Field::Passed, 1.0), (Field::Wear, 0.07)].into();
        let left = Some(Left { pid: 7, started: 1234 });
        let device = device.to_owned();
        Disk { device, state: State::Known, asked: 5000, answered: Some(4000), exit: Some(64), left, numbers }
    }

    #[test]
    fn a_sheet_is_read_as_it_was_written() {
        let sheet = Sheet::new(vec![disk("nvme0n1"), disk("sda")]);
        assert_eq!(Sheet::read(&sheet.text()).unwrap(), sheet);
        assert_eq!(sheet.of("sda").map(|disk| disk.asked), Some(5000));
    }

    #[test]
    fn a_sheet_in_which_anything_makes_no_sense_is_refused_whole() {
        let text = |disks: Vec<Disk>| Sheet::new(disks).text();
        let many = (0..=MOST).map(|n| disk(&format!("sd{n:03}"))).collect();
        for (bad, why) in [
            (String::new(), "not the words"),
            ("{\"version\":1}".to_owned(), "not the words"),
            (text(vec![]).replace(":1", ":2"), "another version"),
            (text(vec![disk("sda"), disk("sda")]), "twice"),
            (text(vec![disk("../sda")]), "strange name"),
            (text(vec![disk("")]), "strange name"),
            (text(many), "more disks"),
            (text(vec![disk("sda")]).replace("wear", "mood"), "not the words"),
            (" ".repeat(LONGEST + 1), "longer"),
        ] {
            let error = Sheet::read(&bad).unwrap_err().to_string();
            assert!(error.contains(why), "{error}: {bad:.60}");
        }
    }

    #[test]
    fn bits_have_names() {
        let set: Vec<_> = bits::<Exit>(0b0100_1000).filter(|(_, set)| *set).map(|(bit, _)| bit.label()).collect();
        assert_eq!(set, ["failing", "error_log"]);
        assert_eq!(bits::<Warning>(0x3f).filter(|(_, set)| *set).count(), 6);
    }
}
