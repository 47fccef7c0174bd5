//! PyPI `threefive` 3.1.5, run as an outside program: a driver of ours in the environment that tests/setup makes.

use crate::explained::{Case, Explanation, Ledger};
use crate::model::{self, Difference, Numbers, Part, Said};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use vedette::wire::scte35::{Command as Splice, CommandKind, Defect, Descriptor, InsertAt, decode};

const PYTHON: &str = "target/threefive/bin/python";
/// Sections that it sees: about two thousand a second.
const SECTIONS: u64 = 4_000;
/// From so many on, an explanation that was never needed is a mistake.
const LONG: u64 = 20_000;

/// 90 kHz ticks of seconds with six decimals, which tell every tick apart.
fn ticks(value: &Value) -> Numbers {
    value.as_f64().map(|seconds| vec![(seconds * 90_000.0).round() as u64]).unwrap_or_default()
}

/// A number, a flag, or hexadecimal digits.
fn number(value: &Value) -> Numbers {
    match value {
        Value::Bool(flag) => vec![u64::from(*flag)],
        Value::Number(n) => n.as_u64().into_iter().collect(),
        Value::String(hex) => u64::from_str_radix(hex.trim_start_matches("0x"), 16).ok().into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Our name of a field, theirs of all that makes it up, and how one of those is read.
type Field<'a> = (&'static str, &'a [&'a str], fn(&Value) -> Numbers);

/// The fields that are there, under our names.
fn part(kind: &'static str, value: &Value, names: &[Field]) -> Part {
    let fields = names.iter().filter(|(_, theirs, _)| theirs.iter().all(|name| !value[*name].is_null()));
    Part::new(
        kind,
        fields.map(|(ours, theirs, read)| (*ours, theirs.iter().flat_map(|n| read(&value[*n])).collect())).collect(),
    )
}

fn of_command(value: &Value) -> Part {
    match value["command_type"].as_u64() {
        Some(0) => Part::new("splice_null", Vec::new()),
        Some(7) => Part::new("bandwidth_reservation", Vec::new()),
        Some(6) => part("time_signal", value, &[("pts", &["pts_time"], ticks)]),
        Some(255) => part("private", value, &[("identifier", &["identifier"], number)]),
        Some(5) => part(
            "splice_insert",
            value,
            &[
                ("event_id", &["splice_event_id"], number),
                ("cancel", &["splice_event_cancel_indicator"], number),
                ("out", &["out_of_network_indicator"], number),
                ("immediate", &["splice_immediate_flag"], number),
                ("compliant", &["event_id_compliance_flag"], number),
                ("pts", &["pts_time"], ticks),
                ("duration", &["break_auto_return", "break_duration"], |v| {
                    if v.is_boolean() { number(v) } else { ticks(v) }
                }),
                ("program", &["unique_program_id"], number),
                ("avail", &["avail_num", "avails_expected"], number),
            ],
        ),
        _ => Part::new("unreadable", Vec::new()),
    }
}

fn of_descriptor(value: &Value) -> Part {
    match (value["identifier"].as_str(), value["tag"].as_u64()) {
        (Some("CUEI"), Some(0)) => part("avail", value, &[("id", &["provider_avail_id"], number)]),
        (Some("CUEI"), Some(1)) => part(
            "dtmf",
            value,
            &[
                ("preroll", &["preroll"], number),
                ("characters", &["dtmf_chars"], |v| {
                    v.as_array()
                        .unwrap()
                        .iter()
                        .map(|c| u64::from(c.as_str().unwrap().chars().next().unwrap()))
                        .collect()
                }),
            ],
        ),
        (Some("CUEI"), Some(2)) => part(
            "segmentation",
            value,
            &[
                ("event_id", &["segmentation_event_id"], number),
                ("cancel", &["segmentation_event_cancel_indicator"], number),
                ("compliance", &["segmentation_event_id_compliance_indicator"], number),
                ("duration", &["segmentation_duration"], ticks),
                ("upid_type", &["segmentation_upid_type"], number),
                ("type", &["segmentation_type_id"], number),
                ("segment", &["segment_num", "segments_expected"], number),
                ("sub_segment", &["sub_segment_num", "sub_segments_expected"], number),
            ],
        ),
        (Some("CUEI"), Some(3)) => {
            part("time", value, &[("tai", &["tai_seconds", "tai_ns"], number), ("utc_offset", &["utc_offset"], number)])
        }
        (_, Some(tag)) => Part::new("other", vec![("tag", vec![tag])]),
        (_, None) => Part::new("short", Vec::new()),
    }
}

