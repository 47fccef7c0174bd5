//! PES headers (ISO/IEC 13818-1 clause 2.4.3.6) and the timestamps of one PID.

use super::clock33;
use super::rate::{Peak, Recent, recent};
use crate::base::clock::Boot;

/// A timestamp that runs this far ahead of the time since the last one has jumped, in 90 kHz: 10 s.
const AHEAD: i64 = 10 * clock33::HZ as i64;
/// One this far back has, in 90 kHz: 1 s. Less is a missing DTS where B-frames are sent.
const BACK: i64 = clock33::HZ as i64;
/// The lead over the clock is averaged over so many units: about as many as a group of pictures holds.
const AVERAGED: f64 = 64.0;

/// The header of a PES packet.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// 33 bit; the PTS where only that is coded.
    pub(super) times: Option<(u64, u64)>,
    /// PES_scrambling_control is not 0.
    pub(super) scrambled: bool,
    /// Where the elementary stream begins in the payload.
    pub(super) body: usize,
}

impl Head {
    /// From the payload in which the PES packet starts; `None` where there is no PES header. Its timestamps must lie in this
    /// packet, as they do for every multiplexer met.
    pub(super) fn read(payload: &[u8]) -> Option<Head> {
        let [0, 0, 1, id, _, _, rest @ ..] = payload else { return None };
        // Stream maps, padding, private_stream_2, ECM, EMM, DSM-CC, H.222.1 type E, directory: no more header.
        if matches!(id, 0xbc | 0xbe | 0xbf | 0xf0..=0xf2 | 0xf8 | 0xff) {
            return Some(Head { body: 6, ..Head::default() });
        }
        let [flags, present, length, fields @ ..] = rest else { return None };
        if flags >> 6 != 2 {
            return None;
        }
        let times = match (present >> 6, fields) {
            (2, p) => stamp(p, 2).map(|pts| (pts, pts)),
            (3, p) => stamp(p, 3).zip(p.get(5..).and_then(|d| stamp(d, 1))),
            _ => None,
        };
        Some(Head { times, scrambled: flags & 0x30 != 0, body: 9 + usize::from(*length) })
    }
}

/// Five bytes with four prefix bits and three marker bits.
fn stamp(bytes: &[u8], prefix: u8) -> Option<u64> {
    let [a, b, c, d, e, ..] = *bytes else { return None };
    let marked = a & c & e & 1 == 1 && a >> 4 == prefix;
    let high = u64::from(a >> 1 & 7) << 30;
    let middle = u64::from(u16::from_be_bytes([b, c]) >> 1) << 15;
    marked.then_some(high | middle | u64::from(u16::from_be_bytes([d, e]) >> 1))
}

/// The timestamps of one PID.
pub(super) struct Stamps {
    pub(super) pts: Option<u64>,
    last: Option<(u64, Boot)>,
    /// In 90 kHz.
    steps: Recent<Peak>,
    /// Mean of DTS minus clock in 90 kHz, and of how many units.
    lead: f64,
    units: f64,
}

impl Default for Stamps {
    fn default() -> Self {
        Stamps { pts: None, last: None, steps: recent(), lead: 0.0, units: 0.0 }
    }
}

impl Stamps {
    /// A unit begins; `stc` is the clock there. Says whether its DTS jumped.
    pub(super) fn on(&mut self, pts: u64, dts: u64, at: Boot, stc: Option<u64>) -> bool {
        self.pts = Some(pts);
        let last = self.last.replace((dts, at));
        let mut jumped = false;
        if let Some((before, when)) = last {
            let step = clock33::diff(before, dts);
            let elapsed = (at.since(when).as_nanos() * u128::from(clock33::HZ) / 1_000_000_000) as i64;
            jumped = step < -BACK || step > elapsed + AHEAD;
            if jumped {
                self.units = 0.0;
            } else {
                self.steps.add(at, Peak(Some(step)));
            }
        }
        if let Some(stc) = stc {
            self.units = (self.units + 1.0).min(AVERAGED);
            let lead = clock33::diff(stc, dts) as f64;
            self.lead = if self.units == 1.0 { lead } else { self.lead + (lead - self.lead) / self.units };
        }
        jumped
    }

    /// What comes next follows nothing.
    pub(super) fn restart(&mut self) {
        (self.last, self.units) = (None, 0.0);
    }

    /// Seconds by which timestamps lead the clock, once as many units were seen as are averaged.
    pub(super) fn lead(&self) -> Option<f64> {
        (self.units >= AVERAGED).then_some(self.lead / clock33::HZ as f64)
    }

    /// Seconds, of the last 10 s.
    pub(super) fn longest_step(&self, now: Boot) -> Option<f64> {
        self.steps.sum(now)?.0.0.map(clock33::seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_read_with_one_timestamp_two_or_none() {
        let pts = [0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5, 0x2f, 0xff, 0xff, 0xff, 0xff, 0xaa];
        let max = clock33::WRAP - 1;
        let head = |times, body| Some(Head { times, scrambled: false, body });
        assert_eq!(Head::read(&pts), head(Some((max, max)), 14));
        let both = [0, 0, 1, 0xe0, 0, 0, 0x80, 0xc0, 10, 0x31, 0, 1, 0, 3, 0x11, 0, 1, 0, 1];
        assert_eq!(Head::read(&both), head(Some((1, 0)), 19));
        assert_eq!(Head::read(&[0, 0, 1, 0xe0, 0, 0, 0x80, 0, 0]), head(None, 9));
        assert_eq!(Head::read(&[0, 0, 1, 0xbe, 0, 9]), head(None, 6));
        let mut wrong = both;
        wrong[9] = 0x21;
        assert_eq!(Head::read(&wrong), head(None, 19));
        assert_eq!(Head::read(&pts[..13]), head(None, 14));
        assert_eq!(Head::read(&[0, 0, 1, 0xe0, 0, 0, 0x40, 0x80, 5]), None);
        assert_eq!(Head::read(&[0xfc, 0x30]), None);
    }
}
