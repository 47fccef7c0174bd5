//! The node's families against Debian's node_exporter: the same names, labels, types and values, side by side on this
//! machine and on trees of files, one in each folder of the probe's testdata: made, and captured in the QEMU tests. What
//! differs stands in tables of the probe's README with its reason, and a reason that no tree needs fails.

mod differ;
mod disks;
mod exporter;
mod hang;
mod ours;
mod page;
mod talk;
pub mod tree;

use crate::support::wait;
use differ::{Exceptions, differences};
use exporter::Exporter;
use ours::Ours;
use page::Page;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tree::tree;

/// Counts that move all the time are read between two readings of ours until each was caught in between once.
const BOUND: Duration = Duration::from_secs(90);

/// Short, so that a page is soon followed by a fresh one.
const EVERY: Duration = Duration::from_millis(150);

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
fn trees_of_files_look_the_same_to_node_exporter() {
    let mut exceptions = Exceptions::on("trees");
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/probe/node/testdata");
    let mut folders: Vec<_> = std::fs::read_dir(all).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.is_dir());
    folders.sort();
    assert!(folders.len() > 1, "{folders:?}");
    for folder in folders {
        eprintln!("{}", folder.display());
        let (_dir, roots) = tree(&std::fs::read_to_string(folder.join("tree.txt")).unwrap());
        let path = |name: &str, path: &Path| format!("--path.{name}={}", path.display());
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
        compare(&mut ours, &mut exporter, &mut exceptions);
    }
    assert_eq!(exceptions.unused(), [""; 0], "reasons that nobody needs");
}
