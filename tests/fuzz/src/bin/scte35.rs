//! Any bytes as sections among pictures, ticks, jumps and restarts: no panic, no break that ends without having begun,
//! nothing that grows without end, no allocation by the decoder, and none above 8 KiB by the tracker.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use vedette::base::clock::Boot;
use vedette::wire::psi::crc32_mpeg;
use vedette::wire::scte35::{Descriptor, Happening, Policy, Tracker, decode};
use vedette::wire::ts::{Medium, RandomAccess, clock33};

/// The system's allocator, which remembers the largest request.
struct Counting;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
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

/// The largest allocation by `work`, in bytes; 0 for none.
fn allocated(work: impl FnOnce()) -> usize {
    LARGEST.store(0, Ordering::Relaxed);
    work();
    LARGEST.load(Ordering::Relaxed)
}

/// Bytes at once, per section.
const MOST: usize = 8192;

/// Everything that can be asked of a section.
fn look(section: &[u8]) {
    let decoding = allocated(|| {
        black_box(decode(section).segmentations().count());
    });
    assert_eq!(decoding, 0);
    let decoded = decode(section);
    assert!(!decoded.crc_ok || decoded.header.is_some() || section.len() < 14);
    for descriptor in decoded.descriptors {
        if let Descriptor::Segmentation(s) = descriptor {
            if let Some(detail) = s.detail {
                assert!(detail.upid.to_string().len() <= 4096);
                black_box(detail.components.map_or(0, |c| c.count()));
            }
        }
        black_box(&descriptor);
    }
    black_box(decoded.defects.to_string());
}

fuzz_target!(|bytes: &[u8]| {
    look(bytes);
    let mut tracker = Tracker::new(Policy { any_in_closes: bytes.len() % 2 == 1, ..Policy::default() });
    let (mut at, mut pts, mut rest) = (1u64 << 40, clock33::WRAP - 900_000, bytes);
    let mut out = Vec::new();
    let mut open = 0u64;
    // One letter and its operand after the other; `S` and `s` take a length and a section, signed anew or as it is.
    while let [letter, operand, tail @ ..] = rest {
        rest = tail;
        let boot = Boot::from_nanos(at);
        match letter {
            b'S' | b's' => {
                let (section, tail) = rest.split_at(usize::from(*operand).min(rest.len()));
                rest = tail;
                let mut section = section.to_vec();
                if let (b'S', Some((body, crc))) = (letter, section.split_last_chunk_mut::<4>()) {
                    *crc = crc32_mpeg(body).to_be_bytes();
                }
                let (wall, stc) = ((at / 1_000_000) as i64, clock33::add(pts, -63_000));
                let following = allocated(|| {
                    tracker.section(&decode(&section), boot, wall, Some(stc), Some(pts), &mut out);
                });
                assert!(following <= MOST, "{following} bytes at once");
            }
            b'd' => tracker.discontinuity(boot),
            b'j' => pts = clock33::add(pts, i64::from(*operand as i8) << 26),
            b't' => {
                at += u64::from(*operand) * 10_000_000_000;
                tracker.tick(boot, &mut out);
            }
            b'm' => {
                let wall = (at / 1_000_000) as i64;
                let memory = tracker.memory(boot, wall);
                assert!(memory.len() <= 32 * 1024);
                tracker = Tracker::new(Policy::default());
                tracker.restore(&memory, boot, wall).expect("its own memory");
            }
            _ => {
                for _ in 0..*operand % 32 {
                    let kind = if pts % 50 == 0 { RandomAccess::Idr } else { RandomAccess::None };
                    let medium = if *letter == b'a' { Medium::Audio } else { Medium::Video };
                    pts = clock33::add(pts, 3_600);
                    at += 40_000_000;
                    tracker.access_unit(pts, medium, kind, Boot::from_nanos(at), &mut out);
                }
            }
        }
        for happening in out.drain(..) {
            match happening {
                Happening::Opened { .. } => open += 1,
                Happening::Closed { .. } => open = open.checked_sub(1).expect("closed what was not open"),
                _ => {}
            }
            black_box(happening.to_string());
        }
        let state = tracker.state(Boot::from_nanos(at));
        assert_eq!(state.open + state.overdue, open);
        assert!(state.announced + open <= 64);
    }
});
