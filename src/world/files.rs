//! Files that are read while running: secrets, rule files, certificates.

use crate::base::secret::Secret;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// A file could not be read; the text names the path and the system's reason, never the content.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}", path.display())]
pub struct Unreadable {
    pub path: PathBuf,
    pub source: std::io::Error,
}

/// Reads files.
pub trait Files: Send + Sync {
    fn text(&self, path: &Path) -> Result<String, Unreadable>;
    /// Regular files in `dir` whose name ends in one of `endings`, sorted by name.
    fn list(&self, dir: &Path, endings: &[&str]) -> Result<Vec<PathBuf>, Unreadable>;
    /// A secret: the file's text without its last line break.
    fn secret(&self, path: &Path) -> Result<Secret, Unreadable> {
        let text = self.text(path)?;
        Ok(Secret::new(text.strip_suffix('\n').unwrap_or(&text).trim_end_matches('\r')))
    }
}

/// A directory that is ours until this is dropped or the process ends, however it ends (flock(2)).
#[derive(Debug)]
pub struct Lock(#[allow(dead_code)] std::fs::File);

/// Makes the directory where it is missing and takes it for this process.
///
/// # Errors
/// Another process has it (`WouldBlock`), or it cannot be opened.
pub fn lock(dir: &Path) -> std::io::Result<Lock> {
    std::fs::create_dir_all(dir)?;
    let file = std::fs::File::open(dir)?;
    // SAFETY: flock takes no pointer, and the descriptor is open as long as `file` lives.
    match unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } {
        0 => Ok(Lock(file)),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// The file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    fn text(&self, path: &Path) -> Result<String, Unreadable> {
        std::fs::read_to_string(path).map_err(|source| Unreadable { path: path.to_owned(), source })
    }

    fn list(&self, dir: &Path, endings: &[&str]) -> Result<Vec<PathBuf>, Unreadable> {
        let wrap = |source| Unreadable { path: dir.to_owned(), source };
        let entries = std::fs::read_dir(dir).map_err(wrap)?;
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(wrap)?.path();
            let named = path
                .file_name()
                .and_then(|n| n.to_str())
                .is_some_and(|n| !n.starts_with('.') && endings.iter().any(|e| n.ends_with(e)));
            if named && path.is_file() {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }
}
