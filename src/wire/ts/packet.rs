//! The 188 bytes of a transport packet (ISO/IEC 13818-1 clause 2.4.3), and the RTP header before them (RFC 2250).

/// Bytes of a packet.
pub const PACKET: usize = 188;
/// The first byte of each.
pub const SYNC: u8 = 0x47;
/// Stuffing packets.
pub const NULL_PID: u16 = 0x1fff;
/// Ticks of the system clock per second, and per tick of 90 kHz.
pub const SYSTEM_HZ: u64 = 27_000_000;
pub const SYSTEM_PER_TICK: u64 = 300;

/// One packet, borrowed. Getters read what is there; nothing is checked beyond what keeps them inside the bytes.
#[derive(Copy, Clone, Debug)]
pub struct Packet<'a>(&'a [u8; PACKET]);

/// The adaptation field (clause 2.4.3.4), as far as it is used.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Adaptation {
    pub discontinuity: bool,
    /// random_access_indicator: a hint only.
    pub random_access: bool,
    /// base × 300 + extension, in 27 MHz.
    pub pcr: Option<u64>,
}

impl<'a> Packet<'a> {
    pub fn new(bytes: &'a [u8; PACKET]) -> Self {
        Packet(bytes)
    }
    /// `None` for any other number of bytes.
    pub fn from_slice(bytes: &'a [u8]) -> Option<Self> {
        bytes.try_into().ok().map(Packet)
    }
    pub fn bytes(&self) -> &'a [u8; PACKET] {
        self.0
    }
    /// transport_error_indicator: the packet is known to be damaged.
    pub fn tei(&self) -> bool {
        self.0[1] & 0x80 != 0
    }
    /// payload_unit_start_indicator.
    pub fn pusi(&self) -> bool {
        self.0[1] & 0x40 != 0
    }
    pub fn pid(&self) -> u16 {
        u16::from_be_bytes([self.0[1] & 0x1f, self.0[2]])
    }
    /// transport_scrambling_control, 0 to 3; 0 is in the clear.
    pub fn tsc(&self) -> u8 {
        self.0[3] >> 6
    }
    /// continuity_counter, 0 to 15.
    pub fn cc(&self) -> u8 {
        self.0[3] & 0x0f
    }
    pub fn has_adaptation(&self) -> bool {
        self.0[3] & 0x20 != 0
    }
    pub fn has_payload(&self) -> bool {
        self.0[3] & 0x10 != 0
    }
    /// `None` where there is none. A field that is longer than the packet is read as far as it goes.
    #[inline]
    pub fn adaptation(&self) -> Option<Adaptation> {
        if !self.has_adaptation() {
            return None;
        }
        let (length, flags) = (self.0[4], self.0[5]);
        if length == 0 {
            return Some(Adaptation::default());
        }
        let pcr = (flags & 0x10 != 0 && length >= 7).then(|| {
            let base = u64::from(u32::from_be_bytes([self.0[6], self.0[7], self.0[8], self.0[9]])) << 1
                | u64::from(self.0[10] >> 7);
            let extension = u64::from(self.0[10] & 1) << 8 | u64::from(self.0[11]);
            base * SYSTEM_PER_TICK + extension
        });
        Some(Adaptation { discontinuity: flags & 0x80 != 0, random_access: flags & 0x40 != 0, pcr })
    }
    /// What follows header and adaptation field; empty where the packet has no payload.
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        if !self.has_payload() {
            return &[];
        }
        let from = if self.has_adaptation() { 5 + usize::from(self.0[4]) } else { 4 };
        self.0.get(from..).unwrap_or(&[])
    }
    /// Whether the other packet is this one once more (clause 2.4.3.3): every byte the same, the PCR aside.
    pub fn same_but_pcr(&self, other: &[u8; PACKET]) -> bool {
        if self.0 == other {
            return true;
        }
        let pcr = |p: &[u8; PACKET]| p[3] & 0x20 != 0 && p[4] >= 7 && p[5] & 0x10 != 0;
        pcr(self.0) && pcr(other) && self.0[..6] == other[..6] && self.0[12..] == other[12..]
    }
}

