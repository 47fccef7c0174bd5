//! The recording probe on FFmpeg's segment muxer: at work in four containers, stopped, killed, frozen; and on segments that
//! are broken, moved, purged, dated wrongly, or on the wrong volume.

mod daemon;
mod volume;

use crate::support::alone::Alone;
use crate::support::{Kid, wait};
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use vedette::base::clock::Clock;
use vedette::metric::note::Field;
use vedette::probe::recording::KIND;
use vedette::world::folders::{Disk, Folders};
use vedette::world::{World, clock};

const SOON: Duration = Duration::from_secs(30);
/// What a gap's ends may be off by.
const SHARP: f64 = 1.0;

/// The probe at work on the recordings of a configuration.
struct Watching(Alone);

impl Deref for Watching {
    type Target = Alone;

    fn deref(&self) -> &Alone {
        &self.0
    }
}

impl Watching {
    fn start(config: &str) -> Watching {
        Watching::on(config, Arc::new(Disk::new(Clock::new(clock::System))))
    }

    fn on(config: &str, folders: Arc<dyn Folders>) -> Watching {
        let world = World { folders, ..World::scripted(Clock::new(clock::System)) };
        Watching(Alone::start(&KIND, &world, config))
    }

    /// A series of one recording, with what labels it has besides: `clock_offset{clock="name"}`.
    fn of(&self, id: &str, name: &str) -> Option<f64> {
        let (name, more) = name.split_once('{').unwrap_or((name, "}"));
        let comma = if more == "}" { "" } else { "," };
        let name = if name.starts_with("segment_processing") { name.to_owned() } else { format!("recording_{name}") };
        let series = format!("{name}{{camera_id=\"{id}\"{comma}{more}");
        self.value(&series)
    }

    fn wait(&self, id: &str, name: &str, bound: Duration, fits: impl Fn(f64) -> bool) -> f64 {
        let mut last = None;
        wait(&format!("{name} of {id}"), bound, || {
            last = self.of(id, name);
            last.filter(|value| fits(*value))
        })
    }

    fn is(&self, id: &str, name: &str, value: f64) {
        self.wait(id, name, SOON, |v| v == value);
    }

    /// Waits for the end of a gap: its start and end as Unix seconds, and its length.
    fn gap(&self) -> (f64, f64, f64) {
        wait("the end of a gap", SOON, || {
            self.page();
            let notes = self.notes.lock().unwrap();
            let gap = notes.iter().find(|note| note.kind == "recording.gap")?;
            let field =
                |name: &str| gap.fields.iter().find(|(field, _)| *field == name).map(|(_, f)| f.clone()).unwrap();
            let Field::Number(seconds) = field("seconds") else { panic!("{gap:?}") };
            let [start, end] = ["start", "end"].map(|name| match field(name) {
                Field::Text(text) => seconds_of(&text),
                other => panic!("{other:?}"),
            });
            Some((start, end, seconds))
        })
    }
}

/// `2026-01-01T00:00:10.500Z`, by date(1), which does not share our code.
fn seconds_of(text: &str) -> f64 {
    let out = Command::new("date").args(["+%s.%N", "-d", text]).output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim().parse().unwrap()
}

fn now() -> f64 {
    Clock::new(clock::System).now().wall.as_secs_f64()
}

