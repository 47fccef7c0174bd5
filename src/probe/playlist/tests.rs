mod stream;

use super::*;
use crate::base::clock::Sim;
use crate::base::quit;
use crate::base::ring::Ring;
use crate::base::settings as base;
use crate::metric::book::Book;
use crate::metric::latest::Latest;
use crate::metric::ledger::Ledger;
use crate::metric::memory::Memory;
use crate::metric::roster::Roster;
use crate::world::net::Reason;
use crate::world::net::script::{Page, Script};
use std::collections::BTreeMap;
use std::sync::Arc;

const HOME: &str = "http://origin/live/index.m3u8";
const BARE: &str = "id = \"main\"\nurl = \"http://origin/live/index.m3u8?token=hunter2\"\n";

fn read(text: &str) -> (Option<Settings>, Vec<String>) {
    let (settings, mistakes) = base::read(text, |table| {
        let settings = Settings::read(&table);
        table.finish();
        settings
    });
    (settings, mistakes.iter().map(ToString::to_string).collect())
}

/// A playlist on a scripted network, run for real through its session.
struct Rig {
    sim: Sim,
    net: Script,
    ring: Ring<Report>,
    latest: Latest,
    notes: Vec<Note>,
    _quitter: quit::Quitter,
    _running: tokio::task::JoinHandle<()>,
}

fn rig(more: &str, net: &Script) -> Rig {
    let (sim, book) = (Sim::new(), Book::default());
    let world = World { net: Arc::new(net.clone()), ..World::scripted(sim.clock()) };
    let mut kit = Kit::new(world, book.clone(), Roster::default(), Ledger::default());
    let text = format!("id = \"main\"\nurl = \"{HOME}\"\n{more}");
    let target = base::read(&text, |table| (KIND.read)(&table)).0.unwrap();
    let mut session = (target.open)(&mut kit);
    let ring = Ring::new(100);
    let (quitter, quit) = quit::pair();
    let tap = Tap::new(ring.clone(), Memory::default());
    let running = tokio::spawn(async move { session.run(&tap, &quit).await.unwrap() });
    let latest = Latest::new(book);
    Rig { sim, net: net.clone(), ring, latest, notes: Vec::new(), _quitter: quitter, _running: running }
}

impl Rig {
    /// The page after the next report, without the one label that all have.
    async fn page(&mut self) -> BTreeMap<String, f64> {
        for report in self.ring.take().await {
            self.notes.extend(report.notes.clone());
            self.latest.apply(&report);
        }
        let snapshot = self.latest.snapshot(self.sim.clock().now());
        let name = |labels: String| labels.replace(",stream_id=\"main\"", "").replace("{stream_id=\"main\"}", "");
        let rows = snapshot.rows.iter();
        rows.map(|r| (name(format!("{}{}", r.meta.family.name, r.meta.labels)), r.value)).collect()
    }
    /// The page after so much time.
    async fn after(&mut self, seconds: f64) -> BTreeMap<String, f64> {
        self.sim.advance(Duration::from_secs_f64(seconds));
        self.page().await
    }
}

fn serve(net: &Script, path: &str, body: impl Into<Vec<u8>>) {
    slow(net, path, body, Duration::from_millis(100));
}

fn slow(net: &Script, path: &str, body: impl Into<Vec<u8>>, took: Duration) {
    let body = body.into().into();
    net.page(&format!("http://origin/live/{path}"), Ok(Page { status: 200, body, took, ..Page::default() }));
}

/// A live playlist of five six-second segments, which are served too; `tags` stand before the last.
fn live(net: &Script, name: &str, first: u64, tags: &str) {
    let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
    for n in first..first + 5 {
        text.push_str(if n == first + 4 { tags } else { "" });
        text.push_str(&format!("#EXTINF:6.0,\n{n}.ts\n"));
        serve(net, &format!("{n}.ts"), vec![0; 60_000]);
    }
    serve(net, name, text);
}

fn failures(what: &str, reason: &str) -> String {
    format!("hls_failures_total{{reason=\"{reason}\",what=\"{what}\"}}")
}

#[tokio::test]
async fn each_new_segment_is_read_once_and_history_never() {
    let net = Script::default();
    live(&net, "index.m3u8", 5, "");
    let mut rig = rig("", &net);
    let page = rig.page().await;
    assert_eq!((page["hls_up"], page["hls_media_sequence"], page["hls_window_seconds"]), (1.0, 9.0, 30.0));
    assert_eq!(page["hls_variants{state=\"watched\"}"], 1.0);
    let fetched = |rig: &Rig| rig.net.fetched().into_iter().filter(|u| u.ends_with(".ts")).collect::<Vec<_>>();
    assert_eq!(fetched(&rig), ["http://origin/live/9.ts"]);
    live(&net, "index.m3u8", 7, "");
    let page = rig.after(6.0).await;
    assert_eq!(fetched(&rig), ["http://origin/live/10.ts", "http://origin/live/11.ts"]);
    assert_eq!(page["hls_segments_total{fate=\"read\"}"], 3.0);
    assert_eq!((page["hls_segment_bytes_total"], page["hls_segment_bitrate"]), (180_000.0, 80_000.0));
    assert_eq!(page["hls_segment_download_seconds_count"], 3.0);
    assert!((page["hls_segment_download_ratio"] - 0.1 / 6.0).abs() < 1e-9);
    live(&net, "index.m3u8", 20, "");
    let page = rig.after(6.0).await;
    assert_eq!(fetched(&rig).len(), 3, "who is behind skips");
    assert_eq!(page["hls_segments_total{fate=\"skipped\"}"], 2.0);
    assert_eq!(page["hls_segments_total{fate=\"unseen\"}"], 8.0);
}

