//! One uplink at work: rounds into series, states, events.

use super::check::Check;
use super::echoes::Window as Echoes;
use super::lead::{Lead, Turn};
use super::metrics::Meters;
use super::outages::{Cause, Moment, Outages};
use super::round::{self, Round};
use super::settings::Settings;
use super::state::{Hysteresis, Seen, State};
use super::told::{Mark, Told, wall};
use crate::base::clock::{Boot, Clock, Now, Window};
use crate::base::label::Label;
use crate::base::quit::Quit;
use crate::metric::ledger::Ledger;
use crate::metric::note::Note;
use crate::metric::report::{NoData, Report};
use crate::probe::{Kit, Running, Session, Tap};
use crate::world::net::{self, Net, Steps};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub struct Uplink {
    settings: Settings,
    net: Arc<dyn Net>,
    ledger: Ledger,
    clock: Clock,
    boot_id: Arc<str>,
    meters: Meters,
    /// Whether a far target answered in the round before.
    answered_before: bool,
    /// Checks that have a reading on the page.
    shown: BTreeSet<Check>,
    /// As [`Meters::echoes`].
    echoes: Vec<Echoes>,
    /// The gateway of today answered echo requests before.
    speaks: bool,
    /// Echo requests were denied in the round before.
    denied: bool,
    state: Hysteresis,
    outages: Outages,
    lead: Lead,
    /// From before the start, until the first round takes it up.
    told: Option<Told>,
}

impl Uplink {
    pub fn open(settings: Settings, kit: &mut Kit) -> Uplink {
        let meters = Meters::open(kit, &settings);
        Uplink {
            net: kit.world.net.clone(),
            ledger: kit.ledger.clone(),
            clock: kit.clock.clone(),
            boot_id: kit.world.boot_id.clone(),
            echoes: meters.echoes.iter().map(|_| Echoes::default()).collect(),
            meters,
            answered_before: false,
            shown: BTreeSet::new(),
            speaks: false,
            denied: false,
            state: Hysteresis::default(),
            outages: Outages::default(),
            lead: Lead::default(),
            told: kit.remembered().and_then(Told::parse),
            settings,
        }
    }

    fn report(&mut self, from: Boot, round: &Round) -> Report {
        let now = self.clock.now();
        let mut report = Report::new(Window { from, to: now.boot });
        let mut turned = false;
        if let Some(told) = self.told.take() {
            self.recall(&told, round, &now);
            // How far it was counted then is no news for a daemon that starts after this one was killed.
            turned = true;
        }
        self.tell_checks(round, &mut report);
        turned |= self.tell_route(round, &now, &mut report);
        if self.state.state() == Some(State::Down) && !self.answered_before && round.reached() == Some(true) {
            self.echoes.iter_mut().for_each(Echoes::forget);
        }
        self.tell_echoes(round, &mut report);
        self.tell_visit(round, &mut report);
        if let Some(reached) = round.reached() {
            turned |= self.tell_state(reached, round, &now, &mut report);
        }
        if turned {
            report.remember(self.lasting(&now, None).text());
        }
        report
    }

    /// What lasted before a restart goes on. Where nobody had the time to say how far its seconds were counted, they are
    /// counted from here on.
    fn recall(&mut self, told: &Told, round: &Round, now: &Now) {
        let at = |mark: &Mark| mark.moment(now, &self.boot_id);
        let counted = told.counted.as_ref().and_then(at).unwrap_or(moment(now.boot));
        let outage = told.outage.as_ref().filter(|_| round.reached().is_some());
        if let Some((cause, start)) = outage.and_then(|(cause, mark)| Some((*cause, at(mark)?))) {
            self.outages.resume(start, cause, counted.max(start));
            self.state = Hysteresis::resume(State::Down);
        }
        if let Some(since) = told.failover.as_ref().filter(|_| self.settings.standby).and_then(at) {
            self.lead.resume(since, counted.max(since));
        }
    }

    /// What is to be remembered over a restart.
    fn lasting(&self, now: &Now, counted: Option<Moment>) -> Told {
        let mark = |at: Moment| Mark::of(now, &self.boot_id, at);
        Told {
            outage: self.outages.open().map(|open| (open.cause, mark(open.start))),
            failover: self.lead.since().map(mark),
            counted: counted.map(mark),
        }
    }

    fn tell_checks(&mut self, round: &Round, report: &mut Report) {
        report.value(self.meters.timeout, self.settings.timeout.as_secs_f64());
        if let Some(interface) = self.meters.interface {
            report.info(interface, Some(Vec::new()));
        }
        for (check, series) in &mut self.meters.checks {
            let Some(outcome) = round.outcomes.get(check) else { continue };
            for reason in &outcome.failures {
                series.failed(*reason);
            }
            match outcome.up {
                Ok(up) => {
                    report.value(series.up, f64::from(up));
                    self.shown.insert(*check);
                }
                // Said once: an uplink nobody ever scraped through is no failed reading per round.
                Err(why) if self.shown.remove(check) => drop(report.reading(series.up, Err(why))),
                Err(_) => {}
            }
            if let Some(duration) = series.duration {
                report.maybe(duration, outcome.first.map(|d| d.as_secs_f64()), NoData::Unreachable);
            }
            for (_, series, count) in &series.failures {
                report.value(*series, *count as f64);
            }
        }
    }

