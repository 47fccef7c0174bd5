//! What is measured on a road: loss, denied echo requests, certificates.

use super::roads::{self, FAR, inside, inside_namespaces, sh};
use crate::support::site::{Authority, Site};
use crate::support::vedette::Vedette;
use crate::support::wait;
use std::net::TcpListener;
use std::time::Duration;
use vedette::base::clock::Clock;
use vedette::world::clock::System;
use vedette::world::listener::Gate;
use vedette::world::net::{Net, Real, Reason, Way};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn thirty_percent_of_loss_are_measured_as_such() {
    inside_namespaces("uplink::measured::inside_with_loss");
}

#[test]
#[ignore = "run by thirty_percent_of_loss_are_measured_as_such, in namespaces of its own"]
fn inside_with_loss() {
    const SHARE: f64 = 0.3;
    roads::lay();
    let _far = inside("far", || TcpListener::bind((FAR, 9090)).unwrap());
    sh("inside far nft 'table ip loss { chain in { type filter hook input priority 0;
        icmp type echo-request numgen random mod 100 < 30 drop; }; }'");
    // Sixteen targets: the same requests in a sixteenth of the time.
    let targets: Vec<_> = (1..=16).map(|n| format!("\"198.18.0.{n}\"")).collect();
    let mut daemon = Vedette::new(&format!(
        "[node]\ntick = \"1s\"\n[[uplink]]\nid = \"wan\"\ntcp = [\"{FAR}:9090\"]\nping = [{}]\nevery = \"1s\"\n\
         timeout = \"500ms\"\n",
        targets.join(", ")
    ));
    daemon.start();
    let sums = |page: &str| {
        ["echoes", "replies"].map(|name| {
            let begin = format!("uplink_ping_{name}_total{{check=\"ping\"");
            let values = page.lines().filter(|line| line.starts_with(&begin));
            values.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum::<f64>()
        })
    };
    // Both are of one report, so that no reply is missing for a request that is counted.
    let [sent, answered] = wait("eight hundred requests", Duration::from_secs(60), || {
        let sums = sums(&daemon.page());
        (sums[0] >= 800.0).then_some(sums)
    });
    let (loss, deviation) = (1.0 - answered / sent, (SHARE * (1.0 - SHARE) / sent).sqrt());
    println!("{sent} requests, {:.1} % lost, standard deviation {:.1} %", 100.0 * loss, 100.0 * deviation);
    // Beyond four standard deviations lies one run of sixteen thousand.
    assert!((loss - SHARE).abs() < 4.0 * deviation, "{loss} of {sent}");
    daemon.wait_value("uplink_state{state=\"degraded\",uplink=\"wan\"}", SOON, |degraded| degraded == 1.0);
    assert_eq!(daemon.value("uplink_up{uplink=\"wan\"}"), Some(1.0));
    // The gateway loses nothing.
    let gateway = |name: &str| format!("uplink_ping_{name}{{check=\"gateway\",target=\"ipv4\",uplink=\"wan\"}}");
    assert_eq!(daemon.value(&gateway("loss_ratio")), Some(0.0));
    let rtt = daemon.value(&gateway("rtt_seconds")).unwrap();
    assert!(rtt > 0.0 && rtt < 0.4, "{rtt}");
    sh("inside far nft delete table ip loss");
    daemon.wait_value("uplink_state{state=\"up\",uplink=\"wan\"}", SOON, |up| up == 1.0);
    assert!(daemon.stop().success());
}

#[test]
fn whoever_may_not_ping_is_told_so_and_may_from_then_on() {
    inside_namespaces("uplink::measured::inside_where_pings_are_denied");
}

