//! Up, degraded or down, with hysteresis: who comes back has to stay. Pure.

use crate::base::label::Label;

/// Rounds in a row beyond a threshold until the road is degraded. Down has its two rounds in `uplink_up`.
const WORSE: u32 = 3;
/// Good rounds in a row until it is better again.
const BETTER: u32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Up,
    Degraded,
    Down,
}

impl Label for State {
    const ALL: &'static [Self] = &[State::Up, State::Degraded, State::Down];
    fn label(self) -> &'static str {
        match self {
            State::Up => "up",
            State::Degraded => "degraded",
            State::Down => "down",
        }
    }
}

/// The state of one road.
#[derive(Debug, Default)]
pub struct Hysteresis {
    state: Option<State>,
    worse: u32,
    better: u32,
}

/// What one round says.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// A far target answered.
    pub reached: bool,
    /// One did in this round or the one before.
    pub up: bool,
    /// Loss and round trip are within their thresholds, as far as they are known.
    pub fair: bool,
}

impl Hysteresis {
    pub fn resume(state: State) -> Hysteresis {
        Hysteresis { state: Some(state), ..Hysteresis::default() }
    }

    /// `None` until an answer, or two rounds without one.
    pub fn state(&self) -> Option<State> {
        self.state
    }

    /// Takes a round. Returns where it changed to.
    pub fn round(&mut self, seen: Seen) -> Option<State> {
        let (better, worse) = match self.state {
            // The first silent round has none before it.
            None => (seen.reached, !seen.reached),
            Some(State::Up) => (false, !seen.fair),
            Some(State::Degraded) => (seen.fair, false),
            Some(State::Down) => (seen.reached, false),
        };
        self.better = if better { self.better + 1 } else { 0 };
        self.worse = if worse { self.worse + 1 } else { 0 };
        let here = if seen.fair { State::Up } else { State::Degraded };
        let next = match self.state {
            None if seen.reached => Some(State::Up),
            None => (self.worse == 2).then_some(State::Down),
            Some(State::Up | State::Degraded) if !seen.up => Some(State::Down),
            Some(State::Up) => (self.worse >= WORSE).then_some(State::Degraded),
            Some(State::Degraded) => (self.better >= BETTER).then_some(State::Up),
            Some(State::Down) => (self.better >= BETTER).then_some(here),
        };
        if next.is_some() {
            *self = Hysteresis { state: next, ..Hysteresis::default() };
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `+` fair, `~` reached and not fair, `.` silent, `-` silent for the second time; the states that follow, each as
    /// its first letter.
    fn walk(rounds: &str) -> String {
        let mut road = Hysteresis::default();
        let step = |round| {
            let seen = |reached, up, fair| Seen { reached, up, fair };
            road.round(match round {
                '+' => seen(true, true, true),
                '~' => seen(true, true, false),
                '.' => seen(false, true, true),
                _ => seen(false, false, true),
            });
            road.state().map_or('?', |state| state.label().chars().next().unwrap())
        };
        rounds.chars().map(step).collect()
    }

    #[test]
    fn a_road_is_down_after_two_silent_rounds_and_back_after_three_good_ones() {
        assert_eq!(walk("+.+.-.-+++"), "uuuudddddu");
        assert_eq!(walk("-"), "?", "one silent round after the start is no outage");
        assert_eq!(walk("--++-+++"), "?ddddddu");
    }

    #[test]
    fn one_bad_round_in_between_starts_the_count_anew_both_ways() {
        assert_eq!(walk("+~~+~~"), "uuuuuu");
        let mut road = Hysteresis::default();
        let mut round = |fair| road.round(Seen { reached: true, up: true, fair });
        let changes: Vec<_> =
            [true, false, false, false, true, true, false, true, true, true].into_iter().map(&mut round).collect();
        assert_eq!(changes.iter().flatten().collect::<Vec<_>>(), [&State::Up, &State::Degraded, &State::Up]);
        assert_eq!((changes[3], changes[9]), (Some(State::Degraded), Some(State::Up)));
    }

    #[test]
    fn a_road_that_comes_back_slow_is_degraded_at_once() {
        let mut road = Hysteresis::resume(State::Down);
        let slow = Seen { reached: true, up: true, fair: false };
        assert_eq!([(); 3].map(|()| road.round(slow)), [None, None, Some(State::Degraded)]);
    }
}
