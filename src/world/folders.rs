//! Directories that others write into: what is in them, what changes there, and the volume they lie on.
//!
//! Everything here blocks, and on a dead mount without end: it is for threads that may hang ([`super::post`]).

mod notify;
mod real;
pub mod script;
mod volume;

pub use notify::Watch;
pub use real::Disk;
pub use volume::{Places, sealed};

use crate::base::clock::{Now, Wall};
use crate::base::label::Label;
use crate::metric::report::NoData;
use std::io;
use std::path::Path;

/// What a directory holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub directory: bool,
}

/// What a file or directory is, statx(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    pub directory: bool,
    /// Bytes.
    pub size: u64,
    /// Its last write, by the clock of its file system.
    pub modified: Wall,
    /// Its creation, where the file system keeps that.
    pub born: Option<Wall>,
    /// Device and inode.
    pub identity: (u64, u64),
}

/// Something that happened in a watched directory.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub at: Now,
    pub what: What,
    /// In the directory; empty for [`What::Gone`].
    pub name: String,
    pub directory: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A name is new, perhaps of a file that is still empty.
    Created,
    /// A file that was open for writing was closed.
    Closed,
    /// A file or directory was moved in.
    Arrived,
    /// The watch is at its end: the directory was moved, removed or unmounted.
    Gone,
}

/// Why a directory cannot be watched and has to be looked at instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unwatched {
    /// A network file system or FUSE: what others write there is not told.
    Remote,
    /// `fs.inotify.max_user_instances` or `max_user_watches` is reached.
    Limit,
    /// The directory is not there, or may not be read.
    Missing,
    Other,
}

impl Label for Unwatched {
    const ALL: &'static [Self] = &[Unwatched::Remote, Unwatched::Limit, Unwatched::Missing, Unwatched::Other];
    fn label(self) -> &'static str {
        match self {
            Unwatched::Remote => "remote",
            Unwatched::Limit => "limit",
            Unwatched::Missing => "missing",
            Unwatched::Other => "other",
        }
    }
}

/// The volume that a path lies on.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// As mountinfo has it: `/dev/sdb1`, `nas:/rec`, `tmpfs`.
    pub source: String,
    pub kind: String,
    /// Of its file system.
    pub uuid: Result<String, NoData>,
    /// The mount or the file system is read-only, also after an error of the disk.
    pub read_only: bool,
    /// Bytes.
    pub size: u64,
    /// Bytes that an unprivileged writer may still write.
    pub free: u64,
}

/// A file that is read here and there.
pub trait Pages {
    /// Fills `into` with what stands at `at`, as far as there is something; returns how many bytes that were.
    fn read(&self, at: u64, into: &mut [u8]) -> io::Result<usize>;
}

/// The directories.
pub trait Folders: Send + Sync {
    /// What is in a directory, in no order. Names that are no UTF-8 are left out.
    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>>;
    /// Follows links.
    fn stat(&self, path: &Path) -> io::Result<Stat>;
    /// A regular file.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Pages>>;
    /// Watches the names in a directory, not what is below.
    fn watch(&self, directory: &Path) -> Result<Watch, Unwatched>;
    fn volume(&self, path: &Path) -> io::Result<Volume>;
    /// Seconds that the machine's time zone is east of UTC at `at`.
    fn east(&self, at: Wall) -> i64;
}

/// The reason of the system, as a reason why there is no number.
pub fn reason(error: &io::Error) -> NoData {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => NoData::NotPresent,
        io::ErrorKind::PermissionDenied => NoData::Denied,
        io::ErrorKind::TimedOut => NoData::Timeout,
        _ => NoData::Unreachable,
    }
}
