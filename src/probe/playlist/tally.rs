//! Closed sets of this probe, and what is counted by them.

use crate::base::label::Label;
use crate::metric::report::NoData;
use crate::wire::hls::Act;
use crate::wire::ts::Indicator;
use crate::world::net::Reason;

/// What was asked for.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum What {
    Playlist,
    Segment,
}

impl Label for What {
    const ALL: &'static [Self] = &[What::Playlist, What::Segment];
    fn label(self) -> &'static str {
        match self {
            What::Playlist => "playlist",
            What::Segment => "segment",
        }
    }
}

/// Why a request gave nothing.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Why {
    Net(Reason),
    NotFound,
    Auth,
    Status,
    TooLarge,
    Unreadable,
}

impl Label for Why {
    const ALL: &'static [Self] = &[
        Why::Net(Reason::Name),
        Why::Net(Reason::Refused),
        Why::Net(Reason::Unreachable),
        Why::Net(Reason::Denied),
        Why::Net(Reason::Timeout),
        Why::Net(Reason::Tls),
        Why::Net(Reason::Malformed),
        Why::Net(Reason::Redirect),
        Why::NotFound,
        Why::Auth,
        Why::Status,
        Why::TooLarge,
        Why::Unreadable,
        Why::Net(Reason::Other),
    ];
    fn label(self) -> &'static str {
        match self {
            Why::Net(reason) => reason.label(),
            Why::NotFound => "not_found",
            Why::Auth => "auth",
            Why::Status => "status",
            Why::TooLarge => "too_large",
            Why::Unreadable => "unreadable",
        }
    }
}

impl Why {
    /// The reason of an HTTP status that is not 2xx.
    pub(super) fn of_status(status: u16) -> Why {
        match status {
            401 | 403 => Why::Auth,
            404 | 410 => Why::NotFound,
            _ => Why::Status,
        }
    }
    /// Why gauges leave the page.
    pub(super) fn no_data(self) -> NoData {
        match self {
            Why::Net(Reason::Timeout) => NoData::Timeout,
            Why::Net(Reason::Malformed) | Why::TooLarge | Why::Unreadable => NoData::Malformed,
            Why::Auth | Why::Net(Reason::Denied) => NoData::Denied,
            Why::NotFound => NoData::NotPresent,
            Why::Net(_) | Why::Status => NoData::Unreachable,
        }
    }
}

/// What became of a segment, beside those unseen.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    Read,
    Failed,
    Skipped,
    Unseen,
    Gap,
}

impl Label for Fate {
    const ALL: &'static [Self] = &[Fate::Read, Fate::Failed, Fate::Skipped, Fate::Unseen, Fate::Gap];
    fn label(self) -> &'static str {
        match self {
            Fate::Read => "read",
            Fate::Failed => "failed",
            Fate::Skipped => "skipped",
            Fate::Unseen => "unseen",
            Fate::Gap => "gap",
        }
    }
}

/// Counters beside those of the judges; all only grow.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) failures: [[u64; Why::ALL.len()]; What::ALL.len()],
    pub(super) fates: [u64; Fate::ALL.len()],
    pub(super) bytes: u64,
    pub(super) indicators: [u64; Indicator::ALL.len()],
    pub(super) stream_cues: [u64; Act::ALL.len()],
}

impl Tally {
    pub(super) fn failed(&mut self, what: What, why: Why) {
        let last = Why::ALL.len() - 1;
        self.failures[what as usize][Why::ALL.iter().position(|w| *w == why).unwrap_or(last)] += 1;
    }
    pub(super) fn add(&mut self, other: &Tally) {
        let add = |to: &mut [u64], from: &[u64]| to.iter_mut().zip(from).for_each(|(a, b)| *a += b);
        self.failures.iter_mut().zip(&other.failures).for_each(|(a, b)| add(a, b));
        add(&mut self.fates, &other.fates);
        add(&mut self.indicators, &other.indicators);
        add(&mut self.stream_cues, &other.stream_cues);
        self.bytes += other.bytes;
    }
}
