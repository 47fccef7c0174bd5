//! The centre: a real Prometheus scrapes the built daemon, its rule files and configurations pass the field's own tools,
//! and what the box exports answers there as what was scraped did.

use crate::support::fake_camera::{FakeCamera, Fault};
use crate::support::prometheus::{Prometheus, promtool};
use crate::support::ts::send::free_udp_port;
use crate::support::vedette::{START, Vedette};
use crate::support::wait;
use serde_json::Value;
use std::process::Command;
use std::time::Duration;
use vedette::query::{Compat, Expr};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_real_prometheus_scrapes_the_daemon_and_both_agree_on_the_cameras() {
    let good = FakeCamera::start(Fault::None);
    let bad = FakeCamera::start(Fault::Status("DESCRIBE", 404));
    let mut vedette = Vedette::new(&format!(
        "[node]\nname = \"box\"\ntick = \"1s\"\n[[camera]]\nid = \"good\"\nurl = \"{}\"\n[[camera]]\nid = \"bad\"\nurl = \"{}\"\n\
         [[uplink]]\nid = \"central\"\nscraped = true\nevery = \"1s\"\n",
        good.url(),
        bad.url()
    ));
    vedette.start();
    let prometheus = Prometheus::start(&Prometheus::job("vedette", vedette.port, ""), &[]);
    prometheus.value("up{job=\"vedette\"}", SOON, |up| up == 1.0);
    prometheus.value("camera_connection_status{camera_id=\"good\"}", SOON, |v| v == 1.0);
    prometheus.value("camera_connection_status{camera_id=\"bad\"}", SOON, |v| v == 0.0);
    prometheus.value("camera_disconnects_total{camera_id=\"bad\",reason=\"not_found\"}", SOON, |v| v >= 1.0);
    prometheus.value("camera_fps{camera_id=\"good\"}", SOON, |fps| (fps - 25.0).abs() <= 0.5);
    prometheus.value("rate(camera_frames_total{camera_id=\"good\"}[10s])", SOON, |fps| (fps - 25.0).abs() <= 1.0);
    // What a camera that never sent a frame cannot tell is absent, not 0.
    assert!(prometheus.query("camera_fps{camera_id=\"bad\"}").is_empty());
    // The box knows that it is scraped.
    prometheus.value("uplink_check_up{uplink=\"central\",check=\"scraped\"}", SOON, |v| v == 1.0);
    let status = String::from_utf8(vedette.verb(&["status"]).stdout).unwrap();
    assert!(status.contains("Prometheus/"), "{status}");

    // OpenMetrics by negotiation, and gzip.
    let answer = vedette.get_with("/metrics", "Accept: application/openmetrics-text;version=1.0.0\r\n").unwrap();
    assert!(answer.contains("application/openmetrics-text; version=1.0.0; charset=utf-8"), "{}", &answer[..300]);
    assert!(answer.trim_end().ends_with("# EOF"));
    let page = vedette.page();
    let text = page.split("\r\n\r\n").nth(1).unwrap();
    let (_, said) = promtool(&["check", "metrics"], text);
    let meant = include_str!("../golden/promtool-complaints.txt");
    let new: Vec<_> = said.lines().filter(|line| !meant.lines().any(|known| known == *line)).collect();
    assert!(new.is_empty(), "promtool complains about the daemon's page: {new:?}");
}

#[test]
fn what_the_box_exports_answers_in_a_prometheus_as_it_was_on_the_page() {
    let good = FakeCamera::start(Fault::None);
    let config = format!("[node]\ntick = \"1s\"\n[[camera]]\nid = \"good\"\nurl = \"{}\"\n", good.url());
    let mut vedette = Vedette::new(&config);
    vedette.start();
    vedette.wait_value("camera_frames_total{camera_id=\"good\"}", START, |v| v > 100.0);
    assert!(vedette.stop().success());
    let file = vedette.path("export.om").display().to_string();
    // A build machine may have no time servers.
    let labels = ["--job", "vedette", "--instance", "box:9090"];
    let export = vedette.verb(&[&["export", "--untrusted", "--from", "1h", "-o", &file], &labels[..]].concat());
    assert!(export.status.success(), "{}", String::from_utf8_lossy(&export.stderr));
    let text = std::fs::read_to_string(&file).unwrap();
    let last = text.lines().rfind(|l| l.starts_with("camera_frames_total{camera_id=\"good\"")).unwrap();
    let mut fields = last.rsplit(' ');
    let (at, frames) = (fields.next().unwrap().to_owned(), fields.next().unwrap().parse::<f64>().unwrap());

    let data = vedette.path("data");
    let blocks = data.display().to_string();
    let (made, said) = promtool(&["tsdb", "create-blocks-from", "openmetrics", &file, &blocks], "");
    assert!(made, "{said}");
    let prometheus = Prometheus::over(&data, "", &["--storage.tsdb.retention.time=10y"]);
    let expr = format!("camera_frames_total{{camera_id=\"good\",job=\"vedette\",instance=\"box:9090\"}} @ {at}");
    let value = prometheus.value(&expr, SOON, |_| true);
    assert_eq!(value, frames);
}

