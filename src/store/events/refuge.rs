//! Memory that stands in for a file that fails: what it takes over, and how it comes back.
//!
//! Of a disk that fails half-way only a part can be taken over. The rest is on file still, so that memory notes what it
//! took, and later brings back the difference alone: what it does not know of it leaves as it is.

use crate::store::events::Waiting;
use crate::store::events::tables::{self, Done};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use std::collections::BTreeMap;

const TABLES: [&str; 8] = ["meta", "alarm", "log", "outbox", "due", "sink", "state", "memory"];

/// What of each kind memory took over from the file. Empty when it could not be asked at all.
const TAKEN: &str = "
CREATE TEMP TABLE IF NOT EXISTS took_due(sink TEXT, id INTEGER);
CREATE TEMP TABLE IF NOT EXISTS took_alarm(rule TEXT, labels TEXT);
CREATE TEMP TABLE IF NOT EXISTS took_state(topic TEXT);
CREATE TEMP TABLE IF NOT EXISTS took_memory(target TEXT);
CREATE TEMP TABLE IF NOT EXISTS took_log(id INTEGER);
";

/// Puts all tables of `from` into those of `to`, which lose what they had; in this order, and backwards from the end
/// where it fails half-way. Returns whether that was all.
///
/// # Errors
/// `to` cannot be written. What cannot be read of `from` is left out.
pub fn copy(from: &Connection, to: &mut Connection) -> Done<bool> {
    let transaction = to.transaction()?;
    let mut whole = true;
    for table in TABLES {
        transaction.execute(&format!("DELETE FROM {table}"), [])?;
        if !copy_table(from, &transaction, table, "")? {
            whole = false;
            // The first columns of every table are its key.
            copy_table(from, &transaction, table, "ORDER BY 1 DESC, 2 DESC")?;
        }
    }
    transaction.commit()?;
    Ok(whole)
}

fn copy_table(from: &Connection, to: &Connection, table: &str, order: &str) -> Done<bool> {
    let Ok(mut ask) = from.prepare(&format!("SELECT * FROM {table} {order}")) else { return Ok(false) };
    let columns = ask.column_count();
    let places = vec!["?"; columns].join(",");
    let mut put = to.prepare(&format!("INSERT OR IGNORE INTO {table} VALUES ({places})"))?;
    let read = |row: &Row<'_>| (0..columns).map(|n| row.get::<_, Value>(n)).collect::<Result<Vec<_>, _>>();
    let Ok(rows) = ask.query_map([], read) else { return Ok(false) };
    for row in rows {
        let Ok(row) = row else { return Ok(false) };
        put.execute(params_from_iter(row))?;
    }
    Ok(true)
}

/// Takes over what can be read of the file, and notes what that is. `sinks` are those that were named, in
/// their order, where somebody remembers. Returns whether it is all that is on file.
///
/// # Errors
/// Memory cannot be written; then [`merge`] takes it for a memory that never saw the file.
pub fn take(file: &Connection, memory: &mut Connection, sinks: Option<&[String]>) -> Done<bool> {
    if copy(file, memory)? {
        return Ok(true);
    }
    let transaction = memory.transaction()?;
    if let Some(sinks) = sinks
        && tables::sink_names(&transaction)? != sinks
    {
        // Nobody knows any more who delivered what: what is there is delivered to all, again perhaps.
        transaction.execute_batch("DELETE FROM due; DELETE FROM sink;")?;
        for (id, name) in sinks.iter().enumerate() {
            transaction.execute("INSERT INTO sink VALUES (?, ?)", (id + 1, name))?;
        }
        let bytes = "length(CAST(topic AS BLOB)) + length(payload)";
        transaction.execute(&format!("INSERT INTO due SELECT sink.id, outbox.id, {bytes} FROM outbox, sink"), [])?;
    }
    transaction.execute_batch(TAKEN)?;
    transaction.execute_batch(
        "INSERT INTO took_due SELECT name, due.id FROM due JOIN sink ON sink.id = due.sink;
         INSERT INTO took_alarm SELECT rule, labels FROM alarm;
         INSERT INTO took_state SELECT topic FROM state;
         INSERT INTO took_memory SELECT target FROM memory;
         INSERT INTO took_log SELECT max(id) FROM log;",
    )?;
    transaction.commit()?;
    Ok(false)
}

