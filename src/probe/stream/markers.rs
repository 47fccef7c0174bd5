//! The kinds of markers that can be waited for, as one closed set; and what of a section an encoder must pass on.

use crate::base::clock::Boot;
use crate::base::label::Label;
use crate::metric::cues::{Key, Marker};
use crate::wire::scte35::{Command, CommandKind, Decoded, Seen, SegmentationType};
use crate::wire::ts::{Section, clock33};

/// What to wait for: any section, any Out or In, a command, a segmentation type.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Any,
    Out,
    In,
    Command(CommandKind),
    Segmentation(SegmentationType),
}

const COUNT: usize = 3 + CommandKind::ALL.len() + SegmentationType::ALL.len();

const KINDS: [Kind; COUNT] = {
    let mut all = [Kind::Any; COUNT];
    all[1] = Kind::Out;
    all[2] = Kind::In;
    let mut n = 0;
    while n < CommandKind::ALL.len() {
        all[3 + n] = Kind::Command(CommandKind::ALL[n]);
        n += 1;
    }
    let mut n = 0;
    while n < SegmentationType::ALL.len() {
        all[3 + CommandKind::ALL.len() + n] = Kind::Segmentation(SegmentationType::ALL[n]);
        n += 1;
    }
    all
};

impl Label for Kind {
    const ALL: &'static [Self] = &KINDS;
    fn label(self) -> &'static str {
        match self {
            Kind::Any => "any",
            Kind::Out => "out",
            Kind::In => "in",
            // Both a command and a segmentation type are called so; the type would never be waited for.
            Kind::Segmentation(kind) if kind.label() == "private" => "private_segmentation",
            Kind::Command(kind) => kind.label(),
            Kind::Segmentation(kind) => kind.label(),
        }
    }
}

impl Kind {
    /// When it was last seen.
    pub(super) fn last(self, seen: &Seen) -> Option<Boot> {
        match self {
            Kind::Any => seen.any,
            Kind::Out => seen.out,
            Kind::In => seen.back,
            Kind::Command(kind) => seen.commands[CommandKind::ALL.iter().position(|k| *k == kind)?],
            Kind::Segmentation(kind) => seen.segmentations[kind.index()],
        }
    }
}

/// The markers of a section that an encoder must pass on: inserts and segmentations. Heartbeats are its own affair, and
/// what is encrypted cannot be told apart.
pub(super) fn markers(decoded: &Decoded<'_>, section: &Section<'_>) -> Vec<Marker> {
    let mut all = Vec::new();
    let mut add = |key: Key, pts: Option<u64>| {
        let target = pts.map(|pts| decoded.adjusted(pts));
        let before = |clock: Option<u64>| Some(clock33::seconds(clock33::diff(clock?, target?)));
        let (declared, arrival) = (before(section.stc), before(section.pts));
        let preroll = declared.into_iter().chain(arrival).reduce(f64::min);
        let (pts, disguised, at) = (section.pts, section.disguised, section.at);
        all.push(Marker { key, target, pts, preroll, disguised, at });
    };
    let command = match (&decoded.command, decoded.header) {
        (Some(command), Some(header)) if decoded.crc_ok => {
            let key = |event, out, cancel| Key { command: header.command_type, segmentation: None, event, out, cancel };
            if let Command::Insert(insert) = command {
                match &insert.detail {
                    Some(detail) => add(key(insert.event_id, detail.out_of_network, false), detail.pts()),
                    None => add(key(insert.event_id, false, true), None),
                }
            }
            (header.command_type, if let Command::TimeSignal(pts) = command { *pts } else { None })
        }
        _ => return all,
    };
    for segmentation in decoded.segmentations() {
        let kind = segmentation.detail.as_ref().map(|detail| detail.kind.0);
        add(
            Key {
                command: command.0,
                segmentation: Some(kind.unwrap_or_default()),
                event: segmentation.event_id,
                out: false,
                cancel: segmentation.cancelled,
            },
            command.1,
        );
    }
    all
}
