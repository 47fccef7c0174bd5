//! Who is connected. Whoever comes gets a seat: when all are taken, the one that has been idle longest gives up its own.

use super::pace::Pace;
use crate::base::clock::Clock;
use std::future::Future;
use std::time::Duration;
use tokio::task::{AbortHandle, JoinSet};

/// Connections at once. 64 = the ledger's 16 scrapers four times over.
const SEATS: usize = 64;
/// Nobody is unseated who has been idle for less. It leaves a newcomer the time for its handshake and request, however
/// fast others come; and the kernel's queue of 128 is through within two of them.
const GRACE: Duration = Duration::from_millis(250);

#[derive(Default)]
pub struct Seats {
    taken: Vec<(Pace, AbortHandle)>,
    connections: JoinSet<()>,
}

impl Seats {
    /// Returns when a seat is free, and whether a client was unseated for that. It waits only while every other client
    /// has a request in progress or was idle for less than [`GRACE`]. Cancel-safe.
    pub async fn room(&mut self, clock: &Clock) -> bool {
        loop {
            while self.connections.try_join_next().is_some() {}
            self.taken.retain(|(_, connection)| !connection.is_finished());
            if self.taken.len() < SEATS {
                return false;
            }
            let idle = self.taken.iter().enumerate().filter_map(|(n, (pace, _))| Some((pace.idle()?, n)));
            let longest = idle.min();
            let now = clock.boot();
            if let Some((since, n)) = longest
                && now.since(since) >= GRACE
            {
                self.taken.swap_remove(n).1.abort();
                return true;
            }
            // One that becomes idle from now on cannot be unseated before this either.
            let look_again = longest.map_or(now, |(since, _)| since).plus(GRACE);
            tokio::select! {
                _left = self.connections.join_next() => {}
                () = clock.sleep_until(look_again) => {}
            }
        }
    }

    /// Runs a connection until it ends or is unseated. There must be [`Seats::room`].
    pub fn take(&mut self, pace: Pace, connection: impl Future<Output = ()> + Send + 'static) {
        self.taken.push((pace, self.connections.spawn(connection)));
    }

    /// Returns when every connection has ended.
    pub async fn vacant(&mut self) {
        while self.connections.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Sim;
    use futures_util::FutureExt;

    /// As many silent clients as there are seats, come a second apart.
    fn full(sim: &Sim) -> (Seats, Vec<Pace>) {
        let mut seats = Seats::default();
        let paces = (0..SEATS).map(|_| {
            sim.advance(Duration::from_secs(1));
            let pace = Pace::new(sim.clock());
            seats.take(pace.clone(), std::future::pending());
            pace
        });
        let paces = paces.collect();
        (seats, paces)
    }

    fn seated(seats: &Seats, pace: &Pace) -> bool {
        seats.taken.iter().any(|(other, _)| other.idle() == pace.idle())
    }

    #[tokio::test]
    async fn the_client_idle_longest_is_unseated_and_one_with_a_request_in_progress_never() {
        let sim = Sim::new();
        let (mut seats, paces) = full(&sim);
        sim.advance(GRACE);
        paces[0].asked();
        assert!(seats.room(&sim.clock()).await);
        assert_eq!(seats.taken.len(), SEATS - 1);
        assert!(seated(&seats, &paces[0]) && !seated(&seats, &paces[1]) && seated(&seats, &paces[2]));
        assert!(!seats.room(&sim.clock()).await, "there is room now");
    }

    #[tokio::test]
    async fn a_newcomer_waits_for_the_first_response_to_end_when_all_are_in_progress() {
        let sim = Sim::new();
        let (mut seats, paces) = full(&sim);
        paces.iter().for_each(Pace::asked);
        let clock = sim.clock();
        let mut room = std::pin::pin!(seats.room(&clock));
        for _ in 0..100 {
            assert!(room.as_mut().now_or_never().is_none());
            sim.advance(Duration::from_secs(1));
        }
        paces[7].handed(None);
        paces[7].flushed();
        assert!(room.as_mut().now_or_never().is_none(), "it has its grace");
        sim.advance(GRACE);
        assert!(room.await);
    }

    #[tokio::test]
    async fn a_client_that_leaves_makes_room_at_once() {
        let sim = Sim::new();
        let (mut seats, paces) = full(&sim);
        paces.iter().for_each(Pace::asked);
        seats.taken[3].1.abort();
        assert!(!seats.room(&sim.clock()).await);
    }
}
