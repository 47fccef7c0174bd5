//! The markers of a section: what it says to the tracker, one by one.

use super::happening::{Cue, Preroll};
use super::labels::{Direction, Key, News, Of};
use crate::wire::scte35::command::{BreakDuration, Command, CommandKind, Insert, Scheduled, unix_of_gps};
use crate::wire::scte35::segmentation::{Segmentation, SegmentationType, Span};
use crate::wire::scte35::{Decoded, Descriptor};

/// What a marker asks of the tracker.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Out(Key),
    /// The key is that of the event it ends.
    In(Key),
    CancelInsert(u32),
    /// All segments of that id: the type is not told.
    CancelSegment(u32),
    /// To be told and counted only.
    Tell,
}

/// Every marker of the section, ends before starts, so that a break may begin where another ends.
pub(super) fn each(decoded: &Decoded<'_>, mut on: impl FnMut(Act, Cue)) {
    let Some(command) = &decoded.command else { return };
    match command {
        Command::Insert(insert) => {
            let (act, cue) = of_insert(decoded, insert);
            on(act, cue);
        }
        Command::Schedule(schedule) => schedule.for_each(|event| on(Act::Tell, of_scheduled(decoded, &event))),
        Command::Private { identifier, .. } => {
            on(Act::Tell, Cue { identifier: Some(*identifier), ..blank(decoded) });
        }
        Command::TimeSignal(time) if decoded.segmentations().next().is_none() && !only_time(decoded) => {
            on(Act::Tell, timed(decoded, Some(*time)));
        }
        _ => {}
    }
    // Only these two commands give a time to descriptors.
    let time = match command {
        Command::TimeSignal(time) => Some(*time),
        Command::Insert(insert) => insert.detail.map(|detail| detail.pts()),
        _ => None,
    };
    for ends in [true, false] {
        for segmentation in decoded.segmentations() {
            let (act, cue) = of_segmentation(decoded, &segmentation, time);
            if matches!(act, Act::In(_)) == ends {
                on(act, cue);
            }
        }
    }
}

/// A time_signal that carries nothing but the time of day (§10.3.4) is no marker.
fn only_time(decoded: &Decoded<'_>) -> bool {
    let mut descriptors = decoded.descriptors;
    let any = descriptors.next().is_some();
    let mut descriptors = decoded.descriptors;
    any && descriptors.all(|d| matches!(d, Descriptor::Time(_)))
}

fn blank(decoded: &Decoded<'_>) -> Cue {
    Cue {
        command: decoded.kind(),
        event_id: None,
        segmentation: None,
        direction: None,
        news: News::Untracked,
        target: None,
        immediate: false,
        identifier: None,
        scheduled: None,
        pts_adjustment: decoded.header.map_or(0, |h| h.pts_adjustment),
        preroll: Preroll::default(),
        late: false,
        implausible: false,
        moved: None,
        duration: None,
        upid: None,
        segment: None,
        sub_segment: None,
        unique_program_id: None,
        avail: None,
        tier: decoded.header.map_or(0xfff, |h| h.tier),
        defects: decoded.defects,
    }
}

/// Outer `None`: the command gives no time; inner: it says at once.
fn timed(decoded: &Decoded<'_>, time: Option<Option<u64>>) -> Cue {
    let target = time.flatten().map(|pts| decoded.adjusted(pts));
    Cue { target, immediate: time == Some(None), ..blank(decoded) }
}

fn of_insert(decoded: &Decoded<'_>, insert: &Insert<'_>) -> (Act, Cue) {
    let key = Key { of: Of::Insert, id: insert.event_id };
    let event_id = Some(insert.event_id);
    let Some(detail) = &insert.detail else {
        return (Act::CancelInsert(insert.event_id), Cue { event_id, ..blank(decoded) });
    };
    let (act, direction) =
        if detail.out_of_network { (Act::Out(key), Direction::Out) } else { (Act::In(key), Direction::In) };
    let cue = Cue {
        event_id,
        direction: Some(direction),
        duration: detail.duration,
        unique_program_id: Some(detail.unique_program_id),
        avail: Some((detail.avail_num, detail.avails_expected)),
        ..timed(decoded, Some(detail.pts()))
    };
    (act, cue)
}

fn of_scheduled(decoded: &Decoded<'_>, event: &Scheduled<'_>) -> Cue {
    let cue = Cue { command: CommandKind::Schedule, event_id: Some(event.event_id), ..blank(decoded) };
    let Some(detail) = &event.detail else { return cue };
    Cue {
        scheduled: detail.gps_seconds().map(unix_of_gps),
        duration: detail.duration,
        unique_program_id: Some(detail.unique_program_id),
        avail: Some((detail.avail_num, detail.avails_expected)),
        ..cue
    }
}

fn of_segmentation(decoded: &Decoded<'_>, segmentation: &Segmentation<'_>, time: Option<Option<u64>>) -> (Act, Cue) {
    let event_id = Some(segmentation.event_id);
    let Some(detail) = &segmentation.detail else {
        let act = if segmentation.cancelled { Act::CancelSegment(segmentation.event_id) } else { Act::Tell };
        return (act, Cue { event_id, ..blank(decoded) });
    };
    let key = |start| Key { of: Of::Segment(start), id: segmentation.event_id };
    let act = match detail.kind {
        kind if time.is_none() || kind.span() == Span::Content => Act::Tell,
        kind if kind.end().is_some() => Act::Out(key(kind)),
        SegmentationType(_) => detail.kind.start().map_or(Act::Tell, |start| Act::In(key(start))),
    };
    let direction = match act {
        Act::Out(_) => Some(Direction::Out),
        Act::In(_) => Some(Direction::In),
        _ => None,
    };
    let cue = Cue {
        event_id,
        segmentation: Some(detail.kind),
        direction,
        duration: detail.duration.map(|ticks| BreakDuration { auto_return: false, ticks }),
        upid: (!detail.upid.bytes.is_empty()).then(|| (detail.upid.name(), detail.upid.to_string())),
        segment: Some((detail.segment_num, detail.segments_expected)),
        sub_segment: detail.sub_segments,
        ..timed(decoded, time)
    };
    (act, cue)
}
