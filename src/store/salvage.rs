//! What can still be read of a broken `metrics.db`, without asking SQLite: every page that looks like a leaf of a table is
//! searched for rows that look like ours, and only rows whose checksum is right are believed. Where a log lies beside the
//! file, its pages count instead of those they would replace. (File format: sqlite.org/fileformat2.html §1.6, §2, §4.)

use crate::store::dictionary::{Named, kind_of};
use crate::store::file::{PAGE, beside};
use crate::store::frame::{Frame, MAGIC};
use crate::store::metrics::{labels_of, series_crc};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Pages searched in one step, 4 MiB; a step must stay well below a second on a slow disk.
const PAGES: u64 = 1024;
/// Frames handed out in one step.
const FRAMES: usize = 32;
/// No row of ours is longer.
const LONGEST: usize = 64 << 20;
/// Type byte of a page that is a leaf of a table.
const LEAF: u8 = 0x0d;
/// Bytes of the log before its first frame, and of each frame before its page.
const LOG_HEAD: u64 = 32;
const LOG_FRAME_HEAD: u64 = 24;

/// A salvage under way.
pub struct Salvage {
    file: File,
    pages: u64,
    log: Option<File>,
    /// Page number → where the log has it.
    logged: HashMap<u64, u64>,
    next: u64,
    /// Series by number, with where they were last seen.
    series: HashMap<u32, (i64, Named)>,
    /// Rows that may be frames, by id: page and place in it.
    rows: BTreeMap<i64, Vec<(u64, usize)>>,
}

/// What a piece of the salvage came to.
pub enum Piece {
    /// Still searching.
    Searching,
    /// These frames are whole, oldest first; their numbers are those of [`Salvage::series`].
    Found(Vec<Frame>),
    Over,
}

impl Salvage {
    /// # Errors
    /// The file cannot be read at all.
    pub fn open(path: &Path) -> io::Result<Salvage> {
        let file = File::open(path)?;
        let log = File::open(beside(path, "-wal")).ok();
        let logged = log.as_ref().map(pages_of_log).transpose()?.unwrap_or_default();
        let pages = (file.metadata()?.len() / PAGE).max(logged.keys().max().copied().unwrap_or(0));
        Ok(Salvage { file, pages, log, logged, next: 1, series: HashMap::new(), rows: BTreeMap::new() })
    }

    /// The series that were found; complete with the first frames.
    pub fn series(&self) -> impl Iterator<Item = (u32, &Named)> {
        self.series.iter().map(|(number, (_, named))| (*number, named))
    }

    /// Does a bounded piece of work.
    pub fn step(&mut self) -> Piece {
        if self.next <= self.pages {
            let end = (self.next + PAGES).min(self.pages + 1);
            for number in self.next..end {
                self.search(number);
            }
            self.next = end;
            return Piece::Searching;
        }
        let mut found = Vec::new();
        while found.len() < FRAMES {
            let Some((id, places)) = self.rows.pop_first() else { break };
            // A page that was given up may still hold a row that another one has now; one of them is whole.
            let whole = places.into_iter().find_map(|(page, place)| {
                let (row, record) = self.row(&self.page(page)?, place)?;
                let [_, Column::Bytes(blob)] = columns(&record)?[..] else { return None };
                if row == id { Frame::decode(blob).ok() } else { None }
            });
            found.extend(whole);
        }
        if found.is_empty() { Piece::Over } else { Piece::Found(found) }
    }

    fn page(&self, number: u64) -> Option<Vec<u8>> {
        let mut page = vec![0; PAGE as usize];
        let read = match (self.logged.get(&number), &self.log) {
            (Some(at), Some(log)) => log.read_exact_at(&mut page, *at),
            _ => self.file.read_exact_at(&mut page, number.checked_sub(1)?.checked_mul(PAGE)?),
        };
        read.ok().map(|()| page)
    }

    fn search(&mut self, number: u64) {
        let Some(page) = self.page(number) else { return };
        let head = if number == 1 { 100 } else { 0 };
        if page[head] != LEAF {
            return;
        }
        let cells = usize::from(u16::from_be_bytes([page[head + 3], page[head + 4]]));
        for cell in 0..cells.min(PAGE as usize / 2) {
            let at = head + 8 + 2 * cell;
            let Some(place) = page.get(at..at + 2).map(|b| usize::from(u16::from_be_bytes([b[0], b[1]]))) else {
                return;
            };
            // Of a frame the first bytes suffice to know it; it is read when its turn comes.
            let Some((id, start)) = start_of_row(&page, place) else { continue };
            if let Some([_, Column::Bytes(blob)]) = columns(start).as_deref()
                && blob.starts_with(&MAGIC)
            {
                self.rows.entry(id).or_default().push((number, place));
            } else if let Some((number, seen, named)) =
                self.row(&page, place).and_then(|(id, record)| series_of(id, &record))
                && self.series.get(&number).is_none_or(|(known, _)| *known <= seen)
            {
                self.series.insert(number, (seen, named));
            }
        }
    }

