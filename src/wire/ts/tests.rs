mod build;
mod cues;
mod faults;
mod pictures;

use super::*;
use crate::base::label::Label;
use build::{AUDIO, CUE, FPS, GOP, LEAD, PMT, PROGRAM, START, Sent, VIDEO, stream};
use std::time::Duration;

/// Programme, bytes, CRC good, carriage, clock, newest PTS.
type Got = (u16, Vec<u8>, bool, Carriage, Option<u64>, Option<u64>);

/// Everything that came out.
#[derive(Default)]
struct Heard {
    sections: Vec<Got>,
    disguised: usize,
    units: Vec<Unit>,
    jumps: Vec<Jump>,
    tables: Vec<(u16, Option<Program>)>,
}

impl Listener for Heard {
    fn section(&mut self, s: &Section<'_>) {
        self.disguised += usize::from(s.disguised);
        self.sections.push((s.program, s.bytes.to_vec(), s.crc_ok, s.carriage, s.stc, s.pts));
    }
    fn access_unit(&mut self, unit: &Unit) {
        self.units.push(*unit);
    }
    fn discontinuity(&mut self, _: u16, jump: Jump, _: Boot) {
        self.jumps.push(jump);
    }
    fn tables(&mut self, number: u16, program: Option<&Program>, _: Boot) {
        self.tables.push((number, program.cloned()));
    }
}

fn play(monitor: &mut Monitor, sent: &[Sent]) -> Heard {
    let mut heard = Heard::default();
    for s in sent {
        monitor.on(&Packet::new(&s.bytes), s.at, &mut heard);
    }
    heard
}

fn watch(sent: &[Sent]) -> (Monitor, Heard) {
    let mut monitor = Monitor::new(Options::default());
    let heard = play(&mut monitor, sent);
    (monitor, heard)
}

fn after(seconds: f64) -> Boot {
    START.plus(Duration::from_secs_f64(seconds))
}

/// Indicators that are not 0.
fn faults(counts: &Counts) -> Vec<(Indicator, u64)> {
    Indicator::ALL.iter().map(|i| (*i, counts.of(*i))).filter(|(_, n)| *n > 0).collect()
}

fn near(a: Option<f64>, b: f64, by: f64) {
    assert!(a.is_some_and(|a| (a - b).abs() <= by), "{a:?} is not {b}");
}

#[test]
fn a_clean_stream_reads_as_it_was_made() {
    let (monitor, heard) = watch(&stream(20, 27_000_000));
    let counts = monitor.counts();
    assert_eq!((faults(&counts), heard.jumps), (vec![], vec![]));
    assert_eq!((counts.packets(), counts.frames, counts.keyframes, counts.audio_units), (5000, 500, 10, 500));
    assert_eq!((counts.cue_sections, counts.table_changes), (5, 2));
    let video: Vec<&Unit> = heard.units.iter().filter(|u| u.medium == Medium::Video).collect();
    assert_eq!((video.len(), heard.units.len()), (500, 1000));
    for (n, unit) in video.iter().enumerate() {
        let time = 90_000 + n as u64 * 3_600 + LEAD;
        let kind = if (n as u64).is_multiple_of(GOP) { RandomAccess::Idr } else { RandomAccess::None };
        assert_eq!((unit.dts, unit.pts, unit.random_access), (time, time + 7_200, kind));
        assert_eq!((unit.program, unit.pid, unit.at), (PROGRAM, VIDEO, after(n as f64 / FPS as f64 + 0.008)));
    }

    let facts = monitor.facts(after(20.0));
    let rate = FPS as f64 * 10.0 * 188.0 * 8.0;
    near(facts.bitrate, rate, 1.0);
    let nulls = counts.role(Role::Null).packets as f64 / counts.packets() as f64;
    near(facts.net_bitrate, rate * (1.0 - nulls), rate / 100.0);
    assert_eq!((facts.transport_stream_id, facts.pids, facts.programs.len()), (Some(1), 6, 1));
    let program = &facts.programs[0];
    assert_eq!((program.number, program.pmt_pid, program.pcr_pid), (PROGRAM, PMT, Some(VIDEO)));
    assert!(program.known && program.cuei && program.gone_cues.is_empty());
    near(program.pcr_interval, 0.04, 0.0);
    near(program.pcr_jitter, 0.0, 1e-6);
    near(program.av_offset, 0.0, 0.02);
    near(program.av_drift, 0.0, 1e-6);
    // The last PCR came 32 ms ago.
    assert_eq!(program.stc, Some(90_000 * 21 - 720));
    let roles: Vec<_> = program.streams.iter().map(|s| (s.pid, s.role, s.cue)).collect();
    let none = CueState::None;
    assert_eq!(roles, [(VIDEO, Role::Video, none), (AUDIO, Role::Audio, none), (CUE, Role::Cue, CueState::Declared)]);
    let picture = program.streams[0].video.unwrap();
    near(picture.fps, 25.0, 0.0);
    near(picture.declared_fps, 25.0, 0.0);
    near(picture.keyframe_interval, 2.0, 0.0);
    assert_eq!((picture.resolution, picture.gop), (Some((1918, 1078)), Some(50)));
    near(program.streams[0].pts_interval, 0.04, 0.0);
}

