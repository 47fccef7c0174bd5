//! What the dashboard shows of transport streams.

use crate::metric::desc::Unit;
use crate::metric::panel::{Look, Panel};

pub(super) static PANELS: &[Panel] = &[
    Panel {
        title: "Signal",
        look: Look::States,
        unit: Unit::Count,
        queries: &[("ts_input_up{$node}", "{{stream_id}}")],
    },
    Panel {
        title: "Bit rate",
        look: Look::Lines,
        unit: Unit::BitsPerSecond,
        queries: &[("sum by (stream_id) (ts_bits_per_second{$node})", "{{stream_id}}")],
    },
    Panel {
        title: "TR 101 290 errors",
        look: Look::Lines,
        unit: Unit::Count,
        queries: &[("increase(ts_tr101290_errors_total{$node}[$span]) > 0", "{{stream_id}}: {{indicator}}")],
    },
    Panel {
        title: "Breaks",
        look: Look::Lines,
        unit: Unit::Count,
        queries: &[("scte35_breaks{$node}", "{{stream_id}}: {{state}}")],
    },
    Panel {
        title: "Cues that came late, or of which something went wrong",
        look: Look::Lines,
        unit: Unit::Count,
        queries: &[
            ("increase(scte35_late_signals_total{$node}[$span]) > 0", "{{stream_id}}: late {{direction}}"),
            ("increase(scte35_missing_returns_total{$node}[$span]) > 0", "{{stream_id}}: no return"),
            ("increase(scte35_faulty_sections_total{$node}[$span]) > 0", "{{stream_id}}: faulty {{command}}"),
        ],
    },
    Panel {
        title: "Cues through the encoder, by what became of them",
        look: Look::Lines,
        unit: Unit::Count,
        queries: &[("increase(scte35_encoder_cues_total{$node}[$span])", "{{stream_id}}: {{outcome}}")],
    },
];
