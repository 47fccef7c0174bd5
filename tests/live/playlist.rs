//! The playlist probe against live playlists of ffmpeg's HLS muxer, served by an origin that goes wrong as told.

use crate::support::origin::{Deed, Origin};
use crate::support::prometheus::test_rules;
use crate::support::site::Authority;
use crate::support::vedette::Vedette;
use crate::support::{Kid, wait};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(60);
/// splice_insert of SCTE 35 2023r1 section 14.2.
const SECTION: &str = "/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo=";

/// An encoder that writes segments of a second into a folder, five in the playlist.
pub struct Encoder {
    dir: TempDir,
    kid: Kid,
}

impl Encoder {
    pub fn start() -> Encoder {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-loglevel", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25"]);
        command.args(["-f", "lavfi", "-i", "sine=1000", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25"]);
        command.args(["-sc_threshold", "0", "-b:v", "300k", "-c:a", "aac", "-f", "hls", "-hls_time", "1"]);
        command.args(["-hls_list_size", "6", "-hls_delete_threshold", "6"]);
        command.args(["-hls_flags", "delete_segments+program_date_time+temp_file"]);
        command.arg(dir.path().join("index.m3u8")).stdin(Stdio::null()).stdout(Stdio::null());
        let kid = Kid::spawn(&mut command);
        wait("the first playlist", SOON, || dir.path().join("index.m3u8").exists().then_some(()));
        Encoder { dir, kid }
    }
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
    fn signal(&self, signal: i32) {
        // SAFETY: kill(2) takes no pointer; the pid is that of our own child, which is not reaped yet.
        assert_eq!(unsafe { libc::kill(self.kid.0.id() as i32, signal) }, 0);
    }
}

fn series(name: &str, labels: &str) -> String {
    let mut all: Vec<_> = labels.split(',').filter(|l| !l.is_empty()).chain(["stream_id=\"main\""]).collect();
    all.sort_unstable();
    format!("{name}{{{}}}", all.join(","))
}

fn watching(config: &str) -> Vedette {
    let mut vedette = Vedette::new(&format!("[node]\ntick = \"1s\"\n{config}"));
    vedette.start();
    vedette
}

fn target(id: &str, port: u16, more: &str) -> String {
    format!("[[playlist]]\nid = \"{id}\"\nurl = \"http://127.0.0.1:{port}/index.m3u8\"\n{more}")
}

/// Series of a family that are not 0.
fn complaints(vedette: &Vedette, family: &str) -> Vec<String> {
    let page = vedette.page();
    let lines = page.lines().filter(|l| l.starts_with(&format!("{family}{{")) && !l.ends_with(" 0"));
    lines.map(str::to_owned).collect()
}

#[test]
fn a_live_stream_is_read_without_a_complaint_and_a_stopped_encoder_is_a_stall() {
    let encoder = Encoder::start();
    let origin = Origin::start(encoder.dir(), |_, _| Deed::File);
    let vedette = watching(&target("main", origin.port, ""));
    let value = |name: &str, labels: &str| vedette.value(&series(name, labels));
    vedette.wait_value(&series("hls_segments_total", "fate=\"read\""), SOON, |n| n >= 8.0);
    for family in ["hls_defects_total", "hls_cue_faults_total", "hls_failures_total", "hls_segment_errors_total"] {
        assert_eq!(complaints(&vedette, family), [""; 0]);
    }
    assert_eq!((value("hls_up", ""), value("hls_target_duration_seconds", "")), (Some(1.0), Some(1.0)));
    assert_eq!(value("hls_playlist_stalled", ""), Some(0.0));
    let latency = value("hls_live_latency_seconds", "");
    assert!(latency.is_none_or(|l| (-1.0..8.0).contains(&l)), "{latency:?}");
    let bitrate = value("hls_segment_bitrate", "").unwrap();
    assert!((100_000.0..3_000_000.0).contains(&bitrate), "{bitrate}");
    let mut asked: Vec<_> = origin.asked().into_iter().filter(|p| p.ends_with(".ts")).collect();
    let all = asked.len();
    asked.dedup();
    assert_eq!(asked.len(), all, "a segment is downloaded once");

    encoder.signal(libc::SIGSTOP);
    vedette.wait_value(&series("hls_playlist_stalled", ""), SOON, |n| n == 1.0);
    assert_eq!(value("hls_up", ""), Some(1.0), "the server answers");
    encoder.signal(libc::SIGCONT);
    vedette.wait_value(&series("hls_playlist_stalled", ""), SOON, |n| n == 0.0);
    assert_eq!(value("hls_playlist_stalls_total", ""), Some(1.0));
}

