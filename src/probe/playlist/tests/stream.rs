//! Segments with a transport stream in them, made by hand: one video access unit per second and cue sections.

use super::*;
use crate::wire::psi::crc32_mpeg;

/// SCTE 35 2023r1 section 14.2: out of the network at 0x07369c02e.
const OUT: &str = "/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo=";
/// Its splice time, 90 kHz.
const SPLICE: u64 = 0x0_7369_c02e;

fn packet(pid: u16, counter: &mut u8, payload: &[u8]) -> Vec<u8> {
    let stuffing = 184 - payload.len();
    let control = 0x10 | if stuffing > 0 { 0x20 } else { 0 } | (*counter & 0x0f);
    *counter = counter.wrapping_add(1);
    let mut bytes = vec![0x47, 0x40 | (pid >> 8) as u8, pid as u8, control];
    if stuffing > 0 {
        bytes.push(stuffing as u8 - 1);
        bytes.extend((stuffing > 1).then_some(0));
        bytes.resize(188 - payload.len(), 0xff);
    }
    bytes.extend(payload);
    bytes
}

/// A section in a packet of its own: pointer_field, the section with its CRC.
fn table(head: &[u8]) -> Vec<u8> {
    [&[0], head, &crc32_mpeg(head).to_be_bytes()[..]].concat()
}

#[derive(Default)]
struct Muxer([u8; 4]);

impl Muxer {
    /// Six seconds from `pts` on, with that section at its begin.
    fn segment(&mut self, pts: u64, section: Option<&[u8]>) -> Vec<u8> {
        let [pat, pmt, video, cue] = &mut self.0;
        let programs = table(&[0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe1, 0]);
        let streams = table(&[
            2, 0xb0, 29, 0, 1, 0xc1, 0, 0, 0xe1, 1, 0xf0, 6, 5, 4, b'C', b'U', b'E', b'I', 0x02, 0xe1, 1, 0xf0, 0,
            0x86, 0xe1, 0xf4, 0xf0, 0,
        ]);
        let mut bytes = [packet(0x100, pmt, &streams)].concat();
        bytes.splice(0..0, packet(0, pat, &programs));
        if let Some(section) = section {
            bytes.extend(packet(0x1f4, cue, &[&[0], section].concat()));
        }
        for second in 0..6 {
            let p = pts + second * 90_000;
            let stamp = [
                0x21 | (p >> 29) as u8 & 0x0e,
                (p >> 22) as u8,
                1 | (p >> 14) as u8,
                (p >> 7) as u8,
                1 | (p << 1) as u8,
            ];
            let picture = [0, 0, 1, 0xb3, 20, 0, 15, 0x23, 0, 0, 1, 0xb8, 0, 8, 0, 0x40, 0, 0, 1, 0, 0, 8];
            let pes = [&[0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5][..], &stamp, &picture, &[0, 0, 1, 1]].concat();
            bytes.extend(packet(0x101, video, &pes));
        }
        bytes
    }
}

/// A playlist that grows by a segment per round; the section is in segment 11, its splice point begins segment 13, and
/// `tags` stand before that.
async fn watched(tags: &str) -> BTreeMap<String, f64> {
    let (net, mut muxer) = (Script::default(), Muxer::default());
    let section = base64::decode(OUT).unwrap();
    let segments: BTreeMap<u64, Vec<u8>> = (5..20)
        .map(|n| (n, muxer.segment(SPLICE + n * 540_000 - 13 * 540_000, (n == 11).then_some(&section[..]))))
        .collect();
    let version = |first: u64| {
        let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
        for n in first..first + 5 {
            text.push_str(if n == 13 { tags } else { "" });
            text.push_str(&format!("#EXTINF:6.0,\n{n}.ts\n"));
            serve(&net, &format!("{n}.ts"), segments[&n].clone());
        }
        serve(&net, "index.m3u8", text);
    };
    version(5);
    let mut rig = rig("", &net);
    let mut page = rig.page().await;
    for first in 6..15 {
        version(first);
        page = rig.after(6.0).await;
    }
    page
}

#[tokio::test]
async fn the_sections_in_the_segments_are_held_against_the_tags() {
    let fault = |page: &BTreeMap<String, f64>, kind: &str| page[&format!("hls_cue_faults_total{{kind=\"{kind}\"}}")];
    let page = watched("").await;
    assert_eq!(page["hls_segment_cues_total{act=\"out\"}"], 1.0);
    assert_eq!((fault(&page, "stream_only"), fault(&page, "not_at_boundary")), (1.0, 0.0));
    assert_eq!(page["hls_segment_errors_total{indicator=\"continuity_count\"}"], 0.0);
    let page = watched(&format!("#EXT-OATCLS-SCTE35:{OUT}\n#EXT-X-CUE-OUT:60.3\n")).await;
    assert_eq!((fault(&page, "stream_only"), fault(&page, "payload_differs")), (0.0, 0.0));
    let page = watched("#EXT-OATCLS-SCTE35:/DAWAAAAAAAA///wBQb+AAAAAAAAAAAAAA==\n#EXT-X-CUE-OUT:60.3\n").await;
    assert_eq!((fault(&page, "stream_only"), fault(&page, "payload_differs")), (0.0, 1.0));
}
