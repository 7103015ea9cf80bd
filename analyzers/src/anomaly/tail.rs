//! From scores to tail probabilities: what was seen below a threshold, a generalised Pareto law above it.
//!
//! Peaks over threshold (Pickands 1975; Balkema and de Haan 1974), as Siffer et al. use it on streams ("Anomaly
//! Detection in Streams with Extreme Value Theory", KDD 2017). Shape and scale by probability-weighted moments
//! (Hosking and Wallis, Technometrics 1987), which need no iteration and hold for few excesses, for shapes up to 0.5.
//! Below 0 the law ends at a largest possible score. No sample can vouch for one, so errors and distances are given
//! shapes from 0 on ([`Tail::fit`]); the fused score has one, since no probability in it is below what the samples
//! can show, and its law may end ([`Tail::fit_bounded`]).

use serde::{Deserialize, Serialize};

/// Kept of the sample below the threshold.
const QUANTILES: usize = 256;
/// The part of the sample that lies above the threshold.
const ABOVE: f64 = 0.1;
const LEAST_ABOVE: usize = 10;
/// Fewer scores than this say nothing about a tail.
const LEAST: usize = 20;
/// Bounds of the law's shape.
const MOST_SHAPE: f64 = 0.5;
/// How far a sample is trusted beyond its own size.
const BEYOND: f64 = 10.0;

/// The distribution of a score.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tail {
    /// Sorted, evenly spaced in rank.
    quantiles: Vec<f64>,
    count: usize,
    threshold: f64,
    /// Part of the sample above the threshold.
    above: f64,
    scale: f64,
    shape: f64,
}

impl Tail {
    /// Fits a sample without an upper bound; what is not a number is left out.
    pub(super) fn fit(sample: &[f64]) -> Self {
        Self::fit_shaped(sample, 0.0, sample.len() as f64 * ABOVE)
    }

    /// Fits a sample that may have an upper bound, and of which only the highest are of one kind: peaks of usual and of
    /// new hosts lie apart, and a law fitted to both overshoots. So the square root of the sample lies above the threshold.
    pub(super) fn fit_bounded(sample: &[f64]) -> Self {
        Self::fit_shaped(sample, -MOST_SHAPE, (sample.len() as f64).sqrt())
    }

