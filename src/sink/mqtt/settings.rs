//! `[[mqtt]]`.

use crate::base::secret::Secret;
use crate::base::settings::Table;
use crate::sink::mqtt::topic;
use crate::world::broker::{Call, Login, Note, Password, Tls};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// Default keep-alive: a broker behind a dead route is noticed within 30 s.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// One broker.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `[A-Za-z0-9_-]{1,64}`, unique; also the name of its cursor in the outbox.
    pub name: String,
    host: String,
    port: u16,
    login: Option<Login>,
    tls: Option<Tls>,
    prefix: String,
    keep_alive: Duration,
    client_id: Option<String>,
}

/// All `[[mqtt]]` tables. Mistakes are collected by the tables; a broker that cannot be used is left out.
pub fn read(root: &Table<'_>) -> Vec<Settings> {
    let mut names = BTreeSet::new();
    let mut all = Vec::new();
    for table in root.tables("mqtt") {
        let settings = Settings::read(&table);
        if let Some(settings) = settings {
            if names.insert(settings.name.clone()) {
                all.push(settings);
            } else {
                table.mistake("name", "two brokers have this name", "give each its own");
            }
        }
        table.finish();
    }
    all
}

impl Settings {
    /// Reads one `[[mqtt]]` table.
    fn read(table: &Table<'_>) -> Option<Self> {
        let name = table.need_id("name");
        let address = table.need_text("url").and_then(|text| Address::read(table, &text));
        let username = table.text("username");
        let password_file = table.path("password_file");
        let ca = table.path("ca_file");
        let own = (table.path("cert_file"), table.path("key_file"));
        let prefix = prefix(table);
        let keep_alive = table.duration("keep_alive", Duration::from_secs(5)..=Duration::from_secs(600));
        let client_id = table.text("client_id").filter(|id| !id.is_empty());

        let own = match own {
            (Some(cert), Some(key)) => Some((cert, key)),
            (Some(_), None) => {
                table.mistake("cert_file", "a certificate without its key", "add `key_file`");
                None
            }
            (None, Some(_)) => {
                table.mistake("key_file", "a key without its certificate", "add `cert_file`");
                None
            }
            (None, None) => None,
        };
        let address = address?;
        if !address.tls {
            for key in ["ca_file", "cert_file", "key_file"] {
                if table.has(key) {
                    table.mistake(key, format!("`{key}` without TLS"), "write the url as mqtts://…");
                }
            }
        }
        let login = address.login(table, username, password_file);
        Some(Settings {
            name: name?,
            host: address.host,
            port: address.port,
            login,
            tls: address.tls.then_some(Tls { ca, own }),
            prefix: prefix?,
            keep_alive: keep_alive.unwrap_or(KEEP_ALIVE),
            client_id,
        })
    }

    /// `<prefix>/<node>/`, before every topic.
    pub fn base(&self, node: &str) -> String {
        format!("{}/{}/", self.prefix, topic::level(node))
    }

    /// Whom to call and how. The will says `offline`.
    pub fn call(&self, node: &str) -> Call {
        Call {
            host: self.host.clone(),
            port: self.port,
            client_id: self.client_id.clone().unwrap_or_else(|| format!("vedette-{node}-{}", self.name)),
            login: self.login.clone(),
            tls: self.tls.clone(),
            keep_alive: self.keep_alive,
            will: Note { topic: self.base(node) + "status", payload: b"offline".to_vec(), retain: true },
        }
    }

    /// Where it is, without secrets, for logs.
    pub fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

fn prefix(table: &Table<'_>) -> Option<String> {
    let prefix = table.text("prefix").unwrap_or_else(|| "vedette".to_owned());
    let fits = !prefix.starts_with('$') && prefix.len() <= 256 && prefix.split('/').all(|l| l == topic::level(l));
    if !fits {
        table.mistake("prefix", "not usable as the beginning of a topic", "write levels without + # and spaces, a/b");
    }
    fits.then_some(prefix)
}

/// What a URL says.
struct Address {
    host: String,
    port: u16,
    tls: bool,
    user: Option<String>,
    password: Option<Secret>,
}

impl Address {
    /// No message quotes the URL: it may hold a password.
    fn read(table: &Table<'_>, text: &str) -> Option<Self> {
        let wanted = "write mqtt://host:1883, or mqtts://host:8883 for TLS";
        let url = Url::parse(text).ok();
        let tls = match url.as_ref().map(Url::scheme) {
            Some("mqtt") => false,
            Some("mqtts") => true,
            Some(_) => {
                table.mistake("url", "the scheme is neither mqtt nor mqtts", wanted);
                return None;
            }
            None => {
                table.mistake("url", "this is no URL", wanted);
                return None;
            }
        };
        let url = url?;
        let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
            table.mistake("url", "the URL has no host", wanted);
            return None;
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            table.mistake("url", "the URL goes on after the port", wanted);
        }
        let user = Some(url.username()).filter(|u| !u.is_empty()).map(decode);
        let password = url.password().map(|p| Secret::new(decode(p)));
        if password.is_some() {
            table.warn("url", "the URL holds a password", "put it in a file and name it in `password_file`");
        }
        let port = url.port().unwrap_or(if tls { 8883 } else { 1883 });
        Some(Address { host: host.to_owned(), port, tls, user, password })
    }

