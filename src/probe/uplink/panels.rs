//! What the dashboard shows of uplinks.

use crate::metric::desc::Unit;
use crate::metric::panel::{Look, Panel};

pub(super) static PANELS: &[Panel] = &[
    Panel {
        title: "Up",
        look: Look::States,
        unit: Unit::Count,
        queries: &[("uplink_up{$node}", "{{uplink}}"), ("uplink_check_up{$node}", "{{uplink}}: {{check}}")],
    },
    Panel {
        title: "Time to an answer",
        look: Look::Lines,
        unit: Unit::Seconds,
        queries: &[("uplink_check_duration_seconds{$node}", "{{uplink}}: {{check}}")],
    },
    Panel {
        title: "Questions without a good answer",
        look: Look::Lines,
        unit: Unit::Count,
        queries: &[("increase(uplink_check_failures_total{$node}[$span]) > 0", "{{uplink}}: {{check}} {{reason}}")],
    },
];
