//! `[[scrape]]` as configured.

use super::relabel::Step;
use crate::base::secret::Secret;
use crate::base::settings::{Table, show_duration};
use crate::metric::names;
use crate::world::files::{Files, Unreadable};
use crate::world::net::Login;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

const SECOND: Duration = Duration::from_secs(1);
/// Between two rounds: what most Prometheus servers are set to.
const EVERY: Duration = Duration::from_secs(15);
/// For one page, from the lookup of the name to its last byte.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A page of 4 MiB has some 30 000 samples.
const MAX_BYTES: u64 = 4 << 20;
/// node_exporter has about 1 500 on a box with 32 threads.
const MAX_SAMPLES: usize = 5000;

/// One exporter to scrape. The password is not in it, and its URL is shown to nobody: it may carry a token.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) id: String,
    pub(super) url: Url,
    username: Option<String>,
    password_file: Option<PathBuf>,
    pub(super) every: Duration,
    pub(super) timeout: Duration,
    pub(super) max_bytes: u64,
    /// Samples after relabelling.
    pub(super) max_samples: usize,
    pub(super) honor_labels: bool,
    /// Names of series for rules, `*` at the end for anything.
    pub(super) families: Vec<String>,
    pub(super) relabel: Vec<Step>,
}

impl Settings {
    /// Reads one `[[scrape]]` table; `None` when it cannot be used.
    pub(super) fn read(table: &Table<'_>) -> Option<Settings> {
        let id = table.need_id("id");
        let url = table.need_text("url");
        let username = table.text("username");
        let password_file = table.path("password_file");
        let every = table.duration("every", SECOND..=3600 * SECOND).unwrap_or(EVERY);
        let timeout = table.duration("timeout", SECOND / 10..=60 * SECOND);
        let max_bytes = table.bytes("max_bytes", 64 << 10..=32 << 20).unwrap_or(MAX_BYTES);
        let max_samples = table.integer("max_samples", 1..=50_000).and_then(|n| usize::try_from(n).ok());
        let honor_labels = table.flag("honor_labels").unwrap_or(false);
        let families = table.texts("families");
        let relabel: Option<Vec<_>> = table.tables("relabel").into_iter().map(step).collect();
        match (&username, &password_file) {
            (None, Some(_)) => {
                table.mistake("password_file", "a password without `username`", "add username = \"…\"");
            }
            (Some(name), _) if name.contains(':') => {
                table.mistake("username", "Basic authentication has no `:` in a user name", "write it without");
            }
            _ => {}
        }
        if timeout.is_some_and(|timeout| timeout > every) {
            let most = format!("write at most \"{}\"", show_duration(every));
            table.mistake("timeout", "`timeout` is longer than `every`", most);
        }
        if let Some(bad) = families.iter().find(|name| !names::allowed(name)) {
            table.mistake("families", format!("{bad:?} is no name"), "write names like \"redis_up\" or \"redis_*\"");
        }
        let url = address(table, &url?)?;
        Some(Settings {
            id: id?,
            url,
            username,
            password_file,
            every,
            timeout: timeout.unwrap_or(TIMEOUT.min(every)),
            max_bytes,
            max_samples: max_samples.unwrap_or(MAX_SAMPLES),
            honor_labels,
            families,
            relabel: relabel?,
        })
    }

    /// The settings as text without secrets; equal texts are equal settings.
    pub(super) fn text(&self) -> String {
        let mut digest = DefaultHasher::new();
        self.url.hash(&mut digest);
        let steps: Vec<_> = self.relabel.iter().map(Step::text).collect();
        format!(
            "url {:016x} user {:?} password {:?} every {:?} timeout {:?} bytes {} samples {} honor {} relabel {steps:?}",
            digest.finish(),
            self.username,
            self.password_file,
            self.every,
            self.timeout,
            self.max_bytes,
            self.max_samples,
            self.honor_labels,
        )
    }

    pub(super) fn secrets(&self) -> Vec<PathBuf> {
        self.password_file.iter().cloned().collect()
    }

    /// Reads the password, anew for each session: it may have been changed.
    pub(super) fn login(&self, files: &dyn Files) -> Result<Option<Login>, Unreadable> {
        let Some(username) = self.username.clone() else { return Ok(None) };
        let password = match &self.password_file {
            Some(file) => files.secret(file)?,
            None => Secret::new(""),
        };
        Ok(Some(Login { username, password }))
    }
}

fn step(table: Table<'_>) -> Option<Step> {
    let step = Step::read(&table);
    table.finish();
    step
}

/// The address of an exporter; mistakes never repeat it.
fn address(table: &Table<'_>, written: &str) -> Option<Url> {
    const EXAMPLE: &str = "write it like \"http://127.0.0.1:9121/metrics\"";
    let Ok(url) = Url::parse(written) else {
        table.mistake("url", "this is no URL", EXAMPLE);
        return None;
    };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        table.mistake("url", "the URL does not begin with http:// or https://", EXAMPLE);
        return None;
    }
    if !url.username().is_empty() || url.password().is_some() {
        table.mistake("url", "a password in the URL", "set username and password_file, and remove both from the URL");
        return None;
    }
    Some(url)
}
