//! What the live tests share: children that die with the test, free ports, and waiting on a condition with a bound.

#![allow(dead_code)] // each test uses its part

pub mod brokers;
pub mod cameras;
pub mod fake_camera;
pub mod prometheus;
pub mod site;
pub mod ts;
pub mod vedette;

use std::net::TcpListener;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A child process that is killed when the test lets go of it.
pub struct Kid(pub Child);

impl Kid {
    pub fn spawn(command: &mut Command) -> Kid {
        Kid(command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}; `make setup` installs it")))
    }
}

impl Drop for Kid {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

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
