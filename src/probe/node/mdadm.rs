//! `mdadm`: software RAID, `/proc/mdstat`.

use super::sheet::{Collector, Missed, Sheet};
use crate::metric::desc::{Desc, Unit};
use crate::world::machine::Under;

static STATE: Desc<2> = Desc::gauge(
    "node_md_state",
    Unit::Count,
    ["device", "state"],
    "1 for what the array is doing: active, inactive, recovering, resync or check; an active array may lack disks",
);
static DISKS: Desc<2> = Desc::gauge(
    "node_md_disks",
    Unit::Count,
    ["device", "state"],
    "Disks of the array that are active, failed or spare",
);
static REQUIRED: Desc<1> =
    Desc::gauge("node_md_disks_required", Unit::Count, ["device"], "Disks that the array should have active");
static BLOCKS: Desc<1> = Desc::gauge("node_md_blocks", Unit::Count, ["device"], "Blocks of 1 KiB in the array");
static SYNCED: Desc<1> = Desc::gauge(
    "node_md_blocks_synced",
    Unit::Count,
    ["device"],
    "Blocks done of the recovery, resync or check under way; all of them while there is none",
);

pub static COLLECTOR: Collector = Collector {
    name: "mdadm",
    families: &[STATE.family(), DISKS.family(), REQUIRED.family(), BLOCKS.family(), SYNCED.family()],
    collect: |machine, sheet| read(&machine.text(Under::Proc, "mdstat")?, sheet).ok_or(Missed::Malformed("mdstat")),
};

/// What md calls a pass under way, and what the label does.
const PASSES: [(&str, &str); 3] = [("recovery", "recovering"), ("resync", "resync"), ("check", "check")];

/// An array is a line that begins with its name, and indented lines below: size and disks, perhaps a bitmap, perhaps a
/// pass under way.
fn read(text: &str, sheet: &mut Sheet) -> Option<()> {
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((device, what)) = line.split_once(" : ") else { continue };
        if line.starts_with(' ') || matches!(device, "Personalities" | "unused devices") {
            continue;
        }
        let mut below = Vec::new();
        while let Some(next) = lines.next_if(|next| next.starts_with(' ')) {
            below.push(next);
        }
        array(device, what, &below, sheet)?;
    }
    Some(())
}

/// Whether these are the disks of firmware RAID (IMSM, DDF) with its notes. They are inactive for ever; the arrays made of
/// them, `super external:/md127/0` or, while read-only, `-md127/0`, are arrays like others.
fn container(size: &str) -> bool {
    let kind = size.split_once(" super external:").map(|(_, kind)| kind);
    kind.is_some_and(|kind| !kind.starts_with(['/', '-']))
}

fn array(device: &str, what: &str, below: &[&str], sheet: &mut Sheet) -> Option<()> {
    let mut state = what.split_ascii_whitespace().next()?;
    let size = below.first()?;
    if container(size) {
        return Some(());
    }
    let blocks: f64 = size.split_ascii_whitespace().next()?.parse().ok()?;
    let (required, active) = if state == "inactive" {
        (0.0, 0.0)
    } else if what.contains("raid0") || what.contains("linear") {
        // They cannot lack a disk, and have no `[2/2]`.
        let disks = what.matches('[').count() as f64;
        (disks, disks)
    } else {
        let counts =
            size.split_ascii_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']')?.split_once('/'));
        let (required, active) = counts?;
        (required.parse().ok()?, active.parse().ok()?)
    };
    let mut synced = blocks;
    for line in &below[1..] {
        let Some((_, label)) = PASSES.iter().find(|(pass, _)| line.contains(pass)) else { continue };
        state = label;
        // `(8/16) blocks`, or a word while the pass waits for another array.
        let done = line.split_once('(').and_then(|(_, rest)| rest.split_once('/'));
        synced = done.and_then(|(done, _)| done.parse().ok()).unwrap_or(0.0);
    }
    sheet.put(&REQUIRED, [device], required);
    sheet.put(&DISKS, [device, "active"], active);
    sheet.put(&DISKS, [device, "failed"], what.matches("(F)").count() as f64);
    sheet.put(&DISKS, [device, "spare"], what.matches("(S)").count() as f64);
    for known in ["active", "inactive", "recovering", "resync", "check"] {
        sheet.put(&STATE, [device, known], f64::from(state == known));
    }
    sheet.put(&BLOCKS, [device], blocks);
    sheet.put(&SYNCED, [device], synced);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Wall;

    #[test]
    fn an_array_that_did_not_start_is_inactive_and_a_container_is_no_array() {
        let text = "Personalities : [raid1]
md0 : inactive sdb1[1](S)
      976630464 blocks super 1.2

md126 : active raid1 sdd[1] sdc[0]
      488383488 blocks super external:/md127/0 [2/2] [UU]

md125 : inactive sde[0]
      488383488 blocks super external:-md127/1

md127 : inactive sdd[1](S) sdc[0](S)
      6306 blocks super external:imsm

unused devices: <none>
";
        let mut sheet = Sheet::new(Wall::from_millis(0));
        read(text, &mut sheet).unwrap();
        let inactive = sheet.facts.iter().filter(|f| f.family.name == STATE.name && f.label(1) == "inactive");
        let inactive: Vec<_> = inactive.map(|fact| (fact.label(0), fact.value)).collect();
        assert_eq!(inactive, [("md0", 1.0), ("md126", 0.0), ("md125", 1.0)]);
    }
}
