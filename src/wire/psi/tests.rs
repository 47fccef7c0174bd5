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
