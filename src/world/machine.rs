//! The machine as its kernel describes it: files under given roots, and the few calls that have no file.
//!
//! A tree of files is its twin: with other roots it reads those. Every call can hang (a driver, a FUSE or NFS mount), so
//! callers are on a [`crate::world::post::Post`].

use crate::metric::report::NoData;
use crate::world::files::Unreadable;
use std::ffi::{CStr, CString};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of one file that are read. The longest that we look at, `/proc/stat` of a machine with thousands of interrupt
/// lines, has some ten thousand.
const LONGEST: u64 = 4 << 20;
/// Entries of one directory that are looked at.
const MOST_ENTRIES: usize = 4096;

/// Where things are. Clones are the same machine.
#[derive(Debug, Clone)]
pub struct Machine(Arc<Roots>);

/// The roots of a [`Machine`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// `/proc`
    pub proc: PathBuf,
    /// `/sys`
    pub sys: PathBuf,
    /// `/`, in front of mount points and `/etc`.
    pub root: PathBuf,
    /// `/run/udev/data`
    pub udev: PathBuf,
    /// Where scripts leave files of text for us, not below `root`.
    pub texts: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Roots {
            proc: "/proc".into(),
            sys: "/sys".into(),
            root: "/".into(),
            udev: "/run/udev/data".into(),
            texts: "/var/lib/prometheus/node-exporter".into(),
        }
    }
}

/// One tree of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Under {
    Proc,
    Sys,
    Root,
    Udev,
    Texts,
}

/// A file system's size, as statvfs(3) has it. Bytes and files.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Space {
    pub size: f64,
    pub free: f64,
    /// Free for who is not root.
    pub available: f64,
    pub files: f64,
    pub files_free: f64,
}

/// uname(2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    pub sysname: String,
    pub release: String,
    pub version: String,
    pub machine: String,
    pub nodename: String,
    pub domainname: String,
}

/// The local time zone at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    pub name: String,
    /// Seconds east of UTC.
    pub offset: i64,
}

impl Default for Machine {
    fn default() -> Self {
        Machine::at(Roots::default())
    }
}

impl Machine {
    pub fn at(roots: Roots) -> Machine {
        Machine(Arc::new(roots))
    }

    /// The same with its files of text elsewhere.
    pub fn with_texts(&self, texts: PathBuf) -> Machine {
        Machine::at(Roots { texts, ..(*self.0).clone() })
    }

    /// Where a file of a tree is.
    pub fn path(&self, under: Under, path: &str) -> PathBuf {
        let root = match under {
            Under::Proc => &self.0.proc,
            Under::Sys => &self.0.sys,
            Under::Root => &self.0.root,
            Under::Udev => &self.0.udev,
            Under::Texts => &self.0.texts,
        };
        root.join(path.trim_start_matches('/'))
    }

