//! Cameras that go wrong in one way each: every fault has its own reason and touches only its own series.

use crate::support::cameras::Watching;
use crate::support::fake_camera::{FPS, FakeCamera, Fault};
use crate::support::{free_port, wait};
use std::future::poll_fn;
use std::time::Duration;
use vedette::base::clock::Clock;
use vedette::world::clock::System;
use vedette::world::rtsp::line::Retina;
use vedette::world::rtsp::{Dial, Event, Transport};

fn entry(id: &str, url: &str) -> String {
    format!("[[camera]]\nid = \"{id}\"\nurl = \"{url}\"\nusername = \"viewer\"\nstall = \"2s\"\n")
}

/// One good camera and some that are not, each with the reason that it must be given.
fn watch(faults: &[(&'static str, Fault, &'static str)]) -> (Watching, Vec<FakeCamera>) {
    let mut cameras = vec![FakeCamera::start(Fault::None)];
    let mut config = entry("good", &cameras[0].url());
    for (id, fault, _) in faults {
        cameras.push(FakeCamera::start(*fault));
        config += &entry(id, &cameras[cameras.len() - 1].url());
    }
    let watching = Watching::start(&config);
    for (id, _, reason) in faults {
        wait(&format!("{id} ended for {reason}"), Duration::from_secs(40), || {
            (watching.ended(id, reason) > 0.0).then_some(())
        });
    }
    for (id, _, reason) in faults {
        let others: Vec<_> = watching.reasons(id).into_iter().filter(|(name, _)| name != reason).collect();
        assert!(others.is_empty(), "{id} is {reason} and also {others:?}");
    }
    assert_good(&watching, &cameras[0]);
    for camera in &cameras {
        assert!(camera.most() <= 1, "{} connections at a time", camera.most());
    }
    (watching, cameras)
}

fn assert_good(watching: &Watching, camera: &FakeCamera) {
    watching.wait_connected("good");
    wait("25 frames per second of the good one", Duration::from_secs(15), || {
        watching.of("camera_fps", "good").filter(|fps| (fps - FPS as f64).abs() < 1.0)
    });
    assert_eq!(watching.reasons("good"), []);
    assert_eq!(watching.of("camera_rtp_packets_lost_total", "good"), Some(0.0));
    assert_eq!((camera.connections(), camera.plays()), (1, 1));
}

#[test]
fn a_camera_that_refuses_is_told_apart_by_how() {
    let (watching, cameras) = watch(&[
        ("locked", Fault::Status("DESCRIBE", 401), "auth"),
        ("forbidden", Fault::Status("PLAY", 403), "auth"),
        ("moved", Fault::Status("DESCRIBE", 404), "not_found"),
        ("lost", Fault::Status("PLAY", 454), "not_found"),
        ("full", Fault::Status("SETUP", 453), "busy"),
        ("overloaded", Fault::Status("DESCRIBE", 503), "busy"),
        ("picky", Fault::Status("SETUP", 461), "transport"),
        ("elsewhere", Fault::Status("DESCRIBE", 302), "rejected"),
        ("deaf", Fault::AudioOnly, "no_video"),
    ]);
    assert!(cameras[1].authorizations()[0].starts_with("Basic "), "{:?}", cameras[1].authorizations());
    let patient: Vec<_> = watching.failures().iter().filter(|f| f.contains(" Long ")).cloned().collect();
    for id in ["locked", "forbidden", "full", "overloaded"] {
        assert!(patient.iter().any(|f| f.contains(id)), "{id}: {patient:?}");
    }
    assert!(!patient.iter().any(|f| f.contains("moved") || f.contains("picky")), "{patient:?}");
    for id in ["locked", "full", "deaf"] {
        assert_eq!(watching.of("camera_connection_status", id), Some(0.0));
        assert_eq!(watching.of("camera_fps", id), None);
        assert_eq!(watching.of("camera_frames_total", id), Some(0.0));
    }
}

#[test]
fn a_camera_that_breaks_off_is_told_apart_by_how() {
    let (watching, cameras) = watch(&[
        ("closes", Fault::Fin { after: 30 }, "eof"),
        ("resets", Fault::Rst { after: 30 }, "reset"),
        ("garbles", Fault::Garbage { after: 30 }, "framing"),
        ("renumbers", Fault::SeqReset { after: 30 }, "seq_reset"),
        ("swaps", Fault::SsrcChange { after: 30 }, "ssrc_change"),
        ("ignores", Fault::NoKeepalive, "keepalive"),
    ]);
    for id in ["closes", "resets", "garbles", "renumbers", "swaps", "ignores"] {
        assert!(watching.of("camera_frames_total", id).unwrap() > 20.0, "{id}");
        assert_eq!(watching.of("camera_rtp_packets_lost_total", id), Some(0.0), "{id}");
    }
    let errors = |id: &str, kind: &str| {
        watching.value(&format!("camera_rtp_errors_total{{camera_id=\"{id}\",kind=\"{kind}\"}}")).unwrap()
    };
    assert!(errors("renumbers", "out_of_order") >= 40.0, "{}", errors("renumbers", "out_of_order"));
    assert!(errors("swaps", "wrong_ssrc") >= 8.0);
    assert_eq!(errors("closes", "out_of_order") + errors("swaps", "out_of_order"), 0.0);
    wait("the one that closed plays again", Duration::from_secs(20), || (cameras[1].plays() >= 2).then_some(()));
}

