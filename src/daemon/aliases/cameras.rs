//! What is said of all cameras together.

use super::{Fold, Line};
use crate::base::clock::Boot;
use crate::metric::desc::{Desc, Unit};
use crate::wire::window::Window;
use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::Duration;

/// What feeds these lines: 1 while a camera delivers, 0 from the start.
const STATUS: &str = "camera_connection_status";
/// The same of transport streams, by protocol.
const INPUT_UP: &str = "ts_input_up";
/// Buckets of the day that the uptime looks back, and the one being filled.
const MINUTES: usize = 24 * 60 + 1;
/// Ticks further apart than two and a half of the longest say that we stood still: what was in between is not known.
const LOOKED_AWAY: Duration = Duration::from_secs(150);

static ACTIVE: Desc<1> = Desc::gauge(
    "active_streams_count",
    Unit::Count,
    ["protocol"],
    "Cameras and streams that deliver now, by how they are fetched",
);
static UPTIME: Desc<0> = Desc::gauge(
    "streaming_uptime_percentage",
    Unit::Percent,
    [],
    "Share of camera time connected over the last 24 h, or since the start of the daemon where that is shorter",
);

pub(super) static LINES: &[Line] =
    &[Line { family: ACTIVE.family(), make: active }, Line { family: UPTIME.family(), make: uptime }];

fn active() -> Fold {
    Box::new(|standing, told| {
        if let Some(count) = standing.of(STATUS).map(|(_, up)| up).reduce(|a, b| a + b) {
            told.say(&ACTIVE, ["rtsp"], count);
        }
        let mut streams = BTreeMap::new();
        for (labels, up) in standing.of(INPUT_UP) {
            if let Some(protocol) = labels.get("protocol") {
                *streams.entry(protocol).or_insert(0.0) += up;
            }
        }
        for (protocol, count) in streams {
            told.say(&ACTIVE, [protocol], count);
        }
    })
}

/// Camera time, in seconds.
#[derive(Copy, Clone, Default)]
struct Time {
    connected: f64,
    all: f64,
}

impl AddAssign for Time {
    fn add_assign(&mut self, other: Self) {
        self.connected += other.connected;
        self.all += other.all;
    }
}

/// A camera counts from the tick at which it stands, with its state at the end of each.
fn uptime() -> Fold {
    let mut day = Window::<Time, MINUTES>::new(Duration::from_secs(60));
    let mut last: Option<Boot> = None;
    Box::new(move |standing, told| {
        let now = standing.now.boot;
        let passed = last.replace(now).map(|last| now.since(last)).filter(|passed| *passed <= LOOKED_AWAY);
        for (_, up) in standing.of(STATUS) {
            let all = passed.unwrap_or_default().as_secs_f64();
            day.add(now, Time { connected: all * up, all });
        }
        if let Some((sum, _)) = day.sum(now).filter(|(sum, _)| sum.all > 0.0) {
            told.say(&UPTIME, [], 100.0 * sum.connected / sum.all);
        }
    })
}

#[cfg(test)]
mod tests {
    use crate::base::clock::{Sim, Window};
    use crate::daemon::aliases::Aliases;
    use crate::metric::book::{Book, Hold};
    use crate::metric::desc::{Desc, Unit};
    use crate::metric::latest::{Latest, Snapshot};
    use crate::metric::report::{NoData, Report};
    use std::time::Duration;

    static STATUS: Desc<1> = Desc::gauge(super::STATUS, Unit::Count, ["camera_id"], "up");
    const TICK: Duration = Duration::from_secs(5);

    struct Box {
        sim: Sim,
        book: Book,
        latest: Latest,
        aliases: Aliases,
    }

    impl Box {
        fn new() -> Self {
            let book = Book::default();
            let (latest, aliases) = (Latest::new(book.clone()), Aliases::new(book.clone()));
            Box { sim: Sim::new(), book, latest, aliases }
        }

        /// One tick at which these cameras stand so.
        fn tick(&mut self, cameras: &[(&str, Result<f64, NoData>)]) -> Snapshot {
            self.sim.advance(TICK);
            let now = self.sim.clock().now();
            let mut report = Report::new(Window { from: now.boot, to: now.boot });
            for (id, up) in cameras {
                report.reading(self.book.open(&STATUS, [id], Hold::Own), *up);
            }
            self.latest.apply(&report);
            let told = self.aliases.tell(&self.latest.standing(now.boot), &now);
            self.latest.apply(&told);
            self.latest.snapshot(now)
        }
    }

    fn of(snapshot: &Snapshot, name: &str) -> Option<f64> {
        snapshot.rows.iter().find(|r| r.meta.family.name == name).map(|r| r.value)
    }

    #[test]
    fn cameras_that_deliver_are_counted_in_the_same_snapshot_and_none_is_no_number() {
        let mut node = Box::new();
        assert_eq!(of(&node.tick(&[]), "active_streams_count"), None);
        assert_eq!(of(&node.tick(&[("yard", Ok(0.0)), ("gate", Ok(0.0))]), "active_streams_count"), Some(0.0));
        let page = node.tick(&[("yard", Ok(1.0)), ("gate", Ok(1.0))]);
        assert_eq!(of(&page, "active_streams_count"), Some(2.0));
        assert!(page.rows.iter().any(|r| r.meta.labels.get("protocol") == Some("rtsp")));
        let gone = node.tick(&[("yard", Err(NoData::Denied)), ("gate", Err(NoData::Denied))]);
        assert_eq!(of(&gone, "active_streams_count"), None);
        assert!(gone.ended.iter().any(|m| m.family.name == "active_streams_count"), "it ends with a stale marker");
    }

    #[test]
    fn uptime_is_camera_time_connected_of_the_last_day() {
        let mut node = Box::new();
        let minutes = |n: u64| n * 60 / TICK.as_secs();
        let mut page = node.tick(&[("yard", Ok(1.0))]);
        assert_eq!(of(&page, "streaming_uptime_percentage"), None, "no time has passed yet");
        for _ in 0..minutes(60) {
            page = node.tick(&[("yard", Ok(1.0)), ("gate", Ok(0.0))]);
        }
        assert_eq!(of(&page, "streaming_uptime_percentage"), Some(50.0));
        for _ in 0..minutes(120) {
            page = node.tick(&[("yard", Ok(1.0)), ("gate", Ok(1.0))]);
        }
        let share = of(&page, "streaming_uptime_percentage").unwrap();
        assert!((share - 100.0 * 5.0 / 6.0).abs() < 0.5, "{share}");
        for _ in 0..minutes(24 * 60 + 1) {
            page = node.tick(&[("yard", Ok(1.0)), ("gate", Ok(1.0))]);
        }
        assert_eq!(of(&page, "streaming_uptime_percentage"), Some(100.0), "yesterday is forgotten");
    }

    #[test]
    fn what_we_did_not_look_at_is_neither_up_nor_down() {
        let mut node = Box::new();
        for _ in 0..24 {
            node.tick(&[("yard", Ok(1.0))]);
        }
        node.sim.advance(Duration::from_secs(7200)); // suspended
        let page = node.tick(&[("yard", Ok(0.0))]);
        assert_eq!(of(&page, "streaming_uptime_percentage"), Some(100.0));
    }
}
