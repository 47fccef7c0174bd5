//! Cues in a playlist, in every style in use.
//!
//! The RFC knows only EXT-X-DATERANGE; the other tags are what packagers and ad servers agreed on without a standard
//! (Adobe's EXT-X-CUE-OUT/-CONT/-IN, Elemental's EXT-OATCLS-SCTE35 and EXT-X-ASSET, EXT-X-SPLICEPOINT-SCTE35,
//! EXT-X-SCTE35), so their values are read in every form that was seen.

use super::attributes::{Attributes, seconds};
use super::defect::{Defect, Defects};
use crate::base::base64;
use crate::base::label::Label;

/// Bytes of a section at most (SCTE 35 2023r1 section 9.6: section_length up to 4093, and 3 before it).
const LONGEST_SECTION: usize = 4096;
/// Characters of an id that are kept, for the event log.
const LONGEST_ID: usize = 64;

/// Which tag family a cue came in.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Style {
    /// EXT-X-CUE-OUT, EXT-X-CUE-OUT-CONT, EXT-X-CUE-IN.
    CueOut,
    /// EXT-X-SCTE35 with CUE-OUT=YES, CONT or NO.
    Scte35,
    /// EXT-X-DATERANGE with SCTE35-OUT, SCTE35-IN or SCTE35-CMD (RFC 8216 section 4.3.2.7.1).
    DateRange,
    /// EXT-OATCLS-SCTE35: the section in base64, beside the tags of [`Style::CueOut`].
    Oatcls,
    /// EXT-X-SPLICEPOINT-SCTE35: the section in base64, nothing else.
    SplicePoint,
    /// EXT-X-ASSET: what is to be played; no section.
    Asset,
}

impl Label for Style {
    const ALL: &'static [Self] =
        &[Style::CueOut, Style::Scte35, Style::DateRange, Style::Oatcls, Style::SplicePoint, Style::Asset];
    fn label(self) -> &'static str {
        match self {
            Style::CueOut => "cue_out",
            Style::Scte35 => "scte35",
            Style::DateRange => "daterange",
            Style::Oatcls => "oatcls",
            Style::SplicePoint => "splicepoint",
            Style::Asset => "asset",
        }
    }
}

/// What a cue says.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Act {
    /// A break begins.
    Out,
    /// A break is going on.
    Continue,
    /// A break ends.
    In,
    /// Only the section tells.
    Command,
}

impl Label for Act {
    const ALL: &'static [Self] = &[Act::Out, Act::Continue, Act::In, Act::Command];
    fn label(self) -> &'static str {
        match self {
            Act::Out => "out",
            Act::Continue => "continue",
            Act::In => "in",
            Act::Command => "command",
        }
    }
}

/// One cue of a playlist.
#[derive(Clone, PartialEq, Debug)]
pub struct Cue {
    pub style: Style,
    pub act: Act,
    /// Seconds that the break is to last.
    pub planned: Option<f64>,
    /// Seconds since its begin.
    pub elapsed: Option<f64>,
    /// As written, at most 64 characters. For the event log, never a label.
    pub id: Option<String>,
    /// The whole splice_info_section, when there is one.
    pub section: Option<Box<[u8]>>,
}

impl Cue {
    pub(super) fn new(style: Style, act: Act) -> Cue {
        Cue { style, act, planned: None, elapsed: None, id: None, section: None }
    }
}

