use super::*;
use crate::base::clock::Sim;
use crate::base::quit;
use crate::base::ring::Ring;
use crate::base::settings;
use crate::metric::book::Book;
use crate::metric::latest::Latest;
use crate::metric::memory::Memory;
use crate::probe::{Kit, Tap};
use crate::world::World;
use crate::world::volumes::{Reason, Refused, Script, Volumes};
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

const TABLE: &str = "[[volume]]\nid = \"rec\"\ndirectory = \"/srv/rec/.vedette\"\n";

fn target(text: &str) -> (Option<Target>, Vec<String>) {
    let (targets, mistakes) = settings::read(text, |root| {
        let tables = root.tables("volume");
        let target = (KIND.read)(&tables[0]);
        tables.into_iter().for_each(settings::Table::finish);
        target
    });
    (targets, mistakes.iter().map(ToString::to_string).collect())
}

/// The probe at work, reports taken one by one.
struct Bench {
    sim: Sim,
    latest: Latest,
    ring: Ring<crate::metric::report::Report>,
    _quitter: quit::Quitter,
}

impl Bench {
    fn start(volumes: Arc<dyn Volumes>) -> Bench {
        let (sim, book, ring) = (Sim::new(), Book::default(), Ring::new(64));
        let world = World { volumes, ..World::scripted(sim.clock()) };
        let mut kit = Kit::new(world, book.clone(), Default::default(), Default::default());
        let mut session = (target(TABLE).0.unwrap().open)(&mut kit);
        let (quitter, quit) = quit::pair();
        let tap = Tap::new(ring.clone(), Memory::default());
        tokio::spawn(async move { session.run(&tap, &quit).await.is_ok() });
        Bench { sim, latest: Latest::new(book), ring, _quitter: quitter }
    }
    /// What stands after the next report, zeros and buckets left out.
    async fn told(&mut self) -> Vec<String> {
        for report in self.ring.take().await {
            self.latest.apply(&report);
        }
        let rows = self.latest.standing(self.sim.clock().boot());
        let row = rows.iter().map(|row| format!("{}{} {}", row.meta.family.name, row.meta.labels, row.value));
        row.filter(|row| !row.contains("_bucket") && (!row.ends_with(" 0") || row.contains("writable"))).collect()
    }
}

#[test]
fn a_table_names_a_volume_and_its_directory() {
    assert_eq!(target(TABLE).1, [""; 0]);
    let (none, mistakes) = target("[[volume]]\nid = \"rec\"\nevery = \"1ms\"\nsize = 4096\n");
    assert!(none.is_none());
    assert_eq!(mistakes.len(), 3, "{mistakes:?}");
    assert!(mistakes.iter().any(|mistake| mistake.contains("`volume[0].directory` is missing")), "{mistakes:?}");
}

#[tokio::test]
async fn writes_are_counted_by_how_long_they_took_or_why_they_failed() {
    let script = Script::default();
    for outcome in
        [Ok(Duration::from_millis(20)), Err(Reason::NoSpace), Err(Reason::NoSpace), Ok(Duration::from_secs(2))]
    {
        script.then(outcome);
    }
    let mut bench = Bench::start(Arc::new(script));
    let (count, full) = (
        "volume_write_seconds_count{volume=\"rec\"}",
        "volume_write_failures_total{reason=\"no_space\",volume=\"rec\"}",
    );
    let (sum, up) = ("volume_write_seconds_sum{volume=\"rec\"}", "volume_writable{volume=\"rec\"}");
    assert_eq!(bench.told().await, [format!("{up} 1"), format!("{count} 1"), format!("{sum} 0.02")]);
    for failures in [1, 2] {
        bench.sim.advance(Duration::from_secs(60));
        let wanted = [format!("{up} 0"), format!("{full} {failures}"), format!("{count} 1"), format!("{sum} 0.02")];
        assert_eq!(bench.told().await, wanted);
    }
    bench.sim.advance(Duration::from_secs(60));
    let wanted = [format!("{up} 1"), format!("{full} 2"), format!("{count} 2"), format!("{sum} 2.02")];
    assert_eq!(bench.told().await, wanted);
}

/// Says when somebody writes, and holds it until told to let go.
struct Held(Sender<()>, Mutex<Receiver<()>>);

impl Volumes for Held {
    fn write(&self, _directory: &Path) -> Result<Duration, Refused> {
        self.0.send(()).unwrap();
        self.1.lock().unwrap().recv().unwrap();
        Ok(Duration::from_millis(1))
    }
}

#[tokio::test]
async fn a_write_that_hangs_is_counted_each_time_and_none_is_sent_after_it() {
    let ((writes, written), (let_go, held)) = (channel(), channel());
    let mut bench = Bench::start(Arc::new(Held(writes, Mutex::new(held))));
    let (up, late) =
        ("volume_writable{volume=\"rec\"}", "volume_write_failures_total{reason=\"timeout\",volume=\"rec\"}");
    let started = tokio::task::spawn_blocking(move || {
        written.recv().unwrap();
        written
    });
    let written = started.await.unwrap();
    bench.sim.advance(Duration::from_secs(10));
    assert_eq!(bench.told().await, [format!("{up} 0"), format!("{late} 1")]);
    for timeouts in [2, 3, 4] {
        bench.sim.advance(Duration::from_secs(60));
        assert_eq!(bench.told().await, [format!("{up} 0"), format!("{late} {timeouts}")]);
        assert!(written.try_recv().is_err(), "one write at a time");
    }
    let_go.send(()).unwrap();
    let_go.send(()).unwrap();
    // The thread has to come back first, which only the real clock knows of.
    let page = loop {
        bench.sim.advance(Duration::from_secs(60));
        let page = bench.told().await;
        if page[0] == format!("{up} 1") {
            break page;
        }
    };
    assert!(page.contains(&"volume_write_seconds_count{volume=\"rec\"} 1".to_owned()), "{page:?}");
}
