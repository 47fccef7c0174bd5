//! A frame: some snapshots in a row, as one blob.
//!
//! A frame stands for itself: magic with version, CRC, boot id, stamps, series numbers, values. Values are columns, one
//! per series. A column whose numbers are decimals of at most nine places is written as whole numbers, packed into the
//! bits that their spread needs, either as distances from the least of them (a noisy gauge) or as steps above the least
//! step (a counter); anything else as XOR with the number before, without the zero bits all of them share (after
//! Pelkonen et al., "Gorilla", VLDB 2015; Afroozeh et al., "ALP", SIGMOD 2023). The rest, which repeats from series to
//! series, is left to zstd.

use crate::store::bits::{BitReader, BitWriter, Cursor, Garbled, put_text, put_varint, width, zigzag};
use std::io::Read;
use std::sync::Arc;

/// First bytes of every frame; the last one is the version of the format.
pub const MAGIC: [u8; 4] = *b"VdF\x01";
/// Snapshots in a frame at most: the longest flush, ten minutes, at a tick of a second, and some.
pub const MAX_STEPS: usize = 1024;
/// Series in a frame at most.
pub const MAX_SERIES: usize = 1 << 17;
/// Cells (snapshots × series) in a frame at most; a decoded cell takes 16 bytes, so this is 64 MiB.
pub const MAX_CELLS: usize = 1 << 22;
/// Level 1 to 3 cost nothing to speak of once a minute; above 3 gains less than 1 %.
const ZSTD_LEVEL: i32 = 3;
/// Decimal places that are looked for.
const PLACES: [f64; 10] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
/// Whole numbers up to here are exact in an f64.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// When a snapshot was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Since boot.
    pub boot_ms: u64,
    /// Since the Unix epoch, as the wall clock said then.
    pub wall_ms: i64,
    /// The wall clock was disciplined then.
    pub trusted: bool,
}

/// What a series had in one snapshot.
#[derive(Debug, Clone, Copy)]
pub enum Cell {
    Absent,
    Value(f64),
    /// It stood in the snapshot before and not in this one: Prometheus would write a stale marker.
    Ended,
}

impl PartialEq for Cell {
    /// By bits: a NaN equals itself, 0 and -0 differ.
    fn eq(&self, other: &Cell) -> bool {
        match (self, other) {
            (Cell::Value(a), Cell::Value(b)) => a.to_bits() == b.to_bits(),
            (Cell::Absent, Cell::Absent) | (Cell::Ended, Cell::Ended) => true,
            _ => false,
        }
    }
}

/// One series over the steps of a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Number of the series in the dictionary of the file that holds the frame.
    pub series: u32,
    /// As many as the frame has steps.
    pub cells: Vec<Cell>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// All steps are of this boot.
    pub boot_id: Arc<str>,
    pub steps: Vec<Step>,
    /// By series number, each once.
    pub columns: Vec<Column>,
}

impl Frame {
    /// Values on file, stale markers included.
    pub fn samples(&self) -> u64 {
        self.columns.iter().flat_map(|c| &c.cells).filter(|c| **c != Cell::Absent).count() as u64
    }

    /// Gives every series the number that `number` says; those without one are left out.
    pub fn renumber(&mut self, number: impl Fn(u32) -> Option<u32>) {
        self.columns.retain_mut(|column| {
            let found = number(column.series);
            column.series = found.unwrap_or(column.series);
            found.is_some()
        });
        self.columns.sort_by_key(|column| column.series);
        self.columns.dedup_by_key(|column| column.series);
    }

    /// Leaves out the steps up to and including this boot time.
    pub fn trim(&mut self, boot_ms: u64) {
        let keep: Vec<bool> = self.steps.iter().map(|step| step.boot_ms > boot_ms).collect();
        let mut steps = keep.iter();
        self.steps.retain(|_| steps.next() == Some(&true));
        for column in &mut self.columns {
            let mut cells = keep.iter();
            column.cells.retain(|_| cells.next() == Some(&true));
        }
        self.columns.retain(|column| column.cells.iter().any(|cell| *cell != Cell::Absent));
    }

