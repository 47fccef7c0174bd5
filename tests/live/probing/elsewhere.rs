//! What comes over a network: datagrams, SRT, playlists, cameras; and what does not come.

use super::{Look, command, probe};
use crate::playlist::Encoder;
use crate::support::cameras::GstCamera;
use crate::support::origin::{Deed, Origin};
use crate::support::ts::clip::Clip;
use crate::support::ts::send::{Sending, Way, free_udp_port};
use crate::support::{Kid, free_port, gst, wait};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

const CANARY: &str = "canary-probe-0815";

/// Sends a live picture to a port for ever.
fn ffmpeg(port: u16) -> Kid {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-loglevel", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25"]);
    command.args(["-f", "lavfi", "-i", "sine=1000", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency"]);
    command.args(["-g", "25", "-b:v", "300k", "-c:a", "aac", "-f", "mpegts"]);
    command.arg(format!("udp://127.0.0.1:{port}?pkt_size=1316")).stdin(Stdio::null());
    Kid::spawn(&mut command)
}

fn streams(summary: &Value) -> &Vec<Value> {
    summary["programmes"][0]["streams"].as_array().unwrap()
}

#[test]
fn an_encoder_over_udp_is_healthy_and_ctrl_c_ends_the_look_with_its_summary() {
    let port = free_udp_port();
    let _encoder = ffmpeg(port);
    let target = format!("udp://127.0.0.1:{port}");
    let look = probe(&[&target, "--for", "6s", "--json"]);
    let summary = look.well().summary();
    let video = &streams(&summary)[0];
    assert!((video["fps"].as_f64().unwrap() - 25.0).abs() < 1.0, "{video}");
    assert_eq!((&video["width"], &video["gop_most"], &video["codec"]), (&json!(320), &json!(25), &json!("H.264")));

    let mut child = command(&[&target, "--for", "10m"]).spawn().unwrap();
    // It listens: its socket stands in the kernel's list.
    let listening = format!(":{port:04X} ");
    wait("the probe to listen", Duration::from_secs(20), || {
        std::fs::read_to_string("/proc/net/udp").unwrap().contains(&listening).then_some(())
    });
    wait("some packets", Duration::from_secs(20), || {
        let stat = std::fs::read_to_string(format!("/proc/{}/schedstat", child.id())).ok()?;
        (stat.split(' ').nth(2)?.trim().parse::<u64>().ok()? > 30).then_some(())
    });
    // SAFETY: kill(2) takes no pointer; the pid is that of our own child, which is not reaped yet.
    assert_eq!(unsafe { libc::kill(child.id() as i32, libc::SIGINT) }, 0);
    let status = child.wait().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).collect::<Vec<_>>().join("\n");
    assert!(out.contains("Verdict: ") && status.code().is_some(), "{status}\n{out}");
}

#[test]
fn rtp_is_known_whatever_it_is_called_and_its_losses_are_counted() {
    let clip = Clip::base().cut(0.5, 12.0);
    let port = free_udp_port();
    let look = |scheme: &str| {
        let child = command(&[&format!("{scheme}://:{port}"), "--for", "5s", "--json"]).spawn().unwrap();
        let sending = Sending::start(&clip, Way::Rtp(format!("127.0.0.1:{port}").parse().unwrap()));
        let look = Look::of(child.wait_with_output().unwrap());
        drop(sending);
        look
    };
    let told = look("rtp").well().summary();
    assert_eq!((&told["stream"]["rtp"], &told["stream"]["rtp_packets_lost"]), (&json!(false), &json!(0)));
    let guessed = look("udp").well().summary();
    assert_eq!(super::codes(&guessed["remarks"]), ["rtp"]);
    assert_eq!(streams(&guessed)[0]["width"], 640);
}

#[test]
fn an_srt_stream_comes_through_the_worker() {
    let plugins = gst::built();
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let pipeline = format!(
        "videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=25/1 ! x264enc tune=zerolatency \
         key-int-max=25 ! h264parse ! mpegtsmux alignment=7 ! srtsink wait-for-connection=false \
         uri=srt://127.0.0.1:{port}?mode=listener&passphrase={CANARY}"
    );
    let _encoder = gst::play(&mut gst::launch(dir.path(), &plugins), &pipeline);
    let path = format!("{}:{}", plugins.display(), std::env::var("PATH").unwrap());
    let target = format!("srt://127.0.0.1:{port}?passphrase={CANARY}");
    let look = wait("the encoder to listen", Duration::from_secs(60), || {
        let mut command = command(&[&target, "--for", "6s", "--json"]);
        let look = Look::of(command.env("PATH", &path).output().unwrap());
        (look.code != 2).then_some(look)
    });
    let summary = look.well().summary();
    assert_eq!(
        (&streams(&summary)[0]["width"], &summary["target"]),
        (&json!(320), &json!(format!("srt://127.0.0.1:{port}")))
    );
    let missing = Look::of(command(&[&target]).env("PATH", "/nowhere").output().unwrap());
    missing.ends(2);
    assert!(missing.errors.contains("not_installed") && missing.errors.contains("vedette-gst"), "{}", missing.errors);
    assert!(!format!("{}{}", look.out, missing.errors).contains(CANARY));
}

