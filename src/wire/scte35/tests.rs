//! The samples of SCTE 35 2023r1 §14 to the last field, and one section for each defect.

use super::*;
use crate::base::base64;
use crate::base::label::Label;

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

/// A section around this command and these descriptors, with a right CRC.
fn section(command_type: u8, command: &[u8], descriptors: &[u8]) -> Vec<u8> {
    let length = (17 + command.len() + descriptors.len()) as u16;
    let mut bytes = vec![0xfc, 0x30 | (length >> 8) as u8, length as u8, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
    bytes.extend([0xf0 | (command.len() >> 8) as u8, command.len() as u8, command_type]);
    bytes.extend(command);
    bytes.extend((descriptors.len() as u16).to_be_bytes());
    bytes.extend(descriptors);
    bytes.extend([0; 4]);
    sign(bytes)
}

fn sign(mut bytes: Vec<u8>) -> Vec<u8> {
    let (body, crc) = bytes.split_last_chunk_mut::<4>().unwrap();
    *crc = crc32_mpeg(body).to_be_bytes();
    bytes
}

fn changed(mut bytes: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    change(&mut bytes);
    sign(bytes)
}

fn cuei(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag, body.len() as u8 + 4][..], b"CUEI", body].concat()
}

/// A segmentation_descriptor with this UPID and what follows it.
fn segmented(upid_type: u8, upid: &[u8], rest: &[u8]) -> Vec<u8> {
    let head = [0, 0, 0, 7, 0x7f, 0xbf, upid_type, upid.len() as u8];
    cuei(2, &[&head[..], upid, rest].concat())
}

const SIGNAL: &[u8] = &[0xfe, 0, 1, 0, 0];

