//! What is counted of each element, in a table of fixed size that the hooks add to and the teller reads.
//!
//! All atomics are relaxed: each number is true by itself, and a datagram may hold one from before a buffer and one from
//! after it. A hook that still holds the index of an element that is gone adds to whatever has the slot now; GStreamer
//! unlinks and removes pads before an element can go, so that this needs a program that breaks those rules.

use crate::tracer::{Kind, MOST_ELEMENTS, Numbers, State};
use gstreamer::{Element, glib};
use std::sync::atomic::{
    AtomicU8, AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Pictures that may be on their way through an encoder: x264 looks ahead 60 at most by its presets and holds a few more.
/// Looking through all of them takes 0.1 µs, once per picture.
const ON_THE_WAY: usize = 256;
const NEVER: u64 = u64::MAX;

/// Free, taken but not yet filled, or 2 + the kind.
const FREE: u8 = 0;
const TAKEN: u8 = 1;

/// One number.
#[derive(Default)]
pub struct Count(AtomicU64);

impl Count {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// One direction of an element.
#[derive(Default)]
pub struct Way {
    pub buffers: Count,
    pub bytes: Count,
    /// Tracer time of the last push, ns; 0 is never.
    last: Count,
    /// What to add to a time stamp to get running time (GstSegment: base − start), wrapping.
    pub shift: Count,
}

impl Way {
    pub fn push(&self, ts: u64, buffers: u64, bytes: u64) {
        self.buffers.add(buffers);
        self.bytes.add(bytes);
        self.last.set(ts.max(1));
    }
}

/// When the last pictures went into a video encoder, found again by running time.
struct Passage {
    next: AtomicUsize,
    running: [AtomicU64; ON_THE_WAY],
    since: [AtomicU64; ON_THE_WAY],
}

/// What the teller must know to name an element. The hooks of creation write it, never those of streaming.
#[derive(Default)]
pub struct Who {
    pub element: glib::WeakRef<Element>,
    pub name: String,
    pub factory: String,
}

#[derive(Default)]
pub struct Slot {
    state: AtomicU8,
    pub who: Mutex<Who>,
    pub into: Way,
    pub out: Way,
    pub keys: Count,
    timed: Count,
    timed_ns: Count,
    passage: OnceLock<Box<Passage>>,
    pub width: Count,
    pub height: Count,
    pub qos_processed: Count,
    pub qos_dropped: Count,
    /// 1 once a QOS message came.
    pub qos_seen: Count,
    pub eos: Count,
    pub errors: Count,
    pub warnings: Count,
    pub states: Count,
    /// 1 + position in `State::ALL`; 0 is not known.
    gst_state: AtomicU8,
}

impl Slot {
    /// `None`: nobody is here, or is just moving in.
    pub fn kind(&self) -> Option<Kind> {
        Kind::ALL.get(usize::from(self.state.load(Acquire)).checked_sub(2)?).copied()
    }

    pub fn entered(&self, state: State) {
        self.states.add(1);
        self.gst_state.store(state as u8 + 1, Relaxed);
    }

    pub fn gst_state(&self) -> Option<State> {
        State::ALL.get(usize::from(self.gst_state.load(Relaxed)).checked_sub(1)?).copied()
    }

    /// A picture with time stamp `pts` goes into the encoder.
    pub fn passes_in(&self, pts: u64, ts: u64) {
        if let Some(passage) = self.passage.get() {
            let running = pts.wrapping_add(self.into.shift.get());
            let place = passage.next.fetch_add(1, Relaxed) % ON_THE_WAY;
            passage.since[place].store(ts, Relaxed);
            passage.running[place].store(running, Relaxed);
        }
    }

    /// A coded picture comes out. Encoders may move all time stamps (x264enc by 1000 h) and tell so in the segment, so
    /// that running time is what stays.
    pub fn passes_out(&self, pts: u64, ts: u64) {
        if let Some(passage) = self.passage.get() {
            let running = pts.wrapping_add(self.out.shift.get());
            if let Some(place) = passage.running.iter().position(|known| known.load(Relaxed) == running) {
                passage.running[place].store(NEVER, Relaxed);
                self.timed.add(1);
                self.timed_ns.add(ts.saturating_sub(passage.since[place].load(Relaxed)));
            }
        }
    }

    /// As if nothing had ever been counted.
    fn reset(&self) {
        for way in [&self.into, &self.out] {
            [&way.buffers, &way.bytes, &way.last, &way.shift].iter().for_each(|n| n.set(0));
        }
        let coded = [&self.keys, &self.timed, &self.timed_ns, &self.width, &self.height];
        let qos = [&self.qos_processed, &self.qos_dropped, &self.qos_seen];
        let said = [&self.eos, &self.errors, &self.warnings, &self.states];
        coded.iter().chain(&qos).chain(&said).for_each(|n| n.set(0));
        self.gst_state.store(0, Relaxed);
        if let Some(passage) = self.passage.get() {
            passage.running.iter().for_each(|running| running.store(NEVER, Relaxed));
        }
    }

    /// What is counted, at tracer time `now`.
    pub fn numbers(&self, kind: Kind, now: u64) -> Numbers {
        let some = |n: &Count| Some(n.get());
        let known = |n: &Count| Some(n.get()).filter(|n| *n > 0);
        let mut told = Numbers {
            eos: some(&self.eos),
            errors: some(&self.errors),
            warnings: some(&self.warnings),
            ..Numbers::default()
        };
        told.states = some(&self.states);
        if kind != Kind::Pipeline {
            told.in_buffers = some(&self.into.buffers);
            told.in_bytes = some(&self.into.bytes);
            told.in_age = known(&self.into.last).map(|last| now.saturating_sub(last));
        }
        if !matches!(kind, Kind::Pipeline | Kind::Sink) {
            told.out_buffers = some(&self.out.buffers);
            told.out_bytes = some(&self.out.bytes);
            told.out_age = known(&self.out.last).map(|last| now.saturating_sub(last));
        }
        if kind == Kind::VideoEncoder {
            told.keys = some(&self.keys);
            told.timed = some(&self.timed);
            told.timed_ns = some(&self.timed_ns);
            told.width = known(&self.width);
            told.height = known(&self.height);
        }
        if self.qos_seen.get() > 0 {
            told.qos_processed = some(&self.qos_processed);
            told.qos_dropped = some(&self.qos_dropped);
        }
        told
    }
}

/// All slots of one tracer.
pub struct Table {
    slots: Box<[Slot]>,
    /// Elements that found no slot, since the start.
    pub left_out: Count,
    pub errors: Count,
    pub warnings: Count,
    /// CLOCK_MONOTONIC at tracer time 0, ns; 0 is not known yet.
    pub origin: Count,
}

impl Default for Table {
    fn default() -> Table {
        Table {
            slots: (0..MOST_ELEMENTS).map(|_| Slot::default()).collect(),
            left_out: Count::default(),
            errors: Count::default(),
            warnings: Count::default(),
            origin: Count::default(),
        }
    }
}

impl Table {
    /// The slot with this index, counted from 1; 0 is none.
    pub fn get(&self, index: usize) -> Option<&Slot> {
        self.slots.get(index.checked_sub(1)?)
    }

    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Takes a free slot for an element that was just made; its index, or 0 when all are taken.
    pub fn take(&self, kind: Kind, who: Who) -> usize {
        for (n, slot) in self.slots.iter().enumerate() {
            if slot.state.compare_exchange(FREE, TAKEN, AcqRel, Relaxed).is_err() {
                continue;
            }
            slot.reset();
            *slot.who.lock().unwrap_or_else(PoisonError::into_inner) = who;
            if kind == Kind::VideoEncoder {
                let never = || std::array::from_fn(|_| AtomicU64::new(NEVER));
                slot.passage
                    .get_or_init(|| Box::new(Passage { next: AtomicUsize::new(0), running: never(), since: never() }));
            }
            slot.state.store(kind as u8 + 2, Release);
            return n + 1;
        }
        self.left_out.add(1);
        0
    }

    /// Gives the place of an element that is gone to the next.
    pub fn free(slot: &Slot) {
        slot.state.store(FREE, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn encoder(table: &Table) -> &Slot {
        table.get(table.take(Kind::VideoEncoder, Who::default())).unwrap()
    }

    #[test]
    fn pictures_are_timed_through_an_encoder_that_reorders_them_and_moves_their_time_stamps() {
        let table = Table::default();
        let slot = encoder(&table);
        let far = 3_600_000 * SECOND;
        slot.into.shift.set(0_u64.wrapping_sub(5 * SECOND)); // the segment begins at 5 s
        slot.out.shift.set(0_u64.wrapping_sub(5 * SECOND + far));
        let frame = SECOND / 25;
        // Sixty pictures of look-ahead, and each pair comes out the other way round: 61 frames later or 59.
        for n in 0..1000_u64 {
            slot.passes_in(5 * SECOND + n * frame, n * frame);
            if n >= 60 {
                slot.passes_out(far + 5 * SECOND + ((n - 60) ^ 1) * frame, n * frame);
            }
        }
        let told = slot.numbers(Kind::VideoEncoder, 0);
        assert_eq!(told.timed, Some(940), "{told:?}");
        let mean = told.timed_ns.unwrap() as f64 / told.timed.unwrap() as f64 / frame as f64;
        assert!((59.9..60.1).contains(&mean), "{mean} frames");
    }

    #[test]
    fn a_picture_that_comes_out_twice_or_never_went_in_is_not_timed() {
        let table = Table::default();
        let slot = encoder(&table);
        slot.passes_in(SECOND, 10);
        slot.passes_out(SECOND, 15);
        slot.passes_out(SECOND, 30);
        slot.passes_out(2 * SECOND, 30);
        let told = slot.numbers(Kind::VideoEncoder, 0);
        assert_eq!((told.timed, told.timed_ns), (Some(1), Some(5)));
    }

    #[test]
    fn what_was_never_seen_is_absent_and_what_has_no_meaning_too() {
        let table = Table::default();
        let index = table.take(Kind::Sink, Who::default());
        let slot = table.get(index).unwrap();
        let told = slot.numbers(Kind::Sink, 100);
        assert_eq!((told.in_buffers, told.in_age, told.out_buffers, told.qos_dropped), (Some(0), None, None, None));
        slot.into.push(40, 1, 1316);
        assert_eq!(slot.numbers(Kind::Sink, 100).in_age, Some(60));
    }

    #[test]
    fn a_full_table_counts_who_is_left_out_and_a_place_is_given_again_empty() {
        let table = Table::default();
        let all: Vec<_> = (0..MOST_ELEMENTS).map(|_| table.take(Kind::Queue, Who::default())).collect();
        assert!(all.iter().all(|index| *index > 0));
        assert_eq!((table.take(Kind::Queue, Who::default()), table.left_out.get()), (0, 1));
        let slot = table.get(all[7]).unwrap();
        slot.into.push(1, 1, 1);
        slot.entered(State::Playing);
        Table::free(slot);
        assert_eq!(slot.kind(), None);
        assert_eq!(table.take(Kind::Sink, Who::default()), all[7]);
        assert_eq!(slot.numbers(Kind::Sink, 9).in_buffers, Some(0));
        assert_eq!((slot.kind(), slot.gst_state()), (Some(Kind::Sink), None));
    }
}
