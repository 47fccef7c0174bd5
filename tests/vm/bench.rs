//! What the guest is made of: the image (built once per recipe), the package under test, and disks for one story.

use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

/// Small, so that a RAID is in sync within seconds; a rebuild is held up where a story wants to see it. Bytes.
const MEMBER: u64 = 32 << 20;

const RECIPE: &str = include_str!("image.sh");

/// The disks of one guest. They may be booted again: what was written stays. A story that fails leaves them behind.
pub struct Disks {
    pub root: PathBuf,
    pub data: PathBuf,
    pub packages: PathBuf,
    /// Of a RAID, empty; a recorder has them.
    pub members: [PathBuf; 3],
}

impl Drop for Disks {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            for disk in [&self.root, &self.data, &self.packages].into_iter().chain(&self.members) {
                let _gone = std::fs::remove_file(disk);
            }
        }
    }
}

/// One story at a time: two guests under emulation on two cores only time each other out. nextest runs every test in a
/// process of its own; there .config/nextest.toml keeps them apart.
pub static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target/tmp lies in target").join("vm")
}

/// The directory with `vmlinuz`, `root.ext4` and `data.ext4`; built when this recipe never was.
pub fn image() -> PathBuf {
    let mut hasher = DefaultHasher::new();
    RECIPE.hash(&mut hasher);
    let dir = target().join(format!("image-{:016x}", hasher.finish()));
    if !dir.join("data.ext4").exists() {
        // Made beside its place and moved there whole, so that a broken build is never taken for an image.
        let making = target().join("making");
        run(Command::new("bash").args(["-euo", "pipefail", "-c", RECIPE, "image.sh"]).arg(&making));
        let _older = std::fs::remove_dir_all(&dir);
        std::fs::rename(&making, &dir).unwrap();
    }
    dir
}

/// An empty directory for one story, and fresh disks in it with what it needs on the third.
pub fn disks(story: &str, packages: &[PathBuf]) -> (PathBuf, Disks) {
    let dir = target().join(story);
    let _older = std::fs::remove_dir_all(&dir);
    let shelf = dir.join("shelf");
    std::fs::create_dir_all(&shelf).unwrap();
    let mut size = 16 << 20; // the file system's own
    for package in packages {
        size += 2 * std::fs::copy(package, shelf.join(package.file_name().unwrap())).unwrap();
    }
    let disk = |name: &str| dir.join(name);
    let [root, data, packages] = ["root.ext4", "data.ext4", "packages.ext4"].map(disk);
    let disks = Disks { root, data, packages, members: ["member0", "member1", "member2"].map(disk) };
    let image = image();
    for (from, to) in [("root.ext4", &disks.root), ("data.ext4", &disks.data)] {
        run(Command::new("cp").arg("--sparse=always").arg(image.join(from)).arg(to));
    }
    for (disk, size) in disks.members.iter().map(|disk| (disk, MEMBER)).chain([(&disks.packages, size)]) {
        std::fs::File::create(disk).unwrap().set_len(size).unwrap();
    }
    run(Command::new("mke2fs").args(["-q", "-F", "-L", "packages", "-d"]).arg(&shelf).arg(&disks.packages));
    (dir, disks)
}

/// The package under test: `$VEDETTE_DEB`, else the newest in target/debian.
pub fn package() -> PathBuf {
    if let Some(path) = std::env::var_os("VEDETTE_DEB") {
        let path = PathBuf::from(path);
        assert!(path.is_file(), "VEDETTE_DEB is {}, and there is no such file", path.display());
        return path;
    }
    let dir = target().with_file_name("debian");
    let debs = std::fs::read_dir(&dir).into_iter().flatten().map(|e| e.unwrap().path());
    // vedette-gst has a package of its own, which `make deb` puts beside it.
    let ours = |name: &str| name.ends_with(".deb") && !name.starts_with("vedette-gst");
    debs.filter(|p| p.file_name().and_then(OsStr::to_str).is_some_and(ours))
        .max_by_key(|p| p.metadata().unwrap().modified().unwrap())
        .unwrap_or_else(|| panic!("no package in {}: run `make deb`, or set VEDETTE_DEB", dir.display()))
}

/// The same package as a later version.
pub fn later(package: &Path) -> PathBuf {
    let (dir, later) = (target().join("later"), target().join("vedette-later.deb"));
    let _older = std::fs::remove_dir_all(&dir);
    run(Command::new("dpkg-deb").arg("-R").arg(package).arg(&dir));
    let control = dir.join("DEBIAN/control");
    let text = std::fs::read_to_string(&control).unwrap();
    let version = text.lines().find(|l| l.starts_with("Version: ")).expect("a package has a version");
    std::fs::write(&control, text.replace(version, &format!("{version}+later"))).unwrap();
    run(Command::new("dpkg-deb").args(["--root-owner-group", "-Zgzip", "-z1", "-b"]).arg(&dir).arg(&later));
    later
}

fn run(command: &mut Command) {
    let out = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}; `make setup` installs it"));
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
}

/// One GET as a scraper would do it; `None` while nobody answers in full.
pub fn get(port: u16, path: &str) -> Option<String> {
    let bound = Some(Duration::from_secs(5));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(bound).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.starts_with("HTTP/1.1 200").then_some(answer)
}