/// The cue in a tag (its name without `#`), or `None` when the tag is no cue tag.
pub(super) fn read(name: &str, value: &str, defects: &mut Defects) -> Option<Cue> {
    let value = value.trim();
    let (style, act) = match name {
        "EXT-X-CUE-OUT" => (Style::CueOut, Act::Out),
        "EXT-X-CUE-OUT-CONT" => (Style::CueOut, Act::Continue),
        "EXT-X-CUE-IN" => (Style::CueOut, Act::In),
        "EXT-OATCLS-SCTE35" => (Style::Oatcls, Act::Command),
        "EXT-X-SPLICEPOINT-SCTE35" => (Style::SplicePoint, Act::Command),
        "EXT-X-ASSET" => (Style::Asset, Act::Command),
        "EXT-X-SCTE35" => (Style::Scte35, Act::Command),
        _ => return None,
    };
    let mut cue = Cue::new(style, act);
    let understood = match style {
        Style::Oatcls | Style::SplicePoint => {
            cue.section = payload(value, defects);
            true
        }
        Style::CueOut => plain(&mut cue, value).is_some() || listed(&mut cue, value, defects).is_some(),
        Style::Scte35 | Style::Asset | Style::DateRange => listed(&mut cue, value, defects).is_some(),
    };
    if !understood {
        defects.add(Defect::CueSyntax);
    }
    Some(cue)
}

/// `30`, `8/30` and nothing at all.
fn plain(cue: &mut Cue, value: &str) -> Option<()> {
    match (cue.act, value.split_once('/')) {
        (Act::In, _) if value.is_empty() => {}
        (Act::Out, None) if value.is_empty() => {}
        (Act::Out, None) => cue.planned = Some(seconds(value)?),
        (Act::Continue, None) => cue.elapsed = Some(seconds(value)?),
        (Act::Continue, Some((elapsed, planned))) => {
            (cue.elapsed, cue.planned) = (Some(seconds(elapsed)?), Some(seconds(planned)?));
        }
        _ => return None,
    }
    Some(())
}

/// An attribute list, with the names that are in use.
fn listed(cue: &mut Cue, value: &str, defects: &mut Defects) -> Option<()> {
    let list = Attributes::read(value)?;
    let number = |name: &str| list.get(name).map(|text| seconds(text).ok_or(())).transpose();
    let (planned, elapsed) = (number("DURATION").ok()?, number("ELAPSED").ok()?);
    cue.planned = planned.or(number("PLANNED-DURATION").ok()?);
    cue.elapsed = elapsed.or(number("ELAPSEDTIME").ok()?);
    let id = ["ID", "BREAKID", "CAID", "EVENT-ID"].iter().find_map(|name| list.get(name));
    cue.id = id.map(|id| id.chars().take(LONGEST_ID).collect());
    if let Some(text) = list.get("CUE").or(list.get("SCTE35")) {
        cue.section = payload(text, defects);
    }
    if cue.style == Style::Scte35 {
        cue.act = match list.get("CUE-OUT") {
            Some(word) if word.eq_ignore_ascii_case("YES") => Act::Out,
            Some(word) if word.eq_ignore_ascii_case("CONT") => Act::Continue,
            Some(word) if word.eq_ignore_ascii_case("NO") => Act::In,
            Some(_) => return None,
            None if list.get("CUE-IN").is_some_and(|word| word.eq_ignore_ascii_case("YES")) => Act::In,
            None => Act::Command,
        };
    }
    Some(())
}

/// A section in base64 or, with `0x` before it, hexadecimal. Its length must be the one it states (ISO/IEC 13818-1
/// section 2.4.4.11), its table_id that of SCTE 35; whether its content makes sense is another module's question.
pub(super) fn payload(text: &str, defects: &mut Defects) -> Option<Box<[u8]>> {
    let text = text.trim().trim_matches('"');
    let section = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        _ if text.len() > 2 * LONGEST_SECTION + 2 => None,
        Some(hex) => unhex(hex),
        None => base64::decode(text),
    };
    let whole = |s: &Vec<u8>| {
        s.len() <= LONGEST_SECTION
            && matches!(s[..], [0xfc, high, low, ..] if s.len() == 3 + (usize::from(high & 0x0f) << 8 | usize::from(low)))
    };
    let section = section.filter(whole);
    if section.is_none() {
        defects.add(Defect::CuePayload);
    }
    section.map(Vec::into_boxed_slice)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16);
    let pair = |p: &[u8]| Some((digit(p[0])? << 4 | digit(*p.get(1)?)?) as u8);
    text.as_bytes().chunks(2).map(pair).collect()
}
