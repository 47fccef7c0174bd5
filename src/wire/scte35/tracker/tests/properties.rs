//! What holds for every sequence of sections, pictures, jumps and restarts.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Doing {
    Out { id: u32, ahead: i64, duration: Option<(u64, bool)> },
    In { id: u32, ahead: i64 },
    AtOnce { id: u32, out: bool },
    Segment { id: u32, kind: u8, ahead: i64, duration: Option<u64> },
    Cancel { id: u32 },
    Run { frames: u32 },
    Jump { to: u64 },
    Signalled,
    Pause { seconds: u64 },
    Restart,
    Noise(Vec<u8>),
}

fn doing() -> impl Strategy<Value = Doing> {
    let id = 0..6u32;
    let ahead = prop_oneof![-200_000..3_000_000i64, -(1i64 << 32)..1 << 32];
    let duration = || prop_oneof![0..3_000_000u64, 0..clock33::WRAP];
    prop_oneof![
        3 => (id.clone(), ahead.clone(), proptest::option::of((duration(), any::<bool>())))
            .prop_map(|(id, ahead, duration)| Doing::Out { id, ahead, duration }),
        3 => (id.clone(), ahead.clone()).prop_map(|(id, ahead)| Doing::In { id, ahead }),
        1 => (id.clone(), any::<bool>()).prop_map(|(id, out)| Doing::AtOnce { id, out }),
        3 => (id.clone(), 0x30..0x3cu8, ahead, proptest::option::of(duration()))
            .prop_map(|(id, kind, ahead, duration)| Doing::Segment { id, kind, ahead, duration }),
        1 => id.prop_map(|id| Doing::Cancel { id }),
        6 => (0..900u32).prop_map(|frames| Doing::Run { frames }),
        1 => (0..clock33::WRAP).prop_map(|to| Doing::Jump { to: to / 3_600 * 3_600 }),
        1 => Just(Doing::Signalled),
        1 => (0..2000u64).prop_map(|seconds| Doing::Pause { seconds }),
        1 => Just(Doing::Restart),
        1 => proptest::collection::vec(any::<u8>(), 0..80).prop_map(Doing::Noise),
    ]
}

/// Opened and closed so far, by the happenings alone.
#[derive(Default)]
struct Ledger {
    open: std::collections::HashMap<Key, u64>,
}

impl Ledger {
    fn on(&mut self, happenings: &[Happening]) {
        for happening in happenings {
            match happening {
                Happening::Opened { key, .. } => {
                    assert!(self.open.insert(*key, 0).is_none(), "opened twice: {key:?}");
                }
                Happening::Closed { key, .. } => {
                    assert!(self.open.remove(key).is_some(), "closed while not open: {key:?}");
                }
                Happening::Overdue { key, .. } => {
                    let told = self.open.get_mut(key).expect("only an open break is overdue");
                    *told += 1;
                    assert_eq!(*told, 1, "overdue twice: {key:?}");
                }
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn every_break_opens_once_closes_once_and_nothing_grows_without_end(
        start in 0..clock33::WRAP,
        all in proptest::collection::vec(doing(), 1..60),
    ) {
        let mut feed = Feed::at(start / 3_600 * 3_600);
        let mut ledger = Ledger::default();
        for doing in all {
            let at = |feed: &Feed, ahead| Some(clock33::add(feed.pts, ahead));
            let told = match doing {
                Doing::Out { id, ahead, duration } => {
                    let section = insert(id, true, at(&feed, ahead), duration);
                    feed.send(&section)
                }
                Doing::In { id, ahead } => {
                    let section = insert(id, false, at(&feed, ahead), None);
                    feed.send(&section)
                }
                Doing::AtOnce { id, out } => feed.send(&insert(id, out, None, None)),
                Doing::Segment { id, kind, ahead, duration } => {
                    let section = signal(at(&feed, ahead), &segment(id, kind, duration));
                    feed.send(&section)
                }
                Doing::Cancel { id } => feed.send(&cancel(id)),
                Doing::Run { frames } => feed.run(f64::from(frames) / 25.0),
                Doing::Jump { to } => {
                    feed.pts = to;
                    feed.run(0.2)
                }
                Doing::Signalled => {
                    feed.tracker.discontinuity(feed.boot());
                    Vec::new()
                }
                Doing::Pause { seconds } => {
                    feed.pause(seconds * 1_000_000_000);
                    feed.tick()
                }
                Doing::Restart => {
                    let memory = feed.tracker.memory(feed.boot(), feed.wall);
                    prop_assert!(memory.len() < 32 * 1024);
                    let mut tracker = Tracker::new(Policy::default());
                    tracker.restore(&memory, feed.boot(), feed.wall).unwrap();
                    prop_assert_eq!(tracker.memory(feed.boot(), feed.wall), memory);
                    feed.tracker = tracker;
                    Vec::new()
                }
                Doing::Noise(bytes) => feed.send(&bytes),
            };
            ledger.on(&told);
            let [announced, open, overdue] = feed.standing();
            prop_assert_eq!(open + overdue, ledger.open.len() as u64);
            prop_assert_eq!(overdue, ledger.open.values().sum::<u64>());
            prop_assert!(announced + open + overdue <= 64);
            for happening in &told {
                prop_assert!(!happening.to_string().contains("NaN"));
            }
        }
        // A break of unknown length ends at the latest after the longest that is believed.
        feed.pause(7 * 3600 * 1_000_000_000);
        let told = feed.tick();
        ledger.on(&told);
        prop_assert!(ledger.open.is_empty());
    }
}
