//! Happenings as named fields, for the event log and MQTT, and as a line of text.

use super::happening::{Cue, Happening, Point};
use super::labels::{Direction, Key, News, Source};
use crate::base::label::Label;
use crate::wire::ts::clock33::seconds;
use std::fmt;

/// A value of a field of a [`Happening`].
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Value<'a> {
    Text(&'a str),
    Number(f64),
    Whole(i64),
    Flag(bool),
}

type Each<'a> = &'a mut dyn FnMut(&'static str, Value<'_>);

fn ticks(name_ticks: &'static str, name_seconds: &'static str, value: Option<i64>, each: Each<'_>) {
    if let Some(value) = value {
        each(name_ticks, Value::Whole(value));
        each(name_seconds, Value::Number(seconds(value)));
    }
}

fn planned_of(planned: Option<u64>, each: Each<'_>) {
    ticks("planned_ticks", "planned_seconds", planned.map(|p| p as i64), each);
}

impl Key {
    fn fields(&self, each: Each<'_>) {
        each("event", Value::Text(self.of_name()));
        each("event_id", Value::Whole(i64::from(self.id)));
        each("source", Value::Text(self.source().label()));
    }
}

impl Cue {
    fn fields(&self, each: Each<'_>) {
        each("command", Value::Text(self.command.label()));
        if let Some(id) = self.event_id {
            each("event_id", Value::Whole(i64::from(id)));
            each("source", Value::Text(Source::of(id).label()));
        }
        if let Some(kind) = self.segmentation {
            each("segmentation", Value::Text(kind.label()));
            each("segmentation_type_id", Value::Whole(i64::from(kind.0)));
        }
        each("news", Value::Text(self.news.label()));
        ticks("pts_ticks", "pts_seconds", self.target.map(|t| t as i64), each);
        each("pts_adjustment_ticks", Value::Whole(self.pts_adjustment as i64));
        for (name, flag) in [("immediate", self.immediate), ("late", self.late), ("implausible", self.implausible)] {
            if flag {
                each(name, Value::Flag(true));
            }
        }
        if let Some(identifier) = self.identifier {
            each("identifier", Value::Whole(i64::from(identifier)));
        }
        if let Some(unix) = self.scheduled {
            each("scheduled_unix", Value::Whole(unix));
        }
        for (name, preroll) in [
            ("preroll_declared_seconds", self.preroll.declared),
            ("preroll_arrival_seconds", self.preroll.arrival),
            ("moved_seconds", self.moved),
        ] {
            if let Some(preroll) = preroll {
                each(name, Value::Number(seconds(preroll)));
            }
        }
        if let Some(duration) = self.duration {
            ticks("duration_ticks", "duration_seconds", Some(duration.ticks as i64), each);
            each("auto_return", Value::Flag(duration.auto_return));
        }
        if let Some((scheme, text)) = &self.upid {
            each("upid_type", Value::Text(scheme));
            each("upid", Value::Text(text));
        }
        if let Some(program) = self.unique_program_id {
            each("unique_program_id", Value::Whole(i64::from(program)));
        }
        for (number, expected, pair) in [
            ("segment_num", "segments_expected", self.segment),
            ("sub_segment_num", "sub_segments_expected", self.sub_segment),
            ("avail_num", "avails_expected", self.avail),
        ] {
            if let Some((n, of)) = pair {
                each(number, Value::Whole(i64::from(n)));
                each(expected, Value::Whole(i64::from(of)));
            }
        }
        if self.tier != 0xfff {
            each("tier", Value::Whole(i64::from(self.tier)));
        }
        if !self.defects.is_empty() {
            each("defects", Value::Text(&self.defects.to_string()));
        }
    }
}

