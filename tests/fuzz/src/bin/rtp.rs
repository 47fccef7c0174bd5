//! Any sequence of packets: no panic, no count that falls, no gauge that is not a number.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vedette::wire::rtp::{Codec, Flow};

fuzz_target!(|bytes: &[u8]| {
    let Some((codec, bytes)) = bytes.split_first() else { return };
    let mut flow = Flow::new([Codec::H264, Codec::H265, Codec::Other][usize::from(codec % 3)], 90_000);
    if codec & 0x40 != 0 {
        flow.parameters(bytes);
    }
    let mut before = flow.counts();
    vedette_fuzz::packets(bytes, |seen| {
        flow.on(seen);
        let now = flow.counts();
        assert!(now.frames >= before.frames && now.frames_dropped >= before.frames_dropped);
        assert!(now.packets + now.foreign == before.packets + before.foreign + 1);
        assert!(now.keyframes <= now.frames && now.frames <= now.packets);
        assert!(now.frames_dropped <= now.packets + now.packets_lost);
        let facts = flow.facts(seen.at);
        for gauge in [facts.fps, facts.bitrate, facts.jitter, facts.since_keyframe, facts.keyframe_interval].into_iter().flatten() {
            assert!(gauge.is_finite() && gauge >= 0.0, "{facts:?}");
        }
        assert!(facts.resolution.is_none_or(|(w, h)| w > 0 && h > 0));
        before = now;
    });
});
