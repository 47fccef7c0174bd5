//! What the dashboard shows of interfaces and of the ways to cameras.

use crate::metric::desc::Unit;
use crate::metric::panel::{Look, Panel};

pub(super) static PANELS: &[Panel] = &[
    Panel {
        title: "Interfaces",
        look: Look::States,
        unit: Unit::Count,
        queries: &[
            ("nic_link_up{$node}", "{{interface}} has a link"),
            ("nic_member_up{$node}", "{{interface}}: {{member}}"),
            ("nic_speed_below_expected{$node} == 1", "{{interface}} too slow"),
            ("nic_duplex_unexpected{$node} == 1", "{{interface}} wrong duplex"),
        ],
    },
    Panel {
        title: "Use of links",
        look: Look::Lines,
        unit: Unit::Ratio,
        queries: &[("nic_utilization_ratio{$node}", "{{interface}} {{direction}}")],
    },
    Panel {
        title: "Packets lost on links",
        look: Look::Lines,
        unit: Unit::Count,
        queries: &[
            ("increase(nic_errors_total{$node}[$span]) > 0", "{{interface}} {{kind}}"),
            ("increase(node_network_receive_drop_total{$node}[$span]) > 0", "{{device}} dropped"),
            ("increase(vedette_udp_drops_total{$node}[$span])", "Vedette's own UDP sockets"),
        ],
    },
    Panel {
        title: "Cameras by interface",
        look: Look::Lines,
        unit: Unit::Count,
        queries: &[
            ("count by (interface) (camera_interface_info{$node})", "{{interface}}"),
            ("sum by (interface, cause) (camera_cut_off{$node})", "{{interface}} cut off, {{cause}}"),
            ("sum by (interface) (1 - camera_neighbour_up{$node})", "{{interface}} no answer"),
        ],
    },
];
