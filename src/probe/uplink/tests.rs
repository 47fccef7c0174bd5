use super::KIND;
use super::settings::{self, Settings};
use crate::base::clock::Sim;
use crate::base::quit;
use crate::base::ring::Ring;
use crate::base::settings as base;
use crate::metric::book::Book;
use crate::metric::latest::Latest;
use crate::metric::ledger::Ledger;
use crate::metric::note::{Field, Note};
use crate::metric::report::{NoData, Report};
use crate::metric::roster::Roster;
use crate::probe::{Kit, Session, Tap};
use crate::world::{World, net};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

mod lasting;

const FULL: &str = "id = \"wan\"\ntcp = [\"central:9090\", \"10.0.0.2:22\"]\nhttp = [\"http://central/-/healthy\"]\n\
                    dns = [\"central\"]\nbrokers = true\n";

fn read(text: &str) -> (Option<Settings>, Vec<String>) {
    let (settings, mistakes) = base::read(text, |table| {
        let settings = settings::read(&table);
        table.finish();
        settings
    });
    (settings, mistakes.iter().map(ToString::to_string).collect())
}

/// An uplink on a scripted network, run for real through its session.
struct Rig {
    sim: Sim,
    net: net::script::Script,
    ledger: Ledger,
    ring: Ring<Report>,
    latest: Latest,
    quitter: Option<quit::Quitter>,
    running: tokio::task::JoinHandle<()>,
    /// Everything that was noted.
    notes: Vec<Note>,
    /// What it wants to know again after a restart.
    memory: Option<String>,
}

/// An uplink that nobody runs yet; it remembers `memory`.
fn still(
    text: &str,
    net: &net::script::Script,
    sim: &Sim,
    memory: Option<String>,
) -> (Box<dyn Session>, Ledger, Latest) {
    let (book, ledger) = (Book::default(), Ledger::default());
    let world = World { net: Arc::new(net.clone()), ..World::scripted(sim.clock()) };
    let mut kit = Kit::new(world, book.clone(), Roster::default(), ledger.clone());
    kit.remind(memory);
    let target = base::read(text, |table| (KIND.read)(&table)).0.unwrap();
    ((target.open)(&mut kit), ledger, Latest::new(book))
}

fn rig(text: &str, net: net::script::Script) -> Rig {
    resumed(text, net, Sim::new(), None)
}

fn resumed(text: &str, net: net::script::Script, sim: Sim, memory: Option<String>) -> Rig {
    let (mut session, ledger, latest) = still(text, &net, &sim, memory.clone());
    let ring = Ring::new(100);
    let (quitter, quit) = quit::pair();
    let tap = Tap::new(ring.clone(), Default::default());
    let running = tokio::spawn(async move { session.run(&tap, &quit).await.unwrap() });
    Rig { sim, net, ledger, ring, latest, quitter: Some(quitter), running, notes: Vec::new(), memory }
}

impl Rig {
    fn take(&mut self, reports: impl IntoIterator<Item = Report>) -> BTreeMap<String, f64> {
        for report in reports {
            self.latest.apply(&report);
            self.notes.extend(report.notes);
            self.memory = report.memory.unwrap_or(self.memory.take());
        }
        let snapshot = self.latest.snapshot(self.sim.clock().now());
        snapshot.rows.iter().map(|r| (format!("{}{}", r.meta.family.name, r.meta.labels), r.value)).collect()
    }
    /// The page after the next report.
    async fn page(&mut self) -> BTreeMap<String, f64> {
        let reports = self.ring.take().await;
        self.take(reports)
    }
    /// The page one round later.
    async fn next(&mut self) -> BTreeMap<String, f64> {
        self.sim.advance(Duration::from_secs(15));
        self.page().await
    }
    /// The page so many rounds later.
    async fn rounds(&mut self, rounds: usize) -> BTreeMap<String, f64> {
        for _ in 1..rounds {
            self.next().await;
        }
        self.next().await
    }
    /// Ends as the daemon does; what it remembers then.
    async fn stop(mut self) -> (net::script::Script, Sim, Option<String>) {
        self.quitter.take().unwrap().quit();
        (&mut self.running).await.unwrap();
        let last = self.ring.take_now();
        self.take(last);
        (self.net, self.sim, self.memory)
    }
    /// The kinds of what was noted.
    fn kinds(&self) -> Vec<&'static str> {
        self.notes.iter().map(|note| note.kind).collect()
    }
}

fn field<'a>(note: &'a Note, name: &str) -> &'a Field {
    &note.fields.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no {name} in {note:?}")).1
}

fn up(check: &str) -> String {
    format!("uplink_check_up{{check=\"{check}\",uplink=\"wan\"}}")
}

fn failures(check: &str, reason: &str) -> String {
    format!("uplink_check_failures_total{{check=\"{check}\",reason=\"{reason}\",uplink=\"wan\"}}")
}

const UP: &str = "uplink_up{uplink=\"wan\"}";

