//! Floor 1. Bytes into facts: pure, without I/O, clocks or allocation per packet; fuzzed and benched.

pub mod container;
pub mod exposition;
pub mod fflog;
pub mod h26x;
pub mod hls;
pub mod icmp;
pub mod progress;
pub mod psi;
pub mod record;
pub mod rtp;
pub mod scte35;
pub mod sdp;
pub mod smart;
pub mod tracer;
pub mod ts;
pub mod window;
pub mod x509;

use crate::base::label::Label;

/// What a video track is coded in, as far as packets can be read.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// ITU-T H.264 in RFC 6184 packets.
    H264,
    /// ITU-T H.265 in RFC 7798 packets.
    H265,
    /// Anything else: packets are counted, frames are told apart by timestamp and marker only.
    Other,
}

impl Label for Codec {
    const ALL: &'static [Self] = &[Codec::H264, Codec::H265, Codec::Other];
    fn label(self) -> &'static str {
        match self {
            Codec::H264 => "h264",
            Codec::H265 => "h265",
            Codec::Other => "other",
        }
    }
}
