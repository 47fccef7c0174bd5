//! The encoder probe on FFmpeg itself: at work, frozen, killed, ended, watched or not, started with our flags or without.

mod mapping;
mod traced;

use crate::support::alone::Alone;
use crate::support::{Kid, free_port, wait};
use std::ops::Deref;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use vedette::base::clock::Clock;
use vedette::metric::report::NoData;
use vedette::probe::encoder::KIND;
use vedette::world::{World, clock, inflow, process};

const SOON: Duration = Duration::from_secs(20);
/// The limit of the issue for telling a stall, and what a loaded machine of two cores adds.
const TOLD: Duration = Duration::from_millis(2000 + 1500);

/// The probe at work on the encoders of a configuration.
struct Watching(Alone);

impl Deref for Watching {
    type Target = Alone;

    fn deref(&self) -> &Alone {
        &self.0
    }
}

impl Watching {
    fn start(config: &str, peek: &Path) -> Watching {
        let clock = Clock::new(clock::System);
        let world = World {
            inflow: Arc::new(inflow::Real::default()),
            processes: Arc::new(process::Real::at(
                clock.clone(),
                "/proc".into(),
                "/sys/fs/cgroup".into(),
                peek.to_owned(),
            )),
            ..World::scripted(clock.clone())
        };
        Watching(Alone::start(&KIND, &world, config))
    }

    fn alone(config: &str) -> Watching {
        Watching::start(config, Path::new("/nobody/peeks/here"))
    }

    /// A series of encoder `yard`, with what labels it has besides.
    fn of(&self, name: &str, more: &str) -> Option<f64> {
        self.of_encoder("yard", name, more)
    }

    fn of_encoder(&self, id: &str, name: &str, more: &str) -> Option<f64> {
        let series = format!("encoder_{name}{{camera_id=\"{id}\",encoder_id=\"{id}\"{more}}}");
        self.value(&series)
    }

    fn wait(&self, name: &str, more: &str, bound: Duration, fits: impl Fn(Option<f64>) -> bool) -> Option<f64> {
        wait(&format!("encoder_{name}{more}"), bound, || Some(self.of(name, more)).filter(|v| fits(*v)))
    }

    fn wait_note(&self, kind: &str) {
        wait(kind, SOON, || {
            self.page();
            self.notes.lock().unwrap().iter().any(|note| note.kind == kind).then_some(())
        });
    }

    fn is(&self, name: &str, value: f64, bound: Duration) {
        self.wait(name, "", bound, |v| v == Some(value));
    }
}

fn ffmpeg(arguments: &[&str]) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-nostdin", "-nostats", "-loglevel", "repeat+level+warning", "-y"]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

const PICTURE: &str = "testsrc2=size=320x180:rate=25";
const SOURCE: [&str; 8] = ["-re", "-f", "lavfi", "-i", PICTURE, "-c:v", "mpeg2video", "-f"];

