//! What lasts: states, outages, fail-overs, also over a restart.

use super::*;
use crate::world::net::Reason;

const FAR: &str = "id = \"wan\"\ntcp = [\"10.0.0.2:22\"]\nping = [\"10.0.0.2\", \"10.0.0.3\"]\n";
const STANDBY: &str = "id = \"lte\"\ntcp = [\"10.0.0.2:22\"]\ninterface = \"wwan0\"\nstandby = true\n";

fn state(page: &BTreeMap<String, f64>) -> Option<&'static str> {
    let is = |state: &&str| page.get(&format!("uplink_state{{state=\"{state}\",uplink=\"wan\"}}")) == Some(&1.0);
    ["up", "degraded", "down"].into_iter().find(is)
}

fn cause(page: &BTreeMap<String, f64>) -> Option<&'static str> {
    let is = |cause: &&str| page.get(&format!("uplink_outage_open{{cause=\"{cause}\",uplink=\"wan\"}}")) == Some(&1.0);
    ["carrier", "route", "gateway", "dns", "far"].into_iter().find(is)
}

fn outages(page: &BTreeMap<String, f64>, cause: &str) -> (f64, f64) {
    let of = |name: &str| page[&format!("uplink_{name}_total{{cause=\"{cause}\",uplink=\"wan\"}}")];
    (of("outages"), of("outage_seconds"))
}

fn target(name: &str, target: &str) -> String {
    format!("uplink_ping_{name}{{check=\"ping\",target=\"{target}\",uplink=\"wan\"}}")
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A road that is open, over eth0.
fn open() -> net::script::Script {
    let net = net::script::Script::default();
    net.routes(&["eth0 10.0.0.1"]);
    net.carrier("eth0", true);
    net.tcp("10.0.0.2", 22, Ok(()));
    for host in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
        net.ping(host, Ok((0, ms(20))));
    }
    net
}

#[tokio::test]
async fn loss_and_round_trips_are_told_of_each_target_with_the_counts_behind_them() {
    let net = open();
    net.ping("10.0.0.3", Ok((2, ms(40))));
    let mut rig = rig(FAR, net);
    rig.page().await;
    let page = rig.rounds(9).await;
    let of = |name: &str, host: &str| page[&target(name, host)];
    assert_eq!((of("echoes_total", "10.0.0.3"), of("replies_total", "10.0.0.3")), (50.0, 30.0));
    assert_eq!((of("loss_ratio", "10.0.0.3"), of("loss_ratio", "10.0.0.2")), (0.4, 0.0));
    assert_eq!(of("rtt_seconds", "10.0.0.2"), 0.02);
    assert!((of("reply_seconds_total", "10.0.0.2") - 1.0).abs() < 1e-9);
    let gateway = "uplink_ping_rtt_seconds{check=\"gateway\",target=\"ipv4\",uplink=\"wan\"}";
    assert_eq!((page[gateway], page[&up("gateway")], page[&up("ping")]), (0.02, 1.0, 1.0));
    assert!(!page.keys().any(|name| name.contains("ipv6")), "there is no such gateway");
    assert_eq!(state(&page), Some("up"), "the best target decides");
}

#[tokio::test]
async fn a_lossy_or_slow_road_is_degraded_after_three_rounds_and_fair_after_three_more() {
    let mut rig = rig(FAR, open());
    rig.page().await;
    let page = rig.rounds(9).await;
    assert_eq!(state(&page), Some("up"));
    let both = |rig: &Rig, lost, rtt| {
        for host in ["10.0.0.2", "10.0.0.3"] {
            rig.net.ping(host, Ok((lost, ms(rtt))));
        }
    };
    both(&rig, 0, 1500);
    assert_eq!(state(&rig.rounds(2).await), Some("up"));
    assert_eq!(state(&rig.next().await), Some("degraded"));
    both(&rig, 0, 20);
    assert_eq!(state(&rig.rounds(2).await), Some("degraded"));
    assert_eq!(state(&rig.next().await), Some("up"));

    // Two of five in each round: with the third round above a tenth of the last ten.
    both(&rig, 2, 20);
    assert_eq!(state(&rig.rounds(4).await), Some("up"));
    let page = rig.next().await;
    assert_eq!((state(&page), page[UP]), (Some("degraded"), 1.0), "an open road, and a bad one");
    assert_eq!(rig.kinds(), ["uplink.degraded", "uplink.recovered", "uplink.degraded"]);
    assert_eq!(field(&rig.notes[2], "loss_ratio"), &Field::Number(0.2));
}

