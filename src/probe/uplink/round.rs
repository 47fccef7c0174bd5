//! One round of checks: all questions at once, each bounded.

use super::metrics::{Check, Reason};
use super::settings::Settings;
use crate::base::clock::{Boot, Clock};
use crate::metric::ledger::Ledger;
use crate::world::net::{Missed, Net};
use futures_util::future::{join_all, join4};
use std::collections::BTreeMap;
use std::time::Duration;

/// From this HTTP status on an answer is no good one.
const SERVER_ERROR: u16 = 500;

/// What a round found out by one kind of check.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// Any target answered; `None` when there was nobody to ask.
    pub up: Option<bool>,
    /// Time of the first one to answer.
    pub first: Option<Duration>,
    /// One per target that did not.
    pub failures: Vec<Reason>,
}

impl Outcome {
    fn of(answers: Vec<Result<Duration, Reason>>) -> Outcome {
        let first = answers.iter().flatten().min().copied();
        let failures = answers.iter().filter_map(|a| a.as_ref().err().copied()).collect();
        Outcome { up: (!answers.is_empty()).then_some(first.is_some()), first, failures }
    }

    fn of_state(state: Result<Option<bool>, Missed>, down: Reason) -> Outcome {
        match state {
            Ok(up) => Outcome { up, first: None, failures: if up == Some(false) { vec![down] } else { Vec::new() } },
            Err(missed) => Outcome { up: Some(false), first: None, failures: vec![Reason::Net(missed.reason)] },
        }
    }
}

/// Asks everything that `settings` name. Ends within the timeout and the kernel's 2 s.
pub async fn run(settings: &Settings, net: &dyn Net, ledger: &Ledger, clock: &Clock) -> BTreeMap<Check, Outcome> {
    let bound = settings.timeout;
    let tcp = settings
        .tcp
        .iter()
        .map(|(host, port)| timed(clock, async move { net.connect(host, *port, bound).await.map_err(failed) }));
    let http = settings.http.iter().map(|url| {
        timed(clock, async move {
            let got = net.get(url, bound).await.map_err(failed)?;
            if got.status < SERVER_ERROR { Ok(()) } else { Err(Reason::Status) }
        })
    });
    let dns = settings
        .dns
        .iter()
        .map(|name| timed(clock, async move { net.resolve(name, bound).await.map(drop).map_err(failed) }));
    let (tcp, http, dns, (route, carrier)) =
        join4(join_all(tcp), join_all(http), join_all(dns), kernel(settings, net)).await;
    let now = clock.boot();
    let mut round = BTreeMap::from([
        (Check::Tcp, Outcome::of(tcp)),
        (Check::Http, Outcome::of(http)),
        (Check::Dns, Outcome::of(dns)),
        (Check::Route, Outcome::of_state(route, Reason::NoRoute)),
        (Check::Carrier, Outcome::of_state(carrier, Reason::NoCarrier)),
        (Check::Broker, Outcome::of_state(Ok(brokers(ledger)), Reason::Disconnected)),
        (Check::Scraped, Outcome::of_state(Ok(scraped(ledger, now)), Reason::Silent)),
    ]);
    let configured = settings.checks();
    round.retain(|check, _| configured.contains(check));
    round
}

fn failed(missed: Missed) -> Reason {
    Reason::Net(missed.reason)
}

async fn timed(clock: &Clock, work: impl Future<Output = Result<(), Reason>>) -> Result<Duration, Reason> {
    let from = clock.boot();
    work.await.map(|()| clock.boot().since(from))
}

type State = Result<Option<bool>, Missed>;

/// Route and carrier. Without a configured interface the carrier is that of the first default route's, and unknown when
/// there is none.
async fn kernel(settings: &Settings, net: &dyn Net) -> (State, State) {
    let routes = net.default_routes().await;
    let interface = match (&settings.interface, &routes) {
        (Some(interface), _) => Some(interface.clone()),
        (None, Ok(routes)) => routes.first().cloned(),
        (None, Err(_)) => None,
    };
    let carrier = match interface {
        Some(interface) => net.carrier(&interface).await.map(Some),
        None => Ok(None),
    };
    let route = routes.map(|routes| match &settings.interface {
        Some(wanted) => Some(routes.contains(wanted)),
        None => Some(!routes.is_empty()),
    });
    (route, carrier)
}

fn brokers(ledger: &Ledger) -> Option<bool> {
    ledger.brokers().into_values().reduce(|a, b| a || b)
}

fn scraped(ledger: &Ledger, now: Boot) -> Option<bool> {
    ledger.scrapers().iter().filter_map(|scraper| scraper.current(now)).reduce(|a, b| a || b)
}
