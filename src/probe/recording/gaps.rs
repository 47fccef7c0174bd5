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
    /// Those that began since the start, or were found out since.
    pub(super) gaps: u64,
    /// Milliseconds of those that ended.
    ended: i64,
    /// Up to when the open one was counted before the start.
    counted: Option<Moment>,
    /// Milliseconds that were told: what turns out later to have been no gap is not taken back, but made up for.
    told: i64,
}

/// How far the ledger of before goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Account {
    /// The last write that was told of.
    pub(super) last: Moment,
    /// Where a gap was open since then: up to when it was counted.
    pub(super) open: Option<Moment>,
}

impl Ledger {
    pub(super) fn new(limit: Moment) -> Ledger {
        Ledger { limit, last: None, open: false, gaps: 0, ended: 0, counted: None, told: 0 }
    }

    /// The last write, or what stands for it.
    pub(super) fn last(&self) -> Option<Moment> {
        self.last
    }

    /// Since when the gap lasts that is open.
    pub(super) fn open(&self) -> Option<Moment> {
        self.last.filter(|_| self.open)
    }

    /// Takes up an account, before anything was written since the start. A gap that is open stays so.
    pub(super) fn resume(&mut self, account: Account) {
        (self.last, self.counted) = (Some(account.last), account.open);
        self.open |= account.open.is_some();
    }

    /// What came before `first`, the first write since the start, becomes known only now: an account, and the writes since
    /// then. Returns the gaps that are found.
    pub(super) fn before(
        &mut self,
        account: Account,
        writes: Vec<(Moment, Moment)>,
        first: Moment,
        now: Moment,
    ) -> Vec<Gap> {
        let mut before = Ledger::new(self.limit);
        before.resume(account);
        let early = writes.into_iter().filter(|(from, _)| *from < first).map(|(from, to)| (from, to.min(first)));
        let gaps: Vec<_> = early.chain([(first, first)]).filter_map(|(from, to)| before.wrote(from, to, now)).collect();
        self.gaps += before.gaps;
        self.ended += before.ended;
        gaps
    }

