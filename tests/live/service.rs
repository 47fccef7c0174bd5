//! The daemon as a service: start, reload, status, stop, and what its log looks like.

use crate::support::brokers::{Broker, Subscriber};
use crate::support::fake_camera::{FakeCamera, Fault};
use crate::support::free_port;
use crate::support::vedette::{START, Vedette};
use crate::support::wait;
use std::time::{Duration, Instant};

fn camera(id: &str, camera: &FakeCamera) -> String {
    format!("[[camera]]\nid = \"{id}\"\nurl = \"{}\"\n", camera.url())
}

fn up(id: &str) -> String {
    format!("camera_connection_status{{camera_id=\"{id}\"}}")
}

#[test]
fn a_reload_adds_changes_and_removes_cameras_without_touching_the_others() {
    let [stays, goes, comes] = [(); 3].map(|()| FakeCamera::start(Fault::None));
    let head = "[node]\ntick = \"1s\"\n";
    let mut vedette = Vedette::new(&format!("{head}{}{}", camera("stays", &stays), camera("goes", &goes)));
    vedette.start();
    for id in ["stays", "goes"] {
        vedette.wait_value(&up(id), START, |v| v == 1.0);
    }

    // Refused: a mistake, told with its line; everything goes on.
    vedette.configure("[node]\ntick = \"1s\"\n[[camera]]\nid = \"stays\"\n");
    vedette.signal(libc::SIGHUP);
    wait("the refusal in the log", START, || vedette.log().contains("`camera[0].url` is missing").then_some(()));
    assert_eq!(vedette.value(&up("goes")), Some(1.0));

    // Taken: one comes, one goes, one stays and keeps its session.
    vedette.configure(&format!("{head}{}{}", camera("stays", &stays), camera("comes", &comes)));
    vedette.signal(libc::SIGHUP);
    vedette.wait_value(&up("comes"), START, |v| v == 1.0);
    wait("the removed camera off the page", START, || vedette.value(&up("goes")).is_none().then_some(()));
    assert_eq!(stays.connections(), 1, "the camera that stays was reconnected");
    wait("TEARDOWN at the camera that went", START, || (goes.teardowns() == 1).then_some(()));

    // Changed: the other one is left alone.
    let changed = camera("comes", &comes) + "fps = 25\n";
    vedette.configure(&format!("{head}{}{changed}", camera("stays", &stays)));
    vedette.signal(libc::SIGHUP);
    wait("a second session for the changed camera", START, || (comes.connections() == 2).then_some(()));
    vedette.wait_value("camera_fps_expected{camera_id=\"comes\"}", START, |v| v == 25.0);
    assert_eq!(stays.connections(), 1);
    assert!(vedette.stop().success());
}

#[test]
fn a_reload_shows_the_outbox_of_a_new_broker_and_takes_that_of_a_removed_one_off_the_page() {
    let broker = |name: &str| format!("[[mqtt]]\nname = \"{name}\"\nurl = \"mqtt://127.0.0.1:{}\"\n", free_port());
    let (goes, comes) = (broker("goes"), broker("comes"));
    let waiting = |name: &str| format!("vedette_outbox_messages{{broker=\"{name}\"}}");
    let head = "[node]\ntick = \"1s\"\n";
    let mut vedette = Vedette::new(&format!("{head}{goes}"));
    vedette.start();
    vedette.wait_value(&waiting("goes"), START, |v| v >= 0.0);
    vedette.configure(&format!("{head}{comes}"));
    vedette.signal(libc::SIGHUP);
    vedette.wait_value(&waiting("comes"), START, |v| v >= 0.0);
    wait("the removed broker off the page", START, || vedette.value(&waiting("goes")).is_none().then_some(()));
    assert!(vedette.stop().success());
}

#[test]
#[allow(clippy::disallowed_methods)] // the promise is about how long a stop takes
fn a_stop_says_good_bye_to_cameras_and_brokers_and_takes_less_than_five_seconds() {
    let (good, deaf) = (FakeCamera::start(Fault::None), FakeCamera::start(Fault::NoTeardown));
    let broker = Broker::open();
    let mut vedette = Vedette::new(&format!(
        "[node]\nname = \"box\"\ntick = \"1s\"\n{}{}[[mqtt]]\nname = \"local\"\nurl = \"mqtt://127.0.0.1:{}\"\n",
        camera("good", &good),
        camera("deaf", &deaf),
        broker.port
    ));
    let listener = Subscriber::new(&broker);
    vedette.start();
    for id in ["good", "deaf"] {
        vedette.wait_value(&up(id), START, |v| v == 1.0);
    }
    listener.until("the birth", |heard| heard.iter().find(|h| h.payload == "online").cloned());
    let asked = Instant::now();
    assert!(vedette.stop().success());
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(5), "the stop took {took:?}");
    assert_eq!((good.teardowns(), deaf.teardowns()), (1, 1));
    assert_eq!(listener.on("vedette/box/status"), ["online", "offline"]);
    assert!(!vedette.path("run/control.sock").exists());
}

