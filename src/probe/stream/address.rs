//! Where a stream comes from, as its URL says. A URL may hold a passphrase or a stream key: no mistake repeats it.

use crate::base::secret::Secret;
use crate::base::settings::Table;
use crate::world::feed::{self, Interface, Source};
use std::path::PathBuf;
use url::Url;

/// How a stream comes.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Protocol {
    Udp,
    /// Each datagram is RTP.
    Rtp,
    File,
    Fifo,
    Srt,
    /// Frames in FLV, with or without TLS: no transport stream.
    Rtmp,
}

impl Protocol {
    pub(super) fn datagrams(self) -> bool {
        matches!(self, Protocol::Udp | Protocol::Rtp)
    }
    /// It is received in a process of its own.
    pub(super) fn by_worker(self) -> bool {
        matches!(self, Protocol::Srt | Protocol::Rtmp)
    }
    pub(super) fn label(self) -> &'static str {
        match self {
            Protocol::Udp => "udp",
            Protocol::Rtp => "rtp",
            Protocol::File => "file",
            Protocol::Fifo => "fifo",
            Protocol::Srt => "srt",
            Protocol::Rtmp => "rtmp",
        }
    }
}

/// What to open.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    Feed(Source),
    Srt(Secret),
    Rtmp(Secret),
}

const SRT_OPTIONS: &str = "known are mode, passphrase, pbkeylen, latency, streamid, localaddress and localport";
const FORMS: &str = "write udp://GROUP-OR-ADDRESS:PORT, rtp://GROUP-OR-ADDRESS:PORT, srt://HOST:PORT, \
                     rtmp://HOST/APPLICATION/STREAM, file:///PATH or fifo:///PATH";
const NO_LOGIN: (&str, &str) = ("nobody logs in to such a stream", "remove user and password");

/// What is wrong, and what to write instead.
type Wrong = (&'static str, &'static str);

/// Reads the URL of a `[[stream]]`; `None` when it has a mistake.
pub(super) fn read(table: &Table<'_>, written: &str, interface: Option<Interface>) -> Option<(Origin, Protocol)> {
    let group = interface.clone();
    match parse(written, interface) {
        Ok((origin, protocol)) => {
            if let Some(interface) = group {
                check_interface(table, &interface, &origin);
            }
            Some((origin, protocol))
        }
        Err((what, instead)) => {
            table.mistake("url", what, instead);
            None
        }
    }
}

fn check_interface(table: &Table<'_>, interface: &Interface, origin: &Origin) {
    match origin {
        Origin::Feed(Source::Udp { to, .. }) => {
            if !to.ip().is_multicast() {
                table.mistake(
                    "interface",
                    "an interface is chosen for multicast groups only",
                    "remove it; to hear one interface alone, write its address in the URL",
                );
            }
            if to.is_ipv6() && matches!(interface, Interface::Address(_)) {
                table.mistake("interface", "an IPv6 group is joined on an interface by name", "write its name");
            }
        }
        Origin::Feed(_) => table.mistake("interface", "a file has no interface", "remove it"),
        Origin::Srt(_) | Origin::Rtmp(_) => {
            table.mistake("interface", "an interface is chosen for multicast groups only", "remove it");
        }
    }
}

