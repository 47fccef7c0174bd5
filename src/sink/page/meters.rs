//! What the page and its listener say of themselves.

use super::accept::Format;
use crate::base::label::Label;
use crate::metric::book::{Book, Hold, Series};
use crate::metric::desc::{Desc, Family, Unit};
use crate::metric::report::Report;
use crate::world::listener::Traffic;
use hyper::StatusCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

static BUILD: Desc<1> = Desc::info("vedette_build_info", ["version"], "The version of this Vedette");
static REQUESTS: Desc<2> = Desc::counter(
    "vedette_page_requests_total",
    Unit::Count,
    ["path", "outcome"],
    "Requests answered by the page, by path and class of status; those without a right password do not reach it",
);
static BYTES: Desc<1> = Desc::counter(
    "vedette_page_bytes_total",
    Unit::Bytes,
    ["format"],
    "Bytes of /metrics bodies prepared for clients, as sent (packed where the client takes gzip)",
);
static CONNECTIONS: Desc<0> =
    Desc::gauge("vedette_web_connections", Unit::Count, [], "HTTP connections open now; at 64 an idle one makes room");
static ACCEPTED: Desc<0> =
    Desc::counter("vedette_web_connections_total", Unit::Count, [], "HTTP connections taken since the start");
static REFUSED: Desc<1> = Desc::counter(
    "vedette_web_refused_total",
    Unit::Count,
    ["reason"],
    "Requests without a right password, failed TLS handshakes, responses cut because nothing was accepted for 30 s, and \
     idle connections closed to make room for new ones",
);

/// Every family of the page and the listener.
pub static FAMILIES: &[Family] =
    &[BUILD.family(), REQUESTS.family(), BYTES.family(), CONNECTIONS.family(), ACCEPTED.family(), REFUSED.family()];

/// The paths, as a label.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Path {
    Metrics,
    Healthz,
    Readyz,
    Front,
    Other,
}

impl Label for Path {
    const ALL: &'static [Self] = &[Path::Metrics, Path::Healthz, Path::Readyz, Path::Front, Path::Other];
    fn label(self) -> &'static str {
        match self {
            Path::Metrics => "metrics",
            Path::Healthz => "healthz",
            Path::Readyz => "readyz",
            Path::Front => "front",
            Path::Other => "other",
        }
    }
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Outcome {
    Ok,
    /// 4xx: the client asked for something that is not there.
    Refused,
    /// 5xx: not ready, not alive, or our fault.
    Failed,
}

impl Label for Outcome {
    const ALL: &'static [Self] = &[Outcome::Ok, Outcome::Refused, Outcome::Failed];
    fn label(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        }
    }
}

struct Count {
    series: Series,
    count: AtomicU64,
}

impl Count {
    fn new(series: Series) -> Count {
        Count { series, count: AtomicU64::new(0) }
    }
    fn add(&self, n: u64) {
        self.count.fetch_add(n, Ordering::Relaxed);
    }
    fn fill(&self, report: &mut Report) {
        report.value(self.series, self.count.load(Ordering::Relaxed) as f64);
    }
}

struct Inner {
    build: Series,
    requests: Vec<(Path, Outcome, Count)>,
    openmetrics: Count,
    text: Count,
    traffic: Traffic,
    connections: Series,
    accepted: Series,
    wrong_password: Series,
    failed_handshake: Series,
    stalled: Series,
    unseated: Series,
}

/// The counts; clones are the same ones.
#[derive(Clone)]
pub struct Meters(Arc<Inner>);

impl Meters {
    /// Opens every series; `traffic` is what the listener was given.
    pub fn open(book: &Book, traffic: Traffic) -> Meters {
        let requests = Path::ALL.iter().flat_map(|path| {
            let outcomes = Outcome::ALL.iter().filter(|outcome| possible(*path, **outcome));
            outcomes.map(|outcome| {
                let series = book.open(&REQUESTS, [path.label(), outcome.label()], Hold::Own);
                (*path, *outcome, Count::new(series))
            })
        });
        Meters(Arc::new(Inner {
            build: book.open(&BUILD, [env!("CARGO_PKG_VERSION")], Hold::Own),
            requests: requests.collect(),
            openmetrics: Count::new(book.open(&BYTES, ["openmetrics"], Hold::Own)),
            text: Count::new(book.open(&BYTES, ["text"], Hold::Own)),
            traffic,
            connections: book.open(&CONNECTIONS, [], Hold::Own),
            accepted: book.open(&ACCEPTED, [], Hold::Own),
            wrong_password: book.open(&REFUSED, ["password"], Hold::Own),
            failed_handshake: book.open(&REFUSED, ["handshake"], Hold::Own),
            stalled: book.open(&REFUSED, ["stalled"], Hold::Own),
            unseated: book.open(&REFUSED, ["unseated"], Hold::Own),
        }))
    }

    /// Puts the counts of now into a report.
    pub fn fill(&self, report: &mut Report) {
        let Inner { requests, openmetrics, text, traffic, .. } = &*self.0;
        report.value(self.0.build, 1.0);
        for (_, _, count) in requests {
            count.fill(report);
        }
        openmetrics.fill(report);
        text.fill(report);
        report
            .value(self.0.connections, traffic.open() as f64)
            .value(self.0.accepted, traffic.accepted() as f64)
            .value(self.0.wrong_password, traffic.wrong_password() as f64)
            .value(self.0.failed_handshake, traffic.failed_handshake() as f64)
            .value(self.0.stalled, traffic.stalled() as f64)
            .value(self.0.unseated, traffic.unseated() as f64);
    }

    pub(super) fn answered(&self, path: Path, status: StatusCode) {
        let outcome = match status.as_u16() {
            ..400 => Outcome::Ok,
            400..500 => Outcome::Refused,
            _ => Outcome::Failed,
        };
        if let Some((_, _, count)) = self.0.requests.iter().find(|(p, o, _)| (*p, *o) == (path, outcome)) {
            count.add(1);
        }
    }

    pub(super) fn printed(&self, format: Format, bytes: usize) {
        let count = match format {
            Format::OpenMetrics => &self.0.openmetrics,
            Format::Text => &self.0.text,
        };
        count.add(bytes as u64);
    }
}

/// The front door never fails and an unknown path is never ok: those series would stand at 0 for ever.
fn possible(path: Path, outcome: Outcome) -> bool {
    match path {
        Path::Other => outcome == Outcome::Refused,
        Path::Front => outcome != Outcome::Failed,
        _ => true,
    }
}
