//! `[[playlist]]` as configured.

use crate::base::label::Label;
use crate::base::settings::Table;
use crate::probe::resource::Resource;
use std::time::Duration;

/// For one playlist, from the lookup of the name to its last byte.
const TIMEOUT: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);

/// Which variants of a master playlist are watched.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub(super) enum Variants {
    /// The one that stands first, which players begin with.
    #[default]
    First,
    /// The first eight.
    All,
}

impl Label for Variants {
    const ALL: &'static [Self] = &[Variants::First, Variants::All];
    fn label(self) -> &'static str {
        match self {
            Variants::First => "first",
            Variants::All => "all",
        }
    }
}

impl Variants {
    pub(super) fn most(self) -> usize {
        match self {
            Variants::First => 1,
            Variants::All => 8,
        }
    }
}

/// One playlist to watch.
#[derive(Clone, PartialEq)]
pub(super) struct Settings {
    pub(super) id: String,
    pub(super) resource: Resource,
    pub(super) variants: Variants,
    pub(super) timeout: Duration,
}

impl Settings {
    /// Reads one `[[playlist]]` table; `None` when it cannot be used.
    pub(super) fn read(table: &Table<'_>) -> Option<Settings> {
        let id = table.need_id("id");
        let resource = Resource::read(table, "https://origin.example/live/index.m3u8");
        let variants = table.choice("variants").unwrap_or_default();
        let timeout = table.duration("timeout", SECOND..=60 * SECOND).unwrap_or(TIMEOUT);
        Some(Settings { id: id?, resource: resource?, variants, timeout })
    }

    /// The settings as text without secrets; equal texts are equal settings.
    pub(super) fn text(&self) -> String {
        format!("{} variants {} timeout {:?}", self.resource.text(), self.variants.label(), self.timeout)
    }
}
