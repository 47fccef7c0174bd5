//! An HLS playlist, with what the playlist probe knows of it.

use super::figures::{bitrate, span, table};
use super::session::{self, Login, Watched};
use super::stream::{Listening, inside, said};
use super::target::{NotATarget, Pace};
use super::verdict::{Finding, Nothing, Outcome, Summary};
use super::voice::Voice;
use crate::base::base64;
use crate::base::clock::Boot;
use crate::base::quit::Quit;
use crate::base::ring::Ring;
use crate::metric::latest::Sample;
use crate::metric::note::{Field, Note};
use crate::metric::report::Report;
use crate::probe::playlist::KIND;
use crate::wire::ts::SYNC;
use crate::world::World;
use crate::world::net::{Ask, Asking, Echoes, Fetched, Net, Route, Taker, Visiting, Way};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How long a playlist is looked at unless told otherwise: some segments of the usual length.
const USUAL: Duration = Duration::from_secs(20);
/// Pieces of segments that wait to be heard, of some KiB each; a beat takes them all.
const WAITING: usize = 4096;
/// As in the rule PlaylistSegmentSlow.
const SLOW: f64 = 0.8;

pub(super) async fn look(
    url: &str,
    login: &Login<'_>,
    world: World,
    limit: Option<Duration>,
    voice: &Voice,
    stop: &Quit,
) -> Result<Outcome, NotATarget> {
    let limit = limit.unwrap_or(USUAL);
    let clock = world.clock.clone();
    let segments = Ring::new(WAITING);
    let world = World { net: Arc::new(Tapped { net: world.net.clone(), segments: segments.clone() }), ..world };
    let mut listening = Listening::new(&clock, voice, Pace::Read(None), None);
    let each = |report: Option<&Report>, samples: &[Sample], begun: Boot, since: f64| {
        let of = |name: &str| samples.iter().find(|s| *s.meta.family.name == *name).map(|s| s.value);
        for piece in segments.take_now() {
            listening.bytes(clock.boot(), &piece);
        }
        for note in report.iter().flat_map(|r| &r.notes) {
            let at = note.at.since(begun).as_secs_f64();
            voice.tell(Some(line(at, note)), || object(at, note));
        }
        let read = samples
            .iter()
            .find(|s| *s.meta.family.name == *"hls_segments_total" && s.meta.labels.get("fate") == Some("read"));
        let mut parts = vec![span(since)];
        parts.extend(read.map(|s| format!("{} segments", s.value)));
        parts.extend(of("hls_segment_bitrate").map(bitrate));
        voice.progress((since / limit.as_secs_f64()).min(1.0), parts.join("  "));
        // Where the first round gave nothing, the next will not either; and what has ended gets nothing new.
        report.is_some() && (of("hls_up") == Some(0.0) || of("hls_playlist_ended") == Some(1.0))
    };
    let watched = session::watch(&KIND, url, login, world, limit, stop, each).await?;
    for piece in segments.take_now() {
        listening.bytes(clock.boot(), &piece);
    }
    let mut outcome = outcome(&watched);
    if let (Ok(summary), Some(heard)) = (&mut outcome, listening.end()) {
        inside(&heard, summary);
    }
    Ok(outcome)
}

/// Stands between the probe and the network and lets the segments be heard that pass through.
struct Tapped {
    net: Arc<dyn Net>,
    segments: Ring<Vec<u8>>,
}

impl Net for Tapped {
    fn fetch<'a>(&'a self, ask: Ask<'a>, take: Taker<'a>) -> Asking<'a, Fetched> {
        Box::pin(async move {
            let mut is_stream = None;
            let mut tapped = |bytes: &[u8]| {
                // Playlists begin with `#`, ciphertext and fragmented MP4 mostly with anything else.
                if *is_stream.get_or_insert(bytes.first() == Some(&SYNC)) {
                    self.segments.push(bytes.to_vec());
                }
                take(bytes);
            };
            self.net.fetch(ask, &mut tapped).await
        })
    }
    fn connect<'a>(&'a self, host: &'a str, port: u16, way: Way<'a>) -> Asking<'a, ()> {
        self.net.connect(host, port, way)
    }
    fn visit<'a>(&'a self, url: &'a Url, way: Way<'a>) -> Visiting<'a> {
        self.net.visit(url, way)
    }
    fn ping<'a>(&'a self, host: &'a str, echoes: u16, way: Way<'a>) -> Asking<'a, Echoes> {
        self.net.ping(host, echoes, way)
    }
    fn resolve<'a>(&'a self, name: &'a str, bound: Duration) -> Asking<'a, usize> {
        self.net.resolve(name, bound)
    }
    fn default_routes(&self) -> Asking<'_, Vec<Route>> {
        self.net.default_routes()
    }
    fn carrier<'a>(&'a self, interface: &'a str) -> Asking<'a, bool> {
        self.net.carrier(interface)
    }
}

