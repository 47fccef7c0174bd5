//! The tracer plugin in gst-launch.

use crate::support::free_port;
use crate::support::gst::{self, Ear, of};
use std::path::Path;
use vedette::wire::tracer::{self, Kind, State};

const LIVE: &str = "videotestsrc is-live=true num-buffers=150 ! video/x-raw,width=320,height=240,framerate=25/1 ! queue \
    ! x264enc key-int-max=25 bframes=2 speed-preset=ultrafast ! mpegtsmux ! fakesink";

fn tracers(socket: &Path) -> String {
    format!("vedette(socket={},encoder=front)", socket.display())
}

#[test]
fn an_x264_pipeline_reports_frames_keyframes_latency_queues_states_and_its_end() {
    let (dir, plugins) = (tempfile::tempdir().unwrap(), gst::built());
    let socket = dir.path().join("gst.sock");
    let ear = Ear::bind(&socket);
    let _encoder = gst::play(gst::launch(dir.path(), &plugins).env("GST_TRACERS", tracers(&socket)), LIVE);
    // At work: frames in flight, nothing stalled.
    let busy = ear.until(|_, all| of(all, "x264enc").numbers.out_buffers > Some(25));
    let (head, all) = tracer::parse(&busy).unwrap();
    assert_eq!((head.id, head.errors, head.left_out, head.unsent), ("front", 0, 0, 0));
    assert!(head.at > head.since && head.seq >= 1);
    let encoder = of(&all, "x264enc");
    assert_eq!((encoder.name, encoder.kind, encoder.state), ("x264enc0", Kind::VideoEncoder, Some(State::Playing)));
    assert!(encoder.numbers.in_age.unwrap() < 500_000_000, "{encoder:?}");
    let queue = of(&all, "queue").numbers;
    assert_eq!((queue.max_buffers, queue.max_ns), (Some(200), Some(1_000_000_000)));
    assert!(queue.level_buffers.is_some());
    // At the end: every frame counted, on both sides of the encoder, and timed on its way through it.
    let ended = ear.until(|_, all| of(all, "pipeline").state == Some(State::Null));
    let (_, all) = tracer::parse(&ended).unwrap();
    let numbers = of(&all, "x264enc").numbers;
    assert_eq!((numbers.in_buffers, numbers.out_buffers, numbers.keys), (Some(150), Some(150), Some(6)));
    assert_eq!((numbers.width, numbers.height, numbers.timed), (Some(320), Some(240), Some(150)));
    let latency = numbers.timed_ns.unwrap() / 150;
    assert!((1_000_000..5_000_000_000).contains(&latency), "{latency} ns");
    let (queue, sink) = (of(&all, "queue").numbers, of(&all, "fakesink"));
    assert_eq!((queue.in_buffers, queue.out_buffers), (Some(150), Some(150)));
    assert_eq!((sink.kind, sink.numbers.eos), (Kind::Sink, Some(1)));
    assert!(sink.numbers.in_bytes > numbers.out_bytes, "a transport stream is larger than what it carries");
    assert_eq!(of(&all, "pipeline").numbers.eos, Some(1));
}

#[test]
fn an_encoder_that_gets_no_more_pictures_shows_their_age_and_an_error_is_counted() {
    let (dir, plugins) = (tempfile::tempdir().unwrap(), gst::built());
    let socket = dir.path().join("gst.sock");
    let ear = Ear::bind(&socket);
    // The valve of a live source: ten pictures, then none, and the pipeline stays up for the audio.
    let stalls = "videotestsrc is-live=true ! identity eos-after=10 ! x264enc tune=zerolatency ! fakesink \
        audiotestsrc is-live=true ! fakesink";
    let stalled = gst::play(gst::launch(dir.path(), &plugins).env("GST_TRACERS", tracers(&socket)), stalls);
    let datagram = ear.until(|_, all| of(all, "x264enc").numbers.in_age > Some(1_500_000_000));
    let (_, all) = tracer::parse(&datagram).unwrap();
    assert_eq!(of(&all, "x264enc").state, Some(State::Playing));
    assert!(all.iter().any(|e| e.kind == Kind::Sink && e.numbers.in_age < Some(1_000_000_000)), "{all:?}");
    drop(stalled);
    // identity's error is not an encoder's or a sink's: it stands in the head.
    let fails =
        "videotestsrc num-buffers=500 is-live=true ! identity error-after=30 ! x264enc tune=zerolatency ! fakesink";
    let _failing = gst::play(gst::launch(dir.path(), &plugins).env("GST_TRACERS", tracers(&socket)), fails);
    ear.until(|head, _| head.errors >= 1);
}