#[test]
#[ignore = "run by whoever_may_not_ping_is_told_so_and_may_from_then_on, in namespaces of its own"]
fn inside_where_pings_are_denied() {
    roads::lay();
    // The kernel's own default: nobody.
    sh("sysctl -qw net.ipv4.ping_group_range='1 0'");
    let _far = inside("far", || TcpListener::bind((FAR, 9090)).unwrap());
    let mut daemon = Vedette::new(&format!(
        "[node]\ntick = \"1s\"\n[[uplink]]\nid = \"wan\"\ntcp = [\"{FAR}:9090\"]\nping = [\"{FAR}\"]\nevery = \"1s\"\n"
    ));
    daemon.start();
    let denied =
        |check: &str| format!("uplink_check_failures_total{{check=\"{check}\",reason=\"denied\",uplink=\"wan\"}}");
    let up = |check: &str| format!("uplink_check_up{{check=\"{check}\",uplink=\"wan\"}}");
    for check in ["gateway", "ping"] {
        daemon.wait_value(&denied(check), SOON, |n| n >= 3.0);
        assert_eq!(daemon.value(&up(check)), None, "who may not ask does not know");
    }
    assert_eq!(daemon.value("uplink_state{state=\"up\",uplink=\"wan\"}"), Some(1.0));
    assert_eq!(daemon.log().matches("ping_group_range").count(), 1, "said once");

    // Without a restart.
    sh("sysctl -qw net.ipv4.ping_group_range='0 0'");
    daemon.wait_value(&up("gateway"), SOON, |up| up == 1.0);
    daemon.wait_value(&up("ping"), SOON, |up| up == 1.0);
    assert!(daemon.stop().success());

    // IPv6 goes by the same range.
    sh("ip address add fd00::2/64 dev wan0 nodad; ip -n gw address add fd00::1/64 dev near0 nodad");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let real = Real::new(Clock::new(System));
    let way = Way { interface: Some("wan0"), bound: Duration::from_secs(5) };
    let echoes = runtime.block_on(real.ping("fd00::1", 3, way)).unwrap();
    assert_eq!((echoes.sent, echoes.rtts.len()), (3, 3));
    let nobody = runtime.block_on(real.ping("fd00::9", 2, Way { bound: Duration::from_millis(300), ..way })).unwrap();
    assert_eq!((nobody.sent, nobody.rtts.len()), (2, 0));
    let link = std::fs::read_to_string("/sys/class/net/wan0/address").unwrap();
    let own = link.trim().split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect::<Vec<_>>();
    let own = format!(
        "fe80::{:x}:{:x}:{:x}:{:x}%wan0",
        u16::from_be_bytes([own[0] ^ 2, own[1]]),
        u16::from_be_bytes([own[2], 0xff]),
        u16::from_be_bytes([0xfe, own[3]]),
        u16::from_be_bytes([own[4], own[5]])
    );
    assert_eq!(runtime.block_on(real.ping(&own, 2, Way { interface: None, ..way })).unwrap().rtts.len(), 2, "{own}");
    sh("sysctl -qw net.ipv4.ping_group_range='1 0'");
    let refused = |host: &str| runtime.block_on(real.ping(host, 1, way)).unwrap_err().reason;
    assert_eq!((refused("fd00::1"), refused(FAR)), (Reason::Denied, Reason::Denied));
    let gone = Way { interface: Some("wan9"), ..way };
    assert_eq!(runtime.block_on(real.connect(FAR, 9090, gone)).unwrap_err().reason, Reason::Unreachable);
}

#[test]
fn the_end_of_a_certificate_is_told_before_and_after_it() {
    let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let now = Clock::new(System).now().wall.as_millis() / 1000;
    let site = |name: &str, ends: i64| {
        authority.issue_until(dir.path(), name, ends);
        let web = dir.path().join(format!("{name}.yml"));
        let keys = format!("tls_server_config:\n  cert_file: {name}.crt\n  key_file: {name}.key\n");
        std::fs::write(&web, keys).unwrap();
        Site::open(Gate::guarded(&web).unwrap(), Clock::new(System))
    };
    let (soon, past) = (now + 2 * 86_400, now - 3_600);
    let sites = [("soon", site("soon", soon)), ("past", site("past", past))];
    let table = |(id, site): &(&str, Site)| {
        format!("[[uplink]]\nid = \"{id}\"\nhttp = [\"https://localhost:{}/healthz\"]\nevery = \"1s\"\n", site.port)
    };
    let mut daemon = Vedette::new(&format!("[node]\ntick = \"1s\"\n{}", sites.each_ref().map(table).concat()));
    daemon.start_with(|command| {
        command.env("SSL_CERT_FILE", &ca);
    });
    let expiry = |id: &str| format!("uplink_certificate_expiry_timestamp_seconds{{uplink=\"{id}\"}}");
    let tls = |id: &str| format!("uplink_check_failures_total{{check=\"http\",reason=\"tls\",uplink=\"{id}\"}}");
    daemon.wait_value(&expiry("soon"), SOON, |ends| ends == soon as f64);
    daemon.wait_value(&expiry("past"), SOON, |ends| ends == past as f64);
    daemon.wait_value(&tls("past"), SOON, |n| n >= 2.0);
    assert_eq!(daemon.value("uplink_up{uplink=\"soon\"}"), Some(1.0));
    assert_eq!(daemon.value(&tls("soon")), Some(0.0), "in force, and by an authority that is trusted");
    let phase = |phase: &str, id: &str| format!("uplink_phase_duration_seconds{{phase=\"{phase}\",uplink=\"{id}\"}}");
    for name in ["dns", "connect", "tls", "first_byte", "transfer"] {
        assert!(daemon.value(&phase(name, "soon")).is_some_and(|took| took < 5.0), "{name}");
    }
    assert!(daemon.value(&phase("connect", "past")).is_some() && daemon.value(&phase("tls", "past")).is_none());
    assert!(daemon.stop().success());
}