#[test]
fn each_defect_is_named_and_leaves_what_can_be_read() {
    use Defect::*;
    let signal = |descriptors: &[u8]| section(6, SIGNAL, descriptors);
    let clean = signal(&segmented(9, b"AD1", &[0x34, 1, 2]));
    let header = |change: fn(&mut Vec<u8>)| changed(clean.clone(), change);
    let ended = |rest: &[u8]| segmented(0, &[], rest);
    let insert = |extra: &[u8]| section(5, &[&[0, 0, 0, 7, 0x7f, 0x5f, 0, 1, 0, 0][..], extra].concat(), &[]);
    let cases: Vec<(&[Defect], Vec<u8>)> = vec![
        (&[], clean.clone()),
        (&[], section(0, &[], &[])),
        (&[], section(7, &[], &[])),
        (&[], insert(&[])),
        (&[Truncated], vec![0xfc]),
        (&[Truncated], clean[..13].to_vec()),
        (&[Truncated, DescriptorLoop, ShortDescriptor], clean[..30].to_vec()),
        (&[TrailingBytes], [&clean[..], &[0xff]].concat()),
        (&[TableId], header(|b| b[0] = 0xfd)),
        (&[Indicators], header(|b| b[1] |= 0x80)),
        (&[ProtocolVersion], header(|b| b[3] = 1)),
        (&[Crc], [&clean[..clean.len() - 1], &[!clean[clean.len() - 1]]].concat()),
        (&[Encrypted], header(|b| b[4] |= 0x82)),
        (&[Encrypted, EncryptionAlgorithm], header(|b| b[4] |= 0x80 | 9 << 1)),
        (&[LegacyCommandLength], header(|b| (b[11], b[12]) = (b[11] | 0x0f, 0xff))),
        (&[CommandLength, DescriptorLoop, ExcessCommand], header(|b| b[11] |= 0x04)),
        (&[UnknownCommand], section(0x42, b"what", &[])),
        (&[ShortCommand], section(5, &[0, 0, 0, 7, 0x7f], &[])),
        (&[ShortCommand], section(4, &[1, 0, 0], &[])),
        (&[ExcessCommand], insert(&[0, 0])),
        (&[DescriptorLoop], changed(clean.clone(), |b| b[20] += 40)),
        (&[ShortDescriptor], signal(&cuei(3, &[0; 11]))),
        (&[ShortDescriptor], signal(&segmented(9, b"AD1", &[]))),
        (&[ShortDescriptor], signal(&[0x80, 3, b'C', b'U', b'E'])),
        (&[ExcessDescriptor], signal(&cuei(3, &[0; 13]))),
        (&[ExcessDescriptor], signal(&ended(&[0x10, 1, 1, 0, 0]))),
        (&[UnknownDescriptor], signal(&cuei(9, &[]))),
        (&[], signal(b"\x02\x06TEST\x01\x02")),
        (&[Stuffing], changed(signal(&[]), |b| (b[2] += 2, b.extend([0xff; 2])).0)),
        (&[AvailMisplaced], signal(&cuei(0, &[0; 4]))),
        (&[AudioMisplaced], signal(&cuei(4, &[0x0f]))),
        (&[], signal(&[cuei(4, &[0x1f, 1, b'e', b'n', b'g', 0x45]), ended(&[0x10, 1, 1])].concat())),
        (&[DtmfCharacter], signal(&cuei(1, b"\x32\x3fA"))),
        (&[DtmfPreroll], signal(&cuei(1, b"\x27\x3f*"))),
        (&[TimeNanoseconds], signal(&cuei(3, &[0, 0, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 37]))),
        (&[Defect::SegmentationType], signal(&ended(&[0x03, 0, 0]))),
        (&[SegmentNumbers], signal(&ended(&[0x34, 3, 2]))),
        (&[UpidType], signal(&segmented(0x12, b"x", &[0x34, 1, 1]))),
        (&[UpidLength], signal(&segmented(3, b"SHORT", &[0x34, 1, 1]))),
        (&[UpidLength], signal(&segmented(9, b"", &[0x34, 1, 1]))),
        (&[UpidStructure], signal(&segmented(12, b"abc", &[0x34, 1, 1]))),
        (&[UpidStructure], signal(&segmented(13, &[9, 5, b'x'], &[0x34, 1, 1]))),
        (&[UpidStructure], signal(&segmented(13, &[13, 0], &[0x34, 1, 1]))),
        (&[UpidMissing], signal(&ended(&[0x01, 0, 0]))),
        (&[DurationOnEnd], signal(&cuei(2, &[0, 0, 0, 7, 0x7f, 0xff, 0, 0, 0, 0, 1, 0, 0, 0x35, 1, 1]))),
        (
            &[TooLong],
            changed(vec![0; 4098], |b| {
                b[..14].copy_from_slice(&[0xfc, 0x3f, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xf0, 0, 0]);
                b[14..16].copy_from_slice(&[0x0f, 0xee]);
            }),
        ),
    ];
    let mut seen = Defects::default();
    for (defects, bytes) in cases {
        let decoded = decode(&bytes);
        let mut wanted: Defects = defects.iter().copied().collect();
        if defects.contains(&TooLong) {
            wanted.add(ShortDescriptor); // 4078 zeros are no descriptors
            wanted.add(DescriptorLoop);
        }
        let (wanted, got) = (wanted.to_string(), decoded.defects.to_string());
        if defects.contains(&TooLong) {
            assert!(decoded.defects.has(TooLong), "{got}");
        } else {
            assert_eq!(got, wanted, "{bytes:02x?}");
        }
        decoded.defects.iter().for_each(|defect| seen.add(defect));
    }
    let missing: Vec<_> = Defect::ALL.iter().filter(|d| !seen.has(**d)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
    assert!(Defects::from_iter([UpidLength, Crc]).grave() && !Defects::from_iter([UpidLength, Stuffing]).grave());
}

#[test]
fn a_segment_that_is_cut_off_keeps_its_event_id_and_a_wrong_crc_its_values() {
    let bytes = section(6, SIGNAL, &segmented(9, b"AD1", &[]));
    let [cut] = decode(&bytes).segmentations().collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!((cut.event_id, cut.cancelled, cut.detail), (7, false, None));
    let mut bytes = section(6, SIGNAL, &segmented(9, b"AD1", &[0x34, 1, 1]));
    *bytes.last_mut().unwrap() ^= 1;
    let decoded = decode(&bytes);
    assert!(!decoded.crc_ok && decoded.command == Some(Command::TimeSignal(Some(0x1_0000))));
    assert_eq!(decoded.segmentations().count(), 1);
}

#[test]
fn every_upid_is_written_as_its_scheme_writes_it() {
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len() / 2).map(|n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).unwrap()).collect()
    };
    for (kind, bytes, name, text) in [
        (0x00, vec![], "none", ""),
        (0x01, b"mine".to_vec(), "user_defined", "mine"),
        (0x02, b"ABCD1234".to_vec(), "isci", "ABCD1234"),
        (0x03, b"ABCD0001000H".to_vec(), "ad_id", "ABCD0001000H"),
        (
            0x04,
            hex("060a2b340101010501010d2013000000d2c9036c8f195343ab7014d2d718bfda"),
            "umid",
            "060A2B34.01010105.01010D20.13000000.D2C9036C.8F195343.AB7014D2.D718BFDA",
        ),
        (0x05, hex("00000001 2c520000".replace(' ', "").as_str()), "isan_deprecated", "0000-0001-2C52-0000"),
        // The example of ISO 15706-2.
        (0x06, hex("000000018947000000000000"), "isan", "0000-0001-8947-0000-8-0000-0000-D"),
        (0x07, b"MV0004146400".to_vec(), "tid", "MV0004146400"),
        (0x08, hex("000000002ca0a18a"), "ti", "0x000000002ca0a18a"),
        (0x09, b"SIGNAL:abc".to_vec(), "adi", "SIGNAL:abc"),
        // 10.5240/7791-8534-2C23-9030-8610-5 is EIDR's own example.
        (
            0x0a,
            hex("147877918534 2c2390308610".replace(' ', "").as_str()),
            "eidr",
            "10.5240/7791-8534-2C23-9030-8610-5",
        ),
        (
            0x0b,
            hex("0102 0a07 61".replace(' ', "").as_str()),
            "atsc_content_id",
            "tsid=258 end_of_day=5 unique_for=7 id=a",
        ),
        (0x0c, b"ADFR\x01\x02".to_vec(), "mpu", "ADFR:0x0102"),
        (0x0d, b"\x09\x02ab\x0e\x03c=d".to_vec(), "mid", "adi=ab, ads=c=d"),
        (0x0d, b"\x09\x02ab\x0e\x09c".to_vec(), "mid", "adi=ab, 0x0e0963"),
        (0x0e, b"seg=1".to_vec(), "ads", "seg=1"),
        (0x0f, b"urn:x".to_vec(), "uri", "urn:x"),
        (0x10, hex("00112233445566778899aabbccddeeff"), "uuid", "00112233-4455-6677-8899-aabbccddeeff"),
        (0x11, b"scr".to_vec(), "scr", "scr"),
        (0x40, b"\x07bell".to_vec(), "reserved", "0x0762656c6c"),
    ] {
        let upid = Upid { kind, bytes: &bytes };
        assert_eq!((upid.name(), upid.to_string().as_str()), (name, text));
    }
}

