//! The store on real files: killed, out of room, broken, measured, and read by Prometheus.

mod failing;
mod node;
mod restart;

use super::support::{Kid, free_port, wait};
use node::{Mix, Node, START, whole};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use vedette::base::clock::Wall;
use vedette::store::{Database, Settings, Span, export};

const BOUND: Duration = Duration::from_secs(60);
/// How often a child looks for its tick; it takes some tens of looks.
const LOOKS: usize = 5_000;
/// A kill comes up to so many yields after its acknowledgement: some milliseconds, as long as a flush takes.
const SPREAD: u64 = 20_000;
const CHILD: &str = "VEDETTE_STORE_CHILD";

/// This binary again, as a process of its own that does one of the jobs below on `home`: `feed` from a tick on, `measure`
/// so many series.
fn child(job: &str, home: &Path, from: u64) -> Kid {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "store::the_other_process_of_these_tests", "--nocapture", "--test-threads=1"]);
    command.env(CHILD, format!("{job} {from} {}", home.display())).stdout(Stdio::piped()).stderr(Stdio::null());
    Kid::spawn(&mut command)
}

#[test]
fn the_other_process_of_these_tests() {
    let Ok(job) = std::env::var(CHILD) else { return };
    let mut words = job.splitn(3, ' ');
    let (job, from, home): (_, u64, _) =
        (words.next().unwrap(), words.next().unwrap().parse().unwrap(), words.next().unwrap());
    match job {
        "feed" => {
            let mut node = Node::at(Path::new(home), Mix::new(40), from);
            let open = node.open(Settings::default());
            loop {
                open.store.append(node.tick());
                // Read back, not guessed from the size of the journal: that grows before a record is whole.
                let there = (0..LOOKS).any(|_| {
                    std::thread::yield_now();
                    node.newest_tick() == Some(node.ticks)
                });
                assert!(there, "tick {} cannot be read back", node.ticks);
                println!("\nack {}", node.ticks);
            }
        }
        "measure" => {
            let mut node = Node::at(Path::new(home), Mix::new(from as usize), 0);
            // The journal lies in memory and is not what is measured here: it is made impossible.
            std::fs::create_dir_all(node.dirs().runtime.join("snapshots.new")).unwrap();
            let (wchar, _) = written();
            let open = node.open(Settings::default());
            for _ in 0..180 {
                (0..12).for_each(|_| open.store.append(node.tick()));
                open.settle(&node);
            }
            node.close(open);
            let (after, device) = written();
            println!("\nwchar {} device {device} samples {}", after - wchar, node.samples);
        }
        other => panic!("unknown job {other}"),
    }
}

/// Bytes this process has handed to write(2), and those that dirtied pages of a device (proc_pid_io(5)).
fn written() -> (u64, u64) {
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    let field = |name: &str| {
        let line = io.lines().find(|l| l.starts_with(name)).unwrap();
        line.split(' ').nth(1).unwrap().parse().unwrap()
    };
    (field("wchar:"), field("write_bytes:"))
}

fn quick_check(path: &Path) -> String {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.query_row("PRAGMA quick_check", [], |row| row.get(0)).unwrap()
}

#[test]
fn kill_9_at_any_time_loses_no_tick_that_could_be_read_back() {
    let home = tempfile::tempdir().unwrap();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let (mut kept, mut flushed) = (0, 0);
    for round in 0..40 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Every other kill is aimed at a flush, which comes with the tick after every twelfth.
        let acks = if round % 2 == 0 { 12 * (1 + (random >> 33) % 3) } else { 1 + (random >> 33) % 40 };
        let mut kid = child("feed", home.path(), kept);
        let lines = BufReader::new(kid.0.stdout.take().unwrap()).lines().map_while(Result::ok);
        let acked = lines.filter_map(|line| line.strip_prefix("ack ")?.parse::<u64>().ok());
        let acked: Vec<_> = acked.take(acks as usize).collect();
        assert_eq!(acked.len() as u64, acks, "round {round}: the child stopped feeding");
        let last = acked[acked.len() - 1];
        for _ in 0..(random >> 40) % SPREAD {
            std::thread::yield_now();
        }
        kid.0.kill().unwrap();
        kid.0.wait().unwrap();
        let node = Node::at(home.path(), Mix::new(40), 0);
        let ticks = node.kept_ticks();
        let newest = ticks.len() as u64;
        assert_eq!(ticks, (1..=newest).collect::<Vec<_>>(), "round {round}: a hole or a double");
        assert!(newest >= last, "round {round}: {last} acknowledged, {newest} kept");
        assert_eq!(quick_check(&node.dirs().state.join("metrics.db")), "ok");
        flushed += u64::from(acks > 12);
        kept = newest;
    }
    assert!(flushed > 5, "the kills must come around flushes too");
}

/// Samples, bytes on file and bytes written of three hours with so many series.
fn measure(series: u64) -> (f64, f64, f64) {
    let home = tempfile::tempdir().unwrap();
    let mut kid = child("measure", home.path(), series);
    let mut said = String::new();
    kid.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    let line = said.lines().find(|l| l.starts_with("wchar ")).unwrap_or_else(|| panic!("{said}"));
    let numbers: Vec<f64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [written, device, samples] = numbers[..] else { panic!("{line}") };
    let file = std::fs::metadata(home.path().join("state/metrics.db")).unwrap().len() as f64;
    let each = |bytes: f64| bytes / samples;
    println!(
        "{series} series: {:.3} B on file, {:.3} B written, {:.3} B dirtied on the device per sample; {:.1} MB written a day",
        each(file),
        each(written),
        each(device),
        written * 8.0 / 1e6
    );
    (samples, file, written)
}