fn signal(kid: &Kid, signal: i32) {
    // SAFETY: kill(2) takes no pointer; the pid is that of our own child, which is not reaped yet.
    assert_eq!(unsafe { libc::kill(kid.0.id() as i32, signal) }, 0);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A FIFO that somebody fills at the pace of a camera, and who does.
fn camera(dir: &TempDir) -> Kid {
    let fifo = dir.path().join("in.fifo");
    if !fifo.exists() {
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    }
    Kid::spawn(ffmpeg(&SOURCE).args(["mpegts", text(&fifo)]))
}

fn encoder(dir: &TempDir, port: u16) -> Kid {
    let (input, output) = (dir.path().join("in.fifo"), dir.path().join("out.ts"));
    let progress = format!("udp://127.0.0.1:{port}");
    let coded = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-f", "mpegts"];
    // FFmpeg looks at five seconds of input before it starts, unless told otherwise.
    let mut command = ffmpeg(&["-probesize", "100000", "-analyzeduration", "500000", "-progress", &progress]);
    Kid::spawn(command.args(["-i", text(&input)]).args(coded).arg(&output))
}

#[test]
fn a_freeze_a_kill_and_an_orderly_end_are_told_apart() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let watching = Watching::alone(&format!("[[encoder]]\nid = \"yard\"\nprogress = \"udp://127.0.0.1:{port}\"\n"));
    watching.is("up", 0.0, SOON);
    let source = camera(&dir);
    let first = encoder(&dir, port);
    watching.is("advancing", 1.0, SOON);
    watching.wait("fps", "", SOON, |v| v.is_some_and(|fps| (20.0..=30.0).contains(&fps)));
    watching.wait("speed", "", SOON, |v| v.is_some_and(|speed| (0.8..=1.2).contains(&speed)));
    watching.is("writing", 1.0, SOON);
    let page = watching.page();
    assert!(watching.of("quantiser", "").is_some_and(|q| q > 0.0), "{page:?}");
    assert!(watching.of("process_resident_memory_bytes", "").is_some_and(|bytes| bytes > 1e7), "{page:?}");
    assert!(!format!("{page:?}").contains("udp://"), "command lines stay here");

    // The camera stops sending. FFmpeg 5.1 falls silent; a younger one repeats itself.
    signal(&source, libc::SIGSTOP);
    let stopped = watching.clock.boot();
    watching.is("advancing", 0.0, SOON);
    let told = watching.clock.boot().since(stopped);
    assert!(told <= TOLD, "told after {told:?}");
    assert_eq!(watching.of("up", ""), Some(1.0), "it is alive");
    watching.wait("report_age_seconds", "", SOON, |v| v.is_some_and(|age| age > 3.0));
    signal(&source, libc::SIGCONT);
    watching.is("advancing", 1.0, SOON);

    drop(first); // SIGKILL
    watching.is("up", 0.0, SOON);
    watching.wait("ends_total", ",how=\"abrupt\"", SOON, |v| v == Some(1.0));
    assert_eq!(watching.of("fps", ""), None, "no old number stands");
    drop(source);
    let _source = camera(&dir);
    let second = encoder(&dir, port);
    watching.is("up", 1.0, SOON);
    watching.is("advancing", 1.0, SOON);
    assert_eq!(watching.of("restarts_total", ""), Some(1.0));
    signal(&second, libc::SIGTERM);
    watching.wait("ends_total", ",how=\"clean\"", SOON, |v| v == Some(1.0));
    assert_eq!(watching.of("ends_total", ",how=\"abrupt\""), Some(1.0));
    let kinds: Vec<_> = watching.notes.lock().unwrap().iter().map(|note| note.kind).collect();
    let wanted = ["encoder.stalled", "encoder.resumed", "encoder.exit", "encoder.restarted", "encoder.exit"];
    assert_eq!(kinds, wanted);
}

#[test]
fn a_progress_file_tells_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let progress = dir.path().join("progress");
    let config = format!("[[encoder]]\nid = \"yard\"\nprogress = {progress:?}\n");
    std::fs::write(&progress, "frame=9999\nprogress=end\n").unwrap(); // of yesterday
    let watching = Watching::alone(&config);
    watching.is("up", 0.0, SOON);
    let _encoder = Kid::spawn(ffmpeg(&["-progress", text(&progress)]).args(SOURCE).args(["null", "-"]));
    watching.is("advancing", 1.0, SOON);
    watching.wait("fps", "", SOON, |v| v.is_some_and(|fps| (20.0..=30.0).contains(&fps)));
    assert_eq!(watching.of("bitrate", ""), None, "a null output has no size");
    assert_eq!(watching.of("restarts_total", ""), Some(0.0));
}

/// What an encoder makes of the same input, byte for byte, with these arguments more.
fn made(dir: &TempDir, name: &str, more: &[&str]) -> Vec<u8> {
    let output = dir.path().join(name);
    let coded =
        ["-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", "-fflags", "+bitexact", "-flags", "+bitexact"];
    let mut command = ffmpeg(more);
    let done =
        command.args(["-re", "-t", "3", "-f", "lavfi", "-i", PICTURE]).args(coded).arg(&output).status().unwrap();
    assert!(done.success());
    std::fs::read(output).unwrap()
}

