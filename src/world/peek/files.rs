//! What `/proc/PID/{io,fd,fdinfo}` say: bytes written, positions, and which sockets are whose.

use crate::metric::report::NoData;
use procfs::ProcError;
use procfs::process::{FDTarget, Process};
use std::path::Path;

/// File descriptors looked at; an encoder has some dozens.
const MOST: usize = 1024;

/// What the file descriptors of a process come to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Files {
    /// `wchar`: bytes handed to write(2) and its like.
    pub(super) written: u64,
    /// Positions in regular files open for writing, added; `None` without one.
    pub(super) position: Option<u64>,
    /// Inode numbers of its sockets.
    pub(super) sockets: Vec<u64>,
}

/// Reads a process that is still the one with this start time.
pub(super) fn read(proc: &Path, pid: i32, started: u64) -> Result<Files, NoData> {
    let process = Process::new_with_root(proc.join(pid.to_string())).map_err(why)?;
    if process.stat().map_err(why)?.starttime != started {
        return Err(NoData::NotPresent);
    }
    let mut files = Files { written: process.io().map_err(why)?.wchar, ..Files::default() };
    // One that is closed meanwhile is passed over.
    for fd in process.fd().map_err(why)?.take(MOST).flatten() {
        match fd.target {
            FDTarget::Socket(inode) => files.sockets.push(inode),
            FDTarget::Path(path) if !path.starts_with("/dev") => {
                let info = proc.join(pid.to_string()).join("fdinfo").join(fd.fd.to_string());
                if let Some(at) = std::fs::read_to_string(info).ok().and_then(|text| write_position(&text)) {
                    files.position = Some(files.position.unwrap_or(0).saturating_add(at));
                }
            }
            _ => {}
        }
    }
    Ok(files)
}

/// `pos:` of a descriptor whose `flags:` (octal, open(2)) allow writing.
fn write_position(info: &str) -> Option<u64> {
    let field = |name: &str| info.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()));
    let flags = i32::from_str_radix(&field("flags:")?, 8).ok()?;
    if flags & libc::O_ACCMODE == libc::O_RDONLY {
        return None;
    }
    field("pos:")?.parse().ok()
}

fn why(error: ProcError) -> NoData {
    match error {
        ProcError::PermissionDenied(_) => NoData::Denied,
        ProcError::NotFound(_) => NoData::NotPresent,
        _ => NoData::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_open_for_writing_has_a_position() {
        assert_eq!(write_position("pos:\t4096\nflags:\t0100001\nmnt_id:\t30\n"), Some(4096));
        assert_eq!(write_position("pos:\t4096\nflags:\t0100002\n"), Some(4096));
        assert_eq!(write_position("pos:\t4096\nflags:\t0100000\n"), None);
        assert_eq!(write_position("flags:\t01\n"), None);
        assert_eq!(write_position(""), None);
    }
}
