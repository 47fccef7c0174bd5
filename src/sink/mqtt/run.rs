//! One courier per broker: connect, say that we are here, tell every retained state again (so the broker need not
//! remember), then the outbox in order. A row is done when the broker has acknowledged it; whatever was not goes again
//! over the next connection.

#[cfg(test)]
mod tests;

use crate::base::backoff::Backoff;
use crate::base::clock::{Boot, Clock};
use crate::base::label::Label;
use crate::base::quit::Quit;
use crate::metric::alarm::Message;
use crate::metric::labels::Labels;
use crate::metric::ledger::Ledger;
use crate::sink::mqtt::metrics::{GivenUp, Meters};
use crate::sink::mqtt::outbox::Outbox;
use crate::sink::mqtt::settings::Settings;
use crate::world::broker::{CONNECT, Dial, Happened, Link, Lost, Note, Token, WINDOW, Why};
use futures_util::FutureExt;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Rows fetched from the outbox at once: four windows.
const BATCH: usize = 4 * WINDOW;
/// Between connections.
const SHORT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// After a refused login: brokers lock accounts, and a wrong password does not become right by asking.
const LONG: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(600));
/// A connection that held this long was a good one; waits start over.
const STEADY: Duration = Duration::from_secs(60);
/// After quit: this long for what is still waiting, then this long for the good-bye. Together under the 2 s of a stop.
const DRAIN: Duration = Duration::from_secs(1);
const GOODBYE: Duration = Duration::from_millis(500);
/// A broker that closes the connection over the same message so many times in a row does not want it. A broker's own
/// size limit shows in no other way (MQTT 3.1.1 has no answer for it), and one message must not hold up all others.
const REFUSALS: u32 = 5;
/// Refused messages remembered, so that a retained state among them is not told again at each connection.
const REMEMBERED: usize = 16;

/// Serves one broker.
pub struct Courier<O> {
    pub settings: Settings,
    pub node: Arc<str>,
    pub outbox: O,
    pub dial: Arc<dyn Dial>,
    pub ledger: Ledger,
    pub meters: Meters,
    pub clock: Clock,
}

/// A message handed to the link, or passed over.
struct Flight {
    /// `None` when it was passed over and nothing is to come.
    token: Option<Token>,
    row: Option<u64>,
    note: Note,
}

/// The state of one connection.
struct Round {
    queue: VecDeque<(Option<u64>, Note)>,
    flights: VecDeque<Flight>,
    /// Id of the last row fetched over this connection.
    after: u64,
    /// The outbox had nothing more when last asked.
    dry: bool,
    /// The broker acknowledged something, so it is willing.
    willing: bool,
}

/// Messages that a broker closes the connection over.
#[derive(Default)]
struct Suspicion {
    /// Was alone at the head when the connection closed, and how often in a row.
    suspect: Option<(Note, u32)>,
    refused: VecDeque<Note>,
}

impl Suspicion {
    /// With a suspect about, messages go one at a time, so that the one at fault is known.
    fn window(&self) -> usize {
        if self.suspect.is_some() { 1 } else { WINDOW }
    }
    fn closed_over(&mut self, note: &Note) {
        let times = match &self.suspect {
            Some((suspect, times)) if suspect == note => times + 1,
            _ => 1,
        };
        if times < REFUSALS {
            self.suspect = Some((note.clone(), times));
            return;
        }
        self.suspect = None;
        if self.refused.len() == REMEMBERED {
            self.refused.pop_front();
        }
        self.refused.push_back(note.clone());
    }
    fn taken(&mut self, note: &Note) {
        if self.suspect.as_ref().is_some_and(|(suspect, _)| suspect == note) {
            self.suspect = None;
        }
    }
}

impl<O: Outbox> Courier<O> {
    /// Runs until `quit`. Then what is waiting gets a second, and the broker a good-bye.
    pub async fn run(self, quit: Quit) {
        let name = self.settings.name.clone();
        let call = self.settings.call(&self.node);
        let seed = Labels::new([("node", &*self.node), ("broker", &name)]).digest();
        let mut short = Backoff::new(SHORT.0, SHORT.1, seed);
        let mut long = Backoff::new(LONG.0, LONG.1, seed);
        let mut suspicion = Suspicion::default();
        let mut said = None;
        self.connected(false);
        loop {
            let dialled = tokio::select! {
                dialled = self.clock.within(CONNECT, self.dial.dial(&call)) => dialled,
                () = quit.wait() => return,
            };
            let lost = match dialled {
                Ok(Ok(link)) => {
                    tracing::info!(broker = name, address = self.settings.place(), "broker connected");
                    said = None;
                    self.connected(true);
                    long.reset();
                    let since = self.clock.boot();
                    let ended = self.serve(link, &mut suspicion, &quit).await;
                    self.connected(false);
                    if self.clock.boot().since(since) >= STEADY {
                        short.reset();
                    }
                    match ended {
                        Some(lost) => lost,
                        None => return,
                    }
                }
                Ok(Err(lost)) => lost,
                Err(elapsed) => Lost::new(Why::Timeout, elapsed.to_string()),
            };
            self.meters.lost(lost.why);
            if said != Some(lost.why) {
                said = Some(lost.why);
                let address = self.settings.place();
                tracing::warn!(broker = name, address, reason = lost.why.label(), error = %lost, "broker away");
            }
            let wait = if lost.why == Why::Auth { long.next_wait() } else { short.next_wait() };
            tokio::select! {
                () = self.clock.sleep(wait) => {}
                () = quit.wait() => return,
            }
        }
    }

