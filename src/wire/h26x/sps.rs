//! Sequence parameter sets: the size of the picture and the rate it claims.
//!
//! Both parsers stop where they have what they came for, so what a camera appends or leaves out behind that (trailing
//! bytes, a VUI that ends early, extensions) costs nothing, and neither allocates.

use super::bits::Bits;

/// Wider or higher than this is a broken parameter set: twice the largest picture of H.265 level 6.2, in pixels.
const LARGEST_SIDE: u32 = 33_792;
/// A claimed rate beyond this is a broken VUI, in frames per second.
const FASTEST: f64 = 1_000.0;

/// What a sequence parameter set says of the pictures that follow it.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Picture {
    /// Cropped width and height in pixels; of a whole frame where the stream is interlaced.
    pub size: (u32, u32),
    /// Frames per second by the VUI timing, `None` where it has none. A claim, not a measurement.
    pub fps: Option<f64>,
}

fn picture(width: u32, height: u32, crop: Option<[u32; 4]>, step: (u32, u32), fps: Option<f64>) -> Option<Picture> {
    let [left, right, top, bottom] = crop.unwrap_or_default();
    let cut_x = left.checked_add(right)?.checked_mul(step.0)?;
    let cut_y = top.checked_add(bottom)?.checked_mul(step.1)?;
    let size = (width.checked_sub(cut_x)?, height.checked_sub(cut_y)?);
    let sane = |n: u32| (1..=LARGEST_SIDE).contains(&n);
    (sane(size.0) && sane(size.1)).then_some(Picture { size, fps: fps.filter(|f| *f > 0.0 && *f <= FASTEST) })
}

