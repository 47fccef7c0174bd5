//! `netdev`: bytes, packets and faults of each interface, `/proc/net/dev`.

use super::sheet::{Collector, Missed, Sheet, must, number};
use crate::metric::desc::{Desc, Unit};
use crate::world::machine::{Machine, Under};

const fn counter(name: &'static str, unit: Unit, help: &'static str) -> Desc<1> {
    Desc::counter(name, unit, ["device"], help)
}

/// The columns of `/proc/net/dev`, dev_seq_printf_stats() of the kernel: some are sums there.
static COLUMNS: [Desc<1>; 16] = [
    counter("node_network_receive_bytes_total", Unit::Bytes, "Bytes received"),
    counter("node_network_receive_packets_total", Unit::Count, "Packets received"),
    counter("node_network_receive_errs_total", Unit::Count, "Packets received with an error of any kind"),
    counter(
        "node_network_receive_drop_total",
        Unit::Count,
        "Packets dropped on receipt for want of room or of a taker, or missed by the card",
    ),
    counter("node_network_receive_fifo_total", Unit::Count, "Packets lost because the card's buffer was full"),
    counter(
        "node_network_receive_frame_total",
        Unit::Count,
        "Frames of wrong length, checksum or alignment: the cable",
    ),
    counter("node_network_receive_compressed_total", Unit::Count, "Compressed packets received (SLIP, PPP)"),
    counter("node_network_receive_multicast_total", Unit::Count, "Multicast packets received"),
    counter("node_network_transmit_bytes_total", Unit::Bytes, "Bytes sent"),
    counter("node_network_transmit_packets_total", Unit::Count, "Packets sent"),
    counter("node_network_transmit_errs_total", Unit::Count, "Packets that could not be sent, for any fault"),
    counter("node_network_transmit_drop_total", Unit::Count, "Packets dropped instead of being sent"),
    counter(
        "node_network_transmit_fifo_total",
        Unit::Count,
        "Packets lost because the card's buffer ran empty or full",
    ),
    counter("node_network_transmit_colls_total", Unit::Count, "Collisions: a half-duplex link, or one gone wrong"),
    counter(
        "node_network_transmit_carrier_total",
        Unit::Count,
        "Packets lost with the carrier, aborted or sent too late",
    ),
    counter("node_network_transmit_compressed_total", Unit::Count, "Compressed packets sent (SLIP, PPP)"),
];
static NO_HANDLER: Desc<1> = counter(
    "node_network_receive_nohandler_total",
    Unit::Count,
    "Packets received by an inactive member of a bond, or that nothing on this machine takes",
);

pub static COLLECTOR: Collector = Collector {
    name: "netdev",
    families: &[
        COLUMNS[0].family(),
        COLUMNS[1].family(),
        COLUMNS[2].family(),
        COLUMNS[3].family(),
        COLUMNS[4].family(),
        COLUMNS[5].family(),
        COLUMNS[6].family(),
        COLUMNS[7].family(),
        COLUMNS[8].family(),
        COLUMNS[9].family(),
        COLUMNS[10].family(),
        COLUMNS[11].family(),
        COLUMNS[12].family(),
        COLUMNS[13].family(),
        COLUMNS[14].family(),
        COLUMNS[15].family(),
        NO_HANDLER.family(),
    ],
    collect,
};

fn collect(machine: &Machine, sheet: &mut Sheet) -> Result<(), Missed> {
    // Two lines of heading.
    for line in machine.text(Under::Proc, "net/dev")?.lines().skip(2) {
        // The name of an alias has a colon itself.
        let (device, fields) = line.rsplit_once(':').ok_or(Missed::Malformed("net/dev"))?;
        let device = device.trim();
        if device == "lo" {
            continue;
        }
        let mut fields = fields.split_ascii_whitespace();
        for desc in &COLUMNS {
            sheet.put(desc, [device], must(fields.next(), "net/dev")?);
        }
        let unheard = machine.text(Under::Sys, &format!("class/net/{device}/statistics/rx_nohandler"));
        if let Some(unheard) = unheard.ok().and_then(|text| number(&text)) {
            sheet.put(&NO_HANDLER, [device], unheard);
        }
    }
    Ok(())
}