#[test]
fn a_segment_that_is_gone_and_a_server_that_goes_away_have_their_reasons() {
    let encoder = Encoder::start();
    let lost = Arc::new(AtomicBool::new(false));
    let origin = Origin::start(encoder.dir(), {
        let lost = lost.clone();
        move |path, _| if lost.load(SeqCst) && path.ends_with(".ts") { Deed::Status(404) } else { Deed::File }
    });
    let vedette = watching(&target("main", origin.port, ""));
    vedette.wait_value(&series("hls_segments_total", "fate=\"read\""), SOON, |n| n >= 1.0);
    lost.store(true, SeqCst);
    vedette.wait_value(&series("hls_failures_total", "what=\"segment\",reason=\"not_found\""), SOON, |n| n >= 2.0);
    assert_eq!(vedette.value(&series("hls_up", "")), Some(1.0));
    drop(origin);
    vedette.wait_value(&series("hls_failures_total", "what=\"playlist\",reason=\"refused\""), SOON, |n| n >= 1.0);
    vedette.wait_value(&series("hls_up", ""), SOON, |n| n == 0.0);
    assert_eq!(vedette.value(&series("hls_media_sequence", "")), None, "what cannot be read is not told");
}

#[test]
fn a_slow_server_costs_its_own_target_only() {
    let encoder = Encoder::start();
    let good = Origin::start(encoder.dir(), |_, _| Deed::File);
    let bad = Origin::start(encoder.dir(), |path, _| match path.ends_with(".ts") {
        true => Deed::Drip(10, Duration::from_millis(150)),
        false => Deed::File,
    });
    let silent = Origin::start(encoder.dir(), |_, _| Deed::Drip(1, Duration::from_secs(30)));
    let config = target("slow", bad.port, "") + &target("silent", silent.port, "timeout = \"1s\"\n");
    let vedette = watching(&(config + &target("main", good.port, "")));
    vedette.wait_value("hls_segment_download_ratio{stream_id=\"slow\"}", SOON, |n| n > 1.0);
    vedette.wait_value("hls_segments_total{fate=\"skipped\",stream_id=\"slow\"}", SOON, |n| n >= 1.0);
    let timeouts = "hls_failures_total{reason=\"timeout\",stream_id=\"silent\",what=\"playlist\"}";
    vedette.wait_value(timeouts, SOON, |n| n >= 1.0);
    let read = vedette.wait_value(&series("hls_segments_total", "fate=\"read\""), SOON, |n| n >= 5.0);
    assert!(read >= 5.0 && vedette.value(&series("hls_up", "")) == Some(1.0));
    assert_eq!(vedette.value(&series("hls_segments_total", "fate=\"skipped\"")), Some(0.0));
    assert!(vedette.value(&series("hls_segment_download_ratio", "")).unwrap() < 0.9);
}

/// Puts tags in front of segments by their numbers counted from the first playlist that was served, and keeps them there.
#[derive(Default)]
struct Tagger {
    first: Mutex<Option<u64>>,
}

impl Tagger {
    fn tag(&self, text: &str, tags: impl Fn(u64) -> String) -> String {
        let sequence = text.lines().find_map(|l| l.strip_prefix("#EXT-X-MEDIA-SEQUENCE:")).unwrap();
        let mut number: u64 = sequence.parse().unwrap();
        let segments = text.lines().filter(|l| l.starts_with("#EXTINF")).count() as u64;
        let first = *self.first.lock().unwrap().get_or_insert(number + segments);
        let mut out = String::new();
        for line in text.lines() {
            if line.starts_with("#EXTINF") {
                out.push_str(&number.checked_sub(first).map(&tags).unwrap_or_default());
                number += 1;
            }
            out.push_str(line);
            out.push('\n');
        }
        out
    }
}

