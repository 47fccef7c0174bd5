//! What goes out while the look lasts: cues to stdout at once, progress to stderr where that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use std::io::Write;

pub(super) struct Voice {
    json: bool,
    bar: ProgressBar,
}

impl Voice {
    pub(super) fn new(json: bool) -> Voice {
        // Drawn on a terminal only.
        let style = ProgressStyle::with_template("{spinner} {percent:>3}%  {msg}");
        let bar = ProgressBar::new(100).with_style(style.unwrap_or(ProgressStyle::default_spinner()));
        Voice { json, bar }
    }

    /// Something happened: as a line, or as an object.
    pub(super) fn tell(&self, text: Option<String>, object: impl FnOnce() -> Value) {
        let line = if self.json { Some(object().to_string()) } else { text };
        if let Some(line) = line {
            self.bar.suspend(|| say(&line));
        }
    }

    /// How it stands; `done`: share of the look.
    pub(super) fn progress(&self, done: f64, text: String) {
        self.bar.set_position((done * 100.0) as u64);
        self.bar.set_message(text);
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// A line to stdout. A reader that went away has heard enough; the exit code still tells.
pub(super) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _gone = writeln!(out, "{line}").and_then(|()| out.flush());
}
