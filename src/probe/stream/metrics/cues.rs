//! `scte35_*`: the cues of a stream, all its programmes together.

use super::super::compare::{Compare, Outcome};
use super::super::ears::Ears;
use super::super::markers::Kind;
use super::super::settings::Plan;
use super::{CADENCE, ID, counter};
use crate::base::clock::{Boot, Dated, Now};
use crate::base::label::Label;
use crate::metric::book::Series;
use crate::metric::desc::{Desc, Unit};
use crate::metric::histogram::Histogram;
use crate::metric::report::{NoData, Report};
use crate::probe::Kit;
use crate::wire::scte35::{
    CommandKind, Counts, Defect, Direction, Happening, How, News, SegmentationType, Source, State, Verdict, Why,
};
use crate::wire::ts::clock33;
use std::time::Duration;

/// Around the 4 s that SCTE 35 §9.9.2.1 asks for, and the 5 to 8 s of SCTE 67.
const PREROLLS: &[f64] = &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 30.0];
/// Around the usual lengths of avails and blocks of them.
const BREAKS_BOUNDS: &[f64] = &[5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 240.0, 300.0, 600.0];

const fn by(name: &'static str, label: &'static str, help: &'static str) -> Desc<2> {
    Desc::counter(name, Unit::Count, ["stream_id", label], help)
}
const fn seconds(name: &'static str, help: &'static str) -> Desc<1> {
    Desc::gauge(name, Unit::Seconds, ID, help)
}

pub(crate) static SECTIONS: Desc<2> =
    by("scte35_sections_total", "command", "SCTE-35 sections by the command they claim, with and without a good CRC");
pub(crate) static FAULTY: Desc<2> = by(
    "scte35_faulty_sections_total",
    "command",
    "Of those the ones with a wrong CRC or another defect over which a splicer may stumble",
);
pub(crate) static SEGMENTATIONS: Desc<2> =
    by("scte35_segmentations_total", "type", "Segmentation descriptors by segmentation_type_id");
pub(crate) static DEFECTS: Desc<2> = by(
    "scte35_defects_total",
    "kind",
    "Sections that depart from SCTE 35 2023r1, by how; one section may have several",
);
pub(crate) static DISGUISED: Desc<1> = counter(
    "scte35_disguised_sections_total",
    "SCTE-35 sections inside PES packets of a private stream, as FFmpeg writes them: no splicer sees them, and they open no break here",
);
pub(crate) static ANNOUNCED: Desc<2> = by(
    "scte35_announced_total",
    "direction",
    "First transmissions of markers that leave the programme (out) or return (in)",
);
pub(crate) static REPEATS: Desc<1> = counter("scte35_repeats_total", "Markers sent again unchanged");
pub(crate) static RETIMES: Desc<1> =
    counter("scte35_retimes_total", "Markers that move an announced event before it came");
pub(crate) static DUPLICATE_IDS: Desc<2> = by(
    "scte35_duplicate_event_ids_total",
    "source",
    "Markers that use the id of an open break for another one; source is the upper four bits of the id (SCTE 35 9.9.3)",
);
pub(crate) static LATE: Desc<2> = by(
    "scte35_late_signals_total",
    "direction",
    "First transmissions with less pre-roll than is asked for (4 s), by the shorter of two clocks",
);
pub(crate) static IMMEDIATE: Desc<2> =
    by("scte35_immediate_signals_total", "direction", "First transmissions without a time: to be done at once");
pub(crate) static IMPLAUSIBLE: Desc<1> = counter(
    "scte35_implausible_times_total",
    "First transmissions whose splice point lies in the past or more than ten minutes off, as when a device forgot pts_adjustment",
);
pub(crate) static CANCELS: Desc<2> =
    by("scte35_cancels_total", "known", "Events called off; known: they were announced before");
pub(crate) static UNMATCHED: Desc<1> =
    counter("scte35_unmatched_returns_total", "Returns without a break that they end");
