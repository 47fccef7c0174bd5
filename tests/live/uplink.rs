//! The uplink probe and the network under it: real sockets, and roads in network namespaces.

mod failover;
mod measured;
mod outages;
mod roads;

use crate::support::prometheus::test_rules;
use crate::support::site::{Authority, Site};
use crate::support::{free_port, wait};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use url::Url;
use vedette::base::clock::Clock;
use vedette::base::quit;
use vedette::base::ring::Ring;
use vedette::base::settings;
use vedette::metric::book::Book;
use vedette::metric::latest::Latest;
use vedette::metric::ledger::Ledger;
use vedette::metric::roster::Roster;
use vedette::probe::uplink::KIND;
use vedette::probe::{Kit, Tap};
use vedette::world::World;
use vedette::world::clock::System;
use vedette::world::listener::Gate;
use vedette::world::net::{Missed, Net, Real, Reason, Visit, Way};

const WAY: Way<'_> = Way { interface: None, bound: Duration::from_secs(3) };
const SOON: Duration = Duration::from_secs(20);

fn real() -> (Runtime, Real) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    (runtime, Real::new(Clock::new(System)))
}

fn reason<T>(answer: Result<T, Missed>) -> Reason {
    answer.err().expect("no answer").reason
}

#[test]
fn a_listening_port_answers_and_a_closed_one_refuses() {
    let (runtime, net) = real();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.block_on(net.connect("127.0.0.1", port, WAY)).unwrap();
    runtime.block_on(net.connect("localhost", port, WAY)).unwrap();
    assert_eq!(reason(runtime.block_on(net.connect("127.0.0.1", free_port(), WAY))), Reason::Refused);
    assert!(runtime.block_on(net.resolve("localhost", WAY.bound)).unwrap() >= 1);
    let unknown = reason(runtime.block_on(net.resolve("nobody.invalid", WAY.bound)));
    assert!(matches!(unknown, Reason::Name | Reason::Timeout), "{unknown:?}");
}

/// Asks a server, and takes its certificates for what they are.
fn visit(url: &str, bound: Duration) -> Visit {
    let (runtime, net) = real();
    runtime.block_on(net.visit(&Url::parse(url).unwrap(), Way { bound, ..WAY }))
}

#[test]
fn a_server_answers_with_a_status_after_the_steps_on_the_way() {
    let site = Site::open(Gate::open(), Clock::new(System));
    let Visit { steps, end } = visit(&format!("http://localhost:{}/healthz", site.port), WAY.bound);
    assert_eq!(end.unwrap(), 200);
    let times = [steps.name, steps.connect, steps.first, steps.body].map(|step| step.expect("it was done"));
    assert!(times.iter().all(|time| *time < WAY.bound) && steps.tls.is_none(), "{steps:?}");
    assert_eq!(visit(&format!("http://localhost:{}/nothing", site.port), WAY.bound).end.unwrap(), 404);
}

#[test]
fn a_server_that_is_not_what_it_should_be_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    Authority::new().issue(dir.path(), "server");
    let web = dir.path().join("web.yml");
    std::fs::write(&web, "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n").unwrap();
    let site = Site::open(Gate::guarded(&web).unwrap(), Clock::new(System));
    let Visit { steps, end } = visit(&format!("https://localhost:{}/", site.port), WAY.bound);
    assert_eq!(reason(end), Reason::Tls, "nobody here trusts its authority");
    assert!(steps.connect.is_some() && steps.tls.is_none() && steps.certificate.is_some(), "{steps:?}");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let liar = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let _some = socket.read(&mut [0; 1000]);
        socket.write_all(b"220 smtp.example ESMTP\r\n").unwrap();
        listener
    });
    assert_eq!(reason(visit(&url, WAY.bound).end), Reason::Malformed);
    let _mute = liar.join().unwrap();
    let Visit { steps, end } = visit(&url, Duration::from_millis(300));
    assert_eq!((reason(end), steps.connect.is_some(), steps.first), (Reason::Timeout, true, None));
}

