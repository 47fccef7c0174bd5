//! Prometheus text format 0.0.4, by our own small writer: the library writes OpenMetrics only.

use super::number;
use crate::metric::desc::{Family, Kind};
use crate::metric::labels::{Labels, escape};
use crate::metric::latest::Sample;
use std::borrow::Cow;
use std::fmt::{self, Write};

/// Labels that tell apart the series of one histogram or summary.
const INNER: [&str; 2] = ["le", "quantile"];

/// Writes rows family by family, each under its head. They come by name, and that of `x_bytes` stands between those of a
/// histogram `x`.
pub fn encode<'a>(
    mut rows: Vec<&'a Sample>,
    mut head: impl FnMut(&'a Family, &mut String) -> fmt::Result,
    out: &mut String,
) -> fmt::Result {
    rows.sort_by(|a, b| a.meta.family.stem().cmp(b.meta.family.stem()));
    for rows in rows.chunk_by_mut(|a, b| a.meta.family.stem() == b.meta.family.stem()) {
        let family = &rows[0].meta.family;
        head(family, out)?;
        if matches!(family.kind, Kind::Histogram | Kind::Summary) {
            rows.sort_by_cached_key(|row| place(row));
        }
        for row in rows {
            line(row, out)?;
        }
    }
    Ok(())
}

/// Where a series stands in its histogram or summary: one label set after another, its buckets or quantiles rising, then
/// sum and count.
fn place(row: &Sample) -> (Labels, u8, i64) {
    let labels = &row.meta.labels;
    let part = match row.meta.family.name.strip_prefix(row.meta.family.stem()) {
        Some("_sum") => 1,
        Some("_count") => 2,
        _ => 0,
    };
    let bound = INNER.iter().find_map(|name| labels.get(name)).and_then(|bound| bound.parse::<f64>().ok());
    // The bits of a double rise with it, and those of a negative one fall.
    let bits = bound.unwrap_or(f64::NAN).to_bits().cast_signed();
    (labels.without(&INNER), part, if bits < 0 { !bits ^ i64::MIN } else { bits })
}

fn line(Sample { meta, value }: &Sample, out: &mut String) -> fmt::Result {
    out.push_str(&meta.family.name);
    for (n, (name, value)) in meta.labels.iter().enumerate() {
        out.push(if n == 0 { '{' } else { ',' });
        out.push_str(name);
        out.push_str("=\"");
        escape(value, out)?;
        out.push('"');
    }
    out.push_str(if meta.labels.is_empty() { " " } else { "} " });
    number::write(*value, out)?;
    out.push('\n');
    Ok(())
}

pub fn head(family: &Family, out: &mut String) -> fmt::Result {
    if !family.help.is_empty() {
        write!(out, "# HELP {} ", family.stem())?;
        for c in help(family).chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                c => out.push(c),
            }
        }
        out.push('\n');
    }
    let kind = match family.kind {
        Kind::Counter => "counter",
        Kind::Gauge | Kind::Info => "gauge",
        Kind::Histogram => "histogram",
        Kind::Summary => "summary",
        Kind::Unknown => "untyped",
    };
    writeln!(out, "# TYPE {} {kind}", family.stem())
}

/// A help text with its full stop; that of another exporter as it is.
pub fn help(family: &Family) -> Cow<'_, str> {
    let text = &family.help;
    match family.learned.is_some() || text.ends_with('.') {
        true => Cow::Borrowed(text),
        false => Cow::Owned(format!("{text}.")),
    }
}
