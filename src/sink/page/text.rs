//! Prometheus text format 0.0.4, by our own small writer: the library writes OpenMetrics only.

use super::number;
use crate::metric::desc::{Family, Kind};
use crate::metric::labels::escape;
use crate::metric::latest::Snapshot;
use std::fmt::{self, Write};

/// Writes all series of a snapshot, one family after another.
pub fn encode(snapshot: &Snapshot, out: &mut String) -> fmt::Result {
    for rows in snapshot.rows.chunk_by(|a, b| a.meta.family.name == b.meta.family.name) {
        let family = &rows[0].meta.family;
        head(family, out)?;
        for row in rows {
            out.push_str(&family.name);
            for (n, (name, value)) in row.meta.labels.iter().enumerate() {
                out.push(if n == 0 { '{' } else { ',' });
                out.push_str(name);
                out.push_str("=\"");
                escape(value, out)?;
                out.push('"');
            }
            out.push_str(if row.meta.labels.is_empty() { " " } else { "} " });
            number::write(row.value, out)?;
            out.push('\n');
        }
    }
    Ok(())
}

fn head(family: &Family, out: &mut String) -> fmt::Result {
    if !family.help.is_empty() {
        write!(out, "# HELP {} ", family.name)?;
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
        Kind::Unknown => "untyped",
    };
    writeln!(out, "# TYPE {} {kind}", family.name)
}

/// A help text with its full stop.
pub fn help(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}
