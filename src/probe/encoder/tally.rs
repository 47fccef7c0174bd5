//! What a process does, over the readings of it: totals and rates, per process.

use super::growth::Growth;
use crate::base::clock::{Boot, Dated};
use crate::metric::report::NoData;
use crate::world::peek::Peeked;
use crate::world::process::{Identity, Look, State};

/// What is made of the looks at one encoder.
pub(super) struct Tally {
    who: Option<Identity>,
    pub(super) cpu: Growth,
    /// Handed to write(2), and acknowledged on TCP connections.
    written: Growth,
    acknowledged: Growth,
    pub(super) received: Growth,
    /// Since when each look found it blocked in the kernel.
    pub(super) blocked: Option<Boot>,
    pub(super) dated: Dated,
}

impl Default for Tally {
    fn default() -> Self {
        let new = Growth::new;
        Tally {
            who: None,
            cpu: new(),
            written: new(),
            acknowledged: new(),
            received: new(),
            blocked: None,
            dated: Dated::default(),
        }
    }
}

impl Tally {
    /// One look.
    pub(super) fn on(&mut self, at: Boot, look: &Look) {
        let Some((who, usage)) = &look.found else { return };
        if self.who != Some(*who) {
            (self.who, self.blocked) = (Some(*who), None);
            for growth in [&mut self.cpu, &mut self.written, &mut self.acknowledged, &mut self.received] {
                growth.another();
            }
        }
        self.blocked = (usage.state == State::Blocked).then(|| self.blocked.unwrap_or(at));
        self.cpu.on(at, usage.cpu);
        if let Ok(Peeked { written, acknowledged, received, .. }) = look.peeked {
            let pairs =
                [(&mut self.written, written), (&mut self.acknowledged, acknowledged), (&mut self.received, received)];
            for (growth, value) in pairs {
                if let Some(value) = value {
                    growth.on(at, value as f64);
                }
            }
        }
    }

    /// Bytes put out, and bit per second of them.
    pub(super) fn output(&self, now: Boot) -> (f64, Option<f64>) {
        let rates = [self.written.rate(now), self.acknowledged.rate(now)];
        let rate = rates.into_iter().flatten().reduce(|a, b| a + b);
        (self.written.total() + self.acknowledged.total(), rate.map(|bytes| bytes * 8.0))
    }

    /// When it last put something out.
    pub(super) fn wrote(&self) -> Option<Boot> {
        self.written.grown().max(self.acknowledged.grown())
    }
}

/// Why a number of the process is missing.
pub(super) fn missing(look: &Result<Look, NoData>) -> NoData {
    match look {
        Err(why) => *why,
        Ok(look) if look.blind => NoData::Denied,
        Ok(_) => NoData::NotPresent,
    }
}
