//! What a sample says about the whole: Horvitz–Thompson totals with an interval.
//!
//! A record that was selected with probability p stands for 1/p records (Horvitz and Thompson 1952).
//! In `flow` mode whole flows are selected, so flows are the sampling units: with y the flow's
//! figure, the variance is estimated by Σ y² (1−p)/p², and packets of one flow are anything but
//! independent. In `packet` mode each packet is a unit. The fraction may change while a flow lives;
//! thresholds are nested, so two records of a flow selected under p and q are both there with
//! probability min(p, q), and the pair adds (1 − max(p, q))/(p q) to the variance. That sum is kept
//! up to date with two numbers per flow, exactly where the fraction only rose or only fell, and
//! as an upper bound else. Escalated records are there with certainty and weigh 1.
//!
//! The interval is Hall's (1992, "On the removal of skewness by transformation"): totals of
//! heavy-tailed figures are skewed to the right, and a symmetric interval misses the truth on one
//! side. It needs the third moment beside the second. Where one flow dominates, or there are few, no
//! interval can be trusted, and the estimate says so.

use crate::events::Estimate;

/// 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_985;
/// Fewer units than this are too few.
const LEAST_UNITS: u64 = 30;
/// One unit with more than this share of the sum of squares dominates: tails as heavy as those of a
/// Pareto distribution without variance are at 0.2 and above, whatever the size of the sample.
const DOMINANT_SHARE: f64 = 0.15;

/// A total that grows record by record. Those of disjoint samples are merged by addition.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Estimator {
    observed: u64,
    total: f64,
    variance: f64,
    third: f64,
    /// Largest contribution of one unit, Σ y/p.
    largest: f64,
    /// Units that contributed.
    units: u64,
    coarse: bool,
}

/// What an [`Estimator`] keeps of a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct UnitSum {
    /// Σ y/p.
    pub weighted: f64,
    /// Σ y (1−p)/p.
    uncertain: f64,
}

impl Estimator {
    /// A record of the figure `y`, selected with probability `p`, of a unit.
    pub(super) fn add(&mut self, unit: &mut UnitSum, y: u64, p: f64) {
        let figure = y as f64;
        self.observed += y;
        self.units += u64::from(unit.weighted == 0.0);
        let old = unit.weighted;
        let weight = figure / p;
        unit.weighted += weight;
        self.total += weight;
        if p < 1.0 || unit.uncertain > 0.0 {
            let doubt = 1.0 - p;
            // Each pair of this record and an earlier one of the unit.
            let pairs = (old * doubt).min(unit.uncertain);
            self.variance += weight * weight * doubt + 2.0 * weight * pairs;
            self.third += (unit.weighted.powi(3) - old.powi(3)) * doubt * (1.0 - 2.0 * p);
            unit.uncertain += weight * doubt;
        }
        self.largest = self.largest.max(unit.weighted);
    }

    /// A record that is a unit of its own.
    pub(super) fn add_single(&mut self, y: u64, p: f64) {
        self.add(&mut UnitSum::default(), y, p);
    }

    /// The unit itself, once, where the figure is their number. `best` is the largest probability
    /// with which one of its records was selected so far, 0 before the first.
    pub(super) fn add_unit(&mut self, best: &mut f64, p: f64) {
        if p <= *best {
            return;
        }
        let moments = |p: f64| {
            let (w, doubt) = (1.0 / p, 1.0 - p);
            (w, w * w * doubt, w.powi(3) * doubt * (1.0 - 2.0 * p))
        };
        let (w, v, t) = moments(p);
        if *best == 0.0 {
            self.observed += 1;
            self.units += 1;
        } else {
            // Selected under a smaller fraction it would have been selected now as well, and stands
            // for fewer.
            let (old_w, old_v, old_t) = moments(*best);
            self.total -= old_w;
            self.variance -= old_v;
            self.third -= old_t;
        }
        self.total += w;
        self.variance += v;
        self.third += t;
        self.largest = self.largest.max(w);
        *best = p;
    }

