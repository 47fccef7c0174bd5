//! Numbers as Go and Prometheus' templates write them.

/// Go's `%g`: shortest form that reads back (`None`), or at most that many significant digits; the exponent form below
/// 1e-4 and from 1e+06 (shortest) or 10^precision on, with at least two digits of exponent.
pub(super) fn general(value: f64, precision: Option<usize>) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let precision = precision.map(|p| p.max(1));
    let scientific = match precision {
        None => format!("{value:e}"),
        Some(precision) => format!("{value:.*e}", precision - 1),
    };
    let (digits, exponent) = split(&scientific);
    let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    // Go decides the shortest form as if it had 6 digits.
    let limit = precision.map_or(6, |p| p as i32);
    if exponent < -4 || exponent >= limit {
        return with_exponent(digits, exponent);
    }
    let decimals = (significant(digits) - 1 - exponent).max(0);
    format!("{value:.*}", decimals as usize)
}

/// Go's `%e`.
pub(super) fn exponential(value: f64, precision: usize) -> String {
    let scientific = format!("{value:.precision$e}");
    let (digits, exponent) = split(&scientific);
    with_exponent(digits, exponent)
}

fn split(scientific: &str) -> (&str, i32) {
    let (digits, exponent) = scientific.split_once('e').expect("the e format always writes an exponent");
    (digits, exponent.parse().expect("the exponent of a float is a small whole number"))
}

fn significant(digits: &str) -> i32 {
    digits.bytes().filter(u8::is_ascii_digit).count() as i32
}

fn with_exponent(digits: &str, exponent: i32) -> String {
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

fn four(value: f64) -> String {
    general(value, Some(4))
}

const LARGE: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];

/// `1.235M`: four digits and a metric prefix.
pub(super) fn humanize(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return four(value);
    }
    if value.abs() >= 1.0 { large(value, 1000.0, "") } else { small(value) }
}

/// `1.5Gi`: four digits and a binary prefix; below 1 without.
pub(super) fn humanize1024(value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() { four(value) } else { large(value, 1024.0, "i") }
}

fn large(mut value: f64, step: f64, suffix: &str) -> String {
    let mut prefix = String::new();
    for next in LARGE {
        if value.abs() < step {
            break;
        }
        prefix = format!("{next}{suffix}");
        value /= step;
    }
    four(value) + &prefix
}

fn small(mut value: f64) -> String {
    let mut prefix = "";
    for next in SMALL {
        if value.abs() >= 1.0 {
            break;
        }
        prefix = next;
        value *= 1000.0;
    }
    four(value) + prefix
}

/// Seconds as `1d 2h 3m 4s`; four digits below a minute, metric prefixes below a second.
pub(super) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return four(seconds);
    }
    if seconds == 0.0 {
        return four(seconds) + "s";
    }
    if seconds.abs() < 1.0 {
        return small(seconds) + "s";
    }
    let (sign, seconds) = if seconds < 0.0 { ("-", -seconds) } else { ("", seconds) };
    let whole = seconds as u64;
    let (days, hours, minutes, rest) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60, whole % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", four(seconds)),
        (0, 0, _) => format!("{sign}{minutes}m {rest}s"),
        (0, _, _) => format!("{sign}{hours}h {minutes}m {rest}s"),
        _ => format!("{sign}{days}d {hours}h {minutes}m {rest}s"),
    }
}

/// A ratio as per cent, four digits.
pub(super) fn percentage(ratio: f64) -> String {
    four(ratio * 100.0) + "%"
}

/// Unix seconds as `2015-06-23 13:19:44.128 +0000 UTC`.
pub(super) fn timestamp(seconds: f64) -> Result<String, String> {
    if !seconds.is_finite() {
        return Ok(four(seconds));
    }
    let nanos = seconds * 1e9;
    let time = if nanos.abs() <= i64::MAX as f64 {
        jiff::Timestamp::from_millisecond(nanos as i64 / 1_000_000).ok()
    } else {
        None
    };
    let Some(time) = time else {
        return Err(format!("{} cannot be represented as a nanoseconds timestamp", general(nanos, None)));
    };
    let millis = time.subsec_millisecond().rem_euclid(1000);
    let fraction = match millis {
        0 => String::new(),
        millis => format!(".{millis:03}").trim_end_matches('0').to_owned(),
    };
    Ok(format!("{}{fraction} +0000 UTC", time.strftime("%Y-%m-%d %H:%M:%S")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        for (value, shortest, digits4) in [
            (0.0, "0", "0"),
            (1.0, "1", "1"),
            (0.1 + 0.2, "0.30000000000000004", "0.3"),
            (123_456.0, "123456", "1.235e+05"),
            (1_234_567.0, "1.234567e+06", "1.235e+06"),
            (1000.0, "1000", "1000"),
            (99999.0, "99999", "1e+05"),
            (0.0001, "0.0001", "0.0001"),
            (0.000_012_5, "1.25e-05", "1.25e-05"),
            (-2.5, "-2.5", "-2.5"),
            (1e100, "1e+100", "1e+100"),
            (f64::NAN, "NaN", "NaN"),
            (f64::NEG_INFINITY, "-Inf", "-Inf"),
        ] {
            assert_eq!(general(value, None), shortest);
            assert_eq!(general(value, Some(4)), digits4);
        }
    }
}
