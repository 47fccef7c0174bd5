//! Successive versions of one media playlist, held against each other (RFC 8216 sections 6.2.1, 6.2.2, 6.3.4).

use super::breaks::{self, Breaks, CueFault};
use super::cue::{Act, Cue, Style};
use super::defect::{Defect, Defects};
use super::parse::{Kind, Media, Segment};
use super::range::Range;
use crate::base::clock::Boot;
use crate::base::label::Label;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops;
use std::time::Duration;

/// Without a new segment for so many target durations a live playlist is stalled (6.2.2).
const STALL: f64 = 1.5;
/// Segments may be taken off the front while so many target durations stay (6.2.2).
const WINDOW: f64 = 3.0;
/// The target duration of a playlist that does not say it, seconds: the value that the authoring guides ask for.
const TARGET: u64 = 6;
/// Happenings told per version at most; a hostile playlist does not fill an event log.
const MOST_TOLD: usize = 32;

/// Since the judge was made. All only grow.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Counts {
    /// Segments that were added while we watched.
    pub segments: u64,
    /// Segments that were added and taken away again between two looks.
    pub unseen: u64,
    /// EXT-X-DISCONTINUITY in front of added segments.
    pub discontinuities: u64,
    /// Times the playlist stopped getting segments.
    pub stalls: u64,
    /// By [`Defect`]: once per segment or date range, and once each time it comes up in the playlist as a whole.
    pub defects: [u64; Defect::ALL.len()],
    /// By [`Style`] and [`Act`], in added segments and date ranges.
    pub cues: [[u64; Act::ALL.len()]; Style::ALL.len()],
    /// By [`CueFault`].
    pub cue_faults: [u64; CueFault::ALL.len()],
}

impl Counts {
    /// Takes the counts of another judge in.
    pub fn add(&mut self, other: &Counts) {
        self.segments += other.segments;
        self.unseen += other.unseen;
        self.discontinuities += other.discontinuities;
        self.stalls += other.stalls;
        add(&mut self.defects, &other.defects);
        add(&mut self.cue_faults, &other.cue_faults);
        self.cues.iter_mut().zip(&other.cues).for_each(|(a, b)| add(a, b));
    }
}

fn add(to: &mut [u64], from: &[u64]) {
    to.iter_mut().zip(from).for_each(|(a, b)| *a += b);
}

/// What holds now.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Target duration, seconds; 6 where the playlist does not say.
    pub target: u64,
    /// Number of the last segment; `None` when there is none.
    pub newest: Option<u64>,
    /// Seconds of all segments.
    pub window: f64,
    /// Since a segment was last added, or since the first look.
    pub age: Duration,
    /// No segment for 1.5 target durations, and none needed to come: never after EXT-X-ENDLIST.
    pub stalled: bool,
    /// When the last segment ends by the playlist's dates, ms since the Unix epoch.
    pub edge: Option<i64>,
    /// EXT-X-ENDLIST.
    pub ended: bool,
    /// A break is going on, by any style.
    pub break_open: bool,
    /// A break should have ended.
    pub break_overdue: bool,
}

/// Something for the event log.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// A cue came; the number of its segment, where it has one.
    Cue(Cue, Option<u64>),
    Fault(CueFault, Style),
    Defect(Defect),
}

/// What a version brought.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Step {
    /// Positions of the segments that were not there before.
    pub fresh: ops::Range<usize>,
    /// The numbering began anew: what was known of segments is forgotten.
    pub restarted: bool,
    /// At most 32.
    pub told: Vec<Told>,
}

/// What is remembered of a segment.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    /// Of URI, byte range and duration.
    digest: u64,
    discontinuity: bool,
}

#[derive(Debug)]
struct Last {
    target: Option<u64>,
    sequence: u64,
    discontinuity_sequence: u64,
    segments: Vec<Seen>,
    ended: bool,
    window: f64,
    edge: Option<i64>,
}

impl Last {
    fn next(&self) -> u64 {
        self.sequence.saturating_add(self.segments.len() as u64)
    }
    /// The segment of that number.
    fn at(&self, number: u64) -> Option<&Seen> {
        self.segments.get(usize::try_from(number.checked_sub(self.sequence)?).ok()?)
    }
}

/// Watches one media playlist.
#[derive(Debug, Default)]
pub struct Judge {
    last: Option<Last>,
    /// Defects of the last version as a whole.
    standing: Defects,
    /// Date ranges of the last version, with what was found wrong with their breaks.
    ranges: Vec<(Range, Vec<CueFault>)>,
    breaks: Breaks,
    moved: Boot,
    stalled: bool,
    counts: Counts,
    told: Vec<Told>,
}