#[tokio::test]
async fn an_outage_has_one_start_one_end_and_the_nearest_cause_even_if_it_stutters() {
    let mut rig = rig(FAR, open());
    let page = rig.page().await;
    assert_eq!((state(&page), cause(&page), outages(&page, "gateway")), (Some("up"), None, (0.0, 0.0)));
    let silent = |rig: &Rig, far: Result<(), Reason>, lost| {
        rig.net.tcp("10.0.0.2", 22, far);
        for host in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
            rig.net.ping(host, Ok((lost, ms(20))));
        }
    };
    silent(&rig, Err(Reason::Timeout), 5);
    assert_eq!(state(&rig.next().await), Some("up"), "one silent round");
    let page = rig.next().await;
    assert_eq!((state(&page), cause(&page), outages(&page, "gateway")), (Some("down"), Some("gateway"), (1.0, 30.0)));
    assert!(rig.memory.as_ref().unwrap().contains("outage gateway scripted 10000"), "{:?}", rig.memory);
    // The cable follows the gateway, and the road stutters: still the same outage.
    rig.net.carrier("eth0", false);
    rig.net.tcp("10.0.0.2", 22, Ok(()));
    let page = rig.rounds(2).await;
    assert_eq!((page[UP], state(&page), outages(&page, "gateway")), (1.0, Some("down"), (1.0, 45.0)), "perhaps over");
    rig.net.tcp("10.0.0.2", 22, Err(Reason::Timeout));
    let page = rig.next().await;
    assert_eq!((state(&page), cause(&page), outages(&page, "gateway")), (Some("down"), Some("gateway"), (1.0, 75.0)));
    rig.net.carrier("eth0", true);
    silent(&rig, Ok(()), 0);
    let page = rig.rounds(3).await;
    assert_eq!((state(&page), cause(&page), outages(&page, "gateway")), (Some("up"), None, (1.0, 90.0)));
    assert_eq!(page[&target("loss_ratio", "10.0.0.2")], 0.0, "what was lost in the outage is no loss of today");
    assert_eq!(rig.kinds(), ["uplink.down", "uplink.outage"]);
    assert_eq!(field(&rig.notes[1], "seconds"), &Field::Number(90.0));
    assert_eq!(field(&rig.notes[1], "start"), &Field::Text("2026-01-01T00:00:00.000Z".to_owned()));
    assert_eq!(rig.memory, None);
}

#[tokio::test]
async fn the_cause_is_the_nearest_thing_that_failed() {
    type Break = fn(&net::script::Script);
    let cases: [(&str, Break); 5] = [
        ("carrier", |net| net.carrier("eth0", false)),
        ("route", |net| net.routes(&[])),
        ("dns", |net| net.tcp("10.0.0.2", 22, Err(Reason::Name))),
        ("dns", |net| net.dns("central", Err(Reason::Timeout))),
        ("far", |_| {}),
    ];
    for (wanted, broken) in cases {
        let net = open();
        net.dns("central", Ok(1));
        // This one ignores echo requests: that it does so now says nothing.
        net.ping("10.0.0.1", Ok((5, ms(0))));
        let mut rig = rig(&format!("{FAR}dns = [\"central\"]\n"), net);
        assert_eq!(rig.page().await[&up("gateway")], 0.0);
        rig.net.tcp("10.0.0.2", 22, Err(Reason::Timeout));
        broken(&rig.net);
        assert_eq!(cause(&rig.rounds(2).await), Some(wanted));
    }
}

