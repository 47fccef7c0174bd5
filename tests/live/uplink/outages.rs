//! Each way in which a road can end, told apart, and told once, by the daemon.

use super::roads::{self, FAR, inside, inside_namespaces, sh};
use crate::support::brokers::{Broker, Subscriber};
use crate::support::vedette::Vedette;
use crate::support::wait;
use std::net::TcpListener;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
const CAUSES: [&str; 5] = ["carrier", "route", "gateway", "dns", "far"];

/// A daemon that looks at the road once a second.
fn daemon(keys: &str) -> Vedette {
    Vedette::new(&format!(
        "[node]\nname = \"box\"\ntick = \"1s\"\n\
         [[uplink]]\nid = \"wan\"\nping = [\"{FAR}\"]\nevery = \"1s\"\ntimeout = \"500ms\"\n{keys}"
    ))
}

fn check(check: &str) -> String {
    format!("uplink_check_up{{check=\"{check}\",uplink=\"wan\"}}")
}

fn of(name: &str, cause: &str) -> String {
    format!("uplink_{name}{{cause=\"{cause}\",uplink=\"wan\"}}")
}

const STATE_UP: &str = "uplink_state{state=\"up\",uplink=\"wan\"}";
const STATE_DOWN: &str = "uplink_state{state=\"down\",uplink=\"wan\"}";

/// Breaks the road and mends it again: one outage, by this cause and no other.
fn outage(daemon: &Vedette, cause: &str, broken: &str, mended: &str) {
    daemon.wait_value(STATE_UP, SOON, |up| up == 1.0);
    daemon.wait_value(&check("gateway"), SOON, |up| up == 1.0);
    let before: Vec<_> = CAUSES.map(|cause| daemon.value(&of("outages_total", cause)).unwrap()).to_vec();
    sh(broken);
    daemon.wait_value(&of("outage_open", cause), SOON, |open| open == 1.0);
    assert_eq!(daemon.value(STATE_DOWN), Some(1.0));
    daemon.wait_value(&of("outage_seconds_total", cause), SOON, |seconds| seconds > 2.0);
    sh(mended);
    daemon.wait_value(&of("outage_open", cause), SOON, |open| open == 0.0);
    for (other, before) in CAUSES.iter().zip(before) {
        let told = daemon.value(&of("outages_total", other)).unwrap() - before;
        assert_eq!(told, f64::from(*other == cause), "{other}");
    }
}

#[test]
fn a_cable_and_a_route_that_are_gone_are_told_as_such() {
    inside_namespaces("uplink::outages::inside_with_a_bad_cable");
}

#[test]
#[ignore = "run by a_cable_and_a_route_that_are_gone_are_told_as_such, in namespaces of its own"]
fn inside_with_a_bad_cable() {
    roads::lay();
    let _far = inside("far", || TcpListener::bind((FAR, 9090)).unwrap());
    let mut daemon = daemon(&format!("tcp = [\"{FAR}:9090\"]\n"));
    daemon.start();
    outage(&daemon, "carrier", "ip -n gw link set near0 down", "ip -n gw link set near0 up");
    let route = "default via 192.0.2.1 dev wan0 metric 100";
    outage(&daemon, "route", &format!("ip route del {route}"), &format!("ip route add {route}"));
    assert!(daemon.stop().success());
}

#[test]
fn a_dead_gateway_is_told_from_a_road_that_ends_behind_it() {
    inside_namespaces("uplink::outages::inside_with_a_bad_gateway");
}

#[test]
#[ignore = "run by a_dead_gateway_is_told_from_a_road_that_ends_behind_it, in namespaces of its own"]
fn inside_with_a_bad_gateway() {
    roads::lay();
    let _far = inside("far", || TcpListener::bind((FAR, 9090)).unwrap());
    let mut daemon = daemon(&format!("tcp = [\"{FAR}:9090\"]\n"));
    daemon.start();
    let dead = "inside gw nft 'table ip dead { chain gate { type filter hook prerouting priority 0; drop; }; }'";
    outage(&daemon, "gateway", dead, "inside gw nft delete table ip dead");
    let hole = "ip -n gw route add blackhole 198.18.0.0/16 metric 1; ip -n gw route del 198.18.0.0/24";
    outage(&daemon, "far", hole, "ip -n gw route add 198.18.0.0/24 via 198.51.100.2");
    assert!(daemon.stop().success());
}

