//! A camera under watch on a scripted world and a simulated clock.

use super::KIND;
use crate::base::clock::{Clock, Sim};
use crate::base::quit::{Quit, pair};
use crate::base::ring::Ring;
use crate::base::settings::read;
use crate::metric::book::Book;
use crate::metric::latest::Latest;
use crate::metric::report::{NoData, Report};
use crate::probe::{Kit, Patience, Session, Tap};
use crate::world::World;
use crate::world::files::{Files, Unreadable};
use crate::world::rtsp::script::{Act, Script, Step};
use crate::world::rtsp::{Broken, Oddity, Phase, Reason};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One file, whatever its path.
#[derive(Clone)]
struct Paper(Arc<Mutex<String>>);

impl Files for Paper {
    fn text(&self, _path: &Path) -> Result<String, Unreadable> {
        Ok(self.0.lock().unwrap().clone())
    }
    fn list(&self, _dir: &Path, _endings: &[&str]) -> Result<Vec<PathBuf>, Unreadable> {
        Ok(Vec::new())
    }
}

struct Bench {
    sim: Sim,
    script: Script,
    paper: Paper,
    session: Box<dyn Session>,
    page: Page,
}

/// The reports, folded.
struct Page {
    ring: Ring<Report>,
    latest: Latest,
    clock: Clock,
}

impl Page {
    fn now(&mut self) -> Vec<(String, f64)> {
        for report in self.ring.take_now() {
            self.latest.apply(&report);
        }
        let rows = self.latest.snapshot(self.clock.now()).rows;
        rows.iter().map(|r| (format!("{}{}", r.meta.family.name, r.meta.labels), r.value)).collect()
    }
    /// A series of camera `yard` with these other labels.
    fn of(&mut self, name: &str, rest: &str) -> Option<f64> {
        let series = format!("{name}{{camera_id=\"yard\"{rest}}}");
        self.now().into_iter().find(|(name, _)| *name == series).map(|(_, value)| value)
    }
}

fn bench(more: &str) -> Bench {
    let (sim, script, paper) = (Sim::new(), Script::default(), Paper(Arc::default()));
    let world =
        World { rtsp: Arc::new(script.clone()), files: Arc::new(paper.clone()), ..World::scripted(sim.clock()) };
    let book = Book::default();
    let mut kit = Kit::new(world, book.clone(), Default::default(), Default::default());
    let config = format!("id = \"yard\"\nurl = \"rtsp://cam/main\"\n{more}");
    let (target, mistakes) = read(&config, |table| (KIND.read)(&table));
    assert!(mistakes.is_empty(), "{mistakes:?}");
    let session = (target.unwrap().open)(&mut kit);
    let page = Page { ring: Ring::new(1000), latest: Latest::new(book), clock: sim.clock() };
    Bench { sim, script, paper, session, page }
}