pub(crate) static OPENED: Desc<1> =
    counter("scte35_breaks_opened_total", "Breaks whose first picture came; overlays too");
pub(crate) static CLOSED: Desc<2> = by("scte35_breaks_closed_total", "how", "Breaks that ended, by how");
pub(crate) static OVERLAPPING: Desc<1> =
    counter("scte35_overlapping_outs_total", "Breaks that opened while another of the same kind was open");
pub(crate) static MISSING_RETURNS: Desc<1> =
    counter("scte35_missing_returns_total", "Breaks that ran past their duration and the tolerance");
pub(crate) static MISMATCHES: Desc<1> = counter(
    "scte35_duration_mismatches_total",
    "Ended breaks whose length differs from the planned one by more than the tolerance",
);
pub(crate) static ORPHANED: Desc<2> =
    by("scte35_orphaned_total", "why", "Announced splice points that will not come: the clock jumped, or time went by");
pub(crate) static POINTS: Desc<3> = Desc::counter(
    "scte35_splice_points_total",
    Unit::Count,
    ["stream_id", "direction", "verdict"],
    "Splice points that came, by whether the picture there allows a clean cut: a closed random access point within a frame (conditioned), one whose leading pictures refer back (open_gop), or none",
);
pub(crate) static REFUSED: Desc<1> =
    counter("scte35_events_refused_total", "Markers that were not followed because too many events were under way");
pub(crate) static DTMF_LATE: Desc<1> =
    counter("scte35_dtmf_late_total", "DTMF sequences that came less than 2 s before they had to be sent");
pub(crate) static UNTOLD: Desc<1> = counter(
    "scte35_events_untold_total",
    "Happenings that the event log does not have because there were too many at once",
);
pub(crate) static BREAKS: Desc<2> = Desc::gauge(
    "scte35_breaks",
    Unit::Count,
    ["stream_id", "state"],
    "Breaks announced, open within their duration, and open beyond it (overdue)",
);
pub(crate) static HEARTBEAT_AGE: Desc<1> =
    seconds("scte35_heartbeat_age_seconds", "Time since the last section with a good CRC; absent before the first");
pub(crate) static HEARTBEAT_INTERVAL: Desc<1> =
    seconds("scte35_heartbeat_interval_seconds", "Usual time between splice_null sections; absent until learned");
pub(crate) static HEARTBEAT_LOST: Desc<1> = Desc::gauge(
    "scte35_heartbeat_lost",
    Unit::Count,
    ID,
    "1 while no section comes for three times the usual interval, or for the configured one; absent while none is known",
);
pub(crate) static LAST_SEEN: Desc<2> = Desc::gauge(
    "scte35_last_seen_timestamp_seconds",
    Unit::Seconds,
    ["stream_id", "kind"],
    "Unix time of the last section at all (any), splice_null (heartbeat), marker out and in",
);
pub(crate) static SILENCE: Desc<2> = Desc::gauge(
    "scte35_marker_silence_seconds",
    Unit::Seconds,
    ["stream_id", "marker"],
    "Time since a marker came that is configured to come; where none ever came, since this stream is watched",
);
pub(crate) static LIMIT: Desc<2> = Desc::gauge(
    "scte35_marker_limit_seconds",
    Unit::Seconds,
    ["stream_id", "marker"],
    "The longest silence of this marker that is configured",
);
pub(crate) static ADJUSTMENT: Desc<1> = seconds("scte35_pts_adjustment_seconds", "pts_adjustment of the last section");
pub(crate) static OFFSET: Desc<1> = seconds(
    "scte35_splice_point_offset_seconds",
    "From the last splice point to its random access point; 0 is a clean cut",
);
pub(crate) static DURATION_ERROR: Desc<1> =
    seconds("scte35_break_duration_error_seconds", "Real less planned length of the last break that had both");