impl Happening {
    /// A closed name for the event log: `scte35.` and what happened.
    pub fn kind(&self) -> &'static str {
        match self {
            Happening::Cue(cue) => match (cue.news, cue.direction) {
                (News::Cancel | News::CancelUnknown, _) => "scte35.cancel",
                (_, Some(Direction::Out)) => "scte35.out",
                (_, Some(Direction::In)) => "scte35.in",
                (_, None) => "scte35.cue",
            },
            Happening::Unusable { .. } => "scte35.unusable",
            Happening::Opened { .. } => "scte35.opened",
            Happening::Closed { .. } => "scte35.closed",
            Happening::Overdue { .. } => "scte35.overdue",
            Happening::Orphaned { .. } => "scte35.orphaned",
            Happening::Point(_) => "scte35.splice_point",
            Happening::HeartbeatLost { .. } => "scte35.heartbeat_lost",
            Happening::HeartbeatBack { .. } => "scte35.heartbeat_back",
            Happening::DtmfLate { .. } => "scte35.dtmf_late",
        }
    }

    /// Its fields by name, at most 32; ids, PTS and UPIDs among them, so never to be made labels.
    pub fn fields(&self, each: Each<'_>) {
        match self {
            Happening::Cue(cue) => cue.fields(each),
            Happening::Unusable { command, defects } => {
                each("command", Value::Text(command.label()));
                each("defects", Value::Text(&defects.to_string()));
            }
            Happening::Opened { key, pts, planned, auto_return, preroll, overlapping } => {
                key.fields(each);
                ticks("pts_ticks", "pts_seconds", pts.map(|p| p as i64), each);
                planned_of(*planned, each);
                each("auto_return", Value::Flag(*auto_return));
                if let Some(preroll) = preroll {
                    each("preroll_actual_seconds", Value::Number(preroll.as_secs_f64()));
                }
                each("overlapping", Value::Flag(*overlapping));
            }
            Happening::Closed { key, how, actual, planned, mismatch } => {
                key.fields(each);
                each("how", Value::Text(how.label()));
                ticks("actual_ticks", "actual_seconds", Some(*actual), each);
                planned_of(*planned, each);
                if let Some(planned) = planned {
                    each("error_seconds", Value::Number(seconds(actual - *planned as i64)));
                }
                each("mismatch", Value::Flag(*mismatch));
            }
            Happening::Overdue { key, elapsed, planned } => {
                key.fields(each);
                ticks("elapsed_ticks", "elapsed_seconds", Some(*elapsed), each);
                planned_of(Some(*planned), each);
            }
            Happening::Orphaned { key, direction, target, why } => {
                key.fields(each);
                each("direction", Value::Text(direction.label()));
                ticks("pts_ticks", "pts_seconds", Some(*target as i64), each);
                each("why", Value::Text(why.label()));
            }
            Happening::Point(point) => point.fields(each),
            Happening::HeartbeatLost { age, interval } => {
                each("age_seconds", Value::Number(age.as_secs_f64()));
                each("interval_seconds", Value::Number(interval.as_secs_f64()));
            }
            Happening::HeartbeatBack { age } => each("age_seconds", Value::Number(age.as_secs_f64())),
            Happening::DtmfLate { characters, preroll, left } => {
                each("dtmf", Value::Text(characters));
                each("dtmf_preroll_seconds", Value::Number(f64::from(*preroll) / 10.0));
                each("left_seconds", Value::Number(seconds(*left)));
            }
        }
    }
}

impl Point {
    fn fields(&self, each: Each<'_>) {
        self.key.fields(each);
        each("direction", Value::Text(self.direction.label()));
        ticks("pts_ticks", "pts_seconds", Some(self.target as i64), each);
        each("verdict", Value::Text(self.verdict.label()));
        for (name, offset) in
            [("first_seconds", Some(self.first)), ("offset_seconds", self.offset), ("before_seconds", self.before)]
        {
            if let Some(offset) = offset {
                each(name, Value::Number(seconds(offset)));
            }
        }
        if self.broken_promise {
            each("broken_promise", Value::Flag(true));
        }
    }
}

/// `scte35.opened event=splice_insert event_id=7 …`, as `vedette probe` prints it.
impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        let mut result = Ok(());
        self.fields(&mut |name, value| {
            if result.is_ok() {
                result = match value {
                    Value::Text(text) => write!(f, " {name}={text}"),
                    Value::Number(n) => write!(f, " {name}={n:.6}"),
                    Value::Whole(n) => write!(f, " {name}={n}"),
                    Value::Flag(flag) => write!(f, " {name}={flag}"),
                };
            }
        });
        result
    }
}