fn said(line: &str) -> Said {
    let value: Value = serde_json::from_str(line).unwrap();
    if let Some(error) = value["error"].as_str() {
        return Err(error.to_owned());
    }
    let header = part(
        "header",
        &value["info_section"],
        &[
            ("sap_type", &["sap_type"], number),
            ("protocol_version", &["protocol_version"], number),
            ("encrypted", &["encrypted_packet"], number),
            ("encryption_algorithm", &["encryption_algorithm"], number),
            ("pts_adjustment", &["pts_adjustment"], ticks),
            ("cw_index", &["cw_index"], number),
            ("tier", &["tier"], number),
        ],
    );
    let descriptors = value["descriptors"].as_array().cloned().unwrap_or_default();
    let parts = [Ok(header), Ok(of_command(&value["command"]))];
    Ok(parts.into_iter().chain(descriptors.iter().map(|d| Ok(of_descriptor(d)))).collect())
}

fn has(case: &Case<'_>, defects: &[Defect]) -> bool {
    defects.iter().any(|d| case.decoded.defects.has(*d))
}

fn ours<'a>(case: &Case<'a>) -> Option<&'a Part> {
    match case.difference {
        Difference::PartRefused { ours, .. } | Difference::Kind { ours, .. } | Difference::Field { ours, .. } => {
            Some(ours)
        }
        Difference::Only { ours, .. } => *ours,
        Difference::Refused(_) => None,
    }
}

fn refused(case: &Case<'_>, errors: &[&str]) -> bool {
    matches!(case.difference, Difference::Refused(reason) if errors.contains(reason))
}

fn field(case: &Case<'_>) -> bool {
    matches!(case.difference, Difference::Field { .. })
}

/// Whether the difference is in a segment that names components.
fn in_components(case: &Case<'_>) -> bool {
    let id = ours(case).and_then(|part| part.get("event_id"));
    case.decoded
        .segmentations()
        .any(|s| id == Some(&vec![u64::from(s.event_id)]) && s.detail.is_some_and(|d| d.components.is_some()))
}

const UPIDS: &[Defect] = &[Defect::UpidLength, Defect::UpidType, Defect::UpidStructure];

