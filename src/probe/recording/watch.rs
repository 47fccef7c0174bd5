//! One recording under watch: looked at every other second, put together into a report.

use super::gaps::{Account, Gap, Ledger, Moment};
use super::metrics::{REASONS, Sheet, VOLUME};
use super::past::{self, Oldest, Past};
use super::segment::Done;
use super::settings::{Plan, Wanted};
use super::told::Told;
use super::trail::{Sight, Trail, moment};
use crate::base::clock::{Boot, Clock, Now, Wall, Window};
use crate::base::label::Label;
use crate::metric::note::Note;
use crate::metric::report::{NoData, Report};
use crate::probe::Kit;
use crate::probe::poll::{Pace, Poll};
use crate::wire::container::Verdict;
use crate::wire::window;
use crate::world::folders::{Folders, Unwatched, Volume, reason};
use std::sync::Arc;
use std::time::Duration;

/// Gaps are as sharp as the dates of files, however often one looks. A look that takes longer than the limit hangs; a disk
/// that is kept busy takes seconds.
pub(super) const PACE: Pace = Pace { every: Duration::from_secs(2), limit: Duration::from_secs(10) };
/// Counts that did not change are told again so often, in case the report that told them was dropped.
const AGAIN: Duration = Duration::from_secs(10);
/// How far the ledger was told is remembered when a gap begins or ends, and else so often, which is how much is gone
/// through again after a restart. Each time costs a commit.
const REMEMBER: Duration = Duration::from_secs(3600);
/// While one is open: its seconds of so much may count twice over a restart.
const REMEMBER_OPEN: Duration = Duration::from_secs(300);
/// Whole buckets of a second that the write rate is taken over, and the one being filled.
const RATE: usize = 31;

/// What goes along on a look, and is lost with one that hangs.
struct Eyes {
    trail: Trail,
    past: Past,
    volume: Option<Boot>,
    /// From when on the files are still to be asked what happened.
    since: Option<Since>,
}

/// How far the ledger goes.
#[derive(Copy, Clone)]
enum Since {
    Moment(Moment),
    Told(Told),
}

/// What one look brings back.
pub(super) struct Seen {
    eyes: Eyes,
    now: Now,
    sight: Result<Sight, NoData>,
    /// When it was written to since the ledger ended; the inner `None`: that is too much to go through.
    history: Option<Option<Vec<(Moment, Moment)>>>,
    /// By how much the name of a new segment is ahead, seconds.
    ahead: Option<f64>,
    oldest: Option<Oldest>,
    volume: Option<Result<Volume, NoData>>,
}

pub(super) struct Watch {
    plan: Arc<Plan>,
    folders: Arc<dyn Folders>,
    clock: Clock,
    sheet: Sheet,
    ledger: Ledger,
    eyes: Option<Eyes>,
    /// From before the start, until the ledger took it up, which may have to wait for a clock to compare it with.
    told: Option<Told>,
    /// The first write since the start, while it waits.
    first: Option<Moment>,
    remembered: Option<Boot>,
    rate: window::Window<u64, RATE>,
    /// The clocks of the newest segment, as [`Sheet::clocks`].
    clocks: [Option<f64>; 2],
    oldest: Option<Wall>,
    unwatched: Option<Unwatched>,
    /// When all counts were last told.
    counted: Option<Boot>,
    /// The last look could not see the directory: what happens meanwhile, the files will tell.
    blind: bool,
}

impl Watch {
    pub(super) fn new(plan: Plan, kit: &mut Kit) -> Watch {
        Watch {
            sheet: Sheet::open(kit, &plan),
            folders: kit.world.folders.clone(),
            clock: kit.clock.clone(),
            ledger: Ledger::new(plan.gap.as_millis() as Moment),
            eyes: None,
            told: kit.remembered().and_then(Told::parse),
            first: None,
            remembered: None,
            rate: window::Window::new(Duration::from_secs(1)),
            clocks: [None; 2],
            oldest: None,
            unwatched: None,
            counted: None,
            blind: false,
            plan: Arc::new(plan),
        }
    }
}

