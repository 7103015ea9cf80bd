//! Time as an argument: nanoseconds since the Unix epoch, as frames were stamped.

use core::fmt;
use core::ops::Add;
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// Nanoseconds since the Unix epoch. Comes from records, never from a clock in this crate's logic,
/// so that a replay gives the same results every time.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The epoch itself.
    pub const ZERO: Timestamp = Timestamp(0);

    /// From whole seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// From microseconds, the resolution of most captures.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// Nanoseconds behind the whole second.
    #[must_use]
    pub const fn subsec_nanos(self) -> u32 {
        (self.0 % 1_000_000_000) as u32
    }

    /// Nanoseconds from `earlier` to here; 0 if it is later, as happens where captures are merged
    /// or several rings feed one instance.
    #[must_use]
    pub const fn nanos_since(self, earlier: Timestamp) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// [`nanos_since`](Self::nanos_since) as a duration.
    #[must_use]
    pub const fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;

    /// Ends at the end of time (the year 2554) instead of wrapping.
    fn add(self, duration: Duration) -> Timestamp {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Timestamp(self.0.saturating_add(nanos))
    }
}

impl fmt::Display for Timestamp {
    /// Seconds with nine decimals, as capture tools print epoch time.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.as_secs(), self.subsec_nanos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_the_whole() {
        let t = Timestamp::from_micros(1_700_000_000_123_456);
        assert_eq!((t.as_secs(), t.subsec_nanos()), (1_700_000_000, 123_456_000));
        assert_eq!(t.to_string(), "1700000000.123456000");
    }

    #[test]
    fn time_never_wraps() {
        let end = Timestamp(u64::MAX) + Duration::from_secs(1);
        assert_eq!(end, Timestamp(u64::MAX));
        assert_eq!(Timestamp(5).nanos_since(Timestamp(9)), 0);
        assert_eq!(Timestamp(9).since(Timestamp(5)), Duration::from_nanos(4));
    }
}
