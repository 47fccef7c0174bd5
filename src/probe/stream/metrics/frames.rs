//! What RTMP lets us know of a stream: its rates. They are in the families of transport streams.

use super::super::address::Protocol;
use super::super::presence::Presence;
use super::CADENCE;
use super::input::Presences;
use super::signal::{FPS, RATE};
use crate::base::label::Label;
use crate::metric::book::Series;
use crate::metric::report::{NoData, Report};
use crate::probe::Kit;
use crate::wire::ts::Role;

/// Rates of one stream over its window.
#[derive(Copy, Clone, PartialEq, Debug)]
pub(crate) struct Rates {
    /// Video frames per second.
    pub(crate) fps: f64,
    /// Bits per second of video and audio.
    pub(crate) bits: [f64; 2],
}

/// The series of one RTMP stream.
pub(crate) struct FrameSeries {
    presences: Presences,
    fps: Series,
    bits: [Series; 2],
}

impl FrameSeries {
    pub(crate) fn open(kit: &mut Kit, id: &str) -> FrameSeries {
        FrameSeries {
            presences: Presences::open(kit, id, Protocol::Rtmp),
            fps: kit.read(&FPS, [id], CADENCE),
            bits: [Role::Video, Role::Audio].map(|role| kit.read(&RATE, [id, role.label()], CADENCE)),
        }
    }

    /// `rates`: as far as there is a signal and they are known.
    pub(crate) fn fill(&self, report: &mut Report, up: bool, presence: &Presence, bytes: u64, rates: Option<Rates>) {
        self.presences.fill(report, up, presence, bytes);
        if let Some(rates) = rates {
            report.value(self.fps, rates.fps);
            for (series, bits) in self.bits.iter().zip(rates.bits) {
                report.value(*series, bits);
            }
        }
    }

    /// The signal is gone.
    pub(crate) fn absent(&self, report: &mut Report, why: NoData) {
        for series in self.bits.iter().chain([&self.fps]) {
            report.reading(*series, Err(why));
        }
    }
}
