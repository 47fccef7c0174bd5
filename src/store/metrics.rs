//! `metrics.db`: frames, and the series they speak of.

use crate::base::clock::Now;
use crate::metric::labels::Labels;
use crate::store::bits::Garbled;
use crate::store::dictionary::{Dictionary, Named, kind_code, kind_of};
use crate::store::file::{self, Layout, PAGE, Trouble};
use crate::store::frame::{Frame, Step};
use rusqlite::{Connection, OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A series row is written again when the newest frame that holds it is this far ahead: once a day at a flush of a
/// minute. Only that far behind the oldest frame may a series be forgotten.
const SEEN_EVERY: i64 = 1440;
/// Frames that one pass of the retention removes at most.
const RETIRE: usize = 64;
/// Room above the retention for what is written before the oldest is removed, and for the share of it.
const SLACK: u64 = 4 << 20;

/// `frame` is small and is what searches walk; `blob` holds what [`Frame::encode`] made, under the same id.
/// `crc` of a series covers its other columns but `seen`, so that a salvage knows what it found.
pub const LAYOUT: Layout = Layout {
    id: 0x7665_646d, // "vedm"
    steps: &["
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE boot(id INTEGER PRIMARY KEY, boot_id TEXT NOT NULL UNIQUE, known_boot INTEGER, known_wall INTEGER);
CREATE TABLE series(id INTEGER PRIMARY KEY, name TEXT NOT NULL, labels TEXT NOT NULL, kind INTEGER NOT NULL,
 unit TEXT NOT NULL, help TEXT NOT NULL, crc INTEGER NOT NULL, seen INTEGER NOT NULL);
CREATE TABLE frame(id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, boot_from INTEGER NOT NULL, boot_to INTEGER NOT NULL,
 wall_from INTEGER NOT NULL, wall_to INTEGER NOT NULL, clock INTEGER NOT NULL, steps INTEGER NOT NULL,
 samples INTEGER NOT NULL, bytes INTEGER NOT NULL);
CREATE TABLE blob(id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE gap(id INTEGER PRIMARY KEY, scraper TEXT NOT NULL, boot INTEGER NOT NULL, boot_from INTEGER NOT NULL,
 boot_to INTEGER, state INTEGER NOT NULL);
"],
};

/// Whether the wall clock was trusted while a frame was taken.
pub const CLOCK_NEVER: u8 = 0;
pub const CLOCK_ALWAYS: u8 = 1;
pub const CLOCK_PARTLY: u8 = 2;

/// What a search needs to know of a frame. Times in ms.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    pub boot_id: Arc<str>,
    pub boot_from: u64,
    pub boot_to: u64,
    /// Least and greatest wall time, trusted or not.
    pub wall_from: i64,
    pub wall_to: i64,
    pub clock: u8,
    pub steps: usize,
    pub samples: u64,
    /// The first trusted step: what the wall said, and when.
    pub known: Option<(u64, i64)>,
}

impl Head {
    /// `None` for a frame without steps.
    pub fn of(frame: &Frame) -> Option<Head> {
        let boots = frame.steps.iter().map(|s| s.boot_ms);
        let walls = frame.steps.iter().map(|s| s.wall_ms);
        let trusted = frame.steps.iter().filter(|s| s.trusted).count();
        let first = |s: &Step| (s.boot_ms, s.wall_ms);
        Some(Head {
            boot_id: frame.boot_id.clone(),
            boot_from: boots.clone().min()?,
            boot_to: boots.max()?,
            wall_from: walls.clone().min()?,
            wall_to: walls.max()?,
            clock: match trusted {
                0 => CLOCK_NEVER,
                n if n == frame.steps.len() => CLOCK_ALWAYS,
                _ => CLOCK_PARTLY,
            },
            steps: frame.steps.len(),
            samples: frame.samples(),
            known: frame.steps.iter().find(|s| s.trusted).map(first),
        })
    }
}

/// A frame ready to be written.
#[derive(Debug, Clone)]
pub struct Sealed {
    pub head: Head,
    pub blob: Vec<u8>,
}

impl Sealed {
    pub fn new(frame: &Frame) -> Option<Sealed> {
        Some(Sealed { head: Head::of(frame)?, blob: frame.encode() })
    }
    /// # Errors
    /// It was not this program's memory that made the blob.
    pub fn open(&self) -> Result<Frame, Garbled> {
        Frame::decode(&self.blob)
    }
}

/// The open file. One thread has it.
pub struct Metrics {
    path: PathBuf,
    connection: Connection,
    newest: i64,
}

/// Labels as they are kept in a column.
pub fn labels_text(labels: &Labels) -> String {
    let map: serde_json::Map<_, _> = labels.iter().map(|(n, v)| (n.to_owned(), v.into())).collect();
    serde_json::Value::Object(map).to_string()
}

/// The inverse of how labels are kept in a column.
pub fn labels_of(text: &str) -> Option<Labels> {
    let map: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
    let pairs: Option<Vec<_>> = map.iter().map(|(n, v)| Some((n, v.as_str()?))).collect();
    Some(Labels::new(pairs?))
}

/// Checksum of a series row.
pub fn series_crc(id: u32, name: &str, labels: &str, kind: u8, unit: &str, help: &str) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&id.to_le_bytes());
    for text in [name, labels, unit, help] {
        hasher.update(text.as_bytes());
        hasher.update(&[0xff]);
    }
    hasher.update(&[kind]);
    hasher.finalize()
}

