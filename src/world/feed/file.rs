//! A file, whole or while it grows. Reads happen at a [`Post`], since a file system may hang.

use super::{BURST, Broken, Event, Feed, Later, Reason, Take};
use crate::base::clock::Clock;
use crate::world::post::{Hung, Post};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};
use std::time::Duration;

/// One read.
const READ: usize = 64 << 10;
/// A file that did not grow is looked at again after this: two or three frames.
const LOOK: Duration = Duration::from_millis(100);
/// Longest wait for one read. A busy disk takes a second; a dead NFS server minutes.
const LIMIT: Duration = Duration::from_secs(10);

/// What a read works with; it goes into the thread that reads and comes back with the answer.
struct Place {
    path: PathBuf,
    file: File,
    /// Bytes read of this file, or skipped at its beginning.
    offset: u64,
    buffer: Vec<u8>,
    /// Not only to its present end.
    follow: bool,
}

enum Got {
    Bytes(usize),
    /// The file under the path is another one, or shorter than what was read of it.
    Replaced,
    End,
}

impl Place {
    fn open(path: &Path, follow: bool) -> io::Result<Place> {
        let mut file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let offset = if follow { file.seek(SeekFrom::End(0))? } else { 0 };
        Ok(Place { path: path.to_owned(), file, offset, buffer: vec![0; READ], follow })
    }

    fn read(&mut self) -> io::Result<Got> {
        let n = self.file.read(&mut self.buffer)?;
        self.offset += n as u64;
        if n > 0 || !self.follow {
            return Ok(if n > 0 { Got::Bytes(n) } else { Got::End });
        }
        let ours = self.file.metadata()?;
        match std::fs::metadata(&self.path) {
            Ok(now) if (now.dev(), now.ino()) != (ours.dev(), ours.ino()) => self.file = File::open(&self.path)?,
            Ok(now) if now.len() < self.offset => drop(self.file.seek(SeekFrom::Start(0))?),
            Ok(_) => return Ok(Got::End),
            // Between two files; the next look finds it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Got::End),
            Err(error) => return Err(error),
        }
        self.offset = 0;
        Ok(Got::Replaced)
    }
}

/// What happens next.
enum Next {
    Read(Later<'static, Result<(Place, io::Result<Got>), Broken>>),
    Look(Later<'static, Place>),
}

/// A file under our eyes.
pub struct Stretches {
    clock: Clock,
    post: Post,
    next: Option<Next>,
}

impl Stretches {
    /// Opens it: to `follow` it from its present end for ever, or to read it from its start to its present end.
    ///
    /// # Errors
    /// It is not there, is no regular file, may not be read, or its file system does not answer.
    pub async fn open(path: &Path, follow: bool, clock: Clock, post: Post) -> Result<Stretches, Broken> {
        let path = path.to_owned();
        let opened = post.ask(LIMIT, move || Place::open(&path, follow)).await.map_err(|hung| broken("open", hung))?;
        let place = opened.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput => Broken { reason: Reason::WrongKind, doing: "open", source: Some(error) },
            _ => Broken::io("open", error),
        })?;
        Ok(Stretches { next: Some(read(&post, place)), clock, post })
    }
}

fn broken(doing: &'static str, hung: Hung) -> Broken {
    Broken { reason: Reason::Hung, doing, source: Some(io::Error::other(hung)) }
}

fn read(post: &Post, mut place: Place) -> Next {
    let post = post.clone();
    Next::Read(Box::pin(async move {
        let work = move || {
            let got = place.read();
            (place, got)
        };
        post.ask(LIMIT, work).await.map_err(|hung| broken("read", hung))
    }))
}

impl Feed for Stretches {
    fn poll(&mut self, cx: &mut Context<'_>, take: &mut Take<'_>) -> Poll<Broken> {
        for _ in 0..BURST {
            match &mut self.next {
                // Polled again after its end.
                None => return Poll::Ready(Broken::new(Reason::Eof, "read")),
                Some(Next::Look(look)) => match look.as_mut().poll(cx) {
                    Poll::Ready(place) => self.next = Some(read(&self.post, place)),
                    Poll::Pending => return Poll::Pending,
                },
                Some(Next::Read(reading)) => {
                    let (place, got) = match reading.as_mut().poll(cx) {
                        Poll::Ready(Ok(done)) => done,
                        Poll::Ready(Err(broken)) => {
                            self.next = None;
                            return Poll::Ready(broken);
                        }
                        Poll::Pending => return Poll::Pending,
                    };
                    match got {
                        Ok(Got::Bytes(n)) => take(Event::Bytes { at: self.clock.boot(), bytes: &place.buffer[..n] }),
                        Ok(Got::Replaced) => take(Event::Reopened),
                        Ok(Got::End) if place.follow => {
                            let clock = self.clock.clone();
                            self.next = Some(Next::Look(Box::pin(async move {
                                clock.sleep(LOOK).await;
                                place
                            })));
                            continue;
                        }
                        Ok(Got::End) => {
                            self.next = None;
                            return Poll::Ready(Broken::new(Reason::Eof, "read"));
                        }
                        Err(error) => {
                            self.next = None;
                            return Poll::Ready(Broken::io("read", error));
                        }
                    }
                    self.next = Some(read(&self.post, place));
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn dropped(&self) -> Option<u64> {
        None
    }
}