#[test]
fn status_tells_what_the_daemon_sees_and_says_what_to_do_when_there_is_none() {
    let good = FakeCamera::start(Fault::None);
    let mut vedette = Vedette::new(&format!("[node]\nname = \"box\"\ntick = \"1s\"\n{}", camera("yard", &good)));
    let silent = vedette.verb(&["status"]);
    assert_eq!(silent.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&silent.stderr).contains("is it running (systemctl status vedette)"));
    vedette.start();
    vedette.wait_value(&up("yard"), START, |v| v == 1.0);
    let status = vedette.verb(&["status", "--json"]);
    assert_eq!(status.status.code(), Some(0), "{}", String::from_utf8_lossy(&status.stderr));
    let told: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!((told["node"].as_str(), told["cameras"][0]["up"].as_bool()), (Some("box"), Some(true)));
    let text = String::from_utf8(vedette.verb(&["status"]).stdout).unwrap();
    assert!(text.lines().any(|l| l.contains("yard") && l.contains("up")), "{text}");
    let forget = vedette.verb(&["status", "--forget", "nobody"]);
    assert!(String::from_utf8_lossy(&forget.stderr).contains("no scraper \"nobody\""));
}

#[test]
fn log_lines_are_json_objects_and_a_healthy_start_fits_on_a_screen() {
    let good = FakeCamera::start(Fault::None);
    let mut vedette = Vedette::new(&format!("[node]\ntick = \"1s\"\n{}", camera("yard", &good)));
    vedette.start();
    vedette.wait_value(&up("yard"), START, |v| v == 1.0);
    assert!(vedette.stop().success());
    let log = vedette.log();
    for line in log.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let keys: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["timestamp", "level", "service", "component", "message", "fields"], "{line}");
        assert_ne!(object["level"], "error", "{line}");
    }
    assert!((3..=24).contains(&log.lines().count()), "{log}");
}

#[test]
fn a_second_daemon_on_the_same_directories_refuses_to_start() {
    let mut vedette = Vedette::new("[node]\ntick = \"1s\"\n");
    vedette.start();
    let config = vedette.path("vedette.toml").display().to_string();
    let second = vedette.verb(&["run", "--log", "json", "--listen", "127.0.0.1:0", "--config", &config]);
    assert_eq!(second.status.code(), Some(2), "{second:?}");
    assert!(String::from_utf8_lossy(&second.stderr).contains("another vedette"), "{second:?}");
}

#[test]
fn a_reload_with_a_broken_rule_file_is_refused_and_the_alarms_stay() {
    let mut vedette = Vedette::new("[node]\nname = \"box\"\ntick = \"1s\"\n");
    let rules = "groups: [{name: g, rules: [{alert: Always, expr: vedette_snapshot_series > 0}]}]\n";
    vedette.rules(rules);
    vedette.start();
    vedette.wait_value("vedette_alerts_active{phase=\"firing\"}", START, |v| v == 1.0);
    vedette.rules("groups:\n\t- name: g\n");
    vedette.signal(libc::SIGHUP);
    vedette.wait_value("vedette_rule_files_broken", START, |v| v == 1.0);
    assert!(vedette.log().contains("reload refused for its rule files"));
    assert_eq!(vedette.value("vedette_alerts_active{phase=\"firing\"}"), Some(1.0));

    // Over a restart with the file still broken the alarm waits on file, and is there again once the file is mended.
    assert!(vedette.stop().success());
    vedette.start();
    vedette.rules(rules);
    vedette.signal(libc::SIGHUP);
    vedette.wait_value("vedette_rule_files_broken", START, |v| v == 0.0);
    vedette.wait_value("vedette_alerts_active{phase=\"firing\"}", START, |v| v == 1.0);
}

#[test]
fn a_stop_before_the_first_snapshot_is_heard() {
    let mut vedette = Vedette::new("[node]\ntick = \"60s\"\n");
    vedette.start_with(|_| {});
    wait("the listener", START, || vedette.get("/healthz"));
    assert!(vedette.stop().success());
}
