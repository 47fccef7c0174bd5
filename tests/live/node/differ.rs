//! Which differences between a page of node_exporter and one of ours are meant. The QEMU tests use this file too.

use super::page::Page;
use std::collections::{BTreeMap, BTreeSet};

const README: &str = include_str!("../../../src/probe/node/README.md");

/// How series may differ.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Differs {
    TheirsOnly,
    OursOnly,
    Value,
}

/// The exceptions that hold in one place, and which of them were needed.
pub struct Exceptions {
    /// Collectors of theirs that we do not have.
    pub collectors: Vec<&'static str>,
    /// By the beginning of `name{labels}`.
    series: Vec<(&'static str, Differs)>,
    used: BTreeSet<&'static str>,
}

/// The cells of the table below a heading, row by row, without the backticks of the first.
fn rows<const N: usize>(heading: &str) -> Vec<[&'static str; N]> {
    let (_, below) = README.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("{heading} is gone"));
    let lines = below.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &'static str| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        <[&str; N]>::try_from(cells).unwrap_or_else(|_| panic!("{N} cells: {line}"))
    };
    // Behind the names of the columns and the rule below them.
    lines.skip(2).map(cells).collect()
}

impl Exceptions {
    pub fn on(place: &str) -> Exceptions {
        let collectors = rows("### Collectors that are not ours").into_iter().map(|[name, _why]| name).collect();
        let differs = |differs: &str| match differs {
            "theirs only" => Differs::TheirsOnly,
            "ours only" => Differs::OursOnly,
            "value" => Differs::Value,
            other => panic!("{other}"),
        };
        let here = rows("### Series that differ").into_iter().filter(|[_, _, on, _]| *on == place || *on == "both");
        let series = here.map(|[start, how, _, _why]| (start, differs(how))).collect();
        Exceptions { collectors, series, used: BTreeSet::new() }
    }

    fn allow(&mut self, series: &str, how: Differs) -> bool {
        let collector = series.strip_prefix("node_scrape_collector_").and_then(|rest| rest.split('"').nth(1));
        let collector = self.collectors.iter().copied().find(|name| collector == Some(name));
        let collector = collector.filter(|_| how == Differs::TheirsOnly);
        let named = || self.series.iter().find(|(start, differs)| series.starts_with(start) && *differs == how);
        let found = collector.or_else(|| named().map(|(start, _)| *start));
        self.used.extend(found);
        found.is_some()
    }

    pub fn unused(&self) -> Vec<&'static str> {
        let all = self.collectors.iter().chain(self.series.iter().map(|(start, _)| start));
        all.copied().filter(|name| !self.used.contains(name)).collect()
    }
}

/// What is wrong in one round; series are taken off `pending` as their values are seen to agree.
pub fn differences(
    [before, theirs, after]: [&Page; 3],
    exceptions: &mut Exceptions,
    pending: &mut BTreeMap<String, String>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let names: BTreeSet<_> = theirs.values.keys().chain(after.values.keys()).collect();
    for series in names {
        let (value, now) = match (theirs.values.get(series), after.values.get(series)) {
            (Some(value), Some(now)) => (value, now),
            (theirs, _) => {
                let how = if theirs.is_some() { Differs::TheirsOnly } else { Differs::OursOnly };
                if !exceptions.allow(series, how) {
                    wrong.push(format!("{how:?}: {series}"));
                }
                continue;
            }
        };
        let name = series.split('{').next().unwrap();
        let (their_type, our_type) = (theirs.types.get(name), after.types.get(name));
        if their_type != our_type {
            wrong.push(format!("{name} is a {our_type:?}, theirs a {their_type:?}"));
        }
        if exceptions.allow(series, Differs::Value) {
            continue;
        }
        let was = before.values.get(series).unwrap_or(now);
        // The same number, written by two programs.
        let slack = 1e-9 * now.abs().max(was.abs());
        if value.to_bits() == now.to_bits() || *value >= was.min(*now) - slack && *value <= was.max(*now) + slack {
            pending.insert(series.clone(), String::new());
        } else {
            pending.entry(series.clone()).or_insert_with(|| format!("{series}: {value}, ours {was} and then {now}"));
        }
    }
    wrong
}
