//! Times on the 33-bit 90 kHz clock of a programme (ISO/IEC 13818-1 clause 2.4.3.6), which returns to 0 every 26.5 hours.

/// All bits of such a time.
pub const MASK: u64 = (1 << 33) - 1;
/// Ticks in a second.
pub const HZ: i64 = 90_000;

/// `a` + `by`, round the corner.
pub fn add(a: u64, by: i64) -> u64 {
    a.wrapping_add_signed(by) & MASK
}

/// How far `to` is ahead of `from` by the shorter way round, in ticks; negative when it lies behind.
pub fn ahead(to: u64, from: u64) -> i64 {
    let forward = (to.wrapping_sub(from) & MASK) as i64;
    if forward > (MASK as i64) / 2 { forward - (1 << 33) } else { forward }
}

/// Ticks as seconds.
pub fn seconds(ticks: i64) -> f64 {
    ticks as f64 / HZ as f64
}
