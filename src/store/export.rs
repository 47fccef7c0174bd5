//! What was kept, as an OpenMetrics file for `promtool tsdb create-blocks-from openmetrics`.
//!
//! The format wants all samples of a series together, and the file has them by time; so the file is read once to count
//! and then once for every few million samples, which is all that is ever in memory.

use crate::base::clock::Wall;
use crate::metric::desc::Kind;
use crate::metric::labels::Labels;
use crate::store::dictionary::Named;
use crate::store::frame::Cell;
use crate::store::read::{Past, Place, ReadError, Span};
use crate::store::writer::Dirs;
use std::collections::HashMap;
use std::io::Write;

/// Samples in memory at most, unless one series alone has more: 64 MiB.
const BATCH: u64 = 4 << 20;

/// What an export wrote, and what it left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    pub series: u64,
    pub samples: u64,
    /// Written with a time reckoned from when the clock became trusted in the same boot.
    pub retimed: u64,
    /// Samples left out because the clock was never trusted in their boot.
    pub untimed: u64,
    /// Frames left out because they are broken.
    pub broken: u64,
    /// First and last time written.
    pub times: Option<Span>,
}

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("cannot read what is kept")]
    Read(#[from] ReadError),
    #[error("cannot write the export")]
    Write(#[from] std::io::Error),
}

/// Writes every sample of `span` to `out`, by family, then series, then time, in seconds with milliseconds. `extra`
/// labels (job, instance) are put over those of each series, as a server that scrapes us would. Stale markers have no place in the format and are left out,
/// and so is what has no trusted time,
/// unless `untrusted` takes the box's own clock for it. `progress` gets frames read and frames to read in all.
///
/// # Errors
/// What is kept cannot be read, or `out` not be written.
pub fn export(
    dirs: &Dirs,
    span: Span,
    extra: &[(&str, &str)],
    untrusted: bool,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Summary, ExportError> {
    let extra = Labels::new(extra.iter().copied());
    let mut past = Past::open(dirs)?;
    if untrusted {
        past.believe();
    }
    let (places, unknown) = past.frames(&span);
    let mut summary = Summary { untimed: unknown.iter().map(|p| p.head.samples).sum(), ..Summary::default() };
    let mut reading = Reading { past: &past, places: &places, span, read: 0, total: places.len() as u64, progress };
    let counts = reading.count(&mut summary)?;
    let mut series: Vec<(u32, &Named, String)> = past
        .series()
        .filter(|(number, _)| counts.contains_key(number))
        .map(|(number, named)| (number, named, named.labels.under(&extra).to_string()))
        .collect();
    series.sort_by(|a, b| (&a.1.name, &a.2).cmp(&(&b.1.name, &b.2)));
    summary.series = series.len() as u64;
    let batches = batches(&series, &counts);
    reading.total += (batches.len() * places.len()) as u64;
    let mut family = "";
    for batch in batches {
        let mut samples = reading.samples(batch)?;
        for (number, named, labels) in batch {
            if family != named.name {
                family = &named.name;
                write_family(named, out)?;
            }
            write_series(&named.name, labels, samples.remove(number).unwrap_or_default(), &mut summary, out)?;
        }
    }
    out.write_all(b"# EOF\n")?;
    out.flush()?;
    Ok(summary)
}

/// Cuts the series into runs that have at most [`BATCH`] samples, at least one series each.
fn batches<'a>(
    mut series: &'a [(u32, &'a Named, String)],
    counts: &HashMap<u32, u64>,
) -> Vec<&'a [(u32, &'a Named, String)]> {
    let mut batches = Vec::new();
    while !series.is_empty() {
        let mut sum = 0;
        let count = series.iter().take_while(|(number, ..)| {
            sum += counts.get(number).copied().unwrap_or(0);
            sum <= BATCH
        });
        let (batch, rest) = series.split_at(count.count().max(1));
        batches.push(batch);
        series = rest;
    }
    batches
}

