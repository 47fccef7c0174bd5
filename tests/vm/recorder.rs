//! What only a recorder's own parts show: its journal, its RAID, its sensors, its network cards. Beside the daemon runs
//! Debian's node_exporter, and both must see the same.

use crate::bench::{ONE_AT_A_TIME, disks, get, package};
use crate::differ::{Exceptions, differences};
use crate::machine::{Kind, Machine};
use crate::page::Page;
use crate::talk::Talk;
use crate::wait::wait;
use crate::{boot, is_ready};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::PoisonError;
use std::time::Duration;

/// Until something is on the page: a look, a tick, and a guest that shares two cores with others.
const BOUND: Duration = Duration::from_secs(120);
/// In the encoder's command line and in its log.
const CANARY: &str = "canary-pass";
/// Says that the trees in the node probe's testdata are to be captured anew.
const CAPTURE: &str = "VEDETTE_CAPTURE";

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn body(port: u16) -> Option<String> {
    get(port, "/metrics")?.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

/// Waits until a series has this value; `None`: until it is not on the page. Says what else it was.
fn shows(machine: &Machine, series: &str, wanted: Option<f64>) {
    let mut last = None;
    wait(series, BOUND, || {
        let page = body(machine.web)?;
        let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let value = line.map(|value| value.parse::<f64>().unwrap());
        if last.replace(value) != Some(value) {
            println!("{series}: {value:?}");
        }
        (value == wanted).then_some(())
    });
}

#[test]
fn a_recorder_s_journal_and_parts_are_seen_as_they_are() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let package = package();
    let mut shelf: Vec<_> = ["encoder.sh", "parts.sh", "capture.sh", "recorder@.service", "vedette.toml"]
        .map(|name| here("tests/vm/recorder").join(name))
        .into();
    shelf.extend([here("config/systemd/gpu.conf"), here("config/systemd/gstreamer-encoder.conf"), package.clone()]);
    let (dir, disks) = disks("recorder", &shelf);
    let mut machine = boot(&dir, &disks, Kind::Recorder);

    let not_ours: String =
        Exceptions::on("this machine").collectors.iter().map(|c| format!(" --no-collector.{c}")).collect();
    machine
        .must(&format!("mkdir /run/shelf; mount -o ro LABEL=packages /run/shelf; bash /run/shelf/parts.sh{not_ours}"));
    drop_ins_load(&mut machine, &package);
    is_ready(&mut machine);
    // The disks are asked meanwhile.
    machine.must("systemctl enable --now vedette-peek-smart.timer");
    in_sync(&mut machine);
    same_as_node_exporter(&mut machine);
    capture(
        &mut machine,
        "qemu-recorder",
        "A recorder in QEMU: NVMe disks, a RAID 1 in sync with a spare, network cards (e1000e), two of them as a bond.",
    );
    a_member_fails_and_a_link_is_lost(&mut machine);
    same_as_node_exporter(&mut machine);
    capture(
        &mut machine,
        "qemu-degraded",
        "A recorder in QEMU: a member of its RAID 1 failed and the spare is being filled; one network card of its bond has no link.",
    );

    the_journal_of_an_encoder_is_counted(&mut machine);
    echo_requests_need_the_group_range(&mut machine);
    disks_tell_their_health(&mut machine);
    machine.power_off();
}

/// The package, over a configuration and with all drop-ins that we ship, as their heads say to install them.
fn drop_ins_load(machine: &mut Machine, package: &Path) {
    let units = "/etc/systemd/system";
    machine.must("install -D -m 644 /run/shelf/vedette.toml /etc/vedette/vedette.toml");
    machine.must(&format!("cp /run/shelf/recorder@.service {units}"));
    machine.must(&format!("install -D -m 644 /run/shelf/gpu.conf {units}/vedette.service.d/gpu.conf"));
    machine
        .must(&format!("install -D -m 644 /run/shelf/gstreamer-encoder.conf {units}/recorder@.service.d/vedette.conf"));
    machine.must("systemctl daemon-reload; systemctl start recorder@gate");
    let name = package.file_name().unwrap().to_str().unwrap();
    machine.must(&format!("dpkg --force-confold -i /run/shelf/{name}"));
    machine.must("cmp /run/shelf/gpu.conf /usr/share/doc/vedette/examples/systemd/gpu.conf");
    for unit in ["vedette.service", "recorder@gate.service"] {
        assert_eq!(machine.must(&format!("systemd-analyze verify --recursive-errors=no {unit} 2>&1")), "", "{unit}");
    }
    let show = |unit: &str, what: &str| format!("systemctl show {unit} --value -p {what}");
    assert_eq!(machine.must(&show("vedette", "PrivateDevices")), "no");
    let allowed = machine.must(&show("vedette", "DeviceAllow"));
    for device in ["char-nvidia rw", "char-nvidia-frontend rw", "char-nvidiactl rw"] {
        assert!(allowed.contains(device), "{allowed}");
    }
    assert!(machine.must(&show("recorder@gate", "Environment")).contains("GST_TRACERS=vedette(socket="));
}

