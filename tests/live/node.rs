//! The node's families against Debian's node_exporter: the same names, labels, types and values, side by side on this
//! machine and on a made tree of files. What differs stands in a list with its reason, and a reason nobody needs fails.

mod exporter;
mod hang;
mod ours;

use crate::support::wait;
use exporter::{Exporter, Page};
use ours::{Ours, tree};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Counts that move all the time are read between two readings of ours until each was caught in between once.
const BOUND: Duration = Duration::from_secs(90);

/// Collectors of theirs that we do not have.
const NOT_OURS: &[(&str, &str)] = &[
    ("bcache", "a cache in front of disks that recorders do not have"),
    ("btrfs", "recordings are on ext4 or xfs"),
    ("dmi", "serial numbers of the board as labels of a page that anybody may read"),
    ("fibrechannel", "no such network on a recording node"),
    ("infiniband", "no such network on a recording node"),
    ("ipvs", "no load balancer on a recording node"),
    ("nfs", "counts of calls, of which no rule asks"),
    ("nfsd", "counts of calls, of which no rule asks"),
    ("powersupplyclass", "batteries of laptops"),
    ("rapl", "readable by root only since Linux 5.10"),
    ("schedstat", "two families per processor, of which no rule asks"),
    ("systemd", "off unless systemd's bus is there; units are watched by name elsewhere"),
    ("tapestats", "no tapes"),
    ("textfile", "comes later"),
    ("xfs", "counts inside the file system, of which no rule asks"),
    ("zfs", "recordings are on ext4 or xfs"),
];

/// Series that only one side has, by the beginning of `name{labels}`.
const ONE_SIDED: &[(&str, &str)] = &[
    ("go_", "the exporter about itself"),
    ("process_", "the exporter about itself"),
    ("promhttp_", "the exporter about itself"),
    ("node_exporter_build_info", "the exporter about itself"),
    ("vedette_", "ours about ourselves"),
    ("node_textfile_", "comes later"),
];

/// Families whose values need not agree.
const OTHER_VALUE: &[(&str, &str)] = &[("node_scrape_collector_duration_seconds", "each measures itself")];

/// The reasons that were needed.
type Used = BTreeSet<&'static str>;

fn reason(list: &'static [(&'static str, &'static str)], series: &str, used: &mut Used) -> bool {
    let found = list.iter().find(|(start, _)| series.starts_with(start));
    used.extend(found.map(|(start, _)| *start));
    found.is_some()
}

/// Whether only one side may have this series.
fn one_sided(series: &str, more: &'static [(&'static str, &'static str)], used: &mut Used) -> bool {
    let collector = series.strip_prefix("node_scrape_collector_").and_then(|rest| rest.split('"').nth(1));
    let theirs = NOT_OURS.iter().find(|(name, _)| collector == Some(name));
    used.extend(theirs.map(|(name, _)| *name));
    theirs.is_some() || reason(ONE_SIDED, series, used) || reason(more, series, used)
}

/// What is wrong in one round; series are taken off `pending` as their values are seen to agree.
fn differences(
    [before, theirs, after]: [&Page; 3],
    more: &'static [(&'static str, &'static str)],
    pending: &mut BTreeMap<String, String>,
    used: &mut Used,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let names: BTreeSet<_> = theirs.values.keys().chain(after.values.keys()).collect();
    for series in names {
        let (theirs_value, ours) = (theirs.values.get(series), after.values.get(series));
        let (Some(value), Some(now)) = (theirs_value, ours) else {
            if !one_sided(series, more, used) {
                wrong.push(format!("only {}: {series}", if ours.is_some() { "ours" } else { "theirs" }));
            }
            continue;
        };
        let name = series.split('{').next().unwrap();
        let (their_type, our_type) = (theirs.types.get(name), after.types.get(name));
        if their_type != our_type {
            wrong.push(format!("{name} is a {our_type:?}, theirs a {their_type:?}"));
        }
        if reason(OTHER_VALUE, series, used) {
            continue;
        }
        let was = before.values.get(series).unwrap_or(now);
        // The same number, written by two programs.
        let slack = 1e-9 * now.abs().max(was.abs());
        if *value >= was.min(*now) - slack && *value <= was.max(*now) + slack {
            pending.insert(series.clone(), String::new());
        } else {
            pending.entry(series.clone()).or_insert_with(|| format!("{series}: {value}, ours {was} and then {now}"));
        }
    }
    wrong
}

/// Compares until both sides have had the same series and each value was seen to agree.
fn compare(ours: &mut Ours, exporter: &Exporter, more: &'static [(&'static str, &'static str)]) -> Used {
    let (mut pending, mut used, mut last) = (BTreeMap::new(), Used::new(), String::new());
    let mut before = ours.page();
    let mut rounds = 0;
    wait("the same page as node_exporter", BOUND, || {
        let theirs = exporter.page();
        let after = ours.page();
        let wrong = differences([&before, &theirs, &after], more, &mut pending, &mut used);
        before = after;
        rounds += 1;
        let open: Vec<_> = pending.values().filter(|why| !why.is_empty()).cloned().collect();
        let now = format!("{}\n{}", wrong.join("\n"), open.join("\n"));
        if now != last && rounds % 20 == 1 {
            eprintln!("round {rounds}:\n{now}");
            last = now;
        }
        (wrong.is_empty() && open.is_empty()).then_some(())
    });
    eprintln!("{} series agree after {rounds} rounds", pending.len());
    assert!(pending.len() > 150, "{} series only", pending.len());
    used
}

fn unused(used: &Used, lists: &[&'static [(&'static str, &'static str)]]) -> Vec<&'static str> {
    lists.iter().flat_map(|list| list.iter()).map(|(start, _)| *start).filter(|start| !used.contains(start)).collect()
}

#[test]
fn this_machine_looks_the_same_to_node_exporter() {
    let exporter = Exporter::start(&[]);
    let mut ours = Ours::start(Default::default());
    const HERE: &[(&str, &str)] = &[(
        "node_network_speed_bytes",
        "theirs says -125000 where the driver does not know the speed, which the kernel says with -1",
    )];
    let used = compare(&mut ours, &exporter, HERE);
    assert_eq!(unused(&used, &[NOT_OURS, ONE_SIDED, OTHER_VALUE, HERE]), [""; 0], "reasons that nobody needs");
}

#[test]
fn a_made_recorder_looks_the_same_to_node_exporter() {
    let (_dir, roots) = tree(include_str!("../../src/probe/node/testdata/made-recorder/tree.txt"));
    let path = |name: &str, path: &std::path::Path| format!("--path.{name}={}", path.display());
    let arguments = [
        path("procfs", &roots.proc),
        path("sysfs", &roots.sys),
        path("rootfs", &roots.root),
        path("udev.data", &roots.udev),
        // Else it asks this machine by netlink.
        "--no-collector.netdev.netlink".to_owned(),
    ];
    let exporter = Exporter::start(&arguments);
    let mut ours = Ours::start(roots);
    const MADE: &[(&str, &str)] =
        &[("node_network_receive_nohandler_total", "theirs has it from netlink only, ours from sysfs")];
    let used = compare(&mut ours, &exporter, MADE);
    assert_eq!(unused(&used, &[MADE]), [""; 0], "reasons that nobody needs");
}
