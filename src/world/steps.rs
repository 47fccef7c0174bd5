//! What a scripted twin does and when: steps, each so long after the one before, on the clock of the test.

use crate::base::clock::{Boot, Clock};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Steps that are still to come. After the last there is silence.
pub struct Steps<S> {
    clock: Clock,
    /// When the step before was due.
    due: Boot,
    left: VecDeque<(Duration, S)>,
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<S> Steps<S> {
    /// The first is due its `Duration` from now.
    pub fn new(clock: &Clock, steps: Vec<(Duration, S)>) -> Steps<S> {
        Steps { clock: clock.clone(), due: clock.boot(), left: steps.into(), waiting: None }
    }

    /// The next step, with the time at which it was due.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Boot, S)> {
        let Some((after, _)) = self.left.front() else { return Poll::Pending };
        let at = self.due.plus(*after);
        let waiting = self.waiting.get_or_insert_with(|| {
            let clock = self.clock.clone();
            Box::pin(async move { clock.sleep_until(at).await })
        });
        ready!(waiting.as_mut().poll(cx));
        (self.waiting, self.due) = (None, at);
        self.left.pop_front().map_or(Poll::Pending, |(_, step)| Poll::Ready((at, step)))
    }
}
