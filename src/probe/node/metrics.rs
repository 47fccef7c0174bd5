//! Families of no collector, and all families together: the others stand with the collectors that read them.

use super::sheet::Collector;
use crate::metric::desc::{Desc, Family, Kind, Unit};
use std::borrow::Cow;

pub static SUCCESS: Desc<1> = Desc::gauge(
    "node_scrape_collector_success",
    Unit::Count,
    ["collector"],
    "1 if this part of the node could be read, 0 if not, also where there is no such part",
);
pub static DURATION: Desc<1> = Desc::gauge(
    "node_scrape_collector_duration_seconds",
    Unit::Seconds,
    ["collector"],
    "How long it took to read this part of the node",
);
pub static LEFT_OUT: Desc<1> = Desc::gauge(
    "vedette_node_left_out",
    Unit::Count,
    ["collector"],
    "Series of this part of the node that are not exported because there are more than 2000, more than 64 \
     mounts, a mount that our sandbox hides or that we may not ask, or a name that is taken",
);
pub static FAMILIES: &[Family] = &[SUCCESS.family(), DURATION.family(), LEFT_OUT.family()];

/// How many families `own` and `groups` have together.
pub const fn count(own: &[&[Family]], groups: &[&[&Collector]]) -> usize {
    let (mut n, mut i) = (0, 0);
    while i < own.len() {
        n += own[i].len();
        i += 1;
    }
    i = 0;
    while i < groups.len() {
        let mut k = 0;
        while k < groups[i].len() {
            n += groups[i][k].families.len();
            k += 1;
        }
        i += 1;
    }
    n
}

/// The families of `own` and `groups` one after another; `N` is their [`count`].
pub const fn join<const N: usize>(own: &[&[Family]], groups: &[&[&Collector]]) -> [Family; N] {
    let mut joined = [const { empty() }; N];
    let (mut n, mut i) = (0, 0);
    while i < own.len() {
        n = copy(own[i], &mut joined, n);
        i += 1;
    }
    i = 0;
    while i < groups.len() {
        let mut k = 0;
        while k < groups[i].len() {
            n = copy(groups[i][k].families, &mut joined, n);
            k += 1;
        }
        i += 1;
    }
    joined
}

/// Copies `families` to `to` from place `n` on, and returns the place behind them.
const fn copy(families: &[Family], to: &mut [Family], mut n: usize) -> usize {
    let mut k = 0;
    while k < families.len() {
        let family = &families[k];
        let (Cow::Borrowed(name), Cow::Borrowed(help)) = (&family.name, &family.help) else {
            panic!("a constant owns nothing")
        };
        let (name, help) = (Cow::Borrowed(*name), Cow::Borrowed(*help));
        let copy = Family { name, kind: family.kind, unit: family.unit, labels: family.labels, help, learned: None };
        // Nothing is lost: a constant owns nothing that would have to be freed.
        std::mem::forget(std::mem::replace(&mut to[n], copy));
        n += 1;
        k += 1;
    }
    n
}

const fn empty() -> Family {
    Family {
        name: Cow::Borrowed(""),
        kind: Kind::Gauge,
        unit: Unit::Count,
        labels: &[],
        help: Cow::Borrowed(""),
        learned: None,
    }
}
