//! `[[uplink]]` as configured.

use super::check::Check;
use crate::base::settings::Table;
use std::collections::HashSet;
use std::time::Duration;
use url::Url;

/// Targets of one kind: a road needs a handful, and each is asked at once with the others.
const TARGETS: usize = 16;
const EVERY: Duration = Duration::from_secs(15);
const TIMEOUT: Duration = Duration::from_secs(5);
/// Speech over IP begins to suffer from 1 %, TCP is slow from 5 %; at 10 % a live picture of a camera breaks.
const MAX_LOSS: f64 = 0.1;
/// Beyond that of a geostationary satellite nearly doubled by queues: no road that works well is so slow.
const MAX_RTT: Duration = Duration::from_secs(1);

/// One uplink. Holds no secrets; its Debug is what a reload compares.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub id: String,
    pub tcp: Vec<(String, u16)>,
    pub http: Vec<Url>,
    pub ping: Vec<String>,
    pub dns: Vec<String>,
    pub every: Duration,
    pub timeout: Duration,
    pub interface: Option<String>,
    /// Carries the default route only while another uplink cannot.
    pub standby: bool,
    /// Of the echo requests to the best target, beyond which the road is degraded.
    pub max_loss: f64,
    /// Of the best target, beyond which the road is degraded.
    pub max_rtt: Duration,
    pub scraped: bool,
    pub brokers: bool,
}

impl Settings {
    /// The kinds of check that these settings ask for. Gateway, route and
    /// carrier cost next to nothing and are always looked at.
    pub fn checks(&self) -> Vec<Check> {
        let asked = [
            (Check::Tcp, !self.tcp.is_empty()),
            (Check::Http, !self.http.is_empty()),
            (Check::Ping, !self.ping.is_empty()),
            (Check::Dns, !self.dns.is_empty()),
            (Check::Gateway, true),
            (Check::Route, true),
            (Check::Carrier, true),
            (Check::Broker, self.brokers),
            (Check::Scraped, self.scraped),
        ];
        asked.into_iter().filter(|(_, asked)| *asked).map(|(check, _)| check).collect()
    }
}

/// Reads one `[[uplink]]` table; `None` when it cannot be used.
pub fn read(table: &Table<'_>) -> Option<Settings> {
    let second = Duration::from_secs(1);
    let id = table.need_id("id");
    let tcp = list(table, "tcp", "write \"host:port\", such as \"central.example:9090\"", host_port);
    let http = list(table, "http", "write an http:// or https:// URL without user and password", plain_url);
    let ping = list(table, "ping", "write a host name or an address, such as \"192.0.2.1\"", host);
    let dns = list(table, "dns", "write a host name, such as \"central.example\"", host_name);
    let every = table.duration("every", second..=3600 * second).unwrap_or(EVERY);
    let timeout = table.duration("timeout", second / 10..=60 * second).unwrap_or(TIMEOUT.min(every));
    let interface = table.text("interface");
    let standby = table.flag("standby").unwrap_or(false);
    let max_loss = table.number("max_loss", 0.001..=1.0).unwrap_or(MAX_LOSS);
    let max_rtt = table.duration("max_rtt", second / 1000..=60 * second).unwrap_or(MAX_RTT);
    let scraped = table.flag("scraped").unwrap_or(true);
    let brokers = table.flag("brokers").unwrap_or(false);
    if timeout > every {
        table.mistake("timeout", "`timeout` is longer than `every`", "a round must end before the next begins");
    }
    if interface.as_deref().is_some_and(|i| !interface_name(i)) {
        table.mistake(
            "interface",
            "`interface` is no interface name",
            "write one that `ip link` shows, such as \"eth0\"",
        );
    }
    if standby && interface.is_none() {
        table.mistake("standby", "`standby` without `interface`", "name the interface of this uplink");
    }
    if tcp.as_ref().is_some_and(Vec::is_empty) && http.as_ref().is_some_and(Vec::is_empty) {
        table.warn(
            "tcp",
            "nothing far is named, so `uplink_up` is not exported and no outage is noticed",
            "name a `tcp` or `http` target at the centre",
        );
    }
    Some(Settings {
        id: id?,
        tcp: tcp?,
        http: http?,
        ping: ping?,
        dns: dns?,
        every,
        timeout,
        interface,
        standby,
        max_loss,
        max_rtt,
        scraped,
        brokers,
    })
}

/// The values of a list, each through `parse`. A value that is refused is not repeated: a URL may carry a password.
fn list<T>(table: &Table<'_>, key: &str, instead: &str, parse: fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let texts = table.texts(key);
    if texts.len() > TARGETS {
        table.mistake(key, format!("`{key}` has more than {TARGETS} entries"), "name the few that tell most");
        return None;
    }
    if texts.iter().collect::<HashSet<_>>().len() < texts.len() {
        table.mistake(key, format!("`{key}` names something twice"), "name it once");
    }
    let mut values = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        match parse(text) {
            Some(value) => values.push(value),
            None => {
                table.mistake(key, format!("entry {} of `{key}` cannot be asked", n + 1), instead);
                return None;
            }
        }
    }
    Some(values)
}

fn host_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    if host.starts_with('[') {
        let url::Host::Ipv6(address) = url::Host::parse(host).ok()? else { return None };
        return Some((address.to_string(), port));
    }
    Some((host_name(host)?, port))
}

/// A name, or an address of either kind, without brackets.
fn host(text: &str) -> Option<String> {
    match url::Host::parse(&format!("[{text}]")) {
        Ok(url::Host::Ipv6(address)) => Some(address.to_string()),
        _ => host_name(text),
    }
}

fn plain_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    (plain && url.has_host()).then_some(url)
}

/// RFC 1123 §2.1 with `_`, which names in use have; an IPv4 address fits too.
fn host_name(text: &str) -> Option<String> {
    let fits = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    (text.len() <= 253 && text.trim_end_matches('.').split('.').all(fits)).then(|| text.to_owned())
}

/// dev_valid_name() of the kernel: 1 to 15 bytes, no `/`, no `:`, no space, not `.` or `..`.
fn interface_name(text: &str) -> bool {
    (1..=15).contains(&text.len())
        && !matches!(text, "." | "..")
        && text.bytes().all(|b| b != b'/' && b != b':' && !b.is_ascii_whitespace())
}
