//! Interfaces on made trees of files: what this machine's kernel has none of.

use crate::node::tree::tree;
use crate::support::alone::Alone;
use crate::support::wait;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use vedette::base::clock::Clock;
use vedette::probe::nic::KIND;
use vedette::world::World;
use vedette::world::clock::System;
use vedette::world::machine::{Machine, Roots};

const SOON: Duration = Duration::from_secs(20);

fn start(roots: Roots, config: &str) -> Alone {
    let world = World { machine: Some(Machine::at(roots)), ..World::scripted(Clock::new(System)) };
    Alone::start(&KIND, &world, config)
}

/// The page of so many interfaces, `nic_` and the label's name left out.
fn page(alone: &Alone, interfaces: usize) -> BTreeMap<String, f64> {
    wait("a look at every interface", SOON, || {
        let page = alone.page();
        let seen = page.iter().filter(|(series, _)| series.starts_with("nic_present")).count();
        let short = |(series, value): (String, f64)| (series.replace("nic_", "").replace("interface=", ""), value);
        (seen == interfaces).then(|| page.into_iter().map(short).collect())
    })
}

#[test]
fn a_bond_tells_which_of_its_members_work_and_which_one_it_sends_through() {
    let (_dir, roots) = tree(include_str!("../../../src/probe/nic/testdata/made-bond/tree.txt"));
    let net = roots.sys.join("class/net");
    let alone = start(
        roots,
        "[[nic]]\ninterface = \"bond0\"\nmembers = [\"eth1\", \"eth2\", \"eth3\", \"eth9\"]\nspeed = \"1Gbit\"\nevery = \"1s\"\n\
         [[nic]]\ninterface = \"bond1\"\nmembers = [\"eth4\", \"eth5\"]\nevery = \"1s\"\n",
    );
    let page_of = page(&alone, 2);
    let up = |page: &BTreeMap<String, f64>, bond: &str, member: &str| {
        page.get(&format!("member_up{{\"{bond}\",member=\"{member}\"}}")).copied()
    };
    let all = ["eth1", "eth2", "eth3", "eth9"].map(|member| up(&page_of, "bond0", member));
    assert_eq!(all, [Some(1.0), Some(0.0), Some(0.0), Some(0.0)], "distrusted, outside, not there");
    let active = |page: &BTreeMap<String, f64>, member: &str| {
        page.get(&format!("member_active{{\"bond0\",member=\"{member}\"}}")).copied()
    };
    assert_eq!((active(&page_of, "eth1"), active(&page_of, "eth2")), (Some(1.0), Some(0.0)));
    assert_eq!((up(&page_of, "bond1", "eth4"), up(&page_of, "bond1", "eth5")), (Some(1.0), Some(0.0)));
    let of_all = page_of.keys().any(|series| series.starts_with("member_active{\"bond1\""));
    assert!(!of_all, "one that sends through all has no active member: {page_of:?}");
    assert_eq!(page_of["speed_below_expected{\"bond0\"}"], 0.0);

    // The other one takes over, and then none is left.
    std::fs::write(net.join("eth2/bonding_slave/mii_status"), "up\n").unwrap();
    std::fs::write(net.join("eth1/carrier"), "0\n").unwrap();
    std::fs::write(net.join("bond0/bonding/active_slave"), "eth2\n").unwrap();
    let seen = |one, other| {
        let page = page(&alone, 2);
        ((active(&page, "eth1"), active(&page, "eth2")) == (Some(one), Some(other))).then(|| up(&page, "bond0", "eth1"))
    };
    assert_eq!(wait("the failover", SOON, || seen(0.0, 1.0)), Some(0.0));
    std::fs::write(net.join("bond0/bonding/active_slave"), "\n").unwrap();
    wait("no active member", SOON, || seen(0.0, 0.0));
}

