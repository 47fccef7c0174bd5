//! What is heard while packets go in: pictures, and cues with all that comes of them.

use crate::base::base64;
use crate::base::clock::{Boot, Clock};
use crate::wire::scte35::{
    self, CommandKind, Counts, Decoded, Defects, Descriptor, Direction, Happening, News, Policy, State, Tracker,
};
use crate::wire::ts::{Jump, Listener, Medium, RandomAccess, Section, Unit, clock33};
use std::collections::BTreeMap;

/// Programmes whose cues are followed. A multiplex of a satellite transponder has about twenty.
const PROGRAMS: usize = 64;
/// Video PIDs that are measured.
const PIDS: usize = 64;

/// One happening, as it is told.
pub(super) struct Told {
    pub(super) at: Boot,
    pub(super) program: u16,
    pub(super) happening: Happening,
    /// It came where no splicer looks.
    pub(super) disguised: bool,
    /// Of the first marker of a section: what else is in it.
    pub(super) beside: Option<Beside>,
}

/// What a section holds besides its markers.
pub(super) struct Beside {
    /// Descriptors that are no markers, as text.
    pub(super) descriptors: Vec<String>,
    /// The section in base64.
    pub(super) section: String,
}

/// The access units of one video PID.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Pictures {
    units: u64,
    /// Arrival of the first and of the last.
    first: Boot,
    last: Boot,
    /// Number and DTS of the last at which decoding can start.
    key: Option<(u64, u64)>,
    pub(super) keys: u64,
    /// Access units from one of those to the next, and 90 kHz ticks: least and most.
    pub(super) gop: Option<(u64, u64)>,
    pub(super) interval: Option<(i64, i64)>,
}

impl Pictures {
    fn on(&mut self, unit: &Unit) {
        self.units += 1;
        if self.units == 1 {
            self.first = unit.at;
        }
        self.last = unit.at;
        if unit.random_access == RandomAccess::None {
            return;
        }
        self.keys += 1;
        if let Some((number, dts)) = self.key.replace((self.units, unit.dts)) {
            spread(&mut self.gop, self.units - number);
            spread(&mut self.interval, clock33::diff(dts, unit.dts));
        }
    }

    /// Access units per second of their arrival.
    pub(super) fn rate(&self) -> Option<f64> {
        let span = self.last.since(self.first).as_secs_f64();
        (self.units > 1 && span > 0.0).then(|| (self.units - 1) as f64 / span)
    }

    pub(super) fn units(&self) -> u64 {
        self.units
    }
}

fn spread<T: Copy + Ord>(into: &mut Option<(T, T)>, value: T) {
    let (least, most) = into.unwrap_or((value, value));
    *into = Some((least.min(value), most.max(value)));
}

pub(super) struct Ears {
    clock: Clock,
    trackers: BTreeMap<u16, Tracker>,
    /// Of what came in disguise: only its reading of markers is used.
    disguised: BTreeMap<u16, Tracker>,
    pub(super) pictures: BTreeMap<u16, Pictures>,
    pub(super) told: Vec<Told>,
    spare: Vec<Happening>,
    /// Sections whose CRC is wrong or that lost something else of their message, and which defects those had.
    pub(super) bad: (u64, Defects),
    /// Sections that did not begin where a packet's payload does, or shared a packet (§9.6).
    pub(super) misplaced: u64,
    /// Least pre-roll of first announcements of an Out, ticks: by the system time clock, by the newest picture.
    pub(super) preroll: (Option<i64>, Option<i64>),
}

