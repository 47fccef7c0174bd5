use super::*;
use crate::base::clock::{Boot, Sim};
use crate::base::quit;
use crate::base::ring::Ring;
use crate::base::settings::read;
use crate::metric::book::Book;
use crate::metric::latest::Latest;
use crate::metric::note::Note;
use crate::metric::report::{NoData, Report};
use crate::probe::{Kit, Tap};
use crate::wire::tracer::{self, Element, Head, Kind as Class, Numbers, Writer};
use crate::world::World;
use crate::world::inflow::{self, Place};
use crate::world::peek::Peeked;
use crate::world::process::{self, Identity, Look, State, Usage, Wanted};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const FFMPEG: &str =
    "id = \"yard\"\ncamera = \"north\"\nprogress = \"udp://127.0.0.1:9801\"\nlog = \"/var/log/yard\"\n";

fn settings(text: &str) -> (Option<Plan>, Vec<String>) {
    let (plan, mistakes) = read(text, |table| {
        let plan = Plan::read(&table);
        table.finish();
        plan
    });
    (plan, mistakes.iter().map(ToString::to_string).collect())
}

/// One encoder in a scripted world, run for real through its session.
struct Rig {
    sim: Sim,
    inflow: inflow::Script,
    processes: process::Script,
    wanted: Wanted,
    ring: Ring<Report>,
    latest: Latest,
    notes: Vec<Note>,
    /// Frames so far, of the next report.
    frame: u64,
    _quitter: quit::Quitter,
}

fn rig(text: &str) -> Rig {
    let (sim, book) = (Sim::new(), Book::default());
    let (inflow, processes) = (inflow::Script::default(), process::Script::default());
    let world = World {
        inflow: Arc::new(inflow.clone()),
        processes: Arc::new(processes.clone()),
        ..World::scripted(sim.clock())
    };
    let mut kit = Kit::new(world, book.clone(), Default::default(), Default::default());
    let wanted = settings(text).0.unwrap().wanted.unwrap_or(Wanted { pid: Some(812), ..Wanted::default() });
    let target = read(text, |table| (KIND.read)(&table)).0.unwrap();
    let mut session = (target.open)(&mut kit);
    let ring = Ring::new(1000);
    let (quitter, quit) = quit::pair();
    let tap = Tap::new(ring.clone(), Default::default());
    tokio::spawn(async move { session.run(&tap, &quit).await });
    let latest = Latest::new(book);
    Rig { sim, inflow, processes, wanted, ring, latest, notes: Vec::new(), frame: 0, _quitter: quitter }
}

fn look(pid: i32, started: u64) -> Look {
    let usage = Usage {
        started: Boot::from_secs(started),
        cpu: 1.0,
        resident: 50_000_000,
        threads: 9,
        oom_score: Ok(667),
        state: State::Live,
        cgroup_io: Err(NoData::Unsupported),
    };
    let found = Some((Identity { pid, started }, usage));
    Look { found, fitting: 1, reports: Some(true), blind: false, peeked: Err(NoData::Denied) }
}

fn gone() -> Look {
    Look { found: None, fitting: 0, reports: None, ..look(0, 0) }
}

impl Rig {
    fn process(&self, look: Look) {
        self.processes.set(&self.wanted, Ok(look));
    }

    /// Lets `ms` pass in steps of 100 ms.
    async fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 100 {
            self.sim.advance(Duration::from_millis(100));
            self.settle().await;
        }
    }

    async fn settle(&mut self) {
        for _ in 0..30 {
            tokio::task::yield_now().await;
        }
    }

    /// `n` reports at half a second, `frames` more with each.
    async fn reports(&mut self, n: u32, frames: u64) {
        for _ in 0..n {
            self.pass(500).await;
            self.frame += frames;
            let text = format!(
                "frame={f}\nstream_0_0_q=28.0\ntotal_size={}\nout_time_us={}\ndup_frames={}\ndrop_frames={}\nprogress=continue\n",
                self.frame * 1000,
                self.frame * 40_000,
                self.frame / 6,
                self.frame / 12,
                f = self.frame
            );
            self.say(&text).await;
        }
    }

    async fn say(&mut self, text: &str) {
        assert_eq!(self.inflow.say(&Place::Udp(9801), text.as_bytes()), 1, "somebody listens");
        self.settle().await;
    }

    async fn page(&mut self) -> BTreeMap<String, f64> {
        self.settle().await;
        for report in self.ring.take_now() {
            self.notes.extend(report.notes.iter().cloned());
            self.latest.apply(&report);
        }
        let snapshot = self.latest.snapshot(self.sim.clock().now());
        let name = |labels: String| labels.replace("camera_id=\"north\",", "").replace("encoder_id=\"yard\"", "");
        snapshot.rows.iter().map(|r| (name(format!("{}{}", r.meta.family.name, r.meta.labels)), r.value)).collect()
    }

    async fn of(&mut self, series: &str) -> Option<f64> {
        let page = self.page().await;
        page.get(series).or(page.get(&format!("{series}{{}}"))).copied()
    }

    /// The causes that hold.
    async fn faults(&mut self) -> Vec<String> {
        let page = self.page().await;
        let cause =
            |series: &String| Some(series.strip_prefix("encoder_fault{cause=\"")?.strip_suffix("\",}")?.to_owned());
        page.iter().filter(|(_, value)| **value == 1.0).filter_map(|(series, _)| cause(series)).collect()
    }

    fn kinds(&self) -> Vec<&'static str> {
        self.notes.iter().map(|note| note.kind).collect()
    }
}

