//! The worker process, and what becomes of it.

use crate::support::gst;
use crate::support::{Kid, free_port, wait};
use std::future::poll_fn;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use vedette::base::clock::{Boot, Clock};
use vedette::base::secret::Secret;
use vedette::wire::record::{Flv, Reason, Record, Srt};
use vedette::world::clock::System;
use vedette::world::worker::process::Binary;
use vedette::world::worker::{self, Broken, Spawn, Worker};

const PASSPHRASE: &str = "canary-passphrase";

const fn told(reason: Reason) -> worker::Reason {
    worker::Reason::Said(reason)
}

/// What one worker said.
#[derive(Default)]
struct Heard {
    connected: bool,
    bytes: Vec<u8>,
    /// When the first and the last bytes came.
    times: Option<(Boot, Boot)>,
    srt: Option<Srt>,
    flv: Option<Flv>,
}

struct Line {
    clock: Clock,
    worker: Box<dyn Worker>,
    heard: Heard,
}

impl Line {
    fn open(plugins: &Path, url: &str) -> Line {
        let clock = Clock::new(System);
        let worker = Binary::at(plugins.join("vedette-gst")).spawn(&Secret::new(url), &clock).unwrap();
        Line { clock, worker, heard: Heard::default() }
    }

    /// Listens until what was heard is enough, or the worker ends; at most 30 s.
    async fn until(&mut self, enough: impl Fn(&Heard) -> bool) -> Option<Broken> {
        let (worker, heard) = (&mut self.worker, &mut self.heard);
        let listening = poll_fn(|cx| {
            let ended = worker.poll(cx, &mut |at, record| match record {
                Record::Connected => heard.connected = true,
                Record::Ts(bytes) => {
                    assert!(heard.connected, "bytes before the connection");
                    heard.times = Some((heard.times.map_or(at, |(first, _)| first), at));
                    heard.bytes.extend_from_slice(bytes);
                }
                Record::Srt(counts) => heard.srt = Some(counts),
                Record::Flv(counts) => heard.flv = Some(counts),
                other => panic!("{other:?} is not for us"),
            });
            if enough(heard) { std::task::Poll::Ready(None) } else { ended.map(Some) }
        });
        self.clock.within(Duration::from_secs(30), listening).await.expect("enough, or an end, within 30 s")
    }

    async fn end(&mut self) -> Broken {
        self.until(|_| false).await.unwrap()
    }
}

/// A worker that plays the encoder above, and has connected.
async fn watched(dir: &Path) -> (Line, Kid) {
    let (plugins, port) = (gst::built(), free_port());
    let encoder = gst::srt_encoder(dir, port, PASSPHRASE);
    let url = format!("srt://127.0.0.1:{port}?passphrase={PASSPHRASE}");
    let mut line = Line::open(&plugins, &url);
    let ended = line.until(|heard| heard.connected).await;
    assert!(ended.is_none(), "{ended:?}");
    (line, encoder)
}

/// Processes whose parent is this test and whose name is the worker's.
fn workers() -> Vec<libc::pid_t> {
    let mine = std::process::id();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((pid, rest)) = stat.split_once(" (vedette-gst) ") else { continue };
        if rest.split(' ').nth(1) == Some(&mine.to_string()) {
            found.push(pid.parse().unwrap());
        }
    }
    found
}

/// The one worker of this test.
fn worker() -> libc::pid_t {
    let all = workers();
    assert_eq!(all.len(), 1, "{all:?}");
    all[0]
}

