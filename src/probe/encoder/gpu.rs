//! What an encoder's process has of graphics cards, as the probes of the cards tell it.

use super::metrics::CADENCE;
use crate::base::clock::Boot;
use crate::metric::book::Series;
use crate::metric::desc::{Desc, Family, Unit};
use crate::metric::report::{NoData, Report};
use crate::metric::uses::Uses;
use crate::probe::Kit;

const E: [&str; 2] = ["encoder_id", "camera_id"];

static SHARE: Desc<2> = Desc::gauge(
    "encoder_gpu_utilization_ratio",
    Unit::Ratio,
    E,
    "Share of a graphics card's encoder that its process had, summed over the [[gpu]]s; absent where no card tells",
);
static SESSIONS: Desc<2> = Desc::gauge(
    "encoder_gpu_sessions",
    Unit::Count,
    E,
    "Encoder sessions of its process on the [[gpu]]s; absent where no card tells",
);
static FPS: Desc<2> = Desc::gauge(
    "encoder_gpu_session_fps",
    Unit::PerSecond,
    E,
    "Frames per second of its slowest session on a [[gpu]]; absent without one",
);
static LATENCY: Desc<2> = Desc::gauge(
    "encoder_gpu_session_latency_seconds",
    Unit::Seconds,
    E,
    "Time that a frame spends in the graphics card's encoder, in its slowest session; absent without one",
);

pub(super) const SHARE_FAMILY: Family = SHARE.family();
pub(super) const SESSIONS_FAMILY: Family = SESSIONS.family();
pub(super) const FPS_FAMILY: Family = FPS.family();
pub(super) const LATENCY_FAMILY: Family = LATENCY.family();

/// The open series of one encoder.
pub(super) struct Card {
    uses: Uses,
    share: Series,
    sessions: Series,
    fps: Series,
    latency: Series,
    /// Which of them have a number.
    shown: [bool; 4],
}

impl Card {
    pub(super) fn open(kit: &mut Kit, encoder: &str, camera: &str) -> Card {
        let e = [encoder, camera];
        Card {
            uses: kit.roster.uses().clone(),
            share: kit.read(&SHARE, e, CADENCE),
            sessions: kit.read(&SESSIONS, e, CADENCE),
            fps: kit.read(&FPS, e, CADENCE),
            latency: kit.read(&LATENCY, e, CADENCE),
            shown: [false; 4],
        }
    }

    /// Tells of this process; `None` when there is none. What was not told before is not missed: few encoders use a card.
    pub(super) fn tell(&mut self, report: &mut Report, pid: Option<i32>, now: Boot) {
        let pid = pid.and_then(|pid| u32::try_from(pid).ok());
        let has = pid.and_then(|pid| self.uses.of(pid, now)).unwrap_or_default();
        let values = [
            (self.share, has.share),
            (self.sessions, has.sessions.map(f64::from)),
            (self.fps, has.fps),
            (self.latency, has.latency),
        ];
        for ((series, value), shown) in values.into_iter().zip(&mut self.shown) {
            if value.is_some() || *shown {
                report.maybe(series, value, NoData::NotPresent);
            }
            *shown = value.is_some();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{Sim, Window};
    use crate::metric::book::Book;
    use crate::metric::latest::Latest;
    use crate::metric::ledger::Ledger;
    use crate::metric::roster::Roster;
    use crate::metric::uses::Use;
    use crate::world::World;
    use std::time::Duration;

    #[test]
    fn an_encoder_shows_its_sessions_while_a_card_tells_and_nothing_where_none_does() {
        let (sim, book, roster) = (Sim::new(), Book::default(), Roster::default());
        let mut kit = Kit::new(World::scripted(sim.clock()), book.clone(), roster.clone(), Ledger::default());
        let mut card = Card::open(&mut kit, "front-hd", "front");
        let mut latest = Latest::new(book);
        let mut page = |pid| {
            let at = sim.clock().boot();
            let mut report = Report::new(Window { from: at, to: at });
            card.tell(&mut report, pid, at);
            latest.apply(&report);
            let values: Vec<_> = latest.standing(at).iter().map(|row| row.value).collect();
            (values, latest.no_data(NoData::NotPresent))
        };
        assert_eq!(page(Some(7)), (vec![], 0), "no card is watched");
        let one = Use { share: Some(0.25), sessions: Some(1), fps: Some(25.0), latency: Some(0.004) };
        let until = sim.clock().boot().plus(Duration::from_secs(60));
        let none = Use { share: Some(0.0), sessions: Some(0), ..Use::default() };
        roster.uses().post("front", until, none, [(7, one)].into());
        assert_eq!(page(Some(7)), (vec![25.0, 0.004, 1.0, 0.25], 0));
        assert_eq!(page(Some(8)), (vec![0.0, 0.0], 2), "another process encodes on the processor");
        assert_eq!(page(None), (vec![], 4));
        assert_eq!(page(None), (vec![], 4));
    }
}
