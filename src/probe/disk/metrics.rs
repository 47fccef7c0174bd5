//! What a disk says of itself.

use crate::metric::desc::{Desc, Family, Unit};
use crate::wire::smart::Field;

const D: [&str; 1] = ["device"];

pub(super) static SOURCE: Desc<0> = Desc::gauge(
    "disk_health_source_up",
    Unit::Count,
    [],
    "1 while the file of vedette-peek-smart is there and can be read, else 0; how old it is stands with each disk",
);
pub(super) static SOURCE_FAILURES: Desc<1> = Desc::counter(
    "disk_health_source_failures_total",
    Unit::Count,
    ["reason"],
    "Looks, one each 15 s, at which that file was of no use; not_present where vedette-peek-smart.timer is not enabled",
);
pub(super) static KNOWN: Desc<1> = Desc::gauge(
    "disk_health_known",
    Unit::Count,
    D,
    "1 when the disk told its health in the last round, else 0, and then its other numbers are absent",
);
pub(super) static UNKNOWN: Desc<2> = Desc::gauge(
    "disk_health_unknown",
    Unit::Count,
    ["device", "reason"],
    "1 for the reason why its health is not known, 0 for the others",
);
pub(super) static AGE: Desc<1> = Desc::gauge(
    "disk_health_age_seconds",
    Unit::Seconds,
    D,
    "Since the disk last told its health, which is how old its other numbers are; absent if it never did since the boot",
);
pub(super) static STANDBY: Desc<1> = Desc::gauge(
    "disk_standby",
    Unit::Count,
    D,
    "1 when the disk slept in the last round and was not woken, 0 when it was awake; absent when that is not known",
);
pub(super) static STATUS: Desc<2> = Desc::gauge(
    "disk_smartctl_status",
    Unit::Count,
    ["device", "bit"],
    "Bits of smartctl's exit status, 1 when set: prefail_now and prefail_past are attributes at their threshold, error_log \
     and self_test_log that errors stand there, however old",
);
pub(super) static WARNING: Desc<2> = Desc::gauge(
    "disk_critical_warning",
    Unit::Count,
    ["device", "warning"],
    "1 while an NVMe disk gives this warning, else 0",
);

const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Desc<1> {
    Desc::gauge(name, unit, D, help)
}
const fn counter(name: &'static str, unit: Unit, help: &'static str) -> Desc<1> {
    Desc::counter(name, unit, D, help)
}

static PASSED: Desc<1> = gauge(
    "disk_health_passed",
    Unit::Count,
    "The disk's own verdict: 1 well, 0 failing or about to; an NVMe disk with any critical warning says 0",
);
static TEMPERATURE: Desc<1> = gauge("disk_temperature_celsius", Unit::Celsius, "Temperature of the disk");
static REALLOCATED: Desc<1> = gauge(
    "disk_reallocated_sectors",
    Unit::Count,
    "Sectors or blocks that were replaced by spare ones (ATA attribute 5, grown defects of SCSI)",
);
static REPORTED: Desc<1> = counter(
    "disk_reported_uncorrectable_errors_total",
    Unit::Count,
    "Errors that the disk could not correct and told the machine, over its life (ATA attribute 187)",
);
static TIMEOUTS: Desc<1> = counter(
    "disk_command_timeouts_total",
    Unit::Count,
    "Commands given up because the disk took too long, over its life (ATA attribute 188, up to 65535); often the cable \
     or the power",
);
static PENDING: Desc<1> = gauge(
    "disk_pending_sectors",
    Unit::Count,
    "Sectors that cannot be read now and are replaced when they are next written (ATA attribute 197)",
);
static OFFLINE: Desc<1> = gauge(
    "disk_offline_uncorrectable_sectors",
    Unit::Count,
    "Sectors that the disk found unreadable when it tested itself (ATA attribute 198)",
);
static WEAR: Desc<1> = gauge(
    "disk_wear_ratio",
    Unit::Ratio,
    "Share of the writes the disk was made for that are used up, as it reckons them; above 1 when it outlives that, at \
     most 2.55",
);
static MEDIA_ERRORS: Desc<1> = counter(
    "disk_media_errors_total",
    Unit::Count,
    "Data that the disk could not give back whole, over its life (NVMe media errors, uncorrected errors of SCSI)",
);
static SPARE: Desc<1> = gauge("disk_spare_ratio", Unit::Ratio, "Share of its spare blocks that is left (NVMe)");
static SPARE_THRESHOLD: Desc<1> =
    gauge("disk_spare_threshold_ratio", Unit::Ratio, "Share of spare blocks below which the disk warns (NVMe)");
static POWER_ON: Desc<1> = counter("disk_power_on_seconds_total", Unit::Seconds, "Time that it was switched on");
static POWER_CYCLES: Desc<1> =
    counter("disk_power_cycles_total", Unit::Count, "How often it was switched on, over its life");
static UNSAFE: Desc<1> = counter(
    "disk_unsafe_shutdowns_total",
    Unit::Count,
    "How often it lost its power without being told before, over its life (NVMe)",
);
static SELF_TESTS: Desc<1> =
    gauge("disk_failed_self_tests", Unit::Count, "Self-tests in its log, of 21 or 20, that found an error");

/// The fields that stand for themselves.
pub(super) static NUMBERS: [(Field, &Desc<1>); 15] = [
    (Field::Passed, &PASSED),
    (Field::Temperature, &TEMPERATURE),
    (Field::Reallocated, &REALLOCATED),
    (Field::ReportedUncorrectable, &REPORTED),
    (Field::CommandTimeouts, &TIMEOUTS),
    (Field::Pending, &PENDING),
    (Field::OfflineUncorrectable, &OFFLINE),
    (Field::Wear, &WEAR),
    (Field::MediaErrors, &MEDIA_ERRORS),
    (Field::Spare, &SPARE),
    (Field::SpareThreshold, &SPARE_THRESHOLD),
    (Field::PowerOnSeconds, &POWER_ON),
    (Field::PowerCycles, &POWER_CYCLES),
    (Field::UnsafeShutdowns, &UNSAFE),
    (Field::FailedSelfTests, &SELF_TESTS),
];

/// Every family of this probe.
pub(super) static FAMILIES: &[Family] = &[
    SOURCE.family(),
    SOURCE_FAILURES.family(),
    KNOWN.family(),
    UNKNOWN.family(),
    AGE.family(),
    STANDBY.family(),
    STATUS.family(),
    WARNING.family(),
    PASSED.family(),
    TEMPERATURE.family(),
    REALLOCATED.family(),
    REPORTED.family(),
    TIMEOUTS.family(),
    PENDING.family(),
    OFFLINE.family(),
    WEAR.family(),
    MEDIA_ERRORS.family(),
    SPARE.family(),
    SPARE_THRESHOLD.family(),
    POWER_ON.family(),
    POWER_CYCLES.family(),
    UNSAFE.family(),
    SELF_TESTS.family(),
];
