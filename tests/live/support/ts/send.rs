//! Sends a clip at the pace of its own clock.

use super::clip::Clip;
use crate::support::wait;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// Packets per datagram.
const EACH: usize = 7;

/// How a clip travels.
#[derive(Clone)]
pub enum Way {
    Udp(SocketAddr),
    /// 204 bytes a packet: 16 of parity, here zeros.
    Udp204(SocketAddr),
    /// RTP with payload type 33 (RFC 3551), clock 90 kHz.
    Rtp(SocketAddr),
    /// Appended.
    File(PathBuf),
}

/// A clip on its way. Stops when dropped.
pub struct Sending {
    /// Milliseconds of the clip that were sent.
    sent: Arc<AtomicU64>,
    length: f64,
    _stop: mpsc::Sender<()>,
}

impl Sending {
    /// Starts now.
    pub fn start(clip: &Clip, way: Way) -> Sending {
        let (stop, stopped) = mpsc::channel();
        let sent = Arc::new(AtomicU64::new(0));
        let times = clip.times();
        let length = times[times.len() - 1];
        let (packets, told) = (clip.packets.clone(), sent.clone());
        std::thread::spawn(move || {
            let mut out = Out::open(way);
            #[allow(clippy::disallowed_methods)] // real parts run on real time
            let start = Instant::now();
            for (n, group) in packets.chunks(EACH).enumerate() {
                let due = start + Duration::from_secs_f64(times[n * EACH]);
                #[allow(clippy::disallowed_methods)]
                let left = due.saturating_duration_since(Instant::now());
                match stopped.recv_timeout(left) {
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                    _ => return,
                }
                out.send(n as u16, times[n * EACH], group);
                told.store((times[n * EACH] * 1000.0) as u64, Ordering::Relaxed);
            }
            told.store(u64::MAX, Ordering::Relaxed);
        });
        Sending { sent, length, _stop: stop }
    }

    /// Seconds of the clip that are on their way.
    pub fn seconds(&self) -> f64 {
        match self.sent.load(Ordering::Relaxed) {
            u64::MAX => self.length,
            ms => ms as f64 / 1000.0,
        }
    }

    /// Waits until so many seconds of the clip were sent.
    pub fn wait(&self, seconds: f64) {
        let bound = Duration::from_secs_f64(self.length + 30.0);
        wait("the clip to play", bound, || (self.seconds() >= seconds.min(self.length)).then_some(()));
    }

    /// Waits until all was sent.
    pub fn wait_end(&self) {
        self.wait(f64::INFINITY);
    }
}

enum Out {
    Udp { socket: UdpSocket, to: SocketAddr, rtp: bool, padding: usize },
    File(std::fs::File),
}

impl Out {
    fn open(way: Way) -> Out {
        let udp = |to, rtp, padding| Out::Udp { socket: speaker(), to, rtp, padding };
        match way {
            Way::Udp(to) => udp(to, false, 0),
            Way::Udp204(to) => udp(to, false, 16),
            Way::Rtp(to) => udp(to, true, 0),
            Way::File(path) => Out::File(std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap()),
        }
    }

    fn send(&mut self, sequence: u16, seconds: f64, packets: &[[u8; 188]]) {
        match self {
            Out::Udp { socket, to, rtp, padding } => {
                let mut datagram = Vec::new();
                if *rtp {
                    datagram.extend([0x80, 33]);
                    datagram.extend(sequence.to_be_bytes());
                    datagram.extend(((seconds * 90e3) as u32).to_be_bytes());
                    datagram.extend(7_u32.to_be_bytes());
                }
                for packet in packets {
                    datagram.extend(packet);
                    datagram.extend(std::iter::repeat_n(0, *padding));
                }
                // Nobody listening yet is no error for who sends.
                let _sent = socket.send_to(&datagram, *to);
            }
            Out::File(file) => file.write_all(packets.as_flattened()).unwrap(),
        }
    }
}

/// A socket whose groups go over loopback.
pub fn speaker() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let lo = libc::in_addr { s_addr: u32::from(Ipv4Addr::LOCALHOST).to_be() };
    // SAFETY: the option takes one in_addr, which lives through the call; the descriptor is that of `socket`.
    let answer = unsafe {
        libc::setsockopt(
            std::os::fd::AsRawFd::as_raw_fd(&socket),
            libc::IPPROTO_IP,
            libc::IP_MULTICAST_IF,
            (&raw const lo).cast(),
            std::mem::size_of_val(&lo) as libc::socklen_t,
        )
    };
    assert_eq!(answer, 0);
    socket
}

/// A UDP port that was free a moment ago.
pub fn free_udp_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
