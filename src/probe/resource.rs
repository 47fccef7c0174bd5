//! What a probe asks a web server for: where it is, and who asks.

use crate::base::secret::Secret;
use crate::base::settings::Table;
use crate::world::files::{Files, Unreadable};
use crate::world::net::Login;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use url::Url;

/// The keys `url`, `username` and `password_file` of a target. The password is not in it, and its URL is shown to nobody:
/// it may carry a token.
#[derive(Clone, PartialEq)]
pub struct Resource {
    pub url: Url,
    username: Option<String>,
    password_file: Option<PathBuf>,
}

impl Resource {
    /// Reads the keys; `None` when they cannot be used. Mistakes never repeat the URL, but show how one is written.
    pub fn read(table: &Table<'_>, example: &str) -> Option<Resource> {
        let url = table.need_text("url");
        let username = table.text("username");
        let password_file = table.path("password_file");
        match (&username, &password_file) {
            (None, Some(_)) => {
                table.mistake("password_file", "a password without `username`", "add username = \"…\"");
            }
            (Some(name), _) if name.contains(':') => {
                table.mistake("username", "Basic authentication has no `:` in a user name", "write it without");
            }
            _ => {}
        }
        let url = address(table, &url?, example)?;
        Some(Resource { url, username, password_file })
    }

    /// Without secrets; equal texts are equal resources.
    pub fn text(&self) -> String {
        let mut digest = DefaultHasher::new();
        self.url.hash(&mut digest);
        format!("url {:016x} user {:?} password {:?}", digest.finish(), self.username, self.password_file)
    }

    pub fn secrets(&self) -> Vec<PathBuf> {
        self.password_file.iter().cloned().collect()
    }

    /// Reads the password, anew for each session: it may have been changed.
    ///
    /// # Errors
    /// The file that holds it cannot be read.
    pub fn login(&self, files: &dyn Files) -> Result<Option<Login>, Unreadable> {
        let Some(username) = self.username.clone() else { return Ok(None) };
        let password = match &self.password_file {
            Some(file) => files.secret(file)?,
            None => Secret::new(""),
        };
        Ok(Some(Login { username, password }))
    }
}

fn address(table: &Table<'_>, written: &str, example: &str) -> Option<Url> {
    let advice = || format!("write it like {example:?}");
    let Ok(url) = Url::parse(written) else {
        table.mistake("url", "this is no URL", advice());
        return None;
    };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        table.mistake("url", "the URL does not begin with http:// or https://", advice());
        return None;
    }
    if !url.username().is_empty() || url.password().is_some() {
        table.mistake("url", "a password in the URL", "set username and password_file, and remove both from the URL");
        return None;
    }
    Some(url)
}
