//! The names that existing dashboards use, closed in names.md, next to the native families.

use super::super::ears::Ears;
use super::CADENCE;
use crate::base::label::Label;
use crate::metric::book::Series;
use crate::metric::cues::Cues;
use crate::metric::desc::{Desc, Unit};
use crate::metric::report::Report;
use crate::probe::Kit;
use crate::wire::scte35::CommandKind;

pub(crate) static GENERATED: Desc<2> = Desc::counter(
    "scte35_markers_generated_total",
    Unit::Count,
    ["marker_type", "provider"],
    "SCTE-35 sections with a good CRC on streams that are no encoder's output; provider is the stream",
);
pub(crate) static INJECTED: Desc<2> = Desc::counter(
    "scte35_markers_injected_total",
    Unit::Count,
    ["injection_type", "success"],
    "SCTE-35 sections on all streams that are an encoder's output; success: without a grave defect",
);
pub(crate) static SCHEDULED: Desc<1> = Desc::gauge(
    "scte35_ad_breaks_scheduled",
    Unit::Count,
    ["status"],
    "Breaks announced, open and overdue on all streams",
);
pub(crate) static KBPS: Desc<1> = Desc::gauge(
    "encoding_bitrate_kbps",
    Unit::Count,
    ["stream_id"],
    "Transport packets over the last 10 s without null packets, in 10^3 bit/s; absent without a signal",
);

/// The series of one stream under those names.
pub(crate) struct Names {
    generated: Vec<(CommandKind, Series)>,
    injected: Vec<(CommandKind, [(bool, Series, u64); 2])>,
    scheduled: [Series; 3],
    kbps: Series,
}

impl Names {
    pub(crate) fn open(kit: &mut Kit, id: &str, output: bool) -> Names {
        let injected = |kit: &mut Kit, kind: CommandKind| {
            let one = |kit: &mut Kit, well: bool, l| (well, kit.shared(&INJECTED, [kind.label(), l]), 0);
            (kind, [one(kit, true, "true"), one(kit, false, "false")])
        };
        let kinds = |wanted: bool| CommandKind::ALL.iter().filter(move |_| wanted);
        Names {
            generated: kinds(!output).map(|kind| (*kind, kit.own(&GENERATED, [kind.label(), id]))).collect(),
            injected: kinds(output).map(|kind| injected(kit, *kind)).collect(),
            scheduled: ["announced", "open", "overdue"].map(|status| kit.shared(&SCHEDULED, [status])),
            kbps: kit.read(&KBPS, [id], CADENCE),
        }
    }

    pub(crate) fn fill(&mut self, report: &mut Report, ears: &Ears, cues: &Cues, net_bitrate: Option<f64>) {
        for (kind, series) in &self.generated {
            let good: u64 = ears.counts().map(|counts| counts.sections.get(*kind)).sum();
            report.value(*series, good as f64);
        }
        for (kind, both) in &mut self.injected {
            for (well, series, before) in both {
                let now = ears.sections(*kind, *well);
                report.value(*series, cues.injected(kind.label(), *well, now - *before) as f64);
                *before = now;
            }
        }
        for (series, breaks) in self.scheduled.iter().zip(cues.breaks()) {
            report.value(*series, breaks as f64);
        }
        if let Some(rate) = net_bitrate {
            report.value(self.kbps, rate / 1e3);
        }
    }
}
