//! What a look comes to: findings, each with what to do about it, and one word.

use super::figures::{count, span, wrap};
use serde_json::{Value, json};

/// Column at which a finding's text begins, and the longest line.
const MARGIN: usize = 32;
const WIDTH: usize = 108;

/// Something that a technician should know.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finding {
    /// Makes the verdict `unhealthy`; the others are remarks.
    pub(super) fault: bool,
    /// One of a closed set.
    pub(super) code: &'static str,
    pub(super) said: String,
    /// What to do.
    pub(super) hint: &'static str,
}

/// The look was taken.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// How long was looked, in seconds, by the stream's own time where it does not come at its own pace.
    pub(super) seconds: f64,
    pub(super) findings: Vec<Finding>,
    /// What was seen, as text.
    pub(super) text: String,
    /// The same for programs, by name.
    pub(super) data: serde_json::Map<String, Value>,
}

impl Summary {
    pub(super) fn healthy(&self) -> bool {
        !self.findings.iter().any(|f| f.fault)
    }
}

/// There was nothing to look at.
#[derive(Debug)]
pub(super) struct Nothing {
    /// One of the closed sets of reasons.
    pub(super) reason: &'static str,
    pub(super) said: String,
    pub(super) hint: &'static str,
}

pub(super) type Outcome = Result<Summary, Nothing>;

/// 0 healthy, 1 unhealthy, 2 nothing to look at.
pub(super) fn code(outcome: &Outcome) -> u8 {
    match outcome {
        Ok(summary) => u8::from(!summary.healthy()),
        Err(_) => 2,
    }
}

fn word(outcome: &Outcome) -> &'static str {
    ["healthy", "unhealthy", "unreachable"][usize::from(code(outcome))]
}

/// The end of the text: what was seen, what is wrong, the verdict.
pub(super) fn text(shown: &str, outcome: &Outcome) -> String {
    match outcome {
        Ok(summary) => {
            let mut text = format!("\n{shown}, {}\n\n{}\n", span(summary.seconds), summary.text);
            let part = |fault: bool| summary.findings.iter().filter(move |f| f.fault == fault);
            let faults = part(true).count() as u64;
            text.push_str(&match faults {
                0 => "Verdict: HEALTHY\n".to_owned(),
                _ => format!("Verdict: UNHEALTHY, {}\n", count(faults, "fault")),
            });
            part(true).for_each(|f| text.push_str(&finding(f)));
            if part(false).next().is_some() {
                text.push_str("Remarks\n");
                part(false).for_each(|f| text.push_str(&finding(f)));
            }
            text
        }
        Err(nothing) => {
            let lines = wrap(nothing.hint, WIDTH - 2).join("\n  ");
            // Most errors name their reason themselves.
            let reason = if nothing.said.contains(nothing.reason) { "" } else { &format!(" ({})", nothing.reason) };
            format!("{shown}: {}{reason}\n  {lines}\n", nothing.said)
        }
    }
}

fn finding(finding: &Finding) -> String {
    let width = MARGIN - 3;
    let mut text = String::new();
    let lines = wrap(&finding.said, WIDTH - MARGIN).into_iter();
    for (n, line) in lines.chain(wrap(&format!("-> {}", finding.hint), WIDTH - MARGIN)).enumerate() {
        text.push_str(&format!("  {:<width$} {line}\n", if n == 0 { finding.code } else { "" }));
    }
    text
}

/// The last object of `--json`.
pub(super) fn data(shown: &str, outcome: &Outcome) -> Value {
    let mut object = json!({"kind": "summary", "target": shown, "verdict": word(outcome)});
    match outcome {
        Ok(summary) => {
            let list = |fault: bool| -> Value {
                let all = summary.findings.iter().filter(|f| f.fault == fault);
                all.map(|f| json!({"code": f.code, "said": f.said, "hint": f.hint})).collect()
            };
            object["seconds"] = summary.seconds.into();
            object["faults"] = list(true);
            object["remarks"] = list(false);
            for (name, value) in &summary.data {
                object[name.as_str()] = value.clone();
            }
        }
        Err(nothing) => {
            object["reason"] = nothing.reason.into();
            object["said"] = nothing.said.as_str().into();
            object["hint"] = nothing.hint.into();
        }
    }
    object
}
