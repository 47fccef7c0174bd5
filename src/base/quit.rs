//! One token for stopping.

use tokio::sync::watch;

/// Held by who decides; dropping it stops as well.
pub struct Quitter(watch::Sender<bool>);

/// Held by who must stop.
#[derive(Clone)]
pub struct Quit(watch::Receiver<bool>);

pub fn pair() -> (Quitter, Quit) {
    let (tx, rx) = watch::channel(false);
    (Quitter(tx), Quit(rx))
}

impl Quitter {
    pub fn quit(&self) {
        self.0.send_replace(true);
    }
}

impl Quit {
    pub fn asked(&self) -> bool {
        *self.0.borrow()
    }
    /// Returns when asked to stop. Cancel-safe.
    pub async fn wait(&self) {
        // An error means that the Quitter is gone: nobody is left to run for.
        let mut asked = self.0.clone();
        let _gone = asked.wait_for(|asked| *asked).await;
    }
}