#[tokio::test]
async fn a_playlist_that_stands_still_is_asked_sooner_and_stalls() {
    let net = Script::default();
    live(&net, "index.m3u8", 5, "");
    let mut rig = rig("", &net);
    assert_eq!(rig.page().await["hls_playlist_stalled"], 0.0);
    let page = rig.after(6.0).await;
    assert_eq!((page["hls_playlist_stalled"], page["hls_playlist_age_seconds"]), (0.0, 6.0));
    let page = rig.after(3.0).await;
    assert_eq!((page["hls_playlist_stalled"], page["hls_playlist_age_seconds"]), (0.0, 9.0));
    let page = rig.after(3.0).await;
    assert_eq!((page["hls_playlist_stalled"], page["hls_playlist_stalls_total"]), (1.0, 1.0));
    live(&net, "index.m3u8", 6, "");
    let page = rig.after(3.0).await;
    assert_eq!((page["hls_playlist_stalled"], page["hls_playlist_age_seconds"]), (0.0, 0.0));
}

#[tokio::test]
async fn what_cannot_be_read_leaves_the_page_and_its_reason_is_counted() {
    let net = Script::default();
    let mut rig = rig("", &net);
    let page = rig.page().await;
    assert_eq!((page["hls_up"], page[&failures("playlist", "unreachable")]), (0.0, 1.0));
    assert!(!page.contains_key("hls_playlist_stalled") && !page.contains_key("hls_variants{state=\"listed\"}"));
    live(&net, "index.m3u8", 5, "");
    let page = rig.after(5.0).await;
    assert_eq!((page["hls_up"], page["hls_target_duration_seconds"]), (1.0, 6.0));
    let broken: [(Result<u16, Reason>, &str, &str); 5] = [
        (Ok(404), "", "not_found"),
        (Ok(503), "", "status"),
        (Ok(200), "<html>", "unreadable"),
        (Err(Reason::Timeout), "", "timeout"),
        (Ok(403), "", "auth"),
    ];
    for (status, body, reason) in broken {
        let took = Duration::ZERO;
        net.page(
            HOME,
            status.map(|status| Page { status, body: body.as_bytes().to_vec().into(), took, ..Page::default() }),
        );
        let page = rig.after(6.0).await;
        assert_eq!(page["hls_up"], 0.0, "{reason}");
        assert!(page[&failures("playlist", reason)] >= 1.0, "{reason}");
        assert!(!page.contains_key("hls_media_sequence") && !page.contains_key("hls_playlist_age_seconds"), "{reason}");
    }
    live(&net, "index.m3u8", 6, "");
    assert_eq!(rig.after(60.0).await["hls_up"], 1.0);
}

#[tokio::test]
async fn a_segment_that_does_not_come_is_counted_and_the_playlist_stands() {
    let net = Script::default();
    live(&net, "index.m3u8", 5, "");
    let mut rig = rig("", &net);
    rig.page().await;
    live(&net, "index.m3u8", 6, "");
    net.page(
        "http://origin/live/10.ts",
        Ok(Page { status: 404, body: Vec::new().into(), took: Duration::ZERO, ..Page::default() }),
    );
    let page = rig.after(6.0).await;
    assert_eq!((page["hls_up"], page["hls_segments_total{fate=\"failed\"}"]), (1.0, 1.0));
    assert_eq!(page[&failures("segment", "not_found")], 1.0);
    live(&net, "index.m3u8", 7, "");
    slow(&net, "11.ts", vec![0; 1000], Duration::from_secs(13));
    let page = rig.after(6.0).await;
    assert_eq!(page[&failures("segment", "timeout")], 1.0, "two target durations are the bound");
    live(&net, "index.m3u8", 8, "");
    slow(&net, "12.ts", vec![0; 1000], Duration::from_secs(9));
    assert_eq!(rig.after(6.0).await["hls_segment_download_ratio"], 1.5);
}

