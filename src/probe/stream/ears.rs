//! Hears the monitor: a break tracker for each programme that has cues, and what they tell.

use super::markers::markers;
use crate::base::clock::{Boot, Clock};
use crate::base::label::Label;
use crate::metric::cues::Marker;
use crate::wire::scte35::{self, CommandKind, Counts, Happening, Policy, State, Tracker};
use crate::wire::ts::{CueState, Jump, Listener, Program, Section, Unit};
use std::collections::BTreeMap;

/// Programmes whose cues are followed. A multiplex of a satellite transponder has about twenty.
const PROGRAMS: usize = 32;
/// Happenings kept until the next report, of one second. A sender that makes more is broken, and the counts tell all.
const KEPT: usize = 64;
/// What the target may remember is 64 KiB in all (`metric::memory`); the braces and keys around the texts fit in the rest.
const REMEMBERED: usize = 60 << 10;

pub(super) struct Ears {
    clock: Clock,
    policy: Policy,
    trackers: BTreeMap<u16, Tracker>,
    /// What trackers of programmes remembered that have not shown a cue since the start.
    asleep: BTreeMap<u16, String>,
    spare: Vec<Happening>,
    /// What happened since the last report, oldest first, with its time and programme.
    happened: Vec<(Boot, u16, Happening)>,
    /// Happenings that found no room there.
    untold: u64,
    /// What an encoder must pass on, since the last report.
    markers: Vec<Marker>,
    /// Sections that were in order, and that were not, by command.
    sections: [[u64; CommandKind::ALL.len()]; 2],
    /// Sections where no splicer looks.
    disguised: u64,
    changed: bool,
}

impl Ears {
    /// `remembered`: what [`Ears::memory`] gave before a restart.
    pub(super) fn new(clock: Clock, policy: Policy, remembered: Option<&str>) -> Ears {
        let asleep = match remembered.map(serde_json::from_str) {
            Some(Ok(texts)) => texts,
            Some(Err(error)) => {
                tracing::warn!(%error, "what was remembered of open breaks cannot be read; it is forgotten");
                BTreeMap::new()
            }
            None => BTreeMap::new(),
        };
        let mut ears = Ears {
            clock,
            policy,
            trackers: BTreeMap::new(),
            asleep: BTreeMap::new(),
            spare: Vec::new(),
            happened: Vec::new(),
            untold: 0,
            markers: Vec::new(),
            sections: Default::default(),
            disguised: 0,
            changed: false,
        };
        // A break that was open must be followed to its end though its programme shows no cue any more.
        for (program, text) in asleep {
            ears.asleep.insert(program, text);
            ears.tracker(program);
        }
        ears
    }

    /// The tracker of a programme, made where there is none.
    fn tracker(&mut self, program: u16) -> Option<&mut Tracker> {
        if !self.trackers.contains_key(&program) {
            if self.trackers.len() == PROGRAMS {
                return None;
            }
            let mut tracker = Tracker::new(self.policy);
            if let Some(text) = self.asleep.remove(&program) {
                let now = self.clock.now();
                if let Err(error) = tracker.restore(&text, now.boot, now.wall.as_millis()) {
                    tracing::warn!(%error, program, "what was remembered of open breaks cannot be read; it is forgotten");
                }
            }
            self.trackers.insert(program, tracker);
        }
        self.trackers.get_mut(&program)
    }

    /// Lets a tracker hear something.
    fn hear(&mut self, program: u16, at: Boot, tell: impl FnOnce(&mut Tracker, &mut Vec<Happening>)) {
        let Some(tracker) = self.trackers.get_mut(&program) else { return };
        tell(tracker, &mut self.spare);
        for happening in self.spare.drain(..) {
            self.changed = true;
            if self.happened.len() < KEPT {
                self.happened.push((at, program, happening));
            } else {
                self.untold += 1;
            }
        }
    }

    /// Time passed.
    pub(super) fn tick(&mut self, now: Boot) {
        let programs: Vec<u16> = self.trackers.keys().copied().collect();
        for program in programs {
            self.hear(program, now, |tracker, out| tracker.tick(now, out));
        }
    }

    /// The source was opened anew.
    pub(super) fn restart(&mut self, now: Boot) {
        self.trackers.values_mut().for_each(|tracker| tracker.discontinuity(now));
    }

    /// What happened since the last call.
    pub(super) fn happened(&mut self) -> Vec<(Boot, u16, Happening)> {
        std::mem::take(&mut self.happened)
    }

    /// What was heard since the last call that an encoder must pass on.
    pub(super) fn markers(&mut self) -> Vec<Marker> {
        std::mem::take(&mut self.markers)
    }

    /// The counts of each programme's tracker.
    pub(super) fn counts(&self) -> impl Iterator<Item = &Counts> {
        self.trackers.values().map(Tracker::counts)
    }

    pub(super) fn states(&self, now: Boot) -> Vec<State> {
        self.trackers.values().map(|tracker| tracker.state(now)).collect()
    }

    pub(super) fn untold(&self) -> u64 {
        self.untold
    }

    pub(super) fn disguised(&self) -> u64 {
        self.disguised
    }

    /// Sections that claim a command: in order, and not.
    pub(super) fn sections(&self, command: CommandKind) -> (u64, u64) {
        let [well, ill] = &self.sections;
        (well[command as usize], ill[command as usize])
    }

    /// What is to be remembered, where it changed since the last call.
    pub(super) fn memory(&mut self) -> Option<String> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let now = self.clock.now();
        let mut room = REMEMBERED;
        let texts: BTreeMap<u16, String> = self
            .trackers
            .iter()
            .map(|(program, tracker)| (*program, tracker.memory(now.boot, now.wall.as_millis())))
            .filter(|(_, text)| {
                // JSON within JSON: each quote grows by one byte.
                let size = text.len() + text.matches('"').count() + 16;
                let fits = size <= room;
                room -= if fits { size } else { 0 };
                fits
            })
            .collect();
        serde_json::to_string(&texts).ok()
    }
}

impl Listener for Ears {
    fn section(&mut self, section: &Section<'_>) {
        let decoded = scte35::decode(section.bytes);
        if self.markers.len() < KEPT {
            self.markers.extend(markers(&decoded, section));
        }
        if section.disguised {
            // No splicer will see it, so it opens no break.
            self.disguised += 1;
            return;
        }
        let well = decoded.crc_ok && !decoded.defects.grave();
        self.sections[usize::from(!well)][decoded.kind() as usize] += 1;
        if self.tracker(section.program).is_none() {
            return;
        }
        let wall = self.clock.now().wall.as_millis();
        self.hear(section.program, section.at, |tracker, out| {
            tracker.section(&decoded, section.at, wall, section.stc, section.pts, out);
        });
    }

    fn access_unit(&mut self, unit: &Unit) {
        self.hear(unit.program, unit.at, |tracker, out| {
            tracker.access_unit(unit.pts, unit.medium, unit.random_access, unit.at, out);
        });
    }

    fn discontinuity(&mut self, program: u16, _jump: Jump, at: Boot) {
        if let Some(tracker) = self.trackers.get_mut(&program) {
            tracker.discontinuity(at);
        }
    }

    fn tables(&mut self, number: u16, program: Option<&Program>, _at: Boot) {
        // The heartbeat is waited for from where the tables promise cues.
        if program.is_some_and(|program| program.streams.iter().any(|stream| stream.cue == CueState::Declared)) {
            self.tracker(number);
        }
    }
}
