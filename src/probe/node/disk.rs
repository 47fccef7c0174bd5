//! `diskstats`: `/proc/diskstats`, and what udev knows of each disk.

use super::sheet::{Collector, Missed, Sheet, must, number};
use crate::metric::desc::{Desc, Unit};
use crate::world::machine::{Machine, Under};
use std::collections::HashMap;

const DEVICE: [&str; 1] = ["device"];
static INFO: Desc<8> = Desc::info(
    "node_disk_info",
    ["device", "major", "minor", "path", "wwn", "model", "serial", "revision"],
    "Which disk this is, from udev",
);
static FILESYSTEM: Desc<5> = Desc::info(
    "node_disk_filesystem_info",
    ["device", "type", "usage", "uuid", "version"],
    "The file system on this disk, from udev",
);
static MAPPER: Desc<6> = Desc::info(
    "node_disk_device_mapper_info",
    ["device", "name", "uuid", "vg_name", "lv_name", "lv_layer"],
    "The volume behind this device, from udev",
);
static WRITE_CACHE: Desc<1> =
    Desc::gauge("node_disk_ata_write_cache", Unit::Count, DEVICE, "1 if this ATA disk has a write cache");
static WRITE_CACHE_ON: Desc<1> = Desc::gauge(
    "node_disk_ata_write_cache_enabled",
    Unit::Count,
    DEVICE,
    "1 if the write cache of this ATA disk is switched on",
);
static ROTATION: Desc<1> = Desc::gauge(
    "node_disk_ata_rotation_rate_rpm",
    Unit::Count,
    DEVICE,
    "Revolutions per minute of this ATA disk, 0 if it does not turn",
);

const fn counter(name: &'static str, unit: Unit, help: &'static str) -> Desc<1> {
    Desc::counter(name, unit, DEVICE, help)
}

/// The columns of `/proc/diskstats` after the name, in order, and what one of their units is worth
/// (Documentation/admin-guide/iostats.rst): sectors of 512 bytes, milliseconds. Kernels before 4.18 and 5.5 have fewer.
static COLUMNS: [(Desc<1>, f64); 17] = [
    (counter("node_disk_reads_completed_total", Unit::Count, "Reads done"), 1.0),
    (counter("node_disk_reads_merged_total", Unit::Count, "Reads merged into others"), 1.0),
    (counter("node_disk_read_bytes_total", Unit::Bytes, "Bytes read"), 512.0),
    (counter("node_disk_read_time_seconds_total", Unit::Seconds, "Time of all reads together"), MS),
    (counter("node_disk_writes_completed_total", Unit::Count, "Writes done"), 1.0),
    (counter("node_disk_writes_merged_total", Unit::Count, "Writes merged into others"), 1.0),
    (counter("node_disk_written_bytes_total", Unit::Bytes, "Bytes written"), 512.0),
    (counter("node_disk_write_time_seconds_total", Unit::Seconds, "Time of all writes together"), MS),
    (Desc::gauge("node_disk_io_now", Unit::Count, DEVICE, "Reads and writes under way"), 1.0),
    (counter("node_disk_io_time_seconds_total", Unit::Seconds, "Time in which the disk had something to do"), MS),
    (
        counter(
            "node_disk_io_time_weighted_seconds_total",
            Unit::Seconds,
            "Time of all operations together, those under way included",
        ),
        MS,
    ),
    (counter("node_disk_discards_completed_total", Unit::Count, "Discards done"), 1.0),
    (counter("node_disk_discards_merged_total", Unit::Count, "Discards merged into others"), 1.0),
    (counter("node_disk_discarded_sectors_total", Unit::Count, "Sectors of 512 bytes discarded"), 1.0),
    (counter("node_disk_discard_time_seconds_total", Unit::Seconds, "Time of all discards together"), MS),
    (counter("node_disk_flush_requests_total", Unit::Count, "Flushes done"), 1.0),
    (counter("node_disk_flush_requests_time_seconds_total", Unit::Seconds, "Time of all flushes together"), MS),
];
const MS: f64 = 1.0 / 1000.0;

