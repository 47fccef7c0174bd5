//! `[[scrape]]` as configured.

use super::relabel::Step;
use crate::base::settings::{Table, show_duration};
use crate::metric::names;
use crate::probe::resource::Resource;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// Between two rounds: what most Prometheus servers are set to.
const EVERY: Duration = Duration::from_secs(15);
/// For one page, from the lookup of the name to its last byte.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A page of 4 MiB has some 30 000 samples.
const MAX_BYTES: u64 = 4 << 20;
/// node_exporter has about 1 500 on a box with 32 threads.
const MAX_SAMPLES: usize = 5000;

/// One exporter to scrape.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) id: String,
    pub(super) resource: Resource,
    pub(super) every: Duration,
    pub(super) timeout: Duration,
    pub(super) max_bytes: u64,
    /// Samples after relabelling.
    pub(super) max_samples: usize,
    pub(super) honor_labels: bool,
    /// Names of series for rules, `*` at the end for anything.
    pub(super) families: Vec<String>,
    pub(super) relabel: Vec<Step>,
}

impl Settings {
    /// Reads one `[[scrape]]` table; `None` when it cannot be used.
    pub(super) fn read(table: &Table<'_>) -> Option<Settings> {
        let id = table.need_id("id");
        let resource = Resource::read(table, "http://127.0.0.1:9121/metrics");
        let every = table.duration("every", SECOND..=3600 * SECOND).unwrap_or(EVERY);
        let timeout = table.duration("timeout", SECOND / 10..=60 * SECOND);
        let max_bytes = table.bytes("max_bytes", 64 << 10..=32 << 20).unwrap_or(MAX_BYTES);
        let max_samples = table.integer("max_samples", 1..=50_000).and_then(|n| usize::try_from(n).ok());
        let honor_labels = table.flag("honor_labels").unwrap_or(false);
        let families = table.texts("families");
        let relabel: Vec<_> = table.tables("relabel").into_iter().map(step).collect();
        if timeout.is_some_and(|timeout| timeout > every) {
            let most = format!("write at most \"{}\"", show_duration(every));
            table.mistake("timeout", "`timeout` is longer than `every`", most);
        }
        if let Some(bad) = families.iter().find(|name| !names::allowed(name)) {
            table.mistake("families", format!("{bad:?} is no name"), "write names like \"redis_up\" or \"redis_*\"");
        }
        Some(Settings {
            id: id?,
            resource: resource?,
            every,
            timeout: timeout.unwrap_or(TIMEOUT.min(every)),
            max_bytes,
            max_samples: max_samples.unwrap_or(MAX_SAMPLES),
            honor_labels,
            families,
            relabel: relabel.into_iter().collect::<Option<_>>()?,
        })
    }

    /// The settings as text without secrets; equal texts are equal settings.
    pub(super) fn text(&self) -> String {
        let steps: Vec<_> = self.relabel.iter().map(Step::text).collect();
        format!(
            "{} every {:?} timeout {:?} bytes {} samples {} honor {} relabel {steps:?}",
            self.resource.text(),
            self.every,
            self.timeout,
            self.max_bytes,
            self.max_samples,
            self.honor_labels,
        )
    }
}

fn step(table: Table<'_>) -> Option<Step> {
    let step = Step::read(&table);
    table.finish();
    step
}
