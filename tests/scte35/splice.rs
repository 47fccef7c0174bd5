//! The crate `scte35-splice`.

use crate::model::{NO_TIME, Part, Said, bytes, flag, number};
use broadcast_common::Parse;
use scte35_splice::commands::AnyCommand;
use scte35_splice::descriptors::AnySpliceDescriptor;
use scte35_splice::section::SpliceInfoSection;
use scte35_splice::time::BreakDuration;

fn duration(duration: Option<&BreakDuration>) -> Vec<u64> {
    duration.map_or(Vec::new(), |d| vec![d.auto_return.into(), d.duration])
}

fn command(command: &AnyCommand<'_>) -> Part {
    match command {
        AnyCommand::SpliceNull(_) => Part::new("splice_null", Vec::new()),
        AnyCommand::BandwidthReservation(_) => Part::new("bandwidth_reservation", Vec::new()),
        AnyCommand::TimeSignal(signal) => {
            Part::new("time_signal", vec![("pts", signal.splice_time.pts_time.into_iter().collect())])
        }
        AnyCommand::PrivateCommand(private) => Part::new(
            "private",
            vec![("identifier", number(private.identifier)), ("bytes", bytes(private.private_bytes))],
        ),
        AnyCommand::SpliceInsert(i) => {
            let mut fields =
                vec![("event_id", number(i.splice_event_id)), ("cancel", flag(i.splice_event_cancel_indicator))];
            if !i.splice_event_cancel_indicator {
                let list = i
                    .components
                    .iter()
                    .flat_map(|c| [c.component_tag.into(), c.splice_time.and_then(|t| t.pts_time).unwrap_or(NO_TIME)]);
                fields.extend([
                    ("out", flag(i.out_of_network_indicator)),
                    ("immediate", flag(i.splice_immediate_flag)),
                    ("compliant", flag(i.event_id_compliance_flag)),
                    ("pts", i.splice_time.and_then(|t| t.pts_time).into_iter().collect()),
                    ("components", list.collect()),
                    ("duration", duration(i.break_duration.as_ref())),
                    ("program", number(i.unique_program_id)),
                    ("avail", vec![i.avail_num.into(), i.avails_expected.into()]),
                ]);
            }
            Part::new("splice_insert", fields)
        }
        AnyCommand::SpliceSchedule(schedule) => {
            let events = schedule.events.iter().map(|e| {
                let mut all = vec![e.splice_event_id.into(), e.event_id_compliance_flag.into()];
                if !e.splice_event_cancel_indicator {
                    all.push(e.out_of_network_indicator.into());
                    all.push(e.program_splice_flag.into());
                    all.extend(e.utc_splice_time.map(u64::from));
                    let list = e.components.iter();
                    all.extend(list.flat_map(|c| [u64::from(c.component_tag), c.utc_splice_time.into()]));
                    all.extend(duration(e.break_duration.as_ref()));
                    all.extend([u64::from(e.unique_program_id), e.avail_num.into(), e.avails_expected.into()]);
                }
                ("event", all)
            });
            Part::new("splice_schedule", events.collect())
        }
        _ => Part::new("unreadable", Vec::new()),
    }
}

fn descriptor(descriptor: &AnySpliceDescriptor<'_>) -> Part {
    match descriptor {
        AnySpliceDescriptor::Avail(avail) => Part::new("avail", vec![("id", number(avail.provider_avail_id))]),
        AnySpliceDescriptor::Dtmf(dtmf) => {
            Part::new("dtmf", vec![("preroll", number(dtmf.preroll)), ("characters", bytes(&dtmf.dtmf_chars))])
        }
        AnySpliceDescriptor::Segmentation(s) => {
            let mut fields = vec![
                ("event_id", number(s.segmentation_event_id)),
                ("cancel", flag(s.segmentation_event_cancel_indicator)),
                ("compliance", flag(s.segmentation_event_id_compliance_indicator)),
            ];
            if !s.segmentation_event_cancel_indicator {
                let restrictions = s.delivery_restrictions.map_or(Vec::new(), |r| {
                    let flags = [r.web_delivery_allowed, r.no_regional_blackout, r.archive_allowed];
                    let mut all: Vec<u64> = flags.map(u64::from).to_vec();
                    all.push(r.device_restrictions.bits().into());
                    all
                });
                let list = s.components.iter().flat_map(|c| [c.component_tag.into(), c.pts_offset]);
                fields.extend([
                    ("restrictions", restrictions),
                    ("components", list.collect()),
                    ("duration", s.segmentation_duration.into_iter().collect()),
                    ("upid_type", number(s.segmentation_upid_type.to_u8())),
                    ("upid", bytes(s.segmentation_upid)),
                    ("type", number(s.segmentation_type_id.to_u8())),
                    ("segment", vec![s.segment_num.into(), s.segments_expected.into()]),
                    ("sub_segment", s.sub_segments.map_or(Vec::new(), |(n, of)| vec![n.into(), of.into()])),
                ]);
            }
            Part::new("segmentation", fields)
        }
        AnySpliceDescriptor::Time(time) => Part::new(
            "time",
            vec![("tai", vec![time.tai_seconds, time.tai_ns.into()]), ("utc_offset", number(time.utc_offset))],
        ),
        AnySpliceDescriptor::Audio(audio) => {
            let list = audio.components.iter().flat_map(|c| {
                let [a, b, l] = c.iso_code.map(u64::from);
                [
                    c.component_tag.into(),
                    a,
                    b,
                    l,
                    c.bit_stream_mode.into(),
                    c.num_channels.into(),
                    c.full_srvc_audio.into(),
                ]
            });
            Part::new("audio", vec![("components", list.collect())])
        }
        AnySpliceDescriptor::Unknown { tag, body } => match body.split_first_chunk::<4>() {
            Some((identifier, rest)) => Part::new(
                "other",
                vec![
                    ("tag", number(*tag)),
                    ("identifier", number(u32::from_be_bytes(*identifier))),
                    ("bytes", bytes(rest)),
                ],
            ),
            None => Part::new("unknown_without_identifier", Vec::new()),
        },
        _ => Part::new("dvb_das", Vec::new()),
    }
}

pub fn said(section: &[u8]) -> Said {
    let parsed = SpliceInfoSection::parse(section).map_err(|e| e.to_string())?;
    let header = Part::new(
        "header",
        vec![
            ("sap_type", number(parsed.sap_type)),
            ("protocol_version", number(parsed.protocol_version)),
            ("encrypted", flag(parsed.encrypted_packet)),
            ("encryption_algorithm", number(parsed.encryption_algorithm)),
            ("pts_adjustment", number(parsed.pts_adjustment)),
            ("cw_index", number(parsed.cw_index)),
            ("tier", number(parsed.tier)),
        ],
    );
    let mut parts = vec![Ok(header)];
    parts.extend(parsed.clear.as_ref().map(|clear| Ok(command(&clear.command))));
    parts.extend(parsed.descriptors().map(|d| d.map(|d| descriptor(&d)).map_err(|e| e.to_string())));
    Ok(parts)
}
