//! What an interface says of itself, and what the kernel knows of the way to each camera.

use super::link::Fault;
use super::settings::Settings;
use crate::base::label::Label;
use crate::metric::book::Series;
use crate::metric::desc::{Desc, Family, Unit};
use crate::probe::Kit;

const I: [&str; 1] = ["interface"];

static PRESENT: Desc<1> =
    Desc::gauge("nic_present", Unit::Count, I, "1 while the machine has an interface of this name, else 0");
static LINK_UP: Desc<1> = Desc::gauge(
    "nic_link_up",
    Unit::Count,
    I,
    "1 while it has a link; 0 without a carrier and while it is switched off; absent while it is not there",
);
static SPEED_LOW: Desc<1> = Desc::gauge(
    "nic_speed_below_expected",
    Unit::Count,
    I,
    "1 while its link is slower than `speed` says, else 0; absent without a link and where the driver knows no speed",
);
static DUPLEX_WRONG: Desc<1> = Desc::gauge(
    "nic_duplex_unexpected",
    Unit::Count,
    I,
    "1 while its link is not of the `duplex` that was configured, else 0; absent without a link and where the driver knows none",
);
static UTILIZATION: Desc<2> = Desc::gauge(
    "nic_utilization_ratio",
    Unit::Ratio,
    ["interface", "direction"],
    "Bits since the look before as a share of what the link can carry: by the driver's speed, else by the configured one, \
     and above 1 where that is wrong; absent without either, and without a link",
);
static ERRORS: Desc<2> = Desc::counter(
    "nic_errors_total",
    Unit::Count,
    ["interface", "kind"],
    "Packets lost by kind, where node_network_* has only sums. Received: crc (damaged on the way), alignment, length, over \
     (longer than the card takes), missed (no room in the card); sent: aborted, carrier, heartbeat, window. Many drivers \
     count only some and leave the rest at 0",
);
static MEMBER_UP: Desc<2> = Desc::gauge(
    "nic_member_up",
    Unit::Count,
    ["interface", "member"],
    "1 while a configured member belongs to this bond or bridge, has a link and is used by it, else 0",
);
static MEMBER_ACTIVE: Desc<2> = Desc::gauge(
    "nic_member_active",
    Unit::Count,
    ["interface", "member"],
    "1 for the member that the bond sends through, else 0; absent where a bond uses all of them, and for bridges",
);

pub(super) static CAMERA_INTERFACE: Desc<3> = Desc::info(
    "camera_interface_info",
    ["camera_id", "interface", "via"],
    "Interface through which the kernel sends to this camera, by its routing table: as to a neighbour (link) or by a \
     router (gateway); a neighbour stays with its interface while that has no link; absent without a route and while the \
     camera's name has not been found",
);
pub(super) static CUT_OFF: Desc<3> = Desc::gauge(
    "camera_cut_off",
    Unit::Count,
    ["camera_id", "interface", "cause"],
    "1 while something on this side explains that the camera does not answer, else 0. link: the interface that led to it \
     has no link or is gone; silent: of the cameras that are neighbours on this interface several were asked, and none \
     answers",
);
pub(super) static NEIGHBOUR_UP: Desc<2> = Desc::gauge(
    "camera_neighbour_up",
    Unit::Count,
    ["camera_id", "interface"],
    "1 while the kernel has the camera's link address (ARP, NDP), if only from before; 0 while it asks and gets no answer, \
     for want of a cable or of power; absent for cameras behind a router, without a link, and while nobody has asked",
);
pub(super) static NEIGHBOUR_STATE: Desc<2> = Desc::gauge(
    "camera_neighbour_state",
    Unit::Count,
    ["camera_id", "state"],
    "1 for the state in which the kernel holds the camera as a neighbour, else 0; present with camera_neighbour_up",
);
pub(super) static DROPS: Desc<0> = Desc::counter(
    "vedette_udp_drops_total",
    Unit::Count,
    [],
    "Datagrams that Vedette's own UDP sockets (cameras and streams over UDP) dropped for want of room or for a bad \
     checksum; without those between the last look at a socket and its end",
);

pub(super) static FAMILIES: &[Family] = &[
    PRESENT.family(),
    LINK_UP.family(),
    SPEED_LOW.family(),
    DUPLEX_WRONG.family(),
    UTILIZATION.family(),
    ERRORS.family(),
    MEMBER_UP.family(),
    MEMBER_ACTIVE.family(),
    CAMERA_INTERFACE.family(),
    CUT_OFF.family(),
    NEIGHBOUR_UP.family(),
    NEIGHBOUR_STATE.family(),
    DROPS.family(),
];

/// The open series of one interface.
pub(super) struct Meters {
    pub(super) present: Series,
    pub(super) link: Series,
    /// Of what was configured.
    pub(super) speed_low: Option<Series>,
    pub(super) duplex_wrong: Option<Series>,
    /// Received and sent.
    pub(super) utilization: [Series; 2],
    /// In the order of [`Fault::ALL`].
    pub(super) errors: Vec<Series>,
    /// Up and active, in the order of the configuration.
    pub(super) members: Vec<[Series; 2]>,
}

impl Meters {
    pub(super) fn open(kit: &mut Kit, settings: &Settings) -> Meters {
        let (name, every) = (settings.interface.as_str(), settings.every);
        let mut member = |member: &String| {
            [kit.read(&MEMBER_UP, [name, member], every), kit.read(&MEMBER_ACTIVE, [name, member], every)]
        };
        Meters {
            members: settings.members.iter().map(&mut member).collect(),
            present: kit.read(&PRESENT, [name], every),
            link: kit.read(&LINK_UP, [name], every),
            speed_low: settings.speed.map(|_| kit.read(&SPEED_LOW, [name], every)),
            duplex_wrong: settings.duplex.map(|_| kit.read(&DUPLEX_WRONG, [name], every)),
            utilization: ["receive", "transmit"].map(|direction| kit.read(&UTILIZATION, [name, direction], every)),
            errors: Fault::ALL.iter().map(|fault| kit.read(&ERRORS, [name, fault.label()], every)).collect(),
        }
    }
}
