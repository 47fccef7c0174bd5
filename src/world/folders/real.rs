//! The machine's own directories.

use super::notify::{Notify, Watch};
use super::volume::{self, Places};
use super::{Entry, Folders, Pages, Stat, Unwatched, Volume};
use crate::base::clock::{Clock, Wall};
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

/// File systems on which a writer elsewhere goes untold: NFS, SMB, CIFS, SMB2, Ceph, 9P, AFS, FUSE (statfs(2)).
const REMOTE: [u32; 8] = [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x00c3_6400, 0x0102_1997, 0x5346_414f, 0x6573_5546];

pub struct Disk {
    clock: Clock,
    places: Places,
    notify: Mutex<Option<Arc<Notify>>>,
}

impl Disk {
    pub fn new(clock: Clock) -> Self {
        Disk { clock, places: Places::default(), notify: Mutex::default() }
    }

    /// The same with volumes told of elsewhere.
    pub fn at(clock: Clock, places: Places) -> Self {
        Disk { places, ..Disk::new(clock) }
    }

    /// Started with the first watch. One that could not be had is tried again.
    fn notify(&self) -> Result<Arc<Notify>, Unwatched> {
        let mut notify = self.notify.lock().unwrap_or_else(|e| e.into_inner());
        match &*notify {
            Some(notify) => Ok(notify.clone()),
            None => Ok(notify.insert(Notify::start(self.clock.clone())?).clone()),
        }
    }
}

fn remote(directory: &Path) -> Result<bool, Unwatched> {
    let path = CString::new(directory.as_os_str().as_bytes()).map_err(|_| Unwatched::Other)?;
    // SAFETY: a zeroed statfs is valid, and path and struct live through the call.
    let (done, told) = unsafe {
        let mut told: libc::statfs = std::mem::zeroed();
        (libc::statfs(path.as_ptr(), &mut told), told)
    };
    // Of 32 bits, whatever the width of the field.
    if done == 0 { Ok(REMOTE.contains(&(told.f_type as u32))) } else { Err(Unwatched::Missing) }
}

fn wall(time: SystemTime) -> Option<Wall> {
    let ms = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).ok()?,
        Err(before) => -i64::try_from(before.duration().as_millis()).ok()?,
    };
    Some(Wall::from_millis(ms))
}

struct Open(File);

impl Pages for Open {
    fn read(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < into.len() {
            match self.0.read_at(&mut into[filled..], at.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(got) => filled += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

impl Folders for Disk {
    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let kind = entry.file_type()?;
            let directory = kind.is_dir() || (kind.is_symlink() && entry.path().is_dir());
            found.push(Entry { name, directory });
        }
        Ok(found)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let found = std::fs::metadata(path)?;
        Ok(Stat {
            directory: found.is_dir(),
            size: found.len(),
            modified: found.modified().ok().and_then(wall).ok_or(io::ErrorKind::InvalidData)?,
            born: found.created().ok().and_then(wall),
            identity: (found.dev(), found.ino()),
        })
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Pages>> {
        // A FIFO of that name would wait for its writer.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Box::new(Open(file)))
    }

    fn watch(&self, directory: &Path) -> Result<Watch, Unwatched> {
        if remote(directory)? {
            return Err(Unwatched::Remote);
        }
        self.notify()?.watch(directory)
    }

    fn volume(&self, path: &Path) -> io::Result<Volume> {
        volume::of(&self.places, path)
    }

    fn east(&self, at: Wall) -> i64 {
        let seconds: libc::time_t = at.as_millis().div_euclid(1000);
        // SAFETY: a zeroed tm is valid, and both live through the call; without an answer it stays zeroed.
        unsafe {
            let mut local: libc::tm = std::mem::zeroed();
            libc::localtime_r(&seconds, &mut local);
            local.tm_gmtoff
        }
    }
}

#[cfg(test)]
mod tests;