    fn login(&self, table: &Table<'_>, username: Option<String>, file: Option<PathBuf>) -> Option<Login> {
        if self.user.is_some() && username.is_some() {
            table.mistake("username", "the URL holds a user name too", "keep one of them");
        }
        if self.password.is_some() && file.is_some() {
            table.mistake("password_file", "the URL holds a password too", "keep one of them");
        }
        let password = match (file, &self.password) {
            (Some(file), _) => Password::File(file),
            (None, Some(text)) => Password::Text(text.clone()),
            (None, None) => Password::None,
        };
        match username.or_else(|| self.user.clone()) {
            Some(user) => Some(Login { user, password }),
            // MQTT 3.1.1 §3.1.2.9: no password without a user name.
            None if password != Password::None => {
                table.mistake("username", "a password without a user name", "add `username`");
                None
            }
            None => None,
        }
    }
}

/// Percent-decoding (RFC 3986 §2.1); what is no valid escape stays as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::settings::{self, Mistake};

    fn parse(text: &str) -> (Vec<Settings>, Vec<String>) {
        let (made, found) = settings::read(text, |root| read(&root));
        (made, found.iter().map(Mistake::to_string).collect())
    }

    #[test]
    fn the_sample_is_valid_and_every_line_of_it_too() {
        let (made, mistakes) = parse(crate::sink::mqtt::SAMPLE);
        assert_eq!(mistakes, [] as [&str; 0]);
        assert_eq!(made[0].place(), "127.0.0.1:1883");
        let all = crate::sink::mqtt::SAMPLE.replace("mqtt://127.0.0.1:1883", "mqtts://broker");
        let all: String = all
            .lines()
            .map(|l| l.strip_prefix('#').filter(|l| l.contains(" = ")).unwrap_or(l).to_owned() + "\n")
            .collect();
        let (made, mistakes) = parse(&all);
        assert_eq!(mistakes, [] as [&str; 0], "{all}");
        assert_eq!((made[0].port, made[0].keep_alive), (8883, KEEP_ALIVE));
        assert_eq!(made[0].call("nvr-1").client_id, "vedette-nvr-1-local");
        assert_eq!(made[0].call("nvr-1").will.topic, "vedette/nvr-1/status");
    }

    #[test]
    fn a_password_in_the_url_works_with_a_warning_that_does_not_show_it() {
        let (made, mistakes) = parse("[[mqtt]]\nname = \"a\"\nurl = \"mqtt://op:c%40nary%2@[::1]\"\n");
        assert_eq!(made[0].login, Some(Login { user: "op".into(), password: Password::Text(Secret::new("c@nary%2")) }));
        assert_eq!(made[0].place(), "[::1]:1883");
        assert_eq!(mistakes.len(), 1);
        assert!(mistakes[0].contains("warning") && !mistakes[0].contains("nary"), "{mistakes:?}");
        assert!(!format!("{made:?}").contains("nary"));
    }

    #[test]
    fn every_mistake_is_told_and_none_shows_the_url() {
        let (made, mistakes) = parse(concat!(
            "[[mqtt]]\nname = \"a\"\nurl = \"http://u:canary@h\"\n",
            "[[mqtt]]\nname = \"b\"\nurl = \"mqtt://h\"\nca_file = \"x\"\nkey_file = \"k\"\nprefix = \"a/+\"\n",
            "[[mqtt]]\nname = \"c\"\nurl = \"mqtt://h/x\"\npassword_file = \"f\"\n",
            "[[mqtt]]\nname = \"c\"\nurl = \"mqtts://[::1]\"\nkeepalive = \"1s\"\n",
        ));
        let told = mistakes.join("\n");
        for piece in [
            "3:7: error: the scheme is neither mqtt nor mqtts",
            "7:11: error: `ca_file` without TLS",
            "8:12: error: a key without its certificate",
            "9:10: error: not usable as the beginning of a topic",
            "12:7: error: the URL goes on after the port",
            "a password without a user name",
            "15:8: error: two brokers have this name",
            "unknown key `mqtt[3].keepalive`; did you mean `keep_alive`?",
        ] {
            assert!(told.contains(piece), "{piece} not in\n{told}");
        }
        assert!(!told.contains("canary"));
        assert_eq!(made.len(), 1);
    }
}
