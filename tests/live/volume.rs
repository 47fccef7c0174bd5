//! The volume probe in the real daemon, on ext4 that is missing, full, read-only, sealed, frozen and broken. In namespaces of
//! its own.

use crate::support::disk::{Disk, Small};
use crate::support::hang::{P99, inside_namespaces, p99, run};
use crate::support::prometheus::test_rules;
use crate::support::vedette::{Vedette, value};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const BOUND: Duration = Duration::from_secs(60);
const WRITABLE: &str = "volume_writable{volume=\"rec\"}";
const COUNT: &str = "volume_write_seconds_count{volume=\"rec\"}";
/// Writes over which the wear is measured.
const WRITES: f64 = 20.0;

fn failures(reason: &str) -> String {
    format!("volume_write_failures_total{{reason=\"{reason}\",volume=\"rec\"}}")
}

/// Fails for this reason, and the log says so with what to do.
fn fails(vedette: &Vedette, reason: &str) {
    vedette.wait_value(&failures(reason), BOUND, |n| n >= 1.0);
    vedette.wait_value(WRITABLE, BOUND, |up| up == 0.0);
    assert!(vedette.log().contains(&format!("\"reason\":\"{reason}\"")), "{}", vedette.log());
}

fn well(vedette: &Vedette) {
    vedette.wait_value(WRITABLE, BOUND, |up| up == 1.0);
}

/// What `vedette check` says of a configuration that it must call good.
fn checked(vedette: &Vedette) -> String {
    let out = vedette.verb(&["check", vedette.path("vedette.toml").to_str().unwrap()]);
    let said = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success(), "{said}");
    said
}

/// Bytes written to the device behind a mount since it was made, by the kernel's count.
fn written(at: &str) -> f64 {
    let source = Command::new("findmnt").args(["-no", "SOURCE", at]).output().unwrap();
    let mounts = String::from_utf8(source.stdout).unwrap();
    // Below it lies another mount, which is named first.
    let device = mounts.trim().rsplit('/').next().unwrap();
    let stat = std::fs::read_to_string(format!("/sys/block/{device}/stat")).unwrap();
    stat.split_ascii_whitespace().nth(6).unwrap().parse::<f64>().unwrap() * 512.0
}

/// The file system gives up, as after an error that it cannot get over: from now on each call is an input/output error.
fn shut_down(at: &Path) {
    /// `EXT4_IOC_SHUTDOWN`, `_IOR('X', 125, __u32)`
    const SHUTDOWN: libc::Ioctl = 0x8004_587d_u32 as libc::Ioctl;
    let directory = std::fs::File::open(at).unwrap();
    let how = 0_u32;
    // SAFETY: the descriptor is open and the number lives through the call, which only reads it.
    let done = unsafe { libc::ioctl(directory.as_raw_fd(), SHUTDOWN, &raw const how) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn a_volume_says_why_it_takes_no_writes_and_one_that_hangs_costs_itself_only() {
    inside_namespaces("volume::inside_namespaces_with_a_volume_that_fails");
}

#[test]
#[ignore = "started in namespaces of its own by the test above"]
fn inside_namespaces_with_a_volume_that_fails() {
    let table = "[[volume]]\nid = \"rec\"\ndirectory = \"rec/.vedette\"\nevery = \"1s\"\n";
    let mut vedette = Vedette::new(&format!("[node]\ntick = \"1s\"\n{table}"));
    let at = vedette.path("rec");
    let mut disk = Disk::mount(&at.with_extension("image"), &at).unwrap();
    let directory = at.join(".vedette");
    let [place, below] = [&at, &directory].map(|path| path.to_str().unwrap());

    let said = checked(&vedette);
    assert!(said.contains(&format!("warning: volume: {below} is no directory; make it")), "{said}");
    vedette.start();
    fails(&vedette, "not_present");
    assert!(!directory.exists(), "it is somebody else's to make");
    std::fs::create_dir(&directory).unwrap();
    well(&vedette);
    let said = checked(&vedette);
    assert!(!said.contains("warning"), "{said}");

    // What it costs the disk, and what we say that it costs. A young file system writes much by itself.
    run("mount", &["-o", "remount,noinit_itable", place]);
    let own = "vedette_storage_written_bytes_total";
    let from = vedette.wait_value(COUNT, BOUND, |n| n >= 2.0);
    let (device, ours) = (written(place), vedette.value(own).unwrap());
    let to = vedette.wait_value(COUNT, BOUND, |n| n >= from + WRITES);
    run("sync", &["-f", place]);
    let (device, ours) = ((written(place) - device) / (to - from), (vedette.value(own).unwrap() - ours) / (to - from));
    let mean = vedette.value("volume_write_seconds_sum{volume=\"rec\"}").unwrap() / to;
    eprintln!("a write takes {:.2} ms, {device:.0} bytes of the device, {ours:.0} by our own count", mean * 1000.0);
    assert!((4096.0..65536.0).contains(&device), "{device}");
    assert!(ours >= 4096.0, "our own count of bytes written has it: {ours}");
    assert!(std::fs::read_dir(&directory).unwrap().count() <= 1, "the one that is written now, or none");

    let filler = Small::fill(&at);
    fails(&vedette, "no_space");
    std::fs::remove_file(filler).unwrap();
    well(&vedette);

    run("mount", &["-o", "remount,ro", place]);
    fails(&vedette, "read_only");
    run("mount", &["-o", "remount,rw", place]);
    well(&vedette);

    // As the unit's ProtectSystem=strict without the drop-in.
    run("mount", &["--bind", below, below]);
    run("mount", &["-o", "remount,bind,ro", below]);
    fails(&vedette, "denied");
    assert!(vedette.log().contains("the drop-in volume.conf of the examples lets it"), "{}", vedette.log());
    run("umount", &[below]);
    well(&vedette);

    let healthy = p99(&vedette, |_| {});
    disk.freeze();
    let rounds = "node_time_seconds";
    let mut seen = Vec::new();
    let hanging = p99(&vedette, |page| seen.extend(value(page, rounds)));
    vedette.wait_value(&failures("timeout"), BOUND, |n| n >= 3.0);
    fails(&vedette, "timeout");
    seen.dedup();
    let longest = seen.windows(2).map(|two| two[1] - two[0]).fold(0.0, f64::max);
    let threads = std::fs::read_dir(format!("/proc/{}/task", vedette.pid())).unwrap();
    let stuck = threads.flatten().filter(|thread| {
        let name = std::fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        name.trim() == "volume"
    });
    assert_eq!(stuck.count(), 1, "nobody is sent after the one that waits");
    eprintln!("p99 {healthy:?} and with a volume that hangs {hanging:?}, longest step of the node {longest:.1} s");
    assert!(hanging < P99, "{hanging:?}, {healthy:?} before");
    assert!(longest < 3.5, "the node is read on cadence: {longest} s");
    disk.thaw();
    well(&vedette);

    shut_down(&at);
    fails(&vedette, "io");
    assert!(vedette.stop().success());
}

#[test]
fn the_rules_fire_when_they_should() {
    test_rules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/probe/volume/testdata/rules_test.yml"));
}
