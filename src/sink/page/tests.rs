use super::*;
use crate::base::clock::{Now, Sim, Window};
use crate::metric::book::{Book, Hold, Meta, Series};
use crate::metric::desc::{Desc, Family, Kind, Unit};
use crate::metric::labels::Labels;
use crate::metric::latest::{Latest, Sample};
use crate::metric::report::Report;
use crate::world::listener::Traffic;
use hyper::Request;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;

static FRAMES: Desc<1> = Desc::counter("camera_frames_total", Unit::Count, ["camera_id"], "Frames seen");
static FPS: Desc<1> =
    Desc::gauge("camera_fps", Unit::PerSecond, ["camera_id"], "Frames per second, with \"quotes\" and \\");
static BARE: Desc<0> = Desc::counter("vedette_ticks_total", Unit::Count, [], "Ticks");

/// A snapshot with every kind, strange labels, strange numbers, and families whose names lack what their kind demands.
fn snapshot() -> Arc<Snapshot> {
    let mut rows = Vec::new();
    let mut add = |family: &Family, labels: &[(&str, &str)], value: f64| {
        let meta = Meta {
            series: Series(0),
            family: Arc::new(family.clone()),
            labels: Labels::new(labels.iter().copied()),
            hold: Hold::Own,
        };
        rows.push(Sample { meta: Arc::new(meta), value });
    };
    let learned = |name: &'static str, kind| Family {
        name: Cow::Borrowed(name),
        kind,
        unit: Unit::Count,
        labels: &[],
        help: Cow::Borrowed("Made\nelsewhere."),
        learned: Some(name.into()),
    };
    add(&FPS.family(), &[("camera_id", "gate")], 12.5);
    add(&FPS.family(), &[("camera_id", "yard \\ \"north\"\n")], 1e21);
    add(&FRAMES.family(), &[("camera_id", "gate")], 1_234_567.0);
    add(&learned("foreign", Kind::Unknown), &[("a", "b"), ("c", "d")], f64::NEG_INFINITY);
    add(&learned("odd_counter", Kind::Counter), &[], 1e-7);
    add(&learned("odd_info", Kind::Info), &[("version", "1")], 1.0);
    add(&learned("oddity", Kind::Info), &[("version", "1")], 1.0);
    add(&BARE.family(), &[], 0.0);
    Arc::new(Snapshot { seq: 1, at: Sim::new().clock().now(), rows, ended: Vec::new() })
}

static WAIT: Desc<1> =
    Desc::histogram("wait_seconds", Unit::Seconds, ["door"], &[0.005, 0.5, 10.0, 1e6], "Time at the door");
static BARE_WAIT: Desc<0> = Desc::histogram("wait_bare_seconds", Unit::Seconds, [], &[1.0], "Time");

#[test]
fn histograms_are_written_alike_in_both_formats_with_their_buckets_rising() {
    let (sim, book) = (Sim::new(), Book::default());
    let mut histograms = [book.open_histogram(&WAIT, ["yard"]).0, book.open_histogram(&WAIT, ["gate"]).0];
    let (mut bare, _) = book.open_histogram(&BARE_WAIT, []);
    for value in [0.001, 0.25, 0.5, 7.0, 2e6] {
        histograms[0].observe(value);
        bare.observe(value);
    }
    let at = sim.clock().boot();
    let mut report = Report::new(Window { from: at, to: at });
    histograms.iter().chain([&bare]).for_each(|h| h.fill(&mut report));
    let mut latest = Latest::new(book);
    latest.apply(&report);
    let snapshot = Arc::new(latest.snapshot(sim.clock().now()));
    let text = print(&snapshot, Format::Text);
    let openmetrics = print(&snapshot, Format::OpenMetrics);
    assert_eq!(series(&openmetrics), series(&text));
    assert_eq!(series(&text).len(), snapshot.rows.len());
    let yard = r#"wait_seconds_bucket{door="yard",le="0.005"} 1
wait_seconds_bucket{door="yard",le="0.5"} 3
wait_seconds_bucket{door="yard",le="10.0"} 4
wait_seconds_bucket{door="yard",le="1000000.0"} 4
wait_seconds_bucket{door="yard",le="+Inf"} 5
wait_seconds_sum{door="yard"} 2000007.751
wait_seconds_count{door="yard"} 5
"#;
    assert!(text.contains(yard), "{text}");
    assert!(
        text.contains("# TYPE wait_seconds histogram\nwait_seconds_bucket{door=\"gate\",le=\"0.005\"} 0\n"),
        "{text}"
    );
    assert!(text.contains("wait_bare_seconds_bucket{le=\"1.0\"} 3\n"), "{text}");
    assert_eq!(openmetrics.matches("# TYPE wait_seconds histogram\n").count(), 1, "{openmetrics}");
}

