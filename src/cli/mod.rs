//! Floor 6. argv → one verb.

mod check;
mod export;
mod log;
pub mod peek;
mod print;
mod probe;
mod run;
mod status;

use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Vedette, the sentry on a recording node: watches cameras, remembers what it saw, raises alarms, serves /metrics
#[derive(Parser)]
#[command(name = "vedette", version, max_term_width = 100, after_help = EXAMPLES)]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "Examples:
  vedette check /etc/vedette/vedette.toml
  vedette run --config /etc/vedette/vedette.toml
  vedette status
  vedette probe udp://239.1.1.1:5000
  vedette export --from 2h > last-two-hours.om";

/// Where the daemon keeps its things unless told otherwise.
const STATE_DIR: &str = "/var/lib/vedette";
const RUNTIME_DIR: &str = "/run/vedette";

#[derive(Subcommand)]
enum Verb {
    Run(run::Run),
    Check(check::Check),
    Print(print::Print),
    Probe(probe::Probe),
    Status(status::Status),
    Export(export::Export),
}

/// Directories that several verbs share.
#[derive(clap::Args, Clone)]
struct Dirs {
    /// Where metrics.db and events.db live
    #[arg(long, env = "STATE_DIRECTORY", default_value = STATE_DIR, value_name = "DIR")]
    state_dir: PathBuf,
    /// Where the control socket and the journal of unflushed samples live; should be RAM
    #[arg(long, env = "RUNTIME_DIRECTORY", default_value = RUNTIME_DIR, value_name = "DIR")]
    runtime_dir: PathBuf,
}

/// Runs the verb in argv. Exit codes: 0 good, 1 the answer is no (mistakes found, unhealthy), 2 it could not be done.
pub fn main() -> u8 {
    let args = Args::parse();
    let outcome = match args.verb {
        Verb::Run(verb) => verb.main(),
        Verb::Check(verb) => verb.main(),
        Verb::Print(verb) => verb.main(),
        Verb::Probe(verb) => verb.main(),
        Verb::Status(verb) => verb.main(),
        Verb::Export(verb) => verb.main(),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("vedette: {}", crate::base::fault::chain(error.as_ref()));
            2
        }
    }
}

/// What a verb comes to.
type Outcome = Result<u8, Box<dyn std::error::Error>>;
