//! What the dashboard shows of disks' health.

use crate::metric::desc::Unit;
use crate::metric::panel::{Look, Panel};

const fn lines(title: &'static str, unit: Unit, queries: &'static [(&'static str, &'static str)]) -> Panel {
    Panel { title, look: Look::Lines, unit, queries }
}

pub(super) static PANELS: &[Panel] = &[
    Panel {
        title: "Disks say they are well",
        look: Look::States,
        unit: Unit::Count,
        queries: &[
            ("disk_health_passed{$node}", "{{device}}"),
            ("disk_critical_warning{$node} == 1", "{{device}} warns: {{warning}}"),
            ("disk_health_unknown{$node} == 1", "{{device}}: {{reason}}"),
        ],
    },
    lines("Disk temperature", Unit::Celsius, &[("disk_temperature_celsius{$node}", "{{device}}")]),
    lines(
        "Bad sectors and lost data",
        Unit::Count,
        &[
            ("disk_reallocated_sectors{$node}", "{{device}} replaced"),
            ("disk_pending_sectors{$node}", "{{device}} pending"),
            ("disk_offline_uncorrectable_sectors{$node}", "{{device}} unreadable"),
            ("disk_reported_uncorrectable_errors_total{$node}", "{{device}} errors reported"),
            ("disk_media_errors_total{$node}", "{{device}} media errors"),
        ],
    ),
    lines(
        "Wear and spare blocks",
        Unit::Ratio,
        &[("disk_wear_ratio{$node}", "{{device}} used"), ("disk_spare_ratio{$node}", "{{device}} spare left")],
    ),
];