#[tokio::test]
async fn an_encoder_at_work_tells_its_pace_by_our_clock() {
    let mut rig = rig(FFMPEG);
    rig.process(look(7, 1));
    rig.reports(24, 12).await;
    rig.pass(1000).await;
    let page = rig.page().await;
    let of = |name: &str| page.get(&format!("encoder_{name}{{}}")).copied();
    assert_eq!((of("up"), of("advancing"), of("writing")), (Some(1.0), Some(1.0), Some(1.0)), "{page:#?}");
    assert!((of("fps").unwrap() - 24.0).abs() < 1e-6 && (of("speed").unwrap() - 0.96).abs() < 1e-6, "{page:#?}");
    assert!((of("bitrate").unwrap() - 192_000.0).abs() < 1e-3);
    assert_eq!((of("quantiser"), of("process_threads"), of("process_oom_score")), (Some(28.0), Some(9.0), Some(667.0)));
    assert_eq!(of("frames_total"), Some(23.0 * 12.0), "what was before the first report is not ours");
    assert_eq!((of("frames_duplicated_total"), of("frames_dropped_total")), (Some(46.0), Some(23.0)));
    assert_eq!(of("output_bytes_total"), Some(23.0 * 12.0 * 1000.0));
    assert!((of("output_lag_seconds").unwrap() - 11.5 * 0.04).abs() < 1e-6, "{page:#?}");
    assert_eq!((of("restarts_total"), of("written_bytes_total")), (Some(0.0), None), "nobody peeks");
    assert!(rig.latest.no_data(NoData::Denied) > 0);
    assert_eq!(page["encoder_info{,encoder_type=\"ffmpeg\",resolution=\"unknown\"}"], 1.0, "{page:#?}");
    assert_eq!(page.keys().filter(|series| series.starts_with("encoder_fault{")).count(), 8);
    assert!(rig.faults().await.is_empty(), "{page:#?}");
}

#[tokio::test]
async fn a_freeze_is_told_within_two_seconds_in_silence_and_in_repetition() {
    for repeating in [false, true] {
        let mut rig = rig(FFMPEG);
        rig.process(look(7, 1));
        rig.reports(20, 12).await;
        assert_eq!(rig.of("encoder_advancing").await, Some(1.0));
        if repeating {
            rig.reports(4, 0).await;
        } else {
            rig.pass(2000).await;
        }
        assert_eq!((rig.of("encoder_advancing").await, rig.of("encoder_up").await), (Some(0.0), Some(1.0)));
        assert_eq!(rig.kinds(), ["encoder.stalled"]);
        assert_eq!(rig.faults().await, ["stalled"]);
        let wanted = if repeating { "repeating" } else { "silent" };
        assert_eq!(rig.notes[0].fields[0].1, wanted.into());
        rig.pass(9000).await;
        assert!(rig.of("encoder_fps").await.unwrap() < 1.0);
        rig.reports(2, 100).await;
        rig.pass(1000).await;
        assert_eq!(rig.of("encoder_advancing").await, Some(1.0));
        assert_eq!(rig.kinds(), ["encoder.stalled", "encoder.resumed"]);
        assert_eq!(rig.of("encoder_stalls_total").await, Some(1.0));
    }
}