#[tokio::test]
async fn the_variants_of_a_master_playlist_are_watched_as_configured() {
    let net = Script::default();
    let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=2\nhd.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=1\nsd.m3u8\n";
    serve(&net, "index.m3u8", master);
    live(&net, "hd.m3u8", 5, "");
    let mut first = rig("", &net);
    let page = first.page().await;
    assert_eq!(
        (page["hls_up"], page["hls_variants{state=\"listed\"}"], page["hls_variants{state=\"watched\"}"]),
        (1.0, 2.0, 1.0)
    );
    let mut all = rig("variants = \"all\"\n", &net);
    let page = all.page().await;
    assert_eq!((page["hls_up"], page["hls_variants{state=\"answering\"}"]), (0.0, 1.0), "sd is not there");
    live(&net, "sd.m3u8", 5, "");
    let page = all.after(6.0).await;
    assert_eq!((page["hls_up"], page["hls_variants{state=\"answering\"}"]), (1.0, 2.0));
    serve(&net, "index.m3u8", master.replace("hd.m3u8", "hd.m3u8?token=2"));
    live(&net, "hd.m3u8?token=2", 6, "");
    net.page(
        "http://origin/live/hd.m3u8",
        Ok(Page { status: 403, body: Vec::new().into(), took: Duration::ZERO, ..Page::default() }),
    );
    assert_eq!(all.after(6.0).await["hls_up"], 0.0);
    let page = all.after(6.0).await;
    assert_eq!((page["hls_up"], page["hls_media_sequence"]), (1.0, 10.0), "a new token is found where the old one was");
    assert!(page.iter().all(|(name, n)| !name.starts_with("hls_defects") || *n == 0.0));
}

#[tokio::test]
async fn cues_become_counts_and_notes_and_an_overdue_break_is_told() {
    let net = Script::default();
    live(&net, "index.m3u8", 5, "");
    let mut rig = rig("", &net);
    rig.page().await;
    let mut page = BTreeMap::new();
    for (n, tags) in ["", "#EXT-X-CUE-OUT:DURATION=12,ID=\"break 7\"\n", "", "", "", ""].iter().enumerate() {
        live(&net, "index.m3u8", 6 + n as u64, tags);
        page = rig.after(6.0).await;
    }
    assert_eq!(page["hls_cues_total{act=\"out\",style=\"cue_out\"}"], 1.0);
    assert_eq!((page["hls_break_open"], page["hls_break_overdue"]), (1.0, 1.0));
    assert_eq!(page["hls_cue_faults_total{kind=\"no_return\"}"], 1.0);
    let kinds: Vec<_> = rig.notes.iter().map(|n| n.kind).collect();
    assert_eq!(kinds, ["hls.cue", "hls.cue_fault"]);
    let id = rig.notes[0].fields.iter().find(|(name, _)| *name == "id").unwrap();
    assert_eq!(id.1, crate::metric::note::Field::Text("break 7".to_owned()));
}

#[tokio::test]
async fn the_latency_is_told_only_by_two_good_clocks() {
    let net = Script::default();
    let dated = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-PROGRAM-DATE-TIME:2025-12-31T23:59:50Z\n#EXTINF:6,\na.ts\n";
    serve(&net, "index.m3u8", dated);
    let mut rig = rig("", &net);
    assert_eq!(rig.page().await["hls_live_latency_seconds"], 4.0);
    rig.sim.step_wall(0, false);
    assert!(!rig.after(6.0).await.contains_key("hls_live_latency_seconds"));
}

#[test]
fn mistakes_never_repeat_the_address() {
    for (text, expected) in [
        ("id = \"a\"\nurl = \"http://u:hunter2@origin/\"\n", "a password in the URL"),
        ("id = \"a\"\nurl = \"ftp://hunter2/\"\n", "does not begin with http"),
        ("id = \"a\"\nurl = \"hunter2\"\n", "no URL"),
        ("id = \"a\"\nurl = \"http://o/?hunter2\"\npassword_file = \"p\"\n", "without `username`"),
        ("id = \"a\"\nurl = \"http://o/?hunter2\"\nusername = \"a:b\"\n", "no `:`"),
        ("id = \"a\"\nurl = \"http://o/?hunter2\"\nvariants = \"best\"\n", "write one of \"first\", \"all\""),
    ] {
        let (_, mistakes) = read(text);
        assert!(mistakes.len() == 1 && mistakes[0].contains(expected), "{mistakes:?}");
        assert!(!mistakes[0].contains("hunter2"));
    }
    let settings = read(BARE).0.unwrap();
    assert!(!settings.text().contains("hunter2"));
    assert_ne!(settings.text(), read(&BARE.replace("hunter2", "other")).0.unwrap().text());
}

#[test]
fn the_sample_names_every_key_with_its_default() {
    let keys = KIND.sample.lines().filter_map(|l| l.strip_prefix('#')).filter(|l| !l.starts_with(['#', ' ', '[']));
    let sample: String = keys.map(|l| format!("{l}\n")).collect();
    let (settings, mistakes) = read(&sample);
    assert_eq!(mistakes, [""; 0]);
    let (settings, bare) = (settings.unwrap(), read(BARE).0.unwrap());
    assert_eq!((settings.variants, settings.timeout), (bare.variants, bare.timeout));
    for key in ["username", "password_file"] {
        assert!(sample.contains(&format!("{key} = ")), "{key}");
    }
}
