//! A `[[stream]]` table, read.

use super::markers::Kind;
use crate::base::label::Label;
use crate::base::settings::{Table, show_duration};
use crate::wire::scte35::Policy;
use crate::world::feed::{self, Interface, Source};
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// Without a packet for this long the input is down: longer than any pause of an encoder that is at work.
const STALL: Duration = Duration::from_secs(2);
/// How much later than at the encoder's input a cue may come out: more than any encoder's delay, less than the pre-roll
/// that would be worth having.
const LATENCY: Duration = Duration::from_secs(10);

/// How a stream comes.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Protocol {
    Udp,
    /// Each datagram is RTP.
    Rtp,
    File,
    Fifo,
}

impl Protocol {
    pub(super) fn datagrams(self) -> bool {
        matches!(self, Protocol::Udp | Protocol::Rtp)
    }
    /// As the URL's scheme and as a label.
    pub(super) fn label(self) -> &'static str {
        match self {
            Protocol::Udp => "udp",
            Protocol::Rtp => "rtp",
            Protocol::File => "file",
            Protocol::Fifo => "fifo",
        }
    }
}

/// One stream to watch.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) id: String,
    pub(super) source: Source,
    pub(super) protocol: Protocol,
    pub(super) stall: Duration,
    pub(super) priority3: bool,
    pub(super) policy: Policy,
    /// Markers that must come at least so often.
    pub(super) expect: Vec<(Kind, Duration)>,
    /// The stream at the input of the encoder whose output this is.
    pub(super) input: Option<String>,
    pub(super) latency: Duration,
}

impl Plan {
    pub(super) fn read(table: &Table<'_>) -> Option<Plan> {
        let id = table.need_id("id");
        let written = table.need_text("url");
        let interface = interface(table);
        let stall = table.duration("stall", Duration::from_millis(500)..=Duration::from_secs(300)).unwrap_or(STALL);
        let priority3 = table.flag("priority3").unwrap_or(false);
        let expect = table.table("expect").map(expect).unwrap_or_default();
        let input = table.text("input");
        let latency = table.duration("latency", Duration::from_secs(1)..=Duration::from_secs(120));
        let usual = Policy::default();
        let day = Duration::from_secs(86_400);
        let policy = Policy {
            preroll: table.duration("preroll", Duration::ZERO..=Duration::from_secs(60)).unwrap_or(usual.preroll),
            max_break: table.duration("max_break", Duration::from_secs(1)..=day).unwrap_or(usual.max_break),
            tolerance: table
                .duration("tolerance", Duration::from_millis(10)..=Duration::from_secs(60))
                .unwrap_or(usual.tolerance),
            heartbeat: table.duration("heartbeat", Duration::from_secs(1)..=day),
            any_in_closes: table.flag("any_in_closes").unwrap_or(usual.any_in_closes),
        };
        if latency.is_some() && input.is_none() {
            table.mistake("latency", "`latency` without `input`", "name the stream before the encoder with `input`");
        }
        if input.is_some() && input == id {
            table.mistake("input", "a stream is its own input", "name the stream before the encoder");
        }
        let (source, protocol) = source(table, &written?, interface)?;
        let latency = latency.unwrap_or(LATENCY);
        Some(Plan { id: id?, source, protocol, stall, priority3, policy, expect, input, latency })
    }
}

fn interface(table: &Table<'_>) -> Option<Interface> {
    let read = table.text("interface")?.parse();
    if let Err(error) = &read {
        let error: &feed::NoInterface = error;
        table.mistake("interface", error.to_string(), "write a name that `ip link` shows");
    }
    read.ok()
}

/// The limits of the sub-table `[stream.expect]`, each under a name of [`Kind`].
fn expect(table: Table<'_>) -> Vec<(Kind, Duration)> {
    let range = Duration::from_secs(1)..=Duration::from_secs(30 * 86_400);
    let limits = Kind::ALL.iter().filter_map(|kind| Some((*kind, table.duration(kind.label(), range.clone())?)));
    let limits = limits.collect();
    table.finish();
    limits
}

const FORMS: &str = "write udp://GROUP-OR-ADDRESS:PORT, rtp://GROUP-OR-ADDRESS:PORT, file:///PATH or fifo:///PATH";

fn source(table: &Table<'_>, written: &str, interface: Option<Interface>) -> Option<(Source, Protocol)> {
    let refuse = |what: &str, instead: &str| {
        table.mistake("url", what, instead);
        None
    };
    let Ok(url) = Url::parse(written) else {
        return refuse("the URL cannot be read", FORMS);
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("nobody logs in to such a stream", "remove user and password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse(
            "options in the URL are not read",
            "remove what follows `?`; the interface of a group is set by `interface`",
        );
    }
    let path = || PathBuf::from(url.path());
    let (source, protocol) = match url.scheme() {
        "udp" | "rtp" => {
            let Some(to) = feed::address(url.host_str().unwrap_or(""), url.port().unwrap_or(0)) else {
                return refuse(
                    "it has no address and port to listen on",
                    "write an address, not a name: a multicast group, 0.0.0.0 or an address of this machine",
                );
            };
            if interface.is_some() && !to.ip().is_multicast() {
                table.mistake(
                    "interface",
                    "an interface is chosen for multicast groups only",
                    "remove it; to hear one interface alone, write its address in the URL",
                );
            }
            if to.is_ipv6() && matches!(interface, Some(Interface::Address(_))) {
                table.mistake("interface", "an IPv6 group is joined on an interface by name", "write its name");
            }
            let protocol = if url.scheme() == "rtp" { Protocol::Rtp } else { Protocol::Udp };
            (Source::Udp { to, interface: interface.clone() }, protocol)
        }
        "file" | "fifo" if url.host().is_some() || url.path().len() < 2 => {
            return refuse("it has no path on this machine", "write three slashes: file:///srv/out.ts");
        }
        "file" => (Source::Growing(path()), Protocol::File),
        "fifo" => (Source::Fifo(path()), Protocol::Fifo),
        "srt" | "rtmp" | "rtmps" => {
            return refuse(
                &format!("{}:// cannot be watched by this build", url.scheme()),
                "let the encoder send a second output as udp:// to this machine",
            );
        }
        "rtsp" | "rtsps" => return refuse("an RTSP source is a camera", "put it under [[camera]]"),
        "http" | "https" => return refuse("a stream over HTTP is not watched", FORMS),
        _ => return refuse("the scheme is not known", FORMS),
    };
    if interface.is_some() && !matches!(source, Source::Udp { .. }) {
        table.mistake("interface", "a file has no interface", "remove it");
    }
    Some((source, protocol))
}

impl Plan {
    /// Everything that makes a change of the configuration a change of this stream.
    pub(super) fn text(&self) -> String {
        format!("{self:?} {}", show_duration(self.latency))
    }
}
