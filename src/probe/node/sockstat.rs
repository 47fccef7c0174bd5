//! `sockstat`: sockets in use, `/proc/net/sockstat` and `sockstat6`.

use super::sheet::{Collector, Missed, Sheet, if_there, keyed, must};
use crate::world::machine::{Machine, Under};

keyed! { Gauge, "/proc/net/sockstat and sockstat6: ";
    "FRAG6_inuse" => "node_sockstat_FRAG6_inuse" Count,
    "FRAG6_memory" => "node_sockstat_FRAG6_memory" Bytes,
    "FRAG_inuse" => "node_sockstat_FRAG_inuse" Count,
    "FRAG_memory" => "node_sockstat_FRAG_memory" Bytes,
    "RAW6_inuse" => "node_sockstat_RAW6_inuse" Count,
    "RAW_inuse" => "node_sockstat_RAW_inuse" Count,
    "TCP6_inuse" => "node_sockstat_TCP6_inuse" Count,
    "TCP_alloc" => "node_sockstat_TCP_alloc" Count,
    "TCP_inuse" => "node_sockstat_TCP_inuse" Count,
    "TCP_mem" => "node_sockstat_TCP_mem" Count,
    "TCP_mem_bytes" => "node_sockstat_TCP_mem_bytes" Bytes,
    "TCP_orphan" => "node_sockstat_TCP_orphan" Count,
    "TCP_tw" => "node_sockstat_TCP_tw" Count,
    "UDP6_inuse" => "node_sockstat_UDP6_inuse" Count,
    "UDPLITE6_inuse" => "node_sockstat_UDPLITE6_inuse" Count,
    "UDPLITE_inuse" => "node_sockstat_UDPLITE_inuse" Count,
    "UDP_inuse" => "node_sockstat_UDP_inuse" Count,
    "UDP_mem" => "node_sockstat_UDP_mem" Count,
    "UDP_mem_bytes" => "node_sockstat_UDP_mem_bytes" Bytes,
    "sockets_used" => "node_sockstat_sockets_used" Count,
}

pub static COLLECTOR: Collector = Collector { name: "sockstat", families: FAMILIES, collect };

fn collect(machine: &Machine, sheet: &mut Sheet) -> Result<(), Missed> {
    for file in ["net/sockstat", "net/sockstat6"] {
        // Absent where that version of IP is switched off.
        for line in if_there(machine.text(Under::Proc, file))?.unwrap_or_default().lines() {
            let Some((protocol, rest)) = line.split_once(':') else { continue };
            let mut fields = rest.split_ascii_whitespace();
            while let Some(name) = fields.next() {
                let value = must(fields.next(), "sockstat")?;
                let key = format!("{protocol}_{name}");
                if let Some(family) = family(&key) {
                    sheet.put_family(family, &[], value);
                }
                // In pages.
                if let Some(family) = family(&format!("{key}_bytes")).filter(|_| name == "mem") {
                    sheet.put_family(family, &[], value * machine.page_size() as f64);
                }
            }
        }
    }
    Ok(())
}
