//! A camera written by hand, RTSP over TCP, that can go wrong in one chosen way. Plays 25 H.264 frames a second: a
//! keyframe each second (SPS, PPS, IDR in three packets), else two packets.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Frames per second.
pub const FPS: u64 = 25;
/// Payload bytes of a slice packet, FU-A headers included.
const SLICE: usize = 900;
/// 640×360, baseline, 25 frames per second, from x264.
const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xbf, 0xe5, 0xc0, 0x5a, 0x83, 0x03, 0x03, 0x52, 0x80, 0x00, 0x00, 0x03,
    0x00, 0x80, 0x00, 0x00, 0x19, 0x47, 0x8b, 0x17, 0x50,
];
const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];

/// What goes wrong. Numbers named `after` count frames of each session.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    None,
    /// Every request of this method is answered with this status.
    Status(&'static str, u16),
    /// The connection is accepted, and nothing is ever said.
    Mute,
    /// DESCRIBE has no video track.
    AudioOnly,
    /// PLAY is answered, and no packet ever comes.
    NoPackets,
    /// Packets come that hold no picture (SEI only).
    NoFrame,
    /// Frames stop, the connection stays.
    Stall {
        after: u64,
    },
    /// Bytes that are neither RTSP nor a packet.
    Garbage {
        after: u64,
    },
    /// The camera asks OPTIONS in mid-stream.
    Asks {
        after: u64,
    },
    /// So many packets are left out, once.
    Gap {
        after: u64,
        packets: u16,
    },
    /// Sequence numbers start over, far behind.
    SeqReset {
        after: u64,
    },
    SsrcChange {
        after: u64,
    },
    /// The connection is closed properly.
    Fin {
        after: u64,
    },
    /// The connection is reset.
    Rst {
        after: u64,
    },
    /// OPTIONS and GET_PARAMETER are not answered, in a session that times out after 2 s.
    NoKeepalive,
    /// TEARDOWN is not answered.
    NoTeardown,
}

/// What the camera saw.
#[derive(Default)]
struct Notes {
    stop: AtomicBool,
    connections: AtomicUsize,
    plays: AtomicUsize,
    teardowns: AtomicUsize,
    open: AtomicUsize,
    most: AtomicUsize,
    authorizations: Mutex<Vec<String>>,
}

/// Stops listening when dropped.
pub struct FakeCamera {
    pub port: u16,
    notes: Arc<Notes>,
    thread: Option<JoinHandle<()>>,
}

impl FakeCamera {
    pub fn start(fault: Fault) -> FakeCamera {
        FakeCamera::at("127.0.0.1:0", fault)
    }
    /// In the network namespace of the calling thread.
    pub fn at(address: &str, fault: Fault) -> FakeCamera {
        let listener = TcpListener::bind(address).unwrap();
        let port = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        let notes = Arc::new(Notes::default());
        let thread = std::thread::spawn({
            let notes = notes.clone();
            move || {
                while !notes.stop.load(SeqCst) {
                    match listener.accept() {
                        Ok((stream, _)) => {
                            notes.connections.fetch_add(1, SeqCst);
                            let notes = notes.clone();
                            std::thread::spawn(move || serve(stream, fault, &notes));
                        }
                        Err(_) => std::thread::park_timeout(Duration::from_millis(10)),
                    }
                }
            }
        });
        FakeCamera { port, notes, thread: Some(thread) }
    }
    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/main", self.port)
    }
    pub fn connections(&self) -> usize {
        self.notes.connections.load(SeqCst)
    }
    pub fn plays(&self) -> usize {
        self.notes.plays.load(SeqCst)
    }
    pub fn teardowns(&self) -> usize {
        self.notes.teardowns.load(SeqCst)
    }
    /// Most connections that were open at a time.
    pub fn most(&self) -> usize {
        self.notes.most.load(SeqCst)
    }
    /// `Authorization` headers, in order.
    pub fn authorizations(&self) -> Vec<String> {
        self.notes.authorizations.lock().unwrap().clone()
    }
}

impl Drop for FakeCamera {
    fn drop(&mut self) {
        self.notes.stop.store(true, SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// How a connection ends.
enum End {
    Close,
    Reset,
}

fn serve(stream: TcpStream, fault: Fault, notes: &Notes) {
    let open = notes.open.fetch_add(1, SeqCst) + 1;
    notes.most.fetch_max(open, SeqCst);
    let mut session = Session { stream, fault, notes, playing: None, buffer: Vec::new(), seq: 1000, ssrc: 0x1234_5678 };
    if matches!(session.run(), Ok(End::Reset)) {
        let linger = libc::linger { l_onoff: 1, l_linger: 0 };
        // SAFETY: setsockopt reads one linger from the pointer, which lives through the call; with a linger of 0 s the
        // kernel answers close(2) with RST (socket(7)).
        let set = unsafe {
            let size = size_of::<libc::linger>() as libc::socklen_t;
            libc::setsockopt(
                session.stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_LINGER,
                (&raw const linger).cast(),
                size,
            )
        };
        assert_eq!(set, 0);
    }
    notes.open.fetch_sub(1, SeqCst);
}

struct Session<'a> {
    stream: TcpStream,
    fault: Fault,
    notes: &'a Notes,
    /// Frames played so far and when the first was due.
    playing: Option<(u64, Instant)>,
    buffer: Vec<u8>,
    seq: u16,
    ssrc: u32,
}

impl Session<'_> {
    #[allow(clippy::disallowed_methods)] // a camera paces its frames by the wall
    fn run(&mut self) -> std::io::Result<End> {
        self.stream.set_nodelay(true)?;
        while !self.notes.stop.load(SeqCst) {
            let mut wait = Duration::from_millis(100);
            if let Some((frame, start)) = self.playing {
                let due = start + Duration::from_millis(frame * 1000 / FPS);
                wait = due.saturating_duration_since(Instant::now());
                if wait.is_zero() {
                    if let Some(end) = self.frame(frame)? {
                        return Ok(end);
                    }
                    self.playing = Some((frame + 1, start));
                    continue;
                }
            }
            self.stream.set_read_timeout(Some(wait))?;
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Ok(End::Close),
                Ok(n) => self.buffer.extend(&bytes[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
                Err(e) => return Err(e),
            }
            while let Some(end) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                let request = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end + 4);
                if self.fault != Fault::Mute && self.answer(&request, Instant::now())? {
                    return Ok(End::Close);
                }
            }
        }
        Ok(End::Close)
    }

