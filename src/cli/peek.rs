//! The program `vedette-peek`: numbers about other users' processes and about disks, for the daemon that may not read them.

use crate::base::clock::Clock;
use crate::base::fault::chain;
use crate::base::label::Label;
use crate::world::clock::System;
use crate::world::peek::smart::Round;
use crate::world::peek::{SMART_FOLDER, SOCKET, serve};
use clap::{Parser, Subcommand};
use std::io;
use std::path::{Path, PathBuf};

/// Answers the daemon's questions about encoders run by other users: bytes written, bytes received, nothing else
#[derive(Parser)]
#[command(
    name = "vedette-peek",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    after_help = "Example:
  systemctl enable --now vedette-peek.socket

Reading other users' /proc/PID/io and fd takes CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, which the unit grants."
)]
struct Peek {
    /// Where to listen when the service manager hands over no socket
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    socket: PathBuf,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// Ask every disk for its health once, with smartctl and without waking any, and leave the numbers for the daemon
    #[command(after_help = "Example:
  systemctl enable --now vedette-peek-smart.timer

Asking NVMe disks takes CAP_SYS_ADMIN, SATA disks CAP_SYS_RAWIO, which the unit grants. smartctl is in smartmontools.")]
    Smart {
        /// Where the file goes
        #[arg(long, value_name = "DIR", env = "RUNTIME_DIRECTORY", default_value = SMART_FOLDER)]
        folder: PathBuf,
    },
}

/// Serves until it is killed, or asks the disks once. Exit code 2: it could not be done.
pub fn main() -> u8 {
    let peek = Peek::parse();
    let (what, done) = match peek.verb {
        None => ("serve", answer(&peek.socket)),
        Some(Verb::Smart { folder }) => ("ask the disks", ask(folder)),
    };
    match done {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("vedette-peek: cannot {what}: {}", chain(&error));
            2
        }
    }
}

fn answer(socket: &Path) -> io::Result<()> {
    let listener = serve::handed()?.map_or_else(|| serve::bind(socket), Ok)?;
    serve::serve(&listener, Path::new("/proc"))
}

fn ask(folder: PathBuf) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let round = Round { clock: Clock::new(System), sys: "/sys".into(), smartctl: "smartctl".into(), folder };
    for (device, before, now) in runtime.block_on(round.run())? {
        let before = before.map_or("new", Label::label);
        eprintln!("vedette-peek: {device} is {}, was {before}", now.label());
    }
    Ok(())
}
