//! `cpu`: time by mode from `/proc/stat`, throttling and isolation from sysfs.

use super::sheet::{Collector, Missed, Sheet, if_there, must, number};
use crate::metric::desc::{Desc, Unit};
use crate::metric::reading::Fact;
use crate::world::machine::{Machine, Under};
use std::collections::{BTreeMap, HashMap};

static CPU: Desc<2> = Desc::counter(
    "node_cpu_seconds_total",
    Unit::Seconds,
    ["cpu", "mode"],
    "Time each processor spent in each mode, /proc/stat; where the kernel's count steps back, ours stands still meanwhile",
);
static GUEST: Desc<2> = Desc::counter(
    "node_cpu_guest_seconds_total",
    Unit::Seconds,
    ["cpu", "mode"],
    "Time each processor ran guests, which is also in user and nice of node_cpu_seconds_total",
);
static CORE_THROTTLES: Desc<2> = Desc::counter(
    "node_cpu_core_throttles_total",
    Unit::Count,
    ["package", "core"],
    "Times this core was slowed down because it was too hot",
);
static PACKAGE_THROTTLES: Desc<1> = Desc::counter(
    "node_cpu_package_throttles_total",
    Unit::Count,
    ["package"],
    "Times this package was slowed down because it was too hot",
);
static ISOLATED: Desc<1> =
    Desc::gauge("node_cpu_isolated", Unit::Count, ["cpu"], "1 for each processor that the scheduler leaves alone");

pub static COLLECTOR: Collector = Collector {
    name: "cpu",
    families: &[CPU.family(), GUEST.family(), CORE_THROTTLES.family(), PACKAGE_THROTTLES.family(), ISOLATED.family()],
    collect,
};

/// Modes in the order of a line of `/proc/stat`, proc(5); guest and guest_nice follow.
const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
const IDLE: usize = 3;
/// USER_HZ, the unit of `/proc/stat`: 100 on every architecture that we build for.
const TICKS: f64 = 100.0;
const CPUS: &str = "devices/system/cpu";
/// Seconds that a processor's idle time steps back by when it was taken away and put back; iowait and idle step back by
/// hundredths on one that stays, proc(5).
const REPLUGGED: f64 = 3.0;

fn collect(machine: &Machine, sheet: &mut Sheet) -> Result<(), Missed> {
    for line in machine.text(Under::Proc, "stat")?.lines() {
        let mut fields = line.split_ascii_whitespace();
        let cpu = fields.next().and_then(|name| name.strip_prefix("cpu"));
        let Some(cpu) = cpu.filter(|n| !n.is_empty()) else { continue };
        for mode in MODES {
            sheet.put(&CPU, [cpu, mode], must(fields.next(), "stat")? / TICKS);
        }
        for mode in ["user", "nice"] {
            // Absent before Linux 2.6.33.
            sheet.put(&GUEST, [cpu, mode], fields.next().and_then(number).unwrap_or(0.0) / TICKS);
        }
    }
    if let Some(isolated) = if_there(machine.text(Under::Sys, &format!("{CPUS}/isolated")))? {
        for cpu in ranges(isolated.trim()) {
            sheet.put(&ISOLATED, [&cpu.to_string()], 1.0);
        }
    }
    throttles(machine, sheet);
    Ok(())
}

/// The most that each processor has shown in each of [`MODES`]. To a rate a counter that falls by a hundredth began anew,
/// and its whole count is added.
#[derive(Default)]
pub struct Peaks(HashMap<String, [f64; MODES.len()]>);

impl Peaks {
    /// Puts times that stepped back to where they stood.
    pub fn hold(&mut self, facts: &mut [Fact]) {
        for fact in facts.iter().filter(|fact| fact.family.name == CPU.name && fact.label(1) == MODES[IDLE]) {
            let was = self.0.get(fact.label(0)).map_or(0.0, |peaks| peaks[IDLE]);
            if was - fact.value >= REPLUGGED {
                self.0.remove(fact.label(0));
            }
        }
        for fact in facts.iter_mut().filter(|fact| fact.family.name == CPU.name) {
            let Some(mode) = MODES.iter().position(|mode| *mode == fact.label(1)) else { continue };
            let peak = &mut self.0.entry(fact.label(0).to_owned()).or_default()[mode];
            *peak = peak.max(fact.value);
            fact.value = *peak;
        }
    }
}

/// The processors of a list such as `2-3,7`, cpuset(7).
fn ranges(list: &str) -> impl Iterator<Item = u16> {
    let bounds = |part: &str| -> Option<(u16, u16)> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some((first.parse().ok()?, last.parse().ok()?))
    };
    list.split(',').filter_map(bounds).flat_map(|(first, last)| first..=last)
}

/// Several processors share a core and a package, and each shows their count: it is read once.
fn throttles(machine: &Machine, sheet: &mut Sheet) {
    let read = |path: String| machine.text(Under::Sys, &path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    let (mut cores, mut packages) = (BTreeMap::new(), BTreeMap::new());
    for cpu in machine.names(Under::Sys, CPUS).unwrap_or_default() {
        if !cpu.strip_prefix("cpu").is_some_and(|n| n.starts_with(|c: char| c.is_ascii_digit())) {
            continue;
        }
        let Some(package) = read(format!("{CPUS}/{cpu}/topology/physical_package_id")) else { continue };
        let Some(core) = read(format!("{CPUS}/{cpu}/topology/core_id")) else { continue };
        let throttle = |what: &str| read(format!("{CPUS}/{cpu}/thermal_throttle/{what}"));
        if !cores.contains_key(&(package, core)) {
            cores.extend(throttle("core_throttle_count").map(|n| ((package, core), n)));
        }
        if !packages.contains_key(&package) {
            packages.extend(throttle("package_throttle_count").map(|n| (package, n)));
        }
    }
    for ((package, core), count) in cores {
        sheet.put(&CORE_THROTTLES, [&package.to_string(), &core.to_string()], count as f64);
    }
    for (package, count) in packages {
        sheet.put(&PACKAGE_THROTTLES, [&package.to_string()], count as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_steps_back_stands_still_and_a_processor_that_was_put_back_begins_anew() {
        let mut peaks = Peaks::default();
        let mut told = |idle: f64, iowait: f64| {
            let fact = |cpu, mode, value| Fact::of(&CPU, [cpu, mode], value);
            let mut facts = [
                fact("0", "idle", idle),
                fact("0", "iowait", iowait),
                fact("1", "iowait", 5.0),
                fact("0", "user", 7.0),
            ];
            peaks.hold(&mut facts);
            assert_eq!((facts[2].value, facts[3].value), (5.0, 7.0));
            (facts[0].value, facts[1].value)
        };
        assert_eq!(told(100.0, 20.0), (100.0, 20.0));
        assert_eq!(told(99.99, 19.5), (100.0, 20.0));
        assert_eq!(told(101.0, 20.5), (101.0, 20.5));
        assert_eq!(told(98.0, 0.25), (98.0, 0.25), "by three seconds");
        assert_eq!(told(98.5, 0.5), (98.5, 0.5));
    }
}