#[test]
fn an_encoder_makes_the_same_watched_unwatched_and_reporting_to_nobody() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let bare = made(&dir, "bare.mkv", &[]);
    let progress = format!("udp://127.0.0.1:{port}");
    let reporting = ["-progress", &progress, "-stats_period", "0.1"];
    assert!(made(&dir, "nobody.mkv", &reporting) == bare, "nobody listens");
    let watching = Watching::alone(&format!("[[encoder]]\nid = \"yard\"\nprogress = {progress:?}\n"));
    watching.is("up", 0.0, SOON);
    assert!(made(&dir, "watched.mkv", &reporting) == bare, "watched");
    assert!(watching.of("reports_total", "").is_some_and(|n| n > 10.0));
    // A reader that has the port and never reads: its buffer fills, and the encoder does not notice.
    drop(watching);
    let deaf = wait("the port", SOON, || std::net::UdpSocket::bind(("127.0.0.1", port)).ok());
    let often = ["-progress", &progress, "-stats_period", "0.001"];
    assert!(made(&dir, "deaf.mkv", &often) == bare, "a deaf listener");
    drop(deaf);
}

/// `vedette-peek` as its unit runs it: another user with two capabilities. Needs root.
fn peek(dir: &TempDir) -> (Kid, std::path::PathBuf) {
    let program = dir.path().join("vedette-peek");
    std::fs::copy(env!("CARGO_BIN_EXE_vedette-peek"), &program).unwrap();
    let place = dir.path().join("peek");
    std::fs::create_dir(&place).unwrap();
    for path in [dir.path(), &place] {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    }
    let caps = "-all,+sys_ptrace,+dac_read_search";
    let mut command = Command::new("setpriv");
    command.args(["--reuid=1", "--regid=1", "--clear-groups", "--no-new-privs"]);
    command.args(["--inh-caps", caps, "--ambient-caps", caps, "--bounding-set", caps]);
    let socket = place.join("socket");
    let kid = Kid::spawn(command.arg(&program).arg("--socket").arg(&socket));
    wait("vedette-peek listens", SOON, || socket.exists().then_some(()));
    (kid, socket)
}

/// A camera over TCP that waits for whoever comes.
fn tcp_source(port: u16) -> Kid {
    let source = Kid::spawn(ffmpeg(&SOURCE).args(["mpegts", &format!("tcp://127.0.0.1:{port}?listen=1")]));
    wait("the source listens", SOON, || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        table.contains(&format!("0100007F:{port:04X} 00000000:0000 0A")).then_some(())
    });
    source
}

#[test]
fn an_encoder_without_our_flags_is_measured_through_vedette_peek_and_denied_without() {
    // SAFETY: geteuid(2) cannot fail and takes nothing.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("skipped: other users' processes need root to be made");
        return;
    }
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let (peeker, socket) = peek(&dir);
    let source = tcp_source(port);
    let address = format!("tcp://127.0.0.1:{port}");
    let output = dir.path().join("yard-%03d.ts");
    let copy = ["-i", &address, "-c", "copy", "-f", "segment", "-segment_time", "60", text(&output)];
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "ffmpeg", "-nostdin", "-nostats"]).args(copy);
    let _encoder = Kid::spawn(command.stdout(Stdio::null()).stderr(Stdio::null()));

    let config = format!("[[encoder]]\nid = \"yard\"\noutput = \"{}\"\n", dir.path().join("yard-").display());
    let watching = Watching::start(&config, &socket);
    watching.is("writing", 1.0, SOON);
    watching.wait("write_bitrate", "", SOON, |v| v.is_some_and(|rate| rate > 50_000.0));
    watching.wait("input_bitrate", "", SOON, |v| v.is_some_and(|rate| rate > 50_000.0));
    watching.wait("input_age_seconds", "", SOON, |v| v.is_some_and(|age| age < 1.0));
    watching.wait("file_position_bytes", "", SOON, |v| v.is_some_and(|bytes| bytes > 0.0));
    assert_eq!(watching.of("advancing", ""), None, "nobody told of frames");
    signal(&source, libc::SIGSTOP);
    watching.wait("input_age_seconds", "", SOON, |v| v.is_some_and(|age| age > 2.0));
    watching.is("writing", 0.0, SOON);
    drop(peeker);
    watching.wait("input_age_seconds", "", SOON, |v| v.is_none());
    assert!(watching.latest.lock().unwrap().no_data(NoData::Denied) > 0);
    assert_eq!(watching.of("up", ""), Some(1.0));
    assert!(watching.of("process_cpu_seconds_total", "").is_some(), "what everybody may read stays");
}

