//! Volumes that are written to, to know whether and how fast they take it. It blocks, and on a dead disk without end: it is
//! for threads that may hang ([`super::post`]).

use super::folders::sealed;
use crate::base::clock::Clock;
use crate::base::label::Label;
use std::collections::VecDeque;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Bytes of one write: a page, and a block of any usual file system.
pub const BLOCK: usize = 4096;
/// The file that is written, in the directory that was named for it.
pub const FILE: &str = "vedette-write-probe";

/// Why a write failed.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The directory is not there; perhaps its volume is not mounted.
    NotPresent,
    /// We may not write there, or our sandbox does not let us.
    Denied,
    /// The file system takes no writes.
    ReadOnly,
    NoSpace,
    /// The disk refused.
    Io,
    /// It did not come back in time. Said by who waits.
    Timeout,
    Other,
}

impl Label for Reason {
    const ALL: &'static [Self] = &[
        Reason::NotPresent,
        Reason::Denied,
        Reason::ReadOnly,
        Reason::NoSpace,
        Reason::Io,
        Reason::Timeout,
        Reason::Other,
    ];
    fn label(self) -> &'static str {
        match self {
            Reason::NotPresent => "not_present",
            Reason::Denied => "denied",
            Reason::ReadOnly => "read_only",
            Reason::NoSpace => "no_space",
            Reason::Io => "io",
            Reason::Timeout => "timeout",
            Reason::Other => "other",
        }
    }
}

/// A write that failed.
#[derive(Debug, thiserror::Error)]
#[error("{}", match .reason {
    Reason::NotPresent => "the directory is not there; make it, writable by vedette",
    Reason::Denied => "the directory is not to be written by vedette; the drop-in volume.conf of the examples lets it",
    _ => "the volume took no write",
})]
pub struct Refused {
    pub reason: Reason,
    pub source: io::Error,
}

/// Volumes of this machine.
pub trait Volumes: Send + Sync {
    /// Writes [`BLOCK`] bytes to a new file in `directory`, waits for fsync(2), and removes the file. Returns how long writing
    /// and waiting took. A new one, since a full volume goes on taking writes over what is there.
    ///
    /// # Errors
    /// See [`Reason`].
    fn write(&self, directory: &Path) -> Result<Duration, Refused>;
}

/// The real ones.
pub struct Real {
    clock: Clock,
}

impl Real {
    pub fn new(clock: Clock) -> Real {
        Real { clock }
    }

    fn timed(&self, directory: &Path) -> io::Result<Duration> {
        let mut open = std::fs::OpenOptions::new();
        open.write(true).create(true).truncate(true).mode(0o600);
        // Whatever somebody else put under that name is not followed, and not waited for.
        open.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let path = directory.join(FILE);
        let file = open.open(&path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "something else has the name of the file"));
        }
        // No file system or disk that saves zeros or text can save it.
        let from = self.clock.boot();
        let mut state = from.as_nanos() | 1;
        let block: [u8; BLOCK] = std::array::from_fn(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        });
        let from = self.clock.boot();
        let written = file.write_all_at(&block, 0).and_then(|()| file.sync_all());
        let took = self.clock.boot().since(from);
        // What cannot be removed now is emptied by the next write.
        let removed = std::fs::remove_file(path);
        written.and(removed).map(|()| took)
    }
}

impl Volumes for Real {
    fn write(&self, directory: &Path) -> Result<Duration, Refused> {
        self.timed(directory).map_err(|source| Refused { reason: reason(&source, directory), source })
    }
}

fn reason(error: &io::Error, directory: &Path) -> Reason {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR) => Reason::NotPresent,
        Some(libc::EACCES | libc::EPERM) => Reason::Denied,
        // The unit's ProtectSystem=strict says the same as a file system that broke.
        Some(libc::EROFS) if sealed(directory).unwrap_or(false) => Reason::Denied,
        Some(libc::EROFS) => Reason::ReadOnly,
        Some(libc::ENOSPC | libc::EDQUOT) => Reason::NoSpace,
        Some(libc::EIO | libc::ENXIO | libc::ENODEV | libc::ESHUTDOWN) => Reason::Io,
        _ => Reason::Other,
    }
}

/// The scripted twin: outcomes in order; after the last there is no directory. Clones are the same.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<VecDeque<Result<Duration, Reason>>>>);

impl Script {
    pub fn then(&self, outcome: Result<Duration, Reason>) {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).push_back(outcome);
    }
}

impl Volumes for Script {
    fn write(&self, _directory: &Path) -> Result<Duration, Refused> {
        let next = self.0.lock().unwrap_or_else(|e| e.into_inner()).pop_front();
        next.unwrap_or(Err(Reason::NotPresent))
            .map_err(|reason| Refused { reason, source: io::ErrorKind::Other.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::clock::System;

    fn write(directory: &Path) -> Result<Duration, Reason> {
        Real::new(Clock::new(System)).write(directory).map_err(|refused| refused.reason)
    }

    #[test]
    fn nothing_is_left_behind_and_what_a_crash_left_is_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        assert!(write(dir.path()).unwrap() > Duration::ZERO);
        std::fs::write(dir.path().join(FILE), [7; 2 * BLOCK]).unwrap();
        write(dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_stands_in_its_place_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(write(&dir.path().join("none")), Err(Reason::NotPresent));
        let (file, link) = (dir.path().join("theirs"), dir.path().join(FILE));
        std::fs::write(&file, "theirs").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(write(dir.path()), Err(Reason::Other));
        assert_eq!(std::fs::read(&file).unwrap(), b"theirs");
        std::fs::remove_file(&link).unwrap();
        std::fs::create_dir(&link).unwrap();
        assert_eq!(write(dir.path()), Err(Reason::Other));
        assert_eq!(write(&file), Err(Reason::NotPresent));
    }
}
