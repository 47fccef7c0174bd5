//! The outage ledger of one uplink: since when, how long, and what stood nearest in the way. Pure: times are arguments.

use super::check::{Check, Reason};
use super::round::Round;
use crate::base::label::Label;
use crate::world::net;

/// Milliseconds on the clock of the boot. Below 0 before it, since an outage outlives a boot.
pub type Moment = i64;

/// Where the road ended when an outage began: the nearest thing that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The interface is down or has no carrier.
    Carrier,
    /// No default route.
    Route,
    /// The gateway does not answer, and used to.
    Gateway,
    /// Names have no address; by address the road is open, as far as is known.
    Dns,
    /// Beyond all that.
    Far,
}

impl Label for Cause {
    const ALL: &'static [Self] = &[Cause::Carrier, Cause::Route, Cause::Gateway, Cause::Dns, Cause::Far];
    fn label(self) -> &'static str {
        match self {
            Cause::Carrier => "carrier",
            Cause::Route => "route",
            Cause::Gateway => "gateway",
            Cause::Dns => "dns",
            Cause::Far => "far",
        }
    }
}

impl Cause {
    /// What a round without a far answer says. A gateway that never answered echo requests is one that ignores them:
    /// `speaks` says that it did.
    pub fn of(round: &Round, speaks: bool) -> Cause {
        let failed = |check| round.up(check) == Some(false);
        let far = round.outcomes.iter().filter(|(check, _)| check.far());
        let nameless = far.flat_map(|(_, outcome)| &outcome.failures).all(|why| *why == Reason::Net(net::Reason::Name));
        let open = round.up(Check::Ping) == Some(true);
        match () {
            () if failed(Check::Carrier) => Cause::Carrier,
            () if failed(Check::Route) => Cause::Route,
            () if speaks && failed(Check::Gateway) => Cause::Gateway,
            () if nameless && !failed(Check::Ping) || open && failed(Check::Dns) => Cause::Dns,
            () => Cause::Far,
        }
    }

    fn place(self) -> usize {
        Cause::ALL.iter().position(|cause| *cause == self).unwrap_or_default()
    }
}

/// An outage that lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// The last answer before it.
    pub start: Moment,
    pub cause: Cause,
    /// From here on its seconds are counted: those before were by the daemon that ran before a restart.
    counted: Moment,
    /// The first answer after it, unless silence follows again.
    back: Option<Moment>,
}

/// An outage that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    pub start: Moment,
    /// The first answer of those that went on.
    pub end: Moment,
    pub cause: Cause,
}

/// Outages by cause.
#[derive(Debug, Default)]
pub struct Outages {
    /// The last far answer, or the first look.
    last: Option<Moment>,
    open: Option<Open>,
    counts: [u64; Cause::ALL.len()],
    /// Milliseconds of those that ended.
    ended: [i64; Cause::ALL.len()],
}

impl Outages {
    /// Takes up an outage that was open before a restart; it was counted then, and its seconds up to `counted`.
    pub fn resume(&mut self, start: Moment, cause: Cause, counted: Moment) {
        self.open = Some(Open { start, cause, counted, back: None });
    }

    pub fn open(&self) -> Option<Open> {
        self.open
    }

    /// A far target answered.
    pub fn answered(&mut self, at: Moment) {
        self.last = Some(at);
        if let Some(open) = &mut self.open {
            open.back.get_or_insert(at);
        }
    }

    /// No far target answered.
    pub fn silent(&mut self, at: Moment) {
        self.last.get_or_insert(at);
        if let Some(open) = &mut self.open {
            open.back = None;
        }
    }

    /// The road is down. Returns since when, if that is news.
    pub fn down(&mut self, at: Moment, cause: Cause) -> Option<Moment> {
        if self.open.is_some() {
            return None;
        }
        let start = self.last.unwrap_or(at);
        self.open = Some(Open { start, cause, counted: start, back: None });
        self.counts[cause.place()] += 1;
        Some(start)
    }

    /// The road is there again. Returns the outage that was.
    pub fn over(&mut self, at: Moment) -> Option<Outage> {
        let open = self.open.take()?;
        let end = open.back.unwrap_or(at);
        self.ended[open.cause.place()] += (end - open.counted).max(0);
        Some(Outage { start: open.start, end, cause: open.cause })
    }

    pub fn count(&self, cause: Cause) -> u64 {
        self.counts[cause.place()]
    }

    /// Seconds of all outages by this cause, the open one up to now, or up to the first answer while it is not known
    /// whether more will follow: so it never shrinks.
    pub fn seconds(&self, cause: Cause, now: Moment) -> f64 {
        let open = self.open.filter(|open| open.cause == cause);
        let lasts = open.map_or(0, |open| (open.back.unwrap_or(now) - open.counted).max(0));
        (self.ended[cause.place()] + lasts) as f64 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_lasts_from_the_last_answer_to_the_first_of_those_that_went_on() {
        let mut outages = Outages::default();
        outages.answered(10_000);
        outages.silent(25_000);
        outages.silent(40_000);
        assert_eq!(outages.down(40_000, Cause::Gateway), Some(10_000));
        assert_eq!((outages.count(Cause::Gateway), outages.seconds(Cause::Gateway, 40_000)), (1, 30.0));
        assert_eq!(outages.down(55_000, Cause::Far), None, "it is the same");
        outages.answered(70_000);
        assert_eq!(outages.seconds(Cause::Gateway, 80_000), 60.0, "perhaps over");
        outages.silent(85_000);
        assert_eq!(outages.seconds(Cause::Gateway, 85_000), 75.0, "it was not");
        outages.answered(100_000);
        outages.answered(115_000);
        let outage = Outage { start: 10_000, end: 100_000, cause: Cause::Gateway };
        assert_eq!(outages.over(115_000), Some(outage));
        assert_eq!((outages.seconds(Cause::Gateway, 200_000), outages.seconds(Cause::Far, 200_000)), (90.0, 0.0));
        assert_eq!(outages.over(130_000), None);
    }

    #[test]
    fn an_outage_from_before_a_restart_is_one_and_its_seconds_are_counted_once() {
        let mut outages = Outages::default();
        outages.resume(-3_600_000, Cause::Carrier, 5_000);
        outages.silent(20_000);
        assert_eq!(outages.down(35_000, Cause::Carrier), None);
        assert_eq!((outages.count(Cause::Carrier), outages.seconds(Cause::Carrier, 35_000)), (0, 30.0));
        outages.answered(65_000);
        assert_eq!(outages.over(95_000).map(|outage| outage.end - outage.start), Some(3_665_000));
        assert_eq!(outages.seconds(Cause::Carrier, 95_000), 60.0);
    }

    #[test]
    fn a_road_that_never_answered_is_down_from_the_first_look_on() {
        let mut outages = Outages::default();
        outages.silent(12_000);
        outages.silent(27_000);
        assert_eq!(outages.down(27_000, Cause::Route), Some(12_000));
    }
}
