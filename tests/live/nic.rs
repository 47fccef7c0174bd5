//! The interface probe: on made trees of files, and the daemon in network namespaces with veth pairs and a bridge, where
//! cables are pulled out.

mod made;
mod space;

use crate::support::cameras::GstCamera;
use crate::support::fake_camera::{FakeCamera, Fault};
use crate::support::ts::send::free_udp_port;
use crate::support::vedette::Vedette;
use crate::support::wait;
use space::{Far, inside, ip, sysctl};
use std::net::UdpSocket;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);
/// `for` of CameraOffline in here; longer than the kernel takes to give a neighbour up.
const OFFLINE: f64 = 14.0;

/// The shipped rules with less patience.
fn rules() -> String {
    let nic =
        include_str!("../../src/probe/nic/rules.yml").replace("for: 20s", "for: 2s").replace("for: 10s", "for: 2s");
    let (_, camera) = include_str!("../../src/probe/camera/rules.yml").split_once("groups:\n").unwrap();
    format!("{nic}\n{}", camera.replacen("for: 1m", &format!("for: {OFFLINE}s"), 1))
}

fn camera(id: &str, address: &str, camera: &FakeCamera) -> String {
    format!("[[camera]]\nid = \"{id}\"\nurl = \"rtsp://{address}:{}/main\"\nstall = \"1s\"\n", camera.port)
}

/// A daemon with the rules above, running.
fn start(config: &str) -> Vedette {
    let mut daemon = Vedette::new(&format!("[node]\ntick = \"1s\"\n{config}"));
    daemon.rules(&rules());
    daemon.start();
    daemon
}

/// How often an alarm fired whose event has all these words.
fn fired(daemon: &Vedette, words: &[&str]) -> usize {
    let file = rusqlite::Connection::open(daemon.path("state/events.db")).unwrap();
    let mut log = file.prepare("SELECT body FROM log ORDER BY id").unwrap();
    let bodies: Vec<String> = log.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let words: Vec<_> = words.iter().chain(&["firing"]).map(|word| format!("\"{word}\"")).collect();
    // Labels stand in it as a text of JSON.
    let bodies = bodies.iter().map(|body| body.replace("\\\"", "\""));
    bodies.filter(|body| words.iter().all(|word| body.contains(word))).count()
}

fn wait_fired(daemon: &Vedette, words: &[&str]) {
    wait(&format!("the alarm {words:?}"), SOON, || (fired(daemon, words) > 0).then_some(()));
}

fn is(daemon: &Vedette, series: &str, value: f64) {
    daemon.wait_value(series, SOON, |v| v == value);
}

fn of(name: &str, camera: &str) -> String {
    format!("{name}{{camera_id=\"{camera}\"}}")
}

fn cut_off(camera: &str, cause: &str, interface: &str) -> String {
    format!("camera_cut_off{{camera_id=\"{camera}\",cause=\"{cause}\",interface=\"{interface}\"}}")
}

#[test]
fn a_cable_that_is_pulled_out_is_one_alarm_for_all_cameras_behind_it() {
    inside("nic::a_cable_is_pulled_out");
}

