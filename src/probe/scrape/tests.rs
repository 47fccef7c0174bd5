use super::*;
use crate::base::clock::Sim;
use crate::base::quit;
use crate::base::ring::Ring;
use crate::base::settings as base;
use crate::metric::book::{Book, Hold};
use crate::metric::desc::{Desc, Unit};
use crate::metric::latest::{Latest, Snapshot};
use crate::metric::ledger::Ledger;
use crate::metric::roster::Roster;
use crate::world::net::script::{Page, Script};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const URL: &str = "http://127.0.0.1:9121/metrics";
const BASE: &str = "id = \"redis\"\nurl = \"http://127.0.0.1:9121/metrics\"\n";

fn read(text: &str) -> (Option<Target>, Vec<String>) {
    let (target, mistakes) = base::read(text, |table| {
        let target = (KIND.read)(&table);
        table.finish();
        target
    });
    (target, mistakes.iter().map(ToString::to_string).collect())
}

/// Exporters on a scripted network, each run for real through its session.
struct Rig {
    sim: Sim,
    net: Script,
    book: Book,
    ring: Ring<Report>,
    latest: Latest,
    kits: Vec<Kit>,
    quitters: Vec<quit::Quitter>,
}

impl Rig {
    fn new() -> Rig {
        let (sim, book) = (Sim::new(), Book::default());
        let latest = Latest::new(book.clone());
        Rig { sim, net: Script::default(), book, ring: Ring::new(100), latest, kits: vec![], quitters: vec![] }
    }

    fn start(&mut self, config: &str) {
        let world = World { net: Arc::new(self.net.clone()), ..World::scripted(self.sim.clock()) };
        let mut kit = Kit::new(world, self.book.clone(), Roster::default(), Ledger::default());
        let (target, mistakes) = read(config);
        assert_eq!(mistakes, [""; 0]);
        let mut session = (target.unwrap().open)(&mut kit);
        let (quitter, quit) = quit::pair();
        let tap = Tap::new(self.ring.clone(), Default::default());
        tokio::spawn(async move { session.run(&tap, &quit).await.unwrap() });
        self.kits.push(kit);
        self.quitters.push(quitter);
    }

    fn serve(&self, url: &str, page: &str) {
        let page = Page { status: 200, body: page.as_bytes().to_vec().into(), ..Page::default() };
        self.net.page(url, Ok(page));
    }

    /// The snapshot after the next report.
    async fn snapshot(&mut self) -> Snapshot {
        for report in self.ring.take().await {
            self.latest.apply(&report);
        }
        self.latest.snapshot(self.sim.clock().now())
    }

    async fn next(&mut self) -> Snapshot {
        self.sim.advance(Duration::from_secs(15));
        self.snapshot().await
    }
}

fn rows(snapshot: &Snapshot) -> BTreeMap<String, f64> {
    snapshot.rows.iter().map(|r| (format!("{}{}", r.meta.family.name, r.meta.labels), r.value)).collect()
}

/// What is on the page besides what the probe says of itself.
fn theirs(snapshot: &Snapshot) -> Vec<String> {
    let learned = snapshot.rows.iter().filter(|r| r.meta.family.learned.is_some());
    learned.map(|r| format!("{}{} {}", r.meta.family.name, r.meta.labels, r.value)).collect()
}

fn own(snapshot: &Snapshot, name: &str, more: &str) -> f64 {
    rows(snapshot)[&format!("{name}{{{more}scrape_id=\"redis\"}}")]
}

