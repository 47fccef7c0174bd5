//! Any succession of playlists: no panic, what is read is within its bounds, no count that falls.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vedette::base::clock::Boot;
use vedette::wire::hls::{Cross, Judge, MOST_SEGMENTS, Playlist, parse};

fuzz_target!(|bytes: &[u8]| {
    let (mut judge, mut cross) = (Judge::default(), Cross::default());
    let mut before = judge.counts().clone();
    // Versions are separated by a byte that no text has.
    for (n, version) in bytes.split(|b| *b == 0xff).enumerate() {
        let Ok(Playlist::Media(media)) = parse(version) else { continue };
        assert!(media.segments.len() <= MOST_SEGMENTS && media.window().is_finite());
        let at = Boot::from_secs(10 + n as u64 * 4);
        let step = judge.on(&media, at);
        assert!(step.fresh.end <= media.segments.len() && step.told.len() <= 32);
        let now = judge.counts().clone();
        assert!(now.segments >= before.segments && now.stalls >= before.stalls && now.unseen >= before.unseen);
        assert!(now.defects.iter().zip(&before.defects).all(|(a, b)| a >= b));
        before = now;
        let facts = judge.facts(at).unwrap();
        assert!(facts.window >= 0.0 && facts.target > 0);
        for (position, segment) in media.segments.iter().enumerate().take(100) {
            let number = media.sequence.saturating_add(position as u64);
            for cue in &segment.cues {
                cross.written(cue, number);
                if let Some(section) = &cue.section {
                    cross.heard(section, cue.act, Some(number & 0x1_ffff_ffff), number);
                }
            }
            cross.read(number, Some((number << 17) & 0x1_ffff_ffff), |_, _| {});
        }
    }
});
