//! What of an exporter is taken, and what a label of it is set to: Prometheus' relabelling, kept to three actions.

use crate::base::label::Label;
use crate::base::settings::Table;
use crate::metric::labels::Labels;
use crate::query::{Compat, NAME, Refused, anchored};
use regex::Regex;

/// Labels that a rule may not set: those that say whose a series is, and those that hold a histogram or summary together.
const FIXED: [&str; 5] = ["scrape_id", "job", "instance", "le", "quantile"];

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Action {
    /// Leaves out what does not match.
    Keep,
    /// Leaves out what matches.
    Drop,
    /// Gives what matches a label.
    Set,
}

impl Label for Action {
    const ALL: &'static [Self] = &[Action::Keep, Action::Drop, Action::Set];
    fn label(self) -> &'static str {
        match self {
            Action::Keep => "keep",
            Action::Drop => "drop",
            Action::Set => "set",
        }
    }
}

/// One step; steps are taken in the order of the file.
#[derive(Debug, Clone)]
pub(super) struct Step {
    action: Action,
    /// The label that is looked at.
    source: String,
    regex: Regex,
    /// Of [`Action::Set`]: name and value.
    set: (String, String),
}

impl Step {
    /// Reads one `[[scrape.relabel]]` table; `None` when it cannot be used.
    pub(super) fn read(table: &Table<'_>) -> Option<Step> {
        if !table.has("action") {
            table.missing("action");
        }
        let action = table.choice("action");
        let source = table.text("source").unwrap_or_else(|| NAME.to_owned());
        let regex = match table.text("regex") {
            Some(text) => pattern(table, &text),
            None if action == Some(Action::Set) => pattern(table, ".*"),
            None => {
                table.missing("regex");
                None
            }
        };
        let set = match action? {
            Action::Set => (name(table)?, table.need_text("value")?),
            Action::Keep | Action::Drop => Default::default(),
        };
        Some(Step { action: action?, source, regex: regex?, set })
    }

    pub(super) fn text(&self) -> String {
        format!("{} {:?} {:?} {:?}", self.action.label(), self.source, self.regex.as_str(), self.set)
    }
}

/// The name of the label to set.
fn name(table: &Table<'_>) -> Option<String> {
    let name = table.need_text("label")?;
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    let good = name.starts_with(begins) && name.chars().all(|c| begins(c) || c.is_ascii_digit());
    if !good || name.starts_with("__") {
        table.mistake("label", format!("`label` is {name:?}"), "write a name of A-Z a-z 0-9 _ without __ in front");
        return None;
    }
    if FIXED.contains(&name.as_str()) {
        table.mistake("label", format!("`{name}` cannot be set"), "take another name");
        return None;
    }
    Some(name)
}

fn pattern(table: &Table<'_>, text: &str) -> Option<Regex> {
    let read = anchored(text, Compat::V3);
    if let Err(Refused::Broken { what } | Refused::Unsupported { what }) = &read {
        table.mistake("regex", what.clone(), "write it as for Prometheus; it is held against the whole text");
    }
    read.ok()
}

/// What the steps make of a series; `None`: it is left out.
pub(super) fn apply(steps: &[Step], name: &str, mut labels: Labels) -> Option<Labels> {
    for step in steps {
        let text = if step.source == NAME { name } else { labels.get(&step.source).unwrap_or("") };
        match (step.action, step.regex.is_match(text)) {
            (Action::Keep, false) | (Action::Drop, true) => return None,
            (Action::Set, true) => labels = labels.with([(step.set.0.as_str(), step.set.1.as_str())]),
            _ => {}
        }
    }
    Some(labels)
}