#[tokio::test]
async fn one_far_answer_is_enough_and_two_silent_rounds_are_an_outage() {
    let net = net::script::Script::default();
    net.tcp("10.0.0.2", 22, Ok(()));
    let mut rig = rig(FULL, net);
    let page = rig.page().await;
    assert_eq!((page[UP], page[&up("tcp")], page[&up("http")]), (1.0, 1.0, 0.0));
    assert_eq!(page[&failures("tcp", "unreachable")], 1.0, "the other target of the kind");
    assert_eq!(page[&failures("tcp", "refused")], 0.0, "counters start at 0");
    rig.net.tcp("10.0.0.2", 22, Err(net::Reason::Timeout));
    let page = rig.next().await;
    assert_eq!((page[UP], page[&up("tcp")]), (1.0, 0.0), "one silent round is no outage");
    assert_eq!(page[&failures("tcp", "timeout")], 1.0);
    assert!(!page.contains_key("uplink_check_duration_seconds{check=\"tcp\",uplink=\"wan\"}"));
    assert_eq!(rig.next().await[UP], 0.0);
    rig.net.http("http://central/-/healthy", Ok(404));
    let page = rig.next().await;
    assert_eq!((page[UP], page[&up("http")]), (1.0, 1.0), "a 404 came all the way");
    rig.net.http("http://central/-/healthy", Ok(502));
    let page = rig.next().await;
    assert_eq!((page[&up("http")], page[&failures("http", "status")]), (0.0, 1.0));
}

#[tokio::test]
async fn an_uplink_whose_probe_panicked_takes_back_its_gauges_and_begins_anew_with_its_counts() {
    let net = net::script::Script::default();
    net.tcp("10.0.0.2", 22, Ok(()));
    let sim = Sim::new();
    let (mut session, _ledger, mut latest) = still(FULL, &net, &sim, None);
    let (ring, (_quitter, quit)) = (Ring::new(100), quit::pair());
    let tap = Tap::new(ring.clone(), Default::default());
    let names = |latest: &mut Latest| -> BTreeMap<String, f64> {
        let rows = latest.snapshot(sim.clock().now()).rows;
        rows.iter().map(|r| (format!("{}{}", r.meta.family.name, r.meta.labels), r.value)).collect()
    };
    // A run that is dropped in its first pause stands for one that panicked.
    let round = async |session: &mut Box<dyn Session>, latest: &mut Latest| {
        tokio::select! {
            ended = session.run(&tap, &quit) => panic!("it runs until it is asked to stop: {ended:?}"),
            told = ring.take() => told.iter().for_each(|report| latest.apply(report)),
        }
    };
    round(&mut session, &mut latest).await;
    let page = names(&mut latest);
    assert_eq!((page[UP], page[&up("tcp")]), (1.0, 1.0));
    assert!(page.contains_key("uplink_check_duration_seconds{check=\"tcp\",uplink=\"wan\"}"));

    session.fallen(&tap);
    ring.take_now().iter().for_each(|report| latest.apply(report));
    let page = names(&mut latest);
    let counted = |name: &str| name.split('{').next().unwrap().ends_with("_total") || name.contains("timeout_seconds");
    let gauges: Vec<_> = page.keys().filter(|name| !counted(name)).collect();
    assert!(gauges.is_empty(), "{gauges:?}");
    assert_eq!(page[&failures("tcp", "unreachable")], 1.0, "what was counted stands");
    assert!(latest.no_data(NoData::Stale) > 0);

    net.tcp("10.0.0.2", 22, Err(net::Reason::Timeout));
    round(&mut session, &mut latest).await;
    let page = names(&mut latest);
    assert_eq!(page[UP], 0.0, "an answer from before the fall does not speak for the uplink any more");
    assert_eq!(page[&failures("tcp", "unreachable")], 2.0);
}

#[tokio::test]
async fn without_far_targets_there_is_no_uplink_up() {
    let mut rig = rig("id = \"wan\"\ndns = [\"central\"]\n", net::script::Script::default());
    rig.net.dns("central", Ok(2));
    let page = rig.page().await;
    assert!(!page.contains_key(UP), "{page:?}");
    assert!(page.contains_key(&up("dns")) && !page.contains_key(&up("tcp")));
}

#[tokio::test]
async fn the_kernel_tells_of_route_and_carrier() {
    let net = net::script::Script::default();
    net.routes(&["eth0", "wwan0"]);
    net.carrier("eth0", true);
    let mut rig = rig(FULL, net);
    let page = rig.page().await;
    assert_eq!((page[&up("route")], page[&up("carrier")]), (1.0, 1.0));
    rig.net.carrier("eth0", false);
    let page = rig.next().await;
    assert_eq!((page[&up("carrier")], page[&failures("carrier", "no_carrier")]), (0.0, 1.0));
    rig.net.routes(&[]);
    let page = rig.next().await;
    assert_eq!((page[&up("route")], page[&failures("route", "no_route")]), (0.0, 1.0));
    assert!(!page.contains_key(&up("carrier")), "without a route nobody knows whose carrier");
}

