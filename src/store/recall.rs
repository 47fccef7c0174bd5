//! What rules look back on, from before a restart.
//!
//! Only what stands on one time line with the present: snapshots of this boot by its own clock, those of another where
//! the wall clock was trusted then (or became so in that boot) and is now.

use crate::metric::alarm::Stamp;
use crate::metric::labels::Labels;
use crate::store::frame::{Cell, Step};
use crate::store::metrics::CLOCK_ALWAYS;
use crate::store::read::{Past, Place, ReadError};
use crate::store::writer::Dirs;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Samples in the frames that are looked through at most, newest first: about 40 MiB of blobs, a second or two, and 11
/// hours at 2 000 series and a tick of 5 s.
const MOST_READ: u64 = 32 << 20;
/// Samples that are brought back at most, 16 MiB.
const MOST_FOUND: usize = 1 << 20;

/// What was found.
#[derive(Debug, Default, PartialEq)]
pub struct Recalled {
    /// Names and labels.
    pub series: Vec<(String, Labels)>,
    /// Snapshots, oldest first: how long ago, and the values, by their places in `series`.
    pub past: Vec<(Duration, Vec<(usize, f64)>)>,
}

/// Reads back the series of these names, each as far as its reach and as memory and time allow.
///
/// # Errors
/// What is kept cannot be read. A frame that is garbled is left out.
pub fn recall(dirs: &Dirs, reaches: &BTreeMap<String, Duration>, now: &Stamp) -> Result<Recalled, ReadError> {
    let past = match Past::open(dirs) {
        Err(ReadError::Nothing(_)) => return Ok(Recalled::default()),
        opened => opened?,
    };
    let farthest = reaches.values().max().copied().unwrap_or_default();
    let mut found = Recalled::default();
    let mut places: HashMap<u32, usize> = HashMap::new();
    let (mut read, mut taken) = (0, 0);
    for place in past.places().iter().rev() {
        let head = &place.head;
        let newest = Step { boot_ms: head.boot_to, wall_ms: head.wall_to, trusted: head.clock == CLOCK_ALWAYS };
        let Some(ago) = ago(place, &newest, now) else { continue };
        read += head.samples;
        if ago > farthest || read > MOST_READ || taken > MOST_FOUND {
            break;
        }
        let wanted = |n| past.named(n).and_then(|named| reaches.get(&named.name)).is_some_and(|reach| ago <= *reach);
        let Some(Ok(frame)) = past.load(place, wanted)? else { continue };
        for (n, step) in frame.steps.iter().enumerate().rev() {
            let Some(ago) = self::ago(place, step, now) else { continue };
            let mut values = Vec::new();
            for column in &frame.columns {
                let (Cell::Value(value), Some(named)) = (column.cells[n], past.named(column.series)) else { continue };
                let place = *places.entry(column.series).or_insert_with(|| {
                    found.series.push((named.name.clone(), named.labels.clone()));
                    found.series.len() - 1
                });
                values.push((place, value));
            }
            taken += values.len();
            found.past.push((ago, values));
        }
    }
    found.past.reverse();
    Ok(found)
}

/// How long before `now` a step was; `None` where nobody knows, and for one that would lie in the future.
fn ago(place: &Place, step: &Step, now: &Stamp) -> Option<Duration> {
    let ms = if place.head.boot_id == now.boot_id {
        now.boot.as_millis().checked_sub(step.boot_ms)
    } else {
        let (wall, _) = place.time(step).filter(|_| now.trusted)?;
        u64::try_from(now.wall.as_millis() - wall.as_millis()).ok()
    };
    ms.map(Duration::from_millis)
}
