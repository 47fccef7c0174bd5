//! The crate `scte35-reader`. Some of its fields are private, and all of them can be serialized.

use crate::model::{NO_TIME, Numbers, Part, Said, flag, number};
use mpeg2ts_reader::psi::{SectionCommonHeader, WholeCompactSyntaxPayloadParser};
use scte35_reader::{Scte35SectionProcessor, SpliceCommand, SpliceDescriptors, SpliceInfoHeader, SpliceInfoProcessor};
use serde_json::Value;
use std::cell::RefCell;
use std::rc::Rc;

mpeg2ts_reader::demux_context!(Context, mpeg2ts_reader::demultiplex::NullPacketFilter<Context>);
impl Context {
    fn do_construct(
        &mut self,
        _: mpeg2ts_reader::demultiplex::FilterRequest<'_, '_>,
    ) -> mpeg2ts_reader::demultiplex::NullPacketFilter<Context> {
        mpeg2ts_reader::demultiplex::NullPacketFilter::default()
    }
}

/// What was read, or why not.
type Parts = Vec<Result<Part, String>>;

struct Keep(Rc<RefCell<Option<Parts>>>);

impl SpliceInfoProcessor for Keep {
    fn process(&self, header: SpliceInfoHeader<'_>, command: SpliceCommand, descriptors: SpliceDescriptors<'_>) {
        let header = Part::new(
            "header",
            vec![
                ("protocol_version", number(header.protocol_version())),
                ("encrypted", flag(header.encrypted_packet())),
                ("pts_adjustment", number(header.pts_adjustment())),
                ("cw_index", number(header.cw_index())),
                ("tier", number(header.tier())),
            ],
        );
        let mut parts = vec![Ok(header), Ok(of_command(&json(&command)))];
        parts.extend((&descriptors).into_iter().map(|d| match d {
            Ok(d) => Ok(of_descriptor(&json(&d))),
            Err(e) => Err(format!("{e:?}")),
        }));
        *self.0.borrow_mut() = Some(parts);
    }
}

fn json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

/// Every number, flag and byte inside, in order.
fn numbers(value: &Value) -> Numbers {
    match value {
        Value::Null => Vec::new(),
        Value::Bool(flag) => vec![u64::from(*flag)],
        Value::Number(n) => vec![n.as_u64().unwrap()],
        Value::String(text) => text.bytes().map(u64::from).collect(),
        Value::Array(all) => all.iter().flat_map(numbers).collect(),
        Value::Object(all) => all.values().flat_map(numbers).collect(),
    }
}

/// The name of an enum's variant and what it holds.
fn variant(value: &Value) -> (&str, &Value) {
    match value {
        Value::String(name) => (name, &Value::Null),
        Value::Object(all) => all.iter().next().map(|(name, held)| (name.as_str(), held)).unwrap(),
        other => panic!("{other}"),
    }
}

/// `Immediate`, or `Timed` with or without one.
fn time(value: &Value) -> Option<u64> {
    let (_, held) = variant(value);
    held.as_u64()
}

fn of_command(value: &Value) -> Part {
    let (name, held) = variant(value);
    match name {
        "SpliceNull" => Part::new("splice_null", Vec::new()),
        "BandwidthReservation" => Part::new("bandwidth_reservation", Vec::new()),
        "TimeSignal" => Part::new("time_signal", vec![("pts", time(&held["splice_time"]).into_iter().collect())]),
        "PrivateCommand" => Part::new(
            "private",
            vec![("identifier", numbers(&held["identifier"])), ("bytes", numbers(&held["private_bytes"]))],
        ),
        "SpliceInsert" => {
            let (kind, detail) = variant(&held["splice_detail"]);
            let mut fields = vec![("event_id", numbers(&held["splice_event_id"])), ("cancel", flag(kind == "Cancel"))];
            if kind == "Insert" {
                let (mode, at) = variant(&detail["splice_mode"]);
                let (pts, components) = if mode == "Program" {
                    (time(at).into_iter().collect(), Vec::new())
                } else {
                    let all = at.as_array().unwrap().iter();
                    let list = all.flat_map(|c| {
                        [c["component_tag"].as_u64().unwrap(), time(&c["splice_time"]).unwrap_or(NO_TIME)]
                    });
                    (Vec::new(), list.collect())
                };
                let duration = &detail["duration"];
                let duration = if duration.is_null() {
                    Vec::new()
                } else {
                    vec![u64::from(duration["return_mode"] == "Automatic"), duration["duration"].as_u64().unwrap()]
                };
                fields.extend([
                    ("out", flag(detail["network_indicator"] == "Out")),
                    ("pts", pts),
                    ("components", components),
                    ("duration", duration),
                    ("program", numbers(&detail["unique_program_id"])),
                    ("avail", [numbers(&detail["avail_num"]), numbers(&detail["avails_expected"])].concat()),
                ]);
            }
            Part::new("splice_insert", fields)
        }
        other => panic!("command {other}"),
    }
}

