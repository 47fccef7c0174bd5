//! A transport stream as a technician reads it.

use super::ears::Pictures;
use super::{Heard, health};
use crate::base::label::Label;
use crate::cli::probe::figures::{bitrate, count, table};
use crate::wire::scte35::CommandKind;
use crate::wire::ts::clock33::seconds;
use crate::wire::ts::{Codec, CueState, Indicator, Kind, NULL_PID, Program, Role, Stream};
use std::collections::BTreeMap;

/// Audio that has moved against video by less, in seconds, is the multiplexer's own interleaving.
const DRIFT: f64 = 0.1;

pub(super) fn text(heard: &Heard) -> String {
    let programmes: Vec<_> = heard.facts.programs.iter().map(programme).collect();
    let mut text = stream(heard);
    text.push_str(&part("Programmes", &[], &programmes));
    text.push_str(&part("PIDs", &[1, 5], &pids(heard)));
    text.push_str(&part("TR 101 290", &[], &indicators(heard)));
    text.push_str(&part("Cues (SCTE-35)", &[], &cues(heard)));
    text
}

/// Of the segments of a playlist.
pub(super) fn inside(heard: &Heard) -> String {
    part("PIDs in the segments", &[1, 5], &pids(heard)) + &part("Cues (SCTE-35) in the segments", &[], &cues(heard))
}

fn part(title: &str, right: &[usize], rows: &[Vec<String>]) -> String {
    if rows.is_empty() { String::new() } else { format!("\n{}", table(title, right, rows)) }
}

fn stream(heard: &Heard) -> String {
    let packets = heard.counts.packets();
    let nulls = heard.counts.role(Role::Null).packets;
    let mut parts = Vec::new();
    if let Some(all) = heard.rate(packets) {
        parts.push(bitrate(all));
        parts.extend(
            heard.rate(packets - nulls).filter(|_| nulls > 0).map(|r| format!("{} without stuffing", bitrate(r))),
        );
    }
    parts.push(count(packets, "packet"));
    parts.extend(heard.facts.transport_stream_id.map(|id| format!("transport_stream_id {id}")));
    parts.extend(health::some(heard.counts.signalled_discontinuities, "announced clock step"));
    let duplicates: u64 = Role::ALL.iter().map(|role| heard.counts.role(*role).duplicates).sum();
    parts.extend(health::some(duplicates, "duplicate"));
    parts.extend(health::some(heard.counts.table_changes, "new table"));
    parts.extend(health::some(heard.sync.skipped, "stray byte"));
    format!("Stream  {}\n", parts.join(", "))
}

fn programme(program: &Program) -> Vec<String> {
    let ms = |seconds: f64| format!("{:.0} ms", seconds * 1000.0);
    let mut parts = Vec::new();
    parts.push(match program.pcr_pid {
        Some(pid) => format!("PCR {pid:#06x}"),
        None if program.known => "no PCR".to_owned(),
        None => "no PMT seen".to_owned(),
    });
    parts.extend(program.pcr_interval.map(|s| format!("every {} at most", ms(s))));
    parts.extend(program.pcr_jitter.map(|s| format!("arrives within {}", ms(s))));
    let drift = program.av_drift.filter(|s| s.abs() >= DRIFT);
    parts.extend(drift.map(|s| format!("audio drifted {:+.0} ms against video", s * 1000.0)));
    vec![program.number.to_string(), format!("PMT {:#06x}", program.pmt_pid), parts.join(", ")]
}

/// What a PID outside the programmes' lists is.
pub(super) fn table_name(heard: &Heard, pid: u16) -> String {
    let programs = &heard.facts.programs;
    if let Some(program) = programs.iter().find(|p| p.pmt_pid == pid) {
        return format!("PMT of {}", program.number);
    }
    if let Some(program) = programs.iter().find(|p| p.pcr_pid == Some(pid)) {
        return format!("PCR of {}", program.number);
    }
    match pid {
        0x00 => "PAT",
        0x01 => "CAT",
        0x02 => "TSDT",
        0x10 => "NIT",
        0x11 => "SDT, BAT",
        0x12 => "EIT",
        0x13 => "RST",
        0x14 => "TDT, TOT",
        0x1ffb => "ATSC PSIP",
        NULL_PID => "stuffing",
        _ => "named by no table",
    }
    .to_owned()
}

pub(super) fn role(pid: u16, program: Option<&Stream>) -> Role {
    match (program, pid) {
        (Some(stream), _) => stream.role,
        (None, NULL_PID) => Role::Null,
        (None, 0..=2) => Role::Psi,
        (None, 0x10..=0x1f | 0x1ffb) => Role::Si,
        (None, _) => Role::Other,
    }
}

fn pids(heard: &Heard) -> Vec<Vec<String>> {
    let mut streams: BTreeMap<u16, (u16, &Stream)> = BTreeMap::new();
    for program in &heard.facts.programs {
        for stream in &program.streams {
            streams.entry(stream.pid).or_insert((program.number, stream));
        }
    }
    let row = |pid: u16, program: Option<(u16, &Stream)>| {
        let (packets, starts) = heard.census.of(pid);
        let content = match program {
            Some((_, stream)) => content(heard, stream),
            None => table_name(heard, pid),
        };
        let role = match program {
            None if heard.facts.programs.iter().any(|p| p.pmt_pid == pid) => Role::Psi,
            None if heard.facts.programs.iter().any(|p| p.pcr_pid == Some(pid)) => Role::Pcr,
            _ => role(pid, program.map(|(_, stream)| stream)),
        };
        let every = matches!(role, Role::Psi | Role::Si) && starts > 1 && heard.seconds > 0.0;
        let content = match every {
            true => format!("{content}, every {:.2} s", heard.seconds / (starts - 1) as f64),
            false => content,
        };
        vec![
            format!("{pid:#06x}"),
            pid.to_string(),
            role.label().to_owned(),
            program.map_or("-".to_owned(), |(number, _)| number.to_string()),
            content,
            heard.rate(packets).map_or("-".to_owned(), bitrate),
        ]
    };
    let named =
        heard.facts.programs.iter().flat_map(|p| p.streams.iter().map(move |s| row(s.pid, Some((p.number, s)))));
    let rest = heard.census.pids().filter(|pid| !streams.contains_key(pid)).map(|pid| row(pid, None));
    named.chain(rest).collect()
}

