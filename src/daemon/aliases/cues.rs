//! Streams and their cues.

use super::{Line, Standing, Told};
use crate::metric::desc::{Desc, Unit};
use std::collections::{BTreeMap, BTreeSet};

static GENERATED: Desc<2> = Desc::counter(
    "scte35_markers_generated_total",
    Unit::Count,
    ["marker_type", "provider"],
    "SCTE-35 sections on streams that are no encoder's output, by command; provider is the stream",
);
static INJECTED: Desc<2> = Desc::counter(
    "scte35_markers_injected_total",
    Unit::Count,
    ["injection_type", "success"],
    "SCTE-35 sections on streams that are an encoder's output, by command; success: with a good CRC and no defect over which a splicer may stumble",
);
static SCHEDULED: Desc<1> = Desc::gauge(
    "scte35_ad_breaks_scheduled",
    Unit::Count,
    ["status"],
    "Breaks announced, open and overdue, all streams added",
);
static KBPS: Desc<1> = Desc::gauge(
    "encoding_bitrate_kbps",
    Unit::Count,
    ["stream_id"],
    "Transport packets over the last 10 s without null packets, in 10^3 bit/s",
);

pub(super) static LINES: &[Line] = &[
    Line { family: GENERATED.family(), make: || Box::new(generated) },
    Line { family: INJECTED.family(), make: || Box::new(injected) },
    Line { family: SCHEDULED.family(), make: || Box::new(scheduled) },
    Line { family: KBPS.family(), make: || Box::new(kbps) },
];

/// Streams that are compared with an input.
fn outputs<'a>(standing: &Standing<'a>) -> BTreeSet<&'a str> {
    standing.of("scte35_encoder_cues_total").filter_map(|(labels, _)| labels.get("stream_id")).collect()
}

fn generated(standing: &Standing<'_>, told: &mut Told<'_>) {
    let outputs = outputs(standing);
    for (labels, sections) in standing.of("scte35_sections_total") {
        if let (Some(command), Some(stream)) = (labels.get("command"), labels.get("stream_id"))
            && !outputs.contains(stream)
        {
            told.say(&GENERATED, [command, stream], sections);
        }
    }
}

fn injected(standing: &Standing<'_>, told: &mut Told<'_>) {
    let outputs = outputs(standing);
    let sum = |family| {
        let mut sums = BTreeMap::new();
        for (labels, sections) in standing.of(family) {
            if let (Some(command), Some(stream)) = (labels.get("command"), labels.get("stream_id"))
                && outputs.contains(stream)
            {
                *sums.entry(command).or_insert(0.0) += sections;
            }
        }
        sums
    };
    let (all, faulty) = (sum("scte35_sections_total"), sum("scte35_faulty_sections_total"));
    for (command, all) in all {
        let faulty = faulty.get(command).copied().unwrap_or(0.0);
        told.say(&INJECTED, [command, "true"], all - faulty);
        told.say(&INJECTED, [command, "false"], faulty);
    }
}

fn scheduled(standing: &Standing<'_>, told: &mut Told<'_>) {
    let mut sums = BTreeMap::new();
    for (labels, breaks) in standing.of("scte35_breaks") {
        if let Some(state) = labels.get("state") {
            *sums.entry(state).or_insert(0.0) += breaks;
        }
    }
    for (state, breaks) in sums {
        told.say(&SCHEDULED, [state], breaks);
    }
}

fn kbps(standing: &Standing<'_>, told: &mut Told<'_>) {
    let mut rates = BTreeMap::new();
    for (labels, rate) in standing.of("ts_bits_per_second") {
        if let (Some(stream), Some(role)) = (labels.get("stream_id"), labels.get("role"))
            && role != "null"
        {
            *rates.entry(stream).or_insert(0.0) += rate;
        }
    }
    for (stream, rate) in rates {
        told.say(&KBPS, [stream], rate / 1e3);
    }
}
