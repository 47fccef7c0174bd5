//! `ts_*` about how a stream comes: whether it does, why not, and what is lost on the last stretch.

use super::super::address::Protocol;
use super::super::intake::{Intake, Misfit};
use super::super::presence::{Failure, Presence};
use super::{CADENCE, ID, counter};
use crate::base::label::Label;
use crate::metric::book::Series;
use crate::metric::desc::{Desc, Unit};
use crate::metric::report::{NoData, Report};
use crate::probe::Kit;

pub(crate) static UP: Desc<2> = Desc::gauge(
    "ts_input_up",
    Unit::Count,
    ["stream_id", "protocol"],
    "1 while transport packets (frames over RTMP) came within the stall limit, else 0; 0 from the start",
);
pub(crate) static FAILURES: Desc<2> = Desc::counter(
    "ts_input_failures_total",
    Unit::Count,
    ["stream_id", "reason"],
    "Times the signal went away or could not be had, by reason; one that lasts counts once",
);
pub(crate) static BYTES: Desc<1> = Desc::counter(
    "ts_received_bytes_total",
    Unit::Bytes,
    ID,
    "Bytes read: UDP payload with RTP headers and parity, file or pipe content, SRT payload, frames of RTMP",
);
pub(crate) static DROPPED: Desc<1> = counter(
    "ts_datagrams_dropped_total",
    "Datagrams that reached our socket and were dropped by the kernel, mostly because its buffer was full: not the \
     sender's fault; absent for everything but UDP and RTP",
);
pub(crate) static RTP_LOST: Desc<1> = counter(
    "ts_rtp_packets_lost_total",
    "Gaps in the RTP sequence numbers; a reordered packet counts as lost; absent without RTP",
);
pub(crate) static MISFITS: Desc<2> = Desc::counter(
    "ts_datagrams_malformed_total",
    Unit::Count,
    ["stream_id", "kind"],
    "Datagrams that hold no whole number of packets of 188 or 204 bytes (size), or no RTP where the URL says so (no_rtp)",
);
pub(crate) static SRT_PACKETS: Desc<1> = counter(
    "ts_srt_packets_total",
    "SRT data packets received, repeated and recovered ones included, as libsrt counts; absent without SRT",
);
pub(crate) static SRT_LOST: Desc<1> = counter(
    "ts_srt_packets_lost_total",
    "SRT data packets found missing when a later one came, as libsrt counts; most come back in time, and what does not \
     is in ts_packets_lost_total",
);
pub(crate) static SRT_ROUND_TRIP: Desc<1> =
    Desc::gauge("ts_srt_round_trip_seconds", Unit::Seconds, ID, "Round trip of the SRT link, as libsrt smooths it");
pub(crate) static SRT_LATENCY: Desc<1> = Desc::gauge(
    "ts_srt_latency_seconds",
    Unit::Seconds,
    ID,
    "Delay of the SRT receiver as both ends agreed: packets that come back later than this are lost",
);

/// The series that every stream has.
pub(crate) struct Presences {
    up: Series,
    failures: Vec<(Failure, Series)>,
    bytes: Series,
}

impl Presences {
    pub(crate) fn open(kit: &mut Kit, id: &str, protocol: Protocol) -> Presences {
        Presences {
            up: kit.own(&UP, [id, protocol.label()]),
            failures: Failure::all(protocol).into_iter().map(|f| (f, kit.own(&FAILURES, [id, f.label()]))).collect(),
            bytes: kit.own(&BYTES, [id]),
        }
    }

    pub(crate) fn fill(&self, report: &mut Report, up: bool, presence: &Presence, bytes: u64) {
        report.value(self.up, f64::from(u8::from(up))).value(self.bytes, bytes as f64);
        for (failure, series) in &self.failures {
            report.value(*series, presence.failed(*failure) as f64);
        }
    }
}

/// The series of the last stretch, by what it can tell.
pub(crate) struct Stretch {
    dropped: Option<Series>,
    rtp_lost: Option<Series>,
    misfits: Vec<(Misfit, Series)>,
    /// Counts, and what is read while there is a link.
    srt: Option<([Series; 2], [Series; 2])>,
}

impl Stretch {
    pub(crate) fn open(kit: &mut Kit, id: &str, protocol: Protocol) -> Stretch {
        let datagrams = protocol.datagrams();
        let misfits = Misfit::ALL.iter().filter(|_| datagrams);
        let misfits = misfits.map(|m| (*m, kit.own(&MISFITS, [id, m.label()]))).collect();
        let mut own = |desc| kit.own(desc, [id]);
        let dropped = datagrams.then(|| own(&DROPPED));
        let rtp_lost = (protocol == Protocol::Rtp).then(|| own(&RTP_LOST));
        let srt = (protocol == Protocol::Srt).then(|| {
            let counts = [&SRT_PACKETS, &SRT_LOST].map(|desc| kit.own(desc, [id]));
            (counts, [&SRT_ROUND_TRIP, &SRT_LATENCY].map(|desc| kit.read(desc, [id], CADENCE)))
        });
        Stretch { dropped, rtp_lost, misfits, srt }
    }

    pub(crate) fn fill(&self, report: &mut Report, intake: &Intake) {
        for (misfit, series) in &self.misfits {
            report.value(*series, intake.misfits(*misfit) as f64);
        }
        if let Some(series) = self.dropped {
            report.value(series, intake.dropped() as f64);
        }
        if let Some(series) = self.rtp_lost {
            report.value(series, intake.rtp_lost as f64);
        }
        if let Some((counts, _)) = self.srt {
            for (series, count) in counts.iter().zip(intake.linked()) {
                report.value(*series, count as f64);
            }
        }
    }

    /// What is told each second while there is a signal.
    pub(crate) fn present(&self, report: &mut Report, intake: &Intake) {
        if let (Some((_, [round_trip, latency])), Some(link)) = (self.srt, intake.link) {
            report.value(round_trip, link.rtt_us as f64 / 1e6).value(latency, link.latency_ms as f64 / 1e3);
        }
    }

    pub(crate) fn absent(&self, report: &mut Report, why: NoData) {
        for series in self.srt.iter().flat_map(|(_, read)| read) {
            report.reading(*series, Err(why));
        }
    }
}