/// Reads the body of an H.264 SPS, the bytes after the one-byte NAL header (ITU-T H.264 clause 7.3.2.1.1).
pub(super) fn h264(body: &[u8]) -> Option<Picture> {
    let b = &mut Bits::new(body);
    let profile = b.u(8)?;
    b.skip(16)?; // constraint flags, level
    b.ue_to(31)?; // seq_parameter_set_id
    let mut chroma = 1;
    let mut separate_planes = false;
    if matches!(profile, 44 | 83 | 86 | 100 | 110 | 118 | 122 | 128 | 134 | 135 | 138 | 139 | 244) {
        chroma = b.ue_to(3)?;
        separate_planes = chroma == 3 && b.flag()?;
        b.ue_to(6)?; // bit_depth_luma_minus8
        b.ue_to(6)?;
        b.flag()?; // qpprime_y_zero_transform_bypass_flag
        if b.flag()? {
            for list in 0..if chroma == 3 { 12 } else { 8 } {
                if b.flag()? {
                    scaling_list_h264(b, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    b.ue_to(12)?; // log2_max_frame_num_minus4
    match b.ue_to(2)? {
        0 => drop(b.ue_to(12)?),
        1 => {
            b.flag()?;
            b.se()?;
            b.se()?;
            for _ in 0..b.ue_to(255)? {
                b.se()?;
            }
        }
        _ => {}
    }
    b.ue()?; // max_num_ref_frames
    b.flag()?; // gaps_in_frame_num_value_allowed_flag
    let width = b.ue()?.checked_add(1)?.checked_mul(16)?;
    let map_units = b.ue()?.checked_add(1)?;
    let frames_only = b.flag()?;
    let fields = if frames_only { 1 } else { 2 };
    let height = map_units.checked_mul(16 * fields)?;
    if !frames_only {
        b.flag()?; // mb_adaptive_frame_field_flag
    }
    b.flag()?; // direct_8x8_inference_flag
    let crop = window(b)?;
    // Clause 7.4.2.1.1, CropUnitX and CropUnitY; without chroma (or with separate planes) the unit is one sample.
    let (unit_x, unit_y) = match (chroma, separate_planes) {
        (1, _) => (2, 2),
        (2, _) => (2, 1),
        _ => (1, 1),
    };
    picture(width, height, crop, (unit_x, unit_y * fields), timing_h264(b))
}

/// frame_cropping and conformance_window: left, right, top, bottom in crop units.
fn window(b: &mut Bits<'_>) -> Option<Option<[u32; 4]>> {
    Some(if b.flag()? { Some([b.ue()?, b.ue()?, b.ue()?, b.ue()?]) } else { None })
}

fn scaling_list_h264(b: &mut Bits<'_>, size: u32) -> Option<()> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..size {
        if next != 0 {
            next = b.se()?.wrapping_add(last) & 0xff;
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

/// The part of the VUI before its timing, alike in both codecs (H.264 clause E.1.1, H.265 clause E.2.1).
fn vui_head(b: &mut Bits<'_>) -> Option<()> {
    if b.flag()? && b.u(8)? == 255 {
        b.skip(32)?; // sar_width, sar_height
    }
    if b.flag()? {
        b.flag()?; // overscan_appropriate_flag
    }
    if b.flag()? {
        b.skip(4)?; // video_format, video_full_range_flag
        if b.flag()? {
            b.skip(24)?; // colour description
        }
    }
    if b.flag()? {
        b.ue()?;
        b.ue()?;
    }
    Some(())
}

fn timing_h264(b: &mut Bits<'_>) -> Option<f64> {
    if !b.flag()? {
        return None;
    }
    vui_head(b)?;
    if !b.flag()? {
        return None;
    }
    let units = b.u(32)?;
    // A tick is a field: two make a frame (clause E.2.1, num_units_in_tick).
    Some(f64::from(b.u(32)?) / (2.0 * f64::from(units)))
}

/// Reads the body of an H.265 SPS, the bytes after the two-byte NAL header (ITU-T H.265 clause 7.3.2.2.1).
pub(super) fn h265(body: &[u8]) -> Option<Picture> {
    let b = &mut Bits::new(body);
    b.u(4)?; // sps_video_parameter_set_id
    let sub_layers = b.u(3)?; // minus 1
    b.flag()?;
    profile_tier_level(b, sub_layers)?;
    b.ue_to(15)?; // sps_seq_parameter_set_id
    let chroma = b.ue_to(3)?;
    let separate_planes = chroma == 3 && b.flag()?;
    let (width, height) = (b.ue()?, b.ue()?);
    let crop = window(b)?;
    // Table 6-1, SubWidthC and SubHeightC.
    let unit = match (chroma, separate_planes) {
        (1, _) => (2, 2),
        (2, _) => (2, 1),
        _ => (1, 1),
    };
    picture(width, height, crop, unit, timing_h265(b, sub_layers))
}

/// Clause 7.3.3.
fn profile_tier_level(b: &mut Bits<'_>, sub_layers: u32) -> Option<()> {
    const PROFILE: u32 = 88;
    const LEVEL: u32 = 8;
    b.skip(PROFILE + LEVEL)?;
    let mut present = [(false, false); 7];
    for layer in present.iter_mut().take(sub_layers as usize) {
        *layer = (b.flag()?, b.flag()?);
    }
    if sub_layers > 0 {
        b.skip(2 * (8 - sub_layers))?;
    }
    for (profile, level) in present {
        b.skip(if profile { PROFILE } else { 0 } + if level { LEVEL } else { 0 })?;
    }
    Some(())
}

/// Walks from bit_depth_luma_minus8 to the VUI timing.
fn timing_h265(b: &mut Bits<'_>, sub_layers: u32) -> Option<f64> {
    b.ue_to(8)?;
    b.ue_to(8)?;
    let poc_bits = b.ue_to(12)? + 4;
    let from = if b.flag()? { 0 } else { sub_layers };
    for _ in from..=sub_layers {
        b.ue()?;
        b.ue()?;
        b.ue()?;
    }
    for _ in 0..6 {
        b.ue()?; // coding block, transform block and hierarchy sizes
    }
    if b.flag()? && b.flag()? {
        scaling_lists_h265(b)?;
    }
    b.skip(2)?; // amp_enabled_flag, sample_adaptive_offset_enabled_flag
    if b.flag()? {
        b.skip(8)?; // PCM bit depths
        b.ue()?;
        b.ue()?;
        b.flag()?;
    }
    let sets = b.ue_to(64)?;
    let mut pictures = 0;
    for set in 0..sets {
        pictures = reference_set(b, set, pictures)?;
    }
    if b.flag()? {
        for _ in 0..b.ue_to(32)? {
            b.skip(poc_bits + 1)?;
        }
    }
    b.skip(2)?; // temporal MVP, strong intra smoothing
    if !b.flag()? {
        return None;
    }
    vui_head(b)?;
    b.skip(3)?; // neutral_chroma_indication_flag, field_seq_flag, frame_field_info_present_flag
    window(b)?; // default display window
    if !b.flag()? {
        return None;
    }
    let units = b.u(32)?;
    Some(f64::from(b.u(32)?) / f64::from(units))
}

/// Clause 7.3.4.
fn scaling_lists_h265(b: &mut Bits<'_>) -> Option<()> {
    for size in 0..4 {
        for _ in 0..if size == 3 { 2 } else { 6 } {
            if !b.flag()? {
                b.ue()?; // scaling_list_pred_matrix_id_delta
                continue;
            }
            if size > 1 {
                b.se()?;
            }
            for _ in 0..64.min(1 << (4 + 2 * size)) {
                b.se()?;
            }
        }
    }
    Some(())
}

/// Clause 7.3.7; `before` is the number of pictures in the set before this one. Returns how many this one has.
fn reference_set(b: &mut Bits<'_>, set: u32, before: u32) -> Option<u32> {
    if set != 0 && b.flag()? {
        b.flag()?; // delta_rps_sign
        b.ue()?; // abs_delta_rps_minus1
        let mut pictures = 0;
        for _ in 0..=before {
            // used_by_curr_pic_flag, else use_delta_flag
            if b.flag()? || b.flag()? {
                pictures += 1;
            }
        }
        return Some(pictures.min(16));
    }
    let pictures = b.ue_to(16)? + b.ue_to(16)?;
    for _ in 0..pictures {
        b.ue()?;
        b.flag()?;
    }
    (pictures <= 16).then_some(pictures)
}
