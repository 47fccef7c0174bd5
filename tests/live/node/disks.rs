//! Disks and file systems that do what they do: written to, mounted for reading, and taken away by the kernel.

use crate::support::hang::{inside_namespaces, run};
use crate::support::vedette::Vedette;
use crate::support::wait;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

const BOUND: Duration = Duration::from_secs(30);
/// Writes that are waited for one after another.
const WRITES: usize = 50;

/// Writes done by each disk since the boot, by the kernel's count.
fn writes() -> Vec<(String, f64)> {
    let text = std::fs::read_to_string("/proc/diskstats").unwrap();
    let row = |line: &str| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        (fields[2].to_owned(), fields[7].parse().unwrap())
    };
    text.lines().map(row).collect()
}

#[test]
fn every_write_is_in_the_latencies_and_under_their_old_name() {
    let mut vedette = Vedette::new("[node]\ntick = \"1s\"\n");
    vedette.start();
    let count = |device: &str| format!("disk_io_latency_seconds_count{{device=\"{device}\",operation=\"write\"}}");
    let known = |device: &str| vedette.value(&count(device));
    wait("latencies", BOUND, || writes().iter().any(|(device, _)| known(device).is_some()).then_some(()));
    let before: Vec<_> = writes().into_iter().filter_map(|(d, kernel)| Some((known(&d)?, kernel, d))).collect();
    let mut file = std::fs::File::create(vedette.path("written")).unwrap();
    for _ in 0..WRITES {
        file.write_all(&[7; 4096]).unwrap();
        file.sync_data().unwrap();
    }
    let after = writes();
    let grown = before.iter().filter_map(|(ours, kernel, device)| {
        let more = after.iter().find(|(name, _)| name == device)?.1 - kernel;
        (more >= WRITES as f64).then_some((device, ours + more))
    });
    let grown: Vec<_> = grown.collect();
    if grown.is_empty() {
        eprintln!("{} is on no disk: not tested", vedette.path("written").display());
        return;
    }
    for (device, at_least) in grown {
        vedette.wait_value(&count(device), BOUND, |n| n >= at_least);
        // Both names are told at the same tick.
        let page = vedette.page();
        let value =
            |series: String| page.lines().find_map(|line| line.strip_prefix(&series)?.trim().parse::<f64>().ok());
        let series =
            |name: &str| value(format!("disk_io_latency_{name}{{device=\"{device}\",operation=\"write\"}}")).unwrap();
        let (seconds, millis) = (series("seconds_sum"), series("ms_sum"));
        eprintln!("{device}: {} writes, {:.2} ms each", series("seconds_count"), millis / series("ms_count"));
        assert!(seconds > 0.0 && (millis - seconds * 1000.0).abs() < 1e-6 * millis);
        let bucket =
            |le: &str| format!("disk_io_latency_ms_bucket{{device=\"{device}\",le=\"{le}\",operation=\"write\"}}");
        assert_eq!(value(bucket("+Inf")), Some(series("seconds_count")));
        assert!(value(bucket("500.0")).is_some());
        let ratio = value(format!("disk_utilisation_ratio{{device=\"{device}\"}}")).unwrap();
        assert!((0.0..=1.0).contains(&ratio) && value(format!("disk_queue_length{{device=\"{device}\"}}")).is_some());
    }
}

#[test]
fn what_the_kernel_mounts_for_reading_only_is_told_from_what_somebody_does() {
    inside_namespaces("node::disks::inside_namespaces_with_a_broken_file_system");
}

#[test]
#[ignore = "started in namespaces of its own by the test above"]
fn inside_namespaces_with_a_broken_file_system() {
    let mut vedette = Vedette::new("[node]\ntick = \"1s\"\n");
    let (image, mount) = (vedette.path("image"), vedette.path("volume"));
    std::fs::create_dir(&mount).unwrap();
    std::fs::File::create(&image).unwrap().set_len(32 << 20).unwrap();
    let [image, place] = [&image, &mount].map(|path| path.to_str().unwrap());
    run("mkfs.ext4", &["-q", image]);
    run("mount", &["-o", "loop,errors=remount-ro", image, place]);
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let device = mounts.lines().find(|line| line.contains(place)).unwrap().split(' ').next().unwrap();
    vedette.start();
    let labels = format!("{{device=\"{device}\",fstype=\"ext4\",mountpoint=\"{place}\"}}");
    let [by_anybody, by_kernel] =
        ["node_filesystem_readonly", "filesystem_remounted_readonly"].map(|name| format!("{name}{labels}"));
    vedette.wait_value(&by_kernel, BOUND, |n| n == 0.0);
    vedette.wait_value(&format!("disk_space_total_bytes{{mount_point=\"{place}\"}}"), BOUND, |n| n > 20e6);
    run("mount", &["-o", "remount,ro", place]);
    vedette.wait_value(&by_anybody, BOUND, |n| n == 1.0);
    assert_eq!(vedette.value(&by_kernel), Some(0.0));
    run("mount", &["-o", "remount,rw", place]);
    vedette.wait_value(&by_anybody, BOUND, |n| n == 0.0);

    let trigger = format!("/sys/fs/ext4/{}/trigger_fs_error", device.trim_start_matches("/dev/"));
    if !Path::new(&trigger).exists() {
        eprintln!("{trigger} is not there: not tested");
        return;
    }
    std::fs::write(trigger, "an error made by a test").unwrap();
    vedette.wait_value(&by_kernel, BOUND, |n| n == 1.0);
    eprintln!("{device} is taken away by the kernel");
    assert!(vedette.stop().success());
    run("umount", &[place]);
}
