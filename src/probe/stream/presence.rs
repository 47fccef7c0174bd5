//! Whether there is a signal, why there is none, and how often it went.

use super::address::Protocol;
use crate::base::clock::Boot;
use crate::base::label::Label;
use crate::metric::note::Note;
use crate::metric::report::NoData;
use crate::wire::record;
use crate::world::{feed, worker};
use std::collections::BTreeMap;
use std::time::Duration;

/// A worker's first bytes may take this long: it learns its plugins on its first start, and SRT and RTMP ask for up to 5 s.
/// Sooner its silence says nothing, and later it says itself what was wrong.
pub(super) const ANSWER: Duration = Duration::from_secs(20);

/// Why there is no signal.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Failure {
    /// The source is open and nothing comes.
    Silent,
    /// Bytes come, and no transport packets are in them.
    Garbage,
    Feed(feed::Reason),
    Worker(worker::Reason),
    /// Our own code panicked.
    Panic,
}

impl Failure {
    /// Those that a stream of this protocol can have, no two with one label.
    pub(super) fn all(protocol: Protocol) -> Vec<Failure> {
        let mut all = vec![Failure::Silent, Failure::Panic];
        if protocol != Protocol::Rtmp {
            all.push(Failure::Garbage);
        }
        if protocol.by_worker() {
            let reasons = worker::Reason::ALL.iter().filter(|reason| **reason != SILENT);
            all.extend(reasons.map(|reason| Failure::Worker(*reason)));
        } else {
            all.extend(feed::Reason::ALL.iter().map(|reason| Failure::Feed(*reason)));
        }
        all
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Failure::Silent => "silent",
            Failure::Garbage => "garbage",
            Failure::Feed(reason) => reason.label(),
            Failure::Worker(reason) => reason.label(),
            Failure::Panic => "panic",
        }
    }

    /// Why the numbers are missing then.
    pub(super) fn no_data(self) -> NoData {
        use {feed::Reason as F, record::Reason as R, worker::Reason as W};
        match self {
            Failure::Silent | Failure::Feed(F::Hung) | Failure::Worker(W::Hung) => NoData::Timeout,
            Failure::Garbage | Failure::Worker(W::Garbled) => NoData::Malformed,
            Failure::Panic => NoData::Stale,
            Failure::Feed(F::Denied | F::InUse) => NoData::Denied,
            Failure::Feed(F::NotFound | F::NoInterface | F::NoAddress) => NoData::NotPresent,
            Failure::Feed(F::WrongKind) => NoData::Unsupported,
            Failure::Feed(F::Eof | F::Other) | Failure::Worker(W::Crashed) => NoData::Unreachable,
            Failure::Worker(W::Said(said)) => match said {
                R::Silent => NoData::Timeout,
                R::Malformed => NoData::Malformed,
                R::Denied => NoData::Denied,
                R::NotInstalled => NoData::NotPresent,
                R::Request => NoData::Unsupported,
                R::Name | R::Refused | R::Unreachable | R::Ended | R::Other => NoData::Unreachable,
            },
        }
    }
}

impl From<worker::Reason> for Failure {
    fn from(reason: worker::Reason) -> Failure {
        match reason {
            SILENT => Failure::Silent,
            reason => Failure::Worker(reason),
        }
    }
}

/// What a worker calls [`Failure::Silent`].
const SILENT: worker::Reason = worker::Reason::Said(record::Reason::Silent);

/// How it stands at one moment.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Signal {
    /// What was waited for came within the stall limit.
    Up,
    Down(Failure),
    /// It has not been waited for long enough.
    Waiting,
}

/// The presence of one stream over all openings of its source.
#[derive(Default)]
pub(super) struct Presence {
    failures: BTreeMap<Failure, u64>,
    since: Option<Boot>,
    /// What was told last, while there is no signal.
    told: Option<Failure>,
}

impl Presence {
    /// There is a signal; since when without a pause.
    pub(super) fn up(&mut self, now: Boot, notes: &mut Vec<Note>) -> Boot {
        if let Some(before) = self.told.take() {
            notes.push(Note::new("stream.back", now).with("after", before.label()));
        }
        *self.since.get_or_insert(now)
    }

    /// The signal of stream `id` is gone for `why`; true when that is news, which it is told as.
    pub(super) fn down(&mut self, id: &str, why: Failure, now: Boot, notes: &mut Vec<Note>) -> bool {
        self.since = None;
        if self.told == Some(why) {
            return false;
        }
        self.told = Some(why);
        *self.failures.entry(why).or_default() += 1;
        tracing::info!(stream = %id, reason = why.label(), "no signal");
        notes.push(Note::new("stream.lost", now).with("reason", why.label()));
        true
    }

    /// Times that it went for this reason.
    pub(super) fn failed(&self, failure: Failure) -> u64 {
        self.failures.get(&failure).copied().unwrap_or(0)
    }
}
