use super::*;
use crate::base::clock::Sim;
use crate::base::quit;
use crate::base::ring::Ring;
use crate::base::settings::read;
use crate::metric::book::Book;
use crate::metric::latest::Latest;
use crate::metric::note::Note;
use crate::metric::report::Report;
use crate::probe::{Kit, Tap};
use crate::world::World;
use crate::world::feed::script::{Act, Step};
use crate::world::feed::{self, Source};
use crate::world::worker;
use muxer::Muxer;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

mod breaks;
mod muxer;
mod settings;
mod workers;

const GROUP: &str = "id = \"feed\"\nurl = \"udp://239.1.1.1:5000\"\n";

/// One stream in a scripted world, run for real through its session, which is started again a second after it breaks.
struct Rig {
    sim: Sim,
    ring: Ring<Report>,
    latest: Latest,
    notes: Vec<Note>,
    /// What it asked to be remembered last.
    memory: Option<String>,
    _quitter: quit::Quitter,
}

fn rig(text: &str, feed: &feed::script::Script, worker: &worker::script::Script, remembered: Option<String>) -> Rig {
    rig_at(Sim::new(), text, feed, worker, remembered)
}

fn rig_at(
    sim: Sim,
    text: &str,
    feed: &feed::script::Script,
    worker: &worker::script::Script,
    remembered: Option<String>,
) -> Rig {
    let book = Book::default();
    let (feed, worker) = (Arc::new(feed.clone()), Arc::new(worker.clone()));
    let world = World { feed, worker, ..World::scripted(sim.clock()) };
    let mut kit = Kit::new(world, book.clone(), Default::default(), Default::default());
    kit.remind(remembered);
    let target = read(text, |table| (KIND.read)(&table)).0.unwrap();
    let mut session = (target.open)(&mut kit);
    let (ring, clock) = (Ring::new(1000), sim.clock());
    let (quitter, quit) = quit::pair();
    let tap = Tap::new(ring.clone(), Default::default());
    tokio::spawn(async move {
        while session.run(&tap, &quit).await.is_err() {
            clock.sleep(Duration::from_secs(1)).await;
        }
    });
    Rig { sim, ring, latest: Latest::new(book), notes: Vec::new(), memory: None, _quitter: quitter }
}

impl Rig {
    /// The page after so many seconds, a fifth of one at a time.
    async fn after(&mut self, seconds: u32) -> BTreeMap<String, f64> {
        for _ in 0..seconds * 5 {
            self.settle().await;
            self.sim.advance(Duration::from_millis(200));
        }
        self.settle().await;
        let snapshot = self.latest.snapshot(self.sim.clock().now());
        let name = |labels: String| labels.replace(",stream_id=\"feed\"", "").replace("{stream_id=\"feed\"}", "");
        let rows = snapshot.rows.iter();
        rows.map(|r| (name(format!("{}{}", r.meta.family.name, r.meta.labels)), r.value)).collect()
    }

    async fn settle(&mut self) {
        for _ in 0..30 {
            tokio::task::yield_now().await;
        }
        for report in self.ring.take_now() {
            self.notes.extend(report.notes.iter().cloned());
            if let Some(memory) = &report.memory {
                self.memory.clone_from(memory);
            }
            self.latest.apply(&report);
        }
    }

    fn told(&self, kind: &str) -> Vec<&Note> {
        self.notes.iter().filter(|note| note.kind == kind).collect()
    }
}

fn group() -> Source {
    Source::Udp { to: feed::address("239.1.1.1", 5000).unwrap(), interface: None }
}

/// So much of a stream, a fifth of a second at a time.
fn stream(muxer: &mut Muxer, seconds: u32) -> Vec<(Duration, Step)> {
    (0..seconds * 5).map(|_| (Duration::from_millis(200), Step::Bytes(muxer.fifth(None)))).collect()
}

fn failures(page: &BTreeMap<String, f64>) -> Vec<(&str, f64)> {
    let name = |key: &'_ str| key.strip_prefix("ts_input_failures_total{reason=\"").map(str::len);
    let all = page.iter().filter(|(key, n)| name(key).is_some() && **n > 0.0);
    all.map(|(key, n)| (key.split('"').nth(1).unwrap(), *n)).collect()
}

const UP: &str = "ts_input_up{protocol=\"udp\"}";

