//! The bit reader of H.264 and H.265 parameter sets.

/// Reads a NAL unit's payload bit by bit and leaves out the emulation prevention bytes (ITU-T H.264 clause 7.3.1,
/// H.265 clause 7.3.1.1): the 3 of every 00 00 03. Every read gives `None` at the end of the bytes.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The byte being read, its unread bits at the top.
    now: u8,
    left: u8,
    zeros: u8,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Bits { bytes, at: 0, now: 0, left: 0, zeros: 0 }
    }

    /// The next whole byte; only between whole bytes.
    pub(super) fn byte(&mut self) -> Option<u8> {
        let mut byte = *self.bytes.get(self.at)?;
        if self.zeros >= 2 && byte == 3 {
            self.at += 1;
            self.zeros = 0;
            byte = *self.bytes.get(self.at)?;
        }
        self.at += 1;
        self.zeros = if byte == 0 { self.zeros.saturating_add(1) } else { 0 };
        Some(byte)
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        if self.left == 0 {
            self.now = self.byte()?;
            self.left = 8;
        }
        let bit = self.now & 0x80 != 0;
        self.now <<= 1;
        self.left -= 1;
        Some(bit)
    }

    /// u(n), `n` at most 32.
    pub(super) fn u(&mut self, n: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..n {
            value = value << 1 | u32::from(self.flag()?);
        }
        Some(value)
    }

    pub(super) fn skip(&mut self, n: u32) -> Option<()> {
        for _ in 0..n {
            self.flag()?;
        }
        Some(())
    }

    /// ue(v) (H.264 clause 9.1, H.265 clause 9.2).
    pub(super) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        ((1u32 << zeros) - 1).checked_add(self.u(zeros)?)
    }

    /// ue(v) that the standard bounds; `None` above `most`.
    pub(super) fn ue_to(&mut self, most: u32) -> Option<u32> {
        self.ue().filter(|n| *n <= most)
    }

    /// se(v) (H.264 clause 9.1.1).
    pub(super) fn se(&mut self) -> Option<i32> {
        let n = i64::from(self.ue()?);
        i32::try_from(if n % 2 == 1 { (n + 1) / 2 } else { -(n / 2) }).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golomb_codes_read_as_the_standard_tabulates_them() {
        // 1 | 010 | 011 | 00100 | 00101 then se 3 = 00110 -> 5 -> +3
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1001_1000]);
        assert_eq!((0..5).map(|_| bits.ue().unwrap()).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!(bits.se(), Some(3));
    }

    #[test]
    fn emulation_prevention_bytes_are_left_out() {
        let mut bits = Bits::new(&[0, 0, 3, 1, 0, 0, 3, 3, 0xff]);
        assert_eq!(bits.u(24), Some(1));
        assert_eq!(bits.u(24), Some(3));
        assert_eq!(bits.u(8), Some(0xff));
        assert_eq!(bits.u(1), None);
    }

    #[test]
    fn endless_zeros_end() {
        assert_eq!(Bits::new(&[0; 64]).ue(), None);
        assert_eq!(Bits::new(&[]).ue(), None);
    }
}