    /// Answers one request; true when the connection is to be closed.
    fn answer(&mut self, request: &str, now: Instant) -> std::io::Result<bool> {
        let header = |name: &str| {
            request.lines().find_map(|l| l.strip_prefix(name).and_then(|l| l.strip_prefix(": "))).unwrap_or("")
        };
        let method = request.split(' ').next().unwrap_or("");
        let url = request.split(' ').nth(1).unwrap_or("").to_owned();
        let (cseq, transport) = (header("CSeq"), header("Transport"));
        if !header("Authorization").is_empty() {
            self.notes.authorizations.lock().unwrap().push(header("Authorization").to_owned());
        }
        if let Fault::Status(failing, status) = self.fault
            && failing == method
        {
            let ask = if status == 401 { "WWW-Authenticate: Basic realm=\"cam\"\r\n" } else { "" };
            write!(self.stream, "RTSP/1.0 {status} No\r\nCSeq: {cseq}\r\n{ask}\r\n")?;
            return Ok(false);
        }
        let timeout = if self.fault == Fault::NoKeepalive { 2 } else { 60 };
        let session = format!("Session: 42;timeout={timeout}\r\n");
        let (headers, body) = match method {
            "DESCRIBE" => {
                let sdp = self.sdp();
                (
                    format!(
                        "Content-Base: {url}/\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n",
                        sdp.len()
                    ),
                    sdp,
                )
            }
            "SETUP" => (format!("Transport: {transport}\r\n{session}"), String::new()),
            "PLAY" => {
                self.notes.plays.fetch_add(1, SeqCst);
                self.playing = (self.fault != Fault::NoPackets).then_some((0, now));
                (session, String::new())
            }
            "TEARDOWN" => {
                self.notes.teardowns.fetch_add(1, SeqCst);
                self.playing = None;
                if self.fault == Fault::NoTeardown {
                    return Ok(false);
                }
                (session, String::new())
            }
            _ if self.fault == Fault::NoKeepalive => return Ok(false),
            _ => ("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n".to_owned(), String::new()),
        };
        write!(self.stream, "RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{headers}\r\n{body}")?;
        Ok(method == "TEARDOWN")
    }

    fn sdp(&self) -> String {
        let head = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=fake\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n";
        if self.fault == Fault::AudioOnly {
            return format!("{head}m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:track1\r\n");
        }
        format!(
            "{head}m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n\
             a=framerate:{FPS}\r\na=control:track1\r\n"
        )
    }

    /// Sends a frame, or does what is to go wrong at it.
    fn frame(&mut self, frame: u64) -> std::io::Result<Option<End>> {
        match self.fault {
            Fault::Stall { after } if frame >= after => return Ok(None),
            Fault::Fin { after } if frame == after => return Ok(Some(End::Close)),
            Fault::Rst { after } if frame == after => return Ok(Some(End::Reset)),
            Fault::Garbage { after } if frame == after => self.stream.write_all(b"\x00\x01garbage\x02\x03\r\n\r\n")?,
            Fault::Asks { after } if frame == after => {
                self.stream.write_all(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")?
            }
            Fault::Gap { after, packets } if frame == after => self.seq = self.seq.wrapping_add(packets),
            Fault::SeqReset { after } if frame == after => self.seq = self.seq.wrapping_sub(20_000),
            Fault::SsrcChange { after } if frame == after => self.ssrc ^= 0xffff,
            _ => {}
        }
        let ticks = (frame * 90_000 / FPS) as u32;
        if self.fault == Fault::NoFrame {
            self.packet(ticks, true, &[0x06, 0x05, 0x01, 0x00, 0x80])?;
            return Ok(None);
        }
        let key = frame.is_multiple_of(FPS);
        if key {
            self.packet(ticks, false, SPS)?;
            self.packet(ticks, false, PPS)?;
        }
        let (kind, parts) = if key { (5, 3) } else { (1, 2) };
        for part in 0..parts {
            let mut slice = vec![0x55; SLICE];
            slice[0] = 0x7c; // FU-A, RFC 6184 5.8
            slice[1] = kind | if part == 0 { 0x80 } else { 0 } | if part + 1 == parts { 0x40 } else { 0 };
            slice[2] = 0x88; // first_mb_in_slice 0
            self.packet(ticks, part + 1 == parts, &slice)?;
        }
        Ok(None)
    }

    fn packet(&mut self, ticks: u32, marker: bool, payload: &[u8]) -> std::io::Result<()> {
        let mut bytes = vec![b'$', 0];
        bytes.extend((payload.len() as u16 + 12).to_be_bytes());
        bytes.extend([0x80, 96 | if marker { 0x80 } else { 0 }]);
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(ticks.to_be_bytes());
        bytes.extend(self.ssrc.to_be_bytes());
        bytes.extend(payload);
        self.seq = self.seq.wrapping_add(1);
        self.stream.write_all(&bytes)
    }
}
