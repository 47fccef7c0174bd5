//! Cards of AMD and Intel: what the kernel shows in sysfs, and its accounting of each client of a card
//! (Documentation/gpu/drm-usage-stats.rst in the kernel's tree). Everything here may hang.

use super::{About, Engine, Field, Missed, Reason, Seen, Work};
use crate::metric::report::{NoData, Reading};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// PCI vendors, and PCI's class of display controllers.
const AMD: &str = "0x1002";
const INTEL: &str = "0x8086";
const NVIDIA: &str = "0x10de";
const DISPLAY: &str = "0x03";

/// Slots of the cards that are read here, in order.
pub(super) fn cards(sys: &Path) -> Vec<String> {
    let mut slots: Vec<_> = directories(sys).iter().filter_map(|card| slot(&card.join("device"))).collect();
    slots.sort();
    slots
}

/// Whether a card of NVIDIA's is in the machine, with a driver or without.
pub(super) fn has_nvidia(sys: &Path) -> bool {
    let entries = fs::read_dir(sys.join("bus/pci/devices")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|device| {
        text(&device.join("vendor")).is_ok_and(|vendor| vendor == NVIDIA)
            && text(&device.join("class")).is_ok_and(|class| class.starts_with(DISPLAY))
    })
}

/// `card0` and its like; `card0-HDMI-A-1` is a connector.
fn directories(sys: &Path) -> Vec<PathBuf> {
    let card = |entry: fs::DirEntry| {
        let name = entry.file_name();
        let number = name.to_str()?.strip_prefix("card")?;
        (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())).then(|| entry.path())
    };
    fs::read_dir(sys.join("class/drm")).into_iter().flatten().flatten().filter_map(card).collect()
}

fn slot(device: &Path) -> Option<String> {
    let vendor = text(&device.join("vendor")).ok()?;
    [AMD, INTEL].contains(&vendor.as_str()).then(|| uevent(device, "PCI_SLOT_NAME")).flatten()
}

fn uevent(device: &Path, key: &str) -> Option<String> {
    let lines = text(&device.join("uevent")).ok()?;
    lines.lines().find_map(|line| Some(line.strip_prefix(key)?.strip_prefix('=')?.to_owned()))
}

fn text(path: &Path) -> Result<String, NoData> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) => Err(match error.kind() {
            ErrorKind::NotFound => NoData::Unsupported,
            ErrorKind::PermissionDenied => NoData::Denied,
            // EBUSY, EINVAL: the card sleeps, or this one cannot.
            _ => NoData::NotPresent,
        }),
    }
}

/// A number in a file of its own.
fn number(path: &Path, most: f64, scale: f64) -> Reading {
    let value: f64 = text(path)?.parse().map_err(|_| NoData::Malformed)?;
    if (0.0..=most).contains(&value) { Ok(value * scale) } else { Err(NoData::Malformed) }
}

/// One look at a card in this slot.
pub(super) fn see(sys: &Path, proc: &Path, pci: &str) -> Result<Seen, Missed> {
    let here = |card: &PathBuf| slot(&card.join("device")).is_some_and(|slot| slot == pci);
    let card = directories(sys).into_iter().find(here).ok_or(Reason::NoGpu)?;
    let device = card.join("device");
    let amd = text(&device.join("vendor")).is_ok_and(|vendor| vendor == AMD);
    let about = About {
        vendor: if amd { "amd" } else { "intel" },
        model: text(&device.join("device")).unwrap_or_default(),
        uuid: String::new(),
        pci: pci.to_owned(),
        driver: uevent(&device, "DRIVER").unwrap_or_default(),
    };
    let many = f64::from(1 << 30) * f64::from(1 << 20);
    let mut readings = vec![
        (Field::Temperature, sensor(&device, &["temp1_input"], 250_000.0, 1e-3)),
        (Field::Power, sensor(&device, &["power1_average", "power1_input"], 1e10, 1e-6)),
        (Field::PcieGeneration, generation(&device.join("current_link_speed"))),
        (Field::PcieMostGeneration, generation(&device.join("max_link_speed"))),
        (Field::PcieWidth, number(&device.join("current_link_width"), 64.0, 1.0)),
        (Field::PcieMostWidth, number(&device.join("max_link_width"), 64.0, 1.0)),
    ];
    if amd {
        readings.extend([
            (Field::Busy, number(&device.join("gpu_busy_percent"), 100.0, 0.01)),
            (Field::MemoryUsed, number(&device.join("mem_info_vram_used"), many, 1.0)),
            (Field::MemorySize, number(&device.join("mem_info_vram_total"), many, 1.0)),
            (Field::PowerLimit, sensor(&device, &["power1_cap"], 1e10, 1e-6)),
            (Field::GraphicsClock, sensor(&device, &["freq1_input"], 1e11, 1.0)),
            (Field::MemoryClock, sensor(&device, &["freq2_input"], 1e11, 1.0)),
            (Field::Fan, sensor(&device, &["pwm1"], 255.0, 1.0 / 255.0)),
        ]);
    } else {
        readings.push((Field::GraphicsClock, number(&card.join("gt_act_freq_mhz"), 100_000.0, 1e6)));
    }
    let none = NoData::Unsupported;
    let (throttle, sessions, encoding) = (Err(none), Err(none), Err(none));
    Ok(Seen { about, readings, throttle, sessions, encoding, work: work(proc, pci) })
}

