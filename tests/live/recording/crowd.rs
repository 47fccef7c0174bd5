//! What 256 recordings cost: watched for a while as they are written, and what this process used meanwhile.

use super::*;

/// Writes 32 KiB to each of 256 segments twice a second, and begins a new one each ten seconds.
const WRITER: &str = r#"
import os, sys, time
base, block = sys.argv[1], (b'\x47' + b'\xff' * 187) * 174
began, open_ = time.monotonic(), {}
while True:
    now = time.monotonic() - began
    for camera in range(256):
        d = '%s/%03d/%02d' % (base, camera, int(now / 60))
        path = '%s/%05d.ts' % (d, int(now / 10))
        if camera not in open_ or open_[camera].name != path:
            os.makedirs(d, exist_ok=True)
            if camera in open_: open_[camera].close()
            open_[camera] = open(path, 'ab', 0)
        open_[camera].write(block)
        time.sleep(max(0, (camera + 1) / 512 - (time.monotonic() - began - now)))
"#;

fn used() -> f64 {
    // SAFETY: a zeroed rusage is valid and lives through the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &mut usage), 0);
        usage
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

fn status(key: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
#[ignore = "a measurement of a minute; by hand"]
fn two_hundred_and_fifty_six_recordings_cost() {
    let dir = tempfile::Builder::new().tempdir_in("/dev/shm").unwrap();
    let config: String = (0..256)
        .map(|n| format!("[[recording]]\nid = \"c{n}\"\npath = {:?}\n", dir.path().join(format!("{n:03}/*/*.ts"))))
        .collect();
    let _writer = Kid::spawn(Command::new("python3").args(["-c", WRITER]).arg(dir.path()));
    wait("the first segments", SOON, || dir.path().join("255/00").exists().then_some(()));
    let rss = status("VmRSS:");
    let watching = Watching::start(&config);
    watching.wait("c255", "segments_total{verdict=\"whole\"}", SOON, |n| n >= 1.0);
    let (cpu, from, mut reports) = (used(), now(), 0);
    let asked = wait("forty seconds", Duration::from_secs(60), || {
        // As the hub would, so that reports do not pile up.
        reports += watching.ring.take_now().len();
        (now() - from >= 40.0).then(now)
    }) - from;
    let cpu = used() - cpu;
    let (rss, threads) = (status("VmRSS:") - rss, status("Threads:"));
    println!(
        "{:.2} % of a core, {rss} KiB more, {threads} threads, {reports} looks in {asked:.0} s",
        cpu / asked * 100.0
    );
    wait("256 recordings without a gap", SOON, || {
        let page = watching.page();
        let open: Vec<_> = page.iter().filter(|(name, _)| name.starts_with("recording_gap_open{")).collect();
        (open.len() == 256 && open.iter().all(|(_, open)| *open == 0.0)).then_some(())
    });
    assert!(cpu / asked < 0.25, "{cpu} s of CPU in {asked} s");
}
