//! Interfaces, ways and neighbours by rtnetlink(7).

use super::{Address, Link, Neighbour, Road, Seen};
use crate::world::netlink::{Netlink, Scope, attribute, attributes, u16_at, u32_at};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

/// linux/rtnetlink.h, linux/if_link.h, linux/neighbour.h
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;
const IFLA_IFNAME: u16 = 3;
const IFLA_EXT_MASK: u16 = 29;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
/// A gateway of the other family, as IPv4 over IPv6 has it (RFC 5549).
const RTA_VIA: u16 = 18;
const NDA_DST: u16 = 1;
/// Counters of interfaces are not asked for: they are most of an answer.
const SKIP_STATS: u32 = 1 << 3;
const IFF_LOWER_UP: u32 = 1 << 16;
const RTN_UNICAST: u8 = 1;
const RTN_LOCAL: u8 = 2;
/// Sizes of ifinfomsg, rtmsg and ndmsg.
const IFINFOMSG: usize = 16;
const RTMSG: usize = 12;
const NDMSG: usize = 12;
/// Where things stand in them: ifi_index, ifi_flags, rtm_type, ndm_ifindex, ndm_state.
const LINK_INDEX: usize = 4;
const LINK_FLAGS: usize = 8;
const ROUTE_TYPE: usize = 7;
const NEIGHBOUR_INDEX: usize = 4;
const NEIGHBOUR_STATE: usize = 8;

/// See [`super::Roads::look`].
pub(super) fn look(to: &[Address]) -> io::Result<Seen> {
    let kernel = Netlink::open(libc::NETLINK_ROUTE)?;
    let mut seen = Seen::default();
    for address in to {
        seen.roads.push(road_to(&kernel, *address)?);
    }
    let all = [vec![0; IFINFOMSG], attribute(IFLA_EXT_MASK, &SKIP_STATS.to_ne_bytes())].concat();
    kernel.ask(RTM_GETLINK, Scope::Dump, &all, &mut |kind, body| {
        seen.links.extend((kind == RTM_NEWLINK).then(|| link(body)).flatten());
    })?;
    kernel.ask(RTM_GETNEIGH, Scope::Dump, &[0; NDMSG], &mut |kind, body| {
        seen.neighbours.extend((kind == RTM_NEWNEIGH).then(|| neighbour(body)).flatten());
    })?;
    Ok(seen)
}

fn road_to(kernel: &Netlink, to: Address) -> io::Result<Option<Road>> {
    let (family, octets) = match to {
        Address::V4(v4) => (libc::AF_INET, v4.octets().to_vec()),
        Address::V6(v6) => (libc::AF_INET6, v6.octets().to_vec()),
    };
    let mut request = vec![0; RTMSG];
    request[0] = family as u8;
    request[1] = octets.len() as u8 * 8;
    request.extend(attribute(RTA_DST, &octets));
    let mut found = None;
    let asked = kernel.ask(RTM_GETROUTE, Scope::One, &request, &mut |kind, body| {
        found = (kind == RTM_NEWROUTE).then(|| road(body)).flatten();
    });
    match asked {
        Ok(()) => Ok(found),
        // No route; one that says unreachable, prohibit, or blackhole; no IPv6 at all.
        Err(error) => match error.raw_os_error() {
            Some(
                libc::ENETUNREACH
                | libc::EHOSTUNREACH
                | libc::EACCES
                | libc::EINVAL
                | libc::ENODEV
                | libc::EAFNOSUPPORT
                | libc::EOPNOTSUPP,
            ) => Ok(None),
            _ => Err(error),
        },
    }
}

fn link(body: &[u8]) -> Option<Link> {
    let (index, flags) = (u32_at(body, LINK_INDEX)?, u32_at(body, LINK_FLAGS)?);
    let (_, name) = attributes(body.get(IFINFOMSG..)?).find(|(kind, _)| *kind == IFLA_IFNAME)?;
    let name = String::from_utf8_lossy(name.strip_suffix(b"\0").unwrap_or(name)).into_owned();
    Some(Link { index, name, up: flags & IFF_LOWER_UP != 0 })
}

