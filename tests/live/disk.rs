//! Disks' health from a smartctl of our own to the page, with disks that do not answer: after 30 s, never, and not even to a
//! kill. In namespaces of their own, with other disks in `/sys/block`.

use crate::support::disk::Disk;
use crate::support::hang::{P99, inside_namespaces, p99, run};
use crate::support::prometheus::test_rules;
use crate::support::vedette::{Vedette, value};
use crate::support::wait;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The daemon looks each 15 s.
const BOUND: Duration = Duration::from_secs(60);
const FOLDER: &str = "/run/vedette-peek-smart";

/// What a disk does when it is asked, as a line of shell.
const WELL: &str = "";
const LATE: &str = "sleep 30";
const NEVER: &str = "sleep 86399.25";

/// Its name, and the case of the probe's test data that it tells.
const DISKS: [(&str, &str); 6] = [
    ("nvme0n1", "nvme-healthy"),
    ("sda", "sata-hdd-pending"),
    ("sdb", "sata-ssd"),
    ("sdc", "sas-hdd"),
    ("sdd", "nvme-worn"),
    ("sde", "standby"),
];

struct Disks {
    vedette: Vedette,
    bin: PathBuf,
}

impl Disks {
    fn new() -> Disks {
        let vedette = Vedette::new("[node]\ntick = \"1s\"\n");
        let bin = vedette.path("bin");
        std::fs::create_dir(&bin).unwrap();
        for place in ["/sys/block", "/run"] {
            run("mount", &["-t", "tmpfs", "none", place]);
        }
        std::fs::create_dir(FOLDER).unwrap();
        // What is no disk is not asked: no hardware behind it, a drive for discs, a slot without a card.
        for device in DISKS.map(|(device, _)| device).into_iter().chain(["sr0", "sdx"]) {
            std::fs::create_dir_all(format!("/sys/block/{device}/device")).unwrap();
        }
        std::fs::create_dir("/sys/block/dm-0").unwrap();
        std::fs::write("/sys/block/sdx/removable", "1\n").unwrap();
        std::fs::write("/sys/block/sdx/size", "0\n").unwrap();
        let script = "#!/bin/sh\nfor at; do :; done\nset -- \"${0%/*}\" \"${at#/dev/}\" \"$*\"\necho \"$2 $3\" >> $1/calls\n\
                      [ ! -e $1/$2.does ] || . $1/$2.does\ncat $1/$2.json\n";
        std::fs::write(bin.join("smartctl"), script).unwrap();
        run("chmod", &["+x", bin.join("smartctl").to_str().unwrap()]);
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/probe/disk/testdata");
        for (device, case) in DISKS {
            std::fs::copy(cases.join(format!("made-{case}/smartctl.json")), bin.join(format!("{device}.json")))
                .unwrap();
        }
        Disks { vedette, bin }
    }

    fn does(&self, device: &str, line: &str) {
        std::fs::write(self.bin.join(format!("{device}.does")), format!("{line}\n")).unwrap();
    }

    fn calls(&self, device: &str) -> usize {
        let calls = std::fs::read_to_string(self.bin.join("calls")).unwrap();
        calls.lines().filter(|call| call.starts_with(&format!("{device} "))).count()
    }

    /// Starts a round, as the timer does.
    fn round(&self) -> Child {
        let path = format!("{}:{}", self.bin.display(), std::env::var("PATH").unwrap());
        let mut peek = Command::new(env!("CARGO_BIN_EXE_vedette-peek"));
        peek.arg("smart").env("PATH", path).env("RUNTIME_DIRECTORY", FOLDER).stderr(Stdio::piped());
        peek.spawn().unwrap()
    }

    /// Waits for its end; what it said.
    fn done(&self, round: Child) -> String {
        let done = round.wait_with_output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success(), "{said}");
        said
    }

    fn unknown(&self, device: &str, reason: &str) {
        let series = format!("disk_health_unknown{{device=\"{device}\",reason=\"{reason}\"}}");
        self.vedette.wait_value(&series, BOUND, |n| n == 1.0);
    }
}

#[test]
fn disks_that_do_not_answer_cost_themselves_only() {
    inside_namespaces("disk::inside_namespaces_with_disks_that_hang");
}

