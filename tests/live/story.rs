//! The whole story, as the box lives it: the road is cut, a camera dies, the local listener hears it, the daemon is
//! killed, the road comes back, and the centre hears the same alarm with its original time.

use crate::support::brokers::{Broker, Heard, Subscriber};
use crate::support::cameras::GstCamera;
use crate::support::free_port;
use crate::support::vedette::Vedette;
use serde_json::Value;
use std::time::{Duration, Instant};

const RULES: &str = "
groups:
  - name: story
    rules:
      - alert: CameraOffline
        expr: camera_connection_status == 0
        for: 3s
        labels: {severity: critical}
        annotations: {summary: 'camera {{ $labels.camera_id }} is offline'}
";

/// Alarms of the box that a listener heard, repeats left out by their ids; the outage of the uplink is an event of its own.
fn events(heard: &[Heard]) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for message in heard.iter().filter(|h| h.topic == "vedette/box/event") {
        let event: Value = serde_json::from_str(&message.payload).unwrap();
        if event["kind"] == "alert" && !all.iter().any(|known| known["id"] == event["id"]) {
            all.push(event);
        }
    }
    all
}

fn phases(heard: &[Heard]) -> Vec<String> {
    events(heard).iter().map(|e| e["phase"].as_str().unwrap().to_owned()).collect()
}

#[test]
#[allow(clippy::disallowed_methods)] // the story is about how long a listener waits
fn an_alarm_while_the_road_is_cut_reaches_the_local_listener_at_once_and_the_centre_later_with_its_time() {
    let rtsp = free_port().to_string();
    let camera = GstCamera::start(&["--port", &rtsp, "--fps", "15"]);
    let (local, mut central) = (Broker::open(), Broker::open());
    let here = Subscriber::new(&local);
    let mut vedette = Vedette::new(&format!(
        "[node]\nname = \"box\"\ntick = \"1s\"\n\
         [[camera]]\nid = \"yard\"\nurl = \"rtsp://127.0.0.1:{rtsp}/main\"\n\
         [[mqtt]]\nname = \"local\"\nurl = \"mqtt://127.0.0.1:{}\"\n\
         [[mqtt]]\nname = \"central\"\nurl = \"mqtt://127.0.0.1:{}\"\n\
         [[uplink]]\nid = \"central\"\ntcp = [\"127.0.0.1:{}\"]\nevery = \"1s\"\n",
        local.port, central.port, central.port
    ));
    vedette.rules(RULES);
    vedette.start();
    let long = Duration::from_secs(30);
    vedette.wait_value("camera_connection_status{camera_id=\"yard\"}", long, |v| v == 1.0);
    vedette.wait_value("vedette_mqtt_connected{broker=\"central\"}", long, |v| v == 1.0);
    // Past the time after the start in which nothing is called broken or repaired.
    vedette.wait_value("vedette_alerts_active{phase=\"pending\"}", long, |v| v == 0.0);
    vedette.wait_value("process_start_time_seconds", long, |started| {
        vedette.value("vedette_snapshot_timestamp_seconds").is_some_and(|now| now - started > 13.0)
    });

    // The road is cut, then the camera dies.
    central.kill();
    vedette.wait_value("uplink_up{uplink=\"central\"}", long, |v| v == 0.0);
    drop(camera);
    let died = Instant::now();
    let fired = here.until("the alarm on the local broker", |heard| events(heard).into_iter().next());
    let waited = died.elapsed();
    // Detection: the end of the session is seen at once and reported within its second. `for` 3 s, group interval and
    // tick 1 s each, and one second.
    assert!(waited <= Duration::from_secs(1 + 3 + 1 + 1 + 1), "the local listener waited {waited:?}");
    assert!(waited >= Duration::from_secs(3), "`for` was not kept: {waited:?}");
    assert_eq!((fired["rule"].as_str(), fired["phase"].as_str()), (Some("CameraOffline"), Some("firing")));
    assert_eq!(fired["labels"]["camera_id"], "yard");
    assert_eq!(fired["annotations"]["summary"], "camera yard is offline");
    assert_eq!(here.on("vedette/box/alert/CameraOffline/yard").len(), 1);

    // Killed without a good-bye, and started again: no second alarm.
    vedette.kill();
    here.until("the last will", |heard| {
        heard.iter().find(|h| h.topic.ends_with("/status") && h.payload == "offline").cloned()
    });
    vedette.start();
    vedette.wait_value("vedette_alerts_active{phase=\"firing\"}", long, |v| v == 1.0);

    // The road is back: the centre hears the same event.
    central.start();
    let there = Subscriber::new(&central);
    let late = there.until("the alarm on the central broker", |heard| events(heard).into_iter().next());
    assert_eq!(late, fired, "same id, same original time");
    there.until("the retained alarm on the central broker", |heard| {
        heard.iter().find(|h| h.topic == "vedette/box/alert/CameraOffline/yard" && !h.payload.is_empty()).cloned()
    });

    // The camera is back: resolved, everywhere, once.
    let _camera = GstCamera::start(&["--port", &rtsp, "--fps", "15"]);
    for listener in [&here, &there] {
        listener.until("the resolved event", |heard| (events(heard).len() == 2).then_some(()));
        assert_eq!(phases(&listener.heard()), ["firing", "resolved"]);
        listener.until("the cleared alarm", |heard| {
            let last = heard.iter().rfind(|h| h.topic == "vedette/box/alert/CameraOffline/yard")?;
            last.payload.is_empty().then_some(())
        });
    }
    assert!(vedette.stop().success());
}
