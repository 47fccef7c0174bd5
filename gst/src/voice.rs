//! The way to the daemon: records on what was standard output when the process began.

use crate::record::{self, Record};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, Mutex, PoisonError};

/// Clones speak through the same pipe, one record at a time.
#[derive(Clone)]
pub struct Voice(Arc<Mutex<Out>>);

struct Out {
    pipe: File,
    /// Kept from record to record.
    buffer: Vec<u8>,
}

impl Voice {
    /// Takes standard output for records alone: what libraries print there goes to standard error.
    pub fn take() -> io::Result<Voice> {
        let pipe = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        // SAFETY: both descriptors are open; the first was copied above.
        if unsafe { libc::dup2(io::stderr().as_raw_fd(), io::stdout().as_raw_fd()) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Voice(Arc::new(Mutex::new(Out { pipe, buffer: Vec::new() }))))
    }

    /// Says something that happens now.
    pub fn say(&self, record: &Record<'_>) {
        self.send(|buffer| record.write(boot(), buffer));
    }

    /// Hands over bytes that arrived now.
    pub fn stream(&self, bytes: &[u8]) {
        self.send(|buffer| record::bytes(bytes, boot(), buffer));
    }

    /// Waits when the daemon is behind: what would be thrown away here would look like the encoder's loss.
    fn send(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Out { pipe, buffer } = &mut *out;
        buffer.clear();
        write(buffer);
        if pipe.write_all(buffer).is_err() {
            leave(); // nobody listens any more
        }
    }
}

/// Ends the process at once, without GStreamer's and libc's last acts.
pub fn leave() -> ! {
    // SAFETY: does not return, and touches nothing of ours.
    unsafe { libc::_exit(0) }
}

/// CLOCK_BOOTTIME, ns.
fn boot() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec, which lives through the call; the clock exists since Linux 2.6.39.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