impl Metrics {
    /// `most`: bytes of retention; the hard cap lies a little above.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn open(path: &Path, most: u64) -> Result<Metrics, Trouble> {
        let connection = file::open(path, &LAYOUT, most + most / 16 + 2 * SLACK)?;
        let newest = connection.query_row("SELECT coalesce(max(id), 0) FROM frame", [], |row| row.get(0))?;
        Ok(Metrics { path: path.to_owned(), connection, newest })
    }

    /// # Errors
    /// See [`Trouble`].
    pub fn dictionary(&self) -> Result<Dictionary, Trouble> {
        Ok(Dictionary::of(series(&self.connection)?))
    }

    /// Boot time in ms of the last step on file of this boot.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn last_step(&self, boot_id: &str) -> Result<Option<u64>, Trouble> {
        let sql = "SELECT max(boot_to) FROM frame WHERE boot = (SELECT id FROM boot WHERE boot_id = ?)";
        Ok(self.connection.query_row(sql, [boot_id], |row| row.get(0))?)
    }

    /// Writes frames and the series that are new with them, in one transaction, durably.
    ///
    /// # Errors
    /// See [`Trouble`]; nothing was written then.
    pub fn commit<'a>(
        &mut self,
        frames: impl Iterator<Item = &'a Sealed>,
        dictionary: &mut Dictionary,
    ) -> Result<(), Trouble> {
        file::bound_log(&self.connection, &self.path)?;
        let transaction = self.connection.transaction()?;
        let mut newest = self.newest;
        for frame in frames {
            newest += 1;
            put_frame(&transaction, newest, frame)?;
        }
        let due: Vec<u32> = dictionary
            .rows()
            .filter(|(_, row)| row.touched && (row.seen == 0 || newest - row.seen >= SEEN_EVERY))
            .map(|(number, _)| number)
            .collect();
        {
            let mut put = transaction.prepare_cached("INSERT OR REPLACE INTO series VALUES (?,?,?,?,?,?,?,?)")?;
            for number in &due {
                let Some(named) = dictionary.get(*number) else { continue };
                let (labels, kind) = (labels_text(&named.labels), kind_code(named.kind));
                let crc = series_crc(*number, &named.name, &labels, kind, &named.unit, &named.help);
                put.execute(params![number, named.name, labels, kind, named.unit, named.help, crc, newest])?;
            }
        }
        transaction.commit()?;
        dictionary.saved(&due, newest);
        self.newest = newest;
        Ok(())
    }

    /// Removes the oldest frames while they take more than `most` bytes or are older than `age`, a bounded number of
    /// them, and then the series that only they had.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn retire(
        &mut self,
        most: u64,
        age: Duration,
        now: &Now,
        boot_id: &str,
        dictionary: &mut Dictionary,
    ) -> Result<usize, Trouble> {
        let mut excess = file::used(&self.connection)?.saturating_sub(most);
        // Once over, it removes a little more, so that it need not come back for every frame.
        excess += if excess > 0 { (most / 64).min(SLACK) } else { 0 };
        let mut gone = Vec::new();
        for (id, bytes, head) in heads(&self.connection, RETIRE)? {
            let old = age_of(&head, now, boot_id).is_some_and(|passed| passed > age);
            if excess == 0 && !old || id == self.newest {
                break;
            }
            // At least a page: what a small frame shares with others is free only when they are gone too.
            excess = excess.saturating_sub(bytes.max(PAGE / 4));
            gone.push(id);
        }
        let Some(last) = gone.last() else { return Ok(0) };
        let forgotten: Vec<u32> = dictionary
            .rows()
            .filter(|(_, row)| row.seen != 0 && row.seen + SEEN_EVERY < *last && !row.touched)
            .map(|(number, _)| number)
            .collect();
        let transaction = self.connection.transaction()?;
        transaction.execute("DELETE FROM blob WHERE id <= ?", [last])?;
        transaction.execute("DELETE FROM frame WHERE id <= ?", [last])?;
        transaction.execute("DELETE FROM boot WHERE id < (SELECT min(boot) FROM frame)", [])?;
        for number in &forgotten {
            transaction.execute("DELETE FROM series WHERE id = ?", [number])?;
        }
        transaction.commit()?;
        dictionary.forget(&forgotten);
        Ok(gone.len())
    }

    /// Bytes in use, frames, and wall time in ms of the oldest.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn figures(&self) -> Result<(u64, u64, Option<i64>), Trouble> {
        let bytes = file::used(&self.connection)?;
        // Ids have no holes: frames are only taken from the front.
        let sql = "SELECT id, wall_from FROM frame ORDER BY id LIMIT 1";
        let oldest: Option<(i64, i64)> =
            self.connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        Ok((bytes, oldest.map_or(0, |(id, _)| (self.newest - id + 1) as u64), oldest.map(|(_, wall)| wall)))
    }

    /// Empties the log and lets go of the file.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn close(self) -> Result<(), Trouble> {
        file::checkpoint(&self.connection)?;
        self.connection.close().map_err(|(_, error)| error.into())
    }
}

