//! Splice commands (SCTE 35 2023r1 §9.7).

use super::cursor::Cursor;
use super::defect::{Defect, Defects};
use crate::base::label::Label;

/// The types of commands (§9.6.1 table 7).
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum CommandKind {
    Null,
    Schedule,
    Insert,
    TimeSignal,
    BandwidthReservation,
    Private,
    /// A type that the standard reserves, or one that cannot be seen since the packet is encrypted.
    Unknown,
}

impl Label for CommandKind {
    const ALL: &'static [Self] = &[
        CommandKind::Null,
        CommandKind::Schedule,
        CommandKind::Insert,
        CommandKind::TimeSignal,
        CommandKind::BandwidthReservation,
        CommandKind::Private,
        CommandKind::Unknown,
    ];
    fn label(self) -> &'static str {
        match self {
            CommandKind::Null => "splice_null",
            CommandKind::Schedule => "splice_schedule",
            CommandKind::Insert => "splice_insert",
            CommandKind::TimeSignal => "time_signal",
            CommandKind::BandwidthReservation => "bandwidth_reservation",
            CommandKind::Private => "private",
            CommandKind::Unknown => "unknown",
        }
    }
}

impl CommandKind {
    pub fn of(command_type: u8) -> Self {
        match command_type {
            0x00 => CommandKind::Null,
            0x04 => CommandKind::Schedule,
            0x05 => CommandKind::Insert,
            0x06 => CommandKind::TimeSignal,
            0x07 => CommandKind::BandwidthReservation,
            0xff => CommandKind::Private,
            _ => CommandKind::Unknown,
        }
    }
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    Null,
    Schedule(Schedule<'a>),
    Insert(Insert<'a>),
    /// The time of the descriptors that follow; `None`: at once (§9.7.4).
    TimeSignal(Option<u64>),
    BandwidthReservation,
    Private {
        identifier: u32,
        bytes: &'a [u8],
    },
    /// A reserved type, or a command that ends before its last field.
    Unreadable {
        command_type: u8,
        bytes: &'a [u8],
    },
}

impl Command<'_> {
    pub fn kind(&self) -> CommandKind {
        match self {
            Command::Null => CommandKind::Null,
            Command::Schedule(_) => CommandKind::Schedule,
            Command::Insert(_) => CommandKind::Insert,
            Command::TimeSignal(_) => CommandKind::TimeSignal,
            Command::BandwidthReservation => CommandKind::BandwidthReservation,
            Command::Private { .. } => CommandKind::Private,
            Command::Unreadable { command_type, .. } => CommandKind::of(*command_type),
        }
    }
}

/// break_duration() (§9.8.2).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct BreakDuration {
    /// The break ends by itself after `ticks`; no In message is needed.
    pub auto_return: bool,
    /// 90 kHz.
    pub ticks: u64,
}

/// splice_insert() (§9.7.3).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Insert<'a> {
    pub event_id: u32,
    /// `None`: splice_event_cancel_indicator, the event is called off.
    pub detail: Option<InsertDetail<'a>>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct InsertDetail<'a> {
    /// An opportunity to leave the network feed; else to return to it.
    pub out_of_network: bool,
    pub immediate: bool,
    pub event_id_compliant: bool,
    pub at: InsertAt<'a>,
    pub duration: Option<BreakDuration>,
    pub unique_program_id: u16,
    pub avail_num: u8,
    pub avails_expected: u8,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum InsertAt<'a> {
    /// The whole programme, at this pts_time (unadjusted, 90 kHz); `None`: at once or at a time not told.
    Program(Option<u64>),
    /// Each component by itself.
    Components(Components<'a>),
}

impl InsertDetail<'_> {
    /// pts_time of the programme or of the first component that has one; unadjusted, 90 kHz.
    pub fn pts(&self) -> Option<u64> {
        match self.at {
            InsertAt::Program(pts) => pts,
            InsertAt::Components(mut components) => components.find_map(|c| c.pts),
        }
    }
}

/// The components of a splice_insert, read as they are asked for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Components<'a> {
    bytes: &'a [u8],
    immediate: bool,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Component {
    pub tag: u8,
    /// Unadjusted, 90 kHz.
    pub pts: Option<u64>,
}

impl Iterator for Components<'_> {
    type Item = Component;
    fn next(&mut self) -> Option<Component> {
        let mut cursor = Cursor(self.bytes);
        let tag = cursor.u8()?;
        let pts = if self.immediate { None } else { splice_time(&mut cursor)? };
        self.bytes = cursor.0;
        Some(Component { tag, pts })
    }
}

/// The events of a splice_schedule() (§9.7.2), read as they are asked for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Schedule<'a>(&'a [u8]);

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Scheduled<'a> {
    pub event_id: u32,
    pub event_id_compliant: bool,
    /// `None`: the event is called off.
    pub detail: Option<ScheduledDetail<'a>>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct ScheduledDetail<'a> {
    pub out_of_network: bool,
    pub at: ScheduledAt<'a>,
    pub duration: Option<BreakDuration>,
    pub unique_program_id: u16,
    pub avail_num: u8,
    pub avails_expected: u8,
}

/// utc_splice_time: seconds since 1980-01-06, leap seconds counted.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ScheduledAt<'a> {
    Program(u32),
    Components(ScheduledComponents<'a>),
}

impl ScheduledDetail<'_> {
    /// utc_splice_time of the programme or of the first component.
    pub fn gps_seconds(&self) -> Option<u32> {
        match self.at {
            ScheduledAt::Program(time) => Some(time),
            ScheduledAt::Components(mut components) => components.next().map(|(_, time)| time),
        }
    }
}

