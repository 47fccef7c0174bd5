//! An encoder's output against its input: does every cue come out, in time, at the same place of the programme, and where
//! splicers look?
//!
//! Both streams have clocks of their own, so what is compared is how far ahead of its splice point a cue travels: an
//! encoder that delays pictures and not cues, or the other way round, moves that by its own delay at most. Once one cue
//! came through, the step from input to output times is known exactly, and the next ones are held to it.

use crate::base::clock::Boot;
use crate::base::label::Label;
use crate::metric::cues::{Cues, Key, Marker, Standing};
use crate::metric::note::Note;
use crate::wire::ts::clock33;
use std::collections::VecDeque;
use std::time::Duration;

/// Markers remembered on each side. Cues come by the minute.
const KEPT: usize = 64;
/// The same marker within this is a repeat of it, even where it was matched already.
const REPEATED: Duration = Duration::from_secs(600);
/// An encoder that rounds times to its frames is off by one of them: 2 frames at 24 per second, ticks.
const ROUNDED: i64 = 7_500;

/// What became of a cue between input and output.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Outcome {
    Passed,
    /// It did not come out within the latency.
    Lost,
    /// It came out with less than the pre-roll that it went in with, and that is asked for.
    Late,
    /// Its time no longer points to the same place of the programme.
    Retimed,
    /// It came out in a private stream, where no splicer looks (FFmpeg does that).
    Private,
}

impl Label for Outcome {
    const ALL: &'static [Self] = &[Outcome::Passed, Outcome::Lost, Outcome::Late, Outcome::Retimed, Outcome::Private];
    fn label(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Lost => "lost",
            Outcome::Late => "late",
            Outcome::Retimed => "retimed",
            Outcome::Private => "private",
        }
    }
}

impl Outcome {
    fn note(self) -> Option<&'static str> {
        match self {
            Outcome::Passed => None,
            Outcome::Lost => Some("scte35.encoder_lost"),
            Outcome::Late => Some("scte35.encoder_late"),
            Outcome::Retimed => Some("scte35.encoder_retimed"),
            Outcome::Private => Some("scte35.encoder_private"),
        }
    }
}

struct Held {
    marker: Marker,
    matched: bool,
}

/// Markers of one side, each once.
#[derive(Default)]
struct Side(VecDeque<Held>);

impl Side {
    /// False for a repeat.
    fn add(&mut self, marker: Marker) -> bool {
        let known = |held: &Held| {
            held.marker.key == marker.key
                && held.marker.target == marker.target
                && held.marker.disguised == marker.disguised
                && marker.at.since(held.marker.at) <= REPEATED
        };
        if self.0.iter().any(known) {
            return false;
        }
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Held { marker, matched: false });
        true
    }

    fn open(&mut self, key: Key) -> Option<&mut Held> {
        self.0.iter_mut().find(|held| !held.matched && held.marker.key == key)
    }
}

pub(super) struct Compare {
    input: String,
    latency: Duration,
    /// Seconds of pre-roll that are asked for.
    preroll: f64,
    seen: u64,
    before: Side,
    after: Side,
    /// Ticks from input to output times, and the jumps of both clocks when that was learned.
    step: Option<(i64, [u64; 2])>,
    counts: [u64; Outcome::ALL.len()],
    /// The input has cues in its tables and the output has not.
    pub(super) pid_lost: Option<bool>,
}

impl Compare {
    pub(super) fn new(input: String, latency: Duration, preroll: Duration) -> Compare {
        Compare {
            input,
            latency,
            preroll: preroll.as_secs_f64(),
            seen: 0,
            before: Side::default(),
            after: Side::default(),
            step: None,
            counts: Default::default(),
            pid_lost: None,
        }
    }

    pub(super) fn count(&self, outcome: Outcome) -> u64 {
        self.counts[outcome as usize]
    }

    /// Takes in what came out of the encoder since the last call, and what went in meanwhile.
    pub(super) fn step(&mut self, now: Boot, cues: &Cues, own: Standing, out: &[Marker], notes: &mut Vec<Note>) {
        let input = cues.standing(&self.input).unwrap_or_default();
        for marker in cues.since(&self.input, &mut self.seen) {
            self.before.add(marker);
        }
        let jumps = [input.jumps, own.jumps];
        if self.step.is_some_and(|(_, then)| then != jumps) {
            self.step = None;
        }
        for marker in out {
            self.after.add(*marker);
        }
        for n in 0..self.after.0.len() {
            if !self.after.0[n].matched {
                self.pair(n, jumps, now, notes);
            }
        }
        self.give_up(now, own, notes);
        let both = input.receiving.is_some() && own.receiving.is_some();
        self.pid_lost = both.then_some(input.cue_pids > 0 && own.cue_pids == 0);
    }

