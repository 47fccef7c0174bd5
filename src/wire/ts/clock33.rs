//! Arithmetic on 33-bit counts of the 90 kHz clock (ISO/IEC 13818-1 clause 2.4.3.7), which wrap every 26.5 hours: two
//! of them have no order, only a shortest way from one to the other.

/// Ticks per second.
pub const HZ: u64 = 90_000;
/// 2^33, where a count starts over.
pub const WRAP: u64 = 1 << 33;

/// `b` after `a` in ticks, the shortest way round: from −2^32 up to but not 2^32.
pub fn diff(a: u64, b: u64) -> i64 {
    let ahead = (b.wrapping_sub(a) & (WRAP - 1)) as i64;
    if ahead >= (WRAP / 2) as i64 { ahead - WRAP as i64 } else { ahead }
}

/// `a` plus `ticks`, which may be negative.
pub fn add(a: u64, ticks: i64) -> u64 {
    a.wrapping_add_signed(ticks) & (WRAP - 1)
}

/// The 64-bit count nearest to `near` that reads as `a` in 33 bits.
pub fn unwrap(near: i64, a: u64) -> i64 {
    near.wrapping_add(diff(near as u64, a))
}

/// Ticks as seconds.
pub fn seconds(ticks: i64) -> f64 {
    ticks as f64 / HZ as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_way_crosses_the_wrap() {
        for (a, b, way) in [
            (0, 1, 1),
            (1, 0, -1),
            (WRAP - 1, 0, 1),
            (0, WRAP - 1, -1),
            (8_589_933_290, 2_298, 3_600),
            (0, WRAP / 2, -(1 << 32)),
            (0, WRAP / 2 - 1, (1 << 32) - 1),
        ] {
            assert_eq!(diff(a, b), way, "{a} to {b}");
            assert_eq!(add(a, way), b);
        }
    }

    #[test]
    fn unwrapping_goes_on_where_it_was() {
        let mut long = unwrap(0, WRAP - 3_600);
        assert_eq!(long, -3_600);
        for _ in 0..5 {
            long = unwrap(long, add(long as u64, 3_600));
        }
        assert_eq!(long, 4 * 3_600);
        assert_eq!(unwrap(3 * WRAP as i64 + 5, WRAP - 5), 3 * WRAP as i64 - 5);
    }
}
