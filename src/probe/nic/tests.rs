//! Cameras on a scripted network. Interfaces are read from made trees of files in tests/live/nic.

use super::cameras::Cameras;
use super::names::{Known, Names};
use super::{KIND, targets};
use crate::base::clock::{Sim, Window};
use crate::base::label::Label;
use crate::base::settings;
use crate::metric::book::Book;
use crate::metric::latest::Latest;
use crate::metric::ledger::Ledger;
use crate::metric::report::{NoData, Report};
use crate::metric::roster::{Camera, Roll, Roster};
use crate::probe::Kit;
use crate::probe::poll::Poll;
use crate::world::World;
use crate::world::roads::script::Script;
use crate::world::roads::{Address, Leaky, Neighbour, Road};
use std::sync::Arc;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(5);

const ETH1: u32 = 2;
const WAN: u32 = 3;

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn link(index: u32) -> Option<Road> {
    Some(Road { index, gateway: false })
}

fn gateway(index: u32) -> Option<Road> {
    Some(Road { index, gateway: true })
}

/// The ways to some cameras and what was told of them.
struct Bench {
    sim: Sim,
    net: Script,
    known: Known,
    kit: Kit,
    cameras: Cameras,
    latest: Latest,
    remembered: Option<String>,
}

impl Bench {
    /// Cameras by name and host, on a machine with eth1 and wan, both up.
    fn new(hosts: &[(&str, &str)]) -> Bench {
        let (sim, net, book, roster) = (Sim::new(), Script::default(), Book::default(), Roster::default());
        let camera = |(id, host): &(&str, &str)| Camera { id: (*id).to_owned(), host: (*host).to_owned() };
        roster.replace(Roll { cameras: hosts.iter().map(camera).collect() });
        net.link(ETH1, "eth1", true);
        net.link(WAN, "wan", true);
        let world = World { roads: Arc::new(net.clone()), ..World::scripted(sim.clock()) };
        let mut kit = Kit::new(world, book.clone(), roster, Ledger::default());
        let known = Known::default();
        let cameras = Cameras::open(known.clone(), EVERY, &mut kit);
        Bench { sim, net, known, kit, cameras, latest: Latest::new(book), remembered: None }
    }

    /// The same after a restart, which remembers what the last report said.
    fn again(&mut self) {
        self.kit.remind(self.remembered.clone());
        self.cameras = Cameras::open(self.known.clone(), EVERY, &mut self.kit);
    }

    /// The page after one more look, without what is 0.
    fn look(&mut self) -> Vec<String> {
        self.sim.advance(EVERY);
        let seen = (self.cameras.look())();
        let at = self.sim.clock().boot();
        let report = self.cameras.fold(Window { from: at, to: at }, seen);
        self.remembered = report.memory.clone().unwrap_or(self.remembered.take());
        self.latest.apply(&report);
        self.page()
    }

    fn page(&mut self) -> Vec<String> {
        let rows = self.latest.standing(self.sim.clock().boot());
        let rows = rows.iter().filter(|row| row.value != 0.0);
        let short = |row: String| row.replace("camera_", "").replace("\"", "");
        rows.map(|row| short(format!("{}{}", row.meta.family.name, row.meta.labels))).collect()
    }

    fn value(&mut self, series: &str) -> Option<f64> {
        let rows = self.latest.standing(self.sim.clock().boot());
        rows.iter().find(|row| format!("{}{}", row.meta.family.name, row.meta.labels) == series).map(|row| row.value)
    }
}

#[test]
fn a_camera_is_reached_through_the_interface_that_the_routing_table_names_and_moves_with_it() {
    let mut bench = Bench::new(&[("far", "198.51.100.7"), ("six", "[2001:db8::5]"), ("yard", "10.0.1.5")]);
    bench.net.road(address("10.0.1.5"), link(ETH1));
    bench.net.road(address("198.51.100.7"), gateway(WAN));
    bench.net.neighbour(WAN, address("198.51.100.7"), Some(Neighbour::Failed));
    bench.net.neighbour(WAN, address("10.0.1.5"), Some(Neighbour::Failed));
    bench.net.neighbour(ETH1, address("10.0.1.5"), Some(Neighbour::Stale));
    assert_eq!(
        bench.look(),
        [
            "interface_info{id=far,interface=wan,via=gateway}",
            "interface_info{id=yard,interface=eth1,via=link}",
            "neighbour_state{id=yard,state=stale}",
            "neighbour_up{id=yard,interface=eth1}",
        ],
        "no neighbour behind a router, and nothing of a camera without a way"
    );
    bench.net.road(address("2001:db8::5"), link(WAN));
    bench.net.neighbour(WAN, address("2001:db8::5"), Some(Neighbour::Reachable));
    bench.net.road(address("10.0.1.5"), gateway(WAN));
    bench.net.road(address("198.51.100.7"), None);
    assert_eq!(
        bench.look(),
        [
            "interface_info{id=six,interface=wan,via=link}",
            "interface_info{id=yard,interface=wan,via=gateway}",
            "neighbour_state{id=six,state=reachable}",
            "neighbour_up{id=six,interface=wan}",
        ]
    );
}

