//! The series of a histogram family, put together again: a snapshot has them by name, the page shows them by label set.

use crate::metric::labels::Labels;
use crate::metric::latest::Sample;
use std::collections::BTreeMap;

/// One histogram: what stands on the page under one set of labels.
#[derive(Debug, Default, PartialEq)]
pub struct Histogram {
    /// Bound and cumulative count; rising, the infinite one last.
    pub buckets: Vec<(f64, f64)>,
    pub sum: f64,
    pub count: f64,
}

/// By their labels without `le`. `rows` are those of one family, the part's name at the end of each name.
pub fn gather(rows: &[&Sample]) -> BTreeMap<Labels, Histogram> {
    let mut all: BTreeMap<Labels, Histogram> = BTreeMap::new();
    for Sample { meta, value } in rows {
        let one = all.entry(meta.labels.without(&["le"])).or_default();
        let name = &*meta.family.name;
        if name.ends_with("_sum") {
            one.sum = *value;
        } else if name.ends_with("_count") {
            one.count = *value;
        } else if let Some(le) = meta.labels.get("le") {
            let bound = if le == "+Inf" { f64::INFINITY } else { le.parse().unwrap_or(f64::NAN) };
            one.buckets.push((bound, *value));
        }
    }
    for one in all.values_mut() {
        one.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    all
}
