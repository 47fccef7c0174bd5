//! The look into elementary streams.

use super::super::video::Scanner;
use super::*;

/// What a scanner tells of bytes given whole, and given in two parts cut at each place.
fn told(codec: Codec, bytes: &[u8]) -> Vec<RandomAccess> {
    let run = |cut: usize| {
        let mut all = Vec::new();
        let mut scanner = Scanner::new(codec).unwrap();
        scanner.scan(&bytes[..cut], &mut |ra| all.push(ra));
        scanner.scan(&bytes[cut..], &mut |ra| all.push(ra));
        all
    };
    let whole = run(0);
    for cut in 1..bytes.len() {
        assert_eq!(run(cut), whole, "cut at {cut}");
    }
    whole
}

#[test]
fn random_access_is_read_from_the_pictures_themselves() {
    use RandomAccess as R;
    let h264: &[(&[u8], &[R])] = &[
        (b"\0\0\0\x01\x09\xf0\0\0\x01\x65\x88\x84", &[R::Idr]),
        (b"\0\0\x01\x41\x9a\x55\0\0\x01\x41\x4a\0\0\x01\x41\x9a", &[R::None, R::None]),
        // A recovery point SEI, another picture, an unregistered SEI.
        (b"\0\0\x01\x06\x06\x01\xc4\x80\0\0\x01\x41\x9a\0\0\x01\x41\x9a", &[R::OpenI, R::None]),
        (b"\0\0\x01\x06\x05\x02\xaa\xbb\x80\0\0\x01\x01\x9a", &[R::None]),
        // Emulation prevention hides what looks like a start code; a NAL unit of type 20 is no picture.
        (b"\0\0\x01\x41\x9a\0\0\x03\x01\x65\x88\0\0\x01\x74\x80\x80", &[R::None]),
        (b"\0\0\x01", &[]),
        (b"\x65\x88\0\0", &[]),
    ];
    for (bytes, expected) in h264 {
        assert_eq!(told(Codec::H264, bytes), *expected, "{bytes:02x?}");
    }
    for (kind, expected) in (0..32u8).map(|kind| {
        (
            kind,
            match kind {
                0..=9 => Some(R::None),
                16..=18 => Some(R::Bla),
                19 | 20 => Some(R::Idr),
                21 => Some(R::Cra),
                _ => None,
            },
        )
    }) {
        let unit = |layer: u8, first: u8| [0, 0, 1, kind << 1, layer << 3 | 1, first, 0xaf];
        let bytes = [unit(0, 0x80), unit(0, 0x20), unit(1, 0x80)].concat();
        assert_eq!(told(Codec::H265, &bytes), Vec::from_iter(expected), "{kind}");
    }
    let gop = |closed: bool| [0, 0, 1, 0xb8, 0, 8, 0, if closed { 0x40 } else { 0 }];
    let picture = |kind: u8, structure: u8| {
        let coding = [0, 0, 1, 0, 0, kind << 3, 0, 0, 0, 0, 1, 0xb5, 0x8f, 0xff, 0xf0 | structure, 0x41, 0x80];
        [&coding[..], &[0, 0, 1, 1, 0x12, 0x34, 0, 0, 1, 2, 0x56]].concat()
    };
    let mpeg2 = [
        &gop(true)[..],
        &picture(1, 3),
        &picture(2, 3),
        &gop(false),
        &picture(1, 3),
        &gop(true),
        &picture(1, 1), // first field
        &picture(2, 2), // second field
        &picture(3, 3),
    ];
    assert_eq!(told(Codec::Mpeg2, &mpeg2.concat()), [R::ClosedI, R::None, R::OpenI, R::ClosedI, R::None]);
    let mut scanner = Scanner::new(Codec::Mpeg2).unwrap();
    scanner.scan(b"\0\0\x01\xb3\x2d\x02\x40\x33\0\0\0\0\0\0\x01", &mut |_| ());
    let picture = scanner.picture().unwrap();
    assert_eq!((picture.size, picture.fps), ((720, 576), Some(25.0)));
    assert!(Scanner::new(Codec::Other).is_none());
}

#[test]
fn two_pictures_in_one_pes_packet_are_two_frames_of_one_unit() {
    let mut sent = stream(12, 0);
    for s in sent.iter_mut().filter(|s| s.pid() == VIDEO && !s.starts()) {
        s.bytes[100..105].copy_from_slice(b"\0\0\x01\x41\x9a");
    }
    let (monitor, heard) = watch(&sent);
    assert_eq!(monitor.counts().frames, 900);
    assert_eq!(heard.units.iter().filter(|u| u.medium == Medium::Video).count(), 300);
    near(monitor.facts(after(12.0)).programs[0].streams[0].video.unwrap().fps, 75.0, 0.0);
}

#[test]
fn a_first_slice_may_come_packets_after_its_header() {
    let mut sent = stream(4, 0);
    for s in sent.iter_mut().filter(|s| s.pid() == VIDEO) {
        if s.starts() {
            // The slice goes; a long SEI stays open.
            let body = s.bytes.len() - 60;
            s.bytes[body..].fill(0x5a);
            let at = s.bytes.windows(4).position(|w| w == [0, 0, 1, 9]).unwrap() + 5;
            s.bytes[at..].fill(0x5a);
        } else {
            s.bytes[150..155].copy_from_slice(b"\0\0\x01\x65\x88");
        }
    }
    let (_, heard) = watch(&sent);
    let video: Vec<_> = heard.units.iter().filter(|u| u.medium == Medium::Video).collect();
    assert_eq!(video.len(), 100);
    assert!(video.iter().all(|u| u.random_access == RandomAccess::Idr));
    assert_eq!(video[3].at, after(0.128));
}