pub(crate) static TIME_OFFSET: Desc<1> = seconds(
    "scte35_time_offset_seconds",
    "Clock of whoever writes time_descriptors less this box's wall clock, at the last one",
);
pub(crate) static PREROLL: Desc<2> = Desc::histogram(
    "scte35_preroll_seconds",
    Unit::Seconds,
    ["stream_id", "clock"],
    PREROLLS,
    "From the first transmission of a marker to its splice point: against the programme clock (declared), against the newest video timestamp (arrival), and by this box's clock until the first picture of the break came (actual)",
);
pub(crate) static BREAK_SECONDS: Desc<1> = Desc::histogram(
    "scte35_break_seconds",
    Unit::Seconds,
    ID,
    BREAKS_BOUNDS,
    "Length of ended breaks by the clock of the stream",
);
pub(crate) static ENCODER: Desc<2> = by(
    "scte35_encoder_cues_total",
    "outcome",
    "Markers at the input of the encoder of this stream, by what became of them at its output: passed, lost, late (its pre-roll was used up inside), retimed (its time points to another place of the programme), private (in a private stream, where no splicer looks); absent without `input`",
);
pub(crate) static PID_LOST: Desc<1> = Desc::gauge(
    "scte35_encoder_pid_lost",
    Unit::Count,
    ID,
    "1 while the tables at the encoder's input name a cue PID and those at its output none; absent while one of them has no signal, and without `input`",
);

type Count = Box<dyn Fn(&Counts) -> u64 + Send>;

/// The series of one stream's cues.
pub(crate) struct CueSeries {
    totals: Vec<(Series, Count)>,
    /// All and faulty ones.
    sections: Vec<(CommandKind, [Series; 2])>,
    disguised: Series,
    untold: Series,
    breaks: [Series; 3],
    heartbeat: [Series; 3],
    last_seen: [(Kind, Series, Dated); 4],
    expected: Vec<(Kind, Duration, [Series; 2])>,
    adjustment: Series,
    offset: Series,
    duration_error: Series,
    time_offset: Series,
    declared: Histogram,
    arrival: Histogram,
    actual: Histogram,
    lengths: Histogram,
    encoder: Option<([(Outcome, Series); 5], Series)>,
    since: Boot,
    /// The longest pause between sections is configured, and need not be learned.
    limited: bool,
}

fn totals(kit: &mut Kit, id: &str) -> Vec<(Series, Count)> {
    let mut all: Vec<(Series, Count)> = Vec::new();
    let mut one = |kit: &mut Kit, desc, of: fn(&Counts) -> u64| all.push((kit.own(desc, [id]), Box::new(of)));
    one(kit, &REPEATS, |c| c.repeats);
    one(kit, &RETIMES, |c| c.retimes);
    one(kit, &IMPLAUSIBLE, |c| c.implausible);
    one(kit, &UNMATCHED, |c| c.unmatched_returns);
    one(kit, &OPENED, |c| c.opened);
    one(kit, &OVERLAPPING, |c| c.overlapping);
    one(kit, &MISSING_RETURNS, |c| c.missing_returns);
    one(kit, &MISMATCHES, |c| c.mismatches);
    one(kit, &REFUSED, |c| c.refused);
    one(kit, &DTMF_LATE, |c| c.dtmf_late);
    fn each<L: Label + Send>(
        all: &mut Vec<(Series, Count)>,
        kit: &mut Kit,
        id: &str,
        desc: &'static Desc<2>,
        of: fn(&Counts, L) -> u64,
    ) {
        for label in L::ALL {
            let label = *label;
            let count: Count = Box::new(move |counts| of(counts, label));
            all.push((kit.own(desc, [id, label.label()]), count));
        }
    }
    let all = &mut all;
    each::<SegmentationType>(all, kit, id, &SEGMENTATIONS, |c, l| c.segmentations.get(l));
    each::<Defect>(all, kit, id, &DEFECTS, |c, l| c.defects.get(l));
    each::<Direction>(all, kit, id, &ANNOUNCED, |c, l| c.announced.get(l));
    each::<Direction>(all, kit, id, &LATE, |c, l| c.late.get(l));
    each::<Direction>(all, kit, id, &IMMEDIATE, |c, l| c.immediates.get(l));
    each::<Source>(all, kit, id, &DUPLICATE_IDS, |c, l| c.duplicate_ids.get(l));
    each::<How>(all, kit, id, &CLOSED, |c, l| c.closed.get(l));
    each::<Why>(all, kit, id, &ORPHANED, |c, l| c.orphaned.get(l));
    all.push((kit.own(&CANCELS, [id, "true"]), Box::new(|c| c.cancels)));
    all.push((kit.own(&CANCELS, [id, "false"]), Box::new(|c| c.cancels_unknown)));
    for verdict in Verdict::ALL {
        let label = verdict.label();
        all.push((kit.own(&POINTS, [id, "out", label]), Box::new(|c| c.points_out.get(*verdict))));
        all.push((kit.own(&POINTS, [id, "in", label]), Box::new(|c| c.points_in.get(*verdict))));
    }
    std::mem::take(all)
}