/// Types in the order of their numbers, as the crate names them.
const TYPES: &[(&str, u64)] = &[
    ("NotIndicated", 0x00),
    ("ContentIdentification", 0x01),
    ("ProgramStart", 0x10),
    ("ProgramEnd", 0x11),
    ("ProgramEarlyTermination", 0x12),
    ("ProgramBreakaway", 0x13),
    ("ProgramResumption", 0x14),
    ("ProgramRunoverPlanned", 0x15),
    ("ProgramRunoverUnplanned", 0x16),
    ("ProgramOverlapStart", 0x17),
    ("ProgramBlackoutOverride", 0x18),
    ("ProgramStartInProgress", 0x19),
    ("ChapterStart", 0x20),
    ("ChapterEnd", 0x21),
    ("BreakStart", 0x22),
    ("BreakEnd", 0x23),
    ("ProviderAdvertisementStart", 0x30),
    ("ProviderAdvertisementEnd", 0x31),
    ("DistributorAdvertisementStart", 0x32),
    ("DistributorAdvertisementEnd", 0x33),
    ("ProviderPlacementOpportunityStart", 0x34),
    ("ProviderPlacementOpportunityEnd", 0x35),
    ("DistributorPlacementOpportunityStart", 0x36),
    ("DistributorPlacementOpportunityEnd", 0x37),
    ("UnscheduledEventStart", 0x40),
    ("UnscheduledEventEnd", 0x41),
    ("NetworkStart", 0x50),
    ("NetworkEnd", 0x51),
];

const UPIDS: &[(&str, u64)] = &[
    ("UserDefined", 0x01),
    ("Isci", 0x02),
    ("AdID", 0x03),
    ("Umid", 0x04),
    ("IsanDeprecated", 0x05),
    ("TID", 0x07),
    ("TI", 0x08),
    ("ADI", 0x09),
    ("EIDR", 0x0a),
    ("ATSC", 0x0b),
    ("MPU", 0x0c),
    ("MID", 0x0d),
    ("ADS", 0x0e),
    ("URI", 0x0f),
];

fn listed(table: &[(&str, u64)], value: &Value) -> Numbers {
    let (name, held) = variant(value);
    match table.iter().find(|(n, _)| *n == name) {
        Some((_, number)) => vec![*number],
        None => numbers(held).into_iter().take(1).collect(),
    }
}

fn of_segmentation(held: &Value) -> Part {
    let (kind, d) = variant(&held["descriptor_detail"]);
    let mut fields = vec![("event_id", numbers(&held["segmentation_event_id"])), ("cancel", flag(kind == "Cancel"))];
    if kind == "Insert" {
        let (_, restrictions) = variant(&d["delivery_restrictions"]);
        let restrictions = if restrictions.is_null() {
            Vec::new()
        } else {
            let flags = ["web_delivery_allowed_flag", "no_regional_blackout_flag", "archive_allowed_flag"];
            let groups = ["RestrictGroup0", "RestrictGroup1", "RestrictGroup2", "None"];
            let group = groups.iter().position(|g| restrictions["device_restrictions"] == *g).unwrap();
            let mut all: Numbers = flags.iter().flat_map(|f| numbers(&restrictions[f])).collect();
            all.push(group as u64);
            all
        };
        let (upid, bytes) = variant(&d["segmentation_upid"]);
        fields.extend([
            ("restrictions", restrictions),
            ("components", numbers(variant(&d["segmentation_mode"]).1)),
            ("duration", numbers(&d["segmentation_duration"])),
            ("type", listed(TYPES, &d["segmentation_type_id"])),
            ("segment", [numbers(&d["segment_num"]), numbers(&d["segments_expected"])].concat()),
            ("sub_segment", numbers(&d["sub_segments"])),
        ]);
        match upid {
            // Empty ones lose their type, and it writes the others in forms of its own.
            "None" => fields.push(("upid", Vec::new())),
            "Reserved" => fields.push(("upid", numbers(&bytes[1]))),
            name => fields.push(("upid_type", UPIDS.iter().find(|(n, _)| *n == name).map(|(_, n)| vec![*n]).unwrap())),
        }
    }
    Part::new("segmentation", fields)
}

fn of_descriptor(value: &Value) -> Part {
    let (name, held) = variant(value);
    match name {
        "AvailDescriptor" => Part::new("avail", vec![("id", numbers(held))]),
        "DTMFDescriptor" => Part::new(
            "dtmf",
            vec![("preroll", numbers(&held["preroll"])), ("characters", numbers(&held["dtmf_chars"]))],
        ),
        "SegmentationDescriptor" => of_segmentation(held),
        "TimeDescriptor" => Part::new(
            "time",
            vec![
                ("tai", [numbers(&held["tai_seconds"]), numbers(&held["tai_nanoseconds"])].concat()),
                ("utc_offset", numbers(&held["utc_offset"])),
            ],
        ),
        "Reserved" => {
            let identifier = numbers(&held["identifier"]).into_iter().fold(0, |n, b| n << 8 | b);
            Part::new(
                "other",
                vec![
                    ("tag", numbers(&held["tag"])),
                    ("identifier", vec![identifier]),
                    ("bytes", numbers(&held["private_bytes"])),
                ],
            )
        }
        other => panic!("descriptor {other}"),
    }
}

pub fn said(section: &[u8]) -> Said {
    // It takes the first three bytes for granted.
    if section.len() < SectionCommonHeader::SIZE {
        return Err("short".to_owned());
    }
    let kept = Rc::new(RefCell::new(None));
    let mut parser = Scte35SectionProcessor::new(Keep(kept.clone()));
    let header = SectionCommonHeader::new(&section[..SectionCommonHeader::SIZE]);
    parser.section(&mut Context::new(), &header, section);
    drop(parser);
    kept.take().ok_or_else(|| "logged and dropped".to_owned())
}
