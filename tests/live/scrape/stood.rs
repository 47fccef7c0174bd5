//! Pages that stand still, so that a Prometheus sees the same numbers whether it asks the exporter or asks us: those of
//! Debian's exporters as they were written in both formats, and one on which labels clash.

use super::{OPENMETRICS, SOON, debian, exporter, page, target};
use crate::support::prometheus::{Prometheus, promtool};
use crate::support::vedette::Vedette;
use crate::support::wait;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use vedette::metric::labels::Labels;

const TEXT: &str = "text/plain; version=0.0.4";
/// Looks at both sides until they are held to be different for good.
const LOOKS: usize = 200;

/// Labels that an exporter should not have, relabelling has to do with, or are hard to write.
const CLASH: &str = r#"# TYPE clash_gauge gauge
clash_gauge 1
clash_gauge{scrape_id="theirs"} 2
clash_gauge{scrape_id="",a=""} 3
clash_gauge{job="j",instance="i",exported_job="e"} NaN
clash_gauge{scrape_id="theirs",exported_scrape_id="e"} -Inf
# TYPE clash_go_total counter
clash_go_total{path="C:\\DIR \"it\"\n"} 1e21
clash_go_total{path="keep",zone="b"} 1e-7
clash_go_total{path="keep",zone="bb"} 1e-300
other{path="keep"} 0
"#;

/// What none of Debian's exporters writes: OpenMetrics, with every type that it has.
const MADE: &str = r#"# TYPE made_requests counter
# UNIT made_depth_meters meters
# HELP made_requests Requests with \"quotes\".
made_requests_total{code="200"} 17.0 1520879607.789 # {trace_id="K"} 0.67 1520879607.1
made_requests_created{code="200"} 1520430000.123
# TYPE made_wait histogram
made_wait_bucket{le="0.1"} 1 # {} 0.05
made_wait_bucket{le="+Inf"} 2
made_wait_sum 0.3
made_wait_count 2
made_wait_created 1520430000.123
# TYPE made_size summary
made_size{quantile="0.5"} NaN
made_size_sum 0
made_size_count 0
# TYPE made_queue gaugehistogram
made_queue_bucket{le="+Inf"} 1
made_queue_gsum 1
made_queue_gcount 1
# TYPE made_state stateset
made_state{made_state="a"} 1
made_state{made_state="b"} 0
# TYPE made_build info
made_build_info{version="1"} 1
# TYPE made_depth gauge
made_depth -0.5
made_bare 1e300
# EOF
"#;

const RELABEL: &str = r#"
[[scrape.relabel]]
action = "keep"
regex = "clash_.*"
[[scrape.relabel]]
action = "drop"
source = "zone"
regex = "b|c"
[[scrape.relabel]]
action = "set"
source = "path"
regex = ".*it.*\n"
label = "tier"
value = "x"
[[scrape.relabel]]
action = "set"
label = "path"
value = ""
"#;

/// The same as Prometheus has it.
const METRIC_RELABEL: &str = r#"    metric_relabel_configs:
    - {action: keep, source_labels: [__name__], regex: 'clash_.*'}
    - {action: drop, source_labels: [zone], regex: 'b|c'}
    - {source_labels: [path], regex: ".*it.*\n", target_label: tier, replacement: x}
    - {target_label: path, replacement: ''}
"#;

/// One page of an exporter, and how we and a Prometheus take it.
struct Subject {
    id: String,
    media: &'static str,
    body: String,
    toml: &'static str,
    yaml: &'static str,
    honor: bool,
}

fn subjects() -> Vec<Subject> {
    let subject = |id: &str, media, body| Subject { id: id.to_owned(), media, body, toml: "", yaml: "", honor: false };
    let mut all = Vec::new();
    for debian::Exporter { id, server, .. } in &debian::all() {
        all.push(subject(&format!("{id}_text"), TEXT, captured(server.port, "text/plain")));
        let body = captured(server.port, "application/openmetrics-text;version=1.0.0");
        if body.ends_with("# EOF\n") {
            all.push(subject(&format!("{id}_openmetrics"), OPENMETRICS, body));
        }
    }
    all.push(subject("made", OPENMETRICS, MADE.to_owned()));
    all.push(subject("clash", TEXT, CLASH.to_owned()));
    all.push(Subject { toml: RELABEL, yaml: METRIC_RELABEL, ..subject("relabelled", TEXT, CLASH.to_owned()) });
    // Under names of its own: its scrape_id does not say which page it is of.
    let honoured = CLASH.replace("clash", "honoured").replace("other", "honoured");
    all.push(Subject { toml: "honor_labels = true\n", honor: true, ..subject("honoured", TEXT, honoured) });
    all
}

