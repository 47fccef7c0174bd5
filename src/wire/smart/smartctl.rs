//! The JSON that smartctl 7 writes, `smartctl --json=c -a DISK` (json_format_version 1).
//!
//! Numbers only, and only those whose meaning is sure. What makers say when they have nothing to say (all bits set, 0 K,
//! percentages above their scale) is no number.

use super::{Field, State};
use serde_json::Value;
use std::collections::BTreeMap;

/// Asked of smartctl as its exit status for a disk that sleeps, `-n standby,3`: by itself it never sets both of these bits,
/// since each of them alone ends it.
pub const ASLEEP: u8 = 3;
/// Bits of the exit status: it never came to the disk.
const NOT_ASKED: u8 = 0b01;
const NOT_OPENED: u8 = 0b10;

/// ATA attributes whose raw value is exported: number, field, and words of which the name that smartctl's database of disks
/// gives it must have one. Under another name another maker counts something else there.
const ATTRIBUTES: [(u64, Field, &[&str]); 5] = [
    (5, Field::Reallocated, &["Realloc", "Retired_Block"]),
    (187, Field::ReportedUncorrectable, &["Uncorr", "Reported_U"]),
    (188, Field::CommandTimeouts, &["Command_Timeout"]),
    (197, Field::Pending, &["Pending"]),
    (198, Field::OfflineUncorrectable, &["Uncorr"]),
];
/// ATA attributes whose normalised value counts down from 100 % of an SSD's life, by name, the surest first.
const LIFE_LEFT: [&str; 7] = [
    "Percent_Lifetime_Remain",
    "Perc_Rated_Life_Remain",
    "Remaining_Lifetime_Perc",
    "SSD_Life_Left",
    "Lifetime_Left",
    "Media_Wearout_Indicator",
    "Wear_Leveling_Count",
];
/// Temperatures that a disk can have, °C. 0 is what some say that have no sensor.
const WARM: std::ops::RangeInclusive<f64> = -40.0..=120.0;
/// Counts above this are a maker's way to say none (all bits of 32, 48 or 64 set), not counts.
const MOST: f64 = 4_294_967_294.0;
/// A hundred years.
const MOST_HOURS: f64 = 876_600.0;
/// NVM Express Base Specification 2.0, figure 207: percentage used is not reported beyond.
const MOST_WEAR: f64 = 255.0;
/// Results of an NVMe self-test that failed (figure 211).
const FAILED: std::ops::RangeInclusive<u64> = 5..=7;

/// What came of one call of smartctl.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub state: State,
    /// Its exit status as it says it.
    pub exit: Option<u8>,
    pub numbers: BTreeMap<Field, f64>,
}

impl From<State> for Told {
    fn from(state: State) -> Told {
        Told { state, exit: None, numbers: BTreeMap::new() }
    }
}

/// Reads what smartctl wrote.
pub fn read(text: &[u8]) -> Told {
    let Ok(json) = serde_json::from_slice::<Value>(text) else { return State::Malformed.into() };
    let exit = json.pointer("/smartctl/exit_status").and_then(Value::as_u64).and_then(|n| u8::try_from(n).ok());
    let Some(exit) = exit else { return State::Malformed.into() };
    let told = |state| Told { exit: Some(exit), ..Told::from(state) };
    if exit == ASLEEP {
        return told(State::Standby);
    }
    if exit & (NOT_ASKED | NOT_OPENED) != 0 {
        return told(refused(exit, &json));
    }
    let numbers = numbers(&json);
    let state = if numbers.is_empty() { State::Unsupported } else { State::Known };
    Told { state, exit: Some(exit), numbers }
}

/// Why smartctl did not come to ask. There is no code for it, only words.
fn refused(exit: u8, json: &Value) -> State {
    let messages = json.pointer("/smartctl/messages").and_then(Value::as_array);
    let words = messages.into_iter().flatten().filter_map(|message| message["string"].as_str());
    let said = |part: &str| words.clone().any(|word| word.contains(part));
    if said("Permission denied") || said("Operation not permitted") {
        State::Denied
    } else if said("USB bridge") || said("please try adding") || said("-d option") {
        State::Bridge
    } else if said("No such device") || said("No such file") {
        State::Gone
    } else if exit & NOT_OPENED != 0 {
        State::Unreachable
    } else {
        // `Unable to detect device type`: virtio, memory cards.
        State::Unsupported
    }
}

