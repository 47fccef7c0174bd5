//! What has not come in time (ETSI TR 101 290 clause 5.2), and what came where it does not belong.
//!
//! A limit counts from the first packet or from the table that created it, never from time 0, and only sections of good
//! CRC and of the right table renew it. What stays away counts once for every whole limit.

use super::Monitor;
use super::counts::{Counts, Indicator, Role};
use super::slot::Work;
use crate::base::clock::Boot;
use crate::wire::psi::Long;
use std::time::Duration;

/// 1.3.a.
pub(super) const PAT: Duration = Duration::from_millis(500);
/// 1.5.a.
pub(super) const PMT: Duration = Duration::from_millis(500);
/// 1.6, "a user-specified period", for video and audio; all else may be sparse.
pub(super) const PID: Duration = Duration::from_secs(5);
/// 2.5.
pub(super) const PTS: Duration = Duration::from_millis(700);
/// 2.6 names no interval: a CAT counts as there for so long, the longest that DVB allows any table.
const CAT: Duration = Duration::from_secs(10);
/// 2.6: scrambled packets count once in so long.
const SCRAMBLED: Duration = Duration::from_secs(1);
/// 3.1, 3.5, 3.6, 3.8.
const NIT: Duration = Duration::from_secs(10);
const SDT: Duration = Duration::from_secs(2);
const EIT: Duration = Duration::from_secs(2);
const TDT: Duration = Duration::from_secs(30);
/// 3.2: less than this between two sections of one (PID, table_id, table_id_extension), whatever their section_number.
const CLOSEST: Duration = Duration::from_millis(25);
/// 3.4.a.
const UNREFERENCED: Duration = Duration::from_millis(500);
/// How often limits are looked at; the count does not depend on it.
const SWEEP: Duration = Duration::from_millis(100);
/// Sections remembered for 3.2.
const SECTIONS: usize = 256;

/// When something is overdue; never, until it is told.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Due(Option<Boot>);

impl Due {
    pub(super) fn at(now: Boot, limit: Duration) -> Due {
        Due(Some(now.plus(limit)))
    }
    /// The limit counts from now on, unless it does already.
    pub(super) fn begin(&mut self, now: Boot, limit: Duration) {
        self.0.get_or_insert_with(|| now.plus(limit));
    }
    /// Whole limits that have passed in vain since this was last asked.
    pub(super) fn passed(&mut self, now: Boot, limit: Duration) -> u64 {
        let Some(due) = self.0.filter(|due| now > *due) else { return 0 };
        let limits = now.since(due).as_nanos().saturating_sub(1) as u64 / limit.as_nanos() as u64 + 1;
        self.0 = Some(Boot::from_nanos(due.as_nanos() + limits * limit.as_nanos() as u64));
        limits
    }
    /// It came: the limit counts anew.
    pub(super) fn renew(&mut self, now: Boot, limit: Duration) -> u64 {
        let passed = self.passed(now, limit);
        *self = Due::at(now, limit);
        passed
    }
    /// It was here at `seen`.
    fn seen(&mut self, seen: Option<Boot>, limit: Duration) {
        self.0 = self.0.max(seen.map(|seen| seen.plus(limit)));
    }
}

/// The limits of the whole stream.
#[derive(Default)]
pub(super) struct Dues {
    pub(super) pat: Due,
    /// When the last CAT came.
    pub(super) cat: Option<Boot>,
    /// Scrambled packets came since the last sweep of `scrambled_due`, which counts from the first.
    pub(super) scrambled: bool,
    scrambled_due: Due,
    nit: Due,
    sdt: Due,
    eit: Due,
    tdt: Due,
    /// Key and arrival of the last section in each place.
    sections: Option<Box<[(u64, Boot); SECTIONS]>>,
}

impl Dues {
    pub(super) fn begin(&mut self, now: Boot, priority3: bool) {
        self.pat = Due::at(now, PAT);
        self.scrambled_due = Due::at(now, CAT);
        if priority3 {
            (self.nit, self.sdt) = (Due::at(now, NIT), Due::at(now, SDT));
            (self.eit, self.tdt) = (Due::at(now, EIT), Due::at(now, TDT));
            self.sections = Some(Box::new([(0, Boot::default()); SECTIONS]));
        }
    }