    /// The blob. The maxima of this file are the caller's to keep.
    pub fn encode(&self) -> Vec<u8> {
        debug_assert!(self.steps.len() <= MAX_STEPS && self.columns.len() <= MAX_SERIES);
        debug_assert!(self.columns.windows(2).all(|w| w[0].series < w[1].series));
        let (mut head, mut packed) = (Head::default(), BitWriter::default());
        self.put_steps(&mut head.steps);
        let mut next = 0;
        for column in &self.columns {
            put_varint(&mut head.series, u64::from(column.series - next));
            next = column.series + 1;
            put_column(column, &mut head, &mut packed);
        }
        let mut body = Vec::new();
        put_text(&mut body, &self.boot_id);
        put_varint(&mut body, self.steps.len() as u64);
        put_varint(&mut body, self.columns.len() as u64);
        for part in [head.steps, head.series, head.shapes, head.params, head.widths, head.bases, packed.finish()] {
            put_part(&mut body, &part);
        }
        let mut blob = MAGIC.to_vec();
        blob.extend(crc32fast::hash(&body).to_le_bytes());
        blob.extend(body);
        blob
    }

    fn put_steps(&self, out: &mut Vec<u8>) {
        let (mut boot, mut pace, mut ahead) = (0, 0, 0);
        for step in &self.steps {
            let (now, wall) = (step.boot_ms as i64, step.wall_ms);
            put_varint(out, zigzag(now.wrapping_sub(boot).wrapping_sub(pace)));
            pace = now.wrapping_sub(boot);
            boot = now;
            put_varint(out, zigzag(wall.wrapping_sub(now).wrapping_sub(ahead)));
            ahead = wall.wrapping_sub(now);
            out.push(u8::from(step.trusted));
        }
    }

    /// Reads a blob back.
    ///
    /// # Errors
    /// What is not a whole, unharmed frame is refused; memory taken stays within the maxima of this file.
    pub fn decode(blob: &[u8]) -> Result<Frame, Garbled> {
        Self::decode_some(blob, |_| true)
    }

    /// Reads back only the columns of the series that `wanted` picks.
    ///
    /// # Errors
    /// As [`Frame::decode`].
    pub fn decode_some(blob: &[u8], wanted: impl Fn(u32) -> bool) -> Result<Frame, Garbled> {
        let mut cursor = Cursor::new(blob);
        if cursor.take(4)? != MAGIC {
            return Err(Garbled("no frame of a known version"));
        }
        let crc = cursor.u32()?;
        if crc32fast::hash(&blob[8..]) != crc {
            return Err(Garbled("wrong checksum"));
        }
        let boot_id = cursor.text(255)?.into();
        let steps = cursor.count(MAX_STEPS)?;
        let series = cursor.count(MAX_SERIES)?;
        if steps * series > MAX_CELLS {
            return Err(Garbled("more cells than a frame may have"));
        }
        // A step takes at most 21 bytes; a column 5 + 1 + 1 + 1 + 20 bytes and, with the bits for presence, 66 bits a cell.
        let [times, ids, shapes, params, widths, bases, packed] = [
            get_part(&mut cursor, steps * 21)?,
            get_part(&mut cursor, series * 5)?,
            get_part(&mut cursor, series)?,
            get_part(&mut cursor, series)?,
            get_part(&mut cursor, series)?,
            get_part(&mut cursor, series * 20)?,
            get_part(&mut cursor, steps * series * 9 + 1)?,
        ];
        let mut taken = Columns {
            shapes: Cursor::new(&shapes),
            params: Cursor::new(&params),
            widths: Cursor::new(&widths),
            bases: Cursor::new(&bases),
            packed: BitReader::new(&packed),
        };
        let steps = get_steps(Cursor::new(&times), steps)?;
        let (mut ids, mut next, mut columns) = (Cursor::new(&ids), 0u32, Vec::new());
        for _ in 0..series {
            let gap = u32::try_from(ids.varint()?).map_err(|_| Garbled("a series number beyond its maximum"))?;
            let series = next.checked_add(gap).ok_or(Garbled("a series number beyond its maximum"))?;
            next = series.checked_add(1).ok_or(Garbled("a series number beyond its maximum"))?;
            if let Some(cells) = taken.column(steps.len(), wanted(series))? {
                columns.push(Column { series, cells });
            }
        }
        Ok(Frame { boot_id, steps, columns })
    }
}

