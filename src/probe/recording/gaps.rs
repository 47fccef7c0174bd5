//! The gap ledger of one recording: when it stood still. Pure: times are arguments.

/// Milliseconds on the clock of the boot. Below 0 before it, since files outlive a boot.
pub(super) type Moment = i64;

/// The date of a file, taken over to the clock of the boot twice, comes out so many milliseconds apart at most.
const SAME: Moment = 50;

/// A time without a write that was longer than recording may stand still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    /// The last write before it.
    pub(super) start: Moment,
    /// The first write after it.
    pub(super) end: Moment,
}

#[derive(Debug)]
pub(super) struct Ledger {
    /// Without a write for longer than this, it is a gap from the last one on.
    limit: Moment,
    last: Option<Moment>,
    open: bool,
    /// Ended ones, and the one that is open.
    pub(super) gaps: u64,
    /// Milliseconds of those that ended.
    ended: i64,
}

impl Ledger {
    pub(super) fn new(limit: Moment) -> Ledger {
        Ledger { limit, last: None, open: false, gaps: 0, ended: 0 }
    }

    /// The last write, or what stands for it.
    pub(super) fn last(&self) -> Option<Moment> {
        self.last
    }

    /// Since when the gap lasts that is open.
    pub(super) fn open(&self) -> Option<Moment> {
        self.last.filter(|_| self.open)
    }

    /// Takes up an account: the last write that was told of, and whether a gap was open since then.
    pub(super) fn resume(&mut self, last: Moment, open: bool) {
        (self.last, self.open) = (Some(last), open);
        self.gaps += u64::from(open);
    }

    /// Something was written from `first` to `last`. Returns the gap that ends with it.
    pub(super) fn wrote(&mut self, first: Moment, last: Moment) -> Option<Gap> {
        if self.last.is_some_and(|known| last <= known + SAME) {
            return None;
        }
        let gap = self.last.map(|start| Gap { start, end: first.max(start) });
        let gap = gap.filter(|gap| self.open || gap.end - gap.start > self.limit);
        if let Some(gap) = gap {
            self.gaps += u64::from(!self.open);
            self.ended += gap.end - gap.start;
            self.open = false;
        }
        self.last = self.last.max(Some(last));
        gap
    }

    /// Nothing more was written until now. Returns the start of a gap that opens with it. Who never wrote counts from
    /// here on.
    pub(super) fn until(&mut self, now: Moment) -> Option<Moment> {
        let last = *self.last.get_or_insert(now);
        let opens = !self.open && now - last > self.limit;
        self.open |= opens;
        self.gaps += u64::from(opens);
        opens.then_some(last)
    }

    /// Seconds of all gaps, the open one up to now.
    pub(super) fn seconds(&self, now: Moment) -> f64 {
        let open = self.open().map_or(0, |since| (now - since).max(0));
        (self.ended + open) as f64 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_lasts_from_the_last_write_to_the_next() {
        let mut ledger = Ledger::new(20_000);
        assert_eq!(ledger.wrote(1_000, 5_000), None);
        assert_eq!((ledger.until(25_000), ledger.open()), (None, None));
        assert_eq!((ledger.until(25_001), ledger.open()), (Some(5_000), Some(5_000)));
        assert_eq!((ledger.until(26_000), ledger.gaps, ledger.seconds(26_000)), (None, 1, 21.0));
        assert_eq!(ledger.wrote(65_500, 66_000), Some(Gap { start: 5_000, end: 65_500 }));
        assert_eq!((ledger.gaps, ledger.seconds(90_000), ledger.open()), (1, 60.5, None));
    }

    #[test]
    fn a_gap_between_two_looks_is_one_too_and_a_pause_is_none() {
        let mut ledger = Ledger::new(20_000);
        ledger.wrote(-90_000, -80_000);
        assert_eq!(ledger.wrote(-60_000, 1_000), None);
        assert_eq!(ledger.wrote(22_000, 23_000), Some(Gap { start: 1_000, end: 22_000 }));
        assert_eq!((ledger.gaps, ledger.seconds(23_000)), (1, 21.0));
    }

    #[test]
    fn who_never_wrote_has_a_gap_from_the_first_look_on() {
        let mut ledger = Ledger::new(20_000);
        assert_eq!(ledger.until(100_000), None);
        assert_eq!(ledger.until(120_001), Some(100_000));
    }

    #[test]
    fn a_gap_that_was_open_before_a_restart_goes_on_and_is_not_told_again() {
        let mut ledger = Ledger::new(20_000);
        ledger.resume(-3_600_000, true);
        assert_eq!((ledger.until(10_000), ledger.gaps, ledger.seconds(10_000)), (None, 1, 3610.0));
        assert_eq!(ledger.wrote(30_000, 30_000), Some(Gap { start: -3_600_000, end: 30_000 }));
    }

    #[test]
    fn writes_that_overlap_or_come_late_go_back_in_no_time() {
        let mut ledger = Ledger::new(20_000);
        ledger.wrote(0, 50_000);
        assert_eq!(ledger.wrote(10_000, 40_000), None);
        assert_eq!(ledger.last(), Some(50_000));
        ledger.until(80_000);
        assert_eq!(ledger.wrote(49_000, 50_001), None, "the last write, read again");
        assert_eq!((ledger.open(), ledger.seconds(80_000)), (Some(50_000), 30.0));
    }
}
