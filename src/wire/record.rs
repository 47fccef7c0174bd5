//! What `vedette-gst` writes to its standard output for the daemon, and what it is asked on its standard input.
//! Shared with the `vedette-gst` crate by `#[path]`: nothing but `core` and `std` here.
//!
//! The daemon writes one line, the URL, and keeps the worker's standard input open; when that ends, the worker ends. The
//! URL may hold a passphrase, and what stands in a command line is public. The worker writes records:
//!
//! ```text
//! length of body  u32 LE, at most MOST_BODY
//! kind            u8
//! at              u64 LE, CLOCK_BOOTTIME in ns: for bytes, when they came
//! body            by kind; whole numbers are u64 LE. A body that is longer than what is known here is cut: a newer worker
//! ```
//!
//! Records come at least once a second ([`Record::Alive`] when there is nothing else), so that silence means a hang.

use std::fmt;

/// Bytes in front of each body.
pub const HEADER: usize = 13;
/// Bytes in a body at most: one appsink buffer, of which SRT's hold 1 316 bytes and none is above 64 KiB.
pub const MOST_BODY: usize = 64 * 1024;
/// Bytes of the line with the URL at most, the line feed included.
pub const MOST_REQUEST: usize = 2048;
/// The version that [`Record::Hello`] carries.
pub const VERSION: u64 = 1;

/// Why a source gave nothing, or gives no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The request is no URL that this worker can play.
    Request,
    /// A GStreamer element that is needed is not installed.
    NotInstalled,
    /// The name of the host has no address.
    Name,
    /// Nobody listens there, or who listens turned us away.
    Refused,
    /// No route, or no answer within the limit.
    Unreachable,
    /// Wrong passphrase, stream key or user.
    Denied,
    /// Connected, then no data within the limit.
    Silent,
    /// It sends something that is not what the URL promises.
    Malformed,
    /// The other side ended the stream.
    Ended,
    /// GStreamer says something else; its words went to standard error.
    Other,
}

impl Reason {
    /// In the order of their numbers on the wire, from 0.
    pub const ALL: &'static [Reason] = &[
        Reason::Request,
        Reason::NotInstalled,
        Reason::Name,
        Reason::Refused,
        Reason::Unreachable,
        Reason::Denied,
        Reason::Silent,
        Reason::Malformed,
        Reason::Ended,
        Reason::Other,
    ];

    /// Lower case, `[a-z_]`.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Request => "request",
            Reason::NotInstalled => "not_installed",
            Reason::Name => "name",
            Reason::Refused => "refused",
            Reason::Unreachable => "unreachable",
            Reason::Denied => "denied",
            Reason::Silent => "silent",
            Reason::Malformed => "malformed",
            Reason::Ended => "ended",
            Reason::Other => "other",
        }
    }
}