#[tokio::test]
async fn a_clean_end_is_not_a_kill_and_neither_leaves_old_numbers() {
    for clean in [true, false] {
        let mut rig = rig(FFMPEG);
        rig.process(look(7, 1));
        rig.reports(10, 12).await;
        if clean {
            rig.say("frame=121\nprogress=end\n").await;
        }
        rig.process(gone());
        rig.pass(4000).await;
        let page = rig.page().await;
        assert_eq!(page["encoder_up{}"], 0.0);
        for name in ["fps", "advancing", "process_resident_memory_bytes", "report_age_seconds"] {
            assert!(!page.contains_key(&format!("encoder_{name}{{}}")), "{name} {page:#?}");
        }
        let ends = |how: &str| page[&format!("encoder_ends_total{{,how=\"{how}\"}}")];
        assert_eq!((ends("clean"), ends("abrupt")), if clean { (1.0, 0.0) } else { (0.0, 1.0) });
        assert_eq!(rig.faults().await, [if clean { "ended" } else { "died" }]);
        assert_eq!(rig.kinds(), ["encoder.exit"]);
        rig.process(look(8, 16));
        rig.pass(1000).await;
        rig.frame = 0;
        rig.reports(4, 12).await;
        assert_eq!((rig.of("encoder_restarts_total").await, rig.of("encoder_up").await), (Some(1.0), Some(1.0)));
        assert_eq!(rig.kinds(), ["encoder.exit", "encoder.restarted"]);
    }
}

#[tokio::test]
async fn what_the_kernel_says_of_a_process_that_stands_still_is_the_cause() {
    let mut rig = rig(&format!("{FFMPEG}streams = [\"feed\"]\n"));
    rig.pass(1000).await;
    assert_eq!(rig.faults().await, ["missing"]);
    assert_eq!(rig.of("encoder_stream_down{,stream_id=\"feed\"}").await, Some(1.0));
    rig.process(look(7, 1));
    rig.reports(10, 12).await;
    assert!(rig.faults().await.is_empty());
    assert_eq!(rig.of("encoder_stream_down{,stream_id=\"feed\"}").await, Some(0.0));
    let mut held = look(7, 1);
    held.found.as_mut().unwrap().1.state = State::Stopped;
    rig.process(held);
    rig.pass(1000).await;
    assert_eq!(rig.faults().await, ["stopped"], "before its reports are missed");
    let dry = Peeked { received: Some(9), receive_age_ms: Some(4000), unread: Some(0), ..Peeked::default() };
    rig.process(Look { peeked: Ok(dry), ..look(7, 1) });
    rig.pass(3000).await;
    assert_eq!(rig.faults().await, ["starved"]);
    rig.processes.set(&rig.wanted, Err(NoData::Timeout));
    rig.pass(4000).await;
    assert!(rig.faults().await.is_empty(), "nobody knows");
    assert_eq!(rig.of("encoder_fault{cause=\"starved\",}").await, None);
}

#[tokio::test]
async fn an_encoder_that_waits_for_its_input_from_the_start_does_not_advance() {
    let mut rig = rig(FFMPEG);
    rig.process(look(7, 10));
    rig.pass(8000).await;
    assert_eq!(rig.of("encoder_advancing").await, None, "it may still be connecting");
    rig.pass(3000).await;
    assert_eq!((rig.of("encoder_up").await, rig.of("encoder_advancing").await), (Some(1.0), Some(0.0)));
}

#[tokio::test]
async fn a_process_without_our_flags_is_known_by_what_vedette_peek_sees() {
    let mut rig = rig("id = \"yard\"\ncamera = \"north\"\noutput = \"/rec/yard-\"\n");
    for second in 0..14_u64 {
        let peeked = Peeked {
            written: Some(1_000_000 + second * 250_000),
            received: Some(second * 500_000),
            receive_age_ms: Some(40),
            ..Peeked::default()
        };
        rig.process(Look { peeked: Ok(peeked), reports: Some(false), ..look(7, 1) });
        rig.pass(1000).await;
    }
    let page = rig.page().await;
    let of = |name: &str| page.get(&format!("encoder_{name}{{}}")).copied();
    assert_eq!((of("up"), of("writing"), of("advancing")), (Some(1.0), Some(1.0), None), "{page:#?}");
    assert!((of("write_bitrate").unwrap() - 2e6).abs() < 1e5 && (of("input_bitrate").unwrap() - 4e6).abs() < 2e5);
    assert_eq!(of("input_age_seconds"), Some(0.04));
    rig.pass(11_000).await;
    assert_eq!(rig.of("encoder_writing").await, Some(0.0));
}