/// Series → value, as a parser of either format sees them.
fn series(page: &str) -> BTreeMap<String, f64> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            // The order of labels says nothing; no value here has a comma.
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let mut labels: Vec<_> = labels.trim_end_matches('}').split(',').collect();
            labels.sort_unstable();
            (format!("{name}{{{}}}", labels.join(",")).replace("{}", ""), value.to_ascii_lowercase().parse().unwrap())
        })
        .collect()
}

#[test]
fn both_formats_say_the_same_series_and_values() {
    let snapshot = snapshot();
    let (openmetrics, text) = (print(&snapshot, Format::OpenMetrics), print(&snapshot, Format::Text));
    assert_eq!(series(&openmetrics), series(&text));
    assert_eq!(series(&text).len(), snapshot.rows.len());
}

#[test]
fn text_0_0_4_is_written_byte_for_byte() {
    let wanted = r#"# HELP camera_fps Frames per second, with "quotes" and \\.
# TYPE camera_fps gauge
camera_fps{camera_id="gate"} 12.5
camera_fps{camera_id="yard \\ \"north\"\n"} 1e+21
# HELP camera_frames_total Frames seen.
# TYPE camera_frames_total counter
camera_frames_total{camera_id="gate"} 1234567
# HELP foreign Made\nelsewhere.
# TYPE foreign untyped
foreign{a="b",c="d"} -Inf
# HELP odd_counter Made\nelsewhere.
# TYPE odd_counter counter
odd_counter 1e-07
# HELP odd_info Made\nelsewhere.
# TYPE odd_info gauge
odd_info{version="1"} 1
# HELP oddity Made\nelsewhere.
# TYPE oddity gauge
oddity{version="1"} 1
# HELP vedette_ticks_total Ticks.
# TYPE vedette_ticks_total counter
vedette_ticks_total 0
"#;
    assert_eq!(print(&snapshot(), Format::Text), wanted);
}

#[test]
fn openmetrics_is_written_byte_for_byte() {
    let wanted = r#"# HELP camera_fps Frames per second, with \"quotes\" and \\.
# TYPE camera_fps gauge
camera_fps{camera_id="gate"} 12.5
camera_fps{camera_id="yard \\ \"north\"\n"} 1e21
# HELP camera_frames Frames seen.
# TYPE camera_frames counter
camera_frames_total{camera_id="gate"} 1234567.0
# HELP vedette_ticks Ticks.
# TYPE vedette_ticks counter
vedette_ticks_total 0.0
# HELP foreign Made\nelsewhere.
# TYPE foreign unknown
foreign{a="b",c="d"} -Inf
# HELP odd_counter Made\nelsewhere.
# TYPE odd_counter unknown
odd_counter 1e-07
# HELP odd Made\nelsewhere.
# TYPE odd info
odd_info{version="1"} 1
# HELP oddity Made\nelsewhere.
# TYPE oddity unknown
oddity{version="1"} 1
# EOF
"#;
    assert_eq!(print(&snapshot(), Format::OpenMetrics), wanted);
}

struct Rig {
    page: Page,
    cut: watch::Sender<Option<Arc<Snapshot>>>,
    ledger: Ledger,
    meters: Meters,
    book: Book,
    now: Now,
}

fn rig(stuck: &'static [&'static str]) -> Rig {
    let (cut, snapshots) = watch::channel(None);
    let (book, ledger, clock) = (Book::default(), Ledger::default(), Sim::new().clock());
    let meters = Meters::open(&book, Traffic::default());
    let now = clock.now();
    let page = Page::new("nvr-7", snapshots, Arc::new(|| stuck.to_vec()), ledger.clone(), clock, meters.clone());
    Rig { page, cut, ledger, meters, book, now }
}