impl Judge {
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Takes the next version, fetched at `at`.
    pub fn on(&mut self, media: &Media<'_>, at: Boot) -> Step {
        let seen: Vec<Seen> = media.segments.iter().map(seen).collect();
        let first = self.last.is_none();
        let mut standing = media.defects;
        let mut events = Defects::default();
        let (mut fresh, mut restarted, mut moved) = (0..seen.len(), false, true);
        if let Some(last) = &self.last {
            let step = compare(last, media, &seen, &mut events);
            (fresh, restarted) = (step.fresh, step.restarted);
            moved = restarted || !fresh.is_empty() || (media.end && !last.ended);
            self.counts.unseen += step.unseen;
            let short = !media.end && media.kind == Kind::Live && media.window() < WINDOW * self.target(media) as f64;
            let taken = media.sequence > last.sequence && !restarted;
            if short && (taken || self.standing.has(Defect::WindowShort)) {
                standing.add(Defect::WindowShort);
            }
        }
        for defect in standing.beyond(self.standing).iter().chain(events.iter()) {
            self.defect(defect);
        }
        if events.has(Defect::SequenceBack) && !restarted {
            // A mirror that lags: what is known from a newer version stays known.
            self.stall(media, false, at);
            return Step { told: std::mem::take(&mut self.told), ..Step::default() };
        }
        self.standing = standing;
        if restarted {
            self.breaks = Breaks::default();
        }
        self.segments(media, fresh.clone(), first || restarted);
        self.date_ranges(media, first || restarted);
        self.stall(media, moved, at);
        self.last = Some(Last {
            target: media.target,
            sequence: media.sequence,
            discontinuity_sequence: media.discontinuity_sequence,
            ended: media.end,
            window: media.window(),
            edge: media.segments.last().and_then(|s| Some(breaks::ends(s.date?, s))),
            segments: seen,
        });
        Step { fresh, restarted, told: std::mem::take(&mut self.told) }
    }

    /// `None` until there was a version.
    pub fn facts(&self, now: Boot) -> Option<Facts> {
        let last = self.last.as_ref()?;
        let going = |range: &Range| {
            let over = range.ends().is_some_and(|end| last.edge.is_none_or(|edge| end <= edge));
            range.out.is_some() && range.r#in.is_none() && !over
        };
        let overdue = |(range, faults): &(Range, Vec<CueFault>)| going(range) && faults.contains(&CueFault::NoReturn);
        Some(Facts {
            target: last.target.unwrap_or(TARGET),
            newest: last.next().checked_sub(1).filter(|_| !last.segments.is_empty()),
            window: last.window,
            age: now.since(self.moved),
            stalled: self.stalled,
            edge: last.edge,
            ended: last.ended,
            break_open: self.breaks.open() || self.ranges.iter().any(|(range, _)| going(range)),
            break_overdue: self.breaks.overdue() || self.ranges.iter().any(overdue),
        })
    }

    fn target(&self, media: &Media<'_>) -> u64 {
        media.target.or(self.last.as_ref().and_then(|l| l.target)).unwrap_or(TARGET)
    }

    /// Segments that were not there before. With `history` they were there before us: their breaks are taken up, and
    /// nothing is counted but what is wrong with them.
    fn segments(&mut self, media: &Media<'_>, fresh: ops::Range<usize>, history: bool) {
        for (n, segment) in media.segments.iter().enumerate().take(fresh.end).skip(fresh.start) {
            for defect in segment.defects.iter() {
                self.defect(defect);
            }
            let mut faults = Vec::new();
            self.breaks.segment(segment, |fault, style| faults.push((fault, style)));
            if history {
                continue;
            }
            self.counts.segments += 1;
            self.counts.discontinuities += u64::from(segment.discontinuity);
            for cue in &segment.cues {
                self.cue(cue.clone(), Some(media.sequence.saturating_add(n as u64)));
            }
            for (fault, style) in faults {
                self.cue_fault(fault, style);
            }
        }
    }

    fn date_ranges(&mut self, media: &Media<'_>, history: bool) {
        let target = self.target(media);
        let mut before = std::mem::take(&mut self.ranges);
        for range in &media.ranges {
            let old = before.iter().position(|(b, _)| b.id == range.id).map(|n| before.swap_remove(n));
            let mut range = range.clone();
            if old.as_ref().is_some_and(|(b, _)| b.conflicts(&range) || b.defects.has(Defect::RangeConflict)) {
                range.defects.add(Defect::RangeConflict);
            }
            let known = old.as_ref().map(|(b, _)| b.defects).unwrap_or_default();
            for defect in range.defects.beyond(known).iter() {
                self.defect(defect);
            }
            let had = |act: Act| {
                old.as_ref().is_some_and(|(b, _)| match act {
                    Act::Out => b.out.is_some(),
                    Act::In => b.r#in.is_some(),
                    Act::Command | Act::Continue => b.command.is_some(),
                })
            };
            for cue in range.cues().filter(|cue| !history && !had(cue.act)) {
                self.cue(cue, None);
            }
            let mut faults = old.map(|(_, faults)| faults).unwrap_or_default();
            for fault in breaks::range_faults(&range, &media.segments, target) {
                if !faults.contains(&fault) {
                    faults.push(fault);
                    if !history {
                        self.cue_fault(fault, Style::DateRange);
                    }
                }
            }
            self.ranges.push((range, faults));
        }
    }

