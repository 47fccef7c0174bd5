//! Other exporters through the daemon: Debian's, held against what a Prometheus gets from them itself; a hostile one; and
//! pages on which we and a Prometheus server must be of one mind.

mod cases;

use crate::support::prometheus::{Prometheus, test_rules};
use crate::support::vedette::{START, Vedette};
use crate::support::{Kid, free_port, wait};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use vedette::wire::exposition::{Format, Line, Parser};

const SOON: Duration = Duration::from_secs(60);
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Answer = Arc<dyn Fn(&str, &mut TcpStream) -> std::io::Result<()> + Send + Sync>;

/// An exporter that answers a path as the test says, for as long as the test binary lives. Returns its port.
fn exporter(answer: impl Fn(&str, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer: Answer = Arc::new(answer);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                let mut head = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let path = head.next().and_then(|l| l.split(' ').nth(1).map(str::to_owned)).unwrap_or_default();
                head.find(String::is_empty);
                // Who asked may have gone.
                let _gone = answer(&path, &mut stream);
            });
        }
    });
    port
}

fn head(stream: &mut TcpStream, media: &str) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nConnection: close\r\n\r\n")
}

fn page(stream: &mut TcpStream, media: &str, body: &str) -> std::io::Result<()> {
    head(stream, media)?;
    stream.write_all(body.as_bytes())
}

fn target(id: &str, port: u16, path: &str, more: &str) -> String {
    format!("[[scrape]]\nid = \"{id}\"\nurl = \"http://127.0.0.1:{port}{path}\"\nevery = \"1s\"\n{more}")
}

/// By name and labels, without those that tell apart who asked.
fn bare(found: Vec<(BTreeMap<String, String>, f64)>) -> BTreeMap<String, u64> {
    let one = |(mut labels, value): (BTreeMap<String, String>, f64)| {
        for name in ["job", "instance", "scrape_id", "case"] {
            labels.remove(name);
        }
        (format!("{labels:?}"), value.to_bits())
    };
    found.into_iter().map(one).collect()
}

/// Debian's exporters, on free ports, without what they watch.
fn debians() -> Vec<(&'static str, u16, Kid)> {
    let start = |id, binary: &str, arguments: &[&str], listen: &str| {
        let port = free_port();
        let mut command = Command::new(binary);
        command.args(arguments).arg(format!("{listen}=127.0.0.1:{port}"));
        command.env("DATA_SOURCE_NAME", "postgresql://nobody@127.0.0.1:1/postgres?sslmode=disable");
        let kid = Kid::spawn(command.stdout(Stdio::null()).stderr(Stdio::null()));
        wait(id, START, || TcpStream::connect(("127.0.0.1", port)).ok());
        (id, port, kid)
    };
    let listen = "--web.listen-address";
    vec![
        start("node", "prometheus-node-exporter", &[], listen),
        start("process", "prometheus-process-exporter", &["-procnames", "vedette,systemd"], "-web.listen-address"),
        start("redis", "prometheus-redis-exporter", &["--redis.addr=redis://127.0.0.1:1"], listen),
        start("postgres", "prometheus-postgres-exporter", &["--auto-discover-databases"], listen),
    ]
}

