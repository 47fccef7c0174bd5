//! `time` and `timex`: the wall clock, its source, and how well the kernel holds it.

use super::sheet::{Collector, Missed, Sheet};
use crate::metric::desc::{Desc, Unit};
use crate::world::machine::{Machine, Under};

static NOW: Desc<0> = Desc::gauge("node_time_seconds", Unit::Seconds, [], "Unix time of the reading");
static ZONE: Desc<1> = Desc::gauge(
    "node_time_zone_offset_seconds",
    Unit::Seconds,
    ["time_zone"],
    "Seconds that the local time is east of UTC",
);
static AVAILABLE: Desc<2> = Desc::info(
    "node_time_clocksource_available_info",
    ["device", "clocksource"],
    "A counter that the kernel could tell the time by",
);
static CURRENT: Desc<2> = Desc::info(
    "node_time_clocksource_current_info",
    ["device", "clocksource"],
    "The counter that the kernel tells the time by",
);

pub static TIME: Collector = Collector {
    name: "time",
    families: &[NOW.family(), ZONE.family(), AVAILABLE.family(), CURRENT.family()],
    collect: |machine, sheet| {
        let now = sheet.now;
        sheet.put(&NOW, [], now.as_secs_f64());
        if let Some(zone) = machine.zone(now.as_millis().div_euclid(1000)) {
            sheet.put(&ZONE, [&zone.name], zone.offset as f64);
        }
        let sources = "devices/system/clocksource";
        let all = machine.names(Under::Sys, sources)?;
        for (n, name) in all.iter().filter(|name| name.starts_with("clocksource")).enumerate() {
            let n = n.to_string();
            let read = |file: &str| machine.text(Under::Sys, &format!("{sources}/{name}/{file}"));
            for source in read("available_clocksource")?.split_ascii_whitespace() {
                sheet.put(&AVAILABLE, [&n, source], 1.0);
            }
            sheet.put(&CURRENT, [&n, read("current_clocksource")?.trim()], 1.0);
        }
        Ok(())
    },
};

const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Desc<0> {
    Desc::gauge(name, unit, [], help)
}
const fn counter(name: &'static str, help: &'static str) -> Desc<0> {
    Desc::counter(name, Unit::Count, [], help)
}

static SYNC: Desc<0> = gauge(
    "node_timex_sync_status",
    Unit::Count,
    "1 if the kernel holds the clock for disciplined by a time server, else 0",
);
static OFFSET: Desc<0> = gauge(
    "node_timex_offset_seconds",
    Unit::Seconds,
    "What the kernel still has to correct of the last adjustment; 0 says nothing while node_timex_sync_status is 0, nor \
     under chrony, which never tells the kernel what it corrects (node_timex_maxerror_seconds then bounds the error)",
);
static FREQUENCY: Desc<0> =
    gauge("node_timex_frequency_adjustment_ratio", Unit::Count, "Pace of the clock after correction, 1 for none");
static MAX_ERROR: Desc<0> = gauge(
    "node_timex_maxerror_seconds",
    Unit::Seconds,
    "Bound of the clock's error, grows between corrections to 16 s",
);
static ERROR: Desc<0> = gauge("node_timex_estimated_error_seconds", Unit::Seconds, "Estimate of the clock's error");
static STATUS: Desc<0> = gauge("node_timex_status", Unit::Count, "STA_ bits, adjtimex(2)");
static CONSTANT: Desc<0> = gauge("node_timex_loop_time_constant", Unit::Count, "Time constant of the control loop");
static TICK: Desc<0> = gauge("node_timex_tick_seconds", Unit::Seconds, "Time between clock ticks");
static PPS_FREQUENCY: Desc<0> =
    gauge("node_timex_pps_frequency_hertz", Unit::Count, "Frequency deviation by the pulse per second");
static PPS_JITTER: Desc<0> = gauge("node_timex_pps_jitter_seconds", Unit::Seconds, "Jitter of the pulse per second");
static PPS_SHIFT: Desc<0> =
    gauge("node_timex_pps_shift_seconds", Unit::Seconds, "Length of its calibration, as a power");
static PPS_STABILITY: Desc<0> =
    gauge("node_timex_pps_stability_hertz", Unit::Count, "Wander of the frequency by the pulse per second");
static PPS_JITTERS: Desc<0> = counter("node_timex_pps_jitter_total", "Pulses that came too far off");
static PPS_CALIBRATIONS: Desc<0> = counter("node_timex_pps_calibration_total", "Calibrations by pulse per second");
static PPS_ERRORS: Desc<0> = counter("node_timex_pps_error_total", "Calibrations that failed");
static PPS_WANDERS: Desc<0> = counter("node_timex_pps_stability_exceeded_total", "Calibrations that wandered too far");
static TAI: Desc<0> = gauge(
    "node_timex_tai_offset_seconds",
    Unit::Seconds,
    "Seconds that TAI is ahead of UTC, 0 if the kernel was not told",
);

pub static TIMEX: Collector = Collector {
    name: "timex",
    families: &[
        SYNC.family(),
        OFFSET.family(),
        FREQUENCY.family(),
        MAX_ERROR.family(),
        ERROR.family(),
        STATUS.family(),
        CONSTANT.family(),
        TICK.family(),
        PPS_FREQUENCY.family(),
        PPS_JITTER.family(),
        PPS_SHIFT.family(),
        PPS_STABILITY.family(),
        PPS_JITTERS.family(),
        PPS_CALIBRATIONS.family(),
        PPS_ERRORS.family(),
        PPS_WANDERS.family(),
        TAI.family(),
    ],
    collect: timex,
};

/// STA_NANO of adjtimex(2): offset and jitter are in nanoseconds, else in microseconds.
const NANO: i32 = 0x2000;
/// Frequencies are in parts per million with 16 bits behind the point.
const PPM: f64 = 1e6 * 65536.0;
const MICRO: f64 = 1e6;

fn timex(machine: &Machine, sheet: &mut Sheet) -> Result<(), Missed> {
    let (timex, synced) = machine.timex()?;
    let fine = if timex.status & NANO == 0 { MICRO } else { 1e9 };
    for (desc, value) in [
        (&SYNC, f64::from(synced)),
        (&OFFSET, timex.offset as f64 / fine),
        (&FREQUENCY, 1.0 + timex.freq as f64 / PPM),
        (&MAX_ERROR, timex.maxerror as f64 / MICRO),
        (&ERROR, timex.esterror as f64 / MICRO),
        (&STATUS, f64::from(timex.status)),
        (&CONSTANT, timex.constant as f64),
        (&TICK, timex.tick as f64 / MICRO),
        (&PPS_FREQUENCY, timex.ppsfreq as f64 / PPM),
        (&PPS_JITTER, timex.jitter as f64 / fine),
        (&PPS_SHIFT, f64::from(timex.shift)),
        (&PPS_STABILITY, timex.stabil as f64 / PPM),
        (&PPS_JITTERS, timex.jitcnt as f64),
        (&PPS_CALIBRATIONS, timex.calcnt as f64),
        (&PPS_ERRORS, timex.errcnt as f64),
        (&PPS_WANDERS, timex.stbcnt as f64),
        (&TAI, f64::from(timex.tai)),
    ] {
        sheet.put(desc, [], value);
    }
    Ok(())
}