/// The parts of a frame besides the packed values; each compresses better alone.
#[derive(Default)]
struct Head {
    steps: Vec<u8>,
    series: Vec<u8>,
    shapes: Vec<u8>,
    params: Vec<u8>,
    widths: Vec<u8>,
    bases: Vec<u8>,
}

fn put_part(out: &mut Vec<u8>, part: &[u8]) {
    // Compression of bytes in memory fails for lack of memory alone; then the part goes as it is.
    let small = zstd::bulk::compress(part, ZSTD_LEVEL).ok().filter(|small| small.len() < part.len());
    let stored = small.as_deref().unwrap_or(part);
    put_varint(out, (stored.len() as u64) << 1 | u64::from(small.is_some()));
    out.extend_from_slice(stored);
}

fn get_part(cursor: &mut Cursor<'_>, most: usize) -> Result<Vec<u8>, Garbled> {
    let tag = cursor.varint()?;
    let stored = cursor.take(usize::try_from(tag >> 1).map_err(|_| Garbled("cut short"))?)?;
    let mut part = Vec::new();
    if tag & 1 == 0 {
        part.extend_from_slice(stored);
    } else {
        // Grows with what really comes out, so a lying header costs nothing.
        let decoder = zstd::stream::read::Decoder::with_buffer(stored).map_err(|_| Garbled("no zstd"))?;
        decoder.take(most as u64 + 1).read_to_end(&mut part).map_err(|_| Garbled("broken zstd"))?;
    }
    if part.len() > most { Err(Garbled("a part beyond its maximum")) } else { Ok(part) }
}

fn get_steps(mut times: Cursor<'_>, count: usize) -> Result<Vec<Step>, Garbled> {
    let (mut boot, mut pace, mut ahead) = (0i64, 0i64, 0i64);
    let mut steps = Vec::with_capacity(count);
    for _ in 0..count {
        pace = pace.wrapping_add(times.signed()?);
        boot = boot.wrapping_add(pace);
        ahead = ahead.wrapping_add(times.signed()?);
        steps.push(Step { boot_ms: boot as u64, wall_ms: boot.wrapping_add(ahead), trusted: times.byte()? != 0 });
    }
    Ok(steps)
}

/// Whole numbers above the least of them.
const LEVEL: u8 = 0;
/// Whole numbers by their steps above the least step.
const SLOPE: u8 = 1;
/// Bits that differ from the number before.
const XOR: u8 = 2;
/// Added to a shape: not every cell has a value; two bits a cell say what it has.
const SPARSE: u8 = 0x80;

/// The numbers times a power of ten, if all of them are whole then and come back bit by bit.
fn decimals(values: &[f64]) -> Option<(u8, Vec<i64>)> {
    let fits = |v: f64, places: usize| {
        let whole = (v * PLACES[places]).round();
        // Through i64, where -0 is lost: it then does not come back and is no decimal.
        let back = whole as i64 as f64 / PLACES[places];
        (whole.abs() < EXACT && back.to_bits() == v.to_bits()).then_some(whole as i64)
    };
    let mut places = 0;
    for v in values {
        while fits(*v, places).is_none() {
            places += 1;
            if places == PLACES.len() {
                return None;
            }
        }
    }
    let whole = values.iter().map(|v| fits(*v, places)).collect::<Option<_>>()?;
    Some((places as u8, whole))
}

fn spread(numbers: impl Iterator<Item = i64> + Clone) -> (i64, u32) {
    let least = numbers.clone().min().unwrap_or(0);
    (least, width(numbers.max().unwrap_or(0).wrapping_sub(least) as u64))
}

