//! One card: looks become numbers, and what they have in common with the look before.

use super::metrics::{Class, Meters};
use super::settings::Settings;
use crate::base::clock::{Boot, Clock, Window};
use crate::base::fault::chain;
use crate::base::label::Label;
use crate::metric::book::Series;
use crate::metric::note::Note;
use crate::metric::report::{NoData, Reading, Report};
use crate::metric::uses::{Use, Uses};
use crate::probe::Kit;
use crate::probe::poll::Poll;
use crate::world::gpu::{Engine, Field, Gpus, Look, Missed, Reason, Seen, Work};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub(super) struct Watch {
    settings: Settings,
    clock: Clock,
    gpus: Arc<dyn Gpus>,
    uses: Uses,
    meters: Meters,
    /// What was last said of series without a number: a card that cannot tell something is no failed reading per look.
    told: HashMap<Series, NoData>,
    /// Of the last look, where it failed.
    missed: Option<Reason>,
    /// The kernel's accounting at the last look.
    before: Option<(Boot, Vec<Work>)>,
}

/// What was done since the look before: share of each kind of engine, and share of encoding by process.
#[derive(Default)]
struct Done {
    engines: BTreeMap<Engine, f64>,
    encoding: HashMap<u32, f64>,
}

impl Watch {
    pub(super) fn open(settings: Settings, kit: &mut Kit) -> Watch {
        Watch {
            meters: Meters::open(kit, &settings.id, settings.every, settings.cap.is_some()),
            clock: kit.clock.clone(),
            gpus: kit.world.gpus.clone(),
            uses: kit.roster.uses().clone(),
            settings,
            told: HashMap::new(),
            missed: None,
            before: None,
        }
    }

    /// A reading, or once the reason why there is none.
    fn tell(&mut self, report: &mut Report, series: Series, reading: Reading) {
        match reading {
            Ok(_) => {
                self.told.remove(&series);
            }
            Err(why) if self.told.insert(series, why) == Some(why) => return,
            Err(_) => {}
        }
        report.reading(series, reading);
    }

    fn tell_all(&mut self, report: &mut Report, why: NoData) {
        for n in 0..self.meters.fields.len() {
            self.tell(report, self.meters.fields[n].1, Err(why));
        }
        for n in 0..self.meters.throttle.len() {
            self.tell(report, self.meters.throttle[n].1, Err(why));
        }
        let rest = [Some(self.meters.slowest), self.meters.cap.map(|(_, free)| free)];
        for series in rest.into_iter().flatten() {
            self.tell(report, series, Err(why));
        }
        report.info(self.meters.info, None);
        self.before = None;
        self.uses.withdraw(&self.settings.id);
    }

    fn xids(&mut self, report: &mut Report, codes: Result<Vec<u64>, NoData>) {
        let now = self.clock.now();
        let mut by_code: BTreeMap<u64, u64> = BTreeMap::new();
        for code in codes.iter().flatten() {
            *by_code.entry(*code).or_default() += 1;
        }
        for (code, times) in by_code {
            let class = Class::of(code);
            tracing::warn!(gpu = self.settings.id, code, times, class = class.label(), "the driver reports an XID");
            let note = Note::new("gpu.xid", now.boot).with("gpu", self.settings.id.as_str());
            let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
            report.note(note.with("code", whole(code)).with("times", whole(times)).with("class", class.label()));
            report.value(self.meters.xid_time, now.wall.as_secs_f64());
            if let Some((_, _, count)) = self.meters.xids.iter_mut().find(|(known, ..)| *known == class) {
                *count += times;
            }
        }
        for n in 0..self.meters.xids.len() {
            let (_, series, count) = self.meters.xids[n];
            // What was counted stands; where nothing can be heard there is no 0 either.
            match codes {
                Err(why) if count == 0 => self.tell(report, series, Err(why)),
                _ => self.tell(report, series, Ok(count as f64)),
            }
        }
    }

    fn missed(&mut self, report: &mut Report, missed: &Missed) {
        if self.missed.replace(missed.reason) != Some(missed.reason) {
            let error = chain(missed).to_string();
            tracing::warn!(gpu = self.settings.id, reason = missed.reason.label(), error, "the GPU does not answer");
        }
        if let Some((_, _, count)) = self.meters.failures.iter_mut().find(|(known, ..)| *known == missed.reason) {
            *count += 1;
        }
        report.value(self.meters.up, 0.0);
        self.tell_all(report, missed.reason.no_data());
    }

