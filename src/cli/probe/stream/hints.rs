//! What to do about it: for each reason and each indicator, in words.

use crate::cli::probe::figures::span;
use crate::cli::probe::verdict::Nothing;
use crate::wire::record;
use crate::wire::ts::Indicator;
use crate::world::feed::Reason;
use crate::world::worker;

/// Why a source gives nothing.
pub(super) fn feed(reason: Reason) -> &'static str {
    match reason {
        Reason::InUse => {
            "another program on this machine has the port: `ss -ulpn` shows which; let the encoder send a second output \
             to another port, or send to a multicast group, which many can hear"
        }
        Reason::NoAddress => {
            "the address is none of this machine's: write a multicast group, 0.0.0.0, or one that `ip address` shows"
        }
        Reason::NoInterface => {
            "the group cannot be joined there: name an interface that `ip link` shows with --interface"
        }
        Reason::Denied => "this user may not read it: try as root, or set the file's permissions",
        Reason::NotFound => "there is no such file: look at its name",
        Reason::WrongKind => "it is a directory or a device: name a file or a pipe",
        Reason::Eof => "the file is empty",
        Reason::Hung => "the file system does not answer: look at its mount, and at the disk or server behind it",
        Reason::Other => "the system's reason stands above",
    }
}

pub(super) fn silent(waited: f64, live: bool) -> Nothing {
    match live {
        true => Nothing {
            reason: "silent",
            said: format!("nothing came for {}", span(waited)),
            hint: "look at the encoder, the multicast group and port, the interface (--interface), the firewall, and the \
                   switch's IGMP snooping",
        },
        false => Nothing { reason: "eof", said: "there is nothing in it".to_owned(), hint: feed(Reason::Eof) },
    }
}

pub(super) fn garbage(bytes: u64) -> Nothing {
    Nothing {
        reason: "garbage",
        said: format!("{bytes} bytes came, and no transport packets are in them"),
        hint: "it is no MPEG transport stream: look at the encoder's output format (mpegts), and whether it is encrypted \
               or of another service",
    }
}

/// What an indicator means, and what to do.
pub(super) fn indicator(indicator: Indicator) -> (&'static str, &'static str) {
    use Indicator as I;
    match indicator {
        I::SyncLoss => (
            "1.1: packets could not be cut out of the bytes any more",
            "bytes are lost or put in on the way: look at the link, the tuner, or how the file was written",
        ),
        I::SyncByte => (
            "1.2: packets without the sync byte 0x47",
            "a tuner, modem or disk damages the stream: look at its error counts",
        ),
        I::Pat => (
            "1.3a: the PAT stays away for more than 0.5 s, or is broken",
            "players cannot start: set the PAT period of the multiplexer to 0.1 s, and look for loss",
        ),
        I::Continuity => (
            "1.4: packets are missing, doubled or out of order",
            "packets get lost on the way: look at cables, switches and the load between the encoder and here",
        ),
        I::Pmt => (
            "1.5a: a PMT stays away for more than 0.5 s, or is broken",
            "players cannot start: set the PMT period of the multiplexer to 0.1 s, and look for loss",
        ),
        I::Pid => (
            "1.6: a video or audio PID of the PMT is missing for 5 s",
            "a part of the programme is gone: look at the encoder's inputs",
        ),
        I::Transport => (
            "2.1: packets are marked as damaged",
            "a tuner or modem before this machine receives badly: look at its signal",
        ),
        I::Crc => {
            ("2.2: tables or cues with a wrong CRC", "tables come damaged: look for loss, and at whoever writes them")
        }
        I::PcrRepetition => {
            ("2.3a: more than 100 ms between two PCRs", "set the PCR period of the multiplexer to 40 ms or less")
        }
        I::PcrDiscontinuity => (
            "2.3b: the clock (PCR) stepped without a word",
            "the encoder restarted, or streams were joined: look at its log, and for loss",
        ),
        I::Pts => (
            "2.5: more than 700 ms between two timestamps (PTS)",
            "pictures or sound stopped: look at the encoder's input",
        ),
        I::Cat => ("2.6: scrambled packets without a CAT", "look at the scrambler"),
        I::Nit | I::SiRepetition | I::UnreferencedPid | I::Sdt | I::Eit | I::Rst | I::Tdt => {
            ("priority 3", "look at the multiplexer's service information")
        }
    }
}

/// Why the worker gives nothing.
pub(super) fn worker(reason: worker::Reason) -> &'static str {
    use {record::Reason as R, worker::Reason as W};
    match reason {
        W::Said(R::NotInstalled) => "install the package vedette-gst, and gstreamer1.0-plugins-bad for SRT",
        W::Said(R::Request) => {
            "the URL cannot be played: write srt://HOST:PORT, with ?streamid=…&passphrase=… where they are asked \
             for"
        }
        W::Said(R::Name) => "the name has no address: write the address, or look at the DNS server",
        W::Said(R::Refused) => {
            "nobody listens there, or turns us away: look at port, mode (caller, listener), streamid and passphrase"
        }
        W::Said(R::Unreachable) => {
            "no answer: look at the address, the port (UDP) in the firewalls, and whether the encoder listens"
        }
        W::Said(R::Denied) => "look at the passphrase, streamid or user",
        W::Said(R::Silent) => "connected, and no data came: look at the encoder's input",
        W::Said(R::Malformed) => "what comes is no transport stream: look at the encoder's output format (mpegts)",
        W::Said(R::Ended) => "the other side ended the stream: look at the encoder's log",
        W::Crashed | W::Hung | W::Garbled => "the worker vedette-gst failed: look for a newer GStreamer, and try again",
        W::Said(R::Other) => {
            "GStreamer's reason is another: try `gst-launch-1.0 srtsrc uri=… ! fakesink` for its words"
        }
    }
}