/// The first of these files in the card's hwmon.
fn sensor(device: &Path, names: &[&str], most: f64, scale: f64) -> Reading {
    let hwmon = fs::read_dir(device.join("hwmon")).into_iter().flatten().flatten().next();
    let hwmon = hwmon.ok_or(NoData::Unsupported)?.path();
    let found = names.iter().map(|name| hwmon.join(name)).find(|path| path.exists());
    number(&found.ok_or(NoData::Unsupported)?, most, scale)
}

/// `8.0 GT/s PCIe` is the third.
fn generation(path: &Path) -> Reading {
    let text = text(path)?;
    Ok(match text.split_whitespace().next().unwrap_or("") {
        "2.5" => 1.0,
        "5.0" | "5" => 2.0,
        "8.0" | "8" => 3.0,
        "16.0" | "16" => 4.0,
        "32.0" | "32" => 5.0,
        "64.0" | "64" => 6.0,
        "Unknown" => return Err(NoData::Unsupported),
        _ => return Err(NoData::Malformed),
    })
}

/// What all clients have had of the card so far. A process that hides its descriptors from us may be one of them, and
/// part of a sum is no sum.
fn work(proc: &Path, pci: &str) -> Result<Vec<Work>, NoData> {
    let mut clients: BTreeMap<(u64, Engine), Work> = BTreeMap::new();
    for entry in fs::read_dir(proc).map_err(|_| NoData::Denied)?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let descriptors = match fs::read_dir(entry.path().join("fd")) {
            Ok(descriptors) => descriptors,
            // It ended just now.
            Err(error) if error.kind() != ErrorKind::PermissionDenied => continue,
            Err(_) => return Err(NoData::Denied),
        };
        for descriptor in descriptors.flatten() {
            let render = fs::read_link(descriptor.path()).is_ok_and(|to| to.starts_with("/dev/dri"));
            if !render {
                continue;
            }
            let Ok(text) = fs::read_to_string(entry.path().join("fdinfo").join(descriptor.file_name())) else {
                continue;
            };
            // A client that several processes hold is counted once.
            clients.extend(client(&text, pid, pci)?.into_iter().map(|work| ((work.client, work.engine), work)));
        }
    }
    Ok(clients.into_values().collect())
}

