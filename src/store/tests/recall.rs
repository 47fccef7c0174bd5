//! What rules look back on.

use super::*;
use crate::metric::alarm::Stamp;

const MINUTE: Duration = Duration::from_secs(60);

impl Node {
    fn stamp(&self, boot_id: &str) -> Stamp {
        let now = self.sim.clock().now();
        Stamp { wall: now.wall, boot: now.boot, boot_id: boot_id.into(), trusted: now.trusted }
    }
    /// How many seconds ago, and the counter.
    fn recalled(&self, reach: Duration, now: &Stamp) -> Vec<(u64, f64)> {
        let reaches = [("camera_frames_total".to_owned(), reach)].into();
        let found = recall(&self.dirs(), &reaches, now).unwrap();
        assert!(found.series.iter().all(|(name, _)| name == "camera_frames_total"));
        found.past.iter().flat_map(|(ago, values)| values.iter().map(|v| (ago.as_secs(), v.1))).collect()
    }
}

fn steps(ticks: std::ops::RangeInclusive<u64>, now: u64) -> Vec<(u64, f64)> {
    ticks.map(|n| ((now - n) * 5, n as f64 * 125.0)).collect()
}

#[test]
fn rules_find_what_lies_on_the_time_line_of_the_present_in_file_and_journal() {
    let mut node = Node::new();
    assert_eq!(recall(&node.dirs(), &Default::default(), &node.stamp("a")).unwrap(), Recalled::default());
    let mut writer = node.writer("a");
    node.take(&mut writer, 30);
    node.kill(writer);
    // By the clock of the same boot, whatever the wall clock says.
    node.sim.step_wall(-86_400_000, false);
    let all = node.recalled(10 * MINUTE, &node.stamp("a"));
    assert_eq!(all, steps(1..=30, 30));
    // Whole frames, as far as the reach goes: 24 ticks are on file, six in the journal.
    assert_eq!(node.recalled(Duration::from_secs(20), &node.stamp("a")), steps(25..=30, 30));
    assert_eq!(node.recalled(10 * MINUTE, &node.stamp("b")), [], "nobody knows how long ago another boot was");
    node.sim.step_wall(86_400_000, true);
    assert_eq!(node.recalled(10 * MINUTE, &node.stamp("b")), all, "two clocks that can be trusted");
    node.sim.step_wall(-3_600_000, true);
    assert_eq!(node.recalled(10 * MINUTE, &node.stamp("b")), [], "the future");
}

#[test]
fn a_boot_whose_clock_was_never_trusted_is_recalled_in_that_boot_alone() {
    let mut node = Node::new();
    node.sim.step_wall(0, false);
    let mut writer = node.writer("a");
    node.take(&mut writer, 30);
    writer.close();
    node.sim.step_wall(0, true);
    assert_eq!(node.recalled(10 * MINUTE, &node.stamp("b")), []);
    assert_eq!(node.recalled(10 * MINUTE, &node.stamp("a")), steps(1..=30, 30));
}