    fn connected(&self, connected: bool) {
        self.meters.connected(connected);
        self.ledger.broker(&self.settings.name, connected);
    }

    /// Works one connection until it is lost, or, without a loss, until `quit`.
    async fn serve(&self, mut link: Box<dyn Link>, suspicion: &mut Suspicion, quit: &Quit) -> Option<Lost> {
        let mut newest = self.outbox.newest();
        let mut round = Round::new(self.status("online"));
        let states = self.outbox.states().await;
        round.queue.extend(states.into_iter().map(|message| (None, self.note(message))));
        let mut until: Option<Boot> = None;
        loop {
            self.load(&mut round, &mut *link, suspicion).await;
            if until.is_some() && round.flights.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                happened = link.next() => {
                    let mut happened = Some(happened);
                    // All that is known by now, so that one write marks them all done.
                    while let Some(one) = happened {
                        match one {
                            Happened::Acked(token) => self.acked(&mut round, token, suspicion),
                            Happened::Lost(lost) => {
                                round.settle(self).await;
                                if let Some(flight) = round.flights.front()
                                    && lost.why == Why::Closed
                                    && round.willing
                                {
                                    suspicion.closed_over(&flight.note);
                                }
                                return Some(lost);
                            }
                        }
                        happened = link.next().now_or_never();
                    }
                }
                // An error means that the outbox is gone, and then quit is near.
                Ok(()) = newest.changed() => round.dry = false,
                () = quit.wait(), if until.is_none() => until = Some(self.clock.boot().plus(DRAIN)),
                () = self.clock.sleep_until(until.unwrap_or_default()), if until.is_some() => break,
            }
        }
        let _cut_short = self.clock.within(GOODBYE, self.goodbye(link)).await;
        None
    }

    /// Fills the window: from the queue, and when that is empty from the outbox.
    async fn load(&self, round: &mut Round, link: &mut dyn Link, suspicion: &mut Suspicion) {
        loop {
            round.settle(self).await;
            if round.flights.len() >= suspicion.window() {
                return;
            }
            if round.queue.is_empty() && !round.dry {
                let rows = self.outbox.waiting(&self.settings.name, round.after, BATCH).await;
                round.dry = rows.is_empty();
                round.after = rows.last().map_or(round.after, |row| row.id);
                round.queue.extend(rows.into_iter().map(|row| (Some(row.id), self.note(row.message))));
            }
            let Some((row, note)) = round.queue.pop_front() else {
                if round.flights.is_empty() {
                    // A newer state may have taken the suspect's place in the outbox.
                    suspicion.suspect = None;
                }
                return;
            };
            let sent = if suspicion.refused.contains(&note) {
                Err(GivenUp::Refused)
            } else {
                link.publish(&note).map_err(GivenUp::from)
            };
            match sent {
                Ok(_) => self.meters.published(),
                Err(why) => {
                    self.meters.dropped(why);
                    tracing::warn!(
                        broker = self.settings.name,
                        topic = note.topic,
                        reason = why.label(),
                        "message given up"
                    );
                }
            }
            round.flights.push_back(Flight { token: sent.ok(), row, note });
        }
    }

    fn acked(&self, round: &mut Round, token: Token, suspicion: &mut Suspicion) {
        if let Some(flight) = round.flights.iter_mut().find(|flight| flight.token == Some(token)) {
            flight.token = None;
            round.willing = true;
            suspicion.taken(&flight.note);
            self.meters.acked();
        }
    }

    /// `offline` for those who listen, then DISCONNECT, which keeps the will from saying it again.
    async fn goodbye(&self, mut link: Box<dyn Link>) {
        if let Ok(last) = link.publish(&self.status("offline")) {
            self.meters.published();
            loop {
                match link.next().await {
                    Happened::Acked(token) if token == last => break,
                    Happened::Acked(_) => {}
                    Happened::Lost(_) => return,
                }
            }
            self.meters.acked();
        }
        link.bye().await;
    }

    fn status(&self, word: &str) -> Note {
        let topic = self.settings.base(&self.node) + "status";
        Note { topic, payload: word.as_bytes().to_vec(), retain: true }
    }

    fn note(&self, message: Message) -> Note {
        let topic = self.settings.base(&self.node) + &message.topic;
        Note { topic, payload: message.payload, retain: message.retain }
    }
}

impl Round {
    fn new(birth: Note) -> Self {
        let queue = VecDeque::from([(None, birth)]);
        Round { queue, flights: VecDeque::new(), after: 0, dry: false, willing: false }
    }

    /// Lets go of what is acknowledged, from the oldest up to the first that is not, and marks the rows done.
    async fn settle<O: Outbox>(&mut self, courier: &Courier<O>) {
        let mut ids = Vec::new();
        while self.flights.front().is_some_and(|flight| flight.token.is_none()) {
            ids.extend(self.flights.pop_front().and_then(|flight| flight.row));
        }
        if !ids.is_empty() {
            courier.outbox.done(&courier.settings.name, ids).await;
        }
    }
}