#[test]
#[ignore = "run by a_cable_that_is_pulled_out_is_one_alarm_for_all_cameras_behind_it, in a network namespace of its own"]
fn a_cable_is_pulled_out() {
    let far = Far::new();
    far.cable("eth1", "switch");
    far.cable("eth2", "spare");
    ip("address add 10.77.1.1/24 dev eth1");
    ip("address add 10.77.9.1/24 dev eth2");
    let addresses = ["10.77.1.2", "10.77.1.3"];
    let cameras = addresses.map(|address| {
        far.ip(&format!("address add {address}/24 dev switch"));
        far.with(|| FakeCamera::at(&format!("{address}:0"), Fault::None))
    });
    // A veth has 10 Gbit/s and full duplex, by its driver's word.
    let mut daemon = start(&format!(
        "[[nic]]\ninterface = \"eth1\"\nspeed = \"25Gbit\"\nduplex = \"half\"\nevery = \"1s\"\n\
         [[nic]]\ninterface = \"eth2\"\nspeed = \"10Gbit\"\nduplex = \"full\"\nevery = \"1s\"\n{}{}",
        camera("yard", addresses[0], &cameras[0]),
        camera("gate", addresses[1], &cameras[1])
    ));
    for id in ["yard", "gate"] {
        is(&daemon, &of("camera_connection_status", id), 1.0);
        is(&daemon, &format!("camera_interface_info{{camera_id=\"{id}\",interface=\"eth1\",via=\"link\"}}"), 1.0);
        is(&daemon, &format!("camera_neighbour_up{{camera_id=\"{id}\",interface=\"eth1\"}}"), 1.0);
        is(&daemon, &cut_off(id, "link", "eth1"), 0.0);
    }
    for (series, value) in [("speed_below_expected", 1.0), ("duplex_unexpected", 1.0), ("link_up", 1.0)] {
        is(&daemon, &format!("nic_{series}{{interface=\"eth1\"}}"), value);
        is(&daemon, &format!("nic_{series}{{interface=\"eth2\"}}"), f64::from(series == "link_up"));
    }
    let used = "nic_utilization_ratio{direction=\"receive\",interface=\"eth1\"}";
    daemon.wait_value(used, SOON, |used| used > 1e-6 && used < 0.01);

    far.ip("link set switch down");
    is(&daemon, "nic_link_up{interface=\"eth1\"}", 0.0);
    wait_fired(&daemon, &["CamerasCutOff", "eth1", "link"]);
    for id in ["yard", "gate"] {
        is(&daemon, &of("camera_connection_status", id), 0.0);
        is(&daemon, &cut_off(id, "link", "eth1"), 1.0);
    }
    assert!(daemon.value("nic_speed_below_expected{interface=\"eth1\"}").is_none() && daemon.value(used).is_none());
    // As a client of DHCP has it: the address goes with the link, and what is left leads elsewhere.
    ip("address del 10.77.1.1/24 dev eth1");
    ip("route add default via 10.77.9.2 dev eth2");
    let from = daemon.value("node_time_seconds").unwrap();
    daemon.wait_value("node_time_seconds", SOON, |now| now > from + OFFLINE + 3.0);
    for id in ["yard", "gate"] {
        is(&daemon, &cut_off(id, "link", "eth1"), 1.0);
    }
    assert_eq!((fired(&daemon, &["CameraOffline"]), fired(&daemon, &["NicDown"])), (0, 0), "told of together");
    assert_eq!(fired(&daemon, &["CamerasCutOff"]), 1);

    ip("route del default");
    ip("address add 10.77.1.1/24 dev eth1");
    far.ip("link set switch up");
    for id in ["yard", "gate"] {
        is(&daemon, &cut_off(id, "link", "eth1"), 0.0);
        is(&daemon, &of("camera_connection_status", id), 1.0);
    }

    // Two cards are pulled out: one that cameras hang on, and one without.
    ip("link del eth1");
    ip("link del eth2");
    is(&daemon, "nic_present{interface=\"eth1\"}", 0.0);
    wait_fired(&daemon, &["NicGone", "eth2"]);
    wait("the alarm of the cameras again", SOON, || (fired(&daemon, &["CamerasCutOff", "eth1"]) == 2).then_some(()));
    assert_eq!(fired(&daemon, &["NicGone", "eth1"]), 0, "told of with its cameras");
    assert!(daemon.value("nic_link_up{interface=\"eth1\"}").is_none());
    assert!(daemon.stop().success());
}

#[test]
fn a_camera_that_does_not_answer_for_its_address_is_told_apart_from_a_network_that_does_not() {
    inside("nic::neighbours_fall_silent");
}

#[test]
#[ignore = "run by a_camera_that_does_not_answer_for_its_address_is_told_apart_from_a_network_that_does_not, in a network \
            namespace of its own"]