fn captured(port: u16, accept: &str) -> String {
    let mut curl = Command::new("curl");
    curl.args(["-sf", "--max-time", "20", "-H"]).arg(format!("Accept: {accept}"));
    let done = curl.arg(format!("http://127.0.0.1:{port}/metrics")).output().unwrap();
    assert!(done.status.success(), "port {port}");
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn a_prometheus_gets_from_us_what_it_gets_from_debians_exporters_themselves() {
    // Their pages stand still, so that both see the same numbers.
    let mut pages = BTreeMap::new();
    for (id, port, _kid) in &debians() {
        let path = |format: &str| format!("/{id}/{format}");
        pages.insert(path("text"), ("text/plain; version=0.0.4", captured(*port, "text/plain")));
        let openmetrics = captured(*port, "application/openmetrics-text;version=1.0.0");
        let media = if openmetrics.ends_with("# EOF\n") { OPENMETRICS } else { "text/plain; version=0.0.4" };
        pages.insert(path("openmetrics"), (media, openmetrics));
    }
    let paths: Vec<_> = pages.keys().cloned().collect();
    let port = exporter(move |path, stream| match pages.get(path) {
        Some((media, body)) => page(stream, media, body),
        None => stream.write_all(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n"),
    });
    let id = |path: &str| path.trim_start_matches('/').replace('/', "_");
    let targets: String = paths.iter().map(|path| target(&id(path), port, path, "")).collect();
    let mut vedette = Vedette::new(&format!("[node]\ntick = \"1s\"\n{targets}"));
    vedette.start();
    let mut config = Prometheus::job("vedette", vedette.port, "")
        .replace("scrape_timeout: 1s", "scrape_timeout: 1s\n    honor_labels: false");
    for path in &paths {
        config += &format!(
            "  - job_name: {}\n    metrics_path: {path}\n    scrape_interval: 1s\n    scrape_timeout: 1s\n    \
             honor_timestamps: false\n    static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n",
            id(path)
        );
    }
    let prometheus = Prometheus::start(&config, &[]);
    // Names of ours are refused, and counted; theirs pass to the last one.
    let ours: Vec<_> = prometheus_names(&prometheus, &vedette);
    for path in &paths {
        let id = id(path);
        prometheus.value(&format!("up{{job=\"{id}\"}}"), SOON, |up| up == 1.0);
        prometheus.value(&format!("scrape_up{{scrape_id=\"{id}\"}}"), SOON, |up| up == 1.0);
        let direct = format!("{{job=\"{id}\",__name__!~\"up|scrape_(duration|samples|series).*\"}}");
        let through = format!("{{job=\"vedette\",scrape_id=\"{id}\",__name__!~\"scrape_.*\"}}");
        let both = || {
            let mut theirs = prometheus.query(&direct);
            theirs.retain(|(labels, _)| !ours.contains(&labels["__name__"]));
            (bare(theirs), bare(prometheus.query(&through)))
        };
        let same = || Some(both()).filter(|(theirs, through)| !theirs.is_empty() && theirs == through);
        let (theirs, _) = wait(&id, SOON, same);
        assert!(theirs.len() > 30, "{id}: {} series", theirs.len());
        let clash = format!("scrape_refused_samples_total{{scrape_id=\"{id}\",reason!=\"name_taken\"}} > 0");
        assert_eq!(prometheus.query(&clash), []);
    }
}

/// Names of the series that the daemon exports of its own.
fn prometheus_names(prometheus: &Prometheus, vedette: &Vedette) -> Vec<String> {
    let own = wait("a scrape of the daemon", SOON, || {
        let found = prometheus.query("{job=\"vedette\",scrape_id=\"\"}");
        (!found.is_empty()).then_some(found)
    });
    assert!(vedette.page().contains("process_resident_memory_bytes"));
    own.into_iter().map(|(labels, _)| labels["__name__"].clone()).collect()
}

#[test]
fn debians_exporters_are_scraped_alive_and_leave_when_they_die() {
    let mut exporters = debians();
    let targets: String = exporters
        .iter()
        .map(|(id, port, _)| target(id, *port, "/metrics", "timeout = \"1s\"\nfamilies = [\"redis_*\"]\n"))
        .collect();
    let mut vedette = Vedette::new(&format!("[node]\ntick = \"1s\"\n{targets}"));
    vedette.rules("groups: [{name: g, rules: [{alert: RedisDown, expr: redis_up == 0}]}]\n");
    vedette.start();
    for (id, ..) in &exporters {
        vedette.wait_value(&format!("scrape_up{{scrape_id=\"{id}\"}}"), SOON, |up| up == 1.0);
    }
    vedette.wait_value("go_goroutines{scrape_id=\"redis\"}", SOON, |n| n > 0.0);
    vedette.wait_value("vedette_alerts_active{phase=\"firing\"}", SOON, |n| n == 1.0);
    exporters.retain(|(id, ..)| *id != "redis");
    vedette.wait_value("scrape_failures_total{reason=\"unreachable\",scrape_id=\"redis\"}", SOON, |n| n >= 1.0);
    wait("the end of its series", SOON, || (!vedette.page().contains("redis_up{")).then_some(()));
    assert!(vedette.stop().success());
    let export = vedette.verb(&["export", "--untrusted", "--from", "1h", "--job", "v", "--instance", "b"]);
    let text = String::from_utf8(export.stdout).unwrap();
    assert!(text.contains("redis_up{instance=\"b\",job=\"v\",scrape_id=\"redis\"} 0"), "{}", text.len());
}

#[test]
fn a_hostile_exporter_costs_itself_and_nobody_else() {
    let port = exporter(|path, stream| {
        head(stream, "text/plain")?;
        match path {
            "/endless" => loop {
                stream.write_all(b"endless_total 1\n")?;
            },
            "/million" => (0..1_000_000).try_for_each(|n| writeln!(stream, "m{{n=\"{n}\"}} 1")),
            "/drip" => loop {
                stream.write_all(b"drip 1\n")?;
                stream.flush()?;
                let (sender, receiver) = std::sync::mpsc::channel::<()>();
                let _late = receiver.recv_timeout(Duration::from_millis(200));
                drop(sender);
            },
            "/bomb" => {
                let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
                packer.write_all(&vec![b'a'; 10 << 20])?;
                stream.write_all(&packer.finish()?)
            }
            "/types" => {
                stream.write_all(b"# TYPE x counter\n# TYPE x histogram\nx 1\nx_bucket 2\nx{le=\"z\"} NaN\nNaN 3\n")
            }
            "/wrong" => stream.write_all(b"# TYPE x nonsense\nx 1\n"),
            "/names" => {
                stream.write_all(b"vedette_up 1\nALERTS{alertname=\"x\"} 1\nscrape_up{scrape_id=\"good\"} 0\ngood 0\n")
            }
            _ => stream.write_all(b"good 1\n"),
        }
    });
    let paths = ["good", "endless", "million", "drip", "bomb", "types", "wrong", "names"];
    let targets: String = paths.iter().map(|id| target(id, port, &format!("/{id}"), "timeout = \"1s\"\n")).collect();
    let mut vedette = Vedette::new(&format!("[node]\ntick = \"1s\"\n{targets}"));
    vedette.start();
    let failed = |id: &str, reasons: &[&str]| {
        wait(id, SOON, || {
            let series = |why: &&str| format!("scrape_failures_total{{reason=\"{why}\",scrape_id=\"{id}\"}}");
            reasons.iter().find(|why| vedette.value(&series(why)).is_some_and(|n| n >= 2.0)).copied()
        });
        assert_eq!(vedette.value(&format!("scrape_up{{scrape_id=\"{id}\"}}")), Some(0.0), "{id}");
    };
    // Which bound of the first two is met first is a matter of speed.
    failed("endless", &["too_large", "timeout"]);
    failed("million", &["too_large", "timeout"]);
    failed("drip", &["timeout"]);
    failed("bomb", &["malformed"]);
    failed("wrong", &["malformed"]);
    vedette.wait_value("x{scrape_id=\"types\"}", SOON, |n| n == 1.0);
    vedette.wait_value("NaN{scrape_id=\"types\"}", SOON, |n| n == 3.0);
    vedette.wait_value("good{scrape_id=\"names\"}", SOON, |n| n == 0.0);
    vedette.wait_value("good{scrape_id=\"good\"}", SOON, |n| n == 1.0);
    assert_eq!(vedette.value("scrape_up{scrape_id=\"good\"}"), Some(1.0));
    let taken = "scrape_refused_samples_total{reason=\"name_taken\",scrape_id=\"names\"}";
    vedette.wait_value(taken, SOON, |n| n >= 3.0);
    let memory = vedette.value("process_resident_memory_bytes").unwrap();
    assert!(memory < 150e6, "{memory}");
}

#[test]
fn what_a_prometheus_server_takes_we_take_and_what_it_refuses_we_refuse() {
    let text = cases::TEXT.iter().map(|page| (Format::Text, *page));
    let cases: Vec<_> = text.chain(cases::OPENMETRICS.iter().map(|page| (Format::OpenMetrics, *page))).collect();
    let served = cases.clone();
    let port = exporter(move |path, stream| {
        let (format, body) = served[path.trim_start_matches("/case/").parse::<usize>().unwrap()];
        page(stream, if format == Format::OpenMetrics { OPENMETRICS } else { "text/plain" }, body)
    });
    let mut config = "scrape_configs:\n  - job_name: cases\n    scrape_interval: 10s\n    scrape_timeout: 10s\n    \
                      honor_timestamps: false\n    static_configs:\n"
        .to_owned();
    for n in 0..cases.len() {
        config += &format!(
            "      - {{targets: ['127.0.0.1:{port}'], labels: {{case: '{n}', __metrics_path__: '/case/{n}'}}}}\n"
        );
    }
    let prometheus = Prometheus::start(&config, &[]);
    let up = wait("all scrapes", SOON, || Some(prometheus.query("up")).filter(|all| all.len() == cases.len()));
    let up: BTreeMap<_, _> = up.into_iter().map(|(labels, up)| (labels["case"].clone(), up == 1.0)).collect();
    for (n, (format, text)) in cases.iter().enumerate() {
        let ours = read(text, *format);
        assert_eq!(ours.is_ok(), up[&n.to_string()], "{format:?} {text:?}: {ours:?}");
        let theirs = prometheus.query(&format!("{{case=\"{n}\",__name__!~\"up|scrape_.*\"}}"));
        assert_eq!(bare(theirs), ours.unwrap_or_default(), "{format:?} {text:?}");
    }
}

/// What a server would keep of a page: the first of each series, with `job` and `instance` renamed.
fn read(page: &str, format: Format) -> Result<BTreeMap<String, u64>, String> {
    let mut parser = Parser::new(page.as_bytes(), format);
    let mut all = BTreeMap::new();
    while let Some(line) = parser.next_line() {
        let Line::Sample(sample) = line.map_err(|fault| fault.to_string())? else { continue };
        let mut labels: BTreeMap<String, String> = parser
            .labels()
            .iter()
            .filter(|(_, v)| !v.is_empty())
            .map(|(n, v)| ((*n).to_owned(), v.to_string()))
            .collect();
        for name in ["job", "instance"] {
            if let Some(value) = labels.remove(name) {
                let mut free = format!("exported_{name}");
                while labels.contains_key(&free) {
                    free.insert_str(0, "exported_");
                }
                labels.insert(free, value);
            }
        }
        labels.insert("__name__".to_owned(), sample.name.to_owned());
        all.entry(format!("{labels:?}")).or_insert(sample.value.to_bits());
    }
    Ok(all)
}

#[test]
fn the_rules_fire_when_they_should() {
    test_rules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/probe/scrape/testdata/rules_test.yml"));
}
