//! Cues and what comes of them, as lines for a person and as objects for a program.

use super::ears::Told;
use crate::base::clock::Boot;
use crate::base::label::Label;
use crate::wire::scte35::{self, Cue, Direction, Happening, Key, News, Policy, Tracker, Value, Verdict};
use crate::wire::ts::clock33::seconds;
use serde_json::json;

/// `at`: seconds since the look began.
pub(super) fn line(at: f64, told: &Told, many_programs: bool) -> String {
    let (word, mut parts, more) = match &told.happening {
        Happening::Cue(cue) => {
            let (word, parts) = marker(cue);
            (word, parts, details(cue))
        }
        other => {
            let (word, parts) = event(other);
            (word, parts, Vec::new())
        }
    };
    if told.disguised {
        parts.push("INSIDE A PES PACKET: no splicer sees it".to_owned());
    }
    let program = if many_programs { format!("programme {:<6}", told.program) } else { String::new() };
    let mut text = format!("{at:>10.3} s  {program}{word:<8} {}", parts.join(", "));
    let more = (!more.is_empty()).then(|| more.join(", "));
    for line in more.iter().chain(told.beside.iter().flat_map(|b| &b.descriptors)) {
        text.push_str(&format!("\n{:>22}{line}", ""));
    }
    text
}

fn marker(cue: &Cue) -> (&'static str, Vec<String>) {
    let word = match (cue.news, cue.direction) {
        (News::Cancel | News::CancelUnknown, _) => "cancel",
        (_, Some(Direction::Out)) => "OUT",
        (_, Some(Direction::In)) => "IN",
        (_, None) => "cue",
    };
    let mut name = cue.command.label().to_owned();
    if let Some(kind) = cue.segmentation {
        name = format!("{name} {} ({:#04x})", kind.label(), kind.0);
    }
    if let Some(id) = cue.event_id {
        name = format!("{name} event {id}");
    }
    let mut parts = vec![name];
    if let Some(target) = cue.target {
        parts.push(format!("pts {target} = {:.6} s", seconds(target as i64)));
    } else if cue.immediate {
        parts.push("at once".to_owned());
    }
    if let Some(least) = cue.preroll.least() {
        parts.push(match seconds(least) {
            ahead if ahead >= 0.0 => format!("in {ahead:.3} s"),
            behind => format!("{:.3} s AGO", -behind),
        });
    }
    if let Some(duration) = cue.duration {
        let back = if duration.auto_return { ", returns by itself" } else { "" };
        parts.push(format!("for {:.3} s{back}", seconds(duration.ticks as i64)));
    }
    parts.extend(match cue.news {
        News::First | News::Untracked | News::Cancel => None,
        News::Retimed => Some(format!("RETIMED by {:+.3} s", seconds(cue.moved.unwrap_or(0)))),
        News::DuplicateId => Some("DUPLICATE of an open event".to_owned()),
        News::Unmatched => Some("no break was open".to_owned()),
        News::CancelUnknown => Some("nobody announced it".to_owned()),
        News::Repeat => Some("repeat".to_owned()),
        News::Refused => Some("too many events at once".to_owned()),
    });
    parts.extend(cue.late.then(|| "LATE".to_owned()));
    parts.extend(cue.implausible.then(|| "IMPLAUSIBLE TIME".to_owned()));
    if !cue.defects.is_empty() {
        parts.push(format!("defects: {}", cue.defects));
    }
    (word, parts)
}

/// What goes on a line of its own.
fn details(cue: &Cue) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some((scheme, text)) = &cue.upid {
        parts.push(format!("upid {scheme} {text}"));
    }
    for (name, pair) in [("segment", cue.segment), ("sub-segment", cue.sub_segment), ("avail", cue.avail)] {
        if let Some((n, of)) = pair.filter(|pair| *pair != (0, 0)) {
            parts.push(format!("{name} {n}/{of}"));
        }
    }
    if cue.tier != 0xfff {
        parts.push(format!("tier {:#x}", cue.tier));
    }
    if let Some(unix) = cue.scheduled {
        let stamp = jiff::Timestamp::from_second(unix).map_or(unix.to_string(), |t| t.to_string());
        parts.push(format!("scheduled for {stamp}"));
    }
    if cue.pts_adjustment > 0 {
        parts.push(format!("pts_adjustment {}", cue.pts_adjustment));
    }
    parts
}

