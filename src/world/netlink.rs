//! Netlink (netlink(7), RFC 3549): one question to the kernel, and the messages that answer it. What is asked is answered
//! for the network namespace of whoever asks, and needs no privilege.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// linux/netlink.h
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// Sizes of nlmsghdr, and of a nlattr or rtattr without its value.
const HEADER: usize = 16;
const ATTRIBUTE: usize = 4;
/// The kernel puts no more than 32 KiB of a dump into one answer.
const LONGEST: usize = 64 * 1024;
/// It answers at once; this bounds what nobody expects.
static PATIENCE: libc::timeval = libc::timeval { tv_sec: 0, tv_usec: 500_000 };

/// How much is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// One message answers.
    One,
    /// The whole table.
    Dump,
}

/// A socket to one part of the kernel.
pub(super) struct Netlink(OwnedFd);

impl Netlink {
    /// `protocol` is one of the NETLINK_ of linux/netlink.h.
    ///
    /// # Errors
    /// The kernel has no such part, or a seccomp filter or address family filter forbids it.
    pub(super) fn open(protocol: libc::c_int) -> io::Result<Netlink> {
        // SAFETY: no pointers; the new descriptor is owned by nobody else.
        let socket = unsafe {
            let fd = libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        // SAFETY: the option's value is a timeval that lives through the call.
        let set = unsafe {
            let size = size_of::<libc::timeval>() as libc::socklen_t;
            let value = (&raw const PATIENCE).cast();
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVTIMEO, value, size)
        };
        if set < 0 { Err(io::Error::last_os_error()) } else { Ok(Netlink(socket)) }
    }

    /// Sends a message of this kind and body, and gives kind and body of each that answers to `on`. After an error the
    /// rest of the answer may still be under way: the socket is to be closed, unless the kernel itself refused.
    ///
    /// # Errors
    /// The kernel refuses, answers what is no netlink, or not at all.
    pub(super) fn ask(&self, kind: u16, scope: Scope, body: &[u8], on: &mut dyn FnMut(u16, &[u8])) -> io::Result<()> {
        let flags = match scope {
            Scope::One => libc::NLM_F_REQUEST,
            Scope::Dump => libc::NLM_F_REQUEST | libc::NLM_F_DUMP,
        };
        let mut request = Vec::with_capacity(HEADER + body.len());
        request.extend(((HEADER + body.len()) as u32).to_ne_bytes());
        request.extend(kind.to_ne_bytes());
        request.extend((flags as u16).to_ne_bytes());
        // Sequence and port: one question at a time, and the kernel gives the port.
        request.extend([0; 8]);
        request.extend(body);
        // SAFETY: the buffer is valid for its length through the call, and the descriptor is open.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), request.as_ptr().cast(), request.len(), 0) };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut buffer = vec![0u8; LONGEST];
        loop {
            // SAFETY: as above, and the kernel writes at most the length given.
            let len = unsafe { libc::recv(self.0.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
            if len <= 0 {
                let error = if len == 0 { io::ErrorKind::UnexpectedEof.into() } else { io::Error::last_os_error() };
                // With a time limit a signal ends the call, whatever its handler asked for (signal(7)).
                if error.kind() == io::ErrorKind::Interrupted {
                    continue;
                }
                return Err(error);
            }
            if !messages(&buffer[..len as usize], on)? || scope == Scope::One {
                return Ok(());
            }
        }
    }
}

/// Takes one piece of an answer apart; false when it was the last of a dump.
pub(super) fn messages(mut bytes: &[u8], on: &mut dyn FnMut(u16, &[u8])) -> io::Result<bool> {
    while let (Some(len), Some(kind)) = (u32_at(bytes, 0), u16_at(bytes, 4)) {
        let len = len as usize;
        let body = bytes.get(HEADER..len).ok_or(io::ErrorKind::InvalidData)?;
        match kind {
            NLMSG_DONE => return Ok(false),
            NLMSG_ERROR => {
                let errno = u32_at(body, 0).map_or(0, |n| (n as i32).wrapping_neg());
                return Err(io::Error::from_raw_os_error(errno));
            }
            _ => on(kind, body),
        }
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Ok(true)
}

/// The attributes behind the fixed part of a message: kind and value. Ends at the first that is broken.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (len, kind) = (usize::from(u16_at(bytes, 0)?), u16_at(bytes, 2)?);
        let value = bytes.get(ATTRIBUTE..len)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    })
}

/// One attribute, padded as the kernel wants it.
pub(super) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = ATTRIBUTE + value.len();
    let mut bytes = Vec::with_capacity(len.next_multiple_of(4));
    bytes.extend((len as u16).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(len.next_multiple_of(4), 0);
    bytes
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn messages_are_given_one_by_one_until_the_last_or_an_error() {
        let mut seen = Vec::new();
        let mut on = |kind, body: &[u8]| seen.push((kind, body.to_vec()));
        assert!(messages(&[message(16, &[1, 2, 3]), message(24, &[])].concat(), &mut on).unwrap());
        assert!(!messages(&[message(28, &[4]), message(NLMSG_DONE, &[]), message(16, &[])].concat(), &mut on).unwrap());
        let refused = messages(&message(NLMSG_ERROR, &(-libc::ENETUNREACH).to_ne_bytes()), &mut on).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::ENETUNREACH));
        assert_eq!(seen, [(16, vec![1, 2, 3]), (24, vec![]), (28, vec![4])]);
    }

    #[test]
    fn broken_answers_are_errors_or_nothing_and_end() {
        let mut seen = 0;
        let mut on = |_, _: &[u8]| seen += 1;
        assert!(messages(&[200, 0, 0, 0, 20, 0, 0, 0], &mut on).is_err());
        assert!(messages(&[0; 64], &mut on).is_err(), "no length is no progress");
        assert!(messages(&[], &mut on).unwrap());
        assert_eq!(seen, 0);
        for broken in [&[0, 0, 2, 0, 1, 2][..], &[3, 0, 9, 0], &[200, 0, 9, 0, 1], &[]] {
            assert_eq!(attributes(broken).count(), 0, "{broken:?}");
        }
        let two = [attribute(3, b"eth0\0"), attribute(29, &8u32.to_ne_bytes())].concat();
        assert_eq!(attributes(&two).collect::<Vec<_>>(), [(3, &b"eth0\0"[..]), (29, &[8, 0, 0, 0])]);
    }
}