fn outcome(watched: &Watched) -> Outcome {
    if let Some(failed) = &watched.failed {
        let said = crate::base::fault::chain(failed).to_string();
        return Err(Nothing { reason: "secret", said, hint: "look at the name and permissions of the password file" });
    }
    if watched.value("hls_target_duration_seconds", &[]).is_none() {
        let failures = watched.counts("hls_failures_total", "reason", &[("what", "playlist")]);
        let reason = failures.first().map_or("timeout", |(reason, _)| known(reason));
        return Err(Nothing { reason, said: "no playlist came".to_owned(), hint: hint(reason) });
    }
    Ok(Summary {
        seconds: watched.seconds,
        findings: findings(watched),
        text: text(watched),
        data: watched.data("stream_id"),
    })
}

/// The reasons of `hls_failures_total` and what to do.
const REASONS: &[(&str, &str)] = &[
    ("name", "the name has no address: look at the URL and at the DNS server"),
    ("refused", "nothing listens there: look at the port in the URL, and at the server"),
    ("unreachable", "look at the server, and at the road to it"),
    ("denied", "this machine's firewall or system forbids it"),
    ("timeout", "look at the server, and at the road to it; a firewall may swallow the request"),
    ("tls", "look at the server's certificate, its name and its dates, and at this machine's clock"),
    ("malformed", "what answers speaks no proper HTTP: look at the port in the URL"),
    ("redirect", "the server sends in circles, or to where nobody may follow: write the address that it means"),
    ("not_found", "look at the path in the URL; else the packager does not write it"),
    ("auth", "look at user and password (--username, --password-file), or for an expired token"),
    ("status", "the server answers with an error: look at its log"),
    ("too_large", "it is larger than any playlist or segment: look at the URL"),
    ("unreadable", "it is no HLS playlist: look at what the server gives"),
    ("other", "the system's reason is another: look at the URL"),
];

fn known(reason: &str) -> &'static str {
    REASONS.iter().map(|(name, _)| *name).find(|name| *name == reason).unwrap_or("other")
}

fn hint(reason: &str) -> &'static str {
    REASONS.iter().find(|(name, _)| *name == reason).map_or("look at the URL", |(_, hint)| hint)
}

fn findings(watched: &Watched) -> Vec<Finding> {
    let mut all = Vec::new();
    let mut add = |code, said: String, hint| all.push(Finding { fault: true, code, said, hint });
    for (reason, n) in watched.counts("hls_failures_total", "reason", &[("what", "playlist")]) {
        add("playlist_failed", format!("a playlist did not come {n} times ({reason})"), hint(&reason));
    }
    for (reason, n) in watched.counts("hls_failures_total", "reason", &[("what", "segment")]) {
        let hint = match reason.as_str() {
            "not_found" => "segments are deleted too early, or not written yet: look at the packager",
            other => hint(other),
        };
        add("segment_failed", format!("{n} segments did not come ({reason})"), hint);
    }
    if watched.count("hls_playlist_stalls_total", &[]) > 0 {
        add(
            "stalled",
            "no segment was added for 1.5 target durations".to_owned(),
            "look at the packager and at the encoder in front of it, then at a cache that serves an old copy",
        );
    }
    if let Some(ratio) = watched.value("hls_segment_download_ratio", &[]).filter(|ratio| *ratio > SLOW) {
        let said = format!("a segment took {ratio:.2} of its duration to download; from 1 on players run dry");
        add("segment_slow", said, "a long first byte is the server, a long connect the road");
    }
    for (kind, n) in watched.counts("hls_defects_total", "kind", &[]) {
        add(
            "playlist_defect",
            format!("{n} × {kind} (RFC 8216)"),
            "look at the packager's settings: segment length against key frames, list size, restarts of the encoder",
        );
    }
    for (indicator, n) in watched.counts("hls_segment_errors_total", "indicator", &[]) {
        let said = format!("{n} × {indicator} in the transport stream of the segments");
        add("segment_errors", said, "look at the encoder and the packager; probe a segment by itself for more");
    }
    for (kind, n) in watched.counts("hls_cue_faults_total", "kind", &[]) {
        add(
            "cue_fault",
            format!("{n} × {kind}"),
            "look at the packager's SCTE-35 settings, and for lost cues before it",
        );
    }
    all
}

