//! Why another decoder may say something else than ours: every disagreement has a line here, or the test fails.

use crate::model::Difference;
use std::collections::BTreeMap;
use vedette::wire::scte35::{CUEI, CommandKind, Decoded, Defect};

pub struct Case<'a> {
    pub decoded: &'a Decoded<'a>,
    pub difference: &'a Difference<'a>,
}

pub struct Explanation {
    /// What the other decoder does.
    pub why: &'static str,
    pub when: fn(&Case<'_>) -> bool,
}

impl Case<'_> {
    fn has(&self, defect: Defect) -> bool {
        self.decoded.defects.has(defect)
    }
    fn any(&self, defects: &[Defect]) -> bool {
        defects.iter().any(|d| self.has(*d))
    }
    fn refused(&self) -> bool {
        matches!(self.difference, Difference::Refused(_))
    }
    fn part_refused(&self, kind: &str) -> bool {
        matches!(self.difference, Difference::PartRefused { ours, .. } if ours.kind == kind)
    }
    fn number(&self, name: &str) -> Option<u64> {
        let ours = match self.difference {
            Difference::PartRefused { ours, .. } | Difference::Kind { ours, .. } | Difference::Field { ours, .. } => {
                ours
            }
            _ => return None,
        };
        ours.get(name).and_then(|n| n.first()).copied()
    }
    fn field(&self, field: &str) -> bool {
        matches!(self.difference, Difference::Field { name, .. } if *name == field)
    }
    fn reason(&self, word: &str) -> bool {
        match self.difference {
            Difference::Refused(reason) => reason.contains(word),
            Difference::PartRefused { reason, .. } => reason.contains(word),
            _ => false,
        }
    }
    /// A descriptor under another identifier than the standard's.
    fn foreign(&self) -> bool {
        self.number("identifier").is_some_and(|id| id != u64::from(CUEI))
    }
}

/// The crate `scte35-splice` 4.0.0.
pub const SPLICE: &[Explanation] = &[
    Explanation {
        why: "refuses a section that is cut off, or too short to hold anything",
        when: |c| c.refused() && c.has(Defect::Truncated),
    },
    Explanation { why: "refuses a wrong CRC", when: |c| c.refused() && c.has(Defect::Crc) },
    Explanation {
        why: "refuses the whole section for its command",
        when: |c| c.refused() && c.any(&[Defect::ShortCommand, Defect::CommandLength]),
    },
    Explanation {
        why: "refuses the whole section for its descriptor loop",
        when: |c| c.refused() && c.has(Defect::DescriptorLoop),
    },
    Explanation {
        why: "guesses where a private or unknown command without a length ends; ours takes all of it",
        when: |c| {
            let open = matches!(c.decoded.kind(), CommandKind::Private | CommandKind::Unknown);
            open && c.has(Defect::LegacyCommandLength)
        },
    },
    Explanation {
        why: "finds no end of a command without a length before stuffing",
        when: |c| c.refused() && c.has(Defect::LegacyCommandLength) && c.has(Defect::Stuffing),
    },
    Explanation {
        why: "tries where a command without a length may end; ours ends it where its syntax does",
        when: |c| {
            !c.refused() && c.has(Defect::LegacyCommandLength) && c.any(&[Defect::DescriptorLoop, Defect::Stuffing])
        },
    },
    Explanation {
        why: "reads a private descriptor by its tag alone",
        when: |c| c.foreign() && c.number("tag").is_some_and(|tag| tag <= 4 || tag == 0xf0),
    },
    Explanation {
        why: "reads tag 0xF0 as DVB's descriptor under every identifier",
        when: |c| c.number("tag") == Some(0xf0) && !c.foreign(),
    },
    Explanation {
        why: "gives up the event id with a segment that is cut off",
        when: |c| c.part_refused("segmentation_cut"),
    },
    Explanation {
        why: "takes an unknown tag without an identifier",
        when: |c| matches!(c.difference, Difference::Kind { ours, theirs } if ours.kind == "short" && theirs.kind == "unknown_without_identifier"),
    },
];

