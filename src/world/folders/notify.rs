//! inotify(7): one instance for the whole process, since a user may have 128 of them and a recorder has 256 cameras.
//! A thread waits in read(2), dates what comes and puts it into the queue of whoever watches that directory.

use super::{Event, Unwatched, What};
use crate::base::clock::Clock;
use std::collections::HashMap;
use std::ffi::CString;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

/// Events that wait in one queue. A recorder makes a few per segment, and is looked at every second.
const WAITING: usize = 1024;
/// Bytes that are read at once: some hundred events.
const PIECE: usize = 16 * 1024;
/// `struct inotify_event` without its name.
const HEAD: usize = 16;
/// No writes among it: they would come fifteen times a second from each camera, and stat(2) tells the same.
const WANTED: u32 = libc::IN_CREATE
    | libc::IN_CLOSE_WRITE
    | libc::IN_MOVED_TO
    | libc::IN_DELETE_SELF
    | libc::IN_MOVE_SELF
    | libc::IN_ONLYDIR
    | libc::IN_EXCL_UNLINK;

/// What happened since it was last asked.
#[derive(Debug, Default)]
struct Queue {
    events: Vec<Event>,
    lost: bool,
}

type Shared = Arc<Mutex<Queue>>;

/// A directory under watch, until this is dropped.
pub struct Watch {
    queue: Shared,
    /// Where it ends; a scripted one ends by itself.
    home: Option<(Weak<Notify>, i32)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

impl Watch {
    /// What happened since the last call, in order, and whether something more did that was lost.
    pub fn take(&self) -> (Vec<Event>, bool) {
        let mut queue = lock(&self.queue);
        (std::mem::take(&mut queue.events), std::mem::take(&mut queue.lost))
    }

    /// One that a script fills, through [`Feed`].
    pub(super) fn scripted() -> (Watch, Feed) {
        let queue = Shared::default();
        let feed = Feed(Arc::downgrade(&queue));
        (Watch { queue, home: None }, feed)
    }
}

/// The end of a watch that is filled.
#[derive(Clone)]
pub(super) struct Feed(Weak<Mutex<Queue>>);

impl Feed {
    /// `None` stands for events that were lost. False when nobody watches any more.
    pub(super) fn push(&self, event: Option<Event>) -> bool {
        let Some(queue) = self.0.upgrade() else { return false };
        let mut queue = lock(&queue);
        match event {
            Some(event) if queue.events.len() < WAITING => queue.events.push(event),
            _ => queue.lost = true,
        }
        true
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let Some((home, wd)) = &self.home else { return };
        let Some(home) = home.upgrade() else { return };
        let mut feeds = lock(&home.feeds);
        if let Some(own) = feeds.get_mut(wd) {
            own.retain(|feed| !std::ptr::eq(feed.0.as_ptr(), Arc::as_ptr(&self.queue)));
            if own.is_empty() {
                feeds.remove(wd);
                // SAFETY: takes no pointer. The kernel may have ended the watch before, which is no matter.
                unsafe { libc::inotify_rm_watch(home.file.as_raw_fd(), *wd) };
            }
        }
    }
}

/// The instance. Its thread ends with the first event after the last of us is gone.
pub(super) struct Notify {
    file: Arc<std::fs::File>,
    /// By watch descriptor: two recordings in one directory share one.
    feeds: Mutex<HashMap<i32, Vec<Feed>>>,
}

impl Notify {
    pub(super) fn start(clock: Clock) -> Result<Arc<Notify>, Unwatched> {
        // SAFETY: takes no pointer; the descriptor it returns is ours alone.
        let fd = unsafe { libc::inotify_init1(libc::IN_CLOEXEC) };
        if fd < 0 {
            return Err(refused(&io::Error::last_os_error()));
        }
        // SAFETY: the descriptor was just made and belongs to nobody else.
        let file = Arc::new(unsafe { std::fs::File::from_raw_fd(fd) });
        let notify = Arc::new(Notify { file: file.clone(), feeds: Mutex::default() });
        let home = Arc::downgrade(&notify);
        let work = move || {
            let mut piece = vec![0; PIECE];
            loop {
                let got = match (&*file).read(&mut piece) {
                    Ok(got) => got,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(_) => return,
                };
                let Some(notify) = home.upgrade() else { return };
                notify.deal(&piece[..got], &clock);
            }
        };
        std::thread::Builder::new().name("inotify".to_owned()).spawn(work).map_err(|_| Unwatched::Limit)?;
        Ok(notify)
    }

    /// Looking up a path may hang on a dead mount, so nothing is held meanwhile.
    pub(super) fn watch(self: &Arc<Self>, directory: &Path) -> Result<Watch, Unwatched> {
        let path = CString::new(directory.as_os_str().as_bytes()).map_err(|_| Unwatched::Other)?;
        // SAFETY: the path is a C string that lives through the call.
        let wd = unsafe { libc::inotify_add_watch(self.file.as_raw_fd(), path.as_ptr(), WANTED) };
        if wd < 0 {
            return Err(refused(&io::Error::last_os_error()));
        }
        let (mut watch, feed) = Watch::scripted();
        watch.home = Some((Arc::downgrade(self), wd));
        lock(&self.feeds).entry(wd).or_default().push(feed);
        Ok(watch)
    }

    fn deal(&self, mut bytes: &[u8], clock: &Clock) {
        let at = clock.now();
        let mut feeds = lock(&self.feeds);
        while let Some((head, rest)) = bytes.split_at_checked(HEAD) {
            let word = |n: usize| u32::from_ne_bytes([head[n], head[n + 1], head[n + 2], head[n + 3]]);
            let (wd, mask, length) = (word(0) as i32, word(4), word(12) as usize);
            let (name, rest) = rest.split_at(length.min(rest.len()));
            bytes = rest;
            if mask & libc::IN_Q_OVERFLOW != 0 {
                feeds.values_mut().for_each(|feeds| feeds.retain(|feed| feed.push(None)));
                continue;
            }
            let what = match mask {
                m if m & libc::IN_CREATE != 0 => What::Created,
                m if m & libc::IN_MOVED_TO != 0 => What::Arrived,
                m if m & libc::IN_CLOSE_WRITE != 0 => What::Closed,
                _ => What::Gone,
            };
            let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
            let Ok(name) = std::str::from_utf8(&name[..end]) else { continue };
            let event = Event { at, what, name: name.to_owned(), directory: mask & libc::IN_ISDIR != 0 };
            if let Some(feeds) = feeds.get_mut(&wd) {
                feeds.retain(|feed| feed.push(Some(event.clone())));
            }
            if mask & libc::IN_IGNORED != 0 {
                feeds.remove(&wd);
            }
        }
    }
}

fn refused(error: &io::Error) -> Unwatched {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE | libc::ENOSPC | libc::ENOMEM) => Unwatched::Limit,
        Some(libc::ENOENT | libc::ENOTDIR | libc::EACCES) => Unwatched::Missing,
        _ => Unwatched::Other,
    }
}

#[cfg(test)]
impl Notify {
    pub(super) fn feeds_are_empty(&self) -> bool {
        lock(&self.feeds).is_empty()
    }
}
