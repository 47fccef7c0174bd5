//! Breaks over restarts, and what is waited for and does not come.

use super::muxer::{HZ, null, out};
use super::*;

/// Seconds of a stream with an Out behind the first second that lies ten seconds ahead and lasts twenty.
fn with_break(muxer: &mut Muxer, seconds: u32) -> Vec<(Duration, Step)> {
    let mut steps = stream(muxer, 1);
    let cue = out(7, muxer.pts() + 10 * HZ, 20 * HZ);
    steps.push((Duration::from_millis(200), Step::Bytes(muxer.fifth(Some(&cue)))));
    steps.extend(stream(muxer, seconds));
    steps
}

fn breaks(page: &BTreeMap<String, f64>) -> [f64; 3] {
    ["announced", "open", "overdue"].map(|state| page[&format!("scte35_breaks{{state=\"{state}\"}}")])
}

#[tokio::test]
async fn an_open_break_lives_through_a_restart_and_is_told_once_when_it_does_not_end() {
    let (feed, mut muxer) = (feed::script::Script::default(), Muxer::default());
    feed.act(&group(), Act::Play(with_break(&mut muxer, 20)));
    let mut before = rig(GROUP, &feed, &Default::default(), None);
    assert_eq!(breaks(&before.after(5).await), [1.0, 0.0, 0.0]);
    assert_eq!(breaks(&before.after(10).await), [0.0, 1.0, 0.0]);
    assert_eq!((before.told("scte35.out").len(), before.told("scte35.opened").len()), (1, 1));
    let memory = before.memory.take().expect("an open break is remembered");
    let sim = before.sim.clone();
    drop(before);
    // The stream went on meanwhile, without a cue from here on.
    let feed = feed::script::Script::default();
    feed.act(&group(), Act::Play(stream(&mut muxer, 60)));
    let mut after = rig_at(sim.clone(), GROUP, &feed, &Default::default(), Some(memory));
    assert_eq!(breaks(&after.after(3).await), [0.0, 1.0, 0.0]);
    assert_eq!(breaks(&after.after(35).await), [0.0, 0.0, 1.0]);
    assert_eq!((after.told("scte35.opened").len(), after.told("scte35.overdue").len()), (0, 1));
    // Once more: what was told is not told again.
    let memory = after.memory.take().expect("an overdue break is remembered");
    let feed = feed::script::Script::default();
    feed.act(&group(), Act::Play(stream(&mut muxer, 20)));
    drop(after);
    let mut last = rig_at(sim, GROUP, &feed, &Default::default(), Some(memory));
    assert_eq!((breaks(&last.after(10).await), last.notes.len()), ([0.0, 0.0, 1.0], 0), "{:?}", last.notes);
}

#[tokio::test]
async fn a_memory_that_cannot_be_read_is_forgotten_and_the_stream_is_watched() {
    for memory in ["", "{\"1\":7}", "{\"1\":\"{}\"}", "{\"1\":\"[\\\"x\\\"]\"}"] {
        let (feed, mut muxer) = (feed::script::Script::default(), Muxer::default());
        feed.act(&group(), Act::Play(with_break(&mut muxer, 20)));
        let mut rig = rig(GROUP, &feed, &Default::default(), Some(memory.to_owned()));
        let page = rig.after(14).await;
        assert_eq!((page[UP], breaks(&page)), (1.0, [0.0, 1.0, 0.0]), "{memory}");
    }
}

#[tokio::test]
async fn what_does_not_come_is_told_only_while_a_signal_would_bring_it() {
    let text = format!("{GROUP}heartbeat = \"5s\"\n[expect]\nout = \"10s\"\nsplice_null = \"1h\"\n");
    let (feed, mut muxer) = (feed::script::Script::default(), Muxer::default());
    let mut steps = with_break(&mut muxer, 2);
    steps.push((Duration::from_millis(200), Step::Bytes(muxer.fifth(Some(&null())))));
    steps.extend(stream(&mut muxer, 20));
    feed.act(&group(), Act::Play(steps));
    let mut rig = rig(&text, &feed, &Default::default(), None);
    let silence = |marker: &str| format!("scte35_marker_silence_seconds{{marker=\"{marker}\"}}");
    let page = rig.after(5).await;
    assert_eq!(page["scte35_heartbeat_lost"], 0.0);
    assert!((3.0..5.0).contains(&page[&silence("out")]), "{}", page[&silence("out")]);
    let page = rig.after(10).await;
    assert_eq!((page["scte35_heartbeat_lost"], page["scte35_marker_limit_seconds{marker=\"out\"}"]), (1.0, 10.0));
    assert!(page[&silence("out")] > 10.0 && page[&silence("splice_null")] > 10.0);
    assert_eq!(rig.told("scte35.heartbeat_lost").len(), 1, "{:?}", rig.notes);
    // Without a signal nobody can say what does not come.
    let page = rig.after(20).await;
    assert_eq!(page[UP], 0.0);
    for gone in ["scte35_heartbeat_lost".to_owned(), silence("out"), silence("splice_null")] {
        assert!(!page.contains_key(&gone), "{gone}");
    }
}
