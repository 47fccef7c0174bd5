//! What the dashboard shows of encoders.

use crate::metric::desc::Unit;
use crate::metric::panel::{Look, Panel};

pub(super) static PANELS: &[Panel] = &[
    Panel {
        title: "At work",
        look: Look::States,
        unit: Unit::Count,
        queries: &[("encoder_up{$node}", "{{encoder_id}}"), ("encoder_advancing{$node}", "{{encoder_id}}, advances")],
    },
    Panel {
        title: "Why it does not work",
        look: Look::Lines,
        unit: Unit::Count,
        queries: &[("encoder_fault{$node} == 1", "{{encoder_id}}: {{cause}}")],
    },
    Panel {
        title: "Frames per second",
        look: Look::Lines,
        unit: Unit::PerSecond,
        queries: &[("encoder_fps{$node}", "{{encoder_id}}")],
    },
    Panel {
        title: "Speed",
        look: Look::Lines,
        unit: Unit::Ratio,
        queries: &[("encoder_speed{$node}", "{{encoder_id}}")],
    },
    Panel {
        title: "Bit rate",
        look: Look::Lines,
        unit: Unit::BitsPerSecond,
        queries: &[
            ("encoder_bitrate{$node}", "{{encoder_id}}"),
            ("encoder_write_bitrate{$node}", "{{encoder_id}}, written"),
        ],
    },
    Panel {
        title: "Cores in use",
        look: Look::Lines,
        unit: Unit::Count,
        queries: &[("encoder_process_cpu_ratio{$node}", "{{encoder_id}}")],
    },
    Panel {
        title: "Memory",
        look: Look::Lines,
        unit: Unit::Bytes,
        queries: &[("encoder_process_resident_memory_bytes{$node}", "{{encoder_id}}")],
    },
];
