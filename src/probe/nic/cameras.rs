//! The way to each camera of the roster: through which interface, whether that has a link, and what the kernel knows of the
//! camera as a neighbour. No packet is sent for it: the camera probe's own calls make the kernel ask.

use super::drops::Drops;
use super::metrics::{CAMERA_INTERFACE, CUT_OFF, DROPS, NEIGHBOUR_STATE, NEIGHBOUR_UP};
use super::names::Known;
use crate::base::clock::Window;
use crate::base::fault::chain;
use crate::base::label::Label;
use crate::metric::book::{Hold, Series};
use crate::metric::reading::{Fact, Readings};
use crate::metric::report::{NoData, Report};
use crate::metric::roster::{Camera, Roster};
use crate::probe::Kit;
use crate::probe::poll::Poll;
use crate::world::machine;
use crate::world::roads::{Address, Leaky, Neighbour, Roads};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Cameras on one interface that were asked in vain before the network behind it is blamed: one may just be unplugged.
const SILENT: usize = 2;

impl Label for Neighbour {
    const ALL: &'static [Self] = &[
        Neighbour::Incomplete,
        Neighbour::Reachable,
        Neighbour::Stale,
        Neighbour::Delay,
        Neighbour::Probe,
        Neighbour::Failed,
    ];
    fn label(self) -> &'static str {
        match self {
            Neighbour::Incomplete => "incomplete",
            Neighbour::Reachable => "reachable",
            Neighbour::Stale => "stale",
            Neighbour::Delay => "delay",
            Neighbour::Probe => "probe",
            Neighbour::Failed => "failed",
        }
    }
}

/// Whether the kernel has his link address.
fn known(neighbour: Neighbour) -> bool {
    !matches!(neighbour, Neighbour::Incomplete | Neighbour::Failed)
}

fn answers(neighbour: Option<Neighbour>) -> bool {
    neighbour.is_some_and(known)
}

/// A camera by its id and its host: with another host it is to be found elsewhere.
type Who = (String, String);

/// Where a camera is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    interface: String,
    gateway: bool,
    /// The interface has a link.
    up: bool,
    /// Of a camera that is a neighbour on a link, where the kernel holds anything of it.
    neighbour: Option<Neighbour>,
}

/// What the kernel knows.
struct Ways {
    /// By camera; `None` where it knows none.
    places: BTreeMap<Who, Option<Place>>,
    /// Interfaces that have a link.
    up: HashSet<String>,
}

/// One look.
pub(super) struct Look {
    ways: io::Result<Ways>,
    leaky: io::Result<Vec<Leaky>>,
}

pub(super) struct Cameras {
    roads: Arc<dyn Roads>,
    roster: Roster,
    known: Known,
    readings: Readings,
    dropped: Series,
    drops: Drops,
    /// Where each camera was at the last look.
    places: BTreeMap<Who, Place>,
    /// What is remembered of them.
    told: String,
    /// The log says last that the kernel does not answer.
    deaf: bool,
}

impl Cameras {
    pub(super) fn open(known: Known, every: Duration, kit: &mut Kit) -> Cameras {
        Cameras {
            roads: kit.world.roads.clone(),
            roster: kit.roster.clone(),
            known,
            readings: Readings::new(kit.shelf(), Hold::Read(every)),
            dropped: kit.own(&DROPS, []),
            drops: Drops::default(),
            places: kit.remembered().map(recall).unwrap_or_default(),
            told: kit.remembered().unwrap_or_default().to_owned(),
            deaf: false,
        }
    }

    /// A neighbour does not become a far host by losing its link: an address that goes with the link, as DHCP clients have
    /// it, leaves a default route that leads elsewhere. So it stays where it was until that has a link again, or until it
    /// is a neighbour elsewhere; a restart in between changes nothing.
    fn settle(&mut self, ways: Ways) {
        let mut moved = 0;
        let mut places = BTreeMap::new();
        for (camera, now) in ways.places {
            let before = self.places.remove(&camera);
            let lost = before.as_ref().filter(|place| !place.gateway && !ways.up.contains(&place.interface));
            let place = match (lost, now) {
                (_, Some(now)) if !now.gateway => now,
                (Some(lost), _) => Place { up: false, neighbour: None, ..lost.clone() },
                (None, Some(now)) => now,
                (None, None) => continue,
            };
            moved += usize::from(before.is_some_and(|before| before.interface != place.interface));
            places.insert(camera, place);
        }
        if moved > 0 {
            tracing::info!(cameras = moved, "cameras are reached through another interface");
        }
        self.places = places;
    }

