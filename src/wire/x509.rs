//! When an X.509 certificate (RFC 5280) ends. Nothing else of it is read: whether it is to be trusted is rustls' work.

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, in which the version stands (RFC 5280 section 4.1).
const VERSION: u8 = 0xa0;

/// `notAfter` (RFC 5280 section 4.1.2.5) of a certificate in DER: the last second in which it holds, in Unix seconds.
/// `None` for what is no certificate.
pub fn not_after(der: &[u8]) -> Option<i64> {
    let (certificate, _) = value(der, SEQUENCE)?;
    let (mut fields, _) = value(certificate, SEQUENCE)?;
    if let Some((_, rest)) = value(fields, VERSION) {
        fields = rest;
    }
    // The serial number, the algorithm of the signature, the issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        fields = value(fields, tag)?.1;
    }
    let (validity, _) = value(fields, SEQUENCE)?;
    let (_, _, not_after) = element(validity)?;
    let (tag, text, _) = element(not_after)?;
    time(tag, text)
}

/// The first element: its tag, its content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let length = match first {
        0..=0x7f => usize::from(first),
        // Long form (X.690 section 8.1.3.5). A certificate of 16 MiB is none.
        0x81..=0x83 => {
            let (length, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
            rest = after;
            length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
        }
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

/// The first element if it has this tag: its content, and what follows it.
fn value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    element(der).filter(|(found, ..)| *found == tag).map(|(_, content, rest)| (content, rest))
}

/// `YYMMDDHHMMSSZ`, of 1950 to 2049, or `YYYYMMDDHHMMSSZ`: RFC 5280 sections 4.1.2.5.1 and 4.1.2.5.2 allow nothing else.
fn time(tag: u8, text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z').filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?;
    let text = match (tag, text.len()) {
        (UTC_TIME, 12) => format!("{}{text}", if text < "50" { "20" } else { "19" }),
        (GENERALIZED_TIME, 14) => text.to_owned(),
        _ => return None,
    };
    let part = |range: std::ops::Range<usize>| text[range].parse::<i8>().ok();
    let time = jiff::civil::DateTime::new(
        text[..4].parse().ok()?,
        part(4..6)?,
        part(6..8)?,
        part(8..10)?,
        part(10..12)?,
        part(12..14)?,
        0,
    );
    Some(jiff::tz::Offset::UTC.to_timestamp(time.ok()?).ok()?.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(year: i32) -> Vec<u8> {
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 12, 25);
        let key = rcgen::KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_of_a_certificate_is_read_on_both_sides_of_2050() {
        assert_eq!(not_after(&certificate(2026)), Some(1_798_156_800));
        assert_eq!(not_after(&certificate(1999)), Some(946_080_000));
        assert_eq!(not_after(&certificate(2126)), Some(4_953_830_400));
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        let whole = certificate(2026);
        for n in 0..whole.len() {
            assert_eq!(not_after(&whole[..n]), None, "cut at {n}");
        }
        assert_eq!(not_after(b"-----BEGIN CERTIFICATE-----"), None);
        for wrong in ["261331000000Z", "261225000000", "26122500000+Z", "2612250000Z", "20261225000000Z"] {
            assert_eq!(time(UTC_TIME, wrong.as_bytes()), None, "{wrong}");
        }
    }
}