macro_rules! counts {
    ($(#[$of:meta])* $name:ident { $($(#[$doc:meta])* $field:ident,)* }) => {
        $(#[$of])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
        pub struct $name { $($(#[$doc])* pub $field: u64,)* }

        impl $name {
            fn write(&self, out: &mut Vec<u8>) {
                $(out.extend_from_slice(&self.$field.to_le_bytes());)*
            }
            fn read(mut body: &[u8]) -> Option<$name> {
                Some($name { $($field: whole(&mut body)?,)* })
            }
        }
    };
}

counts! {
    /// What an SRT socket says of itself (libsrt's statistics), since it was connected.
    Srt {
        /// Repeated and recovered ones included.
        packets,
        bytes,
        /// Packets found missing when a later one came; retransmission brings most of them back in time.
        lost,
        /// Round trip, µs.
        rtt_us,
        /// What the link can carry, as SRT estimates, bit/s.
        bandwidth,
        /// The receiver's delay as negotiated, ms.
        latency_ms,
    }
}

counts! {
    /// What came over RTMP, since it was connected. There is no transport stream inside to look at.
    Flv {
        video_frames,
        video_bytes,
        /// Frames that stand alone.
        keyframes,
        audio_frames,
        audio_bytes,
        /// Size of the picture, pixels; 0 until known.
        width,
        height,
        /// Time stamp of the newest video frame, ns.
        video_time_ns,
    }
}

/// One thing the worker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// First of all: the worker runs and its libraries are there.
    Hello {
        version: u64,
    },
    /// Nothing new; sent once a second.
    Alive,
    /// The other side answered: the handshake is done, data may come.
    Connected,
    /// Bytes of a transport stream, as they came, of any length.
    Ts(&'a [u8]),
    Srt(Srt),
    Flv(Flv),
    /// Last of all.
    Fault(Reason),
}

/// The pipe carries something else than records: nothing after it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a worker's record: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

const HELLO: u8 = 1;
const ALIVE: u8 = 2;
const CONNECTED: u8 = 3;
const TS: u8 = 4;
const SRT: u8 = 5;
const FLV: u8 = 6;
const FAULT: u8 = 7;

impl Record<'_> {
    /// Appends the record to `out`. Bytes beyond [`MOST_BODY`] have no place in one record: use [`bytes()`].
    pub fn write(&self, at: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; HEADER]);
        let kind = match self {
            Record::Hello { version } => {
                out.extend_from_slice(&version.to_le_bytes());
                HELLO
            }
            Record::Alive => ALIVE,
            Record::Connected => CONNECTED,
            Record::Ts(bytes) => {
                out.extend_from_slice(&bytes[..bytes.len().min(MOST_BODY)]);
                TS
            }
            Record::Srt(counts) => {
                counts.write(out);
                SRT
            }
            Record::Flv(counts) => {
                counts.write(out);
                FLV
            }
            Record::Fault(reason) => {
                out.push(*reason as u8);
                FAULT
            }
        };
        let length = (out.len() - start - HEADER) as u32; // at most MOST_BODY
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
        out[start + 4] = kind;
        out[start + 5..start + HEADER].copy_from_slice(&at.to_le_bytes());
    }
}

/// Appends bytes of a transport stream in as many records as they need.
pub fn bytes(stream: &[u8], at: u64, out: &mut Vec<u8>) {
    for piece in stream.chunks(MOST_BODY) {
        Record::Ts(piece).write(at, out);
    }
}

/// Reads the record at the front of `input`: its time, itself, and how many bytes it took. `None`: more is needed, at most
/// [`HEADER`] + [`MOST_BODY`] in all. A kind that is not known comes as [`Record::Alive`]: the worker is newer than we.
///
/// # Errors
/// The bytes are no record.
pub fn parse(input: &[u8]) -> Result<Option<(u64, Record<'_>, usize)>, Malformed> {
    let Some((header, rest)) = input.split_at_checked(HEADER) else { return Ok(None) };
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |n, b| n << 8 | u64::from(*b));
    let (length, kind, at) = (number(&header[..4]) as usize, header[4], number(&header[5..]));
    if length > MOST_BODY {
        return Err(Malformed("a body above the limit"));
    }
    if kind == 0 {
        return Err(Malformed("kind 0"));
    }
    let Some(body) = rest.get(..length) else { return Ok(None) };
    let short = Malformed("a body too short for its kind");
    let record = match kind {
        HELLO => Record::Hello { version: whole(&mut &*body).ok_or(short)? },
        CONNECTED => Record::Connected,
        TS => Record::Ts(body),
        SRT => Record::Srt(Srt::read(body).ok_or(short)?),
        FLV => Record::Flv(Flv::read(body).ok_or(short)?),
        FAULT => {
            let n = *body.first().ok_or(short)?;
            Record::Fault(Reason::ALL.get(usize::from(n)).copied().unwrap_or(Reason::Other))
        }
        _ => Record::Alive,
    };
    Ok(Some((at, record, HEADER + length)))
}

/// Takes a number off the front.
fn whole(body: &mut &[u8]) -> Option<u64> {
    let (number, rest) = body.split_first_chunk::<8>()?;
    *body = rest;
    Some(u64::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SRT_COUNTS: Srt = Srt { packets: 1, bytes: 2, lost: 3, rtt_us: 6, bandwidth: u64::MAX, latency_ms: 8 };

    fn all() -> Vec<Record<'static>> {
        let mut all = vec![
            Record::Hello { version: VERSION },
            Record::Alive,
            Record::Connected,
            Record::Ts(&[0x47; 1316]),
            Record::Ts(&[]),
            Record::Srt(SRT_COUNTS),
            Record::Flv(Flv { video_frames: 9, height: 720, ..Flv::default() }),
        ];
        all.extend(Reason::ALL.iter().map(|reason| Record::Fault(*reason)));
        all
    }

    #[test]
    fn what_is_written_is_read_whole_however_it_is_cut() {
        let mut stream = Vec::new();
        for (n, record) in all().iter().enumerate() {
            record.write(n as u64, &mut stream);
        }
        let (mut read, mut from) = (Vec::new(), 0);
        for to in 0..=stream.len() {
            while let Some((at, record, took)) = parse(&stream[from..to]).unwrap() {
                assert_eq!(at, read.len() as u64);
                read.push(record);
                from += took;
            }
        }
        assert_eq!(read, all());
        assert_eq!(from, stream.len());
    }

    #[test]
    fn bytes_above_the_limit_become_several_records_and_none_is_lost() {
        let long: Vec<u8> = (0..MOST_BODY * 2 + 10).map(|n| n as u8).collect();
        let mut stream = Vec::new();
        bytes(&long, 5, &mut stream);
        let (mut joined, mut from) = (Vec::new(), 0);
        while let Some((5, Record::Ts(piece), took)) = parse(&stream[from..]).unwrap() {
            joined.extend_from_slice(piece);
            from += took;
        }
        assert_eq!(joined, long);
    }

    #[test]
    fn a_body_above_the_limit_is_refused_before_it_is_waited_for() {
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&(MOST_BODY as u32 + 1).to_le_bytes());
        header[4] = TS;
        assert!(parse(&header).is_err());
        header[..4].copy_from_slice(&(MOST_BODY as u32).to_le_bytes());
        assert_eq!(parse(&header), Ok(None));
    }

    #[test]
    fn a_short_body_is_refused_and_a_longer_or_unknown_one_is_a_newer_worker() {
        let with = |kind: u8, body: &[u8]| {
            let mut stream = vec![0; HEADER];
            stream[0] = body.len() as u8;
            stream[4] = kind;
            stream.extend_from_slice(body);
            parse(&stream).map(|read| match read {
                Some((_, Record::Ts(_), _)) | None => panic!("{kind}"),
                Some((_, Record::Alive, _)) => "alive",
                Some((_, Record::Fault(reason), _)) => reason.name(),
                Some(_) => "read",
            })
        };
        for (kind, least) in [(HELLO, 8), (SRT, 48), (FLV, 64), (FAULT, 1)] {
            assert!(with(kind, &vec![9; least - 1]).is_err(), "{kind}");
            assert!(with(kind, &vec![9; least]).is_ok(), "{kind}");
            assert!(with(kind, &vec![9; least + 8]).is_ok(), "{kind}");
        }
        assert_eq!(with(FAULT, &[200]), Ok("other"));
        assert_eq!(with(99, &[1, 2]), Ok("alive"));
        assert!(with(0, &[]).is_err());
    }
}
