//! What a volume does with a write.

use crate::base::label::Label;
use crate::metric::book::Series;
use crate::metric::desc::{Desc, Family, Unit};
use crate::metric::histogram::Histogram;
use crate::probe::Kit;
use crate::world::volumes::Reason;

/// From a flash disk with a cache that keeps its word to the deadline.
const BOUNDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

static WRITABLE: Desc<1> = Desc::gauge(
    "volume_writable",
    Unit::Count,
    ["volume"],
    "1 when the last write of 4 KiB came to the disk, 0 when it failed or did not come back in time",
);
static SECONDS: Desc<1> = Desc::histogram(
    "volume_write_seconds",
    Unit::Seconds,
    ["volume"],
    BOUNDS,
    "From the beginning of a write of 4 KiB to a new file until fsync said that data and file are on the disk; what failed \
     or took more than 10 s is in volume_write_failures_total only",
);
static FAILURES: Desc<2> = Desc::counter(
    "volume_write_failures_total",
    Unit::Count,
    ["volume", "reason"],
    "Writes of 4 KiB that failed; timeout: the last one had not come back after 10 s, or still had not when the next was due",
);

/// Every family of this probe.
pub(super) static FAMILIES: &[Family] = &[WRITABLE.family(), SECONDS.family(), FAILURES.family()];

/// The open series of one volume.
pub(super) struct Meters {
    pub(super) writable: Series,
    pub(super) seconds: Histogram,
    pub(super) failures: Vec<(Reason, Series, u64)>,
}

impl Meters {
    pub(super) fn open(kit: &mut Kit, id: &str) -> Meters {
        let failures = Reason::ALL.iter().map(|reason| (*reason, kit.own(&FAILURES, [id, reason.label()]), 0));
        let failures = failures.collect();
        Meters { writable: kit.own(&WRITABLE, [id]), seconds: kit.histogram(&SECONDS, [id]), failures }
    }
}
