//! Values as Go's `strconv.ParseFloat` reads them back, and as people like to read them.

use std::fmt::{self, Write};

/// From here on (and below [`SMALL`]) a number is written with an exponent, as Go's `%v` does.
const LARGE: f64 = 1e21;
const SMALL: f64 = 1e-4;

/// Writes the shortest text that reads back as `value`: `5`, `0.1`, `1e+21`, `1e-05`, `NaN`, `+Inf`.
pub fn write(value: f64, out: &mut String) -> fmt::Result {
    let size = value.abs();
    if value.is_nan() {
        out.write_str("NaN")
    } else if value.is_infinite() {
        out.write_str(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else if size != 0.0 && !(SMALL..LARGE).contains(&size) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        write!(out, "{digits}e{sign}{exponent:0>2}")
    } else {
        write!(out, "{value}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_prints_them() {
        for (value, wanted) in [
            (0.0, "0"),
            (5.0, "5"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (1_234_567_890.0, "1234567890"),
            (999_999_999_999_999_900_000.0, "999999999999999900000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            let mut text = String::new();
            write(value, &mut text).unwrap();
            assert_eq!(text, wanted);
            if value.is_finite() {
                assert_eq!(text.parse::<f64>().unwrap(), value);
            }
        }
    }
}
