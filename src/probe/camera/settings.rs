//! A `[[camera]]` table, read. What is kept holds no secret but in a [`Secret`].

use crate::base::label::Label;
use crate::base::secret::Secret;
use crate::base::settings::{Table, show_duration};
use crate::metric::roster::Camera;
use crate::world::World;
use crate::world::rtsp::{Login, Transport};
use crate::world::service;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// Without a packet for this long a camera counts as disconnected. Longer than a busy camera's pause between keyframe
/// and next frame, shorter than anyone wants to wait.
const STALL: Duration = Duration::from_secs(5);

/// Where the password is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    None,
    /// In the URL of the configuration; works, and is warned about.
    Url(Secret),
    File(PathBuf),
    Variable(String),
    /// By systemd's `LoadCredential=`.
    Credential(String),
}

/// One camera to watch.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) id: String,
    /// Without user and password.
    pub(super) url: Url,
    pub(super) transport: Transport,
    /// Frames per second that it should have.
    pub(super) fps: Option<f64>,
    /// Without a packet for this long it counts as disconnected.
    pub(super) stall: Duration,
    username: Option<String>,
    key: Key,
    /// Digest of the URL as written: a changed password in it is a changed plan, without the text being kept.
    digest: u64,
}

/// The login, or why the password could not be read here.
pub(super) enum Unlocked {
    Login(Option<Login>),
    Not(Box<dyn std::error::Error + Send + Sync>),
}

/// The password is not where the configuration says.
#[derive(Debug, thiserror::Error)]
enum Locked {
    #[error("environment variable {0} is not set")]
    Variable(String),
    #[error("no credentials were handed over by the service manager, and {0} is one")]
    Credential(String),
}

impl Plan {
    pub(super) fn read(table: &Table<'_>) -> Option<Plan> {
        let id = table.need_id("id");
        let written = table.need_text("url");
        let username = table.text("username");
        let file = table.path("password_file");
        let variable = table.text("password_env");
        let credential = table.text("password_credential");
        let transport = table.choice("transport").unwrap_or_default();
        let fps = table.number("fps", 0.1..=240.0);
        let stall = table.duration("stall", Duration::from_secs(1)..=Duration::from_secs(300)).unwrap_or(STALL);

        let mut keys = vec![
            file.map(|f| ("password_file", Key::File(f))),
            variable.map(|v| ("password_env", Key::Variable(v))),
            credential.map(|c| ("password_credential", Key::Credential(c))),
        ];
        keys.retain(Option::is_some);
        let mut keys = keys.into_iter().flatten();
        let mut key = keys.next();
        if let Some((second, _)) = keys.next() {
            table.mistake(
                second,
                "the password is given twice",
                "keep one of password_file, password_env, password_credential",
            );
        }
        if let Some((name, Key::Credential(credential))) = &key
            && (credential.is_empty() || credential.contains('/'))
        {
            table.mistake(name, "a credential is named without a path", "write its name in LoadCredential=");
        }
        if let (Some((name, _)), None) = (&key, &username) {
            table.mistake(name, "a password without `username`", "add username = \"…\"");
        }
        let written = written?;
        let mut url = address(table, &written)?;
        let mut username = username;
        if !url.username().is_empty() || url.password().is_some() {
            if username.is_some() || key.is_some() {
                table.mistake("url", "user and password are in the URL and beside it", "remove them from the URL");
            } else {
                table.warn(
                    "url",
                    "a password in the URL can be read by everyone who reads this file",
                    "set username and password_file, and remove both from the URL",
                );
                username = Some(decode(url.username()));
                key = url.password().map(|p| ("url", Key::Url(Secret::new(decode(p)))));
            }
            // Both fail only for URLs without a host, which `address` has refused.
            let _cleared = url.set_username("").and_then(|()| url.set_password(None));
        }
        let mut digest = DefaultHasher::new();
        written.hash(&mut digest);
        let key = key.map_or(Key::None, |(_, key)| key);
        Some(Plan { id: id?, url, transport, fps, stall, username, key, digest: digest.finish() })
    }

    /// The plan as text, without secrets; equal texts are equal plans.
    pub(super) fn text(&self) -> String {
        let key = match &self.key {
            Key::None => String::new(),
            Key::Url(_) => "in the url".to_owned(),
            Key::File(path) => format!("file {}", path.display()),
            Key::Variable(name) => format!("variable {name}"),
            Key::Credential(name) => format!("credential {name}"),
        };
        format!(
            "url {:016x} transport {} fps {:?} stall {} user {:?} password {key}",
            self.digest,
            self.transport.label(),
            self.fps,
            show_duration(self.stall),
            self.username
        )
    }

    /// The secret files that it reads.
    pub(super) fn secrets(&self) -> Vec<PathBuf> {
        match &self.key {
            Key::File(path) => vec![path.clone()],
            Key::Credential(name) => service::credentials().map(|dir| dir.join(name)).into_iter().collect(),
            Key::None | Key::Url(_) | Key::Variable(_) => Vec::new(),
        }
    }

    pub(super) fn camera(&self) -> Camera {
        Camera { id: self.id.clone(), host: self.url.host_str().unwrap_or_default().to_owned() }
    }

