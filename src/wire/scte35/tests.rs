//! The samples of SCTE 35 2023r1 §14 to the last field, and one section for each defect.

use super::*;
use crate::base::base64;

fn bytes(text: &str) -> Vec<u8> {
    base64::decode(text).unwrap()
}

/// What all samples share, with their own lengths.
fn header(section_length: u16, command_length: u16, command_type: u8) -> Header {
    Header {
        sap_type: 3,
        section_length,
        protocol_version: 0,
        encrypted: false,
        encryption_algorithm: 0,
        pts_adjustment: 0,
        cw_index: 0xff,
        tier: 0xfff,
        command_length,
        command_type,
    }
}

/// As the samples have it: a TI UPID, archive allowed, nothing restricted but what is told.
fn segment<'a>(event_id: u32, kind: u8, upid: &'a [u8], num: u8) -> Segmentation<'a> {
    Segmentation {
        event_id,
        cancelled: false,
        event_id_compliant: false,
        detail: Some(SegmentationDetail {
            kind: SegmentationType(kind),
            duration: None,
            restrictions: Some(Restrictions {
                web_delivery_allowed: true,
                no_regional_blackout: true,
                archive_allowed: true,
                device_restrictions: 3,
            }),
            components: None,
            upid: Upid { kind: 8, bytes: upid },
            segment_num: num,
            segments_expected: 0,
            sub_segments: None,
        }),
    }
}

fn ti(id: u32) -> [u8; 8] {
    u64::from(id).to_be_bytes()
}

fn samples() -> Vec<(&'static str, usize, u64, u32, Vec<Segmentation<'static>>)> {
    let upid = |id| -> &'static [u8] { Box::leak(Box::new(ti(id))) };
    let at = |mut s: Segmentation<'static>, change: fn(&mut SegmentationDetail<'static>)| {
        change(s.detail.as_mut().unwrap());
        s
    };
    vec![
        (
            "/DA0AAAAAAAA///wBQb+cr0AUAAeAhxDVUVJSAAAjn/PAAGlmbAICAAAAAAsoKGKNAIAmsnRfg==",
            55,
            0x0_72bd_0050,
            0x9ac9_d17e,
            vec![at(segment(0x4800_008e, 0x34, upid(0x2ca0_a18a), 2), |d| {
                d.duration = Some(0x0_01a5_99b0);
                d.restrictions = Some(Restrictions {
                    web_delivery_allowed: false,
                    no_regional_blackout: true,
                    archive_allowed: true,
                    device_restrictions: 3,
                });
            })],
        ),
        (
            "/DAvAAAAAAAA///wBQb+dGKQoAAZAhdDVUVJSAAAjn+fCAgAAAAALKChijUCAKnMZ1g=",
            50,
            0x0_7462_90a0,
            0xa9cc_6758,
            vec![segment(0x4800_008e, 0x35, upid(0x2ca0_a18a), 2)],
        ),
        (
            "/DBIAAAAAAAA///wBQb+ek2ItgAyAhdDVUVJSAAAGH+fCAgAAAAALMvDRBEAAAIXQ1VFSUgAABl/nwgIAAAAACyk26AQAACZcuND",
            75,
            0x0_7a4d_88b6,
            0x9972_e343,
            vec![segment(0x4800_0018, 0x11, upid(0x2ccb_c344), 0), segment(0x4800_0019, 0x10, upid(0x2ca4_dba0), 0)],
        ),
        (
            "/DAvAAAAAAAA///wBQb+rr//ZAAZAhdDVUVJSAAACH+fCAgAAAAALKVs9RcAAJUdsKg=",
            50,
            0x0_aebf_ff64,
            0x951d_b0a8,
            vec![segment(0x4800_0008, 0x17, upid(0x2ca5_6cf5), 0)],
        ),
        (
            "/DBIAAAAAAAA///wBQb+ky44CwAyAhdDVUVJSAAACn+fCAgAAAAALKCh4xgAAAIXQ1VFSUgAAAl/nwgIAAAAACygoYoRAAC0IX6w",
            75,
            0x0_932e_380b,
            0xb421_7eb0,
            vec![segment(0x4800_000a, 0x18, upid(0x2ca0_a1e3), 0), segment(0x4800_0009, 0x11, upid(0x2ca0_a18a), 0)],
        ),
        (
            "/DAvAAAAAAAA///wBQb+rvF8TAAZAhdDVUVJSAAAB3+fCAgAAAAALKVslxEAAMSHai4=",
            50,
            0x0_aef1_7c4c,
            0xc487_6a2e,
            vec![segment(0x4800_0007, 0x11, upid(0x2ca5_6c97), 0)],
        ),
        (
            "/DBhAAAAAAAA///wBQb+qM1E7QBLAhdDVUVJSAAArX+fCAgAAAAALLLXnTUCAAIXQ1VFSUgAACZ/nwgIAAAAACyy150RAAACF0NVRUlIAAAnf58ICAAAAAAsstezEAAAihiGnw==",
            100,
            0x0_a8cd_44ed,
            0x8a18_869f,
            vec![
                segment(0x4800_00ad, 0x35, upid(0x2cb2_d79d), 2),
                segment(0x4800_0026, 0x11, upid(0x2cb2_d79d), 0),
                segment(0x4800_0027, 0x10, upid(0x2cb2_d7b3), 0),
            ],
        ),
    ]
}

#[test]
fn the_time_signals_of_the_standard_decode_to_the_last_field() {
    for (text, length, pts, crc, segmentations) in samples() {
        let section = bytes(text);
        assert_eq!(section.len(), length);
        let decoded = decode(&section);
        assert_eq!(decoded.header, Some(header(length as u16 - 3, 5, 6)), "{text}");
        assert_eq!(decoded.command, Some(Command::TimeSignal(Some(pts))), "{text}");
        assert_eq!(decoded.crc, Some(crc), "{text}");
        assert!(decoded.crc_ok && decoded.defects.is_empty(), "{}", decoded.defects);
        let all: Vec<_> = decoded.descriptors.collect();
        assert_eq!(all, segmentations.into_iter().map(Descriptor::Segmentation).collect::<Vec<_>>(), "{text}");
    }
}

#[test]
fn the_splice_insert_of_the_standard_decodes_to_the_last_field() {
    let section = bytes("/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo=");
    let decoded = decode(&section);
    assert_eq!(decoded.header, Some(header(47, 20, 5)));
    let detail = InsertDetail {
        out_of_network: true,
        immediate: false,
        event_id_compliant: true,
        at: InsertAt::Program(Some(0x0_7369_c02e)),
        duration: Some(BreakDuration { auto_return: true, ticks: 0x0_0052_ccf5 }),
        unique_program_id: 0,
        avail_num: 0,
        avails_expected: 0,
    };
    assert_eq!(decoded.command, Some(Command::Insert(Insert { event_id: 0x4800_008f, detail: Some(detail) })));
    assert_eq!(decoded.descriptors.collect::<Vec<_>>(), [Descriptor::Avail(0x135)]);
    assert_eq!(decoded.crc, Some(0x62db_a30a));
    assert!(decoded.crc_ok && decoded.defects.is_empty());
    let seconds = |ticks: u64| clock33::seconds(ticks as i64);
    assert!((seconds(0x0_7369_c02e) - 21_514.559_089).abs() < 1e-6);
    assert!((seconds(0x0_0052_ccf5) - 60.293_567).abs() < 1e-6);
}
