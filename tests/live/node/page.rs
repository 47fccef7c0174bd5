//! Pages in text 0.0.4, as series and values.

use std::collections::BTreeMap;

/// What a page says.
#[derive(Debug, Default)]
pub struct Page {
    /// By name and labels in order, as `name{a="b",c="d"}`; empty labels are left out, as Prometheus does.
    pub values: BTreeMap<String, f64>,
    pub types: BTreeMap<String, String>,
}

impl Page {
    pub fn parse(text: &str) -> Page {
        let mut page = Page::default();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                page.types.insert(name.to_owned(), kind.to_owned());
            } else if !line.starts_with('#') && !line.is_empty() {
                let (series, value) = line.rsplit_once(' ').unwrap();
                page.values.insert(sorted(series), value.parse().unwrap());
            }
        }
        page
    }
}

/// The series with its labels in order and without empty ones.
fn sorted(series: &str) -> String {
    let Some((name, rest)) = series.split_once('{') else { return series.to_owned() };
    let mut labels = Vec::new();
    let mut rest = rest.strip_suffix('}').unwrap();
    while let Some((label, behind)) = rest.split_once("=\"") {
        // The end of the value is the first quote without a backslash before it.
        let mut escaped = false;
        let end = behind.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let (value, behind) = behind.split_at(end.unwrap());
        if !value.is_empty() {
            labels.push(format!("{label}=\"{value}\""));
        }
        rest = behind[1..].trim_start_matches(',');
    }
    labels.sort();
    if labels.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", labels.join(",")) }
}
