//! One interface as `/sys/class/net` describes it (Documentation/ABI/testing/sysfs-class-net of the kernel).

use super::settings::Duplex;
use crate::base::clock::{Boot, Clock};
use crate::base::label::Label;
use crate::metric::report::{NoData, Reading};
use crate::world::machine::{Machine, Under, why};

/// Errors that `/proc/net/dev`, and so `node_network_*`, has only in sums, by the names of their files.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    Crc,
    Alignment,
    Length,
    Over,
    Missed,
    Aborted,
    Carrier,
    Heartbeat,
    Window,
}

impl Fault {
    fn file(self) -> &'static str {
        match self {
            Fault::Crc => "rx_crc_errors",
            Fault::Alignment => "rx_frame_errors",
            Fault::Length => "rx_length_errors",
            Fault::Over => "rx_over_errors",
            Fault::Missed => "rx_missed_errors",
            Fault::Aborted => "tx_aborted_errors",
            Fault::Carrier => "tx_carrier_errors",
            Fault::Heartbeat => "tx_heartbeat_errors",
            Fault::Window => "tx_window_errors",
        }
    }
}

impl Label for Fault {
    const ALL: &'static [Self] = &[
        Fault::Crc,
        Fault::Alignment,
        Fault::Length,
        Fault::Over,
        Fault::Missed,
        Fault::Aborted,
        Fault::Carrier,
        Fault::Heartbeat,
        Fault::Window,
    ];
    fn label(self) -> &'static str {
        match self {
            Fault::Crc => "crc",
            Fault::Alignment => "alignment",
            Fault::Length => "length",
            Fault::Over => "over",
            Fault::Missed => "missed",
            Fault::Aborted => "aborted",
            Fault::Carrier => "carrier",
            Fault::Heartbeat => "heartbeat",
            Fault::Window => "window",
        }
    }
}

/// A member of a bond or bridge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Member {
    /// It belongs to this interface, has a link, and the bond or bridge uses it.
    pub(super) up: Reading,
    /// It is the one that a bond sends through; unsupported where all are.
    pub(super) active: Reading,
}

/// One look at an interface that is there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub(super) at: Boot,
    /// It is switched on and has a carrier.
    pub(super) link: Reading,
    /// Bit/s.
    pub(super) speed: Reading,
    pub(super) duplex: Result<Duplex, NoData>,
    /// Bytes received and sent since the driver was loaded.
    pub(super) bytes: [Reading; 2],
    /// In the order of [`Fault::ALL`].
    pub(super) faults: Vec<Reading>,
    /// In the order in which they were asked about.
    pub(super) members: Vec<Member>,
}

/// Looks at an interface; `None` when there is none of that name.
///
/// # Errors
/// Nobody can tell whether it is there.
pub(super) fn look(
    machine: &Machine,
    clock: &Clock,
    interface: &str,
    members: &[String],
) -> Result<Option<Seen>, NoData> {
    match text(machine, interface, "ifindex") {
        Ok(_) => {}
        Err(NoData::NotPresent) => return Ok(None),
        Err(other) => return Err(other),
    }
    let count = |file: &str| number(machine, interface, &format!("statistics/{file}"));
    let bond = bond(machine, interface);
    Ok(Some(Seen {
        at: clock.boot(),
        link: carrier(machine, interface),
        speed: speed(machine, interface),
        duplex: duplex(machine, interface),
        bytes: ["rx_bytes", "tx_bytes"].map(count),
        faults: Fault::ALL.iter().map(|fault| count(fault.file())).collect(),
        members: members.iter().map(|name| member(machine, interface, name, bond.as_ref())).collect(),
    }))
}

fn text(machine: &Machine, interface: &str, file: &str) -> Result<String, NoData> {
    let text = machine.text(Under::Sys, &format!("class/net/{interface}/{file}"));
    text.map(|text| text.trim().to_owned()).map_err(|unreadable| why(&unreadable.source))
}

fn number(machine: &Machine, interface: &str, file: &str) -> Reading {
    text(machine, interface, file)?.parse().map_err(|_| NoData::Malformed)
}

/// An interface that is switched off refuses to tell (EINVAL): it has no link.
fn carrier(machine: &Machine, interface: &str) -> Reading {
    match number(machine, interface, "carrier") {
        Err(NoData::Unsupported) => Ok(0.0),
        other => other,
    }
}

/// The kernel says -1 for unknown, and older ones the same without a sign; some drivers say 0.
fn speed(machine: &Machine, interface: &str) -> Reading {
    let megabits = number(machine, interface, "speed")?;
    let known = megabits > 0.0 && megabits < f64::from(u32::MAX);
    if known { Ok(megabits * 1e6) } else { Err(NoData::Unsupported) }
}

fn duplex(machine: &Machine, interface: &str) -> Result<Duplex, NoData> {
    let told = text(machine, interface, "duplex")?;
    Duplex::ALL.iter().copied().find(|duplex| duplex.label() == told).ok_or(NoData::Unsupported)
}

/// The member that a bond sends through, empty while there is none; an error for a bond that uses all of them.
type Bond = Result<String, NoData>;

/// `None` for what is no bond. Of its modes (Documentation/networking/bonding.rst) 1, 5 and 6 have an active member.
fn bond(machine: &Machine, interface: &str) -> Option<Bond> {
    let mode = text(machine, interface, "bonding/mode").ok()?;
    let one = matches!(mode.rsplit(' ').next(), Some("1" | "5" | "6"));
    Some(if one { text(machine, interface, "bonding/active_slave") } else { Err(NoData::Unsupported) })
}

fn member(machine: &Machine, interface: &str, name: &str, bond: Option<&Bond>) -> Member {
    let active = match bond {
        Some(Ok(active)) => Ok(f64::from(active == name)),
        Some(Err(why)) => Err(*why),
        None => Err(NoData::Unsupported),
    };
    Member { up: works(machine, interface, name, bond.is_some()).map(f64::from), active }
}

fn works(machine: &Machine, interface: &str, name: &str, bond: bool) -> Result<bool, NoData> {
    if !machine.is_dir(Under::Sys, &format!("class/net/{interface}/lower_{name}")) {
        return Ok(false);
    }
    if carrier(machine, name)? != 1.0 {
        return Ok(false);
    }
    if bond {
        // What the bond's own watch says (MII or ARP): a link may be up and lead nowhere.
        return Ok(text(machine, name, "bonding_slave/mii_status")? == "up");
    }
    match text(machine, name, "brport/state") {
        // BR_STATE_DISABLED. A port that the spanning tree blocks is as it should be.
        Ok(state) => Ok(state != "0"),
        // Neither bond nor bridge.
        Err(NoData::NotPresent) => Ok(true),
        Err(why) => Err(why),
    }
}
