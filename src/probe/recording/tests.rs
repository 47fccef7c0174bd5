use super::settings::Plan;
use super::watch::Watch;
use super::*;
use crate::base::clock::{Sim, Window};
use crate::base::settings as base;
use crate::metric::book::Book;
use crate::metric::latest::Latest;
use crate::metric::note::Field;
use crate::probe::Kit;
use crate::probe::poll::Poll;
use crate::world::World;
use crate::world::folders::script::Script;
use crate::world::folders::{Unwatched, Volume};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

mod astray;
mod restart;

const FLAT: &str = "id = \"yard\"\npath = \"/rec/yard/%Y%m%d-%H%M%S.ts\"\nutc = true\n";
const DAYS: &str = "id = \"yard\"\npath = \"/rec/yard/%F/%H/%M.%S.ts\"\nutc = true\n";

fn read_plan(text: &str) -> (Option<Plan>, Vec<String>) {
    let (plan, mistakes) = base::read(text, |table| {
        let plan = Plan::read(&table);
        table.finish();
        plan
    });
    (plan, mistakes.iter().map(ToString::to_string).collect())
}

/// A recording in a scripted tree, looked at without threads.
struct Rig {
    sim: Sim,
    folders: Script,
    watch: Watch,
    latest: Latest,
    page: BTreeMap<String, f64>,
    /// Kind and fields of notes so far.
    notes: Vec<(String, BTreeMap<&'static str, String>)>,
    memory: Option<String>,
}

impl Rig {
    /// One that was looked at before anything is there.
    fn new(text: &str) -> Rig {
        let mut rig = Rig::unseen(text);
        rig.look();
        rig
    }

    fn unseen(text: &str) -> Rig {
        let sim = Sim::new();
        let folders = Script::new(sim.clock());
        folders.directory("/rec/yard");
        Rig::over(text, sim, folders, None)
    }

    fn over(text: &str, sim: Sim, folders: Script, remembered: Option<String>) -> Rig {
        let book = Book::default();
        let world = World { folders: Arc::new(folders.clone()), ..World::scripted(sim.clock()) };
        let mut kit = Kit::new(world, book.clone(), Default::default(), Default::default());
        kit.remind(remembered);
        let watch = Watch::new(read_plan(text).0.unwrap(), &mut kit);
        Rig { sim, folders, watch, latest: Latest::new(book), page: BTreeMap::new(), notes: Vec::new(), memory: None }
    }

    fn look(&mut self) {
        let at = self.sim.clock().boot();
        let seen = (self.watch.look())();
        let report = self.watch.fold(Window { from: at, to: at }, seen);
        self.latest.apply(&report);
        for note in &report.notes {
            let text = |field: &Field| match field {
                Field::Text(text) => text.clone(),
                Field::Number(number) => number.to_string(),
                other => format!("{other:?}"),
            };
            let fields = note.fields.iter().map(|(name, field)| (*name, text(field))).collect();
            self.notes.push((note.kind.to_owned(), fields));
        }
        if let Some(memory) = report.memory {
            self.memory = memory;
        }
        let rows = self.latest.snapshot(self.sim.clock().now()).rows;
        self.page = rows.iter().map(|r| (format!("{}{}", r.meta.family.name, r.meta.labels), r.value)).collect();
    }

    /// Lets seconds pass, with a look at the end of each.
    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.sim.advance(Duration::from_secs(1));
            self.look();
        }
    }

    /// The recorder writes a segment: a packet a second, then it closes it.
    fn record(&mut self, path: &str, seconds: u64) {
        for _ in 0..seconds {
            self.folders.write(path, &packet());
            self.pass(1);
        }
        self.folders.close(path);
    }

    /// The path of a segment that begins now.
    fn flat(&self) -> String {
        let text = self.sim.clock().now().wall.to_string();
        let digits: String = text.chars().take(19).filter(|c| c.is_ascii_digit()).collect();
        format!("/rec/yard/{}-{}.ts", &digits[..8], &digits[8..])
    }

    /// Records segments of ten seconds.
    fn segments(&mut self, count: usize) {
        for _ in 0..count {
            let path = self.flat();
            self.record(&path, 10);
        }
    }

    #[track_caller]
    fn value(&self, family: &str) -> f64 {
        self.opt(family).unwrap_or_else(|| panic!("no {family} in {:#?}", self.page))
    }

    fn opt(&self, family: &str) -> Option<f64> {
        let (name, more) = family.split_once('{').unwrap_or((family, ""));
        let more = more.trim_end_matches('}');
        let labels = if more.is_empty() { String::new() } else { format!(",{more}") };
        self.page.get(&format!("{name}{{camera_id=\"yard\"{labels}}}")).copied()
    }

    fn segments_done(&self, verdict: &str) -> f64 {
        self.value(&format!("recording_segments_total{{verdict=\"{verdict}\"}}"))
    }

    fn gaps(&self) -> (f64, f64) {
        (self.value("recording_gaps_total"), self.value("recording_gap_seconds_total"))
    }
}

