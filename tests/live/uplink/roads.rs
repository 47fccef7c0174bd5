//! Roads in network namespaces: this box, gateways, and the far end behind them. They end with the test, however it ends.

use std::io::Write;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};

/// The far end; it has the fifteen addresses that follow too.
pub const FAR: &str = "198.18.0.1";

/// Runs an ignored test in namespaces of its own, in which it may lay roads.
pub fn inside_namespaces(test: &str) {
    // A sysfs shows the interfaces of the namespace in which it was mounted.
    let prepared = "mount -t sysfs sysfs /sys && mount -t tmpfs tmpfs /run && exec \"$@\"";
    let inside = Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", prepared, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[inside.stdout, inside.stderr].concat()).into_owned();
    assert!(inside.status.success() && said.contains("1 passed"), "{said}");
}

/// Runs a script of the shell; `in NAMESPACE command` runs in one of the others.
pub fn sh(script: &str) {
    let mut shell = Command::new("sh").args(["-eu"]).stdin(Stdio::piped()).spawn().unwrap();
    let helper = "inside() { at=$1; shift; nsenter --net=/run/netns/$at \"$@\"; }\n";
    shell.stdin.take().unwrap().write_all(format!("{helper}{script}").as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success(), "{script}");
}

/// Does something in a namespace: sockets that are opened there stay there.
pub fn inside<T: Send>(namespace: &str, work: impl FnOnce() -> T + Send) -> T {
    let file = std::fs::File::open(format!("/run/netns/{namespace}")).unwrap();
    let enter = move || {
        // SAFETY: takes no pointer; it changes this thread only.
        assert_eq!(unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) }, 0);
        work()
    };
    std::thread::scope(|scope| scope.spawn(enter).join().unwrap())
}

/// A road out of `interface` over a gateway of its own: `net` are the first three bytes of its network, `way` those of the
/// network behind the gateway.
fn road(gateway: &str, interface: &str, net: &str, way: &str, metric: u32) {
    sh(&format!(
        "ip netns add {gateway}
         ip link add {interface} type veth peer name near0 netns {gateway}
         ip address add {net}.2/24 dev {interface}
         ip link set {interface} up
         ip -n {gateway} address add {net}.1/24 dev near0
         ip -n {gateway} link set near0 up
         ip -n {gateway} link add far0 type veth peer name {gateway}0 netns far
         ip -n {gateway} address add {way}.1/24 dev far0
         ip -n {gateway} link set far0 up
         ip -n {gateway} route add 198.18.0.0/24 via {way}.2
         inside {gateway} sysctl -qw net.ipv4.ip_forward=1
         ip -n far address add {way}.2/24 dev {gateway}0
         ip -n far link set {gateway}0 up
         ip -n far route add {net}.0/24 via {way}.1
         ip route add default via {net}.1 dev {interface} metric {metric}"
    ));
}

/// The far end, and a road to it over wan0 and the gateway `gw`. Whoever wants to may ping.
pub fn lay() {
    sh("mkdir -p /run/netns
        ip link set lo up
        ip netns add far
        ip -n far link set lo up
        for n in $(seq 16); do ip -n far address add 198.18.0.$n/32 dev lo; done
        sysctl -qw net.ipv4.ping_group_range='0 2147483647'");
    road("gw", "wan0", "192.0.2", "198.51.100", 100);
}

/// A second road, over lte0 and the gateway `tower`, that is the default of nobody as long as there is the first.
pub fn lay_second() {
    road("tower", "lte0", "203.0.113", "198.51.101", 200);
}

/// A resolver at the far end that gives all names the far end's address; and this box asks it.
pub fn serve_names() {
    let socket = inside("far", || UdpSocket::bind((FAR, 53)).unwrap());
    std::thread::spawn(move || {
        let mut asked = [0; 512];
        while let Ok((n, from)) = socket.recv_from(&mut asked) {
            let question = &asked[12..n];
            let name = question.iter().position(|byte| *byte == 0).unwrap();
            let is_a = question[name + 1..name + 3] == [0, 1];
            let mut answer = [&asked[..2], &[0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]].concat();
            answer.extend_from_slice(&question[..name + 5]);
            if is_a {
                answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
                answer.extend_from_slice(&FAR.parse::<Ipv4Addr>().unwrap().octets());
            }
            let _sent = socket.send_to(&answer, from);
        }
    });
    sh(&format!(
        "printf 'nameserver {FAR}\\noptions timeout:1 attempts:1\\n' >/run/resolv.conf
         mount --bind /run/resolv.conf /etc/resolv.conf"
    ));
}
