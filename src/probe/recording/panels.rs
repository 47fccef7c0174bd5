//! What the dashboard shows of recordings.

use crate::metric::desc::Unit;
use crate::metric::panel::{Look, Panel};

pub(super) static PANELS: &[Panel] = &[
    Panel {
        title: "Not recorded",
        look: Look::States,
        unit: Unit::Count,
        queries: &[("recording_gap_open{$node}", "{{camera_id}}")],
    },
    Panel {
        title: "Length of gaps",
        look: Look::Lines,
        unit: Unit::Seconds,
        queries: &[("increase(recording_gap_seconds_total{$node}[$span])", "{{camera_id}}")],
    },
    Panel {
        title: "Written",
        look: Look::Lines,
        unit: Unit::BitsPerSecond,
        queries: &[("recording_write_bitrate{$node}", "{{camera_id}}")],
    },
    Panel {
        title: "Broken segments",
        look: Look::Lines,
        unit: Unit::Count,
        queries: &[(
            "increase(recording_segments_total{$node,verdict!=\"whole\"}[$span]) > 0",
            "{{camera_id}} {{verdict}}",
        )],
    },
    Panel {
        title: "Oldest segment",
        look: Look::Lines,
        unit: Unit::Seconds,
        queries: &[
            ("recording_oldest_segment_age_seconds{$node}", "{{camera_id}}"),
            ("recording_retention_goal_seconds{$node}", "{{camera_id}}: goal"),
        ],
    },
    Panel {
        title: "Volume",
        look: Look::States,
        unit: Unit::Count,
        queries: &[
            ("recording_directory_up{$node}", "{{camera_id}}: there"),
            ("recording_volume_expected{$node}", "{{camera_id}}: the right one"),
            ("recording_volume_read_only{$node}", "{{camera_id}}: read-only"),
        ],
    },
];
