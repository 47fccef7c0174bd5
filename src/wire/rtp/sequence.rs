//! Sequence numbers: what is lost, doubled, late or of another numbering (RFC 3550 appendix A.1, without probation: the
//! handshake has already named the sender).

/// A step forward of this many numbers or more is no loss but another numbering.
const MAX_DROPOUT: u16 = 3000;
/// A packet at most this far behind the newest is late or doubled; further behind it belongs to another numbering.
const MAX_MISORDER: u16 = 100;

/// What a packet is to its numbering.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The newest so far; so many numbers before it are missing.
    Next { lost: u16 },
    /// The newest number once more, or one behind it that was seen.
    Double,
    /// It fills a gap that was already counted as lost.
    Late,
    /// Far from all others, and the first such: kept out until a second one confirms it.
    Stray,
    /// The second in a row of a new numbering, which counts from here.
    Reset,
}

/// The numbering of one sender.
#[derive(Default)]
pub(super) struct Sequence {
    newest: Option<u16>,
    /// Bit n: newest − n was received.
    seen: u128,
    /// What a second packet of a new numbering would carry.
    confirm: Option<u16>,
    /// Packets of foreign payload types in a row that took the numbers after `newest`.
    foreign: u16,
}

impl Sequence {
    pub(super) fn place(&mut self, seq: u16) -> Place {
        let Some(newest) = self.newest else {
            self.begin(seq);
            return Place::Next { lost: 0 };
        };
        let ahead = seq.wrapping_sub(newest);
        let behind = newest.wrapping_sub(seq);
        let confirmed = self.confirm.take() == Some(seq);
        if ahead == 0 {
            Place::Double
        } else if ahead < MAX_DROPOUT {
            self.newest = Some(seq);
            self.seen = self.seen.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
            let lost = (ahead - 1).saturating_sub(std::mem::take(&mut self.foreign));
            Place::Next { lost }
        } else if behind <= MAX_MISORDER {
            let bit = 1u128 << behind;
            let place = if self.seen & bit == 0 { Place::Late } else { Place::Double };
            self.seen |= bit;
            place
        } else if confirmed {
            self.begin(seq);
            Place::Reset
        } else {
            self.confirm = Some(seq.wrapping_add(1));
            Place::Stray
        }
    }

    /// A packet of another payload type. Some senders number it among the video, others repeat a number (Geovision's
    /// type 50): it is no loss in the first case and no double in the second.
    pub(super) fn foreign(&mut self, seq: u16) {
        if self.newest.is_some_and(|newest| seq.wrapping_sub(newest) == self.foreign + 1) && self.foreign < MAX_DROPOUT
        {
            self.foreign += 1;
        }
    }

    fn begin(&mut self, seq: u16) {
        // Numbers before the first are nobody's loss: a packet from there is a double, not late.
        *self = Sequence { newest: Some(seq), seen: u128::MAX, confirm: None, foreign: 0 };
    }
}
