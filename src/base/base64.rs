//! Base64, as SDP parameter sets and Basic authentication carry it.

/// The bytes of `code` (RFC 4648 section 4); padding may be missing. `None` for any other character.
pub fn decode(code: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(code.len() * 3 / 4);
    let (mut bits, mut held) = (0u32, 0);
    for c in code.trim_end_matches('=').bytes() {
        let six = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    Some(out)
}

/// `bytes` with padding.
pub fn encode(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let held = (0..3).fold(0u32, |held, n| held << 8 | u32::from(*group.get(n).unwrap_or(&0)));
        for n in 0..4 {
            let six = held >> (18 - 6 * n) & 0x3f;
            text.push(if n <= group.len() { char::from(ALPHABET[six as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_read_and_write() {
        for (bytes, code) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(encode(bytes.as_bytes()), code);
            assert_eq!(decode(code).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(decode("Zg=="), decode("Zg"));
        assert_eq!(decode("Z g"), None);
    }
}
