//! TCP sockets as the kernel knows them, by sock_diag(7): what was received and acknowledged, and when data last came.
//! It sees the network namespace of whoever asks, and no other.

use crate::world::netlink::{Netlink, Scope, attributes, u32_at, u64_at};
use std::collections::HashSet;
use std::io;

/// linux/sock_diag.h, linux/inet_diag.h, linux/netlink.h, net/tcp_states.h
const NETLINK_SOCK_DIAG: libc::c_int = 4;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const INET_DIAG_INFO: u16 = 2;
const TCP_ESTABLISHED: u32 = 1;
const TCP_CLOSE_WAIT: u32 = 8;
/// Sizes of inet_diag_req_v2 and inet_diag_msg, and where the receive queue and the inode stand in the last.
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
    let mut request = [0u8; REQUEST];
    request[0] = family;
    request[1] = libc::IPPROTO_TCP as u8;
    request[2] = 1 << (INET_DIAG_INFO - 1);
    let states: u32 = 1 << TCP_ESTABLISHED | 1 << TCP_CLOSE_WAIT;
    request[4..8].copy_from_slice(&states.to_ne_bytes());
    Netlink::open(NETLINK_SOCK_DIAG)?.ask(SOCK_DIAG_BY_FAMILY, Scope::Dump, &request, &mut |kind, body| {
        if let Some((inode, tcp)) = connection(kind, body) {
            on(inode, tcp);
        }
    })
}

/// The inode and what tcp_info says. A kernel too old to count bytes (before 4.2) gives a shorter one.
fn connection(kind: u16, body: &[u8]) -> Option<(u64, Tcp)> {
    if kind != SOCK_DIAG_BY_FAMILY {
        return None;
    }
    let (inode, unread) = (u32_at(body, INODE)?, u32_at(body, RQUEUE)?);
    let (_, info) = attributes(body.get(MESSAGE..)?).find(|(kind, _)| *kind == INET_DIAG_INFO)?;
    let tcp = Tcp {
        received: u64_at(info, BYTES_RECEIVED)?,
        acknowledged: u64_at(info, BYTES_ACKED)?,
        receive_age_ms: u64::from(u32_at(info, LAST_DATA_RECV)?),
        unread: u64::from(unread),
    };
    Some((u64::from(inode), tcp))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;
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
    fn a_message_that_is_too_short_is_no_connection() {
        assert_eq!(connection(SOCK_DIAG_BY_FAMILY, &[0; 4]), None);
        assert_eq!(connection(SOCK_DIAG_BY_FAMILY, &[0; MESSAGE]), None, "no tcp_info");
        let short = [vec![0; MESSAGE], crate::world::netlink::attribute(INET_DIAG_INFO, &[0; 60])].concat();
        assert_eq!(connection(SOCK_DIAG_BY_FAMILY, &short), None, "of a kernel that counts no bytes");
    }
}