fn signal(pid: libc::pid_t, signal: i32) {
    // SAFETY: two numbers; the process is a child of this test.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

#[tokio::test]
async fn a_transport_stream_over_srt_comes_whole_and_timed_and_the_passphrase_stays_out_of_sight() {
    let dir = tempfile::tempdir().unwrap();
    let (mut line, _encoder) = watched(dir.path()).await;
    let ended = line.until(|heard| heard.bytes.len() > 200_000 && heard.srt.is_some()).await;
    assert!(ended.is_none(), "{ended:?}");
    let heard = &line.heard;
    assert!(heard.bytes.chunks_exact(188).all(|packet| packet[0] == 0x47), "packets of a transport stream, none cut");
    let (first, last) = heard.times.unwrap();
    assert!(last.since(first) > Duration::from_millis(500) && last <= line.clock.boot());
    let counts = heard.srt.unwrap();
    assert!(counts.packets > 0 && counts.rtt_us > 0 && counts.latency_ms > 0, "{counts:?}");
    for file in ["cmdline", "environ"] {
        let public = std::fs::read(format!("/proc/{}/{file}", worker())).unwrap();
        assert!(!String::from_utf8_lossy(&public).contains(PASSPHRASE), "{file}");
    }
    let first_to_go = std::fs::read_to_string(format!("/proc/{}/oom_score_adj", worker())).unwrap();
    assert_eq!(first_to_go.trim(), "500", "one stream goes before the daemon when memory runs out");
}

#[tokio::test]
async fn an_encoder_that_stops_ends_the_stream_and_a_wrong_passphrase_is_denied() {
    let dir = tempfile::tempdir().unwrap();
    let (mut line, encoder) = watched(dir.path()).await;
    let pipe = encoder.0.id() as libc::pid_t;
    let port = {
        let cmdline = std::fs::read_to_string(format!("/proc/{pipe}/cmdline")).unwrap();
        let at = cmdline.find("127.0.0.1:").unwrap() + "127.0.0.1:".len();
        cmdline[at..].split('?').next().unwrap().to_owned()
    };
    let mut stranger = Line::open(&gst::built(), &format!("srt://127.0.0.1:{port}?passphrase=not-the-passphrase"));
    assert_eq!(stranger.end().await.reason, told(Reason::Denied));
    drop(encoder);
    assert_eq!(line.end().await.reason, told(Reason::Ended));
}

#[tokio::test]
async fn frames_over_rtmp_are_counted() {
    let (dir, plugins, port) = (tempfile::tempdir().unwrap(), gst::built(), free_port());
    // nginx passes on what ffmpeg publishes. (ffmpeg's own server sends on a stream number that no player asked for.)
    let _server = gst::rtmp_server(dir.path(), port);
    let mut publisher = Command::new("ffmpeg");
    publisher.args("-v error -re -f lavfi -i testsrc2=size=320x240:rate=25 -f lavfi -i sine".split(' '));
    publisher.args("-c:v libx264 -tune zerolatency -g 25 -c:a aac -f flv".split(' '));
    let _publisher = Kid::spawn(publisher.arg(format!("rtmp://127.0.0.1:{port}/live/front")).stdin(Stdio::null()));
    let mut line = Line::open(&plugins, &format!("rtmp://127.0.0.1:{port}/live/front"));
    let ended = line.until(|heard| heard.flv.is_some_and(|flv| flv.video_frames > 60 && flv.width > 0)).await;
    assert!(ended.is_none(), "{ended:?}");
    let flv = line.heard.flv.unwrap();
    assert_eq!((flv.width, flv.height), (320, 240));
    assert!(flv.keyframes >= 2 && flv.keyframes < flv.video_frames / 10 && flv.audio_frames > 50, "{flv:?}");
    assert!(flv.video_time_ns > 2_000_000_000 && line.heard.connected, "{flv:?}");
}

#[tokio::test]
async fn a_worker_that_crashes_hangs_or_is_not_there_is_a_reason_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (mut line, _encoder) = watched(dir.path()).await;
    let doomed = worker();
    // Rust's handler lets a first SIGSEGV pass that no instruction caused, and takes itself away.
    wait("the crash", Duration::from_secs(5), || {
        signal(doomed, libc::SIGSEGV);
        std::fs::read_to_string(format!("/proc/{doomed}/stat")).unwrap().contains(") Z ").then_some(())
    });
    let crashed = line.end().await;
    assert_eq!(crashed.reason, worker::Reason::Crashed);
    let said = vedette::base::fault::chain(&crashed).to_string();
    assert!(said.contains("SIGSEGV"), "{said}");
    drop(line);

    let (mut line, _encoder) = watched(dir.path()).await;
    let (clock, stopped) = (Clock::new(System), Clock::new(System).boot());
    signal(worker(), libc::SIGSTOP);
    assert_eq!(line.end().await.reason, worker::Reason::Hung);
    assert!(clock.boot().since(stopped) < Duration::from_secs(8), "silence of 5 s is a hang");
    drop(line);
    let gone = async {
        while !workers().is_empty() {
            clock.sleep(Duration::from_millis(20)).await;
        }
    };
    clock.within(Duration::from_secs(5), gone).await.expect("killed, though it was stopped, and reaped");
    let missing = Binary::at("/no/such/vedette-gst").spawn(&Secret::new("srt://127.0.0.1:9"), &Clock::new(System));
    assert_eq!(missing.err().unwrap().reason, told(Reason::NotInstalled));
}

