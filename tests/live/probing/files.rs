//! Files and pipes, whose every count can be known.

use super::{Look, codes, command, ffprobe, probe};
use crate::stream::planned;
use crate::support::ts::clip::Clip;
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use tempfile::TempDir;

fn write(clip: &Clip) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip.ts");
    std::fs::write(&path, clip.packets.as_flattened()).unwrap();
    (dir, path)
}

fn near(value: &Value, wanted: f64, within: f64) {
    let value = value.as_f64().unwrap();
    assert!((value - wanted).abs() <= within, "{value}, and not {wanted} ± {within}");
}

#[test]
fn a_good_file_is_healthy_and_its_figures_are_those_of_ffprobe() {
    let (_dir, path) = write(&Clip::base());
    let file = path.to_str().unwrap();
    let look = probe(&[file, "--json"]);
    let summary = look.ends(0).summary();
    assert_eq!((&summary["verdict"], &summary["target"]), (&json!("healthy"), &json!(file)));
    let streams = summary["programmes"][0]["streams"].as_array().unwrap();
    let theirs = ffprobe(&path);
    assert_eq!(streams.len(), theirs.len());
    for (ours, theirs) in streams.iter().zip(&theirs) {
        let pid = theirs["id"].as_str().unwrap().trim_start_matches("0x");
        assert_eq!(ours["pid"], i64::from_str_radix(pid, 16).unwrap());
        assert_eq!(ours["role"], theirs["codec_type"]);
        if ours["role"] == "video" {
            assert_eq!(ours["frames"].to_string(), theirs["nb_read_packets"].as_str().unwrap());
            assert_eq!((&ours["width"], &ours["height"]), (&theirs["width"], &theirs["height"]));
            near(&ours["fps"], 25.0, 0.05);
            assert_eq!((&ours["declared_fps"], &theirs["r_frame_rate"]), (&json!(25.0), &json!("25/1")));
            assert_eq!(
                (&ours["keyframes"], &ours["gop_most"], &ours["gop_least"]),
                (&json!(20), &json!(50), &json!(50))
            );
            assert_eq!(ours["keyframe_interval_most_seconds"], 2.0);
        }
    }
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert_eq!(summary["stream"]["packets"], bytes / 188);
    near(&summary["stream"]["bitrate"], 2_500_000.0, 5_000.0);
    near(&summary["seconds"], 40.0, 0.5);
    let counted: u64 = summary["pids"].as_array().unwrap().iter().map(|p| p["packets"].as_u64().unwrap()).sum();
    assert_eq!(counted, bytes / 188);
    assert!(summary["tr101290"].as_object().unwrap().values().all(|n| *n == 0), "{}", summary["tr101290"]);

    let text = probe(&[file]);
    text.ends(0).has("H.264 640x360, 25.00 fps, GOP 50 (2.00 s)").has("AAC").has("PAT, every 0.10 s");
    text.has("Verdict: HEALTHY");
    assert!(text.errors.is_empty(), "progress is for terminals only: {}", text.errors);
}

