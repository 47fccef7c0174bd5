//! What the dashboard shows of uplinks.

use crate::metric::desc::Unit;
use crate::metric::panel::{Look, Panel};

pub(super) static PANELS: &[Panel] = &[
    Panel {
        title: "Up",
        look: Look::States,
        unit: Unit::Count,
        queries: &[
            ("uplink_up{$node}", "{{uplink}}"),
            ("uplink_failover{$node}", "{{uplink}}: stands in"),
            ("uplink_check_up{$node}", "{{uplink}}: {{check}}"),
        ],
    },
    Panel {
        title: "Down or degraded",
        look: Look::States,
        unit: Unit::Count,
        queries: &[
            ("uplink_outage_open{$node}", "{{uplink}}: down, {{cause}}"),
            ("uplink_state{$node,state=\"degraded\"}", "{{uplink}}: degraded"),
        ],
    },
    Panel {
        title: "Time to an answer",
        look: Look::Lines,
        unit: Unit::Seconds,
        queries: &[("uplink_check_duration_seconds{$node}", "{{uplink}}: {{check}}")],
    },
    Panel {
        title: "Phases of an HTTP request",
        look: Look::Lines,
        unit: Unit::Seconds,
        queries: &[("uplink_phase_duration_seconds{$node}", "{{uplink}}: {{phase}}")],
    },
    Panel {
        title: "Round-trip time",
        look: Look::Lines,
        unit: Unit::Seconds,
        queries: &[("uplink_ping_rtt_seconds{$node}", "{{uplink}}: {{check}} {{target}}")],
    },
    Panel {
        title: "Loss",
        look: Look::Lines,
        unit: Unit::Ratio,
        queries: &[(
            "1 - rate(uplink_ping_replies_total{$node}[$span]) / rate(uplink_ping_echoes_total{$node}[$span])",
            "{{uplink}}: {{check}} {{target}}",
        )],
    },
    Panel {
        title: "Questions without a good answer",
        look: Look::Lines,
        unit: Unit::Count,
        queries: &[("increase(uplink_check_failures_total{$node}[$span]) > 0", "{{uplink}}: {{check}} {{reason}}")],
    },
    Panel {
        title: "Outages",
        look: Look::Lines,
        unit: Unit::Seconds,
        queries: &[("increase(uplink_outage_seconds_total{$node}[$span]) > 0", "{{uplink}}: {{cause}}")],
    },
    Panel {
        title: "Until a certificate ends",
        look: Look::Lines,
        unit: Unit::Seconds,
        queries: &[("uplink_certificate_expiry_timestamp_seconds{$node} - time()", "{{uplink}}")],
    },
];
