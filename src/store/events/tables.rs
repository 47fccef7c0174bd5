//! The tables of `events.db` and what is done with them.

use crate::base::clock::{Boot, Now, Wall};
use crate::base::label::Label;
use crate::metric::alarm::{Alarm, Fate, Message, Phase, Stamp, Transition};
use crate::metric::labels::Labels;
use crate::store::events::{Commit, Entry, Left, Logged, Waiting};
use crate::store::file::{Layout, Trouble};
use crate::store::meters::Dropped;
use crate::store::metrics::{labels_of, labels_text};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value as Json, json};
use std::time::Duration;

/// Entries of the event log at most, whatever their age.
const LOG_ROWS: u64 = 20_000;
/// Numbers of the sequence that are marked as given ahead of time, so that most commits need not mark any.
const AHEAD: u64 = 1024;

/// `due` has a row for every message that a sink still has to deliver; `state` the last state message of every topic.
pub const LAYOUT: Layout = Layout {
    id: 0x7665_6465, // "vede"
    steps: &["
CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE alarm(rule TEXT NOT NULL, labels TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY(rule, labels)) WITHOUT ROWID;
CREATE TABLE log(id INTEGER PRIMARY KEY, wall INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE outbox(id INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL, retain INTEGER NOT NULL,
 state INTEGER NOT NULL, wall INTEGER NOT NULL, boot INTEGER NOT NULL, boot_id TEXT NOT NULL, trusted INTEGER NOT NULL);
CREATE TABLE due(sink INTEGER NOT NULL, id INTEGER NOT NULL, bytes INTEGER NOT NULL,
 PRIMARY KEY(sink, id)) WITHOUT ROWID;
CREATE TABLE sink(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE state(topic TEXT PRIMARY KEY, payload BLOB NOT NULL, retain INTEGER NOT NULL);
CREATE INDEX outbox_topic ON outbox(topic) WHERE state = 1;
CREATE INDEX due_id ON due(id);
", "
CREATE TABLE memory(target TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
"],
};

pub type Done<T> = Result<T, Trouble>;

/// The number up to which the sequence may have been given.
pub fn marked(c: &Connection) -> Done<u64> {
    let marked: Option<u64> =
        c.query_row("SELECT value FROM meta WHERE key = 'given'", [], |row| row.get(0)).optional()?;
    let newest: u64 = c.query_row("SELECT coalesce(max(id), 0) FROM outbox", [], |row| row.get(0))?;
    Ok(marked.unwrap_or(0).max(newest))
}

/// Marks numbers as given up to a little beyond `last`; returns up to which.
pub fn mark(c: &Connection, last: u64) -> Done<u64> {
    let ahead = last + AHEAD;
    c.prepare_cached("INSERT OR REPLACE INTO meta VALUES ('given', ?)")?.execute([ahead])?;
    Ok(ahead)
}

fn stamp_json(stamp: &Stamp) -> Json {
    json!([stamp.wall.as_millis(), stamp.boot.as_nanos(), &*stamp.boot_id, stamp.trusted])
}

fn stamp_of(json: &Json) -> Option<Stamp> {
    Some(Stamp {
        wall: Wall::from_millis(json[0].as_i64()?),
        boot: Boot::from_nanos(json[1].as_u64()?),
        boot_id: json[2].as_str()?.into(),
        trusted: json[3].as_bool()?,
    })
}

fn alarm_text(alarm: &Alarm, at: Option<&Stamp>) -> String {
    json!({
        "rule": &*alarm.rule,
        "labels": labels_text(&alarm.labels),
        "annotations": labels_text(&alarm.annotations),
        // As bits: JSON has no infinities.
        "value": alarm.value.to_bits(),
        "phase": alarm.phase.label(),
        "active": stamp_json(&alarm.active),
        "fired": alarm.fired.as_ref().map(stamp_json),
        "missing": alarm.missing.as_ref().map(stamp_json),
        "resolved": alarm.resolved.as_ref().map(stamp_json),
        "at": at.map(stamp_json),
    })
    .to_string()
}

fn alarm_of(text: &str) -> Option<(Alarm, Option<Stamp>)> {
    let json: Json = serde_json::from_str(text).ok()?;
    let labels = |key: &str| -> Option<Labels> { labels_of(json[key].as_str()?) };
    let alarm = Alarm {
        rule: json["rule"].as_str()?.into(),
        labels: labels("labels")?,
        annotations: labels("annotations")?,
        value: f64::from_bits(json["value"].as_u64()?),
        phase: Phase::ALL.iter().copied().find(|p| Some(p.label()) == json["phase"].as_str())?,
        active: stamp_of(&json["active"])?,
        fired: stamp_of(&json["fired"]),
        missing: stamp_of(&json["missing"]),
        resolved: stamp_of(&json["resolved"]),
    };
    Some((alarm, stamp_of(&json["at"])))
}

pub fn put_alarm(c: &Connection, alarm: &Alarm) -> Done<()> {
    let labels = labels_text(&alarm.labels);
    if alarm.phase == Phase::Resolved {
        c.prepare_cached("DELETE FROM alarm WHERE rule = ? AND labels = ?")?.execute(params![&*alarm.rule, labels])?;
    } else {
        let body = alarm_text(alarm, None);
        c.prepare_cached("INSERT OR REPLACE INTO alarm VALUES (?,?,?)")?.execute(params![
            &*alarm.rule,
            labels,
            body
        ])?;
    }
    Ok(())
}

pub fn put_memory(c: &Connection, target: &str, body: Option<&str>) -> Done<()> {
    match body {
        Some(body) => {
            c.prepare_cached("INSERT OR REPLACE INTO memory VALUES (?,?)")?.execute([target, body])?;
        }
        None => {
            c.prepare_cached("DELETE FROM memory WHERE target = ?")?.execute([target])?;
        }
    }
    Ok(())
}

pub fn put_log(c: &Connection, wall: i64, body: &str) -> Done<()> {
    c.prepare_cached("INSERT INTO log(wall, body) VALUES (?,?)")?.execute(params![wall, body])?;
    Ok(())
}

pub fn put_state(c: &Connection, message: &Message) -> Done<()> {
    let Message { topic, payload, retain, .. } = message;
    if payload.is_empty() {
        c.prepare_cached("DELETE FROM state WHERE topic = ?")?.execute([topic])?;
    } else {
        c.prepare_cached("INSERT OR REPLACE INTO state VALUES (?,?,?)")?.execute(params![topic, payload, retain])?;
    }
    Ok(())
}

pub fn put_message(c: &Connection, id: u64, message: &Message, at: &Stamp) -> Done<()> {
    let Message { topic, payload, retain, fate } = message;
    if *fate == Fate::State {
        let older = "SELECT id FROM outbox WHERE topic = ?1 AND state = 1";
        c.prepare_cached(&format!("DELETE FROM due WHERE id IN ({older})"))?.execute([topic])?;
        c.prepare_cached("DELETE FROM outbox WHERE topic = ?1 AND state = 1")?.execute([topic])?;
        put_state(c, message)?;
    }
    let bytes = topic.len() + payload.len();
    let due = c.prepare_cached("INSERT INTO due SELECT id, ?, ? FROM sink")?.execute(params![id, bytes])?;
    if due > 0 {
        c.prepare_cached("INSERT INTO outbox VALUES (?,?,?,?,?,?,?,?,?)")?.execute(params![
            id,
            topic,
            payload,
            retain,
            *fate == Fate::State,
            at.wall.as_millis(),
            at.boot.as_nanos(),
            &*at.boot_id,
            at.trusted
        ])?;
    }
    Ok(())
}

/// Writes one commit; its messages have `ids`, as many.
pub fn commit(c: &Connection, commit: &Commit, ids: &[u64], at: &Stamp) -> Done<()> {
    for alarm in &commit.alarms {
        put_alarm(c, alarm)?;
    }
    for Transition { alarm, at } in &commit.transitions {
        put_log(c, at.wall.as_millis(), &alarm_text(alarm, Some(at)))?;
    }
    for Entry { at, text } in &commit.notes {
        put_log(c, at.as_millis(), text)?;
    }
    for (target, body) in &commit.memory {
        put_memory(c, target, body.as_deref())?;
    }
    if !commit.transitions.is_empty() || !commit.notes.is_empty() {
        c.prepare_cached("DELETE FROM log WHERE id <= (SELECT max(id) FROM log) - ?")?.execute([LOG_ROWS])?;
    }
    for (message, id) in commit.messages.iter().zip(ids) {
        put_message(c, *id, message, at)?;
    }
    Ok(())
}

/// Forgets entries of the event log before this wall time.
pub fn trim_log(c: &Connection, before: Wall) -> Done<()> {
    c.prepare_cached("DELETE FROM log WHERE wall < ?")?.execute([before.as_millis()])?;
    Ok(())
}

pub fn done(c: &Connection, sink: &str, ids: &[u64]) -> Done<()> {
    let sql = "DELETE FROM due WHERE sink = (SELECT id FROM sink WHERE name = ?) AND id = ?";
    for id in ids {
        c.prepare_cached(sql)?.execute(params![sink, id])?;
        c.prepare_cached("DELETE FROM outbox WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM due WHERE id = ?1)")?
            .execute([id])?;
    }
    Ok(())
}

pub fn sinks(c: &Connection, names: &[String]) -> Done<()> {
    let known = sink_names(c)?;
    for gone in known.iter().filter(|name| !names.contains(name)) {
        c.execute("DELETE FROM due WHERE sink = (SELECT id FROM sink WHERE name = ?)", [gone])?;
        c.execute("DELETE FROM sink WHERE name = ?", [gone])?;
    }
    c.execute("DELETE FROM outbox WHERE id NOT IN (SELECT id FROM due)", [])?;
    for new in names.iter().filter(|name| !known.contains(name)) {
        c.execute("INSERT INTO sink(name) VALUES (?)", [new])?;
        c.execute(
            "INSERT INTO due SELECT ?, id, length(CAST(topic AS BLOB)) + length(payload) FROM outbox",
            [c.last_insert_rowid()],
        )?;
    }
    Ok(())
}

pub fn sink_names(c: &Connection) -> Done<Vec<String>> {
    let mut ask = c.prepare_cached("SELECT name FROM sink ORDER BY name")?;
    Ok(ask.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Alarms that are not resolved. One whose row cannot be understood is left out; its rule will find it again.
pub fn alarms(c: &Connection) -> Done<Vec<Alarm>> {
    let mut ask = c.prepare_cached("SELECT body FROM alarm ORDER BY rule, labels")?;
    let texts: Vec<String> = ask.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(texts.iter().filter_map(|text| alarm_of(text)).map(|(alarm, _)| alarm).collect())
}

/// All that an earlier process left.
pub fn left(c: &Connection) -> Done<Left> {
    Ok(Left { alarms: alarms(c)?, states: states(c)?, memories: memories(c)? })
}

/// What every target remembers, by target.
pub fn memories(c: &Connection) -> Done<Vec<(String, String)>> {
    let mut ask = c.prepare_cached("SELECT target, body FROM memory ORDER BY target")?;
    Ok(ask.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}

/// Entries of the log above this id, newest first, at most so many: wall time in ms, body.
pub fn log_rows(c: &Connection, above: u64, most: usize) -> Done<Vec<(i64, String)>> {
    let mut ask = c.prepare_cached("SELECT wall, body FROM log WHERE id > ? ORDER BY id DESC LIMIT ?")?;
    let rows =
        ask.query_map(params![above, i64::try_from(most).unwrap_or(-1)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub fn log(c: &Connection, most: usize) -> Done<Vec<Logged>> {
    let logged = |(wall, text): (i64, String)| match alarm_of(&text) {
        Some((alarm, at)) => Some(Logged::Alarm(Box::new(Transition { alarm, at: at? }))),
        None => Some(Logged::Note(Entry { at: Wall::from_millis(wall), text })),
    };
    Ok(log_rows(c, 0, most)?.into_iter().filter_map(logged).collect())
}

pub fn waiting(c: &Connection, sink: &str, after: u64, most: usize) -> Done<Vec<Waiting>> {
    let sql = "SELECT outbox.id, topic, payload, retain, state, wall, boot, boot_id, trusted
               FROM due JOIN outbox USING (id) WHERE due.sink = (SELECT id FROM sink WHERE name = ?) AND due.id > ?
               ORDER BY due.id LIMIT ?";
    let mut ask = c.prepare_cached(sql)?;
    let rows = ask.query_map(params![sink, after, i64::try_from(most).unwrap_or(-1)], |row| {
        let fate = if row.get(4)? { Fate::State } else { Fate::Event };
        Ok(Waiting {
            id: row.get(0)?,
            message: Message { topic: row.get(1)?, payload: row.get(2)?, retain: row.get(3)?, fate },
            created: Stamp {
                wall: Wall::from_millis(row.get(5)?),
                boot: Boot::from_nanos(row.get(6)?),
                boot_id: row.get::<_, String>(7)?.into(),
                trusted: row.get(8)?,
            },
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub fn states(c: &Connection) -> Done<Vec<Message>> {
    let mut ask = c.prepare_cached("SELECT topic, payload, retain FROM state ORDER BY topic")?;
    let rows = ask.query_map([], |row| {
        Ok(Message { topic: row.get(0)?, payload: row.get(1)?, retain: row.get(2)?, fate: Fate::State })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Rows and bytes (topic and payload) that wait for a sink.
pub fn load(c: &Connection, sink: &str) -> Done<(u64, u64)> {
    let sql = "SELECT count(*), coalesce(sum(bytes), 0) FROM due WHERE sink = (SELECT id FROM sink WHERE name = ?)";
    Ok(c.prepare_cached(sql)?.query_row([sink], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

/// Gives up the oldest events that wait for a sink beyond `bytes` or `age`. Returns how many, by reason.
pub fn bound(
    c: &Connection,
    sink: &str,
    bytes: u64,
    age: Duration,
    now: &Now,
    boot_id: &str,
) -> Done<Vec<(Dropped, u64)>> {
    let (_, mut load) = load(c, sink)?;
    let sql = "SELECT due.id, bytes, wall, boot, boot_id, trusted FROM due JOIN outbox USING (id)
               WHERE due.sink = (SELECT id FROM sink WHERE name = ?) AND state = 0 ORDER BY due.id";
    let mut ask = c.prepare_cached(sql)?;
    let mut rows = ask.query([sink])?;
    let (mut gone, mut full, mut old) = (Vec::new(), 0, 0);
    while let Some(row) = rows.next()? {
        let size: u64 = row.get(1)?;
        let created_on: String = row.get(4)?;
        let passed = if *created_on == *boot_id {
            Some(now.boot.since(Boot::from_nanos(row.get(3)?)))
        } else if now.trusted && row.get(5)? {
            Some(Duration::from_millis(u64::try_from(now.wall.as_millis() - row.get::<_, i64>(2)?).unwrap_or(0)))
        } else {
            None
        };
        if load > bytes {
            full += 1;
        } else if passed.is_some_and(|passed| passed > age) {
            old += 1;
        } else {
            break;
        }
        load -= size.min(load);
        gone.push(row.get(0)?);
    }
    drop(rows);
    done(c, sink, &gone)?;
    Ok(vec![(Dropped::Bytes, full), (Dropped::Age, old)])
}