impl Rig {
    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        self.page.serve(Asked { parts, peer: "10.0.0.9".to_owned() }).await
    }
    async fn status(&self, method: &str, path: &str) -> u16 {
        self.ask(method, path, &[]).await.response.status().as_u16()
    }
}

#[tokio::test]
async fn before_the_first_snapshot_metrics_says_when_to_come_back() {
    let rig = rig(&[]);
    let answer = rig.ask("GET", "/metrics", &[]).await.response;
    assert_eq!((answer.status().as_u16(), answer.headers()[RETRY_AFTER].to_str().unwrap()), (503, "5"));
    assert_eq!(rig.status("GET", "/readyz").await, 503);
    assert_eq!(rig.status("GET", "/healthz").await, 200, "alive without having seen anything");
    rig.cut.send_replace(Some(snapshot()));
    assert_eq!((rig.status("GET", "/metrics").await, rig.status("GET", "/readyz").await), (200, 200));
}

#[tokio::test]
async fn a_snapshot_is_written_once_per_form_and_its_bytes_are_shared() {
    let rig = rig(&[]);
    rig.cut.send_replace(Some(snapshot()));
    let first = rig.ask("GET", "/metrics", &[]).await.response.into_body();
    let again = rig.ask("GET", "/metrics", &[]).await.response.into_body();
    assert_eq!(first.as_ptr(), again.as_ptr());
    rig.cut.send_replace(Some(snapshot()));
    let next = rig.ask("GET", "/metrics", &[]).await.response.into_body();
    assert_ne!(first.as_ptr(), next.as_ptr());
}

#[tokio::test]
async fn a_packed_page_unpacks_to_the_plain_one() {
    let rig = rig(&[]);
    rig.cut.send_replace(Some(snapshot()));
    let accept = ("accept", "application/openmetrics-text;version=1.0.0");
    let plain = rig.ask("GET", "/metrics", &[accept]).await.response;
    assert_eq!(plain.headers()[CONTENT_TYPE], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let packed = rig.ask("GET", "/metrics", &[accept, ("accept-encoding", "gzip")]).await.response;
    assert_eq!(packed.headers()[CONTENT_ENCODING], "gzip");
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed.body()[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(plain.body(), &unpacked);
}

#[tokio::test]
async fn a_scrape_is_in_the_ledger_only_after_its_last_byte() {
    let rig = rig(&[]);
    rig.cut.send_replace(Some(snapshot()));
    let by_hand = rig.ask("GET", "/metrics", &[("user-agent", "curl/7")]).await;
    assert!(by_hand.delivered.is_none());
    let agent = "x".repeat(500);
    let headers = [("user-agent", agent.as_str()), ("x-prometheus-scrape-timeout-seconds", "2")];
    let scrape = rig.ask("GET", "/metrics", &headers).await;
    assert!(rig.ledger.scrapers().is_empty());
    scrape.delivered.unwrap()();
    assert_eq!(rig.ledger.scrapers()[0].who, format!("10.0.0.9 {}", "x".repeat(80)));
}

#[tokio::test]
async fn only_what_exists_is_answered_and_nothing_can_be_written() {
    let rig = rig(&["hub", "store"]);
    for path in ["/", "/metrics", "/healthz", "/readyz"] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            assert_eq!(rig.status(method, path).await, 405, "{method} {path}");
        }
    }
    assert_eq!(rig.status("HEAD", "/").await, 200);
    assert_eq!(rig.status("GET", "/metric").await, 404);
    let health = rig.ask("GET", "/healthz", &[]).await.response;
    assert_eq!((health.status().as_u16(), &health.body()[..]), (503, &b"stuck: hub, store\n"[..]));
}

