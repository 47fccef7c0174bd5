use super::*;

// Made by x264 and x265: 1918 × 1078 at 25, and 642 × 362 at 30000/1001 interlaced 4:2:2, baseline, with scaling lists.
const H264: &str = "67640028acd940780227a9b011000003000100000300320f183196";
const H265: &str = "420101016000000300900000030000030078a003c08010e755965669 24caf01680800000030080000 00c84";
const H264_FIELDS: &str = "677a001ebcd940a463c4466022000007d20001d4c03e28532c";
const H264_BASELINE: &str = "6742c01ed900a42fe224c04400000fa40003a9803c58b920";
const H265_LISTS: &str = "4201010408000003009e0800000300003f9000a2402e39e7cb2b349272bc05b81010002000007d20000ea601";

pub(in crate::wire) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|d| (d[0] << 4 | d[1]) as u8).collect()
}

fn read(codec: Codec, payloads: &[&str]) -> (Vec<Piece>, Reader) {
    let mut reader = Reader::new(codec).unwrap();
    (payloads.iter().map(|p| reader.read(&hex(p))).collect(), reader)
}

/// The flags that are set, in short: s(lice) f(irst) c(ontinues) r(andom access) o(pen) u(nreadable).
fn show(piece: &Piece) -> String {
    let flags = [piece.slice, piece.first, piece.continues, piece.random_access, piece.open, piece.unreadable];
    "sfcrou".chars().zip(flags).filter(|(_, set)| *set).map(|(c, _)| c).collect()
}

#[test]
fn every_shape_of_payload_reads_as_the_camera_meant_it() {
    use Codec::{H264 as A, H265 as B};
    let cases: &[(&str, Codec, &[&str], &[&str])] = &[
        ("single first slice", A, &["41 9a00"], &["sf"]),
        ("single later slice", A, &["41 4a00"], &["s"]),
        ("IDR", A, &["65 8880"], &["sfr"]),
        ("AUD", A, &["09f0"], &[""]),
        ("STAP-A of SPS, PPS, IDR", A, &["78 0004 67640028 0002 68ee 0003 658880"], &["sfr"]),
        ("STAP-A padded with zeros", A, &["78 0003 419a00 0000 0000"], &["sf"]),
        ("STAP-A cut short", A, &["78 00ff 658880"], &["sfru"]),
        ("FU-A", A, &["7c85 88", "7c05 00", "7c45 00"], &["sfro", "sco", "sc"]),
        ("FU-A with start and end", A, &["7cc5 8880"], &["sfr"]),
        ("FU-A with reserved bit", A, &["7ca5 88", "7c25 00", "7c65 00"], &["sfro", "sco", "sc"]),
        ("FU-A with another type after the first", A, &["7c85 88", "7c01 00", "7c47 00"], &["sfro", "sco", "sc"]),
        ("FU-A that starts empty", A, &["7c85", "7c05 88", "7c45"], &["sro", "sfro", "sc"]),
        ("FU-A without its start", A, &["7c05 88", "7c45 88"], &["sco", "sc"]),
        ("FU-A without a byte", A, &["7c"], &["u"]),
        ("interleaved modes", A, &["79 0000", "7a 0000", "7b 0000", "7d 8500"], &["u", "u", "u", "u"]),
        ("nothing", A, &[""], &["u"]),
        ("IDR hidden behind an SPS", A, &["67640028 00000001 68ee 000001 658880"], &["sfr"]),
        ("the same in FU-A", A, &["7c87 640028 000001 65 88", "7c07 00", "7c47 00"], &["sfro", "sco", "sc"]),
        ("start code before the header", A, &["00000001 658880", "000001 419a"], &["sfr", "sf"]),
        ("start code and nothing", A, &["000001"], &["u"]),
        ("recovery point SEI, before and behind another", A, &["0606 01c4 80", "06 0501ff 0601c4 80"], &["r", "r"]),
        ("another SEI", A, &["06 0501ff 80"], &[""]),
        ("single first slice segment", B, &["0201 d000"], &["sf"]),
        ("single later slice segment", B, &["0201 5000"], &["s"]),
        ("BLA, IDR, CRA", B, &["2001 80", "2601 80", "2a01 80"], &["sfr", "sfr", "sfr"]),
        ("slice of another layer", B, &["0209 d000"], &[""]),
        ("AP of VPS, SPS, IDR", B, &["6001 0003 40010c 0003 420101 0003 2601af"], &["sfr"]),
        ("FU", B, &["6201 93 af", "6201 13 00", "6201 53 00"], &["sfro", "sco", "sc"]),
        ("FU with start and end", B, &["6201 d3 af"], &["sfr"]),
        ("PACI around a slice", B, &["6401 26 10 aa af00"], &["sfr"]),
        ("PACI around FU", B, &["6401 62 00 93 af"], &["sfro"]),
        ("PACI in PACI, and cut", B, &["6401 64 00 93 af", "6401 27f0 00"], &["u", "u"]),
        ("IDR hidden behind a VPS", B, &["40010c 00000001 2601af"], &["sfr"]),
    ];
    for (what, codec, payloads, expected) in cases {
        let (pieces, _) = read(*codec, payloads);
        assert_eq!(pieces.iter().map(show).collect::<Vec<_>>(), *expected, "{what}");
    }
}

