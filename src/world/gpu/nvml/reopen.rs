//! When the library is closed because of a failure, so that the next look opens it anew.

use crate::base::clock::Boot;
use crate::world::gpu::{Reason, Which};
use std::collections::HashSet;
use std::time::Duration;

/// The library finds cards when it is opened, so a card that fell off the bus is looked for anew this often: opening takes
/// seconds where nobody keeps the driver awake (nvidia-persistenced).
const ALONE: Duration = Duration::from_secs(60);
/// The same while another card answers, which is deaf to XIDs from then until it is looked at again.
const SHARED: Duration = Duration::from_secs(60 * 60);

/// What is known since the library was opened.
pub(super) struct Reopen {
    opened: Boot,
    /// Cards whose last look got an answer.
    answering: HashSet<Which>,
}

impl Reopen {
    pub(super) fn new(opened: Boot) -> Reopen {
        Reopen { opened, answering: HashSet::new() }
    }

    pub(super) fn answered(&mut self, which: &Which) {
        if !self.answering.contains(which) {
            self.answering.insert(which.clone());
        }
    }

    /// Whether to let go of the library, now that a look at this card failed.
    pub(super) fn failed(&mut self, which: &Which, reason: Reason, now: Boot) -> bool {
        self.answering.remove(which);
        let patience = match reason {
            // It is of no use any more, to any card.
            Reason::NoDriver | Reason::VersionMismatch | Reason::NoLibrary => Duration::ZERO,
            Reason::Ambiguous | Reason::Denied => return false,
            Reason::NoGpu | Reason::Lost | Reason::ResetRequired | Reason::Other => {
                if self.answering.is_empty() {
                    ALONE
                } else {
                    SHARED
                }
            }
        };
        now.since(self.opened) >= patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_that_is_missing_costs_those_that_answer_their_events_once_an_hour_only() {
        let [front, rear] = ["GPU-1", "GPU-2"].map(|uuid| Which::Uuid(uuid.to_owned()));
        let at = |seconds: u64| Boot::from_secs(1000 + seconds);
        let mut reopen = Reopen::new(at(0));
        let fails = |reopen: &mut Reopen, reason, seconds| reopen.failed(&rear, reason, at(seconds));
        assert!(
            !fails(&mut reopen, Reason::NoGpu, 59) && fails(&mut reopen, Reason::NoGpu, 60),
            "nobody else is there"
        );
        reopen.answered(&front);
        assert!(!fails(&mut reopen, Reason::Lost, 3599) && fails(&mut reopen, Reason::Lost, 3600));
        assert!(fails(&mut reopen, Reason::VersionMismatch, 0), "of no use to the other either");
        assert!(!reopen.failed(&front, Reason::Lost, at(59)) && fails(&mut reopen, Reason::Lost, 60), "both are gone");
    }
}