fn put_frame(connection: &Connection, id: i64, frame: &Sealed) -> Result<(), Trouble> {
    let head = &frame.head;
    connection
        .prepare_cached("INSERT INTO boot(boot_id) VALUES (?) ON CONFLICT DO NOTHING")?
        .execute([&*head.boot_id])?;
    if let Some((boot, wall)) = head.known {
        let sql = "UPDATE boot SET known_boot = ?, known_wall = ? WHERE boot_id = ? AND known_boot IS NULL";
        connection.prepare_cached(sql)?.execute(params![boot, wall, &*head.boot_id])?;
    }
    let sql =
        "INSERT INTO frame VALUES (?1, (SELECT id FROM boot WHERE boot_id = ?2), ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    connection.prepare_cached(sql)?.execute(params![
        id,
        &*head.boot_id,
        head.boot_from,
        head.boot_to,
        head.wall_from,
        head.wall_to,
        head.clock,
        head.steps,
        head.samples,
        frame.blob.len(),
    ])?;
    connection.prepare_cached("INSERT INTO blob VALUES (?, ?)")?.execute(params![id, frame.blob])?;
    Ok(())
}

/// How long ago the frame ended, where the clocks can tell.
fn age_of(head: &Head, now: &Now, boot_id: &str) -> Option<Duration> {
    if *head.boot_id == *boot_id {
        return Some(Duration::from_millis(now.boot.as_millis().saturating_sub(head.boot_to)));
    }
    let ended = match (head.clock, head.known) {
        (CLOCK_ALWAYS, _) => head.wall_to,
        (_, Some((boot, wall))) => wall + (head.boot_to as i64 - boot as i64),
        _ => return None,
    };
    now.trusted.then(|| Duration::from_millis(u64::try_from(now.wall.as_millis() - ended).unwrap_or(0)))
}

/// The oldest frames: id, bytes, head. `known` is that of the boot.
///
/// # Errors
/// See [`Trouble`].
pub fn heads(connection: &Connection, most: usize) -> Result<Vec<(i64, u64, Head)>, Trouble> {
    let sql =
        "SELECT frame.id, bytes, boot_id, boot_from, boot_to, wall_from, wall_to, clock, steps, samples, known_boot,
               known_wall FROM frame JOIN boot ON boot.id = frame.boot ORDER BY frame.id LIMIT ?";
    let mut ask = connection.prepare_cached(sql)?;
    let rows = ask.query_map([i64::try_from(most).unwrap_or(-1)], |row| {
        let known: (Option<u64>, Option<i64>) = (row.get(10)?, row.get(11)?);
        let head = Head {
            boot_id: row.get::<_, String>(2)?.into(),
            boot_from: row.get(3)?,
            boot_to: row.get(4)?,
            wall_from: row.get(5)?,
            wall_to: row.get(6)?,
            clock: row.get(7)?,
            steps: row.get(8)?,
            samples: row.get(9)?,
            known: known.0.zip(known.1),
        };
        Ok((row.get(0)?, row.get(1)?, head))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// All series on file: number, what it is, where it was seen.
///
/// # Errors
/// See [`Trouble`].
pub fn series(connection: &Connection) -> Result<Vec<(u32, Named, i64)>, Trouble> {
    let mut ask = connection.prepare("SELECT id, name, labels, kind, unit, help, seen FROM series")?;
    let rows = ask.query_map([], |row| {
        let labels: String = row.get(2)?;
        let labels = labels_of(&labels).unwrap_or_default();
        let kind = kind_of(row.get(3)?);
        let named = Named { name: row.get(1)?, labels, kind, unit: row.get(4)?, help: row.get(5)? };
        Ok((row.get(0)?, named, row.get(6)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The blob of a frame; `None` when the retention took it meanwhile.
///
/// # Errors
/// See [`Trouble`].
pub fn blob(connection: &Connection, id: i64) -> Result<Option<Vec<u8>>, Trouble> {
    let mut ask = connection.prepare_cached("SELECT data FROM blob WHERE id = ?")?;
    Ok(ask.query_row([id], |row| row.get(0)).optional()?)
}