/// Lets `d` pass in steps of 100 ms while `session` runs; returns how it ended, if it did.
async fn run(
    sim: &Sim,
    session: &mut dyn Session,
    tap: &Tap,
    quit: &Quit,
    d: Duration,
) -> Option<Result<(), crate::probe::Failed>> {
    let pass = async {
        for _ in 0..d.as_millis() / 100 {
            sim.advance(Duration::from_millis(100));
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::select! {
        biased;
        ended = session.run(tap, quit) => Some(ended),
        () = pass => None,
    }
}

/// 25 whole frames a second for `seconds`, a keyframe each second.
fn frames(seconds: u16) -> Vec<(Duration, Step)> {
    let frame = |n: u16| {
        let nal = if n.is_multiple_of(25) { 0x65 } else { 0x61 };
        let payload = vec![nal, 0x88, 0x55, 0x55];
        (Duration::from_millis(40), Step::Packet { seq: n, ticks: i64::from(n) * 3600, marker: true, payload })
    };
    (0..seconds * 25).map(frame).collect()
}

#[tokio::test]
async fn a_camera_that_cannot_be_reached_has_counters_at_0_and_no_gauge_but_its_status() {
    let mut b = bench("fps = 20");
    let (tap, (_quitter, quit)) = (Tap::new(b.page.ring.clone(), Default::default()), pair());
    let failed = run(&b.sim, &mut *b.session, &tap, &quit, Duration::from_secs(1)).await.unwrap().unwrap_err();
    assert_eq!((failed.why, failed.patience), (NoData::Unreachable, Patience::Short));
    assert_eq!(b.page.of("camera_connection_status", ""), Some(0.0));
    assert_eq!(b.page.of("camera_fps_expected", ""), Some(20.0));
    assert_eq!(b.page.of("camera_disconnects_total", ",reason=\"refused\""), Some(1.0));
    for (name, value) in b.page.now() {
        let known = name.contains("refused") || name.contains("fps_expected");
        assert!(known || value == 0.0, "{name} {value}");
    }
    assert_eq!(b.page.of("camera_fps", ""), None);
    assert_eq!(b.page.of("camera_last_frame_timestamp", ""), None);
}

#[tokio::test]
async fn gauges_leave_with_the_session_and_counts_go_on_in_the_next() {
    let mut b = bench("");
    let mut steps = frames(12);
    steps.insert(30, (Duration::ZERO, Step::Odd(Oddity::Rtcp)));
    steps.insert(31, (Duration::ZERO, Step::SenderReport));
    steps.push((Duration::from_millis(500), Step::End(Reason::Reset)));
    b.script.act("cam", Act::Play(steps));
    b.script.act("cam", Act::Play(frames(60)));
    let (tap, (quitter, quit)) = (Tap::new(b.page.ring.clone(), Default::default()), pair());

    assert!(run(&b.sim, &mut *b.session, &tap, &quit, Duration::from_millis(11_500)).await.is_none());
    assert_eq!(b.page.of("camera_connection_status", ""), Some(1.0));
    assert_eq!(b.page.of("camera_fps", ""), Some(25.0));
    assert_eq!(b.page.of("camera_bitrate", ""), Some(25.0 * 16.0 * 8.0));
    assert_eq!(b.page.of("camera_rtsp_phase_seconds", ",phase=\"describe\""), Some(0.02));
    assert_eq!(b.page.of("camera_rtp_errors_total", ",kind=\"rtcp\""), Some(1.0));
    assert_eq!(b.page.of("camera_rtcp_sender_reports_total", ""), Some(1.0));
    assert_eq!(b.script.open("cam"), 0, "a dropped session is closed");
    // `run` was dropped with its session; the next one is the second of the script.
    let before = b.page.of("camera_frames_total", "").unwrap();
    assert!(run(&b.sim, &mut *b.session, &tap, &quit, Duration::from_secs(3)).await.is_none());
    assert!(b.page.of("camera_frames_total", "").unwrap() > before);
    assert_eq!(b.page.of("camera_connects_total", ""), Some(2.0));

    quitter.quit();
    assert!(run(&b.sim, &mut *b.session, &tap, &quit, Duration::from_secs(1)).await.unwrap().is_ok());
}

#[tokio::test]
async fn a_session_that_breaks_takes_its_gauges_off_the_page_for_a_reason() {
    let mut b = bench("");
    let mut steps = frames(12);
    steps.push((Duration::from_millis(500), Step::End(Reason::Reset)));
    b.script.act("cam", Act::Play(steps));
    let (tap, (_quitter, quit)) = (Tap::new(b.page.ring.clone(), Default::default()), pair());
    let failed = run(&b.sim, &mut *b.session, &tap, &quit, Duration::from_secs(20)).await.unwrap().unwrap_err();
    assert_eq!(failed.why, NoData::Unreachable);
    for gauge in ["camera_fps", "camera_bitrate", "camera_jitter_seconds", "camera_seconds_since_keyframe"] {
        assert_eq!(b.page.of(gauge, ""), None, "{gauge}");
    }
    assert!(!b.page.now().iter().any(|(name, _)| name.starts_with("camera_stream_info")));
    assert_eq!(b.page.of("camera_connection_status", ""), Some(0.0));
    assert_eq!(b.page.of("camera_frames_total", ""), Some(300.0));
    // 300 frames, 40 ms apart, the first 40 ms after PLAY, which was at 2026-01-01T00:00:00Z.
    let last = b.page.of("camera_last_frame_timestamp", "").unwrap();
    assert!((last - 1_767_225_612.0).abs() < 0.11, "{last}");
}

#[tokio::test]
async fn a_camera_that_stops_sending_is_given_up_after_ten_seconds_and_its_status_falls_before() {
    let mut b = bench("stall = \"3s\"");
    b.script.act("cam", Act::Play(frames(12)));
    let (tap, (_quitter, quit)) = (Tap::new(b.page.ring.clone(), Default::default()), pair());
    let watched = run(&b.sim, &mut *b.session, &tap, &quit, Duration::from_secs(30)).await;
    assert_eq!(watched.unwrap().unwrap_err().why, NoData::Timeout);
    let taken = b.page.ring.take_now();
    let mut fell = None;
    for report in &taken {
        b.page.latest.apply(report);
        let rows = b.page.latest.snapshot(b.page.clock.now()).rows;
        let status = rows.iter().find(|r| r.meta.family.name == "camera_connection_status").unwrap().value;
        let at = report.taken.to.as_millis();
        if status == 0.0 && at > 15_000 {
            fell = fell.or(Some(at));
        }
    }
    // Played from 10 s to 22 s of boot time.
    let (fell, ended) = (fell.unwrap(), taken.back().unwrap().taken.to.as_millis());
    assert!((25_000..=26_200).contains(&fell), "{fell}");
    assert!((32_000..=33_200).contains(&ended), "{ended}");
    assert_eq!(b.page.of("camera_disconnects_total", ",reason=\"silent\""), Some(1.0));
}

#[tokio::test]
async fn the_password_is_read_anew_for_each_session_and_a_refusal_asks_for_patience() {
    let mut b = bench("username = \"viewer\"\npassword_file = \"/run/secret\"");
    let refuse = Act::Refuse(Duration::from_millis(200), Broken::new(Reason::Auth, Phase::Describe));
    b.script.act("cam", refuse.clone());
    b.script.act("cam", refuse);
    let (tap, (_quitter, quit)) = (Tap::new(b.page.ring.clone(), Default::default()), pair());
    for password in ["canary-1\n", "canary-2\n"] {
        *b.paper.0.lock().unwrap() = password.to_owned();
        let failed = run(&b.sim, &mut *b.session, &tap, &quit, Duration::from_secs(1)).await.unwrap().unwrap_err();
        assert_eq!((failed.why, failed.patience), (NoData::Denied, Patience::Long));
        let told = format!("{failed:?} {}", crate::base::fault::chain(&failed));
        assert!(told.contains("watching camera yard: describe failed, auth") && !told.contains("canary"), "{told}");
    }
    let used: Vec<_> = b.script.calls().into_iter().map(|(_, login)| login.unwrap().password).collect();
    assert_eq!(used.iter().map(|p| p.expose()).collect::<Vec<_>>(), ["canary-1", "canary-2"]);
}

#[test]
fn the_sample_reads_without_a_mistake() {
    let (cameras, mistakes) =
        read(KIND.sample, |root| root.tables("camera").iter().filter_map(KIND.read).map(|t| t.id).collect::<Vec<_>>());
    assert!(mistakes.is_empty(), "{mistakes:?}");
    assert_eq!(cameras, ["yard"]);
}

#[test]
fn families_are_named_once_and_every_one_tells_its_camera_first() {
    let mut names: Vec<_> = KIND.families.iter().map(|f| f.name.as_ref()).collect();
    assert!(KIND.families.iter().all(|f| f.labels[0] == "camera_id" && !f.help.ends_with('.')));
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[tokio::test]
async fn a_stop_is_no_news_about_the_camera_and_a_panic_takes_back_what_was_told() {
    let mut b = bench("");
    b.script.act("cam", Act::Play(frames(60)));
    let (tap, (quitter, quit)) = (Tap::new(b.page.ring.clone(), Default::default()), pair());
    {
        let mut running = std::pin::pin!(b.session.run(&tap, &quit));
        for _ in 0..125 {
            b.sim.advance(Duration::from_millis(100));
            for _ in 0..10 {
                tokio::select! { biased; _ = &mut running => unreachable!(), () = tokio::task::yield_now() => {} }
            }
        }
        quitter.quit();
        running.await.unwrap();
    }
    assert_eq!(b.page.of("camera_connection_status", ""), Some(1.0));
    assert_eq!(b.page.of("camera_fps", ""), Some(25.0));
    assert_eq!(b.page.of("camera_disconnects_total", ",reason=\"shutdown\""), Some(1.0));

    b.session.fallen(&tap);
    assert_eq!(b.page.of("camera_connection_status", ""), Some(0.0));
    assert_eq!(b.page.of("camera_fps", ""), None);
    assert_eq!(b.page.of("camera_disconnects_total", ",reason=\"panic\""), Some(1.0));
}
