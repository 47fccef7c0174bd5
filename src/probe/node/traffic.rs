//! `arp`, `softnet`, `udp_queues` and `conntrack`: what the network code of the kernel holds and loses.

use super::sheet::{Collector, Missed, if_there, must};
use crate::metric::desc::{Desc, Unit};
use crate::world::machine::Under;
use std::collections::BTreeMap;

static ARP: Desc<1> =
    Desc::gauge("node_arp_entries", Unit::Count, ["device"], "Neighbours in the ARP table of each interface");

pub static ARP_TABLE: Collector = Collector {
    name: "arp",
    families: &[ARP.family()],
    collect: |machine, sheet| {
        let mut entries = BTreeMap::<String, u64>::new();
        for line in machine.text(Under::Proc, "net/arp")?.lines().skip(1) {
            let device = line.split_ascii_whitespace().nth(5).ok_or(Missed::Malformed("net/arp"))?;
            *entries.entry(device.to_owned()).or_default() += 1;
        }
        for (device, count) in entries {
            sheet.put(&ARP, [&device], count as f64);
        }
        Ok(())
    },
};

static PROCESSED: Desc<1> =
    Desc::counter("node_softnet_processed_total", Unit::Count, ["cpu"], "Packets that this processor took in");
static DROPPED: Desc<1> = Desc::counter(
    "node_softnet_dropped_total",
    Unit::Count,
    ["cpu"],
    "Packets dropped because the queue of this processor was full",
);
static SQUEEZED: Desc<1> = Desc::counter(
    "node_softnet_times_squeezed_total",
    Unit::Count,
    ["cpu"],
    "Times this processor had to leave packets for later",
);

pub static SOFTNET: Collector = Collector {
    name: "softnet",
    families: &[PROCESSED.family(), DROPPED.family(), SQUEEZED.family()],
    collect: |machine, sheet| {
        for (cpu, line) in machine.text(Under::Proc, "net/softnet_stat")?.lines().enumerate() {
            let mut fields = line.split_ascii_whitespace();
            for desc in [&PROCESSED, &DROPPED, &SQUEEZED] {
                let field = fields.next().and_then(|field| u32::from_str_radix(field, 16).ok());
                sheet.put(desc, [&cpu.to_string()], f64::from(field.ok_or(Missed::Malformed("softnet_stat"))?));
            }
        }
        Ok(())
    },
};

static QUEUES: Desc<2> = Desc::gauge(
    "node_udp_queues",
    Unit::Bytes,
    ["queue", "ip"],
    "Bytes that wait in the buffers of all UDP sockets, in this network namespace",
);

pub static UDP_QUEUES: Collector = Collector {
    name: "udp_queues",
    families: &[QUEUES.family()],
    collect: |machine, sheet| {
        let mut any = false;
        for (file, ip) in [("net/udp", "v4"), ("net/udp6", "v6")] {
            let Some(text) = if_there(machine.text(Under::Proc, file))? else { continue };
            any = true;
            let (mut sent, mut received) = (0, 0);
            for line in text.lines().skip(1) {
                let queues = line.split_ascii_whitespace().nth(4).and_then(|field| field.split_once(':'));
                let bytes = |field: &str| u64::from_str_radix(field, 16).map_err(|_| Missed::Malformed("net/udp"));
                let (tx, rx) = queues.ok_or(Missed::Malformed("net/udp"))?;
                sent += bytes(tx)?;
                received += bytes(rx)?;
            }
            sheet.put(&QUEUES, ["tx", ip], sent as f64);
            sheet.put(&QUEUES, ["rx", ip], received as f64);
        }
        if any { Ok(()) } else { Err(Missed::NotPresent) }
    },
};

const fn tracked(name: &'static str, help: &'static str) -> Desc<0> {
    Desc::gauge(name, Unit::Count, [], help)
}
static ENTRIES: Desc<0> = tracked("node_nf_conntrack_entries", "Connections that the firewall keeps in mind");
static LIMIT: Desc<0> = tracked("node_nf_conntrack_entries_limit", "Connections that it can keep in mind");
/// Columns of `/proc/net/stat/nf_conntrack`, one line per processor, in hexadecimal.
static TRACKED: [(&str, Desc<0>); 8] = [
    ("found", tracked("node_nf_conntrack_stat_found", "Look-ups that found a connection")),
    ("invalid", tracked("node_nf_conntrack_stat_invalid", "Packets that belong to no possible connection")),
    ("ignore", tracked("node_nf_conntrack_stat_ignore", "Packets that are not tracked")),
    ("insert", tracked("node_nf_conntrack_stat_insert", "Connections taken in")),
    ("insert_failed", tracked("node_nf_conntrack_stat_insert_failed", "Connections that could not be taken in")),
    ("drop", tracked("node_nf_conntrack_stat_drop", "Packets dropped because a connection could not be taken in")),
    ("early_drop", tracked("node_nf_conntrack_stat_early_drop", "Connections forgotten to make room")),
    ("search_restart", tracked("node_nf_conntrack_stat_search_restart", "Look-ups begun again")),
];

pub static CONNTRACK: Collector = Collector {
    name: "conntrack",
    families: &[
        ENTRIES.family(),
        LIMIT.family(),
        TRACKED[0].1.family(),
        TRACKED[1].1.family(),
        TRACKED[2].1.family(),
        TRACKED[3].1.family(),
        TRACKED[4].1.family(),
        TRACKED[5].1.family(),
        TRACKED[6].1.family(),
        TRACKED[7].1.family(),
    ],
    collect: |machine, sheet| {
        for (desc, file) in [(&ENTRIES, "nf_conntrack_count"), (&LIMIT, "nf_conntrack_max")] {
            let text = machine.text(Under::Proc, &format!("sys/net/netfilter/{file}"))?;
            sheet.put(desc, [], must(Some(&text), "nf_conntrack")?);
        }
        let text = machine.text(Under::Proc, "net/stat/nf_conntrack")?;
        let mut lines = text.lines();
        let names: Vec<_> = lines.next().unwrap_or_default().split_ascii_whitespace().collect();
        let mut sums = vec![0; names.len()];
        for line in lines {
            for (sum, field) in sums.iter_mut().zip(line.split_ascii_whitespace()) {
                *sum += u64::from_str_radix(field, 16).map_err(|_| Missed::Malformed("nf_conntrack"))?;
            }
        }
        for (name, desc) in &TRACKED {
            if let Some(at) = names.iter().position(|n| n == name) {
                sheet.put(desc, [], sums[at] as f64);
            }
        }
        Ok(())
    },
};
