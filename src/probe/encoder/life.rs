//! The life of an encoder as it is seen from outside: its process comes, goes and comes again as another; it advances or
//! stands still. Pure: times are arguments.

use super::fault::Fault;
use super::metrics::How;
use crate::base::clock::Boot;
use crate::metric::note::Note;
use crate::world::process::Identity;
use std::time::Duration;

/// How long after its end a process's last report may take to reach us: a progress file is looked at twice a second.
const LAST_WORD: Duration = Duration::from_millis(1500);

/// One process, and when it started.
#[derive(Copy, Clone, Debug, PartialEq)]
struct Run {
    who: Identity,
    started: Boot,
}

/// What became of one encoder so far.
#[derive(Debug, Default)]
pub(super) struct Life {
    now: Option<Run>,
    /// The run before, and when it was gone.
    before: Option<(Run, Boot)>,
    /// `before` ended, and how is not decided yet.
    undecided: bool,
    last_word: Option<Boot>,
    advancing: Option<bool>,
    last_end: Option<How>,
    pub(super) restarts: u64,
    /// By place in [`How::ALL`](crate::base::label::Label::ALL).
    pub(super) ends: [u64; 3],
    pub(super) stalls: u64,
}

impl Life {
    /// The encoder said that it ends: a last report, or FFmpeg's last words in the log.
    pub(super) fn last_word(&mut self, at: Boot) {
        self.last_word = Some(at);
    }

    /// When the process that is there started.
    pub(super) fn started(&self) -> Option<Boot> {
        self.now.map(|run| run.started)
    }

    /// Whether its process was ever seen: then not to see it means that it is gone.
    pub(super) fn known(&self) -> bool {
        self.now.is_some() || self.before.is_some()
    }

    /// Why no process is there; `None` while it is not decided yet how the last one ended.
    pub(super) fn absence(&self) -> Option<Fault> {
        (!self.undecided).then(|| Fault::of_none(self.last_end))
    }

    /// The process table was looked at. `reported`: when the last report came.
    pub(super) fn seen(
        &mut self,
        at: Boot,
        found: Option<(Identity, Boot)>,
        reported: Option<Boot>,
        notes: &mut Vec<Note>,
    ) {
        let found = found.map(|(who, started)| Run { who, started });
        if let Some(run) = self.now.filter(|run| found.is_none_or(|new| new.who != run.who)) {
            (self.before, self.undecided) = (Some((run, at)), true);
        }
        if let Some((run, gone)) = self.before.filter(|_| self.undecided)
            && (found.is_some() || at.since(gone) >= LAST_WORD)
        {
            self.undecided = false;
            self.end(run, gone, reported, notes);
        }
        if let (Some(new), Some((_, gone))) = (found, self.before)
            && self.now.is_none_or(|run| run.who != new.who)
        {
            self.restarts += 1;
            notes.push(Note::new("encoder.restarted", at).with("down_seconds", new.started.since(gone).as_secs_f64()));
        }
        self.now = found;
    }

    /// A run that nobody could see but in its reports said that it ends.
    pub(super) fn unseen_end(&mut self, notes: &mut Vec<Note>) {
        if !self.known()
            && let Some(at) = self.last_word.take()
        {
            self.ends[How::Clean as usize] += 1;
            notes.push(Note::new("encoder.exit", at).with("how", "clean"));
        }
    }

    fn end(&mut self, run: Run, gone: Boot, reported: Option<Boot>, notes: &mut Vec<Note>) {
        let of_this_run = |at: Option<Boot>| at.is_some_and(|at| at >= run.started);
        let how = if of_this_run(self.last_word.take()) {
            How::Clean
        } else if of_this_run(reported) {
            How::Abrupt
        } else {
            How::Unknown
        };
        self.ends[how as usize] += 1;
        self.last_end = Some(how);
        let note = Note::new("encoder.exit", gone).with("how", crate::base::label::Label::label(how));
        notes.push(note.with("uptime_seconds", gone.since(run.started).as_secs_f64()));
    }