#[test]
fn the_fields_own_tools_accept_every_file_that_is_shipped_for_them() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("rules/vedette")).unwrap();
    let files: Vec<_> = std::fs::read_dir("config/rules").unwrap().flatten().collect();
    for entry in &files {
        std::fs::copy(entry.path(), dir.path().join("rules/vedette").join(entry.file_name())).unwrap();
    }
    std::fs::copy("config/prometheus/prometheus.yml", dir.path().join("prometheus.yml")).unwrap();
    let config = dir.path().join("prometheus.yml").display().to_string();
    let (content, said) = promtool(&["check", "config", &config], "");
    assert!(content && said.contains(&format!("{} rule files found", files.len())), "{said}");
    let amtool =
        Command::new("amtool").args(["check-config", "config/alertmanager/alertmanager.yml"]).output().unwrap();
    assert!(amtool.status.success(), "{}", String::from_utf8_lossy(&amtool.stderr));
}

#[test]
fn the_page_is_served_at_once_while_a_camera_accepts_and_says_nothing() {
    let mute = FakeCamera::start(Fault::Mute);
    let config = format!("[node]\ntick = \"1s\"\n[[camera]]\nid = \"mute\"\nurl = \"{}\"\n", mute.url());
    let mut vedette = Vedette::new(&config);
    vedette.start();
    wait("the call to the camera", SOON, || (mute.connections() > 0).then_some(()));
    assert_eq!(vedette.value("camera_connection_status{camera_id=\"mute\"}"), Some(0.0));
    vedette.wait_value("camera_disconnects_total{camera_id=\"mute\",reason=\"timeout\"}", SOON, |v| v >= 1.0);
}

#[test]
fn every_query_of_the_dashboard_is_answered_by_a_prometheus_that_scrapes_the_daemon() {
    let good = FakeCamera::start(Fault::None);
    let mut vedette = Vedette::new(&format!(
        "[node]\ntick = \"1s\"\n[[camera]]\nid = \"good\"\nurl = \"{}\"\n[[uplink]]\nid = \"central\"\nscraped = true\n\
         [[stream]]\nid = \"out\"\nurl = \"udp://127.0.0.1:{}\"\n\
         [[playlist]]\nid = \"web\"\nurl = \"http://127.0.0.1:9/index.m3u8\"\n\
         [[encoder]]\nid = \"good\"\nkind = \"ffmpeg\"\nprogress = \"udp://127.0.0.1:{}\"\noutput = \"/no/such\"\n",
        good.url(),
        free_udp_port(),
        free_udp_port()
    ));
    vedette.start();
    let prometheus = Prometheus::start(&Prometheus::job("vedette", vedette.port, ""), &[]);
    prometheus.value("camera_fps{camera_id=\"good\"}", SOON, |fps| fps > 20.0);
    // Two scrapes for rates.
    prometheus.value("min(count_over_time(uplink_check_up[20s]))", SOON, |scrapes| scrapes >= 3.0);

    let dashboard: Value = serde_json::from_str(include_str!("../../config/grafana/recording-node.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let queries: Vec<_> = targets.map(|target| target["expr"].as_str().unwrap()).collect();
    assert!(queries.len() > 20);
    let (mut drawn, page) = (0, vedette.page());
    for query in queries {
        let instance = format!("127.0.0.1:{}", vedette.port);
        let query = query.replace("$instance", &instance).replace("$__rate_interval", "20s");
        // What is only worth drawing when it happens need not happen here.
        let bare = query.trim_end_matches(" > 0").trim_end_matches(" == 1");
        let expr = Expr::parse(bare, Compat::V3).unwrap();
        let here = expr.names().into_iter().all(|name| page.contains(&format!("\n{name}{{")));
        drawn += usize::from(here);
        assert!(prometheus.query(&query).len() <= prometheus.query(bare).len());
        assert!(!here || !prometheus.query(bare).is_empty(), "{query} has no answer");
    }
    assert!(drawn > 15, "{drawn}");
}