    /// From now on the variance is a guess: the sampling units are not known.
    pub(super) fn mark_coarse(&mut self) {
        self.coarse = true;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.observed += other.observed;
        self.total += other.total;
        self.variance += other.variance;
        self.third += other.third;
        self.largest = self.largest.max(other.largest);
        self.units += other.units;
        self.coarse |= other.coarse;
    }

    pub(super) fn total(&self) -> f64 {
        self.total
    }

    pub(super) fn estimate(&self) -> Estimate {
        let variance = self.variance.max(0.0);
        if variance == 0.0 {
            let ci95 = [self.total; 2];
            let (observed, estimate) = (self.observed, self.total);
            return Estimate { observed, estimate, ci95, unreliable: self.coarse };
        }
        let error = variance.sqrt();
        let skewness = self.third / (variance * error);
        let low = self.total - error * hall_inverse(Z, skewness);
        let high = self.total - error * hall_inverse(-Z, skewness);
        let at_least = self.observed as f64;
        let dominated = self.largest * self.largest > DOMINANT_SHARE * variance;
        Estimate {
            observed: self.observed,
            estimate: self.total,
            ci95: [low.max(at_least), high.max(at_least)],
            unreliable: self.coarse || self.units < LEAST_UNITS || dominated,
        }
    }
}