    fn seen(&mut self, report: &mut Report, at: Boot, seen: Seen) {
        if self.missed.take().is_some() {
            tracing::info!(gpu = self.settings.id, "the GPU answers");
        }
        report.value(self.meters.up, 1.0);
        let about = &seen.about;
        let words = [about.vendor, &about.model, &about.uuid, &about.pci, &about.driver].map(str::to_owned);
        report.info(self.meters.info, Some(words.to_vec()));

        let done = self.done(at, &seen.work);
        let engine = |engine: Engine| match &done {
            Ok(done) => done.engines.get(&engine).copied().ok_or(NoData::Unsupported),
            Err(why) => Err(*why),
        };
        for n in 0..self.meters.fields.len() {
            let (field, series) = self.meters.fields[n];
            let known = seen.readings.iter().find(|(known, _)| *known == field).map(|(_, reading)| *reading);
            let reading = known.unwrap_or_else(|| match field {
                Field::Busy => engine(Engine::Render),
                Field::Encoder => engine(Engine::Encode),
                Field::Decoder => engine(Engine::Decode),
                Field::Video => engine(Engine::Video),
                _ => Err(NoData::Unsupported),
            });
            self.tell(report, series, reading);
            if let (Field::Sessions, Some((_, free)), Some(cap)) = (field, self.meters.cap, self.settings.cap) {
                self.tell(report, free, reading.map(|sessions| f64::from(cap) - sessions));
            }
        }
        for n in 0..self.meters.throttle.len() {
            let (why, series) = self.meters.throttle[n];
            let reading = seen.throttle.as_ref().map(|all| f64::from(all.contains(&why))).map_err(|why| *why);
            self.tell(report, series, reading);
        }
        let slowest =
            seen.sessions.as_ref().map_err(|why| *why).and_then(|sessions| {
                sessions.iter().map(|session| session.fps).reduce(f64::min).ok_or(NoData::NotPresent)
            });
        self.tell(report, self.meters.slowest, slowest);
        self.post(at, &seen, done.ok());
    }

    /// Hands to encoder probes what their processes have of this card.
    fn post(&self, at: Boot, seen: &Seen, done: Option<Done>) {
        let encoding: Option<HashMap<u32, f64>> = match &seen.encoding {
            Ok(shares) => Some(shares.iter().copied().collect()),
            Err(_) => done.map(|done| done.encoding),
        };
        let share = encoding.as_ref().map(|_| 0.0);
        let others = Use { share, sessions: seen.sessions.as_ref().ok().map(|_| 0), ..Use::default() };
        let mut by_pid: HashMap<u32, Use> = HashMap::new();
        for (pid, share) in encoding.into_iter().flatten() {
            by_pid.entry(pid).or_insert(others).share = Some(share);
        }
        for session in seen.sessions.iter().flatten() {
            let one = by_pid.entry(session.pid).or_insert(others);
            one.sessions = Some(one.sessions.unwrap_or(0) + 1);
            one.fps = Some(one.fps.map_or(session.fps, |fps| fps.min(session.fps)));
            one.latency = Some(one.latency.map_or(session.latency, |latency| latency.max(session.latency)));
        }
        self.uses.post(&self.settings.id, at.plus(self.settings.every.mul_f64(2.5)), others, by_pid);
    }

    /// What was done since the look before. A client that came since then counts whole; one that left, not at all.
    fn done(&mut self, at: Boot, work: &Result<Vec<Work>, NoData>) -> Result<Done, NoData> {
        let work = match work {
            Ok(work) => work,
            Err(why) => {
                self.before = None;
                return Err(*why);
            }
        };
        let before = self.before.replace((at, work.clone()));
        let Some((then, before)) = before else { return Err(NoData::NotPresent) };
        let nanos = at.since(then).as_nanos() as f64;
        if nanos <= 0.0 {
            return Err(NoData::NotPresent);
        }
        let key = |work: &Work| (work.client, work.engine);
        let before: HashMap<_, _> = before.iter().map(|work| (key(work), work.nanos)).collect();
        // Without a client nothing is done, on engines that all such cards have.
        let mut done = Done { engines: [(Engine::Render, 0.0)].into(), encoding: HashMap::new() };
        for work in work {
            let new = work.nanos.saturating_sub(before.get(&key(work)).copied().unwrap_or(0));
            let share = new as f64 / nanos / f64::from(work.capacity.max(1));
            *done.engines.entry(work.engine).or_default() += share;
            if matches!(work.engine, Engine::Encode | Engine::Video) {
                *done.encoding.entry(work.pid).or_default() += share;
            }
        }
        // Counters of clients are read one after another: a little above 1 is 1.
        done.engines.values_mut().for_each(|share| *share = share.min(1.0));
        Ok(done)
    }
}

impl Poll for Watch {
    type Seen = Look;

    fn look(&mut self) -> Box<dyn FnOnce() -> Look + Send> {
        let (gpus, which) = (self.gpus.clone(), self.settings.which.clone());
        Box::new(move || gpus.look(&which))
    }

    fn fold(&mut self, taken: Window, look: Look) -> Report {
        let mut report = Report::new(taken);
        self.xids(&mut report, look.xids);
        match look.seen {
            Ok(seen) => self.seen(&mut report, taken.to, seen),
            Err(missed) => self.missed(&mut report, &missed),
        }
        for (_, series, count) in &self.meters.failures {
            report.value(*series, *count as f64);
        }
        if let (Some((series, _)), Some(cap)) = (self.meters.cap, self.settings.cap) {
            report.value(series, f64::from(cap));
        }
        report
    }

    fn fallen(&mut self, report: &mut Report) {
        report.reading(self.meters.up, Err(NoData::Stale));
        self.tell_all(report, NoData::Stale);
    }
}
