//! What the dashboard shows of the node itself.

use crate::metric::desc::Unit;
use crate::metric::panel::{Look, Panel};

const fn lines(title: &'static str, unit: Unit, queries: &'static [(&'static str, &'static str)]) -> Panel {
    Panel { title, look: Look::Lines, unit, queries }
}

pub static PANELS: &[Panel] = &[
    lines(
        "Processors",
        Unit::Ratio,
        &[
            ("1 - avg(rate(node_cpu_seconds_total{$node,mode=\"idle\"}[$span]))", "busy"),
            ("avg(rate(node_cpu_seconds_total{$node,mode=\"iowait\"}[$span]))", "waits for disks"),
        ],
    ),
    lines(
        "Memory in use",
        Unit::Ratio,
        &[("1 - node_memory_MemAvailable_bytes{$node} / node_memory_MemTotal_bytes{$node}", "in use")],
    ),
    lines(
        "Temperatures, degrees Celsius",
        Unit::Count,
        &[
            ("node_hwmon_temp_celsius{$node}", "{{chip}} {{sensor}}"),
            ("node_thermal_zone_temp{$node}", "{{type}} {{zone}}"),
        ],
    ),
    lines(
        "Free space",
        Unit::Ratio,
        &[("node_filesystem_avail_bytes{$node} / node_filesystem_size_bytes{$node}", "{{mountpoint}}")],
    ),
    lines("Until full", Unit::Seconds, &[("filesystem_until_full_seconds{$node}", "{{mountpoint}}")]),
    lines(
        "Mounts that do not answer or cannot be written",
        Unit::Count,
        &[
            ("node_filesystem_device_error{$node} == 1", "{{mountpoint}} does not answer"),
            ("filesystem_remounted_readonly{$node} == 1", "{{mountpoint}} is read-only"),
        ],
    ),
    lines(
        "Mean time of a read or write",
        Unit::Seconds,
        &[(
            "rate(disk_io_latency_seconds_sum{$node}[$span]) / rate(disk_io_latency_seconds_count{$node}[$span])",
            "{{device}} {{operation}}",
        )],
    ),
    lines("Disks in use", Unit::Ratio, &[("disk_utilisation_ratio{$node}", "{{device}}")]),
    lines(
        "Written to disks per second",
        Unit::Bytes,
        &[("rate(node_disk_written_bytes_total{$node}[$span])", "{{device}}")],
    ),
    lines(
        "Network",
        Unit::BitsPerSecond,
        &[
            ("8 * rate(node_network_receive_bytes_total{$node}[$span])", "{{device}} in"),
            ("8 * rate(node_network_transmit_bytes_total{$node}[$span])", "{{device}} out"),
        ],
    ),
    lines(
        "Datagrams lost for want of room",
        Unit::Count,
        &[("increase(node_netstat_Udp_RcvbufErrors{$node}[$span])", "UDP receive buffers")],
    ),
    Panel {
        title: "Clock held by a time server",
        look: Look::States,
        unit: Unit::Count,
        queries: &[("node_timex_sync_status{$node}", "held")],
    },
];
