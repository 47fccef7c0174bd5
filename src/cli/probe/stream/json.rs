//! A transport stream as a program reads it. Names and units are those of the families in METRICS.md where both say the
//! same thing: bit/s, seconds, counts.

use super::{Heard, text};
use crate::base::label::Label;
use crate::wire::scte35::Counts;
use crate::wire::ts::clock33::seconds;
use crate::wire::ts::{CueState, Indicator, Program, Role, Stream};
use serde_json::{Map, Value, json};

pub(super) fn data(heard: &Heard) -> Map<String, Value> {
    let packets = heard.counts.packets();
    let net = packets - heard.counts.role(Role::Null).packets;
    let mut data = Map::new();
    data.insert(
        "stream".to_owned(),
        json!({
            "packets": packets, "bitrate": heard.rate(packets), "net_bitrate": heard.rate(net),
            "transport_stream_id": heard.facts.transport_stream_id,
            "skipped_bytes": heard.sync.skipped, "pcr_jumps": heard.counts.pcr_jumps,
            "pts_jumps": heard.counts.pts_jumps, "signalled_discontinuities": heard.counts.signalled_discontinuities,
            "table_changes": heard.counts.table_changes, "frames": heard.counts.frames,
            "keyframes": heard.counts.keyframes, "datagrams_dropped": heard.datagrams.dropped,
            "rtp_packets_lost": heard.datagrams.lost, "rtp": heard.datagrams.wrapped,
        }),
    );
    data.insert("programmes".to_owned(), heard.facts.programs.iter().map(|p| programme(heard, p)).collect());
    data.insert("pids".to_owned(), heard.census.pids().map(|pid| one(heard, pid)).collect());
    data.insert("roles".to_owned(), roles(heard));
    let errors = Indicator::ALL.iter().filter(|i| i.priority() < 3);
    let errors: Map<String, Value> = errors.map(|i| (i.label().to_owned(), heard.errors(*i).into())).collect();
    data.insert("tr101290".to_owned(), errors.into());
    data.insert("cues".to_owned(), cues(heard));
    data
}

fn one(heard: &Heard, pid: u16) -> Value {
    let (packets, starts) = heard.census.of(pid);
    json!({"pid": pid, "packets": packets, "starts": starts, "bitrate": heard.rate(packets)})
}

fn programme(heard: &Heard, program: &Program) -> Value {
    json!({
        "number": program.number, "pmt_pid": program.pmt_pid, "pcr_pid": program.pcr_pid, "cuei": program.cuei,
        "pcr_interval_seconds": program.pcr_interval, "pcr_jitter_seconds": program.pcr_jitter,
        "av_offset_seconds": program.av_offset, "av_drift_seconds": program.av_drift,
        "gone_cue_pids": program.gone_cues,
        "streams": program.streams.iter().map(|s| stream(heard, s)).collect::<Vec<_>>(),
    })
}

fn stream(heard: &Heard, stream: &Stream) -> Value {
    let mut object = one(heard, stream.pid);
    object["stream_type"] = stream.stream_type.into();
    object["role"] = stream.role.label().into();
    object["codec"] = text::stream_type(stream).into();
    object["scrambled"] = stream.scrambled.into();
    object["cue"] = match stream.cue {
        CueState::None => Value::Null,
        CueState::Declared => "declared".into(),
        CueState::Former => "former".into(),
        CueState::Disguised => "disguised".into(),
    };
    let Some(video) = &stream.video else { return object };
    let pictures = heard.ears.pictures.get(&stream.pid);
    let gop = pictures.and_then(|p| p.gop);
    let interval = pictures.and_then(|p| p.interval);
    object["fps"] = json!(pictures.and_then(|p| text::fps(p, video.frames)));
    object["declared_fps"] = json!(video.declared_fps);
    object["width"] = json!(video.resolution.map(|(width, _)| width));
    object["height"] = json!(video.resolution.map(|(_, height)| height));
    object["frames"] = video.frames.into();
    object["keyframes"] = video.keyframes.into();
    object["gop_least"] = json!(gop.map(|(least, _)| least));
    object["gop_most"] = json!(gop.map(|(_, most)| most));
    object["keyframe_interval_least_seconds"] = json!(interval.map(|(least, _)| seconds(least)));
    object["keyframe_interval_most_seconds"] = json!(interval.map(|(_, most)| seconds(most)));
    object
}

fn roles(heard: &Heard) -> Value {
    let of = |role: &Role| {
        let counts = heard.counts.role(*role);
        let object = json!({
            "packets": counts.packets, "continuity_errors": counts.continuity_errors, "lost": counts.lost,
            "duplicates": counts.duplicates, "transport_errors": counts.transport_errors,
            "scrambled": counts.scrambled,
        });
        (role.label().to_owned(), object)
    };
    Role::ALL.iter().map(of).collect::<Map<_, _>>().into()
}

fn cues(heard: &Heard) -> Value {
    let sum = |of: &dyn Fn(&Counts) -> u64| heard.ears.counts().map(of).sum::<u64>();
    let mut sections = Map::new();
    for (kind, n) in heard.ears.counts().flat_map(|c| c.sections.iter()) {
        let known = sections.get(kind.label()).and_then(Value::as_u64).unwrap_or(0);
        sections.insert(kind.label().to_owned(), (known + n).into());
    }
    let states = heard.ears.states(heard.now);
    json!({
        "sections": sections, "damaged": heard.ears.bad.0, "disguised": heard.counts.disguised_cues,
        "announced": sum(&|c| c.announced.sum()), "repeats": sum(&|c| c.repeats), "retimes": sum(&|c| c.retimes),
        "cancels": sum(&|c| c.cancels), "late": sum(&|c| c.late.sum()), "implausible": sum(&|c| c.implausible),
        "opened": sum(&|c| c.opened), "closed": sum(&|c| c.closed.sum()),
        "missing_returns": sum(&|c| c.missing_returns), "mismatches": sum(&|c| c.mismatches),
        "unmatched_returns": sum(&|c| c.unmatched_returns), "orphaned": sum(&|c| c.orphaned.sum()),
        "open": states.iter().map(|s| s.open).sum::<u64>(), "overdue": states.iter().map(|s| s.overdue).sum::<u64>(),
        "preroll_declared_least_seconds": heard.ears.preroll.0.map(seconds),
        "preroll_arrival_least_seconds": heard.ears.preroll.1.map(seconds),
    })
}
