//! Is a recorded file what its name says, and is all of it there? By its boxes, elements or packets alone, from a few
//! reads of some bytes each; nothing is decoded.
//!
//! MP4 is ISO/IEC 14496-12 §4.2 (boxes), §8.8 (fragments); Matroska is RFC 9559 on EBML, RFC 8794 §4 to §6; a transport
//! stream is ISO/IEC 13818-1 §2.4.3.2, also with the four bytes of arrival time before each packet (M2TS).

use crate::base::label::Label;

/// Boxes or elements that are walked at most. One of a minute with a fragment per frame has 3 000; each costs one read.
const HOPS: usize = 4096;
/// ISO/IEC 13818-1 §2.4.3.2.
const SYNC: u8 = 0x47;
/// Packet lengths in use, and where the sync byte stands in them.
const PACKETS: [(u64, u64); 2] = [(188, 0), (192, 4)];

/// What a recording is packed in.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Container {
    /// MP4 and QuickTime, whole or in fragments.
    Mp4,
    /// Matroska and WebM.
    Matroska,
    /// MPEG transport stream.
    Ts,
}

impl Container {
    /// By the ending of a file's name, whatever its case.
    pub fn of_name(name: &str) -> Option<Container> {
        let (stem, ending) = name.rsplit_once('.')?;
        match ending.to_ascii_lowercase().as_str() {
            _ if stem.is_empty() => None,
            "mp4" | "m4v" | "m4s" | "mov" | "cmfv" => Some(Container::Mp4),
            "mkv" | "webm" => Some(Container::Matroska),
            "ts" | "m2ts" | "mts" => Some(Container::Ts),
            _ => None,
        }
    }
}

/// What is to be said of a file that nobody writes any more.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    Whole,
    /// No byte, or headers without media.
    Empty,
    /// Its end is missing; what is before it can be played.
    Truncated,
    /// Its index is missing, and without it nothing can be played (an MP4 without `moov`).
    Unindexed,
    /// It does not begin as its name says: another format, or the zeros of a power cut.
    Foreign,
    /// It could not be read, or does not say where it ends.
    Unjudged,
}

impl Label for Verdict {
    const ALL: &'static [Self] =
        &[Verdict::Whole, Verdict::Empty, Verdict::Truncated, Verdict::Unindexed, Verdict::Foreign, Verdict::Unjudged];
    fn label(self) -> &'static str {
        match self {
            Verdict::Whole => "whole",
            Verdict::Empty => "empty",
            Verdict::Truncated => "truncated",
            Verdict::Unindexed => "unindexed",
            Verdict::Foreign => "foreign",
            Verdict::Unjudged => "unjudged",
        }
    }
}

/// Fills the buffer with what stands at a place, as far as there is something, and returns how many bytes that were.
pub type Read<'a, E> = dyn FnMut(u64, &mut [u8]) -> Result<usize, E> + 'a;

/// Judges a file of `size` bytes, of which `read` gives pieces of at most 576 bytes.
///
/// # Errors
/// Those of `read`.
pub fn judge<E>(container: Container, size: u64, read: &mut Read<'_, E>) -> Result<Verdict, E> {
    match (container, size) {
        (_, 0) => Ok(Verdict::Empty),
        (Container::Mp4, _) => mp4(size, read),
        (Container::Matroska, _) => matroska(size, read),
        (Container::Ts, _) => ts(size, read),
    }
}

/// Boxes that a file may begin with.
const FIRST: [&[u8; 4]; 13] = [
    b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"sidx", b"emsg", b"prft", b"pdin", b"uuid",
];

fn mp4<E>(size: u64, read: &mut Read<'_, E>) -> Result<Verdict, E> {
    let (mut index, mut media, mut at) = (false, false, 0);
    for _hop in 0..HOPS {
        if at == size {
            return Ok(ended(index, media, false));
        }
        let mut head = [0; 16];
        let got = read(at, &mut head)?;
        let (length, kind) = (u64::from(be32(&head)), [head[4], head[5], head[6], head[7]]);
        // Some of the rest of a box that was cut off, or zeros that were never overwritten.
        let broken = got < 8 || !kind.iter().all(|b| (0x20..0x7f).contains(b));
        if at == 0 && (broken || !FIRST.contains(&&kind)) {
            return Ok(Verdict::Foreign);
        }
        let length = match length {
            _ if broken => return Ok(ended(index, media, true)),
            // §4.2: it extends to the end of the file. FFmpeg leaves it so until the end is known.
            0 => size - at,
            1 if got == 16 => u64::from(be32(&head[8..])) << 32 | u64::from(be32(&head[12..])),
            length => length,
        };
        if length < 8 {
            return Ok(if at == 0 { Verdict::Foreign } else { ended(index, media, true) });
        }
        match &kind {
            b"moov" | b"moof" => index |= length <= size - at,
            b"mdat" => media |= length > 8,
            _ => {}
        }
        if length > size - at {
            return Ok(ended(index, media, true));
        }
        at += length;
    }
    // Too many fragments to walk. A muxer that came to its end wrote their index, of which this is the end (§8.8.11).
    let mut tail = [0; 16];
    let ended = read(size.saturating_sub(16), &mut tail)? == 16 && tail[4..8] == *b"mfro";
    Ok(if ended { Verdict::Whole } else { Verdict::Unjudged })
}

