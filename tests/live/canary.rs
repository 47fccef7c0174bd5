//! A canary password, in every place a password can be given, and then looked for in every place it must not be.

use crate::support::brokers::{Broker, Subscriber};
use crate::support::fake_camera::{FakeCamera, Fault};
use crate::support::vedette::{START, Vedette, files};
use std::time::Duration;

const CANARY: &str = "c4n4ry-in-the-shaft";

#[test]
fn a_camera_or_broker_password_is_in_no_log_page_payload_database_or_process_title() {
    let asks = FakeCamera::start(Fault::Status("DESCRIBE", 401));
    let good = FakeCamera::start(Fault::None);
    let broker = Broker::open();
    let listener = Subscriber::new(&broker);
    let mut vedette = Vedette::new("");
    let secret = vedette.path("secret");
    std::fs::write(&secret, format!("{CANARY}\n")).unwrap();
    let in_url = good.url().replace("rtsp://", &format!("rtsp://watcher:{CANARY}@"));
    let closed = format!("rtsp://watcher:{CANARY}@127.0.0.1:1/main");
    vedette.configure(&format!(
        "[node]\nname = \"box\"\ntick = \"1s\"\n\
         [[camera]]\nid = \"file\"\nurl = \"{}\"\nusername = \"watcher\"\npassword_file = {secret:?}\n\
         [[camera]]\nid = \"url\"\nurl = \"{in_url}\"\n\
         [[camera]]\nid = \"closed\"\nurl = \"{closed}\"\n\
         [[camera]]\nid = \"env\"\nurl = \"{}\"\nusername = \"watcher\"\npassword_env = \"YARD\"\n\
         [[mqtt]]\nname = \"local\"\nurl = \"mqtt://127.0.0.1:{}\"\nusername = \"box\"\npassword_file = {secret:?}\n",
        asks.url(),
        asks.url(),
        broker.port
    ));
    vedette.rules(
        "groups: [{name: g, rules: [{alert: CameraOffline, expr: camera_connection_status == 0, \
         annotations: {summary: 'camera {{ $labels.camera_id }}'}}]}]\n",
    );
    vedette.start_with(|command| {
        command.env("YARD", CANARY).env("VEDETTE_LOG", "trace");
    });
    vedette.wait_value("camera_connection_status{camera_id=\"url\"}", START, |v| v == 1.0);
    let refused = "camera_disconnects_total{camera_id=\"file\",reason=\"auth\"}";
    vedette.wait_value(refused, START, |v| v >= 1.0);
    listener.until("an alarm", |heard| heard.iter().find(|h| h.topic.ends_with("/event")).cloned());
    // The passwords were used: the camera saw a login.
    assert!(!asks.authorizations().is_empty());

    let mut places: Vec<(String, Vec<u8>)> = Vec::new();
    for path in ["/metrics", "/", "/healthz", "/readyz", "/nothing"] {
        places.push((path.to_owned(), vedette.get(path).unwrap().into_bytes()));
    }
    places.push(("the command line".into(), std::fs::read(format!("/proc/{}/cmdline", vedette.pid())).unwrap()));
    places.push(("the process name".into(), std::fs::read(format!("/proc/{}/comm", vedette.pid())).unwrap()));
    let config = vedette.path("vedette.toml").display().to_string();
    for verb in [&["status"][..], &["status", "--json"], &["check", &config], &["check", "--json", &config]] {
        let out = vedette.verb(verb);
        places.push((verb.join(" "), [out.stdout, out.stderr].concat()));
    }
    vedette.signal(libc::SIGHUP);
    crate::support::wait("the reload", Duration::from_secs(20), || vedette.log().contains("reloaded").then_some(()));
    assert!(vedette.stop().success());
    let export = vedette.verb(&["export", "--from", "1h"]);
    places.push(("export".into(), [export.stdout, export.stderr].concat()));
    for heard in listener.heard() {
        places.push((format!("MQTT {}", heard.topic), heard.payload.into_bytes()));
    }
    let ours = [secret, vedette.path("vedette.toml")];
    let written = files(vedette.dir.path()).into_iter().filter(|(path, _)| !ours.contains(path));
    places.extend(written.map(|(path, bytes)| (path.display().to_string(), bytes)));

    assert!(places.iter().any(|(place, _)| place.ends_with("metrics.db")), "the database was looked at");
    let log = places.iter().find(|(place, _)| place.ends_with("/log")).expect("the log was looked at");
    assert!(log.1.len() > 1000, "a trace log says something");
    // Basic authentication: base64 of `watcher:` and the canary.
    let base64 = "d2F0Y2hlcjpjNG40cnktaW4tdGhlLXNoYWZ0";
    for (place, bytes) in places {
        for needle in [CANARY.as_bytes(), base64.as_bytes()] {
            let found = bytes.windows(needle.len()).any(|w| w == needle);
            assert!(!found, "the password is in {place}: {}", String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]));
        }
    }
}
