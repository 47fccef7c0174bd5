//! `vedette status`: asks the running daemon over its control socket.

use super::{Outcome, RUNTIME_DIR};
use crate::base::clock::Clock;
use crate::world::{clock, control};
use clap::Args;
use serde_json::Value;
use std::path::PathBuf;

/// Ask the running daemon what it sees; exit code 1 while an alarm is firing
#[derive(Args)]
#[command(after_help = "Examples:
  vedette status
  vedette status --json | jq '.cameras[] | select(.up == false)'
  vedette status --forget '192.0.2.9 Prometheus/2.42.0'   a Prometheus that was retired")]
pub(super) struct Status {
    /// Where the control socket lives
    #[arg(long, env = "RUNTIME_DIRECTORY", default_value = RUNTIME_DIR, value_name = "DIR")]
    runtime_dir: PathBuf,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// Forget a scraper, as named in the status
    #[arg(long, value_name = "SCRAPER")]
    forget: Option<String>,
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("no daemon answers at {}; is it running (systemctl status vedette), and may you open its socket?", .0.display())]
    Silent(PathBuf, #[source] std::io::Error),
    #[error("the daemon's answer is not what this version expects; compare vedette --version with the running one")]
    Strange(#[source] serde_json::Error),
    #[error("{0}")]
    Refused(String),
}

impl Status {
    pub(super) fn main(self) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let clock = Clock::new(clock::System);
        let request = match &self.forget {
            Some(who) => format!("forget {who}"),
            None => "status".to_owned(),
        };
        let answer = runtime
            .block_on(control::ask(&self.runtime_dir, &clock, &request))
            .map_err(|e| Trouble::Silent(control::path(&self.runtime_dir), e))?;
        let status: Value = serde_json::from_str(&answer).map_err(Trouble::Strange)?;
        if let Some(refusal) = status["error"].as_str() {
            return Err(Trouble::Refused(refusal.to_owned()).into());
        }
        if self.json {
            println!("{}", serde_json::to_string_pretty(&status)?);
        } else if self.forget.is_some() {
            println!("forgotten");
        } else {
            print!("{}", text(&status));
        }
        let firing = status["alarms"].as_array().is_some_and(|all| all.iter().any(|a| a["phase"] == "firing"));
        Ok(u8::from(firing))
    }
}

/// The status as a technician reads it.
fn text(status: &Value) -> String {
    let word = |v: &Value| match v {
        Value::Null => "-".to_owned(),
        Value::String(s) => s.clone(),
        Value::Number(n) => {
            n.as_f64().map_or(n.to_string(), |f| if f.fract() == 0.0 { format!("{f:.0}") } else { format!("{f:.2}") })
        }
        other => other.to_string(),
    };
    let up = |v: &Value| match v.as_bool() {
        Some(true) => "up",
        Some(false) => "DOWN",
        None => "-",
    };
    let mut out = format!(
        "{}  vedette {}  up {}  clock {}\n",
        word(&status["node"]),
        word(&status["version"]),
        word(&status["running"]),
        if status["clock_trusted"] == true { "disciplined" } else { "NOT disciplined" },
    );
    let mut section = |title: &str, key: &str, line: &dyn Fn(&Value) -> String| {
        let rows = status[key].as_array().map(Vec::as_slice).unwrap_or_default();
        out.push_str(&format!("\n{title}{}\n", if rows.is_empty() { ": none" } else { "" }));
        for row in rows {
            out.push_str(&format!("  {}\n", line(row).trim_end()));
        }
    };
    section("Cameras", "cameras", &|c| {
        let fps = format!("{} fps", word(&c["fps"]));
        let rate = c["bitrate"].as_f64().map_or("-".to_owned(), |b| format!("{:.0} kbit/s", b / 1000.0));
        let dropped = format!("{} dropped", word(&c["frames_dropped"]));
        format!("{:<24} {:<5} {fps:>10} {rate:>14} {dropped:>14}", word(&c["id"]), up(&c["up"]))
    });
    section("Uplinks", "uplinks", &|u| format!("{:<24} {}", word(&u["id"]), up(&u["up"])));
    section("Brokers", "brokers", &|b| format!("{:<24} {}", word(&b["name"]), up(&b["connected"])));
    section("Scrapers", "scrapers", &|s| {
        format!(
            "{:<24} every {} s, last {} s ago",
            word(&s["who"]),
            word(&s["interval_seconds"]),
            word(&s["last_seconds_ago"])
        )
    });
    section("Alarms", "alarms", &|a| {
        format!(
            "{:<8} {:<24} {} since {}",
            word(&a["phase"]),
            word(&a["rule"]),
            word(&a["labels"]),
            word(&a["active_since"])
        )
    });
    section("Rules this box cannot judge", "rules_not_judged", &|r| {
        format!("{:<24} {} ({})", word(&r["rule"]), word(&r["standing"]), word(&r["why"]))
    });
    out
}
