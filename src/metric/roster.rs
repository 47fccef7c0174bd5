//! What probes must know of each other without naming each other. Assemble hands it out; changes pass through the hub.

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
pub struct Roster(Arc<watch::Sender<Arc<Roll>>>);

impl Default for Roster {
    fn default() -> Self {
        Roster(Arc::new(watch::Sender::new(Arc::default())))
    }
}

impl Roster {
    pub fn roll(&self) -> Arc<Roll> {
        self.0.borrow().clone()
    }
    pub fn replace(&self, roll: Roll) {
        self.0.send_replace(Arc::new(roll));
    }
}
