//! A database file: how it is opened, what is wrong with it, and how it is set aside.

use crate::base::clock::Wall;
use crate::base::fault::chain;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Before 3.51.3 a checkpoint that races a writer can corrupt the file (sqlite.org, "WAL-reset bug").
const SQLITE_LEAST: i32 = 3_051_003;
/// How long a lock of a reader is waited for; the threads must beat their pulse once a second.
const BUSY: Duration = Duration::from_millis(400);
/// SQLite's default; the salvage relies on it.
pub const PAGE: u64 = 4096;
/// Pages in the log before they are moved into the file, 4 MiB: rare, since a checkpoint writes every page again, and
/// since on a disk that lies about flushes it is the one moment that can do harm.
const CHECKPOINT: i64 = 1000;
const LOG_BYTES: i64 = CHECKPOINT * PAGE as i64;
/// The log of a file grows to this at most, 64 MiB, and one transaction: it cannot be emptied while somebody else reads
/// in a transaction that does not end. That is most of a day of samples.
const LOG_MOST: u64 = 64 << 20;
/// Page cache of a connection, in KiB.
const CACHE: i64 = 512;

/// What follows the name of a broken file.
const CORRUPT: &str = ".corrupt-";

/// What tells our files from others and from each other.
pub struct Layout {
    /// `application_id` of the file header.
    pub id: i32,
    /// What makes the tables. A change of the schema is one more step, never a change of an old one: a file that went
    /// through the first n of them has n as its `user_version`, and the others are made up for when it is opened.
    pub steps: &'static [&'static str],
}

impl Layout {
    fn version(&self) -> i32 {
        i32::try_from(self.steps.len()).expect("a schema changes a few times in its life")
    }
}

/// Why a file cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Its content is not what we wrote; it will not get better.
    #[error("the file is broken")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A newer Vedette wrote it.
    #[error("the file has schema version {0}, newer than this program knows")]
    Newer(i32),
    /// Disk full, read-only, input/output error, locked: it may pass.
    #[error("the file cannot be used")]
    Blocked(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Trouble::Broken(error.into()),
            _ => Trouble::Blocked(error.into()),
        }
    }
}

impl Trouble {
    fn broken(why: impl Into<String>) -> Trouble {
        Trouble::Broken(why.into().into())
    }
    /// No room: on the disk, or under our own cap.
    pub fn full(&self) -> bool {
        let Trouble::Blocked(error) = self else { return false };
        let code = error.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
        code == Some(ErrorCode::DiskFull)
    }
}

/// Opens or makes the file of this layout, for the one thread that writes and checkpoints it.
/// `most` bytes are its hard cap, beyond which SQLite says that the disk is full.
///
/// # Errors
/// See [`Trouble`]. Nothing is changed in a file that is broken or newer.
pub fn open(path: &Path, layout: &Layout, most: u64) -> Result<Connection, Trouble> {
    if rusqlite::version_number() < SQLITE_LEAST {
        return Err(Trouble::Blocked(format!("SQLite {} corrupts files; 3.51.3 does not", rusqlite::version()).into()));
    }
    let parent = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(|error| Trouble::Blocked(error.into()))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    if check(&connection, layout)? == 0 {
        connection.pragma_update(None, "page_size", PAGE as i64)?;
    }
    let mode: String = connection.query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(Trouble::Blocked("the file system cannot hold a write-ahead log".into()));
    }
    connection.execute_batch(&format!(
        "PRAGMA synchronous=FULL; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=ON;
         PRAGMA trusted_schema=OFF; PRAGMA cache_size=-{CACHE}; PRAGMA wal_autocheckpoint={CHECKPOINT};
         PRAGMA journal_size_limit={LOG_BYTES}; PRAGMA max_page_count={};",
        most / PAGE
    ))?;
    bound_log(&connection, path)?;
    fill(&connection, layout)?;
    Ok(connection)
}

/// A database of this layout that lives in memory.
///
/// # Errors
/// Only for lack of memory.
pub fn in_memory(layout: &Layout) -> Result<Connection, Trouble> {
    let connection = Connection::open_in_memory()?;
    fill(&connection, layout)?;
    Ok(connection)
}

/// Opens a file beside the process that writes it, for reading.
///
/// # Errors
/// See [`Trouble`].
pub fn look(path: &Path, layout: &Layout) -> Result<Connection, Trouble> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(BUSY)?;
    if check(&connection, layout)? > 0 { Ok(connection) } else { Err(Trouble::broken("it is empty")) }
}

