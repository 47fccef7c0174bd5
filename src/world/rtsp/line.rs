//! The real line: retina at packet level. Its depacketisers are not used: they know fewer codecs, hide damaged frames
//! and end at the first oddity that we want to count.

use super::verdict::{Verdict, judge};
use super::{BURST, Broken, Dial, Event, Feed, Later, Line, Login, Oddity, Opened, Opening, Phase, Reason, Transport};
use crate::base::clock::{Boot, Clock};
use crate::base::label::Label;
use crate::wire::rtp::{Codec, Seen};
use crate::wire::sdp;
use crate::world::clock::boot_of;
use futures_util::Stream;
use retina::client as rt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use url::Url;

/// Longest wait for each of DESCRIBE (with lookup and connect), SETUP and PLAY; retina has no bound of its own.
/// Battery-saving and overloaded cameras were seen to need 5 s.
const STEP: Duration = Duration::from_secs(10);
/// Longest wait for the camera to let go of our last session before the next one opens. retina gives TEARDOWN 5 s.
const STALE: Duration = Duration::from_secs(6);
/// So often a session that is pending is asked again at once: after each request from the camera retina 0.4.21 is
/// pending without having asked to be woken, and would stand still until its keepalive timer, 30 s. Where more requests
/// than this come in one piece, the probe's report each second asks again.
const AGAIN: u32 = 2;
/// The relation of `Instant` to boot time is measured again this often.
const ANCHOR: Duration = Duration::from_secs(1);
/// Packets in a row, or time, with old sequence numbers that mean a new numbering (gortsplib takes 64, RFC 3550 A.1
/// takes two; a burst of late packets of one frame is shorter).
const RESET_PACKETS: u32 = 64;
const RESET_TIME: Duration = Duration::from_secs(1);
/// Packets in a row of another source that mean that it took over.
const SSRC_PACKETS: u32 = 8;

/// Dials by retina.
#[derive(Debug, Clone, Copy, Default)]
pub struct Retina;

impl Dial for Retina {
    fn line(&self, url: &Url, transport: Transport, clock: &Clock) -> Box<dyn Line> {
        Box::new(Camera { url: url.clone(), transport, clock: clock.clone(), group: Arc::default() })
    }
}

struct Camera {
    url: Url,
    transport: Transport,
    clock: Clock,
    /// Remembers sessions whose TEARDOWN is under way.
    group: Arc<rt::SessionGroup>,
}

impl Camera {
    /// One request and its answer, bounded and timed.
    async fn step<T>(
        &self,
        phase: Phase,
        work: impl Future<Output = Result<T, retina::Error>>,
    ) -> Result<(T, Duration), Broken> {
        let began = self.clock.boot();
        match self.clock.within(STEP, work).await {
            Ok(Ok(done)) => Ok((done, self.clock.boot().since(began))),
            Ok(Err(error)) => Err(match judge(&error) {
                (Verdict::End(reason), said) => Broken { reason, phase, source: Some(said) },
                (Verdict::Odd(_), said) => Broken { reason: Reason::Protocol, phase, source: Some(said) },
            }),
            Err(_elapsed) => Err(Broken::new(Reason::Timeout, phase)),
        }
    }

    async fn session(&self, login: Option<Login>) -> Result<(Opened, Box<dyn Feed>), Broken> {
        let stale = self.group.stale_sessions();
        if stale.num_sessions > 0 {
            // Whether it went or the wait ran out, the camera will say what it thinks of a new session.
            let _let_go = self.clock.within(STALE, self.group.await_stale_sessions(&stale)).await;
        }
        let began = self.clock.boot();
        let options = rt::SessionOptions::default()
            .creds(login.map(|l| rt::Credentials { username: l.username, password: l.password.expose().to_owned() }))
            .user_agent(concat!("vedette/", env!("CARGO_PKG_VERSION")).to_owned())
            .session_group(self.group.clone())
            .teardown(rt::TeardownPolicy::Auto)
            .unassigned_channel_data(rt::UnassignedChannelDataPolicy::Ignore)
            .session_id(rt::SessionIdPolicy::UseFirst);
        let (mut session, describe) =
            self.step(Phase::Describe, rt::Session::describe(self.url.clone(), options)).await?;
        let Some(video) = session.streams().iter().position(|s| s.media() == "video") else {
            return Err(Broken::new(Reason::NoVideo, Phase::Describe));
        };
        let stream = &session.streams()[video];
        let codec = Codec::ALL.iter().copied().find(|c| c.label() == stream.encoding_name()).unwrap_or(Codec::Other);
        let (clock_hz, payload_type) = (stream.clock_rate_hz(), stream.rtp_payload_type());
        let declared = stream.framerate().map(f64::from);
        let told = sdp::video(session.sdp()).into_iter().find(|v| v.codec == codec && v.payload_type == payload_type);
        let transport = match self.transport {
            Transport::Tcp => rt::Transport::Tcp(Default::default()),
            Transport::Udp => rt::Transport::Udp(Default::default()),
        };
        let ((), setup) =
            self.step(Phase::Setup, session.setup(video, rt::SetupOptions::default().transport(transport))).await?;
        // Timestamps are never enforced: a jump is what we are here to count.
        let policy = rt::PlayOptions::default()
            .initial_timestamp(rt::InitialTimestampPolicy::Permissive)
            .initial_seq(rt::InitialSequenceNumberPolicy::Ignore)
            .unknown_rtcp_ssrc(rt::UnknownRtcpSsrcPolicy::ProcessPackets);
        let (session, play) = self.step(Phase::Play, session.play(policy)).await?;
        let opened = Opened {
            codec,
            clock_hz,
            framerate: told.as_ref().and_then(|v| v.framerate).or(declared).filter(|f| f.is_finite() && *f > 0.0),
            sps: told.and_then(|v| v.sps),
            began,
            describe,
            setup,
            play,
        };
        let feed = Playing { session, video, payload_type, clock: self.clock.clone(), anchor: None, streak: None };
        Ok((opened, Box::new(feed)))
    }
}

