//! `vedette export`: history as OpenMetrics.

use super::{Dirs, Outcome};
use crate::base::clock::{Clock, Wall};
use crate::base::settings::parse_duration;
use crate::store::{self, Span, Summary};
use crate::world::clock;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::{BufWriter, Write};
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
    /// Also write samples of boots in which nothing ever disciplined the clock, by the box's own clock
    #[arg(long)]
    untrusted: bool,
    /// Write to this file; standard output when left out
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    dirs: Dirs,
}

impl Export {
    pub(super) fn main(self) -> Outcome {
        let now = Clock::new(clock::System).now().wall;
        let to = self.to.as_deref().map_or(Ok(now), |text| time(text, now))?;
        let span = Span { from: time(&self.from, now)?, to };
        if span.from > span.to {
            return Err(Backwards(span.from, span.to).into());
        }
        let dirs = store::Dirs { state: self.dirs.state_dir, runtime: self.dirs.runtime_dir };
        let labels = [("job", self.job), ("instance", self.instance)];
        let extra: Vec<_> = labels.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
        let mut out: Box<dyn Write> = match &self.output {
            Some(path) => Box::new(BufWriter::new(File::create(path).map_err(|e| CannotMake(path.clone(), e))?)),
            None => Box::new(BufWriter::new(std::io::stdout().lock())),
        };
        // Drawn on a terminal only; a script that keeps stderr gets the summary alone.
        let bar = ProgressBar::new(0).with_style(
            ProgressStyle::with_template("{wide_bar} {pos}/{len} frames, {eta} left")
                .unwrap_or(ProgressStyle::default_bar()),
        );
        let summary = store::export(&dirs, span, &extra, self.untrusted, &mut *out, &mut |read, all| {
            bar.set_length(all);
            bar.set_position(read);
        })?;
        bar.finish_and_clear();
        eprintln!("{} samples of {} series{}", summary.samples, summary.series, remarks(&summary));
        Ok(0)
    }
}

/// What was not written as it was taken, in words.
fn remarks(summary: &Summary) -> String {
    let mut text = String::new();
    if let Some(times) = &summary.times {
        text.push_str(&format!(" from {} to {}", times.from, times.to));
    }
    if summary.retimed > 0 {
        text.push_str(&format!("; {} taken while nothing disciplined the clock, timed by boot time", summary.retimed));
    }
    if summary.untimed > 0 {
        text.push_str(&format!(
            "; {} left out because nothing disciplined the clock in their boot (--untrusted writes them)",
            summary.untimed
        ));
    }
    if summary.broken > 0 {
        text.push_str(&format!("; {} broken frames left out", summary.broken));
    }
    text
}

#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a time; write 2026-11-20T18:00:00Z, or how long ago: 30m, 2h, 7d")]
struct NotATime(String);

#[derive(Debug, thiserror::Error)]
#[error("nothing lies from {0} to {1}; --from must be the earlier one")]
struct Backwards(Wall, Wall);

#[derive(Debug, thiserror::Error)]
#[error("cannot make {}", .0.display())]
struct CannotMake(PathBuf, #[source] std::io::Error);

/// `2h` → two hours before now; otherwise RFC 3339.
fn time(text: &str, now: Wall) -> Result<Wall, NotATime> {
    if let Some(ago) = parse_duration(text) {
        return Ok(now.minus(ago));
    }
    let stamp: jiff::Timestamp = text.parse().map_err(|_| NotATime(text.to_owned()))?;
    Ok(Wall::from_millis(stamp.as_millisecond()))
}
