//! Our rules against Prometheus' own promtool: what a rule file may say, how templates expand, and how alarms live.

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use vedette::alert::{Given, Judge, Template, parse};
use vedette::base::clock::{Boot, Now, Wall, Window};
use vedette::base::settings::Severity;
use vedette::metric::alarm::Stamp;
use vedette::metric::book::{Book, Hold, Series};
use vedette::metric::desc::{Desc, Unit};
use vedette::metric::labels::Labels;
use vedette::metric::latest::Latest;
use vedette::metric::report::{NoData, Report};
use vedette::query::{Compat, NAME};

/// Runs promtool in `dir`; its output if it refuses.
fn promtool(dir: &Path, arguments: &[&str]) -> Result<(), String> {
    let out = Command::new("promtool").args(arguments).current_dir(dir).output();
    let out = out.unwrap_or_else(|e| panic!("cannot run promtool: {e}; `make setup` installs it"));
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    if out.status.success() { Ok(()) } else { Err(said) }
}

/// Writes the files and has promtool test them (JSON is YAML).
fn promtool_test(rules: &Value, tests: &Value) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("rules.yml"), rules.to_string()).unwrap();
    fs::write(dir.path().join("tests.yml"), tests.to_string()).unwrap();
    promtool(dir.path(), &["test", "rules", "tests.yml"])
}

/// Every `rules.yml` under `dir`.
fn rule_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            rule_files(&entry.path(), found);
        } else if entry.file_name() == "rules.yml" {
            found.push(entry.path());
        }
    }
}

#[test]
fn every_shipped_rule_is_good_for_promtool_and_for_us_and_has_a_unit_test() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    rule_files(&src, &mut found);
    assert!(found.contains(&src.join("alert/rules.yml")), "{found:?}");
    let texts: Vec<_> = found.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    for (path, text) in found.iter().zip(&texts) {
        let shown = path.strip_prefix(&src).unwrap().display().to_string();
        let dir = path.parent().unwrap();
        promtool(dir, &["check", "rules", "rules.yml"]).unwrap_or_else(|said| panic!("{shown}: {said}"));
        let sheet = parse(text, &shown, Compat::V3);
        assert_eq!(sheet.faults, [], "{shown}");
        for rule in &sheet.rules {
            assert!(rule.body.is_ok(), "{}: {} {:?}", rule.position(), rule.name, rule.body);
        }
        if sheet.rules.is_empty() {
            continue;
        }
        let tests = fs::read_to_string(dir.join("testdata/rules_test.yml"))
            .unwrap_or_else(|e| panic!("{shown} has rules but no testdata/rules_test.yml: {e}"));
        for rule in &sheet.rules {
            let ways = [format!("alertname: {}\n", rule.name), format!("alertname=\"{}\",", rule.name)];
            let named = ways.iter().any(|way| tests.contains(way));
            assert!(named, "no unit test names {} of {}", rule.name, rule.position());
        }
        promtool(dir, &["test", "rules", "testdata/rules_test.yml"]).unwrap_or_else(|said| panic!("{shown}: {said}"));
    }
}

