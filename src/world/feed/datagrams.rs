//! Datagrams over UDP, unicast and multicast. A group's socket is bound to the group's own address: one bound to any
//! address would hear every group that somebody on this machine has joined on the same port.

use super::{BURST, Broken, Event, Feed, Interface, Reason, Take};
use crate::base::clock::Clock;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use std::ffi::CString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::task::{Context, Poll};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

/// Asked of the kernel for what waits unread: 3 s of a stream of 10 Mbit/s. What it grants is bounded by
/// net.core.rmem_max.
const WAITING_BYTES: usize = 4 << 20;
/// The longest UDP datagram.
const LONGEST: usize = 65_535;
/// Index of the count of drops in what SO_MEMINFO tells (linux/sock_diag.h, SK_MEMINFO_DROPS; Linux 4.12).
const MEMINFO_DROPS: usize = 8;

/// A socket that listens.
pub struct Datagrams {
    socket: UdpSocket,
    clock: Clock,
    buffer: Box<[u8]>,
}

impl Datagrams {
    /// Binds, and joins where `to` is a group. Only groups are shared with other programs on this machine: a unicast
    /// port that two share belongs to the last who came, and each would see a part.
    ///
    /// # Errors
    /// The port is taken, the address is not ours, the group cannot be joined.
    pub fn open(to: SocketAddr, interface: Option<&Interface>, clock: Clock) -> Result<Datagrams, Broken> {
        let wrap = |doing| move |error| Broken::io(doing, error);
        let socket =
            Socket::new(Domain::for_address(to), Type::DGRAM, Some(Protocol::UDP)).map_err(wrap("open a socket"))?;
        socket.set_nonblocking(true).map_err(wrap("set up the socket"))?;
        socket.set_recv_buffer_size(WAITING_BYTES).map_err(wrap("set up the socket"))?;
        if to.ip().is_multicast() {
            socket.set_reuse_address(true).map_err(wrap("set up the socket"))?;
        }
        let index = interface.map_or(Ok(0), index).map_err(|e| no_interface("find the interface", e))?;
        let bound = match to {
            SocketAddr::V6(v6) if v6.ip().is_multicast() => {
                SocketAddr::V6(SocketAddrV6::new(*v6.ip(), v6.port(), 0, index))
            }
            other => other,
        };
        socket.bind(&bound.into()).map_err(wrap("bind"))?;
        if to.ip().is_multicast() {
            join(&socket, to.ip(), interface, index).map_err(|e| no_interface("join the group", e))?;
        }
        let socket = UdpSocket::from_std(socket.into()).map_err(wrap("wait on the socket"))?;
        Ok(Datagrams { socket, clock, buffer: vec![0; LONGEST].into() })
    }
}

fn no_interface(doing: &'static str, error: io::Error) -> Broken {
    match error.raw_os_error() {
        Some(libc::ENODEV | libc::ENXIO | libc::EADDRNOTAVAIL | libc::EINVAL) => {
            Broken { reason: Reason::NoInterface, doing, source: Some(error) }
        }
        _ => Broken::io(doing, error),
    }
}

/// 0 for an interface that is known by its address.
fn index(interface: &Interface) -> io::Result<u32> {
    let Interface::Name(name) = interface else { return Ok(0) };
    let name = CString::new(name.as_str())?;
    // SAFETY: the name is a terminated string that lives through the call, and nothing is written to it.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

fn join(socket: &Socket, group: IpAddr, interface: Option<&Interface>, index: u32) -> io::Result<()> {
    match (group, interface) {
        (IpAddr::V4(group), Some(Interface::Name(_))) => {
            socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index))
        }
        (IpAddr::V4(group), Some(Interface::Address(IpAddr::V4(own)))) => socket.join_multicast_v4(&group, own),
        (IpAddr::V4(group), None) => socket.join_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED),
        (IpAddr::V6(group), None | Some(Interface::Name(_))) => socket.join_multicast_v6(&group, index),
        (_, Some(Interface::Address(_))) => Err(io::Error::from_raw_os_error(libc::EADDRNOTAVAIL)),
    }
}

impl Feed for Datagrams {
    fn poll(&mut self, cx: &mut Context<'_>, take: &mut Take<'_>) -> Poll<Broken> {
        for _ in 0..BURST {
            let mut read = ReadBuf::new(&mut self.buffer);
            match self.socket.poll_recv(cx, &mut read) {
                Poll::Ready(Ok(())) => take(Event::Bytes { at: self.clock.boot(), bytes: read.filled() }),
                // The socket sends nothing, so no ICMP answer can come back to it; the interface may go down.
                Poll::Ready(Err(error)) => return Poll::Ready(Broken::io("receive", error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn dropped(&self) -> Option<u64> {
        let mut told = [0_u32; MEMINFO_DROPS + 1];
        let mut length = std::mem::size_of_val(&told) as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes to `told` and the length to `length`; both live through the
        // call, and the descriptor is open as long as the socket.
        let answer = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_MEMINFO,
                told.as_mut_ptr().cast(),
                &mut length,
            )
        };
        (answer == 0 && length as usize == std::mem::size_of_val(&told)).then(|| u64::from(told[MEMINFO_DROPS]))
    }
}