#[tokio::test]
async fn an_exporters_series_stand_under_its_id_and_leave_at_once_when_it_lets_them_go() {
    let mut rig = Rig::new();
    rig.serve(URL, "# TYPE redis_up gauge\nredis_up 1\nredis_db_keys{db=\"db0\",scrape_id=\"x\"} NaN\nq 1e3 1000\n");
    rig.start(BASE);
    let first = rig.snapshot().await;
    assert_eq!(
        theirs(&first),
        [
            r#"q{scrape_id="redis"} 1000"#,
            r#"redis_db_keys{db="db0",exported_scrape_id="x",scrape_id="redis"} NaN"#,
            r#"redis_up{scrape_id="redis"} 1"#
        ]
    );
    let page = |name: &str| own(&first, name, "");
    assert_eq!([page("scrape_up"), page("scrape_page_samples"), page("scrape_series")], [1.0, 3.0, 3.0]);
    rig.serve(URL, "redis_up 0\nq 2\n");
    let second = rig.next().await;
    assert_eq!(theirs(&second), [r#"q{scrape_id="redis"} 2"#, r#"redis_up{scrape_id="redis"} 0"#]);
    let ended: Vec<_> = second.ended.iter().map(|meta| meta.family.name.to_string()).collect();
    assert_eq!(ended, ["redis_db_keys"]);
    rig.kits.remove(0).close();
    assert_eq!(rig.latest.snapshot(rig.sim.clock().now()).rows, []);
    assert!(rig.book.all().is_empty());
}

#[tokio::test]
async fn a_page_that_cannot_be_had_whole_takes_everything_away_and_says_why() {
    let mut rig = Rig::new();
    rig.serve(URL, "a 1\nb 2\n");
    rig.start(&format!("{BASE}max_samples = 3\nmax_bytes = \"64KiB\"\n"));
    assert_eq!(theirs(&rig.snapshot().await).len(), 2);
    let page = |status: u16, body: &str| Ok(Page { status, body: body.as_bytes().to_vec().into(), ..Page::default() });
    let slow = Page { took: Duration::from_secs(11), ..Page::default() };
    let long = "a 1 # ".to_owned() + &"x".repeat(64 << 10);
    for (answer, reason) in [
        (Err(Reason::Refused), "unreachable"),
        (Err(Reason::Tls), "unreachable"),
        (Ok(slow), "timeout"),
        (page(200, &long), "too_large"),
        (page(200, "a 1\nb 2\nc 3\nd 4\n"), "too_many_samples"),
        (page(200, "a 1\nb two\n"), "malformed"),
        (Ok(Page { media: Some("application/openmetrics-text"), ..page(200, "a 1\n").unwrap() }), "malformed"),
        (page(200, &(0..31).map(|n| format!("# HELP m{n} x\n")).collect::<String>()), "too_many_samples"),
        (Err(Reason::Redirect), "status"),
        (page(500, ""), "status"),
        (page(401, ""), "denied"),
    ] {
        rig.net.page(URL, answer);
        let failed = rig.next().await;
        assert_eq!(theirs(&failed), [""; 0], "{reason}");
        assert_eq!(own(&failed, "scrape_up", ""), 0.0);
        assert!(own(&failed, "scrape_failures_total", &format!("reason=\"{reason}\",")) >= 1.0, "{reason}");
        assert!(!rows(&failed).contains_key("scrape_page_samples{scrape_id=\"redis\"}"));
        rig.serve(URL, "a 1\nb 2\n");
        let good = rig.next().await;
        assert_eq!((theirs(&good).len(), own(&good, "scrape_up", "")), (2, 1.0));
    }
    let failures =
        |s: &Snapshot| rows(s).iter().filter(|(n, _)| n.starts_with("scrape_failures")).map(|(_, v)| v).sum::<f64>();
    let last = rig.next().await;
    assert_eq!(failures(&last), 11.0);
}

#[tokio::test]
async fn what_would_shadow_ours_or_contradict_another_exporter_is_left_out_and_counted() {
    static FPS: Desc<1> = Desc::gauge("camera_fps", Unit::PerSecond, ["camera_id"], "frames");
    let mut rig = Rig::new();
    rig.book.open(&FPS, ["yard"], Hold::Own);
    rig.serve("http://127.0.0.1:2/", "# TYPE shared gauge\nshared 1\n");
    rig.start("id = \"other\"\nurl = \"http://127.0.0.1:2/\"\n");
    rig.snapshot().await;
    let page = "camera_fps{camera_id=\"yard\"} 1\nvedette_x 1\nALERTS{alertname=\"x\"} 1\n# TYPE shared counter\n\
                shared 2\ntwin 1\ntwin 2\ntwin{} 3\nfine 4\n";
    rig.serve(URL, page);
    rig.start(BASE);
    let both = rig.snapshot().await;
    assert_eq!(
        theirs(&both),
        [r#"fine{scrape_id="redis"} 4"#, r#"shared{scrape_id="other"} 1"#, r#"twin{scrape_id="redis"} 1"#]
    );
    let refused = |why: &str| own(&both, "scrape_refused_samples_total", &format!("reason=\"{why}\","));
    assert_eq!(["name_taken", "other_type", "twice", "churn"].map(refused), [3.0, 1.0, 2.0, 0.0]);
}

#[tokio::test]
async fn a_family_of_ours_that_comes_later_takes_its_name_back() {
    static FINE: Desc<0> = Desc::gauge("fine", Unit::Count, [], "ours");
    let mut rig = Rig::new();
    rig.serve(URL, "fine 4\nother 5\n");
    rig.start(BASE);
    assert_eq!(theirs(&rig.snapshot().await).len(), 2);
    rig.book.open(&FINE, [], Hold::Own);
    let next = rig.next().await;
    assert_eq!(theirs(&next), [r#"other{scrape_id="redis"} 5"#]);
    assert_eq!(own(&next, "scrape_refused_samples_total", "reason=\"name_taken\","), 1.0);
}

#[tokio::test]
async fn relabelling_keeps_drops_and_sets_in_its_order() {
    let mut rig = Rig::new();
    rig.serve(URL, "go_threads 1\nredis_up 1\nredis_keys{db=\"a\"} 2\nredis_keys{db=\"b\"} 3\npython_info 1\n");
    rig.start(&format!(
        "{BASE}max_samples = 2\n\
         [[relabel]]\naction = \"keep\"\nregex = \"redis_.*|go_.*\"\n[[relabel]]\naction = \"drop\"\nregex = \"go_.*\"\n\
         [[relabel]]\naction = \"set\"\nsource = \"db\"\nregex = \"a\"\nlabel = \"tier\"\nvalue = \"cache\"\n\
         [[relabel]]\naction = \"drop\"\nsource = \"db\"\nregex = \"b\"\n\
         [[relabel]]\naction = \"set\"\nlabel = \"db\"\nvalue = \"\"\n"
    ));
    let first = rig.snapshot().await;
    let kept = [r#"redis_keys{scrape_id="redis",tier="cache"} 2"#, r#"redis_up{scrape_id="redis"} 1"#];
    assert_eq!(
        (theirs(&first), own(&first, "scrape_dropped_samples_total", "")),
        (kept.map(str::to_owned).into(), 3.0)
    );
    let second = rig.next().await;
    assert_eq!(
        (theirs(&second), own(&second, "scrape_dropped_samples_total", "")),
        (kept.map(str::to_owned).into(), 6.0)
    );
}

#[tokio::test]
async fn honoured_labels_stand_and_an_empty_one_takes_ours_away() {
    let mut rig = Rig::new();
    rig.serve(URL, "a{scrape_id=\"x\",job=\"y\"} 1\nb{scrape_id=\"\"} 2\nc 3\n");
    rig.start(&format!("{BASE}honor_labels = true\n"));
    assert_eq!(theirs(&rig.snapshot().await), [r#"a{job="y",scrape_id="x"} 1"#, "b 2", r#"c{scrape_id="redis"} 3"#]);
}

#[tokio::test]
async fn a_label_that_is_never_the_same_twice_is_stopped_and_what_stands_goes_on() {
    let mut rig = Rig::new();
    rig.start(&format!("{BASE}max_samples = 10\n"));
    let mut refused = Vec::new();
    for round in 0..8 {
        let new: String = (0..8).map(|n| format!("a{{pid=\"{round}.{n}\"}} 1\n")).collect();
        rig.serve(URL, &format!("up_since 1\n{new}"));
        let page = rig.next().await;
        assert!(theirs(&page).contains(&"up_since{scrape_id=\"redis\"} 1".to_owned()), "round {round}");
        refused.push(own(&page, "scrape_refused_samples_total", "reason=\"churn\","));
    }
    assert!(refused[3] == 0.0 && refused[7] > 8.0, "{refused:?}");
}

#[test]
fn a_configuration_is_read_with_its_mistakes_and_shows_no_secret() {
    let (target, mistakes) = read(
        "id = \"a\"\nurl = \"http://127.0.0.1:1/?token=swordfish\"\nfamilies = [\"redis_*\"]\ntimeout = \"1s\"\nevery = \"5s\"\n",
    );
    let target = target.unwrap();
    assert_eq!((mistakes, target.learns), (vec![], vec!["redis_*".to_owned()]));
    assert!(!target.settings.contains("swordfish"));
    for (text, said) in [
        ("id = \"a\"\nurl = \"ftp://x/\"", "the URL does not begin with http:// or https://"),
        ("id = \"a\"\nurl = \"http://u:p@x/\"", "a password in the URL"),
        (&format!("{BASE}timeout = \"20s\""), "`timeout` is longer than `every`"),
        (&format!("{BASE}families = [\"*\"]"), "\"*\" is no name"),
        (&format!("{BASE}password_file = \"x\""), "a password without `username`"),
        (&format!("{BASE}max_samples = 0"), "`max_samples` is 0"),
        (&format!("{BASE}[[relabel]]\naction = \"keep\"\nregex = \"a(\""), "illegal regular expression \"a(\""),
        (&format!("{BASE}[[relabel]]\naction = \"drop\""), "`relabel[0].regex` is missing"),
        (&format!("{BASE}[[relabel]]\nregex = \"a\""), "`relabel[0].action` is missing"),
        (&format!("{BASE}[[relabel]]\naction = \"set\"\nlabel = \"le\"\nvalue = \"1\""), "`le` cannot be set"),
        (&format!("{BASE}[[relabel]]\naction = \"set\"\nlabel = \"__x\"\nvalue = \"1\""), "`label` is \"__x\""),
    ] {
        let (_, mistakes) = read(text);
        assert!(mistakes.iter().any(|m| m.contains(said)), "{text}: {mistakes:?}");
    }
}
