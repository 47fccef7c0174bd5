//! A `[[volume]]` table, read.

use crate::base::settings::Table;
use std::path::PathBuf;
use std::time::Duration;

/// 96 MB a day are written to ext4 at this pace; the README has the measure.
const EVERY: Duration = Duration::from_secs(60);

/// One volume. Its Debug is what a reload compares.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    pub(super) id: String,
    /// Made by somebody else, for this only.
    pub(super) directory: PathBuf,
    pub(super) every: Duration,
}

pub(super) fn read(table: &Table<'_>) -> Option<Settings> {
    let second = Duration::from_secs(1);
    let id = table.need_id("id");
    if !table.has("directory") {
        table.missing("directory");
    }
    let directory = table.path("directory");
    let every = table.duration("every", second..=3600 * second).unwrap_or(EVERY);
    Some(Settings { id: id?, directory: directory?, every })
}
