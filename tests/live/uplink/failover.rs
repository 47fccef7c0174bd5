//! Two uplinks: failing over is one event and one alarm, and failing back ends it.

use super::roads::{self, FAR, inside, inside_namespaces, sh};
use crate::support::brokers::{Broker, Heard, Subscriber};
use crate::support::vedette::Vedette;
use serde_json::Value;
use std::net::TcpListener;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

fn events(heard: &[Heard]) -> impl Iterator<Item = Value> + '_ {
    let events = heard.iter().filter(|h| h.topic == "vedette/box/event");
    events.map(|event| serde_json::from_str(&event.payload).unwrap())
}

/// How many events of this kind were told.
fn told(heard: &[Heard], kind: &str) -> usize {
    events(heard).filter(|event| event["kind"] == kind).count()
}

fn alarms(heard: &[Heard]) -> Vec<String> {
    let each = |event: Value| [&event["rule"], &event["phase"]].map(|text| text.as_str().unwrap().to_owned()).join(" ");
    events(heard).filter(|event| event["kind"] == "alert").map(each).collect()
}

#[test]
fn failing_over_between_two_uplinks_is_one_event_and_one_alarm() {
    inside_namespaces("uplink::failover::inside_with_two_uplinks");
}

#[test]
#[ignore = "run by failing_over_between_two_uplinks_is_one_event_and_one_alarm, in namespaces of its own"]
fn inside_with_two_uplinks() {
    roads::lay();
    roads::lay_second();
    let broker = Broker::open();
    let listener = Subscriber::new(&broker);
    let _far = inside("far", || TcpListener::bind((FAR, 9090)).unwrap());
    let uplink = |id: &str, interface: &str, more: &str| {
        format!(
            "[[uplink]]\nid = \"{id}\"\ninterface = \"{interface}\"\ntcp = [\"{FAR}:9090\"]\nping = [\"{FAR}\"]\n\
             every = \"1s\"\ntimeout = \"500ms\"\n{more}"
        )
    };
    let mut daemon = Vedette::new(&format!(
        "[node]\nname = \"box\"\ntick = \"1s\"\n{}{}[[mqtt]]\nname = \"local\"\nurl = \"mqtt://127.0.0.1:{}\"\n",
        uplink("wan", "wan0", ""),
        uplink("lte", "lte0", "standby = true\n"),
        broker.port
    ));
    // As shipped, but quicker: an outage that nothing explains would be told within the test.
    let rules = include_str!("../../../src/probe/uplink/rules.yml");
    assert!(rules.contains("for: 1m"));
    daemon.rules(&rules.replace("for: 1m", "for: 3s"));
    daemon.start();
    let of = |name: &str, uplink: &str| format!("uplink_{name}{{uplink=\"{uplink}\"}}");
    for id in ["wan", "lte"] {
        daemon.wait_value(&of("up", id), SOON, |up| up == 1.0);
    }
    assert_eq!(
        (daemon.value(&of("default_route", "wan")), daemon.value(&of("failover", "lte"))),
        (Some(1.0), Some(0.0))
    );
    // Past the time after the start in which nothing is called broken or repaired.
    let started = daemon.value("process_start_time_seconds").unwrap();
    daemon.wait_value("vedette_snapshot_timestamp_seconds", SOON, |now| now - started > 13.0);

    // The cable of the first is pulled, and whoever manages the routes takes its route away.
    sh("ip -n gw link set near0 down; ip route del default dev wan0");
    daemon.wait_value(&of("failover", "lte"), SOON, |failover| failover == 1.0);
    let down = "uplink_outage_open{cause=\"carrier\",uplink=\"wan\"}";
    daemon.wait_value(down, SOON, |open| open == 1.0);
    daemon.wait_value("uplink_outage_seconds_total{cause=\"carrier\",uplink=\"wan\"}", SOON, |s| s > 8.0);
    assert_eq!(daemon.value(&of("up", "lte")), Some(1.0), "over its own road");
    assert_eq!(
        (daemon.value(&of("default_route", "wan")), daemon.value(&of("default_route", "lte"))),
        (Some(0.0), Some(1.0))
    );
    assert!(daemon.page().contains("uplink_route_info{interface=\"lte0\",uplink=\"wan\"} 1"));

    // It is plugged in again.
    sh("ip -n gw link set near0 up; ip route add default via 192.0.2.1 dev wan0 metric 100");
    daemon.wait_value(&of("failover", "lte"), SOON, |failover| failover == 0.0);
    daemon.wait_value(down, SOON, |open| open == 0.0);
    assert_eq!(daemon.value(&of("failovers_total", "lte")), Some(1.0));
    listener.until("the end of the alarm", |heard| (alarms(heard).len() >= 2).then_some(()));
    listener.until("the end of the outage", |heard| (told(heard, "uplink.outage") == 1).then_some(()));
    let heard = listener.heard();
    assert_eq!(alarms(&heard), ["UplinkFailover firing", "UplinkFailover resolved"]);
    let told = |kind| told(&heard, kind);
    assert_eq!([told("uplink.failover"), told("uplink.failback"), told("uplink.route")], [1, 1, 0]);
    assert!(daemon.stop().success());
}