fn packet() -> Vec<u8> {
    (0..188).map(|n| if n == 0 { 0x47 } else { 0xff }).collect()
}

fn volume(source: &str, uuid: Result<&str, crate::metric::report::NoData>) -> Volume {
    let uuid = uuid.map(str::to_owned);
    Volume { source: source.to_owned(), kind: "ext4".to_owned(), uuid, read_only: false, size: 1000, free: 400 }
}

#[test]
fn a_recording_that_stops_has_a_gap_from_its_last_write_to_its_next() {
    let mut rig = Rig::new(FLAT);
    rig.segments(3);
    assert_eq!((rig.gaps(), rig.value("recording_gap_open")), ((0.0, 0.0), 0.0));
    assert_eq!(rig.value("recording_bytes_total"), 30.0 * 188.0);
    let rate = rig.value("recording_write_bitrate");
    assert!((1400.0..=1504.0).contains(&rate), "{rate}");
    rig.pass(19);
    assert_eq!(rig.value("recording_gap_open"), 0.0, "a pause");
    rig.pass(2);
    assert_eq!((rig.gaps().0, rig.value("recording_gap_open")), (1.0, 1.0));
    assert_eq!(rig.value("recording_gap_seconds_total"), rig.value("recording_newest_segment_age_seconds"));
    rig.pass(39);
    rig.segments(1);
    let (gaps, seconds) = rig.gaps();
    assert!((gaps, rig.value("recording_gap_open")) == (1.0, 0.0) && (seconds - 61.0).abs() < 0.01, "{seconds}");
    let kinds: Vec<_> = rig.notes.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["recording.stopped", "recording.gap"]);
    let gap = &rig.notes[1].1;
    assert_eq!((gap["start"].as_str(), gap["end"].as_str()), ("2026-01-01T00:00:29.000Z", "2026-01-01T00:01:30.000Z"));
    assert_eq!(gap["seconds"], "61");
}

#[test]
fn a_camera_that_never_recorded_has_a_gap_since_we_look() {
    let mut rig = Rig::new(FLAT);
    rig.pass(21);
    assert_eq!((rig.value("recording_gap_open"), rig.gaps()), (1.0, (1.0, 21.0)));
    assert_eq!(rig.opt("recording_newest_segment_age_seconds"), None);
}

#[test]
fn segments_are_followed_from_one_day_to_the_next_without_listing_what_is_there() {
    let mut rig = Rig::unseen(DAYS);
    for hour in 0..24 {
        for minute in 0..60 {
            rig.folders.write(format!("/rec/yard/2025-12-30/{hour:02}/{minute:02}.00.ts"), &packet());
        }
    }
    rig.folders.write("/rec/yard/2025-12-31/23/59.50.ts", &packet());
    rig.look();
    let before = rig.folders.asked();
    for n in 0..30 {
        rig.record(&format!("/rec/yard/2026-01-01/00/00.{n:02}.ts"), 1);
    }
    let after = rig.folders.asked();
    // The new day, the new hour, and the base above them.
    assert!(after.lists - before.lists <= 12 && after.listed - before.listed < 100, "{before:?} {after:?}");
    rig.folders.directory("/rec/yard/2026-01-02");
    rig.record("/rec/yard/2026-01-01/00/01.00.ts", 5);
    rig.record("/rec/yard/2026-01-02/00/00.00.ts", 5);
    rig.pass(60);
    assert_eq!((rig.segments_done("whole"), rig.gaps().0), (33.0, 1.0), "and the one before, which nobody closed");
}

