//! Which bytes of one end have not been seen, between what has been acknowledged and the highest one seen.

use crate::stream::seq::{ge, gt, le, lt};

/// Holes kept per end.
pub(super) const MOST: usize = 4;

/// Holes from the lowest to the highest, as first byte and the one behind the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Holes {
    edges: [(u32, u32); MOST],
    len: u8,
}

impl Holes {
    fn as_slice(&self) -> &[(u32, u32)] {
        self.edges.get(..usize::from(self.len)).unwrap_or(&[])
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A hole above all others. The highest one grows up to it if there are too many.
    pub(super) fn push(&mut self, from: u32, to: u32) {
        if let Some(slot) = self.edges.get_mut(usize::from(self.len)) {
            *slot = (from, to);
            self.len += 1;
        } else if let Some(last) = self.edges.last_mut() {
            last.1 = to;
        }
    }

    /// Whether any byte from `from` up to `to` is missing.
    pub(super) fn touch(&self, from: u32, to: u32) -> bool {
        self.as_slice().iter().any(|hole| lt(hole.0, to) && gt(hole.1, from))
    }

    /// These bytes came.
    pub(super) fn fill(&mut self, from: u32, to: u32) {
        if !self.touch(from, to) {
            return;
        }
        let old = *self;
        self.len = 0;
        for &(first, behind) in old.as_slice() {
            if le(to, first) || ge(from, behind) {
                self.push(first, behind);
                continue;
            }
            if lt(first, from) {
                self.push(first, from);
            }
            if lt(to, behind) {
                self.push(to, behind);
            }
        }
    }

    /// Everything below has been acknowledged. True if some of it was missing.
    pub(super) fn acknowledge(&mut self, ack: u32) -> bool {
        let missing = self.as_slice().iter().any(|hole| lt(hole.0, ack));
        if missing {
            let old = *self;
            self.len = 0;
            for &(first, behind) in old.as_slice() {
                if gt(behind, ack) {
                    self.push(if lt(first, ack) { ack } else { first }, behind);
                }
            }
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_hole_is_filled_from_within_and_acknowledged_from_below() {
        let mut holes = Holes::default();
        holes.push(u32::MAX - 9, 10);
        holes.fill(u32::MAX - 4, 5);
        assert_eq!(holes.as_slice(), [(u32::MAX - 9, u32::MAX - 4), (5, 10)]);
        assert!(holes.acknowledge(7));
        assert_eq!(holes.as_slice(), [(7, 10)]);
        holes.fill(0, 20);
        assert!(holes.is_empty() && !holes.acknowledge(30));
    }

    proptest! {
        #[test]
        fn up_to_four_holes_are_exact_and_more_only_grow(
            steps in prop::collection::vec((0u32..4, 1u32..20, 0u32..200), 1..60),
            base in any::<u32>(),
        ) {
            let (mut holes, mut missing) = (Holes::default(), vec![false; 4096]);
            let (mut next, mut exact) = (0u32, true);
            for (kind, size, at) in steps {
                let (from, to) = match kind {
                    0 => (next + size, next + 2 * size),
                    1 => (next, next + size),
                    _ => (at.min(next), (at.min(next) + size).min(next)),
                };
                if kind == 0 {
                    exact &= usize::from(holes.len) < MOST;
                    holes.push(base.wrapping_add(next), base.wrapping_add(from));
                    missing[next as usize..from as usize].fill(true);
                } else {
                    exact &= usize::from(holes.len) < MOST;
                    holes.fill(base.wrapping_add(from), base.wrapping_add(to));
                    missing[from as usize..to as usize].fill(false);
                }
                next = next.max(to);
            }
            for at in 0..next {
                let one = base.wrapping_add(at);
                let held = holes.touch(one, one.wrapping_add(1));
                prop_assert!(held || !missing[at as usize]);
                prop_assert!(!exact || held == missing[at as usize]);
            }
        }
    }
}
