use super::*;
use crate::base::clock::Boot;
use std::time::Duration;

/// As FFmpeg 5.1.9 writes it for one video and one audio output, before and after the first packet.
const FIRST_51: &str = "frame=1\nfps=0.00\nstream_0_0_q=0.0\nbitrate=N/A\ntotal_size=0\nout_time_us=-9223372036854775807\n\
                        out_time_ms=-9223372036854775807\nout_time=-577014:32:22.775807\ndup_frames=0\ndrop_frames=0\n\
                        speed=N/A\nprogress=continue\n";
const LATER_51: &str = "frame=62\nfps=24.62\nstream_0_0_q=28.0\nbitrate= 412.3kbits/s\ntotal_size=131072\n\
                        out_time_us=2543000\nout_time_ms=2543000\nout_time=00:00:02.543000\ndup_frames=1\ndrop_frames=2\n\
                        speed=1.01x\nprogress=continue\n";
/// As 7.1.5: two video outputs, one copied, to HLS.
const LAST_71: &str = "frame=250\nfps=25.00\nstream_0_0_q=23.0\nstream_0_1_q=-1.0\nstream_1_0_q=31.0\nbitrate=N/A\n\
                       total_size=N/A\nout_time_us=N/A\nout_time_ms=N/A\nout_time=N/A\ndup_frames=0\ndrop_frames=0\n\
                       speed=N/A\nprogress=end\n";

fn reports(parser: &mut Parser, bytes: &[u8]) -> Vec<Report> {
    let mut all = Vec::new();
    parser.feed(bytes, &mut |report| all.push(report));
    all
}

fn read(text: &str) -> Vec<Report> {
    reports(&mut Parser::default(), text.as_bytes())
}

#[test]
fn both_versions_are_read_and_what_is_not_known_is_none() {
    let quiet = Report { duplicated: Some(0), dropped: Some(0), ..Report::default() };
    assert_eq!(read(FIRST_51), [Report { frames: Some(1), bytes: Some(0), ..quiet }], "no time yet is no time");
    let later = Report {
        frames: Some(62),
        quantiser: Some(28.0),
        bytes: Some(131_072),
        media_us: Some(2_543_000),
        duplicated: Some(1),
        dropped: Some(2),
        end: false,
    };
    assert_eq!(read(LATER_51), [later]);
    let last = Report { frames: Some(250), quantiser: Some(31.0), end: true, ..quiet };
    assert_eq!(read(LAST_71), [last], "the coarsest of several, and the copied one has none");
}

#[test]
fn a_report_may_be_cut_anywhere() {
    let whole = read(&[FIRST_51, LATER_51, LAST_71].concat());
    assert_eq!(whole.len(), 3);
    let text = [FIRST_51, LATER_51, LAST_71].concat();
    for size in 1..text.len() {
        let mut parser = Parser::default();
        let cut: Vec<_> = text.as_bytes().chunks(size).flat_map(|part| reports(&mut parser, part)).collect();
        assert_eq!((cut, parser.unreadable()), (whole.clone(), 0), "in parts of {size}");
    }
}

#[test]
fn what_nobody_knows_is_passed_over_and_what_makes_no_sense_is_counted() {
    let cases: [(&[u8], u64, Report); 8] = [
        (b"colour=blue\nframe=3\nprogress=continue\n", 0, Report { frames: Some(3), ..Report::default() }),
        (b"frame=-3\nprogress=continue\n", 1, Report::default()),
        (b"total_size=12abc\nprogress=continue\n", 1, Report::default()),
        (b"garbage\n\xff\xfe\nprogress=continue\n", 2, Report::default()),
        (b"stream_0_0_q=nan\nstream_x_0_q=7\nstream_0_q=7\nprogress=continue\n", 1, Report::default()),
        (b"frame= 7 \r\n\r\nprogress=continue\r\n", 0, Report { frames: Some(7), ..Report::default() }),
        (b"out_time_us=99999999999999999999\nprogress=end\n", 1, Report { end: true, ..Report::default() }),
        (b"frame=1\nprogress=perhaps\nprogress=continue\n", 1, Report::default()),
    ];
    for (bytes, unreadable, wanted) in cases {
        let mut parser = Parser::default();
        let got = reports(&mut parser, bytes);
        let text = String::from_utf8_lossy(bytes);
        assert_eq!((got, parser.unreadable()), (vec![wanted], unreadable), "{text}");
    }
    let mut parser = Parser::default();
    let long = [&[b'x'; 100_000][..], b"=1\nframe=2\nprogress=continue\n"].concat();
    assert_eq!(reports(&mut parser, &long)[0].frames, Some(2));
    assert_eq!(parser.unreadable(), 1, "one line, however long");
}

/// A run of `n` reports every `period`, frames and media time growing by what `step` says.
struct Run {
    pace: Pace,
    now: Boot,
    report: Report,
}