impl CueSeries {
    pub(crate) fn open(kit: &mut Kit, plan: &Plan) -> CueSeries {
        let id = plan.id.as_str();
        let last_seen =
            [(Kind::Any, "any"), (Kind::Command(CommandKind::Null), "heartbeat"), (Kind::Out, "out"), (Kind::In, "in")];
        let expected = |kit: &mut Kit, (kind, limit): &(Kind, Duration)| {
            let values = [id, kind.label()];
            (*kind, *limit, [kit.read(&SILENCE, values, CADENCE), kit.own(&LIMIT, values)])
        };
        let encoder = |kit: &mut Kit| {
            let outcomes = [Outcome::Passed, Outcome::Lost, Outcome::Late, Outcome::Retimed, Outcome::Private];
            (outcomes.map(|o| (o, kit.own(&ENCODER, [id, o.label()]))), kit.read(&PID_LOST, [id], CADENCE))
        };
        let own = |kit: &mut Kit, desc: &'static Desc<1>| kit.own(desc, [id]);
        CueSeries {
            totals: totals(kit, id),
            sections: CommandKind::ALL
                .iter()
                .map(|kind| (*kind, [&SECTIONS, &FAULTY].map(|desc| kit.own(desc, [id, kind.label()]))))
                .collect(),
            disguised: own(kit, &DISGUISED),
            untold: own(kit, &UNTOLD),
            breaks: ["announced", "open", "overdue"].map(|state| kit.own(&BREAKS, [id, state])),
            heartbeat: [&HEARTBEAT_AGE, &HEARTBEAT_INTERVAL, &HEARTBEAT_LOST].map(|desc| kit.read(desc, [id], CADENCE)),
            last_seen: last_seen.map(|(kind, label)| (kind, kit.own(&LAST_SEEN, [id, label]), Dated::default())),
            expected: plan.expect.iter().map(|e| expected(kit, e)).collect(),
            adjustment: own(kit, &ADJUSTMENT),
            offset: own(kit, &OFFSET),
            duration_error: own(kit, &DURATION_ERROR),
            time_offset: own(kit, &TIME_OFFSET),
            declared: kit.histogram(&PREROLL, [id, "declared"]),
            arrival: kit.histogram(&PREROLL, [id, "arrival"]),
            actual: kit.histogram(&PREROLL, [id, "actual"]),
            lengths: kit.histogram(&BREAK_SECONDS, [id]),
            encoder: plan.input.is_some().then(|| encoder(kit)),
            since: kit.clock.boot(),
            limited: plan.policy.heartbeat.is_some(),
        }
    }