fn put_column(column: &Column, head: &mut Head, packed: &mut BitWriter) {
    let values: Vec<f64> =
        column.cells.iter().filter_map(|c| if let Cell::Value(v) = c { Some(*v) } else { None }).collect();
    let sparse = if values.len() < column.cells.len() { SPARSE } else { 0 };
    if sparse != 0 {
        for cell in &column.cells {
            let state = match cell {
                Cell::Absent => 0,
                Cell::Value(_) => 1,
                Cell::Ended => 2,
            };
            packed.put(state, 2);
        }
    }
    let mut put = |shape: u8, param: u8, width: u32| {
        head.shapes.push(shape | sparse);
        head.params.push(param);
        head.widths.push(width as u8);
    };
    let Some((places, whole)) = decimals(&values) else {
        let bits: Vec<u64> = values.iter().map(|v| v.to_bits()).collect();
        let differ = bits.windows(2).fold(0, |all, w| all | (w[0] ^ w[1]));
        let shift = if differ == 0 { 0 } else { differ.trailing_zeros() };
        put(XOR, shift as u8, width(differ >> shift));
        head.bases.extend(bits[0].to_le_bytes());
        for w in bits.windows(2) {
            packed.put((w[0] ^ w[1]) >> shift, width(differ >> shift));
        }
        return;
    };
    let (least, level) = spread(whole.iter().copied());
    let steps = whole.windows(2).map(|w| w[1] - w[0]);
    let (gentlest, slope) = spread(steps.clone());
    // A slope pays for its second base, two bytes or so.
    if (slope as usize) * steps.len() + 16 < (level as usize) * whole.len() {
        put(SLOPE, places, slope);
        put_varint(&mut head.bases, zigzag(whole[0]));
        put_varint(&mut head.bases, zigzag(gentlest));
        for step in steps {
            packed.put((step - gentlest) as u64, slope);
        }
    } else {
        put(LEVEL, places, level);
        put_varint(&mut head.bases, zigzag(least));
        for n in whole {
            packed.put((n - least) as u64, level);
        }
    }
}

/// The parts of a frame being read, column by column.
struct Columns<'a> {
    shapes: Cursor<'a>,
    params: Cursor<'a>,
    widths: Cursor<'a>,
    bases: Cursor<'a>,
    packed: BitReader<'a>,
}

impl Columns<'_> {
    /// The next column, or nothing where it is not wanted.
    fn column(&mut self, steps: usize, wanted: bool) -> Result<Option<Vec<Cell>>, Garbled> {
        let (shape, param, width) = (self.shapes.byte()?, self.params.byte()?, u32::from(self.widths.byte()?));
        if width > 64 {
            return Err(Garbled("a width beyond 64 bits"));
        }
        let mut cells = vec![Cell::Value(0.0); steps];
        let mut values = steps;
        if shape & SPARSE != 0 {
            for cell in &mut cells {
                *cell = match self.packed.get(2)? {
                    0 => Cell::Absent,
                    1 => Cell::Value(0.0),
                    _ => Cell::Ended,
                };
            }
            values = cells.iter().filter(|c| matches!(c, Cell::Value(_))).count();
        }
        let mut slots = cells.iter_mut().filter_map(|c| if let Cell::Value(v) = c { Some(v) } else { None });
        let (first, packed) = match shape & !SPARSE {
            LEVEL => (self.bases.signed()?, values),
            SLOPE => (self.bases.signed()?, values.saturating_sub(1)),
            XOR => (self.bases.u64()? as i64, values.saturating_sub(1)),
            _ => return Err(Garbled("a column of unknown shape")),
        };
        let gentlest = if shape & !SPARSE == SLOPE { self.bases.signed()? } else { 0 };
        if !wanted {
            self.packed.skip(packed * width as usize);
            return Ok(None);
        }
        if shape & !SPARSE == XOR {
            let mut bits = first as u64;
            for (n, slot) in slots.enumerate() {
                if n > 0 {
                    bits ^= self.packed.get(width)?.checked_shl(u32::from(param)).unwrap_or(0);
                }
                *slot = f64::from_bits(bits);
            }
            return Ok(Some(cells));
        }
        let scale = *PLACES.get(usize::from(param)).ok_or(Garbled("more decimal places than there are"))?;
        if shape & !SPARSE == LEVEL {
            for slot in slots {
                *slot = first.wrapping_add(self.packed.get(width)? as i64) as f64 / scale;
            }
        } else {
            let mut n = first;
            if let Some(slot) = slots.next() {
                *slot = n as f64 / scale;
            }
            for slot in slots {
                n = n.wrapping_add(gentlest).wrapping_add(self.packed.get(width)? as i64);
                *slot = n as f64 / scale;
            }
        }
        Ok(Some(cells))
    }
}

#[cfg(test)]
mod tests;