#[test]
fn a_playlist_is_looked_at_as_a_player_meets_it() {
    let encoder = Encoder::start();
    let index = encoder.dir().join("index.m3u8");
    let section = "0xfc3025000000"; // cut off
    let origin = Origin::start(encoder.dir(), move |path, _| match path {
        "/index.m3u8" => Deed::File,
        "/bad.m3u8" => {
            let text = std::fs::read_to_string(&index).unwrap();
            let cue =
                format!("#EXT-X-DATERANGE:ID=\"1\",START-DATE=\"2026-11-21T07:00:00Z\",SCTE35-OUT={section}\n#EXTINF");
            Deed::Instead(text.replacen("#EXTINF", &cue, 1).into_bytes())
        }
        _ => Deed::File,
    });
    let target = |path: &str| format!("http://127.0.0.1:{}/{path}?token={CANARY}", origin.port);
    let look = probe(&[&target("index.m3u8"), "--for", "5s", "--json"]);
    let summary = look.well().summary();
    let metric = |name: &str| {
        let all = summary["metrics"].as_array().unwrap();
        all.iter().find(|m| m["name"] == name).map(|m| m["value"].clone())
    };
    assert_eq!(metric("hls_up"), Some(json!(1.0)));
    assert_eq!(metric("hls_target_duration_seconds"), Some(json!(1.0)));
    let text = probe(&[&target("index.m3u8"), "--for", "4s"]);
    text.has("target duration 1 s").has(" read").has("H.264 320x180").has("Verdict: ");
    let bad = probe(&[&target("bad.m3u8"), "--for", "3s"]);
    bad.ends(1).has("cue_payload").has("RFC 8216");
    let missing = probe(&[&target("none.m3u8")]);
    missing.ends(2);
    assert!(missing.errors.contains("not_found") && missing.errors.contains("packager"), "{}", missing.errors);
    for look in [look, text, bad, missing] {
        assert!(!format!("{}{}", look.out, look.errors).contains(CANARY));
    }
}

#[test]
fn a_camera_is_looked_at_with_what_the_camera_probe_knows() {
    let camera = GstCamera::start(&["--login", &format!("admin:{CANARY}"), "--fps", "25", "--size", "320x240"]);
    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, format!("{CANARY}\n")).unwrap();
    let login = ["--username", "admin", "--password-file", password.to_str().unwrap()];
    let look = probe(&[&[camera.url.as_str(), "--for", "5s"][..], &login].concat());
    look.has("320x240").has("fps").has("0 lost").has("Verdict: ");
    let inside = camera.url.replace("rtsp://", &format!("rtsp://admin:{CANARY}@"));
    let json = probe(&[&inside, "--for", "4s", "--json"]);
    let summary = json.well().summary();
    let frames = summary["metrics"].as_array().unwrap().iter().find(|m| m["name"] == "camera_frames_total").unwrap();
    assert!(frames["value"].as_f64().unwrap() > 40.0, "{frames}");
    let wrong = probe(&[&camera.url.replace("rtsp://", "rtsp://admin:wrong@")]);
    wrong.ends(2);
    assert!(wrong.errors.contains("auth") && wrong.errors.contains("password"), "{}", wrong.errors);
    wait("both sessions to be closed", Duration::from_secs(10), || (camera.count("teardowns") >= 2.0).then_some(()));
    for look in [look, json, wrong] {
        assert!(!format!("{}{}", look.out, look.errors).contains(CANARY));
    }
}

#[test]
fn a_camera_that_loses_packets_is_unhealthy() {
    let camera = GstCamera::start(&["--drop-every", "40"]);
    let look = probe(&[&camera.url, "--for", "5s", "--json"]);
    let faults = look.ends(1).faults();
    assert!(faults.contains(&"packets_lost".to_owned()) && faults.contains(&"frames_dropped".to_owned()), "{faults:?}");
}

#[test]
fn what_is_not_there_and_what_cannot_be_meant_ends_with_2() {
    let silent = free_udp_port();
    let closed = free_port();
    for (arguments, word) in [
        (vec![format!("udp://127.0.0.1:{silent}"), "--for".into(), "1s".into()], "silent"),
        (vec!["udp://192.0.2.1:5000".into()], "no_address"),
        (vec![format!("rtsp://u:{CANARY}@127.0.0.1:{closed}/x")], "refused"),
        (vec![format!("http://127.0.0.1:{closed}/{CANARY}.m3u8")], "refused"),
        (vec![format!("https://u:{CANARY}@127.0.0.1/x.m3u8")], "password_file"),
        (vec![format!("gopher://u:{CANARY}@127.0.0.1/x.m3u8")], "gopher://"),
        (vec![format!("u:{CANARY}@camera/x")], "no URL"),
        (vec!["udp://239.1.1.1".into()], "needs an address and a port"),
        (vec!["udp://239.1.1.1:5000".into(), "--for".into(), "ever".into()], "duration"),
        (vec!["udp://239.1.1.1:5000".into(), "--username".into(), "u".into()], "--username"),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let look = probe(&arguments);
        look.ends(2);
        assert!(look.errors.contains(word) && look.out.is_empty(), "{arguments:?}: {}", look.errors);
        assert!(!look.errors.contains(CANARY), "{}", look.errors);
    }
}