/// Takes the RTP header off an MP2T datagram (RFC 3550 section 5.1, RFC 2250): sequence number and payload. `None` where
/// it is none, as for bare transport packets, whose first byte reads as version 1.
pub fn rtp_payload(datagram: &[u8]) -> Option<(u16, &[u8])> {
    let [first, _, high, low, ..] = *datagram else { return None };
    if first >> 6 != 2 {
        return None;
    }
    let mut from = 12 + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        let words = datagram.get(from + 2..from + 4)?;
        from += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    }
    let padding = if first & 0x20 != 0 { usize::from(*datagram.last()?) } else { 0 };
    let payload = datagram.get(from..datagram.len().checked_sub(padding)?)?;
    Some((u16::from_be_bytes([high, low]), payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(head: &[u8]) -> [u8; PACKET] {
        let mut bytes = [0xff; PACKET];
        bytes[..head.len()].copy_from_slice(head);
        bytes
    }

    #[test]
    fn a_header_reads_field_by_field() {
        let bytes = packet(&[0x47, 0xc1, 0x23, 0xf5, 7, 0xd0, 0x00, 0x00, 0x00, 0x01, 0xff, 0x2a, 0xaa]);
        let p = Packet::new(&bytes);
        assert_eq!((p.tei(), p.pusi(), p.pid(), p.tsc(), p.cc()), (true, true, 0x123, 3, 5));
        let pcr = Some(3 * 300 + 0x12a);
        assert_eq!(p.adaptation(), Some(Adaptation { discontinuity: true, random_access: true, pcr }));
        assert_eq!((p.payload().len(), p.payload()[0]), (176, 0xaa));
    }

    #[test]
    fn adaptation_fields_that_lie_about_their_length_stay_inside_the_packet() {
        for length in [0, 1, 6, 183, 184, 255] {
            let bytes = packet(&[0x47, 0, 0x20, 0x30, length, 0x10]);
            let p = Packet::new(&bytes);
            assert_eq!(p.payload().len(), 183usize.saturating_sub(usize::from(length)), "{length}");
            assert_eq!(p.adaptation().unwrap().pcr.is_some(), length >= 7);
        }
        let none = packet(&[0x47, 0, 0x20, 0x20, 183]);
        assert_eq!(Packet::new(&none).payload(), &[] as &[u8]);
    }

    #[test]
    fn a_double_may_differ_in_its_pcr_alone() {
        let one = packet(&[0x47, 0, 0x20, 0x30, 7, 0x10, 1, 2, 3, 4, 5, 6]);
        let other_pcr = packet(&[0x47, 0, 0x20, 0x30, 7, 0x10, 9, 9, 9, 9, 9, 9]);
        let other_byte = packet(&[0x47, 0, 0x20, 0x30, 7, 0x10, 1, 2, 3, 4, 5, 6, 7]);
        let no_pcr = packet(&[0x47, 0, 0x20, 0x30, 7, 0x00, 1, 2, 3, 4, 5, 7]);
        assert!(Packet::new(&one).same_but_pcr(&one));
        assert!(Packet::new(&one).same_but_pcr(&other_pcr));
        assert!(!Packet::new(&one).same_but_pcr(&other_byte));
        assert!(!Packet::new(&one).same_but_pcr(&no_pcr));
    }

    #[test]
    fn an_rtp_header_comes_off_with_all_its_parts() {
        let plain = [&[0x80, 33, 0x12, 0x34, 0, 0, 0, 0, 0, 0, 0, 0][..], b"G..."].concat();
        assert_eq!(rtp_payload(&plain), Some((0x1234, &b"G..."[..])));
        let full = [&[0xb1, 33, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 9, 9, 0, 1, 5, 5, 5, 5][..], b"G\0\x02"];
        assert_eq!(rtp_payload(&full.concat()), Some((7, &b"G"[..])));
        for bad in [&plain[..3], &[0x80; 11], &[0xa0; 12], &[0x90; 13], &[0x47, 0x40, 0, 0x10]] {
            assert_eq!(rtp_payload(bad), None, "{bad:02x?}");
        }
    }
}
