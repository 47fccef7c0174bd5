//! The kernel's tables: `/proc/net/route`, `/proc/net/ipv6_route`, `/sys/class/net/<interface>/carrier`.

use super::Route;
use crate::wire::icmp::Family;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// Flags of route.h: the route is usable; and its packets are thrown away.
const RTF_UP: u32 = 0x0001;
const RTF_REJECT: u32 = 0x0200;

/// See [`super::Net::default_routes`]. A kernel without IPv6 has no second file. Blocking.
pub fn default_routes(proc: &Path) -> io::Result<Vec<Route>> {
    let mut routes = ipv4(&std::fs::read_to_string(proc.join("net/route"))?);
    match std::fs::read_to_string(proc.join("net/ipv6_route")) {
        Ok(text) => routes.extend(ipv6(&text)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    Ok(routes)
}

/// See [`super::Net::carrier`]. An interface that is down answers EINVAL: it has none. Blocking.
pub fn carrier(sys: &Path, interface: &str) -> io::Result<bool> {
    match std::fs::read_to_string(sys.join("class/net").join(interface).join("carrier")) {
        Ok(text) => Ok(text.trim() == "1"),
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(false),
        Err(e) => Err(e),
    }
}

/// `Iface Destination Gateway Flags RefCnt Use Metric Mask …`, hexadecimal except the metric; addresses as this machine
/// holds their four bytes in a number.
fn ipv4(text: &str) -> Vec<Route> {
    let route = |line: &str| {
        let f: Vec<_> = line.split_whitespace().collect();
        let metric: u32 = f.get(6)?.parse().ok()?;
        let gateway = Ipv4Addr::from(u32::from_str_radix(f[2], 16).ok()?.to_ne_bytes());
        let gateway = (!gateway.is_unspecified()).then(|| gateway.to_string());
        let route = Route { interface: f[0].to_owned(), gateway, family: Family::V4 };
        (f[1] == "00000000" && *f.get(7)? == "00000000" && in_force(f[3])).then_some((metric, route))
    };
    by_metric(text.lines().skip(1).filter_map(route).collect())
}

/// `destination length source length gateway metric refcnt use flags interface`, hexadecimal.
fn ipv6(text: &str) -> Vec<Route> {
    let route = |line: &str| {
        let f: Vec<_> = line.split_whitespace().collect();
        let interface = (*f.get(9)?).to_owned();
        let metric = u32::from_str_radix(f[5], 16).ok()?;
        let gateway = Ipv6Addr::from(u128::from_str_radix(f[4], 16).ok()?);
        let gateway = match gateway {
            Ipv6Addr::UNSPECIFIED => None,
            link if link.is_unicast_link_local() => Some(format!("{link}%{interface}")),
            wide => Some(wide.to_string()),
        };
        let default = f[0].bytes().all(|b| b == b'0') && f[1] == "00";
        (default && in_force(f[8])).then_some((metric, Route { interface, gateway, family: Family::V6 }))
    };
    by_metric(text.lines().filter_map(route).collect())
}

fn in_force(flags: &str) -> bool {
    u32::from_str_radix(flags, 16).is_ok_and(|flags| flags & RTF_UP != 0 && flags & RTF_REJECT == 0)
}

fn by_metric(mut routes: Vec<(u32, Route)>) -> Vec<Route> {
    routes.sort_by_key(|(metric, _)| *metric);
    routes.into_iter().map(|(_, route)| route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_routes_are_found_least_metric_first_and_rejecting_ones_are_none() {
        let v4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                  wwan0\t00000000\t00000000\t0001\t0\t0\t700\t00000000\t0\t0\t0\n\
                  eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
                  eth1\t00000000\t010200C0\t0002\t0\t0\t0\t00000000\t0\t0\t0\n\
                  *\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0\n\
                  eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        let seen = |routes: Vec<Route>| -> Vec<String> {
            routes.iter().map(|r| format!("{} {}", r.interface, r.gateway.as_deref().unwrap_or("-"))).collect()
        };
        assert_eq!(seen(ipv4(v4)), ["eth0 192.0.2.1", "wwan0 -"]);
        let zero = "0".repeat(32);
        let v6 = format!(
            "fd000000000000000000000000000000 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001     eth0\n\
             {zero} 00 {zero} 00 fd000000000000000000000000000001 00000400 00000002 00000000 00000003     eth2\n\
             {zero} 00 {zero} 00 fe800000000000000000000000000001 00000800 00000002 00000000 00000003     eth3\n\
             {zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n"
        );
        assert_eq!(seen(ipv6(&v6)), ["eth2 fd00::1", "eth3 fe80::1%eth3"]);
        assert!(ipv4("").is_empty() && ipv6("nonsense\n").is_empty());
    }

    #[test]
    fn a_carrier_is_there_or_not_and_an_unknown_interface_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let interface = root.path().join("class/net/eth0");
        std::fs::create_dir_all(&interface).unwrap();
        for (text, wanted) in [("1\n", true), ("0\n", false)] {
            std::fs::write(interface.join("carrier"), text).unwrap();
            assert_eq!(carrier(root.path(), "eth0").unwrap(), wanted);
        }
        assert_eq!(carrier(root.path(), "eth9").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
