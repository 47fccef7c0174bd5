//! Bytes and bits of what is on file: varints, packed bits, and a cursor that cannot run past its end.

/// What was read is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Garbled(pub &'static str);

/// LEB128, 7 bits a byte, lowest first.
pub fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Small numbers of either sign become small numbers: 0, -1, 1, -2, …
pub fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

pub fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Reads forward through bytes.
pub struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Cursor(bytes)
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Garbled> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(Garbled("cut short"))?;
        self.0 = rest;
        Ok(taken)
    }
    pub fn byte(&mut self) -> Result<u8, Garbled> {
        Ok(self.take(1)?[0])
    }
    pub fn u32(&mut self) -> Result<u32, Garbled> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into().map_err(|_| Garbled("cut short"))?))
    }
    pub fn u64(&mut self) -> Result<u64, Garbled> {
        Ok(u64::from_le_bytes(self.take(8)?.try_into().map_err(|_| Garbled("cut short"))?))
    }
    pub fn varint(&mut self) -> Result<u64, Garbled> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(Garbled("a number without an end"))
    }
    pub fn signed(&mut self) -> Result<i64, Garbled> {
        self.varint().map(unzigzag)
    }
    /// A number of at most `most`.
    pub fn count(&mut self, most: usize) -> Result<usize, Garbled> {
        usize::try_from(self.varint()?).ok().filter(|n| *n <= most).ok_or(Garbled("a number beyond its maximum"))
    }
    pub fn text(&mut self, most: usize) -> Result<&'a str, Garbled> {
        let len = self.count(most)?;
        std::str::from_utf8(self.take(len)?).map_err(|_| Garbled("text that is not UTF-8"))
    }
}

/// Packs numbers of 0 to 64 bits, lowest bit first.
#[derive(Default)]
pub struct BitWriter {
    out: Vec<u8>,
    held: u128,
    bits: u32,
}

impl BitWriter {
    pub fn put(&mut self, value: u64, width: u32) {
        debug_assert!(width <= 64 && (width == 64 || value >> width == 0));
        self.held |= u128::from(value) << self.bits;
        self.bits += width;
        while self.bits >= 8 {
            self.out.push(self.held as u8);
            self.held >>= 8;
            self.bits -= 8;
        }
    }
    pub fn finish(mut self) -> Vec<u8> {
        if self.bits > 0 {
            self.out.push(self.held as u8);
        }
        self.out
    }
}

/// The inverse of [`BitWriter`].
pub struct BitReader<'a> {
    bytes: &'a [u8],
    /// Bits already read.
    at: usize,
}

impl<'a> BitReader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        BitReader { bytes, at: 0 }
    }
    pub fn get(&mut self, width: u32) -> Result<u64, Garbled> {
        let end = self.at + width as usize;
        if end > self.bytes.len() * 8 {
            return Err(Garbled("cut short"));
        }
        let mut value = 0u128;
        for (n, byte) in self.bytes[self.at / 8..end.div_ceil(8)].iter().enumerate() {
            value |= u128::from(*byte) << (8 * n);
        }
        value >>= self.at % 8;
        self.at = end;
        Ok((value & ((1u128 << width) - 1)) as u64)
    }
    pub fn skip(&mut self, bits: usize) {
        self.at = self.at.saturating_add(bits).min(self.bytes.len() * 8 + 1);
    }
}

/// Bits needed to write `n`.
pub fn width(n: u64) -> u32 {
    64 - n.leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(numbers in prop::collection::vec((any::<i64>(), 0u32..=64), 0..50)) {
            let (mut bytes, mut bits) = (Vec::new(), BitWriter::default());
            for (n, w) in &numbers {
                put_varint(&mut bytes, zigzag(*n));
                bits.put(if *w == 64 { *n as u64 } else { *n as u64 & ((1 << w) - 1) }, *w);
            }
            let bits = bits.finish();
            let (mut cursor, mut reader) = (Cursor::new(&bytes), BitReader::new(&bits));
            for (n, w) in &numbers {
                prop_assert_eq!(cursor.signed(), Ok(*n));
                prop_assert_eq!(reader.get(*w), Ok(if *w == 64 { *n as u64 } else { *n as u64 & ((1 << w) - 1) }));
            }
            prop_assert!(cursor.is_empty());
        }
    }

    #[test]
    fn reading_past_the_end_is_refused() {
        assert!(Cursor::new(&[0x80; 11]).varint().is_err());
        assert!(Cursor::new(&[5, b'a']).text(10).is_err());
        let mut bits = BitReader::new(&[1]);
        bits.skip(usize::MAX);
        assert!(bits.get(0).is_err());
    }
}