/// At the end of the walk: `index` and `media` were seen, and something was `cut` off.
fn ended(index: bool, media: bool, cut: bool) -> Verdict {
    match (index, media, cut) {
        (true, true, false) => Verdict::Whole,
        (true, true, true) => Verdict::Truncated,
        (false, true, _) => Verdict::Unindexed,
        (_, false, _) => Verdict::Empty,
    }
}

const EBML: u64 = 0x1a45_dfa3;
const SEGMENT: u64 = 0x1853_8067;
const CLUSTER: u64 = 0x1f43_b675;

fn matroska<E>(size: u64, read: &mut Read<'_, E>) -> Result<Verdict, E> {
    let mut at = 0;
    for wanted in [EBML, SEGMENT] {
        let mut head = [0; 12];
        let got = read(at, &mut head)?;
        let Some(element) = element(&head[..got]).filter(|e| e.id == wanted) else {
            return Ok(if at == 0 { Verdict::Foreign } else { Verdict::Empty });
        };
        at += element.head;
        match element.length {
            Some(length) if wanted == EBML => at = at.saturating_add(length),
            Some(length) => return clusters(at, at.saturating_add(length), true, size, read),
            // RFC 8794 §6.2: unknown until the muxer comes to its end, and for ever where it cannot go back.
            None => {}
        }
        if at > size {
            return Ok(Verdict::Empty);
        }
    }
    clusters(at, size, false, size, read)
}

/// Walks the elements of a segment that should end at `end`; with `told`, because it says so.
fn clusters<E>(mut at: u64, end: u64, told: bool, size: u64, read: &mut Read<'_, E>) -> Result<Verdict, E> {
    let mut media = false;
    let cut = |media: bool| if media { Verdict::Truncated } else { Verdict::Empty };
    for _hop in 0..HOPS {
        if media && told {
            return Ok(if end > size { Verdict::Truncated } else { Verdict::Whole });
        }
        if at == end {
            return Ok(if media { Verdict::Whole } else { Verdict::Empty });
        }
        if at > size {
            return Ok(cut(media));
        }
        let mut head = [0; 12];
        let got = read(at, &mut head)?;
        let Some(element) = element(&head[..got]) else { return Ok(cut(media)) };
        media |= element.id == CLUSTER;
        let Some(length) = element.length else { return Ok(Verdict::Unjudged) };
        at = at.saturating_add(element.head).saturating_add(length);
        if at > size {
            return Ok(cut(media));
        }
    }
    Ok(Verdict::Unjudged)
}

struct Element {
    id: u64,
    /// Bytes of id and length.
    head: u64,
    /// `None` where it says that it does not know.
    length: Option<u64>,
}

/// RFC 8794 §4 and §5: an id of up to four bytes and a length of up to eight.
fn element(bytes: &[u8]) -> Option<Element> {
    let width = |first: u8, most: u32| Some(first.leading_zeros() + 1).filter(|width| *width <= most);
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |n, b| n << 8 | u64::from(*b));
    let id_width = width(*bytes.first()?, 4)? as usize;
    let id = number(bytes.get(..id_width)?);
    let length_width = width(*bytes.get(id_width)?, 8)? as usize;
    let head = id_width + length_width;
    let mask = (1_u64 << (7 * length_width)) - 1;
    let length = number(bytes.get(id_width..head)?) & mask;
    Some(Element { id, head: head as u64, length: (length != mask).then_some(length) })
}

fn ts<E>(size: u64, read: &mut Read<'_, E>) -> Result<Verdict, E> {
    let mut head = [0; 576];
    let got = read(0, &mut head)?.min(576);
    let fits = |(length, sync): &(u64, u64)| {
        let first = head[..got].iter().skip(*sync as usize).step_by(*length as usize);
        got > *sync as usize && first.copied().all(|b| b == SYNC)
    };
    let Some((length, sync)) = PACKETS.into_iter().find(fits) else { return Ok(Verdict::Foreign) };
    if !size.is_multiple_of(length) {
        return Ok(Verdict::Truncated);
    }
    let mut last = [0];
    let got = read(size - length + sync, &mut last)?;
    Ok(if got == 1 && last == [SYNC] { Verdict::Whole } else { Verdict::Truncated })
}

fn be32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests;
