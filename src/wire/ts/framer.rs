//! Packets out of bytes: 188 or 204 apart, with the hysteresis of ETSI TR 101 290 clause 5.2.1 (indicators 1.1, 1.2).

use super::packet::{PACKET, Packet, SYNC};

/// So many sync bytes in a row, at one distance, are believed.
const TO_LOCK: usize = 5;
/// So many wrong ones in a row, and the lock is lost.
const TO_LOSE: u8 = 2;
/// Distances tried: bare packets, and packets with 16 bytes of Reed-Solomon parity (EN 300 429).
const STRIDES: [usize; 2] = [PACKET, 204];
/// Bytes that must be at hand to judge one offset at the longest distance.
const VIEW: usize = (TO_LOCK - 1) * 204 + 1;
/// Bytes held while looking for the lock.
const HELD: usize = 2048;

/// What was met so far; never falls.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncCounts {
    /// Locks lost (1.1 TS_sync_loss).
    pub losses: u64,
    /// Packets under lock whose first byte is not 0x47 (1.2 Sync_byte_error); they are given to no one.
    pub byte_errors: u64,
    /// Bytes skipped while looking for the lock.
    pub skipped: u64,
}

/// Cuts bytes of any length into packets. Memory is fixed; packets that lie whole in the input are not copied.
pub struct Framer {
    stride: Option<usize>,
    bad: u8,
    held: [u8; HELD],
    filled: usize,
    counts: SyncCounts,
}

impl Default for Framer {
    fn default() -> Self {
        Framer { stride: None, bad: 0, held: [0; HELD], filled: 0, counts: SyncCounts::default() }
    }
}

impl Framer {
    pub fn counts(&self) -> SyncCounts {
        self.counts
    }

    /// Packets are being cut: five sync bytes in a row were seen, and not two wrong ones in a row since.
    pub fn locked(&self) -> bool {
        self.stride.is_some()
    }

    /// The source was opened anew: what is held belongs to nothing that comes. Counts stay.
    pub fn restart(&mut self) {
        (self.stride, self.bad, self.filled) = (None, 0, 0);
    }

    /// Takes the next bytes and gives every packet that is whole by now.
    pub fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(Packet<'_>)) {
        while !bytes.is_empty() {
            bytes = match self.stride {
                Some(stride) if self.filled == 0 => self.cut(bytes, stride, &mut each),
                Some(stride) => self.complete(bytes, stride, &mut each),
                None => self.hunt(bytes, &mut each),
            };
        }
    }