#[tokio::test]
async fn where_processes_are_hidden_reports_show_that_one_is_there() {
    let mut rig = rig(FFMPEG);
    rig.process(Look { blind: true, ..gone() });
    rig.pass(1000).await;
    assert_eq!(rig.of("encoder_up").await, None, "not seen is not known");
    rig.reports(10, 12).await;
    assert_eq!((rig.of("encoder_up").await, rig.of("encoder_advancing").await), (Some(1.0), Some(1.0)));
    rig.say("frame=121\nprogress=end\n").await;
    rig.pass(2000).await;
    assert_eq!(rig.of("encoder_ends_total{,how=\"clean\"}").await, Some(1.0));
    assert_eq!(rig.of("encoder_fps").await, None);
}

#[tokio::test]
async fn a_kernel_that_does_not_answer_takes_the_process_off_the_page_and_nothing_else() {
    let mut rig = rig(FFMPEG);
    rig.process(look(7, 1));
    rig.reports(10, 12).await;
    rig.processes.set(&rig.wanted, Err(NoData::Timeout));
    rig.reports(10, 12).await;
    let page = rig.page().await;
    assert!(!page.contains_key("encoder_process_threads{}"), "{page:#?}");
    assert!(page.contains_key("encoder_frames_total{}"));
    assert!(rig.latest.no_data(NoData::Timeout) > 0);
    assert_eq!((rig.kinds(), page.get("encoder_restarts_total{}")), (vec![], Some(&0.0)));
}

#[tokio::test]
async fn the_log_is_counted_and_its_last_words_are_an_orderly_end() {
    let mut rig = rig(FFMPEG);
    rig.process(look(7, 1));
    rig.pass(1000).await;
    let log = Place::File(PathBuf::from("/var/log/yard"));
    let lines = b"[rtsp @ 0x5] [warning] RTP: missed 17 packets\n[info] Exiting normally, received signal 15.\n";
    assert_eq!(rig.inflow.say(&log, lines), 1);
    rig.settle().await;
    rig.process(gone());
    rig.pass(4000).await;
    let page = rig.page().await;
    assert_eq!(page["encoder_input_packets_missed_total{}"], 17.0);
    assert_eq!(page["encoder_log_lines_total{,meaning=\"packets_missing\"}"], 1.0);
    assert_eq!(page["encoder_ends_total{,how=\"clean\"}"], 1.0);
}

#[tokio::test]
async fn a_log_that_cannot_be_read_has_no_counts_until_it_can_be_again() {
    let mut rig = rig(FFMPEG);
    rig.process(look(7, 1));
    rig.pass(1000).await;
    let log = Place::File(PathBuf::from("/var/log/yard"));
    rig.inflow.say(&log, b"[error] Circular buffer overrun.\n");
    rig.inflow.fail(&log, std::io::ErrorKind::PermissionDenied);
    rig.pass(12_000).await;
    let overruns = "encoder_log_lines_total{,meaning=\"buffer_overrun\"}";
    let page = rig.page().await;
    assert!(!page.contains_key(overruns) && !page.contains_key("encoder_input_packets_missed_total{}"), "{page:#?}");
    assert!(page.contains_key("encoder_up{}") && rig.latest.no_data(NoData::Denied) > 0);
    rig.inflow.say(&log, b"");
    rig.pass(2000).await;
    assert_eq!(rig.page().await.get(overruns), Some(&1.0));
}

fn datagram(id: &str, frames: u64, level: u64) -> Vec<u8> {
    let mut writer = Writer::default();
    let at = 90_000_000_000;
    writer.head(&Head { id, pid: 812, seq: 1, at, since: 5, unsent: 4, errors: 2, warnings: 3, left_out: 1 });
    let element = |name, factory, kind, numbers| Element { name, factory, kind, state: None, numbers };
    let encoder = Numbers {
        in_buffers: Some(frames + 2),
        out_buffers: Some(frames),
        keys: Some(frames / 25),
        qos_dropped: Some(5),
        timed: Some(frames),
        timed_ns: Some(frames * 8_000_000),
        ..Numbers::default()
    };
    let queue = |level| Numbers { level_buffers: Some(level), max_buffers: Some(10), ..Numbers::default() };
    let sink = Numbers { in_bytes: Some(frames * 1000), ..Numbers::default() };
    assert!(writer.element(&element("x264enc0", "x264enc", Class::VideoEncoder, encoder)));
    assert!(writer.element(&element("first", "queue", Class::Queue, queue(level))));
    assert!(writer.element(&element("queue1", "queue", Class::Queue, queue(2))));
    assert!(writer.element(&element("filesink0", "filesink", Class::Sink, sink)));
    assert!(tracer::parse(writer.bytes()).is_ok());
    writer.bytes().to_vec()
}

