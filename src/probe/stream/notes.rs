//! What happened to cues, as notes for the event log and the brokers.

use crate::base::clock::Boot;
use crate::metric::note::{Field, Note};
use crate::wire::scte35::{CommandKind, Happening, News, Value};

/// Whether it is told one by one. Heartbeats and repeats are counted only: they come by the second.
pub(super) fn telling(happening: &Happening) -> bool {
    match happening {
        Happening::Cue(cue) => {
            cue.news != News::Repeat && !matches!(cue.command, CommandKind::Null | CommandKind::BandwidthReservation)
        }
        _ => true,
    }
}

pub(super) fn note(at: Boot, program: u16, happening: &Happening) -> Note {
    let mut fields: Vec<(&'static str, Field)> = vec![("program", i64::from(program).into())];
    happening.fields(&mut |name, value| {
        let field = match value {
            Value::Text(text) => text.into(),
            Value::Number(number) => number.into(),
            Value::Whole(whole) => whole.into(),
            Value::Flag(flag) => flag.into(),
        };
        fields.push((name, field));
    });
    fields.into_iter().fold(Note::new(happening.kind(), at), |note, (name, field)| note.with(name, field))
}
