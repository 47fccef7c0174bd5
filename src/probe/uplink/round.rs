//! One round of checks: all questions at once, each bounded.

use super::check::{Check, Reason};
use super::settings::Settings;
use crate::base::clock::{Boot, Clock, Wall};
use crate::metric::ledger::Ledger;
use crate::metric::report::NoData;
use crate::wire::icmp::Family;
use crate::world::net::{self, Echoes, Missed, Net, Route, Steps, Visit, Way};
use futures_util::future::{join_all, join5};
use std::collections::BTreeMap;
use std::time::Duration;

/// From this HTTP status on an answer is no good one.
const SERVER_ERROR: u16 = 500;
/// Echo requests to each target in a round: 84 bytes each on the wire, and enough to see loss in a few rounds.
pub const ECHOES: u16 = 5;

/// What a round found out by one kind of check.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// Any target answered; `NotPresent` when there was nobody to ask.
    pub up: Result<bool, NoData>,
    /// Time of the first one to answer.
    pub first: Option<Duration>,
    /// One per target that did not.
    pub failures: Vec<Reason>,
}

impl Outcome {
    fn of(answers: Vec<Result<Duration, Reason>>) -> Outcome {
        let first = answers.iter().flatten().min().copied();
        let failures: Vec<_> = answers.iter().filter_map(|a| a.as_ref().err().copied()).collect();
        let up = if answers.is_empty() { Err(NoData::NotPresent) } else { Ok(first.is_some()) };
        Outcome { up, first, failures }
    }

    /// Who may send no echo requests knows nothing of those he would have asked.
    fn of_echoes<'a>(echoed: impl Iterator<Item = &'a Echoed>) -> Outcome {
        let answer = |echoed: &Echoed| match &echoed.got {
            Ok(echoes) => echoes.rtts.iter().min().copied().ok_or(Reason::Net(net::Reason::Timeout)),
            Err(reason) => Err(*reason),
        };
        let mut outcome = Outcome::of(echoed.map(answer).collect());
        let denied = |reason: &Reason| *reason == Reason::Net(net::Reason::Denied);
        if outcome.up == Ok(false) && outcome.failures.iter().all(denied) {
            outcome.up = Err(NoData::Denied);
        }
        outcome
    }

    fn of_state(state: Result<Option<bool>, Missed>, down: Reason) -> Outcome {
        let (up, failures) = match state {
            Ok(Some(up)) => (Ok(up), if up { Vec::new() } else { vec![down] }),
            Ok(None) => (Err(NoData::NotPresent), Vec::new()),
            Err(missed) => (Ok(false), vec![Reason::Net(missed.reason)]),
        };
        Outcome { up, first: None, failures }
    }
}

/// Whom echo requests went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    Gateway(Family),
    /// By place in [`Settings::ping`].
    Target(usize),
}

/// Echo requests to one target.
#[derive(Debug, PartialEq)]
pub struct Echoed {
    pub whom: Whom,
    pub got: Result<Echoes, Reason>,
}

/// Everything a round found out.
#[derive(Debug, Default)]
pub struct Round {
    pub outcomes: BTreeMap<Check, Outcome>,
    pub echoed: Vec<Echoed>,
    /// Of the first URL that answered, else of the first.
    pub steps: Option<Steps>,
    /// When the first certificate ends that a server showed.
    pub certificate: Option<Wall>,
    /// `None` when they could not be read.
    pub routes: Option<Vec<Route>>,
}

impl Round {
    /// What is known of one kind of check; `None` too when there was nobody to ask.
    pub fn up(&self, check: Check) -> Option<bool> {
        self.outcomes.get(&check).and_then(|outcome| outcome.up.ok())
    }
    /// Any far target answered; `None` without far targets.
    pub fn reached(&self) -> Option<bool> {
        let far = self.outcomes.iter().filter(|(check, _)| check.far());
        far.map(|(_, outcome)| outcome.up == Ok(true)).reduce(|a, b| a || b)
    }
}

