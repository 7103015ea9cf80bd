//! The table's clock: the latest timestamp, proof against small steps back and single wild stamps.

use crate::events::Timestamp;

/// Records of several rings, and captures that were merged, interleave by less than this. A larger
/// step back means another capture, or that the previous stamp was wrong; without following it the
/// sweep would stand still until time catches up.
const STEP_BACK_NS: u64 = 60_000_000_000;

/// Never goes back, except by a minute and more.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    now: Timestamp,
}

impl Clock {
    pub(super) fn now(self) -> Timestamp {
        self.now
    }

    /// Takes note of a timestamp. True if the clock stepped back.
    pub(super) fn advance(&mut self, to: Timestamp) -> bool {
        let stepped_back = self.now.nanos_since(to) > STEP_BACK_NS;
        if to > self.now || stepped_back {
            self.now = to;
        }
        stepped_back
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_holds_through_small_steps_back_and_follows_large_ones() {
        let mut clock = Clock::default();
        assert!(!clock.advance(Timestamp::from_secs(1000)));
        assert!(!clock.advance(Timestamp::from_secs(950)));
        assert_eq!(clock.now(), Timestamp::from_secs(1000));
        assert!(clock.advance(Timestamp::from_secs(900)));
        assert_eq!(clock.now(), Timestamp::from_secs(900));
    }
}