    /// Reads the password, anew for each session: it may have been changed.
    pub(super) fn login(&self, world: &World) -> Unlocked {
        let Some(username) = self.username.clone() else { return Unlocked::Login(None) };
        let password = match &self.key {
            Key::None => Ok(Secret::new("")),
            Key::Url(secret) => Ok(secret.clone()),
            Key::Variable(name) => service::variable(name).ok_or_else(|| Locked::Variable(name.clone()).into()),
            Key::File(path) => world.files.secret(path).map_err(Into::into),
            Key::Credential(name) => match service::credentials() {
                Some(dir) => world.files.secret(&dir.join(name)).map_err(Into::into),
                None => Err(Locked::Credential(name.clone()).into()),
            },
        };
        match password {
            Ok(password) => Unlocked::Login(Some(Login { username, password })),
            Err(why) => Unlocked::Not(why),
        }
    }
}

/// The address of a camera; mistakes never repeat the text, it may hold a password.
fn address(table: &Table<'_>, written: &str) -> Option<Url> {
    const EXAMPLE: &str = "write it like \"rtsp://192.168.1.20:554/stream1\"";
    let url = match Url::parse(written) {
        Ok(url) => url,
        Err(error) => {
            table.mistake("url", format!("not a URL: {error}"), EXAMPLE);
            return None;
        }
    };
    match url.scheme() {
        "rtsp" if url.host_str().is_some_and(|h| !h.is_empty()) => Some(url),
        "rtsp" => {
            table.mistake("url", "the URL names no host", EXAMPLE);
            None
        }
        "rtsps" | "rtspu" | "rtmp" | "rtmps" | "srt" | "http" | "https" => {
            let what = format!("{} is not supported; supported is rtsp", url.scheme());
            table.mistake("url", what, EXAMPLE);
            None
        }
        _ => {
            table.mistake("url", "the URL does not begin with rtsp://", EXAMPLE);
            None
        }
    }
}

/// Percent-decoding, RFC 3986 2.1. A `%` that starts no code stands for itself.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after
            .get(..2)
            .filter(|h| h.iter().all(u8::is_ascii_hexdigit))
            .and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match code {
            Some(code) if *first == b'%' => {
                bytes.push(code);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::settings::read;

    fn plan(text: &str) -> (Option<Plan>, Vec<String>) {
        let (plan, found) = read(text, |table| {
            let plan = Plan::read(&table);
            table.finish();
            plan
        });
        (plan, found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_least_table_gives_the_defaults() {
        let (plan, found) = plan("id = \"yard\"\nurl = \"rtsp://10.0.0.9/main?channel=1\"\n");
        let plan = plan.unwrap();
        assert_eq!(found, [""; 0]);
        assert_eq!((plan.transport, plan.fps, plan.stall), (Transport::Tcp, None, STALL));
        assert_eq!(plan.camera(), Camera { id: "yard".into(), host: "10.0.0.9".into() });
    }

    #[test]
    fn a_password_in_the_url_works_with_a_warning_and_is_kept_nowhere_else() {
        let (plan, found) = plan("id = \"yard\"\nurl = \"rtsp://ad%40min:c%C3%A4n/ry@cam/1\"\n");
        // `/` ends the host part, so this URL names the host "ad%40min:c…": refused as not a URL.
        assert!(plan.is_none() && found[0].contains("not a URL"), "{found:?}");
        assert!(!found[0].contains("ry@"), "{found:?}");
        let (plan, found) = self::plan("id = \"yard\"\nurl = \"rtsp://ad%40min:c%C3%A4nary@cam/1\"\n");
        let plan = plan.unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("2:7: warning: a password in the URL"), "{found:?}");
        assert_eq!(plan.url.as_str(), "rtsp://cam/1");
        assert_eq!(plan.username.as_deref(), Some("ad@min"));
        assert_eq!(plan.key, Key::Url(Secret::new("cänary")));
        assert!(!format!("{plan:?} {}", plan.text()).contains("nary"));
    }

    #[test]
    fn a_changed_password_in_the_url_changes_the_settings_text() {
        let text = |url: &str| plan(&format!("id = \"a\"\nurl = \"{url}\"")).0.unwrap().text();
        assert_ne!(text("rtsp://u:one@cam/"), text("rtsp://u:two@cam/"));
        assert_eq!(text("rtsp://u:one@cam/"), text("rtsp://u:one@cam/"));
    }

    #[test]
    fn every_mistake_says_what_to_write() {
        let cases = [
            ("url = \"rtsps://cam/\"", "rtsps is not supported; supported is rtsp"),
            ("url = \"10.0.0.9/main\"", "not a URL"),
            ("url = \"cam:554/main\"", "does not begin with rtsp://"),
            ("url = \"rtsp:///main\"", "names no host"),
            ("url = \"rtsp://cam/\"\nusername = \"u\"\npassword_file = \"p\"\npassword_env = \"P\"", "given twice"),
            ("url = \"rtsp://cam/\"\npassword_file = \"p\"", "without `username`"),
            ("url = \"rtsp://u:p@cam/\"\nusername = \"u\"", "in the URL and beside it"),
            ("url = \"rtsp://cam/\"\nusername = \"u\"\npassword_credential = \"a/b\"", "named without a path"),
            ("url = \"rtsp://cam/\"\ntransport = \"http\"", "write one of \"tcp\", \"udp\""),
            ("url = \"rtsp://cam/\"\npassword = \"p\"", "did you mean `password_"),
        ];
        for (text, expected) in cases {
            let (_, found) = plan(&format!("id = \"a\"\n{text}\n"));
            assert!(found.len() == 1 && found[0].contains(expected), "{text}: {found:?}");
        }
    }
}
