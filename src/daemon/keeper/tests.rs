//! The keeper on a simulated clock, with sessions that do as they are told.

use super::*;
use crate::base::clock::Sim;
use crate::base::ring::Ring;
use crate::metric::book::Book;
use crate::metric::memory::Memory;
use crate::probe::{self, Running};
use crate::world::World;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

/// What the runs of a session came to.
#[derive(Clone, Default)]
struct Log {
    runs: Arc<AtomicU32>,
    fallen: Arc<AtomicU32>,
    lines: Arc<Mutex<Vec<u8>>>,
}

impl Log {
    fn says(&self, what: &str) -> usize {
        String::from_utf8(self.lines.lock().unwrap().clone()).unwrap().matches(what).count()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.lines.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Panics in its first run, is refused in its second, and then works.
struct Moody(Log);

impl Session for Moody {
    fn run<'a>(&'a mut self, _tap: &'a Tap, quit: &'a Quit) -> Running<'a> {
        Box::pin(async move {
            match self.0.runs.fetch_add(1, SeqCst) {
                0 => panic!("a defect"),
                1 => {
                    let what = "watching yard".to_owned();
                    Err(Failed { why: NoData::Denied, what, source: None, patience: Patience::Long })
                }
                _ => {
                    quit.wait().await;
                    Ok(())
                }
            }
        })
    }
    fn fallen(&mut self, _tap: &Tap) {
        self.0.fallen.fetch_add(1, SeqCst);
        panic!("another");
    }
}

async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_fallen_session_takes_back_what_it_told_a_reload_ends_its_wait_and_recovery_is_told_once() {
    let (sim, book, log) = (Sim::new(), Book::default(), Log::default());
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let kit = || {
        let world = World::scripted(sim.clock());
        Kit::new(world, book.clone(), Default::default(), Default::default())
    };
    let target = || {
        let log = log.clone();
        let open: probe::Open = Box::new(|_kit| Box::new(Moody(log)));
        (
            &probe::camera::KIND,
            Target { id: "yard".into(), settings: "".into(), secrets: vec![], roster: None, learns: vec![], open },
        )
    };
    let mut keeper = Keeper::new(sim.clock(), Tap::new(Ring::new(100), Memory::default()));
    keeper.keep(vec![target()], kit).await;
    settle().await;
    assert_eq!((log.runs.load(SeqCst), log.fallen.load(SeqCst)), (1, 1), "taken back, and that panic costs nothing");
    for run in [2, 3] {
        assert_eq!(keeper.keep(vec![target()], kit).await, Changes::default());
        settle().await;
        assert_eq!(log.runs.load(SeqCst), run, "tried at once, no second of its wait passed");
    }
    sim.advance(HEALTHY - Duration::from_secs(1));
    settle().await;
    assert_eq!(log.says("probe works again"), 0);
    for _ in 0..3 {
        sim.advance(HEALTHY);
        settle().await;
    }
    assert_eq!(log.says("probe works again"), 1);
    keeper.keep(vec![target()], kit).await;
    settle().await;
    assert_eq!(log.runs.load(SeqCst), 3, "one at work is not touched");
    keeper.stop().await;
}
