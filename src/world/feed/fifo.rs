//! A named pipe. Opening never waits for a writer (O_NONBLOCK), and a writer that goes is followed by the next one.

use super::{BURST, Broken, Event, Feed, Reason, Take};
use crate::base::clock::Clock;
use std::io;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};
use tokio::net::unix::pipe;

/// One read; a pipe holds 64 KiB unless told otherwise (pipe(7)).
const READ: usize = 64 << 10;

/// The reading end.
pub struct Fifo {
    path: PathBuf,
    pipe: pipe::Receiver,
    clock: Clock,
    buffer: Box<[u8]>,
}

impl Fifo {
    /// # Errors
    /// It is not there, is no pipe, or may not be read.
    pub fn open(path: &Path, clock: Clock) -> Result<Fifo, Broken> {
        Ok(Fifo { path: path.to_owned(), pipe: receiver(path)?, clock, buffer: vec![0; READ].into() })
    }
}

fn receiver(path: &Path) -> Result<pipe::Receiver, Broken> {
    pipe::OpenOptions::new().open_receiver(path).map_err(|error| match error.kind() {
        // tokio's word for "not a pipe".
        io::ErrorKind::InvalidInput => Broken { reason: Reason::WrongKind, doing: "open", source: Some(error) },
        _ => Broken::io("open", error),
    })
}

impl Feed for Fifo {
    fn poll(&mut self, cx: &mut Context<'_>, take: &mut Take<'_>) -> Poll<Broken> {
        for _ in 0..BURST {
            match self.pipe.poll_read_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Broken::io("wait on the pipe", error)),
                Poll::Pending => return Poll::Pending,
            }
            match self.pipe.try_read(&mut self.buffer) {
                Ok(0) => {
                    // The last writer went. This end would be "ready" for ever; a new one waits for the next writer.
                    match receiver(&self.path) {
                        Ok(pipe) => self.pipe = pipe,
                        Err(broken) => return Poll::Ready(broken),
                    }
                    take(Event::Reopened);
                }
                Ok(n) => take(Event::Bytes { at: self.clock.boot(), bytes: &self.buffer[..n] }),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Broken::io("read", error)),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn dropped(&self) -> Option<u64> {
        None
    }
}
