//! A probe at work without the daemon around it.

use std::sync::Mutex;
use vedette::base::clock::Clock;
use vedette::base::quit::{Quitter, pair};
use vedette::base::ring::Ring;
use vedette::base::settings::read;
use vedette::metric::book::Book;
use vedette::metric::latest::Latest;
use vedette::metric::note::Note;
use vedette::metric::report::Report;
use vedette::probe::{Kind, Kit, Tap};
use vedette::world::World;

/// The targets of one kind in a configuration; they end with it.
pub struct Alone {
    runtime: Option<tokio::runtime::Runtime>,
    pub clock: Clock,
    pub latest: Mutex<Latest>,
    pub ring: Ring<Report>,
    /// What was noted until the last look at the page.
    pub notes: Mutex<Vec<Note>>,
    _quitter: Quitter,
}

impl Alone {
    pub fn start(kind: &'static Kind, world: &World, config: &str) -> Alone {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (book, ring, (quitter, quit)) = (Book::default(), Ring::new(65_536), pair());
        let (targets, mistakes) =
            read(config, |root| root.tables(kind.key).iter().filter_map(kind.read).collect::<Vec<_>>());
        assert!(mistakes.is_empty(), "{mistakes:?}");
        for target in targets {
            let mut kit = Kit::new(world.clone(), book.clone(), Default::default(), Default::default());
            let mut session = (target.open)(&mut kit);
            let (tap, quit) = (Tap::new(ring.clone(), Default::default()), quit.clone());
            runtime.spawn(async move { session.run(&tap, &quit).await.map_err(|failed| panic!("{failed}")) });
        }
        let (latest, notes) = (Mutex::new(Latest::new(book)), Mutex::default());
        Alone { runtime: Some(runtime), clock: world.clock.clone(), latest, ring, notes, _quitter: quitter }
    }

    /// Every series with its labels, and its value.
    pub fn page(&self) -> Vec<(String, f64)> {
        let mut latest = self.latest.lock().unwrap();
        for report in self.ring.take_now() {
            self.notes.lock().unwrap().extend(report.notes.iter().cloned());
            latest.apply(&report);
        }
        let rows = latest.snapshot(self.clock.now()).rows;
        rows.iter().map(|r| (format!("{}{}", r.meta.family.name, r.meta.labels), r.value)).collect()
    }

    pub fn value(&self, series: &str) -> Option<f64> {
        self.page().into_iter().find(|(name, _)| name == series).map(|(_, value)| value)
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
