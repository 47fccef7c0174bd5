//! What the live tests share: children that die with the test, free ports, and waiting on a condition with a bound.

#![allow(dead_code)] // each test uses its part

pub mod alone;
pub mod brokers;
pub mod cameras;
pub mod disk;
pub mod fake_camera;
pub mod gst;
pub mod hang;
pub mod origin;
pub mod prometheus;
pub mod site;
pub mod ts;
pub mod vedette;
mod wait;

pub use wait::{free_port, wait};

use std::process::{Child, Command};

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
