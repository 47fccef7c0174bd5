use super::*;

#[test]
fn the_crc_of_the_standard_is_zero_over_a_whole_section() {
    // CRC-32/MPEG-2 of "123456789".
    assert_eq!(crc32_mpeg(b"123456789"), 0x0376_e6e7);
    // SCTE 35 2023r1 §14.2.
    let splice = b"\xfc\x30\x2f\0\0\0\0\0\0\xff\xff\xf0\x14\x05\x48\0\0\x8f\x7f\xef\xfe\x73\x69\xc0\x2e\xfe\0\x52\xcc\xf5\0\0\0\0\0\x0a\0\x08CUEI\0\0\x01\x35\x62\xdb\xa3\x0a";
    assert_eq!(crc32_mpeg(splice), 0);
    assert_eq!(crc32_mpeg(&splice[..splice.len() - 4]), 0x62db_a30a);
}

#[test]
fn tables_read_to_their_end_and_not_beyond() {
    let entries: Vec<_> = pat(&[0, 0, 0xe0, 0x10, 0, 7, 0xf0, 0, 0xff]).collect();
    assert_eq!(entries, [(0, 0x10), (7, 0x1000)]);
    let body = b"\xe1\0\xf0\x06\x05\x04CUEI\x1b\xe1\0\xf0\0\x86\xe1\xf4\xf0\x03\x8a\x01\x01\x06\xe1\xf5\xf0\x09\x05";
    let pmt = Pmt::read(body).unwrap();
    assert!(pmt.cuei() && pmt.pcr_pid == 0x100);
    let streams: Vec<_> = pmt.streams().map(|es| (es.stream_type, es.pid, es.descriptors().count())).collect();
    assert_eq!(streams, [(0x1b, 0x100, 0), (0x86, 0x1f4, 1)]);
    assert!(Pmt::read(&body[..9]).is_none() && Pmt::read(&[]).is_none());
    assert!(Long::read(&[0, 0xb0, 5, 0, 1, 0xc1, 0, 0]).is_none());
    assert!(Long::read(&[0, 0x30, 9, 0, 1, 0xc1, 0, 0, 1, 2, 3, 4]).is_none());
}

#[test]
fn still_pictures_are_told_by_descriptors() {
    let hevc = |flags: u8| [&[0x38, 13, 1][..], &[0; 11], &[flags]].concat();
    for (descriptors, still) in [
        (&b"\x02\x01\x19"[..], true),
        (b"\x02\x01\x18", false),
        (b"\x28\x04\x64\0\x28\xbf", true),
        (b"\x28\x04\x64\0\x28\x3f", false),
        (&hevc(0x40), true),
        (&hevc(0xbf), false),
        (b"", false),
    ] {
        let body = [&[0xff, 0xff, 0xf0, 0, 0x1b, 0xe1, 0, 0xf0, descriptors.len() as u8], descriptors].concat();
        let es = Pmt::read(&body).unwrap().streams().next().unwrap();
        assert_eq!(es.still_pictures(), still, "{descriptors:02x?}");
    }
}

#[test]
fn kinds_follow_type_and_descriptors() {
    let kind = |stream_type: u8, descriptors: &[u8]| {
        let body = [&[0xff, 0xff, 0xf0, 0, stream_type, 0xe1, 0, 0xf0, descriptors.len() as u8], descriptors].concat();
        Pmt::read(&body).unwrap().streams().next().unwrap().kind()
    };
    for (stream_type, descriptors, expected) in [
        (0x02, &b""[..], Kind::Video(Codec::Mpeg2)),
        (0x1b, b"", Kind::Video(Codec::H264)),
        (0x24, b"", Kind::Video(Codec::H265)),
        (0x33, b"", Kind::Video(Codec::Other)),
        (0x0f, b"", Kind::Audio),
        (0x81, b"", Kind::Audio),
        (0x86, b"", Kind::Cue),
        (0x86, b"\x05\x04HDMV", Kind::Audio),
        (0x06, b"\x05\x04CUEI", Kind::Cue),
        (0x06, b"", Kind::Private),
        (0x06, b"\x52\x01\x05", Kind::Private),
        (0x06, b"\x6a\x01\0", Kind::Audio),
        (0x06, b"\x05\x04Opus\x7f\x02\x80\x02", Kind::Audio),
        (0x06, b"\x05\x04HEVC", Kind::Video(Codec::H265)),
        (0x06, b"\x59\x08deu\x10\0\x01\0\x01", Kind::Data),
        (0x05, b"", Kind::Data),
        (0x15, b"", Kind::Data),
    ] {
        assert_eq!(kind(stream_type, descriptors), expected, "{stream_type:#x} {descriptors:02x?}");
    }
}