#[test]
fn a_resolver_that_is_silent_is_told_from_a_road_that_is_closed() {
    inside_namespaces("uplink::outages::inside_with_a_bad_resolver");
}

#[test]
#[ignore = "run by a_resolver_that_is_silent_is_told_from_a_road_that_is_closed, in namespaces of its own"]
fn inside_with_a_bad_resolver() {
    roads::lay();
    roads::serve_names();
    let _far = inside("far", || TcpListener::bind((FAR, 9090)).unwrap());
    let mut daemon = daemon("tcp = [\"centre.test:9090\"]\ndns = [\"centre.test\"]\n");
    daemon.start();
    let mute = "inside far nft 'table ip mute { chain in { type filter hook input priority 0; udp dport 53 drop; }; }'";
    outage(&daemon, "dns", mute, "inside far nft delete table ip mute");
    assert_eq!(daemon.value(&check("ping")), Some(1.0));
    assert!(daemon.stop().success());
}

#[test]
fn an_outage_that_spans_a_restart_is_told_once_with_its_whole_length() {
    inside_namespaces("uplink::outages::inside_with_a_restart");
}

#[test]
#[ignore = "run by an_outage_that_spans_a_restart_is_told_once_with_its_whole_length, in namespaces of its own"]
fn inside_with_a_restart() {
    roads::lay();
    let broker = Broker::open();
    let listener = Subscriber::new(&broker);
    let _far = inside("far", || TcpListener::bind((FAR, 9090)).unwrap());
    let mut daemon = daemon(&format!(
        "tcp = [\"{FAR}:9090\"]\n[[mqtt]]\nname = \"local\"\nurl = \"mqtt://127.0.0.1:{}\"\n",
        broker.port
    ));
    daemon.start();
    daemon.wait_value(STATE_UP, SOON, |up| up == 1.0);
    sh("ip -n gw route add blackhole 198.18.0.0/16 metric 1; ip -n gw route del 198.18.0.0/24");
    let seconds = of("outage_seconds_total", "far");
    daemon.wait_value(&seconds, SOON, |seconds| seconds > 2.0);
    assert!(daemon.stop().success());
    daemon.start();
    daemon.wait_value(STATE_DOWN, SOON, |down| down == 1.0);
    daemon.wait_value(&seconds, SOON, |seconds| seconds > 1.0);
    daemon.kill();
    daemon.start();
    daemon.wait_value(STATE_DOWN, SOON, |down| down == 1.0);
    assert_eq!(daemon.value(&of("outages_total", "far")), Some(0.0), "counted before the restart");
    sh("ip -n gw route add 198.18.0.0/24 via 198.51.100.2");
    daemon.wait_value(STATE_UP, SOON, |up| up == 1.0);
    let events = |kind: &str| -> Vec<serde_json::Value> {
        let all = listener.on("vedette/box/event");
        let all = all.iter().map(|event| serde_json::from_str::<serde_json::Value>(event).unwrap());
        all.filter(|event| event["kind"] == kind).collect()
    };
    let told = wait("the end of the outage", SOON, || events("uplink.outage").pop());
    assert_eq!((events("uplink.down").len(), events("uplink.outage").len()), (1, 1));
    let of = |name: &str| told["fields"].get(name).or(told.get(name)).cloned().unwrap_or_default();
    assert_eq!(of("cause"), "far", "{told}");
    assert!(of("seconds").as_f64().is_some_and(|seconds| (4.0..60.0).contains(&seconds)), "{told}");
    assert!(daemon.stop().success());
}