fn unix(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// The containers, by name: ending, and what FFmpeg is told.
const FORMATS: [(&str, &str, &[&str]); 4] = [
    ("mp4", "mp4", &["-segment_format", "mp4"]),
    ("fmp4", "mp4", &["-segment_format", "mp4", "-segment_format_options", "movflags=+frag_keyframe+empty_moov"]),
    ("mkv", "mkv", &["-segment_format", "matroska"]),
    ("ts", "ts", &["-segment_format", "mpegts"]),
];

/// A recorder of two-second segments with the date in their names.
fn recorder(dir: &Path, format: usize, pace: &[&str], more: &[&str]) -> Command {
    let (_, ending, format) = FORMATS[format];
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", "-y"]).args(pace);
    command.args([
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=320x180:rate=25",
        "-c:v",
        "mpeg2video",
        "-g",
        "25",
        "-b:v",
        "2M",
    ]);
    command.args(["-f", "segment", "-segment_time", "2", "-strftime", "1", "-reset_timestamps", "1"]).args(format);
    command.args(more).arg(dir.join(format!("%Y%m%d-%H%M%S.{ending}")));
    command.env("TZ", "UTC").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn record(dir: &Path, format: usize) -> Kid {
    Kid::spawn(&mut recorder(dir, format, &["-re"], &[]))
}

fn signal(kid: &Kid, signal: i32) {
    // SAFETY: kill(2) takes no pointer; the pid is that of our own child, which is not reaped yet.
    assert_eq!(unsafe { libc::kill(kid.0.id() as i32, signal) }, 0);
}

fn table(id: &str, dir: &Path, ending: &str, more: &str) -> String {
    let path = dir.join(format!("%Y%m%d-%H%M%S.{ending}"));
    format!("[[recording]]\nid = {id:?}\npath = {path:?}\nutc = true\n{more}\n")
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()).collect();
    all.sort();
    all
}

/// Waits until something of the segment that is open is on disk, from where on it is written six times a second.
fn at_work(dir: &Path) {
    wait("a segment that grows", SOON, || {
        let newest = files(dir).pop()?;
        (100_000..300_000).contains(&newest.metadata().unwrap().len()).then_some(())
    });
}

fn folder(dir: &TempDir, name: &str) -> PathBuf {
    let path = dir.path().join(name);
    fs::create_dir_all(&path).unwrap();
    path
}

const BAD: [&str; 5] = ["empty", "truncated", "unindexed", "foreign", "unjudged"];

#[test]
fn segments_of_four_containers_are_whole_as_ffmpeg_leaves_them() {
    let dir = tempfile::tempdir().unwrap();
    let folders = FORMATS.map(|(name, ..)| folder(&dir, name));
    let config: String =
        FORMATS.iter().zip(&folders).map(|((id, ending, _), dir)| table(id, dir, ending, "")).collect();
    let watching = Watching::start(&config);
    for (id, ..) in FORMATS {
        watching.is(id, "directory_up", 1.0);
    }
    let _recorders: Vec<_> = folders.iter().enumerate().map(|(n, dir)| record(dir, n)).collect();
    for (n, (id, ..)) in FORMATS.iter().enumerate() {
        watching.wait(id, "segments_total{verdict=\"whole\"}", SOON, |n| n >= 4.0);
        for verdict in BAD {
            assert_eq!(
                watching.of(id, &format!("segments_total{{verdict=\"{verdict}\"}}")),
                Some(0.0),
                "{id} {verdict}"
            );
        }
        assert_eq!(watching.of(id, "gaps_total"), Some(0.0), "{id}");
        assert_eq!(watching.of(id, "watched"), Some(1.0), "{id}");
        let off = watching.of(id, "segment_clock_offset_seconds{clock=\"name\"}").unwrap();
        assert!((-1.5..=0.5).contains(&off), "{id} is off by {off}: its name is cut to the second");
        let took = watching.of(id, "segment_duration_seconds").unwrap();
        assert!((1.0..3.5).contains(&took), "{id} lasted {took}");
        assert!(watching.of(id, "segment_processing_seconds_count").unwrap() >= 4.0, "{id}");
        let there: u64 = files(&folders[n]).iter().map(|path| path.metadata().unwrap().len()).sum();
        let counted = watching.of(id, "bytes_total").unwrap();
        assert!(counted > 0.5 * there as f64 && counted < 1.2 * there as f64 + 500_000.0, "{id} {counted} {there}");
        assert!(watching.of(id, "write_bitrate").unwrap() > 100_000.0, "{id}");
    }
}

#[test]
fn segments_cut_anywhere_are_told_from_whole_ones() {
    let dir = tempfile::tempdir().unwrap();
    let (source, place) = (folder(&dir, "source"), folder(&dir, "place"));
    let mut samples = Vec::new();
    for (n, (id, ending, _)) in FORMATS.iter().enumerate() {
        let made = folder(&dir, &format!("source/{id}"));
        assert!(recorder(&made, n, &[], &["-t", "2"]).status().unwrap().success());
        samples.push((id, ending, fs::read(&files(&made)[0]).unwrap()));
    }
    let watching = Watching::start(&format!("[[recording]]\nid = \"yard\"\npath = {place:?}\n"));
    watching.is("yard", "directory_up", 1.0);
    let mut wanted: std::collections::BTreeMap<&str, f64> = Default::default();
    let (mut n, part) = (0, source.join("part"));
    // Each is moved into place whole, as a recorder with a cache does.
    let mut put = |ending: &str, bytes: &[u8], verdicts: &[&'static str]| {
        n += 1;
        fs::write(&part, bytes).unwrap();
        fs::rename(&part, place.join(format!("{n:03}.{ending}"))).unwrap();
        let sum = |v: &&str| watching.of("yard", &format!("segments_total{{verdict={v:?}}}")).unwrap_or(0.0);
        let before: f64 = wanted.values().sum();
        wait(&format!("a verdict on {n} of {ending}, {} bytes: {verdicts:?}", bytes.len()), SOON, || {
            let verdict = verdicts.iter().find(|v| sum(v) > wanted.get(**v).copied().unwrap_or(0.0))?;
            *wanted.entry(verdict).or_default() += 1.0;
            Some(())
        });
        assert_eq!(wanted.values().sum::<f64>(), before + 1.0);
    };
    for (id, ending, bytes) in &samples {
        put(ending, bytes, &["whole"]);
        put(ending, &[], &["empty"]);
        put(ending, &bytes[..bytes.len() - 1], &["truncated", "unindexed"]);
        let half = if **id == "mp4" { "unindexed" } else { "truncated" };
        put(ending, &bytes[..bytes.len() / 2 + 1], &[half]);
        put(ending, &vec![0; bytes.len()], &["foreign"]);
    }
    put("ts", &samples[0].2, &["foreign"]);
    let named = watching.notes.lock().unwrap().iter().filter(|note| note.kind == "recording.segment").count();
    assert_eq!(named, 4 * 4 + 1, "the event log names each that is broken");
}

#[test]
fn an_encoder_that_is_killed_leaves_a_gap_with_the_right_start_and_end() {
    let dir = tempfile::tempdir().unwrap();
    let watching = Watching::start(&table("yard", dir.path(), "ts", "gap = \"4s\""));
    let flush: &[&str] = &["-flush_packets", "1"];
    let recorder = Kid::spawn(&mut recorder(dir.path(), 3, &["-re"], flush));
    watching.wait("yard", "segments_total{verdict=\"whole\"}", SOON, |n| n >= 2.0);
    at_work(dir.path());
    let before = files(dir.path());
    let killed = now();
    drop(recorder);
    watching.is("yard", "gap_open", 1.0);
    watching.wait("yard", "newest_segment_age_seconds", SOON, |age| age > 6.0);
    let again = Kid::spawn(&mut self::recorder(dir.path(), 3, &["-re"], flush));
    let (start, end, seconds) = watching.gap();
    let first = files(dir.path()).into_iter().find(|path| !before.contains(path)).unwrap();
    let born = unix(first.metadata().unwrap().created().unwrap());
    assert!((start - killed).abs() < SHARP && (end - born).abs() < SHARP, "{start} {killed}, {end} {born}");
    assert!((seconds - (born - killed)).abs() < SHARP, "{seconds}");
    watching.is("yard", "gap_open", 0.0);
    assert_eq!(watching.of("yard", "gaps_total"), Some(1.0));
    let total = watching.of("yard", "gap_seconds_total").unwrap();
    assert!((total - seconds).abs() < 0.01, "{total} {seconds}");
    println!("start off by {:.3} s, end by {:.3} s", start - killed, end - born);
    drop(again);
}

#[test]
fn an_encoder_that_is_frozen_leaves_a_gap_with_the_right_start_and_end() {
    let dir = tempfile::tempdir().unwrap();
    let watching = Watching::start(&table("yard", dir.path(), "ts", "gap = \"4s\""));
    let recorder = Kid::spawn(&mut recorder(dir.path(), 3, &["-re"], &["-flush_packets", "1"]));
    watching.wait("yard", "segments_total{verdict=\"whole\"}", SOON, |n| n >= 2.0);
    at_work(dir.path());
    signal(&recorder, libc::SIGSTOP);
    let stopped = now();
    watching.wait("yard", "newest_segment_age_seconds", SOON, |age| age > 6.0);
    signal(&recorder, libc::SIGCONT);
    let went_on = now();
    let (start, end, seconds) = watching.gap();
    assert!((start - stopped).abs() < SHARP && (end - went_on).abs() < SHARP, "{start} {stopped}, {end} {went_on}");
    println!("start off by {:.3} s, end by {:.3} s, {seconds} s", start - stopped, end - went_on);
}

#[test]
fn a_recorder_that_is_killed_leaves_an_mp4_without_its_index() {
    let dir = tempfile::tempdir().unwrap();
    let watching = Watching::start(&table("yard", dir.path(), "mp4", "gap = \"4s\""));
    watching.is("yard", "directory_up", 1.0);
    let recorder = record(dir.path(), 0);
    watching.wait("yard", "segments_total{verdict=\"whole\"}", SOON, |n| n >= 1.0);
    at_work(dir.path());
    drop(recorder);
    watching.wait("yard", "segments_total{verdict=\"unindexed\"}", SOON, |n| n == 1.0);
}

#[test]
fn a_directory_that_is_moved_away_and_back_is_a_gap_without_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let place = folder(&dir, "yard");
    let watching = Watching::start(&table("yard", &place, "ts", "gap = \"4s\""));
    let _recorder = record(&place, 3);
    watching.wait("yard", "segments_total{verdict=\"whole\"}", SOON, |n| n >= 1.0);
    fs::rename(&place, dir.path().join("elsewhere")).unwrap();
    watching.is("yard", "directory_up", 0.0);
    watching.is("yard", "gap_open", 1.0);
    fs::rename(dir.path().join("elsewhere"), &place).unwrap();
    watching.is("yard", "directory_up", 1.0);
    let _again = record(&place, 3);
    watching.is("yard", "gap_open", 0.0);
    assert_eq!(watching.of("yard", "gaps_total"), Some(1.0));
}