#[test]
fn a_camera_that_goes_quiet_is_told_apart_by_when() {
    let (watching, cameras) = watch(&[
        ("mute", Fault::Mute, "timeout"),
        ("empty", Fault::NoPackets, "silent"),
        ("blind", Fault::NoFrame, "no_frame"),
        ("stalls", Fault::Stall { after: 30 }, "silent"),
    ]);
    assert_eq!(cameras[1].plays(), 0);
    assert!(watching.of("camera_rtp_packets_total", "blind").unwrap() > 200.0);
    assert_eq!(watching.of("camera_frames_total", "blind"), Some(0.0));
    assert_eq!(watching.of("camera_frames_total", "empty"), Some(0.0));
    assert_eq!(watching.of("camera_frames_dropped_total", "stalls"), Some(0.0));
    assert!(
        watching
            .failures()
            .iter()
            .any(|f| f.starts_with("Timeout Short watching camera mute: describe failed, timeout"))
    );
}

#[test]
fn a_stalled_camera_loses_its_connection_status_before_its_session() {
    let camera = FakeCamera::start(Fault::Stall { after: 50 });
    let watching = Watching::start(&entry("yard", &camera.url()));
    watching.wait_connected("yard");
    wait("the status falls", Duration::from_secs(10), || {
        (watching.of("camera_connection_status", "yard") == Some(0.0)).then_some(())
    });
    assert_eq!(watching.reasons("yard"), []);
    wait("the frame rate falls with it", Duration::from_secs(10), || {
        watching.of("camera_fps", "yard").filter(|fps| *fps < FPS as f64 / 2.0)
    });
    assert_eq!(watching.of("camera_connects_total", "yard"), Some(1.0));
}

#[test]
fn a_request_from_the_camera_does_not_hold_up_the_stream() {
    let camera = FakeCamera::start(Fault::Asks { after: 25 });
    let clock = Clock::new(System);
    let url = camera.url().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // The line alone: the probe polls it once a second anyway, which would hide a stall half of the time.
    let mut arrivals = Vec::new();
    runtime.block_on(async {
        let mut line = Retina.line(&url, Transport::Tcp, &clock);
        let (_opened, mut feed) = line.open(None).await.unwrap();
        let mut take = |event: Event<'_>| match event {
            Event::Packet(seen) => arrivals.push(seen.at),
            Event::SenderReport | Event::Odd(_) => panic!("{event:?}"),
        };
        let played = clock.within(Duration::from_secs(4), poll_fn(|cx| feed.poll(cx, &mut take))).await;
        assert!(played.is_err(), "{played:?}");
        drop(feed);
        assert!(line.hang_up(Duration::from_secs(2)).await);
    });
    let longest = arrivals.windows(2).map(|w| w[1].since(w[0])).max().unwrap();
    assert!(arrivals.len() > 180 && longest < Duration::from_millis(400), "{} {longest:?}", arrivals.len());
    assert_eq!((camera.connections(), camera.teardowns()), (1, 1));
}

#[test]
fn a_gap_counts_every_missing_packet_once_and_keeps_the_session() {
    let camera = FakeCamera::start(Fault::Gap { after: 50, packets: 7 });
    let watching = Watching::start(&entry("yard", &camera.url()));
    watching.wait_connected("yard");
    wait("seven lost", Duration::from_secs(10), || {
        (watching.of("camera_rtp_packets_lost_total", "yard") == Some(7.0)).then_some(())
    });
    wait("it goes on", Duration::from_secs(10), || {
        (watching.of("camera_frames_total", "yard").unwrap() > 100.0).then_some(())
    });
    assert_eq!(watching.of("camera_rtp_packets_lost_total", "yard"), Some(7.0));
    assert!(watching.of("camera_frames_dropped_total", "yard").unwrap() >= 1.0);
    assert_eq!((watching.reasons("yard"), camera.connections()), (vec![], 1));
}

#[test]
fn what_is_not_there_is_refused_unknown_or_locked() {
    let config = [
        entry("closed", &format!("rtsp://127.0.0.1:{}/", free_port())),
        entry("nameless", "rtsp://no-such-camera.invalid/"),
        "[[camera]]\nid = \"keyless\"\nurl = \"rtsp://127.0.0.1/\"\nusername = \"u\"\npassword_file = \"/nonexistent\"\n"
            .to_owned(),
    ];
    let watching = Watching::start(&config.concat());
    for (id, reason) in [("closed", "refused"), ("nameless", "dns"), ("keyless", "secret")] {
        wait(&format!("{id} ended for {reason}"), Duration::from_secs(30), || {
            (watching.ended(id, reason) > 0.0).then_some(())
        });
        assert_eq!(watching.reasons(id).len(), 1, "{:?}", watching.reasons(id));
        assert_eq!(watching.of("camera_connection_status", id), Some(0.0));
    }
}

#[test]
fn stopping_tears_every_session_down_at_once_and_waits_for_none_that_does_not_answer() {
    let cameras: Vec<_> = [Fault::None, Fault::NoTeardown, Fault::Mute, Fault::Stall { after: 5 }]
        .into_iter()
        .map(FakeCamera::start)
        .collect();
    let config: String = cameras.iter().enumerate().map(|(n, c)| entry(&format!("cam{n}"), &c.url())).collect();
    let mut watching = Watching::start(&config);
    watching.wait_connected("cam0");
    watching.wait_connected("cam1");
    wait("the last one plays", Duration::from_secs(5), || (cameras[3].plays() == 1).then_some(()));
    let took = watching.stop();
    assert!(took <= Duration::from_millis(2_200), "{took:?}");
    assert_eq!(cameras.iter().map(FakeCamera::teardowns).collect::<Vec<_>>(), [1, 1, 0, 1]);
}
