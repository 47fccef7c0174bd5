//! What is told of an encoder each second: everything that follows from what was said and seen.

use super::fault::Fault;
use super::tally::missing;
use super::watch::{GRACE, Watch};
use crate::base::clock::{Boot, Now, Window};
use crate::base::label::Label;
use crate::metric::note::Note;
use crate::metric::report::{NoData, Report};
use crate::probe::Tap;
use crate::wire::fflog::Meaning;
use crate::wire::progress::Rates;
use crate::world::process::Look;
use std::time::Duration;

/// Without a byte for this long an encoder does not write: muxers hand on their buffers every few seconds.
const IDLE: Duration = Duration::from_secs(10);
/// A report younger than this shows that a process is there that we cannot see.
const FRESH: Duration = Duration::from_secs(5);

impl Watch {
    /// When the encoder will be stalled unless something comes.
    pub(super) fn due(&self) -> Option<Boot> {
        let due = self.pace.advanced()?.plus(self.plan.stall);
        (due > self.clock.boot()).then_some(due)
    }

    /// The counters from 0, and what the configuration says.
    pub(super) fn open(&mut self, tap: &Tap) {
        let mut report = self.report(&self.clock.now());
        let (program, resolution) = (self.plan.program.label(), self.plan.resolution.clone());
        report.info(self.sheet.info, Some(vec![program.to_owned(), resolution]));
        self.counts(&mut report);
        tap.send(report);
    }

    /// Takes back what may not stand when nobody looks any more.
    pub(super) fn withdraw(&mut self, tap: &Tap) {
        // What is read vanishes by its age; what may be shorter is taken back at once.
        let mut report = self.report(&self.clock.now());
        for series in [self.sheet.up, self.sheet.advancing, self.sheet.writing, self.sheet.fps] {
            report.reading(series, Err(NoData::Stale));
        }
        self.look = None;
        tap.send(report);
    }

    fn report(&self, now: &Now) -> Report {
        Report::new(Window { from: now.boot, to: now.boot })
    }

    /// Everything, as of now.
    pub(super) fn tell(&mut self, tap: &Tap) {
        let now = self.clock.now();
        let mut report = self.report(&now);
        let look = self.look.clone();
        let mut notes = Vec::new();
        let reported = self.pace.last().map(|(at, _)| at);
        let mut up = None;
        match &look {
            Some(Ok(look)) => {
                let found = look.found.as_ref().map(|(who, usage)| (*who, usage.started));
                self.life.seen(now.boot, found, reported, &mut notes);
                self.tally.on(now.boot, look);
                up = Some(found.is_some()).filter(|up| *up || !look.blind);
            }
            Some(Err(_)) => {}
            // A GStreamer encoder that never told its pid.
            None => up = (now.boot.since(self.opened) >= FRESH).then_some(false),
        }
        // Hidden from us, and yet it speaks.
        let speaks = self.pace.last().is_some_and(|(at, last)| !last.end && now.boot.since(at) <= FRESH);
        if up != Some(true) && speaks && !self.life.known() {
            up = Some(true);
        }
        if look.as_ref().is_none_or(|look| look.as_ref().is_ok_and(|look| look.blind)) {
            self.life.unseen_end(&mut notes);
        }
        let why = look.as_ref().map_or(NoData::NotPresent, missing);
        report.maybe(self.sheet.up, up.map(f64::from), why);
        let advancing = self.work(&mut report, &now, up, why, &mut notes);
        self.fault(&mut report, now.boot, up, advancing, why);
        match &look {
            Some(Ok(look)) => self.process(&mut report, &now, look, why),
            Some(Err(why)) => {
                report.reading(self.sheet.process.cpu, Err(*why));
            }
            None => {}
        }
        let pid = look.as_ref().and_then(|look| Some(look.as_ref().ok()?.found?.0.pid));
        self.card.tell(&mut report, pid, now.boot);
        self.counts(&mut report);
        for note in notes {
            let note = note.with("camera", self.plan.camera.as_str());
            tracing::info!(encoder = self.plan.id, what = note.kind, "encoder");
            report.note(note);
        }
        tap.send(report);
    }

    /// What the reports say, while the encoder is there; returns whether it advances, where they tell.
    fn work(
        &mut self,
        report: &mut Report,
        now: &Now,
        up: Option<bool>,
        why: NoData,
        notes: &mut Vec<Note>,
    ) -> Option<bool> {
        let sheet = &self.sheet;
        let there = up == Some(true);
        let begun = self.life.started();
        // Reports of a run before say nothing of this one.
        let last = self.pace.last().filter(|(at, last)| there && !last.end && begun.is_none_or(|begun| *at >= begun));
        let flag = match &self.look {
            Some(Ok(Look { reports, .. })) => *reports,
            _ => None,
        };
        let mute = self.plan.reports.is_none() || (flag == Some(false) && last.is_none());
        let still = match (last, self.pace.advanced()) {
            (Some(_), Some(advanced)) => Some(now.boot.since(advanced)),
            // None came since it started, although it should report.
            _ if there && !mute => {
                let waited = now.boot.since(begun.unwrap_or(self.opened).max(self.opened));
                Some(waited).filter(|waited| *waited >= GRACE)
            }
            _ => None,
        };
        let advancing = still.map(|still| still < self.plan.stall);
        let silent = last.is_none_or(|(at, _)| now.boot.since(at) >= self.plan.stall);
        self.life.advancing(now.boot, advancing.filter(|_| there), still.unwrap_or_default(), silent, notes);

        let wrote = match last {
            Some((_, last)) if last.bytes.is_some() => self.pace.wrote(),
            _ => self.tally.wrote().filter(|_| there),
        };
        let writing = wrote.map(|at| f64::from(now.boot.since(at) < IDLE));
        if !there {
            for series in [sheet.advancing, sheet.writing] {
                report.reading(series, Err(why));
            }
        } else {
            report.maybe(sheet.writing, writing, NoData::Unsupported);
            if !mute {
                report.maybe(sheet.advancing, advancing.map(f64::from), NoData::NotPresent);
            }
        }
        if mute {
            return None;
        }
        let rates = if last.is_some() { self.pace.rates(now.boot) } else { Rates::default() };
        let quantiser = last.and_then(|(_, last)| last.quantiser);
        let lag = last.and_then(|_| self.pace.lag());
        let age = |at: Boot| now.boot.since(at).as_secs_f64();
        let values = [
            (sheet.fps, rates.fps),
            (sheet.bitrate, rates.bitrate),
            (sheet.speed, rates.speed),
            (sheet.quantiser, quantiser),
            (sheet.lag, lag),
            (sheet.since_advance, still.map(|still| still.as_secs_f64())),
            (sheet.report_age, last.map(|(at, _)| age(at))),
        ];
        let why = if there { NoData::NotPresent } else { why };
        for (series, value) in values {
            report.maybe(series, value, why);
        }
        advancing.filter(|_| there)
    }