fn road(body: &[u8]) -> Option<Road> {
    if ![RTN_UNICAST, RTN_LOCAL].contains(body.get(ROUTE_TYPE)?) {
        return None;
    }
    let (mut index, mut gateway) = (None, false);
    for (kind, value) in attributes(body.get(RTMSG..)?) {
        match kind {
            RTA_OIF => index = u32_at(value, 0),
            RTA_GATEWAY | RTA_VIA => gateway = true,
            _ => {}
        }
    }
    Some(Road { index: index?, gateway })
}

fn neighbour(body: &[u8]) -> Option<((u32, Address), Neighbour)> {
    let (index, state) = (u32_at(body, NEIGHBOUR_INDEX)?, u16_at(body, NEIGHBOUR_STATE)?);
    let state = match state {
        0x01 => Neighbour::Incomplete,
        0x02 => Neighbour::Reachable,
        0x04 => Neighbour::Stale,
        0x08 => Neighbour::Delay,
        0x10 => Neighbour::Probe,
        0x20 => Neighbour::Failed,
        // NUD_NOARP, NUD_PERMANENT: nobody is asked.
        _ => return None,
    };
    let (_, address) = attributes(body.get(NDMSG..)?).find(|(kind, _)| *kind == NDA_DST)?;
    let address = match address.len() {
        4 => Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?).into(),
        16 => Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?).into(),
        _ => return None,
    };
    Some(((index, address), state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_loopback_and_the_way_to_itself_leads_there() {
        let own = Address::from([127, 0, 0, 1]);
        let nowhere = Address::from([255, 255, 255, 254]);
        let seen = look(&[own, nowhere]).unwrap();
        let lo = seen.links.iter().find(|link| link.name == "lo").unwrap();
        assert!(lo.up, "{lo:?}");
        assert_eq!(seen.roads[0], Some(Road { index: lo.index, gateway: false }));
        assert_eq!(seen.roads.len(), 2);
    }

    #[test]
    fn a_route_that_refuses_is_no_way_and_a_gateway_is_one_of_either_family() {
        let route = |kind: u8, more: &[Vec<u8>]| {
            let mut body = vec![0; RTMSG];
            body[ROUTE_TYPE] = kind;
            body.extend(more.concat());
            road(&body)
        };
        let out = attribute(RTA_OIF, &7u32.to_ne_bytes());
        let by = |kind| attribute(kind, &[192, 0, 2, 1]);
        assert_eq!(route(RTN_UNICAST, std::slice::from_ref(&out)), Some(Road { index: 7, gateway: false }));
        assert_eq!(route(RTN_UNICAST, &[out.clone(), by(RTA_GATEWAY)]), Some(Road { index: 7, gateway: true }));
        assert_eq!(route(RTN_UNICAST, &[by(RTA_VIA), out.clone()]), Some(Road { index: 7, gateway: true }));
        assert_eq!(route(7, &[out]), None, "RTN_UNREACHABLE");
        assert_eq!(route(RTN_UNICAST, &[]), None);
        assert_eq!((road(&[]), link(&[]), neighbour(&[])), (None, None, None));
    }

    #[test]
    fn a_neighbour_is_told_in_the_kernels_words_and_not_where_nobody_is_asked() {
        let told = |state: u16, address: &[u8]| {
            let mut body = vec![0; NDMSG];
            body[NEIGHBOUR_INDEX] = 3;
            body[NEIGHBOUR_STATE..NEIGHBOUR_STATE + 2].copy_from_slice(&state.to_ne_bytes());
            body.extend(attribute(NDA_DST, address));
            neighbour(&body)
        };
        let v4 = (3, Address::from([192, 0, 2, 9]));
        assert_eq!(told(0x20, &[192, 0, 2, 9]), Some((v4, Neighbour::Failed)));
        assert_eq!(told(0x01, &[0; 16]).unwrap(), ((3, Address::from([0u8; 16])), Neighbour::Incomplete));
        assert_eq!((told(0x80, &[0; 4]), told(0x40, &[0; 4]), told(0, &[0; 4])), (None, None, None));
        assert_eq!(told(0x02, &[1, 2, 3]), None);
    }
}