impl Line for Camera {
    fn open(&mut self, login: Option<Login>) -> Opening<'_> {
        Box::pin(self.session(login))
    }

    fn hang_up(&mut self, bound: Duration) -> Later<'_, bool> {
        Box::pin(async move { matches!(self.clock.within(bound, self.group.await_teardown()).await, Ok(Ok(()))) })
    }
}

struct Streak {
    kind: Oddity,
    count: u32,
    since: Boot,
}

struct Playing {
    session: rt::Session<rt::Playing>,
    /// Index of the video stream; its packets are the only ones set up.
    video: usize,
    payload_type: u8,
    clock: Clock,
    /// One instant and the boot time of it.
    anchor: Option<(Instant, Boot)>,
    /// Oddities of one kind since the last good packet.
    streak: Option<Streak>,
}

impl Playing {
    /// Boot time of an arrival, by one offset a second instead of two clock reads a packet.
    fn boot(&mut self, arrived: Instant) -> Boot {
        if let Some((instant, boot)) = self.anchor
            && let Some(passed) = arrived.checked_duration_since(instant)
            && passed < ANCHOR
        {
            return boot.plus(passed);
        }
        let boot = boot_of(arrived);
        self.anchor = Some((arrived, boot));
        boot
    }

    /// Counts oddities in a row; some mean that this session will never make sense again.
    fn odd(&mut self, kind: Oddity) -> Option<Reason> {
        let now = self.clock.boot();
        let streak = match &mut self.streak {
            Some(streak) if streak.kind == kind => streak,
            other => other.insert(Streak { kind, count: 0, since: now }),
        };
        streak.count += 1;
        let lasting = streak.count > 1 && now.since(streak.since) > RESET_TIME;
        match kind {
            Oddity::OutOfOrder if streak.count >= RESET_PACKETS || lasting => Some(Reason::SeqReset),
            Oddity::WrongSsrc if streak.count >= SSRC_PACKETS => Some(Reason::SsrcChange),
            _ => None,
        }
    }

    fn packet(&mut self, packet: &retina::rtp::ReceivedPacket, take: &mut (dyn FnMut(Event<'_>) + Send)) {
        if packet.stream_id() != self.video {
            return;
        }
        self.streak = None;
        let header = packet.header();
        if header.payload_type() != self.payload_type {
            take(Event::Odd(Oddity::PayloadType));
        }
        take(Event::Packet(Seen {
            at: self.boot(packet.ctx().received()),
            seq: header.sequence_number(),
            ticks: packet.timestamp().timestamp(),
            marker: header.mark(),
            payload_type: header.payload_type(),
            len: packet.raw().len(),
            payload: packet.payload(),
        }));
    }
}

impl Feed for Playing {
    fn poll(&mut self, cx: &mut Context<'_>, take: &mut (dyn FnMut(Event<'_>) + Send)) -> Poll<Broken> {
        let mut pending = 0;
        for _ in 0..BURST {
            match Pin::new(&mut self.session).poll_next(cx) {
                Poll::Ready(Some(Ok(rt::PacketItem::Rtp(packet)))) => self.packet(&packet, take),
                Poll::Ready(Some(Ok(rt::PacketItem::Rtcp(report)))) => {
                    if report.rtp_timestamp().is_some() {
                        take(Event::SenderReport);
                    }
                }
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => {
                    let (verdict, said) = judge(&error);
                    let end = match verdict {
                        Verdict::Odd(kind) => {
                            take(Event::Odd(kind));
                            self.odd(kind)
                        }
                        Verdict::End(reason) => Some(reason),
                    };
                    if let Some(reason) = end {
                        return Poll::Ready(Broken { reason, phase: Phase::Stream, source: Some(said) });
                    }
                }
                Poll::Ready(None) => return Poll::Ready(Broken::new(Reason::Eof, Phase::Stream)),
                Poll::Pending if pending == AGAIN => return Poll::Pending,
                Poll::Pending => pending += 1,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