    /// True when a fail-over began or ended.
    fn tell_route(&mut self, round: &Round, now: &Now, report: &mut Report) -> bool {
        let (meters, id, at) = (&self.meters, &self.settings.id, moment(now.boot));
        let Some(routes) = &round.routes else {
            report.info(meters.route, None);
            return false;
        };
        let first = routes.first().map(|route| &route.interface);
        let own = self.settings.interface.as_ref();
        let standby = own.filter(|_| self.settings.standby);
        let before = self.lead.changes;
        let turn = self.lead.round(routes, standby.map(String::as_str), at);
        if self.lead.changes != before {
            self.speaks = false;
        }
        report.info(meters.route, first.map(|interface| vec![interface.clone()]));
        report.value(meters.route_changes, self.lead.changes as f64);
        if let Some(leads) = meters.leads {
            report.value(leads, f64::from(first.is_some() && first == own));
        }
        if let Some(series) = &meters.standby {
            report.value(series.failover, f64::from(self.lead.since().is_some()));
            report.value(series.failovers, self.lead.failovers as f64);
            report.value(series.seconds, self.lead.seconds(at));
        }
        match turn {
            // Of two uplinks with an interface each the standby tells, and it once.
            Some(Turn::Route { from, to }) if own.is_none() => {
                tracing::info!(uplink = id, from = from.interface, to = to.interface, "the default route changed");
                let note = Note::new("uplink.route", now.boot).with("from", from.interface).with("to", to.interface);
                report.note(note.maybe("from_gateway", from.gateway).maybe("to_gateway", to.gateway));
                false
            }
            Some(Turn::Failover { from }) => {
                tracing::warn!(uplink = id, from, "this standby uplink has the default route");
                report.note(Note::new("uplink.failover", now.boot).maybe("from", from).maybe("to", own.cloned()));
                true
            }
            Some(Turn::Failback { since, to }) => {
                tracing::info!(uplink = id, to, "the default route left this standby uplink");
                let note = Note::new("uplink.failback", now.boot).maybe("from", own.cloned()).with("to", to);
                report.note(lasted(note, now, since, at));
                true
            }
            Some(Turn::Route { .. }) | None => false,
        }
    }

    fn tell_echoes(&mut self, round: &Round, report: &mut Report) {
        let mut denied = false;
        for ((whom, series), window) in self.meters.echoes.iter().zip(&mut self.echoes) {
            let got = round.echoed.iter().find(|echoed| echoed.whom == *whom).map(|echoed| &echoed.got);
            let why = match got {
                Some(Ok(echoes)) => {
                    window.add(echoes);
                    NoData::Timeout
                }
                Some(Err(reason)) => {
                    window.skip();
                    let refused = *reason == super::check::Reason::Net(net::Reason::Denied);
                    denied |= refused;
                    if refused { NoData::Denied } else { NoData::Unreachable }
                }
                // No gateway of this kind; it may have been there before.
                None if window.sent == 0 => continue,
                None => {
                    window.skip();
                    NoData::NotPresent
                }
            };
            let asked = matches!(got, Some(Ok(_)));
            report.maybe(series.rtt, window.rtt.map(|rtt| rtt.as_secs_f64()), why);
            match window.loss() {
                Some(loss) if asked => drop(report.value(series.loss, loss)),
                None if asked => {}
                _ => drop(report.reading(series.loss, Err(why))),
            }
            report.value(series.echoes, window.sent as f64);
            report.value(series.replies, window.answered as f64);
            report.value(series.seconds, window.seconds);
        }
        if denied && !self.denied {
            let uplink = &self.settings.id;
            tracing::warn!(uplink, "echo requests are denied: net.ipv4.ping_group_range does not have our group");
        }
        self.denied = denied;
        self.speaks |= round.up(Check::Gateway) == Some(true);
    }

    fn tell_visit(&self, round: &Round, report: &mut Report) {
        let Some(Steps { name, connect, tls, first, body, .. }) = round.steps else { return };
        for (series, took) in self.meters.phases.iter().zip([name, connect, tls, first, body]) {
            if let Some(series) = series {
                report.maybe(*series, took.map(|took| took.as_secs_f64()), NoData::Unreachable);
            }
        }
        if let Some(series) = self.meters.certificate {
            report.maybe(series, round.certificate.map(|ends| ends.as_secs_f64()), NoData::Unreachable);
        }
    }

