//! What probes must know of each other without naming each other. Assemble hands it out; changes pass through the hub.

use crate::metric::cues::Cues;
use crate::metric::uses::Uses;
use std::sync::Arc;
use tokio::sync::watch;

/// One configured camera.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Camera {
    pub id: String,
    /// Host name or address, as configured; no port, no credentials.
    pub host: String,
}

/// Everything on the roster at one time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roll {
    pub cameras: Vec<Camera>,
}

/// The roster. Clones are the same one.
#[derive(Clone)]
pub struct Roster {
    roll: Arc<watch::Sender<Arc<Roll>>>,
    cues: Cues,
    uses: Uses,
}

impl Default for Roster {
    fn default() -> Self {
        Roster { roll: Arc::new(watch::Sender::new(Arc::default())), cues: Cues::default(), uses: Uses::default() }
    }
}

impl Roster {
    pub fn roll(&self) -> Arc<Roll> {
        self.roll.borrow().clone()
    }
    pub fn replace(&self, roll: Roll) {
        self.roll.send_replace(Arc::new(roll));
    }
    /// Where streams tell of their cues.
    pub fn cues(&self) -> &Cues {
        &self.cues
    }
    /// Where graphics cards tell who encodes on them.
    pub fn uses(&self) -> &Uses {
        &self.uses
    }
}
