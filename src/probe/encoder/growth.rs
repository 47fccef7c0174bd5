//! What grows at somebody else's: totals and rates from numbers that are read now and then.

use crate::base::clock::Boot;
use crate::wire::window::Window;
use std::time::Duration;

/// Rates look back ten whole seconds.
const SECONDS: usize = 11;

/// One growing number. A step back is another run, or a connection that closed: it counts as no growth.
pub(super) struct Growth {
    last: Option<f64>,
    total: f64,
    window: Window<f64, SECONDS>,
    grown: Option<Boot>,
}

impl Growth {
    pub(super) fn new() -> Growth {
        Growth { last: None, total: 0.0, window: Window::new(Duration::from_secs(1)), grown: None }
    }

    /// Reads it. With the first reading the time since the last growth begins.
    pub(super) fn on(&mut self, at: Boot, value: f64) {
        let step = self.last.map_or(0.0, |last| (value - last).max(0.0));
        if step > 0.0 || self.last.is_none() {
            self.grown = Some(at);
        }
        self.last = Some(value);
        self.total += step;
        self.window.add(at, step);
    }

    /// Another process: what it has done so far is not growth.
    pub(super) fn another(&mut self) {
        *self = Growth { total: self.total, ..Growth::new() };
    }

    /// Grown since we look.
    pub(super) fn total(&self) -> f64 {
        self.total
    }

    /// Per second, over ten seconds; `None` until two have passed.
    pub(super) fn rate(&self, now: Boot) -> Option<f64> {
        let (sum, span) = self.window.sum(now)?;
        (span >= Duration::from_secs(2)).then(|| sum / span.as_secs_f64())
    }

    /// When it last grew.
    pub(super) fn grown(&self) -> Option<Boot> {
        self.grown
    }
}
