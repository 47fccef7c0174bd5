//! Functions of one element, of time, and of labels.

use crate::metric::labels::Labels;
use crate::query::plan::EachFn;
use crate::query::quantile::of_buckets;
use crate::query::{Compat, NAME, Point};
use regex::Regex;
use std::collections::BTreeMap;
use std::f64::consts::PI;

/// The element-wise function of that name, with its number of scalar arguments (least, most).
pub(crate) fn each(name: &str) -> Option<(EachFn, usize, usize)> {
    let plain = |f| Some((EachFn(f), 0, 0));
    match name {
        "abs" => plain(|v, _| Some(v.abs())),
        "ceil" => plain(|v, _| Some(v.ceil())),
        "floor" => plain(|v, _| Some(v.floor())),
        "exp" => plain(|v, _| Some(v.exp())),
        "ln" => plain(|v, _| Some(v.ln())),
        "log2" => plain(|v, _| Some(v.log2())),
        "log10" => plain(|v, _| Some(v.log10())),
        "sqrt" => plain(|v, _| Some(v.sqrt())),
        "sgn" => plain(|v, _| Some(if v == 0.0 || v.is_nan() { v } else { v.signum() })),
        "sin" => plain(|v, _| Some(v.sin())),
        "cos" => plain(|v, _| Some(v.cos())),
        "tan" => plain(|v, _| Some(v.tan())),
        "asin" => plain(|v, _| Some(v.asin())),
        "acos" => plain(|v, _| Some(v.acos())),
        "atan" => plain(|v, _| Some(v.atan())),
        "sinh" => plain(|v, _| Some(v.sinh())),
        "cosh" => plain(|v, _| Some(v.cosh())),
        "tanh" => plain(|v, _| Some(v.tanh())),
        "asinh" => plain(|v, _| Some(v.asinh())),
        "acosh" => plain(|v, _| Some(v.acosh())),
        "atanh" => plain(|v, _| Some(v.atanh())),
        "deg" => plain(|v, _| Some(v * 180.0 / PI)),
        "rad" => plain(|v, _| Some(v * PI / 180.0)),
        "round" => {
            let f = |v: f64, args: &[f64]| {
                let inverse = 1.0 / args.first().copied().unwrap_or(1.0);
                Some((v * inverse + 0.5).floor() / inverse)
            };
            Some((EachFn(f), 0, 1))
        }
        "clamp" => {
            let f = |v, args: &[f64]| {
                let (low, high) = (args[0], args[1]);
                if high < low { None } else { Some(higher(low, lower(high, v))) }
            };
            Some((EachFn(f), 2, 2))
        }
        "clamp_max" => Some((EachFn(|v, args| Some(lower(args[0], v))), 1, 1)),
        "clamp_min" => Some((EachFn(|v, args| Some(higher(args[0], v))), 1, 1)),
        _ => None,
    }
}

/// Go's `math.Min`: -Inf wins, then NaN.
fn lower(a: f64, b: f64) -> f64 {
    if a == f64::NEG_INFINITY || b == f64::NEG_INFINITY {
        f64::NEG_INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.min(b)
    }
}

/// Go's `math.Max`: +Inf wins, then NaN.
fn higher(a: f64, b: f64) -> f64 {
    -lower(-a, -b)
}

/// Parts of the UTC date of an instant in Unix s. Their argument defaults to `vector(time())`.
pub(crate) fn date(name: &str) -> Option<EachFn> {
    Some(EachFn(match name {
        "minute" => |v, _| civil(v, |t| t.minute().into()),
        "hour" => |v, _| civil(v, |t| t.hour().into()),
        "day_of_week" => |v, _| civil(v, |t| t.weekday().to_sunday_zero_offset().into()),
        "day_of_month" => |v, _| civil(v, |t| t.day().into()),
        "day_of_year" => |v, _| civil(v, |t| t.day_of_year().into()),
        "days_in_month" => |v, _| civil(v, |t| t.days_in_month().into()),
        "month" => |v, _| civil(v, |t| t.month().into()),
        "year" => |v, _| civil(v, |t| t.year().into()),
        _ => return None,
    }))
}

/// NaN for an instant outside the years -9999 to 9999.
fn civil(seconds: f64, part: fn(jiff::civil::DateTime) -> f64) -> Option<f64> {
    let instant = jiff::Timestamp::from_second(seconds as i64).ok();
    let utc = instant.filter(|_| seconds.is_finite()).map(|t| jiff::tz::Offset::UTC.to_datetime(t));
    Some(utc.map_or(f64::NAN, part))
}

/// `label_replace`: where `pattern` matches the source label, the target label becomes `with`, its `$1`s filled in.
pub(crate) fn label_replace(labels: &Labels, target: &str, with: &str, source: &str, pattern: &Regex) -> Labels {
    match pattern.captures(labels.get(source).unwrap_or("")) {
        None => labels.clone(),
        Some(found) => {
            let mut value = String::new();
            found.expand(with, &mut value);
            labels.with([(target, value.as_str())])
        }
    }
}

/// `label_join`: the target label becomes the source labels' values with `between` between them.
pub(crate) fn label_join(labels: &Labels, target: &str, between: &str, sources: &[String]) -> Labels {
    let values: Vec<_> = sources.iter().map(|s| labels.get(s).unwrap_or("")).collect();
    labels.with([(target, values.join(between).as_str())])
}

/// `histogram_quantile` of classic buckets; elements without a readable `le` are left out.
pub(crate) fn histogram_quantile(q: f64, of: &[Point], compat: Compat) -> Vec<Point> {
    let mut histograms: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for point in of {
        let Some(bound) = point.labels.get("le").and_then(bound) else { continue };
        histograms.entry(point.labels.without(&["le"])).or_default().push((bound, point.value));
    }
    histograms
        .into_iter()
        .map(|(labels, buckets)| Point { labels: labels.without(&[NAME]), value: of_buckets(q, buckets, compat) })
        .collect()
}

/// A bucket's upper bound.
fn bound(text: &str) -> Option<f64> {
    text.parse().ok()
}
