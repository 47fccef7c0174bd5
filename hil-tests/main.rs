//! Stories on a bench: all virtual, or with real cameras, switches and power strips. Which one: `HIL_BENCH`, a bench file.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed story

#[path = "../tests/live/support/mod.rs"]
mod support;

mod bench;
mod hands;
mod rig;
mod stories;

use bench::Bench;
use libtest_mimic::{Arguments, Trial};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use stories::STORIES;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // There is one of each thing on a bench.
    arguments.test_threads = Some(1);
    let path = std::env::var_os("HIL_BENCH").map_or("hil-tests/benches/virtual.toml".into(), PathBuf::from);
    let bench = match Bench::read(&path) {
        Ok(bench) => Arc::new(bench),
        Err(what) => {
            eprintln!("{what}");
            return ExitCode::FAILURE;
        }
    };
    let able = bench.abilities();
    let trials = STORIES.iter().map(|story| {
        let lacking: Vec<_> = story.needs.iter().copied().filter(|need| !able.contains(*need)).collect();
        let set_up = bench.clone();
        let trial = Trial::test(story.name, move || {
            (story.tell)(rig::Rig::set_up(&set_up));
            Ok(())
        });
        match lacking.is_empty() {
            true => trial.with_kind(&bench.name),
            false => trial.with_kind(format!("skipped: needs {}", lacking.join(", "))).with_ignored_flag(true),
        }
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
