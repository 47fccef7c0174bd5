//! Rates, advance and totals out of a run of reports and our own clock.

use super::Report;
use crate::base::clock::Boot;
use std::time::Duration;

/// Rates look back this far.
const WINDOW: Duration = Duration::from_secs(10);
/// Below this span a rate says nothing.
const LEAST: Duration = Duration::from_secs(1);
/// Reports closer together than this share a mark, so that [`MARKS`] of them span the window at any report period.
const APART: Duration = Duration::from_millis(250);
/// 10 s of marks, the one before the window, and the newest.
const MARKS: usize = 42;
/// Beyond two report periods and this, reports are late, and the time since the last one counts as time without frames.
const GRACE: Duration = Duration::from_millis(250);

#[derive(Copy, Clone, Debug)]
struct Mark {
    at: Boot,
    report: Report,
}

/// Counts over all runs since we look. What a run had done before its first report that we saw is not in them.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub reports: u64,
    pub frames: u64,
    pub duplicated: u64,
    pub dropped: u64,
    pub bytes: u64,
}

/// Of the last 10 s; each `None` while the reports do not carry its count or span less than a second.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Rates {
    /// Frames per second.
    pub fps: Option<f64>,
    /// Bit per second of output file 0.
    pub bitrate: Option<f64>,
    /// Media time over our time: 1 keeps up with a live input.
    pub speed: Option<f64>,
}

/// Follows one encoder over its runs.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    /// Oldest first, of the current run only.
    marks: Vec<Mark>,
    last: Option<Mark>,
    /// Between the last two reports.
    period: Duration,
    /// The first report of this run with a media time.
    first: Option<(Boot, i64)>,
    advanced: Option<Boot>,
    wrote: Option<Boot>,
    counts: Counts,
}

impl Pace {
    /// A report came. One that goes back, or follows an end, begins a new run.
    pub fn on(&mut self, at: Boot, report: Report) {
        let again = self.last.is_some_and(|last| another_run(&last.report, &report));
        if again {
            let before = std::mem::take(self);
            self.counts = before.counts;
        }
        // Of a run that was there before us only what it does from now on is counted.
        let before = match self.last {
            Some(last) => last.report,
            None if again => Report::default(),
            None => report,
        };
        let add = |total: &mut u64, was: Option<u64>, is: Option<u64>| {
            *total += is.unwrap_or(0).saturating_sub(was.unwrap_or(0));
        };
        self.counts.reports += 1;
        add(&mut self.counts.frames, before.frames, report.frames);
        add(&mut self.counts.duplicated, before.duplicated, report.duplicated);
        add(&mut self.counts.dropped, before.dropped, report.dropped);
        add(&mut self.counts.bytes, before.bytes, report.bytes);

        if self.last.is_none_or(|last| further(&last.report, &report)) {
            self.advanced = Some(at);
        }
        if self.last.is_none_or(|last| report.bytes > last.report.bytes) {
            self.wrote = Some(at);
        }
        if let Some(last) = self.last {
            self.period = at.since(last.at);
        }
        if let (None, Some(media)) = (self.first, report.media_us) {
            self.first = Some((at, media));
        }
        let mark = Mark { at, report };
        self.last = Some(mark);
        if self.marks.last().is_none_or(|mark| at.since(mark.at) >= APART) {
            if self.marks.len() == MARKS {
                self.marks.remove(0);
            }
            self.marks.push(mark);
        }
    }

    /// The newest report, and when it came.
    pub fn last(&self) -> Option<(Boot, Report)> {
        self.last.map(|mark| (mark.at, mark.report))
    }

    /// When the encoder last got something done: a frame, or without video media time, or without both bytes. The first
    /// report of a run counts as such.
    pub fn advanced(&self) -> Option<Boot> {
        self.advanced
    }

    /// When bytes were last put out, as far as reports tell; the first report of a run counts as such.
    pub fn wrote(&self) -> Option<Boot> {
        self.wrote
    }

    /// How far the output's media time fell behind our clock since the first report of this run, seconds. Negative when
    /// it runs ahead, as it does for a file.
    pub fn lag(&self) -> Option<f64> {
        let ((from, begun), last) = (self.first?, self.last?);
        let media = last.report.media_us?.checked_sub(begun)?;
        Some(last.at.since(from).as_secs_f64() - media as f64 / 1e6)
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The rates of the 10 s before `now`. Without reports they sink to 0: what nobody told of is not counted.
    pub fn rates(&self, now: Boot) -> Rates {
        let (Some(last), Some(oldest)) = (self.last, self.marks.first()) else { return Rates::default() };
        let edge = |mark: &&Mark| now.since(mark.at) >= WINDOW;
        let base = self.marks.iter().rev().find(edge).unwrap_or(oldest);
        let late = now.since(last.at) > self.period.min(WINDOW) * 2 + GRACE;
        let span = if late { now } else { last.at }.since(base.at);
        if span < LEAST {
            return Rates::default();
        }
        let rate = |n: Option<f64>| n.map(|n| n / span.as_secs_f64());
        let grown = |was: Option<u64>, is: Option<u64>| Some(is?.checked_sub(was?)? as f64);
        let media = |was: Option<i64>, is: Option<i64>| Some(is?.checked_sub(was?)? as f64 / 1e6);
        Rates {
            fps: rate(grown(base.report.frames, last.report.frames)),
            bitrate: rate(grown(base.report.bytes, last.report.bytes).map(|bytes| bytes * 8.0)),
            speed: rate(media(base.report.media_us, last.report.media_us).map(|us| us.max(0.0))),
        }
    }
}

/// The leading count went back, or the run before was over.
fn another_run(last: &Report, next: &Report) -> bool {
    let back = match (last.frames, next.frames) {
        (Some(was), Some(is)) => is < was,
        // Media time alone may step back a little when streams are interleaved.
        _ => last.media_us.zip(next.media_us).is_some_and(|(was, is)| is.saturating_add(1_000_000) < was),
    };
    last.end || back
}

fn further(last: &Report, next: &Report) -> bool {
    match (last.frames, next.frames) {
        (Some(was), Some(is)) => is > was,
        _ => match (last.media_us, next.media_us) {
            (Some(was), Some(is)) => is > was,
            _ => next.bytes > last.bytes || next.media_us > last.media_us || next.frames > last.frames,
        },
    }
}
