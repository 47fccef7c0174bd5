//! `[[playlist]]` as configured.

use crate::base::label::Label;
use crate::base::settings::Table;
use crate::world::files::{Files, Unreadable};
use crate::world::net::Login;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// For one playlist, from the lookup of the name to its last byte.
const TIMEOUT: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);

/// Which variants of a master playlist are watched.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub(super) enum Variants {
    /// The one that stands first, which players begin with.
    #[default]
    First,
    /// The first eight.
    All,
}

impl Label for Variants {
    const ALL: &'static [Self] = &[Variants::First, Variants::All];
    fn label(self) -> &'static str {
        match self {
            Variants::First => "first",
            Variants::All => "all",
        }
    }
}

impl Variants {
    pub(super) fn most(self) -> usize {
        match self {
            Variants::First => 1,
            Variants::All => 8,
        }
    }
}

/// One playlist to watch. The password is not in it, and its URL is shown to nobody: it may carry a token.
#[derive(Clone, PartialEq)]
pub(super) struct Settings {
    pub(super) id: String,
    pub(super) url: Url,
    username: Option<String>,
    password_file: Option<PathBuf>,
    pub(super) variants: Variants,
    pub(super) timeout: Duration,
}

impl Settings {
    /// Reads one `[[playlist]]` table; `None` when it cannot be used.
    pub(super) fn read(table: &Table<'_>) -> Option<Settings> {
        let id = table.need_id("id");
        let url = table.need_text("url");
        let username = table.text("username");
        let password_file = table.text("password_file").map(PathBuf::from);
        let variants = table.choice("variants").unwrap_or_default();
        let timeout = table.duration("timeout", SECOND..=60 * SECOND).unwrap_or(TIMEOUT);
        match (&username, &password_file) {
            (None, Some(_)) => {
                table.mistake("password_file", "a password without `username`", "add username = \"…\"");
            }
            (Some(name), _) if name.contains(':') => {
                table.mistake("username", "Basic authentication has no `:` in a user name", "write it without");
            }
            _ => {}
        }
        let url = address(table, &url?)?;
        Some(Settings { id: id?, url, username, password_file, variants, timeout })
    }

    /// The settings as text without secrets; equal texts are equal settings.
    pub(super) fn text(&self) -> String {
        let mut digest = DefaultHasher::new();
        self.url.hash(&mut digest);
        format!(
            "url {:016x} user {:?} password {:?} variants {} timeout {:?}",
            digest.finish(),
            self.username,
            self.password_file,
            self.variants.label(),
            self.timeout
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
            None => crate::base::secret::Secret::new(""),
        };
        Ok(Some(Login { username, password }))
    }
}

/// The address of a playlist; mistakes never repeat it.
fn address(table: &Table<'_>, written: &str) -> Option<Url> {
    const EXAMPLE: &str = "write it like \"https://origin.example/live/index.m3u8\"";
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