/// A program in place of the worker.
async fn stand_in(dir: &Path, script: &str) -> Broken {
    let program = dir.join("stand-in");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let clock = Clock::new(System);
    let worker = Binary::at(program).spawn(&Secret::new("srt://127.0.0.1:9"), &clock).unwrap();
    Line { clock, worker, heard: Heard::default() }.end().await
}

#[tokio::test]
async fn a_worker_that_talks_nonsense_or_ends_without_a_word_is_a_reason_too() {
    let dir = tempfile::tempdir().unwrap();
    for (script, reason) in [
        ("echo what libraries print on standard output", worker::Reason::Garbled),
        (r"printf '\010\0\0\0\001\0\0\0\0\0\0\0\0\002\0\0\0\0\0\0\0'; sleep 60", worker::Reason::Garbled), // version 2
        (r"printf '\010\0\0\0\001\0\0\0\0\0\0\0\0\001\0\0'", worker::Reason::Crashed), // cut in its hello
        ("exit 3", worker::Reason::Crashed),
        ("exit 127", told(Reason::NotInstalled)), // the dynamic loader's, when GStreamer is not there
    ] {
        assert_eq!(stand_in(dir.path(), script).await.reason, reason, "{script}");
    }
    let data = dir.path().join("stand-in");
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = Binary::at(data).spawn(&Secret::new("srt://127.0.0.1:9"), &Clock::new(System));
    assert_eq!(refused.err().unwrap().reason, told(Reason::Denied));
}

#[tokio::test]
async fn nobody_there_no_such_name_and_no_such_scheme_are_told_apart() {
    let (plugins, port) = (gst::built(), free_port());
    for (url, reason) in [
        (format!("srt://127.0.0.1:{port}"), told(Reason::Unreachable)),
        ("srt://no-such-host.invalid:9000".to_owned(), told(Reason::Name)),
        (format!("rtmp://127.0.0.1:{port}/live/x"), told(Reason::Refused)),
        ("rtmp://no-such-host.invalid/live/x".to_owned(), told(Reason::Name)),
        ("gopher://127.0.0.1/".to_owned(), told(Reason::Request)),
        ("srt://".to_owned(), told(Reason::Request)),
    ] {
        assert_eq!(Line::open(&plugins, &url).end().await.reason, reason, "{url}");
    }
}

#[test]
fn a_worker_ends_when_its_standard_input_does() {
    let mut command = Command::new(gst::built().join("vedette-gst"));
    let mut worker = Kid::spawn(command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()));
    let mut stdin = worker.0.stdin.take().unwrap();
    writeln!(stdin, "srt://127.0.0.1:{}?mode=listener", free_port()).unwrap();
    drop(stdin);
    wait("the end of the worker", Duration::from_secs(10), || worker.0.try_wait().unwrap());
}

/// A program that starts a worker, waits for its first words and is killed with it at work.
#[test]
fn a_worker_ends_with_who_started_it() {
    let worker: PathBuf = gst::built().join("vedette-gst");
    let script = format!(
        "mkfifo \"$1\"; exec 3<>\"$1\"; {} <\"$1\" & echo srt://0.0.0.0:{}?mode=listener >&3; exec sleep 60",
        worker.display(),
        free_port()
    );
    let dir = tempfile::tempdir().unwrap();
    let mut parent =
        Kid::spawn(Command::new("sh").args(["-c", &script, "sh"]).arg(dir.path().join("in")).stdout(Stdio::null()));
    let children = format!("/proc/{0}/task/{0}/children", parent.0.id());
    let pid = wait("the worker", Duration::from_secs(10), || {
        let pid = std::fs::read_to_string(&children).ok()?.trim().to_owned();
        std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|comm| comm.trim() == "vedette-gst")
            .then_some(pid)
    });
    parent.0.kill().unwrap();
    wait("the end of the worker", Duration::from_secs(10), || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    });
}