fn lines(meaning: &str) -> String {
    format!("encoder_log_lines_total{{camera_id=\"gate\",encoder_id=\"gate\",meaning=\"{meaning}\"}}")
}

/// The log of an encoder as journald has it, with what the service may do as it is shipped.
fn the_journal_of_an_encoder_is_counted(machine: &mut Machine) {
    let say = |machine: &mut Machine, words: &str| machine.must(&format!("echo '{words}' >/run/words"));
    shows(machine, &lines("frames_repeated"), Some(0.0));
    // When journalctl begins to follow shows by what it tells.
    wait("a line that is followed", BOUND, || {
        say(machine, "[warning] More than 100 frames duplicated");
        let page = body(machine.web)?;
        (!page.contains(&(lines("frames_repeated") + " 0\n"))).then_some(())
    });
    say(machine, "trouble");
    let trouble = |machine: &Machine| {
        shows(machine, &lines("cues_lost"), Some(1.0));
        shows(machine, &lines("login_refused"), Some(2.0));
        for meaning in ["packets_missing", "packets_late", "timestamps_back"] {
            shows(machine, &lines(meaning), Some(1.0));
        }
        shows(machine, "encoder_input_packets_missed_total{camera_id=\"gate\",encoder_id=\"gate\"}", Some(3.0));
    };
    trouble(machine);
    machine.must(&format!("journalctl -u recorder@gate | grep {CANARY}"));

    let overruns = lines("buffer_overrun");
    for (n, what) in [
        "journalctl --rotate --vacuum-time=1s",
        "systemctl restart systemd-journald",
        "systemctl kill --signal=KILL systemd-journald; sleep 1",
    ]
    .into_iter()
    .enumerate()
    {
        machine.must(what);
        say(machine, "[error] Circular buffer overrun.");
        shows(machine, &overruns, Some(n as f64 + 1.0));
    }

    // Without the tool, and without the right, there is no count; then the same again.
    let end = "kill $(grep -lx journalctl /proc/[0-9]*/comm | cut -d/ -f3)";
    for (take, give, why) in [
        ("mv /usr/bin/journalctl /root", "cp /root/journalctl /usr/bin", "No such file or directory"),
        ("chmod 700 /run/log/journal/*", "chmod 2755 /run/log/journal/*", "insufficient permissions"),
    ] {
        machine.must(&format!("{take}; {end}"));
        shows(machine, &overruns, None);
        let told = format!("/root/journalctl -u vedette | grep 'cannot listen to the journal of' | grep '{why}'");
        machine.until(why, 60, &told, |lines| !lines.is_empty());
        machine.must(give);
        shows(machine, &overruns, Some(3.0));
    }
    say(machine, "[error] Circular buffer overrun.");
    shows(machine, &overruns, Some(4.0));
    // A configuration that is read again costs no count.
    machine.must("systemctl reload vedette");
    trouble(machine);

    // The password is in the encoder's command line and was in its journal, and is nowhere that is ours.
    machine.must(&format!(
        "tr '\\0' ' ' </proc/$(systemctl show recorder@gate --value -p MainPID)/cmdline | grep {CANARY}"
    ));
    assert!(!body(machine.web).expect("it was there").contains(CANARY));
    assert_eq!(machine.must(&format!("journalctl -u vedette | grep {CANARY} || true")), "");
    assert_eq!(machine.must(&format!("grep -rl {CANARY} /var/lib/vedette /run/vedette || true")), "");
}

/// What the package's line for sysctl.d is good for.
fn echo_requests_need_the_group_range(machine: &mut Machine) {
    let (range, up) = ("/proc/sys/net/ipv4/ping_group_range", "uplink_check_up{check=\"ping\",uplink=\"wan\"}");
    shows(machine, up, Some(1.0));
    machine.must(&format!("cat {range} >/run/range; echo 1 0 >{range}"));
    shows(machine, up, None);
    let denied = "uplink_check_failures_total{check=\"ping\",reason=\"denied\",uplink=\"wan\"} ";
    let page = body(machine.web).expect("it was there");
    assert!(page.lines().any(|line| line.starts_with(denied) && !line.ends_with(" 0")), "{page}");
    machine.must(&format!("cat /run/range >{range}"));
    shows(machine, up, Some(1.0));
}

