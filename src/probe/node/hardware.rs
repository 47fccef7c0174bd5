//! `cpufreq`, `thermal_zone`, `edac` and `nvme`: what drivers say of the machine's parts, in sysfs.

use super::sheet::{Collector, Missed, Sheet, if_there, must, number};
use crate::metric::desc::{Desc, Unit};
use crate::world::machine::{Machine, Under};

/// The names in a directory that begin with `stem` and a digit; none where it is not there.
fn numbered(machine: &Machine, dir: &str, stem: &str) -> Result<Vec<String>, Missed> {
    let mut names = if_there(machine.names(Under::Sys, dir))?.unwrap_or_default();
    names.retain(|name| name.strip_prefix(stem).is_some_and(|n| n.starts_with(|c: char| c.is_ascii_digit())));
    Ok(names)
}

const fn frequency(name: &'static str, help: &'static str) -> Desc<1> {
    Desc::gauge(name, Unit::Count, ["cpu"], help)
}
static CURRENT: Desc<1> =
    frequency("node_cpu_frequency_hertz", "Frequency that the processor says it runs at; most need root to ask");
static LOWEST: Desc<1> = frequency("node_cpu_frequency_min_hertz", "Lowest frequency that it can run at");
static HIGHEST: Desc<1> = frequency("node_cpu_frequency_max_hertz", "Highest frequency that it can run at");
static SET: Desc<1> = frequency("node_cpu_scaling_frequency_hertz", "Frequency that the kernel believes it runs at");
static SET_LOWEST: Desc<1> =
    frequency("node_cpu_scaling_frequency_min_hertz", "Lowest frequency that the governor may choose");
static SET_HIGHEST: Desc<1> =
    frequency("node_cpu_scaling_frequency_max_hertz", "Highest frequency that the governor may choose");

pub static CPUFREQ: Collector = Collector {
    name: "cpufreq",
    families: &[
        CURRENT.family(),
        LOWEST.family(),
        HIGHEST.family(),
        SET.family(),
        SET_LOWEST.family(),
        SET_HIGHEST.family(),
    ],
    collect: |machine, sheet| {
        for cpu in numbered(machine, "devices/system/cpu", "cpu")? {
            let dir = format!("devices/system/cpu/{cpu}/cpufreq");
            let cpu = &cpu["cpu".len()..];
            for (desc, file) in [
                (&CURRENT, "cpuinfo_cur_freq"),
                (&LOWEST, "cpuinfo_min_freq"),
                (&HIGHEST, "cpuinfo_max_freq"),
                (&SET, "scaling_cur_freq"),
                (&SET_LOWEST, "scaling_min_freq"),
                (&SET_HIGHEST, "scaling_max_freq"),
            ] {
                // In kHz; `<unknown>` where the driver cannot tell.
                let text = machine.text(Under::Sys, &format!("{dir}/{file}"));
                if let Some(khz) = text.ok().and_then(|text| number(&text)) {
                    sheet.put(desc, [cpu], khz * 1000.0);
                }
            }
        }
        Ok(())
    },
};

static TEMPERATURE: Desc<2> = Desc::gauge(
    "node_thermal_zone_temp",
    Unit::Count,
    ["zone", "type"],
    "Temperature of a thermal zone, degrees Celsius",
);
static STATE: Desc<2> = Desc::gauge(
    "node_cooling_device_cur_state",
    Unit::Count,
    ["name", "type"],
    "How much a cooling device does now; for a processor, how much it is slowed down",
);
static MOST_STATE: Desc<2> =
    Desc::gauge("node_cooling_device_max_state", Unit::Count, ["name", "type"], "The most that it can do");