#[test]
fn a_camera_without_an_answer_is_no_neighbour_and_one_that_nobody_asked_is_neither() {
    let mut bench = Bench::new(&[("yard", "10.0.1.5")]);
    let up = "camera_neighbour_up{camera_id=\"yard\",interface=\"eth1\"}";
    bench.net.road(address("10.0.1.5"), link(ETH1));
    for (state, told) in [
        (None, None),
        (Some(Neighbour::Incomplete), Some(0.0)),
        (Some(Neighbour::Reachable), Some(1.0)),
        (Some(Neighbour::Stale), Some(1.0)),
        (Some(Neighbour::Delay), Some(1.0)),
        (Some(Neighbour::Probe), Some(1.0)),
        (Some(Neighbour::Failed), Some(0.0)),
        (None, None),
    ] {
        bench.net.neighbour(ETH1, address("10.0.1.5"), state);
        let page = bench.look();
        assert_eq!(bench.value(up), told, "{state:?}");
        let states: Vec<_> = page.iter().filter(|row| row.starts_with("neighbour_state")).cloned().collect();
        let wanted = state.map(|state| format!("neighbour_state{{id=yard,state={}}}", state.label()));
        assert_eq!(states, Vec::from_iter(wanted), "one state at a time");
        assert!(!page.iter().any(|row| row.starts_with("cut_off")), "one camera alone blames no network");
    }
}

#[test]
fn cameras_behind_an_interface_without_a_link_are_cut_off_also_when_its_address_and_routes_went_with_it() {
    let mut bench = Bench::new(&[("far", "198.51.100.7"), ("yard", "10.0.1.5")]);
    bench.net.road(address("10.0.1.5"), link(ETH1));
    bench.net.road(address("198.51.100.7"), gateway(WAN));
    bench.net.neighbour(ETH1, address("10.0.1.5"), Some(Neighbour::Reachable));
    bench.look();
    let cut = |page: Vec<String>| page.into_iter().filter(|row| row.starts_with("cut_off")).collect::<Vec<_>>();
    let yard = ["cut_off{id=yard,cause=link,interface=eth1}"];

    bench.net.link(ETH1, "eth1", false);
    let page = bench.look();
    assert!(!page.iter().any(|row| row.starts_with("neighbour")), "nobody could answer: {page:?}");
    assert_eq!(cut(page), yard);
    // A client of DHCP takes the address away, and what is left is the default route.
    bench.net.road(address("10.0.1.5"), gateway(WAN));
    assert_eq!(cut(bench.look()), yard);
    bench.net.road(address("10.0.1.5"), None);
    assert_eq!(cut(bench.look()), yard);
    bench.net.unplug(ETH1);
    assert_eq!(cut(bench.look()), yard, "the card was pulled out");
    bench.again();
    assert_eq!(cut(bench.look()), yard, "and Vedette restarted");
    // A way to a neighbour elsewhere is a move.
    bench.net.road(address("10.0.1.5"), link(WAN));
    assert_eq!(cut(bench.look()), [""; 0]);
    bench.net.link(WAN, "wan", false);
    assert_eq!(
        cut(bench.look()),
        ["cut_off{id=far,cause=link,interface=wan}", "cut_off{id=yard,cause=link,interface=wan}"]
    );
    // Back, before it has its address again.
    bench.net.link(WAN, "wan", true);
    bench.net.road(address("10.0.1.5"), None);
    let page = bench.look();
    assert_eq!(page, ["interface_info{id=far,interface=wan,via=gateway}"]);
}

#[test]
fn a_camera_with_another_host_is_not_looked_for_where_the_former_was() {
    let mut bench = Bench::new(&[("yard", "10.0.1.5")]);
    bench.net.road(address("10.0.1.5"), link(ETH1));
    bench.net.road(address("198.51.100.7"), gateway(WAN));
    bench.look();
    bench.net.unplug(ETH1);
    bench.net.road(address("10.0.1.5"), gateway(WAN));
    assert_eq!(bench.look().len(), 2, "held where it was, and cut off");
    bench.kit.roster.replace(Roll { cameras: vec![Camera { id: "yard".into(), host: "198.51.100.7".into() }] });
    assert_eq!(bench.look(), ["interface_info{id=yard,interface=wan,via=gateway}"]);
}

