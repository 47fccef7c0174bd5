//! TCP sockets as the kernel knows them, by sock_diag(7): what was received and acknowledged, and when data last came.
//! It sees the network namespace of whoever asks, and no other.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// linux/sock_diag.h, linux/inet_diag.h, linux/netlink.h, net/tcp_states.h
const NETLINK_SOCK_DIAG: libc::c_int = 4;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const INET_DIAG_INFO: u16 = 2;
const TCP_ESTABLISHED: u32 = 1;
const TCP_CLOSE_WAIT: u32 = 8;
/// Sizes of nlmsghdr, inet_diag_req_v2 and inet_diag_msg, and where the receive queue and the inode stand in the last.
const HEADER: usize = 16;
const REQUEST: usize = 56;
const MESSAGE: usize = 72;
const RQUEUE: usize = 56;
const INODE: usize = 68;
/// Where tcp_info keeps them (linux/tcp.h): tcpi_last_data_recv, tcpi_bytes_acked, tcpi_bytes_received.
const LAST_DATA_RECV: usize = 52;
const BYTES_ACKED: usize = 120;
const BYTES_RECEIVED: usize = 128;

/// One connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tcp {
    pub(super) received: u64,
    pub(super) acknowledged: u64,
    /// Since data last came, milliseconds.
    pub(super) receive_age_ms: u64,
    /// Received and not yet taken by the process, bytes.
    pub(super) unread: u64,
}

/// The TCP connections whose sockets have these inode numbers.
pub(super) fn tcp(inodes: &HashSet<u64>) -> io::Result<Vec<Tcp>> {
    let mut all = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        dump(family as u8, &mut |inode, tcp| {
            if inodes.contains(&inode) {
                all.push(tcp);
            }
        })?;
    }
    Ok(all)
}

fn dump(family: u8, on: &mut dyn FnMut(u64, Tcp)) -> io::Result<()> {
    let socket = open()?;
    let mut request = [0u8; HEADER + REQUEST];
    request[..4].copy_from_slice(&((HEADER + REQUEST) as u32).to_ne_bytes());
    request[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request[6..8].copy_from_slice(&((libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16).to_ne_bytes());
    request[HEADER] = family;
    request[HEADER + 1] = libc::IPPROTO_TCP as u8;
    request[HEADER + 2] = 1 << (INET_DIAG_INFO - 1);
    let states: u32 = 1 << TCP_ESTABLISHED | 1 << TCP_CLOSE_WAIT;
    request[HEADER + 4..HEADER + 8].copy_from_slice(&states.to_ne_bytes());
    // SAFETY: the buffer is valid for its length through the call, and the descriptor is open.
    let sent = unsafe { libc::send(socket.as_raw_fd(), request.as_ptr().cast(), request.len(), 0) };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut buffer = vec![0u8; 64 * 1024];
    loop {
        // SAFETY: as above, and the kernel writes at most the length given.
        let len = unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
        if len <= 0 {
            return Err(if len == 0 { io::ErrorKind::UnexpectedEof.into() } else { io::Error::last_os_error() });
        }
        if !messages(&buffer[..len as usize], on)? {
            return Ok(());
        }
    }
}

fn open() -> io::Result<OwnedFd> {
    // SAFETY: no pointers; the new descriptor is owned by nobody else.
    let socket = unsafe {
        let fd = libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(fd)
    };
    let bound = libc::timeval { tv_sec: 0, tv_usec: 500_000 };
    // SAFETY: the option's value is a timeval that lives through the call.
    let set = unsafe {
        let size = size_of::<libc::timeval>() as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVTIMEO, (&raw const bound).cast(), size)
    };
    if set < 0 { Err(io::Error::last_os_error()) } else { Ok(socket) }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}
fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Reads one part of a dump; false when it was the last.
fn messages(mut bytes: &[u8], on: &mut dyn FnMut(u64, Tcp)) -> io::Result<bool> {
    while let (Some(len), Some(kind)) = (u32_at(bytes, 0), u16_at(bytes, 4)) {
        let len = len as usize;
        let body = bytes.get(HEADER..len).ok_or(io::ErrorKind::InvalidData)?;
        match kind {
            NLMSG_DONE => return Ok(false),
            NLMSG_ERROR => {
                let errno = u32_at(body, 0).map_or(0, |n| (n as i32).wrapping_neg());
                return Err(io::Error::from_raw_os_error(errno));
            }
            SOCK_DIAG_BY_FAMILY => {
                if let (Some(inode), Some(unread)) = (u32_at(body, INODE), u32_at(body, RQUEUE))
                    && let Some(tcp) = body.get(MESSAGE..).and_then(|attributes| info(attributes, unread))
                {
                    on(u64::from(inode), tcp);
                }
            }
            _ => {}
        }
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Ok(true)
}

/// The tcp_info among the attributes. A kernel too old to count bytes (before 4.2) gives a shorter one.
fn info(mut attributes: &[u8], unread: u32) -> Option<Tcp> {
    while let (Some(len), Some(kind)) = (u16_at(attributes, 0), u16_at(attributes, 2)) {
        let value = attributes.get(4..usize::from(len))?;
        if kind == INET_DIAG_INFO {
            return Some(Tcp {
                received: u64_at(value, BYTES_RECEIVED)?,
                acknowledged: u64_at(value, BYTES_ACKED)?,
                receive_age_ms: u64::from(u32_at(value, LAST_DATA_RECV)?),
                unread: u64::from(unread),
            });
        }
        attributes = attributes.get(usize::from(len).next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn the_kernel_tells_what_a_connection_received() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut receiver, _) = listener.accept().unwrap();
        sender.write_all(&[7; 5000]).unwrap();
        receiver.read_exact(&mut [0; 4000]).unwrap();
        let inode =
            |stream: &TcpStream| std::fs::metadata(format!("/proc/self/fd/{}", stream.as_raw_fd())).unwrap().ino();
        let got = tcp(&HashSet::from([inode(&receiver)])).unwrap();
        assert_eq!((got.len(), got[0].received, got[0].acknowledged, got[0].unread), (1, 5000, 0, 1000), "{got:?}");
        assert!(got[0].receive_age_ms < 10_000);
        let got = tcp(&HashSet::from([inode(&sender)])).unwrap();
        // The SYN counts as one.
        assert!((5000..=5001).contains(&got[0].acknowledged), "{got:?}");
    }

    #[test]
    fn broken_answers_are_errors_or_nothing_and_end() {
        let mut seen = 0;
        let mut on = |_, _| seen += 1;
        assert!(messages(&[200, 0, 0, 0, 20, 0, 0, 0], &mut on).is_err());
        assert!(messages(&[0; 64], &mut on).is_err(), "no length is no progress");
        assert!(messages(&[], &mut on).unwrap());
        let mut short = vec![0; 20];
        short[..4].copy_from_slice(&20u32.to_ne_bytes());
        short[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        assert!(messages(&short, &mut on).unwrap());
        assert_eq!(info(&[0, 0, 2, 0, 1, 2], 0), None);
        assert_eq!(info(&[3, 0, 9, 0], 0), None);
        assert_eq!(seen, 0);
    }
}
