//! What only a privileged reader may see of another user's process: asked of `vedette-peek`, and read there.
//!
//! One line over a unix stream socket, one line back, numbers only: `PID START` → `written=… position=…`. Who may ask is
//! decided by the owner and mode of the socket. Without `vedette-peek` the answer is [`NoData::Denied`].

mod diag;
mod files;
pub mod serve;
pub mod smart;

use crate::base::label::Label;
use crate::metric::report::NoData;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Where `vedette-peek` listens, as its socket unit says.
pub const SOCKET: &str = "/run/vedette-peek/socket";
/// Where `vedette-peek smart` leaves what disks told, and the name of its file there, as its unit says.
pub const SMART_FOLDER: &str = "/run/vedette-peek-smart";
pub const SMART: &str = "disks.json";
/// For one question; it takes a millisecond, and a dump of all TCP sockets of a busy node some more.
const LIMIT: Duration = Duration::from_millis(800);
/// Longest line either way, bytes.
const LONGEST: usize = 512;

/// What a process writes and receives, whatever its own words. Counts run since the process or the socket was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Peeked {
    /// Bytes that it handed to write(2) and its like (`wchar`, proc_pid_io(5)); send(2) is not counted there.
    pub written: Option<u64>,
    /// Positions in the regular files that it has open for writing, added: what is in the segment being written.
    pub position: Option<u64>,
    /// Bytes received on its TCP connections (tcp_info), added; `None` without one.
    pub received: Option<u64>,
    /// Bytes that the other sides of its TCP connections acknowledged, added; `None` without one.
    pub acknowledged: Option<u64>,
    /// Since the last data came on the connection that received most, milliseconds.
    pub receive_age_ms: Option<u64>,
    /// Bytes of that connection that the process has not taken yet: with some it does not wait for input.
    pub unread: Option<u64>,
}

impl Peeked {
    fn fields(&mut self) -> [(&'static str, &mut Option<u64>); 6] {
        [
            ("written", &mut self.written),
            ("position", &mut self.position),
            ("received", &mut self.received),
            ("acknowledged", &mut self.acknowledged),
            ("receive_age_ms", &mut self.receive_age_ms),
            ("unread", &mut self.unread),
        ]
    }

    /// The answer as a line.
    fn line(outcome: Result<Peeked, NoData>) -> String {
        let mut words = String::new();
        match outcome {
            Ok(mut peeked) => {
                for (name, value) in peeked.fields() {
                    if let Some(value) = value {
                        words.push_str(&format!("{name}={value} "));
                    }
                }
                words.push_str("ok\n");
            }
            Err(why) => words.push_str(&format!("no {}\n", why.label())),
        }
        words
    }

    fn read(line: &str) -> Result<Peeked, NoData> {
        let mut peeked = Peeked::default();
        let mut words = line.split_whitespace().peekable();
        if words.next_if_eq(&"no").is_some() {
            let why = words.next().and_then(|word| NoData::ALL.iter().find(|why| why.label() == word));
            return Err(why.copied().unwrap_or(NoData::Malformed));
        }
        while let Some(word) = words.next() {
            match word.split_once('=') {
                // A name that is not known is of a younger reader.
                Some((name, value)) => {
                    let value = value.parse().map_err(|_| NoData::Malformed)?;
                    if let Some((_, place)) = peeked.fields().into_iter().find(|(known, _)| *known == name) {
                        *place = Some(value);
                    }
                }
                None if word == "ok" && words.peek().is_none() => return Ok(peeked),
                None => break,
            }
        }
        Err(NoData::Malformed)
    }
}

/// Asks `vedette-peek` about a process, known by its pid and start time (clock ticks since boot). Blocking, at most a
/// second or so.
///
/// # Errors
/// `Denied` where nobody peeks or we may not ask; else what `vedette-peek` says, or that it did not answer.
pub fn ask(socket: &Path, pid: i32, started: u64) -> Result<Peeked, NoData> {
    let exchange = || -> io::Result<String> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        stream.write_all(format!("{pid} {started}\n").as_bytes())?;
        let mut text = String::new();
        stream.take(LONGEST as u64).read_to_string(&mut text)?;
        Ok(text)
    };
    match exchange() {
        Ok(text) => Peeked::read(&text),
        Err(error) => Err(match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => NoData::Timeout,
            io::ErrorKind::InvalidData => NoData::Malformed,
            // No such socket, nobody behind it, or not for us.
            _ => NoData::Denied,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written_and_anything_else_is_malformed() {
        let some = Peeked { written: Some(7), receive_age_ms: Some(0), ..Peeked::default() };
        for outcome in [Ok(some), Ok(Peeked::default()), Err(NoData::Denied), Err(NoData::NotPresent)] {
            assert_eq!(Peeked::read(&Peeked::line(outcome)), outcome);
        }
        assert_eq!(Peeked::read("written=7 of_tomorrow=3 ok\n").unwrap().written, Some(7));
        for bad in ["", "written=7", "written=x ok", "ok written=7", "no", "yes ok", "written=7 ok ok"] {
            assert_eq!(Peeked::read(bad), Err(NoData::Malformed), "{bad:?}");
        }
    }
}
