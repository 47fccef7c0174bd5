//! GStreamer encoders in the whole daemon: what their tracers tell is on the page, and one that stalls is told from one that
//! is gone.

use crate::support::gst;
use crate::support::vedette::Vedette;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

/// Two encoders at one socket. Of the first, the queue in front of its sink has series of its own.
const CONFIG: &str = "\
[node]
tick = \"1s\"
[[encoder]]
id = \"front\"
kind = \"gstreamer\"
socket = \"SOCKET\"
elements = [\"last\"]
[[encoder]]
id = \"gate\"
kind = \"gstreamer\"
socket = \"SOCKET\"
";

/// 100 pictures, 4 s, then none; the audio goes on.
const STALLS: &str = "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1 ! identity eos-after=101 \
    ! x264enc tune=zerolatency key-int-max=25 ! queue name=last ! fakesink audiotestsrc is-live=true ! fakesink";
const WORKS: &str = "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1 \
    ! x264enc tune=zerolatency ! mpegtsmux ! fakesink";

#[test]
fn an_encoder_that_stalls_is_told_from_one_that_is_gone_and_from_its_neighbour() {
    let plugins = gst::built();
    let mut vedette = Vedette::new("");
    let socket = vedette.path("gst.sock");
    vedette.configure(&CONFIG.replace("SOCKET", socket.to_str().unwrap()));
    vedette.start();
    let encode = |id: &str, pipeline: &str| {
        let tracers = format!("vedette(socket={},encoder={id})", socket.display());
        gst::play(gst::launch(vedette.dir.path(), &plugins).env("GST_TRACERS", tracers), pipeline)
    };
    let is = |name: &str, id: &str, fits: &dyn Fn(f64) -> bool| {
        vedette.wait_value(&format!("encoder_{name}{{camera_id=\"{id}\",encoder_id=\"{id}\"}}"), SOON, fits)
    };
    let element = |name: &str, element: &str, more: &str| {
        vedette.value(&format!(
            "encoder_element_{name}{{camera_id=\"front\",element=\"{element}\",encoder_id=\"front\"{more}}}"
        ))
    };
    let stalls = encode("front", STALLS);
    let _works = encode("gate", WORKS);
    is("advancing", "front", &|v| v == 1.0);
    is("advancing", "gate", &|v| v == 1.0);
    is("fps", "gate", &|v| (20.0..30.0).contains(&v));

    is("advancing", "front", &|v| v == 0.0);
    is("stalls_total", "front", &|v| v == 1.0);
    assert_eq!(is("up", "front", &|_| true), 1.0);
    // What its tracer told until then: by the role of its elements, and the named one for itself.
    let counted = |name: &str, of: &str| element(name, of, "");
    assert_eq!(counted("in_buffers_total", "encoder"), Some(100.0));
    assert_eq!(counted("out_buffers_total", "encoder"), Some(100.0));
    assert_eq!(counted("keyframes_total", "encoder"), Some(4.0));
    assert_eq!((counted("in_buffers_total", "last"), counted("queue_ratio", "last")), (Some(100.0), Some(0.0)));
    assert_eq!(counted("in_buffers_total", "queue"), None, "no other queue is there");
    assert!(counted("in_bytes_total", "sink") > counted("out_bytes_total", "encoder"), "the audio's besides");
    assert_eq!(element("messages_total", "encoder", ",type=\"eos\""), Some(1.0));
    assert!(counted("idle_seconds", "encoder") > Some(1.0));
    assert_eq!(is("tracer_unsent_total", "front", &|_| true), 0.0);

    drop(stalls); // killed
    is("up", "front", &|v| v == 0.0);
    let abrupt = "encoder_ends_total{camera_id=\"front\",encoder_id=\"front\",how=\"abrupt\"}";
    vedette.wait_value(abrupt, SOON, |v| v == 1.0);
    assert_eq!((is("advancing", "gate", &|_| true), is("stalls_total", "gate", &|_| true)), (1.0, 0.0));
}
