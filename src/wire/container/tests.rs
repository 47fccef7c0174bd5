use super::*;
use std::convert::Infallible;

fn of(container: Container, bytes: &[u8]) -> Verdict {
    let judged = judge::<Infallible>(container, bytes.len() as u64, &mut |at, into| {
        let rest = &bytes[at as usize..];
        let n = rest.len().min(into.len());
        into[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    });
    judged.unwrap()
}

fn mp4(boxes: &[(&[u8; 4], usize)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, body) in boxes {
        bytes.extend_from_slice(&(8 + *body as u32).to_be_bytes());
        bytes.extend_from_slice(*kind);
        bytes.extend(std::iter::repeat_n(7, *body));
    }
    bytes
}

const PLAIN: [(&[u8; 4], usize); 4] = [(b"ftyp", 24), (b"free", 0), (b"mdat", 5000), (b"moov", 900)];
const PIECES: [(&[u8; 4], usize); 6] =
    [(b"ftyp", 24), (b"moov", 900), (b"moof", 100), (b"mdat", 3000), (b"moof", 100), (b"mdat", 3000)];

#[test]
fn an_mp4_is_whole_when_its_boxes_end_with_it_and_an_index_is_among_them() {
    assert_eq!(of(Container::Mp4, &mp4(&PLAIN)), Verdict::Whole);
    assert_eq!(of(Container::Mp4, &mp4(&PIECES)), Verdict::Whole);
    assert_eq!(of(Container::Mp4, &mp4(&PIECES[2..])), Verdict::Whole, "a segment whose moov is in a file of its own");
    assert_eq!(of(Container::Mp4, &mp4(&PIECES[..2])), Verdict::Empty, "headers only");
    assert_eq!(of(Container::Mp4, &[]), Verdict::Empty);
}

#[test]
fn an_mp4_without_its_end_is_unindexed_when_the_index_stood_there_and_else_truncated() {
    let plain = mp4(&PLAIN);
    for cut in [32 + 8 + 9, 3000, plain.len() - 900, plain.len() - 1] {
        assert_eq!(of(Container::Mp4, &plain[..cut]), Verdict::Unindexed, "{cut}");
    }
    let pieces = mp4(&PIECES);
    for cut in [32 + 908 + 108 + 20, 6000, pieces.len() - 1] {
        assert_eq!(of(Container::Mp4, &pieces[..cut]), Verdict::Truncated, "{cut}");
    }
    assert_eq!(of(Container::Mp4, &plain[..40]), Verdict::Empty, "nothing of the media came");
    // FFmpeg's media box has length 0 until it is done.
    let mut unfinished = plain[..3000].to_vec();
    unfinished[40..44].copy_from_slice(&[0; 4]);
    assert_eq!(of(Container::Mp4, &unfinished), Verdict::Unindexed);
    let zeros = [mp4(&PIECES), vec![0; 4096]].concat();
    assert_eq!(of(Container::Mp4, &zeros), Verdict::Truncated, "zeros after a power cut");
}

#[test]
fn a_length_of_64_bits_is_read_and_an_absurd_one_is_a_cut() {
    let mut bytes = mp4(&[(b"ftyp", 24), (b"moov", 10)]);
    bytes.extend_from_slice(&[0, 0, 0, 1]);
    bytes.extend_from_slice(b"mdat");
    bytes.extend_from_slice(&116_u64.to_be_bytes());
    bytes.extend_from_slice(&[1; 100]);
    assert_eq!(of(Container::Mp4, &bytes), Verdict::Whole);
    let at = bytes.len() - 108;
    bytes[at] = 0xff;
    assert_eq!(of(Container::Mp4, &bytes), Verdict::Truncated);
}

#[test]
fn more_fragments_than_are_walked_are_judged_by_the_index_of_them_at_the_end() {
    let mut boxes: Vec<(&[u8; 4], usize)> = vec![(b"ftyp", 24), (b"moov", 900)];
    boxes.extend(
        std::iter::repeat_n([(b"moof", 10), (b"mdat", 20)].map(|(k, n): (&[u8; 4], usize)| (k, n)), HOPS).flatten(),
    );
    let mut bytes = mp4(&boxes);
    assert_eq!(of(Container::Mp4, &bytes), Verdict::Unjudged);
    bytes.extend_from_slice(&[0, 0, 0, 16, b'm', b'f', b'r', b'o', 0, 0, 0, 0, 0, 0, 0, 16]);
    assert_eq!(of(Container::Mp4, &bytes), Verdict::Whole);
}

fn mkv(clusters: usize, length: Option<usize>) -> Vec<u8> {
    let mut body = vec![0xec, 0x82, 0, 0]; // Void of two bytes
    for _ in 0..clusters {
        body.extend_from_slice(&[0x1f, 0x43, 0xb6, 0x75, 0x40, 100]);
        body.extend_from_slice(&[9; 100]);
    }
    let mut bytes = vec![0x1a, 0x45, 0xdf, 0xa3, 0x84, 1, 2, 3, 4, 0x18, 0x53, 0x80, 0x67];
    match length {
        Some(more) => bytes.extend_from_slice(&((1_u64 << 56) | (body.len() + more) as u64).to_be_bytes()),
        None => bytes.extend_from_slice(&(u64::MAX >> 7).to_be_bytes()),
    }
    [bytes, body].concat()
}

#[test]
fn a_matroska_file_is_whole_when_its_segment_or_its_last_cluster_ends_with_it() {
    assert_eq!(of(Container::Matroska, &mkv(3, Some(0))), Verdict::Whole);
    assert_eq!(of(Container::Matroska, &mkv(3, None)), Verdict::Whole, "a muxer that cannot go back");
    assert_eq!(of(Container::Matroska, &mkv(0, Some(0))), Verdict::Empty);
    assert_eq!(of(Container::Matroska, &mkv(0, None)), Verdict::Empty);
    assert_eq!(of(Container::Matroska, &mkv(3, Some(1))), Verdict::Truncated);
    let unknown = mkv(3, None);
    assert_eq!(of(Container::Matroska, &unknown[..unknown.len() - 1]), Verdict::Truncated);
    assert_eq!(of(Container::Matroska, &unknown[..9]), Verdict::Empty);
    assert_eq!(of(Container::Matroska, b"\x1a\x45\xdf\xa3\x90"), Verdict::Empty, "a head that was cut off");
    let mut endless = mkv(2, None);
    let at = 21 + 4 + 4;
    endless[at..at + 2].copy_from_slice(&[0x7f, 0xff]);
    assert_eq!(of(Container::Matroska, &endless), Verdict::Unjudged, "a cluster that does not say how long it is");
}

#[test]
fn a_transport_stream_has_a_sync_byte_in_its_first_packets_and_in_its_last() {
    for (length, sync) in [(188, 0), (192, 4)] {
        let mut bytes = vec![0; length * 10];
        (0..10).for_each(|n| bytes[n * length + sync] = 0x47);
        assert_eq!(of(Container::Ts, &bytes), Verdict::Whole, "{length}");
        assert_eq!(of(Container::Ts, &bytes[..length]), Verdict::Whole);
        assert_eq!(of(Container::Ts, &bytes[..length * 10 - 1]), Verdict::Truncated);
        assert_eq!(of(Container::Ts, &bytes[..length - 1]), Verdict::Truncated);
        bytes[9 * length + sync] = 0;
        assert_eq!(of(Container::Ts, &bytes), Verdict::Truncated, "zeros at its end");
    }
}

#[test]
fn what_begins_otherwise_than_its_name_says_is_foreign() {
    let all = [Container::Mp4, Container::Matroska, Container::Ts];
    let ts: Vec<u8> = (0..1880).map(|n| if n % 188 == 0 { 0x47 } else { 0xff }).collect();
    for (n, bytes) in [mp4(&PLAIN), mkv(1, None), ts].iter().enumerate() {
        for container in all {
            let verdict = of(container, bytes);
            assert_eq!(verdict == Verdict::Foreign, all[n] != container, "{container:?} {n} {verdict:?}");
        }
    }
    for container in all {
        assert_eq!(of(container, &[0; 4096]), Verdict::Foreign, "{container:?}");
        assert_eq!(of(container, b"{"), Verdict::Foreign, "{container:?}");
    }
}

#[test]
fn a_container_is_told_by_the_ending_of_the_name() {
    for (name, container) in [
        ("a.mp4", Some(Container::Mp4)),
        ("a.MKV", Some(Container::Matroska)),
        ("a.b.m2ts", Some(Container::Ts)),
        ("a.txt", None),
        ("mp4", None),
        (".mp4", None),
    ] {
        assert_eq!(Container::of_name(name), container, "{name}");
    }
}