/// Runs an uplink until `seen` likes its page.
fn watch(text: &str, seen: impl Fn(&BTreeMap<String, f64>) -> bool) -> BTreeMap<String, f64> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (clock, book) = (Clock::new(System), Book::default());
    let world = World { net: Arc::new(Real::new(clock.clone())), ..World::scripted(clock.clone()) };
    let mut kit = Kit::new(world, book.clone(), Roster::default(), Ledger::default());
    let (target, mistakes) = settings::read(text, |table| (KIND.read)(&table));
    assert!(mistakes.is_empty(), "{mistakes:?}");
    let mut session = (target.unwrap().open)(&mut kit);
    let (ring, (_quitter, quit)) = (Ring::new(100), quit::pair());
    let tap = Tap::new(ring.clone(), Default::default());
    runtime.spawn(async move { session.run(&tap, &quit).await });
    let mut latest = Latest::new(book);
    wait("the page as wanted", SOON, || {
        for report in ring.take_now() {
            latest.apply(&report);
        }
        let rows = latest.snapshot(clock.now()).rows;
        let page = rows.iter().map(|r| (format!("{}{}", r.meta.family.name, r.meta.labels), r.value)).collect();
        seen(&page).then_some(page)
    })
}

fn up(check: &str) -> String {
    format!("uplink_check_up{{check=\"{check}\",uplink=\"wan\"}}")
}

#[test]
fn an_uplink_tells_open_ports_from_closed_ones() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let open = listener.local_addr().unwrap();
    let text = |tcp: String| format!("id = \"wan\"\ntcp = [\"{tcp}\"]\nevery = \"1s\"\n");
    let page = watch(&text(open.to_string()), |page| !page.is_empty());
    assert_eq!((page["uplink_up{uplink=\"wan\"}"], page[&up("tcp")]), (1.0, 1.0));
    let took = page["uplink_check_duration_seconds{check=\"tcp\",uplink=\"wan\"}"];
    assert!(took > 0.0 && took < 1.0, "{took}");
    let refused = "uplink_check_failures_total{check=\"tcp\",reason=\"refused\",uplink=\"wan\"}";
    let page = watch(&text(format!("127.0.0.1:{}", free_port())), |page| page.get(refused).is_some_and(|n| *n >= 2.0));
    assert_eq!((page["uplink_up{uplink=\"wan\"}"], page[&up("tcp")]), (0.0, 0.0));
}

#[test]
fn a_box_without_a_road_says_where_it_ends() {
    // A sysfs shows the interfaces of the namespace in which it was mounted.
    let inside = Command::new("unshare")
        .args(["--net", "--mount", "sh", "-c", "mount -t sysfs sysfs /sys && exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "uplink::inside_a_namespace_without_a_route", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[inside.stdout, inside.stderr].concat()).into_owned();
    assert!(inside.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "run by a_box_without_a_road_says_where_it_ends, in a network namespace of its own"]
fn inside_a_namespace_without_a_route() {
    let ip = |arguments: &[&str]| assert!(Command::new("ip").args(arguments).status().unwrap().success());
    let text = "id = \"wan\"\ntcp = [\"192.0.2.1:9090\"]\nhttp = [\"http://[2001:db8::1]/\"]\nevery = \"1s\"\n";
    let unreachable = |page: &BTreeMap<String, f64>| {
        page.get("uplink_check_failures_total{check=\"tcp\",reason=\"unreachable\",uplink=\"wan\"}")
            .is_some_and(|n| *n >= 1.0)
    };
    let page = watch(text, unreachable);
    assert_eq!((page["uplink_up{uplink=\"wan\"}"], page[&up("route")]), (0.0, 0.0));
    assert!(!page.contains_key(&up("carrier")));

    ip(&["link", "add", "wan0", "type", "veth", "peer", "name", "far0"]);
    ip(&["address", "add", "192.0.2.2/24", "dev", "wan0"]);
    let named = format!("{text}interface = \"wan0\"\n");
    let no_carrier = "uplink_check_failures_total{check=\"carrier\",reason=\"no_carrier\",uplink=\"wan\"}";
    assert_eq!(watch(&named, |page| !page.is_empty())[no_carrier], 1.0, "down");
    ip(&["link", "set", "wan0", "up"]);
    assert_eq!(watch(&named, |page| !page.is_empty())[no_carrier], 1.0, "up, its peer is not");
    ip(&["link", "set", "far0", "up"]);
    ip(&["route", "add", "default", "via", "192.0.2.1", "dev", "wan0"]);
    let page = watch(&named, |page| page.get(&up("carrier")) == Some(&1.0));
    assert_eq!((page[&up("route")], page["uplink_up{uplink=\"wan\"}"]), (1.0, 0.0), "a road that leads nowhere");
}

#[test]
fn the_rules_fire_when_they_should() {
    test_rules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/probe/uplink/testdata/rules_test.yml"));
}