    /// The text of a file; bytes that are no UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// It cannot be read, or is longer than 4 MiB.
    pub fn text(&self, under: Under, path: &str) -> Result<String, Unreadable> {
        let path = self.path(under, path);
        let read = || {
            let mut bytes = Vec::new();
            std::fs::File::open(&path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > LONGEST {
                return Err(std::io::ErrorKind::FileTooLarge.into());
            }
            Ok(String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
        };
        read().map_err(|source| Unreadable { path, source })
    }

    /// Names in a directory, sorted; at most 4096 of them.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn names(&self, under: Under, path: &str) -> Result<Vec<String>, Unreadable> {
        let path = self.path(under, path);
        let list = || {
            let mut names = Vec::new();
            for entry in std::fs::read_dir(&path)?.take(MOST_ENTRIES) {
                names.extend(entry?.file_name().into_string());
            }
            names.sort();
            Ok(names)
        };
        list().map_err(|source| Unreadable { path, source })
    }

    /// Whether a directory is there, behind links or not.
    pub fn is_dir(&self, under: Under, path: &str) -> bool {
        self.path(under, path).is_dir()
    }

    /// Where a path leads when all links are followed.
    ///
    /// # Errors
    /// It leads nowhere.
    pub fn real(&self, under: Under, path: &str) -> Result<PathBuf, Unreadable> {
        let path = self.path(under, path);
        std::fs::canonicalize(&path).map_err(|source| Unreadable { path, source })
    }

    /// When a file was last written, seconds since 1970.
    ///
    /// # Errors
    /// The file cannot be looked at.
    pub fn written(&self, under: Under, path: &str) -> Result<i64, Unreadable> {
        use std::os::unix::fs::MetadataExt;
        let path = self.path(under, path);
        std::fs::metadata(&path).map(|m| m.mtime()).map_err(|source| Unreadable { path, source })
    }

    /// The size of the file system mounted at `mount`.
    ///
    /// # Errors
    /// What statvfs(3) says.
    pub fn space(&self, mount: &str) -> Result<Space, Unreadable> {
        let path = self.path(Under::Root, mount);
        space(&path).map_err(|source| Unreadable { path, source })
    }

    pub fn uname(&self) -> std::io::Result<Names> {
        // SAFETY: a zeroed utsname is valid, and uname fills it and nothing else.
        let names = unsafe {
            let mut names: libc::utsname = std::mem::zeroed();
            match libc::uname(&mut names) {
                0 => names,
                _ => return Err(std::io::Error::last_os_error()),
            }
        };
        let text = |field: &[libc::c_char]| {
            // SAFETY: uname ends each of its fields with a NUL.
            unsafe { CStr::from_ptr(field.as_ptr()) }.to_string_lossy().into_owned()
        };
        Ok(Names {
            sysname: text(&names.sysname),
            release: text(&names.release),
            version: text(&names.version),
            machine: text(&names.machine),
            nodename: text(&names.nodename),
            domainname: text(&names.domainname),
        })
    }

    /// The kernel's clock discipline, adjtimex(2), and whether it calls the clock synchronized.
    ///
    /// # Errors
    /// We may not ask.
    pub fn timex(&self) -> std::io::Result<(libc::timex, bool)> {
        // SAFETY: a zeroed timex is valid, modes 0 asks and changes nothing, and the struct lives through the call.
        unsafe {
            let mut timex: libc::timex = std::mem::zeroed();
            match libc::adjtimex(&mut timex) {
                state if state < 0 => Err(std::io::Error::last_os_error()),
                state => Ok((timex, state != libc::TIME_ERROR)),
            }
        }
    }

    /// The zone of the local time at `unix` seconds since 1970.
    pub fn zone(&self, unix: i64) -> Option<Zone> {
        // SAFETY: a zeroed tm is valid, localtime_r fills it, and tm_zone then points to a string of the C library
        // that lives as long as the process.
        unsafe {
            let mut tm: libc::tm = std::mem::zeroed();
            if libc::localtime_r(&unix, &mut tm).is_null() || tm.tm_zone.is_null() {
                return None;
            }
            Some(Zone { name: CStr::from_ptr(tm.tm_zone).to_string_lossy().into_owned(), offset: tm.tm_gmtoff })
        }
    }

    /// Bytes of a page of memory.
    pub fn page_size(&self) -> u64 {
        // SAFETY: sysconf takes no pointer.
        u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
    }
}

fn space(path: &Path) -> std::io::Result<Space> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the path ends with a NUL and lives through the call, as the zeroed struct does, which statvfs fills.
    let got = unsafe {
        let mut got: libc::statvfs = std::mem::zeroed();
        match libc::statvfs(path.as_ptr(), &mut got) {
            0 => got,
            _ => return Err(std::io::Error::last_os_error()),
        }
    };
    let bytes = |blocks: u64| blocks as f64 * got.f_frsize as f64;
    Ok(Space {
        size: bytes(got.f_blocks),
        free: bytes(got.f_bfree),
        available: bytes(got.f_bavail),
        files: got.f_files as f64,
        files_free: got.f_ffree as f64,
    })
}

/// Why there is no number, from what the kernel says when a file cannot be read.
pub fn why(error: &std::io::Error) -> NoData {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO | libc::ENOTDIR) => NoData::NotPresent,
        Some(libc::EACCES | libc::EPERM) => NoData::Denied,
        // ENODATA: a sensor that is switched off; EINVAL: an attribute that this device does not have.
        Some(libc::EOPNOTSUPP | libc::EINVAL | libc::ENODATA | libc::ENOSYS) => NoData::Unsupported,
        Some(libc::EAGAIN | libc::ETIMEDOUT) => NoData::Timeout,
        Some(_) => NoData::Unreachable,
        None => NoData::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_answers_the_calls_that_have_no_file() {
        let machine = Machine::default();
        let names = machine.uname().unwrap();
        assert_eq!(names.sysname, "Linux");
        assert_eq!(machine.text(Under::Proc, "sys/kernel/osrelease").unwrap().trim(), names.release);
        let space = machine.space("/proc/..").unwrap();
        assert!(space.size >= space.free && space.free >= space.available && space.size > 0.0);
        assert!(machine.timex().unwrap().0.tick > 0);
        assert!(!machine.zone(0).unwrap().name.is_empty());
        assert!(machine.page_size().is_power_of_two());
    }

    #[test]
    fn a_tree_of_files_is_a_machine_and_what_is_not_in_it_has_a_reason() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("loadavg"), "0.1\n").unwrap();
        let machine = Machine::at(Roots { proc: dir.path().into(), ..Roots::default() });
        assert_eq!(machine.text(Under::Proc, "loadavg").unwrap(), "0.1\n");
        assert_eq!(machine.names(Under::Proc, "").unwrap(), ["loadavg"]);
        assert_eq!(why(&machine.text(Under::Proc, "stat").unwrap_err().source), NoData::NotPresent);
    }
}
