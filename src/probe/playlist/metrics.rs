//! What a playlist says of itself.

use super::tally::{Fate, Tally, What, Why};
use crate::base::label::Label;
use crate::metric::book::Series;
use crate::metric::desc::{Desc, Family, Unit};
use crate::metric::histogram::Histogram;
use crate::metric::report::{NoData, Report};
use crate::probe::Kit;
use crate::wire::hls::{Act, Counts, CueFault, Defect, Facts, Style};
use crate::wire::ts::Indicator;
use crate::world::net::Phases;
use std::collections::BTreeSet;
use std::time::Duration;

static UP: Desc<1> = Desc::gauge(
    "hls_up",
    Unit::Count,
    ["stream_id"],
    "1 if every watched media playlist was fetched and could be read in the last round, else 0",
);
static FAILURES: Desc<3> = Desc::counter(
    "hls_failures_total",
    Unit::Count,
    ["stream_id", "what", "reason"],
    "Requests without a usable answer; not_found is 404 and 410, auth 401 and 403, status any other that is not 2xx, \
     too_large a body beyond the bound, unreadable no playlist",
);
static VARIANTS: Desc<2> = Desc::gauge(
    "hls_variants",
    Unit::Count,
    ["stream_id", "state"],
    "Variants that the master playlist lists, those watched, and those that answered in the last round; all 1 for a media \
     playlist alone",
);
static REQUEST: Desc<2> = Desc::gauge(
    "hls_playlist_request_seconds",
    Unit::Seconds,
    ["stream_id", "phase"],
    "Where the time of the last media playlist request went, of the slowest variant; total includes redirects",
);
static AGE: Desc<1> = Desc::gauge(
    "hls_playlist_age_seconds",
    Unit::Seconds,
    ["stream_id"],
    "Time since a segment was last added, of the oldest variant; absent while the playlist cannot be read and after its end",
);
static STALLED: Desc<1> = Desc::gauge(
    "hls_playlist_stalled",
    Unit::Count,
    ["stream_id"],
    "1 if a live playlist got no segment for 1.5 target durations (RFC 8216 section 6.2.2), else 0",
);
static STALLS: Desc<1> =
    Desc::counter("hls_playlist_stalls_total", Unit::Count, ["stream_id"], "Times a variant began to stall");
static ENDED: Desc<1> = Desc::gauge(
    "hls_playlist_ended",
    Unit::Count,
    ["stream_id"],
    "1 if every variant says that nothing will be added (EXT-X-ENDLIST), else 0",
);
static TARGET: Desc<1> = Desc::gauge(
    "hls_target_duration_seconds",
    Unit::Seconds,
    ["stream_id"],
    "Target duration of the first watched variant, 6 where it says none",
);
static SEQUENCE: Desc<1> = Desc::gauge(
    "hls_media_sequence",
    Unit::Count,
    ["stream_id"],
    "Number of the newest segment of the first watched variant; falls when an encoder begins anew",
);
static WINDOW: Desc<1> =
    Desc::gauge("hls_window_seconds", Unit::Seconds, ["stream_id"], "Segments in the shortest variant, added up");
static LATENCY: Desc<1> = Desc::gauge(
    "hls_live_latency_seconds",
    Unit::Seconds,
    ["stream_id"],
    "Our wall clock minus the end of the newest segment by EXT-X-PROGRAM-DATE-TIME, of the slowest variant; absent without \
     dates, and while our clock is not disciplined",
);
static DEFECTS: Desc<2> = Desc::counter(
    "hls_defects_total",
    Unit::Count,
    ["stream_id", "kind"],
    "Breaches of RFC 8216, once per segment or date range, and once each time one comes up in a playlist as a whole",
);
static DISCONTINUITIES: Desc<1> = Desc::counter(
    "hls_discontinuities_total",
    Unit::Count,
    ["stream_id"],
    "EXT-X-DISCONTINUITY in front of added segments",
);
static SEGMENTS: Desc<2> = Desc::counter(
    "hls_segments_total",
    Unit::Count,
    ["stream_id", "fate"],
    "Segments by what became of them: read to the end, failed (why: hls_failures_total), skipped since reading fell behind, \
     unseen since they came and went between two looks, gap since the playlist says that they are missing",
);
static BYTES: Desc<1> =
    Desc::counter("hls_segment_bytes_total", Unit::Bytes, ["stream_id"], "Bytes of the segments that were read");