#[test]
fn segments_are_judged_by_their_headers_when_they_are_closed() {
    let mut rig = Rig::new(FLAT);
    rig.segments(1);
    let path = rig.flat();
    rig.folders.write(&path, &[]);
    rig.folders.close(&path);
    rig.pass(10);
    let path = rig.flat();
    rig.folders.write(&path, &packet()[..100]);
    rig.pass(1);
    rig.folders.close(&path);
    rig.pass(9);
    let path = rig.flat();
    rig.folders.write(&path, b"<html>no such camera</html>");
    rig.pass(3);
    rig.folders.close(&path);
    rig.pass(7);
    rig.segments(1);
    rig.folders.write("/rec/yard/unnamed.ts", &packet());
    rig.folders.write("/rec/yard/index.m3u8", b"#EXTM3U");
    rig.pass(1);
    let done = ["whole", "empty", "truncated", "unindexed", "foreign", "unjudged"].map(|v| rig.segments_done(v));
    assert_eq!(done, [2.0, 1.0, 1.0, 0.0, 1.0, 0.0]);
    assert_eq!(rig.value("recording_misnamed_files_total"), 1.0);
    assert_eq!(rig.value("recording_segment_duration_seconds"), 9.0);
    // Of the page that came, three seconds went by between the write and the close.
    assert_eq!(rig.value("segment_processing_seconds_count"), 5.0);
    assert!((5.0..6.1).contains(&rig.value("segment_processing_seconds_sum")), "{:#?}", rig.page);
    let bad: Vec<_> = rig.notes.iter().map(|(_, fields)| fields["verdict"].as_str()).collect();
    assert_eq!(bad, ["empty", "truncated", "foreign"]);
}

#[test]
fn segments_that_are_moved_into_place_are_dated_when_they_were_written() {
    let mut rig = Rig::new(&format!("{FLAT}gap = \"30s\"\n"));
    rig.folders.directory("/cache");
    for _ in 0..6 {
        rig.folders.write("/cache/part", &packet());
        rig.pass(10);
        let path = rig.flat();
        rig.folders.arrive("/cache/part", path);
        rig.pass(1);
    }
    assert_eq!((rig.segments_done("whole"), rig.gaps()), (6.0, (0.0, 0.0)));
    assert_eq!(rig.value("segment_processing_seconds_sum"), 60.0);
    assert_eq!(rig.value("recording_bytes_total"), 6.0 * 188.0);
}

#[test]
fn what_cannot_be_watched_is_listed_when_it_changes_and_the_reason_is_counted() {
    let mut rig = Rig::new(FLAT);
    rig.folders.unwatchable(Some(Unwatched::Remote));
    rig.segments(6);
    rig.pass(1);
    assert_eq!(rig.value("recording_watched"), 0.0);
    assert_eq!(rig.value("recording_watch_failures_total{reason=\"remote\"}"), 1.0);
    assert_eq!((rig.segments_done("whole"), rig.gaps()), (5.0, (0.0, 0.0)), "the last was not yet followed");
    rig.pass(60);
    rig.segments(1);
    let (gaps, seconds) = rig.gaps();
    assert!(gaps == 1.0 && (seconds - 62.0).abs() < 1.01, "{seconds}");
    rig.folders.unwatchable(None);
    rig.segments(3);
    assert_eq!(rig.value("recording_watched"), 1.0, "watched again");
}

#[test]
fn lost_events_cost_a_listing_and_no_gap() {
    let mut rig = Rig::new(FLAT);
    rig.segments(2);
    for _ in 0..5 {
        rig.segments(1);
        rig.folders.lose();
        rig.pass(1);
    }
    assert_eq!((rig.gaps(), rig.segments_done("unjudged")), ((0.0, 0.0), 0.0));
    assert!(rig.segments_done("whole") >= 6.0, "{:#?}", rig.page);
}

#[test]
fn a_directory_that_is_moved_away_is_told_and_taken_up_again_when_it_is_back() {
    let mut rig = Rig::new(FLAT);
    rig.segments(2);
    rig.folders.remove("/rec");
    rig.pass(1);
    assert_eq!((rig.value("recording_directory_up"), rig.opt("recording_watched")), (0.0, None));
    rig.pass(30);
    assert_eq!((rig.value("recording_gap_open"), rig.gaps().0), (1.0, 1.0));
    rig.folders.directory("/rec/yard");
    rig.pass(1);
    assert_eq!(rig.value("recording_directory_up"), 1.0);
    rig.segments(2);
    assert_eq!((rig.value("recording_gap_open"), rig.gaps().0), (0.0, 1.0));
    assert!((rig.gaps().1 - 33.0).abs() < 1.01, "{:?}", rig.gaps());
}

