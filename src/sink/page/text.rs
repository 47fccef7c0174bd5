//! Prometheus text format 0.0.4, by our own small writer: the library writes OpenMetrics only.

use super::{histogram, number};
use crate::metric::desc::{Family, Kind};
use crate::metric::labels::{Labels, escape};
use crate::metric::latest::Sample;
use std::fmt::{self, Write};

/// Writes our rows, one family after another.
pub fn encode(rows: &[&Sample], out: &mut String) -> fmt::Result {
    for rows in rows.chunk_by(|a, b| a.meta.family.stem() == b.meta.family.stem()) {
        let family = &rows[0].meta.family;
        head(family, out)?;
        if family.kind == Kind::Histogram {
            for (labels, one) in histogram::gather(rows) {
                for (_, le, count) in &one.buckets {
                    line([family.stem(), "_bucket"], &labels.with([("le", le.as_str())]), *count, out)?;
                }
                line([family.stem(), "_sum"], &labels, one.sum, out)?;
                line([family.stem(), "_count"], &labels, one.count, out)?;
            }
        } else {
            for row in rows {
                line([&family.name, ""], &row.meta.labels, row.value, out)?;
            }
        }
    }
    Ok(())
}

pub fn line(name: [&str; 2], labels: &Labels, value: f64, out: &mut String) -> fmt::Result {
    name.iter().for_each(|part| out.push_str(part));
    for (n, (name, value)) in labels.iter().enumerate() {
        out.push(if n == 0 { '{' } else { ',' });
        out.push_str(name);
        out.push_str("=\"");
        escape(value, out)?;
        out.push('"');
    }
    out.push_str(if labels.is_empty() { " " } else { "} " });
    number::write(value, out)?;
    out.push('\n');
    Ok(())
}

pub fn head(family: &Family, out: &mut String) -> fmt::Result {
    if !family.help.is_empty() {
        write!(out, "# HELP {} ", family.stem())?;
        for c in help(&family.help).chars() {
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

/// A help text with its full stop.
pub fn help(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}
