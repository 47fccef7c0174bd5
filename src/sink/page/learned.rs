//! Families learned from other exporters, in both formats. They are told as they were said, `le="1"` and a sum of NaN
//! included: what a server gets through us is what it would have got from them. The library would write its own.

use super::accept::Format;
use super::text::{self, help};
use crate::metric::desc::{Family, Kind};
use crate::metric::labels::escape;
use crate::metric::latest::Sample;
use std::collections::HashSet;
use std::fmt::{self, Write};

/// Labels that tell apart the series of one histogram or summary.
const INNER: [&str; 2] = ["le", "quantile"];

/// Writes learned rows, which are by name and then labels. `taken`: names of OpenMetrics families that stand on the page.
pub fn encode<'a>(
    mut rows: Vec<&'a Sample>,
    mut taken: HashSet<&'a str>,
    format: Format,
    out: &mut String,
) -> fmt::Result {
    taken.extend(rows.iter().map(|row| row.meta.family.stem()));
    rows.sort_by(|a, b| a.meta.family.stem().cmp(b.meta.family.stem()));
    for rows in rows.chunk_by_mut(|a, b| a.meta.family.stem() == b.meta.family.stem()) {
        let family = &rows[0].meta.family;
        match format {
            Format::Text => text::head(family, out)?,
            Format::OpenMetrics => head(family, &taken, out)?,
        }
        if matches!(family.kind, Kind::Histogram | Kind::Summary) {
            rows.sort_by_cached_key(|row| place(row));
        }
        for row in rows {
            text::line([&row.meta.family.name, ""], &row.meta.labels, row.value, out)?;
        }
    }
    Ok(())
}

/// Where a series stands in its histogram or summary: one label set after another, its buckets or quantiles rising, then
/// sum and count. The number's bits are those of a positive double, which sort as it does.
fn place(row: &Sample) -> (crate::metric::labels::Labels, &'static str, u64, String) {
    let labels = &row.meta.labels;
    let end = ["_sum", "_count"].into_iter().find(|end| row.meta.family.name.ends_with(end));
    let end = end.filter(|_| *row.meta.family.name != *row.meta.family.stem()).unwrap_or("");
    let inner = INNER.iter().find_map(|name| labels.get(name)).unwrap_or("");
    let number = inner.parse::<f64>().unwrap_or(f64::NAN).max(0.0);
    let rank = match end {
        "" => "",
        "_sum" => "a",
        _ => "b",
    };
    (labels.without(&INNER), rank, number.to_bits(), inner.to_owned())
}

/// OpenMetrics names the family of a counter without `_total`. Where the page has that name as well (`x` beside `x_total`,
/// as in every Go program), or the counter lacks the ending, it is told as of unknown type.
fn head(family: &Family, taken: &HashSet<&str>, out: &mut String) -> fmt::Result {
    let (stem, root) = (family.stem(), family.root());
    let free = root != stem && !taken.contains(root);
    let (name, kind) = match family.kind {
        Kind::Counter if free => (root, "counter"),
        Kind::Info if free => (root, "info"),
        Kind::Gauge => (stem, "gauge"),
        Kind::Histogram => (stem, "histogram"),
        Kind::Summary => (stem, "summary"),
        Kind::Counter | Kind::Info | Kind::Unknown => (stem, "unknown"),
    };
    if !family.help.is_empty() {
        write!(out, "# HELP {name} ")?;
        escape(&help(&family.help), out)?;
        out.push('\n');
    }
    writeln!(out, "# TYPE {name} {kind}")
}