#[test]
fn a_directory_that_may_not_be_read_says_nothing_of_gaps() {
    let mut rig = Rig::new(FLAT);
    rig.segments(1);
    rig.folders.fail(Some(std::io::ErrorKind::PermissionDenied));
    rig.pass(60);
    assert_eq!((rig.opt("recording_gap_open"), rig.gaps().0), (None, 0.0));
}

#[test]
fn the_clock_in_names_is_compared_with_ours() {
    let mut rig = Rig::new(FLAT);
    rig.segments(2);
    assert_eq!(rig.value("recording_segment_clock_offset_seconds{clock=\"name\"}"), 0.0);
    assert_eq!(rig.value("recording_segment_clock_offset_seconds{clock=\"file\"}"), -1.0);
    rig.record("/rec/yard/20251231-230100.ts", 10);
    let off = rig.value("recording_segment_clock_offset_seconds{clock=\"name\"}");
    assert_eq!(off, -3560.0, "an hour behind and forty seconds ahead");
    assert_eq!(rig.gaps().0, 0.0, "an older name is no older segment");
    let mut local = Rig::new(&FLAT.replace("utc = true\n", ""));
    local.folders.zone(7200);
    local.record("/rec/yard/20260101-020000.ts", 3);
    assert_eq!(local.value("recording_segment_clock_offset_seconds{clock=\"name\"}"), 0.0);
}

#[test]
fn a_step_of_the_wall_clock_is_no_gap() {
    let mut rig = Rig::new(FLAT);
    rig.segments(2);
    rig.sim.step_wall(86_400_000, true);
    rig.segments(2);
    rig.sim.step_wall(-86_400_000, true);
    rig.segments(2);
    assert_eq!(rig.gaps(), (0.0, 0.0));
}

#[test]
fn retention_is_the_age_of_the_oldest_and_what_is_purged_is_counted() {
    let mut rig = Rig::unseen(&format!("{DAYS}retention = \"2d\"\n"));
    rig.folders.directory("/rec/yard/2025-12-29/10");
    for second in 0..30 {
        rig.folders.write(format!("/rec/yard/2025-12-30/00/00.{second:02}.ts"), &packet());
    }
    rig.folders.write("/rec/yard/2025-12-31/00/00.00.ts", &packet());
    rig.look();
    assert_eq!(rig.value("recording_oldest_segment_age_seconds"), 172_800.0);
    assert_eq!(rig.value("recording_retention_goal_seconds"), 172_800.0);
    for second in 0..10 {
        rig.folders.remove(format!("/rec/yard/2025-12-30/00/00.{second:02}.ts"));
    }
    rig.pass(60);
    assert_eq!(rig.value("recording_purged_segments_total"), 10.0);
    assert_eq!(rig.value("recording_oldest_segment_age_seconds"), 172_800.0 + 50.0);
    rig.folders.remove("/rec/yard/2025-12-30");
    rig.pass(60);
    assert_eq!(rig.value("recording_purged_segments_total"), 30.0);
    assert_eq!(rig.value("recording_oldest_segment_age_seconds"), 86_400.0 + 120.0);
}

#[test]
fn a_purge_that_eats_the_newest_segment_is_counted() {
    let mut rig = Rig::new(FLAT);
    let path = rig.flat();
    rig.record(&path, 3);
    rig.folders.remove(&path);
    rig.pass(2);
    assert_eq!(rig.value("recording_newest_vanished_total"), 1.0);
    rig.segments(2);
    assert_eq!(rig.value("recording_newest_vanished_total"), 1.0);
}

#[test]
fn the_volume_is_compared_with_the_one_that_is_expected() {
    use crate::metric::report::NoData;
    let mut rig = Rig::unseen(&format!("{FLAT}volume = \"UUID=0A1B\"\n"));
    rig.folders.mount(volume("/dev/sdb1", Ok("0a1b")));
    rig.look();
    assert_eq!((rig.value("recording_volume_expected"), rig.value("recording_volume_free_bytes")), (1.0, 400.0));
    assert_eq!(rig.value("recording_volume_info{device=\"/dev/sdb1\",fstype=\"ext4\"}"), 1.0);
    rig.folders.mount(Volume { read_only: true, ..volume("/dev/sda1", Ok("9999")) });
    rig.pass(10);
    assert_eq!((rig.value("recording_volume_expected"), rig.value("recording_volume_read_only")), (0.0, 1.0));
    rig.folders.mount(volume("nas:/rec", Err(NoData::NotPresent)));
    rig.pass(10);
    assert_eq!(rig.opt("recording_volume_expected"), None, "nobody knows");
    assert_eq!(rig.value("recording_volume_info{fstype=\"ext4\"}"), 1.0);
    let mut rig = Rig::unseen(&format!("{FLAT}volume = \"nas:/rec\"\n"));
    rig.folders.mount(volume("nas:/rec", Err(NoData::Unsupported)));
    rig.look();
    assert_eq!(rig.value("recording_volume_expected"), 1.0);
}

