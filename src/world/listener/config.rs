//! `--web.config.file` as text: the part of exporter-toolkit's format that we serve, every refusal with its line.
//!
//! Format: exporter-toolkit docs/web-configuration.md. A key we do not serve is refused, never skipped: half a security
//! configuration is none.

use hyper::header::{HeaderName, HeaderValue};
use saphyr::{LoadableYamlNode, MarkedYaml, YamlData};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Costlier hashes are refused: cost 16 keeps one core of a small board busy for about 5 s per unknown password.
const MAX_BCRYPT_COST: u32 = 16;

/// The headers that exporter-toolkit lets a file set.
const HEADERS: [&str; 5] = [
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
];

/// One thing wrong in a web configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// 1-based; 0 when the fault is in no single line.
    pub line: usize,
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 { f.write_str(&self.what) } else { write!(f, "line {}: {}", self.line, self.what) }
    }
}

/// Go's tls.ClientAuthType, by its names.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum ClientAuth {
    NoClientCert,
    RequestClientCert,
    RequireAnyClientCert,
    VerifyClientCertIfGiven,
    RequireAndVerifyClientCert,
}

impl ClientAuth {
    const ALL: [(&'static str, ClientAuth); 5] = [
        ("NoClientCert", ClientAuth::NoClientCert),
        ("RequestClientCert", ClientAuth::RequestClientCert),
        ("RequireAnyClientCert", ClientAuth::RequireAnyClientCert),
        ("VerifyClientCertIfGiven", ClientAuth::VerifyClientCertIfGiven),
        ("RequireAndVerifyClientCert", ClientAuth::RequireAndVerifyClientCert),
    ];
    /// Certificates are checked against `client_ca_file`.
    pub fn verifies(self) -> bool {
        matches!(self, ClientAuth::VerifyClientCertIfGiven | ClientAuth::RequireAndVerifyClientCert)
    }
    /// A client without a certificate is turned away.
    pub fn requires(self) -> bool {
        matches!(self, ClientAuth::RequireAnyClientCert | ClientAuth::RequireAndVerifyClientCert)
    }
}

#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    Tls12,
    Tls13,
}

/// `tls_server_config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
    pub client_auth: ClientAuth,
    pub client_ca_file: Option<PathBuf>,
    pub min: Version,
    pub max: Version,
}

/// What a web configuration file asks for. The default is plain HTTP for everyone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WebConfig {
    pub tls: Option<Tls>,
    /// User → bcrypt hash.
    pub users: BTreeMap<String, String>,
    /// Added to every response.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl WebConfig {
    /// Reads the text of a file that lies in `dir`; relative paths in it count from there.
    pub fn parse(text: &str, dir: &Path) -> Result<WebConfig, Vec<Fault>> {
        let documents = MarkedYaml::load_from_str(text)
            .map_err(|e| vec![Fault { line: e.marker().line(), what: e.info().to_owned() }])?;
        let mut faults = Faults(Vec::new());
        let mut config = WebConfig::default();
        if let Some(root) = documents.first().filter(|d| !is_null(d)) {
            for (key, value) in faults.mapping(root, "the file") {
                match key.text.as_str() {
                    "tls_server_config" => config.tls = tls(value, dir, &mut faults),
                    "basic_auth_users" => config.users = users(value, &mut faults),
                    "http_server_config" => config.headers = http(value, &mut faults),
                    "rate_limit" => {
                        faults.add(key.line, "`rate_limit` is not served here; 64 connections are the bound")
                    }
                    _ => faults.unknown(&key, &["tls_server_config", "http_server_config", "basic_auth_users"]),
                }
            }
        }
        if faults.0.is_empty() { Ok(config) } else { Err(faults.0) }
    }
}

struct Key {
    text: String,
    line: usize,
}

struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, line: usize, what: impl Into<String>) {
        self.0.push(Fault { line, what: what.into() });
    }

    fn unknown(&mut self, key: &Key, known: &[&str]) {
        self.add(key.line, format!("unknown key `{}`; known here: {}", key.text, known.join(", ")));
    }

    fn mapping<'a, 'y>(&mut self, node: &'a MarkedYaml<'y>, name: &str) -> Vec<(Key, &'a MarkedYaml<'y>)> {
        let YamlData::Mapping(mapping) = &node.data else {
            if !is_null(node) {
                self.add(line(node), format!("{name} must be a mapping of keys to values"));
            }
            return Vec::new();
        };
        let mut entries = Vec::new();
        for (key, value) in mapping {
            match key.data.as_str() {
                Some(text) => entries.push((Key { text: text.to_owned(), line: line(key) }, value)),
                None => self.add(line(key), format!("a key of {name} is not a text")),
            }
        }
        entries
    }

    fn text(&mut self, key: &Key, value: &MarkedYaml<'_>) -> Option<String> {
        let text = value.data.as_str().filter(|t| !t.is_empty());
        if text.is_none() {
            self.add(line(value), format!("`{}` must be a text", key.text));
        }
        text.map(str::to_owned)
    }
}