    fn facts(&self) -> Vec<Fact> {
        let mut asked: HashMap<&str, (usize, usize)> = HashMap::new();
        for place in self.places.values() {
            if let Some(neighbour) = place.neighbour {
                let (all, there) = asked.entry(&place.interface).or_default();
                *all += 1;
                *there += usize::from(known(neighbour));
            }
        }
        let silent = |interface: &str| asked.get(interface).is_some_and(|(all, there)| *there == 0 && *all >= SILENT);
        let mut facts = Vec::new();
        for ((camera, _), place) in &self.places {
            let interface = place.interface.as_str();
            let via = if place.gateway { "gateway" } else { "link" };
            facts.push(Fact::of(&CAMERA_INTERFACE, [camera, interface, via], 1.0));
            let behind = !place.gateway && place.up && silent(interface);
            for (cause, is) in [("link", !place.up), ("silent", behind)] {
                facts.push(Fact::of(&CUT_OFF, [camera, interface, cause], f64::from(is)));
            }
            let Some(neighbour) = place.neighbour else { continue };
            facts.push(Fact::of(&NEIGHBOUR_UP, [camera, interface], f64::from(known(neighbour))));
            for state in Neighbour::ALL {
                facts.push(Fact::of(&NEIGHBOUR_STATE, [camera, state.label()], f64::from(*state == neighbour)));
            }
        }
        facts
    }
}

/// Of several addresses the first with a way is the one that is called first; but one that answers is better.
fn ways(roads: &dyn Roads, cameras: &[(Who, Vec<Address>)]) -> io::Result<Ways> {
    let to: Vec<Address> = cameras.iter().flat_map(|(_, addresses)| addresses).copied().collect();
    let seen = roads.look(&to)?;
    let mut asked = to.into_iter().zip(seen.roads);
    let mut places = BTreeMap::new();
    for (camera, addresses) in cameras {
        let mut found: Option<Place> = None;
        for (address, road) in asked.by_ref().take(addresses.len()) {
            let link = road.and_then(|road| seen.links.iter().find(|link| link.index == road.index));
            let (Some(road), Some(link)) = (road, link) else { continue };
            // Without a link nobody could answer, and a router's neighbours are his.
            let neighbour = seen.neighbours.get(&(link.index, address)).copied();
            let neighbour = neighbour.filter(|_| link.up && !road.gateway);
            if found.as_ref().is_none_or(|found| !answers(found.neighbour) && answers(neighbour)) {
                let interface = link.name.clone();
                found = Some(Place { interface, gateway: road.gateway, up: link.up, neighbour });
            }
        }
        places.insert(camera.clone(), found);
    }
    let up = seen.links.into_iter().filter(|link| link.up).map(|link| link.name);
    Ok(Ways { places, up: up.collect() })
}

/// Neighbours, one a line; those behind routers are not held anywhere.
fn remember(places: &BTreeMap<Who, Place>) -> String {
    let neighbours = places.iter().filter(|(_, place)| !place.gateway);
    neighbours.map(|((camera, host), place)| format!("{camera} {host} {}\n", place.interface)).collect()
}

fn recall(text: &str) -> BTreeMap<Who, Place> {
    let place = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        let who = (words.next()?, words.next()?);
        let interface = words.next()?;
        Some((who, Place { interface, gateway: false, up: false, neighbour: None }))
    };
    text.lines().filter_map(place).collect()
}

impl Poll for Cameras {
    type Seen = Look;

    fn look(&mut self) -> Box<dyn FnOnce() -> Look + Send> {
        let roll = self.roster.roll();
        let who = |camera: &Camera| ((camera.id.clone(), camera.host.clone()), self.known.of(&camera.host));
        let (cameras, roads) = (roll.cameras.iter().map(who).collect::<Vec<_>>(), self.roads.clone());
        Box::new(move || Look { ways: ways(&*roads, &cameras), leaky: roads.leaky() })
    }

    fn fold(&mut self, taken: Window, look: Look) -> Report {
        let mut report = Report::new(taken);
        let mut gone = NoData::NotPresent;
        match look.ways {
            Ok(ways) => {
                self.settle(ways);
                self.deaf = false;
                let text = remember(&self.places);
                if text != self.told {
                    self.told.clone_from(&text);
                    report.remember(Some(text));
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.deaf, true) {
                    let error = chain(&error).to_string();
                    tracing::warn!(error, "the kernel does not tell the ways to the cameras");
                }
                gone = machine::why(&error);
                self.places.clear();
            }
        }
        self.readings.fold(&mut report, &self.facts(), gone);
        match look.leaky {
            Ok(sockets) => report.value(self.dropped, self.drops.take(&sockets) as f64),
            Err(error) => report.reading(self.dropped, Err(machine::why(&error))),
        };
        report
    }

    fn fallen(&mut self, report: &mut Report) {
        self.places.clear();
        self.readings.fold(report, &[], NoData::Stale);
        report.reading(self.dropped, Err(NoData::Stale));
    }
}
