//! An FFmpeg encoder between two streams that the box watches, and the three ways it fails a channel: it freezes, it dies,
//! it goes on and loses the cues. Each time the listener on the broker hears the cause, and no alarm of another cause.

use crate::support::brokers::{Broker, Subscriber};
use crate::support::ts::clip::Clip;
use crate::support::ts::sections::{Cue, HZ};
use crate::support::ts::send::{Sending, Way, free_udp_port};
use crate::support::vedette::{Vedette, files};
use crate::support::{Kid, wait};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Longer than the slowest alarm (half a minute) on a loaded machine of two cores.
const LONG: Duration = Duration::from_secs(90);
const GROUP: [u8; 4] = [239, 255, 75, 1];
/// In the encoder's command line, and so in its log.
const CANARY: &str = "c4n4ry-in-the-lane";

/// The box, its listener, and the ports of the channel.
struct Channel {
    vedette: Vedette,
    ear: Subscriber,
    _broker: Broker,
    before: u16,
    /// Of the encoder's outputs.
    after: [u16; 2],
    progress: u16,
}

impl Channel {
    /// The daemon with the rules it is shipped with. `encoder`, `bare`: what its tables have besides.
    fn start(encoder: &str, bare: bool, path: Option<&Path>) -> Channel {
        let broker = Broker::open();
        let ear = Subscriber::new(&broker);
        let [before, one, two, progress] = [(); 4].map(|()| free_udp_port());
        let mut config = format!(
            "[node]\nname = \"box\"\ntick = \"1s\"\n[[mqtt]]\nname = \"local\"\nurl = \"mqtt://127.0.0.1:{}\"\n\
             [[encoder]]\nid = \"feed\"\nprogress = \"udp://127.0.0.1:{progress}\"\nstreams = [\"after\", \"bare\"]\n{encoder}\
             [[stream]]\nid = \"before\"\nurl = \"udp://{}:{before}\"\ninterface = \"lo\"\n\
             [[stream]]\nid = \"after\"\nurl = \"udp://127.0.0.1:{one}\"\ninput = \"before\"\n",
            broker.port,
            std::net::Ipv4Addr::from(GROUP)
        );
        if bare {
            let table = "[[stream]]\nid = \"bare\"\ninput = \"before\"\nlatency = \"3s\"\n";
            config.push_str(&format!("{table}url = \"udp://127.0.0.1:{two}\"\n"));
        }
        let mut vedette = Vedette::new(&config);
        for (name, rules) in [
            ("encoder.yml", include_str!("../../src/probe/encoder/rules.yml")),
            ("stream.yml", include_str!("../../src/probe/stream/rules.yml")),
            ("vedette.yml", include_str!("../../src/alert/rules.yml")),
        ] {
            std::fs::write(vedette.path("rules").join(name), rules).unwrap();
        }
        vedette.start_with(|command| {
            if let Some(path) = path {
                let all = format!("{}:{}", path.display(), std::env::var("PATH").unwrap());
                command.env("PATH", all).env("VEDETTE_LOG", "trace");
            }
        });
        vedette.wait_value("vedette_mqtt_connected{broker=\"local\"}", LONG, |v| v == 1.0);
        Channel { vedette, ear, _broker: broker, before, after: [one, two], progress }
    }

    fn send(&self, clip: &Clip) -> Sending {
        Sending::start(clip, Way::Udp((GROUP, self.before).into()))
    }

