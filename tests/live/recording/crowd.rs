//! What 256 recordings cost: watched for a while as they are written, and what this process used meanwhile.

use super::*;

/// Writes 32 KiB to each of 256 segments twice a second, and begins a new one each ten seconds.
const WRITER: &str = r#"
import os, sys, time
base, block = sys.argv[1], (b'\x47' + b'\xff' * 187) * 174
began = time.monotonic()
while True:
    now = time.monotonic() - began
    for camera in range(256):
        d = '%s/%03d/%02d' % (base, camera, int(now / 60))
        os.makedirs(d, exist_ok=True)
        with open('%s/%05d.ts' % (d, int(now / 10)), 'ab', 0) as f: f.write(block)
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
    let (cpu, from) = (used(), now());
    let asked = wait("forty seconds", Duration::from_secs(60), || (now() - from >= 40.0).then(now)) - from;
    let cpu = used() - cpu;
    let (rss, threads) = (status("VmRSS:") - rss, status("Threads:"));
    println!("{:.2} % of a core, {rss} KiB more, {threads} threads, over {asked:.0} s", cpu / asked * 100.0);
    for n in 0..256 {
        let id = format!("c{n}");
        assert_eq!(watching.of(&id, "gaps_total"), Some(0.0), "{id}");
    }
    assert!(cpu / asked < 0.25, "{cpu} s of CPU in {asked} s");
}
