//! `vedette check`: everything wrong with a configuration or with rule files, at once.

use super::Outcome;
use crate::alert::Standing;
use crate::base::fault::chain;
use crate::base::label::Label;
use crate::base::settings::{Mistake, Severity};
use crate::daemon::catalogue;
use crate::daemon::config::{self, Config, Refused};
use crate::daemon::rules::Rules;
use crate::metric::names::Names;
use crate::query::Compat;
use crate::world::files::Disk;
use crate::world::listener::Gate;
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Check a configuration, or rule files: all mistakes at once, each with line and column; exit code 1 if there are any
#[derive(Args)]
#[command(after_help = "Examples:
  vedette check /etc/vedette/vedette.toml
  vedette check --rules /etc/vedette/rules.d/*.yml
  vedette check --json vedette.toml | jq '.mistakes[]'

A rule is local (judged on this box), foreign (names metrics that this box does not have), unsupported (the function or
modifier is named) or broken. Only broken rules and mistakes make the exit code 1.")]
pub(super) struct Check {
    /// The configuration
    #[arg(required_unless_present = "rules", conflicts_with = "rules")]
    file: Option<PathBuf>,
    /// Rule files, or directories of them
    #[arg(long, num_args = 1.., value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Default)]
struct Findings {
    mistakes: Vec<(String, Mistake)>,
    /// Files that could not be read or used.
    trouble: Vec<String>,
    /// What may be on purpose.
    warnings: Vec<String>,
    rules: Option<Rules>,
}

impl Check {
    pub(super) fn main(self) -> Outcome {
        let mut findings = Findings::default();
        match &self.file {
            Some(path) => findings.configuration(path),
            None => findings.rules(&self.rules, Compat::default(), &catalogue::names(true, &[])),
        }
        if self.json {
            println!("{}", serde_json::to_string_pretty(&findings.json())?);
        } else {
            findings.print(self.file.as_deref());
        }
        Ok(u8::from(findings.bad()))
    }
}

impl Findings {
    fn configuration(&mut self, path: &Path) {
        let name = path.display().to_string();
        match config::load(path) {
            Ok((config, warnings)) => {
                self.mistakes.extend(warnings.into_iter().map(|m| (name.clone(), m)));
                self.named_files(&config);
                let names = catalogue::names(config.metrics.aliases, &config.targets);
                self.rules(&config.alerts.rules, config.alerts.compat, &names);
            }
            Err(Refused::Mistakes { mistakes, .. }) => {
                self.mistakes.extend(mistakes.into_iter().map(|m| (name.clone(), m)));
            }
            Err(error) => self.trouble.push(chain(&error).to_string()),
        }
    }

    /// Files that the configuration names must be there; what is in the secret ones is nobody's business.
    fn named_files(&mut self, config: &Config) {
        if let Some(path) = &config.web.config_file
            && let Err(error) = Gate::guarded(path)
        {
            self.trouble.push(chain(&error).to_string());
        }
        for (kind, target) in &config.targets {
            for path in &target.secrets {
                if let Err(error) = std::fs::File::open(path) {
                    let who = format!("{} {}", kind.key, target.id);
                    let remedy = "write the password into it, readable by group vedette";
                    self.trouble.push(format!("{who}: cannot open {}: {error}; {remedy}", path.display()));
                }
            }
        }
        for path in config.directories.iter().filter(|path| !path.is_dir()) {
            let remedy =
                "make it, writable by vedette; the drop-in volume.conf of the examples lets the service write there";
            self.warnings.push(format!("volume: {} is no directory; {remedy}", path.display()));
        }
    }

    fn rules(&mut self, paths: &[PathBuf], compat: Compat, names: &Names) {
        self.rules = Some(Rules::read(&Disk, paths, compat, names));
    }

    fn bad(&self) -> bool {
        let mistaken = self.mistakes.iter().any(|(_, m)| m.severity == Severity::Error);
        mistaken || !self.trouble.is_empty() || self.rules.as_ref().is_some_and(Rules::broken)
    }

    fn print(&self, file: Option<&Path>) {
        for (file, mistake) in &self.mistakes {
            println!("{file}:{mistake}");
        }
        for trouble in &self.trouble {
            println!("error: {trouble}");
        }
        for warning in &self.warnings {
            println!("warning: {warning}");
        }
        if let Some(rules) = &self.rules {
            for error in &rules.unreadable {
                println!("error: {}", chain(error));
            }
            for (file, mistake) in rules.faults() {
                println!("{file}:{mistake}");
            }
            for (rule, standing) in &rules.ranked {
                if file.is_none() || *standing != Standing::Local {
                    println!("{}: {} is {standing}", rule.position(), rule.name);
                }
            }
        }
        if let (Some(file), false) = (file, self.bad()) {
            println!("{} is good", file.display());
        }
    }

    fn json(&self) -> Value {
        let mistake = |file: &str, m: &Mistake| {
            let severity = if m.severity == Severity::Error { "error" } else { "warning" };
            json!({"file": file, "line": m.line, "column": m.column, "severity": severity, "what": m.what,
                   "instead": m.instead})
        };
        let mut mistakes: Vec<_> = self.mistakes.iter().map(|(f, m)| mistake(f, m)).collect();
        let mut trouble: Vec<_> = self.trouble.clone();
        let mut rules = Vec::new();
        if let Some(read) = &self.rules {
            mistakes.extend(read.faults().map(|(f, m)| mistake(f, m)));
            trouble.extend(read.unreadable.iter().map(|e| chain(e).to_string()));
            rules = read
                .ranked
                .iter()
                .map(|(rule, standing)| {
                    json!({"rule": &*rule.name, "at": rule.position(), "standing": standing.kind().label(),
                       "why": standing.to_string()})
                })
                .collect();
        }
        json!({"good": !self.bad(), "mistakes": mistakes, "trouble": trouble, "warnings": self.warnings, "rules": rules})
    }
}
