//! What the dashboard shows of graphics cards.

use crate::metric::desc::Unit;
use crate::metric::panel::{Look, Panel};

pub(super) static PANELS: &[Panel] = &[
    Panel {
        title: "Answers, and is slowed down",
        look: Look::States,
        unit: Unit::Count,
        queries: &[
            ("gpu_up{$node}", "{{gpu}} answers"),
            ("gpu_throttle_active{$node,reason!=\"idle\"} == 1", "{{gpu}}: {{reason}}"),
        ],
    },
    Panel {
        title: "Load",
        look: Look::Lines,
        unit: Unit::Ratio,
        queries: &[
            ("gpu_encoder_utilization_ratio{$node}", "{{gpu}} encoder"),
            ("gpu_decoder_utilization_ratio{$node}", "{{gpu}} decoder"),
            ("gpu_utilization_ratio{$node}", "{{gpu}}"),
        ],
    },
    Panel {
        title: "Temperature",
        look: Look::Lines,
        unit: Unit::Celsius,
        queries: &[("gpu_temperature_celsius{$node}", "{{gpu}}")],
    },
    Panel {
        title: "Encoder sessions",
        look: Look::Lines,
        unit: Unit::Count,
        queries: &[
            ("gpu_encoder_sessions{$node}", "{{gpu}}"),
            ("gpu_encoder_sessions_free{$node}", "{{gpu}} free"),
            ("gpu_encoder_slowest_session_fps{$node}", "{{gpu}} slowest, frames per second"),
        ],
    },
    Panel {
        title: "Hardware errors",
        look: Look::Lines,
        unit: Unit::Count,
        queries: &[
            ("increase(gpu_xid_errors_total{$node}[$span]) > 0", "{{gpu}} XID {{class}}"),
            ("increase(gpu_ecc_errors_total{$node}[$span]) > 0", "{{gpu}} memory, {{kind}}"),
        ],
    },
];