fn content(heard: &Heard, stream: &Stream) -> String {
    let mut parts = vec![stream_type(stream).to_owned()];
    if let Some(video) = &stream.video {
        if let Some((width, height)) = video.resolution {
            parts[0] = format!("{} {width}x{height}", parts[0]);
        }
        if let Some(pictures) = heard.ears.pictures.get(&stream.pid) {
            let rate = fps(pictures, video.frames);
            parts.extend(rate.map(|fps| format!("{fps:.2} fps")));
            parts.extend(gop(pictures));
        }
    }
    if heard.census.of(stream.pid).0 == 0 {
        parts.push("no packets".to_owned());
    }
    parts.extend(stream.scrambled.then(|| "scrambled".to_owned()));
    parts.extend(
        match stream.cue {
            CueState::Disguised => Some("SCTE-35 IN DISGUISE"),
            CueState::Former => Some("was SCTE-35"),
            CueState::None | CueState::Declared => None,
        }
        .map(str::to_owned),
    );
    parts.join(", ")
}

/// Pictures per second: access units by their arrival, and the pictures that they hold.
pub(super) fn fps(pictures: &Pictures, frames: u64) -> Option<f64> {
    Some(pictures.rate()? * frames as f64 / pictures.units().max(1) as f64)
}

fn gop(pictures: &Pictures) -> Option<String> {
    let (least, most) = pictures.gop?;
    let (shortest, longest) = pictures.interval?;
    Some(match least == most {
        true => format!("GOP {most} ({:.2} s)", seconds(longest)),
        false => format!("GOP {least} to {most} ({:.2} to {:.2} s)", seconds(shortest), seconds(longest)),
    })
}

/// By stream_type (ISO/IEC 13818-1 table 2-34, ATSC, SCTE), or by what its descriptors say.
pub(super) fn stream_type(stream: &Stream) -> &'static str {
    match (stream.kind, stream.stream_type) {
        (Kind::Cue, _) => "SCTE-35",
        (_, 0x01) => "MPEG-1",
        (_, 0x02) => "MPEG-2",
        (_, 0x10) => "MPEG-4 part 2",
        (Kind::Video(Codec::H264), _) => "H.264",
        (Kind::Video(Codec::H265), _) => "H.265",
        (_, 0x33) => "H.266",
        (Kind::Video(_), _) => "video",
        (_, 0x03 | 0x04) => "MPEG audio",
        (_, 0x0f) => "AAC",
        (_, 0x11) => "AAC LATM",
        (_, 0x81) => "AC-3",
        (_, 0x84 | 0x87) => "E-AC-3",
        (_, 0x82 | 0x85 | 0x8a) => "DTS",
        (Kind::Audio, _) => "audio",
        (_, 0x05) => "private sections",
        (_, 0x15) => "metadata",
        (Kind::Private, _) => "private data",
        (Kind::Data, _) => "data",
    }
}

fn indicators(heard: &Heard) -> Vec<Vec<String>> {
    let row = |priority: u8| {
        let of = Indicator::ALL.iter().filter(move |i| i.priority() == priority);
        let cells = of.map(|i| format!("{} {}", i.label(), heard.errors(*i)));
        std::iter::once(format!("priority {priority}")).chain(cells).collect()
    };
    vec![row(1), row(2)]
}

fn cues(heard: &Heard) -> Vec<Vec<String>> {
    let sum = |of: &dyn Fn(&crate::wire::scte35::Counts) -> u64| heard.ears.counts().map(of).sum::<u64>();
    let mut rows = Vec::new();
    let mut row = |name: &str, parts: Vec<String>| {
        if !parts.is_empty() {
            rows.push(vec![name.to_owned(), parts.join(", ")]);
        }
    };
    let by = |kind: &CommandKind| (sum(&|c| c.sections.get(*kind)), *kind);
    let sections = CommandKind::ALL.iter().map(by).filter(|(n, _)| *n > 0);
    row(
        "sections",
        sections
            .map(|(n, kind)| format!("{} {n}", kind.label()))
            .chain(health::some(heard.ears.bad.0, "unusable one"))
            .collect(),
    );
    let announced: u64 = sum(&|c| c.announced.sum());
    let breaks = [(announced, "announcement"), (sum(&|c| c.repeats), "repeat"), (sum(&|c| c.cancels), "cancel")];
    let opened = Some(sum(&|c| c.opened)).filter(|n| *n > 0).map(|n| format!("{n} opened"));
    row("breaks", breaks.into_iter().filter_map(|(n, thing)| health::some(n, thing)).chain(opened).collect());
    row("ended", health::closed(heard));
    row("pre-roll", health::preroll(heard).into_iter().collect());
    let points = heard.ears.counts().flat_map(|c| c.points_out.iter().chain(c.points_in.iter()));
    let mut verdicts: BTreeMap<&str, u64> = BTreeMap::new();
    points.for_each(|(verdict, n)| *verdicts.entry(verdict.label()).or_default() += n);
    let verdicts = verdicts.into_iter().filter(|(_, n)| *n > 0);
    row("splice points", verdicts.map(|(verdict, n)| format!("{n} {verdict}")).collect());
    rows
}
