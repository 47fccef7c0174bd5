//! Other exporters through the daemon: Debian's, held against what a Prometheus gets from them itself; a hostile one; and
//! pages on which we and a Prometheus server must be of one mind.

mod alive;
mod cases;
mod debian;
mod hostile;
mod stood;

use crate::support::prometheus::{Prometheus, test_rules};
use crate::support::wait;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use vedette::metric::labels::Labels;
use vedette::wire::exposition::{Fault, Format, Line, Parser};

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
    format!("[[scrape]]\nid = \"{id}\"\nurl = \"http://127.0.0.1:{port}{path}\"\n{more}")
}

/// Series by their labels, and the bits of their values.
fn table(found: impl IntoIterator<Item = (Labels, f64)>) -> BTreeMap<Labels, u64> {
    found.into_iter().map(|(labels, value)| (labels, value.to_bits())).collect()
}

fn asked(prometheus: &Prometheus, expr: &str) -> Vec<(Labels, f64)> {
    prometheus.query(expr).into_iter().map(|(labels, value)| (Labels::new(labels), value)).collect()
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
    let instance = format!("127.0.0.1:{port}");
    let mut apart = Vec::new();
    for (n, (format, text)) in cases.iter().enumerate() {
        let n = n.to_string();
        let target = Labels::new([("job", "cases"), ("instance", &instance), ("case", &n)]);
        let ours = kept(text, *format, &target);
        let theirs = asked(&prometheus, &format!("{{case=\"{n}\",__name__!~\"up|scrape_.*\"}}"));
        let theirs = up[&n].then(|| table(theirs));
        if theirs.as_ref() != ours.as_ref().ok() {
            apart.push(format!("{format:?} {text:?}: theirs {theirs:?}, ours {ours:?}"));
        }
    }
    assert!(apart.is_empty(), "{}", apart.join("\n"));
}

/// What a server would keep of a page: the first of each series.
fn kept(page: &str, format: Format, target: &Labels) -> Result<BTreeMap<Labels, u64>, Fault> {
    let mut parser = Parser::new(page.as_bytes(), format);
    let mut all = BTreeMap::new();
    while let Some(line) = parser.next_line() {
        let Line::Sample(sample) = line? else { continue };
        let labels = Labels::new(parser.labels().iter().map(|(name, value)| (*name, &**value))).under(target);
        all.entry(labels.with([("__name__", sample.name)])).or_insert(sample.value.to_bits());
    }
    Ok(all)
}

#[test]
fn the_rules_fire_when_they_should() {
    test_rules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/probe/scrape/testdata/rules_test.yml"));
}
