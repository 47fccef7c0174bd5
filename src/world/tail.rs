//! What is appended from now on: to a file, over rotation and truncation; or to the journal, by `journalctl`.
//!
//! The journal is read by a child: its format has locks, compression and rotation of its own, and the tool that knows
//! them is on every machine that has a journal. `-o cat` gives the bare messages, which is all that is looked at.

use super::inflow::{AGAIN, Dry, Spout};
use super::post::{Hung, Post};
use crate::base::clock::Clock;
use bytes::Bytes;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// How often a file is looked at. FFmpeg reports twice a second; a stall is judged in seconds.
const EVERY: Duration = Duration::from_millis(500);
/// A file system that takes longer than this to answer hangs.
const LIMIT: Duration = Duration::from_secs(2);
/// Bytes taken at one look; the rest comes with the next.
const MOST: usize = 256 * 1024;
/// Bytes taken from the journal at once.
const PIECE: usize = 16 * 1024;
/// Bytes kept of what journalctl complains of: its last line says why it ends.
const COMPLAINT: usize = 256;

/// A file that is followed by its name.
struct Tail {
    path: PathBuf,
    open: Option<(File, u64)>,
    /// What was there before the first look is not news; what is there after a rotation is.
    first: bool,
}

impl Tail {
    fn new(path: PathBuf) -> Tail {
        Tail { path, open: None, first: true }
    }

    /// What was appended since the last look, at most [`MOST`] bytes. A file that is not there yet is an error, one that
    /// went away while it was followed is not until it was read to its end. Blocking.
    fn look(&mut self) -> io::Result<Vec<u8>> {
        let (file, at) = match &mut self.open {
            Some(open) => open,
            None => {
                let opened = File::open(&self.path);
                let first = std::mem::take(&mut self.first);
                let mut file = opened?;
                if !file.metadata()?.is_file() {
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
                }
                let at = if first { file.seek(SeekFrom::End(0))? } else { 0 };
                self.open.insert((file, at))
            }
        };
        if file.metadata()?.len() < *at {
            *at = file.seek(SeekFrom::Start(0))?;
        }
        let mut bytes = Vec::new();
        file.by_ref().take(MOST as u64).read_to_end(&mut bytes)?;
        *at += bytes.len() as u64;
        if bytes.is_empty() && !same(file, &self.path) {
            // Rotated away and read to its end: the next look opens what has its name now.
            self.open = None;
        }
        Ok(bytes)
    }
}

fn same(file: &File, path: &Path) -> bool {
    let id = |m: std::fs::Metadata| (m.dev(), m.ino());
    file.metadata().map(id).ok() == std::fs::metadata(path).map(id).ok()
}

/// Follows a file until nobody reads it. On a file system that hangs it costs a thread, which comes back when it does.
pub(super) async fn file(path: PathBuf, clock: Clock, spout: Spout) {
    let post = Post::new("tail", clock.clone());
    let what = path.display().to_string();
    let mut tail = Tail::new(path.clone());
    let mut failed = false;
    while !spout.is_closed() {
        let mut mine = tail;
        let asked = post.ask(LIMIT, move || {
            let looked = mine.look();
            (mine, looked)
        });
        let looked = match asked.await {
            Ok((back, looked)) => {
                tail = back;
                looked
            }
            Err(hung) => {
                // What was appended meanwhile is not known to be new.
                tail = Tail::new(path.clone());
                let late = matches!(hung, Hung::Late(_) | Hung::Stuck(_));
                let kind = if late { io::ErrorKind::TimedOut } else { io::ErrorKind::Other };
                Err(io::Error::new(kind, hung))
            }
        };
        let piece = match looked {
            Ok(bytes) => {
                // That it can be read again is news, even if nothing is in it.
                let again = std::mem::take(&mut failed);
                (again || !bytes.is_empty()).then(|| Ok(Bytes::from(bytes)))
            }
            Err(error) if !failed => {
                failed = true;
                Some(Err(Dry::new(what.clone(), error)))
            }
            Err(_) => None,
        };
        if let Some(piece) = piece
            && spout.send(piece).await.is_err()
        {
            return;
        }
        clock.sleep(if failed { AGAIN } else { EVERY }).await;
    }
}