fn parse(written: &str, interface: Option<Interface>) -> Result<(Origin, Protocol), Wrong> {
    if written.starts_with("srt://:") {
        return Err(("it has no host", "to wait for the encoder's call, write srt://0.0.0.0:PORT?mode=listener"));
    }
    let url = Url::parse(written).map_err(|_| ("the URL cannot be read", FORMS))?;
    let whole = || Secret::new(written);
    let path = || PathBuf::from(url.path());
    match url.scheme() {
        "srt" => srt(&url).map(|()| (Origin::Srt(whole()), Protocol::Srt)),
        "rtmp" | "rtmps" => rtmp(&url).map(|()| (Origin::Rtmp(whole()), Protocol::Rtmp)),
        "rtsp" | "rtsps" => Err(("an RTSP source is a camera", "put it under [[camera]]")),
        "http" | "https" => Err(("a stream over HTTP is not watched", "put an HLS playlist under [[playlist]]")),
        "udp" | "rtp" | "file" | "fifo" if !url.username().is_empty() || url.password().is_some() => Err(NO_LOGIN),
        "udp" | "rtp" | "file" | "fifo" if url.query().is_some() || url.fragment().is_some() => Err((
            "options in the URL are not read",
            "remove what follows `?` or `#`; the interface of a group is set by `interface`",
        )),
        "udp" | "rtp" => {
            let to = feed::address(url.host_str().unwrap_or(""), url.port().unwrap_or(0)).ok_or((
                "it has no address and port to listen on",
                "write an address, not a name: a multicast group, 0.0.0.0 or an address of this machine",
            ))?;
            let protocol = if url.scheme() == "rtp" { Protocol::Rtp } else { Protocol::Udp };
            Ok((Origin::Feed(Source::Udp { to, interface }), protocol))
        }
        "file" | "fifo" if url.host().is_some() || url.path().len() < 2 => {
            Err(("it has no path on this machine", "write three slashes: file:///srv/out.ts"))
        }
        "file" => Ok((Origin::Feed(Source::Growing(path())), Protocol::File)),
        "fifo" => Ok((Origin::Feed(Source::Fifo(path())), Protocol::Fifo)),
        _ => Err(("the scheme is not known", FORMS)),
    }
}

/// What srtsrc would not take, or would take for something else without a word.
fn srt(url: &Url) -> Result<(), Wrong> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err((NO_LOGIN.0, "remove user and password; SRT has ?passphrase= and ?streamid="));
    }
    if url.host().is_none() || url.port().is_none() {
        return Err(("it has no host and port", "write srt://HOST:PORT"));
    }
    if !matches!(url.path(), "" | "/") {
        return Err(("SRT has no paths", "remove what stands between port and `?`; a stream is chosen by ?streamid="));
    }
    if url.fragment().is_some() {
        return Err(("what follows `#` is not sent", "write %23 for # in a stream id or passphrase"));
    }
    for (name, value) in url.query_pairs() {
        match &*name {
            "mode" if !matches!(&*value, "caller" | "listener" | "rendezvous") => {
                return Err(("there is no such mode", "write mode=caller, mode=listener or mode=rendezvous"));
            }
            "passphrase" if !(10..=79).contains(&value.len()) => {
                return Err(("a passphrase of SRT has 10 to 79 characters", "write the encoder's"));
            }
            "pbkeylen" if !matches!(&*value, "16" | "24" | "32") => {
                return Err(("there is no such key length", "write pbkeylen=16, 24 or 32"));
            }
            "latency" if value.parse().is_ok_and(|ms: u32| ms <= 60_000) => {}
            "latency" => return Err(("the latency is no number of milliseconds", "write latency=0 to 60000")),
            "localport" if value.parse::<u16>().is_err() => {
                return Err(("the local port is none", "write localport=1 to 65535"));
            }
            "streamid" if value.len() > 512 => {
                return Err(("a stream id of SRT has at most 512 characters", "write the encoder's"));
            }
            "mode" | "passphrase" | "pbkeylen" | "streamid" | "localaddress" | "localport" => {}
            _ => return Err(("an option is not known, or a passphrase has a bare `&` (write %26)", SRT_OPTIONS)),
        }
    }
    Ok(())
}

fn rtmp(url: &Url) -> Result<(), Wrong> {
    if !url.has_host() {
        return Err(("it has no host", "write rtmp://HOST/APPLICATION/STREAM"));
    }
    if url.path_segments().is_none_or(|parts| parts.filter(|part| !part.is_empty()).count() < 2) {
        return Err(("it names no application and stream", "write rtmp://HOST/APPLICATION/STREAM"));
    }
    if url.fragment().is_some() {
        return Err(("what follows `#` is not sent", "write %23 for # in a stream key"));
    }
    Ok(())
}
