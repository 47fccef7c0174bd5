//! Writes the seeds below the folder named by the only argument, one folder per target.

use std::{env, fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::args_os().nth(1).ok_or(io::ErrorKind::InvalidInput)?);
    for (n, (target, bytes)) in vedette_fuzz::seeds().into_iter().enumerate() {
        fs::create_dir_all(root.join(target))?;
        fs::write(root.join(target).join(format!("seed-{n}")), bytes)?;
    }
    Ok(())
}
