//! What is not on file yet, in the runtime directory (RAM): each snapshot as it comes, so that a crash loses a tick and
//! costs no flash. A journal stands for itself: series are named in it before they are used.

use crate::metric::labels::Labels;
use crate::store::bits::{Cursor, Garbled, put_text, put_varint, zigzag};
use crate::store::dictionary::{Dictionary, Named, kind_code, kind_of};
use crate::store::frame::{Cell, MAX_SERIES, Step};
use crate::store::metrics::Sealed;
use crate::store::pending::Taken;
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// First bytes of a journal; the last one is the version of its format.
const MAGIC: [u8; 4] = *b"VdJ\x01";
/// No record is longer: a whole frame or a snapshot with all the series there may be.
const RECORD: usize = 64 << 20;
/// Bytes of a name, a label or a help text at most; far above what any series has.
const TEXT: usize = 1 << 16;

/// What a journal says.
#[derive(Debug, PartialEq)]
pub enum Record {
    /// A snapshot of this boot comes next, and all after it are of the same.
    Boot(Arc<str>),
    Series(u32, Named),
    Snapshot(Step, Vec<Taken>),
    /// A frame that could not be written to the file.
    Frame(Vec<u8>),
}

impl Record {
    fn put(&self, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        match self {
            Record::Boot(boot_id) => {
                body.push(0);
                put_text(&mut body, boot_id);
            }
            Record::Series(number, named) => {
                body.push(1);
                put_varint(&mut body, u64::from(*number));
                body.push(kind_code(named.kind));
                for text in [&named.name, &named.unit, &named.help] {
                    put_text(&mut body, text);
                }
                for text in named.labels.iter().flat_map(|(name, value)| [name, value]) {
                    put_text(&mut body, text);
                }
            }
            Record::Snapshot(step, taken) => {
                body.push(2);
                put_varint(&mut body, step.boot_ms);
                put_varint(&mut body, zigzag(step.wall_ms));
                body.push(u8::from(step.trusted));
                for (number, cell) in taken {
                    match cell {
                        Cell::Absent => {}
                        Cell::Value(value) => {
                            put_varint(&mut body, u64::from(*number) << 1);
                            body.extend(value.to_bits().to_le_bytes());
                        }
                        Cell::Ended => put_varint(&mut body, u64::from(*number) << 1 | 1),
                    }
                }
            }
            Record::Frame(blob) => {
                body.push(3);
                body.extend(blob);
            }
        }
        out.extend((body.len() as u32).to_le_bytes());
        out.extend(crc32fast::hash(&body).to_le_bytes());
        out.extend(body);
    }

    fn get(body: &[u8]) -> Result<Record, Garbled> {
        let mut cursor = Cursor::new(body);
        let number = |n: u64| u32::try_from(n).map_err(|_| Garbled("a series number beyond its maximum"));
        Ok(match cursor.byte()? {
            0 => Record::Boot(cursor.text(255)?.into()),
            1 => {
                let series = number(cursor.varint()?)?;
                let kind = kind_of(cursor.byte()?);
                let mut text = || cursor.text(TEXT).map(str::to_owned);
                let (name, unit, help) = (text()?, text()?, text()?);
                let mut labels = Vec::new();
                while !cursor.is_empty() {
                    labels.push((cursor.text(TEXT)?, cursor.text(TEXT)?));
                }
                Record::Series(series, Named { name, labels: Labels::new(labels), kind, unit, help })
            }
            2 => {
                let (boot_ms, wall_ms, trusted) = (cursor.varint()?, cursor.signed()?, cursor.byte()? != 0);
                let mut taken = Vec::new();
                while !cursor.is_empty() && taken.len() < MAX_SERIES {
                    let tag = cursor.varint()?;
                    let ended = tag & 1 == 1;
                    let cell = if ended { Cell::Ended } else { Cell::Value(f64::from_bits(cursor.u64()?)) };
                    taken.push((number(tag >> 1)?, cell));
                }
                Record::Snapshot(Step { boot_ms, wall_ms, trusted }, taken)
            }
            3 => Record::Frame(cursor.take(body.len() - 1)?.to_vec()),
            _ => return Err(Garbled("a record of unknown kind")),
        })
    }
}

