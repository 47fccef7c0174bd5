//! Anything FFmpeg could say, as progress and as log: no panic, cutting it differently changes nothing, and what follows
//! from reports stays within what it can be. The first byte is the size of the parts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use vedette::base::clock::Boot;
use vedette::base::label::Label;
use vedette::wire::fflog::{Log, Meaning};
use vedette::wire::progress::{Pace, Parser};

fuzz_target!(|bytes: &[u8]| {
    let Some((size, bytes)) = bytes.split_first() else { return };
    let (mut whole, mut cut) = (Vec::new(), Vec::new());
    let (mut one, mut many) = (Parser::default(), Parser::default());
    one.feed(bytes, &mut |report| whole.push(report));
    let parts = bytes.chunks(usize::from(*size).max(1));
    parts.clone().for_each(|part| many.feed(part, &mut |report| cut.push(report)));
    assert_eq!((&whole, one.unreadable()), (&cut, many.unreadable()));

    let (mut pace, mut at) = (Pace::default(), Boot::from_secs(1));
    for report in whole {
        at = at.plus(Duration::from_millis(u64::from(*size) * 10));
        let before = pace.counts();
        pace.on(at, report);
        let (counts, rates) = (pace.counts(), pace.rates(at));
        assert!(counts.frames >= before.frames && counts.bytes >= before.bytes);
        assert!(pace.advanced().is_some_and(|advanced| advanced <= at));
        for rate in [rates.fps, rates.bitrate, rates.speed].into_iter().flatten() {
            assert!(rate.is_finite() && rate >= 0.0);
        }
    }

    let (mut log, mut same) = (Log::default(), Log::default());
    log.feed(bytes);
    parts.for_each(|part| same.feed(part));
    assert!(Meaning::ALL.iter().all(|meaning| log.count(*meaning) == same.count(*meaning)));
});