#[test]
fn every_segmentation_type_has_a_name_and_a_start_its_end() {
    let mut names = std::collections::HashSet::new();
    for kind in SegmentationType::ALL {
        assert!(names.insert(kind.label()));
        assert_eq!(SegmentationType::ALL[kind.index()], *kind);
        if let Some(end) = kind.end() {
            assert_eq!((end.start(), kind.start(), end.span()), (Some(*kind), None, kind.span()));
            assert!(kind.label().ends_with("_start") && end.label().ends_with("_end"), "{}", kind.label());
        }
    }
    let ends = SegmentationType::ALL.iter().filter(|k| k.end().is_some()).count();
    assert_eq!((names.len(), ends), (49, 18));
    assert_eq!(SegmentationType(0xee).label(), "reserved");
}

#[test]
fn commands_of_components_and_schedules_are_read_to_the_end() {
    let insert = [0, 0, 0, 9, 0x7f, 0x8f, 2, 1, 0xfe, 0, 0, 0, 5, 2, 0x7f, 0, 3, 4, 5];
    let bytes = section(5, &insert, &[]);
    let decoded = decode(&bytes);
    assert!(decoded.defects.is_empty(), "{}", decoded.defects);
    let Some(Command::Insert(Insert { event_id: 9, detail: Some(detail) })) = decoded.command else { panic!() };
    let InsertAt::Components(components) = detail.at else { panic!() };
    let all: Vec<_> = components.collect();
    assert_eq!(all, [Component { tag: 1, pts: Some(5) }, Component { tag: 2, pts: None }]);
    assert_eq!((detail.pts(), detail.unique_program_id, detail.avail_num, detail.avails_expected), (Some(5), 3, 4, 5));

    let cancelled = [0, 0, 0, 1, 0xff];
    let components = [0, 0, 0, 2, 0x3f, 0xbf, 1, 7, 0, 0, 0, 9, 0xfe, 0, 0, 0, 3, 0, 1, 2, 3];
    let bytes = section(4, &[&[2][..], &cancelled, &components].concat(), &[]);
    let Some(Command::Schedule(schedule)) = decode(&bytes).command else { panic!() };
    let events: Vec<_> = schedule.collect();
    assert_eq!((events[0].event_id, events[0].detail), (1, None));
    let detail = events[1].detail.unwrap();
    assert_eq!((detail.out_of_network, detail.gps_seconds()), (true, Some(9)));
    assert_eq!(detail.duration, Some(BreakDuration { auto_return: true, ticks: 3 }));
    assert!(!events[1].event_id_compliant && events.len() == 2);
    assert_eq!(unix_of_gps(1_451_260_818), 1_767_225_600);
}