#[test]
fn an_encoder_inside_a_bin_packets_in_lists_and_pictures_that_come_late_are_counted() {
    let (dir, plugins) = (tempfile::tempdir().unwrap(), gst::built());
    let socket = dir.path().join("gst.sock");
    let ear = Ear::bind(&socket);
    // The payloader pushes the packets of a picture as a list. Of the second source's pictures every other is too late.
    let pipeline = format!(
        "videotestsrc is-live=true num-buffers=50 pattern=snow ! video/x-raw,width=640,height=480,framerate=25/1 \
         ! ( identity ! x264enc tune=zerolatency ) ! rtph264pay ! udpsink host=127.0.0.1 port={} \
         videotestsrc is-live=true num-buffers=100 ! video/x-raw,framerate=50/1 ! identity sleep-time=40000 \
         ! fakesink sync=true qos=true max-lateness=1000000",
        free_port()
    );
    let _encoder = gst::play(gst::launch(dir.path(), &plugins).env("GST_TRACERS", tracers(&socket)), &pipeline);
    let ended = ear.until(|_, all| of(all, "pipeline").state == Some(State::Null));
    let (_, all) = tracer::parse(&ended).unwrap();
    let (encoder, packets, late) = (of(&all, "x264enc"), of(&all, "udpsink").numbers, of(&all, "fakesink").numbers);
    assert_eq!(
        (encoder.numbers.in_buffers, encoder.numbers.out_buffers, encoder.numbers.timed),
        (Some(50), Some(50), Some(50))
    );
    assert!(packets.in_buffers > Some(100) && packets.in_bytes > encoder.numbers.out_bytes, "{packets:?}");
    assert!(late.qos_dropped > Some(10) && late.qos_processed.is_some(), "{late:?}");
    assert_eq!(packets.qos_dropped, None, "nobody told");
}

#[test]
fn what_an_encoder_writes_is_the_same_whoever_listens_and_whether_the_plugin_is_there() {
    let (dir, plugins) = (tempfile::tempdir().unwrap(), gst::built());
    let (nobody, deaf) = (dir.path().join("nobody.sock"), dir.path().join("deaf.sock"));
    let _full = Ear::bind(&deaf).deafened();
    let write = |tracers: Option<String>, name: &str| {
        let file = dir.path().join(name);
        let mut launch = gst::launch(dir.path(), &plugins);
        if let Some(tracers) = tracers {
            launch.env("GST_TRACERS", tracers);
        }
        let location = file.display();
        // One thread: x264 is the same from run to run only then.
        gst::to_the_end(
            &mut launch,
            &format!(
                "videotestsrc num-buffers=100 pattern=snow ! video/x-raw,width=320,height=240,framerate=25/1 \
                 ! queue ! x264enc threads=1 bitrate=500 ! mpegtsmux ! filesink location={location}"
            ),
        );
        let written = std::fs::read(file).unwrap();
        assert!(written.len() > 100_000);
        written
    };
    let plain = write(None, "plain.ts");
    for (name, tracers) in [
        ("nobody.ts", tracers(&nobody)),
        ("deaf.ts", tracers(&deaf)),
        ("unknown.ts", "nosuchtracer(socket=/x)".to_owned()),
        ("odd.ts", "vedette(=,,socket=)".to_owned()),
        ("twice.ts", format!("{0};{0}", tracers(&nobody))),
    ] {
        assert!(write(Some(tracers), name) == plain, "{name} differs from what is written without a tracer");
    }
}
