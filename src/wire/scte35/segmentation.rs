//! segmentation_descriptor() (SCTE 35 2023r1 §10.3.3) and its types (table 23).

use super::cursor::Cursor;
use super::defect::{Defect, Defects};
use super::upid::Upid;
use crate::base::label::Label;

/// segmentation_type_id as it came; its label is its name, all reserved ones share `reserved`.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct SegmentationType(pub u8);

/// What opens and closes with a type, for the break tracker.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Span {
    /// Leaves the programme: an ad break, an advertisement, a placement opportunity, a block.
    Break,
    /// Something laid over the programme.
    Overlay,
    /// Programmes, chapters, promos, networks: seen and counted, not tracked.
    Content,
}

/// The types of 2023r1 by number. A start is followed by its end, which is one above it.
const TYPES: &[(u8, &str)] = &[
    (0x00, "not_indicated"),
    (0x01, "content_identification"),
    (0x02, "private"),
    (0x10, "program_start"),
    (0x11, "program_end"),
    (0x12, "program_early_termination"),
    (0x13, "program_breakaway"),
    (0x14, "program_resumption"),
    (0x15, "program_runover_planned"),
    (0x16, "program_runover_unplanned"),
    (0x17, "program_overlap_start"),
    (0x18, "program_blackout_override"),
    (0x19, "program_join"),
    (0x1a, "program_immediate_resumption"),
    (0x20, "chapter_start"),
    (0x21, "chapter_end"),
    (0x22, "break_start"),
    (0x23, "break_end"),
    (0x24, "opening_credit_start"),
    (0x25, "opening_credit_end"),
    (0x26, "closing_credit_start"),
    (0x27, "closing_credit_end"),
    (0x30, "provider_ad_start"),
    (0x31, "provider_ad_end"),
    (0x32, "distributor_ad_start"),
    (0x33, "distributor_ad_end"),
    (0x34, "provider_placement_opportunity_start"),
    (0x35, "provider_placement_opportunity_end"),
    (0x36, "distributor_placement_opportunity_start"),
    (0x37, "distributor_placement_opportunity_end"),
    (0x38, "provider_overlay_placement_opportunity_start"),
    (0x39, "provider_overlay_placement_opportunity_end"),
    (0x3a, "distributor_overlay_placement_opportunity_start"),
    (0x3b, "distributor_overlay_placement_opportunity_end"),
    (0x3c, "provider_promo_start"),
    (0x3d, "provider_promo_end"),
    (0x3e, "distributor_promo_start"),
    (0x3f, "distributor_promo_end"),
    (0x40, "unscheduled_event_start"),
    (0x41, "unscheduled_event_end"),
    (0x42, "alternate_content_opportunity_start"),
    (0x43, "alternate_content_opportunity_end"),
    (0x44, "provider_ad_block_start"),
    (0x45, "provider_ad_block_end"),
    (0x46, "distributor_ad_block_start"),
    (0x47, "distributor_ad_block_end"),
    (0x50, "network_start"),
    (0x51, "network_end"),
];

/// All known types, then one that stands for the reserved ones.
const ALL_TYPES: [SegmentationType; TYPES.len() + 1] = {
    let mut all = [SegmentationType(0xff); TYPES.len() + 1];
    let mut n = 0;
    while n < TYPES.len() {
        all[n] = SegmentationType(TYPES[n].0);
        n += 1;
    }
    all
};

impl Label for SegmentationType {
    const ALL: &'static [Self] = &ALL_TYPES;
    fn label(self) -> &'static str {
        TYPES.get(self.index()).map_or("reserved", |(_, name)| name)
    }
}

