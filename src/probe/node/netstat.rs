//! `netstat`: the counters of `/proc/net/{netstat,snmp,snmp6}` (RFC 1213, RFC 4293) that tell of trouble.

use super::sheet::{Collector, Missed, Sheet, if_there, keyed, must};
use crate::world::machine::{Machine, Under};

keyed! { Unknown, "/proc/net/snmp, snmp6 and netstat: ";
    "Icmp6_InErrors" => "node_netstat_Icmp6_InErrors" Count,
    "Icmp6_InMsgs" => "node_netstat_Icmp6_InMsgs" Count,
    "Icmp6_OutMsgs" => "node_netstat_Icmp6_OutMsgs" Count,
    "Icmp_InErrors" => "node_netstat_Icmp_InErrors" Count,
    "Icmp_InMsgs" => "node_netstat_Icmp_InMsgs" Count,
    "Icmp_OutMsgs" => "node_netstat_Icmp_OutMsgs" Count,
    "Ip6_InOctets" => "node_netstat_Ip6_InOctets" Bytes,
    "Ip6_OutOctets" => "node_netstat_Ip6_OutOctets" Bytes,
    "IpExt_InOctets" => "node_netstat_IpExt_InOctets" Bytes,
    "IpExt_OutOctets" => "node_netstat_IpExt_OutOctets" Bytes,
    "Ip_Forwarding" => "node_netstat_Ip_Forwarding" Count,
    "TcpExt_ListenDrops" => "node_netstat_TcpExt_ListenDrops" Count,
    "TcpExt_ListenOverflows" => "node_netstat_TcpExt_ListenOverflows" Count,
    "TcpExt_SyncookiesFailed" => "node_netstat_TcpExt_SyncookiesFailed" Count,
    "TcpExt_SyncookiesRecv" => "node_netstat_TcpExt_SyncookiesRecv" Count,
    "TcpExt_SyncookiesSent" => "node_netstat_TcpExt_SyncookiesSent" Count,
    "TcpExt_TCPSynRetrans" => "node_netstat_TcpExt_TCPSynRetrans" Count,
    "TcpExt_TCPTimeouts" => "node_netstat_TcpExt_TCPTimeouts" Count,
    "Tcp_ActiveOpens" => "node_netstat_Tcp_ActiveOpens" Count,
    "Tcp_CurrEstab" => "node_netstat_Tcp_CurrEstab" Count,
    "Tcp_InErrs" => "node_netstat_Tcp_InErrs" Count,
    "Tcp_InSegs" => "node_netstat_Tcp_InSegs" Count,
    "Tcp_OutRsts" => "node_netstat_Tcp_OutRsts" Count,
    "Tcp_OutSegs" => "node_netstat_Tcp_OutSegs" Count,
    "Tcp_PassiveOpens" => "node_netstat_Tcp_PassiveOpens" Count,
    "Tcp_RetransSegs" => "node_netstat_Tcp_RetransSegs" Count,
    "Udp6_InDatagrams" => "node_netstat_Udp6_InDatagrams" Count,
    "Udp6_InErrors" => "node_netstat_Udp6_InErrors" Count,
    "Udp6_NoPorts" => "node_netstat_Udp6_NoPorts" Count,
    "Udp6_OutDatagrams" => "node_netstat_Udp6_OutDatagrams" Count,
    "Udp6_RcvbufErrors" => "node_netstat_Udp6_RcvbufErrors" Count,
    "Udp6_SndbufErrors" => "node_netstat_Udp6_SndbufErrors" Count,
    "UdpLite6_InErrors" => "node_netstat_UdpLite6_InErrors" Count,
    "UdpLite_InErrors" => "node_netstat_UdpLite_InErrors" Count,
    "Udp_InDatagrams" => "node_netstat_Udp_InDatagrams" Count,
    "Udp_InErrors" => "node_netstat_Udp_InErrors" Count,
    "Udp_NoPorts" => "node_netstat_Udp_NoPorts" Count,
    "Udp_OutDatagrams" => "node_netstat_Udp_OutDatagrams" Count,
    "Udp_RcvbufErrors" => "node_netstat_Udp_RcvbufErrors" Count,
    "Udp_SndbufErrors" => "node_netstat_Udp_SndbufErrors" Count,
}

pub static COLLECTOR: Collector = Collector { name: "netstat", families: FAMILIES, collect };

/// The protocols of `/proc/net/snmp6`, whose lines have protocol and name in one word; the longer names first.
const PROTOCOLS: [&str; 4] = ["UdpLite6", "Udp6", "Icmp6", "Ip6"];

fn collect(machine: &Machine, sheet: &mut Sheet) -> Result<(), Missed> {
    for file in ["net/netstat", "net/snmp"] {
        pairs(&machine.text(Under::Proc, file)?, sheet)?;
    }
    // Absent where IPv6 is switched off.
    for line in if_there(machine.text(Under::Proc, "net/snmp6"))?.unwrap_or_default().lines() {
        let mut fields = line.split_ascii_whitespace();
        let (Some(word), value) = (fields.next(), fields.next()) else { continue };
        let split = |protocol: &&str| word.strip_prefix(*protocol).map(|name| format!("{protocol}_{name}"));
        if let Some(family) = PROTOCOLS.iter().find_map(split).and_then(|key| family(&key)) {
            sheet.put_family(family, &[], must(value, "snmp6")?);
        }
    }
    Ok(())
}

/// A line of names, and the values below it, both beginning with the protocol.
fn pairs(text: &str, sheet: &mut Sheet) -> Result<(), Missed> {
    let mut lines = text.lines();
    while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
        let (Some((protocol, names)), Some((_, values))) = (names.split_once(':'), values.split_once(':')) else {
            return Err(Missed::Malformed("snmp"));
        };
        for (name, value) in names.split_ascii_whitespace().zip(values.split_ascii_whitespace()) {
            if let Some(family) = family(&format!("{protocol}_{name}")) {
                sheet.put_family(family, &[], must(Some(value), "snmp")?);
            }
        }
    }
    Ok(())
}