impl Ears {
    pub(super) fn new(clock: Clock) -> Ears {
        Ears {
            clock,
            trackers: BTreeMap::new(),
            disguised: BTreeMap::new(),
            pictures: BTreeMap::new(),
            told: Vec::new(),
            spare: Vec::new(),
            bad: (0, Defects::default()),
            misplaced: 0,
            preroll: (None, None),
        }
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = &Counts> {
        self.trackers.values().map(Tracker::counts)
    }

    pub(super) fn states(&self, now: Boot) -> Vec<State> {
        self.trackers.values().map(|tracker| tracker.state(now)).collect()
    }

    /// Time passed.
    pub(super) fn tick(&mut self, now: Boot) {
        let programs: Vec<u16> = self.trackers.keys().copied().collect();
        for program in programs {
            self.hear(program, now, |tracker, out| tracker.tick(now, out));
        }
    }

    fn hear(&mut self, program: u16, at: Boot, tell: impl FnOnce(&mut Tracker, &mut Vec<Happening>)) {
        let Some(tracker) = self.trackers.get_mut(&program) else { return };
        tell(tracker, &mut self.spare);
        for happening in self.spare.drain(..) {
            if let Happening::Cue(cue) = &happening
                && (cue.news, cue.direction) == (News::First, Some(Direction::Out))
            {
                let least = |known: Option<i64>, new: Option<i64>| known.into_iter().chain(new).min();
                self.preroll.0 = least(self.preroll.0, cue.preroll.declared);
                self.preroll.1 = least(self.preroll.1, cue.preroll.arrival);
            }
            self.told.push(Told { at, program, happening, disguised: false, beside: None });
        }
    }
}

impl Listener for Ears {
    fn section(&mut self, section: &Section<'_>) {
        let decoded = scte35::decode(section.bytes);
        let wall = self.clock.now().wall.as_millis();
        let all = if section.disguised { &mut self.disguised } else { &mut self.trackers };
        if !all.contains_key(&section.program) && all.len() < PROGRAMS {
            all.insert(section.program, Tracker::new(Policy::default()));
        }
        let from = self.told.len();
        if section.disguised {
            let Some(tracker) = self.disguised.get_mut(&section.program) else { return };
            tracker.section(&decoded, section.at, wall, section.stc, section.pts, &mut self.spare);
            let markers = self.spare.drain(..).filter(|h| matches!(h, Happening::Cue(_)));
            let told =
                |happening| Told { at: section.at, program: section.program, happening, disguised: true, beside: None };
            self.told.extend(markers.map(told));
        } else {
            if !decoded.crc_ok || decoded.defects.grave() {
                self.bad.0 += 1;
                decoded.defects.iter().for_each(|defect| self.bad.1.add(defect));
            }
            self.misplaced += u64::from(section.carriage.pointer || section.carriage.shared);
            self.hear(section.program, section.at, |tracker, out| {
                tracker.section(&decoded, section.at, wall, section.stc, section.pts, out);
            });
        }
        if let Some(told) = self.told.get_mut(from) {
            told.beside = Some(beside(&decoded, section.bytes));
        }
    }

    fn access_unit(&mut self, unit: &Unit) {
        if unit.medium == Medium::Video && (self.pictures.len() < PIDS || self.pictures.contains_key(&unit.pid)) {
            self.pictures.entry(unit.pid).or_default().on(unit);
        }
        self.hear(unit.program, unit.at, |tracker, out| {
            tracker.access_unit(unit.pts, unit.medium, unit.random_access, unit.at, out);
        });
    }

    fn discontinuity(&mut self, program: u16, _jump: Jump, at: Boot) {
        if let Some(tracker) = self.trackers.get_mut(&program) {
            tracker.discontinuity(at);
        }
    }
}

fn beside(decoded: &Decoded<'_>, section: &[u8]) -> Beside {
    let mut descriptors = Vec::new();
    for descriptor in decoded.descriptors {
        descriptors.push(match descriptor {
            Descriptor::Segmentation(_) => continue,
            Descriptor::Avail(id) => format!("avail_descriptor {id:#x}"),
            Descriptor::Dtmf(dtmf) => {
                let characters = String::from_utf8_lossy(dtmf.characters).replace(char::is_control, "?");
                format!("DTMF_descriptor {characters} {:.1} s ahead", f64::from(dtmf.preroll) / 10.0)
            }
            Descriptor::Time(tai) => format!("time_descriptor {:.3} Unix s, TAI-UTC {} s", tai.unix(), tai.utc_offset),
            Descriptor::Audio(audio) => format!("audio_descriptor with {} components", audio.count()),
            Descriptor::Other { tag, identifier, bytes } => {
                format!("private descriptor {tag:#04x} of {identifier:#010x}, {} bytes", bytes.len())
            }
            Descriptor::Short { tag, .. } => format!("descriptor {tag:#04x} cut off"),
        });
    }
    Beside { descriptors, section: base64::encode(section) }
}

/// Whether a person wants to see it as it comes: heartbeats and repeats come by the second, and are counted.
pub(super) fn telling(happening: &Happening) -> bool {
    match happening {
        Happening::Cue(cue) => {
            cue.news != News::Repeat && !matches!(cue.command, CommandKind::Null | CommandKind::BandwidthReservation)
        }
        _ => true,
    }
}