#[test]
fn a_link_is_held_against_what_it_should_be_and_nothing_is_made_of_what_a_driver_does_not_know() {
    let (_dir, roots) = tree(include_str!("../../../src/probe/nic/testdata/made-links/tree.txt"));
    let net = roots.sys.join("class/net");
    let table = |name: &str, more: &str| {
        format!("[[nic]]\ninterface = \"{name}\"\nspeed = \"1Gbit\"\nduplex = \"full\"\nevery = \"1s\"\n{more}\n")
    };
    let ports = "members = [\"p1\", \"p2\", \"p3\", \"p4\", \"p5\"]";
    let config: String = ["eth0", "eth1", "eth2", "eth3", "eth4", "eth9"].map(|name| table(name, "")).concat();
    let alone = start(roots, &(config + &table("br0", ports)));
    let first = page(&alone, 7);
    let all = |series: &str| {
        let names = ["eth0", "eth1", "eth2", "eth3", "eth4", "eth9"];
        names.map(|name| first.get(&format!("{series}{{\"{name}\"}}")).copied())
    };
    assert_eq!(all("present"), [Some(1.0), Some(1.0), Some(1.0), Some(1.0), Some(1.0), Some(0.0)]);
    assert_eq!(all("link_up"), [Some(1.0), Some(1.0), Some(0.0), Some(1.0), Some(1.0), None]);
    assert_eq!(all("speed_below_expected"), [Some(1.0), None, None, None, None, None]);
    assert_eq!(all("duplex_unexpected"), [Some(1.0), None, None, Some(0.0), None, None]);
    let error = |kind: &str| first[&format!("errors_total{{\"eth0\",kind=\"{kind}\"}}")];
    assert_eq!(["crc", "alignment", "missed", "carrier", "aborted"].map(error), [7.0, 3.0, 11.0, 2.0, 0.0]);
    let port = |port: &str| first[&format!("member_up{{\"br0\",member=\"{port}\"}}")];
    // Forwarding; blocked by the spanning tree, as it should be; disabled; without a link; in no bridge.
    assert_eq!(["p1", "p2", "p3", "p4", "p5"].map(port), [1.0, 1.0, 0.0, 0.0, 0.0]);

    // 12.5 MB within a second or so: all that 100 Mbit/s can carry, and a tenth of the gigabit that was configured.
    let received = |name: &str| net.join(name).join("statistics/rx_bytes");
    let used = |page: &BTreeMap<String, f64>, name: &str, direction: &str| {
        page.get(&format!("utilization_ratio{{direction=\"{direction}\",\"{name}\"}}")).copied()
    };
    wait("a second look", SOON, || (used(&page(&alone, 7), "eth0", "receive") == Some(0.0)).then_some(()));
    for name in ["eth0", "eth1"] {
        std::fs::write(received(name), "12501000\n").unwrap();
    }
    let (mut most, mut most_of_unknown) = (0.0_f64, 0.0_f64);
    wait("the use of both links", SOON, || {
        let page = page(&alone, 7);
        most = most.max(used(&page, "eth0", "receive").unwrap());
        most_of_unknown = most_of_unknown.max(used(&page, "eth1", "receive").unwrap());
        assert_eq!(used(&page, "eth0", "transmit"), Some(0.0));
        assert_eq!(used(&page, "eth2", "receive"), None, "no link");
        (most > 0.0 && most_of_unknown > 0.0).then_some(())
    });
    assert!((0.5..=1.1).contains(&most) && (0.05..=0.11).contains(&most_of_unknown), "{most} {most_of_unknown}");
    // A driver that was loaded anew counts from 0: that is no use, nor one below 0.
    std::fs::write(received("eth0"), "5\n").unwrap();
    wait("a look without a rate", SOON, || used(&page(&alone, 7), "eth0", "receive").is_none().then_some(()));

    // What goes away is an alarm, and nothing else is left of it.
    std::fs::rename(net.join("eth0"), net.join("eth8")).unwrap();
    wait("eth0 gone", SOON, || (page(&alone, 7)["present{\"eth0\"}"] == 0.0).then_some(()));
    let left: Vec<_> = page(&alone, 7).into_keys().filter(|series| series.contains("\"eth0\"")).collect();
    assert_eq!(left, ["present{\"eth0\"}"]);
}

#[test]
fn a_virtual_machine_knows_no_speed_and_the_configured_one_serves_for_its_use_alone() {
    let (_dir, roots) = tree(include_str!("../../../src/probe/nic/testdata/virtio/tree.txt"));
    let bytes = roots.sys.join("class/net/eth0/statistics/tx_bytes");
    let alone = start(
        roots,
        "[[nic]]\ninterface = \"eth0\"\nspeed = \"1Gbit\"\nduplex = \"full\"\nevery = \"1s\"\n\
         [[nic]]\ninterface = \"ifb0\"\nspeed = \"1Gbit\"\nevery = \"1s\"\n",
    );
    let first = page(&alone, 2);
    assert_eq!((first["link_up{\"eth0\"}"], first["present{\"ifb0\"}"]), (1.0, 1.0));
    assert!(!first.keys().any(|series| series.contains("speed") || series.contains("duplex")), "{first:?}");
    let sent: f64 = std::fs::read_to_string(&bytes).unwrap().trim().parse().unwrap();
    let used = "utilization_ratio{direction=\"transmit\",\"eth0\"}";
    wait("a second look", SOON, || page(&alone, 2).contains_key(used).then_some(()));
    std::fs::write(&bytes, format!("{}\n", sent + 1e6)).unwrap();
    let share = wait("its use", SOON, || page(&alone, 2).get(used).copied().filter(|used| *used > 0.0));
    assert!((0.004..0.009).contains(&share), "8 Mbit in a second or so: {share}");
}

#[test]
fn a_driver_that_hangs_costs_its_interface_only() {
    let (_dir, roots) = tree(include_str!("../../../src/probe/nic/testdata/made-links/tree.txt"));
    let net = roots.sys.join("class/net");
    // Who opens a pipe that nobody writes to waits in the kernel.
    std::fs::remove_file(net.join("eth0/speed")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(net.join("eth0/speed")).status().unwrap().success());
    let table = |name: &str| format!("[[nic]]\ninterface = \"{name}\"\nevery = \"1s\"\n");
    let alone = start(roots, &(table("eth0") + &table("eth3")));
    assert_eq!(page(&alone, 1)["present{\"eth3\"}"], 1.0);
    std::fs::write(net.join("eth3/carrier"), "0\n").unwrap();
    wait("the other one on cadence", SOON, || (page(&alone, 1)["link_up{\"eth3\"}"] == 0.0).then_some(()));
    // Let go, so that its thread ends.
    let _released = std::fs::File::options().write(true).open(net.join("eth0/speed"));
}

#[test]
fn the_rules_fire_when_they_should() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/probe/nic/testdata/rules_test.yml");
    crate::support::prometheus::test_rules(&tests);
}