    /// Id and record of a row, put together from the page and those it flows over into.
    fn row(&self, page: &[u8], place: usize) -> Option<(i64, Vec<u8>)> {
        let (length, id, at) = row_head(page, place)?;
        let local = local(length);
        let mut record = page.get(at..at + local)?.to_vec();
        let mut next = page.get(at + local..).filter(|_| local < length).map(|rest| rest.get(..4).map(number_of));
        while record.len() < length {
            let overflow = self.page(next??)?;
            let (link, content) = overflow.split_at(4);
            record.extend(&content[..content.len().min(length - record.len())]);
            next = Some(Some(number_of(link)));
        }
        Some((id, record))
    }
}

fn number_of(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte))
}

/// Where the committed pages of a log are, of its newest run. Its own checksums are not looked at; ours are.
fn pages_of_log(log: &File) -> io::Result<HashMap<u64, u64>> {
    let (mut committed, mut open) = (HashMap::new(), Vec::new());
    let mut head = [0; LOG_HEAD as usize];
    let frames = log.metadata()?.len().saturating_sub(LOG_HEAD) / (LOG_FRAME_HEAD + PAGE);
    if log.read_exact_at(&mut head, 0).is_err() || number_of(&head[8..12]) != PAGE {
        return Ok(committed);
    }
    for n in 0..frames {
        let at = LOG_HEAD + n * (LOG_FRAME_HEAD + PAGE);
        let mut frame = [0; LOG_FRAME_HEAD as usize];
        log.read_exact_at(&mut frame, at)?;
        // Frames of a former run carry other salts.
        if frame[8..16] != head[16..24] {
            break;
        }
        open.push((number_of(&frame[..4]), at + LOG_FRAME_HEAD));
        if number_of(&frame[4..8]) != 0 {
            committed.extend(open.drain(..));
        }
    }
    Ok(committed)
}

/// SQLite's varint: big-endian, nine bytes at most, the last one whole.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut n = 0u64;
    for (i, byte) in bytes.iter().take(9).enumerate() {
        if i == 8 {
            return Some((n << 8 | u64::from(*byte), 9));
        }
        n = n << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((n, i + 1));
        }
    }
    None
}

/// Length of the record, id, and where the record begins.
fn row_head(page: &[u8], place: usize) -> Option<(usize, i64, usize)> {
    let (length, used) = varint(page.get(place..)?)?;
    let (id, more) = varint(page.get(place + used..)?)?;
    let length = usize::try_from(length).ok().filter(|length| *length <= LONGEST)?;
    Some((length, id as i64, place + used + more))
}

/// How much of a record of this length lies in the leaf itself (§1.6).
fn local(length: usize) -> usize {
    let usable = PAGE as usize;
    let (most, least) = (usable - 35, (usable - 12) * 32 / 255 - 23);
    if length <= most {
        return length;
    }
    let kept = least + (length - least) % (usable - 4);
    if kept <= most { kept } else { least }
}

/// Id and as much of the record as the page itself has.
fn start_of_row(page: &[u8], place: usize) -> Option<(i64, &[u8])> {
    let (length, id, at) = row_head(page, place)?;
    Some((id, page.get(at..at + local(length))?))
}

#[derive(Debug)]
enum Column<'a> {
    Null,
    Int(i64),
    /// Text or blob; cut short where the record is.
    Bytes(&'a [u8]),
}

/// The columns of a record (§2.1); the last one may be cut short.
fn columns(record: &[u8]) -> Option<Vec<Column<'_>>> {
    let (head, mut at) = varint(record)?;
    let head = usize::try_from(head).ok()?;
    let mut body = head;
    let mut columns = Vec::new();
    while at < head {
        let (kind, used) = varint(record.get(at..head)?)?;
        at += used;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind as usize,
            5 => 6,
            6 | 7 => 8,
            n => usize::try_from((n - 12) / 2).ok().filter(|length| *length <= LONGEST)?,
        };
        let end = (body + length).min(record.len());
        let bytes = record.get(body..end)?;
        body += length;
        columns.push(match kind {
            0 => Column::Null,
            1..=6 if bytes.len() == length && length > 0 => {
                let sign = if bytes[0] & 0x80 == 0 { 0 } else { -1i64 };
                Column::Int(bytes.iter().fold(sign, |n, byte| n << 8 | i64::from(*byte)))
            }
            8 => Column::Int(0),
            9 => Column::Int(1),
            12.. => Column::Bytes(bytes),
            _ => return None,
        });
    }
    Some(columns)
}

/// Number, where last seen, and what it is: of a whole row of `series` with the right checksum.
fn series_of(id: i64, record: &[u8]) -> Option<(u32, i64, Named)> {
    let columns = columns(record)?;
    let [Column::Null, name, labels, Column::Int(kind), unit, help, Column::Int(crc), Column::Int(seen)] = &columns[..]
    else {
        return None;
    };
    let text = |column: &Column<'_>| match column {
        Column::Bytes(bytes) => std::str::from_utf8(bytes).map(str::to_owned).ok(),
        _ => None,
    };
    let (name, labels, unit, help) = (text(name)?, text(labels)?, text(unit)?, text(help)?);
    let (number, kind) = (u32::try_from(id).ok()?, u8::try_from(*kind).ok()?);
    if i64::from(series_crc(number, &name, &labels, kind, &unit, &help)) != *crc {
        return None;
    }
    Some((number, *seen, Named { labels: labels_of(&labels)?, name, kind: kind_of(kind), unit, help }))
}
