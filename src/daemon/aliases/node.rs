//! What is said of disks and interfaces under names from before node_exporter's.

use super::{Fold, Line};
use crate::metric::desc::{Desc, PARTS, Unit};
use crate::metric::histogram::le;
use std::collections::BTreeMap;

const fn space(name: &'static str, unit: Unit, help: &'static str) -> Desc<1> {
    Desc::gauge(name, unit, ["mount_point"], help)
}
static FREE: Desc<1> = space("disk_space_free_bytes", Unit::Bytes, "Free space for who is not root");
static USED: Desc<1> = space("disk_space_used_bytes", Unit::Bytes, "Size less what is free, root's share among it");
static TOTAL: Desc<1> = space("disk_space_total_bytes", Unit::Bytes, "Size of the file system");
static USED_PERCENT: Desc<1> = space(
    "disk_space_used_percent",
    Unit::Percent,
    "Used of used and free for who is not root, as df(1) says it, not rounded up",
);

const fn bytes(name: &'static str, help: &'static str) -> Desc<1> {
    Desc::counter(name, Unit::Bytes, ["device"], help)
}
static READ: Desc<1> = bytes("disk_io_read_bytes_total", "Bytes read, as node_disk_read_bytes_total");
static WRITTEN: Desc<1> = bytes("disk_io_write_bytes_total", "Bytes written, as node_disk_written_bytes_total");

/// Its bounds are those of `disk_io_latency_seconds`, times 1000.
static LATENCY: Desc<2> = Desc::histogram(
    "disk_io_latency_ms",
    Unit::Count,
    ["device", "operation"],
    &[],
    "disk_io_latency_seconds in milliseconds: all operations of a second count at their mean",
);
static BUCKET: Desc<3> = Desc {
    name: "disk_io_latency_ms_bucket",
    kind: LATENCY.kind,
    unit: LATENCY.unit,
    labels: ["device", "operation", "le"],
    bounds: &[],
    help: LATENCY.help,
};
static SUM: Desc<2> = Desc { name: "disk_io_latency_ms_sum", ..LATENCY };
static COUNT: Desc<2> = Desc { name: "disk_io_latency_ms_count", ..LATENCY };

const fn network(name: &'static str, unit: Unit, help: &'static str) -> Desc<1> {
    Desc::counter(name, unit, ["interface"], help)
}
static SENT: Desc<1> = network("network_bytes_sent_total", Unit::Bytes, "As node_network_transmit_bytes_total");
static RECEIVED: Desc<1> = network("network_bytes_received_total", Unit::Bytes, "As node_network_receive_bytes_total");
static ERRORS: Desc<1> = network("network_errors_total", Unit::Count, "Errors of both directions");
static DROPS: Desc<1> = network("network_drops_total", Unit::Count, "Packets dropped in both directions");

pub(super) static LINES: &[Line] = &[
    Line { family: FREE.family(), make: || spaces(&FREE, |space| space.of("avail")) },
    Line { family: USED.family(), make: || spaces(&USED, Space::used) },
    Line { family: TOTAL.family(), make: || spaces(&TOTAL, |space| space.of("size")) },
    Line { family: USED_PERCENT.family(), make: || spaces(&USED_PERCENT, used_percent) },
    Line { family: READ.family(), make: || summed(&READ, &["node_disk_read_bytes_total"]) },
    Line { family: WRITTEN.family(), make: || summed(&WRITTEN, &["node_disk_written_bytes_total"]) },
    Line { family: LATENCY.family(), make: latency },
    Line { family: SENT.family(), make: || summed(&SENT, &["node_network_transmit_bytes_total"]) },
    Line { family: RECEIVED.family(), make: || summed(&RECEIVED, &["node_network_receive_bytes_total"]) },
    Line {
        family: ERRORS.family(),
        make: || summed(&ERRORS, &["node_network_receive_errs_total", "node_network_transmit_errs_total"]),
    },
    Line {
        family: DROPS.family(),
        make: || summed(&DROPS, &["node_network_receive_drop_total", "node_network_transmit_drop_total"]),
    },
];

