//! The camera's media clock against arrival: jitter, and timestamps that jump.

use crate::base::clock::Boot;

/// Media time that is this far from where arrival puts it has jumped, in seconds.
const JUMP: f64 = 5.0;
/// So many frames in a row that agree with each other make a new base out of a jump.
const AGREED: u8 = 3;

#[derive(Copy, Clone)]
struct Mark {
    at: Boot,
    ticks: i64,
}

impl Mark {
    /// (arrival, media) seconds from here to `later`; media may be negative.
    fn to(self, later: Mark, clock_hz: f64) -> (f64, f64) {
        let media = later.ticks.wrapping_sub(self.ticks) as f64 / clock_hz;
        (later.at.since(self.at).as_secs_f64(), media)
    }
}

/// A candidate for a new base.
struct Astray {
    newest: Mark,
    frames: u8,
}

pub(super) struct Media {
    clock_hz: f64,
    /// The newest packet whose timestamp is the highest so far: B-frames, which carry earlier times than the frame
    /// before them, do not look like jitter.
    base: Option<Mark>,
    astray: Option<Astray>,
    /// RFC 3550 section 6.4.1, in seconds; `None` before two packets could be compared.
    jitter: Option<f64>,
}

/// How a packet's timestamp stands to those before it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Time {
    Steady,
    /// Away from the base, as packets before it were.
    Astray,
    /// Away from the base for the first time: a jump to count.
    Jumped,
    /// So many frames agreed with each other that this is the base now.
    Rebased,
}

impl Media {
    pub(super) fn new(clock_hz: u32) -> Self {
        Media { clock_hz: f64::from(clock_hz.max(1)), base: None, astray: None, jitter: None }
    }

    pub(super) fn clock_hz(&self) -> f64 {
        self.clock_hz
    }

    /// Seconds.
    pub(super) fn jitter(&self) -> Option<f64> {
        self.jitter
    }

    pub(super) fn on(&mut self, at: Boot, ticks: i64) -> Time {
        let mark = Mark { at, ticks };
        let Some(base) = self.base else {
            self.base = Some(mark);
            return Time::Steady;
        };
        let (arrival, media) = base.to(mark, self.clock_hz);
        // Media time that lags arrival is late delivery, not a jump, unless it runs backwards.
        if media > arrival + JUMP || media < -JUMP {
            return self.stray(mark);
        }
        self.astray = None;
        if media >= 0.0 {
            self.base = Some(mark);
            let d = (arrival - media).abs();
            if d <= JUMP {
                let j = self.jitter.unwrap_or(0.0);
                self.jitter = Some(j + (d - j) / 16.0);
            }
        }
        Time::Steady
    }

    fn stray(&mut self, mark: Mark) -> Time {
        if let Some(astray) = &mut self.astray {
            let (arrival, media) = astray.newest.to(mark, self.clock_hz);
            if media <= arrival + JUMP && media >= -JUMP {
                astray.frames += u8::from(mark.ticks != astray.newest.ticks);
                astray.newest = mark;
                if astray.frames < AGREED {
                    return Time::Astray;
                }
                self.base = Some(mark);
                self.astray = None;
                return Time::Rebased;
            }
        }
        self.astray = Some(Astray { newest: mark, frames: 1 });
        Time::Jumped
    }
}