#[test]
fn cues_are_told_with_their_adjusted_times_and_what_is_wrong_with_them_makes_the_verdict() {
    let (clip, places) = planned(true);
    let (_dir, path) = write(&clip);
    let file = path.to_str().unwrap();
    let look = probe(&[file, "--json"]);
    let (objects, summary) = look.ends(1).objects();
    let of = |kind: &str| objects.iter().filter(|o| o["kind"] == kind).collect::<Vec<_>>();
    let outs = of("scte35.out");
    let first = outs[0];
    assert_eq!((&first["command"], &first["event_id"]), (&json!("splice_insert"), &json!(7)));
    assert_eq!((&first["pts_ticks"], &first["duration_seconds"]), (&json!(clip.pts(10.0)), &json!(5.0)));
    near(&first["pts_seconds"], clip.pts(10.0) as f64 / 90e3, 1e-6);
    near(&first["preroll_arrival_seconds"], 10.0 - places[1], 0.001);
    assert_eq!(outs[1]["news"], "repeat");
    // Told too early by pts_adjustment, which puts it right.
    let signal = outs.iter().find(|o| o["command"] == "time_signal").unwrap();
    assert_eq!((&signal["pts_ticks"], &signal["pts_adjustment_ticks"]), (&json!(clip.pts(22.0)), &json!(12_345)));
    assert_eq!(signal["segmentation"], "provider_placement_opportunity_start");
    assert_eq!(of("scte35.unusable")[0]["defects"], "crc");
    assert_eq!(of("scte35.opened").len(), 3);
    assert_eq!(of("scte35.closed").len(), 3);
    near(&of("scte35.closed")[0]["actual_seconds"], 5.0, 0.0);
    let cues = &summary["cues"];
    assert_eq!(
        (&cues["repeats"], &cues["damaged"], &cues["late"], &cues["open"]),
        (&json!(1), &json!(1), &json!(3), &json!(0))
    );
    assert_eq!(codes(&summary["faults"]), ["crc", "cue_damaged", "cue_late", "cue_unconditioned"]);

    let text = probe(&[file]);
    text.ends(1)
        .has("OUT      splice_insert event 7, pts ")
        .has("for 5.000 s")
        .has("UNUSABLE splice_insert: crc")
        .has("UNHEALTHY");
    text.has("cue_late").has("let the automation send it earlier");
    let heartbeat = text.out.lines().any(|line| line.contains("splice_null") && line.contains(" s  cue"));
    assert!(!heartbeat, "a heartbeat is counted only");
}

#[test]
fn losses_make_it_unhealthy_and_are_named_with_what_to_do() {
    let mut clip = Clip::base();
    clip.lose(5.0).lose(9.0).jump_pcr(20.0, 3.0);
    let (_dir, path) = write(&clip);
    let file = path.to_str().unwrap();
    let look = probe(&[file, "--json"]);
    let faults = look.ends(1).faults();
    for fault in ["continuity_count", "pcr_discontinuity_indicator"] {
        assert!(faults.iter().any(|f| f == fault), "{fault} is not in {faults:?}");
    }
    let summary = look.summary();
    assert_eq!((&summary["tr101290"]["continuity_count"], &summary["roles"]["video"]["lost"]), (&json!(2), &json!(2)));
    let text = probe(&[file]);
    text.ends(1).has("2 × TR 101 290 1.4").has("video 2").has("look at cables");
    // What was lost lies behind the part that is looked at.
    probe(&[file, "--for", "4s"]).ends(0).has("Verdict: HEALTHY");
}

#[test]
fn a_pipe_is_read_to_the_end_of_its_writer() {
    let mut child = command(&["-", "--json"]).stdin(Stdio::piped()).spawn().unwrap();
    let clip = Clip::base().cut(2.0, 12.0);
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(clip.packets.as_flattened()).unwrap();
    drop(pipe);
    let look = Look::of(child.wait_with_output().unwrap());
    let summary = look.ends(0).summary();
    assert_eq!(summary["stream"]["packets"], clip.packets.len());
    near(&summary["seconds"], 10.0, 0.1);
}

#[test]
fn what_is_no_stream_is_nothing_to_look_at() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("text"), "no stream\n".repeat(1000)).unwrap();
    std::fs::write(path("empty"), "").unwrap();
    for (file, reason) in [("text", "garbage"), ("empty", "eof"), (".", "wrong_kind")] {
        let look = probe(&[&path(file), "--json"]);
        let summary = look.ends(2).summary();
        assert_eq!((&summary["verdict"], &summary["reason"]), (&json!("unreachable"), &json!(reason)));
        assert!(!summary["hint"].as_str().unwrap().is_empty());
    }
    let missing = probe(&[&path("missing")]);
    missing.ends(2);
    assert!(missing.out.is_empty() && missing.errors.contains("No such file"), "{}", missing.errors);
}
