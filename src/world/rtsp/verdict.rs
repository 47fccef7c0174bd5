//! What an error of retina means for us. Its errors are opaque: only the status of a response can be asked for, the
//! rest is read from the first words, which are stable within the pinned version.

use super::{Oddity, Reason, Said};
use std::io::{Error, ErrorKind};

/// Characters of an error text that are kept: one log line.
const SAID: usize = 200;

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Wrong with one packet; the session goes on.
    Odd(Oddity),
    /// The session is over, or was never one. Polling on would return the same error for ever.
    End(Reason),
}

pub(super) fn judge(error: &retina::Error) -> (Verdict, Said) {
    let text = error.to_string();
    (sort(error.status_code(), &text), said(&text))
}

/// The first line: what follows are addresses and hex dumps.
fn said(text: &str) -> Said {
    Said(text.lines().next().unwrap_or_default().trim().chars().filter(|c| !c.is_control()).take(SAID).collect())
}

fn sort(status: Option<u16>, text: &str) -> Verdict {
    if let Some(status) = status {
        return Verdict::End(by_status(status));
    }
    if text.contains("\npkt: ") {
        return Verdict::Odd(match text {
            t if t.starts_with("Out-of-order packet") => Oddity::OutOfOrder,
            t if t.starts_with("wrong ssrc") => Oddity::WrongSsrc,
            // Only an RTP packet has a sequence number to tell; what is left is RTCP.
            t if t.starts_with("corrupt RTP header") || t.contains("\nseq: ") => Oddity::Malformed,
            _ => Oddity::Rtcp,
        });
    }
    if text.starts_with("RTSP framing error: Unexpected RTSP response") {
        return Verdict::Odd(Oddity::Response);
    }
    Verdict::End(
        if text.contains("keepalive") && (text.contains("failed to respond") || text.contains("Unable to write")) {
            Reason::Keepalive
        } else if text.contains("at EOF") || text.contains("EOF while expecting") {
            Reason::Eof
        } else if text.starts_with("RTSP framing error: Invalid") {
            Reason::Framing
        } else if text.contains("failed to lookup address") {
            Reason::Dns
        } else {
            by_system(text).unwrap_or(Reason::Protocol)
        },
    )
}

/// RFC 2326 7.1.1. A 2xx here is an answer whose content made no sense.
fn by_status(status: u16) -> Reason {
    match status {
        200..=299 => Reason::Protocol,
        401 | 403 => Reason::Auth,
        404 | 410 | 454 => Reason::NotFound,
        453 | 503 => Reason::Busy,
        461 => Reason::Transport,
        _ => Reason::Rejected,
    }
}

/// By the number in `(os error 111)`, which std prints whatever the language of the system.
fn by_system(text: &str) -> Option<Reason> {
    let (_, rest) = text.split_once("(os error ")?;
    let number = rest.split_once(')')?.0.parse().ok()?;
    Some(match Error::from_raw_os_error(number).kind() {
        ErrorKind::ConnectionRefused => Reason::Refused,
        ErrorKind::TimedOut => Reason::Timeout,
        ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable => Reason::Unreachable,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => Reason::Reset,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_text_has_its_meaning() {
        let ctx = "\n\nconn: 127.0.0.1:1(me)->127.0.0.1:554@now\nstream: TCP\n";
        let rtp = format!("{ctx}ssrc: 0000abcd\nseq: 7\npkt: 99@now");
        let pkt = format!("{ctx}pkt: 99@now");
        let cases = [
            (Some(401), "401 Unauthorized response to DESCRIBE".into(), Verdict::End(Reason::Auth)),
            (Some(454), "".into(), Verdict::End(Reason::NotFound)),
            (Some(453), "".into(), Verdict::End(Reason::Busy)),
            (Some(461), "".into(), Verdict::End(Reason::Transport)),
            (Some(302), "".into(), Verdict::End(Reason::Rejected)),
            (Some(500), "".into(), Verdict::End(Reason::Rejected)),
            (Some(200), "".into(), Verdict::End(Reason::Protocol)),
            (None, format!("Out-of-order packet or large loss; expecting{rtp}"), Verdict::Odd(Oddity::OutOfOrder)),
            (None, format!("wrong ssrc after 3 RTP pkts{rtp}"), Verdict::Odd(Oddity::WrongSsrc)),
            (
                None,
                format!("corrupt RTP header while expecting seq=None: too short{pkt}"),
                Verdict::Odd(Oddity::Malformed),
            ),
            (None, format!("RTCP packets must be multiple of 4 bytes{pkt}"), Verdict::Odd(Oddity::Rtcp)),
            (None, "RTSP framing error: Unexpected RTSP response Response".into(), Verdict::Odd(Oddity::Response)),
            (None, "RTSP framing error: Invalid RTSP message: x".into(), Verdict::End(Reason::Framing)),
            (None, "RTSP framing error: Incomplete RTSP message at EOF (x)".into(), Verdict::End(Reason::Eof)),
            (
                None,
                "Error reading from RTSP peer: EOF while expecting response to PLAY CSeq 4".into(),
                Verdict::End(Reason::Eof),
            ),
            (
                None,
                "Error reading from RTSP peer: Server failed to respond to keepalive 5 within 30s".into(),
                Verdict::End(Reason::Keepalive),
            ),
            (
                None,
                "Error reading from RTSP peer: Connection reset by peer (os error 104)".into(),
                Verdict::End(Reason::Reset),
            ),
            (
                None,
                "Unable to connect to RTSP server: Connection refused (os error 111)".into(),
                Verdict::End(Reason::Refused),
            ),
            (
                None,
                "Unable to connect to RTSP server: No route to host (os error 113)".into(),
                Verdict::End(Reason::Unreachable),
            ),
            (
                None,
                "Unable to connect to RTSP server: failed to lookup address information: Name or service not known"
                    .into(),
                Verdict::End(Reason::Dns),
            ),
            (None, "something new".into(), Verdict::End(Reason::Protocol)),
        ];
        for (status, text, verdict) in cases {
            assert_eq!(sort(status, &text), verdict, "{status:?} {text}");
        }
    }

    #[test]
    fn what_is_kept_of_a_text_is_one_short_line() {
        let Said(kept) = said(&format!("wrong\tssrc {}\n\nconn: 10.0.0.9", "x".repeat(900)));
        assert!(kept.starts_with("wrongssrc x") && kept.len() == SAID, "{kept}");
    }
}
