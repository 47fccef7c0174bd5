//! What a section may cost in memory.

use crate::generate::Dice;
use crate::{generate, sections};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use vedette::base::clock::Boot;
use vedette::wire::scte35::{Policy, Tracker, decode};

/// Counts what the asking thread allocates, so that tests do not disturb each other.
struct Counting;

thread_local!(static ALLOCATED: Cell<Allocated> = const { Cell::new(Allocated { times: 0, largest: 0, sum: 0 }) });

#[derive(Copy, Clone, Debug, Default, PartialEq)]
struct Allocated {
    times: u64,
    /// Bytes at once, and all together.
    largest: usize,
    sum: usize,
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.with(|a| {
            let Allocated { times, largest, sum } = a.get();
            a.set(Allocated { times: times + 1, largest: largest.max(layout.size()), sum: sum + layout.size() });
        });
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What `work` allocates.
fn allocated(work: impl FnOnce()) -> Allocated {
    ALLOCATED.with(|a| a.set(Allocated::default()));
    work();
    ALLOCATED.with(Cell::get)
}

/// Bytes at once, per section.
const MOST: usize = 8192;

#[test]
fn what_is_allocated_is_seen() {
    let seen = |work: fn()| allocated(work);
    assert_eq!(seen(|| ()), Allocated::default());
    assert_eq!(seen(|| drop(Box::new([0u8; 9000]))), Allocated { times: 1, largest: 9000, sum: 9000 });
    let grown = seen(|| (0..9000u16).for_each(|n| drop(vec![0u8; usize::from(n)])));
    assert_eq!((grown.times, grown.largest), (8999, 8999));
}

/// As many segments as are followed, with the longest names that fit.
fn busiest() -> Vec<u8> {
    let one = |id: u8| {
        let upid = [&[0x0f, 100][..], &[0x80 | id; 100]].concat();
        [&b"\x02\x73CUEI\0\0\0"[..], &[id, 0x7f, 0xbf], &upid, &[0x34, 1, 1]].concat()
    };
    let descriptors: Vec<u8> = (0..34).flat_map(one).collect();
    let length = 11 + 5 + 2 + descriptors.len() + 4;
    let head = [0xfc, 0x30 | (length >> 8) as u8, length as u8, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xf0, 5, 6];
    let mut section = [&head[..], &[0xfe, 0, 0x10, 0, 0], &(descriptors.len() as u16).to_be_bytes()].concat();
    section.extend(descriptors);
    section.extend(vedette::wire::psi::crc32_mpeg(&section).to_be_bytes());
    section
}

/// As long as a section can be, full of descriptors.
fn longest(dice: &mut Dice) -> Vec<u8> {
    let mut section = generate::section(dice);
    section.truncate(4096);
    section.resize_with(4096, || (dice.roll() & 0x07) as u8);
    section[1] = 0x3f;
    section[2] = 0xfd;
    section[11] &= 0xf0;
    section[12] = 0;
    section[13] = 0;
    section[14] = 0x0f;
    section[15] = 0xe4;
    section
}

#[test]
fn decoding_allocates_nothing_and_following_little() {
    let mut dice = Dice(8);
    let long: Vec<_> = (0..200).map(|_| longest(&mut dice)).collect();
    let mut tracker = Tracker::new(Policy::default());
    let (mut n, mut peak, mut sum) = (0, 0, 0);
    assert!(
        decode(&busiest()).crc_ok && decode(&busiest()).segmentations().filter(|s| s.detail.is_some()).count() == 34
    );
    for section in sections(20_000).chain(long).chain([busiest()]) {
        let times = allocated(|| {
            let decoded = decode(&section);
            std::hint::black_box(decoded.segmentations().count());
        });
        assert_eq!(times, Allocated::default(), "{section:02x?}");
        n += 1;
        let decoded = decode(&section);
        let mut out = Vec::new();
        let most = allocated(|| {
            tracker.section(&decoded, Boot::from_secs(n), 0, Some(n * 90_000), Some(n * 90_000), &mut out);
        });
        (peak, sum) = (peak.max(most.largest), sum.max(most.sum));
        assert!(most.largest <= MOST, "{most:?} for {section:02x?}");
    }
    println!("by the tracker for one section: {peak} bytes at once, {sum} in all");
}
