//! Who moves most, in bounded memory.
//!
//! The frequent-items sketch of Misra and Gries (1982) for weighted updates, as Anderson et al. made
//! it fast ("A High-Performance Algorithm for Identifying Frequent Items in Data Streams", IMC 2017):
//! a table of counters; when it is full the median is taken off all, and those at or below it go.
//! What was taken off in all is the error bound: a key's true weight lies between its counter and its
//! counter plus the bound, and no key outside the table weighs more than the bound, which is at most
//! twice the total weight over the capacity. Tables are merged by adding counters and bounds
//! (Agarwal et al., "Mergeable Summaries", PODS 2012).

use std::hash::Hash;

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use crate::events::{TopRow, TopTable};

#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    bytes: f64,
    packets: f64,
}

/// The heaviest keys by bytes.
#[derive(Clone, Debug)]
pub(super) struct Top<K> {
    counters: HashMap<K, Counter, RandomState>,
    capacity: usize,
    /// What may be missing from any counter.
    bound: f64,
    total: f64,
}

impl<K: Hash + Eq + Ord + Clone> Top<K> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { counters: HashMap::default(), capacity: capacity.max(1), bound: 0.0, total: 0.0 }
    }

    pub(super) fn add(&mut self, key: K, bytes: f64, packets: f64) {
        self.total += bytes;
        self.put(key, Counter { bytes, packets });
        if self.counters.len() > self.capacity {
            self.purge();
        }
    }

    fn put(&mut self, key: K, more: Counter) {
        let counter = self.counters.entry(key).or_default();
        counter.bytes += more.bytes;
        counter.packets += more.packets;
    }

    /// Takes off the median, or as much more as brings the table down to its capacity.
    fn purge(&mut self) {
        let mut weights: Vec<f64> = self.counters.values().map(|c| c.bytes).collect();
        let excess = weights.len().saturating_sub(self.capacity);
        let at = (weights.len() / 2).max(excess.saturating_sub(1)).min(weights.len() - 1);
        let (_, taken, _) = weights.select_nth_unstable_by(at, f64::total_cmp);
        let taken = *taken;
        self.bound += taken;
        self.counters.retain(|_, counter| {
            counter.bytes -= taken;
            counter.bytes > 0.0
        });
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.total += other.total;
        self.bound += other.bound;
        for (key, counter) in &other.counters {
            self.put(key.clone(), *counter);
        }
        if self.counters.len() > self.capacity {
            self.purge();
        }
    }

    /// The `rows` heaviest, largest first.
    pub(super) fn table(&self, rows: usize, name: impl Fn(&K) -> String) -> TopTable {
        let mut entries: Vec<_> = self.counters.iter().collect();
        // By key among equals, so that the order does not depend on the hash.
        entries.sort_by(|a, b| b.1.bytes.total_cmp(&a.1.bytes).then_with(|| a.0.cmp(b.0)));
        let rows = entries.iter().take(rows).map(|(key, counter)| TopRow {
            key: name(key),
            packets: counter.packets,
            bytes: counter.bytes + self.bound,
            bytes_error: self.bound,
        });
        TopTable { rows: rows.collect(), total_bytes: self.total, unlisted_at_most: self.bound }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn few_keys_are_counted_exactly() {
        let mut top = Top::new(8);
        for (key, bytes) in [(1, 10.0), (2, 30.0), (1, 25.0), (3, 1.0)] {
            top.add(key, bytes, 1.0);
        }
        let table = top.table(2, |key: &i32| key.to_string());
        let rows: Vec<_> =
            table.rows.iter().map(|r| (r.key.as_str(), r.bytes, r.packets)).collect();
        assert_eq!(rows, [("1", 35.0, 2.0), ("2", 30.0, 1.0)]);
        assert_eq!((table.total_bytes, table.unlisted_at_most), (66.0, 0.0));
    }

    proptest! {
        #[test]
        fn bounds_hold_also_after_merging(
            updates in prop::collection::vec((0u32..200, 1u32..2000), 1..2000),
            capacity in 8usize..64,
            parts in 1usize..5,
        ) {
            let mut tops = vec![Top::new(capacity); parts];
            let mut exact = std::collections::HashMap::new();
            for (i, (key, bytes)) in updates.iter().enumerate() {
                tops[i % parts].add(*key, f64::from(*bytes), 1.0);
                *exact.entry(*key).or_insert(0.0) += f64::from(*bytes);
            }
            let mut merged = tops.pop().unwrap();
            tops.iter().for_each(|top| merged.merge(top));
            prop_assert!(merged.counters.len() <= capacity);
            let total: f64 = exact.values().sum();
            prop_assert_eq!(merged.total, total);
            prop_assert!(merged.bound <= 2.0 * total / capacity as f64 + 2000.0 * parts as f64);
            for (key, truth) in &exact {
                let counted = merged.counters.get(key).map_or(0.0, |c| c.bytes);
                prop_assert!(counted <= *truth + 1e-6);
                prop_assert!(*truth <= counted + merged.bound + 1e-6);
            }
        }
    }
}
