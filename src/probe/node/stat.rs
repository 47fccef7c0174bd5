//! `stat` and `loadavg`: what the kernel counts for the machine as a whole.

use super::sheet::{Collector, Missed, Sheet, must, number};
use crate::metric::desc::{Desc, Unit};
use crate::world::machine::{Machine, Under};

static INTERRUPTS: Desc<0> = Desc::counter("node_intr_total", Unit::Count, [], "Interrupts served");
static SWITCHES: Desc<0> = Desc::counter("node_context_switches_total", Unit::Count, [], "Context switches");
static FORKS: Desc<0> = Desc::counter("node_forks_total", Unit::Count, [], "Processes and threads made");
static BOOT: Desc<0> = Desc::gauge(
    "node_boot_time_seconds",
    Unit::Seconds,
    [],
    "Unix time of the boot as the kernel works it out; it moves when the wall clock is stepped",
);
static RUNNING: Desc<0> =
    Desc::gauge("node_procs_running", Unit::Count, [], "Threads that run or wait for a processor");
static BLOCKED: Desc<0> = Desc::gauge("node_procs_blocked", Unit::Count, [], "Threads that wait for a disk");

pub static STAT: Collector = Collector {
    name: "stat",
    families: &[
        INTERRUPTS.family(),
        SWITCHES.family(),
        FORKS.family(),
        BOOT.family(),
        RUNNING.family(),
        BLOCKED.family(),
    ],
    collect: |machine, sheet| {
        for line in machine.text(Under::Proc, "stat")?.lines() {
            let mut fields = line.split_ascii_whitespace();
            let desc = match fields.next() {
                Some("intr") => &INTERRUPTS,
                Some("ctxt") => &SWITCHES,
                Some("processes") => &FORKS,
                Some("btime") => &BOOT,
                Some("procs_running") => &RUNNING,
                Some("procs_blocked") => &BLOCKED,
                _ => continue,
            };
            sheet.put(desc, [], must(fields.next(), "stat")?);
        }
        Ok(())
    },
};

static LOAD1: Desc<0> = Desc::gauge("node_load1", Unit::Count, [], "Threads that ran or waited, mean over 1 minute");
static LOAD5: Desc<0> = Desc::gauge("node_load5", Unit::Count, [], "Threads that ran or waited, mean over 5 minutes");
static LOAD15: Desc<0> =
    Desc::gauge("node_load15", Unit::Count, [], "Threads that ran or waited, mean over 15 minutes");

pub static LOADAVG: Collector = Collector {
    name: "loadavg",
    families: &[LOAD1.family(), LOAD5.family(), LOAD15.family()],
    collect: |machine, sheet| {
        let text = machine.text(Under::Proc, "loadavg")?;
        let mut fields = text.split_ascii_whitespace();
        for desc in [&LOAD1, &LOAD5, &LOAD15] {
            sheet.put(desc, [], must(fields.next(), "loadavg")?);
        }
        Ok(())
    },
};

static ALLOCATED: Desc<0> = Desc::gauge("node_filefd_allocated", Unit::Count, [], "Open files of all processes");
static MAXIMUM: Desc<0> = Desc::gauge("node_filefd_maximum", Unit::Count, [], "Files that may be open at a time");

pub static FILEFD: Collector = Collector {
    name: "filefd",
    families: &[ALLOCATED.family(), MAXIMUM.family()],
    collect: |machine, sheet| {
        let text = machine.text(Under::Proc, "sys/fs/file-nr")?;
        let mut fields = text.split_ascii_whitespace();
        sheet.put(&ALLOCATED, [], must(fields.next(), "file-nr")?);
        // The second has been 0 since Linux 2.6.
        sheet.put(&MAXIMUM, [], must(fields.nth(1), "file-nr")?);
        Ok(())
    },
};

static AVAILABLE: Desc<0> =
    Desc::gauge("node_entropy_available_bits", Unit::Count, [], "Bits of randomness in the kernel's pool");
static POOL: Desc<0> = Desc::gauge("node_entropy_pool_size_bits", Unit::Count, [], "Bits that the pool can hold");

pub static ENTROPY: Collector = Collector {
    name: "entropy",
    families: &[AVAILABLE.family(), POOL.family()],
    collect: |machine, sheet| {
        for (desc, file) in [(&AVAILABLE, "entropy_avail"), (&POOL, "poolsize")] {
            let text = machine.text(Under::Proc, &format!("sys/kernel/random/{file}"))?;
            sheet.put(desc, [], must(Some(&text), "random")?);
        }
        Ok(())
    },
};

static CPU_WAITING: Desc<0> = Desc::counter(
    "node_pressure_cpu_waiting_seconds_total",
    Unit::Seconds,
    [],
    "Time in which some thread waited for a processor",
);
static IO_WAITING: Desc<0> = Desc::counter(
    "node_pressure_io_waiting_seconds_total",
    Unit::Seconds,
    [],
    "Time in which some thread waited for a disk",
);
static IO_STALLED: Desc<0> = Desc::counter(
    "node_pressure_io_stalled_seconds_total",
    Unit::Seconds,
    [],
    "Time in which no thread got on because all waited for a disk",
);
static MEMORY_WAITING: Desc<0> = Desc::counter(
    "node_pressure_memory_waiting_seconds_total",
    Unit::Seconds,
    [],
    "Time in which some thread waited for memory",
);
static MEMORY_STALLED: Desc<0> = Desc::counter(
    "node_pressure_memory_stalled_seconds_total",
    Unit::Seconds,
    [],
    "Time in which no thread got on because all waited for memory",
);

pub static PRESSURE: Collector = Collector {
    name: "pressure",
    families: &[
        CPU_WAITING.family(),
        IO_WAITING.family(),
        IO_STALLED.family(),
        MEMORY_WAITING.family(),
        MEMORY_STALLED.family(),
    ],
    collect: pressure,
};

/// Kernels without PSI, or with it switched off, have no such files or refuse to read them.
fn pressure(machine: &Machine, sheet: &mut Sheet) -> Result<(), Missed> {
    for (resource, some, full) in [
        ("cpu", &CPU_WAITING, None),
        ("io", &IO_WAITING, Some(&IO_STALLED)),
        ("memory", &MEMORY_WAITING, Some(&MEMORY_STALLED)),
    ] {
        for line in machine.text(Under::Proc, &format!("pressure/{resource}"))?.lines() {
            let desc = match line.split_once(' ') {
                Some(("some", _)) => Some(some),
                Some(("full", _)) => full,
                _ => None,
            };
            let total = line.rsplit_once("total=").and_then(|(_, micros)| number(micros));
            if let (Some(desc), Some(total)) = (desc, total) {
                sheet.put(desc, [], total / 1e6);
            }
        }
    }
    Ok(())
}