#[test]
#[ignore = "started in namespaces of its own by the test above"]
fn inside_namespaces_with_disks_that_hang() {
    let mut disks = Disks::new();
    let at = disks.vedette.path("frozen");
    let mut frozen = Disk::mount(&at.with_extension("image"), &at).unwrap();
    disks.vedette.start();
    let vedette = &disks.vedette;
    vedette.wait_value("disk_health_source_failures_total{reason=\"not_present\"}", BOUND, |n| n >= 1.0);
    assert_eq!(vedette.value("disk_health_source_up"), Some(0.0));

    let said = disks.done(disks.round());
    assert!(said.contains("vedette-peek: sde is standby, was new"), "{said}");
    let calls = std::fs::read_to_string(disks.bin.join("calls")).unwrap();
    assert!(calls.contains("sda --json=c -n standby,3 -a /dev/sda\n"), "{calls}");
    assert_eq!(calls.lines().count(), DISKS.len(), "{calls}");
    vedette.wait_value("disk_temperature_celsius{device=\"sda\"}", BOUND, |n| n == 41.0);
    let page = vedette.page();
    for (series, wanted) in [
        ("disk_health_source_up", 1.0),
        ("disk_pending_sectors{device=\"sda\"}", 24.0),
        ("disk_command_timeouts_total{device=\"sda\"}", 3.0),
        ("disk_smartctl_status{bit=\"self_test_log\",device=\"sda\"}", 1.0),
        ("disk_wear_ratio{device=\"sdb\"}", 0.07),
        ("disk_power_on_seconds_total{device=\"sdb\"}", 28_845_000.0),
        ("disk_media_errors_total{device=\"sdc\"}", 6.0),
        ("disk_critical_warning{device=\"sdd\",warning=\"read_only\"}", 1.0),
        ("disk_health_passed{device=\"sdd\"}", 0.0),
        ("disk_standby{device=\"sde\"}", 1.0),
        ("disk_health_unknown{device=\"sde\",reason=\"standby\"}", 1.0),
    ] {
        assert_eq!(value(&page, series), Some(wanted), "{series}");
    }
    assert!(!page.contains("S3CR3T") && !page.contains("MADE DISK"), "no serial number, no model");
    let file = std::fs::read_to_string(format!("{FOLDER}/disks.json")).unwrap();
    assert!(!file.contains("S3CR3T") && !file.contains("MADE"), "{file}");
    let healthy = p99(vedette, |_| {});

    // One that answers after 30 s, one that never does, and one whose smartctl waits in the kernel.
    disks.does("sdb", LATE);
    disks.does("sdc", NEVER);
    disks.does("sdd", &format!("echo > {}/waits", at.display()));
    frozen.freeze();
    let round = disks.round();
    let hanging = p99(vedette, |page| {
        for series in ["disk_temperature_celsius{device=\"sda\"}", "disk_wear_ratio{device=\"nvme0n1\"}"] {
            assert!(value(page, series).is_some(), "{series}");
        }
        assert_eq!(value(page, "vedette_probe_up{probe=\"disk\",target=\"health\"}"), Some(1.0));
    });
    eprintln!("p99 {healthy:?} and with disks that hang {hanging:?}");
    assert!(hanging < P99, "{hanging:?}, {healthy:?} before");
    let said = disks.done(round);
    for (device, reason) in [("sdb", "timeout"), ("sdc", "timeout"), ("sdd", "stuck")] {
        assert!(said.contains(&format!("{device} is {reason}, was known")), "{said}");
        disks.unknown(device, reason);
    }
    assert!(!said.contains("sda") && !said.contains("nvme0n1"), "{said}");
    // The others were told in the same round, though they came after some of these.
    let age = |device: &str| vedette.value(&format!("disk_health_age_seconds{{device=\"{device}\"}}")).unwrap();
    assert!(age("nvme0n1") < age("sdb") && age("sda") < age("sdc"), "{} {}", age("nvme0n1"), age("sdb"));
    for gone in ["disk_wear_ratio{device=\"sdb\"}", "disk_health_passed{device=\"sdd\"}"] {
        assert_eq!(vedette.value(gone), None, "no old number as fresh");
    }

    // Nobody is sent after the one that still waits; the others are asked again.
    disks.does("sdb", WELL);
    disks.does("sdc", WELL);
    let asked = disks.calls("sdd");
    let said = disks.done(disks.round());
    assert!(said.contains("sdb is known, was timeout") && !said.contains("sdd"), "{said}");
    assert_eq!((disks.calls("sdd"), disks.calls("sdb")), (asked, 3));
    vedette.wait_value("disk_wear_ratio{device=\"sdb\"}", BOUND, |n| n == 0.07);
    disks.unknown("sdd", "stuck");
    frozen.thaw();
    disks.does("sdd", WELL);
    wait("the end of the one that waited", BOUND, || {
        let said = disks.done(disks.round());
        said.contains("sdd is known, was stuck").then_some(())
    });
    vedette.wait_value("disk_health_passed{device=\"sdd\"}", BOUND, |n| n == 0.0);

    // Without smartctl the reason says so, and a file that is none of ours is not believed.
    std::fs::remove_file(disks.bin.join("smartctl")).unwrap();
    if Command::new("smartctl").arg("--version").output().is_err() {
        disks.done(disks.round());
        disks.unknown("sda", "no_smartctl");
    }
    std::fs::write(format!("{FOLDER}/disks.json"), "[]").unwrap();
    vedette.wait_value("disk_health_source_failures_total{reason=\"malformed\"}", BOUND, |n| n >= 1.0);
    assert_eq!(vedette.value("disk_health_known{device=\"sda\"}"), None);
    assert!(disks.vedette.stop().success());
}

#[test]
fn the_rules_fire_when_they_should() {
    test_rules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/probe/disk/testdata/rules_test.yml"));
}