    /// FFmpeg that codes the pictures of the channel anew; `outputs`: what it maps to each.
    fn encoder(&self, outputs: &[&[&str]], log: Stdio) -> Kid {
        let mut command = Command::new("ffmpeg");
        command.args(["-hide_banner", "-nostdin", "-nostats", "-loglevel", "repeat+level+info"]);
        command.args(["-progress", &format!("udp://127.0.0.1:{}", self.progress), "-analyzeduration", "1000000", "-i"]);
        command.arg(format!("udp://{}:{}?localaddr=127.0.0.1", std::net::Ipv4Addr::from(GROUP), self.before));
        for (output, port) in outputs.iter().zip(self.after) {
            command.args(*output).args(["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "50"]);
            command.args(["-c:a", "copy", "-metadata", &format!("comment={CANARY}"), "-f", "mpegts"]);
            command.arg(format!("udp://127.0.0.1:{port}?pkt_size=1316"));
        }
        Kid::spawn(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log))
    }

    /// Until everything is at work, and past the time after the start in which nothing is called broken.
    fn at_work(&self) {
        for series in [
            "encoder_advancing{camera_id=\"feed\",encoder_id=\"feed\"}",
            "ts_input_up{protocol=\"udp\",stream_id=\"before\"}",
            "ts_input_up{protocol=\"udp\",stream_id=\"after\"}",
        ] {
            self.vedette.wait_value(series, LONG, |v| v == 1.0);
        }
        self.vedette.wait_value("process_start_time_seconds", LONG, |started| {
            self.vedette.value("vedette_snapshot_timestamp_seconds").is_some_and(|now| now - started > 13.0)
        });
        self.vedette.wait_value("vedette_alerts_active{phase=\"pending\"}", LONG, |v| v == 0.0);
        assert!(self.alarms("firing").is_empty(), "{:?}", self.alarms("firing"));
    }

    fn events(&self) -> Vec<Value> {
        let events = self.ear.heard().into_iter().filter(|h| h.topic == "vedette/box/event");
        events.map(|h| serde_json::from_str(&h.payload).unwrap()).collect()
    }

    /// Events of alarms in this phase.
    fn alarms(&self, phase: &str) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["phase"] == phase).collect()
    }

    /// Waits for an alarm.
    fn alarm(&self, rule: &str, phase: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let found = || self.alarms(phase).into_iter().find(|event| event["rule"] == rule && fits(event));
        wait(&format!("{rule} {phase}"), LONG, found)
    }

    /// Rules that fired so far, each once.
    fn fired(&self) -> BTreeSet<String> {
        self.alarms("firing").iter().map(|event| event["rule"].as_str().unwrap().to_owned()).collect()
    }

    /// Fields of the first note of a kind about the encoder.
    fn note(&self, kind: &str) -> Value {
        let of_it = |event: &Value| event["probe"] == "encoder" && event["target"] == "feed" && event["kind"] == kind;
        wait(kind, LONG, || self.events().into_iter().find(of_it))["fields"].clone()
    }
}

fn rules<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

fn signal(kid: &Kid, signal: i32) {
    // SAFETY: kill(2) takes no pointer; the pid is that of our own child, which is not reaped yet.
    assert_eq!(unsafe { libc::kill(kid.0.id() as i32, signal) }, 0);
}

const PICTURE_AND_SOUND: &[&str] = &["-map", "0:v", "-map", "0:a"];

#[test]
fn an_encoder_that_freezes_is_one_alarm_that_says_so_and_its_end_is_told() {
    let clip = Clip::long();
    let channel = Channel::start("", false, None);
    let _sending = channel.send(&clip);
    let encoder = channel.encoder(&[PICTURE_AND_SOUND], Stdio::null());
    channel.at_work();
    signal(&encoder, libc::SIGSTOP);
    let fired = channel.alarm("EncoderStalled", "firing", |_| true);
    assert_eq!(
        (fired["labels"]["encoder_id"].as_str(), fired["labels"]["cause"].as_str()),
        (Some("feed"), Some("stopped"))
    );
    assert_eq!(fired["annotations"]["summary"], "Encoder feed runs and gets nothing done (stopped)");
    // Its output is silent longer than that would take to be an alarm of its own.
    channel.vedette.wait_value("ts_input_up{protocol=\"udp\",stream_id=\"after\"}", LONG, |v| v == 0.0);
    let still = "encoder_seconds_since_advance{camera_id=\"feed\",encoder_id=\"feed\"}";
    channel.vedette.wait_value(still, LONG, |seconds| seconds > 20.0);
    assert_eq!(channel.fired(), rules(["EncoderStalled"]));
    assert_eq!(channel.note("encoder.stalled")["reports"], "silent");
    signal(&encoder, libc::SIGCONT);
    channel.alarm("EncoderStalled", "resolved", |_| true);
    assert_eq!(channel.fired(), rules(["EncoderStalled"]));
}

#[test]
fn an_encoder_that_is_killed_is_one_alarm_that_says_so_and_its_return_is_told() {
    let clip = Clip::long();
    let channel = Channel::start("", false, None);
    let sending = channel.send(&clip);
    let encoder = channel.encoder(&[PICTURE_AND_SOUND], Stdio::null());
    channel.at_work();
    signal(&encoder, libc::SIGKILL);
    assert_eq!(channel.note("encoder.exit")["how"], "abrupt");
    let fired = channel.alarm("EncoderDown", "firing", |_| true);
    assert_eq!(
        (fired["labels"]["encoder_id"].as_str(), fired["labels"]["cause"].as_str()),
        (Some("feed"), Some("died"))
    );
    assert_eq!(fired["annotations"]["summary"], "Encoder feed is not running (died)");
    assert_eq!(channel.fired(), rules(["EncoderDown"]));
    assert!(sending.seconds() < 100.0, "the input was there all the while");
    let _again = channel.encoder(&[PICTURE_AND_SOUND], Stdio::null());
    channel.alarm("EncoderDown", "resolved", |_| true);
    assert_eq!(channel.fired(), rules(["EncoderDown"]));
}

