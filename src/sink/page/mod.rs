//! The page: `/metrics` in two formats from the newest snapshot, `/healthz`, `/readyz`, and a front door for people.
//!
//! Everything is answered from memory. `/metrics` is written once per snapshot and format, on first demand, and its bytes
//! are shared. Nothing here changes anything.

mod accept;
mod front;
mod histogram;
mod meters;
mod number;
mod openmetrics;
mod printed;
mod text;

pub use accept::{Form, Format};
pub use meters::{FAMILIES, Meters};
pub use printed::{Printed, print};

use crate::base::clock::Clock;
use crate::metric::latest::Snapshot;
use crate::metric::ledger::Ledger;
use crate::world::listener::{Answer, Asked, Delivered, Serve};
use bytes::Bytes;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
    USER_AGENT, VARY,
};
use hyper::{Method, Response, StatusCode};
use meters::Path;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// Prometheus says with each scrape how long it will wait; nobody else sends this.
const SCRAPE: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");
/// Bytes of a user agent that the ledger keeps. "Prometheus/2.42.0+ds" has 20.
const USER_AGENT_LENGTH: usize = 80;

/// Names of the core tasks that are stuck; empty while all move. Asked by `/healthz`, must not wait.
pub type Stuck = Arc<dyn Fn() -> Vec<&'static str> + Send + Sync>;

/// The page as the listener serves it.
pub struct Page {
    node: String,
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    stuck: Stuck,
    ledger: Ledger,
    clock: Clock,
    meters: Meters,
    printed: Mutex<Option<Arc<Printed>>>,
}

impl Page {
    /// `snapshots` holds `None` until the first one is cut.
    pub fn new(
        node: impl Into<String>,
        snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
        stuck: Stuck,
        ledger: Ledger,
        clock: Clock,
        meters: Meters,
    ) -> Page {
        Page { node: node.into(), snapshots, stuck, ledger, clock, meters, printed: Mutex::new(None) }
    }

    async fn metrics(&self, asked: &Asked) -> Answer {
        let Some(printed) = self.printed() else {
            let mut answer = plain(StatusCode::SERVICE_UNAVAILABLE, "no snapshot yet, the first comes within a tick\n");
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
            return answer.into();
        };
        let form = Form::asked(all(&asked.parts.headers, &ACCEPT), all(&asked.parts.headers, &ACCEPT_ENCODING));
        let bytes = match printed.ready(form) {
            Some(bytes) => bytes,
            None => {
                // Some milliseconds of computing: not on a thread that others wait for.
                let printing = tokio::task::spawn_blocking(move || printed.bytes(form));
                match printing.await {
                    Ok(bytes) => bytes,
                    Err(_) => return plain(StatusCode::INTERNAL_SERVER_ERROR, "cannot print this snapshot\n").into(),
                }
            }
        };
        self.meters.printed(form.format, bytes.len());
        let mut response = Response::new(bytes);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(form.format.content_type()));
        headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
        if form.gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Answer { response, delivered: self.accounting(asked) }
    }

    /// What was printed of the newest snapshot; a new sheet when there is a newer snapshot.
    fn printed(&self) -> Option<Arc<Printed>> {
        let snapshot = self.snapshots.borrow().clone()?;
        let mut printed = self.printed.lock().unwrap_or_else(|e| e.into_inner());
        let current = printed.as_ref().filter(|p| p.of(&snapshot)).cloned();
        Some(current.unwrap_or_else(|| printed.insert(Arc::new(Printed::new(snapshot))).clone()))
    }

    /// A scrape goes into the ledger once its last byte left.
    fn accounting(&self, asked: &Asked) -> Option<Delivered> {
        asked.parts.headers.get(SCRAPE)?;
        let agent = asked.parts.headers.get(USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or("unknown");
        let agent = agent.get(..USER_AGENT_LENGTH).unwrap_or(agent); // header text is ASCII: any cut is a boundary
        let who = format!("{} {agent}", asked.peer);
        let (ledger, clock) = (self.ledger.clone(), self.clock.clone());
        Some(Box::new(move || ledger.scraped(&who, clock.boot())))
    }

    fn health(&self) -> Response<Bytes> {
        let stuck = (self.stuck)();
        if stuck.is_empty() {
            plain(StatusCode::OK, "alive\n")
        } else {
            plain(StatusCode::SERVICE_UNAVAILABLE, format!("stuck: {}\n", stuck.join(", ")))
        }
    }

    fn readiness(&self) -> Response<Bytes> {
        if self.snapshots.borrow().is_some() {
            plain(StatusCode::OK, "ready\n")
        } else {
            plain(StatusCode::SERVICE_UNAVAILABLE, "no snapshot yet\n")
        }
    }

    async fn route(&self, path: Path, asked: &Asked) -> Answer {
        if !matches!(asked.parts.method, Method::GET | Method::HEAD) && path != Path::Other {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response.into();
        }
        match path {
            Path::Metrics => self.metrics(asked).await,
            Path::Healthz => self.health().into(),
            Path::Readyz => self.readiness().into(),
            Path::Front => html(front::front(&self.node)).into(),
            Path::Other => {
                plain(StatusCode::NOT_FOUND, "not found; there are /, /metrics, /healthz and /readyz\n").into()
            }
        }
    }
}

impl Serve for Page {
    fn serve(&self, asked: Asked) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>> {
        Box::pin(async move {
            let path = match asked.parts.uri.path() {
                "/metrics" => Path::Metrics,
                "/healthz" => Path::Healthz,
                "/readyz" => Path::Readyz,
                "/" => Path::Front,
                _ => Path::Other,
            };
            let answer = self.route(path, &asked).await;
            self.meters.answered(path, answer.response.status());
            answer
        })
    }
}

/// All values of a header that may be repeated, joined as RFC 9110 §5.3 allows.
fn all(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<_> = headers.get_all(name).iter().filter_map(|v| v.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

fn plain(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn html(body: String) -> Response<Bytes> {
    let mut response = plain(StatusCode::OK, body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests;