fn captured(port: u16, accept: &str) -> String {
    let mut curl = Command::new("curl");
    curl.args(["-sf", "--max-time", "20", "-H"]).arg(format!("Accept: {accept}"));
    let done = curl.arg(format!("http://127.0.0.1:{port}/metrics")).output().unwrap();
    assert!(done.status.success(), "port {port}");
    String::from_utf8(done.stdout).unwrap()
}

/// A job that asks every second; what it brings says by `via` that it came this way.
fn job(via: &str, port: u16, path: &str, honor: bool, labels: &str, more: &str) -> String {
    format!(
        "  - job_name: {via}\n    metrics_path: {path}\n    scrape_interval: 1s\n    scrape_timeout: 1s\n    \
         honor_labels: {honor}\n    honor_timestamps: false\n    \
         static_configs: [{{targets: ['127.0.0.1:{port}'], labels: {{via: {via}{labels}}}}}]\n{more}"
    )
}

/// What a Prometheus has of a subject, without the labels that say whom it asked.
fn table(prometheus: &Prometheus, expr: &str) -> BTreeMap<Labels, u64> {
    let found = super::asked(prometheus, expr).into_iter().map(|(labels, value)| {
        let server = |name: &&str| labels.get(name).is_some_and(|v| v.starts_with("127.0.0.1:") || v.contains("way_"));
        let names: Vec<_> = ["job", "instance", "via"].into_iter().filter(server).collect();
        (labels.without(&names), value)
    });
    super::table(found)
}

/// The first of what stands in one and not in the other.
fn apart(theirs: &BTreeMap<Labels, u64>, ours: &BTreeMap<Labels, u64>) -> Vec<String> {
    let say = |who: &str, (labels, bits): (&Labels, &u64)| format!("{who}: {labels} {}", f64::from_bits(*bits));
    let lost = theirs.iter().filter(|(labels, bits)| ours.get(labels) != Some(bits)).map(|one| say("theirs", one));
    let more = ours.iter().filter(|(labels, bits)| theirs.get(labels) != Some(bits)).map(|one| say("ours", one));
    lost.take(10).chain(more.take(10)).collect()
}