#[test]
fn of_two_addresses_the_one_that_answers_counts() {
    let mut bench = Bench::new(&[("yard", "yard.example")]);
    bench.net.name("yard.example", &[address("fd00::5"), address("10.0.1.5")]);
    let mut names = Names::open(bench.known.clone(), &bench.kit);
    (names.look())();
    bench.net.road(address("fd00::5"), link(ETH1));
    bench.net.road(address("10.0.1.5"), link(ETH1));
    bench.net.neighbour(ETH1, address("fd00::5"), Some(Neighbour::Failed));
    bench.look();
    let up = "camera_neighbour_up{camera_id=\"yard\",interface=\"eth1\"}";
    assert_eq!(bench.value(up), Some(0.0));
    bench.net.neighbour(ETH1, address("10.0.1.5"), Some(Neighbour::Delay));
    bench.look();
    assert_eq!(bench.value(up), Some(1.0));
}

#[test]
fn a_network_on_which_several_were_asked_and_none_answers_is_silent() {
    let hosts = [("a", "10.0.1.1"), ("b", "10.0.1.2"), ("c", "10.0.1.3"), ("far", "10.9.9.9"), ("other", "10.0.2.1")];
    let mut bench = Bench::new(&hosts);
    for host in ["10.0.1.1", "10.0.1.2", "10.0.1.3"] {
        bench.net.road(address(host), link(ETH1));
    }
    bench.net.road(address("10.9.9.9"), gateway(ETH1));
    bench.net.road(address("10.0.2.1"), link(WAN));
    let mut cut = |states: [Option<Neighbour>; 3]| {
        for (host, state) in ["10.0.1.1", "10.0.1.2", "10.0.1.3"].into_iter().zip(states) {
            bench.net.neighbour(ETH1, address(host), state);
        }
        bench.net.neighbour(WAN, address("10.0.2.1"), Some(Neighbour::Failed));
        let page = bench.look();
        page.iter().filter(|row| row.starts_with("cut_off") && row.contains("silent")).count()
    };
    let (none, asks, there) = (Some(Neighbour::Failed), Some(Neighbour::Incomplete), Some(Neighbour::Stale));
    assert_eq!(cut([none, None, None]), 0, "one may just be unplugged");
    assert_eq!(cut([none, none, there]), 0, "the third is there, for all that is known");
    assert_eq!(cut([none, asks, None]), 3, "with the one that nobody asked yet; not what lies behind a router");
    assert_eq!(cut([none, none, none]), 3);
    assert_eq!(cut([none, Some(Neighbour::Reachable), none]), 0);
}

#[test]
fn a_name_is_looked_up_and_keeps_its_address_while_nobody_answers() {
    let mut bench = Bench::new(&[("yard", "yard.example"), ("zoo", "zoo.example"), ("gate", "10.0.1.6")]);
    let mut names = Names::open(bench.known.clone(), &bench.kit);
    bench.net.road(address("10.0.1.6"), link(ETH1));
    bench.net.road(address("10.0.1.9"), link(ETH1));
    assert_eq!(bench.look(), ["interface_info{id=gate,interface=eth1,via=link}"]);
    // The first has no way: the machine speaks no IPv6.
    bench.net.name("yard.example", &[address("2001:db8::9"), address("10.0.1.9")]);
    (names.look())();
    let both = ["interface_info{id=gate,interface=eth1,via=link}", "interface_info{id=yard,interface=eth1,via=link}"];
    assert_eq!(bench.look(), both);
    bench.net.name("yard.example", &[]);
    (names.look())();
    assert_eq!(bench.look(), both);
    bench.kit.roster.replace(Roll { cameras: vec![Camera { id: "gate".into(), host: "10.0.1.6".into() }] });
    (names.look())();
    assert!(bench.known.of("yard.example").is_empty(), "nobody asks for it any more");
    assert_eq!(bench.look(), both[..1]);
}

#[test]
fn a_kernel_that_may_not_be_asked_leaves_nothing_but_the_reason() {
    let mut bench = Bench::new(&[("yard", "10.0.1.5")]);
    bench.net.road(address("10.0.1.5"), link(ETH1));
    bench.net.leaky(&[Leaky { inode: 7, dropped: 3 }]);
    bench.look();
    let drops = "vedette_udp_drops_total";
    assert_eq!(bench.value(drops), Some(3.0));
    bench.net.deaf(true);
    bench.net.leaky(&[]);
    assert_eq!(bench.look(), [drops]);
    assert_eq!(bench.value(drops), Some(3.0), "the socket is closed, and what it lost is lost");
    assert!(bench.latest.no_data(NoData::Denied) > 0);
    bench.net.deaf(false);
    assert_eq!(bench.look().len(), 2);
    let at = bench.sim.clock().boot();
    let mut report = Report::new(Window { from: at, to: at });
    bench.cameras.fallen(&mut report);
    bench.latest.apply(&report);
    assert_eq!(bench.page(), [""; 0]);
}

#[test]
fn no_interface_can_have_the_name_of_a_target_that_needs_no_table() {
    for (kind, target) in targets(EVERY) {
        let table = format!("interface = \"{}\"\n", target.id);
        let (read, mistakes) = settings::read(&table, |table| (kind.read)(&table).is_some());
        assert!(!read && mistakes.len() == 1, "{mistakes:?}");
        assert_eq!(kind.name, KIND.name);
    }
}
