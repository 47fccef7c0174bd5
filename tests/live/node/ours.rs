//! The probe at work, without the daemon around it; and made machines.

use super::exporter::Page;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use vedette::base::clock::{Boot, Clock};
use vedette::base::quit::{Quitter, pair};
use vedette::base::ring::Ring;
use vedette::metric::book::Book;
use vedette::metric::latest::Latest;
use vedette::metric::report::Report;
use vedette::probe::node::targets;
use vedette::probe::{Kit, Tap};
use vedette::sink::page::{Format, print};
use vedette::world::World;
use vedette::world::clock::System;
use vedette::world::machine::{Machine, Roots};

/// Short, so that a page is soon followed by a fresh one.
const EVERY: Duration = Duration::from_millis(150);

pub struct Ours {
    clock: Clock,
    ring: Ring<Report>,
    latest: Latest,
    /// When the newest reading of each target began.
    read: BTreeMap<Arc<str>, Boot>,
    targets: usize,
    _quitter: Quitter,
    runtime: Runtime,
}

impl Ours {
    pub fn start(roots: Roots) -> Ours {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (clock, book, ring) = (Clock::new(System), Book::default(), Ring::new(4096));
        let world = World { machine: Some(Machine::at(roots)), ..World::scripted(clock.clone()) };
        let (quitter, quit) = pair();
        let all = targets(&Default::default(), EVERY);
        let count = all.len();
        for (_, target) in all {
            let mut kit = Kit::new(world.clone(), book.clone(), Default::default(), Default::default());
            let mut session = (target.open)(&mut kit);
            let tap = Tap::new(ring.clone(), Default::default()).of(target.id.into());
            let quit = quit.clone();
            runtime.spawn(async move { session.run(&tap, &quit).await.map_err(|failed| panic!("{failed}")) });
        }
        let latest = Latest::new(book);
        Ours { clock, ring, latest, read: BTreeMap::new(), targets: count, _quitter: quitter, runtime }
    }

    /// The page of readings that all began after now.
    pub fn page(&mut self) -> Page {
        let now = self.clock.boot();
        while self.read.len() < self.targets || self.read.values().any(|began| *began < now) {
            let clock = self.clock.clone();
            let taken = self.runtime.block_on(clock.within(Duration::from_secs(20), self.ring.take()));
            for report in taken.expect("every target reports") {
                self.latest.apply(&report);
                self.read.insert(report.source.clone().unwrap(), report.taken.from);
            }
        }
        Page::parse(&print(&Arc::new(self.latest.snapshot(self.clock.now())), Format::Text))
    }
}

/// Makes a tree of files from a text: see `made-recorder/tree.txt`.
pub fn tree(text: &str) -> (TempDir, Roots) {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    for part in text.split("\n== ").skip(1) {
        let (head, body) = part.split_once('\n').unwrap_or((part, ""));
        if let Some((link, target)) = head.split_once(" -> ") {
            make(at(link).parent().unwrap());
            std::os::unix::fs::symlink(target, at(link)).unwrap();
        } else if let Some(name) = head.strip_suffix('/') {
            make(&at(name));
        } else {
            make(at(head).parent().unwrap());
            std::fs::write(at(head), format!("{}\n", body.trim_end_matches('\n'))).unwrap();
        }
    }
    let roots = Roots { proc: at("proc"), sys: at("sys"), root: at("root"), udev: at("udev"), texts: at("texts") };
    (dir, roots)
}

fn make(dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
}