    /// Takes the sizes of what happened.
    pub(crate) fn observe(&mut self, happening: &Happening) {
        match happening {
            Happening::Cue(cue) if cue.news == News::First => {
                let both = [(&mut self.declared, cue.preroll.declared), (&mut self.arrival, cue.preroll.arrival)];
                for (histogram, preroll) in both {
                    if let Some(preroll) = preroll {
                        histogram.observe(clock33::seconds(preroll));
                    }
                }
            }
            Happening::Opened { preroll: Some(preroll), .. } => self.actual.observe(preroll.as_secs_f64()),
            Happening::Closed { actual, .. } => self.lengths.observe(clock33::seconds(*actual)),
            _ => {}
        }
    }

    /// `up`: there is a signal. Without one nobody can say what does not come.
    pub(crate) fn fill(&mut self, report: &mut Report, now: &Now, up: bool, ears: &Ears, states: &[State]) {
        for (series, of) in &self.totals {
            report.value(*series, ears.counts().map(of).sum::<u64>() as f64);
        }
        for (kind, [all, faulty]) in &self.sections {
            let (well, ill) = ears.sections(*kind);
            report.value(*all, (well + ill) as f64).value(*faulty, ill as f64);
        }
        report.value(self.disguised, ears.disguised() as f64).value(self.untold, ears.untold() as f64);
        let breaks = states.iter().fold([0; 3], |[a, o, d], s| [a + s.announced, o + s.open, d + s.overdue]);
        for (series, breaks) in self.breaks.iter().zip(breaks) {
            report.value(*series, breaks as f64);
        }
        for histogram in [&self.declared, &self.arrival, &self.actual, &self.lengths] {
            histogram.fill(report);
        }
        for (kind, series, dated) in &mut self.last_seen {
            if let Some(at) = states.iter().filter_map(|state| kind.last(&state.seen)).max() {
                report.value(*series, dated.wall_of(now, at).as_secs_f64());
            }
        }
        for (kind, limit, [silence, limit_series]) in &self.expected {
            report.value(*limit_series, limit.as_secs_f64());
            if up {
                let last = states.iter().filter_map(|state| kind.last(&state.seen)).max().unwrap_or(self.since);
                report.value(*silence, now.boot.since(last).as_secs_f64());
            }
        }
        let mut known = |series: Series, value: Option<f64>| {
            if let Some(value) = value {
                report.value(series, value);
            }
        };
        if up {
            // Of several programmes the one that fares worst.
            let longest =
                |of: fn(&State) -> Option<Duration>| states.iter().filter_map(of).max().map(|d| d.as_secs_f64());
            known(self.heartbeat[0], longest(|state| state.heartbeat_age));
            known(self.heartbeat[1], longest(|state| state.heartbeat_interval));
            let limited = self.limited;
            let beating = |state: &&State| limited || state.heartbeat_interval.is_some() || state.heartbeat_lost;
            let lost = states.iter().filter(beating).map(|state| f64::from(u8::from(state.heartbeat_lost)));
            known(self.heartbeat[2], lost.reduce(f64::max));
        }
        // These are of the last event; which programme had it the event log tells.
        let ticks = |of: fn(&State) -> Option<i64>| {
            states.iter().filter(|s| of(s).is_some()).max_by_key(|s| s.seen.any).and_then(of).map(clock33::seconds)
        };
        known(self.adjustment, ticks(|state| state.last_pts_adjustment.map(|ticks| ticks as i64)));
        known(self.offset, ticks(|state| state.last_offset));
        known(self.duration_error, ticks(|state| state.last_duration_error));
        known(self.time_offset, states.iter().filter_map(|state| state.time).max_by_key(|t| t.at).map(|t| t.offset));
    }

    pub(crate) fn compared(&self, report: &mut Report, compare: &Compare) {
        let Some((outcomes, pid_lost)) = &self.encoder else { return };
        for (outcome, series) in outcomes {
            report.value(*series, compare.count(*outcome) as f64);
        }
        match compare.pid_lost {
            Some(lost) => report.value(*pid_lost, f64::from(u8::from(lost))),
            None => report.reading(*pid_lost, Err(NoData::NotPresent)),
        };
    }
}
