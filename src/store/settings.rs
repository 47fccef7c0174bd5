//! The `[store]` table.

use crate::base::settings::Table;
use std::time::Duration;

/// The table with every key and its default, as documents print it.
pub const SAMPLE: &str = include_str!("sample.toml");

/// What is kept, and how long.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Bytes of metrics.db.
    pub retention_bytes: u64,
    pub retention_age: Duration,
    /// How often samples are committed to disk: a power cut loses so much of them, and shorter wears flash faster.
    pub flush: Duration,
    /// How long past alarms stay in the event log.
    pub events_age: Duration,
    /// Bytes of event messages that wait for one broker.
    pub outbox_bytes: u64,
    pub outbox_age: Duration,
}

const DAY: Duration = Duration::from_secs(86_400);

impl Default for Settings {
    fn default() -> Self {
        Settings {
            retention_bytes: 1 << 30,
            retention_age: DAY * 30,
            flush: Duration::from_secs(60),
            events_age: DAY * 90,
            outbox_bytes: 16 << 20,
            outbox_age: DAY * 7,
        }
    }
}

impl Settings {
    /// Mistakes are collected by the table; a key that is missing or wrong has its default.
    pub fn read(table: Option<&Table<'_>>) -> Settings {
        let base = Settings::default();
        let Some(t) = table else { return base };
        let age = Duration::from_secs(3600)..=DAY * 3650;
        Settings {
            retention_bytes: t.bytes("retention_bytes", 16 << 20..=1 << 40).unwrap_or(base.retention_bytes),
            retention_age: t.duration("retention_age", age.clone()).unwrap_or(base.retention_age),
            flush: t.duration("flush", Duration::from_secs(1)..=Duration::from_secs(600)).unwrap_or(base.flush),
            events_age: t.duration("events_age", age.clone()).unwrap_or(base.events_age),
            outbox_bytes: t.bytes("outbox_bytes", 64 << 10..=1 << 30).unwrap_or(base.outbox_bytes),
            outbox_age: t.duration("outbox_age", age).unwrap_or(base.outbox_age),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::settings::read;

    #[test]
    fn the_sample_shows_every_key_with_its_default() {
        let bare = |line: &'static str| line.strip_prefix('#').filter(|key| !key.starts_with(' ')).unwrap_or(line);
        let uncommented: String = SAMPLE.lines().map(|line| format!("{}\n", bare(line))).collect();
        for text in [SAMPLE, &uncommented] {
            let (settings, mistakes) = read(text, |root| {
                let table = root.table("store");
                let settings = Settings::read(table.as_ref());
                table.into_iter().for_each(Table::finish);
                settings
            });
            assert_eq!(mistakes, []);
            assert_eq!(settings, Settings::default());
        }
        for key in ["retention_bytes", "retention_age", "flush", "events_age", "outbox_bytes", "outbox_age"] {
            assert!(uncommented.contains(&format!("\n{key} = ")), "{key}");
        }
    }
}