fn text(watched: &Watched) -> String {
    let value = |name| watched.value(name, &[]);
    let ms = |seconds: f64| format!("{:.0} ms", seconds * 1000.0);
    let mut playlist = vec![if value("hls_playlist_ended") == Some(1.0) { "ended" } else { "live" }.to_owned()];
    playlist.extend(value("hls_target_duration_seconds").map(|s| format!("target duration {s} s")));
    playlist.extend(value("hls_window_seconds").map(|s| format!("window {s:.1} s")));
    playlist.extend(value("hls_media_sequence").map(|n| format!("newest segment {n}")));
    playlist.extend(value("hls_live_latency_seconds").map(|s| format!("{s:.1} s behind live")));
    let variants = |state| watched.value("hls_variants", &[("state", state)]);
    if let (Some(listed), Some(watched)) = (variants("listed"), variants("watched")) {
        playlist.push(format!("{watched} of {listed} variants looked at"));
    }
    let phase = |name: &'static str| Some((name, watched.value("hls_playlist_request_seconds", &[("phase", name)])?));
    let phases = ["name", "connect", "tls", "first_byte", "body", "total"].into_iter().filter_map(phase);
    let phases = phases.map(|(name, seconds)| format!("{} {}", name.replace('_', " "), ms(seconds)));
    let mut segments: Vec<String> =
        watched.counts("hls_segments_total", "fate", &[]).iter().map(|(fate, n)| format!("{n} {fate}")).collect();
    segments.extend(value("hls_segment_bitrate").map(bitrate));
    segments.extend(
        value("hls_segment_download_ratio").map(|r| format!("downloaded in {:.1} % of their duration", r * 100.0)),
    );
    segments.extend(
        Some(watched.count("hls_discontinuities_total", &[]))
            .filter(|n| *n > 0)
            .map(|n| format!("{n} discontinuities")),
    );
    let acts = |name: &str, labels: &[(&str, &str)]| {
        let acts = watched.counts(name, "act", labels);
        acts.iter().map(|(act, n)| format!("{act} {n}")).collect::<Vec<_>>().join(" ")
    };
    let mut cues: Vec<String> = Vec::new();
    for style in ["cue_out", "scte35", "daterange", "oatcls", "splicepoint", "asset"] {
        let acts = acts("hls_cues_total", &[("style", style)]);
        cues.extend((!acts.is_empty()).then(|| format!("{style}: {acts}")));
    }
    let stream = acts("hls_segment_cues_total", &[]);
    cues.extend((!stream.is_empty()).then(|| format!("in the segments: {stream}")));
    let row = |name: &str, parts: Vec<String>| vec![name.to_owned(), parts.join(", ")];
    let mut rows = vec![row("playlist", playlist), row("request", phases.collect()), row("segments", segments)];
    rows.extend((!cues.is_empty()).then(|| row("cues", cues)));
    table("Playlist", &[], &rows)
}

fn line(at: f64, note: &Note) -> String {
    let section = note.fields.iter().find(|(name, _)| *name == "section").map(|(_, field)| text_of(field));
    let fields = note.fields.iter().filter(|(name, _)| !matches!(*name, "section" | "variant"));
    let mut parts: Vec<String> =
        fields.map(|(name, field)| format!("{} {}", name.replace('_', " "), text_of(field))).collect();
    parts.extend(section.and_then(|text| base64::decode(&text)).map(|section| said(&section)));
    let word = note.kind.rsplit('.').next().unwrap_or(note.kind).replace('_', " ");
    format!("{at:>10.3} s  {word:<10} {}", parts.join(", "))
}

fn text_of(field: &Field) -> String {
    match field {
        Field::Text(text) => text.clone(),
        Field::Number(number) => format!("{number:.3}"),
        Field::Whole(whole) => whole.to_string(),
        Field::Flag(flag) => flag.to_string(),
    }
}

fn object(at: f64, note: &Note) -> Value {
    let mut object = json!({"kind": note.kind, "at_seconds": at});
    for (name, field) in &note.fields {
        object[*name] = match field {
            Field::Text(text) => text.as_str().into(),
            Field::Number(number) => (*number).into(),
            Field::Whole(whole) => (*whole).into(),
            Field::Flag(flag) => (*flag).into(),
        };
    }
    object
}