/// The inverse of Hall's monotone cubic transformation of a studentised total.
fn hall_inverse(x: f64, skewness: f64) -> f64 {
    if skewness.abs() < 1e-9 {
        return x;
    }
    3.0 / skewness * ((1.0 + skewness * (x - skewness / 6.0)).cbrt() - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// splitmix64: a generator of a test needs no more.
    pub(crate) struct Draws(pub u64);

    impl Draws {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }

        fn uniform(&mut self) -> f64 {
            ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
        }

        fn normal(&mut self) -> f64 {
            (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
        }
    }

    #[test]
    fn everything_selected_is_known_exactly() {
        let mut estimator = Estimator::default();
        let mut unit = UnitSum::default();
        (0..10).for_each(|_| estimator.add(&mut unit, 100, 1.0));
        let estimate = estimator.estimate();
        assert_eq!((estimate.observed, estimate.estimate), (1000, 1000.0));
        assert_eq!(estimate.ci95, [1000.0; 2]);
        assert!(!estimate.unreliable);
    }

    #[test]
    fn variance_of_a_flow_is_that_of_its_total() {
        let (p, mut estimator, mut unit) = (0.05, Estimator::default(), UnitSum::default());
        for y in [1, 7, 3, 9] {
            estimator.add(&mut unit, y, p);
        }
        let expected = 400.0 * (1.0 - p) / (p * p);
        assert!((estimator.variance - expected).abs() < 1e-9 * expected);
        let third = 20f64.powi(3) * (1.0 - p) * (1.0 - 2.0 * p) / p.powi(3);
        assert!((estimator.third - third).abs() < 1e-9 * third);
    }

    #[test]
    fn pairs_under_different_fractions_count_with_the_larger() {
        for (first, second) in [(0.1, 0.4), (0.4, 0.1)] {
            let (mut estimator, mut unit) = (Estimator::default(), UnitSum::default());
            estimator.add(&mut unit, 3, first);
            estimator.add(&mut unit, 5, second);
            let own = |y: f64, p: f64| y * y * (1.0 - p) / (p * p);
            let pair = 2.0 * 15.0 * (1.0 - 0.4) / (first * second);
            let expected = own(3.0, first) + own(5.0, second) + pair;
            assert!((estimator.variance - expected).abs() < 1e-9 * expected);
        }
    }

    #[test]
    fn escalated_records_add_certainty_only() {
        let (mut estimator, mut unit) = (Estimator::default(), UnitSum::default());
        estimator.add(&mut unit, 4, 0.1);
        let before = estimator.variance;
        estimator.add(&mut unit, 6, 1.0);
        assert_eq!(estimator.variance, before);
        assert_eq!(estimator.total, 46.0);
    }

    #[test]
    fn a_flow_that_is_seen_under_a_larger_fraction_stands_for_fewer() {
        let (mut estimator, mut best) = (Estimator::default(), 0.0);
        estimator.add_unit(&mut best, 0.1);
        estimator.add_unit(&mut best, 0.05);
        assert_eq!(estimator.total, 10.0);
        estimator.add_unit(&mut best, 0.5);
        assert_eq!((estimator.total, estimator.observed), (2.0, 1));
        assert!((estimator.variance - 2.0).abs() < 1e-9);
    }

    #[test]
    fn totals_are_unbiased_and_variances_honest_when_the_fraction_changes() {
        // 400 flows of 1 to 20 packets; the fraction changes from 0.2 to 0.5 to 0.1 as they go.
        let phases = [0.2, 0.5, 0.1];
        let (mut sum, mut square, mut variance) = (0.0, 0.0, 0.0);
        let seeds = 3000u64;
        let truth: f64 = (0..400u64).map(|i| (1 + i % 20) as f64).sum();
        for seed in 0..seeds {
            let (mut draws, mut estimator) = (Draws(seed), Estimator::default());
            for flow in 0..400u64 {
                let (at, mut unit) = (draws.uniform(), UnitSum::default());
                for packet in 0..=flow % 20 {
                    let p = phases[(packet % 3) as usize];
                    if at < p {
                        estimator.add(&mut unit, 1, p);
                    }
                }
            }
            sum += estimator.total;
            square += estimator.total * estimator.total;
            variance += estimator.variance;
        }
        let n = seeds as f64;
        let mean = sum / n;
        let spread = square / n - mean * mean;
        assert!((mean - truth).abs() < 4.0 * (spread / n).sqrt(), "{mean} {truth}");
        // An upper bound, since fractions rise and fall, but not a useless one.
        let ratio = variance / n / spread;
        assert!((0.95..1.5).contains(&ratio), "{ratio}");
    }

    /// Shares of samples whose interval holds the truth: of flows, of packets.
    fn coverage(p: f64, sizes: &[u64], seeds: u64) -> (f64, f64) {
        let truth: u64 = sizes.iter().sum();
        let threshold = (p * (1u64 << 32) as f64) as u64;
        let (mut flows_held, mut packets_held) = (0u64, 0u64);
        for seed in 0..seeds {
            let mut draws = Draws(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
            let (mut flows, mut packets) = (Estimator::default(), Estimator::default());
            for size in sizes {
                if draws.next() >> 32 < threshold {
                    flows.add_unit(&mut 0.0, p);
                    packets.add(&mut UnitSum::default(), *size, p);
                }
            }
            let holds = |e: Estimate, truth: u64| {
                u64::from(e.ci95[0] <= truth as f64 && truth as f64 <= e.ci95[1])
            };
            flows_held += holds(flows.estimate(), sizes.len() as u64);
            packets_held += holds(packets.estimate(), truth);
        }
        (flows_held as f64 / seeds as f64, packets_held as f64 / seeds as f64)
    }

    #[test]
    fn intervals_of_flow_sampling_hold_the_truth_in_95_of_100_samples() {
        let mut draws = Draws(7);
        let sizes: Vec<u64> =
            (0..60_000).map(|_| (1.5 + draws.normal()).exp().ceil() as u64).collect();
        for p in [0.25, 0.05, 0.01] {
            let (flows, packets) = coverage(p, &sizes, 2000);
            assert!((0.935..=0.965).contains(&flows), "flows at {p}: {flows}");
            assert!((0.935..=0.965).contains(&packets), "packets at {p}: {packets}");
        }
    }

    #[test]
    fn a_sample_that_one_flow_dominates_says_so() {
        let (mut draws, mut estimator) = (Draws(3), Estimator::default());
        for _ in 0..10_000 {
            // Pareto with shape 1.1: the mean exists, the variance does not.
            let size = draws.uniform().powf(-1.0 / 1.1).min(1e9) as u64;
            estimator.add(&mut UnitSum::default(), size, 0.01);
        }
        assert!(estimator.estimate().unreliable);
        let mut few = Estimator::default();
        (0..10).for_each(|_| few.add_single(5, 0.5));
        assert!(few.estimate().unreliable);
    }

    #[test]
    fn no_interval_reaches_below_what_was_counted() {
        let mut estimator = Estimator::default();
        (0..40).for_each(|_| estimator.add_single(1, 0.9));
        assert!(estimator.estimate().ci95[0] >= 40.0);
    }
}
