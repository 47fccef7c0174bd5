//! Any bytes: no panic, no count that falls, no gauge that is not a number, nothing told twice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vedette::base::clock::Boot;
use vedette::base::label::Label;
use vedette::wire::ts::{Indicator, Listener, Monitor, Options, Role, Section, Timebase, Unit, clock33, rtp_payload};

#[derive(Default)]
struct Heard {
    sections: u64,
    units: u64,
}

impl Listener for Heard {
    fn section(&mut self, section: &Section<'_>) {
        assert!((3..=4098).contains(&section.bytes.len()));
        assert!(section.stc.is_none_or(|stc| stc < clock33::WRAP));
        self.sections += 1;
    }
    fn access_unit(&mut self, unit: &Unit) {
        assert!(unit.pts < clock33::WRAP && unit.dts < clock33::WRAP);
        self.units += 1;
    }
}

fuzz_target!(|bytes: &[u8]| {
    let [control, step, rest @ ..] = bytes else { return };
    let timebase = if control & 1 == 0 { Timebase::Arrival } else { Timebase::Stream };
    let mut monitor = Monitor::new(Options { priority3: control & 2 != 0, timebase });
    let mut heard = Heard::default();
    let mut at = 10_000_000_000u64;
    let mut before = monitor.counts();
    let mut rest = rest.to_vec();
    vedette_fuzz::repair(&mut rest);
    for part in rest.chunks(usize::from(control >> 2) * 30 + 1) {
        at += u64::from(*step) * 1_000_000;
        monitor.feed(part, Boot::from_nanos(at), &mut heard);
        if *step == 77 && part.len() % 3 == 0 {
            monitor.restart();
        }
        monitor.idle(Boot::from_nanos(at));
        let now = monitor.counts();
        assert!(Indicator::ALL.iter().all(|i| now.of(*i) >= before.of(*i)));
        assert!(Role::ALL.iter().all(|r| now.role(*r).packets >= before.role(*r).packets));
        assert!(now.keyframes <= now.frames + now.audio_units);
        before = now;
        rtp_payload(part);
    }
    // A programme has four owners' places on a PID at most.
    assert!(heard.units <= 4 * (before.frames + before.audio_units + before.packets()));
    let facts = monitor.facts(Boot::from_nanos(at));
    let gauges = [facts.bitrate, facts.net_bitrate].into_iter().chain(facts.programs.iter().flat_map(|p| {
        let video = p.streams.iter().filter_map(|s| s.video).flat_map(|v| [v.fps, v.keyframe_interval, v.declared_fps]);
        let own = [p.bitrate, p.pcr_interval, p.pcr_jitter];
        own.into_iter().chain(video).chain(p.streams.iter().map(|s| s.bitrate)).collect::<Vec<_>>()
    }));
    for gauge in gauges.flatten() {
        assert!(gauge.is_finite() && gauge >= 0.0, "{facts:?}");
    }
});
