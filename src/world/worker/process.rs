//! The real workers: `vedette-gst` as a child process.

use super::{BURST, Broken, Reason, Spawn, Take, Worker};
use crate::base::clock::{Boot, Clock, Elapsed};
use crate::base::secret::Secret;
use crate::wire::record::{self, HEADER, MOST_BODY, Malformed, Record, VERSION};
use std::future::Future;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Stdio};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// From the start to the first record. The first start after an installation loads every plugin to learn what it can do,
/// which takes seconds on a small machine.
const FIRST: Duration = Duration::from_secs(30);
/// Between two records; the worker sends one a second.
const SILENCE: Duration = Duration::from_secs(5);
/// From the end of its output to the end of the process.
const LAST: Duration = Duration::from_secs(1);

type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts the program `vedette-gst`.
#[derive(Debug, Clone)]
pub struct Binary {
    program: PathBuf,
}

impl Default for Binary {
    /// The one in `PATH`.
    fn default() -> Binary {
        Binary::at("vedette-gst")
    }
}

impl Binary {
    pub fn at(program: impl Into<PathBuf>) -> Binary {
        Binary { program: program.into() }
    }
}

impl Spawn for Binary {
    fn spawn(&self, url: &Secret, clock: &Clock) -> Result<Box<dyn Worker>, Broken> {
        let mut request = url.expose().to_owned();
        if request.contains('\n') || request.len() >= record::MOST_REQUEST {
            return Err(Reason::Said(record::Reason::Request).into());
        }
        request.push('\n');
        let mut child = Command::new(&self.program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null()) // GStreamer's words may repeat the URL, and with it a passphrase
            .env_remove("GST_TRACERS") // what the daemon's own environment asks for is not meant for its workers
            .env_remove("GST_DEBUG")
            .process_group(0) // Ctrl-C in a terminal is for the daemon, which then ends its workers
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                let reason = match error.kind() {
                    io::ErrorKind::NotFound => record::Reason::NotInstalled,
                    io::ErrorKind::PermissionDenied => record::Reason::Denied,
                    _ => record::Reason::Other,
                };
                Broken::because(Reason::Said(reason), error)
            })?;
        let stdin = child.stdin.take().expect("stdin was asked for as a pipe");
        let stdout = child.stdout.take().expect("stdout was asked for as a pipe");
        Ok(Box::new(Running {
            child,
            stdin,
            request: request.into_bytes(),
            stdout,
            clock: clock.clone(),
            input: vec![0; HEADER + MOST_BODY].into(),
            unread: 0..0,
            last: clock.boot(),
            limit: FIRST,
            alarm: None,
            ended: false,
        }))
    }
}

struct Running {
    child: Child,
    /// Open as long as the worker shall run.
    stdin: ChildStdin,
    /// What of the request is not yet written.
    request: Vec<u8>,
    stdout: ChildStdout,
    clock: Clock,
    /// Room for one record of the largest size.
    input: Box<[u8]>,
    /// The part of `input` that was read and is not yet handed over.
    unread: Range<usize>,
    /// When the last bytes came, and how long the next may take.
    last: Boot,
    limit: Duration,
    alarm: Option<Sleep>,
    /// The output has ended; the process must.
    ended: bool,
}

impl Worker for Running {
    fn poll(&mut self, cx: &mut Context<'_>, take: &mut Take<'_>) -> Poll<Broken> {
        if !self.request.is_empty()
            && let Poll::Ready(Ok(wrote)) = Pin::new(&mut self.stdin).poll_write(cx, &self.request)
        {
            self.request.drain(..wrote); // a worker that does not read has a status to tell, which comes below
        }
        for _ in 0..BURST {
            if self.ended {
                return self.wait(cx);
            }
            let whole = match record::parse(&self.input[self.unread.clone()]) {
                Ok(Some((at, record, took))) => {
                    self.unread.start += took;
                    match record {
                        Record::Hello { version } if version != VERSION => {
                            let other = Malformed("the worker is of another version than we");
                            return Poll::Ready(Broken::because(Reason::Garbled, other));
                        }
                        Record::Hello { .. } | Record::Alive => {}
                        Record::Fault(reason) => return Poll::Ready(Reason::Said(reason).into()),
                        record => take(Boot::from_nanos(at), record),
                    }
                    true
                }
                Ok(None) => false,
                Err(malformed) => return Poll::Ready(Broken::because(Reason::Garbled, malformed)),
            };
            if !whole && self.read(cx).is_pending() {
                return self.watch(cx);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Running {
    /// Reads what the pipe holds, as far as there is room.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.input.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        let mut room = ReadBuf::new(&mut self.input[self.unread.end..]);
        let read = ready!(Pin::new(&mut self.stdout).poll_read(cx, &mut room));
        let got = room.filled().len();
        self.ended = read.is_err() || got == 0;
        self.unread.end += got;
        let limit = if self.ended { LAST } else { SILENCE };
        if limit != self.limit {
            self.alarm = None; // it is set for a longer wait
        }
        (self.last, self.limit) = (self.clock.boot(), limit);
        Poll::Ready(())
    }

    /// Nothing to read: pending until the limit has passed.
    fn watch(&mut self, cx: &mut Context<'_>) -> Poll<Broken> {
        loop {
            let due = self.last.plus(self.limit);
            if self.clock.boot() >= due {
                let mut hung = Broken::because(Reason::Hung, Elapsed(self.limit));
                // Somebody that it started may hold the pipe open after its death.
                if let Ok(Some(status)) = self.child.try_wait() {
                    hung = crashed(status);
                }
                return Poll::Ready(hung);
            }
            let clock = &self.clock;
            let alarm = self.alarm.get_or_insert_with(|| {
                let clock = clock.clone();
                Box::pin(async move { clock.sleep_until(due).await })
            });
            ready!(alarm.as_mut().poll(cx));
            self.alarm = None; // it was set before later bytes came
        }
    }

    /// The output has ended: the status of the process, which has a short time to end too.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Broken> {
        let ended = pin!(self.child.wait()).poll(cx);
        match ended {
            Poll::Ready(Ok(status)) => Poll::Ready(crashed(status)),
            Poll::Ready(Err(error)) => Poll::Ready(Broken::because(Reason::Said(record::Reason::Other), error)),
            Poll::Pending => self.watch(cx),
        }
    }
}

/// A worker that ended without saying why.
fn crashed(status: ExitStatus) -> Broken {
    // The dynamic loader's word for a missing library: the program is there, GStreamer is not.
    let reason = if status.code() == Some(127) { Reason::Said(record::Reason::NotInstalled) } else { Reason::Crashed };
    Broken::because(reason, Died(status))
}

/// How the process ended, e.g. `signal: 11 (SIGSEGV)`.
#[derive(Debug, thiserror::Error)]
#[error("the worker ended, {0}")]
struct Died(ExitStatus);
