//! What the dashboard shows of other exporters. Their series are for their own dashboards.

use crate::metric::desc::Unit;
use crate::metric::panel::{Look, Panel};

pub(super) static PANELS: &[Panel] = &[
    Panel {
        title: "Page came",
        look: Look::States,
        unit: Unit::Count,
        queries: &[("scrape_up{$node}", "{{scrape_id}}")],
    },
    Panel {
        title: "Series taken",
        look: Look::Lines,
        unit: Unit::Count,
        queries: &[("scrape_series{$node}", "{{scrape_id}}")],
    },
    Panel {
        title: "Rounds without a page, and samples refused",
        look: Look::Lines,
        unit: Unit::Count,
        queries: &[
            ("increase(scrape_failures_total{$node}[$span]) > 0", "{{scrape_id}}: {{reason}}"),
            ("increase(scrape_refused_samples_total{$node}[$span]) > 0", "{{scrape_id}}: refused, {{reason}}"),
        ],
    },
];