#[test]
fn a_prometheus_gets_from_us_and_from_our_export_what_it_gets_from_an_exporter_itself() {
    let subjects = subjects();
    let pages: BTreeMap<_, _> = subjects.iter().map(|s| (format!("/{}", s.id), (s.media, s.body.clone()))).collect();
    let port = exporter(move |path, stream| page(stream, pages[path].0, &pages[path].1));
    let every = |s: &Subject| target(&s.id, port, &format!("/{}", s.id), &format!("every = \"1s\"\n{}", s.toml));
    let targets: String = subjects.iter().map(every).collect();
    let mut vedette = Vedette::new(&format!("[node]\ntick = \"1s\"\n{targets}"));
    vedette.start();
    let mut config = "scrape_configs:\n".to_owned();
    for Subject { id, honor, yaml, .. } in &subjects {
        config += &job(&format!("way_{id}"), port, &format!("/{id}"), *honor, &format!(", scrape_id: {id}"), yaml);
    }
    for honor in [false, true] {
        config += &job(&format!("way_{honor}"), vedette.port, "/metrics", honor, "", "");
    }
    let prometheus = Prometheus::start(&config, &[]);
    let ours = names_of_ours(&prometheus);
    let mut direct = BTreeMap::new();
    for Subject { id, honor, .. } in &subjects {
        let which = format!("{},__name__!~\"up|scrape_.*\"", whose(id, *honor));
        let mut looks = 0;
        let apart = wait(id, 2 * SOON, || {
            let mut theirs = table(&prometheus, &format!("{{via=\"way_{id}\",{which}}}"));
            // Names of ours are refused, and that is counted.
            theirs.retain(|labels, _| !ours.contains(labels.get("__name__").unwrap()));
            let apart = apart(&theirs, &table(&prometheus, &format!("{{via=\"way_{honor}\",{which}}}")));
            looks += 1;
            let done = (!theirs.is_empty() && apart.is_empty()) || looks == LOOKS;
            direct.insert(id.clone(), theirs);
            done.then_some(apart)
        });
        assert_eq!(apart, [""; 0], "{id}");
        let clash = format!("scrape_refused_samples_total{{scrape_id=\"{id}\",reason=~\"other_type|churn\"}} > 0");
        assert_eq!(prometheus.query(&clash), [], "{id}");
    }
    let figures: Vec<_> = direct.iter().map(|(id, series)| format!("{id} {}", series.len())).collect();
    eprintln!("series alike: {}", figures.join(", "));
    heads_are_alike(&subjects, &vedette, &ours);

    assert!(vedette.stop().success());
    let (file, data) = (vedette.path("export.om").display().to_string(), vedette.path("data"));
    let labels = ["--job", "way_x", "--instance", "127.0.0.1:1"];
    let export = vedette.verb(&[&["export", "--untrusted", "--from", "1h", "-o", &file], &labels[..]].concat());
    assert!(export.status.success(), "{}", String::from_utf8_lossy(&export.stderr));
    let (made, said) = promtool(&["tsdb", "create-blocks-from", "openmetrics", &file, &data.display().to_string()], "");
    assert!(made, "{said}");
    let prometheus = Prometheus::over(&data, "", &["--storage.tsdb.retention.time=10y"]);
    for Subject { id, honor, .. } in subjects.iter().filter(|s| !s.honor) {
        let which = format!("{{{},__name__!~\"scrape_.*\"}}", whose(id, *honor));
        assert_eq!(apart(&direct[id], &table(&prometheus, &which)), [""; 0], "export of {id}");
    }
}

/// Selects the series of a subject.
fn whose(id: &str, honor: bool) -> String {
    if honor { "__name__=~\"honoured.*\"".to_owned() } else { format!("scrape_id=\"{id}\"") }
}

/// Names of the series that the daemon exports of its own.
fn names_of_ours(prometheus: &Prometheus) -> BTreeSet<String> {
    let own = wait("a scrape of the daemon", SOON, || {
        let found = prometheus.query("{via=\"way_false\",scrape_id=\"\",__name__!~\"honoured.*\"}");
        (found.len() > 10).then_some(found)
    });
    own.into_iter().map(|(labels, _)| labels["__name__"].clone()).collect()
}

/// Every HELP and TYPE line of the exporters' text pages stands on ours, word for word; on our OpenMetrics page a family has
/// the same type, or none where the format cannot say it.
fn heads_are_alike(subjects: &[Subject], vedette: &Vedette, ours: &BTreeSet<String>) {
    let text = vedette.page();
    let openmetrics = vedette.get_with("/metrics", "Accept: application/openmetrics-text;version=1.0.0\r\n").unwrap();
    let (text, openmetrics): (BTreeSet<_>, BTreeSet<_>) = (text.lines().collect(), openmetrics.lines().collect());
    let (mut alike, mut untyped) = (0, BTreeSet::new());
    for subject in subjects.iter().filter(|s| s.media == TEXT && s.yaml.is_empty()) {
        for line in subject.body.lines().filter(|line| line.starts_with("# ")) {
            let mut words = line.split(' ').skip(1);
            let (what, name) = (words.next().unwrap(), words.next().unwrap());
            if ours.contains(name) {
                continue;
            }
            assert!(text.contains(line), "{}: {line}", subject.id);
            alike += 1;
            let kind = words.next().unwrap_or_default();
            if what == "TYPE" {
                let stem = if kind == "counter" { name.strip_suffix("_total").unwrap_or(name) } else { name };
                let same = openmetrics.contains(&*format!("# TYPE {stem} {}", kind.replace("untyped", "unknown")));
                if !same {
                    assert!(openmetrics.contains(&*format!("# TYPE {name} unknown")), "{}: {line}", subject.id);
                    assert_eq!(kind, "counter", "{}: {line}", subject.id);
                    untyped.insert(name);
                }
            }
        }
    }
    eprintln!("{alike} lines of HELP and TYPE alike; counters of unknown type in OpenMetrics: {untyped:?}");
}
