//! OpenMetrics 1.0.0, by prometheus-client's encoder over a snapshot. The last lines that know prometheus-client. Families
//! learned from other exporters are told as they were said, `le="1"` and a sum of NaN included; the library would write its
//! own.

use super::text::help;
use super::{histogram, text};
use crate::metric::desc::{Family, Kind};
use crate::metric::labels::{Labels, escape};
use crate::metric::latest::{Sample, Snapshot};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabel, EncodeLabelSet, LabelSetEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::collections::HashSet;
use std::fmt::{self, Write};
use std::sync::Arc;

/// Writes all series of a snapshot and the closing `# EOF`.
pub fn encode(snapshot: &Arc<Snapshot>, out: &mut String) -> fmt::Result {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Rows(snapshot.clone())));
    prometheus_client::encoding::text::encode_registry(out, &registry)?;
    let (ours, learned): (Vec<_>, Vec<_>) = snapshot.rows.iter().partition(|row| row.meta.family.learned.is_none());
    if !learned.is_empty() {
        let mut taken = ours.iter().map(|row| row.meta.family.root()).collect::<HashSet<_>>();
        taken.extend(learned.iter().map(|row| row.meta.family.stem()));
        text::encode(learned, |family, out| head(family, &mut taken, out), out)?;
    }
    prometheus_client::encoding::text::encode_eof(out)
}

/// The family of a counter is told without `_total`, that of an info without `_info`. Where that name is taken (`x` beside
/// `x_total`, as in every Go program), or they lack the ending, they are told as of unknown type.
fn head<'a>(family: &'a Family, taken: &mut HashSet<&'a str>, out: &mut String) -> fmt::Result {
    let (stem, root) = (family.stem(), family.root());
    let mut free = || root != stem && taken.insert(root);
    let (name, kind) = match family.kind {
        Kind::Counter if free() => (root, "counter"),
        Kind::Info if free() => (root, "info"),
        Kind::Gauge => (stem, "gauge"),
        Kind::Histogram => (stem, "histogram"),
        Kind::Summary => (stem, "summary"),
        Kind::Counter | Kind::Info | Kind::Unknown => (stem, "unknown"),
    };
    if !family.help.is_empty() {
        write!(out, "# HELP {name} ")?;
        escape(&help(family), out)?;
        out.push('\n');
    }
    writeln!(out, "# TYPE {name} {kind}")
}

#[derive(Debug)]
struct Rows(Arc<Snapshot>);

impl Collector for Rows {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let ours: Vec<_> = self.0.rows.iter().filter(|row| row.meta.family.learned.is_none()).collect();
        for rows in ours.chunk_by(|a, b| a.meta.family.stem() == b.meta.family.stem()) {
            family(&rows[0].meta.family, rows, &mut encoder)?;
        }
        Ok(())
    }
}

fn family(family: &Family, rows: &[&Sample], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    // The library appends what the kind demands. A family that lacks it keeps its name, and is typed as what such a name
    // can be.
    let (kind, name) = match family.kind {
        Kind::Counter => suffixed(family, MetricType::Counter, "_total", MetricType::Unknown),
        Kind::Info => suffixed(family, MetricType::Info, "_info", MetricType::Gauge),
        Kind::Gauge => (MetricType::Gauge, &*family.name),
        Kind::Histogram => (MetricType::Histogram, family.stem()),
        // Summaries are none of ours.
        Kind::Summary | Kind::Unknown => (MetricType::Unknown, &*family.name),
    };
    let mut told = String::new();
    escape(&help(family), &mut told)?;
    let mut metric = encoder.encode_descriptor(name, &told, None, kind)?;
    if let MetricType::Histogram = kind {
        for (labels, one) in histogram::gather(rows) {
            // The library adds up what the buckets have each, and ours are sums already.
            let (mut before, mut buckets) = (0, Vec::with_capacity(one.buckets.len()));
            for (bound, count) in one.buckets {
                buckets.push((bound, (count as u64).saturating_sub(before)));
                before = count as u64;
            }
            let pairs = Pairs(&labels);
            match labels.is_empty() {
                true => metric.encode_histogram::<NoLabelSet>(one.sum, one.count as u64, &buckets, None)?,
                false => metric.encode_family(&pairs)?.encode_histogram::<NoLabelSet>(
                    one.sum,
                    one.count as u64,
                    &buckets,
                    None,
                )?,
            }
        }
        return Ok(());
    }
    for row in rows {
        let pairs = Pairs(&row.meta.labels);
        match kind {
            MetricType::Info => metric.encode_info(&pairs)?,
            MetricType::Counter if pairs.0.is_empty() => {
                metric.encode_counter::<NoLabelSet, f64, f64>(&row.value, None)?
            }
            MetricType::Counter => {
                metric.encode_family(&pairs)?.encode_counter::<NoLabelSet, f64, f64>(&row.value, None)?;
            }
            _ if pairs.0.is_empty() => metric.encode_gauge(&row.value)?,
            _ => metric.encode_family(&pairs)?.encode_gauge(&row.value)?,
        }
    }
    Ok(())
}

fn suffixed<'a>(family: &'a Family, kind: MetricType, suffix: &str, other: MetricType) -> (MetricType, &'a str) {
    match family.name.strip_suffix(suffix) {
        Some(stem) => (kind, stem),
        None => (other, &family.name),
    }
}

#[derive(Debug)]
struct Pairs<'a>(&'a Labels);

impl EncodeLabelSet for Pairs<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        for pair in self.0.iter() {
            pair.encode(encoder.encode_label())?;
        }
        Ok(())
    }
}