    /// Loss and round trip of the best target are within their thresholds, as far as they are known.
    fn fair(&self) -> (bool, Option<f64>, Option<Duration>) {
        let targets = || {
            let both = self.meters.echoes.iter().zip(&self.echoes);
            both.filter(|((whom, _), _)| matches!(whom, round::Whom::Target(_))).map(|(_, window)| window)
        };
        let loss = targets().filter_map(Echoes::loss).min_by(f64::total_cmp);
        let rtt = targets().filter_map(|window| window.rtt).min();
        let within = loss.is_none_or(|loss| loss <= self.settings.max_loss);
        (within && rtt.is_none_or(|rtt| rtt <= self.settings.max_rtt), loss, rtt)
    }

    /// True when an outage began or ended.
    fn tell_state(&mut self, reached: bool, round: &Round, now: &Now, report: &mut Report) -> bool {
        let at = moment(now.boot);
        match reached {
            true => self.outages.answered(at),
            false => self.outages.silent(at),
        }
        let up = reached || self.answered_before;
        self.answered_before = reached;
        report.value(self.meters.up, f64::from(up));
        let (fair, loss, rtt) = self.fair();
        let before = self.state.state();
        let changed = self.state.round(Seen { reached, up, fair });
        let uplink = &self.settings.id;
        let mut turned = false;
        match changed {
            Some(State::Down) => {
                let cause = Cause::of(round, self.speaks);
                if let Some(since) = self.outages.down(at, cause) {
                    tracing::warn!(uplink, cause = cause.label(), "the uplink is down");
                    let note = Note::new("uplink.down", now.boot).with("since", wall(now, since).to_string());
                    report.note(note.with("cause", cause.label()));
                    turned = true;
                }
            }
            Some(state) => {
                if let Some(outage) = self.outages.over(at) {
                    tracing::info!(uplink, seconds = (outage.end - outage.start) / 1000, "the uplink is back");
                    let end = Boot::from_nanos(u64::try_from(outage.end).unwrap_or(0).saturating_mul(1_000_000));
                    let note = Note::new("uplink.outage", end).with("cause", outage.cause.label());
                    report.note(lasted(note, now, outage.start, outage.end));
                    turned = true;
                }
                let rtt = rtt.map(|rtt| rtt.as_secs_f64());
                if state == State::Degraded {
                    tracing::warn!(uplink, loss, rtt, "the uplink is degraded");
                    let note = Note::new("uplink.degraded", now.boot);
                    report.note(note.maybe("loss_ratio", loss).maybe("rtt_seconds", rtt));
                } else if before == Some(State::Degraded) {
                    tracing::info!(uplink, "the uplink is fair again");
                    report.note(Note::new("uplink.recovered", now.boot));
                }
            }
            None => {}
        }
        if let Some(state) = self.state.state() {
            for (each, series) in &self.meters.states {
                report.value(*series, f64::from(*each == state));
            }
            let open = self.outages.open().map(|open| open.cause);
            for series in &self.meters.causes {
                report.value(series.open, f64::from(open == Some(series.cause)));
            }
        }
        for series in &self.meters.causes {
            report.value(series.outages, self.outages.count(series.cause) as f64);
            report.value(series.seconds, self.outages.seconds(series.cause, at));
        }
        turned
    }

    /// What lasts will have been counted up to here.
    fn good_bye(&self, tap: &Tap) {
        let now = self.clock.now();
        if let Some(text) = self.lasting(&now, Some(moment(now.boot))).text() {
            let mut report = Report::new(Window { from: now.boot, to: now.boot });
            report.remember(Some(text));
            tap.send(report);
        }
    }
}

fn moment(at: Boot) -> Moment {
    at.as_millis() as Moment
}

fn lasted(note: Note, now: &Now, start: Moment, end: Moment) -> Note {
    let note = note.with("start", wall(now, start).to_string()).with("end", wall(now, end).to_string());
    note.with("seconds", (end - start) as f64 / 1000.0)
}

impl Session for Uplink {
    fn fallen(&mut self, tap: &Tap) {
        let at = self.clock.boot();
        let mut report = Report::new(Window { from: at, to: at });
        for series in self.meters.gauges() {
            report.reading(series, Err(NoData::Stale));
        }
        report.info(self.meters.route, None);
        (self.answered_before, self.shown) = (false, BTreeSet::new());
        tap.send(report);
    }

    fn run<'a>(&'a mut self, tap: &'a Tap, quit: &'a Quit) -> Running<'a> {
        Box::pin(async move {
            let mut every = self.clock.every(self.settings.every);
            loop {
                let from = self.clock.boot();
                let round = tokio::select! {
                    round = round::run(&self.settings, &*self.net, &self.ledger, &self.clock) => round,
                    () = quit.wait() => break,
                };
                tap.send(self.report(from, &round));
                tokio::select! {
                    _due = every.beat() => {}
                    () = quit.wait() => break,
                }
            }
            // Before the first round nothing was taken up, and what is remembered stands.
            if self.told.is_none() {
                self.good_bye(tap);
            }
            Ok(())
        })
    }
}
