//! Free ports, and waiting on a condition with a bound. The QEMU tests use this file too.

use std::net::TcpListener;
use std::time::{Duration, Instant};

/// A port that was free a moment ago on loopback.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Asks `probe` until it answers `Some`, every 50 ms, at most for `bound`; panics with `what` after that.
#[allow(clippy::disallowed_methods)] // the one place where tests wait on the wall clock, on a condition and with a bound
pub fn wait<T>(what: &str, bound: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < bound, "{what}: not seen within {bound:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