    /// Looks for what went in as the `n`th marker that came out.
    fn pair(&mut self, n: usize, jumps: [u64; 2], now: Boot, notes: &mut Vec<Note>) {
        let after = self.after.0[n].marker;
        let Some(held) = self.before.open(after.key) else { return };
        let before = held.marker;
        held.matched = true;
        self.after.0[n].matched = true;
        let outcome = self.judge(&before, &after, jumps);
        self.tell(outcome, &before, Some(&after), now, notes);
    }

    fn judge(&mut self, before: &Marker, after: &Marker, jumps: [u64; 2]) -> Outcome {
        if after.disguised {
            return Outcome::Private;
        }
        if before.target.is_some() != after.target.is_some() {
            return Outcome::Retimed;
        }
        if let (Some(went_in), Some(came_out)) = (before.target, after.target) {
            let step = clock33::diff(went_in, came_out);
            if self.astray(before, after) {
                return Outcome::Retimed;
            }
            let learned = self.step.replace((step, jumps));
            if learned.is_some_and(|(learned, _)| (step - learned).abs() > ROUNDED) {
                return Outcome::Retimed;
            }
        }
        let short = |marker: &Marker| marker.preroll.is_some_and(|preroll| preroll < self.preroll);
        if short(after) && !short(before) { Outcome::Late } else { Outcome::Passed }
    }

    /// The distances to the splice point, each against its own stream's pictures, differ by more than an encoder delays.
    fn astray(&self, before: &Marker, after: &Marker) -> bool {
        let ahead = |marker: &Marker| Some(clock33::diff(marker.pts?, marker.target?));
        let (Some(before), Some(after)) = (ahead(before), ahead(after)) else { return false };
        clock33::seconds((after - before).abs()) > self.latency.as_secs_f64()
    }

    /// What did not come out in time is lost, if the output was there all the while.
    fn give_up(&mut self, now: Boot, own: Standing, notes: &mut Vec<Note>) {
        for n in 0..self.before.0.len() {
            let held = &mut self.before.0[n];
            if held.matched || now.since(held.marker.at) <= self.latency {
                continue;
            }
            held.matched = true;
            let marker = held.marker;
            if own.receiving.is_some_and(|since| since <= marker.at) {
                self.tell(Outcome::Lost, &marker, None, now, notes);
            }
        }
    }