#[tokio::test]
async fn a_mute_gateway_and_denied_echo_requests_are_no_outage() {
    let net = open();
    net.ping("10.0.0.1", Ok((5, ms(0))));
    for host in ["10.0.0.2", "10.0.0.3"] {
        net.ping(host, Err(Reason::Denied));
    }
    let mut rig = rig(FAR, net);
    rig.page().await;
    let page = rig.rounds(5).await;
    assert_eq!((page[UP], state(&page), page[&up("gateway")]), (1.0, Some("up"), 0.0));
    assert!(!page.contains_key(&up("ping")), "who may not ask does not know");
    assert_eq!((page[&failures("ping", "denied")], page[&target("echoes_total", "10.0.0.2")]), (12.0, 0.0));
}

#[tokio::test]
async fn an_outage_that_spans_a_restart_is_one_outage_whose_seconds_are_counted_once() {
    let mut before = rig(FAR, open());
    before.page().await;
    before.net.tcp("10.0.0.2", 22, Err(Reason::Timeout));
    let page = before.rounds(4).await;
    assert_eq!(outages(&page, "far"), (1.0, 60.0));
    let (net, sim, memory) = before.stop().await;

    sim.advance(Duration::from_secs(100));
    // A box that lost its time servers with the road: the same boot needs no wall clock.
    sim.step_wall(-9_000_000, false);
    let mut after = resumed(FAR, net, sim, memory);
    let page = after.page().await;
    assert_eq!((state(&page), cause(&page), outages(&page, "far")), (Some("down"), Some("far"), (0.0, 100.0)));
    assert!(after.memory.as_ref().is_some_and(|text| text.contains("outage") && !text.contains("counted")));
    after.net.tcp("10.0.0.2", 22, Ok(()));
    let page = after.rounds(3).await;
    assert_eq!((state(&page), outages(&page, "far")), (Some("up"), (0.0, 115.0)));
    assert_eq!(after.kinds(), ["uplink.outage"], "its start was told before");
    assert_eq!(field(&after.notes[0], "seconds"), &Field::Number(175.0));
    assert_eq!(after.memory, None);
}

#[tokio::test]
async fn a_daemon_that_was_killed_counts_on_from_its_first_round() {
    let mut before = rig(FAR, open());
    before.page().await;
    before.net.tcp("10.0.0.2", 22, Err(Reason::Timeout));
    before.rounds(4).await;
    let (net, sim, memory) = (before.net.clone(), before.sim.clone(), before.memory.clone());
    before.running.abort();
    let mut after = resumed(FAR, net, sim, memory);
    assert_eq!(outages(&after.page().await, "far"), (0.0, 0.0));
    assert_eq!(outages(&after.next().await, "far"), (0.0, 15.0));
}