fn line(node: &MarkedYaml<'_>) -> usize {
    node.span.start.line()
}

fn is_null(node: &MarkedYaml<'_>) -> bool {
    matches!(&node.data, YamlData::Value(saphyr::Scalar::Null))
}

fn tls(node: &MarkedYaml<'_>, dir: &Path, faults: &mut Faults) -> Option<Tls> {
    const KNOWN: [&str; 6] =
        ["cert_file", "key_file", "client_auth_type", "client_ca_file", "min_version", "max_version"];
    let (mut cert, mut key_file, mut client_ca) = (None, None, None);
    let mut client_auth = ClientAuth::NoClientCert;
    let (mut min, mut max) = (Version::Tls12, Version::Tls13);
    let entries = faults.mapping(node, "`tls_server_config`");
    if entries.is_empty() {
        return None; // exporter-toolkit: an empty section is plain HTTP
    }
    for (key, value) in entries {
        match key.text.as_str() {
            "cert_file" => cert = faults.text(&key, value).map(|p| dir.join(p)),
            "key_file" => key_file = faults.text(&key, value).map(|p| dir.join(p)),
            "client_ca_file" => client_ca = faults.text(&key, value).map(|p| dir.join(p)),
            "client_auth_type" => {
                let Some(text) = faults.text(&key, value) else { continue };
                match ClientAuth::ALL.iter().find(|(name, _)| *name == text) {
                    Some((_, found)) => client_auth = *found,
                    None => {
                        let names: Vec<_> = ClientAuth::ALL.iter().map(|(name, _)| *name).collect();
                        let what = format!("unknown `client_auth_type` {text:?}; write one of {}", names.join(", "));
                        faults.add(line(value), what);
                    }
                }
            }
            "min_version" => min = version(&key, value, faults).unwrap_or(min),
            "max_version" => max = version(&key, value, faults).unwrap_or(max),
            "cipher_suites" | "curve_preferences" | "prefer_server_cipher_suites" => {
                let what = format!(
                    "`{}` is not served here: TLS 1.2 and 1.3 run with safe suites only; take it out",
                    key.text
                );
                faults.add(key.line, what);
            }
            "cert" | "key" | "client_ca" => {
                faults.add(
                    key.line,
                    format!("`{0}` inline is not served here; put it in a file and write `{0}_file`", key.text),
                );
            }
            "client_allowed_sans" => {
                faults.add(key.line, "`client_allowed_sans` is not served here; use a CA of its own for the scrapers");
            }
            _ => faults.unknown(&key, &KNOWN),
        }
    }
    let at = line(node);
    for (name, missing) in [("cert_file", cert.is_none()), ("key_file", key_file.is_none())] {
        if missing {
            faults.add(at, format!("`tls_server_config` lacks `{name}`"));
        }
    }
    if min > max {
        faults.add(at, "`min_version` is above `max_version`");
    }
    if client_auth.verifies() && client_ca.is_none() {
        faults
            .add(at, "this `client_auth_type` checks certificates and needs a `client_ca_file` to check them against");
    }
    if !client_auth.verifies() && client_ca.is_some() {
        faults.add(at, "`client_ca_file` is set although this `client_auth_type` checks no certificate");
    }
    Some(Tls { cert_file: cert?, key_file: key_file?, client_auth, client_ca_file: client_ca, min, max })
}

fn version(key: &Key, value: &MarkedYaml<'_>, faults: &mut Faults) -> Option<Version> {
    let text = faults.text(key, value)?;
    match text.as_str() {
        "TLS12" => Some(Version::Tls12),
        "TLS13" => Some(Version::Tls13),
        "TLS10" | "TLS11" => {
            faults.add(line(value), format!("{text} is too old to be served; write TLS12 or TLS13"));
            None
        }
        _ => {
            faults.add(line(value), format!("unknown `{}` {text:?}; write TLS12 or TLS13", key.text));
            None
        }
    }
}

fn users(node: &MarkedYaml<'_>, faults: &mut Faults) -> BTreeMap<String, String> {
    let mut users = BTreeMap::new();
    for (key, value) in faults.mapping(node, "`basic_auth_users`") {
        // The text of a refused hash is not repeated: it may be a password that somebody forgot to hash.
        let hash = value.data.as_str().unwrap_or("");
        match bcrypt::HashParts::from_str(hash) {
            Ok(parts) if parts.get_cost() <= MAX_BCRYPT_COST => {
                users.insert(key.text, hash.to_owned());
            }
            Ok(_) => {
                faults.add(line(value), format!("the bcrypt cost of user `{}` is above {MAX_BCRYPT_COST}", key.text))
            }
            Err(_) => {
                let what =
                    format!("the value of user `{}` is no bcrypt hash; make one with `htpasswd -nBC 10 ''`", key.text);
                faults.add(line(value), what);
            }
        }
    }
    users
}

