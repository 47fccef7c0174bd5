//! What a session description (RFC 8866) says of its video tracks beyond what the RTSP library keeps.
//!
//! Reads as far as it can: a line that makes no sense is passed over, a track without a known encoding is
//! [`Codec::Other`]. Attributes are taken wherever a camera puts them inside the media section.

use super::Codec;
use crate::base::base64;

/// RTP clock of video where nothing else is said (RFC 3551 section 5, RFC 6184 section 8.2.1), in hertz.
const VIDEO_CLOCK: u32 = 90_000;
/// Tracks, and bytes of one parameter set, beyond which a description is not believed.
const MOST_TRACKS: usize = 64;
const LONGEST_SET: usize = 4096;

/// One `m=video` section.
#[derive(Clone, Debug, PartialEq)]
pub struct Video {
    /// Position among all m= lines, audio and others included, from 0.
    pub index: usize,
    pub codec: Codec,
    /// Encoding name of `a=rtpmap` as written, at most 32 characters; empty where there is none.
    pub encoding: String,
    /// The first payload type of the m= line, which is the one in use.
    pub payload_type: u8,
    /// Of the RTP timestamps, in hertz.
    pub clock_hz: u32,
    /// `a=framerate` (RFC 8866 section 6.13), frames per second.
    pub framerate: Option<f64>,
    /// The first sequence parameter set of `sprop-parameter-sets` (RFC 6184) or `sprop-sps` (RFC 7798), NAL header
    /// included.
    pub sps: Option<Vec<u8>>,
    /// `a=x-dimensions` or `a=framesize` (3GPP TS 26.234), width and height in pixels.
    pub dimensions: Option<(u32, u32)>,
    /// `b=AS` (RFC 8866 section 5.8), kilobit per second.
    pub bandwidth: Option<u32>,
}

/// The video tracks of a session description, in the order of their m= lines.
pub fn video(sdp: &[u8]) -> Vec<Video> {
    let text = String::from_utf8_lossy(sdp);
    let mut tracks: Vec<Video> = Vec::new();
    let mut sections = 0;
    let mut in_video = false;
    for line in text.split(['\n', '\r']).map(str::trim) {
        let Some((kind, value)) = line.split_once('=') else { continue };
        let value = value.trim();
        match kind {
            "m" => {
                let track = media(sections, value).filter(|_| tracks.len() < MOST_TRACKS);
                sections += 1;
                in_video = track.is_some();
                tracks.extend(track);
            }
            "a" | "b" if in_video => {
                if let Some(track) = tracks.last_mut() {
                    attribute(track, value);
                }
            }
            _ => {}
        }
    }
    tracks
}

/// `video 0 RTP/AVP 96 97`.
fn media(index: usize, value: &str) -> Option<Video> {
    let mut words = value.split_whitespace();
    if !words.next()?.eq_ignore_ascii_case("video") {
        return None;
    }
    let payload_type: u8 = words.nth(2)?.parse().ok().filter(|pt| *pt < 128)?;
    Some(Video {
        index,
        codec: Codec::Other,
        encoding: String::new(),
        payload_type,
        clock_hz: VIDEO_CLOCK,
        framerate: None,
        sps: None,
        dimensions: None,
        bandwidth: None,
    })
}

/// One `a=` or `b=` value.
fn attribute(track: &mut Video, value: &str) {
    let Some((name, value)) = value.split_once(':') else { return };
    let value = value.trim();
    match name.trim().to_ascii_lowercase().as_str() {
        "rtpmap" => {
            let Some(map) = own(track, value) else { return };
            let mut parts = map.split('/').map(str::trim);
            track.encoding = parts.next().unwrap_or("").chars().take(32).collect();
            track.codec = match track.encoding.to_ascii_uppercase().as_str() {
                "H264" => Codec::H264,
                "H265" | "HEVC" => Codec::H265,
                _ => Codec::Other,
            };
            if let Some(hz) = parts.next().and_then(|hz| hz.parse().ok()).filter(|hz| *hz > 0) {
                track.clock_hz = hz;
            }
        }
        "fmtp" => {
            let Some(parameters) = own(track, value) else { return };
            let sets = parameters.split(';').filter_map(|p| p.split_once('='));
            let found = sets.filter_map(|(name, value)| parameter_set(name.trim(), value.trim())).next();
            track.sps = found.or(track.sps.take());
        }
        "framerate" => track.framerate = value.parse().ok().filter(|f| (0.01..=1000.0).contains(f)).or(track.framerate),
        "x-dimensions" => track.dimensions = size(value, ',').or(track.dimensions),
        "framesize" => track.dimensions = own(track, value).and_then(|v| size(v, '-')).or(track.dimensions),
        "as" => track.bandwidth = value.parse().ok().or(track.bandwidth),
        _ => {}
    }
}