/// Makes the tables that are not there yet.
fn fill(connection: &Connection, layout: &Layout) -> Result<(), Trouble> {
    let missing = layout.steps[check(connection, layout)?..].concat();
    if missing.is_empty() {
        return Ok(());
    }
    let (id, version) = (layout.id, layout.version());
    connection.execute_batch(&format!(
        "BEGIN; {missing} PRAGMA application_id={id}; PRAGMA user_version={version}; COMMIT;"
    ))?;
    Ok(())
}

/// How many steps of this layout a file has gone through; 0 for an empty one.
fn check(connection: &Connection, layout: &Layout) -> Result<usize, Trouble> {
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i32>(0));
    let (id, version) = (pragma("application_id")?, pragma("user_version")?);
    let found = tables(connection)?;
    if id == 0 && version == 0 && found.is_empty() {
        return Ok(0);
    }
    if id != layout.id {
        return Err(Trouble::broken("it belongs to another program"));
    }
    if version > layout.version() {
        return Err(Trouble::Newer(version));
    }
    let steps = usize::try_from(version).unwrap_or(0);
    let fresh = Connection::open_in_memory()?;
    fresh.execute_batch(&layout.steps[..steps].concat())?;
    if steps > 0 && found == tables(&fresh)? { Ok(steps) } else { Err(Trouble::broken("its tables are not ours")) }
}

fn tables(connection: &Connection) -> Result<Vec<(String, String)>, Trouble> {
    let mut ask = connection.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")?;
    let rows = ask.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Pages in use, in bytes; pages that wait to be used again do not count.
///
/// # Errors
/// See [`Trouble`].
pub fn used(connection: &Connection) -> Result<u64, Trouble> {
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, u64>(0));
    Ok(pragma("page_count")?.saturating_sub(pragma("freelist_count")?) * PAGE)
}

/// Moves the log into the file and empties it. A reader in the way only delays it.
///
/// # Errors
/// See [`Trouble`].
pub fn checkpoint(connection: &Connection) -> Result<(), Trouble> {
    Ok(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
}

/// Bytes of the log of a file; 0 where there is none.
///
/// # Errors
/// The directory cannot be read.
pub fn log_bytes(path: &Path) -> std::io::Result<u64> {
    match std::fs::metadata(beside(path, "-wal")) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(0),
        found => found.map(|found| found.len()),
    }
}

/// Sees to it that the log has room for one transaction; to be called before each.
///
/// # Errors
/// It has none, because of a reader that does not end its transaction. This passes when it does.
pub fn bound_log(connection: &Connection, path: &Path) -> Result<(), Trouble> {
    let bytes = || log_bytes(path).map_err(|error| Trouble::Blocked(error.into()));
    if bytes()? < LOG_MOST {
        return Ok(());
    }
    checkpoint(connection)?;
    match bytes()? {
        bytes if bytes < LOG_MOST => Ok(()),
        bytes => Err(Trouble::Blocked(format!("a reader that does not end keeps {bytes} bytes in its log").into())),
    }
}

/// `metrics.db` → `metrics.db-wal`.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Renames a file that cannot be worked with, and its log, so that a new one can be made in its place; returns its new
/// name. A newer version's keeps for ever, as `<path>.v<version>-<ms>`; of broken ones, `<path>.corrupt-<ms>`, the last.
///
/// # Errors
/// The directory cannot be written.
pub fn set_aside(path: &Path, why: &Trouble, at: Wall) -> Result<PathBuf, Trouble> {
    let rename = || {
        let mark = if let Trouble::Newer(version) = why {
            format!(".v{version}-")
        } else {
            clear_aside(path, CORRUPT)?;
            CORRUPT.to_owned()
        };
        let aside = beside(path, &format!("{mark}{}", at.as_millis()));
        for suffix in ["", "-wal"] {
            absent_is_fine(std::fs::rename(beside(path, suffix), beside(&aside, suffix)))?;
        }
        // An index over the log; a new file makes its own.
        absent_is_fine(std::fs::remove_file(beside(path, "-shm")))?;
        Ok(aside)
    };
    let aside = rename().map_err(|error: std::io::Error| Trouble::Blocked(error.into()))?;
    tracing::error!(file = %aside.display(), error = %chain(why), "a database was set aside, a new one is made");
    Ok(aside)
}

/// Removes what was set aside before under marks that begin so.
fn clear_aside(path: &Path, mark: &str) -> std::io::Result<()> {
    let prefix = path.file_name().map(|name| format!("{}{mark}", name.to_string_lossy())).unwrap_or_default();
    for entry in std::fs::read_dir(path.parent().unwrap_or(Path::new(".")))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn absent_is_fine(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}
