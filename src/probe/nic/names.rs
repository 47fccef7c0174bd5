//! Where the cameras' names lead.

use crate::base::clock::Window;
use crate::metric::report::Report;
use crate::metric::roster::Roster;
use crate::probe::Kit;
use crate::probe::poll::Poll;
use crate::world::roads::{Address, Roads};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

/// Addresses of one camera that are looked at.
const MOST: usize = 8;

/// Addresses of names, as they were last found: what a camera was reached at stands until its name leads elsewhere, also
/// while no resolver answers, since that is when it is asked for. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Known(Arc<Mutex<BTreeMap<String, Vec<Address>>>>);

/// An address written as a host of a URL, IPv6 in brackets.
fn literal(host: &str) -> Option<Address> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

impl Known {
    /// In order of preference; none while the name has not been found.
    pub(super) fn of(&self, host: &str) -> Vec<Address> {
        match literal(host) {
            Some(address) => vec![address],
            None => self.lock().get(host).cloned().unwrap_or_default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Address>>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Looks the names up, one after the other.
pub(super) struct Names {
    known: Known,
    roster: Roster,
    roads: Arc<dyn Roads>,
}

impl Names {
    pub(super) fn open(known: Known, kit: &Kit) -> Names {
        Names { known, roster: kit.roster.clone(), roads: kit.world.roads.clone() }
    }
}

impl Poll for Names {
    type Seen = ();

    fn look(&mut self) -> Box<dyn FnOnce() + Send> {
        let roll = self.roster.roll();
        let names = roll.cameras.iter().map(|camera| camera.host.clone()).filter(|host| literal(host).is_none());
        let names: BTreeSet<String> = names.collect();
        self.known.lock().retain(|name, _| names.contains(name));
        let (known, roads) = (self.known.clone(), self.roads.clone());
        // Each is kept as soon as it is found: the next one may hang.
        Box::new(move || {
            for name in names {
                if let Ok(mut addresses) = roads.addresses(&name) {
                    addresses.truncate(MOST);
                    known.lock().insert(name, addresses);
                }
            }
        })
    }

    fn fold(&mut self, taken: Window, (): ()) -> Report {
        Report::new(taken)
    }

    fn fallen(&mut self, _: &mut Report) {}
}
