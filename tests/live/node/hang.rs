//! What never answers: a FUSE mount whose other end reads no request, and pipes in place of a driver's file and of a file
//! of text. The daemon runs in namespaces of its own, so that nobody else on this machine meets it.

use crate::support::hang::{P99, inside_namespaces, p99};
use crate::support::vedette::Vedette;
use crate::support::wait;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const BOUND: Duration = Duration::from_secs(60);
/// A mount that hangs until the file is closed.
fn mount(at: &Path) -> File {
    let fuse = File::options().read(true).write(true).open("/dev/fuse").unwrap();
    let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", fuse.as_raw_fd());
    let text = |bytes: &[u8]| CString::new(bytes).unwrap();
    let (device, kind, options) = (text(b"dead"), text(b"fuse"), text(options.as_bytes()));
    let target = text(at.as_os_str().as_bytes());
    // SAFETY: four texts that end with NUL and live through the call.
    let done = unsafe { libc::mount(device.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, options.as_ptr().cast()) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    fuse
}

fn value(page: &str, series: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

#[test]
fn a_mount_that_never_answers_costs_itself_only() {
    if !Path::new("/dev/fuse").exists() {
        eprintln!("no /dev/fuse: not tested");
        return;
    }
    inside_namespaces("node::hang::inside_namespaces_with_a_dead_mount");
}

#[test]
#[ignore = "started in namespaces of its own by the test above"]
fn inside_namespaces_with_a_dead_mount() {
    let mut vedette = Vedette::new("[node]\ntick = \"1s\"\n");
    vedette.start();
    let root = wait("the root's size", BOUND, || {
        let page = vedette.page();
        page.lines()
            .find(|l| l.starts_with("node_filesystem_size_bytes{"))
            .map(|l| l.rsplit_once(' ').unwrap().0.to_owned())
    });
    let threads = || std::fs::read_dir(format!("/proc/{}/task", vedette.pid())).unwrap().count();
    let before = threads();
    let healthy = p99(&vedette, |_| {});

    let dead = vedette.path("dead");
    std::fs::create_dir(&dead).unwrap();
    let fuse = mount(&dead);
    let error = format!("node_filesystem_device_error{{device=\"dead\",fstype=\"fuse\",mountpoint={dead:?}}}");
    wait("the dead mount on the page", BOUND, || (value(&vedette.page(), &error) == Some(1.0)).then_some(()));

    // Over several rounds, of which two leave a thread behind.
    let mut seconds = Vec::new();
    let hanging = p99(&vedette, |page| {
        seconds.extend(value(page, "node_time_seconds"));
        assert!(value(page, &root).is_some(), "the other mounts are there: {root}");
        assert_eq!(value(page, &error), Some(1.0));
        for target in ["kernel", "network", "hardware", "mounts"] {
            let up = format!("vedette_probe_up{{probe=\"node\",target=\"{target}\"}}");
            assert_eq!(value(page, &up), Some(1.0), "{target}");
        }
    });
    seconds.dedup();
    let steps = seconds.windows(2).map(|two| two[1] - two[0]);
    let longest = steps.fold(0.0, f64::max);
    eprintln!(
        "p99 {healthy:?} and with the dead mount {hanging:?}, {} readings of the kernel, longest step {longest:.1} s, threads {before} and then {}",
        seconds.len(),
        threads()
    );
    assert!(hanging < P99, "{hanging:?}, {healthy:?} before");
    assert!(longest < 3.5, "the kernel is read on cadence: {longest} s");
    assert!(threads() <= before + 4, "{} threads, {before} before", threads());

    // Once it is gone, so are its series.
    drop(fuse);
    assert!(Command::new("umount").arg("-l").arg(&dead).status().unwrap().success());
    wait("the dead mount off the page", BOUND, || value(&vedette.page(), &error).is_none().then_some(()));
    assert!(vedette.stop().success());
}

#[test]
fn drivers_and_a_file_of_text_that_never_answer_cost_themselves_only() {
    inside_namespaces("node::hang::inside_namespaces_with_dead_files");
}

/// A pipe that nobody writes to: who opens it for reading waits in the kernel.
fn pipe(at: &Path) {
    std::fs::create_dir_all(at.parent().unwrap()).unwrap();
    assert!(Command::new("mkfifo").arg(at).status().unwrap().success());
}

#[test]
#[ignore = "started in namespaces of its own by the test above"]
fn inside_namespaces_with_dead_files() {
    let mut vedette = Vedette::new("[node]\ntick = \"1s\"\ntextfiles = \"texts\"\n");
    let [cpus, interfaces] = ["/sys/devices/system/cpu", "/sys/class/net"].map(Path::new);
    for place in [cpus, interfaces] {
        assert!(Command::new("mount").args(["-t", "tmpfs", "none"]).arg(place).status().unwrap().success());
    }
    let driver = cpus.join("cpu0/cpufreq/scaling_cur_freq");
    let files = [driver, interfaces.join("eth9/speed"), vedette.path("texts/dead.prom")];
    files.iter().for_each(|file| pipe(file));
    vedette.start();
    let up = |target: &str| format!("vedette_probe_up{{probe=\"node\",target=\"{target}\"}}");
    for target in ["hardware", "network", "textfile"] {
        vedette.wait_value(&up(target), BOUND, |up| up == 0.0);
    }
    let threads = || std::fs::read_dir(format!("/proc/{}/task", vedette.pid())).unwrap().count();
    let before = threads();
    let mut seconds = Vec::new();
    let hanging = p99(&vedette, |page| {
        seconds.extend(value(page, "node_time_seconds"));
        for target in ["kernel", "mounts", "disks"] {
            assert_eq!(value(page, &up(target)), Some(1.0), "{target}");
        }
    });
    seconds.dedup();
    let longest = seconds.windows(2).map(|two| two[1] - two[0]).fold(0.0, f64::max);
    eprintln!("p99 {hanging:?}, longest step {longest:.1} s, threads {before} and then {}", threads());
    assert!(hanging < P99, "{hanging:?}");
    assert!(longest < 3.5, "the kernel is read on cadence: {longest} s");
    assert!(threads() <= before + 3, "{} threads, {before} before: one more of each target at most", threads());

    // Once somebody opens the other end, what was stuck comes back by itself.
    for file in &files {
        let aside = file.with_extension("aside");
        std::fs::rename(file, &aside).unwrap();
        drop(File::options().write(true).open(aside).unwrap());
    }
    for target in ["hardware", "network", "textfile"] {
        vedette.wait_value(&up(target), BOUND, |up| up == 1.0);
    }
    wait("the end of stuck threads", BOUND, || (threads() <= before).then_some(()));
    assert!(vedette.stop().success());
}
