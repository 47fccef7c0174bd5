//! The text of a playlist, line by line (RFC 8216 section 4).

use super::attributes::{Attributes, date, seconds};
use super::cue::{self, Cue};
use super::defect::{Defect, Defects};
use super::range::{self, Range};

/// Bytes of a playlist at most: a day of six-second segments with room to spare.
pub const MOST_BYTES: usize = 2 * 1024 * 1024;
/// Segments of a playlist at most.
pub const MOST_SEGMENTS: usize = 16_384;
/// Variants of a master playlist at most.
pub const MOST_VARIANTS: usize = 64;
/// Bytes of a line at most: two sections in hexadecimal and what stands around them.
const LONGEST_LINE: usize = 20 * 1024;
/// Cues in front of one segment at most.
const MOST_CUES: usize = 16;
/// EXT-X-PROGRAM-DATE-TIME may differ from the sum of the durations by so much, in ms: writers round both.
const DATE_JUMP: u64 = 500;

/// This is no playlist that can be judged.
#[derive(Debug, Copy, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("more than {MOST_BYTES} bytes")]
    TooLong,
    #[error("more than {MOST_SEGMENTS} segments")]
    TooManySegments,
    #[error("not UTF-8")]
    NotText,
    #[error("the first line is not #EXTM3U")]
    NoHeader,
    #[error("neither a master nor a media playlist")]
    Neither,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Playlist<'a> {
    Master(Master<'a>),
    Media(Media<'a>),
}

/// A list of the same content in several renderings (section 4.3.4).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Master<'a> {
    /// At most [`MOST_VARIANTS`]; trick-play lists (EXT-X-I-FRAME-STREAM-INF) are none.
    pub variants: Vec<Variant<'a>>,
    pub defects: Defects,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Variant<'a> {
    pub uri: &'a str,
    /// Peak, bit/s.
    pub bandwidth: Option<u64>,
    /// Bit/s.
    pub average_bandwidth: Option<u64>,
    /// Width and height in pixels.
    pub resolution: Option<(u32, u32)>,
}

/// EXT-X-PLAYLIST-TYPE.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Kind {
    Live,
    Event,
    Vod,
}

/// A list of segments (section 4.3.3).
#[derive(Debug, Clone, PartialEq)]
pub struct Media<'a> {
    pub kind: Kind,
    /// EXT-X-TARGETDURATION, whole seconds, at least 1.
    pub target: Option<u64>,
    /// Number of the first segment; 0 where there is none (4.3.3.2).
    pub sequence: u64,
    pub discontinuity_sequence: u64,
    pub segments: Vec<Segment<'a>>,
    /// By ID, in their order in the text.
    pub ranges: Vec<Range>,
    /// Cues after the last segment: of a segment that is not there yet.
    pub tail: Vec<Cue>,
    /// EXT-X-ENDLIST: nothing will be added.
    pub end: bool,
    /// Those of the playlist as a whole; those of a segment and of a range are theirs.
    pub defects: Defects,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Segment<'a> {
    pub uri: &'a str,
    /// Seconds; 0 where EXTINF is missing.
    pub duration: f64,
    pub discontinuity: bool,
    /// When it begins, ms since the Unix epoch: as written, else by the durations since the last one written.
    pub date: Option<i64>,
    pub range: Option<ByteRange>,
    pub encrypted: bool,
    /// EXT-X-MAP stands before it: fragmented MP4, not a transport stream.
    pub mapped: bool,
    /// EXT-X-GAP: known to be missing.
    pub gap: bool,
    pub cues: Vec<Cue>,
    pub defects: Defects,
}

/// EXT-X-BYTERANGE, bytes.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct ByteRange {
    pub length: u64,
    /// Where it begins; where the tag does not say, after the range of the segment before.
    pub offset: u64,
}

impl Media<'_> {
    /// Number after that of the last segment.
    pub fn next(&self) -> u64 {
        self.sequence.saturating_add(self.segments.len() as u64)
    }
    /// Seconds of all segments.
    pub fn window(&self) -> f64 {
        self.segments.iter().map(|s| s.duration).sum()
    }
}