/// What follows the payload type, if that is the one in use.
fn own<'a>(track: &Video, value: &'a str) -> Option<&'a str> {
    let (payload_type, rest) = value.split_once(char::is_whitespace)?;
    (payload_type.parse() == Ok(track.payload_type)).then(|| rest.trim())
}

fn size(text: &str, by: char) -> Option<(u32, u32)> {
    let (width, height) = text.split_once(by)?;
    let side = |s: &str| s.trim().parse().ok().filter(|n| (1..=65_535).contains(n));
    Some((side(width)?, side(height)?))
}

/// The first set of a comma-separated list that is a sequence parameter set.
fn parameter_set(name: &str, value: &str) -> Option<Vec<u8>> {
    let is_sps: fn(&[u8]) -> bool = match name.to_ascii_lowercase().as_str() {
        "sprop-parameter-sets" => |set| set.first().is_some_and(|b| b & 0x1f == 7),
        "sprop-sps" => |set| set.len() > 2 && set[0] >> 1 & 0x3f == 33,
        _ => return None,
    };
    let texts = value.split(',').map(|set| set.trim().trim_matches('"')).filter(|text| text.len() <= LONGEST_SET);
    texts.filter_map(base64::decode).find(|set| {
        // Some cameras leave the start code in.
        let bare = set.strip_prefix(&[0, 0, 0, 1]).unwrap_or(set);
        is_sps(bare)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::h26x::picture;

    const HIKVISION_LIKE: &[u8] = b"v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=Media Presentation\r\nb=AS:5100\r\n\
        m=audio 0 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n\
        m=video 0 RTP/AVP 96\r\nb=AS:5000\r\na=recvonly\r\na=x-dimensions:1920,1080\r\na=framerate:25.0\r\n\
        a=rtpmap:96 H264/90000\r\n\
        a=fmtp:96 profile-level-id=640028; packetization-mode=1; sprop-parameter-sets=Z2QAKKzZQHgCJ6mwEQAAAwABAAADADIPGDGW,aO48gA==\r\n\
        m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\na=framerate:9\r\n";

    #[test]
    fn a_camera_description_gives_codec_clock_rate_size_and_parameter_set() {
        let [track] = video(HIKVISION_LIKE).try_into().unwrap();
        assert_eq!((track.index, track.codec, track.payload_type, track.clock_hz), (1, Codec::H264, 96, 90_000));
        assert_eq!((track.framerate, track.dimensions, track.bandwidth), (Some(25.0), Some((1920, 1080)), Some(5000)));
        assert_eq!(picture(track.codec, &track.sps.unwrap()).unwrap().size, (1918, 1078));
    }

    #[test]
    fn h265_two_tracks_and_odd_writing_are_read() {
        let sdp = b"m=video 0 RTP/AVP 98 99\na=rtpmap:99 H264/90000\na=rtpmap:98  h265/90000 \n\
            a=fmtp:98 sprop-vps=QAEMAf//; sprop-sps=QgEBAWAAAAMAkAAAAwAAAwB4oAPAgBDnVZZWaSTK8BaAgAAAAwCAAAAMhA==; sprop-pps=RAHA\n\
            m=VIDEO 5004 RTP/AVP 26\na=framesize:26 640-480\na=framerate: 12.5\nb = AS:9\n";
        let [one, two] = video(sdp).try_into().unwrap();
        assert_eq!((one.index, one.codec, one.payload_type), (0, Codec::H265, 98));
        assert_eq!(picture(one.codec, &one.sps.unwrap()).unwrap().size, (1918, 1078));
        assert_eq!((two.index, two.codec, two.encoding.as_str(), two.clock_hz), (1, Codec::Other, "", 90_000));
        assert_eq!((two.framerate, two.dimensions), (Some(12.5), Some((640, 480))));
    }

    #[test]
    fn nonsense_is_passed_over() {
        let sdp = b"m=video\nm=video 0 RTP/AVP x\nm=video 0 RTP/AVP 200\nm=video 0 RTP/AVP 96\na=rtpmap:96\n\
            a=rtpmap:96 H264/0\na=fmtp:96\na=fmtp:96 sprop-parameter-sets=!!,Z2QA\xff,,aO48gA==;=;\na=framerate:nan\n\
            a=framerate:-1\na=x-dimensions:0,5\na=framesize:97 1-1\n\xff\xfe=\n=\na=";
        let [track] = video(sdp).try_into().unwrap();
        assert_eq!((track.index, track.codec, track.clock_hz), (3, Codec::H264, 90_000));
        assert_eq!((track.framerate, track.dimensions, track.sps, track.bandwidth), (None, None, None, None));
        assert_eq!(video(b""), []);
    }
}
