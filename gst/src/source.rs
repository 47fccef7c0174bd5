//! The pipelines: an SRT socket whose bytes go on as they come, and an RTMP connection of which frames are counted.

use crate::record::{Flv, Reason, Record, Srt};
use crate::verdict;
use crate::voice::Voice;
use gstreamer::prelude::*;
use gstreamer::{
    BufferFlags, ClockTime, Element, ElementFactory, MessageView, Pad, PadProbeData, PadProbeReturn, PadProbeType,
    Pipeline, State, Structure, URIHandler, glib,
};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// How often something is said when nothing happens.
const BEAT: ClockTime = ClockTime::from_seconds(1);
/// Beats without data after which the source is called silent. SRT gives up a peer after 5 s, RTMP after 5 s of connecting.
const SILENCE: u32 = 10;

/// Receives until it cannot, and says what comes. Returns why it ended.
pub fn receive(url: &str, voice: &Voice) -> Reason {
    if gstreamer::init().is_err() {
        return Reason::NotInstalled;
    }
    let seen = Arc::new(Seen::default());
    let pipeline = Pipeline::new();
    let built = match url.split_once("://") {
        Some((_, "")) => Err(Reason::Request),
        Some(("srt", _)) => srt(url, &pipeline, voice, &seen),
        Some(("rtmp" | "rtmps", _)) => rtmp(url, &pipeline, voice, &seen),
        _ => Err(Reason::Request),
    };
    let source = match built {
        Ok(source) => source,
        Err(reason) => return reason,
    };
    // Its reason comes as a message.
    let _started = pipeline.set_state(State::Playing);
    // A listener waits for the encoder to call, for as long as that takes.
    let waits = source.find_property("mode").is_some() && mode(&source) == "listener";
    watch(&pipeline, &source, waits, voice, &seen)
}

/// What came so far, counted in the streaming threads.
#[derive(Default)]
struct Seen {
    buffers: AtomicU64,
    video: Track,
    audio: Track,
}

impl Seen {
    /// A buffer came. SRT and RTMP elements tell of no handshake: the first one proves it.
    fn count(&self, voice: &Voice) {
        if self.buffers.fetch_add(1, Relaxed) == 0 {
            voice.say(&Record::Connected);
        }
    }
}

#[derive(Default)]
struct Track {
    frames: AtomicU64,
    bytes: AtomicU64,
    keyframes: AtomicU64,
    /// Time stamp of the newest frame, ns.
    time: AtomicU64,
    pad: OnceLock<Pad>,
}

/// Waits for messages and says something at every beat.
fn watch(pipeline: &Pipeline, source: &Element, waits: bool, voice: &Voice, seen: &Seen) -> Reason {
    let bus = pipeline.bus().expect("a pipeline has a bus");
    let (mut before, mut silent) = (0, 0);
    loop {
        if let Some(message) =
            bus.timed_pop_filtered(BEAT, &[gstreamer::MessageType::Error, gstreamer::MessageType::Eos])
        {
            return match message.view() {
                MessageView::Error(error) => {
                    let said = format!("{} {}", error.error(), error.debug().unwrap_or_default());
                    eprintln!("vedette-gst: {said}");
                    // What gave data and breaks has ended, in whatever words: a peer that died, SRT calls an unknown error.
                    match verdict::of(&error.error(), &said) {
                        Reason::Other if seen.buffers.load(Relaxed) > 0 => Reason::Ended,
                        reason => reason,
                    }
                }
                _ => Reason::Ended,
            };
        }
        let now = seen.buffers.load(Relaxed);
        silent = if now > before || (waits && now == 0) { 0 } else { silent + 1 };
        before = now;
        if silent >= SILENCE {
            return Reason::Silent;
        }
        if seen.video.pad.get().is_some() || seen.audio.pad.get().is_some() {
            voice.say(&Record::Flv(flv(seen)));
        } else if let Some(counts) = statistics(source) {
            voice.say(&Record::Srt(counts));
        } else {
            voice.say(&Record::Alive);
        }
    }
}

fn make(factory: &str) -> Result<Element, Reason> {
    ElementFactory::make(factory).build().map_err(|_| Reason::NotInstalled)
}

/// Makes the source of a URL.
fn source(factory: &str, url: &str, pipeline: &Pipeline) -> Result<Element, Reason> {
    let source = make(factory)?;
    source.dynamic_cast_ref::<URIHandler>().ok_or(Reason::NotInstalled)?.set_uri(url).map_err(|_| Reason::Request)?;
    pipeline.add(&source).map_err(|_| Reason::Other)?;
    Ok(source)
}

/// A sink that throws away, at once.
fn drain(pipeline: &Pipeline) -> Result<Pad, Reason> {
    let sink = make("fakesink")?;
    sink.set_property("sync", false);
    sink.set_property("async", false);
    pipeline.add(&sink).map_err(|_| Reason::Other)?;
    sink.sync_state_with_parent().map_err(|_| Reason::Other)?;
    sink.static_pad("sink").ok_or(Reason::Other)
}

