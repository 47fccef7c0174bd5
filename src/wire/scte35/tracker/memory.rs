//! What survives a restart: live events and the learned heartbeat, as JSON. Boot time does not compare over reboots, so
//! moments are kept in wall time, Unix milliseconds.

use super::events::{Event, Events, MOST, Open, Phase};
use super::heartbeat::Heartbeat;
use super::labels::{How, Key, Of};
use super::{Moment, clock::StreamClock};
use crate::base::label::Label;
use crate::wire::scte35::command::BreakDuration;
use crate::wire::scte35::segmentation::SegmentationType;
use crate::wire::ts::clock33;
use serde::{Deserialize, Serialize};

/// Of the format; another one is refused.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Memory {
    version: u32,
    /// The newest PTS and when it came.
    last: Option<(u64, i64)>,
    heartbeat_ms: Vec<u64>,
    events: Vec<Saved>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    /// segmentation_type_id of the start; none for a splice_insert.
    #[serde(skip_serializing_if = "Option::is_none")]
    segment: Option<u8>,
    id: u32,
    first: i64,
    last: i64,
    due: i64,
    target: Option<u64>,
    /// Ticks, and auto_return.
    planned: Option<(u64, bool)>,
    /// Whether an In was announced, and its time.
    back: (bool, Option<u64>),
    phase: Step,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    Announced,
    Open { at: i64, elapsed: i64, overdue: bool },
    Lone,
    Done(Option<String>),
}

impl Saved {
    /// Its times are such as sections and pictures have: 33 bits, durations 40.
    fn believable(&self) -> bool {
        let elapsed = if let Step::Open { elapsed, .. } = self.phase { elapsed } else { 0 };
        let lengths = [elapsed.unsigned_abs(), self.planned.map_or(0, |(ticks, _)| ticks)];
        self.target.into_iter().chain(self.back.1).all(|time| time < clock33::WRAP)
            && lengths.iter().all(|length| *length < 1 << 40)
    }
}

/// Boot time and wall time of one instant.
#[derive(Copy, Clone)]
pub(super) struct Instant {
    pub(super) at: Moment,
    pub(super) wall: i64,
}

impl Instant {
    fn wall_of(self, moment: Moment) -> i64 {
        self.wall.saturating_add(moment.saturating_sub(self.at) / 1_000_000)
    }
    /// Nothing that was saved lies in the future; a wall clock that was set back makes it now.
    fn past(self, wall: i64) -> Moment {
        self.at.saturating_sub(self.wall.saturating_sub(wall).max(0).saturating_mul(1_000_000))
    }
    fn any(self, wall: i64) -> Moment {
        self.at.saturating_add(wall.saturating_sub(self.wall).saturating_mul(1_000_000))
    }
}

pub(super) fn save(events: &Events, heartbeat: &Heartbeat, clock: &StreamClock, now: Instant) -> String {
    let step = |phase: &Phase| match phase {
        Phase::Announced => Step::Announced,
        Phase::Open(open) => Step::Open {
            at: now.wall_of(open.at),
            elapsed: clock.last.map_or(open.carried, |(pts, _)| open.elapsed(pts)),
            overdue: open.overdue,
        },
        Phase::Lone => Step::Lone,
        Phase::Done(how) => Step::Done(how.map(|how| how.label().to_owned())),
    };
    let events = events.0.iter().map(|e| Saved {
        segment: match e.key.of {
            Of::Insert => None,
            Of::Segment(kind) => Some(kind.0),
        },
        id: e.key.id,
        first: now.wall_of(e.first_at),
        last: now.wall_of(e.last_at),
        due: now.wall_of(e.due),
        target: e.target,
        planned: e.planned.map(|p| (p.ticks, p.auto_return)),
        back: (e.back.is_some(), e.back.flatten()),
        phase: step(&e.phase),
    });
    let memory = Memory {
        version: VERSION,
        last: clock.last.map(|(pts, at)| (pts, now.wall_of(at))),
        heartbeat_ms: heartbeat.intervals.clone(),
        events: events.collect(),
    };
    serde_json::to_string(&memory).expect("numbers and names always become JSON")
}

pub(super) fn restore(text: &str, now: Instant) -> Result<(Events, Heartbeat, StreamClock), serde_json::Error> {
    let memory: Memory = serde_json::from_str(text)?;
    if memory.version != VERSION {
        return Err(serde::de::Error::custom(format_args!("version {} is not {VERSION}", memory.version)));
    }
    if memory.last.is_some_and(|(pts, _)| pts >= clock33::WRAP) || !memory.events.iter().all(Saved::believable) {
        return Err(serde::de::Error::custom("times that no stream has"));
    }
    let last = memory.last.map(|(pts, wall)| (pts, now.past(wall)));
    let events = memory.events.into_iter().take(MOST).map(|saved| Event {
        key: Key { of: saved.segment.map_or(Of::Insert, |kind| Of::Segment(SegmentationType(kind))), id: saved.id },
        first_at: now.past(saved.first),
        last_at: now.past(saved.last),
        due: now.any(saved.due),
        target: saved.target,
        planned: saved.planned.map(|(ticks, auto_return)| BreakDuration { auto_return, ticks }),
        back: saved.back.0.then_some(saved.back.1),
        duplicate: None,
        phase: match saved.phase {
            Step::Announced => Phase::Announced,
            Step::Open { at, elapsed, overdue } => {
                Phase::Open(Open { at: now.past(at), carried: elapsed, anchor: last.map(|(pts, _)| pts), overdue })
            }
            Step::Lone => Phase::Lone,
            Step::Done(how) => {
                Phase::Done(how.and_then(|how| How::ALL.iter().copied().find(|known| known.label() == how)))
            }
        },
    });
    let heartbeat = Heartbeat::learned(memory.heartbeat_ms);
    let clock = StreamClock::from(last);
    let mut live = Events::default();
    live.0.extend(events);
    Ok((live, heartbeat, clock))
}