static DOWNLOAD: Desc<1> = Desc::histogram(
    "hls_segment_download_seconds",
    Unit::Seconds,
    ["stream_id"],
    &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0],
    "From the lookup of the name to the last byte of a segment that was read",
);
static RATIO: Desc<1> = Desc::gauge(
    "hls_segment_download_ratio",
    Unit::Ratio,
    ["stream_id"],
    "Download time of the newest segment divided by its duration, of the slowest variant; above 1 a player runs dry",
);
static BITRATE: Desc<1> = Desc::gauge(
    "hls_segment_bitrate",
    Unit::BitsPerSecond,
    ["stream_id"],
    "Bits of the newest segment divided by its duration, of the first watched variant",
);
static TS_ERRORS: Desc<2> = Desc::counter(
    "hls_segment_errors_total",
    Unit::Count,
    ["stream_id", "indicator"],
    "ETSI TR 101 290 errors in the transport stream of the segments; those about how often tables and clocks are repeated do \
     not apply to segments, which begin with them (RFC 8216 section 3.2)",
);
static CUES: Desc<3> = Desc::counter(
    "hls_cues_total",
    Unit::Count,
    ["stream_id", "style", "act"],
    "SCTE-35 cues that came into the playlists, by the tags they are written in",
);
static STREAM_CUES: Desc<2> = Desc::counter(
    "hls_segment_cues_total",
    Unit::Count,
    ["stream_id", "act"],
    "SCTE-35 sections in the transport stream of the segments, repetitions included; command: neither begins nor ends a break",
);
static CUE_FAULTS: Desc<2> = Desc::counter(
    "hls_cue_faults_total",
    Unit::Count,
    ["stream_id", "kind"],
    "Cues at odds with themselves, with the segments, or with the transport stream in them",
);
static BREAK_OPEN: Desc<1> = Desc::gauge(
    "hls_break_open",
    Unit::Count,
    ["stream_id"],
    "1 while a break is going on in any variant by its tags or date ranges, else 0",
);
static BREAK_OVERDUE: Desc<1> = Desc::gauge(
    "hls_break_overdue",
    Unit::Count,
    ["stream_id"],
    "1 while a break goes on though its planned length and one segment more have passed, else 0",
);

/// Every family of this probe.
pub static FAMILIES: &[Family] = &[
    UP.family(),
    FAILURES.family(),
    VARIANTS.family(),
    REQUEST.family(),
    AGE.family(),
    STALLED.family(),
    STALLS.family(),
    ENDED.family(),
    TARGET.family(),
    SEQUENCE.family(),
    WINDOW.family(),
    LATENCY.family(),
    DEFECTS.family(),
    DISCONTINUITIES.family(),
    SEGMENTS.family(),
    BYTES.family(),
    DOWNLOAD.family(),
    RATIO.family(),
    BITRATE.family(),
    TS_ERRORS.family(),
    CUES.family(),
    STREAM_CUES.family(),
    CUE_FAULTS.family(),
    BREAK_OPEN.family(),
    BREAK_OVERDUE.family(),
];

/// What is counted of a stream in segments. Its PAT, PMT and PCR may be as rare as the segments, so that the limits on their
/// repetition say nothing.
const INDICATORS: &[Indicator] = &[
    Indicator::SyncLoss,
    Indicator::SyncByte,
    Indicator::Continuity,
    Indicator::Transport,
    Indicator::Crc,
    Indicator::Pts,
];

