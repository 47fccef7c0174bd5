//! The program `vedette-peek`: numbers about other users' processes, for the daemon that may not read them.

use crate::base::fault::chain;
use crate::world::peek::{SOCKET, serve};
use clap::Parser;
use std::path::{Path, PathBuf};

/// Answers the daemon's questions about encoders run by other users: bytes written, bytes received, nothing else
#[derive(Parser)]
#[command(
    name = "vedette-peek",
    version,
    max_term_width = 100,
    after_help = "Example:
  systemctl enable --now vedette-peek.socket

Reading other users' /proc/PID/io and fd takes CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, which the unit grants."
)]
struct Peek {
    /// Where to listen when the service manager hands over no socket
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    socket: PathBuf,
}

/// Runs until it is killed. Exit code 2: it could not be done.
pub fn main() -> u8 {
    let peek = Peek::parse();
    let listener = serve::handed().and_then(|handed| handed.map_or_else(|| serve::bind(&peek.socket), Ok));
    match listener.and_then(|listener| serve::serve(&listener, Path::new("/proc"))) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("vedette-peek: cannot serve: {}", chain(&error));
            2
        }
    }
}