pub static COLLECTOR: Collector = Collector {
    name: "diskstats",
    families: &[
        INFO.family(),
        FILESYSTEM.family(),
        MAPPER.family(),
        WRITE_CACHE.family(),
        WRITE_CACHE_ON.family(),
        ROTATION.family(),
        COLUMNS[0].0.family(),
        COLUMNS[1].0.family(),
        COLUMNS[2].0.family(),
        COLUMNS[3].0.family(),
        COLUMNS[4].0.family(),
        COLUMNS[5].0.family(),
        COLUMNS[6].0.family(),
        COLUMNS[7].0.family(),
        COLUMNS[8].0.family(),
        COLUMNS[9].0.family(),
        COLUMNS[10].0.family(),
        COLUMNS[11].0.family(),
        COLUMNS[12].0.family(),
        COLUMNS[13].0.family(),
        COLUMNS[14].0.family(),
        COLUMNS[15].0.family(),
        COLUMNS[16].0.family(),
    ],
    collect,
};

fn collect(machine: &Machine, sheet: &mut Sheet) -> Result<(), Missed> {
    for line in machine.text(Under::Proc, "diskstats")?.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (Some(major), Some(minor), Some(device)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(Missed::Malformed("diskstats"));
        };
        if passed_over(device) {
            continue;
        }
        for ((desc, worth), field) in COLUMNS.iter().zip(fields) {
            sheet.put(desc, [device], must(Some(field), "diskstats")? * worth);
        }
        // Without udev, as in a container, a disk is known by its numbers only.
        let text = machine.text(Under::Udev, &format!("b{major}:{minor}")).unwrap_or_default();
        described(device, [major, minor], &text, sheet);
    }
    Ok(())
}

/// Disks in memory, loop devices and floppies, and partitions: what they do is counted at the disk below.
pub fn passed_over(device: &str) -> bool {
    let stem = device.trim_end_matches(|c: char| c.is_ascii_digit());
    let disk =
        |kind: &str| stem.strip_prefix(kind).is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_lowercase());
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let nvme = |name: &str| name.split_once('n').is_some_and(|(controller, space)| digits(controller) && digits(space));
    stem.len() < device.len()
        && (matches!(stem, "ram" | "loop" | "fd")
            || ["hd", "sd", "vd", "xvd"].into_iter().any(disk)
            || stem.strip_prefix("nvme").and_then(|name| name.strip_suffix('p')).is_some_and(nvme))
}

/// `text` is udev's note on the device: lines of `E:NAME=value`.
fn described(device: &str, [major, minor]: [&str; 2], text: &str, sheet: &mut Sheet) {
    let known: HashMap<_, _> =
        text.lines().filter_map(|line| line.strip_prefix("E:")).filter_map(|line| line.split_once('=')).collect();
    let of = |name: &str| known.get(name).copied().unwrap_or("");
    let model = [of("ID_PATH"), of("ID_WWN"), of("ID_MODEL"), of("ID_SERIAL_SHORT"), of("ID_REVISION")];
    let [path, wwn, model, serial, revision] = model;
    sheet.put(&INFO, [device, major, minor, path, wwn, model, serial, revision], 1.0);
    if let Some(kind) = known.get("ID_FS_TYPE").filter(|t| !t.is_empty()) {
        let [usage, uuid, version] = [of("ID_FS_USAGE"), of("ID_FS_UUID"), of("ID_FS_VERSION")];
        sheet.put(&FILESYSTEM, [device, kind, usage, uuid, version], 1.0);
    }
    if let Some(name) = known.get("DM_NAME").filter(|n| !n.is_empty()) {
        let volume = [of("DM_UUID"), of("DM_VG_NAME"), of("DM_LV_NAME"), of("DM_LV_LAYER")];
        let [uuid, group, volume, layer] = volume;
        sheet.put(&MAPPER, [device, name, uuid, group, volume, layer], 1.0);
    }
    if !of("ID_ATA").is_empty() {
        for (desc, name) in [
            (&WRITE_CACHE, "ID_ATA_WRITE_CACHE"),
            (&WRITE_CACHE_ON, "ID_ATA_WRITE_CACHE_ENABLED"),
            (&ROTATION, "ID_ATA_ROTATION_RATE_RPM"),
        ] {
            if let Some(value) = number(of(name)) {
                sheet.put(desc, [device], value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_and_loops_are_passed_over_and_disks_are_not() {
        let kept = |name: &&str| !passed_over(name);
        let all =
            ["sda", "sda1", "sdaa1", "nvme0n1", "nvme0n1p2", "mmcblk0", "md127", "dm-0", "loop3", "zram0", "vdb2"];
        let left: Vec<_> = all.into_iter().filter(kept).collect();
        assert_eq!(left, ["sda", "sdaa1", "nvme0n1", "mmcblk0", "md127", "dm-0", "zram0"]);
    }
}
