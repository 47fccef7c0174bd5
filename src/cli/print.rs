//! `vedette print`: what is said once in the code.

use super::Outcome;
use crate::daemon::{catalogue, dashboard};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Print the full configuration, the metrics, the shipped rules or the dashboard
#[derive(Args)]
#[command(after_help = "Examples:
  vedette print config > full.toml
  vedette print metrics --json | jq -r '.[].name'
  vedette print rules --dir rules/
  vedette print dashboard > /etc/grafana/dashboards/recording-node.json")]
pub(super) struct Print {
    what: What,
    /// For metrics: one JSON array of families
    #[arg(long)]
    json: bool,
    /// For rules: write one file per group of rules into this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Copy, Clone, ValueEnum)]
enum What {
    /// Every configuration key with its default
    Config,
    /// Every metric with type, unit, labels and meaning
    Metrics,
    /// The shipped Prometheus rules
    Rules,
    /// The Grafana dashboard of one recording node
    Dashboard,
}

impl Print {
    pub(super) fn main(self) -> Outcome {
        match (self.what, self.dir) {
            (What::Config, _) => print!("{}", catalogue::full_config()),
            (What::Metrics, _) if self.json => println!("{}", serde_json::to_string_pretty(&families())?),
            (What::Metrics, _) => print!("{}", catalogue::metrics_page()),
            (What::Dashboard, _) => print!("{}", dashboard::print()),
            (What::Rules, None) => {
                for (name, text) in catalogue::shipped() {
                    println!("# {name}.yml\n{}", text.trim_end());
                }
            }
            (What::Rules, Some(dir)) => {
                std::fs::create_dir_all(&dir)?;
                for (name, text) in catalogue::shipped() {
                    std::fs::write(dir.join(format!("{name}.yml")), text)?;
                }
            }
        }
        Ok(0)
    }
}

fn families() -> Vec<serde_json::Value> {
    let all = catalogue::families();
    let rows = all.iter().flat_map(|(section, families)| families.iter().map(move |f| (section, f)));
    rows.map(|(section, f)| {
        serde_json::json!({
            "name": f.name, "type": format!("{:?}", f.kind).to_lowercase(), "unit": f.unit.text(),
            "labels": f.labels, "help": f.help, "section": section,
        })
    })
    .collect()
}