#[derive(Default)]
struct Reading<'a> {
    master: Master<'a>,
    is_master: bool,
    is_media: bool,
    kind: Option<Kind>,
    target: Option<u64>,
    sequence: u64,
    discontinuity_sequence: u64,
    end: bool,
    dated: bool,
    segments: Vec<Segment<'a>>,
    ranges: Vec<Range>,
    defects: Defects,
    /// The segment whose tags are being read, and whether EXTINF was among them.
    next: Segment<'a>,
    timed: bool,
    /// The date of `next` as written.
    said: Option<i64>,
    encrypted: bool,
    mapped: bool,
    /// The variant whose URI comes on the next line.
    variant: Option<Variant<'a>>,
}

/// Reads a playlist. Linear in its length; allocates for what it keeps, at most.
///
/// # Errors
/// It is no playlist at all, or beyond the bounds. Everything less is a [`Defect`].
pub fn parse(bytes: &[u8]) -> Result<Playlist<'_>, Unreadable> {
    if bytes.len() > MOST_BYTES {
        return Err(Unreadable::TooLong);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Unreadable::NotText)?;
    let mut lines = text.lines().map(str::trim);
    let mut reading = Reading::default();
    let first = lines.next().unwrap_or("");
    if first.strip_prefix('\u{feff}').unwrap_or(first) != "#EXTM3U" {
        return Err(Unreadable::NoHeader);
    }
    if first.starts_with('\u{feff}') {
        reading.defects.add(Defect::Syntax); // section 4.1: no byte order mark
    }
    for line in lines {
        if line.len() > LONGEST_LINE {
            reading.next.defects.add(Defect::Syntax);
        } else if let Some(tag) = line.strip_prefix('#') {
            // What does not begin with EXT is a comment (4.1).
            if tag.starts_with("EXT") {
                let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
                reading.tag(name, value);
            }
        } else if !line.is_empty() {
            reading.uri(line)?;
        }
    }
    reading.finish()
}

impl<'a> Reading<'a> {
    fn tag(&mut self, name: &'a str, value: &'a str) {
        let media = match name {
            "EXT-X-STREAM-INF" => {
                self.is_master = true;
                self.variant = Some(variant(value, &mut self.master.defects));
                return;
            }
            "EXT-X-MEDIA" | "EXT-X-I-FRAME-STREAM-INF" | "EXT-X-SESSION-DATA" | "EXT-X-SESSION-KEY" => {
                self.is_master = true;
                return;
            }
            "EXT-X-TARGETDURATION" => {
                self.target = value.trim().parse().ok().filter(|t| (1..=86_400).contains(t));
                self.target.is_some()
            }
            "EXT-X-MEDIA-SEQUENCE" => number(value, &mut self.sequence),
            "EXT-X-DISCONTINUITY-SEQUENCE" => number(value, &mut self.discontinuity_sequence),
            "EXT-X-ENDLIST" => {
                self.end = true;
                true
            }
            "EXT-X-PLAYLIST-TYPE" => {
                self.kind = match value.trim() {
                    "EVENT" => Some(Kind::Event),
                    "VOD" => Some(Kind::Vod),
                    _ => None,
                };
                self.kind.is_some()
            }
            _ => return self.segment_tag(name, value),
        };
        self.is_media = true;
        if !media {
            self.defects.add(Defect::Syntax);
        }
    }

    /// Tags that belong to the next segment, or to all that follow.
    fn segment_tag(&mut self, name: &'a str, value: &'a str) {
        let next = &mut self.next;
        let understood = match name {
            "EXTINF" => {
                let duration = seconds(value.split_once(',').map_or(value, |(duration, _title)| duration));
                next.duration = duration.unwrap_or_default();
                self.timed = true;
                duration.is_some()
            }
            "EXT-X-DISCONTINUITY" => {
                next.discontinuity = true;
                true
            }
            "EXT-X-GAP" => {
                next.gap = true;
                true
            }
            "EXT-X-BYTERANGE" => {
                next.range = byte_range(value, self.segments.last());
                next.range.is_some()
            }
            "EXT-X-PROGRAM-DATE-TIME" => {
                self.said = date(value);
                self.dated |= self.said.is_some();
                self.said.is_some()
            }
            "EXT-X-KEY" => {
                let method = Attributes::read(value).and_then(|list| list.get("METHOD"));
                self.encrypted = method != Some("NONE");
                method.is_some()
            }
            "EXT-X-MAP" => {
                self.mapped = true;
                true
            }
            "EXT-X-DATERANGE" => {
                match Range::read(value) {
                    Ok(range) => self.range(range),
                    // Of the playlist: writers gather these tags at its head, in front of whatever segment is first.
                    Err(defect) => self.defects.add(defect),
                }
                true
            }
            _ => {
                let Some(cue) = cue::read(name, value, &mut next.defects) else { return };
                if next.cues.len() < MOST_CUES {
                    next.cues.push(cue);
                }
                true
            }
        };
        self.is_media = true;
        if !understood {
            self.next.defects.add(Defect::Syntax);
        }
    }

