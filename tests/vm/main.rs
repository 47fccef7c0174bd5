//! The package on a Debian machine: a guest under QEMU's own emulation, read-only root and a data partition as on an
//! appliance, or a writable root as on a server, or a server with a recorder's parts. Logs of a story stay in
//! target/vm/<story>/.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

mod bench;
#[allow(dead_code)] // the trees of files need all of it
#[path = "../live/node/differ.rs"]
mod differ;
mod machine;
#[path = "../live/node/page.rs"]
mod page;
mod powercut;
mod recorder;
#[path = "../live/node/talk.rs"]
mod talk;
#[path = "../live/support/wait.rs"]
mod wait;

use bench::{Disks, disks, get, image, later, package};
use machine::{Kind, Machine};
use std::path::Path;
use std::sync::PoisonError;
use std::time::Duration;
use wait::wait;

/// From the port forward to the page: the guest's network comes up while the service already runs.
const PAGE: Duration = Duration::from_secs(60);

fn boot(dir: &Path, disks: &Disks, kind: Kind) -> Machine {
    Machine::boot(dir, &image(), disks, kind)
}

fn property(machine: &mut Machine, name: &str) -> String {
    machine.must(&format!("systemctl show vedette --value -p {name}"))
}

/// systemd heard READY=1 from the main process itself, and it runs as its own user without a capability.
fn is_ready(machine: &mut Machine) {
    machine.until("READY=1", 90, "systemctl is-active vedette", |state| state == "active");
    assert_eq!(property(machine, "Type"), "notify");
    assert_eq!(property(machine, "NotifyAccess"), "main");
    let pid = property(machine, "MainPID");
    assert_eq!(machine.must(&format!("stat -c %U /proc/{pid}")), "vedette");
    assert_eq!(machine.must(&format!("awk '/^CapEff/ {{print $2}}' /proc/{pid}/status")), "0000000000000000");
}

fn is_scraped(machine: &Machine) {
    let page = wait("a page of metrics", PAGE, || get(machine.web, "/metrics"));
    assert!(page.contains("vedette_build_info{"), "{page}");
}

fn install(machine: &mut Machine, package: &Path) {
    let name = package.file_name().unwrap().to_str().unwrap();
    machine.must("mkdir -p /run/shelf; mountpoint -q /run/shelf || mount -o ro LABEL=packages /run/shelf");
    machine.must(&format!("dpkg -i /run/shelf/{name}"));
}

#[test]
fn an_installed_package_starts_survives_an_upgrade_and_leaves_nothing_after_purge() {
    let _alone = bench::ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let first = package();
    let second = later(&first);
    let (dir, disks) = disks("server", &[first.clone(), second.clone()]);
    let mut machine = boot(&dir, &disks, Kind::Server);

    install(&mut machine, &first);
    is_ready(&mut machine);
    is_scraped(&machine);
    assert_eq!(machine.must("systemctl is-enabled vedette"), "enabled");
    assert_eq!(machine.must("stat -c %A:%U:%G /etc/vedette/secrets"), "drwxr-x---:root:vedette");
    assert_eq!(machine.must("stat -c %A:%U:%G /etc/vedette/vedette.toml"), "-rw-r-----:root:vedette");
    // Its own group may ping, and no other.
    let group = machine.must("getent group vedette | cut -d: -f3");
    let range = machine.must("tr '\\t' ' ' </proc/sys/net/ipv4/ping_group_range");
    assert_eq!(range, format!("{group} {group}"));

    // An upgrade: state, what is not flushed yet and a changed configuration are kept, the service is a new process.
    machine.must("echo kept | tee /var/lib/vedette/mark /run/vedette/mark");
    machine.must("echo '# mine' >>/etc/vedette/vedette.toml");
    let before = property(&mut machine, "MainPID");
    install(&mut machine, &second);
    is_ready(&mut machine);
    assert_ne!(property(&mut machine, "MainPID"), before);
    assert!(machine.must("dpkg-query -W -f '${Version}' vedette").ends_with("+later"));
    assert_eq!(machine.must("cat /var/lib/vedette/mark /run/vedette/mark"), "kept\nkept");
    machine.must("grep -q '# mine' /etc/vedette/vedette.toml");
    is_scraped(&machine);

    // A purge: no process, no unit, no file of ours.
    machine.must("echo secret >/etc/vedette/secrets/camera");
    machine.must("dpkg --purge vedette");
    assert_eq!(machine.shell("systemctl is-active vedette").1, "inactive");
    assert_eq!(machine.must("systemctl show vedette --value -p LoadState"), "not-found");
    assert_eq!(machine.must("find / -xdev -path /run/shelf -prune -o -name '*vedette*' -print"), "");
    assert_eq!(machine.must("find /var/lib /run -name '*vedette*' ! -path '/run/shelf/*'"), "");
    machine.power_off();
}

#[test]
fn an_appliance_with_a_read_only_root_restarts_a_hung_daemon_and_comes_back_after_a_power_cut() {
    let _alone = bench::ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let package = package();
    let (dir, disks) = disks("appliance", &[package.clone(), powercut::binary()]);
    let mut machine = boot(&dir, &disks, Kind::Server);
    install(&mut machine, &package);
    machine.power_off();

    let mut machine = boot(&dir, &disks, Kind::Appliance);
    assert!(machine.must("findmnt -no OPTIONS /").starts_with("ro,"));
    is_ready(&mut machine);
    // `[::]:9090`, the default, became `0.0.0.0:9090`.
    machine.must("test ! -e /proc/net/if_inet6");
    is_scraped(&machine);

    // What NTP would do: the sandbox must let the daemon ask for it (adjtimex(2), ADJ_STATUS and ADJ_MAXERROR set to 0).
    let page = get(machine.web, "/metrics").expect("it was scraped a moment ago");
    assert!(page.contains("\nvedette_clock_trusted 0\n"), "nobody disciplines the guest's clock: {page}");
    machine.must(r#"perl -e '$t = pack("Lx4q4lx164", 0x14, 0, 0, 0, 0, 0); exit(syscall(159, $t) < 0)'"#);
    wait("a trusted clock", PAGE, || {
        get(machine.web, "/metrics").filter(|page| page.contains("\nvedette_clock_trusted 1\n"))
    });

    // A process that hangs is ended and started again after WatchdogSec, with its runtime directory.
    machine.must("echo kept >/run/vedette/mark");
    assert_eq!(property(&mut machine, "NRestarts"), "0");
    let hung = property(&mut machine, "MainPID");
    machine.must(&format!("kill -STOP {hung}"));
    machine.until("a restart by the watchdog", 90, "systemctl show vedette --value -p NRestarts", |n| n == "1");
    is_ready(&mut machine);
    assert_ne!(property(&mut machine, "MainPID"), hung);
    assert_eq!(machine.must("cat /run/vedette/mark"), "kept");
    machine.must("journalctl -u vedette | grep -q 'Watchdog timeout'");
    is_scraped(&machine);

    // The mains fail while alarms and metrics are written. The next boot finds the state of before.
    machine.must("echo kept >/var/lib/vedette/mark; sync");
    powercut::feed(&mut machine);
    let heard = machine.cut_power();
    let mut machine = boot(&dir, &disks, Kind::Appliance);
    is_ready(&mut machine);
    assert_eq!(machine.must("cat /var/lib/vedette/mark"), "kept");
    println!("{}", powercut::look(&mut machine, &heard));
    is_scraped(&machine);
    machine.power_off();
}
