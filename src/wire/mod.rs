//! Floor 1. Bytes into facts: pure, without I/O, clocks or allocation per packet; fuzzed and benched.

pub mod h26x;
pub mod rtp;
pub mod sdp;