#[test]
fn we_refuse_the_rule_files_that_promtool_refuses_and_no_others() {
    let rule = |text: &str| format!("groups:\n- name: a\n  rules:\n  - {}\n", text.replace('\n', "\n    "));
    let files = [
        "".to_owned(),
        "groups:\n".to_owned(),
        "groups: []\n".to_owned(),
        "rules: []\n".to_owned(),
        "groups: [{name: a}, {name: a}]\n".to_owned(),
        "groups: [{rules: []}]\n".to_owned(),
        "groups: [{name: a, interval: 1x}]\n".to_owned(),
        "groups: [{name: a, interval: 0s, limit: 3, rules: []}]\n".to_owned(),
        "groups: [{name: a, source: b}]\n".to_owned(),
        "groups:\n  - name: a\n    rules: {}\n".to_owned(),
        "x: &r {alert: A}\n".to_owned(),
        rule("alert: A\nexpr: up == 0"),
        rule("alert: A\nexpr: 1"),
        rule("alert: A\nexpr: 0x1F"),
        rule("alert: A with spaces\nexpr: '\"text\"'"),
        rule("alert: A"),
        rule("alert: A\nexpr: ''"),
        rule("expr: up"),
        rule("alert: ''\nexpr: up"),
        rule("alert: A\nrecord: r\nexpr: up"),
        rule("record: r\nexpr: up"),
        rule("record: r\nexpr: up\nfor: 5m"),
        rule("record: r\nexpr: up\nannotations: {a: b}"),
        rule("record: r-r\nexpr: up"),
        rule("record: r\nexpr: up\nlabels: {__name__: x}"),
        rule("alert: A\nexpr: up\nfor: 0"),
        rule("alert: A\nexpr: up\nfor: 5"),
        rule("alert: A\nexpr: up\nfor: 1h30m\nkeep_firing_for: 1d"),
        rule("alert: A\nexpr: up\nfor: 30m1h"),
        rule("alert: A\nexpr: up\nlabels: {a-b: x}"),
        rule("alert: A\nexpr: up\nlabels: {severity: 1, yes: true, nothing: }"),
        rule("alert: A\nexpr: up\nlabels: {severity: [1]}"),
        rule("alert: A\nexpr: up\nannotations: {\"9\": x}"),
        rule("alert: A\nexpr: up\nannotations: {a: '{{ $value | humanize }}'}"),
        rule("alert: A\nexpr: up\nannotations: {a: '{{ $value | nonsense }}'}"),
        rule("alert: A\nexpr: up\nannotations: {a: '{{ query \"up\" | first | value }}'}"),
        rule("alert: A\nexpr: up\nannotations: {a: '{{ if $value }}x'}"),
        rule("alert: A\nexpr: up\nannotations: {a: '{{ range query \"up\" }}{{ .Labels }}{{ end }}'}"),
        rule("alert: A\nexpr: up\nannotations: {a: '{{ $nope }}'}"),
        rule("alert: A\nexpr: up\nannotations: {a: '{{ $x := 1 }}{{ $x }}'}"),
        rule("alert: A\nexpr: up\nannotations: {a: 'x }} y'}"),
        rule("alert: A\nexpr: up\nseverity: high"),
        rule("alert: A\nexpr: sum(up) by\nfor: 5m"),
        rule("alert: A\nexpr: up\nalert: B"),
        rule("alert: A\nexpr: |\n  up\n    == 0\nfor: 5m"),
    ];
    let dir = tempfile::tempdir().unwrap();
    for text in files {
        fs::write(dir.path().join("r.yml"), &text).unwrap();
        let theirs = promtool(dir.path(), &["check", "rules", "r.yml"]);
        let mut ours = parse(&text, "r.yml", Compat::V2).faults;
        ours.retain(|fault| fault.severity == Severity::Error);
        assert_eq!(ours.is_empty(), theirs.is_ok(), "{text}\nours: {ours:#?}\ntheirs: {theirs:?}");
    }
}