fn look(plan: &Plan, folders: &dyn Folders, clock: &Clock, mut eyes: Eyes) -> Seen {
    let now = clock.now();
    let mut sight = eyes.trail.look(folders, &plan.pattern, &now);
    let (mut history, mut ahead, mut oldest) = (None, None, None);
    match &mut sight {
        Ok(sight) => {
            let from = match eyes.since.take() {
                Some(Since::Moment(at)) => Some(wall_of(&now, at)),
                Some(Since::Told(told)) => told.holds(&now).then_some(told.until),
                None => None,
            };
            if sight.moved {
                eyes.past.forget();
            }
            history = from.map(|from| past::since(folders, &plan.pattern, plan.utc, from, &now));
            ahead = sight.named.pop().and_then(|(date, made)| {
                let named = past::wall_at(&date, made, plan.utc, folders)?;
                Some((named.as_millis() - made.as_millis()) as f64 / 1000.0)
            });
            oldest = eyes.past.look(folders, &plan.pattern, plan.utc, &now);
        }
        Err(_) => eyes.past.forget(),
    }
    let due = eyes.volume.is_none_or(|at| now.boot.since(at) >= VOLUME);
    let volume = due.then(|| folders.volume(&plan.pattern.base).map_err(|error| reason(&error)));
    if due {
        eyes.volume = Some(now.boot);
    }
    Seen { eyes, now, sight, history, ahead, oldest, volume }
}

fn wall_of(now: &Now, at: Moment) -> Wall {
    Wall::from_millis(now.wall.as_millis() - (now.boot.as_millis() as Moment - at))
}

impl Poll for Watch {
    type Seen = Seen;

    fn look(&mut self) -> Box<dyn FnOnce() -> Seen + Send> {
        let since = self.told.map(Since::Told).or(self.ledger.last().map(Since::Moment));
        // A writer that holds back more would have a gap with each segment.
        let gap = self.plan.gap.as_millis() as Moment;
        let fresh = || Eyes { trail: Trail::new(gap), past: Past::default(), volume: None, since };
        let mut eyes = self.eyes.take().unwrap_or_else(fresh);
        if self.blind || self.told.is_some() {
            eyes.since = since;
        }
        let (plan, folders, clock) = (self.plan.clone(), self.folders.clone(), self.clock.clone());
        Box::new(move || look(&plan, &*folders, &clock, eyes))
    }

    fn fold(&mut self, taken: Window, seen: Seen) -> Report {
        let Seen { eyes, now, sight, mut history, ahead, oldest, volume } = seen;
        let mut report = Report::new(taken);
        let mut turned = self.take_up(&mut history, &now, &mut report);
        turned |= self.recall(history, sight.as_ref().ok(), &now, &mut report);
        let mut writes = sight.as_ref().ok().and_then(|sight| sight.writes);
        if self.first.is_none() && sight.as_ref().is_ok_and(|sight| sight.grown > 0) {
            self.first = writes.map(|(first, _)| first);
        }
        if self.told.is_some() && self.first.is_none() {
            // What was there before us is part of what is waited for.
            writes = None;
        }
        let at = now.boot.as_millis() as Moment;
        if let Some(gap) = writes.and_then(|(first, last)| self.ledger.wrote(first, last, at)) {
            report.note(gap_note(&gap, &now, "live"));
            turned = true;
        }
        // Who may not look does not know.
        let denied = sight.as_ref().err() == Some(&NoData::Denied);
        if !denied && let Some(start) = self.ledger.until(at) {
            let note = Note::new("recording.stopped", now.boot);
            report.note(note.with("since", wall_of(&now, start).to_string()));
            turned = true;
        }
        self.remember(turned, &now, &mut report);
        self.blind = sight.is_err();
        let open = self.ledger.open().is_some();
        report.reading(self.sheet.gap_open, if denied { Err(NoData::Denied) } else { Ok(f64::from(open)) });
        report.value(self.sheet.gaps, self.ledger.gaps as f64);
        report.value(self.sheet.gap_seconds, self.ledger.seconds(at));
        report.value(self.sheet.reachable, f64::from(sight.is_ok()));
        match sight {
            Ok(sight) => self.tell(sight, &eyes.trail, ahead, open, &now, &mut report),
            Err(why) => self.withdraw(why, &mut report),
        }
        self.tell_past(oldest, &now, &mut report);
        if let Some(volume) = volume {
            self.tell_volume(volume, &mut report);
        }
        self.eyes = Some(eyes);
        report
    }

    fn fallen(&mut self, report: &mut Report) {
        for series in self.sheet.gauges() {
            report.reading(series, Err(NoData::Stale));
        }
        report.info(self.sheet.info, None);
        (self.eyes, self.clocks, self.oldest) = (None, [None; 2], None);
    }
}

