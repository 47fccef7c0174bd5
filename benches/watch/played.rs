//! Encoders that only say that they encode, and recordings that are only written.

#![allow(clippy::disallowed_methods)] // played on the wall clock

use std::io::Write;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often an encoder reports and a recording is written to.
const BEAT: Duration = Duration::from_millis(500);

/// A thread that does something at each beat until it is dropped.
struct Beating(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl Beating {
    fn start(mut beat: impl FnMut(u32) + Send + 'static) -> Beating {
        let over = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let over = over.clone();
            move || {
                let begun = Instant::now();
                let mut n = 0;
                while !over.load(Ordering::Relaxed) {
                    beat(n);
                    n += 1;
                    std::thread::sleep((BEAT * n).saturating_sub(begun.elapsed()));
                }
            }
        });
        Beating(over, Some(thread))
    }
}

impl Drop for Beating {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        let _ended = self.1.take().map(JoinHandle::join);
    }
}

/// Processes named ffmpeg that name their port and do nothing, and their reports.
pub struct Encoders {
    pub config: String,
    kids: Vec<Child>,
    _reports: Beating,
}

impl Encoders {
    pub fn play(dir: &Path, count: usize) -> Encoders {
        let program = dir.join("ffmpeg");
        std::fs::copy("/usr/bin/tail", &program).expect("coreutils are there");
        let ports: Vec<u16> = (0..count).map(|_| free_port()).collect();
        let kid = |port: &u16| {
            let mut command = Command::new(&program);
            command.args(["-f", "/dev/null", &format!("udp://127.0.0.1:{port}"), "-progress"]);
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("/dev/shm runs programs")
        };
        let kids = ports.iter().map(kid).collect();
        let table = |(n, port)| format!("[[encoder]]\nid = \"e{n}\"\nprogress = \"udp://127.0.0.1:{port}\"\n");
        let config = ports.iter().enumerate().map(table).collect();
        let sender = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
        let reports = Beating::start(move |n| {
            for port in &ports {
                // Whether anybody listens yet does not matter.
                let _refused = sender.send_to(report(u64::from(n)).as_bytes(), ("127.0.0.1", *port));
            }
        });
        Encoders { config, kids, _reports: reports }
    }
}

impl Drop for Encoders {
    fn drop(&mut self) {
        for kid in &mut self.kids {
            let _ended = kid.kill().and_then(|()| kid.wait());
        }
    }
}

/// A report of FFmpeg, the n-th at 25 fps and two a second.
fn report(n: u64) -> String {
    format!(
        "frame={}\nfps=25\nstream_0_0_q=28.0\nbitrate=412kbits/s\ntotal_size={}\nout_time_us={}\nout_time_ms=1\n\
         out_time=00:00:01\ndup_frames=0\ndrop_frames=0\nspeed=1x\nprogress=continue\n",
        n * 12,
        n * 9000,
        n * 500_000
    )
}

/// Segments of 10 s in a directory per minute, written at each beat.
pub struct Recordings {
    pub config: String,
    _writer: Beating,
}

impl Recordings {
    pub fn write(dir: &Path, count: usize) -> Recordings {
        let dirs: Vec<PathBuf> = (0..count).map(|n| dir.join(format!("{n:03}"))).collect();
        let table = |(n, dir): (usize, &PathBuf)| {
            format!("[[recording]]\nid = \"c{n}\"\npath = {:?}\n", dir.join("*/*.ts").display().to_string())
        };
        let config = dirs.iter().enumerate().map(table).collect();
        // Null packets: a head that is a transport stream, and nothing to decode.
        let block = [&[0x47, 0x1f, 0xff, 0x10][..], &[0xff; 184]].concat().repeat(174);
        let mut files: Vec<Option<std::fs::File>> = Vec::new();
        files.resize_with(count, || None);
        let writer = Beating::start(move |n| {
            for (dir, file) in dirs.iter().zip(&mut files) {
                if n.is_multiple_of(20) {
                    let folder = dir.join(format!("{:02}", n / 120));
                    std::fs::create_dir_all(&folder).expect("/dev/shm can be written");
                    *file = std::fs::File::create(folder.join(format!("{:05}.ts", n / 20))).ok();
                }
                if let Some(file) = file {
                    file.write_all(&block).expect("/dev/shm has room");
                }
            }
        });
        Recordings { config, _writer: writer }
    }
}

fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("loopback has a free port");
    socket.port()
}