fn numbers(json: &Value) -> BTreeMap<Field, f64> {
    let number = |path: &str| json.pointer(path).and_then(Value::as_f64);
    let count = |path: &str| number(path).and_then(count);
    let nvme = |name: &str| format!("/nvme_smart_health_information_log/{name}");
    let percent = |path: &str| number(path).filter(|n| (0.0..=100.0).contains(n)).map(|n| n / 100.0);
    // What the disk says itself first; from smartctl 7.4 on it works out the same from statistics and attributes.
    let wear = |path: &str| number(path).filter(|n| (0.0..=MOST_WEAR).contains(n)).map(|n| n / 100.0);
    let hours = number("/power_on_time/hours").filter(|n| (0.0..=MOST_HOURS).contains(n));
    let minutes = number("/power_on_time/minutes").filter(|n| (0.0..60.0).contains(n)).unwrap_or(0.0);
    let all = [
        (Field::Passed, json.pointer("/smart_status/passed").and_then(Value::as_bool).map(f64::from)),
        (Field::Temperature, number("/temperature/current").filter(|t| WARM.contains(t) && *t != 0.0)),
        (Field::Reallocated, attribute(json, Field::Reallocated).or_else(|| count("/scsi_grown_defect_list"))),
        (Field::ReportedUncorrectable, attribute(json, Field::ReportedUncorrectable)),
        (Field::CommandTimeouts, attribute(json, Field::CommandTimeouts)),
        (Field::Pending, attribute(json, Field::Pending)),
        (Field::OfflineUncorrectable, attribute(json, Field::OfflineUncorrectable)),
        (
            Field::Wear,
            wear(&nvme("percentage_used"))
                .or_else(|| life_used(json))
                .or_else(|| wear("/endurance_used/current_percent"))
                .or_else(|| wear("/scsi_percentage_used_endurance_indicator")),
        ),
        (Field::MediaErrors, count(&nvme("media_errors")).or_else(|| scsi_errors(json))),
        (Field::Spare, percent(&nvme("available_spare"))),
        (Field::SpareThreshold, percent(&nvme("available_spare_threshold"))),
        (Field::Warnings, number(&nvme("critical_warning")).filter(|n| (0.0..=255.0).contains(n))),
        (Field::PowerOnSeconds, hours.map(|hours| hours * 3600.0 + minutes * 60.0)),
        (Field::PowerCycles, count("/power_cycle_count")),
        (Field::UnsafeShutdowns, count(&nvme("unsafe_shutdowns"))),
        (Field::FailedSelfTests, failed_tests(json)),
    ];
    all.into_iter().filter_map(|(field, number)| Some((field, number?))).collect()
}

fn count(n: f64) -> Option<f64> {
    (0.0..=MOST).contains(&n).then_some(n)
}

fn attributes(json: &Value) -> impl Iterator<Item = &Value> {
    json.pointer("/ata_smart_attributes/table").and_then(Value::as_array).into_iter().flatten()
}

/// The raw value of an attribute, where it is the count that its name says.
fn attribute(json: &Value, field: Field) -> Option<f64> {
    let (id, _, names) = ATTRIBUTES.iter().find(|(_, known, _)| *known == field)?;
    let row = attributes(json).find(|row| row["id"].as_u64() == Some(*id))?;
    let name = row["name"].as_str()?;
    if !names.iter().any(|part| name.contains(part)) {
        return None;
    }
    let raw = row.pointer("/raw/value").and_then(Value::as_u64)?;
    let text = row.pointer("/raw/string").and_then(Value::as_str)?;
    // Six bytes may hold more than one count. smartctl's database knows of which disks that is so and prints them apart:
    // `8 (0 12)` of attribute 5 and `0 1 3` of 188, the count itself in the lowest 16 bits; of 188 makers do it that the
    // database does not know.
    let packed = text.contains([' ', '(']) || (field == Field::CommandTimeouts && raw > u64::from(u16::MAX));
    match packed {
        true => Some((raw & u64::from(u16::MAX)) as f64),
        // As hours, a ratio or in parts that we do not know.
        false if text != raw.to_string() => None,
        false => count(raw as f64),
    }
}

/// Of an SSD's life, the share that is used.
fn life_used(json: &Value) -> Option<f64> {
    let left = |name: &&str| attributes(json).find(|row| row["name"].as_str().is_some_and(|n| n.starts_with(*name)));
    let row = LIFE_LEFT.iter().find_map(left)?;
    // A disk that turns has attributes under these numbers too.
    let turns = json.get("rotation_rate").and_then(Value::as_u64).is_some_and(|rate| rate > 0);
    let value = row["value"].as_u64().filter(|value| (1..=100).contains(value) && !turns)?;
    Some((100 - value) as f64 / 100.0)
}

fn scsi_errors(json: &Value) -> Option<f64> {
    let kinds = ["read", "write", "verify"].into_iter();
    let of = |kind: &str| {
        json.pointer(&format!("/scsi_error_counter_log/{kind}/total_uncorrected_errors"))?.as_f64().and_then(count)
    };
    kinds.filter_map(of).reduce(|sum, more| sum + more)
}

fn failed_tests(json: &Value) -> Option<f64> {
    if let Some(total) = json.pointer("/ata_smart_self_test_log/standard/error_count_total").and_then(Value::as_f64) {
        return count(total);
    }
    let log = json.get("nvme_self_test_log")?;
    let tests = log.get("table").and_then(Value::as_array).into_iter().flatten();
    let failed = |test: &&Value| {
        test.pointer("/self_test_result/value").and_then(Value::as_u64).is_some_and(|n| FAILED.contains(&n))
    };
    Some(tests.filter(failed).count() as f64)
}
