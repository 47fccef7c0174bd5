//! The program: hands argv to the command line and turns its outcome into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(vedette::cli::main())
}
