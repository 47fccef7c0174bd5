//! What a section may cost in memory.

use crate::generate::Dice;
use crate::{generate, sections};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use vedette::base::clock::Boot;
use vedette::wire::scte35::{Policy, Tracker, decode};

/// Counts what the asking thread allocates, so that tests do not disturb each other.
struct Counting;

thread_local!(static ALLOCATED: Cell<(u64, usize)> = const { Cell::new((0, 0)) });

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.with(|a| a.set((a.get().0 + 1, a.get().1.max(layout.size()))));
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

/// How often and at most how much at once `work` allocates.
fn allocated(work: impl FnOnce()) -> (u64, usize) {
    ALLOCATED.with(|a| a.set((0, 0)));
    work();
    ALLOCATED.with(Cell::get)
}

/// Bytes at once, per section.
const MOST: usize = 8192;

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
    let (mut n, mut peak) = (0, 0);
    for section in sections(20_000).chain(long) {
        let (times, _) = allocated(|| {
            let decoded = decode(&section);
            std::hint::black_box(decoded.segmentations().count());
        });
        assert_eq!(times, 0, "{section:02x?}");
        n += 1;
        let decoded = decode(&section);
        let mut out = Vec::new();
        let (_, most) = allocated(|| {
            tracker.section(&decoded, Boot::from_secs(n), 0, Some(n * 90_000), Some(n * 90_000), &mut out);
        });
        peak = peak.max(most);
        assert!(most <= MOST, "{most} bytes at once for {section:02x?}");
    }
    println!("the largest allocation for one section: {peak} bytes, by the tracker");
}