/// What one client has had of this card.
///
/// # Errors
/// Its driver does not say, and nothing known is not nothing done: Xe tells cycles only, i915 with GuC nothing before Linux
/// 6.5. amdgpu passes over engines that were never used.
fn client(fdinfo: &str, pid: u32, pci: &str) -> Result<Vec<Work>, NoData> {
    let value = |key: &str| {
        let mut lines = fdinfo.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        lines.next().map(str::trim)
    };
    let Some(client) = value("drm-client-id").and_then(|id| id.parse().ok()) else { return Ok(Vec::new()) };
    if value("drm-pdev") != Some(pci) {
        return Ok(Vec::new());
    }
    let engine = |line: &str| line.starts_with("drm-engine-") && !line.starts_with("drm-engine-capacity-");
    if value("drm-driver") != Some("amdgpu") && !fdinfo.lines().any(engine) {
        return Err(NoData::Unsupported);
    }
    let mut sums: BTreeMap<Engine, Work> = BTreeMap::new();
    let names = [
        ("render", Engine::Render),
        ("gfx", Engine::Render),
        ("enc", Engine::Encode),
        ("enc_1", Engine::Encode),
        ("dec", Engine::Decode),
        ("video", Engine::Video),
    ];
    for (name, engine) in names {
        let nanos = value(&format!("drm-engine-{name}")).and_then(|text| text.strip_suffix(" ns")?.parse::<u64>().ok());
        let Some(nanos) = nanos else { continue };
        let capacity = value(&format!("drm-engine-capacity-{name}")).and_then(|n| n.parse().ok()).unwrap_or(1);
        let work = sums.entry(engine).or_insert(Work { client, pid, engine, nanos: 0, capacity: 0 });
        work.nanos = work.nanos.saturating_add(nanos);
        work.capacity += capacity;
    }
    Ok(sums.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/probe/gpu/testdata").join(name)
    }

    fn of(seen: &Seen, field: Field) -> Reading {
        seen.readings.iter().find(|(known, _)| *known == field).expect("asked for").1
    }

    #[test]
    fn a_card_of_amds_tells_its_load_memory_and_temperature() {
        let proc = tempfile::tempdir().unwrap();
        let sys = made("made-amd/sys");
        assert_eq!((cards(&sys), has_nvidia(&sys)), (vec!["0000:03:00.0".to_owned()], false));
        let seen = see(&sys, proc.path(), "0000:03:00.0").unwrap();
        assert_eq!((seen.about.vendor, seen.about.driver.as_str()), ("amd", "amdgpu"));
        let at = |field| of(&seen, field);
        assert_eq!((at(Field::Busy), at(Field::Temperature), at(Field::Power)), (Ok(0.37), Ok(54.0), Ok(41.0)));
        assert_eq!((at(Field::MemoryUsed), at(Field::MemorySize)), (Ok(1_073_741_824.0), Ok(8_573_157_376.0)));
        assert_eq!((at(Field::PcieGeneration), at(Field::PcieMostGeneration)), (Ok(3.0), Ok(4.0)));
        assert_eq!((at(Field::Fan), at(Field::PowerLimit)), (Ok(0.2), Err(NoData::Unsupported)), "no power1_cap");
        assert_eq!(at(Field::GraphicsClock), Ok(1.5e9));
        assert_eq!(see(&sys, proc.path(), "0000:04:00.0").unwrap_err().reason, Reason::NoGpu);
    }

    #[test]
    fn a_machine_with_nvidias_card_says_so() {
        assert!(has_nvidia(&made("made-intel/sys")));
    }

    #[test]
    fn a_client_whose_driver_tells_no_times_has_not_done_nothing() {
        let of = |text: &str| client(text, 7, "0000:00:02.0");
        let client = |driver: &str, more: &str| {
            format!("drm-driver:\t{driver}\ndrm-client-id:\t7\ndrm-pdev:\t0000:00:02.0\n{more}")
        };
        let cycles = "drm-cycles-rcs:\t28257900\ndrm-total-cycles-rcs:\t7655183225\ndrm-engine-capacity-vcs:\t2\n";
        assert_eq!(of(&client("xe", cycles)), Err(NoData::Unsupported));
        assert_eq!(of(&client("i915", "")), Err(NoData::Unsupported), "with GuC");
        assert_eq!(of(&client("amdgpu", "")), Ok(vec![]), "it has used nothing yet");
        assert_eq!(of(&client("xe", cycles).replace("0000:00:02.0", "0000:03:00.0")), Ok(vec![]), "another card");
    }

    #[test]
    fn clients_of_intels_card_are_counted_once_each_and_only_on_their_card() {
        let proc = tempfile::tempdir().unwrap();
        let fdinfo = fs::read_to_string(made("made-intel/fdinfo")).unwrap();
        let process = |pid: u32, fd: u32, text: &str| {
            let dir = proc.path().join(pid.to_string());
            fs::create_dir_all(dir.join("fd")).unwrap();
            fs::create_dir_all(dir.join("fdinfo")).unwrap();
            std::os::unix::fs::symlink("/dev/dri/renderD128", dir.join("fd").join(fd.to_string())).unwrap();
            fs::write(dir.join("fdinfo").join(fd.to_string()), text).unwrap();
        };
        process(40, 9, &fdinfo);
        process(41, 9, &fdinfo);
        process(50, 3, &fdinfo.replace("drm-client-id:\t7", "drm-client-id:\t8"));
        process(60, 3, &fdinfo.replace("0000:00:02.0", "0000:03:00.0"));
        let seen = see(&made("made-intel/sys"), proc.path(), "0000:00:02.0").unwrap();
        let work = seen.work.unwrap();
        assert_eq!(work.iter().filter(|work| work.engine == Engine::Video).count(), 2, "clients 7 and 8");
        assert_eq!(
            work.iter().filter(|work| work.capacity == 2).map(|work| work.nanos).sum::<u64>(),
            2 * 9_000_000_000
        );
        assert_eq!(
            of(&see(&made("made-intel/sys"), proc.path(), "0000:00:02.0").unwrap(), Field::GraphicsClock),
            Ok(3e8)
        );
    }
}