#[test]
fn cues_of_every_style_are_seen_and_a_break_that_never_returns_is_told() {
    let encoder = Encoder::start();
    let (index, tagger) = (encoder.dir().join("index.m3u8"), Tagger::default());
    let tags = |n: u64| {
        match n {
        2 => format!("#EXT-OATCLS-SCTE35:{SECTION}\n#EXT-X-ASSET:CAID=0x1\n#EXT-X-CUE-OUT:2.0\n"),
        3 => format!("#EXT-X-CUE-OUT-CONT:ElapsedTime=1.0,Duration=2.0,SCTE35={SECTION}\n"),
        4 => "#EXT-X-CUE-IN\n".to_owned(),
        5 => format!("#EXT-X-SPLICEPOINT-SCTE35:{SECTION}\n#EXT-X-SCTE35:CUE=\"{SECTION}\",CUE-OUT=YES,DURATION=1\n"),
        6 => "#EXT-X-SCTE35:CUE-IN=YES\n".to_owned(),
        7 => "#EXT-X-DATERANGE:ID=\"d\",START-DATE=\"2026-11-21T07:00:00Z\",SCTE35-CMD=0xFC301100000000000000FFFFFF0000004F253396\n".to_owned(),
        8 => "#EXT-X-CUE-OUT:1.0\n".to_owned(),
        _ => String::new(),
    }
    };
    let origin = Origin::start(encoder.dir(), move |path, _| match path {
        "/index.m3u8" => Deed::Instead(tagger.tag(&std::fs::read_to_string(&index).unwrap(), tags).into_bytes()),
        _ => Deed::File,
    });
    let vedette = watching(&target("main", origin.port, ""));
    vedette.wait_value(&series("hls_break_overdue", ""), SOON, |n| n == 1.0);
    let styles = [
        ("cue_out", "out", 2.0),
        ("cue_out", "continue", 1.0),
        ("cue_out", "in", 1.0),
        ("scte35", "out", 1.0),
        ("scte35", "in", 1.0),
        ("daterange", "command", 1.0),
        ("oatcls", "command", 1.0),
        ("splicepoint", "command", 1.0),
        ("asset", "command", 1.0),
    ];
    for (style, act, n) in styles {
        let counted = vedette.value(&series("hls_cues_total", &format!("style=\"{style}\",act=\"{act}\"")));
        assert_eq!(counted, Some(n), "{style} {act}");
    }
    assert_eq!(
        complaints(&vedette, "hls_cue_faults_total"),
        [format!("{} 1", series("hls_cue_faults_total", "kind=\"no_return\""))]
    );
    assert_eq!(complaints(&vedette, "hls_defects_total"), [""; 0]);
}

#[test]
fn over_tls_with_a_password_and_through_a_redirect() {
    const CANARY: &str = "canary-hls-4711";
    let encoder = Encoder::start();
    let (keys, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    authority.issue(keys.path(), "origin");
    std::fs::write(keys.path().join("ca.pem"), authority.pem()).unwrap();
    std::fs::write(keys.path().join("password"), format!("{CANARY}\n")).unwrap();
    let tls = Origin::start_tls(encoder.dir(), keys.path(), "origin", |_, head| {
        match head.lines().any(|l| l.trim_end().ends_with("Basic dTpjYW5hcnktaGxzLTQ3MTE=")) {
            true => Deed::File,
            false => Deed::Status(401),
        }
    });
    let https = tls.port;
    let door = Origin::start(encoder.dir(), move |path, _| Deed::Redirect(format!("https://127.0.0.1:{https}{path}")));
    let login = format!("username = \"u\"\npassword_file = {:?}\n", keys.path().join("password"));
    let mut vedette = Vedette::new(&format!("[node]\ntick = \"1s\"\n{}", target("main", door.port, &login)));
    vedette.start_with(|command| {
        command.env("SSL_CERT_FILE", keys.path().join("ca.pem"));
    });
    vedette.wait_value(&series("hls_segments_total", "fate=\"read\""), SOON, |n| n >= 2.0);
    let tls_seconds = vedette.value(&series("hls_playlist_request_seconds", "phase=\"tls\"")).unwrap();
    assert!(tls_seconds > 0.0 && tls_seconds < 1.0, "{tls_seconds}");
    assert!(!vedette.page().contains(CANARY) && !vedette.log().contains(CANARY));
    assert_eq!(complaints(&vedette, "hls_failures_total"), [""; 0]);
}

#[test]
fn the_rules_fire_when_they_should() {
    test_rules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/probe/playlist/testdata/rules_test.yml"));
}