fn gap_note(gap: &Gap, now: &Now, seen: &'static str) -> Note {
    let end = Boot::from_nanos(u64::try_from(gap.end).unwrap_or(0).saturating_mul(1_000_000));
    Note::new("recording.gap", end)
        .with("start", wall_of(now, gap.start).to_string())
        .with("end", wall_of(now, gap.end).to_string())
        .with("seconds", (gap.end - gap.start) as f64 / 1000.0)
        .with("seen", seen)
}

impl Watch {
    /// Takes up what is known from before the start, as soon as it can be compared. True when a gap was found in it.
    fn take_up(&mut self, history: &mut Option<Option<Vec<(Moment, Moment)>>>, now: &Now, report: &mut Report) -> bool {
        let Some(told) = self.told.take_if(|told| !told.waits(now)).filter(|told| told.holds(now)) else {
            return false;
        };
        let open = told.open.map(|counted| moment(now, counted));
        let account = Account { last: moment(now, told.until), open };
        let Some(first) = self.first else {
            self.ledger.resume(account);
            return false;
        };
        let writes = history.take().flatten().unwrap_or_default();
        let gaps = self.ledger.before(account, writes, first, now.boot.as_millis() as Moment);
        for gap in &gaps {
            report.note(gap_note(gap, now, "files"));
        }
        !gaps.is_empty()
    }

    /// Takes up what the files tell of the time in which nobody looked. True when a gap was among it.
    fn recall(
        &mut self,
        history: Option<Option<Vec<(Moment, Moment)>>>,
        sight: Option<&Sight>,
        now: &Now,
        report: &mut Report,
    ) -> bool {
        let at = now.boot.as_millis() as Moment;
        match (history, sight.and_then(|sight| sight.writes)) {
            (Some(Some(spans)), _) => {
                let gaps: Vec<_> =
                    spans.into_iter().filter_map(|(first, last)| self.ledger.wrote(first, last, at)).collect();
                for gap in &gaps {
                    report.note(gap_note(gap, now, "files"));
                }
                !gaps.is_empty()
            }
            // Nobody knows what happened meanwhile, so nothing is said of it.
            (Some(None), Some((_, last))) if self.ledger.open().is_none() => {
                self.ledger.resume(Account { last, open: None });
                false
            }
            _ => false,
        }
    }

    fn remember(&mut self, turned: bool, now: &Now, report: &mut Report) {
        let open = self.ledger.open().is_some();
        let every = if open { REMEMBER_OPEN } else { REMEMBER };
        let due = self.remembered.is_none_or(|at| now.boot.since(at) >= every);
        // What is still waited for would be gone.
        let Some(last) = self.ledger.last().filter(|_| (turned || due) && self.told.is_none()) else { return };
        let told = Told { until: wall_of(now, last), trusted: now.trusted, open: open.then_some(now.wall) };
        report.remember(Some(told.text()));
        self.remembered = Some(now.boot);
    }

    fn tell(&mut self, sight: Sight, trail: &Trail, ahead: Option<f64>, open: bool, now: &Now, report: &mut Report) {
        let sheet = &mut self.sheet;
        let at = now.boot.as_millis() as Moment;
        // One that was just made has no write yet, and the last one was to the one before.
        let last = self.ledger.last().filter(|_| trail.newest.is_some());
        let age = last.map(|last| (at - last).max(0) as f64 / 1000.0);
        report.maybe(sheet.newest_age, age, NoData::NotPresent);
        sheet.bytes.1 += sight.grown;
        sheet.misnamed.1 += sight.misnamed;
        sheet.vanished.1 += u64::from(sight.vanished);
        self.rate.add(now.boot, sight.grown);
        let rate = self.rate.sum(now.boot).map(|(bytes, span)| bytes as f64 * 8.0 / span.as_secs_f64());
        report.maybe(sheet.bitrate, rate, NoData::NotPresent);
        for done in &sight.done {
            judged(sheet, done, report);
        }
        let bad = sight.done.iter().filter(|done| done.verdict != Verdict::Whole);
        for done in bad {
            let note = Note::new("recording.segment", now.boot).with("verdict", done.verdict.label());
            report.note(note.with("name", done.name.as_str()));
        }
        let clocks = [ahead, sight.ahead.map(|ms| ms as f64 / 1000.0)];
        for ((stands, fresh), series) in self.clocks.iter_mut().zip(clocks).zip(sheet.clocks) {
            *stands = fresh.or(*stands).filter(|_| !open);
            if let Some(seconds) = stands {
                report.value(series, *seconds);
            }
        }
        report.value(sheet.watched, f64::from(trail.unwatched.is_none()));
        if let Some(why) = trail.unwatched.filter(|_| trail.unwatched != self.unwatched)
            && let Some(place) = REASONS.iter().position(|reason| *reason == why)
        {
            sheet.unwatched[place].1 += 1;
            tracing::warn!(
                recording = self.plan.id,
                reason = why.label(),
                "a recording is listed, since it cannot be watched"
            );
        }
        let news = !sight.done.is_empty() || sight.vanished || sight.misnamed > 0 || self.unwatched != trail.unwatched;
        self.unwatched = trail.unwatched;
        report.value(sheet.bytes.0, sheet.bytes.1 as f64);
        if news || self.counted.is_none_or(|at| now.boot.since(at) >= AGAIN) {
            self.counted = Some(now.boot);
            for (series, count) in
                sheet.segments.iter().chain(&sheet.unwatched).chain([&sheet.misnamed, &sheet.vanished])
            {
                report.value(*series, *count as f64);
            }
            sheet.processing.fill(report);
        }
    }

