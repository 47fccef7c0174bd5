//! A `[[recording]]` table, read.

use super::pattern::Pattern;
use crate::base::settings::Table;
use std::time::Duration;

/// FFmpeg puts up to five seconds into a Matroska cluster before it writes it, and cameras send a keyframe, which closes a
/// fragment, at least every ten.
const GAP: Duration = Duration::from_secs(20);

/// Which volume the recording belongs on.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wanted {
    /// Of the file system.
    Uuid(String),
    /// As mountinfo names what is mounted.
    Source(String),
}

/// One recording. Its Debug is what a reload compares.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    /// The camera that is recorded, the `camera_id` label.
    pub(super) id: String,
    pub(super) pattern: Pattern,
    pub(super) gap: Duration,
    pub(super) retention: Option<Duration>,
    pub(super) volume: Option<Wanted>,
    pub(super) utc: bool,
}

impl Plan {
    pub(super) fn read(table: &Table<'_>) -> Option<Plan> {
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        let id = table.need_id("id");
        if !table.has("path") {
            table.missing("path");
        }
        let pattern = table.path("path").and_then(|path| {
            let parsed = Pattern::parse(&path);
            parsed.map_err(|why| table.mistake("path", why, "write such as \"/var/rec/yard/%Y-%m-%d/%H/*.mp4\"")).ok()
        });
        let gap = table.duration("gap", 2 * second..=24 * hour).unwrap_or(GAP);
        let retention = table.duration("retention", hour..=24 * 3650 * hour);
        let volume = table.text("volume").and_then(|text| {
            let wanted = match text.strip_prefix("UUID=") {
                Some(uuid) => Wanted::Uuid(uuid.to_owned()),
                None => Wanted::Source(text),
            };
            let empty = matches!(&wanted, Wanted::Uuid(text) | Wanted::Source(text) if text.is_empty());
            if empty {
                table.mistake("volume", "`volume` names none", "write \"UUID=…\" or the SOURCE that `findmnt` shows");
            }
            (!empty).then_some(wanted)
        });
        let utc = table.flag("utc").unwrap_or(false);
        Some(Plan { id: id?, pattern: pattern?, gap, retention, volume, utc })
    }
}