/// Asks everything that `settings` name. Ends within the timeout and the kernel's 2 s.
pub async fn run(settings: &Settings, net: &dyn Net, ledger: &Ledger, clock: &Clock) -> Round {
    let way = Way { interface: settings.interface.as_deref(), bound: settings.timeout };
    let tcp = settings.tcp.iter().map(|(host, port)| timed(clock, net.connect(host, *port, way)));
    let dns = settings.dns.iter().map(|name| timed(clock, net.resolve(name, way.bound)));
    let visits = settings.http.iter().map(|url| async move {
        let from = clock.boot();
        let visit = net.visit(url, way).await;
        (clock.boot().since(from), visit)
    });
    let targets = settings.ping.iter().enumerate();
    let pings = targets.map(|(n, host)| echoed(net, Whom::Target(n), host, way));
    let (tcp, visits, dns, mut pinged, (route, carrier, routes, gateways)) =
        join5(join_all(tcp), join_all(visits), join_all(dns), join_all(pings), kernel(settings, net, way)).await;
    let now = clock.boot();
    let http = visits.iter().map(|(took, visit)| good(visit).map(|()| *took)).collect();
    let mut outcomes = BTreeMap::from([
        (Check::Tcp, Outcome::of(tcp)),
        (Check::Http, Outcome::of(http)),
        (Check::Ping, Outcome::of_echoes(pinged.iter())),
        (Check::Dns, Outcome::of(dns)),
        (Check::Gateway, Outcome::of_echoes(gateways.iter())),
        (Check::Route, Outcome::of_state(route, Reason::NoRoute)),
        (Check::Carrier, Outcome::of_state(carrier, Reason::NoCarrier)),
        (Check::Broker, Outcome::of_state(Ok(brokers(ledger)), Reason::Disconnected)),
        (Check::Scraped, Outcome::of_state(Ok(scraped(ledger, now)), Reason::Silent)),
    ]);
    let configured = settings.checks();
    outcomes.retain(|check, _| configured.contains(check));
    pinged.extend(gateways);
    let told = visits.iter().find(|(_, visit)| visit.end.is_ok()).or(visits.first());
    let certificate = visits.iter().filter_map(|(_, visit)| visit.steps.certificate).min();
    Round { outcomes, echoed: pinged, steps: told.map(|(_, visit)| visit.steps), certificate, routes }
}

fn good(visit: &Visit) -> Result<(), Reason> {
    match &visit.end {
        Ok(status) if *status < SERVER_ERROR => Ok(()),
        Ok(_) => Err(Reason::Status),
        Err(missed) => Err(Reason::Net(missed.reason)),
    }
}

async fn timed<T>(clock: &Clock, work: impl Future<Output = Result<T, Missed>>) -> Result<Duration, Reason> {
    let from = clock.boot();
    work.await.map(|_| clock.boot().since(from)).map_err(|missed| Reason::Net(missed.reason))
}

async fn echoed(net: &dyn Net, whom: Whom, host: &str, way: Way<'_>) -> Echoed {
    let got = net.ping(host, ECHOES, way).await;
    Echoed { whom, got: got.map_err(|missed| Reason::Net(missed.reason)) }
}

type State = Result<Option<bool>, Missed>;

/// Route, carrier, all default routes, and what the gateways of ours said: one of each family. Without a configured
/// interface ours is any, the carrier that of the first, and unknown when there is none.
async fn kernel(settings: &Settings, net: &dyn Net, way: Way<'_>) -> (State, State, Option<Vec<Route>>, Vec<Echoed>) {
    let routes = net.default_routes().await;
    let ours = |route: &&Route| way.interface.is_none_or(|wanted| route.interface == wanted);
    let first = routes.as_ref().ok().and_then(|routes| routes.iter().find(ours));
    let carrier = match settings.interface.as_ref().or(first.map(|route| &route.interface)) {
        Some(interface) => net.carrier(interface).await.map(Some),
        None => Ok(None),
    };
    let mut asked = Vec::new();
    for family in [Family::V4, Family::V6] {
        let of_family = |route: &&Route| ours(route) && route.family == family;
        let route = routes.as_ref().ok().and_then(|routes| routes.iter().find(of_family));
        if let Some(gateway) = route.and_then(|route| route.gateway.as_deref()) {
            asked.push(echoed(net, Whom::Gateway(family), gateway, way));
        }
    }
    let gateways = join_all(asked).await;
    let there = first.is_some();
    let (route, routes) = match routes {
        Ok(routes) => (Ok(Some(there)), Some(routes)),
        Err(missed) => (Err(missed), None),
    };
    (route, carrier, routes, gateways)
}

fn brokers(ledger: &Ledger) -> Option<bool> {
    ledger.brokers().into_values().reduce(|a, b| a || b)
}

fn scraped(ledger: &Ledger, now: Boot) -> Option<bool> {
    ledger.scrapers().iter().filter_map(|scraper| scraper.current(now)).reduce(|a, b| a || b)
}