fn neighbours_fall_silent() {
    let far = Far::new();
    far.cable("eth1", "switch");
    // Half a minute each, as shipped.
    for family in ["ipv4", "ipv6"] {
        sysctl(&format!("net.{family}.neigh.eth1.base_reachable_time_ms=1000"));
        sysctl(&format!("net.{family}.neigh.eth1.delay_first_probe_time=1"));
    }
    ip("address add 10.77.1.1/24 dev eth1");
    ip("address add fd77::1/64 dev eth1 nodad");
    ip("route add 10.99.0.0/24 via 10.77.1.3");
    far.ip("route add 10.77.0.0/16 dev switch");
    for address in ["10.77.1.2/32", "10.77.1.3/32", "10.99.0.1/32"] {
        far.ip(&format!("address add {address} dev switch"));
    }
    far.ip("address add fd77::2/64 dev switch nodad");
    let on = |address: &str| far.with(|| FakeCamera::at(&format!("{address}:0"), Fault::None));
    let hosts = [("yard", "10.77.1.2"), ("gate", "10.77.1.3"), ("six", "[fd77::2]"), ("far", "10.99.0.1")];
    let cameras = hosts.map(|(id, address)| (id, address, on(address)));
    let config: String = cameras.iter().map(|(id, address, fake)| camera(id, address, fake)).collect();
    let mut daemon = start(&config);
    let neighbour = |id: &str| format!("camera_neighbour_up{{camera_id=\"{id}\",interface=\"eth1\"}}");
    let state = |id: &str, state: &str| format!("camera_neighbour_state{{camera_id=\"{id}\",state=\"{state}\"}}");
    for id in ["yard", "gate", "six"] {
        is(&daemon, &of("camera_connection_status", id), 1.0);
        is(&daemon, &neighbour(id), 1.0);
    }
    is(&daemon, &of("camera_connection_status", "far"), 1.0);
    is(&daemon, "camera_interface_info{camera_id=\"far\",interface=\"eth1\",via=\"gateway\"}", 1.0);

    // Unplugged: nobody answers for the address, and the camera probe's calls are what makes the kernel ask.
    far.ip("address del 10.77.1.2/32 dev switch");
    is(&daemon, &neighbour("yard"), 0.0);
    is(&daemon, &state("yard", "failed"), 1.0);
    wait_fired(&daemon, &["CameraOffline", "yard"]);
    is(&daemon, &neighbour("gate"), 1.0);
    is(&daemon, &cut_off("yard", "silent", "eth1"), 0.0);
    assert_eq!(fired(&daemon, &["CamerasCutOff"]), 0, "one camera alone blames no network");
    assert!(daemon.value(&neighbour("far")).is_none(), "a router's neighbour is not ours");

    // The switch loses its power, and the link stays.
    far.ip("address del 10.77.1.3/32 dev switch");
    far.ip("-6 address flush dev switch");
    for id in ["gate", "six"] {
        is(&daemon, &neighbour(id), 0.0);
        is(&daemon, &cut_off(id, "silent", "eth1"), 1.0);
    }
    wait_fired(&daemon, &["CamerasCutOff", "eth1", "silent"]);
    is(&daemon, &cut_off("far", "silent", "eth1"), 0.0);
    let from = daemon.value("node_time_seconds").unwrap();
    daemon.wait_value("node_time_seconds", SOON, |now| now > from + OFFLINE + 3.0);
    assert_eq!(fired(&daemon, &["CameraOffline", "gate"]) + fired(&daemon, &["CameraOffline", "six"]), 0);

    far.ip("address add 10.77.1.3/32 dev switch");
    is(&daemon, &cut_off("yard", "silent", "eth1"), 0.0);
    is(&daemon, &of("camera_connection_status", "gate"), 1.0);
    is(&daemon, &neighbour("gate"), 1.0);
    assert!(daemon.stop().success());
}

#[test]
fn a_bridge_lacks_a_port_a_camera_moves_and_our_own_socket_overflows() {
    inside("nic::a_port_goes_a_camera_moves_and_a_socket_overflows");
}

