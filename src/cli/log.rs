//! How the daemon speaks: one JSON object per line, or lines for the journal when systemd reads them. To stderr.

use clap::ValueEnum;
use std::fmt::{self, Write as _};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The form of log lines.
#[derive(Copy, Clone, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Form {
    /// `journal` when systemd collects the output, `json` otherwise
    Auto,
    /// One object per line: timestamp, level, service, component, message, fields
    Json,
    /// `<priority>component: message key=value`, as sd-daemon(3) reads it
    Journal,
}

/// Starts logging. `VEDETTE_LOG` takes a filter such as `info,vedette::probe=debug`; retina and rumqttc repeat what the
/// probes say better, so only their errors pass.
pub(super) fn start(form: Form) {
    let journal = match form {
        Form::Auto => std::env::var_os("JOURNAL_STREAM").is_some(),
        Form::Json => false,
        Form::Journal => true,
    };
    let filter = EnvFilter::try_from_env("VEDETTE_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,retina=error,rumqttc=off,h264_reader=off"));
    let out = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A line that cannot be written (the reader of a pipe went away, a full disk) is lost; saying so would panic.
    let out = out.log_internal_errors(false);
    // Both fail only when a subscriber is already set, which a test may have done.
    let _set = match journal {
        true => out.event_format(Journal).try_init(),
        false => out.event_format(Json).try_init(),
    };
}

struct Json;
struct Journal;

/// The fields of one event, message apart.
#[derive(Default)]
struct Gathered {
    message: String,
    fields: serde_json::Map<String, serde_json::Value>,
}

impl Visit for Gathered {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, serde_json::Value::String(format!("{value:?}")));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

impl Gathered {
    fn put(&mut self, field: &Field, value: serde_json::Value) {
        match (field.name(), value) {
            ("message", serde_json::Value::String(text)) => self.message = text,
            (name, _) if name.starts_with("log.") => {}
            (name, value) => {
                self.fields.insert(name.to_owned(), value);
            }
        }
    }
}

/// `vedette::probe::camera` → `probe/camera`; `retina::client` → `retina`.
fn component(target: &str) -> String {
    match target.strip_prefix("vedette::") {
        Some(rest) => rest.split("::").take(2).collect::<Vec<_>>().join("/"),
        None => target.split("::").next().unwrap_or(target).to_owned(),
    }
}

fn gather(event: &Event<'_>) -> (Level, String, Gathered) {
    let mut gathered = Gathered::default();
    event.record(&mut gathered);
    let normal = event.normalized_metadata();
    let meta = normal.as_ref().unwrap_or_else(|| event.metadata());
    (*meta.level(), component(meta.target()), gathered)
}

#[allow(clippy::disallowed_methods)] // a log line's time is a label on a line, and the logger has no clock to hold
fn timestamp() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

impl<S: Subscriber + for<'a> LookupSpan<'a>, N: for<'a> FormatFields<'a> + 'static> FormatEvent<S, N> for Json {
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let (level, component, gathered) = gather(event);
        let line = serde_json::json!({
            "timestamp": timestamp(),
            "level": level.to_string().to_lowercase(),
            "service": "vedette",
            "component": component,
            "message": gathered.message,
            "fields": gathered.fields,
        });
        writeln!(out, "{line}")
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>, N: for<'a> FormatFields<'a> + 'static> FormatEvent<S, N> for Journal {
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let (level, component, gathered) = gather(event);
        // syslog(3) priorities: 3 err, 4 warning, 6 info, 7 debug.
        let priority = match level {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        let mut line = format!("<{priority}>{component}: {}", gathered.message);
        for (name, value) in &gathered.fields {
            write!(line, " {name}={value}")?;
        }
        // One event is one journal entry, whatever an error text contains.
        writeln!(out, "{}", line.replace(['\n', '\r'], " "))
    }
}