/// What a round found out, all variants put together.
#[derive(Debug, Clone, Default)]
pub(super) struct Round {
    pub(super) listed: usize,
    pub(super) watched: usize,
    pub(super) answering: usize,
    /// Of the variants that answered.
    pub(super) facts: Vec<Facts>,
    pub(super) phases: Option<(Phases, Duration)>,
    /// Seconds by our wall clock, where both clocks are good.
    pub(super) latency: Option<f64>,
    pub(super) ratio: Option<f64>,
    pub(super) bitrate: Option<f64>,
    /// Of the first thing that failed.
    pub(super) why: Option<Why>,
}

type Labelled<L> = Vec<(L, Series)>;

fn labelled<L: Label>(mut open: impl FnMut(&'static str) -> Series) -> Labelled<L> {
    L::ALL.iter().map(|label| (*label, open(label.label()))).collect()
}

const STATES: [&str; 3] = ["listed", "watched", "answering"];
const PHASES: [&str; 6] = ["name", "connect", "tls", "first_byte", "body", "total"];

/// The open series of one playlist.
pub(super) struct Meters {
    up: Series,
    failures: Vec<(What, Labelled<Why>)>,
    variants: [Series; 3],
    request: [Series; 6],
    age: Series,
    stalled: Series,
    stalls: Series,
    ended: Series,
    target: Series,
    sequence: Series,
    window: Series,
    latency: Series,
    defects: Labelled<Defect>,
    discontinuities: Series,
    fates: Labelled<Fate>,
    bytes: Series,
    pub(super) download: Histogram,
    ratio: Series,
    bitrate: Series,
    indicators: Labelled<Indicator>,
    cues: Vec<(Style, Labelled<Act>)>,
    stream_cues: Labelled<Act>,
    cue_faults: Labelled<CueFault>,
    break_open: Series,
    break_overdue: Series,
    /// Gauges that are on the page: each leaves it once, not with every round that has nothing to say of it.
    shown: BTreeSet<Series>,
}

impl Meters {
    pub(super) fn open(kit: &mut Kit, id: &str) -> Meters {
        let failures = What::ALL.iter().map(|what| {
            let open = |why: &'static str| kit.own(&FAILURES, [id, what.label(), why]);
            (*what, labelled(open))
        });
        let failures = failures.collect();
        let cues = Style::ALL.iter().map(|style| {
            let open = |act: &'static str| kit.own(&CUES, [id, style.label(), act]);
            (*style, labelled(open))
        });
        let cues = cues.collect();
        let mut indicators: Labelled<Indicator> = Vec::new();
        for indicator in INDICATORS {
            indicators.push((*indicator, kit.own(&TS_ERRORS, [id, indicator.label()])));
        }
        Meters {
            up: kit.own(&UP, [id]),
            failures,
            variants: STATES.map(|state| kit.own(&VARIANTS, [id, state])),
            request: PHASES.map(|phase| kit.own(&REQUEST, [id, phase])),
            age: kit.own(&AGE, [id]),
            stalled: kit.own(&STALLED, [id]),
            stalls: kit.own(&STALLS, [id]),
            ended: kit.own(&ENDED, [id]),
            target: kit.own(&TARGET, [id]),
            sequence: kit.own(&SEQUENCE, [id]),
            window: kit.own(&WINDOW, [id]),
            latency: kit.own(&LATENCY, [id]),
            defects: labelled(|kind| kit.own(&DEFECTS, [id, kind])),
            discontinuities: kit.own(&DISCONTINUITIES, [id]),
            fates: labelled(|fate| kit.own(&SEGMENTS, [id, fate])),
            bytes: kit.own(&BYTES, [id]),
            download: kit.histogram(&DOWNLOAD, [id]),
            ratio: kit.own(&RATIO, [id]),
            bitrate: kit.own(&BITRATE, [id]),
            indicators,
            cues,
            stream_cues: labelled(|act| kit.own(&STREAM_CUES, [id, act])),
            cue_faults: labelled(|kind| kit.own(&CUE_FAULTS, [id, kind])),
            break_open: kit.own(&BREAK_OPEN, [id]),
            break_overdue: kit.own(&BREAK_OVERDUE, [id]),
            shown: BTreeSet::new(),
        }
    }

    /// What a round found.
    pub(super) fn fill(&mut self, report: &mut Report, round: &Round, counts: &Counts, tally: &Tally) {
        self.counters(report, counts, tally);
        let up = round.watched > 0 && round.answering == round.watched;
        let why = round.why.map_or(NoData::Unreachable, Why::no_data);
        // A watched variant that did not answer leaves nothing to be said of the stream as a whole.
        let facts = if up { &round.facts[..] } else { &[] };
        let first = facts.first();
        let any = |is: fn(&Facts) -> bool| first.map(|_| f64::from(facts.iter().any(is)));
        let ages = facts.iter().filter(|f| !f.ended).map(|f| f.age.as_secs_f64());
        let phases = round
            .phases
            .map(|(p, total)| [Some(p.name), Some(p.connect), p.tls, Some(p.first), Some(p.body), Some(total)]);
        let known = (round.listed > 0).then_some([round.listed, round.watched, round.answering]);
        let mut gauges = vec![
            (self.up, Some(f64::from(up))),
            (self.age, ages.reduce(f64::max)),
            (self.stalled, any(|f| f.stalled)),
            (self.ended, first.map(|_| f64::from(facts.iter().all(|f| f.ended)))),
            (self.target, first.map(|f| f.target as f64)),
            (self.sequence, first.and_then(|f| f.newest).map(|n| n as f64)),
            (self.window, facts.iter().map(|f| f.window).reduce(f64::min)),
            (self.latency, round.latency.filter(|_| up)),
            (self.break_open, any(|f| f.break_open)),
            (self.break_overdue, any(|f| f.break_overdue)),
        ];
        gauges.extend(self.variants.iter().enumerate().map(|(n, series)| (*series, known.map(|k| k[n] as f64))));
        let phase = |n: usize| phases.and_then(|p| p[n]).map(|d| d.as_secs_f64());
        gauges.extend(self.request.iter().enumerate().map(|(n, series)| (*series, phase(n))));
        // These stand until the next segment; a round without one says nothing of them.
        let segment = [(self.ratio, round.ratio), (self.bitrate, round.bitrate)];
        gauges.extend(segment.into_iter().filter(|(_, value)| !up || value.is_some()));
        for (series, value) in gauges {
            if value.is_some() {
                self.shown.insert(series);
                report.maybe(series, value, why);
            } else if self.shown.remove(&series) {
                report.reading(series, Err(if up { NoData::NotPresent } else { why }));
            }
        }
    }

    fn counters(&self, report: &mut Report, counts: &Counts, tally: &Tally) {
        for (what, series) in &self.failures {
            for ((_, series), count) in series.iter().zip(&tally.failures[*what as usize]) {
                report.value(*series, *count as f64);
            }
        }
        report.value(self.stalls, counts.stalls as f64).value(self.discontinuities, counts.discontinuities as f64);
        for (kind, series) in &self.defects {
            report.value(*series, counts.defects[*kind as usize] as f64);
        }
        for (fate, series) in &self.fates {
            let unseen = if *fate == Fate::Unseen { counts.unseen } else { 0 };
            report.value(*series, (tally.fates[*fate as usize] + unseen) as f64);
        }
        report.value(self.bytes, tally.bytes as f64);
        self.download.fill(report);
        for (indicator, series) in &self.indicators {
            report.value(*series, tally.indicators[*indicator as usize] as f64);
        }
        for (style, series) in &self.cues {
            for (act, series) in series {
                report.value(*series, counts.cues[*style as usize][*act as usize] as f64);
            }
        }
        for (act, series) in &self.stream_cues {
            report.value(*series, tally.stream_cues[*act as usize] as f64);
        }
        for (kind, series) in &self.cue_faults {
            report.value(*series, counts.cue_faults[*kind as usize] as f64);
        }
    }

    /// Nothing that was told of the moment stands any more; counters do.
    pub(super) fn withdraw(&mut self, report: &mut Report) {
        for series in std::mem::take(&mut self.shown) {
            report.reading(series, Err(NoData::Stale));
        }
    }
}