#[test]
fn a_sample_takes_little_room_and_little_of_the_life_of_the_flash() {
    let (samples, file, written) = measure(2000);
    assert!(file / samples <= 1.3, "{:.3} B on file", file / samples);
    assert!(written / samples <= 4.0, "{:.3} B written", written / samples);
}

#[test]
fn a_small_node_writes_at_most_50_mb_a_day() {
    let (_, _, written) = measure(100);
    assert!(written * 8.0 <= 50e6, "{written} B in three hours");
}

#[test]
fn a_broken_file_gives_back_what_is_whole_while_new_samples_come_in() {
    let home = tempfile::tempdir().unwrap();
    let mut node = Node::at(home.path(), Mix::new(600), 0);
    let open = node.open(Settings::default());
    for _ in 0..100 {
        (0..12).for_each(|_| open.store.append(node.tick()));
        open.settle(&node);
    }
    node.close(open);
    let path = node.dirs().state.join("metrics.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let pages = bytes.len() / 4096;
    // The first page, which SQLite cannot do without, and one page in twenty.
    for page in [0].into_iter().chain((10..pages).step_by(20)) {
        bytes[page * 4096..(page + 1) * 4096].fill(0xa5);
    }
    std::fs::write(&path, bytes).unwrap();
    let open = node.open(Settings::default());
    (0..30).for_each(|_| open.store.append(node.tick()));
    wait("the salvage", BOUND, || {
        (open.figure("vedette_store_frames_salvaged_total") > 20.0 && open.healthy(Database::Metrics)).then_some(())
    });
    assert_eq!(open.figure("vedette_store_files_set_aside_total"), 1.0);
    node.close(open);
    let ticks = node.kept_ticks();
    println!("{} of {} ticks after {} of {pages} pages were destroyed", ticks.len(), node.ticks, pages / 20);
    assert!(ticks.windows(2).all(|w| w[0] < w[1]), "in order, none twice");
    assert!(ticks.ends_with(&(1201..=1230).collect::<Vec<_>>()), "all that came after");
    assert!(ticks.len() > 500, "{} ticks", ticks.len());
    assert_eq!(quick_check(&path), "ok");
}

#[test]
fn prometheus_answers_with_the_exported_values() {
    let home = tempfile::tempdir().unwrap();
    let mut node = Node::at(home.path(), Mix::new(300), 0);
    let open = node.open(Settings::default());
    for _ in 0..150 {
        (0..12).for_each(|_| open.store.append(node.tick()));
        open.settle(&node);
    }
    node.close(open);
    let text = home.path().join("export.om");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&text).unwrap());
    let span = Span { from: Wall::from_millis(START), to: Wall::from_millis(START + 86_400_000) };
    let mut progress = (0, 0);
    let extra = [("job", "vedette"), ("instance", "box-7")];
    let summary =
        export(&node.dirs(), span, &extra, false, &mut file, &mut |done, all| progress = (done, all)).unwrap();
    drop(file);
    assert_eq!(progress.0, progress.1);
    assert_eq!((summary.samples, summary.untimed, summary.broken), (node.samples, 0, 0));
    let tsdb = home.path().join("tsdb");
    let promtool = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&text, &tsdb])
        .output()
        .unwrap();
    assert!(promtool.status.success(), "{}", String::from_utf8_lossy(&promtool.stderr));
    let port = free_port();
    let config = home.path().join("prometheus.yml");
    std::fs::write(&config, "global: {}\n").unwrap();
    let _prometheus = Kid::spawn(
        Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", tsdb.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--storage.tsdb.retention.time=100y")
            .stderr(Stdio::null()),
    );
    let ask = |query: &str, at_ms: i64| {
        let curl = Command::new("curl")
            .args(["-s", "-G", &format!("http://127.0.0.1:{port}/api/v1/query"), "--data-urlencode"])
            .args([&format!("query={query}"), "--data-urlencode", &format!("time={}", at_ms as f64 / 1000.0)])
            .output()
            .unwrap();
        serde_json::from_slice::<serde_json::Value>(&curl.stdout).ok()
    };
    wait("prometheus", BOUND, || ask("1", START).filter(|a| a["status"] == "success"));
    let number = |query: &str, at_ms: i64| -> f64 {
        let answer = ask(query, at_ms).unwrap();
        let text = answer["data"]["result"][0]["value"][1].as_str().unwrap_or_else(|| panic!("{query}: {answer}"));
        text.parse().unwrap()
    };
    let last = START + 5000 * node.ticks as i64;
    let of_box = r#"{job="vedette",instance="box-7"}"#;
    assert_eq!(number(&format!("count({of_box})"), last), 300.0);
    let counted: f64 =
        node.families().iter().map(|f| number(&format!("sum(count_over_time({f}{of_box}[3h]))"), last)).sum();
    assert_eq!(counted, node.samples as f64);
    for (name, n, at, value) in node.spots() {
        assert_eq!(number(&format!(r#"{name}{{n="{n}"}}"#), at), value, "{name} {n} at {at}");
    }
    let ticks = whole(&node);
    assert_eq!(ticks, node.ticks);
}
