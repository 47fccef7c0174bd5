//! Any session description: no panic, and what is believed is within its bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vedette::wire::{h26x, sdp};

fuzz_target!(|bytes: &[u8]| {
    for track in sdp::video(bytes) {
        assert!(track.payload_type < 128 && track.clock_hz > 0);
        assert!(track.framerate.is_none_or(|f| f > 0.0 && f <= 1000.0));
        if let Some(sps) = &track.sps {
            h26x::picture(track.codec, sps);
        }
    }
});