#[tokio::test]
async fn a_group_that_falls_silent_is_joined_anew_and_what_comes_then_continues_nothing() {
    let (feed, mut muxer) = (feed::script::Script::default(), Muxer::default());
    let mut first = stream(&mut muxer, 5);
    first.push((Duration::ZERO, Step::Dropped(3)));
    feed.act(&group(), Act::Play(first));
    let mut rig = rig(GROUP, &feed, &Default::default(), None);
    let page = rig.after(4).await;
    assert_eq!((page[UP], failures(&page)), (1.0, vec![]));
    // Packets and the kernel's word come; then nothing.
    let page = rig.after(5).await;
    assert_eq!((page[UP], failures(&page), feed.opened().len()), (0.0, vec![("silent", 1.0)], 1));
    assert!(!page.contains_key("ts_programs") && !page.contains_key("ts_cue_pids{state=\"declared\"}"));
    assert_eq!(page["ts_datagrams_dropped_total"], 3.0);
    // The numbers of packets jump and the clock with them; and it comes from elsewhere.
    let mut other = Muxer::starting_at(900.0);
    let mut second = stream(&mut other, 20);
    second.insert(0, (Duration::ZERO, Step::Dropped(2)));
    feed.act(&group(), Act::Play(second));
    let page = rig.after(32).await;
    assert_eq!((page[UP], feed.opened().len()), (1.0, 2));
    assert_eq!(page["ts_datagrams_dropped_total"], 5.0, "both sockets'");
    for error in ["ts_continuity_errors_total{role=\"video\"}", "ts_discontinuities_total{kind=\"pcr\"}"] {
        assert_eq!(page[error], 0.0, "{error}");
    }
    let lost = rig.told("stream.lost");
    assert_eq!((lost.len(), rig.told("stream.back").len()), (1, 1));
}

#[tokio::test]
async fn a_source_that_cannot_be_had_has_its_reason_once_however_often_it_is_tried() {
    let feed = feed::script::Script::default();
    for _ in 0..4 {
        feed.act(&group(), Act::Refuse(feed::Reason::InUse));
    }
    let mut rig = rig(GROUP, &feed, &Default::default(), None);
    let page = rig.after(3).await;
    assert_eq!((page[UP], failures(&page)), (0.0, vec![("in_use", 1.0)]));
    assert!(feed.opened().len() >= 3);
    let page = rig.after(3).await;
    assert_eq!(failures(&page), [("in_use", 1.0), ("not_found", 1.0)], "another reason is news");
}

#[tokio::test]
async fn bytes_without_packets_are_garbage_and_no_signal() {
    let feed = feed::script::Script::default();
    feed.act(&group(), Act::Play((0..50).map(|_| (Duration::from_millis(200), Step::Bytes(vec![9; 1000]))).collect()));
    let mut rig = rig(GROUP, &feed, &Default::default(), None);
    let page = rig.after(6).await;
    assert_eq!((page[UP], failures(&page)), (0.0, vec![("garbage", 1.0)]));
    assert!(page["ts_datagrams_malformed_total{kind=\"size\"}"] >= 25.0);
    assert!(page["ts_received_bytes_total"] >= 25_000.0);
    assert!(!page.contains_key("ts_programs"));
}

#[tokio::test]
async fn a_file_that_is_replaced_begins_anew_and_one_that_hangs_times_out() {
    let path = "/srv/out.ts";
    let (feed, mut muxer, source) = (feed::script::Script::default(), Muxer::default(), Source::Growing(path.into()));
    let mut steps = stream(&mut muxer, 4);
    steps.push((Duration::ZERO, Step::Reopened));
    steps.extend(stream(&mut Muxer::starting_at(500.0), 4));
    steps.push((Duration::ZERO, Step::End(feed::Reason::Hung)));
    feed.act(&source, Act::Play(steps));
    feed.act(&source, Act::Play(Vec::new()));
    let mut rig = rig(&format!("id = \"feed\"\nurl = \"file://{path}\"\n"), &feed, &Default::default(), None);
    let page = rig.after(7).await;
    assert_eq!((page["ts_input_up{protocol=\"file\"}"], failures(&page)), (1.0, vec![]));
    assert_eq!(page["ts_discontinuities_total{kind=\"pcr\"}"], 0.0);
    let page = rig.after(2).await;
    assert_eq!((page["ts_input_up{protocol=\"file\"}"], failures(&page)), (0.0, vec![("hung", 1.0)]));
    assert!(!page.contains_key("ts_datagrams_dropped_total"), "a file drops no datagrams");
}
