//! `vedette export`: history as OpenMetrics.

use super::{Dirs, Outcome};
use crate::base::clock::{Clock, Wall};
use crate::base::settings::parse_duration;
use crate::world::clock;
use clap::Args;
use std::path::PathBuf;

/// Write history as OpenMetrics, for `promtool tsdb create-blocks-from openmetrics`
#[derive(Args)]
#[command(after_help = "Examples:
  vedette export --from 2h > last-two-hours.om
  vedette export --from 2026-11-20T18:00:00Z --to 2026-11-20T20:00:00Z --job vedette --instance nvr-7:9090 -o gap.om
  promtool tsdb create-blocks-from openmetrics gap.om data/")]
pub(super) struct Export {
    /// Begin: a time (2026-11-20T18:00:00Z) or how long ago (2h)
    #[arg(long)]
    from: String,
    /// End, likewise; now when left out
    #[arg(long)]
    to: Option<String>,
    /// Label every series so, as the central Prometheus does
    #[arg(long)]
    job: Option<String>,
    /// Label every series so, as the central Prometheus does
    #[arg(long)]
    instance: Option<String>,
    /// Write to this file; standard output when left out
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    dirs: Dirs,
}

#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a time; write 2026-11-20T18:00:00Z, or how long ago: 30m, 2h, 7d")]
struct NotATime(String);

/// `2h` → two hours before now; otherwise RFC 3339.
fn time(text: &str) -> Result<Wall, NotATime> {
    let now = Clock::new(clock::System).now();
    if let Some(ago) = parse_duration(text) {
        return Ok(now.wall.minus(ago));
    }
    let stamp: jiff::Timestamp = text.parse().map_err(|_| NotATime(text.to_owned()))?;
    Ok(Wall::from_millis(stamp.as_millisecond()))
}

impl Export {
    pub(super) fn main(self) -> Outcome {
        Ok(ExitCode::SUCCESS)
    }
}
