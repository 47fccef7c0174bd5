//! GStreamer encoders with the tracer plugin, and the daemon at the other end of its socket.

use crate::support::gst;
use crate::support::vedette::Vedette;
use crate::support::{Kid, wait};
use std::path::Path;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(30);
const ENCODER: &str = "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1 ! queue name=front \
    ! x264enc key-int-max=25 tune=zerolatency speed-preset=ultrafast ! mpegtsmux ! fakesink";

/// A daemon that waits for tracers.
struct Node {
    vedette: Vedette,
    plugins: std::path::PathBuf,
}

impl Node {
    fn start() -> Node {
        let mut vedette = Vedette::new("");
        let socket = vedette.path("tracer");
        let table = |id: &str, more: &str| {
            format!("[[encoder]]\nid = \"{id}\"\nkind = \"gstreamer\"\nsocket = {socket:?}\n{more}")
        };
        let encoders = table("yard", "elements = [\"front\"]\nresolution = \"320x240\"\n") + &table("gate", "");
        vedette.configure(&format!("[node]\nname = \"box\"\ntick = \"1s\"\n{encoders}"));
        vedette.start();
        Node { vedette, plugins: gst::built() }
    }

    fn launch(&self, id: &str, pipeline: &str) -> Kid {
        let mut launch = gst::launch(self.vedette.dir.path(), &self.plugins);
        let socket = self.vedette.path("tracer");
        launch.arg("-e").env("GST_TRACERS", format!("vedette(socket={},encoder={id})", socket.display()));
        gst::play(&mut launch, pipeline)
    }

    /// A series of an encoder; `labels` are those between the ids, as the page sorts them.
    fn wait(&self, id: &str, name: &str, labels: &str, fits: impl Fn(f64) -> bool) -> f64 {
        self.vedette.wait_value(&series(id, name, labels), LONG, fits)
    }
}

fn series(id: &str, name: &str, labels: &str) -> String {
    let mut all: Vec<String> = labels.split_terminator(',').map(str::to_owned).collect();
    all.extend([format!("camera_id=\"{id}\""), format!("encoder_id=\"{id}\"")]);
    all.sort();
    format!("encoder_{name}{{{}}}", all.join(","))
}

fn signal(kid: &Kid, signal: i32) {
    // SAFETY: kill(2) takes no pointer; the pid is that of our own child, which is not reaped yet.
    assert_eq!(unsafe { libc::kill(kid.0.id() as i32, signal) }, 0);
}

#[test]
fn an_encoder_made_with_gstreamer_is_followed_from_its_start_to_its_end_without_a_word_in_its_pipeline() {
    let node = Node::start();
    node.wait("yard", "up", "", |up| up == 0.0);
    let first = node.launch("yard", ENCODER);
    node.wait("yard", "advancing", "", |v| v == 1.0);
    node.wait("yard", "fps", "", |fps| (23.0..=27.0).contains(&fps));
    node.wait("yard", "bitrate", "", |bits| bits > 10_000.0);
    let encoder = "element=\"encoder\"";
    let out = node.wait("yard", "element_out_buffers_total", encoder, |n| n > 60.0);
    assert!(node.wait("yard", "element_in_buffers_total", encoder, |n| n > 60.0) >= out - 30.0);
    node.wait("yard", "element_keyframes_total", encoder, |n| n >= 2.0);
    node.wait("yard", "element_out_bytes_total", encoder, |n| n > 10_000.0);
    node.wait("yard", "element_latency_seconds", encoder, |s| s > 0.0 && s < 1.0);
    node.wait("yard", "element_queue_ratio", "element=\"front\"", |full| (0.0..=1.0).contains(&full));
    node.wait("yard", "element_idle_seconds", "element=\"sink\"", |s| s < 1.0);
    node.wait("yard", "element_messages_total", &format!("{encoder},type=\"state\""), |n| n >= 3.0);
    node.wait("yard", "process_resident_memory_bytes", "", |bytes| bytes > 5e6);
    assert_eq!(node.vedette.value(&series("yard", "report_errors_total", "")), Some(0.0));
    let active = "encoding_sessions_active{encoder_type=\"gstreamer\",resolution=\"320x240\"}";
    node.vedette.wait_value(active, LONG, |n| n == 1.0);
    node.vedette.wait_value("ffmpeg_process_uptime_seconds{camera_id=\"yard\"}", LONG, |s| s < 60.0);
    assert_eq!(node.vedette.value(&series("gate", "up", "")), Some(0.0), "the other one on the socket is not it");

    signal(&first, libc::SIGSTOP);
    node.wait("yard", "fault", "cause=\"stopped\"", |v| v == 1.0);
    node.wait("yard", "advancing", "", |v| v == 0.0);
    signal(&first, libc::SIGCONT);
    node.wait("yard", "advancing", "", |v| v == 1.0);
    node.wait("yard", "fault", "cause=\"stopped\"", |v| v == 0.0);

    // gst-launch -e sends the end of stream through the pipeline when it is interrupted.
    signal(&first, libc::SIGINT);
    node.wait("yard", "ends_total", "how=\"clean\"", |n| n == 1.0);
    node.wait("yard", "fault", "cause=\"ended\"", |v| v == 1.0);
    let second = node.launch("yard", ENCODER);
    node.wait("yard", "advancing", "", |v| v == 1.0);
    node.wait("yard", "restarts_total", "", |n| n == 1.0);
    drop(second); // SIGKILL
    node.wait("yard", "ends_total", "how=\"abrupt\"", |n| n == 1.0);
    node.wait("yard", "fault", "cause=\"died\"", |v| v == 1.0);
    assert_eq!(node.vedette.value(&series("yard", "fps", "")), None, "no old number stands");
}

#[test]
fn an_encoder_that_gets_no_pictures_stands_still_one_that_is_late_drops_and_an_error_of_its_source_is_counted() {
    let node = Node::start();
    // Ten pictures, then none; the pipeline stays up for the sound.
    let dry = "videotestsrc is-live=true ! identity eos-after=10 ! x264enc tune=zerolatency ! fakesink \
        audiotestsrc is-live=true ! fakesink";
    let standing = node.launch("yard", dry);
    node.wait("yard", "fault", "cause=\"stalled\"", |v| v == 1.0);
    assert_eq!(node.vedette.value(&series("yard", "up", "")), Some(1.0));
    drop(standing);
    let late = "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1 \
        ! identity sleep-time=80000 ! x264enc tune=zerolatency ! fakesink sync=true qos=true max-lateness=1000000";
    let _late = node.launch("gate", late);
    let sink = "element=\"sink\"";
    node.wait("gate", "element_qos_dropped_total", sink, |n| n > 10.0);
    node.wait("gate", "element_qos_processed_total", sink, |n| n >= 1.0);
    let fails = "videotestsrc is-live=true ! identity error-after=100 ! x264enc tune=zerolatency ! fakesink";
    let mut failing = node.launch("yard", fails);
    node.wait("yard", "pipeline_messages_total", "type=\"error\"", |n| n >= 1.0);
    let service = "encoding_errors_total{error_type=\"pipeline\",service=\"yard\"}";
    node.vedette.wait_value(service, LONG, |n| n >= 1.0);
    wait("the end of what failed", LONG, || failing.0.try_wait().unwrap());
    assert!(Path::new(&node.vedette.path("tracer")).exists());
}