/// Brings what happened in memory to a file of which it took over a part, or nothing. `named`: whether the sinks were
/// named since; else those of the file stand.
///
/// # Errors
/// One of them cannot be read or written; nothing was changed then.
pub fn merge(memory: &Connection, file: &mut Connection, named: bool) -> Done<()> {
    memory.execute_batch(TAKEN)?;
    let transaction = file.transaction()?;
    let names = tables::sink_names(memory)?;
    if named {
        tables::sinks(&transaction, &names)?;
    }
    let delivered = "SELECT sink, id FROM took_due EXCEPT SELECT name, due.id FROM due JOIN sink ON sink.id = due.sink";
    for (sink, id) in rows(memory, delivered, |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))? {
        tables::done(&transaction, &sink, &[id])?;
    }
    let ended = "SELECT rule, labels FROM took_alarm EXCEPT SELECT rule, labels FROM alarm";
    for (rule, labels) in rows(memory, ended, |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))? {
        transaction.execute("DELETE FROM alarm WHERE rule = ? AND labels = ?", (rule, labels))?;
    }
    for topic in
        rows(memory, "SELECT topic FROM took_state EXCEPT SELECT topic FROM state", |row| row.get::<_, String>(0))?
    {
        transaction.execute("DELETE FROM state WHERE topic = ?", [topic])?;
    }
    for alarm in tables::alarms(memory)? {
        tables::put_alarm(&transaction, &alarm)?;
    }
    let logged = memory.query_row("SELECT coalesce(max(id), 0) FROM took_log", [], |row| row.get(0))?;
    for (wall, body) in tables::log_rows(memory, logged, usize::MAX)?.iter().rev() {
        tables::put_log(&transaction, *wall, body)?;
    }
    let forgotten = "SELECT target FROM took_memory EXCEPT SELECT target FROM memory";
    for target in rows(memory, forgotten, |row| row.get::<_, String>(0))? {
        tables::put_memory(&transaction, &target, None)?;
    }
    for (target, body) in tables::memories(memory)? {
        tables::put_memory(&transaction, &target, Some(&body))?;
    }
    put_messages(memory, &transaction, &names)?;
    for state in tables::states(memory)? {
        tables::put_state(&transaction, &state)?;
    }
    Ok(transaction.commit()?)
}

/// Puts the messages that are not on file yet, for those that still have to deliver them.
fn put_messages(memory: &Connection, file: &Connection, names: &[String]) -> Done<()> {
    let mut messages: BTreeMap<u64, (Waiting, Vec<&String>)> = BTreeMap::new();
    for name in names {
        for waiting in tables::waiting(memory, name, 0, usize::MAX)? {
            messages.entry(waiting.id).or_insert((waiting, Vec::new())).1.push(name);
        }
    }
    let mut known = file.prepare("SELECT 1 FROM outbox WHERE id = ?")?;
    for (id, (Waiting { message, created, .. }, due)) in messages {
        if known.exists([id])? {
            continue;
        }
        tables::put_message(file, id, &message, &created)?;
        for name in names.iter().filter(|name| !due.contains(name)) {
            tables::done(file, name, &[id])?;
        }
    }
    Ok(())
}

fn rows<T>(c: &Connection, sql: &str, row: impl Fn(&Row<'_>) -> rusqlite::Result<T>) -> Done<Vec<T>> {
    let mut ask = c.prepare(sql)?;
    Ok(ask.query_map([], row)?.collect::<Result<_, _>>()?)
}
