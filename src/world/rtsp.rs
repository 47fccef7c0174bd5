//! RTSP (RFC 2326) as the rest of the house sees it: a [`Dial`] makes a [`Line`] to one camera, a line opens one session
//! at a time, and a session is a [`Feed`] of RTP packets that ends for a [`Reason`] out of a closed set.
//!
//! The real thing is [`line::Retina`], the last lines that know retina; [`script`] is its twin for tests.

pub mod line;
pub mod script;
mod verdict;

use crate::base::clock::{Boot, Clock};
use crate::base::label::Label;
use crate::base::secret::Secret;
use crate::wire::rtp::{Codec, Seen};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use url::Url;

/// Most packets that a feed hands over before it lets other tasks run: retina parses from its own buffer and does not
/// use up tokio's budget, so a flooding camera would else hold a worker. 256 packets are about 0.1 ms of work.
pub const BURST: usize = 256;

/// How RTP travels.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub enum Transport {
    /// Interleaved in the RTSP connection, RFC 2326 10.12.
    #[default]
    Tcp,
    /// RTP/AVP/UDP unicast. Reordered and repeated packets are dropped by the library unseen; one reordered packet
    /// reads as one lost.
    Udp,
}

impl Label for Transport {
    const ALL: &'static [Self] = &[Transport::Tcp, Transport::Udp];
    fn label(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        }
    }
}

/// Who we are to the camera. Basic and Digest (MD5, SHA-256) are answered as the camera asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub username: String,
    pub password: Secret,
}

/// Why there is no session, or no longer one.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    /// The camera closed the connection (FIN).
    Eof,
    /// The connection was reset (RST) or could not be written to.
    Reset,
    /// Nothing listens on the port.
    Refused,
    /// The network has no way to the host.
    Unreachable,
    /// The host name has no address.
    Dns,
    /// Connect, DESCRIBE, SETUP or PLAY was not answered in time.
    Timeout,
    /// Playing, and no packet for too long.
    Silent,
    /// Packets came, and never a whole frame.
    NoFrame,
    /// 401 or 403. Some cameras (Dahua) answer so when all their sessions are taken.
    Auth,
    /// The password file, variable or credential could not be read on this box.
    Secret,
    /// 404, 410 or 454.
    NotFound,
    /// 453 or 503: out of sessions or bandwidth.
    Busy,
    /// 461: the camera does not offer the configured transport.
    Transport,
    /// Any other status that is no success; also 3xx, which is not followed.
    Rejected,
    /// DESCRIBE answered without a video track.
    NoVideo,
    /// An answer that RTSP or SDP does not allow.
    Protocol,
    /// Bytes in the connection that are neither an RTSP message nor an interleaved packet.
    Framing,
    /// RTP sequence numbers started over within the session.
    SeqReset,
    /// Another RTP source (SSRC) took over within the session.
    SsrcChange,
    /// The keepalive was not answered before the next one was due.
    Keepalive,
    /// We stopped.
    Shutdown,
    /// Our own code panicked: a defect of Vedette, not of the camera.
    Panic,
}

impl Label for Reason {
    const ALL: &'static [Self] = &[
        Reason::Eof,
        Reason::Reset,
        Reason::Refused,
        Reason::Unreachable,
        Reason::Dns,
        Reason::Timeout,
        Reason::Silent,
        Reason::NoFrame,
        Reason::Auth,
        Reason::Secret,
        Reason::NotFound,
        Reason::Busy,
        Reason::Transport,
        Reason::Rejected,
        Reason::NoVideo,
        Reason::Protocol,
        Reason::Framing,
        Reason::SeqReset,
        Reason::SsrcChange,
        Reason::Keepalive,
        Reason::Shutdown,
        Reason::Panic,
    ];
    fn label(self) -> &'static str {
        match self {
            Reason::Eof => "eof",
            Reason::Reset => "reset",
            Reason::Refused => "refused",
            Reason::Unreachable => "unreachable",
            Reason::Dns => "dns",
            Reason::Timeout => "timeout",
            Reason::Silent => "silent",
            Reason::NoFrame => "no_frame",
            Reason::Auth => "auth",
            Reason::Secret => "secret",
            Reason::NotFound => "not_found",
            Reason::Busy => "busy",
            Reason::Transport => "transport",
            Reason::Rejected => "rejected",
            Reason::NoVideo => "no_video",
            Reason::Protocol => "protocol",
            Reason::Framing => "framing",
            Reason::SeqReset => "seq_reset",
            Reason::SsrcChange => "ssrc_change",
            Reason::Keepalive => "keepalive",
            Reason::Shutdown => "shutdown",
            Reason::Panic => "panic",
        }
    }
}

