//! What a segment is called, and how often each was met.

/// Verdicts on one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdicts(u16);

impl Verdicts {
    /// Fast and spurious ones included.
    pub(super) const RETRANSMISSION: u16 = 1;
    pub(super) const FAST_RETRANSMISSION: u16 = 1 << 1;
    pub(super) const SPURIOUS_RETRANSMISSION: u16 = 1 << 2;
    pub(super) const OUT_OF_ORDER: u16 = 1 << 3;
    pub(super) const DUPLICATE_ACK: u16 = 1 << 4;
    pub(super) const ZERO_WINDOW: u16 = 1 << 5;
    pub(super) const WINDOW_FULL: u16 = 1 << 6;
    pub(super) const KEEP_ALIVE: u16 = 1 << 7;
    /// Something between the previous segment and this one was not seen.
    pub(super) const LOST_SEGMENT: u16 = 1 << 8;
    /// Acknowledges what was not seen: it was lost on the way here, not on the way there.
    pub(super) const ACKED_UNSEEN: u16 = 1 << 9;
    pub(super) const RESET: u16 = 1 << 10;
    /// One byte into a closed window.
    pub(super) const ZERO_WINDOW_PROBE: u16 = 1 << 11;

    pub(super) fn insert(&mut self, verdict: u16) {
        self.0 |= verdict;
    }

    pub(super) const fn has(self, verdict: u16) -> bool {
        self.0 & verdict != 0
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Verdicts by kind; kinds in the order of their bits.
pub(super) const KINDS: usize = 11;

/// How often each verdict was given to the segments of one end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally([u32; KINDS]);

impl Tally {
    pub(super) fn add(&mut self, verdicts: Verdicts) {
        for (kind, count) in self.0.iter_mut().enumerate() {
            *count = count.saturating_add(u32::from(verdicts.has(1 << kind)));
        }
    }

    pub(super) fn of(&self, verdict: u16) -> u64 {
        self.0.get(verdict.trailing_zeros() as usize).map_or(0, |count| u64::from(*count))
    }
}