#[test]
fn two_hundred_and_fifty_six_cameras_are_followed_with_two_questions_at_each_look() {
    let (sim, mut rigs) = (Sim::new(), Vec::new());
    let folders = Script::new(sim.clock());
    for camera in 0..256 {
        let text = format!("id = \"yard\"\npath = \"/rec/{camera}/%H/*.ts\"\n");
        for n in 0..200 {
            folders.write(format!("/rec/{camera}/{:02}/{n:04}.ts", n / 100), &packet());
        }
        rigs.push(Rig::over(&text, sim.clone(), folders.clone(), None));
    }
    rigs.iter_mut().for_each(Rig::look);
    (0..256).for_each(|camera| folders.close(format!("/rec/{camera}/01/0199.ts")));
    let before = folders.asked();
    const SECONDS: u64 = 120;
    for second in 0..SECONDS {
        for (camera, _) in rigs.iter().enumerate() {
            let path = |second: u64| format!("/rec/{camera}/{:02}/{:04}.ts", 2 + second / 60, second / 10);
            folders.write(path(second), &packet());
            if second % 10 == 9 {
                folders.close(path(second));
            }
        }
        sim.advance(Duration::from_secs(1));
        rigs.iter_mut().for_each(Rig::look);
    }
    let after = folders.asked();
    let each = |asked: u64| asked as f64 / (256 * SECONDS) as f64;
    // The base and the newest segment, and now and then the oldest.
    assert!(each(after.stats - before.stats) < 2.6, "{before:?} {after:?}");
    // The directories of two new hours, and above.
    assert!(after.lists - before.lists <= 256 * 9, "{before:?} {after:?}");
    assert!(rigs.iter().all(|rig| rig.gaps() == (0.0, 0.0) && rig.segments_done("whole") >= 10.0));
}

#[test]
fn mistakes_in_a_recording_are_told() {
    let (plan, mistakes) = read_plan("id = \"yard\"\npath = \"/rec/%Q.ts\"\ngap = \"1s\"\nvolume = \"UUID=\"\n");
    assert!(plan.is_none());
    assert_eq!(mistakes.len(), 3, "{mistakes:#?}");
    assert!(mistakes.concat().contains("`%Q` is not known"), "{mistakes:#?}");
    assert!(read_plan("id = \"yard\"\n").1[0].contains("`path` is missing"));
}

#[test]
fn the_sample_names_every_key_with_its_default() {
    let bare: String = KIND.sample.lines().filter(|l| !l.starts_with(['#', '['])).map(|l| format!("{l}\n")).collect();
    let plan = read_plan(&bare).0.unwrap();
    let keys = KIND
        .sample
        .lines()
        .filter_map(|l| l.strip_prefix('#'))
        .filter(|l| l.starts_with(|c: char| c.is_ascii_lowercase()));
    let full = keys.fold(bare, |text, key| text + key + "\n");
    let (full, mistakes) = read_plan(&full);
    assert_eq!(mistakes, [""; 0]);
    let full = full.unwrap();
    assert_eq!((full.gap, full.utc), (plan.gap, plan.utc));
    assert!(full.volume.is_some() && full.retention == Some(Duration::from_secs(30 * 86_400)));
}

#[test]
fn what_was_told_is_taken_back_after_a_panic_and_the_counts_stand() {
    let mut rig = Rig::new(FLAT);
    rig.segments(2);
    let at = rig.sim.clock().boot();
    let mut report = crate::metric::report::Report::new(Window { from: at, to: at });
    rig.watch.fallen(&mut report);
    rig.latest.apply(&report);
    let rows = rig.latest.snapshot(rig.sim.clock().now()).rows;
    let gauges: Vec<_> = rows.iter().filter(|r| r.meta.family.kind == crate::metric::desc::Kind::Gauge).collect();
    assert!(gauges.is_empty(), "{gauges:?}");
    rig.segments(1);
    assert_eq!(rig.gaps(), (0.0, 0.0));
}