/// What we were doing when it broke.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Name lookup, TCP connect and DESCRIBE with its 401 round.
    Describe,
    Setup,
    Play,
    /// PLAY was answered; packets are due.
    Stream,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Describe => "describe",
            Phase::Setup => "setup",
            Phase::Play => "play",
            Phase::Stream => "stream",
        })
    }
}

/// A session that could not be opened, or ended. Free of secrets: the address never held any.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{phase} failed, {}", reason.label())]
pub struct Broken {
    pub reason: Reason,
    pub phase: Phase,
    pub source: Option<Said>,
}

impl Broken {
    pub fn new(reason: Reason, phase: Phase) -> Self {
        Broken { reason, phase, source: None }
    }
}

/// What the library or the system said, cut to one short line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Said(pub String);

/// Something wrong with one packet, which the session survives.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Oddity {
    /// A sequence number again or from before. TCP does not reorder, so the camera sent it so.
    OutOfOrder,
    /// A packet of another RTP source.
    WrongSsrc,
    /// Not a valid RTP header (RFC 3550 5.1).
    Malformed,
    /// Not a valid RTCP compound packet (RFC 3550 6.1).
    Rtcp,
    /// A payload type other than the one the session was set up with. The packet is counted like any other.
    PayloadType,
    /// An RTSP response that nobody asked for.
    Response,
}

impl Label for Oddity {
    const ALL: &'static [Self] = &[
        Oddity::OutOfOrder,
        Oddity::WrongSsrc,
        Oddity::Malformed,
        Oddity::Rtcp,
        Oddity::PayloadType,
        Oddity::Response,
    ];
    fn label(self) -> &'static str {
        match self {
            Oddity::OutOfOrder => "out_of_order",
            Oddity::WrongSsrc => "wrong_ssrc",
            Oddity::Malformed => "malformed",
            Oddity::Rtcp => "rtcp",
            Oddity::PayloadType => "payload_type",
            Oddity::Response => "response",
        }
    }
}

/// One thing that arrived.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// An RTP packet of the video track.
    Packet(Seen<'a>),
    /// An RTCP sender report (RFC 3550 6.4.1).
    SenderReport,
    Odd(Oddity),
}

/// What is known once PLAY was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    pub codec: Codec,
    /// Hz.
    pub clock_hz: u32,
    /// Frames per second as the SDP declares them (`a=framerate`).
    pub framerate: Option<f64>,
    /// The sequence parameter set as the SDP gives it (`sprop-parameter-sets`, `sprop-sps`), without start code.
    pub sps: Option<Vec<u8>>,
    /// When DESCRIBE began, name lookup included.
    pub began: Boot,
    /// Name lookup, TCP connect, DESCRIBE and the 401 round, which cannot be told apart from outside.
    pub describe: Duration,
    pub setup: Duration,
    pub play: Duration,
}

/// A future that may be handed to any worker.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A session on its way.
pub type Opening<'a> = Later<'a, Result<(Opened, Box<dyn Feed>), Broken>>;

/// Makes lines to cameras.
pub trait Dial: Send + Sync {
    /// A line to the camera at `url`, which has scheme `rtsp` and no user or password. Touches nothing yet.
    fn line(&self, url: &Url, transport: Transport, clock: &Clock) -> Box<dyn Line>;
}

/// The way to one camera, over all its sessions; never two at a time, and never a new one while the camera may still
/// keep the last.
pub trait Line: Send {
    /// Opens a session for the first video track. Every step is bounded; dropping the future hangs up what is half open.
    fn open(&mut self, login: Option<Login>) -> Opening<'_>;
    /// Waits until the TEARDOWN of the last session was answered, at most `bound`. True if it was.
    /// Drop the feed first.
    fn hang_up(&mut self, bound: Duration) -> Later<'_, bool>;
}

/// A session that is playing. Dropping it sends TEARDOWN in the background.
pub trait Feed: Send {
    /// Hands what has arrived to `take`, at most [`BURST`] at a time, and is pending until the session is over.
    fn poll(&mut self, cx: &mut Context<'_>, take: &mut (dyn FnMut(Event<'_>) + Send)) -> Poll<Broken>;
}