/// The writing end.
pub struct Journal {
    path: PathBuf,
    boot_id: Arc<str>,
    /// `None` after an error, until the next start over.
    file: Option<File>,
    named: HashSet<u32>,
}

impl Journal {
    /// Nothing is touched before the first [`Journal::start`].
    pub fn new(runtime_dir: &Path, boot_id: Arc<str>) -> Journal {
        Journal { path: path(runtime_dir), boot_id, file: None, named: HashSet::new() }
    }

    /// Starts over with the frames that still wait for their file and the snapshots that are in no frame yet, and the
    /// names of what is in them. The former journal stands until the new one is whole: a kill finds one or the other.
    ///
    /// # Errors
    /// The runtime directory cannot be written; there is no journal until this is called again.
    pub fn start<'a>(
        &mut self,
        waiting: impl Iterator<Item = &'a Sealed>,
        pending: impl Iterator<Item = (&'a Step, &'a Vec<Taken>)>,
        dictionary: &Dictionary,
    ) -> std::io::Result<()> {
        self.file = None;
        self.named.clear();
        let mut out = MAGIC.to_vec();
        let mut waiting = waiting.peekable();
        if waiting.peek().is_some() {
            for (number, row) in dictionary.rows() {
                Record::Series(number, row.named.clone()).put(&mut out);
                self.named.insert(number);
            }
        }
        for sealed in waiting {
            Record::Frame(sealed.blob.clone()).put(&mut out);
        }
        Record::Boot(self.boot_id.clone()).put(&mut out);
        for (step, taken) in pending {
            self.put_snapshot(*step, taken, dictionary, &mut out);
        }
        std::fs::create_dir_all(self.path.parent().unwrap_or(Path::new(".")))?;
        let fresh = self.path.with_extension("new");
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&fresh)?;
        file.write_all(&out)?;
        std::fs::rename(&fresh, &self.path)?;
        self.file = Some(file);
        Ok(())
    }

    /// False after an error, until the next start over.
    pub fn works(&self) -> bool {
        self.file.is_some()
    }

    /// Adds a snapshot. Not synced: the directory is in memory.
    ///
    /// # Errors
    /// The runtime directory cannot be written; there is no journal until the next start over.
    pub fn append(&mut self, step: Step, taken: &[Taken], dictionary: &Dictionary) -> std::io::Result<()> {
        if self.file.is_none() {
            return Ok(());
        }
        let mut out = Vec::new();
        self.put_snapshot(step, taken, dictionary, &mut out);
        let Some(file) = &mut self.file else { return Ok(()) };
        // A half-written record hides what would follow it, so nothing may.
        let written = file.write_all(&out);
        if written.is_err() {
            self.file = None;
        }
        written
    }

    /// A snapshot, after the names of those of its series that have none in this journal.
    fn put_snapshot(&mut self, step: Step, taken: &[Taken], dictionary: &Dictionary, out: &mut Vec<u8>) {
        for (number, _) in taken {
            if self.named.insert(*number)
                && let Some(named) = dictionary.get(*number)
            {
                Record::Series(*number, named.clone()).put(out);
            }
        }
        Record::Snapshot(step, taken.to_vec()).put(out);
    }
}

fn path(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("snapshots.journal")
}

/// Everything whole in the journal of a runtime directory, in order; a torn end is cut. Empty when there is none.
///
/// # Errors
/// It is there and cannot be read.
pub fn read(runtime_dir: &Path) -> std::io::Result<Vec<Record>> {
    let bytes = match std::fs::read(path(runtime_dir)) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        bytes => bytes?,
    };
    let mut cursor = Cursor::new(&bytes);
    let mut records = Vec::new();
    if cursor.take(4) != Ok(&MAGIC) {
        return Ok(records);
    }
    let mut next = || {
        let (len, crc) = (cursor.u32()? as usize, cursor.u32()?);
        let body = cursor.take(if len > RECORD { usize::MAX } else { len })?;
        if crc32fast::hash(body) == crc { Record::get(body) } else { Err(Garbled("wrong checksum")) }
    };
    while let Ok(record) = next() {
        records.push(record);
    }
    Ok(records)
}
