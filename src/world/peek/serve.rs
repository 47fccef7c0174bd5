//! The serving side of `vedette-peek`: one question at a time, each bounded, answered with numbers and nothing else.

use super::{LIMIT, LONGEST, Peeked, diag, files};
use crate::metric::report::NoData;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::FromRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// The first descriptor that a service manager hands over, sd_listen_fds(3).
const HANDED: i32 = 3;

/// The socket that the service manager opened for us, if it did.
///
/// # Errors
/// More or fewer than one were handed over.
pub fn handed() -> io::Result<Option<UnixListener>> {
    let variable = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u32>().ok());
    if variable("LISTEN_PID") != Some(std::process::id()) {
        return Ok(None);
    }
    match variable("LISTEN_FDS") {
        // SAFETY: by the protocol this descriptor is open, and nobody else here owns it: it is asked for once.
        Some(1) => Ok(Some(unsafe { UnixListener::from_raw_fd(HANDED) })),
        other => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{other:?} sockets were handed over, not one")))
        }
    }
}

/// A socket of our own, for root and our group. One left by a dead process is replaced.
///
/// # Errors
/// It cannot be bound.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Answers until the socket fails.
///
/// # Errors
/// The socket cannot accept any more.
pub fn serve(listener: &UnixListener, proc: &Path) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept()?;
        // Whoever went away or never spoke is its own trouble; the bounds end it.
        let _outcome = answer(&stream, proc);
    }
}

fn answer(stream: &UnixStream, proc: &Path) -> io::Result<()> {
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    let mut line = String::new();
    BufReader::new(stream.take(LONGEST as u64)).read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let asked = match (words.next().map(str::parse), words.next().map(str::parse), words.next()) {
        (Some(Ok(pid)), Some(Ok(started)), None) => peek(proc, pid, started),
        _ => Err(NoData::Malformed),
    };
    let mut stream = stream;
    stream.write_all(Peeked::line(asked).as_bytes())
}

fn peek(proc: &Path, pid: i32, started: u64) -> Result<Peeked, NoData> {
    let files = files::read(proc, pid, started)?;
    let mut peeked = Peeked { written: Some(files.written), position: files.position, ..Peeked::default() };
    if !files.sockets.is_empty() {
        // Without the answer these numbers are missing, the others stand.
        let sockets = diag::tcp(&files.sockets.into_iter().collect()).unwrap_or_default();
        let sum = |of: fn(&diag::Tcp) -> u64| sockets.iter().map(of).reduce(u64::saturating_add);
        peeked.received = sum(|tcp| tcp.received);
        peeked.acknowledged = sum(|tcp| tcp.acknowledged);
        let most = sockets.iter().filter(|tcp| tcp.received > 0).max_by_key(|tcp| tcp.received);
        peeked.receive_age_ms = most.map(|tcp| tcp.receive_age_ms);
        peeked.unread = most.map(|tcp| tcp.unread);
    }
    Ok(peeked)
}

#[cfg(test)]
mod tests {
    use super::super::ask;
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn a_question_gets_numbers_of_the_process_that_was_meant_and_of_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path: PathBuf = dir.path().join("socket");
        assert_eq!(ask(&path, 1, 0), Err(NoData::Denied), "nobody there");
        let listener = bind(&path).unwrap();
        std::thread::spawn(move || serve(&listener, Path::new("/proc")));
        let me = procfs::process::Process::myself().unwrap().stat().unwrap();
        let mut file = std::fs::File::create(dir.path().join("segment")).unwrap();
        let before = ask(&path, me.pid, me.starttime).unwrap();
        file.write_all(&[0; 10_000]).unwrap();
        let after = ask(&path, me.pid, me.starttime).unwrap();
        assert!(after.written.unwrap() >= before.written.unwrap() + 10_000, "{before:?} {after:?}");
        assert!(after.position.unwrap() >= 10_000, "{after:?}");
        assert_eq!(ask(&path, me.pid, me.starttime + 1), Err(NoData::NotPresent));
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(b"../../etc/shadow 1\n").unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert_eq!(said, "no malformed\n");
    }
}
