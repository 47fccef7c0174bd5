//! `vmstat`: the lines of `/proc/vmstat` on paging, swapping, faults and the killer.

use super::sheet::{Collector, keyed, must};
use crate::world::machine::Under;

keyed! { Unknown, "/proc/vmstat: ";
    "oom_kill" => "node_vmstat_oom_kill" Count,
    "pgfault" => "node_vmstat_pgfault" Count,
    "pgmajfault" => "node_vmstat_pgmajfault" Count,
    "pgpgin" => "node_vmstat_pgpgin" Count,
    "pgpgout" => "node_vmstat_pgpgout" Count,
    "pswpin" => "node_vmstat_pswpin" Count,
    "pswpout" => "node_vmstat_pswpout" Count,
}

pub static COLLECTOR: Collector = Collector {
    name: "vmstat",
    families: FAMILIES,
    collect: |machine, sheet| {
        for line in machine.text(Under::Proc, "vmstat")?.lines() {
            let Some((key, value)) = line.split_once(' ') else { continue };
            if let Some(family) = family(key) {
                sheet.put_family(family, &[], must(Some(value), "vmstat")?);
            }
        }
        Ok(())
    },
};
