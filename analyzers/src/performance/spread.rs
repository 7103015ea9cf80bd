//! Times in a histogram that is small enough to be had by each host: eight steps per power of two, so that a
//! value is off by at most 1/16 of itself. 800 bytes, and none before the first value.

use crate::events::Distribution;

/// Steps per power of two, as a shift.
const STEPS: u32 = 3;
/// Longer than this counts as this, microseconds: 2^27 − 1, two minutes.
const LONGEST_US: u32 = (1 << 27) - 1;
const BUCKETS: usize = (27 - STEPS as usize + 1) << STEPS;

#[derive(Clone, Debug, Default)]
pub(super) struct Spread {
    counts: Option<Box<[u32; BUCKETS]>>,
    total: u64,
    sum_us: u64,
    min_us: u32,
    max_us: u32,
}

const fn bucket(us: u32) -> usize {
    if us < 1 << STEPS {
        return us as usize;
    }
    let power = us.ilog2();
    let step = (us >> (power - STEPS)) & ((1 << STEPS) - 1);
    (((power - STEPS + 1) << STEPS) | step) as usize
}

/// The middle of a bucket.
const fn value(bucket: usize) -> u64 {
    if bucket < 1 << STEPS {
        return bucket as u64;
    }
    let shift = (bucket >> STEPS) as u32 - 1;
    let low = ((1u64 << STEPS) | (bucket as u64 & ((1 << STEPS) - 1))) << shift;
    low + (1 << shift) / 2
}

impl Spread {
    pub(super) fn add(&mut self, us: u32) {
        let us = us.min(LONGEST_US);
        let counts = self.counts.get_or_insert_with(|| Box::new([0; BUCKETS]));
        if let Some(count) = counts.get_mut(bucket(us)) {
            *count = count.saturating_add(1);
        }
        self.min_us = if self.total == 0 { us } else { self.min_us.min(us) };
        self.max_us = self.max_us.max(us);
        self.total += 1;
        self.sum_us += u64::from(us);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        let Some(theirs) = &other.counts else { return };
        let counts = self.counts.get_or_insert_with(|| Box::new([0; BUCKETS]));
        counts.iter_mut().zip(theirs.iter()).for_each(|(a, b)| *a = a.saturating_add(*b));
        let empty = self.total == 0;
        self.min_us = if empty { other.min_us } else { self.min_us.min(other.min_us) };
        self.max_us = self.max_us.max(other.max_us);
        self.total += other.total;
        self.sum_us += other.sum_us;
    }

    pub(super) fn len(&self) -> u64 {
        self.total
    }

    /// The value below which the share `q` of all lies, microseconds.
    pub(super) fn quantile(&self, q: f64) -> u64 {
        let Some(counts) = &self.counts else { return 0 };
        let rank = ((q * self.total as f64).ceil() as u64).max(1);
        let mut passed = 0;
        let at = counts.iter().position(|count| {
            passed += u64::from(*count);
            passed >= rank
        });
        let middle = at.map_or(u64::from(self.max_us), value);
        middle.clamp(self.min_us.into(), self.max_us.into())
    }

    pub(super) fn distribution(&self) -> Distribution {
        if self.total == 0 {
            return Distribution::default();
        }
        Distribution {
            count: self.total,
            min: self.min_us.into(),
            mean: self.sum_us as f64 / self.total as f64,
            p50: self.quantile(0.5),
            p90: self.quantile(0.9),
            p99: self.quantile(0.99),
            max: self.max_us.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_are_in_order_and_none_is_left_out() {
        assert_eq!(bucket(LONGEST_US), BUCKETS - 1);
        let mut last = 0;
        for us in 0..100_000 {
            let at = bucket(us);
            assert!(at == last || at == last + 1, "{us}");
            assert!(value(at).abs_diff(us.into()) * 16 <= u64::from(us), "{us}");
            last = at;
        }
    }

    proptest! {
        #[test]
        fn quantiles_are_within_a_sixteenth_also_after_merging(
            mut values in prop::collection::vec(0u32..5_000_000, 1..300),
            cut in 0usize..300,
            q in 0.01f64..1.0,
        ) {
            let (mut a, mut b) = (Spread::default(), Spread::default());
            let cut = cut.min(values.len());
            values[..cut].iter().for_each(|us| a.add(*us));
            values[cut..].iter().for_each(|us| b.add(*us));
            a.merge(&b);
            values.sort_unstable();
            let rank = ((q * values.len() as f64).ceil() as usize).max(1);
            let exact = u64::from(values[rank - 1]);
            prop_assert!(a.quantile(q).abs_diff(exact) * 16 <= exact, "{} {exact}", a.quantile(q));
            prop_assert_eq!(a.distribution().max, u64::from(values[values.len() - 1]));
        }
    }
}
