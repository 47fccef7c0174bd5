//! `hwmon`: temperatures, fans, voltages, currents and power of sensor chips, `/sys/class/hwmon`
//! (Documentation/hwmon/sysfs-interface.rst).

use super::sheet::{Collector, Missed, Sheet, number};
use crate::metric::desc::{Desc, Family, Kind, Unit};
use crate::world::machine::{Machine, Under};
use std::collections::BTreeMap;

const SENSOR: [&str; 2] = ["chip", "sensor"];
static CHIP: Desc<2> =
    Desc::gauge("node_hwmon_chip_names", Unit::Count, ["chip", "chip_name"], "1; what a chip calls itself");
static LABEL: Desc<3> = Desc::gauge(
    "node_hwmon_sensor_label",
    Unit::Count,
    ["chip", "sensor", "label"],
    "1; what the board's maker or the driver calls a sensor",
);
static BEEP: Desc<2> = Desc::gauge("node_hwmon_beep_enabled", Unit::Count, SENSOR, "1 if the chip may beep");
static VRM: Desc<2> =
    Desc::gauge("node_hwmon_voltage_regulator_version", Unit::Count, SENSOR, "Version of the voltage regulator");
static INTERVAL: Desc<2> =
    Desc::gauge("node_hwmon_update_interval_seconds", Unit::Seconds, SENSOR, "How often the chip measures");

const fn usual(name: &'static str, unit: Unit, help: &'static str) -> Desc<2> {
    Desc::gauge(name, unit, SENSOR, help)
}
/// What rules ask for. Others are named by the same pattern, `node_hwmon_<type>_<element>_<unit>`, as chips have them.
static USUAL: [Desc<2>; 12] = [
    usual("node_hwmon_temp_celsius", Unit::Count, "Temperature"),
    usual("node_hwmon_temp_max_celsius", Unit::Count, "Temperature that its maker calls too high"),
    usual("node_hwmon_temp_crit_celsius", Unit::Count, "Temperature that its maker calls critical"),
    usual("node_hwmon_temp_alarm", Unit::Count, "1 if the chip finds the temperature out of bounds"),
    usual("node_hwmon_temp_crit_alarm_celsius", Unit::Count, "0.001 if the chip finds the temperature critical"),
    usual("node_hwmon_fan_rpm", Unit::Count, "Revolutions per minute; 0 for a fan that stands or is not there"),
    usual("node_hwmon_fan_min_rpm", Unit::Count, "Revolutions per minute that its maker calls too low"),
    usual("node_hwmon_fan_alarm", Unit::Count, "1 if the chip finds the fan too slow"),
    usual("node_hwmon_in_volts", Unit::Count, "Voltage"),
    usual("node_hwmon_curr_amps", Unit::Count, "Current"),
    usual("node_hwmon_power_watt", Unit::Count, "Power"),
    usual("node_hwmon_power_average_watt", Unit::Count, "Power, mean over the chip's interval"),
];

pub static COLLECTOR: Collector = Collector {
    name: "hwmon",
    families: &[
        CHIP.family(),
        LABEL.family(),
        BEEP.family(),
        VRM.family(),
        INTERVAL.family(),
        USUAL[0].family(),
        USUAL[1].family(),
        USUAL[2].family(),
        USUAL[3].family(),
        USUAL[4].family(),
        USUAL[5].family(),
        USUAL[6].family(),
        USUAL[7].family(),
        USUAL[8].family(),
        USUAL[9].family(),
        USUAL[10].family(),
        USUAL[11].family(),
    ],
    collect,
};

/// Kinds of sensor; other files of a chip are none.
const TYPES: [&str; 13] = [
    "vrm",
    "beep_enable",
    "update_interval",
    "in",
    "cpu",
    "fan",
    "pwm",
    "temp",
    "curr",
    "power",
    "energy",
    "humidity",
    "intrusion",
];

/// The elements of a sensor, `input`, `max`, `label` and so on, with the text of their files; "" for a file without one.
type Elements = BTreeMap<String, String>;

fn collect(machine: &Machine, sheet: &mut Sheet) -> Result<(), Missed> {
    for entry in machine.names(Under::Sys, "class/hwmon")? {
        let dir = format!("class/hwmon/{entry}");
        if !machine.is_dir(Under::Sys, &dir) {
            continue;
        }
        let called = machine.text(Under::Sys, &format!("{dir}/name")).map(|name| plain(&name)).unwrap_or_default();
        let chip = chip(machine, &dir, &called, &entry);
        if !called.is_empty() {
            sheet.put(&CHIP, [&chip, &called], 1.0);
        }
        let mut sensors = BTreeMap::new();
        // Drivers from before Linux 2.6.37 have the files beside the device.
        for place in [dir.clone(), format!("{dir}/device")] {
            gather(machine, &place, &mut sensors);
        }
        for ((kind, name), elements) in &sensors {
            sensor(&chip, kind, name, elements, sheet);
        }
    }
    Ok(())
}