/// Families by device added up; a device that one of them lacks is left out.
fn summed(desc: &'static Desc<1>, families: &'static [&'static str]) -> Fold {
    Box::new(move |standing, told| {
        let mut all: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
        for (labels, value) in families.iter().flat_map(|family| standing.of(family)) {
            if let Some(device) = labels.get("device") {
                let (n, sum) = all.entry(device).or_default();
                (*n, *sum) = (*n + 1, *sum + value);
            }
        }
        for (device, (_, sum)) in all.into_iter().filter(|(_, (n, _))| *n == families.len()) {
            told.say(desc, [device], sum);
        }
    })
}

/// Bytes of what is mounted at one place, by what `node_filesystem_*_bytes` calls them.
#[derive(Default)]
struct Space(BTreeMap<&'static str, f64>);

impl Space {
    fn of(&self, part: &str) -> Option<f64> {
        self.0.get(part).copied()
    }
    fn used(&self) -> Option<f64> {
        Some(self.of("size")? - self.of("free")?)
    }
}

fn used_percent(space: &Space) -> Option<f64> {
    let used = space.used()?;
    let all = used + space.of("avail")?;
    (all > 0.0).then(|| 100.0 * used / all)
}

/// Of several file systems mounted at one place the one whose device is last by name counts.
fn spaces(desc: &'static Desc<1>, value: fn(&Space) -> Option<f64>) -> Fold {
    Box::new(move |standing, told| {
        let mut all: BTreeMap<&str, Space> = BTreeMap::new();
        for part in ["size", "free", "avail"] {
            for (labels, bytes) in standing.of(&format!("node_filesystem_{part}_bytes")) {
                if let Some(place) = labels.get("mountpoint") {
                    all.entry(place).or_default().0.insert(part, bytes);
                }
            }
        }
        for (place, space) in all {
            value(&space).into_iter().for_each(|value| told.say(desc, [place], value));
        }
    })
}

fn latency() -> Fold {
    Box::new(|standing, told| {
        let [bucket, sum, count] = PARTS.map(|part| format!("disk_io_latency_seconds{part}"));
        let of = |family: &str| {
            standing.of(family).filter_map(|(labels, value)| {
                Some(([labels.get("device")?, labels.get("operation")?], labels.get("le").unwrap_or(""), value))
            })
        };
        for ([device, operation], bound, value) in of(&bucket) {
            // Read back as it was written: one of our bounds, or infinity.
            let seconds = bound.parse::<f64>().unwrap_or(f64::INFINITY);
            let bound = le((seconds * 1e6).round() / 1e3);
            told.say(&BUCKET, [device, operation, &bound], value);
        }
        for (labels, _, value) in of(&sum) {
            // The kernel counts in whole milliseconds.
            told.say(&SUM, labels, (value * 1000.0).round());
        }
        for (labels, _, value) in of(&count) {
            told.say(&COUNT, labels, value);
        }
    })
}

#[cfg(test)]
mod tests {
    use crate::base::clock::{Sim, Window};
    use crate::daemon::aliases::Aliases;
    use crate::metric::book::{Book, Hold};
    use crate::metric::desc::{Desc, Unit};
    use crate::metric::latest::Latest;
    use crate::metric::report::Report;

    const MOUNT: [&str; 3] = ["device", "mountpoint", "fstype"];
    static SIZE: Desc<3> = Desc::gauge("node_filesystem_size_bytes", Unit::Bytes, MOUNT, "");
    static FREE: Desc<3> = Desc::gauge("node_filesystem_free_bytes", Unit::Bytes, MOUNT, "");
    static AVAILABLE: Desc<3> = Desc::gauge("node_filesystem_avail_bytes", Unit::Bytes, MOUNT, "");
    static ERRORS_IN: Desc<1> = Desc::counter("node_network_receive_errs_total", Unit::Count, ["device"], "");
    static ERRORS_OUT: Desc<1> = Desc::counter("node_network_transmit_errs_total", Unit::Count, ["device"], "");
    static LATENCY: Desc<2> =
        Desc::histogram("disk_io_latency_seconds", Unit::Seconds, ["device", "operation"], &[0.0025, 0.5], "");

    #[test]
    fn old_names_say_what_the_new_ones_do_in_their_units() {
        let (sim, book) = (Sim::new(), Book::default());
        let (mut latest, mut aliases) = (Latest::new(book.clone()), Aliases::new(book.clone()));
        let now = sim.clock().now();
        let mut report = Report::new(Window { from: now.boot, to: now.boot });
        let srv = ["/dev/md0", "/srv", "xfs"];
        for (desc, value) in [(&SIZE, 1000.0), (&FREE, 400.0), (&AVAILABLE, 200.0)] {
            report.value(book.open(desc, srv, Hold::Own), value);
        }
        // A mount that hangs has a size from nobody.
        report.value(book.open(&FREE, ["server:/x", "/far", "nfs"], Hold::Own), 1.0);
        report.value(book.open(&ERRORS_IN, ["eno1"], Hold::Own), 3.0);
        report.value(book.open(&ERRORS_OUT, ["eno1"], Hold::Own), 4.0);
        report.value(book.open(&ERRORS_IN, ["eno2"], Hold::Own), 3.0);
        let (mut latency, _) = book.open_histogram(&LATENCY, ["sda", "write"]);
        // 24.611 times 1000 is 24610.999999999996 in floating point.
        latency.observe_many(6.15275, 4);
        latency.fill(&mut report);
        latest.apply(&report);
        let told = aliases.tell(&latest.standing(now.boot), &now);
        latest.apply(&told);
        let rows = latest.snapshot(now).rows;
        let said: Vec<_> = rows
            .iter()
            .map(|r| format!("{}{} {}", r.meta.family.name, r.meta.labels, r.value))
            .filter(|row| ["disk_io_latency_ms", "disk_space_", "network_"].iter().any(|start| row.starts_with(start)))
            .collect();
        assert_eq!(
            said,
            [
                r#"disk_io_latency_ms_bucket{device="sda",le="+Inf",operation="write"} 4"#,
                r#"disk_io_latency_ms_bucket{device="sda",le="2.5",operation="write"} 0"#,
                r#"disk_io_latency_ms_bucket{device="sda",le="500.0",operation="write"} 0"#,
                r#"disk_io_latency_ms_count{device="sda",operation="write"} 4"#,
                r#"disk_io_latency_ms_sum{device="sda",operation="write"} 24611"#,
                r#"disk_space_free_bytes{mount_point="/srv"} 200"#,
                r#"disk_space_total_bytes{mount_point="/srv"} 1000"#,
                r#"disk_space_used_bytes{mount_point="/srv"} 600"#,
                r#"disk_space_used_percent{mount_point="/srv"} 75"#,
                r#"network_errors_total{interface="eno1"} 7"#,
            ]
        );
    }
}
