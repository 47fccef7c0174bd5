//! What a recording says of itself.

use super::settings::Plan;
use crate::base::label::Label;
use crate::metric::book::{Series, Slot};
use crate::metric::desc::{Desc, Family, Unit};
use crate::metric::histogram::Histogram;
use crate::probe::Kit;
use crate::wire::container::Verdict;
use crate::world::folders::Unwatched;
use std::time::Duration;

/// For which a reading stands, of which there is one every other second: a disk that is kept busy answers late.
const HOLD: Duration = Duration::from_secs(5);
/// How often the volume is looked at.
pub(super) const VOLUME: Duration = Duration::from_secs(10);

const C: [&str; 1] = ["camera_id"];

static GAP_OPEN: Desc<1> = Desc::gauge(
    "recording_gap_open",
    Unit::Count,
    C,
    "1 while nothing has been written for longer than `gap`, else 0; absent while the directory may not be read",
);
static GAPS: Desc<1> = Desc::counter(
    "recording_gaps_total",
    Unit::Count,
    C,
    "Gaps of the recording that began since the start, the open one included; also those that were found out after it, from the dates of files",
);
static GAP_SECONDS: Desc<1> = Desc::counter(
    "recording_gap_seconds_total",
    Unit::Seconds,
    C,
    "Length of all gaps, each from the last write before it to the first after it; an open one grows, and counts on from where it was told before a restart",
);
static NEWEST_AGE: Desc<1> = Desc::gauge(
    "recording_newest_segment_age_seconds",
    Unit::Seconds,
    C,
    "Time since the last write to any segment; absent while there is none",
);
static SEGMENTS: Desc<2> = Desc::counter(
    "recording_segments_total",
    Unit::Count,
    ["camera_id", "verdict"],
    "Segments done since the start, by what their headers tell: whole; empty - no byte or no media; truncated - the end is missing; unindexed - an MP4 without its index, which cannot be played; foreign - not what its name says; unjudged - cannot be read or does not say where it ends",
);
static BROKEN: Desc<1> = Desc::gauge(
    "recording_broken_segments_in_a_row",
    Unit::Count,
    C,
    "Newest segments that are empty, truncated, unindexed or foreign, up to the last whole one; absent until one is done",
);
static MISNAMED: Desc<1> = Desc::counter(
    "recording_misnamed_files_total",
    Unit::Count,
    C,
    "Files made or moved in among the segments that have the ending of one and not its name; counted where the directory is watched",
);
static BYTES: Desc<1> =
    Desc::counter("recording_bytes_total", Unit::Bytes, C, "Growth of segments, as far as it was seen");
static BITRATE: Desc<1> =
    Desc::gauge("recording_write_bitrate", Unit::BitsPerSecond, C, "Growth of segments over the last 30 s");
static DURATION: Desc<1> = Desc::gauge(
    "recording_segment_duration_seconds",
    Unit::Seconds,
    C,
    "Time from the making of the last segment that is done to its last write: not what its timestamps say",
);
static PROCESSING: Desc<1> = Desc::histogram(
    "segment_processing_seconds",
    Unit::Seconds,
    C,
    &[0.05, 0.25, 1.0, 5.0, 30.0],
    "Time from the last write to a segment until it was closed, or moved into place; the index that is written last counts as a write. Only where the directory is watched",
);
static CLOCK: Desc<2> = Desc::gauge(
    "recording_segment_clock_offset_seconds",
    Unit::Seconds,
    ["camera_id", "clock"],
    "By how much a clock is ahead of ours: name - the date in the name of the newest segment against its making, to a second; file - the date of its last write against when it was seen, which is up to two seconds behind",
);
static OLDEST_AGE: Desc<1> = Desc::gauge(
    "recording_oldest_segment_age_seconds",
    Unit::Seconds,
    C,
    "Age of the oldest segment, by the date in its name or else of its last write: the retention achieved; looked at once a minute",
);
static RETENTION: Desc<1> =
    Desc::gauge("recording_retention_goal_seconds", Unit::Seconds, C, "How far back the recording should go");
static PURGED: Desc<1> = Desc::counter(
    "recording_purged_segments_total",
    Unit::Count,
    C,
    "Segments that were the oldest and went away; at least, where more than 256 go within a minute",
);
static VANISHED: Desc<1> = Desc::counter(
    "recording_newest_vanished_total",
    Unit::Count,
    C,
    "Times the newest segment went away without a newer one: a purge that eats what is being written",
);
static REACHABLE: Desc<1> = Desc::gauge(
    "recording_directory_up",
    Unit::Count,
    C,
    "1 while the directory of the recording can be read, else 0; absent when the file system does not answer",
);
static WATCHED: Desc<1> = Desc::gauge(
    "recording_watched",
    Unit::Count,
    C,
    "1 while the kernel tells of new segments, 0 while the directory is listed when it changes",
);
static UNWATCHED: Desc<2> = Desc::counter(
    "recording_watch_failures_total",
    Unit::Count,
    ["camera_id", "reason"],
    "Times a directory could not be watched any more: remote - a network file system or FUSE; limit - fs.inotify.max_user_watches or max_user_instances; other",
);
static EXPECTED: Desc<1> = Desc::gauge(
    "recording_volume_expected",
    Unit::Count,
    C,
    "1 while the directory lies on the configured volume, 0 while it lies on another; absent without one, and while the UUID is not known",
);
static READ_ONLY: Desc<1> = Desc::gauge(
    "recording_volume_read_only",
    Unit::Count,
    C,
    "1 while the volume of the recording is read-only, else 0",
);
static SIZE: Desc<1> =
    Desc::gauge("recording_volume_size_bytes", Unit::Bytes, C, "Size of the volume of the recording");