impl SegmentationType {
    /// Place in [`Label::ALL`].
    pub fn index(self) -> usize {
        TYPES.binary_search_by_key(&self.0, |(id, _)| *id).unwrap_or(TYPES.len())
    }
    pub fn reserved(self) -> bool {
        self.index() == TYPES.len()
    }
    fn paired(self) -> bool {
        !self.reserved() && self.0 >= 0x20 || matches!(self.0, 0x10 | 0x11)
    }
    /// The type that ends what this one starts.
    pub fn end(self) -> Option<SegmentationType> {
        (self.paired() && self.0.is_multiple_of(2)).then(|| SegmentationType(self.0 + 1))
    }
    /// The type that starts what this one ends.
    pub fn start(self) -> Option<SegmentationType> {
        (self.paired() && !self.0.is_multiple_of(2)).then(|| SegmentationType(self.0 - 1))
    }
    pub fn span(self) -> Span {
        match self.0 & 0xfe {
            0x22 | 0x30 | 0x32 | 0x34 | 0x36 | 0x44 | 0x46 => Span::Break,
            0x38 | 0x3a => Span::Overlay,
            _ => Span::Content,
        }
    }
    /// Whether the standard gives it sub_segment_num and sub_segments_expected (table 20).
    fn has_sub_segments(self) -> bool {
        matches!(self.0, 0x30 | 0x32 | 0x34 | 0x36 | 0x38 | 0x3a | 0x44 | 0x46)
    }
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Segmentation<'a> {
    pub event_id: u32,
    /// segmentation_event_cancel_indicator: the event is called off and nothing else is told.
    pub cancelled: bool,
    /// segmentation_event_id_compliance_indicator is clear, which means that the id obeys §9.9.3.
    pub event_id_compliant: bool,
    /// `None` when cancelled, or when the descriptor ends before its last field.
    pub detail: Option<SegmentationDetail<'a>>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct SegmentationDetail<'a> {
    pub kind: SegmentationType,
    /// 90 kHz, 40 bits.
    pub duration: Option<u64>,
    /// `None`: delivery_not_restricted_flag.
    pub restrictions: Option<Restrictions>,
    /// `None`: the whole programme.
    pub components: Option<SegmentationComponents<'a>>,
    pub upid: Upid<'a>,
    pub segment_num: u8,
    pub segments_expected: u8,
    /// sub_segment_num and sub_segments_expected, where the descriptor is long enough for them.
    pub sub_segments: Option<(u8, u8)>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Restrictions {
    pub web_delivery_allowed: bool,
    pub no_regional_blackout: bool,
    pub archive_allowed: bool,
    /// Group 0 to 2 is restricted; 3: none (table 21).
    pub device_restrictions: u8,
}

/// Component tags and their pts_offset, 90 kHz.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct SegmentationComponents<'a>(&'a [u8]);

impl Iterator for SegmentationComponents<'_> {
    type Item = (u8, u64);
    fn next(&mut self) -> Option<(u8, u64)> {
        let mut cursor = Cursor(self.0);
        let component = (cursor.u8()?, cursor.low33()?.1);
        self.0 = cursor.0;
        Some(component)
    }
}

/// Bytes of one entry of [`SegmentationComponents`].
const COMPONENT: usize = 6;

/// Reads what follows the identifier. `None` when even the event id is missing.
pub(super) fn read<'a>(cursor: &mut Cursor<'a>, defects: &mut Defects) -> Option<Segmentation<'a>> {
    let event_id = cursor.u32()?;
    let flags = cursor.u8()?;
    let cancelled = flags & 0x80 != 0;
    let detail = if cancelled { None } else { detail(cursor, defects) };
    if !cancelled && detail.is_none() {
        defects.add(Defect::ShortDescriptor);
        cursor.0 = &[];
    }
    Some(Segmentation { event_id, cancelled, event_id_compliant: flags & 0x40 == 0, detail })
}

fn detail<'a>(cursor: &mut Cursor<'a>, defects: &mut Defects) -> Option<SegmentationDetail<'a>> {
    let flags = cursor.u8()?;
    let restrictions = (flags & 0x20 == 0).then_some(Restrictions {
        web_delivery_allowed: flags & 0x10 != 0,
        no_regional_blackout: flags & 0x08 != 0,
        archive_allowed: flags & 0x04 != 0,
        device_restrictions: flags & 0x03,
    });
    let components = if flags & 0x80 == 0 {
        let count = usize::from(cursor.u8()?);
        Some(SegmentationComponents(cursor.take(COMPONENT * count)?))
    } else {
        None
    };
    let duration = if flags & 0x40 != 0 { Some(cursor.u40()?) } else { None };
    let upid_type = cursor.u8()?;
    let upid_length = usize::from(cursor.u8()?);
    let upid = Upid::of(upid_type, cursor.take(upid_length)?);
    let kind = SegmentationType(cursor.u8()?);
    let (segment_num, segments_expected) = (cursor.u8()?, cursor.u8()?);
    let sub_segments = if cursor.0.len() >= 2 {
        if !kind.has_sub_segments() {
            defects.add(Defect::ExcessDescriptor);
        }
        Some((cursor.u8()?, cursor.u8()?))
    } else {
        None
    };
    if kind.reserved() {
        defects.add(Defect::SegmentationType);
    }
    if kind.start().is_some() && duration.is_some_and(|ticks| ticks > 0) {
        defects.add(Defect::DurationOnEnd);
    }
    if segments_expected > 0 && segment_num > segments_expected {
        defects.add(Defect::SegmentNumbers);
    }
    if kind.0 == 0x01 && upid.bytes.is_empty() {
        defects.add(Defect::UpidMissing);
    }
    upid.check(defects);
    Some(SegmentationDetail {
        kind,
        duration,
        restrictions,
        components,
        upid,
        segment_num,
        segments_expected,
        sub_segments,
    })
}
