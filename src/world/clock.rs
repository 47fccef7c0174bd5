//! The kernel's clocks. The one home of clock reads and sleeps; everywhere else clippy refuses them.

use crate::base::clock::{Boot, Now, Time, Wall};
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// CLOCK_BOOTTIME, CLOCK_REALTIME and adjtimex(2).
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

fn read(clock: libc::clockid_t) -> libc::timespec {
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime writes one timespec to the pointer it is given, which lives through the call.
    // It fails only for an unknown clock id; both ids used here exist since Linux 2.6.39.
    unsafe { libc::clock_gettime(clock, &mut ts) };
    ts
}

fn disciplined() -> bool {
    // SAFETY: a zeroed timex is valid, modes 0 asks and changes nothing, and the struct lives through the call.
    let state = unsafe {
        let mut t: libc::timex = std::mem::zeroed();
        let state = libc::adjtimex(&mut t);
        if t.status & libc::STA_UNSYNC != 0 { libc::TIME_ERROR } else { state }
    };
    state >= 0 && state != libc::TIME_ERROR
}

/// The boot time of an `Instant` that a library took (retina's packet arrival). `Instant` is CLOCK_MONOTONIC, so the
/// answer is off by any suspend since then; recorders do not suspend.
pub fn boot_of(instant: Instant) -> Boot {
    #[allow(clippy::disallowed_methods)] // this is the one home of clock reads
    let ago = Instant::now().saturating_duration_since(instant);
    let now = boot_now();
    Boot::from_nanos(now.as_nanos().saturating_sub(ago.as_nanos() as u64))
}

fn boot_now() -> Boot {
    let b = read(libc::CLOCK_BOOTTIME);
    Boot::from_nanos(b.tv_sec as u64 * 1_000_000_000 + b.tv_nsec as u64)
}

impl Time for System {
    fn now(&self) -> Now {
        let w = read(libc::CLOCK_REALTIME);
        Now {
            boot: boot_now(),
            wall: Wall::from_millis(w.tv_sec * 1000 + w.tv_nsec / 1_000_000),
            trusted: disciplined(),
        }
    }

    /// Without asking what the wall clock is and whether it is disciplined, which costs a system call.
    fn boot(&self) -> Boot {
        boot_now()
    }

    fn sleep_until(&self, at: Boot) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            // tokio sleeps on the monotonic clock, which stops in suspend: ask again after each sleep.
            loop {
                let left = at.since(boot_now());
                if left.is_zero() {
                    return;
                }
                #[allow(clippy::disallowed_methods)] // this is the one home of sleeps
                tokio::time::sleep(left.min(Duration::from_secs(3600))).await;
            }
        })
    }
}
