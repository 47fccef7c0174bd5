//! Words for alarms: what the judge decides, the store keeps and the sinks tell.

use crate::base::clock::{Boot, Wall};
use crate::base::label::Label;
use crate::metric::labels::Labels;
use std::sync::Arc;

/// When something happened, on the clocks of the box.
#[derive(Debug, Clone, PartialEq)]
pub struct Stamp {
    pub wall: Wall,
    pub boot: Boot,
    /// The kernel's boot id (`/proc/sys/kernel/random/boot_id`): boot times of different ids do not compare.
    pub boot_id: Arc<str>,
    /// The wall clock was disciplined at that time.
    pub trusted: bool,
}

/// Where an alarm is in its life (Prometheus rules/alerting.go; "resolved" is its inactive).
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Phase {
    Pending,
    Firing,
    Resolved,
}

impl Label for Phase {
    const ALL: &'static [Self] = &[Phase::Pending, Phase::Firing, Phase::Resolved];
    fn label(self) -> &'static str {
        match self {
            Phase::Pending => "pending",
            Phase::Firing => "firing",
            Phase::Resolved => "resolved",
        }
    }
}

/// One alarm: a rule whose expression returned a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    /// Name of the rule.
    pub rule: Arc<str>,
    /// Series labels with the rule's labels over them and `alertname`; without `__name__`. Identifies the alarm.
    pub labels: Labels,
    /// Expanded annotations, by name.
    pub annotations: Labels,
    /// The expression's value when it was last true.
    pub value: f64,
    pub phase: Phase,
    /// When the expression became true.
    pub active: Stamp,
    pub fired: Option<Stamp>,
    /// Since when the expression is no longer true, while `keep_firing_for` keeps it firing.
    pub missing: Option<Stamp>,
    pub resolved: Option<Stamp>,
}

impl Alarm {
    /// Identity over restarts and boxes with equal labels: 16 hex digits.
    pub fn fingerprint(&self) -> String {
        format!("{:016x}", self.labels.digest())
    }
}

/// A change of phase that must be told and kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    pub alarm: Alarm,
    pub at: Stamp,
}

/// What becomes of a message when its broker is away for long.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// One of a stream: kept in order; the oldest go first when the bound is hit, and are counted.
    Event,
    /// The newest of its topic replaces older ones still waiting, and is never dropped.
    State,
}

/// One message for the outbox. Each broker has its own cursor over these.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Without the leading `vedette/<node>/`.
    pub topic: String,
    /// Empty and retained: clears the topic.
    pub payload: Vec<u8>,
    pub retain: bool,
    pub fate: Fate,
}
