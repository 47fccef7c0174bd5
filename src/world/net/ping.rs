//! ICMP echo over a ping socket of Linux, which needs no right but that the group of the process lies in
//! `net.ipv4.ping_group_range` of its network namespace; that holds for IPv6 as well.

use super::real::Real;
use super::{Echoes, Missed, Reason, Way};
use crate::wire::icmp::{self, Family};
use socket2::{Domain, Protocol, Socket, Type};
use std::ffi::CString;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;
use tokio::net::UdpSocket;

/// Between two requests: far enough apart for a queue of a slow road to drain.
const BETWEEN: Duration = Duration::from_millis(200);
/// The last request leaves at the latest after this share of the bound, and its reply has the rest.
const SENDING: u32 = 2;

/// See [`super::Net::ping`]. Ends when all have answered, or at the bound.
pub(super) async fn ping(real: &Real, host: &str, echoes: u16, way: Way<'_>) -> Result<Echoes, Missed> {
    let clock = &real.clock;
    let end = clock.boot().plus(way.bound);
    let target = target(real, host, way.bound).await?;
    let socket = open(&target, way.interface)?;
    let family = if target.is_ipv4() { Family::V4 } else { Family::V6 };
    let token = clock.boot().as_nanos();
    let between = BETWEEN.min(way.bound / (SENDING * u32::from(echoes.max(1))));
    let mut sent = Vec::with_capacity(usize::from(echoes));
    let mut rtts = vec![None; usize::from(echoes)];
    let mut unsent = None;
    let mut next = clock.boot();
    let mut buffer = [0; 2 * icmp::LENGTH];
    while rtts.iter().any(Option::is_none) {
        let all_sent = sent.len() == rtts.len();
        tokio::select! {
            got = socket.recv_from(&mut buffer) => {
                let now = clock.boot();
                // What the kernel tells of an earlier request is no reply; that it came is on the clock of the bound.
                let Ok((n, from)) = got else { continue };
                let sequence = icmp::reply(family, &buffer[..n], token).filter(|_| from.ip() == target.ip());
                let place = sequence.map(usize::from).filter(|n| *n < sent.len());
                if let Some(n) = place.filter(|n| rtts[*n].is_none()) {
                    rtts[n] = Some(now.since(sent[n]));
                }
            }
            () = clock.sleep_until(if all_sent { end } else { next }) => {
                if all_sent {
                    break;
                }
                let request = icmp::request(family, sent.len() as u16, token);
                sent.push(clock.boot());
                if let Err(error) = socket.send_to(&request, target).await {
                    unsent = Some(error);
                }
                next = next.plus(between);
            }
        }
    }
    match unsent {
        Some(error) if rtts.iter().all(Option::is_none) => Err(error.into()),
        _ => Ok(Echoes { sent: echoes, rtts: rtts.into_iter().flatten().collect() }),
    }
}

/// The first address of a name; or an address, that of a link followed by `%` and its interface.
async fn target(real: &Real, host: &str, bound: Duration) -> Result<SocketAddr, Missed> {
    if let Some((address, interface)) = host.split_once('%') {
        let address: Ipv6Addr = address.parse().map_err(|e| Missed::new(Reason::Name, e))?;
        return Ok(SocketAddrV6::new(address, 0, 0, index(interface)?).into());
    }
    real.lookup_within(bound, host, 0).await?.into_iter().next().ok_or(Reason::Name.into())
}

/// The kernel's number of an interface.
fn index(interface: &str) -> Result<u32, Missed> {
    let name = CString::new(interface).map_err(|e| Missed::new(Reason::NotPresent, e))?;
    // SAFETY: a text that ends with NUL and lives through the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(Missed::new(Reason::NotPresent, io::Error::last_os_error())),
        index => Ok(index),
    }
}

/// A ping socket; `denied` where the group range does not have us.
fn open(target: &SocketAddr, interface: Option<&str>) -> Result<UdpSocket, Missed> {
    let (domain, protocol) = match target.ip() {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(protocol))?;
    socket.set_nonblocking(true)?;
    let socket = UdpSocket::from_std(socket.into())?;
    if let Some(interface) = interface {
        socket.bind_device(Some(interface.as_bytes())).map_err(super::unbound)?;
    }
    Ok(socket)
}
