//! The thread that tells the daemon, once a second, what was counted. It never waits for who listens: a daemon that is not
//! there, or whose socket is full, costs a number in the next datagram.

use crate::settings::Settings;
use crate::slot::Table;
use crate::tracer::{self, Head, Kind, Numbers, Writer};
use gstreamer::Element;
use gstreamer::prelude::*;
use std::mem::MaybeUninit;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Between two datagrams.
const BEAT: Duration = Duration::from_secs(1);
/// How long the end of GStreamer waits for the last datagram; the thread is done in microseconds, unless an element holds
/// a lock for ever.
const LAST: Duration = Duration::from_millis(200);

/// A handle to the thread.
pub struct Teller {
    ends: Mutex<(Sender<()>, Receiver<()>)>,
}

impl Teller {
    /// `None` when the system gives no socket or no thread: then nothing is told, and nothing else changes.
    pub fn start(settings: &Settings, table: Arc<Table>) -> Option<Teller> {
        let socket = UnixDatagram::unbound().ok()?;
        socket.set_nonblocking(true).ok()?;
        let (stop, stopped) = channel();
        let (done, finished) = channel();
        let mut told = Told {
            socket,
            path: settings.socket.clone(),
            id: settings.encoder.clone(),
            table,
            writer: Writer::default(),
            since: clock(libc::CLOCK_BOOTTIME),
            seq: 0,
            unsent: 0,
            squeezed: 0,
        };
        let work = move || {
            while stopped.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                told.tell();
            }
            told.tell();
            let _nobody_waits = done.send(());
        };
        // The program's signals are for its own threads: one that waits for them would miss what ours took.
        let _thread = without_signals(|| std::thread::Builder::new().name("vedette".to_owned()).spawn(work)).ok()?;
        Some(Teller { ends: Mutex::new((stop, finished)) })
    }

    /// One last datagram, then the end of the thread.
    pub fn stop(&self) {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if ends.0.send(()).is_ok() {
            let _late = ends.1.recv_timeout(LAST);
        }
    }
}

struct Told {
    socket: UnixDatagram,
    path: PathBuf,
    id: String,
    table: Arc<Table>,
    writer: Writer,
    /// CLOCK_BOOTTIME of the start, ns.
    since: u64,
    seq: u64,
    unsent: u64,
    /// Elements for which the last datagram had no room.
    squeezed: u64,
}

impl Told {
    fn tell(&mut self) {
        self.seq += 1;
        self.writer.head(&Head {
            id: &self.id,
            pid: std::process::id(),
            seq: self.seq,
            at: clock(libc::CLOCK_BOOTTIME),
            since: self.since,
            errors: self.table.errors.get(),
            warnings: self.table.warnings.get(),
            left_out: self.table.left_out.get() + self.squeezed,
            unsent: self.unsent,
        });
        let now = monotonic().saturating_sub(self.table.origin.get());
        self.squeezed = 0;
        for slot in self.table.slots() {
            let Some(kind) = slot.kind() else { continue };
            let mut who = slot.who.lock().unwrap_or_else(PoisonError::into_inner);
            let mut numbers = slot.numbers(kind, now);
            let element = who.element.upgrade();
            if let Some(element) = &element {
                who.name = element.name().into(); // a program may name an element after making it
                if kind == Kind::Queue {
                    levels(element, &mut numbers);
                }
            }
            let told =
                tracer::Element { name: &who.name, factory: &who.factory, kind, state: slot.gst_state(), numbers };
            self.squeezed += u64::from(!self.writer.element(&told));
            if element.is_none() {
                Table::free(slot); // its end was told
            }
        }
        // MSG_DONTWAIT by the socket's mode. The path is looked up anew each time: a daemon may come, go and come again.
        self.unsent += u64::from(self.socket.send_to(self.writer.bytes(), &self.path).is_err());
    }
}

/// What a queue holds and may hold. A multiqueue has no such properties of its own.
fn levels(queue: &Element, numbers: &mut Numbers) {
    let read = |name: &str| -> Option<u64> {
        let value = queue.find_property(name).map(|_| queue.property_value(name))?;
        value.get::<u64>().ok().or_else(|| value.get::<u32>().ok().map(u64::from))
    };
    numbers.level_buffers = read("current-level-buffers");
    numbers.level_bytes = read("current-level-bytes");
    numbers.level_ns = read("current-level-time");
    if numbers.level_buffers.is_some() {
        numbers.max_buffers = read("max-size-buffers");
        numbers.max_bytes = read("max-size-bytes");
        numbers.max_ns = read("max-size-time");
    }
}

/// CLOCK_MONOTONIC in ns, which `gst_util_get_timestamp` reads too.
pub fn monotonic() -> u64 {
    clock(libc::CLOCK_MONOTONIC)
}

fn clock(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec, which lives through the call; it fails only for an unknown clock.
    unsafe { libc::clock_gettime(id, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Runs `work` with all signals blocked, which a thread started in it inherits.
fn without_signals<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: both sets are filled before they are read, and live through the calls.
    unsafe {
        let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        let done = work();
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut());
        done
    }
}
