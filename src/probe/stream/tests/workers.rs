//! Streams that come by worker.

use super::*;
use crate::wire::record::{Flv, Reason, Srt};
use worker::script::{Script, Step as Said};

const SECOND: Duration = Duration::from_secs(1);
const SRT: &str = "srt://encoder:9000?passphrase=canary-in-the-shaft";
const RTMP: &str = "rtmp://server/live/canary";

fn text(url: &str) -> String {
    format!("id = \"feed\"\nurl = \"{url}\"\n")
}

fn by_srt(muxer: &mut Muxer, seconds: u64, each: u64) -> Vec<(Duration, Said)> {
    let mut steps = vec![(SECOND, Said::Connected)];
    for n in 1..=seconds {
        steps.extend((0..5).map(|_| (SECOND / 5, Said::Ts(muxer.fifth(None)))));
        let counts = Srt { packets: n * each, lost: n, rtt_us: 30_000, latency_ms: 250, ..Srt::default() };
        steps.push((Duration::ZERO, Said::Srt(counts)));
    }
    steps
}

#[tokio::test]
async fn a_worker_that_crashes_is_started_again_and_no_count_starts_over() {
    let (script, mut muxer) = (Script::default(), Muxer::default());
    let mut first = by_srt(&mut muxer, 10, 100);
    first.push((Duration::ZERO, Said::End(worker::Reason::Crashed)));
    script.play(SRT, first);
    script.play(SRT, by_srt(&mut Muxer::starting_at(77.0), 10, 50));
    let mut rig = rig(&text(SRT), &Default::default(), &script, None);
    let up = "ts_input_up{protocol=\"srt\"}";
    let page = rig.after(8).await;
    assert_eq!((page[up], page["ts_srt_round_trip_seconds"], page["ts_srt_latency_seconds"]), (1.0, 0.03, 0.25));
    assert_eq!(page["ts_cue_pids{state=\"declared\"}"], 1.0);
    let page = rig.after(3).await;
    assert_eq!((page[up], failures(&page)), (0.0, vec![("crashed", 1.0)]));
    assert!(!page.contains_key("ts_srt_round_trip_seconds") && !page.contains_key("ts_programs"));
    let page = rig.after(8).await;
    assert_eq!((page[up], script.running(), script.spawned().len()), (1.0, 1, 2));
    assert!(page["ts_srt_packets_total"] > 1000.0 && page["ts_srt_packets_lost_total"] > 10.0);
    assert_eq!(page["ts_continuity_errors_total{role=\"video\"}"], 0.0, "another worker's stream continues nothing");
    assert!(!page.contains_key("ts_datagrams_malformed_total{kind=\"size\"}"));
}

#[tokio::test]
async fn a_caller_that_waits_for_an_answer_is_not_silent_and_each_end_has_its_reason() {
    let script = Script::default();
    let said = worker::Reason::Said;
    let ends = [said(Reason::Unreachable), said(Reason::Denied), worker::Reason::Hung, said(Reason::Silent)];
    for end in ends {
        script.play(SRT, vec![(5 * SECOND, Said::End(end))]);
    }
    let mut rig = rig(&text(SRT), &Default::default(), &script, None);
    assert!(failures(&rig.after(4).await).is_empty());
    let page = rig.after(40).await;
    let told = ["denied", "hung", "not_installed", "silent", "unreachable"].map(|reason| (reason, 1.0));
    assert_eq!(failures(&page), told);
    let reasons = rig.told("stream.lost").len();
    assert_eq!(reasons, 5, "{:?}", rig.notes);
}

#[tokio::test]
async fn rates_over_rtmp_are_of_the_last_ten_seconds_by_our_clock() {
    let flv = |n: u64, rate: u64| Flv {
        video_frames: n * rate,
        video_bytes: n * 250_000,
        audio_frames: n * 47,
        audio_bytes: n * 16_000,
        ..Flv::default()
    };
    let script = Script::default();
    let mut steps = vec![(SECOND / 2, Said::Connected)];
    steps.extend((1..=20).map(|n| (SECOND, Said::Flv(flv(n, 25)))));
    // Sound alone goes on, then nothing new is said of either.
    steps.extend((21..=35).map(|n| (SECOND, Said::Flv(Flv { video_frames: 500, ..flv(n, 0) }))));
    steps.extend((36..=50).map(|_| (SECOND, Said::Flv(Flv { video_frames: 500, ..flv(35, 0) }))));
    script.play(RTMP, steps);
    let mut rig = rig(&text(RTMP), &Default::default(), &script, None);
    let (up, fps) = ("ts_input_up{protocol=\"rtmp\"}", "ts_video_frames_per_second");
    let page = rig.after(15).await;
    assert_eq!((page[up], page[fps]), (1.0, 25.0));
    assert_eq!(page["ts_bits_per_second{role=\"video\"}"], 2e6);
    assert_eq!(page["ts_bits_per_second{role=\"audio\"}"], 128e3);
    assert_eq!(page["ts_received_bytes_total"], 14.0 * 266_000.0);
    assert!(!page.keys().any(|name| name.starts_with("scte35_") || name.starts_with("ts_tr101290")));
    let page = rig.after(10).await;
    assert!(page[up] == 1.0 && page[fps] > 0.0 && page[fps] < 25.0, "{}", page[fps]);
    assert_eq!(rig.after(8).await[fps], 0.0, "it comes, without pictures");
    let page = rig.after(10).await;
    assert_eq!((page[up], failures(&page), page.get(fps)), (0.0, vec![("silent", 1.0)], None));
    assert_eq!(rig.told("stream.lost").len(), 1);
}