fn http(node: &MarkedYaml<'_>, faults: &mut Faults) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    for (key, value) in faults.mapping(node, "`http_server_config`") {
        match key.text.as_str() {
            "http2" => {
                if value.data.as_bool() != Some(false) {
                    faults.add(line(value), "HTTP/2 is not served here; write `http2: false`");
                }
            }
            "headers" => {
                for (name, value) in faults.mapping(value, "`headers`") {
                    let Some(text) = faults.text(&name, value) else { continue };
                    if !HEADERS.iter().any(|h| h.eq_ignore_ascii_case(&name.text)) {
                        faults.unknown(&name, &HEADERS);
                        continue;
                    }
                    match (HeaderName::from_str(&name.text), HeaderValue::from_str(&text)) {
                        (Ok(name), Ok(value)) => headers.push((name, value)),
                        _ => faults.add(line(value), format!("`{}` cannot be sent as a header", name.text)),
                    }
                }
            }
            _ => faults.unknown(&key, &["http2", "headers"]),
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        WebConfig::parse(text, Path::new("/etc/vedette")).unwrap_err().iter().map(Fault::to_string).collect()
    }

    #[test]
    fn a_file_as_exporter_toolkit_documents_it_is_understood() {
        let text = "tls_server_config:\n  cert_file: server.crt\n  key_file: /keys/server.key\n  \
                    client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n  min_version: TLS13\n\
                    basic_auth_users:\n  alice: $2y$04$jUJN8dfCy4RzZrvMz9sXNO7YprSoLLQ0OYPtZ4JL1Z3bkR4u4bWku\n\
                    http_server_config:\n  http2: false\n  headers:\n    X-Frame-Options: deny\n";
        let config = WebConfig::parse(text, Path::new("/etc/vedette")).unwrap();
        let tls = config.tls.unwrap();
        assert_eq!(tls.cert_file, Path::new("/etc/vedette/server.crt"));
        assert_eq!(tls.key_file, Path::new("/keys/server.key"));
        assert_eq!((tls.min, tls.max), (Version::Tls13, Version::Tls13));
        assert!(tls.client_auth.requires() && tls.client_auth.verifies());
        assert_eq!(config.users.keys().collect::<Vec<_>>(), ["alice"]);
        assert_eq!(config.headers.len(), 1);
    }

    #[test]
    fn an_empty_file_is_plain_http_for_everyone() {
        for text in ["", "# nothing\n", "tls_server_config: {}\n", "basic_auth_users:\n"] {
            assert_eq!(WebConfig::parse(text, Path::new("/")).unwrap(), WebConfig::default(), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_served_is_refused_with_its_line() {
        let text = "tls_server_config:\n  cert_file: a\n  key_file: b\n  min_version: TLS10\n  cipher_suites: [X]\n\
                    rate_limit:\n  burst: 3\nbasic_auth_user:\n  a: b\n";
        assert_eq!(
            faults(text),
            [
                "line 4: TLS10 is too old to be served; write TLS12 or TLS13",
                "line 5: `cipher_suites` is not served here: TLS 1.2 and 1.3 run with safe suites only; take it out",
                "line 6: `rate_limit` is not served here; 64 connections are the bound",
                "line 8: unknown key `basic_auth_user`; known here: tls_server_config, http_server_config, basic_auth_users",
            ]
        );
    }

    #[test]
    fn a_password_in_place_of_a_hash_is_refused_and_not_repeated() {
        let found = faults("basic_auth_users:\n  alice: hunter2\n");
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("line 2: the value of user `alice` is no bcrypt hash"), "{found:?}");
        assert!(!found[0].contains("hunter2"));
    }

    #[test]
    fn a_check_of_client_certificates_needs_a_ca_and_a_ca_needs_a_check() {
        let base = "tls_server_config:\n  cert_file: a\n  key_file: b\n";
        assert!(
            faults(&format!("{base}  client_auth_type: RequireAndVerifyClientCert\n"))[0]
                .contains("needs a `client_ca_file`")
        );
        assert!(faults(&format!("{base}  client_ca_file: ca\n"))[0].contains("checks no certificate"));
        assert!(faults("tls_server_config:\n  cert_file: a\n")[0].contains("lacks `key_file`"));
    }
}