    /// Whether it advances, `None` when nobody knows or nothing is there. `still`: since the last advance; `silent`:
    /// reports do not come.
    pub(super) fn advancing(
        &mut self,
        at: Boot,
        advancing: Option<bool>,
        still: Duration,
        silent: bool,
        notes: &mut Vec<Note>,
    ) {
        match (self.advancing, advancing) {
            (Some(true) | None, Some(false)) => {
                self.stalls += 1;
                let reports = if silent { "silent" } else { "repeating" };
                let note = Note::new("encoder.stalled", at).with("reports", reports);
                notes.push(note.with("still_seconds", still.as_secs_f64()));
            }
            (Some(false), Some(true)) => notes.push(Note::new("encoder.resumed", at)),
            _ => {}
        }
        self.advancing = advancing;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(pid: i32, started: u64) -> Option<(Identity, Boot)> {
        Some((Identity { pid, started }, Boot::from_secs(started)))
    }

    fn at(secs: u64) -> Boot {
        Boot::from_secs(secs)
    }

    /// Looks at these times; returns the kinds of notes and their `how`.
    fn lived(
        looks: &[(u64, Option<(Identity, Boot)>)],
        last_word: Option<u64>,
        reported: Option<u64>,
    ) -> (Life, Vec<String>) {
        let (mut life, mut notes) = (Life::default(), Vec::new());
        for (time, found) in looks {
            if let Some(word) = last_word.filter(|word| word <= time) {
                life.last_word.get_or_insert(at(word));
            }
            life.seen(at(*time), *found, reported.map(at), &mut notes);
        }
        let told = notes.iter().map(|n| format!("{} {:?}", n.kind, n.fields.first().map(|f| &f.1))).collect();
        (life, told)
    }

    #[test]
    fn an_end_is_clean_after_a_last_word_abrupt_after_mere_reports_and_unknown_without() {
        let looks = [(20, who(7, 10)), (21, who(7, 10)), (22, None), (23, None), (24, None), (60, None)];
        assert_eq!(Life::default().absence(), Some(Fault::Missing));
        for (word, reported, wanted, fault) in [
            (Some(22), Some(22), [1, 0, 0], Fault::Ended),
            (Some(23), Some(23), [1, 0, 0], Fault::Ended),
            (None, Some(21), [0, 1, 0], Fault::Died),
            (None, None, [0, 0, 1], Fault::Gone),
            (None, Some(5), [0, 0, 1], Fault::Gone),
        ] {
            let (life, told) = lived(&looks, word, reported);
            assert_eq!((life.ends, life.restarts), (wanted, 0), "{word:?} {reported:?} {told:?}");
            assert_eq!(told.len(), 1, "once");
            assert_eq!(life.absence(), Some(fault));
        }
        let (life, _) = lived(&[(20, who(7, 10)), (30, None), (32, None)], Some(4), Some(29));
        assert_eq!(life.ends, [0, 1, 0], "the last word of a run before is not this one's");
    }

    #[test]
    fn another_pid_or_start_time_is_a_restart_also_within_one_look() {
        let (life, told) = lived(&[(20, who(7, 10)), (21, who(7, 20)), (22, who(8, 21))], None, Some(21));
        assert_eq!((life.restarts, life.ends), (2, [0, 2, 0]), "{told:?}");
        let (life, told) = lived(&[(20, who(7, 10)), (21, None), (40, who(9, 39)), (41, who(9, 39))], None, None);
        assert_eq!((life.restarts, life.ends.iter().sum::<u64>()), (1, 1), "{told:?}");
        assert_eq!(told[1], "encoder.restarted Some(Number(18.0))", "{told:?}");
        let (life, _) = lived(&[(20, None), (21, who(7, 20))], None, None);
        assert_eq!(life.restarts, 0, "the first start is none");
    }

    #[test]
    fn a_stall_is_told_once_and_its_end_too() {
        let (mut life, mut notes) = (Life::default(), Vec::new());
        let mut on = |n: u64, advancing| life.advancing(at(n), advancing, Duration::from_secs(2), true, &mut notes);
        for (n, advancing) in
            [(1, Some(true)), (2, Some(false)), (3, Some(false)), (4, Some(true)), (5, None), (6, Some(true))]
        {
            on(n, advancing);
        }
        let kinds: Vec<_> = notes.iter().map(|n| n.kind).collect();
        assert_eq!((life.stalls, kinds), (1, vec!["encoder.stalled", "encoder.resumed"]));
    }
}
