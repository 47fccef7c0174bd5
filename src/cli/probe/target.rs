//! What the argument names. It may hold a password or a token, so no error repeats it.

use crate::base::secret::Secret;
use crate::world::feed::{Interface, Source};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use url::Url;

/// Something to look at.
pub(super) enum Target {
    Stream(Stream),
    /// The URL as written.
    Playlist(String),
    Camera(String),
}

/// Who receives a transport stream.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum From {
    Source(Source),
    /// The worker; the URL may hold a passphrase.
    Worker(Secret),
}

/// A transport stream.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stream {
    pub(super) from: From,
    pub(super) pace: Pace,
    /// Each datagram is RTP.
    pub(super) rtp: bool,
}

/// By whose clock it comes.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Pace {
    /// Its own.
    Live,
    /// As fast as it can be read, of so many bytes where that is known: time is what its PCR says.
    Read(Option<u64>),
}

#[derive(Debug, thiserror::Error)]
pub(super) enum NotATarget {
    #[error(
        "the target is no URL that can be read; write udp://, rtp://, srt://, rtsp:// or http(s)://…/x.m3u8, or a path"
    )]
    Unreadable,
    #[error("{0}:// cannot be looked at; write udp://, rtp://, srt://, rtsp:// or http(s)://…/x.m3u8, or a path")]
    Scheme(String),
    #[error(
        "{0}:// needs an address and a port to listen on: a multicast group, or an address of this machine, such as \
         {0}://239.1.1.1:5000 or {0}://:5000"
    )]
    Address(&'static str),
    #[error("--interface chooses where a multicast group is joined; this target is none")]
    Interface,
    #[error("--username and --password-file are for rtsp:// and http(s)://")]
    Login,
    /// In the words of the probe's settings.
    #[error("{0}")]
    Refused(String),
    #[error("cannot look at {}", .0.display())]
    File(PathBuf, #[source] std::io::Error),
}

impl Target {
    pub(super) fn read(text: &str, interface: Option<&str>) -> Result<Target, NotATarget> {
        let target = match text.split_once("://") {
            Some(("udp", rest)) => datagrams("udp", rest, interface)?,
            Some(("rtp", rest)) => datagrams("rtp", rest, interface)?,
            Some(("srt", _)) => {
                Target::Stream(Stream { from: From::Worker(Secret::new(text)), pace: Pace::Live, rtp: false })
            }
            Some(("rtsp", _)) => Target::Camera(text.to_owned()),
            Some(("http" | "https", _)) => Target::Playlist(text.to_owned()),
            Some(("file", path)) => file(Path::new(path))?,
            Some((scheme, _)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+') => {
                return Err(NotATarget::Scheme(scheme.to_owned()));
            }
            Some(_) => return Err(NotATarget::Unreadable),
            None if text == "-" => file(Path::new("/dev/stdin"))?,
            // An address without its scheme, perhaps with a password in it.
            None if text.contains('@') && !Path::new(text).exists() => return Err(NotATarget::Unreadable),
            None => file(Path::new(text))?,
        };
        let group = |from: &From| matches!(from, From::Source(Source::Udp { to, .. }) if to.ip().is_multicast());
        if interface.is_some() && !matches!(&target, Target::Stream(stream) if group(&stream.from)) {
            return Err(NotATarget::Interface);
        }
        Ok(target)
    }

    /// The target for all to see: without user, password, path and query of a URL, each of which may be a secret.
    pub(super) fn shown(&self) -> String {
        let bare = |url: &str| match Url::parse(url) {
            Ok(url) => {
                let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
            }
            Err(_) => String::from("the target"),
        };
        match self {
            Target::Stream(stream) => match &stream.from {
                From::Source(Source::Udp { to, .. }) => format!("{}://{to}", if stream.rtp { "rtp" } else { "udp" }),
                From::Source(Source::Growing(path) | Source::Whole(path) | Source::Fifo(path)) => {
                    path.display().to_string()
                }
                From::Worker(url) => bare(url.expose()),
            },
            Target::Playlist(url) | Target::Camera(url) => bare(url),
        }
    }
}

/// `ADDRESS:PORT`, `@GROUP:PORT` as players write it, `:PORT` for any address; what follows `?` is for senders.
fn datagrams(scheme: &'static str, rest: &str, interface: Option<&str>) -> Result<Target, NotATarget> {
    let end = rest.find(['?', '/']).unwrap_or(rest.len());
    let place = rest[..end].rsplit('@').next().unwrap_or_default();
    let any = if place.starts_with(':') { "0.0.0.0" } else { "" };
    let interface = interface.map(|text| match text.parse() {
        Ok(address) => Interface::Address(address),
        Err(_) => Interface::Name(text.to_owned()),
    });
    let to = format!("{any}{place}").parse().map_err(|_| NotATarget::Address(scheme))?;
    Ok(Target::Stream(Stream {
        from: From::Source(Source::Udp { to, interface }),
        pace: Pace::Live,
        rtp: scheme == "rtp",
    }))
}

fn file(path: &Path) -> Result<Target, NotATarget> {
    let found = std::fs::metadata(path).map_err(|error| NotATarget::File(path.to_owned(), error))?;
    let (source, pace) = if found.file_type().is_fifo() {
        (Source::Fifo(path.to_owned()), Pace::Read(None))
    } else {
        (Source::Whole(path.to_owned()), Pace::Read(Some(found.len())))
    };
    Ok(Target::Stream(Stream { from: From::Source(source), pace, rtp: false }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Target::read(text, None).map_or_else(|e| e.to_string(), |target| target.shown())
    }

    #[test]
    fn every_way_to_write_a_target_is_understood() {
        for (text, wanted) in [
            ("udp://239.1.1.1:5000", "udp://239.1.1.1:5000"),
            ("udp://@239.1.1.1:5000?pkt_size=1316", "udp://239.1.1.1:5000"),
            ("udp://:5000", "udp://0.0.0.0:5000"),
            ("rtp://[ff15::1]:5004", "rtp://[ff15::1]:5004"),
            ("rtsp://cam/stream1", "rtsp://cam"),
            ("srt://enc:9000?streamid=x", "srt://enc:9000"),
            ("/dev/null", "/dev/null"),
        ] {
            assert_eq!(shown(text), wanted, "{text}");
        }
        for text in ["udp://239.1.1.1", "udp://camera:5000", "gopher://x", "no such file.ts", "://"] {
            assert!(Target::read(text, None).is_err(), "{text}");
        }
        assert!(Target::read("udp://127.0.0.1:5000", Some("lo")).is_err());
        assert!(Target::read("udp://239.1.1.1:5000", Some("lo")).is_ok());
    }

    #[test]
    fn no_secret_of_a_target_is_shown() {
        for text in [
            "rtsp://u:canary@cam:554/canary?p=canary",
            "https://u:canary@origin/canary/x.m3u8?token=canary",
            "srt://enc:9000?passphrase=canary",
            "rtsp:/u:canary@cam/x",
            "u:canary@cam",
            "rtsp//u:canary@cam",
            "ca$nary://x:canary@y",
        ] {
            assert!(!shown(text).contains("canary"), "{}", shown(text));
        }
    }
}