#[test]
fn an_encoder_whose_input_sends_nothing_is_starved_and_one_that_is_stopped_is_not() {
    // SAFETY: geteuid(2) cannot fail and takes nothing.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("skipped: vedette-peek needs capabilities, which only root can give");
        return;
    }
    let (dir, input, port) = (tempfile::tempdir().unwrap(), free_port(), free_port());
    let (_peeker, socket) = peek(&dir);
    let source = tcp_source(input);
    let progress = format!("udp://127.0.0.1:{port}");
    let address = format!("tcp://127.0.0.1:{input}");
    let read = ["-probesize", "100000", "-analyzeduration", "500000", "-progress", &progress, "-i", &address];
    let encoder = Kid::spawn(ffmpeg(&read).args(["-c", "copy", "-f", "mpegts", "/dev/null"]));
    let watching = Watching::start(&format!("[[encoder]]\nid = \"yard\"\nprogress = {progress:?}\n"), &socket);
    let fault = |cause: &str, value: f64| {
        // Labels stand in the order of their names.
        let series = format!("encoder_fault{{camera_id=\"yard\",cause=\"{cause}\",encoder_id=\"yard\"}}");
        let of = || watching.page().into_iter().find(|(name, _)| *name == series).map(|(_, value)| value);
        wait(&series, SOON, || of().filter(|v| *v == value));
    };
    watching.is("advancing", 1.0, SOON);
    fault("starved", 0.0);
    signal(&source, libc::SIGSTOP);
    fault("starved", 1.0);
    signal(&source, libc::SIGCONT);
    watching.is("advancing", 1.0, SOON);
    fault("starved", 0.0);
    signal(&encoder, libc::SIGSTOP);
    watching.is("advancing", 0.0, SOON);
    fault("stopped", 1.0);
    fault("starved", 0.0);
}

#[test]
fn a_log_in_a_file_is_counted_and_no_word_of_it_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let config = format!("[[encoder]]\nid = \"yard\"\nunit = \"none.service\"\nlog = {log:?}\n");
    std::fs::write(&log, "[error] of yesterday\n").unwrap();
    let watching = Watching::alone(&config);
    watching.is("up", 0.0, SOON);
    let log_to = || Stdio::from(std::fs::File::options().append(true).open(&log).unwrap());
    // A camera that is not there, with a password that must not go anywhere.
    let refused = format!("rtsp://root:hunter2@127.0.0.1:{}/", free_port());
    let mut command = ffmpeg(&["-rtsp_transport", "tcp", "-i", &refused, "-f", "null", "-"]);
    assert!(!command.stderr(log_to()).status().unwrap().success());
    watching.wait("log_lines_total", ",meaning=\"connection\"", SOON, |v| v.is_some_and(|n| n >= 1.0));
    assert_eq!(watching.of("log_lines_total", ",meaning=\"other_error\""), Some(0.0), "yesterday is not news");
    // Cues through FFmpeg's muxer: it says that it loses them.
    let page = format!("{:?}", watching.page());
    assert!(!page.contains("hunter2") && !page.contains("rtsp://"), "{page}");
}