    fn range(&mut self, range: Range) {
        match self.ranges.iter().position(|known| known.id == range.id) {
            Some(known) => self.ranges[known].join(range),
            None if self.ranges.len() < range::MOST => self.ranges.push(range),
            None => self.defects.add(Defect::Syntax),
        }
    }

    fn uri(&mut self, uri: &'a str) -> Result<(), Unreadable> {
        if let Some(mut variant) = self.variant.take() {
            variant.uri = uri;
            if self.master.variants.len() < MOST_VARIANTS {
                self.master.variants.push(variant);
            }
            return Ok(());
        }
        if self.segments.len() == MOST_SEGMENTS {
            return Err(Unreadable::TooManySegments);
        }
        let mut segment = std::mem::take(&mut self.next);
        segment.uri = uri;
        (segment.encrypted, segment.mapped) = (self.encrypted, self.mapped);
        if !std::mem::take(&mut self.timed) {
            segment.defects.add(Defect::NoDuration);
        }
        let before = self.segments.last().filter(|_| !segment.discontinuity);
        let computed = before.and_then(|s| Some(s.date?.saturating_add((s.duration * 1000.0) as i64)));
        let said = self.said.take();
        if matches!((said, computed), (Some(said), Some(computed)) if said.abs_diff(computed) > DATE_JUMP) {
            segment.defects.add(Defect::DateJump);
        }
        segment.date = said.or(computed);
        self.segments.push(segment);
        Ok(())
    }

    fn finish(mut self) -> Result<Playlist<'a>, Unreadable> {
        let is_media = self.is_media || (!self.segments.is_empty() && !self.is_master);
        if self.is_master && is_media {
            self.defects.add(Defect::Mixed);
        }
        if self.is_master && !self.master.variants.is_empty() {
            self.master.defects |= self.defects;
            return Ok(Playlist::Master(self.master));
        }
        if !is_media {
            return Err(Unreadable::Neither);
        }
        if self.target.is_none() {
            self.defects.add(Defect::NoTarget);
        }
        if let Some(target) = self.target {
            for segment in self.segments.iter_mut().filter(|s| s.duration.round() > target as f64) {
                segment.defects.add(Defect::SegmentTooLong);
            }
        }
        for range in &mut self.ranges {
            range.check();
            if !self.dated {
                range.defects.add(Defect::RangeWithoutDate);
            }
        }
        if self.end {
            self.defects |= self.next.defects; // else the segment that they belong to is still to come
        }
        Ok(Playlist::Media(Media {
            kind: self.kind.unwrap_or(Kind::Live),
            target: self.target,
            sequence: self.sequence,
            discontinuity_sequence: self.discontinuity_sequence,
            segments: self.segments,
            ranges: self.ranges,
            tail: self.next.cues,
            end: self.end,
            defects: self.defects,
        }))
    }
}

fn number(text: &str, into: &mut u64) -> bool {
    match text.trim().parse() {
        Ok(number) => {
            *into = number;
            true
        }
        Err(_) => false,
    }
}

fn byte_range(text: &str, before: Option<&Segment<'_>>) -> Option<ByteRange> {
    let (length, offset) = match text.trim().split_once('@') {
        Some((length, offset)) => (length, offset.parse().ok()?),
        None => (text.trim(), before.and_then(|s| s.range).map_or(0, |r| r.offset.saturating_add(r.length))),
    };
    Some(ByteRange { length: length.parse().ok().filter(|l| *l > 0)?, offset })
}

fn variant<'a>(value: &'a str, defects: &mut Defects) -> Variant<'a> {
    let list = Attributes::read(value).unwrap_or_else(|| {
        defects.add(Defect::Syntax);
        Attributes::default()
    });
    let number = |name: &str| list.get(name).and_then(|text| text.parse().ok());
    let size = list.get("RESOLUTION").and_then(|text| text.split_once('x'));
    Variant {
        uri: "",
        bandwidth: number("BANDWIDTH"),
        average_bandwidth: number("AVERAGE-BANDWIDTH"),
        resolution: size.and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?))),
    }
}