pub static THERMAL: Collector = Collector {
    name: "thermal_zone",
    families: &[TEMPERATURE.family(), STATE.family(), MOST_STATE.family()],
    collect: |machine, sheet| {
        let read = |path: String| machine.text(Under::Sys, &path).map(|text| text.trim().to_owned());
        for zone in numbered(machine, "class/thermal", "thermal_zone")? {
            let dir = format!("class/thermal/{zone}");
            // A zone that is switched off, or whose sensor is not there yet, refuses to be read; the others do not.
            let Ok(Some(millidegrees)) = read(format!("{dir}/temp")).map(|text| number(&text)) else { continue };
            let zone = &zone["thermal_zone".len()..];
            sheet.put(&TEMPERATURE, [zone, &read(format!("{dir}/type"))?], millidegrees / 1000.0);
        }
        for device in numbered(machine, "class/thermal", "cooling_device")? {
            let dir = format!("class/thermal/{device}");
            let kind = read(format!("{dir}/type"))?;
            for (desc, file) in [(&STATE, "cur_state"), (&MOST_STATE, "max_state")] {
                let Ok(Some(state)) = read(format!("{dir}/{file}")).map(|text| number(&text)) else { continue };
                sheet.put(desc, [&device["cooling_device".len()..], &kind], state);
            }
        }
        Ok(())
    },
};

static CORRECTED: Desc<1> =
    Desc::counter("node_edac_correctable_errors_total", Unit::Count, ["controller"], "Memory errors put right");
static UNCORRECTED: Desc<1> = Desc::counter(
    "node_edac_uncorrectable_errors_total",
    Unit::Count,
    ["controller"],
    "Memory errors that could not be put right",
);
static ROW_CORRECTED: Desc<2> = Desc::counter(
    "node_edac_csrow_correctable_errors_total",
    Unit::Count,
    ["controller", "csrow"],
    "Memory errors put right in one row of chips; `unknown` where the controller could not tell the row",
);
static ROW_UNCORRECTED: Desc<2> = Desc::counter(
    "node_edac_csrow_uncorrectable_errors_total",
    Unit::Count,
    ["controller", "csrow"],
    "Memory errors in one row of chips that could not be put right",
);

pub static EDAC: Collector = Collector {
    name: "edac",
    families: &[CORRECTED.family(), UNCORRECTED.family(), ROW_CORRECTED.family(), ROW_UNCORRECTED.family()],
    collect: |machine, sheet| {
        const ALL: &str = "devices/system/edac/mc";
        let read = |path: String| must(Some(&machine.text(Under::Sys, &path)?), "edac");
        for controller in numbered(machine, ALL, "mc")? {
            let (dir, number) = (format!("{ALL}/{controller}"), &controller["mc".len()..]);
            sheet.put(&CORRECTED, [number], read(format!("{dir}/ce_count"))?);
            sheet.put(&ROW_CORRECTED, [number, "unknown"], read(format!("{dir}/ce_noinfo_count"))?);
            sheet.put(&UNCORRECTED, [number], read(format!("{dir}/ue_count"))?);
            sheet.put(&ROW_UNCORRECTED, [number, "unknown"], read(format!("{dir}/ue_noinfo_count"))?);
            for row in numbered(machine, &dir, "csrow")? {
                let labels = [number, &row["csrow".len()..]];
                sheet.put(&ROW_CORRECTED, labels, read(format!("{dir}/{row}/ce_count"))?);
                sheet.put(&ROW_UNCORRECTED, labels, read(format!("{dir}/{row}/ue_count"))?);
            }
        }
        Ok(())
    },
};

static NVME_INFO: Desc<5> = Desc::info(
    "node_nvme_info",
    ["device", "firmware_revision", "model", "serial", "state"],
    "Which NVMe disk this is, and whether its controller is live",
);

pub static NVME: Collector = Collector {
    name: "nvme",
    families: &[NVME_INFO.family()],
    collect: |machine: &Machine, sheet: &mut Sheet| {
        for device in machine.names(Under::Sys, "class/nvme")? {
            let of = |file: &str| machine.text(Under::Sys, &format!("class/nvme/{device}/{file}"));
            let (firmware, model, serial, state) = (of("firmware_rev")?, of("model")?, of("serial")?, of("state")?);
            let labels = [&*device, firmware.trim(), model.trim(), serial.trim(), state.trim()];
            sheet.put(&NVME_INFO, labels, 1.0);
        }
        Ok(())
    },
};
