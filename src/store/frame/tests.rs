use super::*;
use proptest::prelude::*;

fn cell() -> impl Strategy<Value = Cell> {
    prop_oneof![
        8 => (-5000i64..5000).prop_map(|n| Cell::Value(n as f64 / 10.0)),
        2 => any::<u64>().prop_map(|bits| Cell::Value(f64::from_bits(bits))),
        2 => (0u64..1 << 53).prop_map(|n| Cell::Value(n as f64)),
        1 => Just(Cell::Value(-0.0)),
        1 => Just(Cell::Absent),
        1 => Just(Cell::Ended),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    (any::<u64>(), any::<i64>(), any::<bool>()).prop_map(|(boot_ms, wall_ms, trusted)| Step {
        boot_ms,
        wall_ms,
        trusted,
    })
}

fn frame() -> impl Strategy<Value = Frame> {
    let steps = prop::collection::vec(step(), 0..20);
    (steps, prop::collection::btree_set(any::<u32>().prop_map(|n| n - n / u32::MAX), 0..20)).prop_flat_map(
        |(steps, ids)| {
            let columns: Vec<_> = ids
                .into_iter()
                .map(|series| {
                    prop::collection::vec(cell(), steps.len()).prop_map(move |cells| Column { series, cells })
                })
                .collect();
            columns.prop_map(move |columns| Frame { boot_id: "a-boot".into(), steps: steps.clone(), columns })
        },
    )
}

fn counter(frames: usize) -> Frame {
    let steps = (0..frames as u64).map(|n| Step {
        boot_ms: 70_000 + 5000 * n,
        wall_ms: 1_767_225_600_000 + 5000 * n as i64,
        trusted: true,
    });
    let cells = |series: u32| (0..frames).map(|n| Cell::Value((n as u32 * 125 + series) as f64)).collect();
    let columns = (1..=500).map(|series| Column { series, cells: cells(series) }).collect();
    Frame { boot_id: "a-boot".into(), steps: steps.collect(), columns }
}

proptest! {
    #[test]
    fn a_frame_comes_back_bit_by_bit(frame in frame()) {
        prop_assert_eq!(Frame::decode(&frame.encode()).unwrap(), frame);
    }

    #[test]
    fn a_choice_of_columns_is_what_the_whole_frame_holds_of_them(frame in frame(), odd in 0u32..2) {
        let some = Frame::decode_some(&frame.encode(), |series| series % 2 == odd).unwrap();
        let columns: Vec<_> = frame.columns.into_iter().filter(|c| c.series % 2 == odd).collect();
        prop_assert_eq!(some.columns, columns);
    }

    #[test]
    fn garbage_is_refused_or_read_and_never_breaks_the_reader(
        frame in frame(),
        harm in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut blob = frame.encode();
        for (at, byte) in harm {
            let at = at.index(blob.len());
            blob[at] = byte;
        }
        blob.truncate(cut.index(blob.len()) + 1);
        let _refused = Frame::decode(&blob);
        if blob.len() > 8 {
            // With a checksum that fits, the harm reaches what lies behind it.
            let crc = crc32fast::hash(&blob[8..]).to_le_bytes();
            blob[..4].copy_from_slice(&MAGIC);
            blob[4..8].copy_from_slice(&crc);
            let _refused = Frame::decode(&blob);
        }
    }
}

#[test]
fn one_flipped_bit_is_noticed() {
    let mut blob = counter(12).encode();
    let middle = blob.len() / 2;
    blob[middle] ^= 4;
    assert_eq!(Frame::decode(&blob), Err(Garbled("wrong checksum")));
}

#[test]
fn steady_counters_cost_next_to_nothing() {
    let frame = counter(12);
    assert!(
        (frame.encode().len() as u64) < frame.samples() / 4,
        "{} bytes for {} samples",
        frame.encode().len(),
        frame.samples()
    );
}