#[test]
fn clocks_wrap_without_a_fault_and_the_stc_with_them() {
    // PCR wraps after 5 s, timestamps 0.7 s before it.
    let (monitor, heard) = watch(&stream(20, ((1 << 33) - 450_000) * 300));
    assert_eq!((faults(&monitor.counts()), heard.jumps), (vec![], vec![]));
    assert_eq!(monitor.facts(after(20.0)).programs[0].stc, Some(15 * 90_000 - 720));
    let (_, bytes, crc_ok, _, stc, pts) = heard.sections.last().unwrap().clone();
    assert_eq!((bytes, crc_ok), (build::splice_null(), true));
    // The fifth cue is in frame 410, four packets behind the PCR.
    let clock = (410 * 3_600 - 450_000) + 4 * 360;
    assert!(stc.unwrap().abs_diff(clock) <= 1, "{stc:?} {clock}");
    assert_eq!(pts, Some(410 * 3_600 - 450_000 + LEAD + 7_200));
}

#[test]
fn a_restart_forgets_all_but_the_counts() {
    let sent = stream(10, 0);
    let mut monitor = Monitor::new(Options::default());
    play(&mut monitor, &sent);
    let before = monitor.counts();
    monitor.restart();
    assert_eq!(monitor.facts(after(10.0)).programs, []);
    assert_eq!(monitor.facts(after(10.0)).bitrate, None);
    // An hour later, elsewhere in the stream, the counters anywhere.
    let later: Vec<Sent> =
        sent[1237..].iter().map(|s| Sent { at: s.at.plus(Duration::from_secs(3_600)), ..s.clone() }).collect();
    let heard = play(&mut monitor, &later);
    assert_eq!((faults(&monitor.counts()), heard.jumps), (vec![], vec![]));
    assert_eq!(monitor.counts().packets(), before.packets() + later.len() as u64);
    // Joined inside a picture: its rest is no picture.
    assert_eq!(monitor.counts().frames, before.frames + 125);
}

#[test]
fn a_file_is_timed_by_its_own_clock() {
    let bytes: Vec<u8> = stream(20, 0).iter().flat_map(|s| s.bytes).collect();
    let mut monitor = Monitor::new(Options { timebase: Timebase::Stream, ..Options::default() });
    let mut heard = Heard::default();
    for part in bytes.chunks(65_536) {
        monitor.feed(part, START, &mut heard);
    }
    assert_eq!((faults(&monitor.counts()), heard.jumps), (vec![], vec![]));
    let facts = monitor.facts(START);
    near(facts.bitrate, FPS as f64 * 10.0 * 188.0 * 8.0, 500.0);
    near(facts.programs[0].streams[0].video.unwrap().fps, 25.0, 0.05);
    assert_eq!(facts.programs[0].pcr_jitter, None);
    let last = heard.units.last().unwrap();
    assert!((last.at.since(START).as_secs_f64() - 19.96).abs() < 0.02, "{:?}", last.at);
    assert!(facts.locked);
}

#[test]
fn arrival_jitter_is_the_spread_against_an_even_clock() {
    let mut sent = stream(20, 0);
    for s in &mut sent {
        // Packets of every fifth frame come 30 ms late, and those behind them as late as order asks.
        let frame = (s.age() * FPS as f64).floor() as u64;
        s.at = if frame % 5 == 3 { s.at.plus(Duration::from_millis(30)) } else { s.at };
    }
    let (monitor, _) = watch(&sent);
    let program = &monitor.facts(after(20.0)).programs[0];
    near(program.pcr_jitter, 0.03, 1e-6);
    near(program.pcr_interval, 0.04, 0.0);
    assert_eq!(faults(&monitor.counts()), []);
    assert_eq!(monitor.facts(after(40.0)).programs[0].pcr_jitter, None);
}

#[test]
fn rates_fall_to_zero_when_nothing_comes_and_are_absent_at_first() {
    let (monitor, _) = watch(&stream(2, 0));
    assert_eq!(Monitor::new(Options::default()).facts(START).bitrate, None);
    assert_eq!(monitor.facts(after(0.9)).bitrate, None);
    let facts = monitor.facts(after(30.0));
    assert_eq!((facts.bitrate, facts.programs[0].bitrate), (Some(0.0), Some(0.0)));
    assert_eq!(facts.programs[0].streams[0].video.unwrap().fps, Some(0.0));
    assert_eq!((facts.programs[0].stc, facts.programs[0].pcr_interval), (None, None));
}
