//! Loss over the last rounds, target by target.

use crate::world::net::Echoes;
use std::collections::VecDeque;
use std::time::Duration;

/// Rounds that loss is told over. With five requests each that is 50: one lost is 2 %.
const ROUNDS: usize = 10;
/// Requests below which a share says nothing.
const FEW: u32 = 15;

/// What was asked of one target.
#[derive(Debug, Default)]
pub struct Window {
    /// Sent and answered, a pair per round.
    rounds: VecDeque<(u32, u32)>,
    /// Mean of the replies of the last round.
    pub rtt: Option<Duration>,
    pub sent: u64,
    pub answered: u64,
    /// Sum over all that were answered.
    pub seconds: f64,
}

impl Window {
    pub fn add(&mut self, echoes: &Echoes) {
        let (sent, answered) = (u32::from(echoes.sent), echoes.rtts.len() as u32);
        let total: Duration = echoes.rtts.iter().sum();
        self.rtt = total.checked_div(answered);
        self.sent += u64::from(sent);
        self.answered += u64::from(answered);
        self.seconds += total.as_secs_f64();
        if self.rounds.len() == ROUNDS {
            self.rounds.pop_front();
        }
        self.rounds.push_back((sent, answered));
    }

    /// Nobody was asked.
    pub fn skip(&mut self) {
        self.rtt = None;
    }

    /// What was before does not count any more: an outage that is over is no loss of today.
    pub fn forget(&mut self) {
        self.rounds.clear();
    }

    /// The share of requests that were not answered; `None` while they are too few.
    pub fn loss(&self) -> Option<f64> {
        let (sent, answered) = self.rounds.iter().fold((0, 0), |sum, round| (sum.0 + round.0, sum.1 + round.1));
        (sent >= FEW).then(|| f64::from(sent - answered) / f64::from(sent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_told_over_the_last_rounds_and_counts_go_on() {
        let round = |lost: u16| Echoes { sent: 5, rtts: vec![Duration::from_millis(20); usize::from(5 - lost)] };
        let mut window = Window::default();
        window.add(&round(5));
        window.add(&round(5));
        assert_eq!((window.loss(), window.rtt), (None, None), "too few");
        window.add(&round(2));
        assert_eq!((window.loss(), window.rtt), (Some(12.0 / 15.0), Some(Duration::from_millis(20))));
        for _ in 0..ROUNDS {
            window.add(&round(0));
        }
        assert_eq!((window.loss(), window.sent, window.answered), (Some(0.0), 65, 53));
        assert!((window.seconds - 53.0 * 0.02).abs() < 1e-9);
        window.add(&round(1));
        window.skip();
        assert_eq!((window.loss(), window.rtt), (Some(0.02), None));
        window.forget();
        assert_eq!((window.loss(), window.sent), (None, 70));
    }
}