/// Leap seconds between 1980-01-06 and now; the last one was at the end of 2016, and none is announced.
const LEAP_SECONDS: i64 = 18;
/// 1980-01-06 in Unix time.
const GPS_EPOCH: i64 = 315_964_800;

/// A utc_splice_time as Unix time, in seconds.
pub fn unix_of_gps(seconds: u32) -> i64 {
    GPS_EPOCH + i64::from(seconds) - LEAP_SECONDS
}

/// Component tags and their utc_splice_time.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct ScheduledComponents<'a>(&'a [u8]);

impl Iterator for ScheduledComponents<'_> {
    type Item = (u8, u32);
    fn next(&mut self) -> Option<(u8, u32)> {
        let mut cursor = Cursor(self.0);
        let component = (cursor.u8()?, cursor.u32()?);
        self.0 = cursor.0;
        Some(component)
    }
}

impl<'a> Iterator for Schedule<'a> {
    type Item = Scheduled<'a>;
    fn next(&mut self) -> Option<Scheduled<'a>> {
        let mut cursor = Cursor(self.0);
        let event = scheduled(&mut cursor)?;
        self.0 = cursor.0;
        Some(event)
    }
}

/// Reads a command of this type off the cursor; one that ends too soon comes out as [`Command::Unreadable`].
pub(super) fn read<'a>(command_type: u8, cursor: &mut Cursor<'a>, defects: &mut Defects) -> Command<'a> {
    let bytes = cursor.0;
    let command = match CommandKind::of(command_type) {
        CommandKind::Null => Some(Command::Null),
        CommandKind::Schedule => schedule(cursor).map(Command::Schedule),
        CommandKind::Insert => insert(cursor).map(Command::Insert),
        CommandKind::TimeSignal => splice_time(cursor).map(Command::TimeSignal),
        CommandKind::BandwidthReservation => Some(Command::BandwidthReservation),
        CommandKind::Private => cursor.u32().map(|identifier| {
            let bytes = std::mem::take(&mut cursor.0);
            Command::Private { identifier, bytes }
        }),
        CommandKind::Unknown => {
            defects.add(Defect::UnknownCommand);
            cursor.0 = &[];
            return Command::Unreadable { command_type, bytes };
        }
    };
    command.unwrap_or_else(|| {
        defects.add(Defect::ShortCommand);
        cursor.0 = &[];
        Command::Unreadable { command_type, bytes }
    })
}

/// splice_time() (§9.8.1): outer `None` when it ends too soon, inner when no time is told.
fn splice_time(cursor: &mut Cursor<'_>) -> Option<Option<u64>> {
    if cursor.0.first()? & 0x80 == 0 {
        cursor.u8()?;
        return Some(None);
    }
    cursor.low33().map(|(_, pts)| Some(pts))
}

fn break_duration(cursor: &mut Cursor<'_>) -> Option<BreakDuration> {
    let (flags, ticks) = cursor.low33()?;
    Some(BreakDuration { auto_return: flags & 0x80 != 0, ticks })
}

fn insert<'a>(cursor: &mut Cursor<'a>) -> Option<Insert<'a>> {
    let event_id = cursor.u32()?;
    if cursor.u8()? & 0x80 != 0 {
        return Some(Insert { event_id, detail: None });
    }
    let flags = cursor.u8()?;
    let immediate = flags & 0x10 != 0;
    let at = if flags & 0x40 == 0 {
        let count = cursor.u8()?;
        let mut rest = Components { bytes: cursor.0, immediate };
        for _ in 0..count {
            rest.next()?;
        }
        let bytes = cursor.take(cursor.0.len() - rest.bytes.len())?;
        InsertAt::Components(Components { bytes, immediate })
    } else if immediate {
        InsertAt::Program(None)
    } else {
        InsertAt::Program(splice_time(cursor)?)
    };
    let duration = if flags & 0x20 != 0 { Some(break_duration(cursor)?) } else { None };
    Some(Insert {
        event_id,
        detail: Some(InsertDetail {
            out_of_network: flags & 0x80 != 0,
            immediate,
            event_id_compliant: flags & 0x08 != 0,
            at,
            duration,
            unique_program_id: cursor.u16()?,
            avail_num: cursor.u8()?,
            avails_expected: cursor.u8()?,
        }),
    })
}

fn schedule<'a>(cursor: &mut Cursor<'a>) -> Option<Schedule<'a>> {
    let count = cursor.u8()?;
    let mut rest = Cursor(cursor.0);
    for _ in 0..count {
        scheduled(&mut rest)?;
    }
    cursor.take(cursor.0.len() - rest.0.len()).map(Schedule)
}

fn scheduled<'a>(cursor: &mut Cursor<'a>) -> Option<Scheduled<'a>> {
    let event_id = cursor.u32()?;
    let flags = cursor.u8()?;
    let event_id_compliant = flags & 0x40 != 0;
    if flags & 0x80 != 0 {
        return Some(Scheduled { event_id, event_id_compliant, detail: None });
    }
    let flags = cursor.u8()?;
    let at = if flags & 0x40 != 0 {
        ScheduledAt::Program(cursor.u32()?)
    } else {
        let count = usize::from(cursor.u8()?);
        ScheduledAt::Components(ScheduledComponents(cursor.take(5 * count)?))
    };
    let duration = if flags & 0x20 != 0 { Some(break_duration(cursor)?) } else { None };
    Some(Scheduled {
        event_id,
        event_id_compliant,
        detail: Some(ScheduledDetail {
            out_of_network: flags & 0x80 != 0,
            at,
            duration,
            unique_program_id: cursor.u16()?,
            avail_num: cursor.u8()?,
            avails_expected: cursor.u8()?,
        }),
    })
}
