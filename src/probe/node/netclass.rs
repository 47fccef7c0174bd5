//! `netclass` and `bonding`: what each interface is and how its link is, `/sys/class/net`.

use super::sheet::{Collector, Missed, Sheet};
use crate::metric::desc::{Desc, Unit};
use crate::world::machine::{Machine, Under};

const DEVICE: [&str; 1] = ["device"];
static UP: Desc<1> = Desc::gauge("node_network_up", Unit::Count, DEVICE, "1 if the operational state is up (RFC 2863)");
static INFO: Desc<6> = Desc::info(
    "node_network_info",
    ["device", "address", "broadcast", "duplex", "operstate", "ifalias"],
    "Which interface this is",
);

const fn gauge(name: &'static str, help: &'static str) -> Desc<1> {
    Desc::gauge(name, Unit::Count, DEVICE, help)
}
const fn counter(name: &'static str, help: &'static str) -> Desc<1> {
    Desc::counter(name, Unit::Count, DEVICE, help)
}

/// Files of an interface and what they hold (Documentation/ABI/testing/sysfs-class-net), with what one unit is worth.
static FILES: [(&str, Desc<1>, f64); 17] = [
    ("addr_assign_type", gauge("node_network_address_assign_type", "Where the address came from: 0 the card"), 1.0),
    ("carrier", gauge("node_network_carrier", "1 if there is a link; absent while the interface is down"), 1.0),
    ("carrier_changes", counter("node_network_carrier_changes_total", "Times the link came or went"), 1.0),
    ("carrier_up_count", counter("node_network_carrier_up_changes_total", "Times the link came"), 1.0),
    ("carrier_down_count", counter("node_network_carrier_down_changes_total", "Times the link went"), 1.0),
    ("dev_id", gauge("node_network_device_id", "Tells devices of one address apart"), 1.0),
    ("dormant", gauge("node_network_dormant", "1 if the link waits for a login (802.1X)"), 1.0),
    ("flags", gauge("node_network_flags", "Flags of the interface, netdevice(7)"), 1.0),
    ("ifindex", gauge("node_network_iface_id", "Number of the interface"), 1.0),
    ("iflink", gauge("node_network_iface_link", "Number of the interface below"), 1.0),
    ("link_mode", gauge("node_network_iface_link_mode", "1 if userspace decides when the link is up"), 1.0),
    (
        "mtu",
        Desc::gauge("node_network_mtu_bytes", Unit::Bytes, DEVICE, "Longest packet that is sent in one piece"),
        1.0,
    ),
    ("name_assign_type", gauge("node_network_name_assign_type", "Where the name came from"), 1.0),
    ("netdev_group", gauge("node_network_net_dev_group", "Group of the interface"), 1.0),
    (
        "speed",
        Desc::gauge(
            "node_network_speed_bytes",
            Unit::Bytes,
            DEVICE,
            "Bytes per second of the link; absent where the driver does not know, which the kernel says with -1",
        ),
        1e6 / 8.0,
    ),
    ("tx_queue_len", gauge("node_network_transmit_queue_length", "Packets that may wait to be sent"), 1.0),
    ("type", gauge("node_network_protocol_type", "Kind of interface, ARPHRD_ of if_arp.h"), 1.0),
];

pub static NETCLASS: Collector = Collector {
    name: "netclass",
    families: &[
        UP.family(),
        INFO.family(),
        FILES[0].1.family(),
        FILES[1].1.family(),
        FILES[2].1.family(),
        FILES[3].1.family(),
        FILES[4].1.family(),
        FILES[5].1.family(),
        FILES[6].1.family(),
        FILES[7].1.family(),
        FILES[8].1.family(),
        FILES[9].1.family(),
        FILES[10].1.family(),
        FILES[11].1.family(),
        FILES[12].1.family(),
        FILES[13].1.family(),
        FILES[14].1.family(),
        FILES[15].1.family(),
        FILES[16].1.family(),
    ],
    collect,
};

fn collect(machine: &Machine, sheet: &mut Sheet) -> Result<(), Missed> {
    for device in machine.names(Under::Sys, "class/net")? {
        // Beside the interfaces lies the file `bonding_masters`.
        if !machine.is_dir(Under::Sys, &format!("class/net/{device}")) {
            continue;
        }
        // What an interface does not have is absent or refuses (EINVAL): carrier while down, speed without a link.
        let read = |file: &str| machine.text(Under::Sys, &format!("class/net/{device}/{file}")).ok();
        let text = |file: &str| read(file).map(|text| text.trim().to_owned()).unwrap_or_default();
        let state = text("operstate");
        sheet.put(&UP, [&device], f64::from(state == "up"));
        let (address, broadcast, duplex) = (text("address"), text("broadcast"), text("duplex"));
        sheet.put(&INFO, [&device, &address, &broadcast, &duplex, &state, &text("ifalias")], 1.0);
        for (file, desc, worth) in &FILES {
            let value = read(file).and_then(|text| whole(text.trim()));
            if let Some(value) = value.filter(|value| *file != "speed" || *value >= 0) {
                sheet.put(desc, [&device], value as f64 * worth);
            }
        }
    }
    Ok(())
}

/// A whole number, some of which are written as `0x1003`.
fn whole(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

static MEMBERS: Desc<1> = Desc::gauge("node_bonding_slaves", Unit::Count, ["master"], "Interfaces in this bond");
static ACTIVE: Desc<1> =
    Desc::gauge("node_bonding_active", Unit::Count, ["master"], "Interfaces in this bond that have a link");

pub static BONDING: Collector = Collector {
    name: "bonding",
    families: &[MEMBERS.family(), ACTIVE.family()],
    collect: |machine, sheet| {
        for master in machine.text(Under::Sys, "class/net/bonding_masters")?.split_ascii_whitespace() {
            let members = machine.text(Under::Sys, &format!("class/net/{master}/bonding/slaves"))?;
            let (mut all, mut up) = (0, 0);
            for member in members.split_ascii_whitespace() {
                let state = format!("class/net/{master}/lower_{member}/bonding_slave/mii_status");
                all += 1;
                up += i32::from(machine.text(Under::Sys, &state)?.trim() == "up");
            }
            sheet.put(&MEMBERS, [master], f64::from(all));
            sheet.put(&ACTIVE, [master], f64::from(up));
        }
        Ok(())
    },
};
