//! What the dashboard shows of volumes that are written to.

use crate::metric::desc::Unit;
use crate::metric::panel::{Look, Panel};

pub(super) static PANELS: &[Panel] = &[
    Panel {
        title: "Volumes take writes",
        look: Look::States,
        unit: Unit::Count,
        queries: &[("volume_writable{$node}", "{{volume}}")],
    },
    Panel {
        title: "A write of 4 KiB and fsync",
        look: Look::Lines,
        unit: Unit::Seconds,
        queries: &[(
            "rate(volume_write_seconds_sum{$node}[$span]) / rate(volume_write_seconds_count{$node}[$span])",
            "{{volume}}",
        )],
    },
    Panel {
        title: "Writes that failed",
        look: Look::Lines,
        unit: Unit::Count,
        queries: &[("increase(volume_write_failures_total{$node}[$span]) > 0", "{{volume}}: {{reason}}")],
    },
];
