//! What must be true on every bench, told by metrics and MQTT alone. A story names what it needs.

use crate::rig::Rig;

pub struct Story {
    pub name: &'static str,
    pub needs: &'static [&'static str],
    pub tell: fn(Rig),
}

pub static STORIES: &[Story] = &[
    Story {
        name: "an_h264_camera_that_goes_dark_raises_one_alarm_and_clears_it",
        needs: &["camera.h264"],
        tell: |rig| camera_goes_dark(rig, "h264"),
    },
    Story {
        name: "an_h265_camera_that_goes_dark_raises_one_alarm_and_clears_it",
        needs: &["camera.h265"],
        tell: |rig| camera_goes_dark(rig, "h265"),
    },
    Story { name: "an_uplink_that_is_cut_raises_one_alarm_and_clears_it", needs: &["uplink.cut"], tell: uplink_is_cut },
    Story {
        name: "a_pulled_network_cable_restarts_nothing",
        needs: &["camera.h264", "nic.pull"],
        tell: cable_is_pulled,
    },
    Story {
        name: "an_alarm_outlives_a_power_cut_and_clears_after_it",
        needs: &["camera.h264", "power.cut"],
        tell: power_is_cut,
    },
];

fn status(camera: &str) -> String {
    format!("camera_connection_status{{camera_id=\"{camera}\"}}")
}

fn camera_goes_dark(mut rig: Rig, codec: &str) {
    let mut camera = rig.camera(codec);
    let fps = format!("camera_fps{{camera_id=\"{}\"}}", camera.id);
    let enough = |value: f64| (value - f64::from(camera.fps)).abs() <= 0.2 * f64::from(camera.fps);
    rig.until(&status(&camera.id), |up| up == 1.0);
    rig.until(&fps, enough);

    camera.switch.off();
    rig.until(&status(&camera.id), |up| up == 0.0);
    rig.until_told("CameraOffline", &camera.id, "firing");
    assert_eq!(rig.value(&fps), None, "no session, no frame rate");

    camera.switch.on();
    rig.until(&status(&camera.id), |up| up == 1.0);
    rig.until_told("CameraOffline", &camera.id, "resolved");
    rig.until(&fps, enough);
    assert_eq!(rig.told("CameraOffline", &camera.id, "firing"), 1, "one cause, one alarm");
}

fn uplink_is_cut(mut rig: Rig) {
    let (id, mut uplink) = rig.uplink.take().expect("the story needs one");
    let up = format!("uplink_up{{uplink={id:?}}}");
    rig.until(&up, |up| up == 1.0);

    uplink.off();
    rig.until(&up, |up| up == 0.0);
    rig.until_told("UplinkDown", &id, "firing");

    uplink.on();
    rig.until(&up, |up| up == 1.0);
    rig.until_told("UplinkDown", &id, "resolved");
    assert_eq!(rig.told("UplinkDown", &id, "firing"), 1, "one cause, one alarm");
}

fn cable_is_pulled(mut rig: Rig) {
    let camera = rig.camera("h264");
    let frames = format!("camera_frames_total{{camera_id=\"{}\"}}", camera.id);
    let before = rig.until(&frames, |n| n > 0.0);

    let mut nic = rig.nic.take().expect("the story needs one");
    nic.off();
    rig.until_page(false);
    nic.on();
    rig.until_page(true);
    rig.until(&status(&camera.id), |up| up == 1.0);
    let after = rig.until(&frames, |n| n > 0.0);
    assert!(after >= before, "counted {before} frames before and {after} after: the daemon was restarted");
}

fn power_is_cut(mut rig: Rig) {
    let mut camera = rig.camera("h264");
    rig.until(&status(&camera.id), |up| up == 1.0);
    camera.switch.off();
    rig.until_told("CameraOffline", &camera.id, "firing");

    let mut power = rig.power.take().expect("the story needs one");
    power.off();
    rig.until_page(false);
    power.on();
    rig.until_page(true);
    rig.until(&status(&camera.id), |up| up == 0.0);
    assert_eq!(rig.told("CameraOffline", &camera.id, "resolved"), 0, "the camera is still dark");

    camera.switch.on();
    rig.until(&status(&camera.id), |up| up == 1.0);
    rig.until_told("CameraOffline", &camera.id, "resolved");
}