/// The crate `scte35-reader` 0.16.0.
pub const READER: &[Explanation] = &[
    Explanation {
        why: "takes the slice for the section, whatever its length says",
        when: |c| c.any(&[Defect::Truncated, Defect::TrailingBytes]),
    },
    Explanation { why: "logs and drops a wrong CRC", when: |c| c.refused() && c.has(Defect::Crc) },
    Explanation { why: "logs and drops what is encrypted", when: |c| c.refused() && c.has(Defect::Encrypted) },
    Explanation {
        why: "drops a command without a length",
        when: |c| c.refused() && c.has(Defect::LegacyCommandLength),
    },
    Explanation {
        why: "drops a command that it does not know",
        when: |c| c.refused() && matches!(c.decoded.kind(), CommandKind::Schedule | CommandKind::Unknown),
    },
    Explanation {
        why: "drops the whole section for its command",
        when: |c| c.refused() && c.any(&[Defect::ShortCommand, Defect::CommandLength]),
    },
    Explanation {
        why: "drops a command that should be empty and is not",
        when: |c| {
            let empty = matches!(c.decoded.kind(), CommandKind::Null | CommandKind::BandwidthReservation);
            c.refused() && empty && c.has(Defect::ExcessCommand)
        },
    },
    Explanation {
        why: "drops the whole section for its descriptor loop",
        when: |c| c.refused() && c.has(Defect::DescriptorLoop),
    },
    Explanation {
        why: "does not know audio_descriptor",
        when: |c| matches!(c.difference, Difference::Kind { theirs, .. } if theirs.kind == "other" && theirs.get("tag") == Some(&vec![4])),
    },
    Explanation {
        why: "refuses a segment for the length or the text of its UPID",
        when: |c| {
            c.part_refused("segmentation")
                && (c.reason("InvalidUpid") || c.reason("SegmentationUpidLengthTypeMismatch"))
        },
    },
    Explanation {
        why: "refuses a segment for the structure of its MID",
        when: |c| c.part_refused("segmentation") && c.reason("MID."),
    },
    Explanation {
        why: "gives up the event id with a segment that is cut off",
        when: |c| c.part_refused("segmentation_cut"),
    },
    Explanation {
        why: "refuses a segment with a single byte at its end",
        when: |c| c.part_refused("segmentation") && c.reason("sub_segments_expected"),
    },
    Explanation {
        why: "takes both kinds of ISAN for the deprecated one",
        when: |c| c.field("upid_type") && c.number("upid_type") == Some(6),
    },
    Explanation {
        why: "stops at a descriptor of 255 bytes",
        when: |c| match c.difference {
            Difference::PartRefused { reason, .. } => reason.contains("InvalidDescriptorLength(255)"),
            Difference::Only { theirs, .. } => theirs.is_none() && longest(c.decoded),
            _ => false,
        },
    },
    Explanation {
        why: "stops when fewer than six bytes of the loop are left, or a descriptor is longer than they",
        when: |c| match c.difference {
            Difference::Only { ours: Some(ours), theirs: None } => ours.kind == "short",
            _ => false,
        },
    },
];

/// Whether a descriptor has the largest descriptor_length.
fn longest(decoded: &Decoded<'_>) -> bool {
    use vedette::wire::scte35::Descriptor;
    let mut all = decoded.descriptors;
    all.any(|d| match d {
        Descriptor::Other { bytes, .. } => bytes.len() == 251,
        Descriptor::Short { bytes, .. } => bytes.len() == 255,
        // One of the standard's own is as long as that only with bytes to spare, or cut off before its last field.
        _ => decoded.defects.has(Defect::ExcessDescriptor) || decoded.defects.has(Defect::ShortDescriptor),
    })
}

/// How often each line was needed.
#[derive(Default)]
pub struct Ledger {
    used: BTreeMap<&'static str, u64>,
    agreed: u64,
    /// What no line explains, by its outline: how often, and the first such.
    unexplained: BTreeMap<String, (u64, String)>,
}

/// The difference without its values.
fn outline(difference: &Difference<'_>) -> String {
    match difference {
        Difference::Refused(reason) => format!("refused: {reason}"),
        Difference::PartRefused { ours, reason } => format!("{} refused: {reason}", ours.kind),
        Difference::Kind { ours, theirs } => format!("{} is {}", ours.kind, theirs.kind),
        Difference::Field { ours, name, .. } => format!("{}.{name}", ours.kind),
        Difference::Only { ours, theirs } => {
            let theirs = theirs.map(|t| t.as_ref().map_or("refused", |t| t.kind));
            format!("only one: {:?} {theirs:?}", ours.map(|o| o.kind))
        }
    }
}

impl Ledger {
    pub fn on(&mut self, table: &[Explanation], section: &[u8], decoded: &Decoded<'_>, found: &[Difference<'_>]) {
        if found.is_empty() {
            self.agreed += 1;
        }
        for difference in found {
            let case = Case { decoded, difference };
            if let Some(line) = table.iter().find(|line| (line.when)(&case)) {
                *self.used.entry(line.why).or_default() += 1;
                continue;
            }
            let (count, _) = self.unexplained.entry(outline(difference)).or_insert_with(|| {
                let hex: String = section.iter().map(|b| format!("{b:02x}")).collect();
                (0, format!("{hex}\n    ours has: {}\n    {difference:?}", decoded.defects))
            });
            *count += 1;
        }
    }

    /// Prints the figures, and fails on what is unexplained, or on a line that a long run never needed.
    pub fn settle(&self, name: &str, table: &[Explanation], sections: u64, long: u64) {
        println!("{name}: {sections} sections, {} alike", self.agreed);
        for line in table {
            println!("  {:>8}  {}", self.used.get(line.why).copied().unwrap_or(0), line.why);
        }
        let list = |(outline, (count, first)): (&String, &(u64, String))| format!("{count} × {outline}\n    {first}");
        let unexplained: Vec<_> = self.unexplained.iter().map(list).collect();
        assert!(unexplained.is_empty(), "unexplained:\n{}", unexplained.join("\n"));
        let unused: Vec<_> = table.iter().filter(|line| !self.used.contains_key(line.why)).map(|l| l.why).collect();
        assert!(sections < long || unused.is_empty(), "explanations that nothing needs: {unused:?}");
    }
}
