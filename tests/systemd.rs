//! The unit files as systemd itself reads them.

use std::process::{Command, Output};

/// Exposure by `systemd-analyze security`, 0 (nothing to see) to 10. The best hardened unit of a comparable daemon that
/// we know of scores 2.2. The readers' is all for their two capabilities each, which a bare unit with them pays 6.7 for, and
/// for being root, who owns the disks.
const UNITS: [(&str, f64); 3] =
    [("vedette.service", 2.0), ("vedette-peek.service", 2.5), ("vedette-peek-smart.service", 2.0)];

fn unit(name: &str) -> String {
    std::fs::read_to_string(format!("systemd/{name}")).expect("the unit file")
}

/// Runs systemd-analyze on a copy of the unit whose program exists on this machine.
fn analyze(arguments: &[&str], name: &str) -> Output {
    let dir = tempfile::tempdir().expect("a directory");
    let true_one = unit(name).replace("/usr/bin/vedette-peek", "/bin/true").replace("/usr/bin/vedette ", "/bin/true ");
    let copy = dir.path().join(name);
    std::fs::write(&copy, true_one).expect("a copy");
    for beside in ["vedette-peek.socket", "vedette-peek-smart.timer"] {
        std::fs::write(dir.path().join(beside), unit(beside)).expect("a copy");
    }
    let out = Command::new("systemd-analyze").args(arguments).arg(&copy).output();
    out.expect("systemd-analyze (Debian package systemd)")
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    for (name, _) in UNITS {
        let out = analyze(&["verify", "--man=no"], name);
        let said = String::from_utf8_lossy(&out.stderr);
        // Only units of ours are judged, not those of the machine that they name.
        let ours: Vec<_> = said.lines().filter(|l| l.contains("vedette")).collect();
        assert!(out.status.success() && ours.is_empty(), "{said}");
    }
}

#[test]
fn no_unit_is_more_exposed_than_it_must_be() {
    for (name, most) in UNITS {
        let out = analyze(&["security", "--offline=yes", "--no-pager"], name);
        let said = String::from_utf8_lossy(&out.stdout);
        let overall = said.lines().find(|l| l.contains("Overall exposure level")).expect("a verdict");
        let level: f64 = overall.split_whitespace().find_map(|w| w.parse().ok()).expect("a number");
        assert!(level <= most, "{said}");
    }
}

#[test]
fn the_unit_holds_no_capability_and_keeps_what_is_not_flushed_over_a_restart() {
    let unit = unit("vedette.service");
    for line in [
        "CapabilityBoundingSet=",
        "AmbientCapabilities=",
        "NotifyAccess=main",
        "RuntimeDirectoryPreserve=restart",
        "Restart=always",
        "LimitCORE=0",
    ] {
        assert!(unit.lines().any(|l| l == line), "no line `{line}`");
    }
    assert!(!unit.contains("ConfigurationDirectory="), "it fails on a read-only /etc");
}

#[test]
fn drop_ins_are_taken_whole() {
    for name in ["gstreamer-encoder.conf", "gpu.conf", "volume.conf"] {
        let dir = tempfile::tempdir().expect("a directory");
        let (any, drop_in) = (dir.path().join("any.service"), dir.path().join("any.service.d"));
        std::fs::write(&any, "[Service]\nExecStart=/bin/true\n").expect("a unit");
        std::fs::create_dir(&drop_in).expect("a folder");
        std::fs::copy(format!("config/systemd/{name}"), drop_in.join("vedette.conf")).expect("the drop-in");
        let verify = |unit| {
            let out = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(unit).output();
            let said = String::from_utf8(out.expect("systemd-analyze (Debian package systemd)").stderr).expect("text");
            said.lines().filter(|line| line.contains("any.service")).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(verify(&any), [""; 0]);
        // That it was read at all: with a mistake in it, it is complained of.
        std::fs::write(drop_in.join("vedette.conf"), "[Service]\nNoSuchThing=1\n").expect("a mistake");
        assert_eq!(verify(&any).len(), 1, "{name}");
    }
}

/// What postinst leaves in `/etc/sysctl.d/60-vedette.conf`, where the group is number 123 and this is `configured`; in a
/// mount namespace of its own, with programs that say what they should.
fn ping_range(configured: &str) -> Option<String> {
    let dir = tempfile::tempdir().expect("a directory");
    let script = std::fs::read_to_string("systemd/debian/postinst").expect("the script");
    // What debhelper would put there makes users and starts services.
    std::fs::write(dir.path().join("postinst"), script.replace("#DEBHELPER#", "")).expect("a copy");
    let programs = format!(
        "mkdir bin; ln -s /bin/true bin/systemd-tmpfiles
         printf '#!/bin/sh\\necho vedette:x:123:\\n' >bin/getent
         printf '#!/bin/sh\\ncat <<E\\n# /usr/lib/sysctl.d/50.conf\\nkernel.pid_max = 9\\n{configured}\\nE\\n' >bin/systemd-analyze
         chmod +x bin/*
         mkdir etc; mount --bind etc /etc/sysctl.d; mount -t tmpfs tmpfs /run
         PATH=$PWD/bin:$PATH sh postinst configure; PATH=$PWD/bin:$PATH sh postinst configure"
    );
    let out = Command::new("unshare").args(["--mount", "sh", "-euc", &programs]).current_dir(dir.path()).output();
    let out = out.expect("unshare (Debian package util-linux)");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = std::fs::read_to_string(dir.path().join("etc/60-vedette.conf")).ok()?;
    Some(text.lines().last()?.strip_prefix("net.ipv4.ping_group_range = ")?.to_owned())
}

#[test]
fn the_group_that_may_ping_is_added_to_the_range_that_is_configured_and_nobody_else() {
    let range = |configured: &str| ping_range(configured);
    assert_eq!(range("").as_deref(), Some("123 123"), "the kernel's own: nobody");
    assert_eq!(range("net.ipv4.ping_group_range = 1 0").as_deref(), Some("123 123"));
    assert_eq!(range("net.ipv4.ping_group_range=100 110").as_deref(), Some("100 123"));
    assert_eq!(range("net/ipv4/ping_group_range = 1000\\t2000").as_deref(), Some("123 2000"));
    assert_eq!(range("-net.ipv4.ping_group_range = 0 2147483647"), None, "everybody may");
    assert_eq!(
        range("net.ipv4.ping_group_range=1 0\\nnet.ipv4.ping_group_range = 100 200"),
        None,
        "the last one holds"
    );
}
