//! What the dashboard shows of cameras.

use crate::metric::desc::Unit;
use crate::metric::panel::{Look, Panel};

pub(super) static PANELS: &[Panel] = &[
    Panel {
        title: "Connected",
        look: Look::States,
        unit: Unit::Count,
        queries: &[("camera_connection_status{$node}", "{{camera_id}}")],
    },
    Panel {
        title: "Frames per second",
        look: Look::Lines,
        unit: Unit::PerSecond,
        queries: &[("camera_fps{$node}", "{{camera_id}}")],
    },
    Panel {
        title: "Share of frames lost",
        look: Look::Lines,
        unit: Unit::Ratio,
        queries: &[(
            "rate(camera_frames_dropped_total{$node}[$span]) / \
             (rate(camera_frames_total{$node}[$span]) + rate(camera_frames_dropped_total{$node}[$span]))",
            "{{camera_id}}",
        )],
    },
    Panel {
        title: "Bit rate",
        look: Look::Lines,
        unit: Unit::BitsPerSecond,
        queries: &[("camera_bitrate{$node}", "{{camera_id}}")],
    },
    Panel {
        title: "Since the last keyframe",
        look: Look::Lines,
        unit: Unit::Seconds,
        queries: &[("camera_seconds_since_keyframe{$node}", "{{camera_id}}")],
    },
    Panel {
        title: "Sessions that ended, by reason",
        look: Look::Lines,
        unit: Unit::Count,
        queries: &[("increase(camera_disconnects_total{$node}[$span]) > 0", "{{camera_id}}: {{reason}}")],
    },
];