    /// Why it does not do its work.
    fn fault(&self, report: &mut Report, now: Boot, up: Option<bool>, advancing: Option<bool>, why: NoData) {
        let standing = advancing == Some(false);
        let known = match (up, &self.look) {
            (Some(false), _) => self.life.absence().map(Some),
            (Some(true), Some(Ok(look))) => {
                Some(Fault::of_process(now, look, standing, self.tally.blocked, self.plan.stall))
            }
            // Hidden from us, and yet it speaks.
            (Some(true), _) => Some(standing.then_some(Fault::Stalled)),
            (None, _) => None,
        };
        for (series, fault) in self.sheet.fault.iter().zip(Fault::ALL) {
            report.maybe(*series, known.map(|holds| f64::from(holds == Some(*fault))), why);
        }
        for series in &self.sheet.streams {
            report.maybe(*series, known.map(|holds| f64::from(holds.is_some())), why);
        }
    }

    /// What its process uses, and what only a privileged reader sees.
    fn process(&mut self, report: &mut Report, now: &Now, look: &Look, why: NoData) {
        let (process, peek) = (&self.sheet.process, &self.sheet.peek);
        report.value(self.sheet.fitting, look.fitting as f64);
        let Some((_, usage)) = &look.found else {
            for series in [process.cpu, process.cpu_ratio, process.resident, process.start, process.threads] {
                report.reading(series, Err(why));
            }
            for series in [peek.written, peek.write_bitrate, peek.received, peek.input_bitrate, peek.input_age] {
                report.reading(series, Err(why));
            }
            return;
        };
        report.value(process.cpu, usage.cpu);
        report.maybe(process.cpu_ratio, self.tally.cpu.rate(now.boot), NoData::NotPresent);
        report.value(process.resident, usage.resident as f64);
        report.value(process.start, self.tally.dated.wall_of(now, usage.started).as_secs_f64());
        report.value(process.threads, usage.threads as f64);
        report.reading(process.oom_score, usage.oom_score.map(|score| score as f64));
        let (read, write) = (usage.cgroup_io.map(|io| io.0 as f64), usage.cgroup_io.map(|io| io.1 as f64));
        report.reading(process.io[0], read).reading(process.io[1], write);

        let tally = &self.tally;
        match look.peeked {
            Err(why) => {
                for series in [peek.written, peek.write_bitrate, peek.received, peek.input_bitrate, peek.input_age] {
                    report.reading(series, Err(why));
                }
                report.reading(peek.position, Err(why));
            }
            Ok(peeked) => {
                let (written, rate) = tally.output(now.boot);
                let input = tally.received.rate(now.boot).map(|bytes| bytes * 8.0);
                report.value(peek.written, written);
                report.maybe(peek.write_bitrate, rate, NoData::NotPresent);
                let received = peeked.received.map(|_| tally.received.total());
                report.maybe(peek.received, received, NoData::NotPresent);
                report.maybe(peek.input_bitrate, input.filter(|_| received.is_some()), NoData::NotPresent);
                let age = peeked.receive_age_ms.map(|ms| ms as f64 / 1000.0);
                report.maybe(peek.input_age, age, NoData::NotPresent);
                report.maybe(peek.position, peeked.position.map(|at| at as f64), NoData::NotPresent);
            }
        }
    }

    /// What we count ourselves; it stands whatever happens, but for a log that cannot be read.
    fn counts(&self, report: &mut Report) {
        let (sheet, counts) = (&self.sheet, self.pace.counts());
        report
            .value(sheet.restarts, self.life.restarts as f64)
            .value(sheet.stalls, self.life.stalls as f64)
            .value(sheet.reports, counts.reports as f64)
            .value(sheet.bad_reports, self.unreadable() as f64)
            .value(sheet.frames, counts.frames as f64)
            .value(sheet.duplicated, counts.duplicated as f64)
            .value(sheet.dropped, counts.dropped as f64)
            .value(sheet.bytes, counts.bytes as f64);
        for (series, n) in sheet.ends.iter().zip(self.life.ends) {
            report.value(*series, n as f64);
        }
        if let Some((meanings, missed)) = &sheet.log {
            // What cannot be read may hold anything: a count that stands still would say that all is well.
            let dry = self.log_dry();
            let read = |count: u64| dry.map_or(Ok(count as f64), Err);
            for (series, meaning) in meanings.iter().zip(Meaning::ALL) {
                report.reading(*series, read(self.log.count(*meaning)));
            }
            report.reading(*missed, read(self.log.packets_missing()));
        }
    }
}