#[test]
fn templates_expand_as_promtool_expands_them() {
    let values = [
        "0",
        "1",
        "-1",
        "0.5",
        "1.5",
        "999.5",
        "1000",
        "1024",
        "12345678.5",
        "1e6",
        "123456",
        "1e18",
        "1e-7",
        "0.00012",
        "-7.25",
        "59.9",
        "60",
        "86399.5",
        "1435065584.128",
        "-90061",
        "0.1234567",
        "5e-324",
        "NaN",
        "+Inf",
        "-Inf",
    ];
    let templates = [
        "plain",
        "{{ $value }}",
        "{{ .Value }}|{{ $labels.n }}|{{ .Labels.host }}|{{ $labels.nope }}",
        "{{ $value | humanize }}",
        "{{ $value | humanize1024 }}",
        "{{ $value | humanizeDuration }}",
        "{{ humanizePercentage .Value }}",
        "{{ printf \"%.2f\" $value }} {{ printf \"%8.3f|%-8.1f|%08.2f|%+.1f\" $value $value $value $value }}",
        "{{ printf \"%g %e %v %s %q %d%% %t\" $value $value $value $labels.host $labels.host 7 true }}",
        "{{ printf \"%d %s %v\" $value 3 }}{{ printf \"x\" 1 }}{{ printf \"%5s|%-5s|%.2s\" \"ab\" \"ab\" \"abc\" }}",
        "a {{- $labels.n -}} b {{/* c */}} {{- /* d */ -}} e",
        "{{ toUpper $labels.host }} {{ \"ABC\" | toLower }} {{ title \"yard gate_two x-y o'clock\" }}",
        "{{ if gt $value 1.0 }}high{{ else if lt .Value -1.0 }}low{{ else }}mid{{ end }}",
        "{{ with $labels.host }}{{ . }} {{ $value | humanize }}{{ else }}none{{ end }}{{ with .Labels.no }}x{{ else }}y{{ end }}",
        "{{ if and (eq $labels.n \"3\" \"4\") (not false) }}yes{{ end }}{{ or $labels.nope \"or\" }}",
        "{{ stripPort $labels.host }} {{ match \"^h.*9\" $labels.host }} {{ reReplaceAll \"(h)(.*)\" \"$2-$1\" $labels.host }}",
        "{{ $labels }} {{ len $labels.host }} {{ index $labels \"n\" }} {{ print 1 2 \"x\" 3 }} {{ 1e3 }} {{ 0x1f }} {{ -4 }}",
        "{{ $value | humanize | printf \"%s!\" | toUpper }} {{ (print $labels.host) }} {{ `raw }}` }} {{ \"\\u00e9\\t\" }}",
        "{{ humanize \"2500\" }} {{ humanize 3 }} {{ humanizeDuration \"93784\" }} {{ $externalLabels }}{{ .ExternalURL }}",
        "{{humanizeTimestamp 1435065584.128}} {{ humanizeTimestamp -1.5 }} {{ humanizeTimestamp 0 }}",
    ];
    let annotations: Value = templates
        .iter()
        .enumerate()
        .map(|(n, t)| (format!("a{n}"), json!(t)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let rules = json!({"groups": [{"name": "g", "rules": [{"alert": "A", "expr": "m", "annotations": annotations}]}]});
    let mut series = Vec::new();
    let mut alerts = Vec::new();
    for (n, value) in values.iter().enumerate() {
        let (number, name) = (value.parse().unwrap(), n.to_string());
        series.push(json!({"series": format!("m{{n=\"{n}\",host=\"h{n}:90\"}}"), "values": value.replace('+', "")}));
        let labels = Labels::new([("__name__", "m"), ("n", &name), ("host", &format!("h{n}:90"))]);
        let given = Given { labels: &labels, value: number };
        let expanded = templates.iter().enumerate();
        let expanded = expanded.map(|(n, t)| (format!("a{n}"), json!(Template::new(t).expand("A", &given))));
        alerts.push(json!({
            "exp_labels": {"n": name, "host": format!("h{n}:90")},
            "exp_annotations": expanded.collect::<serde_json::Map<_, _>>(),
        }));
    }
    let tests = json!({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [{
        "interval": "1m",
        "input_series": series,
        "alert_rule_test": [{"eval_time": "0m", "alertname": "A", "exp_alerts": alerts}],
    }]});
    promtool_test(&rules, &tests).unwrap_or_else(|said| {
        // Wanted and got differ in few of many long lines.
        let lines: Vec<_> = said.lines().map(str::trim).collect();
        let lonely = lines.iter().filter(|line| lines.iter().filter(|other| other == line).count() == 1);
        panic!("{}", lonely.copied().collect::<Vec<_>>().join("\n"))
    });
}

static M: Desc<1> = Desc::gauge("m", Unit::Count, ["t"], "a trace");

/// Steps of one trace, 15 s apart.
const STEPS: u64 = 64;
const STEP: u64 = 15;

/// Random traces; `None` is a series that is not there. Each goes on being what it is for a while, so that every `for` and
/// every `keep_firing_for` is sometimes passed and sometimes not.
fn traces(count: usize) -> Vec<Vec<Option<u64>>> {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let mut trace = || {
        let (mut all, mut left, mut value) = (Vec::new(), 0, None);
        for _ in 0..STEPS {
            if left == 0 {
                left = 1 + random(9);
                value = Some(random(10)).filter(|v| *v < 8);
            }
            left -= 1;
            all.push(value);
        }
        all
    };
    (0..count).map(|_| trace()).collect()
}

/// The judge and Prometheus agree on every alarm, pending or firing, and on when it became active, at every step. Known
/// to fail with these mutations of `alert/life.rs`: `>=` to `>` where `for` is over, and `<` to `<=` where
/// `keep_firing_for` is.
#[test]
fn alarms_live_as_in_prometheus_at_every_step_of_random_traces() {
    let traces = traces(40);
    // Rules that name alarms: of rules behind them, of those before them, and of both.
    let named = |name: &str, expr: &str| json!({"alert": name, "expr": expr, "for": "30s"});
    let mut rules = vec![named("First", r#"count(ALERTS{alertstate="firing",alertname=~"R.*"}) > 100"#)];
    for (n, expr) in ["m < 4", "m > 2 unless m == 5", "count(m < 3) > 9", "absent(m{t=\"7\"})"].iter().enumerate() {
        for hold in ["0s", "30s", "1m"] {
            for keep in ["0s", "45s", "1m15s"] {
                rules.push(json!({
                    "alert": format!("R{n}_{hold}_{keep}"), "expr": expr, "for": hold, "keep_firing_for": keep,
                    "labels": {"level": "{{ if lt $value 2.0 }}low{{ else }}high{{ end }}", "severity": "page"},
                    "annotations": {"text": "{{ $value }}"},
                }));
            }
        }
    }
    rules.insert(20, named("Between", r#"max by (t) (ALERTS{alertstate="pending",level="low"}) unless m > 1"#));
    rules.push(named(
        "Last",
        r#"max by (t) (ALERTS{alertstate="firing",alertname!="Last"}) unless on(t) ALERTS{alertname="Between"}"#,
    ));
    rules.push(named("Aged", r#"max by (t) (time() - ALERTS_FOR_STATE{alertname=~"R.*"}) > 60"#));
    let rules = json!({"groups": [{"name": "g", "rules": rules}]});
    let sheet = parse(&rules.to_string(), "rules.yml", Compat::V2);
    assert_eq!(sheet.faults, []);
    let book = Book::default();
    let mut latest = Latest::new(book.clone());
    let mut judge = Judge::new(sheet.rules, &["m"].into_iter().collect(), Labels::default());
    let open = |n: usize| book.open(&M, [&n.to_string()], Hold::Own);
    let series: Vec<Series> = (0..traces.len()).map(open).collect();
    let (mut expected, mut count) = (Vec::new(), 0);
    for step in 0..STEPS {
        let at = Now {
            boot: Boot::from_secs(step * STEP),
            wall: Wall::from_millis((step * STEP * 1000) as i64),
            trusted: true,
        };
        let mut report = Report::new(Window { from: at.boot, to: at.boot });
        for (series, trace) in series.iter().zip(&traces) {
            report.maybe(*series, trace[step as usize].map(|v| v as f64), NoData::Timeout);
        }
        latest.apply(&report);
        let stamp = Stamp { wall: at.wall, boot: at.boot, boot_id: "b".into(), trusted: true };
        let verdict = judge.judge(&latest.snapshot(at), &stamp);
        for name in ["ALERTS", "ALERTS_FOR_STATE"] {
            let of = verdict.series.iter().filter(|(labels, _)| labels.get(NAME) == Some(name));
            let samples: Vec<_> =
                of.map(|(l, v)| json!({"labels": format!("{name}{}", l.without(&[NAME])), "value": v})).collect();
            count += samples.len();
            expected.push(json!({"expr": name, "eval_time": format!("{}s", step * STEP), "exp_samples": samples}));
        }
    }
    let input = traces.iter().enumerate().map(|(n, trace)| {
        let mut values = Vec::new();
        for (at, value) in trace.iter().enumerate() {
            let before = at > 0 && trace[at - 1].is_some();
            values.push(value.map_or(if before { "stale" } else { "_" }.to_owned(), |v| v.to_string()));
        }
        json!({"series": format!("m{{t=\"{n}\"}}"), "values": values.join(" ")})
    });
    let tests = json!({"rule_files": ["rules.yml"], "evaluation_interval": "15s", "tests": [{
        "interval": "15s", "input_series": input.collect::<Vec<_>>(), "promql_expr_test": expected,
    }]});
    assert!(count > 30_000, "the traces are too quiet to prove anything: {count} alarms");
    promtool_test(&rules, &tests).unwrap_or_else(|said| panic!("{}", said.chars().take(4000).collect::<String>()));
}