    fn fit_shaped(sample: &[f64], least_shape: f64, above: f64) -> Self {
        let mut sorted: Vec<f64> = sample.iter().copied().filter(|x| x.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        if count < LEAST {
            return Self { count, ..Self::default() };
        }
        let excesses = (above as usize).max(LEAST_ABOVE).min(count - 1);
        let at = count - excesses - 1;
        let threshold = sorted[at];
        let over: Vec<f64> = sorted[at + 1..].iter().map(|x| x - threshold).collect();
        let (scale, shape) = moments(&over, least_shape);
        // Where the highest scores are equal the law has no width: what lies above is as rare as can be said.
        let scale = scale.max(1e-6 * threshold.abs().max(1e-6));
        let steps = QUANTILES.min(count);
        let quantiles = (0..steps).map(|i| sorted[i * (count - 1) / (steps - 1).max(1)]).collect();
        Self { quantiles, count, threshold, above: excesses as f64 / count as f64, scale, shape }
    }

    /// Probability of a score that is at least this: in (0, 1]. 1 if nothing is known.
    pub(super) fn probability(&self, score: f64) -> f64 {
        if self.quantiles.is_empty() || score.is_nan() {
            return 1.0;
        }
        let floor = 1.0 / (BEYOND * (self.count as f64 + 1.0));
        if score > self.threshold {
            return (self.above * self.survival(score - self.threshold)).clamp(floor, 1.0);
        }
        let below = self.quantiles.partition_point(|x| *x < score);
        let part = 1.0 - below as f64 / self.quantiles.len() as f64;
        part.clamp(self.above, 1.0)
    }

    fn survival(&self, excess: f64) -> f64 {
        let x = excess / self.scale;
        if self.shape.abs() < 1e-6 {
            (-x).exp()
        } else {
            (1.0 + self.shape * x).max(0.0).powf(-1.0 / self.shape)
        }
    }

    /// The score that is exceeded with this probability; `None` if nothing is known.
    pub(super) fn score_of(&self, probability: f64) -> Option<f64> {
        if self.quantiles.is_empty() {
            return None;
        }
        let p = probability.clamp(1e-300, 1.0);
        if p >= self.above {
            let at = ((1.0 - p) * (self.quantiles.len() - 1) as f64) as usize;
            return self.quantiles.get(at).copied();
        }
        let ratio = self.above / p;
        let excess = if self.shape.abs() < 1e-6 {
            ratio.ln()
        } else {
            (ratio.powf(self.shape) - 1.0) / self.shape
        };
        Some(self.threshold + self.scale * excess)
    }

    pub(super) fn is_sound(&self) -> bool {
        self.quantiles.is_sorted()
            && self.quantiles.iter().all(|x| x.is_finite())
            && [self.threshold, self.above, self.scale, self.shape].iter().all(|x| x.is_finite())
            && (self.quantiles.is_empty() || self.scale > 0.0 && self.shape.abs() <= MOST_SHAPE)
    }
}

/// Scale and shape of sorted excesses.
fn moments(over: &[f64], least_shape: f64) -> (f64, f64) {
    let n = over.len() as f64;
    let mean = over.iter().sum::<f64>() / n.max(1.0);
    let weighted: f64 = over
        .iter()
        .enumerate()
        .map(|(i, x)| x * (n - 1.0 - i as f64) / (n - 1.0).max(1.0))
        .sum::<f64>()
        / n.max(1.0);
    let spread = mean - 2.0 * weighted;
    if spread <= 0.0 || !spread.is_finite() {
        return (mean, 0.0f64.max(least_shape));
    }
    let shape = 2.0 - mean / spread;
    let clamped = shape.clamp(least_shape, MOST_SHAPE);
    // With the shape given, the scale that keeps the mean.
    let scale =
        if shape == clamped { 2.0 * mean * weighted / spread } else { mean * (1.0 - clamped) };
    (scale, clamped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::hash::Random;
    use proptest::prelude::*;

    #[test]
    fn a_law_is_found_again() {
        for shape in [0.0f64, 0.2, 0.4] {
            let mut random = Random::new(9);
            let sample: Vec<f64> = (0..20_000)
                .map(|_| {
                    let u = 1.0 - random.unit();
                    if shape == 0.0 { -2.0 * u.ln() } else { 2.0 * (u.powf(-shape) - 1.0) / shape }
                })
                .collect();
            let tail = Tail::fit(&sample);
            for p in [0.3f64, 0.05, 0.001, 0.0001] {
                let exact =
                    if shape == 0.0 { -2.0 * p.ln() } else { 2.0 * (p.powf(-shape) - 1.0) / shape };
                let estimate = tail.probability(exact);
                assert!((estimate.ln() - p.ln()).abs() < 0.6, "shape {shape}: {p} is {estimate}");
                let back = tail.score_of(p).unwrap();
                assert!((tail.probability(back).ln() - p.ln()).abs() < 0.05, "{p} {back}");
            }
        }
    }

    #[test]
    fn a_law_that_ends_is_found_where_it_may() {
        let mut random = Random::new(4);
        let sample: Vec<f64> = (0..5000).map(|_| random.unit()).collect();
        let bounded = Tail::fit_bounded(&sample).score_of(1e-4).unwrap();
        // From 70 excesses: within a few per cent of the true end at 1.
        assert!((0.97..1.06).contains(&bounded), "{bounded}");
        assert!(Tail::fit(&sample).score_of(1e-4).unwrap() > 1.1);
        assert!(Tail::fit_bounded(&sample).probability(5.0) > 0.0);
    }

    #[test]
    fn few_or_equal_scores_are_no_reason_to_be_sure() {
        assert!((Tail::fit(&[1.0; 10]).probability(100.0) - 1.0).abs() < 1e-9);
        let tail = Tail::fit(&[1.0; 100]);
        assert!((tail.probability(1.0) - 1.0).abs() < 1e-9);
        let p = tail.probability(2.0);
        assert!(p > 0.0 && p <= 0.001, "{p}");
        assert!(tail.is_sound());
    }

    proptest! {
        #[test]
        fn probabilities_fall_with_the_score(
            sample in prop::collection::vec(-1e6f64..1e6, 0..300),
            a in -2e6f64..2e6, b in -2e6f64..2e6,
        ) {
            let tail = Tail::fit(&sample);
            let (low, high) = (a.min(b), a.max(b));
            let (p, q) = (tail.probability(low), tail.probability(high));
            prop_assert!(p >= q && q > 0.0 && p <= 1.0, "{p} {q}");
            prop_assert!(tail.is_sound());
        }
    }
}
