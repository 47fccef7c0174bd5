//! EXT-X-DATERANGE and its rules (RFC 8216 sections 4.3.2.7 and 4.3.2.7.1).

use super::attributes::{Attributes, date, seconds};
use super::cross::meaning;
use super::cue::{Act, Cue, Style, payload};
use super::defect::{Defect, Defects};
use crate::wire::scte35::{self, CommandKind};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Date ranges of one playlist at most; a day of breaks every six minutes.
pub(super) const MOST: usize = 256;
/// Attributes of one ID that are held against each other.
const MOST_SAID: usize = 64;
/// Characters of ID and CLASS that are kept.
const LONGEST: usize = 128;
/// END-DATE and START-DATE + DURATION may differ by so much, in ms: writers round both.
const ROUNDING: i64 = 100;

/// The tags of one ID, put together.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Range {
    /// At most 128 characters. For the event log, never a label.
    pub id: String,
    /// START-DATE, ms since the Unix epoch.
    pub start: i64,
    /// END-DATE, ms since the Unix epoch.
    pub end: Option<i64>,
    /// DURATION, seconds.
    pub duration: Option<f64>,
    /// PLANNED-DURATION, seconds. A plan: the range has no known end by it.
    pub planned: Option<f64>,
    pub end_on_next: bool,
    pub class: Option<String>,
    /// SCTE35-OUT: the section, empty where its bytes could not be read.
    pub out: Option<Box<[u8]>>,
    /// SCTE35-IN.
    pub r#in: Option<Box<[u8]>>,
    /// SCTE35-CMD.
    pub command: Option<Box<[u8]>>,
    /// What breaks the rules in these tags.
    pub defects: Defects,
    /// Attribute name and digest of its value, to hold two tags of one ID against each other.
    said: Vec<(u64, u64)>,
}

impl Range {
    /// Reads one tag. Without ID or START-DATE there is no range, only the defect.
    pub(super) fn read(value: &str) -> Result<Range, Defect> {
        let list = Attributes::read(value).ok_or(Defect::RangeSyntax)?;
        let text = |name: &str| list.get(name).map(|t| t.chars().take(LONGEST).collect::<String>());
        let id = text("ID").filter(|id| !id.is_empty()).ok_or(Defect::RangeSyntax)?;
        let start = list.get("START-DATE").and_then(date).ok_or(Defect::RangeSyntax)?;
        let mut range = Range { id, start, class: text("CLASS"), ..Range::default() };
        let mut defects = Defects::default();
        let mut number = |name: &str| {
            let value = list.get(name)?;
            seconds(value).or_else(|| {
                defects.add(Defect::RangeSyntax);
                None
            })
        };
        (range.duration, range.planned) = (number("DURATION"), number("PLANNED-DURATION"));
        if let Some(value) = list.get("END-DATE") {
            range.end = date(value);
            if range.end.is_none() {
                defects.add(Defect::RangeSyntax);
            }
        }
        if let Some(value) = list.get("END-ON-NEXT") {
            range.end_on_next = true;
            if value != "YES" {
                defects.add(Defect::RangeEndOnNext);
            }
        }
        let mut section = |name: &str| list.get(name).map(|t| payload(t, &mut defects).unwrap_or_default());
        (range.out, range.r#in, range.command) = (section("SCTE35-OUT"), section("SCTE35-IN"), section("SCTE35-CMD"));
        range.defects = defects;
        range.said = list.iter().map(|(name, value)| (digest(name), digest(value))).collect();
        Ok(range)
    }

    /// Takes in another tag of the same ID.
    pub(super) fn join(&mut self, other: Range) {
        self.defects |= other.defects;
        if self.conflicts(&other) {
            self.defects.add(Defect::RangeConflict);
        }
        let known = |name: u64, said: &[(u64, u64)]| said.iter().any(|(n, _)| *n == name);
        let room = MOST_SAID.saturating_sub(self.said.len());
        let new: Vec<_> = other.said.into_iter().filter(|(name, _)| !known(*name, &self.said)).take(room).collect();
        self.said.extend(new);
        self.end = self.end.or(other.end);
        self.duration = self.duration.or(other.duration);
        self.planned = self.planned.or(other.planned);
        self.end_on_next |= other.end_on_next;
        self.class = self.class.take().or(other.class);
        self.out = self.out.take().or(other.out);
        self.r#in = self.r#in.take().or(other.r#in);
        self.command = self.command.take().or(other.command);
    }

    /// Whether both have an attribute with different values.
    pub(super) fn conflicts(&self, other: &Range) -> bool {
        self.said.iter().any(|(name, value)| other.said.iter().any(|(n, v)| n == name && v != value))
    }

    /// The rules that need all tags of the ID.
    pub(super) fn check(&mut self) {
        let computed = self.duration.map(|d| self.start.saturating_add((d * 1000.0) as i64));
        let ends = [self.end, computed];
        if self.end.is_some_and(|end| end < self.start)
            || matches!(ends, [Some(said), Some(computed)] if said.abs_diff(computed) > ROUNDING.unsigned_abs())
        {
            self.defects.add(Defect::RangeEnd);
        }
        if self.end_on_next && (self.class.is_none() || self.duration.is_some() || self.end.is_some()) {
            self.defects.add(Defect::RangeEndOnNext);
        }
        let sections = [(Act::Out, &self.out), (Act::In, &self.r#in), (Act::Command, &self.command)];
        if sections.into_iter().any(|(act, section)| section.as_deref().is_some_and(|s| misplaced(act, s))) {
            self.defects.add(Defect::RangeSection);
        }
    }

    /// Ms since the Unix epoch, once it is known. A plan is no end (4.3.2.7).
    pub fn ends(&self) -> Option<i64> {
        self.end.or_else(|| self.duration.map(|d| self.start.saturating_add((d * 1000.0) as i64)))
    }

    /// What it says about breaks: at most one cue of each act.
    pub fn cues(&self) -> impl Iterator<Item = Cue> {
        let sections = [(Act::Out, &self.out), (Act::In, &self.r#in), (Act::Command, &self.command)];
        sections.into_iter().filter_map(|(act, section)| {
            let section = section.clone()?;
            let mut cue = Cue::new(Style::DateRange, act);
            cue.planned = self.planned.or(self.duration);
            cue.id = Some(self.id.clone());
            cue.section = Some(section).filter(|s| !s.is_empty());
            Some(cue)
        })
    }
}

/// Whether a section belongs in another attribute than that of `act`. What is damaged belongs nowhere, and segments that
/// are no breaks are left to their writers.
fn misplaced(act: Act, section: &[u8]) -> bool {
    let decoded = scte35::decode(section);
    let (means, _) = meaning(section);
    match decoded.kind() {
        _ if !decoded.crc_ok => false,
        CommandKind::Insert => means != Act::Command && means != act,
        CommandKind::TimeSignal => means != Act::Command && act != Act::Command && means != act,
        _ => act != Act::Command,
    }
}

fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
