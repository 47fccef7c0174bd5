//! The probe at work, without the daemon around it. The bench uses this file too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
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

pub struct Ours {
    clock: Clock,
    ring: Ring<Report>,
    latest: Latest,
    /// When the newest reading of each target began.
    read: BTreeMap<Arc<str>, Boot>,
    targets: usize,
    /// Looks of all targets together.
    reports: usize,
    _quitter: Quitter,
    runtime: Runtime,
}

impl Ours {
    /// It looks `every` so often.
    pub fn start(roots: Roots, every: Duration) -> Ours {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime starts");
        let (clock, book, ring) = (Clock::new(System), Book::default(), Ring::new(4096));
        let world = World { machine: Some(Machine::at(roots)), ..World::scripted(clock.clone()) };
        let (quitter, quit) = pair();
        let all = targets(&Default::default(), every);
        let count = all.len();
        for (_, target) in all {
            let mut kit = Kit::new(world.clone(), book.clone(), Default::default(), Default::default());
            let mut session = (target.open)(&mut kit);
            let tap = Tap::new(ring.clone(), Default::default()).of(target.id.into());
            let quit = quit.clone();
            runtime.spawn(async move { session.run(&tap, &quit).await.map_err(|failed| panic!("{failed}")) });
        }
        let latest = Latest::new(book);
        Ours { clock, ring, latest, read: BTreeMap::new(), targets: count, reports: 0, _quitter: quitter, runtime }
    }

    /// The page, in text 0.0.4, of readings that all began after now.
    pub fn page(&mut self) -> String {
        let now = self.clock.boot();
        while self.read.len() < self.targets || self.read.values().any(|began| *began < now) {
            let clock = self.clock.clone();
            let taken = self.runtime.block_on(clock.within(Duration::from_secs(20), self.ring.take()));
            for report in taken.expect("every target reports") {
                self.latest.apply(&report);
                self.reports += 1;
                self.read.insert(report.source.clone().expect("a tap of a target"), report.taken.from);
            }
        }
        print(&Arc::new(self.latest.snapshot(self.clock.now())), Format::Text)
    }

    /// How often the whole node was looked at.
    pub fn collections(&self) -> f64 {
        self.reports as f64 / self.targets as f64
    }
}
