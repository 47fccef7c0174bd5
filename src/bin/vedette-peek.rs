//! The small privileged reader: hands `vedette` the numbers about encoders that only their own users may read.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(vedette::cli::peek::main())
}