/// The chip's place on its bus, which does not change from boot to boot as its number does; else its own name.
fn chip(machine: &Machine, dir: &str, called: &str, entry: &str) -> String {
    let device = machine.real(Under::Sys, &format!("{dir}/device")).ok();
    let part = |path: Option<&std::path::Path>| {
        path.and_then(|p| p.file_name()).map(|n| plain(&n.to_string_lossy())).unwrap_or_default()
    };
    let name = part(device.as_deref());
    let bus = part(device.as_deref().and_then(|d| d.parent()));
    match (bus.is_empty(), name.is_empty()) {
        (false, false) => format!("{bus}_{name}"),
        (true, false) => name,
        _ if !called.is_empty() => called.to_owned(),
        _ => plain(entry),
    }
}

/// Lower case, with `_` for what a metric name may not have.
fn plain(text: &str) -> String {
    let kept = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, ':' | '_') { c } else { '_' };
    text.trim_end_matches('\n').to_lowercase().chars().map(kept).collect::<String>().trim_matches('_').to_owned()
}

/// Sorts the files of a directory by sensor: `temp1_max` is element `max` of sensor `temp1`, of kind `temp`.
fn gather(machine: &Machine, dir: &str, sensors: &mut BTreeMap<(&'static str, String), Elements>) {
    for file in machine.names(Under::Sys, dir).unwrap_or_default() {
        let Some((kind, number, element)) = split(&file) else { continue };
        // A sensor that is switched off or broken refuses; the others do not.
        let Ok(text) = machine.text(Under::Sys, &format!("{dir}/{file}")) else { continue };
        let elements = sensors.entry((kind, format!("{kind}{number}"))).or_default();
        elements.insert(element.to_owned(), text.trim_end_matches('\n').to_owned());
    }
}

/// Kind, number (0 if there is none) and element of a file's name.
fn split(file: &str) -> Option<(&'static str, u32, &str)> {
    let kind = TYPES.into_iter().filter(|kind| file.starts_with(kind)).max_by_key(|kind| kind.len())?;
    let rest = &file[kind.len()..];
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = rest.split_at(digits);
    let element = if rest.is_empty() { "" } else { rest.strip_prefix('_').filter(|e| !e.is_empty())? };
    let number = if number.is_empty() { 0 } else { number.parse().ok()? };
    Some((kind, number, element))
}

fn sensor(chip: &str, kind: &str, name: &str, elements: &Elements, sheet: &mut Sheet) {
    let itself = elements.get("").and_then(|text| number(text));
    if let Some(label) = elements.get("label") {
        sheet.put(&LABEL, [chip, name, label], 1.0);
    }
    match kind {
        "beep_enable" => sheet.put(&BEEP, [chip, name], f64::from(itself == Some(1.0))),
        "vrm" => itself.into_iter().for_each(|version| sheet.put(&VRM, [chip, name], version)),
        "update_interval" => itself.into_iter().for_each(|ms| sheet.put(&INTERVAL, [chip, name], ms / 1000.0)),
        _ => {
            for (element, text) in elements.iter().filter(|(element, _)| *element != "label") {
                let Some(value) = number(text) else { continue };
                let (family, worth) = named(kind, element, elements.contains_key(""));
                sheet.put_family(&family, &[chip, name], value * worth);
            }
        }
    }
}

/// The family of an element, and what one of the file's units is worth in the family's.
fn named(kind: &str, element: &str, itself: bool) -> (Family, f64) {
    const MILLI: f64 = 0.001;
    const MICRO: f64 = 0.000_001;
    let part = match element {
        "input" if !itself => String::new(),
        "" => String::new(),
        element => format!("_{}", plain(element)),
    };
    let interval = matches!(element, "average_interval" | "average_interval_min" | "average_interval_max");
    let (unit, worth) = match (kind, element) {
        (_, "fault" | "alarm") => ("", 1.0),
        (_, "beep") => ("_enabled", 1.0),
        ("in" | "cpu", _) => ("_volts", MILLI),
        ("temp", "type") => ("", 1.0),
        ("temp", _) => ("_celsius", MILLI),
        ("curr", _) => ("_amps", MILLI),
        ("energy", _) => ("_joule_total", MICRO),
        ("power", "accuracy") => ("", MICRO),
        ("power", _) if interval => ("_seconds", MILLI),
        ("power", _) => ("_watt", MICRO),
        ("humidity", _) => ("", MICRO),
        ("fan", "input" | "min" | "max" | "target") => ("_rpm", 1.0),
        _ => ("", 1.0),
    };
    let name = format!("node_hwmon_{kind}{part}{unit}");
    if let Some(known) = USUAL.iter().find(|desc| desc.name == name) {
        return (known.family(), worth);
    }
    let help = format!("{element} of a {kind} sensor");
    let made = if unit == "_joule_total" { Kind::Counter } else { Kind::Gauge };
    let family =
        Family { name: name.into(), kind: made, unit: Unit::Count, labels: &SENSOR, help: help.into(), learned: None };
    (family, worth)
}