#[tokio::test]
async fn failing_over_and_back_is_one_fail_over_also_over_a_restart() {
    let of = |page: &BTreeMap<String, f64>, name: &str| page.get(&format!("uplink_{name}{{uplink=\"lte\"}}")).copied();
    let net = open();
    net.routes(&["eth0 10.0.0.1", "wwan0 10.1.0.1"]);
    net.carrier("wwan0", true);
    let mut lte = rig(STANDBY, net);
    let page = lte.page().await;
    assert_eq!((of(&page, "failover"), of(&page, "default_route"), of(&page, "up")), (Some(0.0), Some(0.0), Some(1.0)));
    assert_eq!(page["uplink_route_info{interface=\"eth0\",uplink=\"lte\"}"], 1.0);
    assert_eq!(page["uplink_interface_info{interface=\"wwan0\",uplink=\"lte\"}"], 1.0);
    lte.net.routes(&[]);
    lte.next().await;
    lte.net.routes(&["wwan0 10.1.0.1"]);
    let page = lte.next().await;
    assert_eq!((of(&page, "failover"), of(&page, "failovers_total")), (Some(1.0), Some(1.0)));
    assert_eq!((of(&page, "default_route"), of(&page, "route_changes_total")), (Some(1.0), Some(1.0)));
    assert!(!page.contains_key("uplink_route_info{interface=\"eth0\",uplink=\"lte\"}"), "one at a time");
    lte.next().await;
    assert_eq!(lte.kinds(), ["uplink.failover"]);
    assert_eq!(field(&lte.notes[0], "from"), &Field::Text("eth0".to_owned()));
    let (net, sim, memory) = lte.stop().await;

    let mut lte = resumed(STANDBY, net, sim, memory);
    let page = lte.page().await;
    assert_eq!((of(&page, "failover"), of(&page, "failovers_total")), (Some(1.0), Some(0.0)), "it is the same");
    lte.net.routes(&["eth0 10.0.0.1", "wwan0 10.1.0.1"]);
    let page = lte.next().await;
    assert_eq!((of(&page, "failover"), of(&page, "failover_seconds_total")), (Some(0.0), Some(15.0)));
    assert_eq!((lte.kinds(), field(&lte.notes[0], "seconds")), (vec!["uplink.failback"], &Field::Number(30.0)));
    assert_eq!(lte.memory, None);
}

#[tokio::test]
async fn each_of_two_uplinks_is_asked_over_its_own_road() {
    let net = open();
    net.routes(&["eth0 10.0.0.1", "wwan0 10.1.0.1"]);
    net.cut("wwan0", true);
    let mut lte = rig(STANDBY, net.clone());
    assert_eq!(lte.page().await["uplink_up{uplink=\"lte\"}"], 0.0);
    let mut wan = rig("id = \"wan\"\ntcp = [\"10.0.0.2:22\"]\ninterface = \"eth0\"\n", net);
    assert_eq!(wan.page().await[UP], 1.0);
    // Of two uplinks the standby tells of a change.
    wan.net.routes(&["wwan0 10.1.0.1"]);
    wan.next().await;
    assert!(wan.notes.is_empty(), "{:?}", wan.notes);
}

#[tokio::test]
async fn an_uplink_without_an_interface_tells_of_each_change_of_the_default_route() {
    let mut rig = rig(FAR, open());
    rig.page().await;
    rig.net.routes(&["eth0 10.0.0.9"]);
    let page = rig.next().await;
    assert_eq!(page["uplink_route_changes_total{uplink=\"wan\"}"], 1.0);
    assert_eq!(rig.kinds(), ["uplink.route"]);
    assert_eq!(field(&rig.notes[0], "to_gateway"), &Field::Text("10.0.0.9".to_owned()));
    assert!(!page.contains_key("uplink_default_route{uplink=\"wan\"}"));
}

#[tokio::test]
async fn phases_and_the_end_of_a_certificate_are_told_also_when_it_is_not_trusted() {
    let text = "id = \"wan\"\nhttp = [\"https://a/\", \"https://b/\"]\n";
    let net = open();
    net.http("https://b/", Ok(200));
    net.http("https://a/", Err(Reason::Tls));
    net.certificate("https://a/", crate::base::clock::Wall::from_millis(1_700_000_000_000));
    net.certificate("https://b/", crate::base::clock::Wall::from_millis(1_800_000_000_000));
    let mut rig = rig(text, net);
    let page = rig.page().await;
    let expiry = "uplink_certificate_expiry_timestamp_seconds{uplink=\"wan\"}";
    assert_eq!((page[expiry], page[&failures("http", "tls")], page[UP]), (1_700_000_000.0, 1.0, 1.0));
    let phase = |phase: &str| format!("uplink_phase_duration_seconds{{phase=\"{phase}\",uplink=\"wan\"}}");
    assert!(page.contains_key(&phase("first_byte")) && !page.contains_key(&phase("tls")));
    rig.net.http("https://b/", Err(Reason::Timeout));
    assert!(!rig.next().await.contains_key(&phase("first_byte")));
}
