//! From the hash of a key to a place in the slab: open addressing with linear probing.
//!
//! An entry is 8 bytes, place and upper half of the hash, so a lookup touches one line here and one
//! flow. The position at which an entry would like to be follows from its half of the hash alone,
//! so that entries can be moved back into a gap (Knuth, TAOCP 3, 6.4 algorithm R) without looking at
//! flows, and no tombstones pile up. The table is made at its full size: zeroed memory costs
//! nothing until it is touched, and nothing is ever rehashed.

/// Entries per flow at least: load stays at or below 2/3.
const SPACE_NUMERATOR: u64 = 3;
const SPACE_DENOMINATOR: u64 = 2;

#[derive(Debug)]
pub(super) struct Index {
    /// 0 is free; else hash half << 32 | place + 1.
    entries: Vec<u64>,
    mask: usize,
    /// 64 less the logarithm of the size: what remains of the hash half's position.
    shift: u32,
}

impl Index {
    pub(super) fn new(max_entries: u32) -> Self {
        let wanted = u64::from(max_entries) * SPACE_NUMERATOR / SPACE_DENOMINATOR;
        let size = usize::try_from(wanted.next_power_of_two()).unwrap_or(usize::MAX).max(16);
        Self { entries: vec![0; size], mask: size - 1, shift: 32 - size.trailing_zeros() }
    }

    /// Bytes of the table.
    pub(super) fn bytes(&self) -> usize {
        self.entries.len() * 8
    }

    #[inline]
    fn home(&self, half: u32) -> usize {
        // The upper bits: the lower ones decide nothing else, and sizes reach 2^29 at most.
        (half >> self.shift) as usize
    }

    #[inline]
    fn half(entry: u64) -> u32 {
        (entry >> 32) as u32
    }

    /// The place of the entry with this hash for which `is_it` holds.
    #[inline]
    pub(super) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let half = Self::half(hash);
        let mut at = self.home(half);
        loop {
            let entry = self.entries[at];
            if entry == 0 {
                return None;
            }
            let place = (entry as u32).wrapping_sub(1);
            if Self::half(entry) == half && is_it(place) {
                return Some(place);
            }
            at = (at + 1) & self.mask;
        }
    }

    /// Adds an entry. The caller sees to it that there are never more than the index was made for.
    #[inline]
    pub(super) fn insert(&mut self, hash: u64, place: u32) {
        let half = Self::half(hash);
        let mut at = self.home(half);
        while self.entries[at] != 0 {
            at = (at + 1) & self.mask;
        }
        self.entries[at] = u64::from(half) << 32 | (u64::from(place) + 1);
    }

    /// Removes the entry of `place`. False if it is not there.
    pub(super) fn remove(&mut self, hash: u64, place: u32) -> bool {
        let half = Self::half(hash);
        let wanted = u64::from(half) << 32 | (u64::from(place) + 1);
        let mut gap = self.home(half);
        while self.entries[gap] != wanted {
            if self.entries[gap] == 0 {
                return false;
            }
            gap = (gap + 1) & self.mask;
        }
        let mut at = gap;
        loop {
            at = (at + 1) & self.mask;
            let entry = self.entries[at];
            if entry == 0 {
                self.entries[gap] = 0;
                return true;
            }
            // The entry may move to the gap unless its home lies behind the gap, on the way to it.
            let home = self.home(Self::half(entry));
            let from_home = at.wrapping_sub(home) & self.mask;
            let from_gap = at.wrapping_sub(gap) & self.mask;
            if from_home >= from_gap {
                self.entries[gap] = entry;
                gap = at;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn index_is_a_map(operations in prop::collection::vec((0u32..40, any::<bool>()), 0..400), spread: bool) {
            let mut index = Index::new(40);
            let mut model = HashMap::new();
            // Without spreading, hashes collide heavily and probing wraps around the end.
            let hash = |place: u32| if spread {
                u64::from(place).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            } else {
                (0xffff_fff0 + u64::from(place % 3)) << 32
            };
            for (place, insert) in operations {
                if insert {
                    if model.insert(place, ()).is_none() {
                        index.insert(hash(place), place);
                    }
                } else {
                    prop_assert_eq!(index.remove(hash(place), place), model.remove(&place).is_some());
                }
                for place in 0..40 {
                    let found = index.find(hash(place), |candidate| candidate == place);
                    prop_assert_eq!(found.is_some(), model.contains_key(&place));
                }
            }
        }
    }
}