    /// Something was written from `first` to `last`, as is known `now`. Returns the gap that ends with it.
    pub(super) fn wrote(&mut self, first: Moment, last: Moment, now: Moment) -> Option<Gap> {
        if self.last.is_some_and(|known| last <= known + SAME) {
            return None;
        }
        let gap = self.last.map(|start| Gap { start, end: first.max(start) });
        let late = gap.filter(|gap| self.open && gap.end - gap.start <= self.limit);
        if let Some(gap) = late {
            // It went on for a while where nobody could see it. If it still does, there was no gap at all.
            self.last = Some(last);
            self.open = now - last > self.limit;
            return (!self.open).then_some(Gap { end: gap.start, ..gap });
        }
        let gap = gap.filter(|gap| self.open || gap.end - gap.start > self.limit);
        if let Some(gap) = gap {
            self.gaps += u64::from(!self.open);
            self.ended += (gap.end - self.counted.take().unwrap_or(gap.start).max(gap.start)).max(0);
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

    /// Seconds of all gaps, the open one up to now; never less than before.
    pub(super) fn seconds(&mut self, now: Moment) -> f64 {
        let open = self.open().map_or(0, |since| (now - self.counted.unwrap_or(since).max(since)).max(0));
        self.told = self.told.max(self.ended + open);
        self.told as f64 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_lasts_from_the_last_write_to_the_next() {
        let mut ledger = Ledger::new(20_000);
        assert_eq!(ledger.wrote(1_000, 5_000, 5_000), None);
        assert_eq!((ledger.until(25_000), ledger.open()), (None, None));
        assert_eq!((ledger.until(25_001), ledger.open()), (Some(5_000), Some(5_000)));
        assert_eq!((ledger.until(26_000), ledger.gaps, ledger.seconds(26_000)), (None, 1, 21.0));
        assert_eq!(ledger.wrote(65_500, 66_000, 66_000), Some(Gap { start: 5_000, end: 65_500 }));
        assert_eq!((ledger.gaps, ledger.seconds(90_000), ledger.open()), (1, 60.5, None));
    }

    #[test]
    fn a_gap_between_two_looks_is_one_too_and_a_pause_is_none() {
        let mut ledger = Ledger::new(20_000);
        ledger.wrote(-90_000, -80_000, -80_000);
        assert_eq!(ledger.wrote(-60_000, 1_000, 1_000), None);
        assert_eq!(ledger.wrote(22_000, 23_000, 23_000), Some(Gap { start: 1_000, end: 22_000 }));
        assert_eq!((ledger.gaps, ledger.seconds(23_000)), (1, 21.0));
    }

    #[test]
    fn who_never_wrote_has_a_gap_from_the_first_look_on() {
        let mut ledger = Ledger::new(20_000);
        assert_eq!(ledger.until(100_000), None);
        assert_eq!(ledger.until(120_001), Some(100_000));
    }

    #[test]
    fn a_gap_that_was_open_before_a_restart_goes_on_and_neither_it_nor_its_seconds_count_again() {
        let mut ledger = Ledger::new(20_000);
        ledger.resume(Account { last: -3_600_000, open: Some(-10_000) });
        assert_eq!((ledger.until(10_000), ledger.gaps, ledger.seconds(10_000)), (None, 0, 20.0));
        assert_eq!(ledger.wrote(30_000, 30_000, 30_000), Some(Gap { start: -3_600_000, end: 30_000 }));
        assert_eq!((ledger.gaps, ledger.seconds(90_000)), (0, 40.0));
    }

    #[test]
    fn an_account_that_comes_late_tells_what_was_before_the_first_write() {
        let account = Account { last: -500_000, open: None };
        let writes = vec![(-490_000, -400_000), (70_000, 80_000)];
        let off = Gap { start: -400_000, end: 15_000 };
        let mut ledger = Ledger::new(20_000);
        ledger.wrote(15_000, 80_000, 80_000);
        assert_eq!(ledger.before(account, writes, 15_000, 80_000), [off]);
        assert_eq!((ledger.gaps, ledger.seconds(80_000), ledger.last()), (1, 415.0, Some(80_000)));
        let mut idle = Ledger::new(20_000);
        idle.until(10_000);
        idle.until(40_000);
        idle.resume(account);
        assert_eq!(idle.wrote(-490_000, -400_000, 50_000), None);
        assert_eq!((idle.open(), idle.gaps, idle.seconds(50_000)), (Some(-400_000), 1, 450.0));
    }

    #[test]
    fn writes_that_overlap_or_come_late_go_back_in_no_time() {
        let mut ledger = Ledger::new(20_000);
        ledger.wrote(0, 50_000, 50_000);
        assert_eq!(ledger.wrote(10_000, 40_000, 40_000), None);
        assert_eq!(ledger.last(), Some(50_000));
        ledger.until(80_000);
        assert_eq!(ledger.wrote(49_000, 50_001, 80_000), None, "the last write, read again");
        assert_eq!((ledger.open(), ledger.seconds(80_000)), (Some(50_000), 30.0));
    }

    #[test]
    fn what_was_written_unseen_moves_the_start_of_the_gap_or_ends_it_as_none() {
        let mut ledger = Ledger::new(20_000);
        ledger.wrote(0, 50_000, 50_000);
        ledger.until(80_000);
        assert_eq!(ledger.wrote(45_000, 58_000, 90_000), None, "the last segment went on for eight seconds");
        assert_eq!((ledger.open(), ledger.gaps, ledger.seconds(90_000)), (Some(58_000), 1, 32.0));
        assert_eq!(ledger.wrote(58_500, 90_000, 91_000), Some(Gap { start: 58_000, end: 58_000 }));
        assert_eq!((ledger.open(), ledger.seconds(91_000)), (None, 32.0), "a counter does not go back");
        ledger.until(140_000);
        assert_eq!(ledger.wrote(141_000, 141_000, 141_000), Some(Gap { start: 90_000, end: 141_000 }));
        assert_eq!(ledger.seconds(141_000), 51.0, "in the end it is right");
    }
}