#[tokio::test]
async fn a_named_interface_is_the_one_whose_route_and_carrier_count() {
    let net = net::script::Script::default();
    net.routes(&["wwan0"]);
    net.carrier("wwan0", true);
    net.carrier("eth0", true);
    let mut rig = rig("id = \"wan\"\ninterface = \"eth0\"\ntcp = [\"c:1\"]\n", net);
    let page = rig.page().await;
    assert_eq!((page[&up("route")], page[&up("carrier")]), (0.0, 1.0));
}

#[tokio::test]
async fn scrapers_and_brokers_are_taken_from_the_ledger_once_there_are_any() {
    let mut rig = rig(FULL, net::script::Script::default());
    let page = rig.page().await;
    assert!(!page.contains_key(&up("scraped")) && !page.contains_key(&up("broker")), "{page:?}");
    rig.ledger.broker("siren", false);
    for _ in 0..3 {
        rig.ledger.scraped("10.0.0.9 Prometheus", rig.sim.clock().boot());
        rig.next().await;
    }
    let page = rig.next().await;
    assert_eq!((page[&up("scraped")], page[&up("broker")]), (0.0, 0.0), "30 s of silence after 15 s steps");
    rig.ledger.scraped("10.0.0.9 Prometheus", rig.sim.clock().boot());
    rig.ledger.broker("guard", true);
    let page = rig.next().await;
    assert_eq!((page[&up("scraped")], page[&up("broker")]), (1.0, 1.0));
    assert!(page[&failures("scraped", "silent")] >= 1.0);
    rig.ledger.forget("10.0.0.9 Prometheus");
    assert!(!rig.next().await.contains_key(&up("scraped")), "a forgotten scraper leaves no opinion");
}

#[tokio::test]
async fn an_uplink_stops_when_asked() {
    let mut rig = rig(FULL, net::script::Script::default());
    rig.page().await;
    rig.quitter.take().unwrap().quit();
    rig.running.await.unwrap();
}

#[test]
fn mistakes_in_an_uplink_are_told_without_repeating_a_password() {
    let (settings, mistakes) = read(
        "id = \"wan\"\ntcp = [\"central\"]\nhttp = [\"http://root:hunter2@central/\"]\ndns = [\"a b\"]\n\
         ping = [\"a/b\"]\nstandby = true\nevery = \"5s\"\ntimeout = \"10s\"\ninterface = \"a/b\"\n",
    );
    assert!(settings.is_none());
    assert_eq!(mistakes.len(), 6, "{mistakes:#?}");
    assert!(
        mistakes[0].starts_with("2:7: error: entry 1 of `tcp` cannot be asked; write \"host:port\""),
        "{mistakes:?}"
    );
    assert!(!mistakes.concat().contains("hunter2"));
}

#[test]
fn targets_are_read_as_people_write_them() {
    let (settings, mistakes) =
        read("id = \"wan\"\ntcp = [\"[fd00::1]:9090\", \"10.0.0.1:22\", \"my_box.lan:1\"]\nevery = \"2s\"\n");
    assert_eq!(mistakes, [""; 0]);
    let settings = settings.unwrap();
    assert_eq!(settings.tcp[0], ("fd00::1".to_owned(), 9090));
    assert_eq!(settings.timeout, Duration::from_secs(2), "a default does not outlast a short round");
    let pinged = |host: &str| read(&format!("id = \"wan\"\ntcp = [\"x:1\"]\nping = [\"{host}\"]\n")).0.map(|s| s.ping);
    assert_eq!(pinged("FD00::0001"), Some(vec!["fd00::1".to_owned()]));
    assert_eq!(pinged("central.example"), Some(vec!["central.example".to_owned()]));
    assert_eq!((pinged("[::1]"), pinged("10.0.0.1:22")), (None, None));
    let standby = read("id = \"lte\"\ntcp = [\"x:1\"]\nstandby = true\n");
    assert!(standby.1[0].contains("`standby` without `interface`"), "{standby:?}");
    for bad in ["x:0", "x:65536", "::1:80", "[x]:1", ":80", "x y:1"] {
        assert!(read(&format!("id = \"wan\"\ntcp = [\"{bad}\"]\n")).0.is_none(), "{bad}");
    }
}

#[test]
fn the_sample_names_every_key_with_its_default() {
    let sample: String = KIND
        .sample
        .lines()
        .filter_map(|l| l.strip_prefix('#'))
        .filter(|l| !l.starts_with(['#', ' ', '[']))
        .map(|l| format!("{l}\n"))
        .collect();
    let (settings, mistakes) = read(&sample);
    assert_eq!(mistakes, [""; 0], "{sample}");
    let settings = settings.unwrap();
    let bare = read("id = \"wan\"\ntcp = [\"x:1\"]\n").0.unwrap();
    assert_eq!((settings.every, settings.timeout), (bare.every, bare.timeout));
    assert_eq!((settings.scraped, settings.brokers), (bare.scraped, bare.brokers));
    assert_eq!((settings.max_loss, settings.max_rtt, settings.standby), (bare.max_loss, bare.max_rtt, bare.standby));
    for key in ["tcp", "http", "ping", "dns", "interface"] {
        assert!(sample.contains(&format!("{key} = ")), "{key}");
    }
}