impl Run {
    fn new() -> Run {
        let report = Report { frames: Some(0), media_us: Some(0), bytes: Some(0), ..Report::default() };
        Run { pace: Pace::default(), now: Boot::from_secs(100), report }
    }
    fn go(&mut self, n: u32, period_ms: u64, frames: u64, bytes: u64) -> &mut Run {
        for _ in 0..n {
            self.now = self.now.plus(Duration::from_millis(period_ms));
            let report = &mut self.report;
            report.frames = report.frames.map(|f| f + frames);
            report.bytes = report.bytes.map(|b| b + bytes);
            report.media_us = report.media_us.map(|us| us + frames as i64 * 40_000);
            self.pace.on(self.now, *report);
        }
        self
    }
    fn rates(&self) -> (f64, f64, f64) {
        let Rates { fps, bitrate, speed } = self.pace.rates(self.now);
        (fps.unwrap(), bitrate.unwrap(), speed.unwrap())
    }
    fn still(&self) -> Duration {
        self.now.since(self.pace.advanced().unwrap())
    }
}

#[test]
fn rates_come_from_differences_at_any_report_period() {
    for (period, frames) in [(100, 2), (500, 12), (1000, 25), (4000, 100)] {
        let mut run = Run::new();
        run.go(60, period, frames, 50_000);
        let (fps, bitrate, speed) = run.rates();
        let true_fps = frames as f64 * 1000.0 / period as f64;
        assert!((fps - true_fps).abs() < 1e-9, "{period} ms: {fps}");
        assert!((bitrate - 400_000.0 * 1000.0 / period as f64).abs() < 1e-6);
        assert!((speed - true_fps * 0.04).abs() < 1e-9);
    }
    let mut young = Run::new();
    young.go(2, 500, 12, 1);
    assert_eq!(young.pace.rates(young.now), Rates::default(), "half a second says nothing");
}

#[test]
fn a_freeze_shows_whether_reports_stop_or_repeat_themselves() {
    let mut silent = Run::new();
    silent.go(40, 500, 12, 1000);
    silent.now = silent.now.plus(Duration::from_secs(5));
    assert!((silent.rates().0 - 12.0).abs() < 1.5, "half of the window was empty: {:?}", silent.rates());
    assert_eq!(silent.still(), Duration::from_secs(5));
    silent.now = silent.now.plus(Duration::from_secs(20));
    assert_eq!(silent.rates(), (0.0, 0.0, 0.0));

    let mut repeating = Run::new();
    repeating.go(40, 500, 12, 1000).go(10, 500, 0, 0);
    assert!((repeating.rates().0 - 12.0).abs() < 1.5, "{:?}", repeating.rates());
    assert_eq!(repeating.still(), Duration::from_secs(5));
    repeating.go(1, 500, 125, 1000);
    assert_eq!(repeating.still(), Duration::ZERO);
    assert!(repeating.pace.lag().unwrap() > 0.0);
}

#[test]
fn with_video_only_frames_are_an_advance_and_without_media_time_is() {
    let mut run = Run::new();
    run.go(4, 500, 12, 1000);
    for _ in 0..6 {
        // The audio of a second input goes on while the picture stands.
        run.now = run.now.plus(Duration::from_millis(500));
        run.report.media_us = run.report.media_us.map(|us| us + 500_000);
        run.report.bytes = run.report.bytes.map(|b| b + 4000);
        run.pace.on(run.now, run.report);
    }
    assert_eq!(run.still(), Duration::from_secs(3));
    let mut audio = Run::new();
    audio.report.frames = None;
    audio.go(6, 500, 12, 1000);
    assert_eq!(audio.still(), Duration::ZERO);
    assert_eq!(audio.pace.rates(audio.now).fps, None);
}

#[test]
fn totals_go_on_over_a_restart_and_do_not_count_what_was_before_us() {
    let mut run = Run::new();
    run.report.frames = Some(100_000);
    run.go(11, 500, 10, 1000);
    assert_eq!(run.pace.counts(), Counts { reports: 11, frames: 100, bytes: 10_000, ..Counts::default() });
    run.report = Report { frames: Some(0), media_us: Some(0), bytes: Some(0), ..Report::default() };
    run.go(3, 500, 10, 1000);
    assert_eq!(run.pace.counts(), Counts { reports: 14, frames: 130, bytes: 13_000, ..Counts::default() });
    assert!(run.rates().0 <= 20.0, "the run before is not in the rate");
    run.report.end = true;
    run.go(1, 500, 1, 0);
    run.report.end = false;
    // After an end the next report is another run even when it is further on.
    run.go(1, 500, 5, 0);
    assert_eq!(run.pace.counts().frames, 131 + 36);
}

#[test]
fn lag_is_what_media_time_lost_against_our_clock() {
    let mut run = Run::new();
    run.go(20, 1000, 25, 1000);
    assert!(run.pace.lag().unwrap().abs() < 1e-9);
    run.go(10, 1000, 20, 1000);
    assert!((run.pace.lag().unwrap() - 2.0).abs() < 1e-9);
    run.go(10, 1000, 50, 1000);
    assert!((run.pace.lag().unwrap() + 8.0).abs() < 1e-9, "a file is read faster than it plays");
}
