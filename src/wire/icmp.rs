//! ICMP echo (RFC 792, RFC 4443 section 4), as far as a ping socket of Linux wants it: the kernel writes the identifier
//! and the checksum, and hands us replies to our own identifier only.

/// Which ICMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    /// Types of a request and of its reply.
    fn types(self) -> [u8; 2] {
        match self {
            Family::V4 => [8, 0],
            Family::V6 => [128, 129],
        }
    }
}

/// Bytes of a header and of the token behind it.
pub const LENGTH: usize = 16;

/// An echo request. The token comes back with its reply, so that one that was never asked for is told apart.
pub fn request(family: Family, sequence: u16, token: u64) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    bytes[0] = family.types()[0];
    bytes[6..8].copy_from_slice(&sequence.to_be_bytes());
    bytes[8..].copy_from_slice(&token.to_be_bytes());
    bytes
}

/// The sequence number of a reply with this token, `None` for anything else.
pub fn reply(family: Family, bytes: &[u8], token: u64) -> Option<u16> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    let ours = head[..2] == [family.types()[1], 0] && rest == token.to_be_bytes();
    ours.then(|| u16::from_be_bytes([head[6], head[7]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reply_with_our_token_is_one() {
        for family in [Family::V4, Family::V6] {
            let mut bytes = request(family, 0x0102, 0xfeed);
            assert_eq!(reply(family, &bytes, 0xfeed), None, "our own request");
            bytes[0] = family.types()[1];
            // The kernel filled these in.
            bytes[2..6].copy_from_slice(&[9; 4]);
            assert_eq!(reply(family, &bytes, 0xfeed), Some(0x0102));
            assert_eq!(reply(family, &bytes, 0xfeee), None);
            assert_eq!(reply(family, &bytes[..15], 0xfeed), None);
            bytes[1] = 1;
            assert_eq!(reply(family, &bytes, 0xfeed), None);
        }
    }
}