    /// An SI section of good CRC: 3.1, 3.2, 3.5, 3.6, 3.8.
    pub(super) fn information(&mut self, counts: &mut Counts, pid: u16, section: &[u8], at: Boot) {
        let due = match section[0] {
            0x40 => Some((&mut self.nit, NIT, Indicator::Nit)),
            0x42 => Some((&mut self.sdt, SDT, Indicator::Sdt)),
            0x4e => Some((&mut self.eit, EIT, Indicator::Eit)),
            0x70 => Some((&mut self.tdt, TDT, Indicator::Tdt)),
            _ => None,
        };
        if let Some((due, limit, indicator)) = due {
            counts.err(indicator, due.renew(at, limit));
        }
        let (Some(sections), Some(long)) = (&mut self.sections, Long::read(section)) else { return };
        let key = u64::from(pid) << 32 | u64::from(long.table) << 16 | u64::from(long.extension) | 1 << 63;
        let place = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        let (last, when) = std::mem::replace(&mut sections[place as usize], (key, at));
        counts.err(Indicator::SiRepetition, u64::from(last == key && at.since(when) < CLOSEST));
    }

    /// 2.6: scrambled packets without a CAT.
    fn unkeyed(&mut self, now: Boot) -> u64 {
        if self.scrambled_due.passed(now, SCRAMBLED) == 0 {
            return 0;
        }
        let without = self.cat.is_none_or(|cat| now.since(cat) > CAT);
        u64::from(std::mem::take(&mut self.scrambled) && without)
    }
}

/// Counts a table that does not belong on a PID: 1.3.a, 2.6, 3.1, 3.5 to 3.8. Stuffing (0x72) may stand among SI.
pub(super) fn foreign(counts: &mut Counts, pid: u16, table: u8, priority3: bool) {
    let (indicator, fits) = match (pid, priority3) {
        (0, _) => (Indicator::Pat, table == 0x00),
        (1, _) => (Indicator::Cat, table == 0x01),
        (0x10, true) => (Indicator::Nit, matches!(table, 0x40 | 0x41 | 0x72)),
        (0x11, true) => (Indicator::Sdt, matches!(table, 0x42 | 0x46 | 0x4a | 0x72)),
        (0x12, true) => (Indicator::Eit, matches!(table, 0x4e..=0x6f | 0x72)),
        (0x13, true) => (Indicator::Rst, matches!(table, 0x71 | 0x72)),
        (0x14, true) => (Indicator::Tdt, matches!(table, 0x70 | 0x72 | 0x73)),
        _ => return,
    };
    counts.err(indicator, u64::from(!fits));
}

impl Monitor {
    /// Looks at every limit.
    pub(super) fn sweep(&mut self, now: Boot) {
        self.sweep_at = now.plus(SWEEP);
        self.settle();
        let counts = &mut self.counts;
        let due = &mut self.tables.due;
        counts.err(Indicator::Pat, due.pat.passed(now, PAT));
        counts.err(Indicator::Cat, due.unkeyed(now));
        counts.err(Indicator::Nit, due.nit.passed(now, NIT));
        counts.err(Indicator::Sdt, due.sdt.passed(now, SDT));
        counts.err(Indicator::Eit, due.eit.passed(now, EIT));
        counts.err(Indicator::Tdt, due.tdt.passed(now, TDT));
        for program in &mut self.tables.programs {
            counts.err(Indicator::Pmt, program.due.passed(now, PMT));
        }
        for slot in &mut self.slots {
            if let (Work::Timed(_), Some(timed)) = (slot.work, &mut slot.timed) {
                slot.due.seen(slot.seen, PID);
                counts.err(Indicator::Pid, slot.due.passed(now, PID));
                counts.err(Indicator::Pts, timed.due.passed(now, PTS));
            }
            if let Some(clock) = &mut slot.clock {
                counts.err(Indicator::PcrRepetition, clock.missing(now));
            }
            if self.options.priority3 && slot.role == Role::Other && !self.tables.names(slot) {
                // Counted while its packets come.
                let came = slot.seen.is_some_and(|seen| now.since(seen) < UNREFERENCED);
                if slot.due.0.is_none() || !came {
                    slot.due = Due::at(now, UNREFERENCED);
                }
                counts.err(Indicator::UnreferencedPid, slot.due.passed(now, UNREFERENCED));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_counts_once_for_every_whole_one_that_passes() {
        let ms = |ms: u64| Boot::from_nanos(ms * 1_000_000);
        let mut due = Due::default();
        assert_eq!(due.passed(ms(100_000), PAT), 0);
        due = Due::at(ms(1000), PAT);
        assert_eq!(due.passed(ms(1500), PAT), 0);
        assert_eq!(due.passed(ms(1501), PAT), 1);
        assert_eq!(due.passed(ms(2000), PAT), 0);
        assert_eq!(due.passed(ms(3600), PAT), 4);
        assert_eq!(due.renew(ms(3700), PAT), 0);
        assert_eq!(due.renew(ms(4201), PAT), 1);
        assert_eq!(due.renew(ms(4701), PAT), 0);
    }
}