#[test]
fn names_of_another_time_zone_are_off_by_it() {
    let dir = tempfile::tempdir().unwrap();
    let watching = Watching::start(&table("yard", dir.path(), "ts", ""));
    watching.is("yard", "directory_up", 1.0);
    let _recorder = Kid::spawn(recorder(dir.path(), 3, &["-re"], &[]).env("TZ", "Asia/Kolkata"));
    let off = watching.wait("yard", "segment_clock_offset_seconds{clock=\"name\"}", SOON, |_| true);
    assert!((off - 19_800.0).abs() < 1.5, "{off}");
    let file = watching.wait("yard", "segment_clock_offset_seconds{clock=\"file\"}", SOON, |_| true);
    assert!(file.abs() <= 2.0, "{file}");
}

#[test]
fn what_is_purged_is_counted_and_the_retention_shrinks() {
    let dir = tempfile::tempdir().unwrap();
    let made = now();
    for n in 0..20 {
        let at =
            Command::new("date").args(["-u", "+%Y%m%d-%H%M%S", "-d"]).arg(format!("{} hours ago", 20 - n)).output();
        let name = String::from_utf8(at.unwrap().stdout).unwrap();
        fs::write(dir.path().join(format!("{}.ts", name.trim())), [0x47; 188]).unwrap();
    }
    let watching = Watching::start(&table("yard", dir.path(), "ts", "retention = \"18h\""));
    let age = watching.wait("yard", "oldest_segment_age_seconds", SOON, |_| true);
    assert!((age - 72_000.0).abs() < 10.0 + now() - made, "{age}");
    files(dir.path())[..5].iter().for_each(|path| fs::remove_file(path).unwrap());
    watching.wait("yard", "purged_segments_total", Duration::from_secs(90), |n| n == 5.0);
    let age = watching.wait("yard", "oldest_segment_age_seconds", SOON, |age| age < 60_000.0);
    assert!((age - 54_000.0).abs() < 120.0, "{age}");
    assert_eq!(watching.of("yard", "retention_goal_seconds"), Some(64_800.0));
}