#[tokio::test]
async fn a_gstreamer_encoder_is_followed_by_its_tracer_and_others_on_the_socket_are_not_it() {
    let mut rig = rig("id = \"yard\"\ncamera = \"north\"\nkind = \"gstreamer\"\nelements = [\"first\"]\n");
    rig.process(look(812, 1));
    let socket = Place::Unix(PathBuf::from("/run/vedette-tracer/socket"));
    rig.settle().await;
    for second in 1..=12 {
        for bytes in [datagram("yard", second * 25, 9), datagram("gate", second * 999, 1), b"nonsense".to_vec()] {
            assert_eq!(rig.inflow.say(&socket, &bytes), 1);
        }
        rig.pass(1000).await;
    }
    let page = rig.page().await;
    let of = |name: &str| page.get(&format!("encoder_{name}")).copied();
    assert_eq!(
        (of("up{}"), of("advancing{}"), of("process_threads{}")),
        (Some(1.0), Some(1.0), Some(9.0)),
        "{page:#?}"
    );
    assert!((of("fps{}").unwrap() - 25.0).abs() < 1e-6 && (of("bitrate{}").unwrap() - 200_000.0).abs() < 1e-3);
    assert_eq!((of("report_errors_total{}"), of("tracer_unsent_total{}")), (Some(12.0), Some(4.0)));
    let messages = |kind: &str| of(&format!("pipeline_messages_total{{,type=\"{kind}\"}}"));
    assert_eq!((messages("error"), messages("warning")), (Some(2.0), Some(3.0)));
    assert_eq!(of("tracer_elements_left_out{}"), Some(1.0));
    assert_eq!(of("element_queue_ratio{element=\"first\",}"), Some(0.9), "{page:#?}");
    assert_eq!(of("element_queue_ratio{element=\"queue\",}"), Some(0.2), "the named one is not in its role");
    assert!((of("element_latency_seconds{element=\"encoder\",}").unwrap() - 0.008).abs() < 1e-9);
    assert_eq!(of("element_keyframes_total{element=\"encoder\",}"), Some(12.0));
    rig.process(gone());
    rig.pass(4000).await;
    assert_eq!(
        (rig.of("encoder_up").await, rig.of("encoder_ends_total{,how=\"abrupt\"}").await),
        (Some(0.0), Some(1.0))
    );
}

#[test]
fn mistakes_are_told_and_a_password_is_not_repeated() {
    let cases = [
        ("id = \"a\"\n", "nothing says which process"),
        ("id = \"a\"\nprogress = \"tcp://127.0.0.1:1\"\n", "can hold up the encoder"),
        ("id = \"a\"\nprogress = \"pipe:1\"\n", "can hold up the encoder"),
        ("id = \"a\"\nprogress = \"udp://10.0.0.1:99\"\n", "no port of this machine"),
        ("id = \"a\"\ninput = \"rtsp://u:hunter2@h/\"\n", "leave the login out"),
        ("id = \"a\"\nunit = \"\"\n", "an empty text fits every process"),
        ("id = \"a\"\nunit = \"x\"\nenvironment = \"CAM\"\n", "no NAME=value"),
        ("id = \"a\"\nunit = \"x\"\nlog = \"journal:--file=/x\"\n", "names no unit"),
        ("id = \"a\"\nunit = \"x\"\nresolution = \"big\"\n", "no width and height"),
        ("id = \"a\"\nunit = \"x\"\nstreams = [\"a b\"]\n", "`streams` are no ids"),
        ("id = \"a\"\nunit = \"x\"\nsocket = \"/s\"\n", "unknown key"),
        ("id = \"a\"\nkind = \"gstreamer\"\nprocess = \"x\"\n", "does not tell one encoder from the next"),
        ("id = \"a\"\nkind = \"gstreamer\"\nelements = [\"sink\"]\n", "`elements` cannot be used"),
    ];
    for (text, wanted) in cases {
        let (_, mistakes) = settings(text);
        assert!(mistakes.iter().any(|m| m.contains(wanted)), "{text}: {mistakes:?}");
        assert!(!mistakes.concat().contains("hunter2"));
    }
    let (plan, mistakes) = settings("id = \"a\"\nprogress = \"udp://127.0.0.1:9801?pkt_size=1316\"\n");
    assert_eq!((plan.unwrap().reports, mistakes), (Some(Place::Udp(9801)), vec![]));
}
