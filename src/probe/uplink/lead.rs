//! Who leads: the default route in use, its changes, and whether a standby uplink stands in for another. Pure.

use super::outages::Moment;
use crate::world::net::Route;

/// What changed with a round.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// Another interface or gateway leads.
    Route { from: Route, to: Route },
    /// The default route came to this standby uplink; from which interface, if that was seen.
    Failover { from: Option<String> },
    /// It went to another interface.
    Failback { since: Moment, to: String },
}

/// The default route in use, as one uplink sees it.
#[derive(Debug, Default)]
pub struct Lead {
    /// The last one there was: a moment without any is part of a change, not one more.
    last: Option<Route>,
    /// Since when this standby uplink stands in.
    since: Option<Moment>,
    /// From here on its seconds are counted, see [`super::outages`].
    counted: Moment,
    pub changes: u64,
    pub failovers: u64,
    /// Milliseconds of those that ended.
    ended: i64,
}

impl Lead {
    /// Takes up a fail-over from before a restart.
    pub fn resume(&mut self, since: Moment, counted: Moment) {
        (self.since, self.counted) = (Some(since), counted);
    }

    pub fn since(&self) -> Option<Moment> {
        self.since
    }

    /// Takes the default routes of a round; `standby` is the interface of a standby uplink.
    pub fn round(&mut self, routes: &[Route], standby: Option<&str>, now: Moment) -> Option<Turn> {
        let first = routes.first()?;
        let from = self.last.replace(first.clone());
        let changed = from.as_ref().is_some_and(|from| from != first);
        self.changes += u64::from(changed);
        let Some(standby) = standby else {
            return from.filter(|_| changed).map(|from| Turn::Route { from, to: first.clone() });
        };
        match self.since {
            None if first.interface == standby => {
                (self.since, self.counted) = (Some(now), now);
                self.failovers += 1;
                Some(Turn::Failover { from: from.map(|route| route.interface) })
            }
            Some(since) if first.interface != standby => {
                self.since = None;
                self.ended += (now - self.counted).max(0);
                Some(Turn::Failback { since, to: first.interface.clone() })
            }
            _ => None,
        }
    }

    /// Seconds of all fail-overs, one that lasts up to now.
    pub fn seconds(&self, now: Moment) -> f64 {
        let lasts = self.since.map_or(0, |_| (now - self.counted).max(0));
        (self.ended + lasts) as f64 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::icmp::Family;

    fn route(interface: &str, gateway: &str) -> Route {
        Route { interface: interface.to_owned(), gateway: Some(gateway.to_owned()), family: Family::V4 }
    }

    #[test]
    fn a_fail_over_is_one_turn_and_a_moment_without_a_route_is_none() {
        let [wan, lte] = [route("eth0", "10.0.0.1"), route("wwan0", "10.1.0.1")];
        let both = [wan.clone(), lte.clone()];
        let mut lead = Lead::default();
        assert_eq!(lead.round(&both, Some("wwan0"), 0), None);
        assert_eq!(lead.round(&[], Some("wwan0"), 1_000), None);
        let over = Turn::Failover { from: Some("eth0".to_owned()) };
        assert_eq!(lead.round(std::slice::from_ref(&lte), Some("wwan0"), 2_000), Some(over));
        assert_eq!(lead.round(&[lte], Some("wwan0"), 3_000), None);
        assert_eq!(lead.round(&[], Some("wwan0"), 4_000), None, "no road at all is not the old one");
        assert_eq!((lead.failovers, lead.seconds(5_000)), (1, 3.0));
        let back = Turn::Failback { since: 2_000, to: "eth0".to_owned() };
        assert_eq!(lead.round(&both, Some("wwan0"), 6_000), Some(back));
        assert_eq!((lead.failovers, lead.changes, lead.seconds(9_000)), (1, 2, 4.0));
    }

    #[test]
    fn a_box_that_starts_on_its_standby_has_failed_over_unless_it_knows_already() {
        let lte = [route("wwan0", "10.1.0.1")];
        let mut lead = Lead::default();
        assert_eq!(lead.round(&lte, Some("wwan0"), 7_000), Some(Turn::Failover { from: None }));
        let mut lead = Lead::default();
        lead.resume(-1_000, 6_000);
        assert_eq!(lead.round(&lte, Some("wwan0"), 7_000), None);
        assert_eq!((lead.failovers, lead.seconds(8_000), lead.since()), (0, 2.0, Some(-1_000)));
    }

    #[test]
    fn another_gateway_is_a_change_too() {
        let [old, new] = [route("eth0", "10.0.0.1"), route("eth0", "10.0.0.2")];
        let mut lead = Lead::default();
        assert_eq!(lead.round(std::slice::from_ref(&old), None, 0), None);
        assert_eq!(lead.round(std::slice::from_ref(&new), None, 0), Some(Turn::Route { from: old, to: new }));
    }
}
