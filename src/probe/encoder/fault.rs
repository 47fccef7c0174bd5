//! Why an encoder does not do its work, as far as it can be told from outside: one word for the alarm. Pure.

use super::metrics::How;
use crate::base::clock::Boot;
use crate::base::label::Label;
use crate::world::peek::Peeked;
use crate::world::process::{Look, State};
use std::time::Duration;

/// At most one of them holds.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// Its process was never there.
    Missing,
    /// It ended in order: by SIGTERM, SIGINT, or its input's end.
    Ended,
    /// It was killed, crashed, or ran out of memory.
    Died,
    /// It ended, and never reported: nothing tells how.
    Gone,
    /// A signal (SIGSTOP) or a debugger holds it.
    Stopped,
    /// It hangs in the kernel, on a disk or a mount.
    Blocked,
    /// It waits for its TCP input, which sends nothing.
    Starved,
    /// It stands still, for none of the reasons above.
    Stalled,
}

impl Label for Fault {
    const ALL: &'static [Self] = &[
        Fault::Missing,
        Fault::Ended,
        Fault::Died,
        Fault::Gone,
        Fault::Stopped,
        Fault::Blocked,
        Fault::Starved,
        Fault::Stalled,
    ];
    fn label(self) -> &'static str {
        match self {
            Fault::Missing => "missing",
            Fault::Ended => "ended",
            Fault::Died => "died",
            Fault::Gone => "gone",
            Fault::Stopped => "stopped",
            Fault::Blocked => "blocked",
            Fault::Starved => "starved",
            Fault::Stalled => "stalled",
        }
    }
}

impl Fault {
    /// Of an encoder that is not there. `end`: how its last run ended, `None` if none was seen.
    pub(super) fn of_none(end: Option<How>) -> Fault {
        match end {
            None => Fault::Missing,
            Some(How::Clean) => Fault::Ended,
            Some(How::Abrupt) => Fault::Died,
            Some(How::Unknown) => Fault::Gone,
        }
    }

    /// Of a process that is there. `standing`: it gets nothing done; `blocked`: since when each look found it blocked.
    pub(super) fn of_process(
        now: Boot,
        look: &Look,
        standing: bool,
        blocked: Option<Boot>,
        stall: Duration,
    ) -> Option<Fault> {
        // A stopped process does nothing, whatever was last heard of it.
        if look.found.as_ref().is_some_and(|(_, usage)| usage.state == State::Stopped) {
            return Some(Fault::Stopped);
        }
        if !standing {
            return None;
        }
        if blocked.is_some_and(|since| now.since(since) >= stall) {
            return Some(Fault::Blocked);
        }
        let starved = match look.peeked {
            // What is unread does not wait for the camera: it waits for the encoder.
            Ok(Peeked { receive_age_ms: Some(age), unread: Some(0), .. }) => u128::from(age) >= stall.as_millis(),
            _ => false,
        };
        Some(if starved { Fault::Starved } else { Fault::Stalled })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::report::NoData;
    use crate::world::process::{Identity, Usage};

    const STALL: Duration = Duration::from_secs(2);

    fn look(state: State, peeked: Result<Peeked, NoData>) -> Look {
        let usage = Usage {
            started: Boot::from_secs(1),
            cpu: 0.0,
            resident: 0,
            threads: 1,
            oom_score: Err(NoData::Denied),
            state,
            cgroup_io: Err(NoData::Denied),
        };
        let found = Some((Identity { pid: 7, started: 100 }, usage));
        Look { found, fitting: 1, reports: Some(true), blind: false, peeked }
    }

    #[test]
    fn a_stopped_a_blocked_and_a_starved_process_are_told_from_one_that_merely_stands() {
        let now = Boot::from_secs(100);
        let dry = |age, unread| {
            Ok(Peeked { receive_age_ms: Some(age), unread: Some(unread), received: Some(9), ..Peeked::default() })
        };
        let (denied, at) = (Err(NoData::Denied), |secs| Some(Boot::from_secs(secs)));
        for (state, peeked, standing, blocked, wanted) in [
            (State::Live, denied, false, None, None),
            (State::Live, dry(9000, 0), false, None, None),
            (State::Stopped, denied, false, None, Some(Fault::Stopped)),
            (State::Stopped, dry(9000, 0), true, None, Some(Fault::Stopped)),
            (State::Blocked, denied, true, at(97), Some(Fault::Blocked)),
            (State::Blocked, denied, true, at(99), Some(Fault::Stalled)),
            (State::Blocked, denied, false, at(97), None),
            (State::Live, dry(2000, 0), true, None, Some(Fault::Starved)),
            (State::Live, dry(1900, 0), true, None, Some(Fault::Stalled)),
            (State::Live, dry(9000, 400), true, None, Some(Fault::Stalled)),
            (State::Live, denied, true, None, Some(Fault::Stalled)),
        ] {
            let told = Fault::of_process(now, &look(state, peeked), standing, blocked, STALL);
            assert_eq!(told, wanted, "{state:?} {peeked:?} standing {standing} blocked since {blocked:?}");
        }
    }
}
