//! `vedette-peek smart`: asks each disk for its health with smartctl, and leaves the answers in a file.
//!
//! A disk that does not answer costs itself only: its smartctl is killed when its time is up, and one that waits in the
//! kernel, where no signal reaches it, is left behind and nobody is sent after it until it came back.

use super::SMART;
use crate::base::clock::{Boot, Clock};
use crate::wire::smart::smartctl::{self, ASLEEP, Told};
use crate::wire::smart::{self, Disk, LONGEST, Left, Sheet, State};
use futures_util::{StreamExt, stream};
use procfs::process::Process;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

/// What one disk may take. It takes 0.1 to 2 s; one that meets bad sectors goes on trying for half a minute.
const LIMIT: Duration = Duration::from_secs(20);
/// What all disks together may take; the unit has 120 s.
const ROUND: Duration = Duration::from_secs(90);
/// From the kill of a smartctl to its end.
const GRACE: Duration = Duration::from_secs(2);
/// Disks that are asked beside each other: the hung ones must not make the others wait, nor all of them draw power at once.
const AT_ONCE: usize = 4;
/// Bytes of an answer that are read; they have some ten thousand.
const ANSWER: u64 = 1 << 20;

/// Where a round finds things.
#[derive(Clone)]
pub struct Round {
    pub clock: Clock,
    /// `/sys`
    pub sys: PathBuf,
    /// The program, by path or by name in `PATH`.
    pub smartctl: PathBuf,
    /// Where the answers go.
    pub folder: PathBuf,
}

impl Round {
    /// Asks all disks once and writes what they told. Returns the disks whose state is another than in the file before, with
    /// both states.
    ///
    /// # Errors
    /// The disks cannot be listed, or the file cannot be written.
    pub async fn run(&self) -> io::Result<Vec<(String, Option<State>, State)>> {
        let before = self.before();
        let devices = disks(&self.sys)?;
        let until = self.clock.boot().plus(ROUND);
        let asked = devices.into_iter().map(|device| self.disk(before.of(&device).cloned(), device, until));
        let mut disks: Vec<Disk> = stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
        disks.sort_by(|one, next| one.device.cmp(&next.device));
        let was = |disk: &Disk| before.of(&disk.device).map(|before| before.state);
        let changed = disks.iter().filter(|disk| was(disk) != Some(disk.state));
        let changed = changed.map(|disk| (disk.device.clone(), was(disk), disk.state)).collect();
        self.write(&Sheet::new(disks))?;
        Ok(changed)
    }

    /// What the round before wrote; one that cannot be read told nothing.
    fn before(&self) -> Sheet {
        let text = std::fs::read_to_string(self.folder.join(SMART)).unwrap_or_default();
        Sheet::read(&text).unwrap_or_default()
    }

    /// Beside the old file and then into its place, so that nobody reads half of it. It lies in memory: no sync.
    fn write(&self, sheet: &Sheet) -> io::Result<()> {
        let text = sheet.text();
        debug_assert!(text.len() <= LONGEST);
        let new = self.folder.join(format!("{SMART}.new"));
        std::fs::write(&new, text)?;
        std::fs::rename(new, self.folder.join(SMART))
    }

    async fn disk(&self, before: Option<Disk>, device: String, until: Boot) -> Disk {
        let asked = self.clock.boot();
        let answered = before.as_ref().and_then(|before| before.answered);
        let left = before.and_then(|before| before.left).filter(still_there);
        let limit = LIMIT.min(until.since(asked));
        let (told, left) = match left {
            Some(left) => (State::Stuck.into(), Some(left)),
            None if limit.is_zero() => (State::Timeout.into(), None),
            None => self.ask(&device, limit).await,
        };
        let Told { state, exit, numbers } = told;
        let answered = if state == State::Known { Some(asked.as_millis()) } else { answered };
        Disk { device, state, asked: asked.as_millis(), answered, exit, left, numbers }
    }

    async fn ask(&self, device: &str, limit: Duration) -> (Told, Option<Left>) {
        let mut command = Command::new(&self.smartctl);
        // Whoever sleeps is not woken.
        command.args(["--json=c", "-n", &format!("standby,{ASLEEP}"), "-a", &format!("/dev/{device}")]);
        // A group of its own, so that what it may have started ends with it.
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                let state = match error.kind() {
                    io::ErrorKind::NotFound => State::NoProgram,
                    io::ErrorKind::PermissionDenied => State::Denied,
                    _ => State::Unreachable,
                };
                return (state.into(), None);
            }
        };
        let answer = async {
            let stdout = child.stdout.take().expect("stdout was asked for as a pipe");
            let mut answer = Vec::new();
            let read = stdout.take(ANSWER).read_to_end(&mut answer).await;
            // The pipe is closed now: one that says more than we read ends by that.
            child.wait().await.and(read).map(|_| smartctl::read(&answer))
        };
        match self.clock.within(limit, answer).await {
            Ok(Ok(told)) => (told, None),
            Ok(Err(_)) => (State::Malformed.into(), None),
            Err(_) => self.end(child).await,
        }
    }

    /// Kills a smartctl that took too long.
    async fn end(&self, mut child: Child) -> (Told, Option<Left>) {
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid {
            // SAFETY: kill takes no pointer. The child is not reaped yet, so the number is still its own.
            unsafe { libc::kill(-pid, libc::SIGKILL) };
        }
        if self.clock.within(GRACE, child.wait()).await.is_ok() {
            return (State::Timeout.into(), None);
        }
        let left = pid.and_then(|pid| Some(Left { pid, started: started(pid)? }));
        (State::Stuck.into(), left)
    }
}

fn started(pid: i32) -> Option<u64> {
    Some(Process::new(pid).ok()?.stat().ok()?.starttime)
}

/// Whether it still waits in the kernel. One that ended and was not reaped does not wait for anything.
fn still_there(left: &Left) -> bool {
    let stat = Process::new(left.pid).and_then(|process| process.stat());
    stat.is_ok_and(|stat| stat.starttime == left.started && stat.state != 'Z')
}

/// The disks of this machine: what has hardware behind it and a medium in it. Loops, RAM disks, arrays and volumes have none.
fn disks(sys: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(sys.join("block"))? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let text = |file: &str| std::fs::read_to_string(entry.path().join(file)).unwrap_or_default();
        // The paths of a multipath NVMe disk are hidden behind it.
        let hidden = text("hidden").trim() == "1";
        let empty = text("removable").trim() == "1" && text("size").trim() == "0";
        let optical = ["sr", "fd"].iter().any(|kind| name.starts_with(kind));
        if smart::named(&name) && entry.path().join("device").exists() && !hidden && !empty && !optical {
            found.push(name);
        }
    }
    found.sort();
    found.truncate(smart::MOST);
    Ok(found)
}