#[test]
fn a_hole_takes_the_beginning_of_a_fragmented_unit_away() {
    let mut reader = Reader::new(Codec::H264).unwrap();
    reader.read(&hex("7c85"));
    reader.broken();
    assert_eq!(show(&reader.read(&hex("7c05 88"))), "sco", "no first slice out of a fragment that lost its start");
}

#[test]
fn parameter_sets_give_the_cropped_size_and_the_claimed_rate() {
    let ntsc = 30000.0 / 1001.0;
    for (codec, sps, size, fps) in [
        (Codec::H264, H264, (1918, 1078), 25.0),
        (Codec::H265, H265, (1918, 1078), 25.0),
        (Codec::H264, H264_FIELDS, (642, 362), ntsc),
        (Codec::H264, H264_BASELINE, (642, 362), ntsc),
        (Codec::H265, H265_LISTS, (642, 362), ntsc),
    ] {
        let found = picture(codec, &hex(sps)).unwrap();
        assert_eq!(found.size, size, "{sps}");
        assert!((found.fps.unwrap() - fps).abs() < 1e-9, "{sps}: {found:?}");
        let trailing = picture(codec, &[hex("00000001"), hex(sps), vec![0, 0, 0x80, 7]].concat());
        assert_eq!(trailing, Some(found), "start code before, bytes behind");
    }
}

#[test]
fn a_broken_parameter_set_says_nothing_and_a_short_one_keeps_the_size() {
    for codec in [Codec::H264, Codec::H265] {
        let sps = hex(if codec == Codec::H264 { H264 } else { H265 });
        for cut in 0..sps.len() {
            if let Some(found) = picture(codec, &sps[..cut]) {
                assert_eq!(found.size, (1918, 1078), "cut at {cut}");
            }
        }
        assert_eq!(picture(codec, &[]), None);
        assert_eq!(picture(codec, &[0xff; 64]), None);
        assert_eq!(picture(codec, &[&sps[..4], &[0; 60]].concat()), None);
    }
    assert_eq!(picture(Codec::Other, &hex(H264)), None);
}

#[test]
fn a_parameter_set_is_found_single_aggregated_fragmented_and_hidden() {
    let (a, b) = (hex(H264), hex(H265));
    let size = |n: &[u8]| (n.len() as u16).to_be_bytes().to_vec();
    let rest = hex("000001 658880");
    let ways: Vec<(Codec, Vec<Vec<u8>>)> = vec![
        (Codec::H264, vec![a.clone()]),
        (Codec::H264, vec![[vec![0x78], size(&a), a.clone()].concat()]),
        (
            Codec::H264,
            vec![[vec![0x7c, 0x87], a[1..9].to_vec()].concat(), [vec![0x7c, 0x47], a[9..].to_vec()].concat()],
        ),
        (Codec::H264, vec![[a.clone(), rest.clone()].concat()]),
        (Codec::H265, vec![b.clone()]),
        (Codec::H265, vec![[vec![0x60, 1], size(&b), b.clone()].concat()]),
        (
            Codec::H265,
            vec![[vec![0x62, 1, 0xa1], b[2..9].to_vec()].concat(), [vec![0x62, 1, 0x61], b[9..].to_vec()].concat()],
        ),
    ];
    for (codec, payloads) in ways {
        let mut reader = Reader::new(codec).unwrap();
        for payload in &payloads {
            reader.read(payload);
        }
        assert_eq!(reader.picture().map(|p| p.size), Some((1918, 1078)), "{payloads:x?}");
    }
}

#[test]
fn a_parameter_set_that_lost_a_fragment_is_not_read() {
    let sps = hex(H264);
    let mut reader = Reader::new(Codec::H264).unwrap();
    reader.read(&[&[0x7c, 0x87], &sps[1..5]].concat());
    reader.broken();
    reader.read(&[&[0x7c, 0x47], &sps[5..]].concat());
    assert_eq!(reader.picture(), None);
}
