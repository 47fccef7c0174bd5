//! What a decoder says of a section, in one form for all, and how two of them differ.

use vedette::base::label::Label;
use vedette::wire::scte35::*;

/// A value as numbers: none when absent, one, or many for bytes and lists.
pub type Numbers = Vec<u64>;

/// Header, command, or one descriptor.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub kind: &'static str,
    pub fields: Vec<(&'static str, Numbers)>,
}

impl Part {
    pub fn new(kind: &'static str, fields: Vec<(&'static str, Numbers)>) -> Self {
        Part { kind, fields }
    }
    pub fn get(&self, name: &str) -> Option<&Numbers> {
        self.fields.iter().find(|(n, _)| *n == name).map(|(_, v)| v)
    }
}

/// Parts in order, header and command first; `Err` where the decoder gives one up, or all.
pub type Said = Result<Vec<Result<Part, String>>, String>;

pub fn flag(flag: bool) -> Numbers {
    vec![u64::from(flag)]
}
pub fn number(n: impl Into<u64>) -> Numbers {
    vec![n.into()]
}
pub fn bytes(bytes: &[u8]) -> Numbers {
    bytes.iter().map(|b| u64::from(*b)).collect()
}
/// In lists, where no time is told.
pub const NO_TIME: u64 = u64::MAX;

fn duration(duration: Option<BreakDuration>) -> Numbers {
    duration.map_or(Vec::new(), |d| vec![u64::from(d.auto_return), d.ticks])
}

fn of_command(command: &Command<'_>) -> Part {
    let kind = command.kind().label();
    let fields = match command {
        Command::Null | Command::BandwidthReservation => Vec::new(),
        Command::TimeSignal(time) => vec![("pts", time.iter().copied().collect())],
        Command::Private { identifier, bytes: rest } => {
            vec![("identifier", number(*identifier)), ("bytes", bytes(rest))]
        }
        Command::Unreadable { .. } => return Part::new("unreadable", Vec::new()),
        Command::Insert(insert) => {
            let mut fields = vec![("event_id", number(insert.event_id)), ("cancel", flag(insert.detail.is_none()))];
            if let Some(d) = &insert.detail {
                let list = |c: Component| [u64::from(c.tag), c.pts.unwrap_or(NO_TIME)];
                let (pts, components) = match d.at {
                    InsertAt::Program(pts) => (pts.into_iter().collect(), Vec::new()),
                    InsertAt::Components(components) => (Vec::new(), components.flat_map(list).collect()),
                };
                fields.extend([
                    ("out", flag(d.out_of_network)),
                    ("immediate", flag(d.immediate)),
                    ("compliant", flag(d.event_id_compliant)),
                    ("pts", pts),
                    ("components", components),
                    ("duration", duration(d.duration)),
                    ("program", number(d.unique_program_id)),
                    ("avail", vec![u64::from(d.avail_num), u64::from(d.avails_expected)]),
                ]);
            }
            fields
        }
        Command::Schedule(schedule) => schedule
            .map(|event| {
                let mut all = vec![u64::from(event.event_id), u64::from(event.event_id_compliant)];
                if let Some(d) = &event.detail {
                    all.push(u64::from(d.out_of_network));
                    match d.at {
                        ScheduledAt::Program(time) => all.extend([1, u64::from(time)]),
                        ScheduledAt::Components(components) => {
                            all.push(0);
                            all.extend(components.flat_map(|(tag, time)| [u64::from(tag), u64::from(time)]));
                        }
                    }
                    all.extend(duration(d.duration));
                    all.extend([u64::from(d.unique_program_id), d.avail_num.into(), d.avails_expected.into()]);
                }
                ("event", all)
            })
            .collect(),
    };
    Part::new(kind, fields)
}

fn of_segmentation(s: &Segmentation<'_>) -> Part {
    let mut fields = vec![
        ("event_id", number(s.event_id)),
        ("cancel", flag(s.cancelled)),
        ("compliance", flag(!s.event_id_compliant)),
    ];
    let Some(d) = &s.detail else {
        return Part::new(if s.cancelled { "segmentation" } else { "segmentation_cut" }, fields);
    };
    let restricted = |r: Restrictions| {
        let flags = [r.web_delivery_allowed, r.no_regional_blackout, r.archive_allowed].map(u64::from);
        [&flags[..], &[u64::from(r.device_restrictions)]].concat()
    };
    fields.extend([
        ("restrictions", d.restrictions.map_or(Vec::new(), restricted)),
        ("components", d.components.into_iter().flatten().flat_map(|(tag, offset)| [u64::from(tag), offset]).collect()),
        ("duration", d.duration.into_iter().collect()),
        ("upid_type", number(d.upid.kind)),
        ("upid", bytes(d.upid.bytes)),
        ("type", number(d.kind.0)),
        ("segment", vec![d.segment_num.into(), d.segments_expected.into()]),
        ("sub_segment", d.sub_segments.map_or(Vec::new(), |(n, of)| vec![n.into(), of.into()])),
    ]);
    Part::new("segmentation", fields)
}

