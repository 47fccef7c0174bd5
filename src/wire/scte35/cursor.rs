//! Reads big-endian fields off the front of a slice and says when there are not enough bytes.

#[derive(Copy, Clone, Debug)]
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, bytes: usize) -> Option<u64> {
        Some(self.take(bytes)?.iter().fold(0, |n, b| (n << 8) | u64::from(*b)))
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.number(1).map(|n| n as u8)
    }
    pub(super) fn u16(&mut self) -> Option<u16> {
        self.number(2).map(|n| n as u16)
    }
    pub(super) fn u32(&mut self) -> Option<u32> {
        self.number(4).map(|n| n as u32)
    }
    pub(super) fn u40(&mut self) -> Option<u64> {
        self.number(5)
    }
    pub(super) fn u48(&mut self) -> Option<u64> {
        self.number(6)
    }
    /// Seven bits of anything, then 33 of a time in 90 kHz ticks.
    pub(super) fn low33(&mut self) -> Option<(u8, u64)> {
        let n = self.number(5)?;
        Some(((n >> 32) as u8 & 0xfe, n & (crate::wire::ts::clock33::WRAP - 1)))
    }
}