static FREE: Desc<1> = Desc::gauge(
    "recording_volume_free_bytes",
    Unit::Bytes,
    C,
    "What an unprivileged writer may still write on the volume of the recording",
);
static INFO: Desc<3> = Desc::info(
    "recording_volume_info",
    ["camera_id", "device", "fstype"],
    "The volume that the directory lies on; device only where it is one of this machine",
);

/// Every family of this probe.
pub static FAMILIES: &[Family] = &[
    GAP_OPEN.family(),
    GAPS.family(),
    GAP_SECONDS.family(),
    NEWEST_AGE.family(),
    SEGMENTS.family(),
    BROKEN.family(),
    MISNAMED.family(),
    BYTES.family(),
    BITRATE.family(),
    DURATION.family(),
    PROCESSING.family(),
    CLOCK.family(),
    OLDEST_AGE.family(),
    RETENTION.family(),
    PURGED.family(),
    VANISHED.family(),
    REACHABLE.family(),
    WATCHED.family(),
    UNWATCHED.family(),
    EXPECTED.family(),
    READ_ONLY.family(),
    SIZE.family(),
    FREE.family(),
    INFO.family(),
];

/// Reasons that are counted; a directory that is missing is told as such.
pub(super) const REASONS: [Unwatched; 3] = [Unwatched::Remote, Unwatched::Limit, Unwatched::Other];

/// The open series of one recording.
pub(super) struct Sheet {
    pub(super) gap_open: Series,
    pub(super) gaps: Series,
    pub(super) gap_seconds: Series,
    pub(super) newest_age: Series,
    /// By place in [`Verdict::ALL`].
    pub(super) segments: Vec<(Series, u64)>,
    pub(super) broken: (Series, u64),
    pub(super) misnamed: (Series, u64),
    pub(super) bytes: (Series, u64),
    pub(super) bitrate: Series,
    pub(super) duration: Series,
    pub(super) processing: Histogram,
    /// By name and by file.
    pub(super) clocks: [Series; 2],
    pub(super) oldest_age: Series,
    pub(super) retention: Option<Series>,
    pub(super) purged: (Series, u64),
    pub(super) vanished: (Series, u64),
    pub(super) reachable: Series,
    pub(super) watched: Series,
    /// By place in [`REASONS`].
    pub(super) unwatched: Vec<(Series, u64)>,
    pub(super) expected: Option<Series>,
    pub(super) read_only: Series,
    pub(super) size: Series,
    pub(super) free: Series,
    pub(super) info: Slot,
}

impl Sheet {
    pub(super) fn open(kit: &mut Kit, plan: &Plan) -> Sheet {
        let id = plan.id.as_str();
        Sheet {
            gap_open: kit.read(&GAP_OPEN, [id], HOLD),
            gaps: kit.own(&GAPS, [id]),
            gap_seconds: kit.own(&GAP_SECONDS, [id]),
            newest_age: kit.read(&NEWEST_AGE, [id], HOLD),
            segments: Verdict::ALL.iter().map(|v| (kit.own(&SEGMENTS, [id, v.label()]), 0)).collect(),
            broken: (kit.own(&BROKEN, [id]), 0),
            misnamed: (kit.own(&MISNAMED, [id]), 0),
            bytes: (kit.own(&BYTES, [id]), 0),
            bitrate: kit.read(&BITRATE, [id], HOLD),
            duration: kit.own(&DURATION, [id]),
            processing: kit.histogram(&PROCESSING, [id]),
            clocks: ["name", "file"].map(|clock| kit.read(&CLOCK, [id, clock], HOLD)),
            oldest_age: kit.read(&OLDEST_AGE, [id], HOLD),
            retention: plan.retention.map(|_| kit.own(&RETENTION, [id])),
            purged: (kit.own(&PURGED, [id]), 0),
            vanished: (kit.own(&VANISHED, [id]), 0),
            reachable: kit.read(&REACHABLE, [id], HOLD),
            watched: kit.read(&WATCHED, [id], HOLD),
            unwatched: REASONS.iter().map(|why| (kit.own(&UNWATCHED, [id, why.label()]), 0)).collect(),
            expected: plan.volume.as_ref().map(|_| kit.read(&EXPECTED, [id], VOLUME)),
            read_only: kit.read(&READ_ONLY, [id], VOLUME),
            size: kit.read(&SIZE, [id], VOLUME),
            free: kit.read(&FREE, [id], VOLUME),
            info: kit.read_info(&INFO, &[id], VOLUME),
        }
    }

    /// Gauges that say what is now.
    pub(super) fn gauges(&self) -> impl Iterator<Item = Series> + '_ {
        let volume = self.expected.into_iter().chain([self.read_only, self.size, self.free]);
        let now = [self.gap_open, self.newest_age, self.bitrate, self.duration, self.oldest_age, self.reachable];
        now.into_iter().chain([self.watched, self.broken.0]).chain(self.clocks).chain(volume)
    }
}