#[test]
#[ignore = "run by a_bridge_lacks_a_port_a_camera_moves_and_our_own_socket_overflows, in a network namespace of its own"]
fn a_port_goes_a_camera_moves_and_a_socket_overflows() {
    let far = Far::new();
    for (near, end) in [("p1", "f1"), ("p2", "f2"), ("eth3", "f3")] {
        far.cable(near, end);
    }
    ip("link add br0 type bridge");
    for port in ["p1", "p2"] {
        ip(&format!("link set {port} master br0"));
    }
    ip("link set br0 up");
    ip("address add 10.77.2.1/24 dev br0");
    let port = free_udp_port();
    let stream = format!("[[stream]]\nid = \"in\"\nurl = \"udp://127.0.0.1:{port}\"\n");
    let rest = "[[nic]]\ninterface = \"br0\"\nmembers = [\"p1\", \"p2\"]\nevery = \"1s\"\n\
                [[camera]]\nid = \"yard\"\nurl = \"rtsp://10.77.2.2/main\"\n";
    let mut daemon = start(&format!("{stream}{rest}"));
    let member = |port: &str| format!("nic_member_up{{interface=\"br0\",member=\"{port}\"}}");
    is(&daemon, &member("p1"), 1.0);
    is(&daemon, &member("p2"), 1.0);
    let through =
        |interface: &str| format!("camera_interface_info{{camera_id=\"yard\",interface=\"{interface}\",via=\"link\"}}");
    is(&daemon, &through("br0"), 1.0);

    far.ip("link set f2 down");
    is(&daemon, &member("p2"), 0.0);
    is(&daemon, "nic_link_up{interface=\"br0\"}", 1.0);
    wait_fired(&daemon, &["NicMemberDown", "br0", "p2"]);
    far.ip("link set f2 up");
    is(&daemon, &member("p2"), 1.0);
    ip("link set p1 nomaster");
    is(&daemon, &member("p1"), 0.0);

    ip("route add 10.77.2.2/32 dev eth3");
    is(&daemon, &through("eth3"), 1.0);
    assert!(daemon.value(&through("br0")).is_none(), "in one place at a time");

    // More than its buffer holds while it does not come to read.
    const DROPS: &str = "vedette_udp_drops_total";
    is(&daemon, DROPS, 0.0);
    let flood = |daemon: &Vedette| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        daemon.signal(libc::SIGSTOP);
        for _ in 0..20_000 {
            socket.send_to(&[0x47; 1316], ("127.0.0.1", port)).unwrap();
        }
        daemon.signal(libc::SIGCONT);
    };
    flood(&daemon);
    let first = daemon.wait_value(DROPS, SOON, |dropped| dropped > 1000.0 && dropped < 20_000.0);
    is(&daemon, "ts_datagrams_dropped_total{stream_id=\"in\"}", first);
    // The socket goes, what it lost stays, and the next one's loss comes on top.
    daemon.configure(&format!("[node]\ntick = \"1s\"\n{rest}"));
    daemon.signal(libc::SIGHUP);
    wait("the end of the stream", SOON, || (!daemon.page().contains("stream_id=\"in\"")).then_some(()));
    is(&daemon, DROPS, first);
    daemon.configure(&format!("[node]\ntick = \"1s\"\n{stream}{rest}"));
    daemon.signal(libc::SIGHUP);
    wait("the stream again", SOON, || daemon.page().contains("stream_id=\"in\"").then_some(()));
    flood(&daemon);
    daemon.wait_value(DROPS, SOON, |dropped| dropped > first + 1000.0);
    assert!(daemon.stop().success());
}

#[test]
fn a_camera_over_udp_that_we_do_not_come_to_read_is_our_loss() {
    inside("nic::a_camera_over_udp_overflows");
}

#[test]
#[ignore = "run by a_camera_over_udp_that_we_do_not_come_to_read_is_our_loss, in a network namespace of its own"]
fn a_camera_over_udp_overflows() {
    let fake = GstCamera::start(&["--codec", "h264"]);
    let mut daemon = start(&format!("[[camera]]\nid = \"yard\"\nurl = \"{}\"\ntransport = \"udp\"\n", fake.url));
    is(&daemon, &of("camera_connection_status", "yard"), 1.0);
    is(&daemon, "camera_interface_info{camera_id=\"yard\",interface=\"lo\",via=\"link\"}", 1.0);
    is(&daemon, "vedette_udp_drops_total", 0.0);
    // The last column of all sockets of this namespace.
    let dropped = || -> f64 {
        let table = std::fs::read_to_string("/proc/net/udp").unwrap();
        table.lines().skip(1).map(|line| line.split_whitespace().last().unwrap().parse::<f64>().unwrap()).sum()
    };
    daemon.signal(libc::SIGSTOP);
    wait("a full buffer", SOON, || (dropped() > 20.0).then_some(()));
    daemon.signal(libc::SIGCONT);
    daemon.wait_value("vedette_udp_drops_total", SOON, |told| told > 20.0);
    daemon.wait_value("camera_rtp_packets_lost_total{camera_id=\"yard\"}", SOON, |lost| lost > 0.0);
    assert!(daemon.stop().success());
}
