//! Who reaches the default address, `[::]`, by IPv4 and by IPv6; in network namespaces, so that nothing else is reached.
//! A kernel without any IPv6 is booted in tests/vm.

use crate::support::site::{SOON, Site, status};
use crate::support::wait;
use std::process::Command;
use vedette::base::clock::Clock;
use vedette::world::clock::System;
use vedette::world::listener::Gate;

/// Runs one of the tests below in a network namespace of its own, `prepared`.
fn inside(prepared: &str, test: &str) {
    let script = format!("set -e; ip link set lo up; {prepared}; exec \"$@\"");
    let out = Command::new("unshare")
        .args(["--net", "sh", "-c", &script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    assert!(out.status.success() && said.contains("1 passed"), "{said}");
}

fn site() -> Site {
    Site::at("[::]:0", Gate::open(), Clock::new(System), 1)
}

fn answer(host: &str, site: &Site) -> u16 {
    status(&format!("http://{host}:{}/metrics", site.port), &["-g", "-H", "X-Prometheus-Scrape-Timeout-Seconds: 10"])
}

/// Addresses of those who were served.
fn peers(site: &Site) -> Vec<String> {
    let first = |who: &str| who.split(' ').next().unwrap().to_owned();
    site.ledger.scrapers().iter().map(|s| first(&s.who)).collect()
}

#[test]
fn one_socket_answers_ipv4_and_ipv6() {
    inside("true", "reach::both_families");
    // The socket asks for both itself, whatever the box has as its default.
    inside("sysctl -qw net.ipv6.bindv6only=1", "reach::both_families");
}

#[test]
#[ignore = "run by one_socket_answers_ipv4_and_ipv6, in a network namespace of its own"]
fn both_families() {
    let site = site();
    assert_eq!((answer("127.0.0.1", &site), answer("[::1]", &site)), (200, 200));
    wait("both in the ledger, IPv4 as IPv4", SOON, || (peers(&site) == ["127.0.0.1", "::1"]).then_some(()));
}

#[test]
fn a_box_whose_ipv6_is_switched_off_answers_ipv4() {
    inside("sysctl -qw net.ipv6.conf.all.disable_ipv6=1", "reach::only_ipv4");
}

#[test]
#[ignore = "run by a_box_whose_ipv6_is_switched_off_answers_ipv4, in a network namespace of its own"]
fn only_ipv4() {
    let site = site();
    assert_eq!((answer("127.0.0.1", &site), answer("[::1]", &site)), (200, 0));
}