    fn stall(&mut self, media: &Media<'_>, moved: bool, at: Boot) {
        if moved {
            (self.moved, self.stalled) = (at, false);
        }
        let bound = Duration::from_secs(self.target(media)).mul_f64(STALL);
        let late = !media.end && media.kind != Kind::Vod && at.since(self.moved) > bound;
        self.counts.stalls += u64::from(late && !self.stalled);
        self.stalled = late;
    }

    fn cue(&mut self, cue: Cue, number: Option<u64>) {
        self.counts.cues[cue.style as usize][cue.act as usize] += 1;
        // A break that goes on is told once, by its begin.
        if cue.act != Act::Continue {
            self.tell(Told::Cue(cue, number));
        }
    }

    /// Also for what the stream in the segments tells ([`super::Cross`]).
    pub fn cue_fault(&mut self, fault: CueFault, style: Style) {
        self.counts.cue_faults[fault as usize] += 1;
        self.tell(Told::Fault(fault, style));
    }

    fn defect(&mut self, defect: Defect) {
        self.counts.defects[defect as usize] += 1;
        self.tell(Told::Defect(defect));
    }

    fn tell(&mut self, told: Told) {
        // One defect in a hundred segments is told once.
        if self.told.len() < MOST_TOLD && !(matches!(told, Told::Defect(_)) && self.told.contains(&told)) {
            self.told.push(told);
        }
    }
}

fn seen(segment: &Segment<'_>) -> Seen {
    let mut hasher = DefaultHasher::new();
    segment.uri.hash(&mut hasher);
    segment.range.map(|r| (r.length, r.offset)).hash(&mut hasher);
    ((segment.duration * 1000.0) as u64).hash(&mut hasher);
    Seen { digest: hasher.finish(), discontinuity: segment.discontinuity }
}

#[derive(Default)]
struct Compared {
    fresh: ops::Range<usize>,
    restarted: bool,
    unseen: u64,
}

/// Holds the next version against the last one.
fn compare(last: &Last, media: &Media<'_>, seen: &[Seen], events: &mut Defects) -> Compared {
    let (old_next, new_next) = (last.next(), media.next());
    if matches!((last.target, media.target), (Some(a), Some(b)) if a != b) {
        events.add(Defect::TargetChanged);
    }
    if last.ended && (new_next != old_next || !media.end) {
        events.add(Defect::ChangedAfterEnd);
    }
    if media.sequence < last.sequence {
        events.add(Defect::SequenceBack);
        // A mirror that lags shows segments we know; an encoder that started over shows none.
        let known = |n: usize| last.at(media.sequence.saturating_add(n as u64)) == Some(&seen[n]);
        if !(0..seen.len()).any(known) {
            return Compared { fresh: 0..seen.len(), restarted: true, unseen: 0 };
        }
    }
    let overlap = media.sequence.max(last.sequence)..new_next.min(old_next);
    let position = |number: u64| (number - media.sequence) as usize;
    let differs = |number: &u64| last.at(*number).map(|s| s.digest) != seen.get(position(*number)).map(|s| s.digest);
    if overlap.clone().any(|number| differs(&number)) {
        // The same segments under other numbers: the front was cut off without counting.
        let shifted = seen.first().and_then(|s| last.segments.iter().position(|old| old.digest == s.digest));
        if let (Some(shifted), Some(newest)) = (shifted, last.segments.last())
            && last.sequence.saturating_add(shifted as u64) != media.sequence
        {
            events.add(Defect::Renumbered);
            let known = seen.iter().rposition(|s| s.digest == newest.digest).map_or(0, |n| n + 1);
            return Compared { fresh: known..seen.len(), ..Compared::default() };
        }
        events.add(Defect::SegmentChanged);
    }
    if new_next < old_next && media.sequence >= last.sequence {
        events.add(Defect::SegmentWithdrawn);
    }
    let unseen = media.sequence.saturating_sub(old_next);
    if media.sequence >= last.sequence && unseen == 0 {
        let taken = last.segments.iter().take((media.sequence - last.sequence) as usize);
        let expected = last.discontinuity_sequence.saturating_add(taken.filter(|s| s.discontinuity).count() as u64);
        if media.discontinuity_sequence != expected {
            events.add(Defect::DiscontinuitySequence);
        }
    }
    let known = old_next.saturating_sub(media.sequence).min(seen.len() as u64) as usize;
    Compared { fresh: known..seen.len(), restarted: false, unseen }
}