/// Follows the journal of a unit until nobody reads it. One child, which ends with this.
pub(super) async fn journal(unit: String, clock: Clock, spout: Spout) {
    let mut failed = false;
    while !spout.is_closed() {
        let error = follow(&unit, &clock, failed, &spout).await.unwrap_or_else(|error| error);
        failed = true;
        let _nobody = spout.send(Err(Dry::new(format!("the journal of {unit}"), error))).await;
        clock.sleep(AGAIN).await;
    }
}

/// Runs until the child ends, and tells how it did; or why there is none. Whether a child works shows by its staying:
/// after one that `failed` that is told, with an empty piece.
async fn follow(unit: &str, clock: &Clock, failed: bool, spout: &Spout) -> io::Result<io::Error> {
    let mut command = Command::new("journalctl");
    command.args(["--follow", "--quiet", "--lines=0", "--output=cat", "--unit", unit]).env("LC_ALL", "C");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut out = child.stdout.take().expect("it is piped");
    let mut err = child.stderr.take().expect("it is piped");
    let (mut buffer, mut words, mut complaint) = (vec![0; PIECE], [0; COMPLAINT], Vec::new());
    let (mut talks, mut unsure) = (true, failed);
    let stayed = clock.sleep(AGAIN);
    tokio::pin!(stayed);
    loop {
        let piece = tokio::select! {
            len = out.read(&mut buffer) => match len? {
                0 => break,
                len => Bytes::copy_from_slice(&buffer[..len]),
            },
            len = err.read(&mut words), if talks => {
                // Read or not, it must not fill the pipe: a child that waits to complain tells nothing more.
                let len = len.unwrap_or(0);
                talks = len > 0;
                complaint.extend_from_slice(&words[..len]);
                complaint.drain(..complaint.len().saturating_sub(COMPLAINT));
                continue;
            }
            () = &mut stayed, if unsure => Bytes::new(),
        };
        unsure = false;
        if spout.send(Ok(piece)).await.is_err() {
            return Ok(io::ErrorKind::BrokenPipe.into());
        }
    }
    err.take(COMPLAINT as u64).read_to_end(&mut complaint).await?;
    let status = child.wait().await?;
    let complaint = String::from_utf8_lossy(&complaint);
    let why = complaint.lines().last().unwrap_or("it did not say why");
    let kind = if why.contains("permission") { io::ErrorKind::PermissionDenied } else { io::ErrorKind::Other };
    Ok(io::Error::new(kind, format!("journalctl ended with {status}: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn append(path: &Path, text: &str) {
        File::options().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn text(tail: &mut Tail) -> String {
        String::from_utf8(tail.look().unwrap()).unwrap()
    }

    #[test]
    fn only_what_is_appended_from_now_on_is_read_over_rotation_and_truncation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        append(&path, "old\n");
        let mut tail = Tail::new(path.clone());
        assert_eq!(text(&mut tail), "", "what was there before is not news");
        append(&path, "one\n");
        assert_eq!(text(&mut tail), "one\n");
        append(&path, "two\n");
        std::fs::rename(&path, dir.path().join("log.1")).unwrap();
        append(&path, "three\n");
        assert_eq!(text(&mut tail), "two\n", "the last words in the file of before");
        assert_eq!(text(&mut tail), "");
        assert_eq!(text(&mut tail), "three\n", "the new file from its start");
        File::create(&path).unwrap();
        append(&path, "four\n");
        assert_eq!(text(&mut tail), "four\n", "copied away and truncated");
    }

    #[test]
    fn a_file_that_comes_later_is_read_from_its_start_and_anything_but_a_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut tail = Tail::new(path.clone());
        assert_eq!(tail.look().unwrap_err().kind(), io::ErrorKind::NotFound);
        append(&path, "first\n");
        assert_eq!(text(&mut tail), "first\n");
        assert_eq!(Tail::new(dir.path().to_owned()).look().unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_flood_comes_in_parts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut tail = Tail::new(path.clone());
        let _none = tail.look();
        append(&path, &"x".repeat(MOST + 5));
        assert_eq!((text(&mut tail).len(), text(&mut tail).len()), (MOST, 5));
    }
}