#[test]
fn an_encoder_that_goes_on_and_loses_its_cues_is_told_by_what_became_of_them() {
    let mut clip = Clip::long().declare_cues(0.0, 0x86);
    for n in 0..9_u32 {
        let out = f64::from(n) * 10.0 + 22.0;
        let cue = Cue::insert(n + 1, true, Some(clip.pts(out)), Some((3 * HZ, true)));
        clip.inject(out - 6.0, &cue.section());
    }
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    // The journal of its unit: what journalctl is asked for is written down, and what it tells is the encoder's log.
    let journalctl = dir.path().join("journalctl");
    let (at, asked) = (log.display(), dir.path().join("asked"));
    let script = format!("#!/bin/sh\necho \"$@\" > {}\nexec tail -n 0 -F {at} 2> /dev/null\n", asked.display());
    std::fs::write(&journalctl, script).unwrap();
    std::fs::set_permissions(&journalctl, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let file = std::fs::File::create(&log).unwrap();
    let mut channel = Channel::start("log = \"journal:feed.service\"\n", true, Some(dir.path()));
    let _sending = channel.send(&clip);
    wait("journalctl is asked", LONG, || std::fs::read_to_string(&asked).ok().filter(|args| args.ends_with('\n')));
    // One output gets everything that came in, the other what FFmpeg takes by itself.
    let _encoder = channel.encoder(&[&["-map", "0", "-c:d", "copy"], &[]], file.into());
    channel.vedette.wait_value("encoder_advancing{camera_id=\"feed\",encoder_id=\"feed\"}", LONG, |v| v == 1.0);
    for (stream, outcome) in [("after", "private"), ("bare", "lost")] {
        let loss = channel.alarm("CueEncoderLoss", "firing", |alarm| alarm["labels"]["stream_id"] == stream);
        assert_eq!(loss["labels"]["outcome"], outcome, "{loss}");
        let summary = format!("The encoder of {stream} does not pass cues on ({outcome})");
        assert_eq!(loss["annotations"]["summary"], summary.as_str());
        let pid = channel.alarm("CuePidLost", "firing", |alarm| alarm["labels"]["stream_id"] == stream);
        let summary = format!("Stream {stream} lost its cue PID in the encoder");
        assert_eq!(pid["annotations"]["summary"], summary.as_str());
    }
    // The encoder itself says the same, and is at work.
    let said = channel.alarm("EncoderLosesCues", "firing", |_| true);
    assert_eq!(said["annotations"]["summary"], "Encoder feed turns SCTE-35 cues into private data");
    assert_eq!(channel.fired(), rules(["CueEncoderLoss", "CuePidLost", "EncoderLosesCues"]));
    for (name, wanted) in [("up", 1.0), ("advancing", 1.0), ("writing", 1.0)] {
        let series = format!("encoder_{name}{{camera_id=\"feed\",encoder_id=\"feed\"}}");
        assert_eq!(channel.vedette.value(&series), Some(wanted), "{name}");
    }
    let args = std::fs::read_to_string(&asked).unwrap();
    assert!(args.contains("--unit feed.service") && args.contains("--follow"), "{args}");
    assert!(std::fs::read_to_string(&log).unwrap().contains(CANARY), "its log repeats its command line");

    // Neither its command line nor its log left the box.
    let mut told = vec![channel.vedette.page(), format!("{:?}", channel.ear.heard())];
    assert!(channel.vedette.stop().success());
    let written = files(channel.vedette.dir.path()).into_iter();
    told.extend(written.map(|(path, bytes)| format!("{} {}", path.display(), String::from_utf8_lossy(&bytes))));
    assert!(told.iter().any(|text| text.contains("metrics.db")), "the database was looked at");
    for text in told {
        let at = text.find(CANARY).unwrap_or(0);
        assert!(at == 0, "{}", &text[at.saturating_sub(200)..at + 50]);
    }
}