#[tokio::test]
async fn the_page_counts_its_own_answers() {
    let rig = rig(&[]);
    rig.status("GET", "/metrics").await;
    rig.cut.send_replace(Some(snapshot()));
    rig.status("GET", "/metrics").await;
    rig.status("GET", "/nothing").await;
    let mut report = Report::new(Window { from: rig.now.boot, to: rig.now.boot });
    rig.meters.fill(&mut report);
    let mut latest = Latest::new(rig.book.clone());
    latest.apply(&report);
    let seen = series(&print(&Arc::new(latest.snapshot(rig.now)), Format::Text));
    assert_eq!(seen[r#"vedette_page_requests_total{outcome="ok",path="metrics"}"#], 1.0);
    assert_eq!(seen[r#"vedette_page_requests_total{outcome="failed",path="metrics"}"#], 1.0);
    assert_eq!(seen[r#"vedette_page_requests_total{outcome="refused",path="other"}"#], 1.0);
    assert!(seen[r#"vedette_page_bytes_total{format="text"}"#] > 0.0);
    assert_eq!(seen[concat!("vedette_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}")], 1.0);
    let known: Vec<_> = FAMILIES.iter().map(|f| f.name.to_string()).collect();
    assert!(latest.snapshot(rig.now).rows.iter().all(|r| known.contains(&r.meta.family.name.to_string())));
}

#[test]
fn what_other_exporters_say_is_told_as_they_said_it_in_both_formats() {
    let (sim, book) = (Sim::new(), Book::default());
    let shelf = crate::metric::shelf::Shelf::new(book.clone());
    let at = sim.clock().boot();
    let mut report = Report::new(Window { from: at, to: at });
    let mut add = |name: &str, stem: &str, kind, labels: &[(&str, &str)], value: f64| {
        let family = Family {
            name: name.to_owned().into(),
            kind,
            unit: Unit::Count,
            labels: &[],
            help: "Of \"it\"".into(),
            learned: Some(stem.into()),
        };
        let hold = Hold::Read(std::time::Duration::from_secs(15));
        report.said(shelf.open(&family, Labels::new(labels.iter().copied()), hold).unwrap(), value);
    };
    add("x_sum", "x", Kind::Histogram, &[("a", "b")], f64::NAN);
    for (le, count) in [("10", 3.0), ("+Inf", 3.5), ("1", 2.0)] {
        add("x_bucket", "x", Kind::Histogram, &[("a", "b"), ("le", le)], count);
    }
    add("x_bucket", "x", Kind::Histogram, &[("le", "+Inf")], 0.0);
    // Between the histogram's names, by the alphabet.
    add("x_bytes", "x_bytes", Kind::Gauge, &[], 1.0);
    add("s", "s", Kind::Summary, &[("quantile", "0.5")], f64::INFINITY);
    add("s_count", "s", Kind::Summary, &[], 1.0);
    add("alloc", "alloc", Kind::Gauge, &[], 1.0);
    add("alloc_total", "alloc_total", Kind::Counter, &[], 2.0);
    add("requests_total", "requests_total", Kind::Counter, &[("scrape_id", "a")], 1e21);
    add("build_info", "build_info", Kind::Info, &[("v", "1")], 1.0);
    let mut latest = Latest::new(book);
    latest.apply(&report);
    let snapshot = Arc::new(latest.snapshot(sim.clock().now()));
    let openmetrics = print(&snapshot, Format::OpenMetrics);
    assert_eq!(
        openmetrics,
        r#"# HELP alloc Of \"it\"
# TYPE alloc gauge
alloc 1
# HELP alloc_total Of \"it\"
# TYPE alloc_total unknown
alloc_total 2
# HELP build Of \"it\"
# TYPE build info
build_info{v="1"} 1
# HELP requests Of \"it\"
# TYPE requests counter
requests_total{scrape_id="a"} 1e+21
# HELP s Of \"it\"
# TYPE s summary
s{quantile="0.5"} +Inf
s_count 1
# HELP x Of \"it\"
# TYPE x histogram
x_bucket{le="+Inf"} 0
x_bucket{a="b",le="1"} 2
x_bucket{a="b",le="10"} 3
x_bucket{a="b",le="+Inf"} 3.5
x_sum{a="b"} NaN
# HELP x_bytes Of \"it\"
# TYPE x_bytes gauge
x_bytes 1
# EOF
"#
    );
    let text = print(&snapshot, Format::Text);
    assert!(text.contains("# TYPE alloc_total counter\nalloc_total 2\n"), "{text}");
    let samples = |page: &str| page.lines().filter(|l| !l.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(samples(&text), samples(&openmetrics));
}