    fn tell(&mut self, outcome: Outcome, before: &Marker, after: Option<&Marker>, now: Boot, notes: &mut Vec<Note>) {
        self.counts[outcome as usize] += 1;
        let Some(kind) = outcome.note() else { return };
        let ticks = |marker: &Marker| marker.target.map(|target| target as i64);
        notes.push(
            Note::new(kind, now)
                .with("input", self.input.as_str())
                .with("event_id", i64::from(before.key.event))
                .with("splice_command_type", i64::from(before.key.command))
                .maybe("segmentation_type_id", before.key.segmentation.map(i64::from))
                .with("out", before.key.out)
                .with("cancel", before.key.cancel)
                .maybe("input_pts_ticks", ticks(before))
                .maybe("output_pts_ticks", after.and_then(ticks))
                .maybe("input_preroll_seconds", before.preroll)
                .maybe("output_preroll_seconds", after.and_then(|after| after.preroll)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATENCY: Duration = Duration::from_secs(10);

    fn marker(event: u32, target: u64, pts: u64, at: u64) -> Marker {
        let key = Key { command: 5, segmentation: None, event, out: true, cancel: false };
        let preroll = Some(clock33::seconds(clock33::diff(pts, target)));
        Marker { key, target: Some(target), pts: Some(pts), preroll, disguised: false, at: Boot::from_secs(at) }
    }

    struct Pair(Cues, Compare, Vec<Note>);

    impl Pair {
        fn new() -> Pair {
            let compare = Compare::new("in".into(), LATENCY, Duration::from_secs(4));
            let pair = Pair(Cues::default(), compare, Vec::new());
            pair.0.stand("in", standing(1, 0));
            pair
        }
        fn input(&self, marker: Marker) {
            self.0.post("in", marker);
        }
        fn output(&mut self, at: u64, own: Standing, markers: &[Marker]) {
            self.1.step(Boot::from_secs(at), &self.0, own, markers, &mut self.2);
        }
        fn counts(&self) -> [u64; 5] {
            self.1.counts
        }
    }

    fn standing(cue_pids: usize, jumps: u64) -> Standing {
        Standing { receiving: Some(Boot::from_secs(1)), cue_pids, jumps }
    }

    const S: u64 = 90_000;

    #[test]
    fn a_cue_that_comes_out_restamped_with_the_pictures_has_passed_whoever_was_heard_first() {
        let mut pair = Pair::new();
        pair.input(marker(7, 20 * S, 14 * S, 100));
        pair.output(101, standing(1, 0), &[]);
        pair.output(102, standing(1, 0), &[marker(7, 3620 * S, 3614 * S, 102)]);
        assert_eq!(pair.counts(), [1, 0, 0, 0, 0]);
        pair.output(110, standing(1, 0), &[marker(8, 3630 * S, 3624 * S, 110)]);
        pair.input(marker(8, 30 * S, 24 * S, 110));
        pair.output(111, standing(1, 0), &[]);
        assert_eq!(pair.counts(), [2, 0, 0, 0, 0]);
        // Repeats on either side are nothing new.
        pair.input(marker(8, 30 * S, 26 * S, 112));
        pair.output(112, standing(1, 0), &[marker(8, 3630 * S, 3626 * S, 112)]);
        pair.output(140, standing(1, 0), &[]);
        assert_eq!((pair.counts(), pair.2.len(), pair.1.pid_lost), ([2, 0, 0, 0, 0], 0, Some(false)));
    }

    #[test]
    fn a_cue_that_does_not_come_out_is_lost_unless_there_was_no_output_at_all() {
        let mut pair = Pair::new();
        pair.input(marker(7, 20 * S, 14 * S, 100));
        pair.output(110, standing(0, 0), &[]);
        assert_eq!(pair.counts(), [0; 5]);
        pair.output(111, standing(0, 0), &[]);
        assert_eq!((pair.counts(), pair.1.pid_lost), ([0, 1, 0, 0, 0], Some(true)));
        assert_eq!(pair.2[0].kind, "scte35.encoder_lost");
        pair.input(marker(8, 30 * S, 24 * S, 120));
        pair.output(131, Standing { receiving: Some(Boot::from_secs(125)), ..standing(1, 0) }, &[]);
        pair.input(marker(9, 40 * S, 34 * S, 140));
        pair.output(151, Standing { receiving: None, ..standing(1, 0) }, &[]);
        assert_eq!((pair.counts(), pair.1.pid_lost), ([0, 1, 0, 0, 0], None));
    }

    #[test]
    fn times_that_were_left_behind_when_the_pictures_were_restamped_are_told() {
        let mut pair = Pair::new();
        pair.input(marker(7, 3620 * S, 3614 * S, 100));
        pair.output(101, standing(1, 0), &[marker(7, 3620 * S, 15 * S, 101)]);
        assert_eq!(pair.counts(), [0, 0, 0, 1, 0]);
        pair.input(marker(8, 3630 * S, 3624 * S, 110));
        pair.output(111, standing(1, 0), &[marker(8, 3630 * S, 25 * S, 111)]);
        assert_eq!(pair.counts(), [0, 0, 0, 2, 0], "a step that makes no sense is not learned");
    }

    #[test]
    fn once_one_cue_has_passed_the_next_is_held_to_its_step_until_a_clock_jumps() {
        let mut pair = Pair::new();
        let pass = |pair: &mut Pair, event, step: u64, jumps, at| {
            pair.input(marker(event, 20 * S, 14 * S, at));
            pair.output(at, standing(1, jumps), &[marker(event, 20 * S + step, 14 * S + step, at)]);
            pair.counts()
        };
        assert_eq!(pass(&mut pair, 1, 100, 0, 100), [1, 0, 0, 0, 0]);
        assert_eq!(pass(&mut pair, 2, 100 + 3600, 0, 110), [2, 0, 0, 0, 0], "one frame");
        assert_eq!(pass(&mut pair, 3, 2 * S, 0, 120), [2, 0, 0, 1, 0]);
        assert_eq!(pass(&mut pair, 4, 7 * S, 1, 130), [3, 0, 0, 1, 0], "the output began a new clock");
    }

    #[test]
    fn a_cue_that_lost_its_pre_roll_inside_is_late_and_one_without_any_is_not() {
        let mut pair = Pair::new();
        pair.input(marker(1, 20 * S, 14 * S, 100));
        pair.output(104, standing(1, 0), &[marker(1, 20 * S, 18 * S, 104)]);
        pair.input(marker(2, 30 * S, 28 * S, 110));
        pair.output(111, standing(1, 0), &[marker(2, 30 * S, 29 * S, 111)]);
        assert_eq!(pair.counts(), [1, 0, 1, 0, 0]);
    }

    #[test]
    fn a_cue_in_a_private_stream_is_not_passed_on() {
        let mut pair = Pair::new();
        pair.input(marker(1, 20 * S, 14 * S, 100));
        pair.output(101, standing(0, 0), &[Marker { disguised: true, ..marker(1, 20 * S, 14 * S, 101) }]);
        assert_eq!((pair.counts(), pair.2[0].kind), ([0, 0, 0, 0, 1], "scte35.encoder_private"));
    }
}