/// By smartctl, which the timer of the package runs with the rights of the package's unit.
fn disks_tell_their_health(machine: &mut Machine) {
    for disk in ["nvme0n1", "nvme1n1", "nvme2n1", "sda", "sdb", "sdc"] {
        shows(machine, &format!("disk_health_passed{{device=\"{disk}\"}}"), Some(1.0));
    }
    let page = body(machine.web).expect("it was there");
    let told = |name: &str, disk: &str| page.contains(&format!("\n{name}{{device=\"{disk}\"}} "));
    for name in ["disk_temperature_celsius", "disk_wear_ratio", "disk_media_errors_total", "disk_spare_ratio"] {
        assert!(told(name, "nvme1n1"), "{name}: {page}");
    }
    for name in ["disk_temperature_celsius", "disk_reallocated_sectors", "disk_power_on_seconds_total"] {
        assert!(told(name, "sda"), "{name}: {page}");
    }
    // An NVMe disk that says of itself that it is not reliable any more; another round is the owner's.
    machine.monitor("qom-set", r#"{"path":"/machine/peripheral/disk1","property":"smart_critical_warning","value":4}"#);
    machine.must("systemctl start vedette-peek-smart");
    shows(machine, "disk_critical_warning{device=\"nvme1n1\",warning=\"reliability\"}", Some(1.0));
    shows(machine, "disk_health_passed{device=\"nvme1n1\"}", Some(0.0));
}

fn in_sync(machine: &mut Machine) {
    machine.until("a RAID in sync", 120, "cat /proc/mdstat", |text| text.contains("[UU]") && !text.contains('%'));
    shows(machine, "node_md_disks{device=\"md0\",state=\"spare\"}", Some(1.0));
}

fn a_member_fails_and_a_link_is_lost(machine: &mut Machine) {
    // A rebuild that lasts: 10 KiB/s.
    machine.must("echo 10 | tee /proc/sys/dev/raid/speed_limit_min /proc/sys/dev/raid/speed_limit_max");
    machine.must("mdadm --quiet /dev/md0 --fail /dev/sdb");
    machine.monitor("set_link", r#"{"name":"nic2","up":false}"#);
    shows(machine, "node_md_disks{device=\"md0\",state=\"failed\"}", Some(1.0));
    shows(machine, "node_md_state{device=\"md0\",state=\"recovering\"}", Some(1.0));
    shows(machine, "node_network_carrier{device=\"enp0s3\"}", Some(0.0));
    shows(machine, "node_bonding_active{master=\"bond0\"}", Some(1.0));
}

/// Names, labels and types of the node's families; and the values of those that stand still.
fn same_as_node_exporter(machine: &mut Machine) {
    let node = |text: &str| {
        let mut page = Page::parse(text);
        page.values.retain(|series, _| series.starts_with("node_"));
        page.types.retain(|name, _| name.starts_with("node_"));
        page
    };
    // QEMU answers for a port that nobody listens to, and then hangs up.
    let mut exporter = wait("node_exporter", BOUND, || {
        let mut talk = Talk::with(machine.beside).ok()?;
        talk.page().ok().map(|_| talk)
    });
    let still = ["node_md_", "node_nvme_", "node_hwmon_", "node_bonding_", "node_network_", "node_disk_info"];
    let moving = ["_bytes_total", "_packets_total"];
    let (mut exceptions, mut last) = (Exceptions::on("this machine"), Vec::new());
    wait("the same page as node_exporter's", BOUND, || {
        let before = node(&body(machine.web)?);
        let theirs = node(&exporter.page().expect("node_exporter answers"));
        let after = node(&body(machine.web)?);
        let mut pending = BTreeMap::new();
        let mut differ = differences([&before, &theirs, &after], &mut exceptions, &mut pending);
        pending.retain(|series, _| {
            let name = series.split('{').next().unwrap();
            still.iter().any(|start| name.starts_with(start)) && !moving.iter().any(|end| name.ends_with(end))
        });
        let compared = pending.len();
        differ.extend(pending.into_values().filter(|why| !why.is_empty()));
        let same = differ.is_empty();
        if differ != last || same {
            println!("{} series, values of {compared}: {differ:#?}", theirs.values.len());
        }
        last = differ;
        same.then_some(())
    });
}

/// What `capture.sh` tells of the machine as it is now, into the node probe's testdata where that is asked for.
fn capture(machine: &mut Machine, folder: &str, text: &str) {
    if std::env::var_os(CAPTURE).is_none() {
        return;
    }
    let packed = machine.must(&format!("bash /run/shelf/capture.sh '{text}' | gzip -9 | base64 -w 200"));
    let mut unpack = Command::new("sh");
    unpack.args(["-c", "base64 -d | gunzip"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut unpack = unpack.spawn().unwrap();
    let mut into = unpack.stdin.take().unwrap();
    let writing = std::thread::spawn(move || into.write_all(packed.as_bytes()).unwrap());
    let tree = unpack.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(tree.status.success());
    let folder = here("src/probe/node/testdata").join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("tree.txt"), tree.stdout).unwrap();
}