fn of_descriptor(descriptor: &Descriptor<'_>) -> Part {
    match descriptor {
        Descriptor::Avail(id) => Part::new("avail", vec![("id", number(*id))]),
        Descriptor::Dtmf(dtmf) => {
            Part::new("dtmf", vec![("preroll", number(dtmf.preroll)), ("characters", bytes(dtmf.characters))])
        }
        Descriptor::Segmentation(s) => of_segmentation(s),
        Descriptor::Time(tai) => Part::new(
            "time",
            vec![("tai", vec![tai.seconds, tai.nanoseconds.into()]), ("utc_offset", number(tai.utc_offset))],
        ),
        Descriptor::Audio(audio) => {
            let list = audio.flat_map(|c| {
                let [a, b, l] = c.language.map(u64::from);
                [c.tag.into(), a, b, l, c.bit_stream_mode.into(), c.num_channels.into(), c.full_service.into()]
            });
            Part::new("audio", vec![("components", list.collect())])
        }
        Descriptor::Other { tag, identifier, bytes: rest } => {
            Part::new("other", vec![("tag", number(*tag)), ("identifier", number(*identifier)), ("bytes", bytes(rest))])
        }
        Descriptor::Short { tag, .. } => Part::new("short", vec![("tag", number(*tag))]),
    }
}

/// What ours says. No parts where there is no header.
pub fn ours(decoded: &Decoded<'_>) -> Vec<Part> {
    let Some(h) = &decoded.header else { return Vec::new() };
    let mut parts = vec![Part::new(
        "header",
        vec![
            ("sap_type", number(h.sap_type)),
            ("protocol_version", number(h.protocol_version)),
            ("encrypted", flag(h.encrypted)),
            ("encryption_algorithm", number(h.encryption_algorithm)),
            ("pts_adjustment", number(h.pts_adjustment)),
            ("cw_index", number(h.cw_index)),
            ("tier", number(h.tier)),
        ],
    )];
    parts.extend(decoded.command.as_ref().map(of_command));
    parts.extend(decoded.descriptors.map(|d| of_descriptor(&d)));
    parts
}

/// One way in which two decoders differ over a section.
#[derive(Clone, Debug)]
pub enum Difference<'a> {
    /// They say nothing of the section.
    Refused(&'a str),
    /// They give up this part.
    PartRefused { ours: &'a Part, reason: &'a str },
    /// They have another part there.
    Kind { ours: &'a Part, theirs: &'a Part },
    Field {
        ours: &'a Part,
        #[expect(dead_code, reason = "printed where nothing explains it")]
        theirs: &'a Numbers,
        name: &'static str,
    },
    /// A part that only one of them has.
    Only { ours: Option<&'a Part>, theirs: Option<&'a Result<Part, String>> },
}

/// A part that both have given up is no difference, nor is a field that only one of them has.
pub fn differences<'a>(ours: &'a [Part], theirs: &'a Said) -> Vec<Difference<'a>> {
    let theirs = match theirs {
        Ok(theirs) => theirs,
        Err(_) if ours.is_empty() => return Vec::new(),
        Err(reason) => return vec![Difference::Refused(reason)],
    };
    let mut found = Vec::new();
    for n in 0..ours.len().max(theirs.len()) {
        match (ours.get(n), theirs.get(n)) {
            (Some(ours), Some(Err(_))) if matches!(ours.kind, "short" | "unreadable") => {}
            (Some(ours), Some(Err(reason))) => found.push(Difference::PartRefused { ours, reason }),
            (Some(ours), Some(Ok(theirs))) if ours.kind != theirs.kind => found.push(Difference::Kind { ours, theirs }),
            (Some(ours), Some(Ok(theirs))) => {
                let same_named = theirs.fields.iter().enumerate().filter(|(n, (name, value))| {
                    // Events of a schedule share one name.
                    let ours = if *name == "event" { ours.fields.get(*n).map(|f| &f.1) } else { ours.get(name) };
                    ours.is_some_and(|ours| ours != value) || (*name == "event" && ours.is_none())
                });
                found.extend(same_named.map(|(_, (name, theirs))| Difference::Field { ours, theirs, name }));
            }
            (ours, theirs) => found.push(Difference::Only { ours, theirs }),
        }
    }
    found
}
