//! Wall-clock timestamps from the TSC: one multiply, no system call.

use std::time::{SystemTime, UNIX_EPOCH};

/// Converts TSC values to nanoseconds since the Unix epoch.
///
/// Calibrated by the control side and replaced as a whole when the wall clock has been adjusted, so
/// that a worker never reads a clock other than the TSC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TscClock {
    base_tsc: u64,
    base_ns: u64,
    /// Nanoseconds per cycle as a 32.32 fixed-point number.
    mult: u64,
}

impl TscClock {
    /// A clock for a TSC of `hz` that reads `base_ns` at `base_tsc`.
    pub fn new(hz: u64, base_tsc: u64, base_ns: u64) -> Self {
        let mult = ((1_000_000_000u128 << 32) / u128::from(hz.max(1))) as u64;
        TscClock { base_tsc, base_ns, mult }
    }

    /// A clock set by the system's wall clock. `tsc` reads the counter; the read is placed between
    /// two of the wall clock, the closest pair of a few tries is taken.
    pub fn calibrate(hz: u64, tsc: impl Fn() -> u64) -> Self {
        let mut best: Option<(u64, u64, u64)> = None;
        for _ in 0..8 {
            let before = wall_ns();
            let t = tsc();
            let after = wall_ns();
            let width = after.saturating_sub(before);
            if best.is_none_or(|(w, ..)| width < w) {
                best = Some((width, t, before + width / 2));
            }
        }
        let (_, base_tsc, base_ns) = best.unwrap_or_default();
        Self::new(hz, base_tsc, base_ns)
    }

    /// Nanoseconds since the Unix epoch at `tsc`. A TSC from before the base reads as the base.
    #[inline]
    pub fn ns(&self, tsc: u64) -> u64 {
        let cycles = tsc.saturating_sub(self.base_tsc);
        let elapsed = (u128::from(cycles) * u128::from(self.mult)) >> 32;
        self.base_ns.wrapping_add(elapsed as u64)
    }
}

/// The wall clock in nanoseconds since the Unix epoch.
pub fn wall_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_cycles_is_a_second() {
        let clock = TscClock::new(2_596_000_000, 1_000, 5_000_000_000);
        assert_eq!(clock.ns(1_000), 5_000_000_000);
        let after = clock.ns(1_000 + 2_596_000_000);
        assert!(after.abs_diff(6_000_000_000) <= 1, "{after}");
        assert_eq!(clock.ns(0), 5_000_000_000, "before the base reads as the base");
    }

    #[test]
    fn a_year_of_cycles_does_not_overflow() {
        let clock = TscClock::new(4_000_000_000, 0, 0);
        let year = 365 * 86_400u64;
        let ns = clock.ns(year * 4_000_000_000);
        assert!(ns.abs_diff(year * 1_000_000_000) < 1_000_000_000, "{ns}");
    }
}
