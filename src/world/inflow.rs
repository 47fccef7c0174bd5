//! What others tell us as they go: datagrams that come in, files that grow, the journal. One stream of pieces each.

use crate::base::clock::Clock;
use crate::metric::report::NoData;
use bytes::Bytes;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

/// Pieces that wait for a reader. Beyond them datagrams wait in the kernel and are dropped there, and files wait as they
/// are.
const WAITING: usize = 16;
/// Until a place that could not be had is tried again.
pub(super) const AGAIN: Duration = Duration::from_secs(5);

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// Datagrams to this port of 127.0.0.1.
    Udp(u16),
    /// Datagrams to a socket in the file system. Who names the same path gets the same datagrams.
    Unix(PathBuf),
    /// What is appended to a file from now on, over rotation and truncation.
    File(PathBuf),
    /// What a systemd unit logs from now on.
    Journal(String),
}

/// Nothing can come for now; it is tried again by itself.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen to {what}")]
pub struct Dry {
    pub why: NoData,
    pub what: String,
    pub source: std::io::Error,
}

impl Dry {
    pub fn new(what: impl Into<String>, source: std::io::Error) -> Dry {
        use std::io::ErrorKind::{NotFound, PermissionDenied};
        let why = match source.kind() {
            NotFound => NoData::NotPresent,
            PermissionDenied => NoData::Denied,
            std::io::ErrorKind::TimedOut => NoData::Timeout,
            _ => NoData::Unreachable,
        };
        Dry { why, what: what.into(), source }
    }
}

/// What comes: a datagram whole, or bytes cut anywhere.
pub type Piece = Result<Bytes, Dry>;

/// The end that fills it. An error means that nobody reads any more.
pub type Spout = mpsc::Sender<Piece>;

/// The pieces that come from one place.
pub struct Inflow {
    pieces: mpsc::Receiver<Piece>,
    work: tokio::task::JoinHandle<()>,
}

impl Inflow {
    /// Runs `work`, which gets the other end, until this is dropped.
    pub fn new<F: Future<Output = ()> + Send + 'static>(work: impl FnOnce(Spout) -> F) -> Inflow {
        let (spout, pieces) = mpsc::channel(WAITING);
        Inflow { pieces, work: tokio::spawn(work(spout)) }
    }

    /// The next piece, or why none can come for now. Cancel-safe; waits for ever where nothing comes any more.
    pub async fn next(&mut self) -> Piece {
        match self.pieces.recv().await {
            Some(piece) => piece,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Inflow {
    fn drop(&mut self) {
        self.work.abort();
    }
}

/// Opens places. What goes wrong comes out of the inflow.
pub trait Open: Send + Sync {
    /// Within a tokio runtime only.
    fn open(&self, place: &Place, clock: &Clock) -> Inflow;
}

/// The machine's own sockets, files and journal.
#[derive(Default)]
pub struct Real {
    sockets: super::datagram::Shared,
}

impl Open for Real {
    fn open(&self, place: &Place, clock: &Clock) -> Inflow {
        let clock = clock.clone();
        match place.clone() {
            Place::Udp(port) => Inflow::new(move |spout| super::datagram::udp(port, clock, spout)),
            Place::Unix(path) => {
                let shared = self.sockets.clone();
                Inflow::new(move |spout| super::datagram::unix(shared, path, clock, spout))
            }
            Place::File(path) => Inflow::new(move |spout| super::tail::file(path, clock, spout)),
            Place::Journal(unit) => Inflow::new(move |spout| super::tail::journal(unit, clock, spout)),
        }
    }
}

/// The scripted twin: what a test says comes, at once. Clones are the same.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<HashMap<Place, Vec<Spout>>>>);

impl Script {
    /// Says `bytes` to whoever opened the place, and returns how many heard it.
    pub fn say(&self, place: &Place, bytes: &[u8]) -> usize {
        self.send(place, || Ok(Bytes::copy_from_slice(bytes)))
    }
    pub fn fail(&self, place: &Place, kind: std::io::ErrorKind) -> usize {
        self.send(place, || Err(Dry::new("the script", kind.into())))
    }
    fn send(&self, place: &Place, piece: impl Fn() -> Piece) -> usize {
        let mut all = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let spouts = all.entry(place.clone()).or_default();
        spouts.retain(|spout| !spout.is_closed());
        spouts.iter().filter(|spout| spout.try_send(piece()).is_ok()).count()
    }
}

impl Open for Script {
    fn open(&self, place: &Place, _: &Clock) -> Inflow {
        let (script, place) = (self.clone(), place.clone());
        Inflow::new(move |spout| {
            let mut all = script.0.lock().unwrap_or_else(|e| e.into_inner());
            all.entry(place).or_default().push(spout);
            std::future::ready(())
        })
    }
}