    fn withdraw(&mut self, why: NoData, report: &mut Report) {
        (self.clocks, self.oldest) = ([None; 2], None);
        for series in [self.sheet.newest_age, self.sheet.bitrate, self.sheet.watched, self.sheet.oldest_age] {
            report.reading(series, Err(why));
        }
    }

    fn tell_past(&mut self, oldest: Option<Oldest>, now: &Now, report: &mut Report) {
        let sheet = &mut self.sheet;
        if let Some(oldest) = oldest {
            self.oldest = oldest.began;
            sheet.purged.1 += oldest.purged;
        }
        if let Some(began) = self.oldest {
            report.value(sheet.oldest_age, (now.wall.as_millis() - began.as_millis()) as f64 / 1000.0);
        }
        report.value(sheet.purged.0, sheet.purged.1 as f64);
        if let Some((series, goal)) = sheet.retention.zip(self.plan.retention) {
            report.value(series, goal.as_secs_f64());
        }
    }

    fn tell_volume(&self, volume: Result<Volume, NoData>, report: &mut Report) {
        let sheet = &self.sheet;
        let expected = volume.as_ref().map_err(|why| *why).and_then(|volume| match &self.plan.volume {
            Some(Wanted::Uuid(uuid)) => match &volume.uuid {
                // No device is behind it (overlay, tmpfs, a share), so it is not the one.
                Err(NoData::Unsupported) => Ok(false),
                own => own.as_ref().map(|own| own.eq_ignore_ascii_case(uuid)).map_err(|why| *why),
            },
            Some(Wanted::Source(source)) => Ok(volume.source == *source),
            None => Err(NoData::Unsupported),
        });
        if let Some(series) = sheet.expected {
            report.reading(series, expected.map(f64::from));
        }
        let of = |number: fn(&Volume) -> f64| volume.as_ref().map(number).map_err(|why| *why);
        report.reading(sheet.read_only, of(|volume| f64::from(volume.read_only)));
        report.reading(sheet.size, of(|volume| volume.size as f64));
        report.reading(sheet.free, of(|volume| volume.free as f64));
        // What is mounted may be named by an address; that is no label.
        let device = |volume: Volume| match volume.source.starts_with("/dev/") {
            true => vec![volume.source, volume.kind],
            false => vec![String::new(), volume.kind],
        };
        report.info(sheet.info, volume.ok().map(device));
    }
}

fn judged(sheet: &mut Sheet, done: &Done, report: &mut Report) {
    if let Some(place) = Verdict::ALL.iter().position(|verdict| *verdict == done.verdict) {
        sheet.segments[place].1 += 1;
    }
    match done.verdict {
        Verdict::Whole => sheet.broken.1 = 0,
        Verdict::Unjudged => {}
        _ => sheet.broken.1 += 1,
    }
    report.value(sheet.broken.0, sheet.broken.1 as f64);
    if let Some(seconds) = done.duration {
        report.value(sheet.duration, seconds);
    }
    if let Some(seconds) = done.processing {
        sheet.processing.observe(seconds);
    }
}