fn named(key: &Key) -> String {
    format!("{} event {}", key.of_name(), key.id)
}

fn event(happening: &Happening) -> (&'static str, Vec<String>) {
    let planned = |planned: Option<u64>| planned.map(|p| format!("planned {:.3} s", seconds(p as i64)));
    match happening {
        // Told by `marker`.
        Happening::Cue(_) => ("cue", Vec::new()),
        Happening::Unusable { command, defects } => ("UNUSABLE", vec![format!("{}: {defects}", command.label())]),
        Happening::Opened { key, planned: length, preroll, overlapping, .. } => {
            let mut parts = vec![named(key)];
            parts.extend(planned(*length));
            parts.extend(preroll.map(|p| format!("{:.3} s after it was announced", p.as_secs_f64())));
            parts.extend(overlapping.then(|| "WHILE ANOTHER IS OPEN".to_owned()));
            ("open", parts)
        }
        Happening::Closed { key, how, actual, planned: length, mismatch } => {
            let mut parts = vec![named(key), format!("after {:.3} s by {}", seconds(*actual), how.label())];
            parts.extend(planned(*length));
            parts.extend(mismatch.then(|| "MISMATCH".to_owned()));
            ("closed", parts)
        }
        Happening::Overdue { key, elapsed, planned: length } => {
            let mut parts = vec![named(key), format!("no return after {:.3} s", seconds(*elapsed))];
            parts.extend(planned(Some(*length)));
            ("OVERDUE", parts)
        }
        Happening::Orphaned { key, direction, target, why } => {
            let what = format!("{} of {} at pts {target} will not come", direction.label(), named(key));
            ("orphaned", vec![what, why.label().to_owned()])
        }
        Happening::Point(point) => {
            let mut parts = vec![format!("{} of {}", point.direction.label(), named(&point.key))];
            parts.push(match point.verdict {
                Verdict::Conditioned => "conditioned".to_owned(),
                Verdict::OpenGop => "OPEN GOP".to_owned(),
                Verdict::Unconditioned => "UNCONDITIONED".to_owned(),
            });
            parts.push(format!("first picture {:+.3} s", seconds(point.first)));
            parts.extend(point.offset.map(|offset| format!("key frame {:+.3} s", seconds(offset))));
            parts.extend(point.broken_promise.then(|| "sap_type promised a closed GOP".to_owned()));
            ("splice", parts)
        }
        Happening::HeartbeatLost { age, interval } => {
            let text = format!("nothing for {:.1} s, usual are {:.1} s", age.as_secs_f64(), interval.as_secs_f64());
            ("SILENT", vec![text])
        }
        Happening::HeartbeatBack { age } => ("back", vec![format!("after {:.1} s", age.as_secs_f64())]),
        Happening::DtmfLate { characters, left, .. } => {
            ("LATE", vec![format!("DTMF {characters} is due in {:.3} s", seconds(*left))])
        }
    }
}

pub(super) fn object(at: f64, told: &Told) -> serde_json::Value {
    let mut object = json!({"kind": told.happening.kind(), "at_seconds": at, "program": told.program});
    told.happening.fields(&mut |name, value| {
        object[name] = match value {
            Value::Text(text) => text.into(),
            Value::Number(number) => number.into(),
            Value::Whole(whole) => whole.into(),
            Value::Flag(flag) => flag.into(),
        };
    });
    if told.disguised {
        object["disguised"] = true.into();
    }
    if let Some(beside) = &told.beside {
        if !beside.descriptors.is_empty() {
            object["descriptors"] = json!(beside.descriptors);
        }
        object["section"] = beside.section.as_str().into();
    }
    object
}

/// What a section says by itself, without a stream around it.
pub(in crate::cli::probe) fn said(section: &[u8]) -> String {
    let mut happened = Vec::new();
    let decoded = scte35::decode(section);
    Tracker::new(Policy::default()).section(&decoded, Boot::default(), 0, None, None, &mut happened);
    let markers = happened.iter().map(|happening| match happening {
        Happening::Cue(cue) => marker(cue).1.join(", "),
        other => event(other).1.join(", "),
    });
    markers.collect::<Vec<_>>().join("; ")
}