/// srtsrc, whose buffers go to the daemon from the streaming thread itself: their arrival is when they are dated.
fn srt(url: &str, pipeline: &Pipeline, voice: &Voice, seen: &Arc<Seen>) -> Result<Element, Reason> {
    let source = source("srtsrc", url, pipeline)?;
    source.set_property("auto-reconnect", false); // when to try again is for the daemon
    let out = source.static_pad("src").ok_or(Reason::Other)?;
    let (voice, seen) = (voice.clone(), seen.clone());
    out.add_probe(PadProbeType::BUFFER, move |_, what| {
        if let Some(PadProbeData::Buffer(buffer)) = &what.data
            && let Ok(map) = buffer.map_readable()
        {
            seen.count(&voice);
            voice.stream(&map);
        }
        PadProbeReturn::Ok
    });
    out.link(&drain(pipeline)?).map_err(|_| Reason::Other)?;
    Ok(source)
}

/// rtmp2src and flvdemux, whose pads come with the first tag of each track.
fn rtmp(url: &str, pipeline: &Pipeline, voice: &Voice, seen: &Arc<Seen>) -> Result<Element, Reason> {
    let source = source("rtmp2src", url, pipeline)?;
    let demux = make("flvdemux")?;
    pipeline.add(&demux).map_err(|_| Reason::Other)?;
    source.link(&demux).map_err(|_| Reason::Other)?;
    let (weak, voice, seen) = (pipeline.downgrade(), voice.clone(), seen.clone());
    demux.connect_pad_added(move |_, pad| {
        let Some(pipeline) = weak.upgrade() else { return };
        let video = pad.name().starts_with("video");
        if (if video { &seen.video } else { &seen.audio }).pad.set(pad.clone()).is_err() {
            return; // a second track of a kind, which FLV does not have
        }
        let (voice, seen) = (voice.clone(), seen.clone());
        pad.add_probe(PadProbeType::BUFFER, move |_, what| {
            if let Some(PadProbeData::Buffer(buffer)) = &what.data {
                let track = if video { &seen.video } else { &seen.audio };
                track.frames.fetch_add(1, Relaxed);
                track.bytes.fetch_add(buffer.size() as u64, Relaxed);
                track.keyframes.fetch_add(u64::from(!buffer.flags().contains(BufferFlags::DELTA_UNIT)), Relaxed);
                track.time.store(buffer.pts().map_or(0, ClockTime::nseconds), Relaxed);
                seen.count(&voice);
            }
            PadProbeReturn::Ok
        });
        if let Ok(sink) = drain(&pipeline) {
            let _linked = pad.link(&sink); // not linked ends the stream with an error of its own
        }
    });
    Ok(source)
}

fn flv(seen: &Seen) -> Flv {
    let caps = seen.video.pad.get().and_then(Pad::current_caps);
    let side = |name| caps.as_ref().and_then(|c| c.structure(0)?.get::<i32>(name).ok()).unwrap_or(0).max(0) as u64;
    Flv {
        video_frames: seen.video.frames.load(Relaxed),
        video_bytes: seen.video.bytes.load(Relaxed),
        keyframes: seen.video.keyframes.load(Relaxed),
        audio_frames: seen.audio.frames.load(Relaxed),
        audio_bytes: seen.audio.bytes.load(Relaxed),
        width: side("width"),
        height: side("height"),
        video_time_ns: seen.video.time.load(Relaxed),
    }
}

/// The nick of srtsrc's connection mode.
fn mode(source: &Element) -> String {
    let value = source.property_value("mode");
    glib::EnumValue::from_value(&value).map_or_else(String::new, |(_, mode)| mode.nick().to_owned())
}

/// srtsrc's statistics; `None` of another element, or before the handshake.
fn statistics(source: &Element) -> Option<Srt> {
    source.find_property("stats")?;
    let all: Structure = source.property("stats");
    // A listener has those of its callers one by one.
    let callers = all.get::<glib::ValueArray>("callers").ok();
    let of = callers.as_ref().and_then(|callers| callers.first()?.get::<Structure>().ok()).unwrap_or(all);
    let float = |name: &str| of.get::<f64>(name).unwrap_or(0.0).max(0.0);
    let int = |name: &str| of.get::<i32>(name).unwrap_or(0).max(0) as u64;
    Some(Srt {
        packets: of.get::<i64>("packets-received").ok()?.max(0) as u64,
        bytes: of.get::<u64>("bytes-received").ok()?,
        lost: int("packets-received-lost"),
        rtt_us: (float("rtt-ms") * 1e3) as u64,
        bandwidth: (float("bandwidth-mbps") * 1e6) as u64,
        latency_ms: int("negotiated-latency-ms"),
    })
}