struct Reading<'a> {
    past: &'a Past,
    places: &'a [&'a Place],
    span: Span,
    read: u64,
    total: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl Reading<'_> {
    /// Calls `each` for every value in the span that has a time, of the series that are `wanted`.
    fn walk(
        &mut self,
        wanted: impl Fn(u32) -> bool,
        mut each: impl FnMut(u32, Wall, f64, bool),
        summary: Option<&mut Summary>,
    ) -> Result<(), ReadError> {
        let (mut untimed, mut broken) = (0, 0);
        for place in self.places {
            self.read += 1;
            (self.progress)(self.read, self.total);
            let frame = match self.past.load(place, &wanted)? {
                Some(Ok(frame)) => frame,
                Some(Err(_)) => {
                    broken += 1;
                    continue;
                }
                None => continue,
            };
            let times: Vec<_> = frame.steps.iter().map(|step| place.time(step)).collect();
            for column in &frame.columns {
                for (cell, time) in column.cells.iter().zip(&times) {
                    match (cell, time) {
                        (Cell::Value(value), Some((at, retimed))) if self.span.holds(*at) => {
                            each(column.series, *at, *value, *retimed);
                        }
                        (Cell::Value(_), None) => untimed += 1,
                        _ => {}
                    }
                }
            }
        }
        if let Some(summary) = summary {
            summary.untimed += untimed;
            summary.broken += broken;
        }
        Ok(())
    }

    /// Samples by series.
    fn count(&mut self, summary: &mut Summary) -> Result<HashMap<u32, u64>, ReadError> {
        let mut counts = HashMap::new();
        let mut all = 0;
        let count = |series, _, _, retimed| {
            *counts.entry(series).or_insert(0) += 1;
            all += u64::from(retimed);
        };
        self.walk(|_| true, count, Some(summary))?;
        summary.retimed = all;
        Ok(counts)
    }

    fn samples(&mut self, batch: &[(u32, &Named, String)]) -> Result<HashMap<u32, Vec<(i64, f64)>>, ReadError> {
        let mut samples: HashMap<u32, Vec<_>> = batch.iter().map(|(number, ..)| (*number, Vec::new())).collect();
        let wanted: std::collections::HashSet<u32> = samples.keys().copied().collect();
        let each = |series, at: Wall, value, _| {
            if let Some(of_series) = samples.get_mut(&series) {
                of_series.push((at.as_millis(), value));
            }
        };
        self.walk(|series| wanted.contains(&series), each, None)?;
        Ok(samples)
    }
}

fn write_family(named: &Named, out: &mut dyn Write) -> std::io::Result<()> {
    // OpenMetrics names a family without the suffix that its kind gives the samples.
    let (name, kind) = match named.kind {
        Kind::Counter => (named.name.strip_suffix("_total"), "counter"),
        Kind::Info => (named.name.strip_suffix("_info"), "info"),
        Kind::Gauge => (Some(&*named.name), "gauge"),
        // The format wants the series of a histogram together for each time, and ours stand one after another. The types
        // are for people; a block has none.
        Kind::Histogram | Kind::Summary | Kind::Unknown => (None, "unknown"),
    };
    let (name, kind) = name.map_or((&*named.name, "unknown"), |name| (name, kind));
    writeln!(out, "# TYPE {name} {kind}")?;
    if named.help.is_empty() {
        return Ok(());
    }
    let help = named.help.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    writeln!(out, "# HELP {name} {help}")
}

fn write_series(
    name: &str,
    labels: &str,
    mut samples: Vec<(i64, f64)>,
    summary: &mut Summary,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    // A wall clock that was set back says times twice; the first stands, as it does at a receiver.
    samples.sort_by_key(|(ms, _)| *ms);
    samples.dedup_by_key(|(ms, _)| *ms);
    for (ms, value) in &samples {
        let (sign, ms) = (if *ms < 0 { "-" } else { "" }, ms.unsigned_abs());
        // Debug writes the fewest digits that read back as the same number, with an exponent where that is shorter.
        writeln!(out, "{name}{labels} {value:?} {sign}{}.{:03}", ms / 1000, ms % 1000)?;
    }
    summary.samples += samples.len() as u64;
    if let (Some((first, _)), Some((last, _))) = (samples.first(), samples.last()) {
        let (from, to) = (Wall::from_millis(*first), Wall::from_millis(*last));
        let times = summary.times.get_or_insert(Span { from, to });
        *times = Span { from: times.from.min(from), to: times.to.max(to) };
    }
    Ok(())
}