const EXPLAINED: &[Explanation] = &[
    Explanation { why: "reads any table_id", when: |c| has(c, &[Defect::TableId]) },
    Explanation { why: "reads what is encrypted as if it were clear", when: |c| has(c, &[Defect::Encrypted]) },
    Explanation {
        why: "knows no splice_schedule, and gives up a section whose command it does not know",
        when: |c| {
            refused(c, &["not decoded"]) && matches!(c.decoded.kind(), CommandKind::Schedule | CommandKind::Unknown)
        },
    },
    Explanation {
        why: "gives up a section that is cut off, or whose lengths do not fit",
        when: |c| {
            let cut = [Defect::Truncated, Defect::ShortCommand, Defect::CommandLength, Defect::DescriptorLoop];
            matches!(c.difference, Difference::Refused(_)) && has(c, &cut)
        },
    },
    Explanation { why: "takes 0xFFF for the length of the command", when: |c| has(c, &[Defect::LegacyCommandLength]) },
    Explanation {
        why: "raises an exception over a descriptor that is cut off",
        when: |c| matches!(c.difference, Difference::Refused(_)) && has(c, &[Defect::ShortDescriptor]),
    },
    Explanation {
        why: "raises an exception over bytes that it takes for text",
        when: |c| refused(c, &["UnicodeDecodeError"]) && c.decoded.descriptors.count() > 0,
    },
    Explanation {
        why: "raises an exception over a UPID, or what it takes for one",
        when: |c| {
            let mut segments = c.decoded.segmentations();
            refused(c, &["TypeError", "KeyError", "ValueError", "IndexError"]) && segments.any(|s| s.detail.is_some())
        },
    },
    Explanation {
        why: "raises an exception over a descriptor of another identifier or tag",
        when: |c| {
            let mut descriptors = c.decoded.descriptors;
            refused(c, &["TypeError", "KeyError", "ValueError", "IndexError"])
                && descriptors.any(|d| matches!(d, Descriptor::Other { .. }))
        },
    },
    Explanation {
        why: "reads on behind the end of the section or of its descriptors",
        when: |c| {
            matches!(c.difference, Difference::Only { ours: None, .. })
                && has(c, &[Defect::TrailingBytes, Defect::DescriptorLoop])
        },
    },
    Explanation {
        why: "reads no components of a splice_insert, and what follows them from their place",
        when: |c| {
            let components = matches!(
                c.decoded.command,
                Some(Splice::Insert(insert))
                    if insert.detail.is_some_and(|d| matches!(d.at, InsertAt::Components(_)))
            );
            field(c) && components && ours(c).is_some_and(|part| part.kind == "splice_insert")
        },
    },
    Explanation {
        why: "reads no components of a segment, and what follows them from their place",
        when: |c| field(c) && in_components(c),
    },
    Explanation {
        why: "drops the type of an empty UPID",
        when: |c| {
            let empty = ours(c).and_then(|part| part.get("upid")).is_some_and(Vec::is_empty);
            matches!(c.difference, Difference::Field { name: "upid_type", .. }) && empty
        },
    },
    Explanation {
        why: "reads as many bytes as the UPID's type should have, not as many as are told",
        when: |c| field(c) && ours(c).is_some_and(|part| part.kind == "segmentation") && has(c, UPIDS),
    },
    Explanation {
        why: "reads UMID and EIDR shorter than they are, inside a MID as well",
        when: |c| {
            let kind = ours(c).and_then(|part| part.get("upid_type"));
            field(c) && kind.is_some_and(|kind| matches!(kind[..], [4 | 10 | 13]))
        },
    },
    Explanation { why: "does not know audio_descriptor", when: |c| ours(c).is_some_and(|part| part.kind == "audio") },
    Explanation {
        why: "makes up what a command or descriptor that is cut off lacks",
        when: |c| ours(c).is_some_and(|part| matches!(part.kind, "short" | "segmentation_cut" | "unreadable")),
    },
];

#[test]
fn every_disagreement_with_threefive_is_explained() {
    assert!(std::path::Path::new(PYTHON).exists(), "{PYTHON} is missing: run tests/setup test");
    let count = crate::setting("SCTE35_THREEFIVE", SECTIONS);
    let sections: Vec<_> = crate::sections(count).filter(|s| !s.is_empty()).collect();
    let mut child = Command::new(PYTHON)
        .args(["-I", "tests/scte35/threefive.py"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null()) // what it dislikes, line by line
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines: Vec<String> = sections.iter().map(|s| s.iter().map(|b| format!("{b:02x}")).collect()).collect();
    let writer = std::thread::spawn(move || lines.iter().try_for_each(|line| writeln!(stdin, "{line}")));
    let mut ledger = Ledger::default();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    for section in &sections {
        let said = said(&answers.next().expect("one answer for each section").unwrap());
        let decoded = decode(section);
        ledger.on(EXPLAINED, section, &decoded, &model::differences(&model::ours(&decoded), &said));
    }
    writer.join().unwrap().unwrap();
    assert!(child.wait().unwrap().success());
    ledger.settle("threefive 3.1.5", EXPLAINED, count, LONG);
}