    /// Under lock, nothing held: straight from the input.
    fn cut<'a>(&mut self, mut bytes: &'a [u8], stride: usize, each: &mut impl FnMut(Packet<'_>)) -> &'a [u8] {
        while let Some((whole, rest)) = bytes.split_at_checked(stride) {
            if !self.one(whole, each) {
                return bytes;
            }
            bytes = rest;
        }
        self.hold(bytes);
        &[]
    }

    /// Under lock, with the first part of a packet held.
    fn complete<'a>(&mut self, bytes: &'a [u8], stride: usize, each: &mut impl FnMut(Packet<'_>)) -> &'a [u8] {
        let (more, rest) = bytes.split_at(bytes.len().min(stride.saturating_sub(self.filled)));
        self.hold(more);
        if self.filled < stride {
            return rest;
        }
        let mut whole = [0; STRIDES[1]];
        whole[..stride].copy_from_slice(&self.held[..stride]);
        if self.one(&whole[..stride], each) {
            self.filled = 0;
        }
        rest
    }

    /// One packet under lock; `false` where the lock is lost at it, and it stays to be looked through.
    fn one(&mut self, whole: &[u8], each: &mut impl FnMut(Packet<'_>)) -> bool {
        if let (SYNC, Some(packet)) = (whole[0], whole.first_chunk()) {
            self.bad = 0;
            each(Packet::new(packet));
            return true;
        }
        self.counts.byte_errors += 1;
        self.bad += 1;
        if self.bad < TO_LOSE {
            return true;
        }
        self.counts.losses += 1;
        (self.stride, self.bad) = (None, 0);
        false
    }

    fn hold(&mut self, bytes: &[u8]) {
        self.held[self.filled..self.filled + bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
    }

    fn hunt<'a>(&mut self, bytes: &'a [u8], each: &mut impl FnMut(Packet<'_>)) -> &'a [u8] {
        let (more, rest) = bytes.split_at(bytes.len().min(HELD - self.filled));
        self.hold(more);
        let last = (self.filled + 1).saturating_sub(VIEW);
        let found = (0..last).find_map(|at| {
            let fits = |stride: &&usize| (0..TO_LOCK).all(|n| self.held[at + n * **stride] == SYNC);
            STRIDES.iter().find(fits).map(|stride| (at, *stride))
        });
        let skip = found.map_or(last, |(at, _)| at);
        self.counts.skipped += skip as u64;
        self.filled -= skip;
        self.held.copy_within(skip..skip + self.filled, 0);
        if let Some((_, stride)) = found {
            self.stride = Some(stride);
            // What is held is not longer than what `cut` may hold again.
            let (held, filled) = (self.held, std::mem::take(&mut self.filled));
            let left = self.cut(&held[..filled], stride, each);
            self.hold(left);
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` packets, the number of each in its second and third byte.
    fn packets(n: usize, stride: usize) -> Vec<u8> {
        let one = |k: usize| {
            let mut p = vec![0xff; stride];
            p[..3].copy_from_slice(&[SYNC, (k >> 8) as u8, k as u8]);
            p
        };
        (0..n).flat_map(one).collect()
    }

    fn numbers(framer: &mut Framer, bytes: &[u8], step: usize) -> Vec<usize> {
        let mut seen = Vec::new();
        for part in bytes.chunks(step) {
            framer.push(part, |p| seen.push(usize::from(p.bytes()[1]) << 8 | usize::from(p.bytes()[2])));
        }
        seen
    }

    #[test]
    fn every_packet_comes_out_however_the_bytes_are_cut() {
        for stride in STRIDES {
            for step in [1, 7, 187, 188, 189, 204, 1316, 4096, 100_000] {
                for garbage in [0, 1, 300, 5000] {
                    let bytes = [vec![0x11; garbage], packets(40, stride)].concat();
                    let mut framer = Framer::default();
                    let all: Vec<usize> = (0..40).collect();
                    assert_eq!(numbers(&mut framer, &bytes, step), all, "{stride} {step} {garbage}");
                    let skipped = garbage as u64;
                    assert_eq!(framer.counts(), SyncCounts { skipped, ..SyncCounts::default() });
                }
            }
        }
    }

    #[test]
    fn one_wrong_sync_byte_costs_one_packet_and_two_cost_the_lock() {
        for step in [1, 188, 1316, 100_000] {
            let mut bytes = packets(60, PACKET);
            bytes[10 * PACKET] = 0;
            let mut framer = Framer::default();
            let mut seen = numbers(&mut framer, &bytes, step);
            assert_eq!((seen.len(), seen.contains(&10), framer.locked()), (59, false, true));
            assert_eq!(framer.counts(), SyncCounts { byte_errors: 1, ..SyncCounts::default() });
            // A byte too many shifts all that follows.
            bytes[10 * PACKET] = SYNC;
            bytes.insert(20 * PACKET, 0x55);
            framer = Framer::default();
            seen = numbers(&mut framer, &bytes, step);
            assert!(seen.len() >= 57 && seen.ends_with(&[58, 59]), "{seen:?}");
            assert_eq!((framer.counts().losses, framer.counts().byte_errors, framer.locked()), (1, 2, true));
        }
    }

    #[test]
    fn four_sync_bytes_are_not_believed_and_a_restart_forgets() {
        let mut framer = Framer::default();
        assert_eq!(numbers(&mut framer, &[packets(4, PACKET), vec![0; 3000]].concat(), 188), Vec::<usize>::new());
        assert!(!framer.locked());
        framer.restart();
        numbers(&mut framer, &packets(6, PACKET)[..1000], 188);
        framer.restart();
        assert_eq!(numbers(&mut framer, &packets(6, PACKET), 188).len(), 6);
        assert_eq!(framer.counts().losses, 0);
    }
}
