//! The node's families against Debian's node_exporter: the same names, labels, types and values, side by side on this
//! machine and on a made tree of files. What differs stands in tables of the probe's README with its reason, and a reason
//! that the made tree does not need fails.

mod disks;
mod exporter;
mod hang;
mod ours;
mod page;
mod talk;
pub mod tree;

use crate::support::wait;
use exporter::Exporter;
use ours::Ours;
use page::Page;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tree::tree;

/// Counts that move all the time are read between two readings of ours until each was caught in between once.
const BOUND: Duration = Duration::from_secs(90);

/// Short, so that a page is soon followed by a fresh one.
const EVERY: Duration = Duration::from_millis(150);

const README: &str = include_str!("../../src/probe/node/README.md");

/// How series may differ.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Differs {
    TheirsOnly,
    OursOnly,
    Value,
}

/// The exceptions that hold on one tree, and which of them were needed.
struct Exceptions {
    /// Collectors of theirs that we do not have.
    collectors: Vec<&'static str>,
    /// By the beginning of `name{labels}`.
    series: Vec<(&'static str, Differs)>,
    used: BTreeSet<&'static str>,
}

/// The cells of the table below a heading, row by row, without the backticks of the first.
fn rows<const N: usize>(heading: &str) -> Vec<[&'static str; N]> {
    let (_, below) = README.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("{heading} is gone"));
    let lines = below.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &'static str| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        <[&str; N]>::try_from(cells).unwrap_or_else(|_| panic!("{N} cells: {line}"))
    };
    // Behind the names of the columns and the rule below them.
    lines.skip(2).map(cells).collect()
}

impl Exceptions {
    fn on(tree: &str) -> Exceptions {
        let collectors = rows("### Collectors that are not ours").into_iter().map(|[name, _why]| name).collect();
        let differs = |differs: &str| match differs {
            "theirs only" => Differs::TheirsOnly,
            "ours only" => Differs::OursOnly,
            "value" => Differs::Value,
            other => panic!("{other}"),
        };
        let here = rows("### Series that differ").into_iter().filter(|[_, _, on, _]| *on == tree || *on == "both");
        let series = here.map(|[start, how, _, _why]| (start, differs(how))).collect();
        Exceptions { collectors, series, used: BTreeSet::new() }
    }

    fn allow(&mut self, series: &str, how: Differs) -> bool {
        let collector = series.strip_prefix("node_scrape_collector_").and_then(|rest| rest.split('"').nth(1));
        let collector = self.collectors.iter().copied().find(|name| collector == Some(name));
        let collector = collector.filter(|_| how == Differs::TheirsOnly);
        let named = || self.series.iter().find(|(start, differs)| series.starts_with(start) && *differs == how);
        let found = collector.or_else(|| named().map(|(start, _)| *start));
        self.used.extend(found);
        found.is_some()
    }

    fn unused(&self) -> Vec<&'static str> {
        let all = self.collectors.iter().chain(self.series.iter().map(|(start, _)| start));
        all.copied().filter(|name| !self.used.contains(name)).collect()
    }
}

/// What is wrong in one round; series are taken off `pending` as their values are seen to agree.
fn differences(
    [before, theirs, after]: [&Page; 3],
    exceptions: &mut Exceptions,
    pending: &mut BTreeMap<String, String>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let names: BTreeSet<_> = theirs.values.keys().chain(after.values.keys()).collect();
    for series in names {
        let (value, now) = match (theirs.values.get(series), after.values.get(series)) {
            (Some(value), Some(now)) => (value, now),
            (theirs, _) => {
                let how = if theirs.is_some() { Differs::TheirsOnly } else { Differs::OursOnly };
                if !exceptions.allow(series, how) {
                    wrong.push(format!("{how:?}: {series}"));
                }
                continue;
            }
        };
        let name = series.split('{').next().unwrap();
        let (their_type, our_type) = (theirs.types.get(name), after.types.get(name));
        if their_type != our_type {
            wrong.push(format!("{name} is a {our_type:?}, theirs a {their_type:?}"));
        }
        if exceptions.allow(series, Differs::Value) {
            continue;
        }
        let was = before.values.get(series).unwrap_or(now);
        // The same number, written by two programs.
        let slack = 1e-9 * now.abs().max(was.abs());
        if value.to_bits() == now.to_bits() || *value >= was.min(*now) - slack && *value <= was.max(*now) + slack {
            pending.insert(series.clone(), String::new());
        } else {
            pending.entry(series.clone()).or_insert_with(|| format!("{series}: {value}, ours {was} and then {now}"));
        }
    }
    wrong
}

/// Compares until both sides have had the same series and each value was seen to agree.
fn compare(ours: &mut Ours, exporter: &mut Exporter, exceptions: &mut Exceptions) {
    let (mut pending, mut last) = (BTreeMap::new(), String::new());
    let mut before = Page::parse(&ours.page());
    let mut rounds = 0;
    wait("the same page as node_exporter", BOUND, || {
        let theirs = exporter.page();
        let after = Page::parse(&ours.page());
        let wrong = differences([&before, &theirs, &after], exceptions, &mut pending);
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
    eprintln!("{} series agree after {rounds} rounds and {:.0} looks", pending.len(), ours.collections());
    assert!(pending.len() > 150, "{} series only", pending.len());
}

#[test]
fn this_machine_looks_the_same_to_node_exporter() {
    let mut exporter = Exporter::start(&[]);
    let mut ours = Ours::start(Default::default(), EVERY);
    compare(&mut ours, &mut exporter, &mut Exceptions::on("this machine"));
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
        format!("--collector.textfile.directory={}", roots.texts.display()),
        // Else it asks this machine by netlink.
        "--no-collector.netdev.netlink".to_owned(),
    ];
    let mut exporter = Exporter::start(&arguments);
    let mut ours = Ours::start(roots, EVERY);
    let mut exceptions = Exceptions::on("made");
    compare(&mut ours, &mut exporter, &mut exceptions);
    assert_eq!(exceptions.unused(), [""; 0], "reasons that nobody needs");
}
